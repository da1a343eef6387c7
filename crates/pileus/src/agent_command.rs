//! `pileus agent`: makes this machine a host of a cloud whose server is elsewhere.
//!
//! ```text
//!   token (once) ─▶ identity.json ─▶ agent on its kept document ═ line, dialled again and again ═ server
//! ```
//!
//! Without the server the agent goes on with the newest document that it was ever given.

use std::io::Read;
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::Duration;

use agent::{Agent, AgentConfig, AgentHandle, ImageSource};
use anyhow::{Context, Result, bail};
use hostspec::{HostReport, HostSpec};
use link::{ALIVE_EVERY, Answer, Identity, Incoming, Line, LinkError, Outgoing, Purpose, Question, SecretWord, ToHost, ToServer, Token};
use model::VpcId;
use tokio::net::TcpStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, mpsc, watch};

use crate::arguments::AgentArguments;
use crate::hosts::{self, REPORTS_WAITING};
use crate::questions::{QUESTIONS_WAITING, answer};
use crate::state::{StateFolder, write_private};
use crate::{BUILD, objects, requirements, telemetry};

/// Pauses between two tries to reach the server: short at first, for a server that is being restarted.
const AGAIN_FIRST: Duration = Duration::from_millis(200);
const AGAIN_MOST: Duration = Duration::from_secs(5);
/// How long threads may take to end.
const FAREWELL: Duration = Duration::from_secs(15);

/// Runs this machine as a host until SIGTERM or Ctrl-C; guests go on.
pub fn run(arguments: &AgentArguments) -> Result<()> {
    requirements::check()?;
    let state = StateFolder::at(&arguments.state.folder)?;
    if state.exists() {
        bail!("{} holds a cloud of its own; take another state folder for a host", state.path().display());
    }
    let _lock = state.take()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("threads cannot be started")?;
    let result = runtime.block_on(serve(arguments, &state));
    runtime.shutdown_timeout(FAREWELL);
    result
}

async fn serve(arguments: &AgentArguments, state: &StateFolder) -> Result<()> {
    let identity = identity(arguments, state).await?;
    if let Some(address) = arguments.metrics {
        telemetry::serve_metrics(address).await?;
    }
    let kept = agent::kept_document(&state.host()).unwrap_or_else(|| HostSpec::empty(identity.host));
    let (documents, followed) = watch::channel(Arc::new(kept));
    let (reports, taken) = mpsc::channel(REPORTS_WAITING);
    let mut config = config(&identity, state);
    config.network.uplinks = arguments.uplinks.uplinks();
    let agent = Arc::new(Agent::start(config, followed, reports).await?);
    let (newest, told) = watch::channel(None);
    tokio::spawn(keep_newest(taken, newest));
    println!("{} is host {} of region {}", identity.settings.name, identity.host, identity.settings.region);
    let line = tokio::spawn(stay_connected(identity, agent.clone(), documents, told));
    wait_for_end().await?;
    line.abort();
    let _ = line.await;
    let running = agent.running();
    println!("The agent ends; {} instance(s) go on.", running.len());
    match Arc::try_unwrap(agent) {
        Ok(agent) => agent.shutdown().await,
        Err(_) => tracing::warn!("the agent is still in use; it ends with the process"),
    }
    Ok(())
}

/// The agent's configuration on this state folder.
pub fn config(identity: &Identity, state: &StateFolder) -> AgentConfig {
    let arguments = vec!["--identity".into(), state.identity().into_os_string()];
    let images = ImageSource { source: objects::source(identity.clone()), arguments };
    AgentConfig { images: Some(images), ..hosts::agent_config(identity.host, state, identity.settings.public_pool) }
}

/// Who this host is: as it was kept, or by the token that it was given.
async fn identity(arguments: &AgentArguments, state: &StateFolder) -> Result<Identity> {
    if let Some(kept) = state.kept_identity()? {
        if arguments.token.is_some() {
            println!("This machine is host {} already; the token is not used.", kept.settings.name);
        }
        return Ok(kept);
    }
    let from = arguments.token.as_ref().context("this machine is no host yet; get a token with `pileus host add` and pass --token FILE")?;
    let mut text = zeroize::Zeroizing::new(String::new());
    if from.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text).context("the token cannot be read from standard input")?;
    } else {
        *text = std::fs::read_to_string(from).with_context(|| format!("the token cannot be read from {}", from.display()))?;
    }
    let token: Token = text.parse()?;
    // Tried before the token is used up: without a place for the identity it would be lost.
    write_private(&state.identity().with_extension("try"), b"")?;
    std::fs::remove_file(state.identity().with_extension("try"))?;
    let identity = link::join(&token, BUILD).await.with_context(|| format!("{token} was not accepted"))?;
    write_private(&state.identity(), &identity.to_bytes())?;
    Ok(identity)
}

/// Reports are whole, so only the newest is worth sending.
async fn keep_newest(mut taken: mpsc::Receiver<HostReport>, newest: watch::Sender<Option<HostReport>>) {
    while let Some(report) = taken.recv().await {
        newest.send_replace(Some(report));
    }
}

async fn stay_connected(
    identity: Identity,
    agent: Arc<AgentHandle>,
    documents: watch::Sender<Arc<HostSpec>>,
    reports: watch::Receiver<Option<HostReport>>,
) {
    let mut pause = AGAIN_FIRST;
    loop {
        match link::connect(&identity, BUILD, Purpose::Agent).await {
            Ok(line) => {
                tracing::info!(server = %identity.server, "connected to the server");
                pause = AGAIN_FIRST;
                let error = work(line, &identity, &agent, &documents, reports.clone()).await;
                tracing::warn!(%error, "the line to the server ended; what runs goes on");
            }
            Err(error @ LinkError::Refused(_)) => tracing::error!(%error, alarm = true, "not let in"),
            Err(error) => tracing::warn!(%error, server = %identity.server, "the server is not reached; what runs goes on"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(AGAIN_MOST);
    }
}

async fn work(
    line: Line<ToHost, ToServer>,
    identity: &Identity,
    agent: &Arc<AgentHandle>,
    documents: &watch::Sender<Arc<HostSpec>>,
    reports: watch::Receiver<Option<HostReport>>,
) -> LinkError {
    let (answers, answered) = mpsc::channel(QUESTIONS_WAITING);
    tokio::select! {
        error = hear(line.incoming, identity, agent, documents, answers) => error,
        error = tell(line.outgoing, reports, answered) => error,
    }
}

async fn hear(
    mut incoming: Incoming<ToHost>,
    identity: &Identity,
    agent: &Arc<AgentHandle>,
    documents: &watch::Sender<Arc<HostSpec>>,
    answers: mpsc::Sender<(u64, Answer)>,
) -> LinkError {
    let places = Arc::new(Semaphore::new(QUESTIONS_WAITING));
    loop {
        match incoming.next().await {
            Ok((ToHost::Document(spec), _)) => drop(documents.send_replace(spec)),
            Ok((ToHost::Question(asking), _)) => {
                // Beyond so many at once the server has given up on the first of them.
                let Ok(place) = places.clone().try_acquire_owned() else { continue };
                let (identity, agent, answers) = (identity.clone(), agent.clone(), answers.clone());
                tokio::spawn(async move {
                    let said = match asking.question {
                        Question::Session { ticket, vpc, to } => open_session(&identity, &agent, ticket, vpc, to).await,
                        question => answer(&agent, question).await,
                    };
                    let _ = answers.send((asking.number, said)).await;
                    drop(place);
                });
            }
            Ok((ToHost::Part { .. } | ToHost::Alive, _)) => {}
            Err(error) => return error,
        }
    }
}

/// Joins a guest to a line of the session's own.
async fn open_session(identity: &Identity, agent: &AgentHandle, ticket: SecretWord, vpc: VpcId, to: SocketAddrV4) -> Answer {
    let joined = async {
        let guest = agent.connect(vpc, to).await.with_context(|| format!("{to} is not reached"))?;
        guest.set_nonblocking(true)?;
        let guest = TcpStream::from_std(guest)?;
        Ok::<_, anyhow::Error>((guest, link::session(identity, BUILD, ticket).await?))
    };
    match joined.await {
        Ok((mut guest, mut line)) => {
            // It ends with either end; what is lost then is lost with them.
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut guest, &mut line).await });
            Answer::Session
        }
        Err(error) => {
            tracing::info!(error = format!("{error:#}"), "a session could not be opened");
            Answer::None
        }
    }
}

async fn tell(
    mut outgoing: Outgoing<ToServer>,
    mut reports: watch::Receiver<Option<HostReport>>,
    mut answers: mpsc::Receiver<(u64, Answer)>,
) -> LinkError {
    let mut alive = tokio::time::interval(ALIVE_EVERY);
    reports.mark_changed();
    loop {
        let message = tokio::select! {
            Ok(()) = reports.changed() => match reports.borrow_and_update().clone() {
                Some(report) => ToServer::Report(Box::new(report)),
                None => continue,
            },
            Some((number, answer)) = answers.recv() => ToServer::Answer { number, answer },
            _ = alive.tick() => ToServer::Alive,
        };
        if let Err(error) = outgoing.send(&message, b"").await {
            return error;
        }
    }
}

async fn wait_for_end() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("signals cannot be caught")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("signals cannot be caught")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
