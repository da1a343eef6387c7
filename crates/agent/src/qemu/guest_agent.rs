//! QEMU's guest agent: a program in the guest that does what it is told over a virtio serial port, one JSON object a line.
//!
//! ```text
//!   synchronise   0xFF, guest-sync-delimited(number) ─▶     what still lies in the channel is passed over ...
//!                           ... 0xFF, {"return": number} ◀─  ... up to the answer with this number
//!   a command     {"execute"} ─▶   {"return"} or {"error"} ◀─
//! ```
//!
//! The guest is not trusted, and whatever it says is believed of itself only: every wait has an end and every answer a length, and the
//! channel is opened for a few commands and closed again. Knows no machine; who asks when is the machine's task.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

/// The name of the port in the guest, which agents look for.
pub const PORT: &str = "org.qemu.guest_agent.0";
/// QEMU's name of the channel.
pub const CHANNEL: &str = "guest-agent";

/// Bytes of an answer at most; those of the commands here have less than a hundred, words of a refusal a few hundred.
const ANSWER_BYTES: usize = 16 << 10;
/// Bytes that may lie in the channel before the answer to a synchronisation: what the guest said to an earlier client, or makes up.
const STALE_BYTES: usize = 256 << 10;
/// What an agent begins the answer to a synchronisation with, and drops a half command at: no JSON has this byte.
const DELIMITER: u8 = 0xff;

/// Why a command has no result.
#[derive(Debug, thiserror::Error)]
pub enum GuestAgentError {
    /// The agent refused it.
    #[error("{class}: {description}")]
    Refused {
        /// The agent's class of the error.
        class: String,
        /// The agent's words.
        description: String,
    },
    /// No answer came in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The channel was closed.
    #[error("the channel is closed")]
    Closed,
    /// More came than an answer has.
    #[error("more than {0} bytes came and no answer")]
    TooLong(usize),
    /// What came is no answer.
    #[error("unexpected answer: {0}")]
    Protocol(String),
    /// The channel cannot be used.
    #[error("the channel cannot be reached: {0}")]
    Channel(#[from] std::io::Error),
}

/// An open channel to a guest's agent. QEMU serves one client at a time.
#[derive(Debug)]
pub struct GuestAgent {
    from: BufReader<OwnedReadHalf>,
    to: OwnedWriteHalf,
}

impl GuestAgent {
    /// Opens the channel. Whether anybody listens in the guest is not known by that.
    pub fn open(socket: &Path) -> Result<GuestAgent, GuestAgentError> {
        let stream = crate::files::connect(socket)?;
        stream.set_nonblocking(true)?;
        let (from, to) = UnixStream::from_std(stream)?.into_split();
        Ok(GuestAgent { from: BufReader::new(from), to })
    }

    /// Waits until the agent answers to what is said now.
    pub async fn synchronise(&mut self, limit: Duration) -> Result<(), GuestAgentError> {
        let number = new_number()?;
        let exchange = async {
            self.to.write_all(&synchronisation(number)).await?;
            self.pass_over(number).await
        };
        timeout(limit, exchange).await.map_err(|_| GuestAgentError::Timeout(limit))?
    }

    /// Has the guest write out and hold all its file systems; gives how many are held. One that did not answer in time may hold them at
    /// any moment after.
    pub async fn freeze(&mut self, limit: Duration) -> Result<u64, GuestAgentError> {
        let exchange = async {
            self.to.write_all(command("guest-fsfreeze-freeze").as_bytes()).await?;
            count(self.answer().await?)
        };
        timeout(limit, exchange).await.map_err(|_| GuestAgentError::Timeout(limit))?
    }

    /// Has the guest let its file systems go, whatever it was told before and answers still; gives how many it had held.
    pub async fn thaw(&mut self, limit: Duration) -> Result<u64, GuestAgentError> {
        let number = new_number()?;
        let exchange = async {
            // In one piece: an agent that is busy answers to none of it now, and does all of it when it comes to it.
            self.to.write_all(&thaw_after(number)).await?;
            self.pass_over(number).await?;
            count(self.answer().await?)
        };
        timeout(limit, exchange).await.map_err(|_| GuestAgentError::Timeout(limit))?
    }

    /// Tells the guest to let its file systems go, without waiting for anything. False if that could not even be said.
    pub fn thaw_unheard(&self) -> bool {
        let text = thaw_after(0);
        self.to.try_write(&text).is_ok_and(|sent| sent == text.len())
    }

    /// Reads up to the answer to a synchronisation.
    async fn pass_over(&mut self, number: i64) -> Result<(), GuestAgentError> {
        let mut left = STALE_BYTES;
        while left > 0 {
            let line = self.line(left).await?;
            left = left.saturating_sub(line.len());
            // A line that was torn may stand before the delimiter.
            let Some(at) = line.iter().rposition(|byte| *byte == DELIMITER) else { continue };
            let answer = serde_json::from_slice::<Answer>(&line[at + 1..]).ok();
            if answer.and_then(|answer| answer.result?.as_i64()) == Some(number) {
                return Ok(());
            }
        }
        Err(GuestAgentError::TooLong(STALE_BYTES))
    }

    async fn answer(&mut self) -> Result<Value, GuestAgentError> {
        let line = self.line(ANSWER_BYTES).await?;
        let answer: Answer = serde_json::from_slice(&line).map_err(|e| GuestAgentError::Protocol(e.to_string()))?;
        match answer {
            Answer { error: Some(Refusal { class, desc: description }), .. } => Err(GuestAgentError::Refused { class, description }),
            Answer { result: Some(value), .. } => Ok(value),
            Answer { result: None, error: None } => Err(GuestAgentError::Protocol("neither a result nor a refusal".to_owned())),
        }
    }

    async fn line(&mut self, most: usize) -> Result<Vec<u8>, GuestAgentError> {
        let mut line = Vec::new();
        (&mut self.from).take(most as u64).read_until(b'\n', &mut line).await?;
        match line.last() {
            Some(b'\n') => Ok(line),
            Some(_) if line.len() >= most => Err(GuestAgentError::TooLong(most)),
            Some(_) | None => Err(GuestAgentError::Closed),
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "return")]
    result: Option<Value>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    class: String,
    desc: String,
}

fn count(value: Value) -> Result<u64, GuestAgentError> {
    value.as_u64().ok_or_else(|| GuestAgentError::Protocol("the result is no count".to_owned()))
}

fn command(name: &str) -> String {
    format!("{}\n", json!({"execute": name}))
}

fn synchronisation(number: i64) -> Vec<u8> {
    let command = json!({"execute": "guest-sync-delimited", "arguments": {"id": number}});
    [&[DELIMITER], command.to_string().as_bytes(), b"\n"].concat()
}

fn thaw_after(number: i64) -> Vec<u8> {
    [synchronisation(number), command("guest-fsfreeze-thaw").into_bytes()].concat()
}

/// A number that no earlier client has used, as far as chance goes.
fn new_number() -> Result<i64, GuestAgentError> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).map_err(|e| std::io::Error::other(e.to_string()))?;
    Ok(i64::from(u32::from_le_bytes(bytes)) + 1)
}

#[cfg(test)]
#[path = "guest_agent_tests.rs"]
mod tests;
