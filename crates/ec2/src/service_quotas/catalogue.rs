//! What Service Quotas calls our quotas. Codes are AWS' where AWS limits the same thing in the same way, else of our own.

use model::QuotaName;

/// A quota as AWS lists it.
pub(crate) struct Entry {
    /// Which of ours.
    pub quota: QuotaName,
    /// The service that it belongs to.
    pub service: &'static str,
    /// Its code.
    pub code: &'static str,
    /// Its title.
    pub title: &'static str,
}

const fn entry(quota: QuotaName, service: &'static str, code: &'static str, title: &'static str) -> Entry {
    Entry { quota, service, code, title }
}

/// The entry of a quota. "Amazon EC2/VPC/EBS endpoints and quotas" has the codes that do not begin with `L-9A`.
pub(crate) const fn of(quota: QuotaName) -> Entry {
    match quota {
        QuotaName::Instances => entry(quota, "ec2", "L-9A000001", "Running instances"),
        QuotaName::KeyPairs => entry(quota, "ec2", "L-9A000002", "Key pairs"),
        QuotaName::Addresses => entry(quota, "ec2", "L-0263D0A3", "EC2-VPC Elastic IPs"),
        QuotaName::SecurityGroups => entry(quota, "vpc", "L-E79EC296", "VPC security groups per Region"),
        QuotaName::Volumes => entry(quota, "ebs", "L-9A000003", "Volumes"),
        QuotaName::Snapshots => entry(quota, "ebs", "L-309BACF6", "Snapshots per Region"),
        QuotaName::Images => entry(quota, "ec2", "L-B665C33B", "AMIs"),
        QuotaName::Vpcs => entry(quota, "vpc", "L-F678F1CE", "VPCs per Region"),
        QuotaName::VpcRanges => entry(quota, "vpc", "L-83CA0A9D", "IPv4 CIDR blocks per VPC"),
        QuotaName::Subnets => entry(quota, "vpc", "L-407747CB", "Subnets per VPC"),
        QuotaName::NatGateways => entry(quota, "vpc", "L-FE5A380F", "NAT gateways per Availability Zone"),
        QuotaName::VpcPeerings => entry(quota, "vpc", "L-7E9ECCDB", "Active VPC peering connections per VPC"),
        QuotaName::NatAddresses => entry(quota, "vpc", "L-9A000010", "Elastic IP addresses per NAT gateway"),
        QuotaName::NatSources => entry(quota, "vpc", "L-9A000011", "Source rules per NAT gateway"),
        QuotaName::NatForwards => entry(quota, "vpc", "L-9A000012", "Forwarding rules per NAT gateway"),
        QuotaName::EgressOnlyGateways => entry(quota, "vpc", "L-45FE3B85", "Egress-only internet gateways per Region"),
        QuotaName::InternetGateways => entry(quota, "vpc", "L-A4707A72", "Internet gateways per Region"),
        QuotaName::RouteTables => entry(quota, "vpc", "L-589F43AA", "Route tables per VPC"),
        QuotaName::Routes => entry(quota, "vpc", "L-93826ACB", "Routes per route table"),
        QuotaName::NetworkAcls => entry(quota, "vpc", "L-B4A6D682", "Network ACLs per VPC"),
        QuotaName::NetworkPaths => entry(quota, "vpc", "L-9A000004", "Network insights paths"),
        QuotaName::PathAnalyses => entry(quota, "vpc", "L-9A000005", "Network insights analyses"),
        QuotaName::Interfaces => entry(quota, "vpc", "L-DF5E4CA3", "Network interfaces per Region"),
        QuotaName::PrefixLists => entry(quota, "vpc", "L-9A00000B", "Prefix lists"),
        QuotaName::InstanceFleets => entry(quota, "ec2", "L-9A00000C", "Fleets"),
        QuotaName::PlacementGroups => entry(quota, "ec2", "L-9A00000A", "Placement groups"),
        QuotaName::LaunchTemplates => entry(quota, "ec2", "L-9A000006", "Launch templates"),
        QuotaName::ReadRequests => entry(quota, "ec2", "L-9A000007", "Rate of requests of each action that reads"),
        QuotaName::ChangeRequests => entry(quota, "ec2", "L-9A000008", "Rate of requests of each action that changes something"),
        QuotaName::InstanceLaunches => entry(quota, "ec2", "L-9A000009", "Rate of instance launches"),
    }
}

/// The services that have quotas, and their names.
pub(crate) const SERVICES: [(&str, &str); 3] = [
    ("ebs", "Amazon Elastic Block Store (Amazon EBS)"),
    ("ec2", "Amazon Elastic Compute Cloud (Amazon EC2)"),
    ("vpc", "Amazon Virtual Private Cloud (Amazon VPC)"),
];

/// The quota of a service with this code.
pub(crate) fn named(service: &str, code: &str) -> Option<Entry> {
    QuotaName::ALL.into_iter().map(of).find(|entry| entry.service == service && entry.code == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_quota_has_a_code_of_its_own_in_a_service_that_is_listed() {
        for quota in QuotaName::ALL {
            let entry = of(quota);
            assert!(SERVICES.iter().any(|(code, _)| *code == entry.service), "{quota}");
            assert_eq!(named(entry.service, entry.code).map(|found| found.quota), Some(quota));
        }
    }
}
