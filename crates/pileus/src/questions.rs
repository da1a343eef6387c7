//! What a host is asked beside its document, and who asks: the same for the agent in this process and for one at the end of a line.
//!
//! ```text
//!   operator, API ─▶ Hosts::ask ─┬─▶ agent in this process ──▶ answer()
//!                                └─▶ line ═▶ pileus agent ──▶ answer()
//!   session   ─▶ Hosts::session ─┬─▶ agent in this process ──▶ guest
//!                                └─▶ line ═▶ pileus agent ──▶ guest, and a line of the session's own back
//! ```

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use agent::AgentHandle;
use agent::doctor::Orphan;
use control::{Cloud, ConsoleOutput, SessionTarget};
use link::{Answer, Question};
use model::{HostId, Millis};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::TlsStream;

use crate::tickets::Tickets;

/// Questions to one host that may wait for its line.
pub const QUESTIONS_WAITING: usize = 16;
/// How long an answer may take: the doctor looks twice, and waits ten seconds for what it removes.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// How long a session's line may take after the host has said that it dialled.
const LINE_WITHIN: Duration = Duration::from_secs(5);

/// A question on its way to a host.
pub struct Asked {
    /// The question.
    pub question: Question,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Answer>,
}

/// The hosts that can be asked now.
#[derive(Clone, Default)]
pub struct Hosts {
    reached: Arc<Mutex<HashMap<HostId, Reach>>>,
    tickets: Tickets<TlsStream<TcpStream>>,
}

/// The bytes from and to a port of a guest.
pub trait GuestBytes: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> GuestBytes for T {}

#[derive(Clone)]
enum Reach {
    /// The agent in this process.
    Here(Arc<AgentHandle>),
    /// An agent at the end of a line.
    Line(mpsc::Sender<Asked>),
}

impl Hosts {
    fn lock(&self) -> MutexGuard<'_, HashMap<HostId, Reach>> {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has questions answered by the agent in this process.
    pub fn here(&self, host: HostId, agent: Arc<AgentHandle>) {
        self.lock().insert(host, Reach::Here(agent));
    }

    /// Has questions go down a line, in place of the one that there was, whose questions then end.
    pub fn at_line(&self, host: HostId) -> mpsc::Receiver<Asked> {
        let (questions, asked) = mpsc::channel(QUESTIONS_WAITING);
        self.lock().insert(host, Reach::Line(questions));
        asked
    }

    /// Forgets lines that ended.
    pub fn forget_ended(&self) {
        self.lock().retain(|_, reach| !matches!(reach, Reach::Line(questions) if questions.is_closed()));
    }

    /// Lets go of the agent in this process, which is about to end.
    pub fn release_agent(&self) {
        self.lock().retain(|_, reach| matches!(reach, Reach::Line(_)));
    }

    /// Hosts that can be asked now.
    pub fn reached(&self) -> Vec<HostId> {
        let mut hosts: Vec<HostId> = self.lock().keys().copied().collect();
        hosts.sort();
        hosts
    }

    /// Asks a host; none when it is away or does not answer in time.
    pub async fn ask(&self, host: HostId, question: Question) -> Option<Answer> {
        let reach = self.lock().get(&host).cloned()?;
        let answer = async {
            match reach {
                Reach::Here(agent) => Some(answer(&agent, question).await),
                Reach::Line(line) => {
                    let (answer, answered) = oneshot::channel();
                    line.send(Asked { question, answer }).await.ok()?;
                    answered.await.ok()
                }
            }
        };
        tokio::time::timeout(ANSWER_WITHIN, answer).await.ok().flatten()
    }

    /// Connects to a port of a guest; none when its host is away, or the guest does not answer.
    pub async fn session(&self, target: &SessionTarget) -> Option<Box<dyn GuestBytes>> {
        let reach = self.lock().get(&target.host).cloned()?;
        match reach {
            Reach::Here(agent) => {
                let connected = agent.connect(target.vpc, target.to).await;
                let stream = connected.inspect_err(|error| tracing::debug!(%error, to = %target.to, "a guest is not reached")).ok()?;
                stream.set_nonblocking(true).ok()?;
                Some(Box::new(TcpStream::from_std(stream).ok()?))
            }
            Reach::Line(_) => {
                let ticket = self.tickets.expect(target.host).ok()?;
                let question = Question::Session { ticket: ticket.word().to_owned().into(), vpc: target.vpc, to: target.to };
                match self.ask(target.host, question).await? {
                    // The host answers once it was welcomed, which may be before its line is here.
                    Answer::Session => Some(Box::new(tokio::time::timeout(LINE_WITHIN, ticket.line()).await.ok()??)),
                    Answer::Console { .. } | Answer::Doctor { .. } | Answer::Flows { .. } | Answer::None => None,
                }
            }
        }
    }

    /// Hands over the line that a host dialled for a session; one that nobody waits for ends.
    pub fn session_line(&self, host: HostId, ticket: &str, line: TlsStream<TcpStream>) {
        self.tickets.hand_over(host, ticket, line);
    }

    /// Lends the consoles of a host to the control plane.
    pub fn lend_consoles(&self, cloud: &Cloud, host: HostId) {
        let hosts = self.clone();
        let read = move |instance| {
            let hosts = hosts.clone();
            let read = async move {
                match hosts.ask(host, Question::Console { instance }).await? {
                    Answer::Console { bytes, at_ms } => Some(ConsoleOutput { bytes: hex::decode(bytes).ok()?, at: Millis(at_ms) }),
                    Answer::Doctor { .. } | Answer::Session | Answer::Flows { .. } | Answer::None => None,
                }
            };
            Box::pin(read) as std::pin::Pin<Box<dyn Future<Output = Option<ConsoleOutput>> + Send>>
        };
        cloud.console_lend(host, Arc::new(read));
    }
}

/// An agent's answer.
pub async fn answer(agent: &AgentHandle, question: Question) -> Answer {
    match question {
        Question::Console { instance } => match agent.console_output(instance).await {
            Some(output) => Answer::Console { bytes: hex::encode(output.bytes), at_ms: output.at_ms },
            None => Answer::None,
        },
        Question::Flows { told } => match agent.flows_after(told).await {
            Ok(Some(report)) => Answer::Flows { report },
            Ok(None) => Answer::None,
            Err(error) => {
                tracing::warn!(%error, "flows could not be read");
                Answer::None
            }
        },
        // Of the line that it came on: it has no answer without another line.
        Question::Session { .. } => Answer::None,
        Question::Doctor { repair } => match examine(agent, repair).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::warn!(%error, "the machine could not be examined");
                let failed = vec![format!("it could not be examined: {error}")];
                Answer::Doctor { findings: failed.clone(), left: failed }
            }
        },
    }
}

async fn examine(agent: &AgentHandle, repair: bool) -> std::io::Result<Answer> {
    let sentences = |orphans: &[Orphan]| orphans.iter().map(ToString::to_string).collect::<Vec<_>>();
    let orphans = agent.orphans().await?;
    let findings = sentences(&orphans);
    let left = if repair { sentences(&agent.remove_orphans(orphans).await?) } else { findings.clone() };
    Ok(Answer::Doctor { findings, left })
}
