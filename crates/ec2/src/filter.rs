//! Filters: EC2's names and words to fields that the control plane answers from its index.
//!
//! A filter of which the answer is the same for every row of the noun (`root-device-type` is always `ebs`) is decided here:
//! it drops out, or nothing can match.

pub(crate) use control::literal;
use control::{Field, Filter};
use model::instance_type::Scheme;
use model::{Catalogue, Error, Tags, matches_pattern};
use wire::FromArg;

use crate::Cx;
use crate::error::Refusal;
use crate::shown_filter::is_shown;

/// Most values of one filter (EC2 documents 200).
const VALUES_MAX: usize = 200;

/// A filter as a client writes it: `Filter.1.Name=...&Filter.1.Value.1=...`.
#[derive(Debug, Clone, FromArg)]
pub(crate) struct AskedFilter {
    pub name: String,
    #[arg(name = "Value")]
    pub values: Vec<String>,
}

/// What a filter of a noun means.
pub(crate) enum Means {
    /// The values are those of a field.
    Is(Field),
    /// EC2 has other words: each word, and those of the field that it stands for.
    Words(Field, &'static [(&'static str, &'static [&'static str])]),
    /// Every row has this value.
    Always(&'static str),
    /// Any of an instance type's names.
    InstanceType,
    /// A private host name, which is made of the address: `ip-10-0-0-5.domain`.
    HostName,
    /// Who offers an image: an alias instead of an account.
    OwnerAlias,
    /// Every row has the name of the region.
    Region,
}

/// The filters of a noun, tags aside.
pub(crate) type Known = &'static [(&'static str, Means)];

use Means::{Always, HostName, InstanceType, Is, OwnerAlias, Region, Words};

/// Phases behind each state of an instance.
const STATES: &[(&str, &[&str])] = &[
    ("pending", &["launching", "starting"]),
    ("running", &["running"]),
    ("shutting-down", &["terminating"]),
    ("terminated", &["terminated"]),
    ("stopping", &["stopping"]),
    ("stopped", &["stopped"]),
];

/// The same by number.
const STATE_CODES: &[(&str, &[&str])] = &[
    ("0", &["launching", "starting"]),
    ("16", &["running"]),
    ("32", &["terminating"]),
    ("48", &["terminated"]),
    ("64", &["stopping"]),
    ("80", &["stopped"]),
];

pub(crate) const INSTANCE: Known = &[
    ("architecture", Is(Field::Architecture)),
    ("availability-zone", Is(Field::Zone)),
    ("block-device-mapping.device-name", Is(Field::Device)),
    ("block-device-mapping.volume-id", Is(Field::Volume)),
    ("capacity-reservation-id", Is(Field::CapacityReservation)),
    ("group-id", Is(Field::Group)),
    ("group-name", Is(Field::GroupName)),
    ("hypervisor", Always("xen")),
    ("image-id", Is(Field::Image)),
    ("instance-id", Is(Field::Id)),
    ("instance-state-code", Words(Field::State, STATE_CODES)),
    ("instance-state-name", Words(Field::State, STATES)),
    ("instance-type", InstanceType),
    ("instance.group-id", Is(Field::Group)),
    ("instance.group-name", Is(Field::GroupName)),
    ("ip-address", Is(Field::PublicIp)),
    ("key-name", Is(Field::KeyName)),
    ("network-interface.addresses.association.public-ip", Is(Field::PublicIp)),
    ("network-interface.addresses.private-ip-address", Is(Field::PrivateIp)),
    ("network-interface.association.public-ip", Is(Field::PublicIp)),
    ("network-interface.availability-zone", Is(Field::Zone)),
    ("network-interface.group-id", Is(Field::Group)),
    ("network-interface.group-name", Is(Field::GroupName)),
    ("network-interface.network-interface-id", Is(Field::Interface)),
    ("network-interface.operator.managed", Always("false")),
    ("network-interface.owner-id", Is(Field::Owner)),
    ("network-interface.private-dns-name", HostName),
    ("network-interface.requester-managed", Always("false")),
    ("network-interface.subnet-id", Is(Field::Subnet)),
    ("network-interface.vpc-id", Is(Field::Vpc)),
    ("operator.managed", Always("false")),
    ("owner-id", Is(Field::Owner)),
    ("platform-details", Always("Linux/UNIX")),
    ("placement-group-name", Is(Field::Placement)),
    ("placement-partition-number", Is(Field::Partition)),
    ("private-dns-name", HostName),
    ("private-dns-name-options.enable-resource-name-dns-a-record", Is(Field::HostNameA)),
    ("private-dns-name-options.enable-resource-name-dns-aaaa-record", Is(Field::HostNameAaaa)),
    ("private-dns-name-options.hostname-type", Words(Field::HostNameKind, crate::host_name::KINDS)),
    ("private-ip-address", Is(Field::PrivateIp)),
    ("reservation-id", Is(Field::Reservation)),
    ("root-device-name", Always(crate::volume::ROOT_DEVICE)),
    ("root-device-type", Always("ebs")),
    ("source-dest-check", Is(Field::IsChecked)),
    ("subnet-id", Is(Field::Subnet)),
    ("tenancy", Always("default")),
    ("virtualization-type", Always("hvm")),
    ("vpc-id", Is(Field::Vpc)),
];

pub(crate) const INSTANCE_STATUS: Known = &[
    ("availability-zone", Is(Field::Zone)),
    ("instance-state-code", Words(Field::State, STATE_CODES)),
    ("instance-state-name", Words(Field::State, STATES)),
    ("operator.managed", Always("false")),
];

pub(crate) const IMAGE: Known = &[
    ("architecture", Is(Field::Architecture)),
    ("block-device-mapping.snapshot-id", Is(Field::Snapshot)),
    ("description", Is(Field::Description)),
    ("ena-support", Always("false")),
    ("hypervisor", Always("xen")),
    ("image-id", Is(Field::Id)),
    ("image-type", Always("machine")),
    ("is-public", Is(Field::IsPublic)),
    ("name", Is(Field::Name)),
    ("owner-alias", OwnerAlias),
    ("owner-id", Is(Field::Owner)),
    ("root-device-name", Always(crate::volume::ROOT_DEVICE)),
    ("root-device-type", Always("ebs")),
    ("source-instance-id", Is(Field::Instance)),
    ("state", Is(Field::State)),
    ("virtualization-type", Always("hvm")),
];

pub(crate) const KEY_PAIR: Known =
    &[("fingerprint", Is(Field::Fingerprint)), ("key-name", Is(Field::Name)), ("key-pair-id", Is(Field::Id))];

pub(crate) const LAUNCH_TEMPLATE: Known = &[("launch-template-name", Is(Field::Name))];

pub(crate) const VOLUME: Known = &[
    ("attachment.delete-on-termination", Is(Field::IsDeletedWithInstance)),
    ("attachment.device", Is(Field::Device)),
    ("attachment.instance-id", Is(Field::Instance)),
    ("attachment.status", Is(Field::Attachment)),
    ("availability-zone", Is(Field::Zone)),
    ("encrypted", Is(Field::IsEncrypted)),
    ("fast-restored", Always("false")),
    ("multi-attach-enabled", Is(Field::IsShared)),
    ("operator.managed", Always("false")),
    ("size", Is(Field::Size)),
    ("snapshot-id", Is(Field::Snapshot)),
    ("status", Is(Field::State)),
    ("volume-id", Is(Field::Id)),
    ("volume-type", Words(Field::Kind, crate::volume::TYPES)),
];

pub(crate) const SNAPSHOT: Known = &[
    ("description", Is(Field::Description)),
    ("encrypted", Is(Field::IsEncrypted)),
    ("owner-alias", OwnerAlias),
    ("owner-id", Is(Field::Owner)),
    ("snapshot-id", Is(Field::Id)),
    ("start-time", Is(Field::StartTime)),
    ("status", Is(Field::State)),
    ("storage-tier", Always("standard")),
    ("volume-id", Is(Field::Volume)),
    ("volume-size", Is(Field::Size)),
];

pub(crate) const VOLUME_STATUS: Known = &[("attachment-status.instance-id", Is(Field::Instance)), ("availability-zone", Is(Field::Zone))];

pub(crate) const VPC: Known = &[
    ("cidr-block", Is(Field::Range)),
    ("cidr", Is(Field::Range)),
    ("cidr-block-association.association-id", Is(Field::Association)),
    ("cidr-block-association.state", Always("associated")),
    ("dhcp-options-id", Is(Field::DhcpOptions)),
    ("is-default", Is(Field::IsDefault)),
    ("isDefault", Is(Field::IsDefault)),
    ("owner-id", Is(Field::Owner)),
    ("state", Is(Field::State)),
    ("vpc-id", Is(Field::Id)),
];

pub(crate) const INTERNET_GATEWAY: Known = &[
    ("attachment.state", Is(Field::State)),
    ("attachment.vpc-id", Is(Field::Vpc)),
    ("internet-gateway-id", Is(Field::Id)),
    ("owner-id", Is(Field::Owner)),
];

pub(crate) const NETWORK_ACL: Known = &[
    ("association.association-id", Is(Field::Association)),
    ("association.network-acl-id", Is(Field::Id)),
    ("association.subnet-id", Is(Field::Subnet)),
    ("default", Is(Field::IsDefault)),
    ("entry.cidr", Is(Field::Range)),
    ("entry.ipv6-cidr", Is(Field::Range)),
    ("network-acl-id", Is(Field::Id)),
    ("owner-id", Is(Field::Owner)),
    ("vpc-id", Is(Field::Vpc)),
];

pub(crate) const NETWORK_PATH: Known =
    &[("destination", Is(Field::Destination)), ("destination-port", Is(Field::Port)), ("source", Is(Field::Source))];

pub(crate) const PATH_ANALYSIS: Known =
    &[("network-insights-path-id", Is(Field::Path)), ("path-found", Is(Field::IsReached)), ("status", Always("succeeded"))];

pub(crate) const ROUTE_TABLE: Known = &[
    ("association.main", Is(Field::IsDefault)),
    ("association.route-table-association-id", Is(Field::Association)),
    ("association.route-table-id", Is(Field::Id)),
    ("association.subnet-id", Is(Field::Subnet)),
    ("owner-id", Is(Field::Owner)),
    ("route-table-id", Is(Field::Id)),
    ("route.destination-cidr-block", Is(Field::Range)),
    ("route.gateway-id", Is(Field::Gateway)),
    ("route.nat-gateway-id", Is(Field::Gateway)),
    ("route.vpc-peering-connection-id", Is(Field::Gateway)),
    ("vpc-id", Is(Field::Vpc)),
];

pub(crate) const VPC_PEERING: Known = &[
    ("accepter-vpc-info.owner-id", Is(Field::PeerOwner)),
    ("accepter-vpc-info.vpc-id", Is(Field::PeerVpc)),
    ("requester-vpc-info.owner-id", Is(Field::Owner)),
    ("requester-vpc-info.vpc-id", Is(Field::Vpc)),
    ("status-code", Is(Field::State)),
    ("vpc-peering-connection-id", Is(Field::Id)),
];

pub(crate) const NAT_GATEWAY: Known =
    &[("nat-gateway-id", Is(Field::Id)), ("state", Is(Field::State)), ("subnet-id", Is(Field::Subnet)), ("vpc-id", Is(Field::Vpc))];

pub(crate) const SUBNET: Known = &[
    ("availability-zone", Is(Field::Zone)),
    ("availabilityZone", Is(Field::Zone)),
    ("cidr", Is(Field::Range)),
    ("cidr-block", Is(Field::Range)),
    ("cidrBlock", Is(Field::Range)),
    ("default-for-az", Is(Field::IsDefault)),
    ("defaultForAz", Is(Field::IsDefault)),
    ("ipv6-native", Always("false")),
    ("owner-id", Is(Field::Owner)),
    ("private-dns-name-options-on-launch.enable-resource-name-dns-a-record", Is(Field::HostNameA)),
    ("private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record", Is(Field::HostNameAaaa)),
    ("private-dns-name-options-on-launch.hostname-type", Words(Field::HostNameKind, crate::host_name::KINDS)),
    ("state", Is(Field::State)),
    ("subnet-id", Is(Field::Id)),
    ("vpc-id", Is(Field::Vpc)),
];

pub(crate) const FLOW_LOG: Known = &[
    ("deliver-log-status", Always("SUCCESS")),
    ("flow-log-id", Is(Field::Id)),
    ("log-destination-type", Always("cloud-watch-logs")),
    ("log-group-name", Is(Field::LogGroup)),
    ("resource-id", Is(Field::Resource)),
    ("traffic-type", Is(Field::Kind)),
];

pub(crate) const PLACEMENT_GROUP: Known =
    &[("group-name", Is(Field::Name)), ("spread-level", Is(Field::Level)), ("state", Always("available")), ("strategy", Is(Field::Kind))];

pub(crate) const CAPACITY_RESERVATION: Known = &[
    ("availability-zone", Is(Field::Zone)),
    ("capacity-reservation-id", Is(Field::Id)),
    ("instance-match-criteria", Is(Field::Kind)),
    ("instance-platform", Always(crate::capacity_reservation::PLATFORM)),
    ("instance-type", InstanceType),
    ("owner-id", Is(Field::Owner)),
    ("reservation-type", Always("default")),
    ("state", Is(Field::State)),
    ("tenancy", Always("default")),
];

/// States of fleets: EC2 documents values of the filter with hyphens, where its replies have underscores. Both are taken.
const FLEET_STATES: &[(&str, &[&str])] = &[
    ("submitted", &["submitted"]),
    ("active", &["active"]),
    ("deleted", &["deleted"]),
    ("failed", &["failed"]),
    ("modifying", &["modifying"]),
    ("deleted-running", &["deleted_running"]),
    ("deleted_running", &["deleted_running"]),
    ("deleted-terminating", &["deleted_terminating"]),
    ("deleted_terminating", &["deleted_terminating"]),
];

pub(crate) const INSTANCE_FLEET: Known = &[("fleet-state", Words(Field::State, FLEET_STATES)), ("type", Is(Field::Kind))];

pub(crate) const DHCP_OPTIONS: Known = &[("dhcp-options-id", Is(Field::Id)), ("owner-id", Is(Field::Owner))];

pub(crate) const PREFIX_LIST: Known =
    &[("owner-id", Is(Field::Owner)), ("prefix-list-id", Is(Field::Id)), ("prefix-list-name", Is(Field::Name))];

pub(crate) const SECURITY_GROUP: Known = &[
    ("description", Is(Field::Description)),
    ("group-id", Is(Field::Id)),
    ("group-name", Is(Field::GroupName)),
    ("owner-id", Is(Field::Owner)),
    ("vpc-id", Is(Field::Vpc)),
];

pub(crate) const INTERFACE: Known = &[
    ("addresses.association.owner-id", Is(Field::Owner)),
    ("addresses.association.public-ip", Is(Field::PublicIp)),
    ("addresses.primary", Always("true")),
    ("addresses.private-ip-address", Is(Field::PrivateIp)),
    ("association.allocation-id", Is(Field::Allocation)),
    ("association.association-id", Is(Field::Association)),
    ("association.ip-owner-id", Is(Field::Owner)),
    ("association.public-ip", Is(Field::PublicIp)),
    ("attachment.attachment-id", Is(Field::PlugId)),
    ("attachment.delete-on-termination", Is(Field::IsDeletedWithInstance)),
    ("attachment.device-index", Is(Field::Device)),
    ("attachment.instance-id", Is(Field::Instance)),
    ("attachment.instance-owner-id", Is(Field::Owner)),
    ("attachment.status", Is(Field::Attachment)),
    ("availability-zone", Is(Field::Zone)),
    ("description", Is(Field::Description)),
    ("group-id", Is(Field::Group)),
    ("group-name", Is(Field::GroupName)),
    ("interface-type", Always("interface")),
    ("mac-address", Is(Field::Mac)),
    ("network-interface-id", Is(Field::Id)),
    ("operator.managed", Always("false")),
    ("owner-id", Is(Field::Owner)),
    ("private-dns-name", HostName),
    ("private-ip-address", Is(Field::PrivateIp)),
    ("requester-managed", Always("false")),
    ("source-dest-check", Is(Field::IsChecked)),
    ("status", Is(Field::State)),
    ("subnet-id", Is(Field::Subnet)),
    ("vpc-id", Is(Field::Vpc)),
];

pub(crate) const ADDRESS: Known = &[
    ("allocation-id", Is(Field::Id)),
    ("association-id", Is(Field::Association)),
    ("domain", Always("vpc")),
    ("instance-id", Is(Field::Instance)),
    ("network-border-group", Region),
    ("network-interface-id", Is(Field::Interface)),
    ("network-interface-owner-id", Is(Field::Owner)),
    ("private-ip-address", Is(Field::PrivateIp)),
    ("public-ip", Is(Field::PublicIp)),
];

/// What the control plane is to filter by.
pub(crate) fn filters(cx: &Cx, known: Known, asked: &[AskedFilter]) -> Result<Vec<Filter>, Refusal> {
    let mut filters = Vec::with_capacity(asked.len());
    for AskedFilter { name, values } in asked {
        if values.len() > VALUES_MAX {
            return Err(Error::invalid("Filter", format!("the filter {name} has more than {VALUES_MAX} values")).into());
        }
        if let Some(field) = tag_field(name) {
            filters.push(Filter { field, values: values.clone() });
            continue;
        }
        if is_shown(cx.caller.action, name) {
            continue;
        }
        let means = known.iter().find(|(known, _)| known == name).map(|(_, means)| means);
        match means.ok_or_else(|| Refusal::UnknownFilter { name: name.clone() })? {
            Always(value) if any_matches(values, value) => {}
            Region if any_matches(values, &cx.cloud.region().name) => {}
            Always(_) | Region => filters.push(nothing()),
            Is(field) => filters.push(Filter { field: field.clone(), values: values.clone() }),
            Words(field, words) => filters.push(Filter { field: field.clone(), values: translated(words, values) }),
            InstanceType => filters.push(Filter { field: Field::InstanceType, values: kept_types(values) }),
            HostName => filters.push(Filter { field: Field::PrivateIp, values: addresses_named(cx, values) }),
            OwnerAlias => filters.push(by_alias(cx, values)),
        }
    }
    Ok(filters)
}

/// Keeps the rows of a list that is not the control plane's, such as zones: `value` tells what a row has of a filter, none
/// when there is no such filter.
pub(crate) fn retain<T>(
    rows: &mut Vec<T>,
    asked: &[AskedFilter],
    value: impl Fn(&T, &str) -> Option<Vec<String>>,
    known: &[&str],
) -> Result<(), Refusal> {
    for AskedFilter { name, values } in asked {
        if !known.contains(&name.as_str()) {
            return Err(Refusal::UnknownFilter { name: name.clone() });
        }
        rows.retain(|row| value(row, name).into_iter().flatten().any(|value| any_matches(values, &value)));
    }
    Ok(())
}

/// Keeps the rows that have the tags which filters ask for; the filters that are about something else.
pub(crate) fn retain_tagged<T>(rows: &mut Vec<T>, asked: Vec<AskedFilter>, tags: impl Fn(&T) -> &Tags) -> Vec<AskedFilter> {
    let (of_tags, rest): (Vec<_>, Vec<_>) = asked.into_iter().partition(|filter| tag_field(&filter.name).is_some());
    for AskedFilter { name, values } in of_tags {
        rows.retain(|row| {
            let mut tags = tags(row).iter();
            match name.strip_prefix("tag:") {
                Some(wanted) => tags.any(|(key, value)| key == wanted && any_matches(&values, value)),
                None => tags.any(|(key, value)| any_matches(&values, if name == "tag-key" { key } else { value })),
            }
        });
    }
    rest
}

/// Whether one of the patterns fits.
pub(crate) fn any_matches(patterns: &[String], value: &str) -> bool {
    patterns.iter().any(|pattern| matches_pattern(pattern, value))
}

/// A filter that no row passes.
pub(crate) fn nothing() -> Filter {
    Filter { field: Field::Id, values: vec![] }
}

fn tag_field(name: &str) -> Option<Field> {
    match name {
        "tag-key" => Some(Field::TagKey),
        "tag-value" => Some(Field::TagValue),
        other => other.strip_prefix("tag:").map(|key| Field::Tag(key.to_owned())),
    }
}

fn translated(words: &[(&str, &[&str])], patterns: &[String]) -> Vec<String> {
    let meant = words.iter().filter(|(word, _)| any_matches(patterns, word));
    meant.flat_map(|(_, own)| own.iter().map(|&word| word.to_owned())).collect()
}

/// Instances may have been launched by any cloud's name of their type; they are found by the name that they are shown with.
fn kept_types(patterns: &[String]) -> Vec<String> {
    let mut kept: Vec<String> = patterns.iter().flat_map(|pattern| Catalogue::standard().kept_as(Scheme::Ec2, pattern)).collect();
    kept.sort();
    kept.dedup();
    kept
}

/// `ip-10-0-0-5` and `ip-10-0-0-5.domain` to `10.0.0.5`; other names are nobody's.
fn addresses_named(cx: &Cx, names: &[String]) -> Vec<String> {
    let domain = format!(".{}", cx.cloud.region().domain);
    let label = |name: &String| name.strip_suffix(&domain).unwrap_or(name).strip_prefix("ip-").map(|digits| digits.replace('-', "."));
    names.iter().filter_map(label).collect()
}

fn by_alias(cx: &Cx, aliases: &[String]) -> Filter {
    let meant = crate::image::OPERATOR_ALIASES.iter().any(|alias| any_matches(aliases, alias));
    if meant { Filter { field: Field::Owner, values: vec![cx.cloud.region().operator.to_string()] } } else { nothing() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn states_are_translated_also_by_pattern() {
        for (asked, expected) in [
            (&["pending"][..], &["launching", "starting"][..]),
            (&["stop*"], &["stopping", "stopped"]),
            (&["launching"], &[]),
            (&["running", "terminated"], &["running", "terminated"]),
        ] {
            assert_eq!(translated(STATES, &texts(asked)), texts(expected), "{asked:?}");
        }
    }

    #[test]
    fn a_type_is_found_by_the_name_that_it_is_shown_with() {
        assert_eq!(kept_types(&texts(&["t3a.nano"])), texts(&["t3a.nano"]));
        assert!(kept_types(&texts(&["t3.nano"])).iter().any(|name| name.starts_with("ecs.")), "launched through another cloud's API");
        assert!(kept_types(&texts(&["*"])).len() <= control::FILTER_VALUES_MAX, "the control plane takes so many");
    }

    #[test]
    fn a_literal_fits_itself_only() {
        for text in ["a*b", r"a\b", "a?b", "plain"] {
            assert!(any_matches(&[literal(text)], text), "{text}");
        }
        assert!(!any_matches(&[literal("a*b")], "axb"));
    }
}
