//! Ids in Tencent's shape: its prefix before the digits of ours, so that `ins-0192…` and `i-0192…` are one instance.
//!
//! Nothing is looked up: the prefix is all that differs, and it is changed on the way in and on the way out.

use std::fmt::Display;
use std::str::FromStr;

use model::{
    AddressId, BandwidthPackageId, DiskBackupId, FlowLogId, ImageId, InstanceEventId, InstanceId, InterfaceId, KeyPairId, LaunchTemplateId,
    NatGatewayId, NatSourceId, NetworkAclId, Noun, PlacementGroupId, Prefixed, RouteTableId, SecurityGroupId, SnapshotGroupId, SnapshotId,
    SnapshotPolicyId, SubnetId, VolumeId, VpcId, VpcPeeringId,
};

use wire::Plain;

use crate::error::Fault;

/// An id of a noun that Tencent knows.
pub(crate) trait Id: Copy + Display + FromStr {
    /// What Tencent's ids of this noun begin with.
    const TENCENT: &'static str;
    /// What ours begin with.
    const OURS: &'static str;
    /// The noun.
    const NOUN: Noun;
    /// The value without its kind.
    fn value(self) -> u64;
}

macro_rules! ids {
    ($($id:ident, $noun:ident, $prefix:literal;)*) => {$(
        impl Id for $id {
            const TENCENT: &'static str = $prefix;
            const OURS: &'static str = $id::PREFIX;
            const NOUN: Noun = Noun::$noun;

            fn value(self) -> u64 {
                self.as_u64()
            }
        }
    )*};
}

ids! {
    InstanceId, Instance, "ins-";
    InstanceEventId, InstanceEvent, "rep-";
    ImageId, Image, "img-";
    KeyPairId, KeyPair, "skey-";
    LaunchTemplateId, LaunchTemplate, "lt-";
    VolumeId, Volume, "disk-";
    SnapshotId, Snapshot, "snap-";
    SnapshotPolicyId, SnapshotPolicy, "asp-";
    SnapshotGroupId, SnapshotGroup, "csnap-";
    DiskBackupId, DiskBackup, "dbp-";
    VpcId, Vpc, "vpc-";
    SubnetId, Subnet, "subnet-";
    InterfaceId, Interface, "eni-";
    AddressId, Address, "eip-";
    BandwidthPackageId, BandwidthPackage, "bwp-";
    SecurityGroupId, SecurityGroup, "sg-";
    RouteTableId, RouteTable, "rtb-";
    NetworkAclId, NetworkAcl, "acl-";
    PlacementGroupId, PlacementGroup, "ps-";
    NatGatewayId, NatGateway, "nat-";
    NatSourceId, NatSource, "snat-";
    VpcPeeringId, VpcPeering, "pcx-";
    FlowLogId, FlowLog, "fl-";
}

/// Writes an id in Tencent's shape.
pub(crate) fn shown<I: Id>(id: I) -> String {
    plain(id).0.to_string()
}

/// An id in Tencent's shape, which is written when the reply is.
pub(crate) fn plain<I: Id>(id: I) -> Plain<Prefixed> {
    Plain(Prefixed { prefix: I::TENCENT, value: id.value() })
}

/// Writes an id that may be absent; an empty text when it is.
pub(crate) fn shown_or_empty<I: Id>(id: Option<I>) -> String {
    id.map(shown).unwrap_or_default()
}

/// Our text of an id in Tencent's shape; none when it is no id of this noun.
pub(crate) fn ours<I: Id>(text: &str) -> Option<String> {
    parse::<I>(text).map(|id| id.to_string())
}

fn parse<I: Id>(text: &str) -> Option<I> {
    format!("{}{}", I::OURS, text.strip_prefix(I::TENCENT)?).parse().ok()
}

/// Reads an id.
pub(crate) fn read<I: Id>(text: &str) -> Result<I, Fault> {
    parse(text).ok_or_else(|| Fault::malformed_id(I::NOUN, text))
}

/// Reads several ids.
pub(crate) fn read_all<I: Id>(texts: &[String]) -> Result<Vec<I>, Fault> {
    texts.iter().map(|text| read(text)).collect()
}

/// Reads the ids of a parameter that must have some.
pub(crate) fn read_some<I: Id>(parameter: &'static str, texts: &[String]) -> Result<Vec<I>, Fault> {
    if texts.is_empty() { Err(Fault::missing(parameter)) } else { read_all(texts) }
}

/// Rewrites every id of ours in a sentence of the control plane's. A digit string after any of our prefixes is an id.
pub(crate) fn in_sentence(sentence: &str) -> String {
    let swaps = [
        (InstanceId::OURS, InstanceId::TENCENT),
        (ImageId::OURS, ImageId::TENCENT),
        (KeyPairId::OURS, KeyPairId::TENCENT),
        (VolumeId::OURS, VolumeId::TENCENT),
        (SnapshotGroupId::OURS, SnapshotGroupId::TENCENT),
        (AddressId::OURS, AddressId::TENCENT),
        (BandwidthPackageId::OURS, BandwidthPackageId::TENCENT),
    ];
    let is_id = |word: &str| word.len() == DIGITS && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let rewrite = |word: &str| {
        let named = swaps.iter().find_map(|(ours, tencent)| Some((tencent, word.strip_prefix(ours).filter(|rest| is_id(rest))?)));
        named.map_or_else(|| word.to_owned(), |(tencent, digits)| format!("{tencent}{digits}"))
    };
    let mut out = String::with_capacity(sentence.len());
    for piece in sentence.split_inclusive(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '-')) {
        let word = piece.trim_end_matches(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '-'));
        out.push_str(&rewrite(word));
        out.push_str(&piece[word.len()..]);
    }
    out
}

/// Digits of an id after its prefix.
const DIGITS: usize = 17;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_itself_and_keeps_its_digits() {
        let id = InstanceId::from_u64(0x0192_d3f4_a5b6_c7d8);
        assert_eq!(shown(id), "ins-00192d3f4a5b6c7d8");
        assert_eq!(read::<InstanceId>(&shown(id)), Ok(id));
        assert_eq!(ours::<InstanceId>("ins-00192d3f4a5b6c7d8").as_deref(), Some("i-00192d3f4a5b6c7d8"));
        let group = SecurityGroupId::from_u64(7);
        assert_eq!(shown(group), group.to_string());
    }

    #[test]
    fn an_id_of_another_noun_or_vendor_is_refused() {
        for wrong in ["", "ins-", "ins-7", "i-00192d3f4a5b6c7d8", "img-00192d3f4a5b6c7d8", "ins-10192d3f4a5b6c7d8"] {
            let code = read::<InstanceId>(wrong).unwrap_err().code;
            assert_eq!(code, "InvalidInstanceId.Malformed", "{wrong}");
        }
    }

    #[test]
    fn sentences_name_things_as_tencent_does() {
        let ours = "the group 'sg-00000000000000001' is used by i-00000000000000002, eni-00000000000000003 (i-2).";
        let shown = "the group 'sg-00000000000000001' is used by ins-00000000000000002, eni-00000000000000003 (i-2).";
        assert_eq!(in_sentence(ours), shown);
        assert_eq!(in_sentence("ümläut i-00000000000000002"), "ümläut ins-00000000000000002");
    }
}
