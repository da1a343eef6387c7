//! Reading objects of images from the server, on a line of its own that is dialled when it is needed.
//!
//! One read at a time: the line is a local network's, and whoever reads keeps what he read.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::time::sleep;

use crate::line::Line;
use crate::message::{ObjectName, Purpose, ToHost, ToServer};
use crate::{Identity, LinkError, PART_MAX, connect};

/// How long a read waits for a server that is away. A guest waits as long for a block that nobody has read before.
const PATIENCE: Duration = Duration::from_secs(600);
/// Pause between two tries to reach the server.
const AGAIN: Duration = Duration::from_secs(1);
/// An open line that was not used for so long is dialled anew: the server ends lines on which nothing is said.
const IDLE: Duration = Duration::from_secs(10);

/// Reads objects of images.
pub struct Objects {
    identity: Identity,
    build: String,
    line: Mutex<Option<(Line<ToHost, ToServer>, Instant)>>,
}

impl Objects {
    /// Reads as the host of this identity; nothing is dialled yet.
    pub fn new(identity: Identity, build: &str) -> Objects {
        Objects { identity, build: build.to_owned(), line: Mutex::new(None) }
    }

    /// Reads an object of at most `limit` bytes that an image of the host's document names. Waits up to ten minutes for a server
    /// that is away; one that does not give the object is not asked again.
    pub async fn read(&self, object: &ObjectName, limit: u64) -> Result<Vec<u8>, LinkError> {
        let began = Instant::now();
        loop {
            let mut held = self.line.lock().await;
            match self.attempt(&mut held, object, limit).await {
                Ok(bytes) => return Ok(bytes),
                Err(error @ (LinkError::NotGiven(_) | LinkError::Nonsense(_))) => return Err(error),
                Err(error) if began.elapsed() > PATIENCE => return Err(error),
                Err(error) => tracing::debug!(%error, ?object, "an object could not be read; it is tried again"),
            }
            *held = None;
            drop(held);
            sleep(AGAIN).await;
        }
    }

    async fn attempt(
        &self,
        held: &mut Option<(Line<ToHost, ToServer>, Instant)>,
        object: &ObjectName,
        limit: u64,
    ) -> Result<Vec<u8>, LinkError> {
        if held.as_ref().is_none_or(|(_, used)| used.elapsed() > IDLE) {
            *held = Some((connect(&self.identity, &self.build, Purpose::Images).await?, Instant::now()));
        }
        let (line, used) = held.as_mut().expect("it was set above when it was none");
        let mut bytes = Vec::new();
        loop {
            let total = part(line, object, &mut bytes).await?;
            *used = Instant::now();
            if total > limit {
                return Err(LinkError::Nonsense(format!("an object of {total} bytes, allowed are {limit}")));
            }
            if bytes.len() as u64 >= total {
                return Ok(bytes);
            }
        }
    }
}

/// Reads the next part of an object behind what is there; gives the bytes of the whole.
async fn part(line: &mut Line<ToHost, ToServer>, object: &ObjectName, bytes: &mut Vec<u8>) -> Result<u64, LinkError> {
    let offset = bytes.len() as u64;
    let read = ToServer::Read { number: offset, object: object.clone(), offset };
    line.outgoing.send(&read, b"").await?;
    loop {
        match line.incoming.next().await? {
            (ToHost::Part { number, total }, body) if number == offset => {
                let total = total.ok_or_else(|| LinkError::NotGiven(format!("{object:?}")))?;
                if body.is_empty() && offset < total || body.len() > PART_MAX {
                    return Err(LinkError::Nonsense("an object that stops growing".to_owned()));
                }
                bytes.extend_from_slice(&body);
                return Ok(total);
            }
            (ToHost::Part { .. } | ToHost::Document(_) | ToHost::Question(_) | ToHost::Alive, _) => {}
        }
    }
}
