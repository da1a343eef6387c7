//! The operator's socket: HTTP over a Unix socket that only the owner of the state folder can open. What `pileus status`,
//! `launch`, `down` and the others talk to.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use bytes::Bytes;
use control::{Caller, Cloud, Field, Filter, KeyFormat, NewKeyPair, Options, Query, RunInstances, Stray};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use link::{Answer, Question};
use model::{Attributes, Catalogue, Error, Image, InstanceId, KeyKind, Tags};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

use crate::host_listener::Gate;
use crate::questions::Hosts;
use crate::scrub::Scrubber;
use crate::state::StateFolder;
use crate::{instance_events, kms_keys, quota, reach};

/// Largest body of an operator's request: a policy document is below 6 KiB.
const BODY_MAX: usize = 256 * 1024;

/// What the operator's commands can reach.
#[derive(Clone)]
pub struct Operator {
    shared: Arc<Shared>,
}

struct Shared {
    cloud: Cloud,
    hosts: Hosts,
    gate: Option<Gate>,
    scrubber: Scrubber,
    address: SocketAddr,
    first_key: String,
    ready: AtomicBool,
    stops_instances: AtomicBool,
    stop: CancellationToken,
}

impl Operator {
    /// Opens the socket.
    pub fn start(
        state: &StateFolder,
        cloud: Cloud,
        hosts: Hosts,
        gate: Option<Gate>,
        scrubber: Scrubber,
        address: SocketAddr,
        stop: CancellationToken,
    ) -> Result<Operator> {
        let path = state.socket();
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).with_context(|| format!("{} cannot be opened", path.display()))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).context("the operator's socket")?;
        let key: Value = serde_json::from_slice(&std::fs::read(state.path().join("first-key.json"))?)?;
        let shared = Shared {
            cloud,
            hosts,
            gate,
            scrubber,
            address,
            first_key: key["id"].as_str().unwrap_or_default().to_owned(),
            ready: AtomicBool::new(false),
            stops_instances: AtomicBool::new(false),
            stop,
        };
        let operator = Operator { shared: Arc::new(shared) };
        tokio::spawn(operator.clone().serve(listener));
        Ok(operator)
    }

    /// From now on the cloud answers.
    pub fn ready(&self) {
        self.shared.ready.store(true, Ordering::SeqCst);
    }

    /// Whether instances are to be stopped at the end.
    pub fn stops_instances(&self) -> bool {
        self.shared.stops_instances.load(Ordering::SeqCst)
    }

    /// Lets go of the agent, which is about to end.
    pub fn release_agent(&self) {
        self.shared.hosts.release_agent();
    }

    async fn serve(self, listener: UnixListener) {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            };
            let operator = self.clone();
            let service = service_fn(move |request| {
                let operator = operator.clone();
                async move { Ok::<_, Infallible>(operator.respond(request).await) }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    }

    async fn respond(&self, request: http::Request<Incoming>) -> http::Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        let body = match Limited::new(request.into_body(), BODY_MAX).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => return answer(400, &json!({ "error": error.to_string() })),
        };
        let arguments = if body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&body) };
        match arguments {
            Ok(arguments) => match self.run(&path, &arguments).await {
                Ok(value) => answer(200, &value),
                Err(error) => answer(422, &json!({ "error": format!("{error:#}") })),
            },
            Err(error) => answer(400, &json!({ "error": error.to_string() })),
        }
    }

    async fn run(&self, path: &str, arguments: &Value) -> Result<Value> {
        match path {
            "/ready" => Ok(json!(self.shared.ready.load(Ordering::SeqCst))),
            "/status" => self.status().await,
            "/launch" => self.launch(arguments).await,
            "/instance" => self.instance(arguments).await,
            "/reach" => self.reach(arguments).await,
            "/doctor" => self.doctor(arguments).await,
            "/backup" => self.backup(arguments).await,
            "/audit/verify" => Ok(serde_json::to_value(self.shared.cloud.verify_audit().await?)?),
            "/account" => self.account(arguments).await,
            "/user" => self.user(arguments).await,
            _ if path.starts_with("/quota/") => quota::answer(&self.shared.cloud, &path["/quota/".len()..], arguments).await,
            _ if path.starts_with("/event/") => instance_events::answer(&self.shared.cloud, &path["/event/".len()..], arguments).await,
            _ if path.starts_with("/kms-key/") => kms_keys::answer(&self.shared.cloud, &path["/kms-key/".len()..], arguments).await,
            "/key" => self.key(arguments).await,
            "/repository/scrub" => self.shared.scrubber.answer(arguments).await,
            "/host/add" => self.host_add(arguments).await,
            "/host/remove" => {
                self.shared.cloud.host_remove(word(arguments, "name")?.to_owned()).await?;
                Ok(Value::Null)
            }
            "/down" => {
                self.shared.stops_instances.store(true, Ordering::SeqCst);
                self.shared.stop.cancel();
                Ok(json!({ "pid": std::process::id() }))
            }
            other => anyhow::bail!("the operator's socket knows no {other}"),
        }
    }

    async fn status(&self) -> Result<Value> {
        let overview = self.shared.cloud.overview().await?;
        let (reached, now) = (self.shared.hosts.reached(), self.shared.cloud.clock().now());
        Ok(json!({
            "pid": std::process::id(),
            "endpoint": format!("http://{}", self.shared.address),
            "region": self.shared.cloud.region().name,
            "zones": self.shared.cloud.region().zones,
            "hosts": overview.hosts.iter().map(|host| json!({
                "name": host.name, "zones": host.zones, "state": host.state, "capacity": host.capacity,
                "generation": host.generation, "applied": host.applied, "underlay": host.underlay, "rack": host.rack, "build": host.build,
                "connected": reached.contains(&host.id), "seen_ms_ago": now.since(host.seen_at), "reported": host.incarnation != 0, "faults": host.faults,
                "invited": host.invitation.as_ref().is_some_and(|invitation| invitation.until >= now),
            })).collect::<Vec<_>>(),
            "instances": overview.instances_by_state,
            "repository": self.shared.scrubber.status().await?,
        }))
    }

    /// Whoever holds the state folder acts as the first account's root.
    async fn caller(&self, action: &'static str) -> Result<Caller> {
        let principal = self.shared.cloud.principal(&self.shared.first_key).await?.context("the first access key is gone or off")?;
        let source = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Ok(Caller { principal, source, request: uuid::Uuid::new_v4().to_string(), action })
    }

    async fn launch(&self, arguments: &Value) -> Result<Value> {
        let cloud = &self.shared.cloud;
        let (image, kind, name) = (word(arguments, "image")?, word(arguments, "type")?, word(arguments, "name")?);
        let caller = self.caller("ec2:RunInstances").await?;
        let named = Filter { field: Field::Name, values: vec![image.to_owned()] };
        let images = cloud.list::<Image>(&caller, Query { filters: vec![named], ..Query::default() }).await?;
        let image = images.rows.first().with_context(|| format!("there is no image '{image}'; offer one with `pileus up --images DIR`"))?;
        let kind = Catalogue::standard().by_name(kind).with_context(|| format!("there is no instance type '{kind}'"))?;
        let key_name = format!("{name}-{}", &caller.request[..8]);
        let wanted = NewKeyPair { name: &key_name, kind: KeyKind::Ed25519, format: KeyFormat::Pem, tags: Tags::new() };
        let (key, private) = cloud.create_key_pair(&caller, wanted, Options::default()).await?;
        let command = RunInstances {
            template: None,
            role: None,
            image: image.id,
            instance_type: kind.name.clone(),
            min_count: 1,
            max_count: 1,
            zone: None,
            subnet: None,
            groups: vec![],
            group_names: vec![],
            private_ip: None,
            public_address: Some(true),
            bandwidth: None,
            key_names: vec![key.name.clone()],
            password_hash: None,
            user_data: None,
            names: vec![name.to_owned()],
            description: String::new(),
            hostnames: vec![],
            host_names: model::HostNameSettings::default(),
            root_size: None,
            root_kind: model::VolumeKind::default(),
            root_provisioned: model::Provisioned::default(),
            root_encryption: model::EncryptionChoice::default(),
            root_deleted: true,
            root_name: String::new(),
            root_description: String::new(),
            volumes: vec![],
            running: true,
            attributes: Attributes::default(),
            tags: Tags::from([("Name".to_owned(), name.to_owned())]),
            volume_tags: Tags::new(),
            interface_tags: Tags::new(),
            nics: control::LaunchNics::default(),
            placement: None,
            capacity: model::CapacityChoice::Open,
            fleet: None,
        };
        self.open_ssh(&caller).await?;
        let launched = cloud.run(&caller, command, Options::default()).await?;
        let id = launched.instances.first().context("no instance was launched")?;
        Ok(json!({ "instance": id, "user": image.default_user, "key": key.name, "private_key": private.expose_secret() }))
    }

    /// The default group lets only its members in; a first login needs port 22.
    async fn open_ssh(&self, caller: &Caller) -> Result<(), Error> {
        self.shared.cloud.open_ssh_in_default_group(caller).await
    }

    async fn instance(&self, arguments: &Value) -> Result<Value> {
        let id: InstanceId = word(arguments, "id")?.parse()?;
        let view = self.shared.cloud.instance_view(&self.caller("ec2:DescribeInstances").await?, id).await?;
        Ok(json!({
            "state": view.instance.phase.word(),
            "reason": view.instance.reason.as_ref().map(|reason| &reason.text),
            "public_ip": view.address().map(|address| address.ip),
            "private_ip": view.instance.private_ip,
        }))
    }

    async fn reach(&self, arguments: &Value) -> Result<Value> {
        let account = self.account_id(arguments).await?;
        let (question, proposals) = reach::asked(arguments)?;
        Ok(serde_json::to_value(self.shared.cloud.reach(account, question, proposals).await?)?)
    }

    async fn doctor(&self, arguments: &Value) -> Result<Value> {
        let repair = arguments["repair"].as_bool().unwrap_or(false);
        let strays = self.shared.cloud.find_strays().await?;
        let mut findings: Vec<String> = strays.iter().map(|stray| format!("database: {stray}")).collect();
        let mut left: Vec<String> =
            strays.iter().filter(|stray| matches!(stray, Stray::Maimed(_))).map(|stray| format!("database: {stray}")).collect();
        let damage = self.shared.scrubber.findings().await?;
        findings.extend(damage.iter().cloned());
        left.extend(damage);
        if repair {
            self.shared.cloud.repair_strays(&strays).await?;
        }
        for host in self.shared.cloud.overview().await?.hosts {
            let name = &host.name;
            let of = |sentences: Vec<String>| sentences.into_iter().map(|words| format!("machine {name}: {words}")).collect::<Vec<_>>();
            match self.shared.hosts.ask(host.id, Question::Doctor { repair }).await {
                Some(Answer::Doctor { findings: more, left: stay }) => {
                    findings.extend(of(more));
                    left.extend(of(stay));
                }
                // A host that was never there has nothing, and simulated ones are not asked.
                Some(Answer::Console { .. } | Answer::Session | Answer::Flows { .. } | Answer::None) | None
                    if host.certificate.is_none() => {}
                Some(Answer::Console { .. } | Answer::Session | Answer::Flows { .. } | Answer::None) | None => {
                    let away = format!("machine {name}: it cannot be asked, since its agent is away");
                    findings.push(away.clone());
                    left.push(away);
                }
            }
        }
        Ok(json!({ "findings": findings, "left": if repair { left } else { findings.clone() } }))
    }

    async fn host_add(&self, arguments: &Value) -> Result<Value> {
        let gate = self.shared.gate.as_ref().context("this cloud listens for no hosts; start it with --hosts-listen ADDR:PORT")?;
        let underlay = arguments["underlay"].as_str().map(str::parse).transpose().context("the underlay address")?;
        let token = gate.invite(word(arguments, "name")?, word(arguments, "zone")?, arguments["rack"].as_str(), underlay).await?;
        Ok(json!({ "token": token.expose_secret() }))
    }

    async fn backup(&self, arguments: &Value) -> Result<Value> {
        let (store, to) = (self.shared.cloud.store().clone(), word(arguments, "to")?.to_owned());
        tokio::task::spawn_blocking(move || store.backup(to.as_ref())).await??;
        Ok(Value::Null)
    }

    async fn account(&self, arguments: &Value) -> Result<Value> {
        let key = self.shared.cloud.account_create(word(arguments, "name")?).await?;
        Ok(json!({ "account": key.account, "id": key.id, "secret": key.secret.expose_secret() }))
    }

    async fn user(&self, arguments: &Value) -> Result<Value> {
        let account = self.account_id(arguments).await?;
        let policies = arguments["policies"].as_array().context("policies are missing")?;
        let documents = policies.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect();
        let key = self.shared.cloud.user_create(account, word(arguments, "name")?, documents).await?;
        Ok(json!({ "account": key.account, "id": key.id, "secret": key.secret.expose_secret() }))
    }

    async fn key(&self, arguments: &Value) -> Result<Value> {
        let active = arguments["active"].as_bool().context("active is missing")?;
        self.shared.cloud.access_key_set_active(word(arguments, "id")?, active).await?;
        Ok(Value::Null)
    }

    async fn account_id(&self, arguments: &Value) -> Result<model::AccountId> {
        let name = word(arguments, "account")?;
        let account = self.shared.cloud.account_named(name).await?;
        Ok(account.with_context(|| format!("there is no account '{name}'"))?.id)
    }
}

pub fn word<'v>(arguments: &'v Value, name: &str) -> Result<&'v str> {
    arguments[name].as_str().with_context(|| format!("{name} is missing"))
}

fn answer(status: u16, value: &Value) -> http::Response<Full<Bytes>> {
    let mut response = http::Response::new(Full::new(Bytes::from(value.to_string())));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    response
}
