//! The action table: what is answered, by which handler, with which parameters, and how much of the vendor's promise it keeps.
//!
//! Another action is one row here and one function in its noun's file; documents and coverage are made from the table. The
//! actions of CVM, VPC and CBS have one version and no name in common, so name and version find an action; the service that a
//! signature names is not asked, because clients that are given an address as endpoint put a part of that there.

use std::pin::Pin;

use model::Error;
use wire::{FromArg, Parameter, Shown};

use crate::error::Fault;
use crate::{
    Cx, account, action_timer, address, bandwidth, bandwidth_package, cam, disk_backup, disk_quota, flow_log, image, image_change,
    image_task, instance, instance_type, interface, interface_change, ipv6, key_pair, launch_template, nat_gateway, nat_rule, network,
    network_acl, placement_group, quota, region, repair_task, root_volume, route, security_group, security_group_policies, snapshot,
    snapshot_group, snapshot_policy, snapshot_share, sts, subnet, tag_service, tagged, trail, volume, vpc_peering, vpc_range,
};

/// A service of the vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    /// Cloud Virtual Machine.
    Cvm,
    /// Virtual Private Cloud.
    Vpc,
    /// Cloud Block Storage.
    Cbs,
    /// Security Token Service.
    Sts,
    /// Cloud Access Management.
    Cam,
    /// The tag service.
    Tag,
    /// The audit trail.
    CloudAudit,
}

impl Product {
    /// The version of its API.
    pub const fn version(self) -> &'static str {
        match self {
            Product::Cvm | Product::Vpc | Product::Cbs => "2017-03-12",
            Product::Sts | Product::Tag => "2018-08-13",
            Product::Cam => "2019-01-16",
            Product::CloudAudit => "2019-03-19",
        }
    }

    /// Its name in policies and in the vendor's own SDK.
    pub const fn as_str(self) -> &'static str {
        match self {
            Product::Cvm => "cvm",
            Product::Vpc => "vpc",
            Product::Cbs => "cbs",
            Product::Sts => "sts",
            Product::Cam => "cam",
            Product::Tag => "tag",
            Product::CloudAudit => "cloudaudit",
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
    /// It is known, and refused as unsupported.
    NotYet,
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<Shown, Fault>> + Send + 'a>>;

/// One row of the table.
pub struct Action {
    /// Its service.
    pub product: Product,
    /// Its name.
    pub name: &'static str,
    /// Its name in policies.
    pub policy_name: &'static str,
    /// How far it is.
    pub state: State,
    /// The parameters that it understands.
    pub parameters: &'static [Parameter],
    /// Parameters of the vendor's that it refuses as unsupported, each with what lies below it.
    pub absent: &'static [&'static str],
    run: for<'a> fn(&'a Cx<'a>) -> Answer<'a>,
}

impl Action {
    pub(crate) fn answer<'a>(&self, cx: &'a Cx<'a>) -> Answer<'a> {
        (self.run)(cx)
    }
}

macro_rules! served {
    ($($product:ident $prefix:literal $name:ident => $handler:path, $asked:ty, $state:expr, $absent:expr;)*) => {
        &[$(Action {
            product: Product::$product,
            name: stringify!($name),
            policy_name: concat!($prefix, stringify!($name)),
            state: $state,
            parameters: <$asked as FromArg>::PARAMETERS,
            absent: $absent,
            run: |cx| {
                Box::pin(async move {
                    let asked: $asked = cx.decode()?;
                    Ok(Box::new($handler(cx, asked).await?) as Shown)
                })
            },
        }),*]
    };
}

macro_rules! not_yet {
    ($($product:ident $prefix:literal: $($name:ident)*;)*) => {
        &[$($(Action {
            product: Product::$product,
            name: stringify!($name),
            policy_name: concat!($prefix, stringify!($name)),
            state: State::NotYet,
            parameters: &[],
            absent: &[],
            run: |cx| {
                let what = format!("the action {}", cx.action.name);
                Box::pin(async move { Err(Error::Unsupported { what }.into()) })
            },
        }),*),*]
    };
}

use State::{Partly, Works};

static SERVED: &[Action] = served! {
    Cvm "cvm:" DescribeRegions => region::regions, account::Nothing, Works, &[];
    Cvm "cvm:" DescribeZones => region::zones, account::Nothing, Works, &[];
    Cvm "cvm:" DescribeInstanceFamilyConfigs => instance_type::families, account::Nothing, Works, &[];
    Cvm "cvm:" DescribeInstanceTypeConfigs => instance_type::configs, instance_type::DescribeTypes, Works, &[];
    Cvm "cvm:" DescribeZoneInstanceConfigInfos => instance_type::quotas, instance_type::DescribeTypes,
        Partly("no prices"), &[];
    Cvm "cvm:" DescribeImages => image::describe, image::DescribeImages, Works, &[];
    Cvm "cvm:" DescribeImageQuota => quota::image_quota, account::Nothing, Works, &[];
    Cvm "cvm:" DescribeAccountQuota => quota::account_quota, quota::DescribeAccountQuota, Partly("instances charged by the hour, and images"),
        &[];
    Vpc "vpc:" DescribeAddressQuota => quota::address_quota, account::Nothing, Partly("the quota of addresses"), &[];
    Cvm "cvm:" CreateKeyPair => key_pair::create, key_pair::CreateKeyPair, Works, &[];
    Cvm "cvm:" ImportKeyPair => key_pair::import, key_pair::ImportKeyPair, Works, &[];
    Cvm "cvm:" DescribeKeyPairs => key_pair::describe, key_pair::DescribeKeyPairs, Works, &[];
    Cvm "cvm:" ModifyKeyPairAttribute => key_pair::modify, key_pair::ModifyKeyPairAttribute, Works, &[];
    Cvm "cvm:" DeleteKeyPairs => key_pair::delete, key_pair::DeleteKeyPairs, Works, &[];
    Cvm "cvm:" AssociateInstancesKeyPairs => instance::associate_key, instance::InstancesKeyPairs,
        Partly("running instances are restarted"), &[];
    Cvm "cvm:" DisassociateInstancesKeyPairs => instance::disassociate_key, instance::InstancesKeyPairs,
        Partly("running instances are restarted"), &[];
    Cvm "cvm:" RunInstances => instance::run, instance::RunInstances,
        Partly("no password is made up; a password has three kinds of characters"),
        instance::LAUNCH_ABSENT;
    Cvm "cvm:" CreateLaunchTemplate => launch_template::create, launch_template::CreateLaunchTemplate, Works, launch_template::ABSENT;
    Cvm "cvm:" CreateLaunchTemplateVersion => launch_template::create_version, launch_template::CreateLaunchTemplateVersion, Works,
        launch_template::ABSENT;
    Cvm "cvm:" ModifyLaunchTemplateDefaultVersion => launch_template::modify, launch_template::ModifyDefault, Works, &[];
    Cvm "cvm:" DeleteLaunchTemplate => launch_template::delete, launch_template::DeleteLaunchTemplate, Works, &[];
    Cvm "cvm:" DeleteLaunchTemplateVersions => launch_template::delete_versions, launch_template::DeleteVersions, Works, &[];
    Cvm "cvm:" DescribeLaunchTemplates => launch_template::describe, launch_template::DescribeLaunchTemplates, Works, &[];
    Cvm "cvm:" DescribeLaunchTemplateVersions => launch_template::describe_versions, launch_template::DescribeVersions, Works, &[];
    Cvm "cvm:" DescribeInstances => instance::describe, instance::DescribeInstances, Works, &[];
    Cvm "cvm:" DescribeInstancesStatus => instance::describe_status, instance::DescribeInstancesStatus, Works, &[];
    Cvm "cvm:" DescribeInstancesAttributes => instance::describe_attributes, instance::DescribeInstancesAttributes, Works, &[];
    Cvm "cvm:" StartInstances => instance::start, instance::StartInstances, Works, &[];
    Cvm "cvm:" StopInstances => instance::stop, instance::StopInstances,
        Partly("a guest that is asked softly is powered off after a minute"), &[];
    Cvm "cvm:" RebootInstances => instance::reboot, instance::RebootInstances, Works, &[];
    Cvm "cvm:" TerminateInstances => instance::terminate, instance::TerminateInstances, Works, &["ReleaseAddress"];
    Cvm "cvm:" ResetInstancesType => instance::reset_type, instance::ResetInstancesType,
        Partly("on the instance's host; a guest that is asked softly is powered off after a minute"), &[];
    Cvm "cvm:" DescribeInstancesModification => instance::describe_modification, instance::DescribeInstancesModification, Works, &[];
    Cvm "cvm:" ImportInstancesActionTimer => action_timer::import, action_timer::ImportInstancesActionTimer,
        Partly("one timer for an instance, which terminates it"), &[];
    Cvm "cvm:" DescribeInstancesActionTimer => action_timer::describe, action_timer::DescribeInstancesActionTimer,
        Partly("one that has come for an hour"), &[];
    Cvm "cvm:" DeleteInstancesActionTimer => action_timer::delete, action_timer::DeleteInstancesActionTimer, Works, &[];
    Cvm "cvm:" ResizeInstanceDisks => volume::resize_of_instance, volume::ResizeInstanceDisks,
        Partly("while the guest runs: it is never stopped for it"), &[];
    Cvm "cvm:" DescribeInstancesOperationLimit => instance::operation_limit, instance::DescribeInstancesOperationLimit, Works, &[];
    Cvm "cvm:" DescribeTaskInfo => repair_task::describe, repair_task::DescribeTaskInfo,
        Partly("maintenance that the operator has planned, which restarts or stops an instance"), &[];
    Cvm "cvm:" RepairTaskControl => repair_task::control, repair_task::RepairTaskControl,
        Partly("a time may be ordered up to the deadline that the operator has set"), &[];
    Cvm "cvm:" ModifyInstancesAttribute => instance::modify, instance::ModifyInstancesAttribute,
        Partly("a change of the role is by itself, before the others"), &["CamRoleType", "EnableJumboFrame"];
    Cvm "cvm:" ResetInstance => root_volume::reset, root_volume::ResetInstance,
        Partly("no password is made up; an instance that is stopped stays so"), root_volume::RESET_ABSENT;
    Cvm "cvm:" ResetInstancesPassword => instance::reset_password, instance::ResetInstancesPassword,
        Partly("the guest is restarted rather than stopped and started; the image's own user only"), &[];
    Cvm "cvm:" ModifyInstancesVpcAttribute => instance::modify_vpc, instance::ModifyInstancesVpcAttribute,
        Partly("of stopped instances with one interface and one private address, which keep their host names"), &[];
    Cvm "cvm:" AssociateSecurityGroups => instance::associate_groups, instance::AssociateSecurityGroups, Works, &[];
    Cvm "cvm:" DisassociateSecurityGroups => instance::disassociate_groups, instance::AssociateSecurityGroups, Works, &[];
    Cvm "cvm:" ResetInstancesInternetMaxBandwidth => bandwidth::reset_instances, bandwidth::ResetInstancesInternetMaxBandwidth,
        Partly("the bandwidth only"), bandwidth::RESET_ABSENT;
    Cvm "cvm:" DescribeInternetChargeTypeConfigs => bandwidth::describe_charge_types, account::Nothing,
        Partly("they are told again, and nothing is charged"), &[];
    Cvm "cvm:" CreateDisasterRecoverGroup => placement_group::create, placement_group::CreateDisasterRecoverGroup,
        Partly("racks are those that the operator named, each with a switch of its own; nothing by name is one rack"), &[];
    Cvm "cvm:" DescribeDisasterRecoverGroups => placement_group::describe, placement_group::DescribeDisasterRecoverGroups, Works, &[];
    Cvm "cvm:" DescribeDisasterRecoverGroupQuota => placement_group::describe_quota, account::Nothing, Works, &[];
    Cvm "cvm:" ModifyDisasterRecoverGroupAttribute => placement_group::modify, placement_group::ModifyGroup, Works, &[];
    Cvm "cvm:" DeleteDisasterRecoverGroups => placement_group::delete, placement_group::DeleteGroups, Works, &[];
    Cvm "cvm:" ModifyInstancesDisasterRecoverGroup => placement_group::move_instances, placement_group::MoveInstances,
        Partly("instances stay on their hosts, so a group whose rule that breaks is refused"), &[];
    Vpc "vpc:" DescribeAccountAttributes => account::attributes, account::Nothing, Works, &[];
    Vpc "vpc:" DescribeVpcs => network::describe, network::DescribeVpcs, Works, &[];
    Vpc "vpc:" DescribeSubnets => subnet::describe, subnet::DescribeSubnets, Works, &[];
    Vpc "vpc:" DescribeSecurityGroups => security_group::describe, security_group::DescribeSecurityGroups,
        Partly("when a group was changed is not kept"), &[];
    Vpc "vpc:" CreateSecurityGroup => security_group::create, security_group::CreateSecurityGroup,
        Partly("a group belongs to the default VPC, and its name is unique there"), &[];
    Vpc "vpc:" CreateDefaultSecurityGroup => security_group::create_default, account::Nothing,
        Partly("it lets in its own members only"), &[];
    Vpc "vpc:" DeleteSecurityGroup => security_group::delete, security_group::DeleteSecurityGroup, Works, &[];
    Vpc "vpc:" DescribeSecurityGroupPolicies => security_group_policies::describe, security_group_policies::DescribePolicies, Works, &[];
    Vpc "vpc:" CreateSecurityGroupPolicies => security_group_policies::create, security_group_policies::Change,
        Partly("policies that alternate between accept and drop have a hundred places"), security_group_policies::ABSENT;
    Vpc "vpc:" DeleteSecurityGroupPolicies => security_group_policies::delete, security_group_policies::Change, Works,
        security_group_policies::ABSENT;
    Vpc "vpc:" ReplaceSecurityGroupPolicy => security_group_policies::replace, security_group_policies::Replace,
        Partly("policies that alternate between accept and drop have a hundred places"), security_group_policies::ABSENT;
    Vpc "vpc:" ModifySecurityGroupPolicies => security_group_policies::reset, security_group_policies::Reset,
        Partly("policies that alternate between accept and drop have a hundred places"), security_group_policies::ABSENT;
    Vpc "vpc:" ModifySecurityGroupAttribute => security_group::modify, security_group::Modify, Works, &[];
    Vpc "vpc:" DescribeSecurityGroupAssociationStatistics => security_group::statistics, security_group::DescribeStatistics, Works, &[];
    Vpc "vpc:" DescribeAddresses => address::describe, address::DescribeAddresses, Works, &[];
    Vpc "vpc:" DescribeNetworkInterfaces => interface::describe, interface::DescribeNetworkInterfaces, Works, &[];
    Vpc "vpc:" CreateNetworkInterface => interface_change::create, interface_change::CreateNetworkInterface,
        Works, interface_change::CREATE_ABSENT;
    Vpc "vpc:" AttachNetworkInterface => interface_change::attach, interface_change::Ends, Works, &["AttachType"];
    Vpc "vpc:" DetachNetworkInterface => interface_change::detach, interface_change::Ends, Works, &[];
    Vpc "vpc:" MigrateNetworkInterface => interface_change::migrate, interface_change::MigrateNetworkInterface, Works, &["AttachType"];
    Vpc "vpc:" DeleteNetworkInterface => interface_change::delete, interface_change::DeleteNetworkInterface, Works, &[];
    Vpc "vpc:" ModifyNetworkInterfaceAttribute => interface_change::modify, interface_change::ModifyNetworkInterfaceAttribute, Works,
        &["TrunkingFlag"];
    Vpc "vpc:" AssociateNetworkInterfaceSecurityGroups => interface_change::join, interface_change::Groups, Works, &[];
    Vpc "vpc:" DisassociateNetworkInterfaceSecurityGroups => interface_change::leave, interface_change::Groups, Works, &[];
    Vpc "vpc:" AssignPrivateIpAddresses => interface_change::assign, interface_change::AssignPrivateIpAddresses, Works,
        interface_change::ASSIGN_ABSENT;
    Vpc "vpc:" UnassignPrivateIpAddresses => interface_change::unassign, interface_change::UnassignPrivateIpAddresses, Works,
        interface_change::UNASSIGN_ABSENT;
    Vpc "vpc:" CreateAssistantCidr => vpc_range::create, vpc_range::Named, Works, &[];
    Vpc "vpc:" DeleteAssistantCidr => vpc_range::delete, vpc_range::Named, Works, &[];
    Vpc "vpc:" ModifyAssistantCidr => vpc_range::modify, vpc_range::Exchanged, Works, &[];
    Vpc "vpc:" CheckAssistantCidr => vpc_range::check, vpc_range::Exchanged, Works, &[];
    Vpc "vpc:" DescribeAssistantCidr => vpc_range::describe, vpc_range::DescribeAssistantCidr, Works, &[];
    Vpc "vpc:" AssignIpv6CidrBlock => ipv6::assign_range, ipv6::AssignIpv6CidrBlock, Partly("of the pool of the cloud"), &["AddressType"];
    Vpc "vpc:" UnassignIpv6CidrBlock => ipv6::unassign_range, ipv6::UnassignIpv6CidrBlock, Works, &[];
    Vpc "vpc:" AssignIpv6SubnetCidrBlock => ipv6::assign_to_subnets, ipv6::AssignIpv6SubnetCidrBlock, Works, &[];
    Vpc "vpc:" UnassignIpv6SubnetCidrBlock => ipv6::unassign_from_subnets, ipv6::OfSubnets, Works, &[];
    Vpc "vpc:" AssignIpv6Addresses => ipv6::assign, ipv6::AssignIpv6Addresses, Partly("none reaches beyond its VPC"), ipv6::ADDRESS_ABSENT;
    Vpc "vpc:" UnassignIpv6Addresses => ipv6::unassign, ipv6::UnassignIpv6Addresses, Works, ipv6::ADDRESS_ABSENT;
    Cvm "cvm:" CreateImage => image_change::create, image_change::CreateImage,
        Partly("a running instance is never powered off for it: its disks are what they were at one instant"),
        &["Sysprep"];
    Cvm "cvm:" ImportImage => image_task::import, image_task::ImportImage,
        Partly("one disk, of a bucket that the operator lends; never of a URL elsewhere"), image_task::IMPORT_ABSENT;
    Cvm "cvm:" ExportImages => image_task::export, image_task::ExportImages,
        Partly("the system disk of one image; no QCOW2; the file's name has the task's id in the place of the snapshot's"), &[];
    Cvm "cvm:" DeleteImages => image_change::delete, image_change::DeleteImages, Works, &[];
    Cvm "cvm:" ModifyImageAttribute => image_change::modify, image_change::ModifyImageAttribute, Works, &[];
    Cvm "cvm:" DescribeImageFromFamily => image::describe_from_family, image::DescribeImageFromFamily, Works, &[];
    Cvm "cvm:" ModifyImageSharePermission => image_change::share, image_change::ModifyImageSharePermission, Works, &[];
    Cvm "cvm:" DescribeImageSharePermission => image_change::shares, image_change::DescribeImageSharePermission, Works, &[];
    Cbs "cbs:" DescribeDisks => volume::describe, volume::DescribeDisks, Works, &[];
    Cbs "cbs:" DescribeDiskConfigQuota => disk_quota::describe, disk_quota::DescribeDiskConfigQuota, Partly("no prices"),
        &["DedicatedClusterId"];
    Cbs "cbs:" CreateDisks => volume::create, volume::CreateDisks,
        Partly("charged by the hour; CLOUD_BSSD is as fast as CLOUD_SSD; a shareable disk is empty, of instances of one host"),
        volume::CREATE_ABSENT;
    Cbs "cbs:" AttachDisks => volume::attach, volume::AttachDisks, Works, &["AttachMode"];
    Cbs "cbs:" DetachDisks => volume::detach, volume::DetachDisks, Works, &[];
    Cbs "cbs:" TerminateDisks => volume::terminate, volume::TerminateDisks, Works, &["DeleteSnapshot"];
    Cbs "cbs:" InitializeDisks => root_volume::initialize, root_volume::InitializeDisks, Works, &[];
    Cbs "cbs:" ResizeDisk => volume::resize, volume::ResizeDisk, Works, &[];
    Cbs "cbs:" ModifyDiskAttributes => volume::modify, volume::ModifyDiskAttributes, Works,
        &["BurstPerformanceOperation", "Portable"];
    Cbs "cbs:" ModifyDiskExtraPerformance => volume::modify_extra, volume::ModifyDiskExtraPerformance, Works, &[];
    Cbs "cbs:" CreateSnapshot => snapshot::create, snapshot::CreateSnapshot, Works, &["Deadline", "DiskBackupId", "DiskUsage", "LocalSnap"];
    Cbs "cbs:" DescribeSnapshots => snapshot::describe, snapshot::DescribeSnapshots, Works, &[];
    Cbs "cbs:" DeleteSnapshots => snapshot::delete, snapshot::DeleteSnapshots, Works, &["DeleteBindImages"];
    Cbs "cbs:" ModifySnapshotAttribute => snapshot::modify, snapshot::ModifySnapshotAttribute, Partly("the name"),
        &["Deadline", "IsPermanent"];
    Cbs "cbs:" ModifySnapshotsSharePermission => snapshot_share::share, snapshot_share::ModifySnapshotsSharePermission, Works, &[];
    Cbs "cbs:" DescribeSnapshotSharePermission => snapshot_share::shares, snapshot_share::DescribeSnapshotSharePermission,
        Partly("no times of sharing: each is that of the snapshot"), &[];
    Cbs "cbs:" CreateSnapshotGroup => snapshot_group::create, snapshot_group::CreateSnapshotGroup, Works, &[];
    Cbs "cbs:" DescribeSnapshotGroups => snapshot_group::describe, snapshot_group::DescribeSnapshotGroups, Partly("images are not told"), &[];
    Cbs "cbs:" DeleteSnapshotGroup => snapshot_group::delete, snapshot_group::DeleteSnapshotGroup, Works, &["DeleteBindImages"];
    Cbs "cbs:" ApplySnapshotGroup => snapshot_group::apply, snapshot_group::ApplySnapshotGroup, Works, &[];
    Cbs "cbs:" CreateDiskBackup => disk_backup::create, disk_backup::CreateDiskBackup, Works, &[];
    Cbs "cbs:" DescribeDiskBackups => disk_backup::describe, disk_backup::DescribeDiskBackups, Works, &[];
    Cbs "cbs:" ApplyDiskBackup => disk_backup::apply, disk_backup::ApplyDiskBackup, Works, &[];
    Cbs "cbs:" DeleteDiskBackups => disk_backup::delete, disk_backup::DeleteDiskBackups, Works, &[];
    Cbs "cbs:" ModifyDiskBackupQuota => disk_backup::modify_quota, disk_backup::ModifyDiskBackupQuota, Works, &[];
    Cbs "cbs:" CreateAutoSnapshotPolicy => snapshot_policy::create, snapshot_policy::CreatePolicy, Partly("by hours of days of the week"),
        snapshot_policy::ABSENT;
    Cbs "cbs:" ModifyAutoSnapshotPolicyAttribute => snapshot_policy::modify, snapshot_policy::ModifyPolicy,
        Partly("by hours of days of the week"), snapshot_policy::ABSENT;
    Cbs "cbs:" DeleteAutoSnapshotPolicies => snapshot_policy::delete, snapshot_policy::DeletePolicies, Works, &[];
    Cbs "cbs:" BindAutoSnapshotPolicy => snapshot_policy::bind, snapshot_policy::Ends, Works, &[];
    Cbs "cbs:" UnbindAutoSnapshotPolicy => snapshot_policy::unbind, snapshot_policy::Ends, Partly("from disks"), &["InstanceIds"];
    Cbs "cbs:" DescribeAutoSnapshotPolicies => snapshot_policy::describe, snapshot_policy::DescribePolicies, Works, &[];
    Cbs "cbs:" DescribeDiskAssociatedAutoSnapshotPolicy => snapshot_policy::describe_of_disk, snapshot_policy::DescribeOfDisk, Works, &[];
    Cbs "cbs:" ApplySnapshot => snapshot::apply, snapshot::ApplySnapshot, Works, &[];
    Vpc "vpc:" CreateVpc => network::create, network::CreateVpc, Works,
        network::CREATE_ABSENT;
    Vpc "vpc:" ModifyVpcAttribute => network::modify, network::ModifyVpcAttribute, Partly("the name, the name servers and the domain"),
        &["EnableCdcPublish", "EnableMulticast", "EnableRouteVpcPublish", "EnableRouteVpcPublishIpv6"];
    Vpc "vpc:" DeleteVpc => network::delete, network::DeleteVpc, Works, &[];
    Vpc "vpc:" CreateSubnet => subnet::create, subnet::CreateSubnet, Works,
        &["CdcId", "Ipv6CidrBlock", "StackType"];
    Vpc "vpc:" CreateSubnets => subnet::create_many, subnet::CreateSubnets, Works, subnet::CREATE_MANY_ABSENT;
    Vpc "vpc:" CheckDefaultSubnet => subnet::check_default, subnet::CheckDefaultSubnet, Works, &[];
    Vpc "vpc:" CreateDefaultVpc => subnet::create_default, subnet::CreateDefaultVpc, Works, &[];
    Vpc "vpc:" DescribeVpcInstances => instance::describe_in_vpc, instance::DescribeVpcInstances, Works, &[];
    Vpc "vpc:" ModifySubnetAttribute => subnet::modify, subnet::ModifySubnetAttribute, Partly("the name"), &["EnableBroadcast"];
    Vpc "vpc:" DeleteSubnet => subnet::delete, subnet::DeleteSubnet, Works, &[];
    Vpc "vpc:" CreateRouteTable => route::create, route::CreateRouteTable, Works, &[];
    Vpc "vpc:" DescribeRouteTables => route::describe, route::DescribeRouteTables, Works, &[];
    Vpc "vpc:" ModifyRouteTableAttribute => route::modify, route::ModifyRouteTableAttribute, Works, &[];
    Vpc "vpc:" DeleteRouteTable => route::delete, route::DeleteRouteTable, Works, &[];
    Vpc "vpc:" CreateRoutes => route::create_routes, route::Routes, Partly("to instances, NAT gateways and peerings, for IPv4"),
        route::ROUTE_ABSENT;
    Vpc "vpc:" ReplaceRoutes => route::replace_routes, route::Routes,
        Partly("to instances, NAT gateways and peerings, for IPv4; the ids of a route follow its destination"), route::ROUTE_ABSENT;
    Vpc "vpc:" EnableRoutes => route::enable_routes, route::NamedRoutes, Works, &[];
    Vpc "vpc:" DisableRoutes => route::disable_routes, route::NamedRoutes, Works, &[];
    Vpc "vpc:" DeleteRoutes => route::delete_routes, route::Routes, Works, route::ROUTE_ABSENT;
    Vpc "vpc:" ReplaceRouteTableAssociation => route::replace, route::ReplaceRouteTableAssociation, Works, &[];
    Vpc "vpc:" CreateNetworkAcl => network_acl::create, network_acl::CreateNetworkAcl, Partly("of the type TRIPLE"), &[];
    Vpc "vpc:" DescribeNetworkAcls => network_acl::describe, network_acl::DescribeNetworkAcls,
        Partly("when an ACL was changed is not kept"), &[];
    Vpc "vpc:" ModifyNetworkAclAttribute => network_acl::modify, network_acl::ModifyNetworkAclAttribute, Works, &[];
    Vpc "vpc:" CreateNetworkAclEntries => network_acl::create_entries, network_acl::Entries, Works, &[];
    Vpc "vpc:" ModifyNetworkAclEntries => network_acl::modify_entries, network_acl::ModifyNetworkAclEntries,
        Partly("of the type TRIPLE; an entry that is changed by id keeps its place"), network_acl::ENTRIES_ABSENT;
    Vpc "vpc:" DeleteNetworkAclEntries => network_acl::delete_entries, network_acl::Entries, Works, &[];
    Vpc "vpc:" AssociateNetworkAclSubnets => network_acl::associate, network_acl::Ends, Works, &[];
    Vpc "vpc:" DisassociateNetworkAclSubnets => network_acl::disassociate, network_acl::Ends, Works, &[];
    Vpc "vpc:" DeleteNetworkAcl => network_acl::delete, network_acl::DeleteNetworkAcl, Works, &[];
    Vpc "vpc:" CreateVpcPeeringConnection => vpc_peering::create, vpc_peering::CreateVpcPeeringConnection, Partly("within the region"),
        vpc_peering::CREATE_ABSENT;
    Vpc "vpc:" DescribeVpcPeeringConnections => vpc_peering::describe, vpc_peering::DescribeVpcPeeringConnections,
        Works, &[];
    Vpc "vpc:" AcceptVpcPeeringConnection => vpc_peering::accept, vpc_peering::Named, Works, &[];
    Vpc "vpc:" RejectVpcPeeringConnection => vpc_peering::reject, vpc_peering::Named, Works, &[];
    Vpc "vpc:" ModifyVpcPeeringConnection => vpc_peering::modify, vpc_peering::ModifyVpcPeeringConnection, Partly("the name"),
        vpc_peering::MODIFY_ABSENT;
    Vpc "vpc:" DeleteVpcPeeringConnection => vpc_peering::delete, vpc_peering::Named, Works, &[];
    Vpc "vpc:" CreateFlowLog => flow_log::create, flow_log::CreateFlowLog,
        Partly("of VPCs, subnets and interfaces; a topic is a log group, read through CloudWatch Logs"), flow_log::CREATE_ABSENT;
    Vpc "vpc:" DescribeFlowLog => flow_log::describe_one, flow_log::Named, Works, &[];
    Vpc "vpc:" DescribeFlowLogs => flow_log::describe, flow_log::DescribeFlowLogs, Works, &[];
    Vpc "vpc:" ModifyFlowLogAttribute => flow_log::modify, flow_log::ModifyFlowLogAttribute, Works, flow_log::MODIFY_ABSENT;
    Vpc "vpc:" DeleteFlowLog => flow_log::delete, flow_log::Named, Works, &[];
    Vpc "vpc:" EnableFlowLogs => flow_log::enable, flow_log::Several, Works, &[];
    Vpc "vpc:" DisableFlowLogs => flow_log::disable, flow_log::Several, Works, &[];
    Vpc "vpc:" AllocateAddresses => address::allocate, address::AllocateAddresses,
        Partly("from one pool"),
        address::ALLOCATE_ABSENT;
    Vpc "vpc:" DescribeTaskResult => address::task_result, address::DescribeTaskResult,
        Partly("calls on addresses have ended when they are answered, with the task 0"), &["DealName"];
    Vpc "vpc:" AssociateAddress => address::associate, address::AssociateAddressArgs, Works,
        &["EipDirectConnection", "InstanceRegion"];
    Vpc "vpc:" ModifyAddressesBandwidth => bandwidth::modify_addresses, bandwidth::ModifyAddressesBandwidth, Works,
        &["EndTime", "StartTime"];
    Vpc "vpc:" ModifyAddressAttribute => bandwidth::modify_attribute, bandwidth::ModifyAddressAttribute, Works,
        &["EipDirectConnection", "EipVisibleOnEni"];
    Vpc "vpc:" ModifyAddressInternetChargeType => bandwidth::modify_charge, bandwidth::ModifyAddressInternetChargeType,
        Partly("it is told again, and nothing is charged"), &["AddressChargePrepaid"];
    Vpc "vpc:" DisassociateAddress => address::disassociate, address::DisassociateAddressArgs, Works, &["ReallocateNormalPublicIp"];
    Vpc "vpc:" ReleaseAddresses => address::release, address::ReleaseAddresses, Works, &[];
    Vpc "vpc:" CreateBandwidthPackage => bandwidth_package::create, bandwidth_package::CreateBandwidthPackage,
        Partly("of the type BGP; five of an account; addresses share its bandwidth in place of their own"), bandwidth_package::CREATE_ABSENT;
    Vpc "vpc:" DescribeBandwidthPackages => bandwidth_package::describe, bandwidth_package::DescribeBandwidthPackages, Works, &[];
    Vpc "vpc:" DescribeBandwidthPackageResources => bandwidth_package::describe_resources,
        bandwidth_package::DescribeBandwidthPackageResources, Works, &[];
    Vpc "vpc:" DescribeBandwidthPackageQuota => bandwidth_package::describe_quota, account::Nothing, Works, &[];
    Vpc "vpc:" ModifyBandwidthPackageAttribute => bandwidth_package::modify, bandwidth_package::ModifyBandwidthPackageAttribute, Works, &[];
    Vpc "vpc:" ModifyBandwidthPackageBandwidth => bandwidth_package::modify_bandwidth,
        bandwidth_package::ModifyBandwidthPackageBandwidth, Works, &[];
    Vpc "vpc:" AddBandwidthPackageResources => bandwidth_package::add, bandwidth_package::AddBandwidthPackageResources,
        Partly("elastic addresses"), &["InternetMaxBandwidthOut"];
    Vpc "vpc:" RemoveBandwidthPackageResources => bandwidth_package::remove, bandwidth_package::RemoveBandwidthPackageResources,
        Partly("elastic addresses"), &["InternetChargeType", "InternetMaxBandwidthOut"];
    Vpc "vpc:" DeleteBandwidthPackage => bandwidth_package::delete, bandwidth_package::DeleteBandwidthPackage, Works, &[];
    Vpc "vpc:" CreateNatGateway => nat_gateway::create, nat_gateway::CreateNatGateway,
        Partly("of a VPC as a whole, available at once; its own bandwidth is kept and shown, its addresses are held to theirs"), nat_gateway::CREATE_ABSENT;
    Vpc "vpc:" DescribeNatGateways => nat_gateway::describe, nat_gateway::DescribeNatGateways, Works, &[];
    Vpc "vpc:" ModifyNatGatewayAttribute => nat_gateway::modify, nat_gateway::ModifyNatGatewayAttribute,
        Partly("the name, the protection, and the bandwidth, which is not enforced"), nat_gateway::MODIFY_ABSENT;
    Vpc "vpc:" DeleteNatGateway => nat_gateway::delete, nat_gateway::DeleteNatGateway, Works, &[];
    Vpc "vpc:" AssociateNatGatewayAddress => nat_gateway::associate, nat_gateway::AssociateNatGatewayAddress, Works,
        nat_gateway::ASSOCIATE_ABSENT;
    Vpc "vpc:" DisassociateNatGatewayAddress => nat_gateway::disassociate, nat_gateway::DisassociateNatGatewayAddress, Works, &[];
    Vpc "vpc:" CreateNatGatewaySourceIpTranslationNatRule => nat_rule::create_sources, nat_rule::CreateSources, Works, nat_rule::SOURCES_ABSENT;
    Vpc "vpc:" DescribeNatGatewaySourceIpTranslationNatRules => nat_rule::describe_sources, nat_rule::DescribeSources, Works, &[];
    Vpc "vpc:" ModifyNatGatewaySourceIpTranslationNatRule => nat_rule::modify_source, nat_rule::ModifySource,
        Partly("the addresses and the description"), nat_rule::SOURCE_ABSENT;
    Vpc "vpc:" DeleteNatGatewaySourceIpTranslationNatRule => nat_rule::delete_sources, nat_rule::DeleteSources, Works, &[];
    Vpc "vpc:" CreateNatGatewayDestinationIpPortTranslationNatRule => nat_rule::create_forwards, nat_rule::Forwards, Works, &[];
    Vpc "vpc:" DescribeNatGatewayDestinationIpPortTranslationNatRules => nat_rule::describe_forwards, nat_rule::DescribeForwards, Works, &[];
    Vpc "vpc:" ModifyNatGatewayDestinationIpPortTranslationNatRule => nat_rule::modify_forward, nat_rule::ModifyForward, Works, &[];
    Vpc "vpc:" DeleteNatGatewayDestinationIpPortTranslationNatRule => nat_rule::delete_forwards, nat_rule::Forwards, Works, &[];
    Sts "sts:" GetCallerIdentity => account::identity, account::Nothing, Works, &[];
    Sts "sts:" AssumeRole => sts::assume_role, sts::AssumeRole,
        Partly("a key acts for an hour unless it is said; who passes tags or an identity must be allowed sts:TagSession, sts:SetSourceIdentity"), &[];
    Cam "cam:" AddUser => cam::user::add, cam::user::AddUser, Partly("no console, so nobody logs in to it"), cam::user::ABSENT;
    Cam "cam:" GetUser => cam::user::get, cam::user::One, Works, &[];
    Cam "cam:" ListUsers => cam::user::list, account::Nothing, Works, &[];
    Cam "cam:" UpdateUser => cam::user::update, cam::user::UpdateUser, Partly("no console, so nobody logs in to it"), cam::user::ABSENT;
    Cam "cam:" DeleteUser => cam::user::delete, cam::user::DeleteUser, Works, &[];
    Cam "cam:" DescribeSubAccounts => cam::user::describe, cam::user::DescribeSubAccounts, Works, &[];
    Cam "cam:" GetUserAppId => cam::user::app_id, account::Nothing, Partly("the application's number is the account's"), &[];
    Cam "cam:" CreateGroup => cam::group::create, cam::group::CreateGroup, Works, &[];
    Cam "cam:" ListGroups => cam::group::list, cam::group::ListGroups, Works, &[];
    Cam "cam:" GetGroup => cam::group::get, cam::group::One, Works, &[];
    Cam "cam:" UpdateGroup => cam::group::update, cam::group::UpdateGroup, Works, &[];
    Cam "cam:" DeleteGroup => cam::group::delete, cam::group::One, Works, &[];
    Cam "cam:" AddUserToGroup => cam::group::add, cam::group::Memberships, Partly("one after the other: what is refused midway leaves those before it"), &[];
    Cam "cam:" RemoveUserFromGroup => cam::group::remove, cam::group::Memberships, Partly("one after the other: what is refused midway leaves those before it"), &[];
    Cam "cam:" ListUsersForGroup => cam::group::members, cam::group::Members, Works, &[];
    Cam "cam:" ListGroupsForUser => cam::group::list_of_user, cam::group::OfUser, Works, &[];
    Cam "cam:" CreatePolicy => cam::policy::create, cam::policy::CreatePolicy, Works, &[];
    Cam "cam:" GetPolicy => cam::policy::get, cam::policy::One, Works, &[];
    Cam "cam:" ListPolicies => cam::policy::list, cam::policy::ListPolicies, Works, &[];
    Cam "cam:" UpdatePolicy => cam::policy::update, cam::policy::UpdatePolicy, Partly("of the account's own policies"), &["Alias"];
    Cam "cam:" DeletePolicy => cam::policy::delete, cam::policy::DeletePolicy, Partly("one after the other: what is refused midway leaves those before it"), &[];
    Cam "cam:" CreatePolicyVersion => cam::policy_version::create, cam::policy_version::CreatePolicyVersion, Works, &[];
    Cam "cam:" ListPolicyVersions => cam::policy_version::list, cam::policy_version::OfPolicy, Works, &[];
    Cam "cam:" GetPolicyVersion => cam::policy_version::get, cam::policy_version::One, Works, &[];
    Cam "cam:" SetDefaultPolicyVersion => cam::policy_version::set_default, cam::policy_version::One, Works, &[];
    Cam "cam:" DeletePolicyVersion => cam::policy_version::delete, cam::policy_version::DeletePolicyVersion, Partly("one after the other: what is refused midway leaves those before it"), &[];
    Cam "cam:" AttachUserPolicy => cam::attached::attach_user, cam::attached::AttachUser, Works, &[];
    Cam "cam:" DetachUserPolicy => cam::attached::detach_user, cam::attached::DetachUser, Works, &[];
    Cam "cam:" AttachGroupPolicy => cam::attached::attach_group, cam::attached::AttachGroup, Works, &[];
    Cam "cam:" DetachGroupPolicy => cam::attached::detach_group, cam::attached::DetachGroup, Works, &[];
    Cam "cam:" AttachRolePolicy => cam::attached::attach_role, cam::attached::AttachRole, Works, &[];
    Cam "cam:" DetachRolePolicy => cam::attached::detach_role, cam::attached::DetachRole, Works, &[];
    Cam "cam:" ListAttachedUserPolicies => cam::attached::list_of_user, cam::attached::OfUser, Works, &[];
    Cam "cam:" ListAttachedGroupPolicies => cam::attached::list_of_group, cam::attached::OfGroup, Works, &[];
    Cam "cam:" ListAttachedRolePolicies => cam::attached::list_of_role, cam::attached::OfRole, Works, &[];
    Cam "cam:" ListAttachedUserAllPolicies => cam::attached::list_all_of_user, cam::attached::AllOfUser, Works, &[];
    Cam "cam:" ListEntitiesForPolicy => cam::entity::list, cam::entity::ListEntities, Works, &[];
    Cam "cam:" GetAccountSummary => cam::entity::summary, account::Nothing, Works, &[];
    Cam "cam:" PutUserPermissionsBoundary => cam::boundary::put_of_user, cam::boundary::PutOfUser, Works, &[];
    Cam "cam:" GetUserPermissionBoundary => cam::boundary::get_of_user, cam::boundary::OfUser, Works, &[];
    Cam "cam:" DeleteUserPermissionsBoundary => cam::boundary::delete_of_user, cam::boundary::OfUser, Works, &[];
    Cam "cam:" PutRolePermissionsBoundary => cam::boundary::put_of_role, cam::boundary::PutOfRole, Works, &[];
    Cam "cam:" GetRolePermissionBoundary => cam::boundary::get_of_role, cam::boundary::GetOfRole, Works, &[];
    Cam "cam:" DeleteRolePermissionsBoundary => cam::boundary::delete_of_role, cam::boundary::OfRole, Works, &[];
    Cam "cam:" CreateRole => cam::role::create, cam::role::CreateRole, Partly("sessions of an hour at least; no console, so nobody logs in to it"), &["ConsoleLogin"];
    Cam "cam:" GetRole => cam::role::get, cam::role::One, Works, &[];
    Cam "cam:" DescribeRoleList => cam::role::list, cam::role::DescribeRoleList, Works, &[];
    Cam "cam:" UpdateAssumeRolePolicy => cam::role::update_trust, cam::role::UpdateTrust, Works, &[];
    Cam "cam:" UpdateRoleDescription => cam::role::update_description, cam::role::UpdateDescription, Works, &[];
    Cam "cam:" UpdateRoleSessionDuration => cam::role::update_session, cam::role::UpdateSession, Partly("sessions of an hour at least"), &[];
    Cam "cam:" TagRole => cam::role::add_tags, cam::role::TagRole, Works, &[];
    Cam "cam:" UntagRole => cam::role::take_tags, cam::role::UntagRole, Works, &[];
    Cam "cam:" DeleteRole => cam::role::delete, cam::role::One, Works, &[];
    Cam "cam:" CreateAccessKey => cam::access_key::create, cam::access_key::CreateAccessKey, Works, &[];
    Cam "cam:" ListAccessKeys => cam::access_key::list, cam::access_key::ListAccessKeys, Works, &[];
    Cam "cam:" UpdateAccessKey => cam::access_key::update, cam::access_key::UpdateAccessKey, Works, &[];
    Cam "cam:" DeleteAccessKey => cam::access_key::delete, cam::access_key::DeleteAccessKey, Works, &[];
    CloudAudit "cloudaudit:" DescribeEvents => trail::describe, trail::DescribeEvents,
        Partly("calls that change something and refusals by policy; `TotalCount` counts the page"), &["IsReturnLocation"];
    Tag "tag:" TagResources => tag_service::tag, tag_service::TagResources, Works, &["Tags.Category"];
    Tag "tag:" UnTagResources => tag_service::untag, tag_service::UnTagResources, Works, &[];
    Tag "tag:" ModifyResourceTags => tag_service::modify, tag_service::ModifyResourceTags, Works, &["ReplaceTags.Category"];
    Tag "tag:" AddResourceTag => tag_service::add, tag_service::OneTag, Works, &[];
    Tag "tag:" UpdateResourceTagValue => tag_service::add, tag_service::OneTag, Works, &[];
    Tag "tag:" DeleteResourceTag => tag_service::delete, tag_service::OneKey, Works, &[];
    Tag "tag:" GetResources => tagged::resources, tagged::GetResources, Works, &[];
    Tag "tag:" GetTagKeys => tagged::keys, tagged::GetTagKeys, Works, &[];
    Tag "tag:" GetTagValues => tagged::values, tagged::GetTagValues, Works, &[];
    Tag "tag:" DescribeResourceTagsByResourceIds => tag_service::describe, tag_service::DescribeTags, Works, &["Category"];
};

static NOT_YET: &[Action] = not_yet! {
    Cvm "cvm:": DescribeInstanceVncUrl
        InquiryPriceRunInstances RenewInstances
        ModifyInstancesRenewFlag ModifyInstancesChargeType InquiryPriceRenewInstances InquiryPriceResetInstancesType
        ModifyInstancesProject ModifyInstanceDiskType
        SyncImages AllocateHosts DescribeHosts
        RenewHosts ModifyHostsAttribute EnterRescueMode ExitRescueMode;
    Vpc "vpc:": CreateHaVip DescribeHaVips DeleteHaVip;
    Cbs "cbs:": ModifyDisksChargeType RenewDisk ModifyDisksRenewFlag CopySnapshotCrossRegions
        InquiryPriceCreateDisks
        InquiryPriceResizeDisk;
    Cam "cam:": UpdateRoleConsoleLogin SetMfaFlag
        DescribeSafeAuthFlag DescribeSafeAuthFlagColl GetSecurityLastUsed
        CreateSAMLProvider GetSAMLProvider ListSAMLProviders UpdateSAMLProvider DeleteSAMLProvider CreateServiceLinkedRole
        DeleteServiceLinkedRole GetServiceLinkedRoleDeletionStatus ListCollaborators;
};

/// The table, for documents and coverage: what is served, then what is known and refused.
pub fn actions() -> impl Iterator<Item = &'static Action> {
    SERVED.iter().chain(NOT_YET)
}

/// The row of an action; refuses what is unknown.
pub(crate) fn find(name: &str, version: &str) -> Result<&'static Action, Fault> {
    if name.is_empty() {
        return Err(Fault::missing("Action"));
    }
    if version.is_empty() {
        return Err(Fault::missing("Version"));
    }
    let mut of_version = actions().filter(|action| action.product.version() == version).peekable();
    if of_version.peek().is_none() {
        return Err(Fault::new("NoSuchVersion", "No service of this cloud has an API of this version."));
    }
    let unknown = || Fault::new("InvalidAction", "The action does not exist, or is none of an API of this version.");
    of_version.find(|action| action.name == name).ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_name_and_a_version_find_one_action() {
        let mut seen = HashSet::new();
        for action in actions() {
            assert!(seen.insert((action.name, action.product.version())), "{}", action.name);
            assert!(action.policy_name.starts_with(action.product.as_str()), "{}", action.policy_name);
            assert!(find(action.name, action.product.version()).is_ok());
        }
    }

    #[test]
    fn what_does_not_exist_is_told_from_what_is_not_said() {
        for (name, version, code) in [
            ("", "2017-03-12", "MissingParameter"),
            ("RunInstances", "", "MissingParameter"),
            ("RunInstances", "2014-05-26", "NoSuchVersion"),
            ("RunInstances", "2018-08-13", "InvalidAction"),
            ("DescribeAll", "2017-03-12", "InvalidAction"),
        ] {
            assert_eq!(find(name, version).err().map(|fault| fault.code), Some(code.into()), "{name} {version}");
        }
    }
}
