//! A small cloud for the tests: two accounts, two images, one simulated host, a clock that stands.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use control::{Clock, Cloud, Ids, MasterKey, NewHost, NewImage, Principal, Region};
use hostspec::{Accelerator, Capacity, HostReport, HostSpec, Power, VmReport, VmState, VolumeGoal, VolumeReport, VolumeState};
use model::{AccountId, Architecture, Gib, HostId, Mib, Millis};
use pileus_ec2 as ec2;
use store::{Store, StoreConfig};
use wire::{Args, Reply, Request, identify};
use zeroize::Zeroizing;

/// 2026-11-20T12:00:00Z.
pub const NOON: Millis = Millis(1_795_176_000_000);
const OPERATOR: u64 = 999_988_887_777;
/// What the account under test is called in golden texts.
const SHOWN_ACCOUNT: &str = "111122223333";

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

    /// The answer to a call of the account under test.
    pub async fn call(&self, form: &str) -> Reply {
        self.call_as(&self.owner, "ec2", form).await
    }

    /// The answer to anybody's call of a service.
    pub async fn call_as(&self, principal: &Arc<Principal>, service: &str, form: &str) -> Reply {
        let scope = format!("{}/20261120/test-1/{service}/aws4_request", principal.access_key);
        let authorization = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature={}", "0".repeat(64));
        let headers = [("authorization", authorization.as_str()), ("host", "cloud.test"), ("x-amz-date", "20261120T120000Z")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let request = Request::new("POST", "/", headers, Bytes::new()).unwrap();
        let claim = identify(&request).unwrap();
        let args = match Args::from_form(form) {
            Ok(args) => args,
            Err(error) => return ec2::refuse(&ec2::Refusal::Args(error), Some(service), "req-1"),
        };
        let source = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let prefix = match service {
            "cloudtrail" => Some("com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101."),
            "servicequotas" => Some("ServiceQuotasV20190624."),
            _ => None,
        };
        let target = prefix.map(|prefix| format!("{prefix}{}", args.text("Action").unwrap_or_default()));
        let call = ec2::Call {
            args: &args,
            claim: &claim,
            principal: principal.clone(),
            source,
            request_id: "req-1",
            host: "cloud.test",
            body: &[],
            target: target.as_deref(),
        };
        ec2::answer(&self.cloud, call).await
    }

    /// Checks a successful answer against the text that is kept for it; with UPDATE=1 the text is written instead.
    pub async fn golden(&self, name: &str, form: &str) -> String {
        self.golden_as("ec2", name, form).await
    }

    /// The same for any service.
    pub async fn golden_as(&self, service: &str, name: &str, form: &str) -> String {
        let reply = self.call_as(&self.owner, service, form).await;
        assert_eq!(reply.status, 200, "{form}\n{}", reply.body);
        let shown = shown(&reply.body, self.owner.account);
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.xml"));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &shown).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == shown, "{form} differs from {}; UPDATE=1 rewrites it:\n{shown}", path.display());
        reply.body
    }

    /// Launches with the usual parameters and these, and gives the ids.
    pub async fn run(&self, more: &str) -> Vec<String> {
        let image = self.image("pileus-linux").await;
        let reply = self.call(&format!("Action=RunInstances&ImageId={image}&InstanceType=t3.nano&{more}")).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        elements(&reply.body, "instanceId")
    }

    /// The id of an image by its name.
    pub async fn image(&self, name: &str) -> String {
        let reply = self.call(&format!("Action=DescribeImages&Filter.1.Name=name&Filter.1.Value.1={name}")).await;
        elements(&reply.body, "imageId").pop().unwrap()
    }

    /// Checks that a call is refused with this code.
    pub async fn refused(&self, form: &str, status: u16, code: &str) {
        let reply = self.call(form).await;
        let found = elements(&reply.body, "Code");
        assert_eq!((reply.status, found.first().map(String::as_str)), (status, Some(code)), "{form}\n{}", reply.body);
    }
}

fn region() -> Region {
    Region {
        name: "test-1".into(),
        zones: vec!["test-1a".into(), "test-1b".into()],
        default_vpc: "172.31.0.0/16".parse().unwrap(),
        public_pool: "198.51.100.0/24".parse().unwrap(),
        ipv6_pool: Some("fd12:3456:789a::/48".parse().unwrap()),
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
        snapshots: vec![],
        traffic: None,
        faults: vec![],
    }
}

/// The texts of every element of this name.
pub fn elements(xml: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    xml.split(&open).skip(1).filter_map(|rest| rest.split(&close).next()).map(str::to_owned).collect()
}

/// A reply as golden texts show it: one element a line, and what differs from run to run under names of its own.
fn shown(xml: &str, account: AccountId) -> String {
    let mut text = xml.replace(&account.to_string(), SHOWN_ACCOUNT);
    for (name, stands_for) in
        [("keyMaterial", "PRIVATE KEY"), ("keyFingerprint", "FINGERPRINT"), ("nextToken", "TOKEN"), ("macAddress", "02:00:00:00:00:01")]
    {
        for secret in elements(&text, name) {
            text = text.replace(&format!("<{name}>{secret}</{name}>"), &format!("<{name}>{stands_for}</{name}>"));
        }
    }
    indented(&numbered(&text))
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

fn indented(xml: &str) -> String {
    let mut out = String::new();
    let mut depth = 0_usize;
    for line in xml.replace("><", ">\n<").lines() {
        let closes = line.starts_with("</");
        depth -= usize::from(closes);
        out.push_str(&"  ".repeat(depth));
        out.push_str(line);
        out.push('\n');
        let opens = line.starts_with('<') && !closes && !line.contains("</") && !line.ends_with("/>") && !line.starts_with("<?");
        depth += usize::from(opens);
    }
    out
}
