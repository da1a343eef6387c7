//! A small cloud for the tests of every noun: two accounts, two images, one simulated host, a clock that stands.
//!
//! A test makes its own [`World`], calls it with the parameters that a client would send ([`World::call`], [`World::golden`],
//! [`World::refused`]), and lets the host catch up with [`World::settle`]. Kept replies are in tests/golden; UPDATE=1 writes
//! them anew.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use control::{Caller, Clock, Cloud, Ids, MasterKey, NewHost, NewImage, Principal, Region};
use hostspec::{Accelerator, Capacity, HostReport, HostSpec, Power, VmReport, VmState, VolumeGoal, VolumeReport, VolumeState};
use model::{AccountId, Architecture, Gib, HostId, Mib, Millis};
use pileus_cvm as cvm;
use serde_json::Value;
use store::{Store, StoreConfig};
use wire::{Args, Reply, Request, identify};
use zeroize::Zeroizing;

/// 2026-11-20T12:00:00Z.
pub const NOON: Millis = Millis(1_795_176_000_000);
const OPERATOR: u64 = 999_988_887_777;
/// What the account under test is called in golden texts.
const SHOWN_ACCOUNT: &str = "111122223333";
/// The smallest type under CVM's name, with 512 MiB.
pub const TYPE: &str = "B1.SMALL512M";

/// The cloud and those who call it.
pub struct World {
    pub cloud: Cloud,
    pub owner: Arc<Principal>,
    pub stranger: Arc<Principal>,
    pub host: HostId,
    sequence: AtomicU64,
    _folder: tempfile::TempDir,
}

impl World {
    /// Makes the cloud, with room for some 60 small instances.
    pub async fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(StoreConfig::Sqlite { path: folder.path().join("pileus.db") }).unwrap();
        let master = MasterKey::new(&Zeroizing::new([7; 32]));
        let cloud = Cloud::new(store, Clock::manual(NOON), Ids::from_seed(7), master, region());
        let owner = account(&cloud, "owner").await;
        let stranger = account(&cloud, "stranger").await;
        for (name, min_disk) in [("pileus-linux", 1), ("debian-12", 4)] {
            cloud.image_register(image(name, min_disk)).await.unwrap();
        }
        let joining = NewHost { name: "h1".into(), zones: vec!["test-1a".into()], underlay: Ipv4Addr::new(192, 0, 2, 1), rack: None };
        let host = cloud.hosts_join(vec![joining]).await.unwrap()[0];
        let world = World { cloud, owner, stranger, host, sequence: AtomicU64::new(0), _folder: folder };
        world.settle().await;
        world
    }

    /// Lets the host do what it is asked for, and the control plane hear of it, until nothing moves.
    pub async fn settle(&self) {
        for _ in 0..6 {
            let spec = self.cloud.render(self.host).await.unwrap();
            self.cloud.report(report_of(&spec, self.sequence.fetch_add(1, Ordering::SeqCst) + 1)).await.unwrap();
            while self.cloud.work_once("test").await.unwrap() > 0 {}
        }
    }

    /// The answer to a call of the account under test: the action and its parameters in JSON.
    pub async fn call(&self, action: &str, body: &str) -> Reply {
        self.call_as(&self.owner, action, body).await
    }

    /// The answer to anybody's call.
    pub async fn call_as(&self, principal: &Arc<Principal>, action: &str, body: &str) -> Reply {
        let known = cvm::actions().find(|known| known.name == action);
        let version = known.map_or("2017-03-12", |action| action.product.version());
        let credential = format!("{}/2026-11-20/cvm/tc3_request", principal.access_key);
        let headers = [
            ("host", "cloud.test".to_owned()),
            ("content-type", "application/json".to_owned()),
            ("authorization", format!("TC3-HMAC-SHA256 Credential={credential}, SignedHeaders=content-type;host, Signature=00")),
            ("x-tc-action", action.to_owned()),
            ("x-tc-version", version.to_owned()),
            ("x-tc-region", "test-1".to_owned()),
            ("x-tc-timestamp", (NOON.0 / 1000).to_string()),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value));
        let request = Request::new("POST", "/", headers, Bytes::from(body.to_owned())).unwrap();
        self.answer(principal, &request).await
    }

    /// The answer to a request with the older signature, all of it in the query.
    pub async fn query(&self, parameters: &str) -> Reply {
        self.query_as(&self.owner, parameters).await
    }

    /// The answer to anybody's request of that kind.
    pub async fn query_as(&self, principal: &Arc<Principal>, parameters: &str) -> Reply {
        let signature = format!("Nonce=1&Timestamp={}&SignatureMethod=HmacSHA1&Signature=AA%3D%3D", NOON.0 / 1000);
        let target = format!("/?{parameters}&SecretId={}&{signature}", principal.access_key);
        let request = Request::new("GET", target, [("host".to_owned(), "cloud.test".to_owned())], Bytes::new()).unwrap();
        self.answer(principal, &request).await
    }

    async fn answer(&self, principal: &Arc<Principal>, request: &Request) -> Reply {
        let claim = identify(request).unwrap();
        let args = match Args::from_request(request) {
            Ok(args) => args,
            Err(error) => return cvm::refuse("req-1", cvm::Refused::Args(&error)),
        };
        let source = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let call = cvm::Call { args: &args, claim: &claim, request, principal: principal.clone(), source, request_id: "req-1" };
        let reply = cvm::answer(&self.cloud, call).await;
        assert_eq!((reply.status, reply.content_type), (200, "application/json"), "the vendor's clients read nothing else");
        reply
    }

    /// What is in a successful answer.
    pub async fn json(&self, action: &str, body: &str) -> Value {
        let reply = self.call(action, body).await;
        let mut answer: Value = serde_json::from_str(&reply.body).unwrap();
        assert!(answer["Response"].get("Error").is_none(), "{action} {body}\n{}", reply.body);
        answer["Response"].take()
    }

    /// Checks a successful answer against the text kept in `file`; with UPDATE=1 the text is written instead.
    pub async fn golden(&self, file: &str, action: &str, body: &str) -> Value {
        self.golden_as(&self.owner, file, action, body).await
    }

    /// Does the same with anybody's call.
    pub async fn golden_as(&self, principal: &Arc<Principal>, file: &str, action: &str, body: &str) -> Value {
        let reply = self.call_as(principal, action, body).await;
        let mut answer: Value = serde_json::from_str(&reply.body).unwrap();
        assert!(answer["Response"].get("Error").is_none(), "{action} {body}\n{}", reply.body);
        let shown = shown(&reply.body, self.owner.account);
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &shown).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == shown, "{action} {body} differs from {}; UPDATE=1 rewrites it:\n{shown}", path.display());
        answer["Response"].take()
    }

    /// Checks that a call is refused with this code.
    pub async fn refused(&self, action: &str, body: &str, code: &str) {
        self.refused_as(&self.owner, action, body, code).await;
    }

    /// Checks that anybody's call is refused with this code.
    pub async fn refused_as(&self, principal: &Arc<Principal>, action: &str, body: &str, code: &str) {
        let reply = self.call_as(principal, action, body).await;
        assert_eq!(code_of(&reply).as_deref(), Some(code), "{action} {body}\n{}", reply.body);
    }

    /// Launches small instances with these parameters beside the usual ones, and gives the ids.
    pub async fn run(&self, more: &str) -> Vec<String> {
        let body = self.launch(more).await;
        let reply = self.json("RunInstances", &body).await;
        let ids = reply["InstanceIdSet"].as_array().unwrap();
        ids.iter().map(|id| id.as_str().unwrap().to_owned()).collect()
    }

    /// The parameters of a launch: the usual ones and these, such as `"InstanceCount": 2`.
    pub async fn launch(&self, more: &str) -> String {
        let image = self.image("pileus-linux").await;
        let more = if more.is_empty() { String::new() } else { format!(", {more}") };
        format!(r#"{{"Placement": {{"Zone": "test-1a"}}, "ImageId": "{image}", "InstanceType": "{TYPE}"{more}}}"#)
    }

    /// One instance as it is shown; null when it is not.
    pub async fn instance(&self, id: &str) -> Value {
        self.json("DescribeInstances", &format!(r#"{{"InstanceIds": ["{id}"]}}"#)).await["InstanceSet"][0].take()
    }

    /// The account under test, for what a test asks of the control plane itself.
    pub fn caller(&self) -> Caller {
        let source = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Caller { principal: self.owner.clone(), source, request: "req-0".to_owned(), action: "cvm:Test" }
    }

    /// The id of an image by its name.
    pub async fn image(&self, name: &str) -> String {
        use control::{Field, Filter, Query};
        let filters = vec![Filter { field: Field::Name, values: vec![name.to_owned()] }];
        let images = self.cloud.list::<model::Image>(&self.caller(), Query { filters, ..Query::default() }).await.unwrap();
        images.rows[0].id.to_string().replace("ami-", "img-")
    }
}

fn region() -> Region {
    Region {
        name: "test-1".into(),
        zones: vec!["test-1a".into(), "test-1b".into()],
        default_vpc: "172.31.0.0/16".parse().unwrap(),
        public_pool: "198.51.100.0/24".parse().unwrap(),
        ipv6_pool: None,
        public_on_launch: true,
        domain: "internal.test".into(),
        operator: AccountId::from_u64(OPERATOR).unwrap(),
        cpu_overcommit: 1,
        disk_overcommit: 1,
    }
}

async fn account(cloud: &Cloud, name: &str) -> Arc<Principal> {
    let key = cloud.account_create(name).await.unwrap();
    cloud.principal(&key.id).await.unwrap().unwrap()
}

fn image(name: &str, min_disk: u32) -> NewImage {
    NewImage {
        name: name.into(),
        description: format!("the image {name}"),
        platform: "Linux".into(),
        architecture: Architecture::X86_64,
        default_user: "root".into(),
        manifest: "ab".repeat(32),
        size_bytes: 1 << 20,
        min_disk: Gib(min_disk),
    }
}

fn report_of(spec: &HostSpec, sequence: u64) -> HostReport {
    let vm = |vm: &hostspec::VmSpec| {
        let on = vm.power == Power::On;
        let state = if on { VmState::Running } else { VmState::Stopped };
        let disks = if on { vm.disks.iter().map(|disk| disk.volume).collect() } else { vec![] };
        let nics = vm.nics.iter().filter(|_| on).map(|nic| nic.id).collect();
        VmReport { id: vm.id, state, boot: vm.boot, started_at_ms: 1, guest_up: on, disks, nics, fault: None }
    };
    let volume = |volume: &hostspec::VolumeSpec| {
        let state = match volume.goal {
            VolumeGoal::Present { size_bytes, .. } => VolumeState::Present { size_bytes },
            VolumeGoal::Deleted => VolumeState::Deleted,
        };
        VolumeReport { id: volume.id, generation: volume.generation, state, fault: None }
    };
    HostReport {
        version: hostspec::VERSION,
        host: spec.host,
        incarnation: 1,
        sequence,
        generation: spec.generation,
        applied: spec.generation,
        capacity: Capacity { vcpus: 128, memory: Mib(64 * 1024), disk_gib: 1_000, accelerator: Accelerator::Simulated },
        vms: spec.vms.iter().map(vm).collect(),
        volumes: spec.volumes.iter().map(volume).collect(),
        snapshots: spec.snapshots.iter().flat_map(|job| &job.parts).map(snapshot).collect(),
        traffic: None,
        faults: vec![],
    }
}

/// The code of a refusal; none when it is none.
pub fn code_of(reply: &Reply) -> Option<String> {
    let answer: Value = serde_json::from_str(&reply.body).unwrap();
    answer["Response"]["Error"]["Code"].as_str().map(str::to_owned)
}

/// The texts of every member of this name.
fn texts(body: &str, name: &str) -> Vec<String> {
    body.split(&format!("\"{name}\":\"")).skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
}

/// A reply as golden texts show it: one member a line, and what differs from run to run under names of its own.
fn shown(body: &str, account: AccountId) -> String {
    let mut text = body.replace(&account.to_string(), SHOWN_ACCOUNT);
    for (name, stands_for) in [
        ("PrivateKey", "PRIVATE KEY"),
        ("PublicKey", "PUBLIC KEY"),
        ("MacAddress", "02:00:00:00:00:01"),
        ("Uuid", "UUID"),
        ("Token", "TOKEN"),
        ("TmpSecretId", "SECRET ID"),
        ("TmpSecretKey", "SECRET KEY"),
        ("Version", "VERSION"),
    ] {
        for secret in texts(&text, name).into_iter().filter(|secret| !secret.is_empty()) {
            text = text.replace(&secret, stands_for);
        }
    }
    indented_json(&numbered(&text))
}

/// Numbers ids in order of their appearance; things that share digits keep doing so.
fn numbered(text: &str) -> String {
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("-0") {
        let (before, from) = rest.split_at(at + 1);
        out.push_str(before);
        let digits: String = from.chars().take_while(char::is_ascii_hexdigit).collect();
        if digits.len() == 17 {
            let next = numbers.len() + 1;
            let number = *numbers.entry(digits.clone()).or_insert(next);
            out.push_str(&format!("{number:017}"));
        } else {
            out.push_str(&digits);
        }
        rest = &from[digits.len()..];
    }
    out.push_str(rest);
    out
}

/// Breaks lines outside of texts; members keep the order in which they were sent.
fn indented_json(json: &str) -> String {
    let mut out = String::new();
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    let mut letters = json.chars().peekable();
    while let Some(letter) = letters.next() {
        let next_closes = matches!(letters.peek(), Some('}' | ']'));
        let break_line = |out: &mut String, depth: usize| out.push_str(&format!("\n{}", "  ".repeat(depth)));
        if quoted {
            out.push(letter);
            (quoted, escaped) = (escaped || letter != '"', !escaped && letter == '\\');
            continue;
        }
        match letter {
            '{' | '[' if next_closes => out.extend([letter, letters.next().unwrap()]),
            '{' | '[' => {
                depth += 1;
                out.push(letter);
                break_line(&mut out, depth);
            }
            '}' | ']' => {
                depth -= 1;
                break_line(&mut out, depth);
                out.push(letter);
            }
            ',' => {
                out.push(letter);
                break_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            _ => {
                quoted = letter == '"';
                out.push(letter);
            }
        }
    }
    out.push('\n');
    out
}

/// What a host says of a snapshot: it is done at once.
fn snapshot(part: &hostspec::SnapshotPart) -> hostspec::SnapshotReport {
    let state = hostspec::SnapshotState::Done { manifest: "ab".repeat(32), size_bytes: 0, stored_bytes: 0 };
    hostspec::SnapshotReport { id: part.snapshot, state, fault: None }
}
