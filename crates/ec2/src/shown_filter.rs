//! Filters by what a reply shows and no index holds, such as the time of an attachment: they are answered from the reply.
//!
//! What does not fit is left out of a page after it was cut, so that a page may have fewer rows than were asked for, none included,
//! and a token for the next, as EC2 documents.

use wire::{Args, Doc, FromArg, Show, time};

use crate::error::Refusal;
use crate::filter::{AskedFilter, any_matches};

/// Filters of a list that are answered from its reply.
struct Shown {
    /// The action as policies name it.
    action: &'static str,
    /// Members that lead to the rows; lists on the way lose what becomes empty.
    rows: &'static [&'static str],
    /// Each filter, and the members of a row that have its values, of which one must fit. None: no row of this cloud has a value.
    filters: &'static [(&'static str, &'static [&'static str])],
}

const SHOWN: &[Shown] = &[
    Shown {
        action: "ec2:DescribeInstances",
        rows: &["reservationSet", "instancesSet"],
        filters: &[
            ("affinity", &[]),
            ("availability-zone-id", &["placement.availabilityZoneId"]),
            ("block-device-mapping.attach-time", &["blockDeviceMapping.ebs.attachTime"]),
            ("block-device-mapping.delete-on-termination", &["blockDeviceMapping.ebs.deleteOnTermination"]),
            ("block-device-mapping.status", &["blockDeviceMapping.ebs.status"]),
            (
                "capacity-reservation-specification.capacity-reservation-preference",
                &["capacityReservationSpecification.capacityReservationPreference"],
            ),
            (
                "capacity-reservation-specification.capacity-reservation-target.capacity-reservation-id",
                &["capacityReservationSpecification.capacityReservationTarget.capacityReservationId"],
            ),
            ("capacity-reservation-specification.capacity-reservation-target.capacity-reservation-resource-group-arn", &[]),
            ("boot-mode", &[]),
            ("client-token", &["clientToken"]),
            ("current-instance-boot-mode", &["currentInstanceBootMode"]),
            ("dns-name", &["dnsName"]),
            ("ebs-optimized", &["ebsOptimized"]),
            ("ena-support", &["enaSupport"]),
            ("enclave-options.enabled", &["enclaveOptions.enabled"]),
            ("hibernation-options.configured", &["hibernationOptions.configured"]),
            ("host-id", &[]),
            ("iam-instance-profile.arn", &["iamInstanceProfile.arn"]),
            ("iam-instance-profile.id", &["iamInstanceProfile.id"]),
            ("instance-lifecycle", &[]),
            ("ipv6-address", &["networkInterfaceSet.ipv6AddressesSet.ipv6Address"]),
            ("kernel-id", &[]),
            ("launch-index", &["amiLaunchIndex"]),
            ("launch-time", &["launchTime"]),
            ("metadata-options.http-endpoint", &["metadataOptions.httpEndpoint"]),
            ("maintenance-options.auto-recovery", &[]),
            ("metadata-options.http-protocol-ipv4", &["metadataOptions.httpEndpoint"]),
            ("metadata-options.http-protocol-ipv6", &["metadataOptions.httpProtocolIpv6"]),
            ("metadata-options.http-put-response-hop-limit", &["metadataOptions.httpPutResponseHopLimit"]),
            ("metadata-options.http-tokens", &["metadataOptions.httpTokens"]),
            ("metadata-options.instance-metadata-tags", &["metadataOptions.instanceMetadataTags"]),
            ("metadata-options.state", &["metadataOptions.state"]),
            ("monitoring-state", &["monitoring.state"]),
            ("network-interface.addresses.association.carrier-ip", &[]),
            ("network-interface.addresses.association.customer-owned-ip", &[]),
            ("network-interface.addresses.association.ip-owner-id", &["networkInterfaceSet.privateIpAddressesSet.association.ipOwnerId"]),
            (
                "network-interface.addresses.association.public-dns-name",
                &["networkInterfaceSet.privateIpAddressesSet.association.publicDnsName"],
            ),
            ("network-interface.addresses.primary", &["networkInterfaceSet.privateIpAddressesSet.primary"]),
            ("network-interface.addresses.private-dns-name", &["networkInterfaceSet.privateIpAddressesSet.privateDnsName"]),
            ("network-interface.association.carrier-ip", &[]),
            ("network-interface.association.customer-owned-ip", &[]),
            ("network-interface.association.ip-owner-id", &["networkInterfaceSet.association.ipOwnerId"]),
            ("network-interface.association.public-dns-name", &["networkInterfaceSet.association.publicDnsName"]),
            ("network-interface.attachment.attach-time", &["networkInterfaceSet.attachment.attachTime"]),
            ("network-interface.attachment.attachment-id", &["networkInterfaceSet.attachment.attachmentId"]),
            ("network-interface.attachment.delete-on-termination", &["networkInterfaceSet.attachment.deleteOnTermination"]),
            ("network-interface.attachment.device-index", &["networkInterfaceSet.attachment.deviceIndex"]),
            ("network-interface.attachment.instance-id", &["instanceId"]),
            ("network-interface.attachment.instance-owner-id", &["networkInterfaceSet.ownerId"]),
            ("network-interface.attachment.network-card-index", &["networkInterfaceSet.attachment.networkCardIndex"]),
            ("network-interface.attachment.status", &["networkInterfaceSet.attachment.status"]),
            ("network-interface.deny-all-igw-traffic", &[]),
            ("network-interface.description", &["networkInterfaceSet.description"]),
            ("network-interface.ipv4-prefixes.ipv4-prefix", &[]),
            ("network-interface.ipv6-address", &["networkInterfaceSet.ipv6AddressesSet.ipv6Address"]),
            ("network-interface.ipv6-addresses.ipv6-address", &["networkInterfaceSet.ipv6AddressesSet.ipv6Address"]),
            ("network-interface.ipv6-addresses.is-primary-ipv6", &[]),
            ("network-interface.ipv6-native", &[]),
            ("network-interface.ipv6-prefixes.ipv6-prefix", &[]),
            ("network-interface.mac-address", &["networkInterfaceSet.macAddress"]),
            ("network-interface.operator.principal", &[]),
            ("network-interface.outpost-arn", &[]),
            ("network-interface.private-ip-address", &["networkInterfaceSet.privateIpAddress"]),
            ("network-interface.public-dns-name", &["networkInterfaceSet.association.publicDnsName"]),
            ("network-interface.requester-id", &[]),
            ("network-interface.source-dest-check", &["networkInterfaceSet.sourceDestCheck"]),
            ("network-interface.status", &["networkInterfaceSet.status"]),
            ("network-performance-options.bandwidth-weighting", &[]),
            ("operator.principal", &[]),
            ("outpost-arn", &[]),
            ("platform", &[]),
            ("product-code", &[]),
            ("product-code.type", &[]),
            ("ramdisk-id", &[]),
            ("reason", &["reason"]),
            ("requester-id", &[]),
            ("spot-instance-request-id", &[]),
            ("state-reason-code", &["stateReason.code"]),
            ("state-reason-message", &["stateReason.message"]),
            ("tpm-support", &[]),
            ("usage-operation", &["usageOperation"]),
            ("usage-operation-update-time", &["usageOperationUpdateTime"]),
        ],
    },
    Shown {
        action: "ec2:DescribeVolumes",
        rows: &["volumeSet"],
        filters: &[
            ("attachment.attach-time", &["attachmentSet.attachTime"]),
            ("availability-zone-id", &["availabilityZoneId"]),
            ("create-time", &["createTime"]),
            ("operator.principal", &[]),
        ],
    },
    Shown {
        action: "ec2:DescribeVolumeStatus",
        rows: &["volumeStatusSet"],
        filters: &[
            ("action.code", &[]),
            ("action.description", &[]),
            ("action.event-id", &[]),
            ("attachment-status.io-performance", &[]),
            ("event.description", &[]),
            ("event.event-id", &[]),
            ("event.event-type", &[]),
            ("event.not-after", &[]),
            ("event.not-before", &[]),
            ("volume-status.details-name", &["volumeStatus.details.name"]),
            ("volume-status.details-status", &["volumeStatus.details.status"]),
            ("volume-status.status", &["volumeStatus.status"]),
        ],
    },
    Shown { action: "ec2:DescribeSnapshots", rows: &["snapshotSet"], filters: &[("progress", &["progress"]), ("transfer-type", &[])] },
    Shown {
        action: "ec2:DescribeImages",
        rows: &["imagesSet"],
        filters: &[
            ("block-device-mapping.delete-on-termination", &["blockDeviceMapping.ebs.deleteOnTermination"]),
            ("block-device-mapping.device-name", &["blockDeviceMapping.deviceName"]),
            ("block-device-mapping.encrypted", &["blockDeviceMapping.ebs.encrypted"]),
            ("block-device-mapping.volume-size", &["blockDeviceMapping.ebs.volumeSize"]),
            ("block-device-mapping.volume-type", &["blockDeviceMapping.ebs.volumeType"]),
            ("boot-mode", &["bootMode"]),
            ("creation-date", &["creationDate"]),
            ("free-tier-eligible", &[]),
            ("image-allowed", &[]),
            ("image-watermark.source-image-creation-time", &[]),
            ("image-watermark.source-image-id", &[]),
            ("image-watermark.source-image-region", &[]),
            ("image-watermark.watermark-creation-time", &[]),
            ("image-watermark.watermark-key", &[]),
            ("instance-type-specification.supported-instance-type", &[]),
            ("instance-type-specification.unsupported-instance-type", &[]),
            ("kernel-id", &[]),
            ("manifest-location", &["imageLocation"]),
            ("platform", &[]),
            ("product-code", &[]),
            ("product-code.type", &[]),
            ("public-ssm-parameter-name", &[]),
            ("ramdisk-id", &[]),
            ("scan-result.critical-fix-available-since", &[]),
            ("scan-result.finding-scan-date", &[]),
            ("scan-result.high-fix-available-since", &[]),
            ("scan-result.highest-finding-severity-label", &[]),
            ("scan-result.informational-fix-available-since", &[]),
            ("scan-result.low-fix-available-since", &[]),
            ("scan-result.medium-fix-available-since", &[]),
            ("source-image-id", &["sourceImageId"]),
            ("source-image-region", &["sourceImageRegion"]),
            ("sriov-net-support", &[]),
            ("state-reason-code", &[]),
            ("state-reason-message", &[]),
        ],
    },
    Shown {
        action: "ec2:DescribeVpcs",
        rows: &["vpcSet"],
        filters: &[
            ("cidr-block-association.cidr-block", &["cidrBlockAssociationSet.cidrBlock"]),
            ("ipv6-cidr-block-association.association-id", &["ipv6CidrBlockAssociationSet.associationId"]),
            ("ipv6-cidr-block-association.ipv6-cidr-block", &["ipv6CidrBlockAssociationSet.ipv6CidrBlock"]),
            ("ipv6-cidr-block-association.ipv6-pool", &["ipv6CidrBlockAssociationSet.ipv6Pool"]),
            ("ipv6-cidr-block-association.state", &["ipv6CidrBlockAssociationSet.ipv6CidrBlockState.state"]),
        ],
    },
    Shown {
        action: "ec2:DescribeSubnets",
        rows: &["subnetSet"],
        filters: &[
            ("availability-zone-id", &["availabilityZoneId"]),
            ("availabilityZoneId", &["availabilityZoneId"]),
            ("available-ip-address-count", &["availableIpAddressCount"]),
            ("customer-owned-ipv4-pool", &[]),
            ("enable-dns64", &["enableDns64"]),
            ("enable-lni-at-device-index", &[]),
            ("ipv6-cidr-block-association.association-id", &["ipv6CidrBlockAssociationSet.associationId"]),
            ("ipv6-cidr-block-association.ipv6-cidr-block", &["ipv6CidrBlockAssociationSet.ipv6CidrBlock"]),
            ("ipv6-cidr-block-association.state", &["ipv6CidrBlockAssociationSet.ipv6CidrBlockState.state"]),
            ("map-customer-owned-ip-on-launch", &["mapCustomerOwnedIpOnLaunch"]),
            ("map-public-ip-on-launch", &["mapPublicIpOnLaunch"]),
            ("outpost-arn", &[]),
            ("subnet-arn", &["subnetArn"]),
        ],
    },
    Shown {
        action: "ec2:DescribeSecurityGroups",
        rows: &["securityGroupInfo"],
        filters: &[
            ("egress.ip-permission.cidr", &["ipPermissionsEgress.ipRanges.cidrIp"]),
            ("egress.ip-permission.from-port", &["ipPermissionsEgress.fromPort"]),
            ("egress.ip-permission.group-id", &["ipPermissionsEgress.groups.groupId"]),
            ("egress.ip-permission.ipv6-cidr", &["ipPermissionsEgress.ipv6Ranges.cidrIpv6"]),
            ("egress.ip-permission.prefix-list-id", &["ipPermissionsEgress.prefixListIds.prefixListId"]),
            ("egress.ip-permission.protocol", &["ipPermissionsEgress.ipProtocol"]),
            ("egress.ip-permission.to-port", &["ipPermissionsEgress.toPort"]),
            ("egress.ip-permission.user-id", &["ipPermissionsEgress.groups.userId"]),
            ("ip-permission.cidr", &["ipPermissions.ipRanges.cidrIp"]),
            ("ip-permission.from-port", &["ipPermissions.fromPort"]),
            ("ip-permission.group-id", &["ipPermissions.groups.groupId"]),
            ("ip-permission.ipv6-cidr", &["ipPermissions.ipv6Ranges.cidrIpv6"]),
            ("ip-permission.prefix-list-id", &["ipPermissions.prefixListIds.prefixListId"]),
            ("ip-permission.protocol", &["ipPermissions.ipProtocol"]),
            ("ip-permission.to-port", &["ipPermissions.toPort"]),
            ("ip-permission.user-id", &["ipPermissions.groups.userId"]),
        ],
    },
    Shown {
        action: "ec2:DescribeNetworkInterfaces",
        rows: &["networkInterfaceSet"],
        filters: &[
            ("association.public-dns-name", &["association.publicDnsName"]),
            ("attachment.attach-time", &["attachment.attachTime"]),
            ("attachment.network-card-index", &["attachment.networkCardIndex"]),
            ("availability-zone-id", &["availabilityZoneId"]),
            ("ipv6-addresses.ipv6-address", &["ipv6AddressesSet.ipv6Address"]),
            ("operator.principal", &[]),
            ("requester-id", &[]),
        ],
    },
    Shown {
        action: "ec2:DescribeRouteTables",
        rows: &["routeTableSet"],
        filters: &[
            ("association.gateway-id", &[]),
            ("route.destination-ipv6-cidr-block", &["routeSet.destinationIpv6CidrBlock"]),
            ("route.destination-prefix-list-id", &["routeSet.destinationPrefixListId"]),
            ("route.egress-only-internet-gateway-id", &["routeSet.egressOnlyInternetGatewayId"]),
            ("route.instance-id", &["routeSet.instanceId"]),
            ("route.origin", &["routeSet.origin"]),
            ("route.state", &["routeSet.state"]),
            ("route.transit-gateway-id", &[]),
        ],
    },
    Shown {
        action: "ec2:DescribeNetworkAcls",
        rows: &["networkAclSet"],
        filters: &[
            ("entry.egress", &["entrySet.egress"]),
            ("entry.icmp.code", &["entrySet.icmpTypeCode.code"]),
            ("entry.icmp.type", &["entrySet.icmpTypeCode.type"]),
            ("entry.ipv6-cidr", &["entrySet.ipv6CidrBlock"]),
            ("entry.port-range.from", &["entrySet.portRange.from"]),
            ("entry.port-range.to", &["entrySet.portRange.to"]),
            ("entry.protocol", &["entrySet.protocol"]),
            ("entry.rule-action", &["entrySet.ruleAction"]),
            ("entry.rule-number", &["entrySet.ruleNumber"]),
        ],
    },
    Shown {
        action: "ec2:DescribeInstanceStatus",
        rows: &["instanceStatusSet"],
        filters: &[
            ("application-status.status", &[]),
            ("attached-ebs-status.status", &[]),
            ("availability-zone-id", &["availabilityZoneId"]),
            ("operator.principal", &[]),
        ],
    },
    Shown {
        action: "ec2:DescribeDhcpOptions",
        rows: &["dhcpOptionsSet"],
        filters: &[("key", &["dhcpConfigurationSet.key"]), ("value", &["dhcpConfigurationSet.valueSet.value"])],
    },
    Shown { action: "ec2:DescribePlacementGroups", rows: &["placementGroupSet"], filters: &[("group-arn", &["groupArn"])] },
    Shown {
        action: "ec2:DescribeVpcPeeringConnections",
        rows: &["vpcPeeringConnectionSet"],
        filters: &[
            ("accepter-vpc-info.cidr-block", &["accepterVpcInfo.cidrBlock"]),
            ("expiration-time", &["expirationTime"]),
            ("requester-vpc-info.cidr-block", &["requesterVpcInfo.cidrBlock"]),
            ("status-message", &["status.message"]),
        ],
    },
    Shown {
        action: "ec2:DescribeCapacityReservations",
        rows: &["capacityReservationSet"],
        filters: &[
            ("end-date", &["endDate"]),
            ("end-date-type", &["endDateType"]),
            ("outpost-arn", &[]),
            ("placement-group-arn", &[]),
            ("start-date", &["startDate"]),
        ],
    },
    Shown {
        action: "ec2:DescribeFleets",
        rows: &["fleetSet"],
        filters: &[
            ("activity-status", &["activityStatus"]),
            ("excess-capacity-termination-policy", &["excessCapacityTerminationPolicy"]),
            ("replace-unhealthy-instances", &["replaceUnhealthyInstances"]),
        ],
    },
    Shown { action: "ec2:DescribeLaunchTemplates", rows: &["launchTemplates"], filters: &[("create-time", &["createTime"])] },
    Shown {
        action: "ec2:DescribeLaunchTemplateVersions",
        rows: &["launchTemplateVersionSet"],
        filters: &[
            ("create-time", &["createTime"]),
            ("ebs-optimized", &["launchTemplateData.ebsOptimized"]),
            ("host-resource-group-arn", &[]),
            ("http-endpoint", &["launchTemplateData.metadataOptions.httpEndpoint"]),
            ("http-protocol-ipv4", &[]),
            ("http-tokens", &["launchTemplateData.metadataOptions.httpTokens"]),
            ("iam-instance-profile", &["launchTemplateData.iamInstanceProfile.arn", "launchTemplateData.iamInstanceProfile.name"]),
            ("kernel-id", &[]),
            ("license-configuration-arn", &[]),
            ("network-card-index", &["launchTemplateData.networkInterfaceSet.networkCardIndex"]),
            ("ram-disk-id", &[]),
        ],
    },
];

/// Filters of which EC2 documents the values with hyphens, where its replies have underscores. Both are taken.
const HYPHENATED: &[(&str, &str)] = &[("ec2:DescribeFleets", "activity-status")];

/// Whether a filter of an action is answered from the reply.
pub(crate) fn is_shown(action: &str, name: &str) -> bool {
    SHOWN.iter().any(|shown| shown.action == action && shown.filters.iter().any(|(known, _)| *known == name))
}

#[derive(FromArg)]
struct Asked {
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
}

/// Leaves out of a reply what does not fit the filters that are answered from it.
pub(crate) fn retain(action: &str, args: &Args, mut reply: wire::Shown) -> Result<wire::Shown, Refusal> {
    let Some(looked) = SHOWN.iter().find(|looked| looked.action == action) else { return Ok(reply) };
    for AskedFilter { name, mut values } in args.decode::<Asked>()?.filters {
        if HYPHENATED.contains(&(action, name.as_str())) {
            values.iter_mut().for_each(|value| *value = value.replace('-', "_"));
        }
        if let Some((_, paths)) = looked.filters.iter().find(|(known, _)| *known == name) {
            let mut doc = Doc::of(&reply);
            retain_rows(&mut doc, looked.rows, &|row| paths.iter().any(|path| has(row, path, &values)));
            reply = Box::new(doc);
        }
    }
    Ok(reply)
}

fn retain_rows(doc: &mut Doc, rows: &[&str], fits: &dyn Fn(&Doc) -> bool) {
    let Some((name, further)) = rows.split_first() else { return };
    let Doc::Object(members) = doc else { return };
    let Some((_, Doc::List { items, .. })) = members.iter_mut().find(|(member, _)| member == name) else { return };
    items.retain_mut(|item| match further.first() {
        None => fits(item),
        Some(list) => {
            retain_rows(item, further, fits);
            matches!(item, Doc::Object(members) if members.iter().any(|(member, rows)| member == list && !rows.is_empty()))
        }
    });
}

/// Whether a value at a path fits; lists on the way are looked into.
fn has(doc: &Doc, path: &str, patterns: &[String]) -> bool {
    if let Doc::List { items, .. } = doc {
        return items.iter().any(|item| has(item, path, patterns));
    }
    if path.is_empty() {
        return text(doc).is_some_and(|text| any_matches(patterns, &text));
    }
    let (name, rest) = path.split_once('.').unwrap_or((path, ""));
    matches!(doc, Doc::Object(members) if members.iter().any(|(member, doc)| *member == name && has(doc, rest, patterns)))
}

/// A value as the reply writes it.
fn text(doc: &Doc) -> Option<String> {
    match doc {
        Doc::Bool(value) => Some(value.to_string()),
        Doc::Int(value) => Some(value.to_string()),
        Doc::Float(value) => Some(value.to_string()),
        Doc::Time(moment) => Some(time::to_millisecond(*moment)),
        Doc::Text(text) => Some(text.to_string()),
        Doc::Null | Doc::List { .. } | Doc::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(id: i64, times: &[&'static str]) -> Doc {
        let ties = times.iter().map(|&time| Doc::object([("attachTime", Doc::text(time))]));
        Doc::object([("id", Doc::Int(id)), ("ties", Doc::list("item", ties))])
    }

    #[test]
    fn rows_that_do_not_fit_go_and_what_held_only_them_goes_too() {
        let group = |items: Vec<Doc>| Doc::object([("rows", Doc::list("item", items))]);
        let both = vec![group(vec![item(1, &["2026-01"]), item(2, &[])]), group(vec![item(3, &["2025-12", "2026-02"])])];
        let mut doc = Doc::object([("groups", Doc::list("item", both))]);
        for (path, pattern, left) in [
            ("ties.attachTime", "202?-*", vec![group(vec![item(1, &["2026-01"])]), group(vec![item(3, &["2025-12", "2026-02"])])]),
            ("ties.attachTime", "2026-02", vec![group(vec![item(3, &["2025-12", "2026-02"])])]),
            ("id", "2", vec![]),
        ] {
            retain_rows(&mut doc, &["groups", "rows"], &|row| has(row, path, &[pattern.to_owned()]));
            assert_eq!(doc, Doc::object([("groups", Doc::list("item", left))]), "{path}");
        }
    }

    #[test]
    fn a_list_and_a_filter_stand_once() {
        for (at, shown) in SHOWN.iter().enumerate() {
            assert!(!SHOWN[..at].iter().any(|other| other.action == shown.action), "{}", shown.action);
            for (at, (name, _)) in shown.filters.iter().enumerate() {
                assert!(!shown.filters[..at].iter().any(|(other, _)| other == name), "{} {name}", shown.action);
            }
        }
    }
}
