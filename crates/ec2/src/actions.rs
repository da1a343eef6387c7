//! The action table: every action that is served, what it takes, and how much of the vendor's promise it keeps.
//!
//! A parameter that no row's structure reads is refused: as unsupported when the vendor has it and this cloud does not
//! (`absent`), else as unknown. Nothing that a client asks for is passed over in silence.

use std::future::Future;
use std::pin::Pin;

use wire::{FromArg, Parameter, Shown};

use crate::error::{Refusal, unsupported};
use crate::{
    Call, Cx, account, address, capacity_reservation, credit_specification, dhcp_options, disk_encryption, egress_only_gateway, flow_log,
    gateway, host_name, iam, image, image_attribute, image_change, image_task, instance, instance_attribute, instance_event,
    instance_fleet, instance_fleet_record, instance_health, instance_power, instance_role, instance_type, interface, interface_plug, ipv6,
    key_pair, kms, launch_template, launch_template_data, lifecycle, logs, nat_gateway, network, network_acl, network_insights,
    placement_group, prefix_list, region, root_volume, route, run_instances, security_group, security_group_reference,
    security_group_rule_change, security_group_rules, service_quotas, snapshot, snapshot_attribute, snapshot_block, sts, subnet, tag,
    trail, volume, volume_attribute, vpc_peering, vpc_range,
};

/// A service of the vendor, as signatures name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Elastic Compute Cloud.
    Ec2,
    /// Security Token Service.
    Sts,
    /// Identity and Access Management.
    Iam,
    /// CloudTrail.
    CloudTrail,
    /// Service Quotas.
    ServiceQuotas,
    /// CloudWatch Logs.
    Logs,
    /// The direct APIs of Elastic Block Store.
    Ebs,
    /// Data Lifecycle Manager.
    Dlm,
    /// Key Management Service.
    Kms,
}

impl Service {
    /// The service that a signature names, when it is served.
    pub fn named(name: &str) -> Option<Service> {
        match name {
            "ec2" => Some(Service::Ec2),
            "sts" => Some(Service::Sts),
            "iam" => Some(Service::Iam),
            "cloudtrail" => Some(Service::CloudTrail),
            "servicequotas" => Some(Service::ServiceQuotas),
            "logs" => Some(Service::Logs),
            "ebs" => Some(Service::Ebs),
            "dlm" => Some(Service::Dlm),
            "kms" => Some(Service::Kms),
            _ => None,
        }
    }

    /// The name in signatures.
    pub const fn as_str(self) -> &'static str {
        match self {
            Service::Ec2 => "ec2",
            Service::Sts => "sts",
            Service::Iam => "iam",
            Service::CloudTrail => "cloudtrail",
            Service::ServiceQuotas => "servicequotas",
            Service::Logs => "logs",
            Service::Ebs => "ebs",
            Service::Dlm => "dlm",
            Service::Kms => "kms",
        }
    }
}

/// How much of the vendor's promise an action keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// All of it, for what this cloud has.
    Works,
    /// Most of it; what differs, in words.
    Partly(&'static str),
}

/// One action, for generated documents.
#[derive(Debug, Clone, Copy)]
pub struct ActionInfo {
    /// Its service.
    pub service: Service,
    /// Its name.
    pub name: &'static str,
    /// How much of it works.
    pub state: State,
    /// Parameters that it understands, `DryRun` aside.
    pub parameters: &'static [Parameter],
    /// Parameters of the vendor's that it refuses as unsupported.
    pub absent: &'static [&'static str],
}

/// Every action that is served, in the order of the table.
pub fn actions() -> impl Iterator<Item = ActionInfo> {
    TABLE.iter().map(|row| ActionInfo {
        service: row.service,
        name: row.name,
        state: row.state,
        parameters: row.parameters,
        absent: row.absent,
    })
}

/// Calls of EC2 that are known and refused as unsupported: their capability is not there, or not yet.
pub const NOT_YET: &[&str] = &[
    "AcceptTransitGatewayVpcAttachment",
    "AllocateHosts",
    "BundleInstance",
    "CancelSpotFleetRequests",
    "CancelSpotInstanceRequests",
    "CreateCustomerGateway",
    "CreateSpotDatafeedSubscription",
    "CreateTrafficMirrorSession",
    "CreateTransitGateway",
    "CreateVpcEndpoint",
    "CreateVpnConnection",
    "CreateVpnGateway",
    "DescribeCarrierGateways",
    "DescribeClassicLinkInstances",
    "DescribeClientVpnEndpoints",
    "DescribeCustomerGateways",
    "DescribeHostReservationOfferings",
    "DescribeHosts",
    "DescribeReservedInstances",
    "DescribeReservedInstancesOfferings",
    "DescribeSpotFleetRequests",
    "DescribeSpotInstanceRequests",
    "DescribeSpotPriceHistory",
    "DescribeTransitGateways",
    "DescribeVpcClassicLink",
    "DescribeVpcEndpoints",
    "DescribeVpnConnections",
    "DescribeVpnGateways",
    "GetConsoleScreenshot",
    "ModifyHosts",
    "PurchaseHostReservation",
    "PurchaseReservedInstancesOffering",
    "ReleaseHosts",
    "RequestSpotFleet",
    "RequestSpotInstances",
];

/// A handler at work.
pub(crate) type Running = Pin<Box<dyn Future<Output = Result<Shown, Refusal>> + Send>>;

/// A row of the table.
pub(crate) struct Action {
    pub service: Service,
    pub name: &'static str,
    /// The action as policies name it.
    pub policy: &'static str,
    pub state: State,
    pub parameters: &'static [Parameter],
    pub absent: &'static [&'static str],
    /// Decodes the parameters and starts the handler.
    pub run: fn(&Action, &Call<'_>, Cx) -> Result<Running, Refusal>,
}

/// The action of this name.
pub(crate) fn find(service: Service, name: &str) -> Option<&'static Action> {
    TABLE.iter().find(|row| row.service == service && row.name == name)
}

macro_rules! rows {
    ($($service:ident $prefix:literal $name:ident => $handler:path, $asked:ty, $state:expr, $absent:expr;)*) => {
        &[$(Action {
            service: Service::$service,
            name: stringify!($name),
            policy: concat!($prefix, stringify!($name)),
            state: $state,
            parameters: <$asked as FromArg>::PARAMETERS,
            absent: $absent,
            run: |row, call, cx| {
                let asked = decode::<$asked>(row, call)?;
                Ok(Box::pin(async move { Ok(Box::new($handler(cx, asked).await?) as Shown) }))
            },
        }),*]
    };
}

use State::{Partly, Works};

const TABLE: &[Action] = rows! {
    Ec2 "ec2:" DescribeRegions => region::describe_regions, region::DescribeRegions, Works, &[];
    Ec2 "ec2:" DescribeAvailabilityZones => region::describe_zones, region::DescribeAvailabilityZones, Works, &[];
    Ec2 "ec2:" DescribeAccountAttributes => account::describe_account_attributes, account::DescribeAccountAttributes, Works, &[];
    Ec2 "ec2:" DescribeInstanceTypes => instance_type::describe_types, instance_type::DescribeInstanceTypes, Works, &[];
    Ec2 "ec2:" DescribeInstanceTypeOfferings => instance_type::describe_offerings, instance_type::DescribeInstanceTypeOfferings, Works, &[];
    Ec2 "ec2:" RunInstances => run_instances::run_instances, run_instances::RunInstances,
        Works, run_instances::ABSENT;
    Ec2 "ec2:" CreateLaunchTemplate => launch_template::create, launch_template::CreateLaunchTemplate, Works, launch_template::ABSENT;
    Ec2 "ec2:" CreateLaunchTemplateVersion => launch_template::create_version, launch_template::CreateLaunchTemplateVersion, Works,
        launch_template::ABSENT;
    Ec2 "ec2:" ModifyLaunchTemplate => launch_template::modify, launch_template::ModifyLaunchTemplate, Works, &[];
    Ec2 "ec2:" DeleteLaunchTemplate => launch_template::delete, launch_template::DeleteLaunchTemplate, Works, &[];
    Ec2 "ec2:" DeleteLaunchTemplateVersions => launch_template::delete_versions, launch_template::DeleteLaunchTemplateVersions, Works, &[];
    Ec2 "ec2:" DescribeLaunchTemplates => launch_template::describe_templates, launch_template::DescribeLaunchTemplates,
        Works, &["IncludeManagedResources"];
    Ec2 "ec2:" DescribeLaunchTemplateVersions => launch_template::describe_versions, launch_template::DescribeLaunchTemplateVersions,
        Works, &["IncludeManagedResources"];
    Ec2 "ec2:" GetLaunchTemplateData => launch_template_data::get, launch_template_data::GetLaunchTemplateData, Works, &[];
    Ec2 "ec2:" DescribeInstances => instance::describe_instances, instance::DescribeInstances, Works, &[];
    Ec2 "ec2:" DescribeInstanceStatus => instance_health::describe_status, instance_health::DescribeInstanceStatus,
        Partly("no check of attached volumes"), &[];
    Ec2 "ec2:" ModifyInstanceEventStartTime => instance_event::modify_start, instance_event::ModifyInstanceEventStartTime,
        Partly("to any time in the future up to the deadline"), &[];
    Ec2 "ec2:" DescribeInstanceAttribute => instance_attribute::describe, instance_attribute::DescribeInstanceAttribute, Works, &[];
    Ec2 "ec2:" ModifyInstanceAttribute => instance_attribute::modify, instance_attribute::ModifyInstanceAttribute,
        Partly("the instance stays on its host when its type changes"), instance_attribute::ABSENT;
    Ec2 "ec2:" ResetInstanceAttribute => instance_attribute::reset, instance_attribute::ResetInstanceAttribute, Works, &[];
    Ec2 "ec2:" ModifyPrivateDnsNameOptions => host_name::modify, host_name::ModifyPrivateDnsNameOptions, Works, &[];
    Ec2 "ec2:" ModifyInstanceMetadataOptions => instance_attribute::modify_metadata, instance_attribute::ModifyInstanceMetadataOptions,
        Works, &[];
    Ec2 "ec2:" AssociateIamInstanceProfile => instance_role::associate, instance_role::Associate, Works, &[];
    Ec2 "ec2:" DisassociateIamInstanceProfile => instance_role::disassociate, instance_role::Disassociate, Works, &[];
    Ec2 "ec2:" ReplaceIamInstanceProfileAssociation => instance_role::replace, instance_role::Replace, Works, &[];
    Ec2 "ec2:" DescribeIamInstanceProfileAssociations => instance_role::describe, instance_role::Describe, Works, &[];
    Ec2 "ec2:" DescribeInstanceCreditSpecifications => credit_specification::describe, credit_specification::DescribeCredits,
        Partly("every burstable instance is unlimited"), &[];
    Ec2 "ec2:" ModifyInstanceCreditSpecification => credit_specification::modify, credit_specification::ModifyCredits,
        Partly("every burstable instance is unlimited"), &[];
    Ec2 "ec2:" StartInstances => instance_power::start, instance_power::StartInstances, Works, &["AdditionalInfo"];
    Ec2 "ec2:" StopInstances => instance_power::stop, instance_power::StopInstances, Partly("no hibernation"), &[];
    Ec2 "ec2:" RebootInstances => instance_power::reboot, instance_power::RebootInstances, Works, &[];
    Ec2 "ec2:" TerminateInstances => instance_power::terminate, instance_power::TerminateInstances, Works, &[];
    Ec2 "ec2:" MonitorInstances => instance_power::monitor, instance_power::MonitorInstances, Works, &["MetricCategoryId"];
    Ec2 "ec2:" UnmonitorInstances => instance_power::unmonitor, instance_power::MonitorInstances, Works, &["MetricCategoryId"];
    Ec2 "ec2:" GetPasswordData => instance_health::password_data, instance_health::GetPasswordData, Works, &[];
    Ec2 "ec2:" GetConsoleOutput => instance_health::console_output, instance_health::GetConsoleOutput, Works, &[];
    Ec2 "ec2:" DescribeImages => image::describe_images, image::DescribeImages, Works, &[];
    Ec2 "ec2:" CreateKeyPair => key_pair::create, key_pair::CreateKeyPair, Works, &[];
    Ec2 "ec2:" ImportKeyPair => key_pair::import, key_pair::ImportKeyPair, Works, &[];
    Ec2 "ec2:" DescribeKeyPairs => key_pair::describe_key_pairs, key_pair::DescribeKeyPairs, Works, &[];
    Ec2 "ec2:" DeleteKeyPair => key_pair::delete, key_pair::DeleteKeyPair, Works, &[];
    Ec2 "ec2:" DescribeVolumes => volume::describe_volumes, volume::DescribeVolumes, Works, &[];
    Ec2 "ec2:" CreateVolume => volume::create, volume::CreateVolume,
        Partly("with Multi-Attach: empty, not encrypted, of instances of one host"), volume::CREATE_ABSENT;
    Ec2 "ec2:" AttachVolume => volume::attach, volume::AttachVolume,
        Partly("the guest names a disk itself and knows it by its serial number"), &["EbsCardIndex"];
    Ec2 "ec2:" DetachVolume => volume::detach, volume::DetachVolume, Partly("not the system disk"), &[];
    Ec2 "ec2:" DescribeVolumeAttribute => volume_attribute::describe, volume_attribute::DescribeVolumeAttribute, Works, &[];
    Ec2 "ec2:" ModifyVolumeAttribute => volume_attribute::modify, volume_attribute::ModifyVolumeAttribute, Works, &[];
    Ec2 "ec2:" ModifyVolume => volume::modify, volume::ModifyVolume,
        Partly("no six hours to wait between two changes; Multi-Attach stays as the volume was made"), &[];
    Ec2 "ec2:" DescribeVolumesModifications => volume::describe_modifications, volume::DescribeVolumesModifications, Works,
        &["IncludeManagedResources"];
    Ec2 "ec2:" CreateReplaceRootVolumeTask => root_volume::create, root_volume::CreateTask,
        Partly("not by a volume that is there already"), root_volume::ABSENT;
    Ec2 "ec2:" DescribeReplaceRootVolumeTasks => root_volume::describe, root_volume::DescribeTasks,
        Partly("the latest sixteen of each instance that is there"), &[];
    Ec2 "ec2:" CopySnapshot => snapshot::copy, snapshot::CopySnapshot, Partly("within the region"), snapshot::COPY_ABSENT;
    Ec2 "ec2:" EnableEbsEncryptionByDefault => disk_encryption::enable, disk_encryption::Nothing, Works, &[];
    Ec2 "ec2:" DisableEbsEncryptionByDefault => disk_encryption::disable, disk_encryption::Nothing, Works, &[];
    Ec2 "ec2:" GetEbsEncryptionByDefault => disk_encryption::get, disk_encryption::Nothing, Works, &[];
    Ec2 "ec2:" GetEbsDefaultKmsKeyId => disk_encryption::get_key, disk_encryption::Nothing, Works, &[];
    Ec2 "ec2:" ModifyEbsDefaultKmsKeyId => disk_encryption::modify_key, disk_encryption::ModifyDefaultKey, Works, &[];
    Ec2 "ec2:" ResetEbsDefaultKmsKeyId => disk_encryption::reset_key, disk_encryption::Nothing, Works, &[];
    Dlm "dlm:" CreateLifecyclePolicy => lifecycle::create, lifecycle::CreateLifecyclePolicy,
        Partly("volumes by their tags, one schedule with one minute and no days of the month"), lifecycle::CREATE_ABSENT;
    Dlm "dlm:" UpdateLifecyclePolicy => lifecycle::update, lifecycle::UpdateLifecyclePolicy,
        Partly("volumes by their tags, one schedule with one minute and no days of the month"), lifecycle::CREATE_ABSENT;
    Dlm "dlm:" GetLifecyclePolicies => lifecycle::list, lifecycle::GetLifecyclePolicies, Works, &["DefaultPolicyType"];
    Dlm "dlm:" GetLifecyclePolicy => lifecycle::get, lifecycle::OnePolicy, Works, &[];
    Dlm "dlm:" DeleteLifecyclePolicy => lifecycle::delete, lifecycle::OnePolicy, Works, &[];
    Dlm "dlm:" ListTagsForResource => lifecycle::list_tags, lifecycle::ListTags, Works, &[];
    Dlm "dlm:" TagResource => lifecycle::tag, lifecycle::TagResource, Works, &[];
    Dlm "dlm:" UntagResource => lifecycle::untag, lifecycle::UntagResource, Works, &[];
    Ebs "ebs:" StartSnapshot => snapshot_block::start, snapshot_block::StartSnapshot, Works, &[];
    Ebs "ebs:" PutSnapshotBlock => snapshot_block::put, snapshot_block::PutSnapshotBlock, Works, &[];
    Ebs "ebs:" CompleteSnapshot => snapshot_block::complete, snapshot_block::CompleteSnapshot,
        Partly("each block has its checksum, all together have none"), &[];
    Ebs "ebs:" GetSnapshotBlock => snapshot_block::get, snapshot_block::GetSnapshotBlock, Works, &[];
    Ebs "ebs:" ListSnapshotBlocks => snapshot_block::list, snapshot_block::ListSnapshotBlocks, Works, &[];
    Ebs "ebs:" ListChangedBlocks => snapshot_block::changed, snapshot_block::ListChangedBlocks,
        Partly("of any two snapshots"), &[];
    Ec2 "ec2:" DeleteVolume => volume::delete, volume::DeleteVolume, Works, &[];
    Ec2 "ec2:" CreateImage => image_change::create, image_change::CreateImage,
        Partly("a guest that does not shut down within a minute is reset"), image_change::CREATE_ABSENT;
    Ec2 "ec2:" RegisterImage => image_change::register, image_change::RegisterImage, Partly("of snapshots"),
        image_change::REGISTER_ABSENT;
    Ec2 "ec2:" DeregisterImage => image_change::deregister, image_change::DeregisterImage, Works, &[];
    Ec2 "ec2:" CopyImage => image_change::copy, image_change::CopyImage, Partly("within the region"), image_change::COPY_ABSENT;
    Ec2 "ec2:" ModifyImageAttribute => image_attribute::modify, image_attribute::ModifyImageAttribute,
        Partly("description and launch permission"), image_attribute::ABSENT;
    Ec2 "ec2:" DescribeImageAttribute => image_attribute::describe, image_attribute::ImageAttribute,
        Partly("description and launch permission"), &[];
    Ec2 "ec2:" EnableImageDeprecation => image_attribute::enable_deprecation, image_attribute::EnableDeprecation, Works, &[];
    Ec2 "ec2:" DisableImageDeprecation => image_attribute::disable_deprecation, image_attribute::DisableDeprecation, Works, &[];
    Ec2 "ec2:" EnableImage => image_attribute::enable, image_attribute::OneImage, Works, &[];
    Ec2 "ec2:" DisableImage => image_attribute::disable, image_attribute::OneImage, Works, &[];
    Ec2 "ec2:" ResetImageAttribute => image_attribute::reset, image_attribute::ImageAttribute, Works, &[];
    Ec2 "ec2:" ImportImage => image_task::import_image, image_task::ImportImage,
        Partly("one disk, of a bucket that the operator lends; qcow2 and VHDX too, no OVA; never of a URL"), image_task::IMPORT_IMAGE_ABSENT;
    Ec2 "ec2:" DescribeImportImageTasks => image_task::describe_images, image_task::DescribeImportTasks, Works, &[];
    Ec2 "ec2:" ImportSnapshot => image_task::import_snapshot, image_task::ImportSnapshot,
        Partly("of a bucket that the operator lends; qcow2 and VHDX too; never of a URL"), image_task::IMPORT_SNAPSHOT_ABSENT;
    Ec2 "ec2:" DescribeImportSnapshotTasks => image_task::describe_snapshots, image_task::DescribeImportTasks, Works, &[];
    Ec2 "ec2:" CancelImportTask => image_task::cancel_import, image_task::CancelImportTask, Works, &[];
    Ec2 "ec2:" ExportImage => image_task::export, image_task::ExportImage,
        Partly("the system disk of an image that has no other, into a bucket that the operator lends"), &[];
    Ec2 "ec2:" DescribeExportImageTasks => image_task::describe_exports, image_task::DescribeExportTasks, Works, &[];
    Ec2 "ec2:" CancelExportTask => image_task::cancel_export, image_task::CancelExportTask, Partly("exports of images"), &[];
    Ec2 "ec2:" CreateSnapshot => snapshot::create, snapshot::CreateSnapshot, Works, snapshot::CREATE_ABSENT;
    Ec2 "ec2:" CreateSnapshots => snapshot::create_many, snapshot::CreateSnapshots, Works, snapshot::CREATE_ABSENT;
    Ec2 "ec2:" DescribeSnapshots => snapshot::describe, snapshot::DescribeSnapshots, Works, &[];
    Ec2 "ec2:" DeleteSnapshot => snapshot::delete, snapshot::DeleteSnapshot, Works, &[];
    Ec2 "ec2:" ModifySnapshotAttribute => snapshot_attribute::modify, snapshot_attribute::ModifySnapshotAttribute, Works, &[];
    Ec2 "ec2:" DescribeSnapshotAttribute => snapshot_attribute::describe, snapshot_attribute::SnapshotAttribute,
        Partly("no product codes"), &[];
    Ec2 "ec2:" ResetSnapshotAttribute => snapshot_attribute::reset, snapshot_attribute::SnapshotAttribute, Works, &[];
    Ec2 "ec2:" DescribeVolumeStatus => volume::describe_status, volume::DescribeVolumeStatus, Works, &[];
    Ec2 "ec2:" DescribeSecurityGroups => security_group::describe_groups, security_group::DescribeSecurityGroups,
        Partly("dropping rules, which EC2 lacks, are not shown"), &[];
    Ec2 "ec2:" CreateSecurityGroup => security_group::create, security_group::CreateSecurityGroup, Works, &[];
    Ec2 "ec2:" DeleteSecurityGroup => security_group::delete, security_group::DeleteSecurityGroup, Works, &[];
    Ec2 "ec2:" DescribeSecurityGroupReferences => security_group_reference::references, security_group_reference::DescribeReferences,
        Works, &[];
    Ec2 "ec2:" DescribeStaleSecurityGroups => security_group_reference::stale, security_group_reference::DescribeStale, Works, &[];
    Ec2 "ec2:" DescribeSecurityGroupRules => security_group::describe_rules, security_group::DescribeSecurityGroupRules,
        Partly("dropping rules, which EC2 lacks, are not shown"), &[];
    Ec2 "ec2:" AuthorizeSecurityGroupIngress => security_group_rules::authorize_ingress, security_group_rules::AuthorizeIngress,
        Works, &[];
    Ec2 "ec2:" AuthorizeSecurityGroupEgress => security_group_rules::authorize_egress, security_group_rules::Authorize,
        Works, security_group_rules::EGRESS_ABSENT;
    Ec2 "ec2:" RevokeSecurityGroupIngress => security_group_rules::revoke_ingress, security_group_rules::RevokeIngress,
        Works, &[];
    Ec2 "ec2:" RevokeSecurityGroupEgress => security_group_rules::revoke_egress, security_group_rules::Change,
        Works, security_group_rules::EGRESS_ABSENT;
    Ec2 "ec2:" ModifySecurityGroupRules => security_group_rule_change::modify, security_group_rule_change::ModifyRules, Works, &[];
    Ec2 "ec2:" UpdateSecurityGroupRuleDescriptionsIngress => security_group_rule_change::describe_ingress,
        security_group_rule_change::Describe, Works, &[];
    Ec2 "ec2:" UpdateSecurityGroupRuleDescriptionsEgress => security_group_rule_change::describe_egress,
        security_group_rule_change::Describe, Works, &[];
    Ec2 "ec2:" CreateVpc => network::create, network::CreateVpc, Partly("of IPv6 one range, which the cloud gives"),
        network::CREATE_ABSENT;
    Ec2 "ec2:" AssociateVpcCidrBlock => vpc_range::associate, vpc_range::AssociateVpcCidrBlock,
        Partly("of IPv6 one range, which the cloud gives"), vpc_range::ABSENT;
    Ec2 "ec2:" DisassociateVpcCidrBlock => vpc_range::disassociate, ipv6::Disassociate, Works, &[];
    Ec2 "ec2:" AssociateSubnetCidrBlock => ipv6::associate_subnet, ipv6::AssociateSubnetCidrBlock, Works, &["Ipv6IpamPoolId", "Ipv6NetmaskLength"];
    Ec2 "ec2:" DisassociateSubnetCidrBlock => ipv6::disassociate_subnet, ipv6::Disassociate, Works, &[];
    Ec2 "ec2:" AssignIpv6Addresses => ipv6::assign, ipv6::Assign, Partly("no prefixes"), ipv6::PREFIXES;
    Ec2 "ec2:" UnassignIpv6Addresses => ipv6::unassign, ipv6::Unassign, Partly("no prefixes"), &["Ipv6Prefix"];
    Ec2 "ec2:" CreateDhcpOptions => dhcp_options::create, dhcp_options::CreateDhcpOptions,
        Partly("one domain; a set without name servers tells of the VPC's own"), &[];
    Ec2 "ec2:" DescribeDhcpOptions => dhcp_options::describe, dhcp_options::DescribeDhcpOptions,
        Partly("what is usual is not among them"), &[];
    Ec2 "ec2:" AssociateDhcpOptions => dhcp_options::associate, dhcp_options::AssociateDhcpOptions, Works, &[];
    Ec2 "ec2:" DeleteDhcpOptions => dhcp_options::delete, dhcp_options::DeleteDhcpOptions, Works, &[];
    Ec2 "ec2:" CreateDefaultVpc => network::create_default, network::CreateDefaultVpc, Works, &[];
    Ec2 "ec2:" DeleteVpc => network::delete, network::DeleteVpc, Works, &[];
    Ec2 "ec2:" ModifyVpcAttribute => network::modify, network::ModifyVpcAttribute,
        Partly("no public host names are made"), &["EnableNetworkAddressUsageMetrics"];
    Ec2 "ec2:" CreateDefaultSubnet => subnet::create_default, subnet::CreateDefaultSubnet, Partly("none of IPv6 alone"), &["Ipv6Native"];
    Ec2 "ec2:" CreateSubnet => subnet::create, subnet::CreateSubnet, Partly("none of IPv6 alone"), subnet::CREATE_ABSENT;
    Ec2 "ec2:" DeleteSubnet => subnet::delete, subnet::DeleteSubnet, Works, &[];
    Ec2 "ec2:" ModifySubnetAttribute => subnet::modify, subnet::ModifySubnetAttribute,
        Partly("addresses and host names on launch"), subnet::MODIFY_ABSENT;
    Ec2 "ec2:" CreateNatGateway => nat_gateway::create, nat_gateway::CreateNatGateway,
        Partly("available at once; one for private connectivity has one address"), nat_gateway::CREATE_ABSENT;
    Ec2 "ec2:" DescribeNatGateways => nat_gateway::describe, nat_gateway::DescribeNatGateways, Works, &[];
    Ec2 "ec2:" DeleteNatGateway => nat_gateway::delete, nat_gateway::DeleteNatGateway,
        Works, &[];
    Ec2 "ec2:" AssociateNatGatewayAddress => nat_gateway::associate, nat_gateway::AssociateNatGatewayAddress, Works,
        &["AvailabilityZone", "AvailabilityZoneId"];
    Ec2 "ec2:" DisassociateNatGatewayAddress => nat_gateway::disassociate, nat_gateway::DisassociateNatGatewayAddress,
        Partly("connections by the address end at once"), &["MaxDrainDurationSeconds"];
    Ec2 "ec2:" CreateManagedPrefixList => prefix_list::create, prefix_list::CreateManagedPrefixList,
        Partly("IPv4; in rules of security groups, not in routes; the newest 25 versions are kept"), &[];
    Ec2 "ec2:" DescribeManagedPrefixLists => prefix_list::describe, prefix_list::DescribeManagedPrefixLists, Works, &[];
    Ec2 "ec2:" GetManagedPrefixListEntries => prefix_list::entries, prefix_list::GetEntries, Works, &[];
    Ec2 "ec2:" GetManagedPrefixListAssociations => prefix_list::associations, prefix_list::GetAssociations, Works, &[];
    Ec2 "ec2:" ModifyManagedPrefixList => prefix_list::modify, prefix_list::ModifyManagedPrefixList, Works,
        &["IpamPrefixListResolverSyncEnabled"];
    Ec2 "ec2:" RestoreManagedPrefixListVersion => prefix_list::restore, prefix_list::RestoreVersion, Works, &[];
    Ec2 "ec2:" DeleteManagedPrefixList => prefix_list::delete, prefix_list::DeleteManagedPrefixList, Works, &[];
    Ec2 "ec2:" CreatePlacementGroup => placement_group::create, placement_group::CreatePlacementGroup,
        Partly("racks are those that the operator named; nothing by name is one rack"), placement_group::CREATE_ABSENT;
    Ec2 "ec2:" CreateCapacityReservation => capacity_reservation::create, capacity_reservation::CreateCapacityReservation,
        Partly("at once, for Linux on shared hosts, without a cluster placement group"), capacity_reservation::CREATE_ABSENT;
    Ec2 "ec2:" DescribeCapacityReservations => capacity_reservation::describe, capacity_reservation::DescribeCapacityReservations,
        Works, &[];
    Ec2 "ec2:" ModifyCapacityReservation => capacity_reservation::modify, capacity_reservation::ModifyCapacityReservation, Works,
        capacity_reservation::MODIFY_ABSENT;
    Ec2 "ec2:" CancelCapacityReservation => capacity_reservation::cancel, capacity_reservation::Cancel, Works,
        &["ApplyCancellationCharges", "QuoteId"];
    Ec2 "ec2:" GetCapacityReservationUsage => capacity_reservation::usage, capacity_reservation::GetUsage, Works, &[];
    Ec2 "ec2:" ModifyInstanceCapacityReservationAttributes => capacity_reservation::modify_instance, capacity_reservation::ModifyInstance,
        Partly("not by a resource group"), &[];
    Ec2 "ec2:" CreateFleet => instance_fleet::create, instance_fleet::CreateFleet,
        Partly("on demand only; what takes least of a host counts as cheapest; `$Latest` and `$Default` are those of the call"),
        instance_fleet::CREATE_ABSENT;
    Ec2 "ec2:" DescribeFleets => instance_fleet::describe, instance_fleet::DescribeFleets, Works, &[];
    Ec2 "ec2:" DescribeFleetInstances => instance_fleet_record::describe_instances, instance_fleet_record::DescribeFleetInstances, Works, &[];
    Ec2 "ec2:" DescribeFleetHistory => instance_fleet_record::history, instance_fleet_record::DescribeFleetHistory,
        Partly("the latest thousand events of a fleet"), &[];
    Ec2 "ec2:" ModifyFleet => instance_fleet::modify, instance_fleet::ModifyFleet, Partly("the target capacity and what becomes of excess"),
        instance_fleet::MODIFY_ABSENT;
    Ec2 "ec2:" DeleteFleets => instance_fleet::delete, instance_fleet::DeleteFleets, Works, &[];
    Ec2 "ec2:" DescribePlacementGroups => placement_group::describe, placement_group::DescribePlacementGroups, Works, &[];
    Ec2 "ec2:" DeletePlacementGroup => placement_group::delete, placement_group::DeletePlacementGroup, Works, &[];
    Ec2 "ec2:" ModifyInstancePlacement => placement_group::modify_instance, placement_group::ModifyInstancePlacement,
        Partly("the instance stays on its host, so a group whose rule that breaks is refused"), placement_group::MODIFY_ABSENT;
    Ec2 "ec2:" CreateVpcPeeringConnection => vpc_peering::create, vpc_peering::CreateVpcPeeringConnection,
        Partly("in one region; tags when it is made only"), &[];
    Ec2 "ec2:" AcceptVpcPeeringConnection => vpc_peering::accept, vpc_peering::Named,
        Partly("not where a side has a peering with a VPC whose range overlaps"), &[];
    Ec2 "ec2:" RejectVpcPeeringConnection => vpc_peering::reject, vpc_peering::Named, Works, &[];
    Ec2 "ec2:" DeleteVpcPeeringConnection => vpc_peering::delete, vpc_peering::Named,
        Works, &[];
    Ec2 "ec2:" DescribeVpcPeeringConnections => vpc_peering::describe, vpc_peering::DescribeVpcPeeringConnections, Works, &[];
    Ec2 "ec2:" CreateFlowLogs => flow_log::create, flow_log::CreateFlowLogs,
        Partly("to CloudWatch Logs; all things that are named or none; fields of versions 2 to 5 and reject-reason; what no route leads out is told as accepted and as rejected"),
        flow_log::ABSENT;
    Ec2 "ec2:" DescribeFlowLogs => flow_log::describe, flow_log::DescribeFlowLogs, Works, &[];
    Ec2 "ec2:" DeleteFlowLogs => flow_log::delete, flow_log::DeleteFlowLogs, Partly("all that are named or none"), &[];
    Logs "logs:" DescribeLogGroups => logs::describe_groups, logs::DescribeLogGroups, Works, logs::GROUPS_ABSENT;
    Logs "logs:" DescribeLogStreams => logs::describe_streams, logs::DescribeLogStreams, Works, &[];
    Logs "logs:" GetLogEvents => logs::get_events, logs::GetLogEvents, Works, &[];
    Logs "logs:" FilterLogEvents => logs::filter_events, logs::FilterLogEvents,
        Partly("patterns of words and of words in order, not of JSON or regular expressions"), &[];
    Logs "logs:" DeleteLogGroup => logs::delete_group, logs::OneGroup, Works, &[];
    Logs "logs:" PutRetentionPolicy => logs::put_retention, logs::PutRetentionPolicy, Works, &[];
    Logs "logs:" DeleteRetentionPolicy => logs::delete_retention, logs::OneGroup, Works, &[];
    Ec2 "ec2:" CreateInternetGateway => gateway::create, gateway::CreateInternetGateway, Works, &[];
    Ec2 "ec2:" AttachInternetGateway => gateway::attach, gateway::Ends, Works, &[];
    Ec2 "ec2:" DetachInternetGateway => gateway::detach, gateway::Ends, Works, &[];
    Ec2 "ec2:" DeleteInternetGateway => gateway::delete, gateway::DeleteInternetGateway, Works, &[];
    Ec2 "ec2:" DescribeInternetGateways => gateway::describe_gateways, gateway::DescribeInternetGateways, Works, &[];
    Ec2 "ec2:" CreateEgressOnlyInternetGateway => egress_only_gateway::create, egress_only_gateway::CreateEgressOnlyInternetGateway,
        Works, &[];
    Ec2 "ec2:" DeleteEgressOnlyInternetGateway => egress_only_gateway::delete, egress_only_gateway::DeleteEgressOnlyInternetGateway,
        Works, &[];
    Ec2 "ec2:" DescribeEgressOnlyInternetGateways => egress_only_gateway::describe,
        egress_only_gateway::DescribeEgressOnlyInternetGateways, Works, &[];
    Ec2 "ec2:" CreateRouteTable => route::create_table, route::CreateRouteTable, Works, &[];
    Ec2 "ec2:" DeleteRouteTable => route::delete_table, route::DeleteRouteTable, Works, &[];
    Ec2 "ec2:" DescribeRouteTables => route::describe_tables, route::DescribeRouteTables, Works, &[];
    Ec2 "ec2:" CreateRoute => route::create_route, route::ToGateway, Partly(route::ROUTE_PART), route::ROUTE_ABSENT;
    Ec2 "ec2:" ReplaceRoute => route::replace_route, route::ToGateway, Partly(route::ROUTE_PART), route::ROUTE_ABSENT;
    Ec2 "ec2:" DeleteRoute => route::delete_route, route::DeleteRoute, Works, &[];
    Ec2 "ec2:" AssociateRouteTable => route::associate, route::AssociateRouteTable, Partly("subnets only"), route::ASSOCIATE_ABSENT;
    Ec2 "ec2:" DisassociateRouteTable => route::disassociate, route::DisassociateRouteTable, Works, &[];
    Ec2 "ec2:" ReplaceRouteTableAssociation => route::replace, route::ReplaceRouteTableAssociation, Works, &[];
    Ec2 "ec2:" DescribeVpcs => network::describe_vpcs, network::DescribeVpcs, Works, &[];
    Ec2 "ec2:" DescribeVpcAttribute => network::describe_vpc_attribute, network::DescribeVpcAttribute, Works, &[];
    Ec2 "ec2:" DescribeSubnets => subnet::describe_subnets, subnet::DescribeSubnets, Works, &[];
    Ec2 "ec2:" CreateNetworkInterface => interface::create, interface::CreateNetworkInterface, Partly("no prefixes"),
        interface::CREATE_ABSENT;
    Ec2 "ec2:" DeleteNetworkInterface => interface::delete, interface::DeleteNetworkInterface, Works, &[];
    Ec2 "ec2:" ModifyNetworkInterfaceAttribute => interface::modify, interface::ModifyNetworkInterfaceAttribute, Works,
        interface::MODIFY_ABSENT;
    Ec2 "ec2:" ResetNetworkInterfaceAttribute => interface::reset, interface::ResetNetworkInterfaceAttribute, Works, &[];
    Ec2 "ec2:" DescribeNetworkInterfaceAttribute => interface::describe_attribute, interface::DescribeNetworkInterfaceAttribute,
        Works, &[];
    Ec2 "ec2:" AttachNetworkInterface => interface_plug::attach, interface_plug::AttachNetworkInterface, Works,
        interface_plug::ATTACH_ABSENT;
    Ec2 "ec2:" DetachNetworkInterface => interface_plug::detach, interface_plug::DetachNetworkInterface, Works, &[];
    Ec2 "ec2:" AssignPrivateIpAddresses => interface_plug::assign, interface_plug::AssignPrivateIpAddresses,
        Partly("no prefixes"), interface_plug::PREFIXES;
    Ec2 "ec2:" UnassignPrivateIpAddresses => interface_plug::unassign, interface_plug::UnassignPrivateIpAddresses,
        Partly("no prefixes"), interface_plug::PREFIXES;
    Ec2 "ec2:" DescribeNetworkInterfaces => interface::describe_interfaces, interface::DescribeNetworkInterfaces, Works, &[];
    Ec2 "ec2:" DescribeAddresses => address::describe_addresses, address::DescribeAddresses, Works, &[];
    Ec2 "ec2:" DescribeAddressesAttribute => address::describe_attributes, address::DescribeAddressesAttribute, Works, &[];
    Ec2 "ec2:" AllocateAddress => address::allocate, address::AllocateAddress, Partly("of this cloud's pool only"), address::ALLOCATE_ABSENT;
    Ec2 "ec2:" AssociateAddress => address::associate, address::AssociateAddress, Works, &[];
    Ec2 "ec2:" DisassociateAddress => address::disassociate, address::DisassociateAddress, Works, &[];
    Ec2 "ec2:" ReleaseAddress => address::release, address::ReleaseAddress, Works, &[];
    Ec2 "ec2:" CreateNetworkAcl => network_acl::create, network_acl::CreateNetworkAcl, Works, &[];
    Ec2 "ec2:" DeleteNetworkAcl => network_acl::delete, network_acl::DeleteNetworkAcl, Works, &[];
    Ec2 "ec2:" DescribeNetworkAcls => network_acl::describe_acls, network_acl::DescribeNetworkAcls,
        Works, &[];
    Ec2 "ec2:" CreateNetworkAclEntry => network_acl::create_entry, network_acl::Entry, Works, &[];
    Ec2 "ec2:" ReplaceNetworkAclEntry => network_acl::replace_entry, network_acl::Entry, Works, &[];
    Ec2 "ec2:" DeleteNetworkAclEntry => network_acl::delete_entry, network_acl::DeleteEntry, Works, &[];
    Ec2 "ec2:" ReplaceNetworkAclAssociation => network_acl::replace_association, network_acl::ReplaceAssociation, Works, &[];
    Ec2 "ec2:" CreateNetworkInsightsPath => network_insights::create_path, network_insights::CreatePath,
        Partly("between instances, interfaces and internet gateways, without filters; addresses of IPv6 too, unlike EC2's"),
        network_insights::PATH_ABSENT;
    Ec2 "ec2:" DescribeNetworkInsightsPaths => network_insights::describe_paths, network_insights::DescribePaths, Works, &[];
    Ec2 "ec2:" DeleteNetworkInsightsPath => network_insights::delete_path, network_insights::DeletePath, Works, &[];
    Ec2 "ec2:" StartNetworkInsightsAnalysis => network_insights::start_analysis, network_insights::StartAnalysis,
        Partly("what this cloud's paths may pass; the way back is judged with the way there"), network_insights::ANALYSIS_ABSENT;
    Ec2 "ec2:" DescribeNetworkInsightsAnalyses => network_insights::describe_analyses, network_insights::DescribeAnalyses,
        Works, &["AnalysisStartTime", "AnalysisEndTime"];
    Ec2 "ec2:" DeleteNetworkInsightsAnalysis => network_insights::delete_analysis, network_insights::DeleteAnalysis, Works, &[];
    Ec2 "ec2:" CreateTags => tag::create, tag::CreateTags, Works, &[];
    Ec2 "ec2:" DeleteTags => tag::delete, tag::DeleteTags, Works, &[];
    Ec2 "ec2:" DescribeTags => tag::describe_tags, tag::DescribeTags, Works, &[];
    Sts "sts:" GetCallerIdentity => sts::caller_identity, sts::GetCallerIdentity, Works, &[];
    Sts "sts:" AssumeRole => sts::assume_role, sts::AssumeRole, Works, sts::ABSENT;
    Sts "sts:" GetSessionToken => sts::session_token, sts::GetSessionToken, Works, &[];
    CloudTrail "cloudtrail:" LookupEvents => trail::lookup, trail::LookupEvents,
        Partly("calls that change something and refusals; errors other than refusals by policy are not in the trail"), &[];
    Kms "kms:" CreateKey => kms::create, kms::CreateKey, Partly("keys for volumes and snapshots: no key policies, and nothing else is encrypted"),
        kms::CREATE_ABSENT;
    Kms "kms:" DescribeKey => kms::describe, kms::OneKey, Works, &["GrantTokens"];
    Kms "kms:" ListKeys => kms::list, kms::ListKeys, Works, &[];
    Kms "kms:" ListAliases => kms::list_aliases, kms::ListAliases, Works, &[];
    Kms "kms:" CreateAlias => kms::create_alias, kms::CreateAlias, Works, &[];
    Kms "kms:" DeleteAlias => kms::delete_alias, kms::DeleteAlias, Works, &[];
    Kms "kms:" UpdateKeyDescription => kms::update_description, kms::UpdateKeyDescription, Works, &[];
    Kms "kms:" EnableKey => kms::enable, kms::OneKey, Works, &[];
    Kms "kms:" DisableKey => kms::disable, kms::OneKey, Works, &[];
    Kms "kms:" ScheduleKeyDeletion => kms::schedule_deletion, kms::ScheduleKeyDeletion, Works, &[];
    Kms "kms:" CancelKeyDeletion => kms::cancel_deletion, kms::OneKey, Works, &[];
    Kms "kms:" EnableKeyRotation => kms::enable_rotation, kms::EnableKeyRotation, Partly("every 365 days"), &[];
    Kms "kms:" DisableKeyRotation => kms::disable_rotation, kms::OneKey, Works, &[];
    Kms "kms:" GetKeyRotationStatus => kms::rotation_status, kms::OneKey, Works, &[];
    Kms "kms:" RotateKeyOnDemand => kms::rotate, kms::OneKey, Works, &[];
    ServiceQuotas "servicequotas:" ListServices => service_quotas::list_services, service_quotas::ListServices, Works, &[];
    ServiceQuotas "servicequotas:" ListServiceQuotas => service_quotas::list, service_quotas::ListQuotas, Works, &["QuotaAppliedAtLevel"];
    ServiceQuotas "servicequotas:" ListAWSDefaultServiceQuotas => service_quotas::list_defaults, service_quotas::ListQuotas, Works, &[];
    ServiceQuotas "servicequotas:" GetServiceQuota => service_quotas::get, service_quotas::OneQuota, Works, &["ContextId"];
    ServiceQuotas "servicequotas:" GetAWSDefaultServiceQuota => service_quotas::get_default, service_quotas::OneQuota, Works, &[];
    ServiceQuotas "servicequotas:" RequestServiceQuotaIncrease => service_quotas::request, service_quotas::RequestIncrease,
        Works, &["ContextId"];
    ServiceQuotas "servicequotas:" GetRequestedServiceQuotaChange => service_quotas::get_change, service_quotas::GetRequestedChange,
        Works, &[];
    ServiceQuotas "servicequotas:" ListRequestedServiceQuotaChangeHistory => service_quotas::list_changes,
        service_quotas::ListRequestedChanges, Works, &["QuotaRequestedAtLevel"];
    ServiceQuotas "servicequotas:" ListRequestedServiceQuotaChangeHistoryByQuota => service_quotas::list_changes_of_quota,
        service_quotas::ChangesOfQuota, Works, &["QuotaRequestedAtLevel"];
    Iam "iam:" GetAccessKeyLastUsed => iam::access_key::last_used, iam::access_key::GetAccessKeyLastUsed, Works, &[];
    Iam "iam:" CreateAccountAlias => iam::account_alias::create, iam::account_alias::One, Works, &[];
    Iam "iam:" DeleteAccountAlias => iam::account_alias::delete, iam::account_alias::One, Works, &[];
    Iam "iam:" ListAccountAliases => iam::account_alias::list, iam::account_alias::List, Works, &[];
    Iam "iam:" CreateUser => iam::user::create, iam::user::CreateUser, Works, &[];
    Iam "iam:" GetUser => iam::user::get, iam::user::GetUser, Works, &[];
    Iam "iam:" ListUsers => iam::user::list, iam::user::ListUsers, Works, &[];
    Iam "iam:" UpdateUser => iam::user::update, iam::user::UpdateUser, Works, &[];
    Iam "iam:" DeleteUser => iam::user::delete, iam::user::DeleteUser, Works, &[];
    Iam "iam:" CreateAccessKey => iam::access_key::create, iam::access_key::CreateAccessKey, Works, &[];
    Iam "iam:" ListAccessKeys => iam::access_key::list, iam::access_key::ListAccessKeys, Works, &[];
    Iam "iam:" UpdateAccessKey => iam::access_key::update, iam::access_key::UpdateAccessKey, Works, &[];
    Iam "iam:" DeleteAccessKey => iam::access_key::delete, iam::access_key::DeleteAccessKey, Works, &[];
    Iam "iam:" CreateGroup => iam::group::create, iam::group::CreateGroup, Works, &[];
    Iam "iam:" GetGroup => iam::group::get, iam::group::GetGroup, Works, &[];
    Iam "iam:" ListGroups => iam::group::list, iam::group::ListGroups, Works, &[];
    Iam "iam:" ListGroupsForUser => iam::group::list_of_user, iam::group::ListGroupsForUser, Works, &[];
    Iam "iam:" DeleteGroup => iam::group::delete, iam::group::DeleteGroup, Works, &[];
    Iam "iam:" AddUserToGroup => iam::group::add, iam::group::Membership, Works, &[];
    Iam "iam:" RemoveUserFromGroup => iam::group::remove, iam::group::Membership, Works, &[];
    Iam "iam:" CreateRole => iam::role::create, iam::role::CreateRole, Works, &[];
    Iam "iam:" GetRole => iam::role::get, iam::role::One, Works, &[];
    Iam "iam:" ListRoles => iam::role::list, iam::role::ListRoles, Works, &[];
    Iam "iam:" UpdateRole => iam::role::update, iam::role::UpdateRole, Works, &[];
    Iam "iam:" UpdateAssumeRolePolicy => iam::role::update_trust, iam::role::UpdateAssumeRolePolicy, Works, &[];
    Iam "iam:" DeleteRole => iam::role::delete, iam::role::One, Works, &[];
    Iam "iam:" CreateInstanceProfile => iam::instance_profile::create, iam::instance_profile::CreateInstanceProfile, Works, &["Tags"];
    Iam "iam:" GetInstanceProfile => iam::instance_profile::get, iam::instance_profile::One, Works, &[];
    Iam "iam:" ListInstanceProfiles => iam::instance_profile::list, iam::instance_profile::ListInstanceProfiles, Works, &[];
    Iam "iam:" ListInstanceProfilesForRole => iam::instance_profile::list_for_role, iam::instance_profile::ListForRole, Works, &[];
    Iam "iam:" DeleteInstanceProfile => iam::instance_profile::delete, iam::instance_profile::One, Works, &[];
    Iam "iam:" AddRoleToInstanceProfile => iam::instance_profile::add_role, iam::instance_profile::RoleIn, Works, &[];
    Iam "iam:" RemoveRoleFromInstanceProfile => iam::instance_profile::remove_role, iam::instance_profile::RoleIn, Works, &[];
    Iam "iam:" PutUserPolicy => iam::attached::of_user::put, iam::attached::of_user::Put, Works, &[];
    Iam "iam:" GetUserPolicy => iam::attached::of_user::get, iam::attached::of_user::One, Works, &[];
    Iam "iam:" DeleteUserPolicy => iam::attached::of_user::remove, iam::attached::of_user::One, Works, &[];
    Iam "iam:" ListUserPolicies => iam::attached::of_user::list, iam::attached::of_user::List, Works, &[];
    Iam "iam:" AttachUserPolicy => iam::attached::of_user::attach, iam::attached::of_user::Managed, Works, &[];
    Iam "iam:" DetachUserPolicy => iam::attached::of_user::detach, iam::attached::of_user::Managed, Works, &[];
    Iam "iam:" ListAttachedUserPolicies => iam::attached::of_user::list_attached, iam::attached::of_user::ListAttached, Works, &[];
    Iam "iam:" PutGroupPolicy => iam::attached::of_group::put, iam::attached::of_group::Put, Works, &[];
    Iam "iam:" GetGroupPolicy => iam::attached::of_group::get, iam::attached::of_group::One, Works, &[];
    Iam "iam:" DeleteGroupPolicy => iam::attached::of_group::remove, iam::attached::of_group::One, Works, &[];
    Iam "iam:" ListGroupPolicies => iam::attached::of_group::list, iam::attached::of_group::List, Works, &[];
    Iam "iam:" AttachGroupPolicy => iam::attached::of_group::attach, iam::attached::of_group::Managed, Works, &[];
    Iam "iam:" DetachGroupPolicy => iam::attached::of_group::detach, iam::attached::of_group::Managed, Works, &[];
    Iam "iam:" ListAttachedGroupPolicies => iam::attached::of_group::list_attached, iam::attached::of_group::ListAttached, Works, &[];
    Iam "iam:" PutRolePolicy => iam::attached::of_role::put, iam::attached::of_role::Put, Works, &[];
    Iam "iam:" GetRolePolicy => iam::attached::of_role::get, iam::attached::of_role::One, Works, &[];
    Iam "iam:" DeleteRolePolicy => iam::attached::of_role::remove, iam::attached::of_role::One, Works, &[];
    Iam "iam:" ListRolePolicies => iam::attached::of_role::list, iam::attached::of_role::List, Works, &[];
    Iam "iam:" AttachRolePolicy => iam::attached::of_role::attach, iam::attached::of_role::Managed, Works, &[];
    Iam "iam:" DetachRolePolicy => iam::attached::of_role::detach, iam::attached::of_role::Managed, Works, &[];
    Iam "iam:" ListAttachedRolePolicies => iam::attached::of_role::list_attached, iam::attached::of_role::ListAttached, Works, &[];
    Iam "iam:" CreatePolicy => iam::policy::create, iam::policy::CreatePolicy, Works, &[];
    Iam "iam:" GetPolicy => iam::policy::get, iam::policy::One, Works, &[];
    Iam "iam:" ListPolicies => iam::policy::list, iam::policy::ListPolicies, Works, &[];
    Iam "iam:" DeletePolicy => iam::policy::delete, iam::policy::One, Works, &[];
    Iam "iam:" CreatePolicyVersion => iam::policy::create_version, iam::policy::CreatePolicyVersion, Works, &[];
    Iam "iam:" GetPolicyVersion => iam::policy::get_version, iam::policy::OneVersion, Works, &[];
    Iam "iam:" ListPolicyVersions => iam::policy::list_versions, iam::policy::ListPolicyVersions, Works, &[];
    Iam "iam:" SetDefaultPolicyVersion => iam::policy::set_default_version, iam::policy::OneVersion, Works, &[];
    Iam "iam:" DeletePolicyVersion => iam::policy::delete_version, iam::policy::OneVersion, Works, &[];
    Iam "iam:" ListEntitiesForPolicy => iam::policy::entities, iam::policy::ListEntities, Works, &[];
    Iam "iam:" CreateVirtualMFADevice => iam::mfa_device::create, iam::mfa_device::CreateDevice, Partly("no picture of the seed"), &[];
    Iam "iam:" EnableMFADevice => iam::mfa_device::enable, iam::mfa_device::WithCodes, Works, &[];
    Iam "iam:" ResyncMFADevice => iam::mfa_device::resync, iam::mfa_device::WithCodes, Works, &[];
    Iam "iam:" DeactivateMFADevice => iam::mfa_device::deactivate, iam::mfa_device::Deactivate, Works, &[];
    Iam "iam:" DeleteVirtualMFADevice => iam::mfa_device::delete, iam::mfa_device::DeleteDevice, Works, &[];
    Iam "iam:" ListMFADevices => iam::mfa_device::list_of_user, iam::mfa_device::ListOfUser, Works, &[];
    Iam "iam:" ListVirtualMFADevices => iam::mfa_device::list, iam::mfa_device::ListDevices, Works, &[];
    Iam "iam:" GetMFADevice => iam::mfa_device::get, iam::mfa_device::GetDevice, Works, &[];
    Iam "iam:" TagUser => iam::tag::of_user::add, iam::tag::of_user::Add, Works, &[];
    Iam "iam:" UntagUser => iam::tag::of_user::remove, iam::tag::of_user::Remove, Works, &[];
    Iam "iam:" ListUserTags => iam::tag::of_user::list, iam::tag::of_user::List, Works, &[];
    Iam "iam:" TagRole => iam::tag::of_role::add, iam::tag::of_role::Add, Works, &[];
    Iam "iam:" UntagRole => iam::tag::of_role::remove, iam::tag::of_role::Remove, Works, &[];
    Iam "iam:" ListRoleTags => iam::tag::of_role::list, iam::tag::of_role::List, Works, &[];
    Iam "iam:" TagPolicy => iam::tag::of_policy::add, iam::tag::of_policy::Add, Works, &[];
    Iam "iam:" UntagPolicy => iam::tag::of_policy::remove, iam::tag::of_policy::Remove, Works, &[];
    Iam "iam:" ListPolicyTags => iam::tag::of_policy::list, iam::tag::of_policy::List, Works, &[];
    Iam "iam:" TagMFADevice => iam::tag::of_mfa_device::add, iam::tag::of_mfa_device::Add, Works, &[];
    Iam "iam:" UntagMFADevice => iam::tag::of_mfa_device::remove, iam::tag::of_mfa_device::Remove, Works, &[];
    Iam "iam:" ListMFADeviceTags => iam::tag::of_mfa_device::list, iam::tag::of_mfa_device::List, Works, &[];
    Iam "iam:" PutUserPermissionsBoundary => iam::boundary::put_of_user, iam::boundary::PutOfUser, Works, &[];
    Iam "iam:" DeleteUserPermissionsBoundary => iam::boundary::delete_of_user, iam::boundary::OfUser, Works, &[];
    Iam "iam:" PutRolePermissionsBoundary => iam::boundary::put_of_role, iam::boundary::PutOfRole, Works, &[];
    Iam "iam:" DeleteRolePermissionsBoundary => iam::boundary::delete_of_role, iam::boundary::OfRole, Works, &[];
    Iam "iam:" GetAccountSummary => iam::account::summary, iam::account::GetSummary, Works, &[];
    Iam "iam:" GetAccountAuthorizationDetails => iam::account::details, iam::account::GetDetails, Works, &[];
    Iam "iam:" SimulatePrincipalPolicy => iam::simulation::of_principal, iam::simulation::OfPrincipal,
        Partly("without policies of things; places of statements in their documents are not told"), iam::simulation::ABSENT;
    Iam "iam:" SimulateCustomPolicy => iam::simulation::custom, iam::simulation::Custom,
        Partly("without policies of things; places of statements in their documents are not told"), iam::simulation::ABSENT;
    Iam "iam:" ListPoliciesGrantingServiceAccess => iam::service_access::list, iam::service_access::ListGranting, Works, &[];
    Iam "iam:" UpdateGroup => iam::group::update, iam::group::UpdateGroup, Works, &[];
};

/// Parameters of every call that belong to no action.
const COMMON: &[&str] = &["Action", "Version", "DryRun"];

/// Decodes the parameters, and refuses what the structure does not read.
fn decode<T: FromArg>(row: &Action, call: &Call<'_>) -> Result<T, Refusal> {
    let asked = call.args.decode::<T>()?;
    let signature = call.claim.scheme.parameters();
    let besides: Vec<&str> = COMMON.iter().chain(signature).copied().collect();
    match call.args.unknown(&besides).into_iter().next() {
        None => Ok(asked),
        Some(name) if is_absent(row.absent, &name) => Err(unsupported(format!("The parameter {name}"))),
        Some(name) => Err(Refusal::UnknownParameter { name }),
    }
}

/// Whether a parameter, its indexes left out, is one of these or lies below one.
fn is_absent(absent: &[&str], name: &str) -> bool {
    let steps: Vec<&str> = name.split('.').filter(|step| step.parse::<u32>().is_err()).collect();
    let name = steps.join(".");
    absent.iter().any(|known| name.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_below_an_absent_one_is_absent() {
        let absent = &["LaunchTemplate", "NetworkInterface.Ipv6Addresses"];
        for (name, expected) in [
            ("LaunchTemplate.Version", true),
            ("LaunchTemplate", true),
            ("LaunchTemplates", false),
            ("NetworkInterface.1.Ipv6Addresses.2.Ipv6Address", true),
            ("NetworkInterface.1.SubnetId", false),
        ] {
            assert_eq!(is_absent(absent, name), expected, "{name}");
        }
    }

    #[test]
    fn every_action_stands_once_and_names_no_parameter_both_known_and_absent() {
        for (at, row) in TABLE.iter().enumerate() {
            assert!(!TABLE[..at].iter().any(|other| other.service == row.service && other.name == row.name), "{}", row.name);
            for known in wire::parameter_names(row.parameters) {
                assert!(!is_absent(row.absent, &known.replace(".N", "")), "{} {known}", row.name);
            }
        }
    }
}
