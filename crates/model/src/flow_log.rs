//! Flow logs: what passed or was dropped at interfaces, aggregated by their host, written as lines of text.
//!
//! ```text
//!   packets at an interface ─ host ─▶ FlowBatch: records of one span of time ─▶ FlowFormat ─▶ lines in a log stream
//! ```
//!
//! What a line may say is "Flow log records" in Amazon VPC's guide, or Alibaba Cloud's fields of a flow log; fields that this cloud has no
//! true answer for are refused. It knows no packets and no log groups.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{AccountId, Direction, Error, FlowLogId, InstanceId, InterfaceId, Millis, SubnetId, Tags, VpcId};

/// Flow logs of one VPC, subnet or interface (EC2's own limit, which nobody can have raised).
pub const FLOW_LOGS_PER_RESOURCE: u64 = 2;
/// Flow logs of one account, since those of things that are gone stay until they are deleted.
pub const FLOW_LOGS_MAX: u64 = 1_000;
/// Things that one call may make flow logs for.
pub const FLOW_LOG_RESOURCES_MAX: usize = 25;
/// Seconds in which flows may be aggregated at most (EC2 allows the first and the last, Alibaba Cloud all). Hosts take about half of the
/// shortest.
pub const AGGREGATION_SECONDS: [u32; 3] = [60, 300, 600];
/// Longest description in characters (Tencent Cloud's; Alibaba Cloud's is 256).
pub const FLOW_LOG_DESCRIPTION_MAX: usize = 512;
/// Fields of one format.
const FIELDS_MAX: usize = 50;

/// A flow log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowLog {
    /// Its id.
    pub id: FlowLogId,
    /// The owner.
    pub account: AccountId,
    /// What it is of.
    pub resource: FlowLogResource,
    /// The VPC that it is in, also when what it is of is gone. None in rows of before it was kept; [`FlowLog::vpc`] tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<VpcId>,
    /// Display name.
    #[serde(default)]
    pub name: String,
    /// Description.
    #[serde(default)]
    pub description: String,
    /// Whether it tells of packets.
    #[serde(default)]
    pub state: FlowLogState,
    /// Which packets it tells of.
    pub traffic: FlowTraffic,
    /// The log group that it writes to.
    pub group: String,
    /// How a line is written.
    pub format: FlowFormat,
    /// Seconds in which flows may be aggregated at most.
    pub interval_seconds: u32,
    /// The role that the client named for the delivery, which is not needed here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_role: Option<String>,
    /// When it was made.
    pub created_at: Millis,
    /// Tags.
    pub tags: Tags,
}

/// Whether a flow log tells of packets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowLogState {
    /// It does, since it was made.
    #[default]
    On,
    /// It does not; what hosts have not told by then is not written either.
    Off,
    /// It does again.
    OnAgain {
        /// Since when.
        since: Millis,
    },
}

impl FlowLogState {
    /// `active` or `inactive`.
    pub const fn word(self) -> &'static str {
        match self {
            FlowLogState::On | FlowLogState::OnAgain { .. } => "active",
            FlowLogState::Off => "inactive",
        }
    }
}

impl FlowLog {
    /// Whether it tells of packets now.
    pub const fn is_on(&self) -> bool {
        match self.state {
            FlowLogState::On | FlowLogState::OnAgain { .. } => true,
            FlowLogState::Off => false,
        }
    }

    /// Whether it tells of packets of a span that ended then.
    pub fn tells_of_span(&self, ended: Millis) -> bool {
        match self.state {
            FlowLogState::On => self.created_at < ended,
            FlowLogState::OnAgain { since } => since < ended,
            FlowLogState::Off => false,
        }
    }

    /// What comes before the last slash of its log group's name, and what comes behind it.
    pub fn group_parts(&self) -> (&str, &str) {
        self.group.rsplit_once('/').unwrap_or(("", &self.group))
    }

    /// Checks a description.
    ///
    /// # Errors
    /// Refuses one that is longer than [`FLOW_LOG_DESCRIPTION_MAX`].
    pub fn check_description(text: &str) -> Result<(), Error> {
        if text.chars().count() > FLOW_LOG_DESCRIPTION_MAX {
            return Err(Error::invalid("FlowLogDescription", format!("longer than {FLOW_LOG_DESCRIPTION_MAX} characters")));
        }
        Ok(())
    }

    /// The VPC that it is in, as far as that is known.
    pub const fn vpc(&self) -> Option<VpcId> {
        match self.resource {
            FlowLogResource::Vpc(id) => Some(id),
            FlowLogResource::Subnet(_) | FlowLogResource::Interface(_) => self.within,
        }
    }
}

/// What a flow log is of: an interface, or all that are in a subnet or VPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowLogResource {
    /// A VPC.
    Vpc(VpcId),
    /// A subnet.
    Subnet(SubnetId),
    /// An interface.
    Interface(InterfaceId),
}

impl fmt::Display for FlowLogResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FlowLogResource::Vpc(id) => id.fmt(f),
            FlowLogResource::Subnet(id) => id.fmt(f),
            FlowLogResource::Interface(id) => id.fmt(f),
        }
    }
}

impl FlowLogResource {
    /// `vpc`, `subnet` or `interface`.
    pub const fn word(self) -> &'static str {
        match self {
            FlowLogResource::Vpc(_) => "vpc",
            FlowLogResource::Subnet(_) => "subnet",
            FlowLogResource::Interface(_) => "interface",
        }
    }

    /// Whether an interface is part of it.
    pub fn covers(self, vpc: VpcId, subnet: SubnetId, interface: InterfaceId) -> bool {
        match self {
            FlowLogResource::Vpc(id) => id == vpc,
            FlowLogResource::Subnet(id) => id == subnet,
            FlowLogResource::Interface(id) => id == interface,
        }
    }
}

/// Which packets a flow log tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowTraffic {
    /// Those that passed.
    Accept,
    /// Those that were dropped.
    Reject,
    /// Both.
    All,
}

impl FlowTraffic {
    /// EC2's word.
    pub const fn word(self) -> &'static str {
        match self {
            FlowTraffic::Accept => "ACCEPT",
            FlowTraffic::Reject => "REJECT",
            FlowTraffic::All => "ALL",
        }
    }

    /// Whether packets that passed are told of.
    pub const fn takes_accepted(self) -> bool {
        matches!(self, FlowTraffic::Accept | FlowTraffic::All)
    }

    /// Whether packets that were dropped are told of.
    pub const fn takes_refused(self) -> bool {
        matches!(self, FlowTraffic::Reject | FlowTraffic::All)
    }

    fn takes(self, record: &FlowRecord) -> bool {
        if record.refused.is_some() { self.takes_refused() } else { self.takes_accepted() }
    }
}

/// Packets of one interface with the same ends, direction and fate in one span of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowRecord {
    /// Where they came from; private where a public address is translated.
    pub source: IpAddr,
    /// Where they went, likewise.
    pub destination: IpAddr,
    /// IP protocol number.
    pub protocol: u8,
    /// Source port; 0 for protocols without ports.
    pub source_port: u16,
    /// Destination port, likewise.
    pub destination_port: u16,
    /// Number of packets.
    pub packets: u64,
    /// Bytes, IP headers included.
    pub bytes: u64,
    /// Whether they came to the interface or from it.
    pub direction: Direction,
    /// Why they were dropped; none when they passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<FlowRefusal>,
}

/// Why packets were dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlowRefusal {
    /// No rule of the interface's security groups accepts the connection, or one drops it.
    SecurityGroup,
    /// The network ACL of the interface's subnet.
    NetworkAcl,
    /// The guest said that it is somebody else.
    Spoofed,
    /// They belong to a connection that is over, or never began.
    NoConnection,
    /// No route leads out of the VPC for them.
    NoRoute,
}

impl FlowRefusal {
    /// The word in a line.
    pub const fn word(self) -> &'static str {
        match self {
            FlowRefusal::SecurityGroup => "security-group",
            FlowRefusal::NetworkAcl => "network-acl",
            FlowRefusal::Spoofed => "spoofed",
            FlowRefusal::NoConnection => "no-connection",
            FlowRefusal::NoRoute => "no-route",
        }
    }
}

/// What an interface's host saw of it in one span of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowBatch {
    /// The interface.
    pub interface: InterfaceId,
    /// Its subnet.
    pub subnet: SubnetId,
    /// The instance that it was plugged into.
    pub instance: InstanceId,
    /// When the span began.
    pub from: Millis,
    /// When it ended.
    pub to: Millis,
    /// Whether there were flows that found no room.
    pub skipped: bool,
    /// The flows.
    pub records: Vec<FlowRecord>,
}

/// What a line says beside the flow.
#[derive(Debug, Clone, Copy)]
pub struct FlowScene<'a> {
    /// The interface's owner.
    pub account: AccountId,
    /// Its VPC.
    pub vpc: VpcId,
    /// Name of the region.
    pub region: &'a str,
}

/// A field of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlowField {
    /// Version of the format.
    Version,
    /// The interface's owner.
    AccountId,
    /// The interface.
    InterfaceId,
    /// Source address.
    Srcaddr,
    /// Destination address.
    Dstaddr,
    /// Source port.
    Srcport,
    /// Destination port.
    Dstport,
    /// IP protocol number.
    Protocol,
    /// Number of packets.
    Packets,
    /// Number of bytes.
    Bytes,
    /// When the span began, in seconds since 1970.
    Start,
    /// When it ended.
    End,
    /// `ACCEPT` or `REJECT`.
    Action,
    /// `OK`, `NODATA` or `SKIPDATA`.
    LogStatus,
    /// The VPC.
    VpcId,
    /// The subnet.
    SubnetId,
    /// The instance.
    InstanceId,
    /// `IPv4` or `IPv6`.
    Type,
    /// The region.
    Region,
    /// `ingress` or `egress`.
    FlowDirection,
    /// The same as `in` or `out`, which Alibaba Cloud's records have and EC2 has no word for.
    Direction,
    /// Why packets were dropped: words of our own, where EC2 tells of its Block Public Access alone.
    RejectReason,
}

impl FlowField {
    /// Those that EC2's clients name; the first of them are the default.
    const ALL: [FlowField; 21] = [
        FlowField::Version,
        FlowField::AccountId,
        FlowField::InterfaceId,
        FlowField::Srcaddr,
        FlowField::Dstaddr,
        FlowField::Srcport,
        FlowField::Dstport,
        FlowField::Protocol,
        FlowField::Packets,
        FlowField::Bytes,
        FlowField::Start,
        FlowField::End,
        FlowField::Action,
        FlowField::LogStatus,
        FlowField::VpcId,
        FlowField::SubnetId,
        FlowField::InstanceId,
        FlowField::Type,
        FlowField::Region,
        FlowField::FlowDirection,
        FlowField::RejectReason,
    ];
    /// Those of a line of version 2, the default.
    const USUAL: usize = 14;

    const fn name(self) -> &'static str {
        match self {
            FlowField::Version => "version",
            FlowField::AccountId => "account-id",
            FlowField::InterfaceId => "interface-id",
            FlowField::Srcaddr => "srcaddr",
            FlowField::Dstaddr => "dstaddr",
            FlowField::Srcport => "srcport",
            FlowField::Dstport => "dstport",
            FlowField::Protocol => "protocol",
            FlowField::Packets => "packets",
            FlowField::Bytes => "bytes",
            FlowField::Start => "start",
            FlowField::End => "end",
            FlowField::Action => "action",
            FlowField::LogStatus => "log-status",
            FlowField::VpcId => "vpc-id",
            FlowField::SubnetId => "subnet-id",
            FlowField::InstanceId => "instance-id",
            FlowField::Type => "type",
            FlowField::Region => "region",
            FlowField::FlowDirection => "flow-direction",
            FlowField::Direction => "direction",
            FlowField::RejectReason => "reject-reason",
        }
    }

    /// The version of EC2's format that brought it.
    const fn since(self) -> u8 {
        match self {
            FlowField::Direction => 0,
            FlowField::Version
            | FlowField::AccountId
            | FlowField::InterfaceId
            | FlowField::Srcaddr
            | FlowField::Dstaddr
            | FlowField::Srcport
            | FlowField::Dstport
            | FlowField::Protocol
            | FlowField::Packets
            | FlowField::Bytes
            | FlowField::Start
            | FlowField::End
            | FlowField::Action
            | FlowField::LogStatus => 2,
            FlowField::VpcId | FlowField::SubnetId | FlowField::InstanceId | FlowField::Type => 3,
            FlowField::Region => 4,
            FlowField::FlowDirection => 5,
            FlowField::RejectReason => 8,
        }
    }
}

/// The fields of a line, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FlowFormat {
    fields: Vec<FlowField>,
}

/// The fields of Alibaba Cloud's records ("Fields of flow logs"), in their order there. Its names for some are other ones: `vswitch-id`,
/// `vm-id`, `eni-id`.
const ALIBABA: [FlowField; 18] = [
    FlowField::Version,
    FlowField::SubnetId,
    FlowField::InstanceId,
    FlowField::VpcId,
    FlowField::AccountId,
    FlowField::InterfaceId,
    FlowField::Srcaddr,
    FlowField::Srcport,
    FlowField::Dstaddr,
    FlowField::Dstport,
    FlowField::Protocol,
    FlowField::Direction,
    FlowField::Packets,
    FlowField::Bytes,
    FlowField::Start,
    FlowField::End,
    FlowField::LogStatus,
    FlowField::Action,
];
/// The version that all of Alibaba Cloud's records have.
const ALIBABA_VERSION: u8 = 1;

impl Default for FlowFormat {
    fn default() -> FlowFormat {
        FlowFormat { fields: FlowField::ALL[..FlowField::USUAL].to_vec() }
    }
}

impl fmt::Display for FlowFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields: Vec<String> = self.fields.iter().map(|field| format!("${{{}}}", field.name())).collect();
        f.write_str(&fields.join(" "))
    }
}

/// What of an interface's flows one line is about.
enum About<'a> {
    Flow(&'a FlowRecord),
    Nothing,
    Skipped,
}

impl FlowFormat {
    /// Reads `${version} ${srcaddr} ...`.
    ///
    /// # Errors
    /// Refuses a text of another form, and fields that are not known here.
    pub fn parse(text: &str) -> Result<FlowFormat, Error> {
        let wrong = |reason: String| Error::invalid("LogFormat", reason);
        let mut fields = Vec::new();
        for word in text.split_whitespace() {
            let name = word.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
            let name = name.ok_or_else(|| wrong(format!("{} is not a field such as ${{srcaddr}}", shortened(word))))?;
            let field = FlowField::ALL.into_iter().find(|field| field.name() == name);
            let field = field.ok_or_else(|| wrong(format!("the field {} is not known here", shortened(name))))?;
            if fields.contains(&field) {
                return Err(wrong(format!("the field {name} is there twice")));
            }
            fields.push(field);
        }
        match fields.len() {
            0 => Err(wrong("names no field".to_owned())),
            count if count > FIELDS_MAX => Err(wrong(format!("has more than {FIELDS_MAX} fields"))),
            _ => Ok(FlowFormat { fields }),
        }
    }

    /// The fields of Alibaba Cloud's records.
    pub fn alibaba() -> FlowFormat {
        FlowFormat { fields: ALIBABA.to_vec() }
    }

    /// The newest version that a field is of.
    fn version(&self) -> u8 {
        if self.fields.contains(&FlowField::Direction) {
            return ALIBABA_VERSION;
        }
        self.fields.iter().map(|field| field.since()).max().unwrap_or(2)
    }

    /// The lines of a batch in a log of this traffic: one for each flow, or one that says that there was none, and one that says that
    /// more was there than is told.
    pub fn lines(&self, traffic: FlowTraffic, scene: FlowScene<'_>, batch: &FlowBatch) -> Vec<String> {
        let flows = batch.records.iter().filter(|record| traffic.takes(record));
        let mut lines: Vec<String> = flows.map(|record| self.line(scene, batch, &About::Flow(record))).collect();
        if batch.skipped {
            lines.push(self.line(scene, batch, &About::Skipped));
        } else if lines.is_empty() {
            lines.push(self.line(scene, batch, &About::Nothing));
        }
        lines
    }

    fn line(&self, scene: FlowScene<'_>, batch: &FlowBatch, about: &About<'_>) -> String {
        let words: Vec<String> = self.fields.iter().map(|field| self.word(*field, scene, batch, about)).collect();
        words.join(" ")
    }

    fn word(&self, field: FlowField, scene: FlowScene<'_>, batch: &FlowBatch, about: &About<'_>) -> String {
        let of_flow = |word: fn(&FlowRecord) -> String| match about {
            About::Flow(record) => word(record),
            About::Nothing | About::Skipped => "-".to_owned(),
        };
        match field {
            FlowField::Version => self.version().to_string(),
            FlowField::AccountId => scene.account.to_string(),
            FlowField::InterfaceId => batch.interface.to_string(),
            FlowField::VpcId => scene.vpc.to_string(),
            FlowField::SubnetId => batch.subnet.to_string(),
            FlowField::InstanceId => batch.instance.to_string(),
            FlowField::Region => scene.region.to_owned(),
            FlowField::Start => batch.from.0.div_euclid(1_000).to_string(),
            FlowField::End => batch.to.0.div_euclid(1_000).to_string(),
            FlowField::LogStatus => match about {
                About::Flow(_) => "OK",
                About::Nothing => "NODATA",
                About::Skipped => "SKIPDATA",
            }
            .to_owned(),
            FlowField::Srcaddr => of_flow(|record| record.source.to_string()),
            FlowField::Dstaddr => of_flow(|record| record.destination.to_string()),
            FlowField::Srcport => of_flow(|record| record.source_port.to_string()),
            FlowField::Dstport => of_flow(|record| record.destination_port.to_string()),
            FlowField::Protocol => of_flow(|record| record.protocol.to_string()),
            FlowField::Packets => of_flow(|record| record.packets.to_string()),
            FlowField::Bytes => of_flow(|record| record.bytes.to_string()),
            FlowField::Action => of_flow(|record| if record.refused.is_some() { "REJECT" } else { "ACCEPT" }.to_owned()),
            FlowField::Type => of_flow(|record| if record.source.is_ipv4() { "IPv4" } else { "IPv6" }.to_owned()),
            FlowField::FlowDirection => of_flow(|record| {
                match record.direction {
                    Direction::Ingress => "ingress",
                    Direction::Egress => "egress",
                }
                .to_owned()
            }),
            FlowField::Direction => of_flow(|record| {
                match record.direction {
                    Direction::Ingress => "in",
                    Direction::Egress => "out",
                }
                .to_owned()
            }),
            FlowField::RejectReason => of_flow(|record| record.refused.map_or("-", FlowRefusal::word).to_owned()),
        }
    }
}

/// Characters of a word that a refusal repeats.
const ECHO: usize = 40;

fn shortened(word: &str) -> String {
    word.chars().take(ECHO).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(records: Vec<FlowRecord>, skipped: bool) -> FlowBatch {
        let (interface, subnet, instance) = (InterfaceId::from_u64(5), SubnetId::from_u64(2), InstanceId::from_u64(6));
        FlowBatch { interface, subnet, instance, from: Millis(1_700_000_000_500), to: Millis(1_700_000_034_000), skipped, records }
    }

    fn record(refused: Option<FlowRefusal>) -> FlowRecord {
        FlowRecord {
            source: "10.0.0.5".parse().unwrap(),
            destination: "10.0.0.6".parse().unwrap(),
            protocol: 6,
            source_port: 40_000,
            destination_port: 22,
            packets: 3,
            bytes: 180,
            direction: Direction::Ingress,
            refused,
        }
    }

    fn scene() -> FlowScene<'static> {
        FlowScene { account: "111122223333".parse().unwrap(), vpc: VpcId::from_u64(1), region: "here-1" }
    }

    #[test]
    fn lines_are_those_of_the_vendor() {
        let (passed, dropped) = (record(None), record(Some(FlowRefusal::SecurityGroup)));
        let lines = |text: Option<&str>, traffic, batch: &FlowBatch| {
            text.map_or_else(FlowFormat::default, |text| FlowFormat::parse(text).unwrap()).lines(traffic, scene(), batch)
        };
        let eni = "eni-00000000000000005";
        let both = batch(vec![passed.clone(), dropped], false);
        let ok = |action: &str| format!("2 111122223333 {eni} 10.0.0.5 10.0.0.6 40000 22 6 3 180 1700000000 1700000034 {action} OK");
        assert_eq!(lines(None, FlowTraffic::All, &both), [ok("ACCEPT"), ok("REJECT")]);
        assert_eq!(lines(None, FlowTraffic::Reject, &both), [ok("REJECT")]);
        let empty = |status: &str| format!("2 111122223333 {eni} - - - - - - - 1700000000 1700000034 - {status}");
        assert_eq!(lines(None, FlowTraffic::Reject, &batch(vec![passed], false)), [empty("NODATA")]);
        assert_eq!(lines(None, FlowTraffic::All, &batch(vec![], true)), [empty("SKIPDATA")]);
        let custom = "${version} ${flow-direction} ${reject-reason} ${type} ${vpc-id} ${instance-id}";
        assert_eq!(
            lines(Some(custom), FlowTraffic::All, &both),
            [
                "8 ingress - IPv4 vpc-00000000000000001 i-00000000000000006",
                "8 ingress security-group IPv4 vpc-00000000000000001 i-00000000000000006"
            ]
        );
    }

    #[test]
    fn alibabas_lines_have_its_fields_in_its_order() {
        let lines = FlowFormat::alibaba().lines(FlowTraffic::Reject, scene(), &batch(vec![record(Some(FlowRefusal::NetworkAcl))], true));
        let whose = "1 subnet-00000000000000002 i-00000000000000006 vpc-00000000000000001 111122223333 eni-00000000000000005";
        let flow = "10.0.0.5 40000 10.0.0.6 22 6 in 3 180 1700000000 1700000034 OK REJECT";
        assert_eq!(lines, [format!("{whose} {flow}"), format!("{whose} - - - - - - - - 1700000000 1700000034 SKIPDATA -")]);
        let kept = serde_json::to_string(&FlowFormat::alibaba()).unwrap();
        assert_eq!(serde_json::from_str::<FlowFormat>(&kept).unwrap(), FlowFormat::alibaba());
    }

    #[test]
    fn a_log_that_is_off_tells_nothing_and_one_that_is_on_again_nothing_of_before() {
        let mut log = FlowLog {
            id: FlowLogId::from_u64(1),
            account: "111122223333".parse().unwrap(),
            resource: FlowLogResource::Subnet(SubnetId::from_u64(2)),
            within: Some(VpcId::from_u64(1)),
            name: String::new(),
            description: String::new(),
            state: FlowLogState::On,
            traffic: FlowTraffic::All,
            group: "g".to_owned(),
            format: FlowFormat::default(),
            interval_seconds: 60,
            delivery_role: None,
            created_at: Millis(1_000),
            tags: Tags::new(),
        };
        assert_eq!(log.group_parts(), ("", "g"));
        log.group = "/vpc/flows".to_owned();
        assert_eq!(log.group_parts(), ("/vpc", "flows"));
        let tells = |log: &FlowLog| [1_000, 1_001, 5_000, 5_001].map(|ended| log.tells_of_span(Millis(ended)));
        assert_eq!((tells(&log), log.is_on()), ([false, true, true, true], true));
        log.state = FlowLogState::Off;
        assert_eq!((tells(&log), log.is_on()), ([false; 4], false));
        log.state = FlowLogState::OnAgain { since: Millis(5_000) };
        assert_eq!((tells(&log), log.is_on()), ([false, false, false, true], true));
    }

    #[test]
    fn a_format_reads_back_and_says_nothing_that_is_not_known() {
        let usual = FlowFormat::default().to_string();
        assert!(usual.starts_with("${version} ${account-id} ") && usual.ends_with("${action} ${log-status}"), "{usual}");
        assert_eq!(FlowFormat::parse(&usual), Ok(FlowFormat::default()));
        for wrong in ["", "  ", "srcaddr", "${tcp-flags}", "${direction}", "${srcaddr}${dstaddr}", "${srcaddr} ${srcaddr}"] {
            assert!(FlowFormat::parse(wrong).is_err(), "{wrong}");
        }
    }
}
