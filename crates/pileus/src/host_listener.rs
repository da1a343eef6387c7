//! The server's listener for hosts: who may speak, and what is said to whom.
//!
//! ```text
//!   stranger ── secret of an invitation ─▶ certificate
//!   host's agent  ◀═ documents, questions ═ / ═ reports, answers ═▶   control, Hosts
//!   host's images ═ reads ═▶ objects of the images that the host's document names
//! ```
//!
//! A host is the one whose certificate it shows; nothing that it says makes it another.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use control::{Cloud, InviteHost, JoinRefusal};
use hostspec::{HostReport, HostSpec, VolumeGoal, VolumeSpec};
use link::{
    ALIVE_EVERY, Answer, Asking, Authority, Incoming, Knock, Line, LinkError, ObjectName, Outgoing, PART_MAX, Purpose, Refusal, Settings,
    ToHost, ToServer, Token,
};
use model::{Host, HostId};
use repository::{Object, Repository};
use secrecy::SecretString;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::BUILD;
use crate::hosts::{REPORTS_WAITING, take_reports};
use crate::objects::named;
use crate::questions::{Asked, Hosts, QUESTIONS_WAITING};

/// Connections at once: two of each of two thousand hosts.
const LINES_MAX: usize = 4_096;
/// Pause after a failed accept: descriptors may have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What every line needs.
#[derive(Clone)]
pub struct Gate {
    cloud: Cloud,
    hosts: Hosts,
    repository: Repository,
    authority: Arc<Authority>,
    address: SocketAddr,
}

impl Gate {
    /// Puts together what hosts meet at this address.
    pub fn new(cloud: Cloud, hosts: Hosts, repository: Repository, authority: Authority, address: SocketAddr) -> Gate {
        Gate { cloud, hosts, repository, authority: Arc::new(authority), address }
    }

    /// Invites a host; gives the token.
    pub async fn invite(&self, name: &str, zone: &str, rack: Option<&str>, underlay: Option<Ipv4Addr>) -> Result<SecretString> {
        let mut bytes = zeroize::Zeroizing::new([0; link::SECRET_BYTES]);
        getrandom::fill(bytes.as_mut_slice()).context("no randomness")?;
        let secret = hex::encode(bytes.as_slice());
        let invite = InviteHost {
            name: name.to_owned(),
            zone: zone.to_owned(),
            rack: rack.map(str::to_owned),
            underlay,
            digest: Token::digest(&secret),
        };
        let host = self.cloud.host_invite(invite).await?.host;
        Ok(Token { server: self.address, authority: self.authority.digest(), host, secret: secret.into() }.text())
    }

    /// Serves hosts until `stop`.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) -> Result<()> {
        let acceptor = TlsAcceptor::from(Arc::new(self.authority.server()?));
        let places = Arc::new(Semaphore::new(LINES_MAX));
        loop {
            let place = places.clone().acquire_owned().await?;
            let (stream, peer) = tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        tracing::warn!(%error, "a host's connection could not be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                },
                () = stop.cancelled() => return Ok(()),
            };
            let (gate, acceptor, stop) = (self.clone(), acceptor.clone(), stop.clone());
            tokio::spawn(async move {
                tokio::select! {
                    ended = gate.talk(&acceptor, stream, peer) => if let Err(error) = ended {
                        tracing::info!(%peer, error = format!("{error:#}"), "a line to a host ended");
                    },
                    () = stop.cancelled() => {}
                }
                drop(place);
            });
        }
    }

    async fn talk(&self, acceptor: &TlsAcceptor, stream: TcpStream, peer: SocketAddr) -> Result<()> {
        let knock = link::accept(acceptor, stream, peer, BUILD).await?;
        match knock.hello.purpose.clone() {
            Purpose::Join { host, secret, key } => self.join(knock, host, secret.expose(), &key).await,
            Purpose::Agent => {
                let Some((host, line)) = self.open(knock).await? else { return Ok(()) };
                self.follow_agent(host, line).await
            }
            Purpose::Images => {
                let Some((host, line)) = self.open(knock).await? else { return Ok(()) };
                self.give_images(host, line).await
            }
            Purpose::Session { ticket } => match self.known(knock).await? {
                Some((host, knock)) => {
                    let line = knock.session(self.settings(&host)).await?;
                    self.hosts.session_line(host.id, ticket.expose(), line);
                    Ok(())
                }
                None => Ok(()),
            },
        }
    }

    fn settings(&self, host: &Host) -> Settings {
        let region = self.cloud.region();
        Settings { region: region.name.clone(), public_pool: region.public_pool, name: host.name.clone() }
    }

    async fn join(&self, knock: Knock, host: HostId, secret: &str, key: &str) -> Result<()> {
        let IpAddr::V4(from) = knock.peer.ip().to_canonical() else { bail!("hosts speak IPv4 with each other") };
        let (certificate, digest) = self.authority.certify(host, key)?;
        match self.cloud.host_joins(host, Token::digest(secret), from, digest).await {
            Ok(Ok(host)) => {
                tracing::info!(host = host.name, underlay = %host.underlay, "a host joined");
                Ok(knock.joined(certificate, self.settings(&host)).await?)
            }
            Ok(Err(why)) => {
                tracing::warn!(%host, peer = %knock.peer, ?why, "a machine that wanted to become a host was refused");
                let refusal = match why {
                    JoinRefusal::Secret => Refusal::Token,
                    JoinRefusal::Expired => Refusal::Expired,
                    JoinRefusal::Underlay => Refusal::Underlay,
                };
                Ok(knock.refuse(refusal).await?)
            }
            Err(_) => Ok(knock.refuse(Refusal::Unavailable).await?),
        }
    }

    /// Opens the line of a host that is known by its certificate; others are sent away.
    async fn open(&self, knock: Knock) -> Result<Option<(Host, Line<ToServer, ToHost>)>> {
        match self.known(knock).await? {
            Some((host, knock)) => {
                let settings = self.settings(&host);
                Ok(Some((host, knock.ready(settings).await?)))
            }
            None => Ok(None),
        }
    }

    /// The host that knocks, by its certificate; others are sent away.
    async fn known(&self, knock: Knock) -> Result<Option<(Host, Knock)>> {
        let Some(certificate) = knock.certificate.clone() else {
            knock.refuse(Refusal::Unknown).await?;
            return Ok(None);
        };
        match self.cloud.host_of_certificate(certificate, knock.hello.build.clone()).await {
            Ok(Some(host)) => Ok(Some((host, knock))),
            Ok(None) => {
                tracing::warn!(peer = %knock.peer, "a machine that is no host any more was refused");
                knock.refuse(Refusal::Unknown).await?;
                Ok(None)
            }
            Err(_) => {
                knock.refuse(Refusal::Unavailable).await?;
                Ok(None)
            }
        }
    }

    async fn follow_agent(&self, host: Host, line: Line<ToServer, ToHost>) -> Result<()> {
        let documents = self.cloud.host_connect(host.id).await?;
        let asked = self.hosts.at_line(host.id);
        let (reports, taken) = mpsc::channel(REPORTS_WAITING);
        let (answers, answered) = mpsc::channel(QUESTIONS_WAITING);
        tokio::spawn(take_reports(self.cloud.clone(), taken));
        self.hosts.lend_consoles(&self.cloud, host.id);
        tracing::info!(host = host.name, "a host is connected");
        let ended = tokio::select! {
            ended = hear(host.id, line.incoming, reports, answers) => ended,
            ended = tell(line.outgoing, documents, asked, answered) => ended,
        };
        self.hosts.forget_ended();
        ended.with_context(|| format!("host {}", host.name))
    }

    /// Gives a host the objects of images that its document names.
    async fn give_images(&self, host: Host, mut line: Line<ToServer, ToHost>) -> Result<()> {
        let documents = self.cloud.host_connect(host.id).await?;
        let mut known: HashMap<String, Arc<Vec<Object>>> = HashMap::new();
        loop {
            let said = match line.incoming.next().await {
                // It dials again when it needs more.
                Err(LinkError::Silent(_)) => return Ok(()),
                said => said?.0,
            };
            let (number, name, offset) = match said {
                ToServer::Read { number, object, offset } => (number, object, offset),
                ToServer::Alive => continue,
                ToServer::Report(_) | ToServer::Answer { .. } => bail!("host {} reports where it should read", host.name),
            };
            if documents.has_changed().is_err() {
                bail!("host {} was removed", host.name);
            }
            let spec = documents.borrow().clone();
            let part = self.part(&spec, &mut known, &name, offset).await;
            let (bytes, total) = part.map_or((vec![], None), |(bytes, total)| (bytes, Some(total)));
            line.outgoing.send(&ToHost::Part { number, total }, &bytes).await?;
        }
    }

    /// A part of an object, if an image of the document consists of it.
    async fn part(
        &self,
        spec: &HostSpec,
        known: &mut HashMap<String, Arc<Vec<Object>>>,
        name: &ObjectName,
        offset: u64,
    ) -> Option<(Vec<u8>, u64)> {
        let object = named(name)?;
        let manifests = manifests(spec);
        known.retain(|manifest, _| manifests.contains(manifest.as_str()));
        let mut named_by_document = false;
        for manifest in manifests {
            if !known.contains_key(manifest) {
                let (repository, digest) = (self.repository.clone(), manifest.parse().ok()?);
                let objects = tokio::task::spawn_blocking(move || repository.objects(&digest)).await.ok()?;
                let objects = objects.inspect_err(|error| tracing::error!(%error, "an image of a document cannot be read")).ok()?;
                known.insert(manifest.to_owned(), Arc::new(objects));
            }
            named_by_document |= known[manifest].binary_search(&object).is_ok();
        }
        if !named_by_document {
            tracing::warn!(host = %spec.host, %object, "a host asked for what its document does not name");
            return None;
        }
        let repository = self.repository.clone();
        let part = tokio::task::spawn_blocking(move || repository.part(object, offset, PART_MAX)).await.ok()?;
        part.inspect_err(|error| tracing::error!(%error, "an object of an image cannot be read")).ok()
    }
}

/// The manifests that a document has its host read: of images, and of volumes that stand on a snapshot or on what an image was.
fn manifests(spec: &HostSpec) -> BTreeSet<&str> {
    fn of_volume(volume: &VolumeSpec) -> Option<&str> {
        match &volume.goal {
            VolumeGoal::Present { manifest, .. } => manifest.as_deref(),
            VolumeGoal::Deleted => None,
        }
    }
    let volumes = spec.volumes.iter().filter_map(of_volume);
    spec.images.iter().map(|image| image.manifest.as_str()).chain(volumes).collect()
}

/// What a host says, until it says nothing more, or what it may not say.
async fn hear(
    host: HostId,
    mut incoming: Incoming<ToServer>,
    reports: mpsc::Sender<HostReport>,
    answers: mpsc::Sender<(u64, Answer)>,
) -> Result<()> {
    loop {
        match incoming.next().await?.0 {
            ToServer::Report(report) if report.host == host => reports.send(*report).await.context("the server ends")?,
            ToServer::Report(report) => bail!("it reports for {}", report.host),
            ToServer::Answer { number, answer } => answers.send((number, answer)).await.context("the server ends")?,
            ToServer::Read { .. } => bail!("it reads where it should report"),
            ToServer::Alive => {}
        }
    }
}

/// What a host is told, until the line breaks, another takes its place or the host is removed.
async fn tell(
    mut outgoing: Outgoing<ToHost>,
    mut documents: watch::Receiver<Arc<HostSpec>>,
    mut asked: mpsc::Receiver<Asked>,
    mut answers: mpsc::Receiver<(u64, Answer)>,
) -> Result<()> {
    let mut waiting: HashMap<u64, oneshot::Sender<Answer>> = HashMap::new();
    let mut number = 0;
    let mut alive = tokio::time::interval(ALIVE_EVERY);
    documents.mark_changed();
    loop {
        let message = tokio::select! {
            changed = documents.changed() => {
                changed.context("it was removed")?;
                ToHost::Document(documents.borrow_and_update().clone())
            }
            question = asked.recv() => {
                let Asked { question, answer } = question.context("a newer line took its place")?;
                number += 1;
                waiting.retain(|_, waits| !waits.is_closed());
                waiting.insert(number, answer);
                ToHost::Question(Asking { number, question })
            }
            answered = answers.recv() => {
                let (number, answer) = answered.context("the line ended")?;
                if let Some(waits) = waiting.remove(&number) {
                    let _ = waits.send(answer);
                }
                continue;
            }
            _ = alive.tick() => ToHost::Alive,
        };
        outgoing.send(&message, b"").await?;
    }
}
