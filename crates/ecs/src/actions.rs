//! The action table: what is answered, by which handler, with which parameters.
//!
//! Another action is one row here and one function in its noun's file; documents and coverage are made from the table.

use std::pin::Pin;

use wire::{FromArg, Parameter, Shown};

use crate::error::Fault;
use crate::parameter::Absent;
use crate::{
    Cx, account, address, availability, bandwidth, bandwidth_package, capacity_reservation, deletion_protection, dhcp_options,
    disk_encryption, egress_only_rule, flow_log, image, image_change, image_task, instance, instance_fleet, instance_role, instance_type,
    instance_type_choice, interface, interface_change, ipv4_gateway, ipv6, ipv6_address, ipv6_gateway, key_pair, launch_template,
    nat_entry, nat_gateway, network, network_acl, placement_group, prefix_list, quota, ram, region, root_volume, route, route_change,
    security_group, security_group_reference, security_group_rules, snapshot, snapshot_group, snapshot_policy, snapshot_use, subnet, tag,
    tag_older, traffic, trail, volume, vpc_peering, vpc_range,
};

/// A service, told by the version of its API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    /// Elastic Compute Service.
    Ecs,
    /// Virtual Private Cloud.
    Vpc,
    /// The service that tells the endpoints of the others.
    Location,
    /// Security Token Service.
    Sts,
    /// Resource Access Management.
    Ram,
    /// ActionTrail.
    ActionTrail,
    /// The quota centre.
    Quotas,
    /// VPC peering connections.
    VpcPeer,
}

impl Product {
    const ALL: [Product; 8] = [
        Product::Ecs,
        Product::Vpc,
        Product::Location,
        Product::Sts,
        Product::Ram,
        Product::ActionTrail,
        Product::Quotas,
        Product::VpcPeer,
    ];

    /// The version of its API, which is how requests name it.
    pub const fn version(self) -> &'static str {
        match self {
            Product::Ecs => "2014-05-26",
            Product::Vpc => "2016-04-28",
            Product::Location => "2015-06-12",
            Product::Sts => "2015-04-01",
            Product::Ram => "2015-05-01",
            Product::ActionTrail => "2020-07-06",
            Product::Quotas => "2020-05-10",
            Product::VpcPeer => "2022-01-01",
        }
    }
}

pub(crate) type Answer<'a> = Pin<Box<dyn Future<Output = Result<Shown, Fault>> + Send + 'a>>;
type Handler = for<'a> fn(&'a Cx<'a>) -> Answer<'a>;

/// What answers an action.
#[derive(Clone, Copy)]
pub struct Works(Handler);

impl Works {
    pub(crate) fn answer<'a>(self, cx: &'a Cx<'a>) -> Answer<'a> {
        (self.0)(cx)
    }
}

/// How far an action is.
#[derive(Clone, Copy)]
pub enum State {
    /// It is answered.
    Works(Works),
    /// It is known, and refused as unsupported.
    NotYet,
}

/// One row of the table.
pub struct Action {
    /// Its name.
    pub name: &'static str,
    /// Its name in policies.
    pub policy_name: &'static str,
    /// The services that have it.
    pub products: &'static [Product],
    /// How far it is.
    pub state: State,
    /// The parameters that it understands, beside those of every call.
    pub parameters: &'static [Parameter],
    /// Parameters of the vendor's that it refuses as unsupported, and why. Values that some are only allowed to have stand in
    /// [`crate::parameter`].
    pub absent: &'static [Absent],
}

const ECS: &[Product] = &[Product::Ecs];
/// Actions on networks that are in ECS for historical reasons and in VPC today.
const BOTH: &[Product] = &[Product::Ecs, Product::Vpc];
const VPC: &[Product] = &[Product::Vpc];
const PEER: &[Product] = &[Product::VpcPeer];
const RAM: &[Product] = &[Product::Ram];
const QUOTAS: &[Product] = &[Product::Quotas];

macro_rules! works {
    ($name:literal, $products:expr, $handler:path, $args:ty) => {
        access!("ecs:", $name, $products, $handler, $args)
    };
    ($name:literal, $products:expr, $handler:path, $args:ty, $absent:expr) => {
        access!("ecs:", $name, $products, $handler, $args, $absent)
    };
}

/// A row of which the name in policies begins otherwise.
macro_rules! access {
    ($prefix:literal, $name:literal, $products:expr, $handler:path, $args:ty) => {
        access!($prefix, $name, $products, $handler, $args, &[])
    };
    ($prefix:literal, $name:literal, $products:expr, $handler:path, $args:ty, $absent:expr) => {
        Action {
            name: $name,
            policy_name: concat!($prefix, $name),
            products: $products,
            state: State::Works(Works(|cx| {
                Box::pin(async move {
                    let asked: $args = cx.decode()?;
                    Ok(Box::new($handler(cx, asked).await?) as Shown)
                })
            })),
            parameters: <$args as FromArg>::PARAMETERS,
            absent: $absent,
        }
    };
}

macro_rules! not_yet {
    ($($products:ident: $($name:ident)*;)*) => {
        &[$($(Action {
            name: stringify!($name),
            policy_name: concat!("ecs:", stringify!($name)),
            products: $products,
            state: State::NotYet,
            parameters: &[],
            absent: &[],
        }),*),*]
    };
}

static SERVED: &[Action] = &[
    works!("DescribeRegions", ECS, region::regions, region::DescribeRegions, region::REGIONS_ABSENT),
    works!("DescribeZones", ECS, region::zones, region::DescribeZones, region::ZONES_ABSENT),
    works!("DescribeInstanceTypeFamilies", ECS, instance_type::families, instance_type::DescribeInstanceTypeFamilies),
    works!("DescribeInstanceTypes", ECS, instance_type::describe, instance_type::DescribeInstanceTypes, instance_type::ABSENT),
    works!("DescribeAvailableResource", ECS, availability::describe, availability::DescribeAvailableResource, availability::ABSENT),
    works!("RunInstances", ECS, instance::run, instance::RunInstances),
    works!(
        "DescribeInstances",
        ECS,
        instance::describe,
        instance::DescribeInstances,
        &[("NeedSaleCycle", "only false: nothing is sold for a time")]
    ),
    works!("DescribeInstanceStatus", ECS, instance::describe_status, instance::DescribeInstanceStatus),
    works!("DescribeInstanceAttribute", ECS, instance::describe_attribute, instance::DescribeInstanceAttribute),
    works!("StartInstances", ECS, instance::start_many, instance::StartInstances),
    works!("StartInstance", ECS, instance::start_one, instance::StartInstance),
    works!("StopInstances", ECS, instance::stop_many, instance::StopInstances),
    works!("StopInstance", ECS, instance::stop_one, instance::StopInstance),
    works!("RebootInstances", ECS, instance::reboot_many, instance::RebootInstances),
    works!("RebootInstance", ECS, instance::reboot_one, instance::RebootInstance),
    works!("DeleteInstances", ECS, instance::delete_many, instance::DeleteInstances),
    works!("DeleteInstance", ECS, instance::delete_one, instance::DeleteInstance),
    works!("ModifyInstanceAttribute", ECS, instance::modify_attribute, instance::ModifyInstanceAttribute),
    works!("ModifyInstanceMetadataOptions", ECS, instance::modify_metadata, instance::ModifyInstanceMetadataOptions),
    works!(
        "GetInstanceConsoleOutput",
        ECS,
        instance::console_output,
        instance::GetInstanceConsoleOutput,
        &[("RemoveSymbols", "only false: the output is told as it is")]
    ),
    works!("DescribeUserData", ECS, instance::user_data, instance::DescribeUserData),
    works!("DescribeImages", ECS, image::describe, image::DescribeImages),
    works!("CreateKeyPair", ECS, key_pair::create, key_pair::CreateKeyPair),
    works!("ImportKeyPair", ECS, key_pair::import, key_pair::ImportKeyPair),
    works!("DescribeKeyPairs", ECS, key_pair::describe, key_pair::DescribeKeyPairs),
    works!("DeleteKeyPairs", ECS, key_pair::delete, key_pair::DeleteKeyPairs),
    works!("AttachKeyPair", ECS, key_pair::attach, key_pair::OfInstances),
    works!("DetachKeyPair", ECS, key_pair::detach, key_pair::OfInstances),
    works!("DescribeDisks", ECS, volume::describe, volume::DescribeDisks),
    works!("DescribeSecurityGroups", ECS, security_group::describe, security_group::DescribeSecurityGroups),
    works!(
        "DescribeSecurityGroupAttribute",
        ECS,
        security_group::attribute,
        security_group::DescribeSecurityGroupAttribute,
        &[("Attribute", "groups have no snapshots of their rules")]
    ),
    works!("DescribeVpcs", BOTH, network::describe, network::DescribeVpcs),
    works!("DescribeVpcAttribute", VPC, network::attribute, network::DescribeVpcAttribute),
    works!("DescribeVSwitches", BOTH, subnet::describe, subnet::DescribeVSwitches),
    works!("DescribeVSwitchAttributes", VPC, subnet::attributes, subnet::DescribeVSwitchAttributes),
    works!("DescribeNetworkInterfaces", ECS, interface::describe, interface::DescribeNetworkInterfaces),
    works!("CreateNetworkInterface", ECS, interface_change::create, interface_change::CreateNetworkInterface),
    works!("AttachNetworkInterface", ECS, interface_change::attach, interface_change::Ends),
    works!("DetachNetworkInterface", ECS, interface_change::detach, interface_change::Ends),
    works!("DeleteNetworkInterface", ECS, interface_change::delete, interface_change::DeleteNetworkInterface),
    works!("ModifyNetworkInterfaceAttribute", ECS, interface_change::modify, interface_change::ModifyNetworkInterfaceAttribute),
    works!("AssignPrivateIpAddresses", ECS, interface_change::assign, interface_change::AssignPrivateIpAddresses),
    works!("UnassignPrivateIpAddresses", ECS, interface_change::unassign, interface_change::UnassignPrivateIpAddresses),
    works!("DescribeEipAddresses", BOTH, address::describe, address::DescribeEipAddresses),
    works!("TagResources", BOTH, tag::tag, tag::TagResources),
    works!("UntagResources", BOTH, tag::untag, tag::UntagResources),
    works!("UnTagResources", VPC, tag::untag, tag::UntagResources),
    works!("ListTagResources", BOTH, tag::list, tag::ListTagResources),
    works!("DescribeAccountAttributes", ECS, account::attributes, account::DescribeAccountAttributes),
    works!("GetCallerIdentity", &[Product::Sts], account::identity, account::Nothing),
    access!("actiontrail:", "LookupEvents", &[Product::ActionTrail], trail::lookup, trail::LookupEvents),
    access!("quotas:", "ListProducts", QUOTAS, quota::products, quota::ListProducts),
    access!("quotas:", "ListProductQuotas", QUOTAS, quota::list, quota::ListProductQuotas),
    access!("quotas:", "GetProductQuota", QUOTAS, quota::get, quota::GetProductQuota),
    access!("quotas:", "CreateQuotaApplication", QUOTAS, quota::apply, quota::CreateQuotaApplication),
    access!("quotas:", "GetQuotaApplication", QUOTAS, quota::get_application, quota::GetQuotaApplication),
    access!("quotas:", "ListQuotaApplications", QUOTAS, quota::list_applications, quota::ListQuotaApplications),
    access!("ram:", "GetAccessKeyLastUsed", RAM, ram::user::key_last_used, ram::user::GetAccessKeyLastUsed),
    access!("ram:", "CreateUser", RAM, ram::user::create, ram::user::CreateUser),
    access!("ram:", "GetUser", RAM, ram::user::get, ram::user::One),
    access!("ram:", "UpdateUser", RAM, ram::user::update, ram::user::UpdateUser),
    access!("ram:", "DeleteUser", RAM, ram::user::delete, ram::user::One),
    access!("ram:", "ListUsers", RAM, ram::user::list, ram::user::ListUsers),
    access!("ram:", "CreateAccessKey", RAM, ram::user::create_key, ram::user::Owner),
    access!("ram:", "ListAccessKeys", RAM, ram::user::list_keys, ram::user::Owner),
    access!("ram:", "UpdateAccessKey", RAM, ram::user::update_key, ram::user::UpdateAccessKey),
    access!("ram:", "DeleteAccessKey", RAM, ram::user::delete_key, ram::user::DeleteAccessKey),
    access!("ram:", "CreateGroup", RAM, ram::group::create, ram::group::CreateGroup),
    access!("ram:", "GetGroup", RAM, ram::group::get, ram::group::One),
    access!("ram:", "UpdateGroup", RAM, ram::group::update, ram::group::UpdateGroup),
    access!("ram:", "DeleteGroup", RAM, ram::group::delete, ram::group::One),
    access!("ram:", "ListGroups", RAM, ram::group::list, ram::group::ListGroups),
    access!("ram:", "ListGroupsForUser", RAM, ram::group::list_of_user, ram::group::OfUser),
    access!("ram:", "ListUsersForGroup", RAM, ram::group::members, ram::group::Members),
    access!("ram:", "AddUserToGroup", RAM, ram::group::add, ram::group::Membership),
    access!("ram:", "RemoveUserFromGroup", RAM, ram::group::remove, ram::group::Membership),
    access!("ram:", "CreateVirtualMFADevice", RAM, ram::mfa_device::create, ram::mfa_device::CreateDevice),
    access!("ram:", "ListVirtualMFADevices", RAM, ram::mfa_device::list, ram::mfa_device::ListDevices),
    access!("ram:", "DeleteVirtualMFADevice", RAM, ram::mfa_device::delete, ram::mfa_device::DeleteDevice),
    access!("ram:", "BindMFADevice", RAM, ram::mfa_device::bind, ram::mfa_device::Bind),
    access!("ram:", "UnbindMFADevice", RAM, ram::mfa_device::unbind, ram::mfa_device::OfUser),
    access!("ram:", "GetUserMFAInfo", RAM, ram::mfa_device::info, ram::mfa_device::OfUser),
    access!("ram:", "CreatePolicy", RAM, ram::policy::create, ram::policy::CreatePolicy),
    access!("ram:", "GetPolicy", RAM, ram::policy::get, ram::policy::GetPolicy),
    access!("ram:", "CreatePolicyVersion", RAM, ram::policy_version::create, ram::policy_version::CreatePolicyVersion),
    access!("ram:", "ListPolicyVersions", RAM, ram::policy_version::list, ram::policy_version::OfPolicy),
    access!("ram:", "GetPolicyVersion", RAM, ram::policy_version::get, ram::policy_version::GetPolicyVersion),
    access!("ram:", "SetDefaultPolicyVersion", RAM, ram::policy_version::set_default, ram::policy_version::One),
    access!("ram:", "DeletePolicyVersion", RAM, ram::policy_version::delete, ram::policy_version::One),
    access!("ram:", "DeletePolicy", RAM, ram::policy::delete, ram::policy::DeletePolicy),
    access!("ram:", "ListPolicies", RAM, ram::policy::list, ram::policy::ListPolicies),
    access!("ram:", "AttachPolicyToUser", RAM, ram::policy::of_user::attach, ram::policy::of_user::Change),
    access!("ram:", "DetachPolicyFromUser", RAM, ram::policy::of_user::detach, ram::policy::of_user::Change),
    access!("ram:", "ListPoliciesForUser", RAM, ram::policy::of_user::list, ram::policy::of_user::Of),
    access!("ram:", "AttachPolicyToGroup", RAM, ram::policy::of_group::attach, ram::policy::of_group::Change),
    access!("ram:", "DetachPolicyFromGroup", RAM, ram::policy::of_group::detach, ram::policy::of_group::Change),
    access!("ram:", "ListPoliciesForGroup", RAM, ram::policy::of_group::list, ram::policy::of_group::Of),
    access!("ram:", "AttachPolicyToRole", RAM, ram::policy::of_role::attach, ram::policy::of_role::Change),
    access!("ram:", "DetachPolicyFromRole", RAM, ram::policy::of_role::detach, ram::policy::of_role::Change),
    access!("ram:", "ListPoliciesForRole", RAM, ram::policy::of_role::list, ram::policy::of_role::Of),
    access!("ram:", "CreateRole", RAM, ram::role::create, ram::role::CreateRole),
    access!("ram:", "GetRole", RAM, ram::role::get, ram::role::One),
    access!("ram:", "UpdateRole", RAM, ram::role::update, ram::role::UpdateRole),
    access!("ram:", "DeleteRole", RAM, ram::role::delete, ram::role::One),
    access!("ram:", "ListRoles", RAM, ram::role::list, ram::role::ListRoles),
    access!("sts:", "AssumeRole", &[Product::Sts], ram::role::assume, ram::role::AssumeRole),
    works!("DescribeEndpoints", &[Product::Location], region::endpoints, region::DescribeEndpoints),
    works!("CreateInstance", ECS, instance::create, instance::CreateInstance),
    works!("CreateLaunchTemplate", ECS, launch_template::create, launch_template::CreateLaunchTemplate),
    works!("CreateLaunchTemplateVersion", ECS, launch_template::create_version, launch_template::CreateLaunchTemplateVersion),
    works!("ModifyLaunchTemplateDefaultVersion", ECS, launch_template::modify, launch_template::ModifyLaunchTemplateDefaultVersion),
    works!("DeleteLaunchTemplate", ECS, launch_template::delete, launch_template::DeleteLaunchTemplate),
    works!("DeleteLaunchTemplateVersion", ECS, launch_template::delete_versions, launch_template::DeleteVersions),
    works!("DescribeLaunchTemplates", ECS, launch_template::describe, launch_template::DescribeLaunchTemplates),
    works!("DescribeLaunchTemplateVersions", ECS, launch_template::describe_versions, launch_template::DescribeLaunchTemplateVersions),
    works!("AttachInstanceRamRole", ECS, instance_role::attach, instance_role::Change),
    works!("DetachInstanceRamRole", ECS, instance_role::detach, instance_role::Change),
    works!("DescribeInstanceRamRole", ECS, instance_role::describe, instance_role::DescribeInstanceRamRole),
    works!(
        "DescribeSecurityGroupReferences",
        ECS,
        security_group_reference::describe,
        security_group_reference::DescribeSecurityGroupReferences
    ),
    works!("CreatePrefixList", ECS, prefix_list::create, prefix_list::CreatePrefixList),
    works!("DescribePrefixLists", ECS, prefix_list::describe, prefix_list::DescribePrefixLists),
    works!("DescribePrefixListAttributes", ECS, prefix_list::attributes, prefix_list::Which),
    works!("DescribePrefixListAssociations", ECS, prefix_list::associations, prefix_list::DescribeAssociations),
    works!("ModifyPrefixList", ECS, prefix_list::modify, prefix_list::ModifyPrefixList),
    works!("DeletePrefixList", ECS, prefix_list::delete, prefix_list::Which),
    works!("CreateCapacityReservation", ECS, capacity_reservation::create, capacity_reservation::CreateCapacityReservation),
    works!("DescribeCapacityReservations", ECS, capacity_reservation::describe, capacity_reservation::DescribeCapacityReservations),
    works!("ModifyCapacityReservation", ECS, capacity_reservation::modify, capacity_reservation::ModifyCapacityReservation),
    works!("ReleaseCapacityReservation", ECS, capacity_reservation::release, capacity_reservation::ReleaseCapacityReservation),
    works!("CreateAutoProvisioningGroup", ECS, instance_fleet::create, instance_fleet::CreateAutoProvisioningGroup),
    works!("DescribeAutoProvisioningGroups", ECS, instance_fleet::describe, instance_fleet::DescribeAutoProvisioningGroups),
    works!(
        "DescribeAutoProvisioningGroupInstances",
        ECS,
        instance_fleet::describe_instances,
        instance_fleet::DescribeAutoProvisioningGroupInstances
    ),
    works!("DescribeAutoProvisioningGroupHistory", ECS, instance_fleet::history, instance_fleet::DescribeAutoProvisioningGroupHistory),
    works!("ModifyAutoProvisioningGroup", ECS, instance_fleet::modify, instance_fleet::ModifyAutoProvisioningGroup),
    works!("DeleteAutoProvisioningGroup", ECS, instance_fleet::delete, instance_fleet::DeleteAutoProvisioningGroup),
    works!("CreateDeploymentSet", ECS, placement_group::create, placement_group::CreateDeploymentSet),
    works!("DescribeDeploymentSets", ECS, placement_group::describe, placement_group::DescribeDeploymentSets),
    works!("ModifyDeploymentSetAttribute", ECS, placement_group::modify, placement_group::ModifyDeploymentSetAttribute),
    works!("DeleteDeploymentSet", ECS, placement_group::delete, placement_group::DeleteDeploymentSet),
    works!("ModifyInstanceDeployment", ECS, placement_group::modify_instance, placement_group::ModifyInstanceDeployment),
    works!("ModifyInstanceNetworkSpec", ECS, bandwidth::modify, bandwidth::ModifyInstanceNetworkSpec),
    works!("ModifyInstanceSpec", ECS, instance::modify_spec, instance::ModifyInstanceSpec),
    works!("ModifyInstanceVpcAttribute", ECS, instance::modify_vpc, instance::ModifyInstanceVpcAttribute),
    works!(
        "DescribeRecommendInstanceType",
        ECS,
        instance_type_choice::recommend,
        instance_type_choice::DescribeRecommendInstanceType,
        instance_type_choice::ABSENT
    ),
    works!(
        "DescribeResourcesModification",
        ECS,
        availability::describe_modification,
        availability::DescribeResourcesModification,
        &[("Conditions", "what an instance can become depends on nothing else")]
    ),
    works!("ModifyInstanceAutoReleaseTime", ECS, instance::modify_release, instance::ModifyInstanceAutoReleaseTime),
    works!(
        "DescribeInstanceHistoryEvents",
        ECS,
        instance::describe_history,
        instance::DescribeInstanceHistoryEvents,
        &[("ImpactLevel", "the vendor documents it as not available"), ("Tag", "events have no tags")]
    ),
    works!("DescribeInstancesFullStatus", ECS, instance::describe_full_status, instance::DescribeInstancesFullStatus),
    works!("CreateSimulatedSystemEvents", ECS, instance::simulate, instance::CreateSimulatedSystemEvents),
    works!("CancelSimulatedSystemEvents", ECS, instance::cancel, instance::CancelSimulatedSystemEvents),
    works!("AcceptInquiredSystemEvent", ECS, instance::accept, instance::AcceptInquiredSystemEvent),
    works!("ModifySystemEventAttribute", ECS, instance::modify_event, instance::ModifySystemEventAttribute),
    works!("AllocatePublicIpAddress", ECS, address::give, address::AllocatePublicIpAddress),
    works!("CreateImage", ECS, image_change::create, image_change::CreateImage),
    works!("DeleteImage", ECS, image_change::delete, image_change::DeleteImage),
    works!("ModifyImageAttribute", ECS, image_change::modify, image_change::ModifyImageAttribute),
    works!("ModifyImageSharePermission", ECS, image_change::share, image_change::ModifyImageSharePermission),
    works!("DescribeImageSharePermission", ECS, image_change::shares, image_change::DescribeImageSharePermission),
    works!("DescribeImageFromFamily", ECS, image::describe_from_family, image::DescribeImageFromFamily),
    works!("CopyImage", ECS, image_change::copy, image_change::CopyImage),
    works!("ImportImage", ECS, image_task::import, image_task::ImportImage),
    works!("ExportImage", ECS, image_task::export, image_task::ExportImage),
    works!("DescribeTasks", ECS, image_task::describe, image_task::DescribeTasks, &[("TaskGroupId", "tasks are in no groups")]),
    works!("DescribeTaskAttribute", ECS, image_task::describe_one, image_task::OneTask),
    works!("CancelTask", ECS, image_task::cancel, image_task::OneTask),
    works!("CreateDisk", ECS, volume::create, volume::CreateDisk),
    works!("AttachDisk", ECS, volume::attach, volume::AttachDisk),
    works!("DetachDisk", ECS, volume::detach, volume::DetachDisk),
    works!("DeleteDisk", ECS, volume::delete, volume::DeleteDisk),
    works!("ResizeDisk", ECS, volume::resize, volume::ResizeDisk),
    works!("ModifyDiskSpec", ECS, volume::modify_spec, volume::ModifyDiskSpec),
    works!("ModifyDiskAttribute", ECS, volume::modify, volume::ModifyDiskAttribute),
    works!("ReInitDisk", ECS, root_volume::reinit, root_volume::ReInitDisk),
    works!("ReplaceSystemDisk", ECS, root_volume::replace, root_volume::ReplaceSystemDisk),
    works!("ResetDisk", ECS, snapshot::reset, snapshot::ResetDisk),
    works!("CreateSnapshot", ECS, snapshot::create, snapshot::CreateSnapshot),
    works!("DescribeSnapshots", ECS, snapshot::describe, snapshot::DescribeSnapshots),
    works!("DeleteSnapshot", ECS, snapshot::delete, snapshot::DeleteSnapshot),
    works!("ModifySnapshotAttribute", ECS, snapshot::modify, snapshot::ModifySnapshotAttribute),
    works!("DescribeInstanceMaintenanceAttributes", ECS, instance::describe_maintenance, instance::DescribeInstanceMaintenanceAttributes),
    works!(
        "DescribeInstanceAttachmentAttributes",
        ECS,
        capacity_reservation::attachments,
        capacity_reservation::DescribeInstanceAttachmentAttributes
    ),
    works!("CopySnapshot", ECS, snapshot_use::copy, snapshot_use::CopySnapshot),
    works!("DescribeSnapshotsUsage", ECS, snapshot_use::usage, account::Nothing),
    works!("DescribeSnapshotLinks", ECS, snapshot_use::links, snapshot_use::DescribeSnapshotLinks),
    works!("EnableDiskEncryptionByDefault", ECS, disk_encryption::enable, account::Nothing),
    works!("DisableDiskEncryptionByDefault", ECS, disk_encryption::disable, account::Nothing),
    works!("DescribeDiskEncryptionByDefaultStatus", ECS, disk_encryption::status, account::Nothing),
    works!("DescribeDiskDefaultKMSKeyId", ECS, disk_encryption::key, account::Nothing),
    works!("ModifyDiskDefaultKMSKeyId", ECS, disk_encryption::modify_key, disk_encryption::ModifyDefaultKey),
    works!("ResetDiskDefaultKMSKeyId", ECS, disk_encryption::reset_key, account::Nothing),
    works!("AddTags", ECS, tag_older::add, tag_older::OneThing),
    works!("RemoveTags", ECS, tag_older::remove, tag_older::OneThing),
    works!("DescribeTags", ECS, tag_older::describe, tag_older::DescribeTags, &[("Category", "the vendor documents no values of it")]),
    works!("DescribeResourceByTags", ECS, tag_older::resources, tag_older::DescribeResourceByTags),
    works!("DescribeVRouters", BOTH, network::routers, network::DescribeVRouters),
    works!(
        "DescribeNetworkInterfaceAttribute",
        ECS,
        interface::attribute,
        interface::DescribeNetworkInterfaceAttribute,
        &[("Tag", "the vendor documents it as not available")]
    ),
    works!("CreateSnapshotGroup", ECS, snapshot_group::create, snapshot_group::CreateSnapshotGroup),
    works!(
        "DescribeSnapshotGroups",
        ECS,
        snapshot_group::describe,
        snapshot_group::DescribeSnapshotGroups,
        &[("AdditionalAttributes", "the vendor documents it as not available")]
    ),
    works!("ModifySnapshotGroup", ECS, snapshot_group::modify, snapshot_group::ModifySnapshotGroup),
    works!("DeleteSnapshotGroup", ECS, snapshot_group::delete, snapshot_group::DeleteSnapshotGroup),
    works!("ResetDisks", ECS, snapshot_group::reset, snapshot_group::ResetDisks),
    works!("CreateAutoSnapshotPolicy", ECS, snapshot_policy::create, snapshot_policy::CreatePolicy),
    works!("ModifyAutoSnapshotPolicyEx", ECS, snapshot_policy::modify, snapshot_policy::ModifyPolicy),
    works!("DeleteAutoSnapshotPolicy", ECS, snapshot_policy::delete, snapshot_policy::DeletePolicy),
    works!("ApplyAutoSnapshotPolicy", ECS, snapshot_policy::apply, snapshot_policy::ApplyPolicy),
    works!("CancelAutoSnapshotPolicy", ECS, snapshot_policy::cancel, snapshot_policy::CancelPolicy),
    works!("DescribeAutoSnapshotPolicyEx", ECS, snapshot_policy::describe, snapshot_policy::DescribePolicies),
    works!("DescribeAutoSnapshotPolicyAssociations", ECS, snapshot_policy::describe_ties, snapshot_policy::DescribeTies),
    works!("CreateSecurityGroup", ECS, security_group::create, security_group::CreateSecurityGroup),
    works!("AuthorizeSecurityGroup", ECS, security_group_rules::authorize_ingress, security_group_rules::Change),
    works!("RevokeSecurityGroup", ECS, security_group_rules::revoke_ingress, security_group_rules::Change),
    works!("AuthorizeSecurityGroupEgress", ECS, security_group_rules::authorize_egress, security_group_rules::Change),
    works!("ModifySecurityGroupRule", ECS, security_group_rules::modify_ingress, security_group_rules::Modify),
    works!("ModifySecurityGroupEgressRule", ECS, security_group_rules::modify_egress, security_group_rules::Modify),
    works!("RevokeSecurityGroupEgress", ECS, security_group_rules::revoke_egress, security_group_rules::Change),
    works!("DeleteSecurityGroup", ECS, security_group::delete, security_group::DeleteSecurityGroup),
    works!("JoinSecurityGroup", ECS, security_group::join, security_group::Member),
    works!("LeaveSecurityGroup", ECS, security_group::leave, security_group::Member),
    works!("ModifySecurityGroupAttribute", ECS, security_group::modify, security_group::ModifySecurityGroupAttribute),
    works!("ModifySecurityGroupPolicy", ECS, security_group::modify_policy, security_group::ModifySecurityGroupPolicy),
    works!("CreateVpc", BOTH, network::create, network::CreateVpc),
    works!("CreateDefaultVpc", BOTH, network::create_default, account::Nothing),
    works!("CreateDefaultVSwitch", VPC, subnet::create_default, subnet::CreateDefaultVSwitch),
    works!("AssociateVpcCidrBlock", VPC, vpc_range::associate, vpc_range::AssociateVpcCidrBlock),
    works!("UnassociateVpcCidrBlock", VPC, vpc_range::unassociate, vpc_range::UnassociateVpcCidrBlock),
    works!("AssignIpv6Addresses", ECS, ipv6::assign, ipv6::AssignIpv6Addresses),
    works!("UnassignIpv6Addresses", ECS, ipv6::unassign, ipv6::UnassignIpv6Addresses),
    works!("CreateIpv4Gateway", VPC, ipv4_gateway::create, ipv4_gateway::CreateIpv4Gateway),
    works!("EnableVpcIpv4Gateway", VPC, ipv4_gateway::enable, ipv4_gateway::EnableVpcIpv4Gateway),
    works!("GetIpv4GatewayAttribute", VPC, ipv4_gateway::get, ipv4_gateway::GetIpv4GatewayAttribute),
    works!("ListIpv4Gateways", VPC, ipv4_gateway::list, ipv4_gateway::ListIpv4Gateways),
    works!("UpdateIpv4GatewayAttribute", VPC, ipv4_gateway::update, ipv4_gateway::UpdateIpv4GatewayAttribute),
    works!("DeleteIpv4Gateway", VPC, ipv4_gateway::delete, ipv4_gateway::DeleteIpv4Gateway),
    works!("CreateIpv6Gateway", VPC, ipv6_gateway::create, ipv6_gateway::CreateIpv6Gateway),
    works!("DescribeIpv6Gateways", VPC, ipv6_gateway::describe, ipv6_gateway::DescribeIpv6Gateways),
    works!("DescribeIpv6GatewayAttribute", VPC, ipv6_gateway::attribute, ipv6_gateway::One),
    works!("ModifyIpv6GatewayAttribute", VPC, ipv6_gateway::modify, ipv6_gateway::ModifyIpv6GatewayAttribute),
    works!("DeleteIpv6Gateway", VPC, ipv6_gateway::delete, ipv6_gateway::One),
    works!("DescribeIpv6Addresses", VPC, ipv6_address::describe, ipv6_address::DescribeIpv6Addresses, ipv6_address::ABSENT),
    works!("AllocateIpv6InternetBandwidth", VPC, ipv6_address::allocate, ipv6_address::AllocateIpv6InternetBandwidth),
    works!("ModifyIpv6InternetBandwidth", VPC, ipv6_address::modify, ipv6_address::ModifyIpv6InternetBandwidth),
    works!("DeleteIpv6InternetBandwidth", VPC, ipv6_address::delete, ipv6_address::DeleteIpv6InternetBandwidth),
    works!("CreateIpv6EgressOnlyRule", VPC, egress_only_rule::create, egress_only_rule::CreateIpv6EgressOnlyRule),
    works!("DescribeIpv6EgressOnlyRules", VPC, egress_only_rule::describe, egress_only_rule::DescribeIpv6EgressOnlyRules),
    works!("DeleteIpv6EgressOnlyRule", VPC, egress_only_rule::delete, egress_only_rule::DeleteIpv6EgressOnlyRule),
    works!("AllocateEipAddressPro", VPC, address::allocate_pro, address::AllocateEipAddressPro),
    works!("DeleteVpc", BOTH, network::delete, network::DeleteVpc),
    works!("ModifyVpcAttribute", BOTH, network::modify, network::ModifyVpcAttribute),
    works!("CreateVSwitch", BOTH, subnet::create, subnet::CreateVSwitch),
    works!("DeleteVSwitch", BOTH, subnet::delete, subnet::DeleteVSwitch),
    works!("ModifyVSwitchAttribute", BOTH, subnet::modify, subnet::ModifyVSwitchAttribute),
    works!("CreateRouteTable", VPC, route_change::create_table, route_change::CreateRouteTable),
    works!("DeleteRouteTable", VPC, route_change::delete_table, route_change::DeleteRouteTable),
    works!("AssociateRouteTable", VPC, route_change::associate, route_change::Ends),
    works!("UnassociateRouteTable", VPC, route_change::unassociate, route_change::Ends),
    works!("CreateRouteEntry", BOTH, route_change::create_entry, route_change::CreateRouteEntry),
    works!("DeleteRouteEntry", BOTH, route_change::delete_entry, route_change::DeleteRouteEntry),
    works!("DescribeRouteTables", BOTH, route::tables, route::DescribeRouteTables, &[("Type", "the vendor documents no values of it")]),
    works!("DescribeRouteTableList", VPC, route::table_list, route::DescribeRouteTableList),
    works!("DescribeRouteEntryList", VPC, route::entry_list, route::DescribeRouteEntryList),
    works!("CreateNetworkAcl", VPC, network_acl::create, network_acl::CreateNetworkAcl),
    works!("DescribeNetworkAcls", VPC, network_acl::describe, network_acl::DescribeNetworkAcls),
    works!("DescribeNetworkAclAttributes", VPC, network_acl::attributes, network_acl::Which),
    works!("UpdateNetworkAclEntries", VPC, network_acl::update, network_acl::UpdateNetworkAclEntries),
    works!("ModifyNetworkAclAttributes", VPC, network_acl::modify, network_acl::ModifyNetworkAclAttributes),
    works!("AssociateNetworkAcl", VPC, network_acl::associate, network_acl::Ends),
    works!("UnassociateNetworkAcl", VPC, network_acl::unassociate, network_acl::Ends),
    works!("DeleteNetworkAcl", VPC, network_acl::delete, network_acl::DeleteNetworkAcl),
    works!("CreateVpcPeerConnection", PEER, vpc_peering::create, vpc_peering::CreateVpcPeerConnection),
    works!("AcceptVpcPeerConnection", PEER, vpc_peering::accept, vpc_peering::Named),
    works!("RejectVpcPeerConnection", PEER, vpc_peering::reject, vpc_peering::Named),
    works!("DeleteVpcPeerConnection", PEER, vpc_peering::delete, vpc_peering::DeleteVpcPeerConnection),
    works!("ModifyVpcPeerConnection", PEER, vpc_peering::modify, vpc_peering::ModifyVpcPeerConnection),
    works!("GetVpcPeerConnectionAttribute", PEER, vpc_peering::attribute, vpc_peering::Named),
    works!("ListVpcPeerConnections", PEER, vpc_peering::list, vpc_peering::ListVpcPeerConnections),
    works!("CreateNatGateway", VPC, nat_gateway::create, nat_gateway::CreateNatGateway),
    works!("DescribeNatGateways", VPC, nat_gateway::describe, nat_gateway::DescribeNatGateways),
    works!("ModifyNatGatewayAttribute", VPC, nat_gateway::modify, nat_gateway::ModifyNatGatewayAttribute),
    works!("DeleteNatGateway", VPC, nat_gateway::delete, nat_gateway::DeleteNatGateway),
    works!("CreateSnatEntry", VPC, nat_entry::create_snat, nat_entry::CreateSnatEntry),
    works!("DescribeSnatTableEntries", VPC, nat_entry::describe_snat, nat_entry::DescribeSnatTableEntries),
    works!("ModifySnatEntry", VPC, nat_entry::modify_snat, nat_entry::ModifySnatEntry),
    works!("DeleteSnatEntry", VPC, nat_entry::delete_snat, nat_entry::DeleteSnatEntry),
    works!("CreateForwardEntry", VPC, nat_entry::create_forward, nat_entry::CreateForwardEntry),
    works!("DescribeForwardTableEntries", VPC, nat_entry::describe_forward, nat_entry::DescribeForwardTableEntries),
    works!("ModifyForwardEntry", VPC, nat_entry::modify_forward, nat_entry::ModifyForwardEntry),
    works!("DeleteForwardEntry", VPC, nat_entry::delete_forward, nat_entry::DeleteForwardEntry),
    works!("DeletionProtection", VPC, deletion_protection::set, deletion_protection::DeletionProtection),
    works!("AllocateEipAddress", BOTH, address::allocate, address::AllocateEipAddress),
    works!("AssociateEipAddress", BOTH, address::associate, address::AssociateEipAddress),
    works!("UnassociateEipAddress", BOTH, address::unassociate, address::UnassociateEipAddress),
    works!("ReleaseEipAddress", BOTH, address::release, address::ReleaseEipAddress),
    works!("DescribeEipMonitorData", BOTH, traffic::describe, traffic::DescribeEipMonitorData),
    works!("CreateCommonBandwidthPackage", BOTH, bandwidth_package::create, bandwidth_package::CreateCommonBandwidthPackage),
    works!("AddCommonBandwidthPackageIp", BOTH, bandwidth_package::add, bandwidth_package::AddCommonBandwidthPackageIp),
    works!("RemoveCommonBandwidthPackageIp", BOTH, bandwidth_package::remove, bandwidth_package::RemoveCommonBandwidthPackageIp),
    works!("ModifyCommonBandwidthPackageSpec", BOTH, bandwidth_package::modify_spec, bandwidth_package::ModifyCommonBandwidthPackageSpec),
    works!(
        "ModifyCommonBandwidthPackageAttribute",
        BOTH,
        bandwidth_package::modify,
        bandwidth_package::ModifyCommonBandwidthPackageAttribute
    ),
    works!("DeleteCommonBandwidthPackage", BOTH, bandwidth_package::delete, bandwidth_package::DeleteCommonBandwidthPackage),
    works!("DescribeCommonBandwidthPackages", BOTH, bandwidth_package::describe, bandwidth_package::DescribeCommonBandwidthPackages),
    works!("CreateFlowLog", VPC, flow_log::create, flow_log::CreateFlowLog, flow_log::ABSENT),
    works!("DescribeFlowLogs", VPC, flow_log::describe, flow_log::DescribeFlowLogs),
    works!("ModifyFlowLogAttribute", VPC, flow_log::modify, flow_log::ModifyFlowLogAttribute, flow_log::ABSENT),
    works!("ActiveFlowLog", VPC, flow_log::activate, flow_log::Named),
    works!("DeactiveFlowLog", VPC, flow_log::deactivate, flow_log::Named),
    works!("DeleteFlowLog", VPC, flow_log::delete, flow_log::Named),
    works!("CreateDhcpOptionsSet", VPC, dhcp_options::create, dhcp_options::CreateDhcpOptionsSet),
    works!("GetDhcpOptionsSet", VPC, dhcp_options::get, dhcp_options::Which),
    works!("ListDhcpOptionsSets", VPC, dhcp_options::list, dhcp_options::ListDhcpOptionsSets),
    works!("UpdateDhcpOptionsSetAttribute", VPC, dhcp_options::update, dhcp_options::UpdateDhcpOptionsSetAttribute),
    works!("AttachDhcpOptionsSetToVpc", VPC, dhcp_options::attach, dhcp_options::Both),
    works!("DetachDhcpOptionsSetFromVpc", VPC, dhcp_options::detach, dhcp_options::Both),
    works!("ReplaceVpcDhcpOptionsSet", VPC, dhcp_options::replace, dhcp_options::Both),
    works!("DeleteDhcpOptionsSet", VPC, dhcp_options::delete, dhcp_options::Which),
    works!("ModifyEipAddressAttribute", BOTH, address::modify, address::ModifyEipAddressAttribute),
];

/// Calls that are known and refused as unsupported: their capability is not there, or not yet.
static NOT_YET: &[Action] = not_yet! {
    ECS: DescribePrice DescribeRenewalPrice DescribeInstanceModificationPrice DescribeSavingsPlanPrice
        ModifyInstanceChargeType ModifyDiskChargeType ModifyPrepayInstanceSpec RenewInstance ReActivateInstances
        ModifyInstanceAutoRenewAttribute DescribeInstanceAutoRenewAttribute
        DescribeSpotPriceHistory DescribeSpotAdvice
        PurchaseReservedInstancesOffering DescribeReservedInstances ModifyReservedInstances CreateSavingsPlan
        CreateElasticityAssurance DescribeElasticityAssurances
        AllocateDedicatedHosts DescribeDedicatedHosts DescribeDedicatedHostTypes ModifyDedicatedHostAttribute
        ModifyDedicatedHostAutoReleaseTime RenewDedicatedHosts RedeployDedicatedHost ReleaseDedicatedHost
        DescribeInstanceMonitorData DescribeDiskMonitorData
        DescribeInstanceVncUrl ModifyInstanceVncPasswd GetInstanceScreenshot
        RunCommand CreateCommand InvokeCommand DescribeCommands ModifyCommand DeleteCommand DescribeInvocations
        DescribeInvocationResults StopInvocation SendFile DescribeSendFileResults InstallCloudAssistant DescribeCloudAssistantStatus
        StartTerminalSession EndTerminalSession DescribeTerminalSessions
        RedeployInstance ReportInstancesStatus
        ModifyInstanceMaintenanceAttributes
        CancelCopyImage CloneDisks JoinResourceGroup;
    VPC: CreateHaVip DescribeHaVips ModifyHaVipAttribute AssociateHaVip UnassociateHaVip DeleteHaVip;
};

/// The table, for documents and coverage: what is served, then what is known and refused.
pub fn actions() -> impl Iterator<Item = &'static Action> {
    SERVED.iter().chain(NOT_YET)
}

/// The row of an action; refuses what is unknown.
pub(crate) fn find(name: &str, version: &str) -> Result<(&'static Action, Product), Fault> {
    if name.is_empty() {
        return Err(Fault::new(400, "MissingAction", "Action is mandatory for this action."));
    }
    if version.is_empty() {
        return Err(Fault::new(400, "MissingVersion", "Version is mandatory for this action."));
    }
    let product = Product::ALL.into_iter().find(|product| product.version() == version);
    let product = product.ok_or_else(|| Fault::new(400, "InvalidVersion", "Specified parameter Version is not valid."))?;
    let action = actions().find(|action| action.name == name && action.products.contains(&product));
    let unknown = || Fault::new(404, "InvalidAction.NotFound", "Specified api is not found, please check your url and method.");
    Ok((action.ok_or_else(unknown)?, product))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_action_stands_twice_in_a_service() {
        let mut seen = HashSet::new();
        for action in actions() {
            for product in action.products {
                assert!(seen.insert((action.name, product.version())), "{}", action.name);
            }
        }
    }
}
