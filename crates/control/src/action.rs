//! What the clouds call the same action. A right to it, and more so a denial, is one under every name: else whoever may not
//! `ec2:TerminateInstances` would end an instance by `ecs:DeleteInstance`.
//!
//! Some calls do a part of what another cloud's call does, or more than it. A denial of one holds for the other; a right to one is
//! none to the other. Calls that have one name everywhere are not listed.

/// Names of one action each: rights and denials hold for all of them.
const SAME: &[&[&str]] = &[
    &["RunInstances", "CreateInstance"],
    &["StartInstances", "StartInstance"],
    &["StopInstances", "StopInstance"],
    &["RebootInstances", "RebootInstance"],
    &["TerminateInstances", "DeleteInstances", "DeleteInstance"],
    &["DescribeInstanceStatus", "DescribeInstancesStatus"],
    &["ModifyInstanceAttribute", "ModifyInstancesAttribute"],
    &["JoinSecurityGroup", "AssociateSecurityGroups"],
    &["LeaveSecurityGroup", "DisassociateSecurityGroups"],
    &["GetConsoleOutput", "GetInstanceConsoleOutput"],
    &["DeleteKeyPair", "DeleteKeyPairs"],
    &["DescribeVolumes", "DescribeDisks"],
    &["CreateVolume", "CreateDisk", "CreateDisks"],
    &["AttachVolume", "AttachDisk", "AttachDisks"],
    &["DetachVolume", "DetachDisk", "DetachDisks"],
    &["DeleteVolume", "DeleteDisk", "TerminateDisks"],
    &["ModifyVolume", "ResizeDisk"],
    &["ModifyDiskAttribute", "ModifyDiskAttributes"],
    &["DeregisterImage", "DeleteImage", "DeleteImages"],
    &["DescribeImageAttribute", "DescribeImageSharePermission"],
    &["DeleteSnapshot", "DeleteSnapshots"],
    &["ResetDisk", "ApplySnapshot"],
    &["DescribeSecurityGroupRules", "DescribeSecurityGroupAttribute", "DescribeSecurityGroupPolicies"],
    &["AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroup"],
    &["RevokeSecurityGroupIngress", "RevokeSecurityGroup"],
    &["ModifySecurityGroupRules", "ModifySecurityGroupRule"],
    &["DescribeSubnets", "DescribeVSwitches", "DescribeVSwitchAttributes"],
    &["CreateSubnet", "CreateVSwitch"],
    &["CreateDefaultSubnet", "CreateDefaultVSwitch"],
    &["DisassociateVpcCidrBlock", "UnassociateVpcCidrBlock"],
    &["ModifySubnetAttribute", "ModifyVSwitchAttribute"],
    &["DeleteSubnet", "DeleteVSwitch"],
    &["DescribeRouteTables", "DescribeRouteTableList", "DescribeRouteEntryList"],
    &["ModifyLaunchTemplate", "ModifyLaunchTemplateDefaultVersion"],
    &["DeleteLaunchTemplateVersions", "DeleteLaunchTemplateVersion"],
    &["AssociateIamInstanceProfile", "AttachInstanceRamRole"],
    &["DisassociateIamInstanceProfile", "DetachInstanceRamRole"],
    &["DescribeIamInstanceProfileAssociations", "DescribeInstanceRamRole"],
    &["CreateRoute", "CreateRouteEntry"],
    &["DeleteRoute", "DeleteRouteEntry"],
    &["DisassociateRouteTable", "UnassociateRouteTable"],
    &["DescribeAddresses", "DescribeEipAddresses"],
    &["AllocateAddress", "AllocateEipAddress", "AllocateAddresses"],
    &["AssociateAddress", "AssociateEipAddress"],
    &["DisassociateAddress", "UnassociateEipAddress"],
    &["ReleaseAddress", "ReleaseEipAddress", "ReleaseAddresses"],
    &["CreateTags", "TagResources"],
    &["DeleteTags", "UntagResources", "UnTagResources"],
    &["DescribeTags", "ListTagResources", "DescribeResourceTagsByResourceIds"],
    &["CreateUser", "AddUser"],
    &["ListRoles", "DescribeRoleList"],
    &["EnableMFADevice", "BindMFADevice"],
    &["DeactivateMFADevice", "UnbindMFADevice"],
    &["ListMFADevices", "GetUserMFAInfo", "GetMFADevice"],
    &["AttachUserPolicy", "AttachPolicyToUser"],
    &["DetachUserPolicy", "DetachPolicyFromUser"],
    &["ListAttachedUserPolicies", "ListPoliciesForUser"],
    &["AttachGroupPolicy", "AttachPolicyToGroup"],
    &["DetachGroupPolicy", "DetachPolicyFromGroup"],
    &["ListAttachedGroupPolicies", "ListPoliciesForGroup"],
    &["AttachRolePolicy", "AttachPolicyToRole"],
    &["DetachRolePolicy", "DetachPolicyFromRole"],
    &["ListAttachedRolePolicies", "ListPoliciesForRole"],
    &["GetGroup", "ListUsersForGroup"],
    &["CancelCapacityReservation", "ReleaseCapacityReservation"],
    &["CreateFleet", "CreateAutoProvisioningGroup"],
    &["DescribeFleets", "DescribeAutoProvisioningGroups"],
    &["DescribeFleetInstances", "DescribeAutoProvisioningGroupInstances"],
    &["DescribeFleetHistory", "DescribeAutoProvisioningGroupHistory"],
    &["ModifyFleet", "ModifyAutoProvisioningGroup"],
    &["DeleteFleets", "DeleteAutoProvisioningGroup"],
];

/// Calls of which one does a part of what the others do: a denial of any holds for each.
const OVERLAPPING: &[&[&str]] = &[
    &["AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroup", "CreateSecurityGroupPolicies"],
    &["AuthorizeSecurityGroupEgress", "CreateSecurityGroupPolicies"],
    &["RevokeSecurityGroupIngress", "RevokeSecurityGroup", "DeleteSecurityGroupPolicies"],
    &["RevokeSecurityGroupEgress", "DeleteSecurityGroupPolicies"],
    &["ModifySecurityGroupRules", "ModifySecurityGroupRule", "ReplaceSecurityGroupPolicy", "ModifySecurityGroupPolicies"],
    &["CreateSecurityGroupPolicies", "ReplaceSecurityGroupPolicy", "ModifySecurityGroupPolicies"],
    &["DeleteSecurityGroupPolicies", "ReplaceSecurityGroupPolicy", "ModifySecurityGroupPolicies"],
    &["ModifySecurityGroupRules", "UpdateSecurityGroupRuleDescriptionsIngress", "UpdateSecurityGroupRuleDescriptionsEgress"],
    &["ModifyInstanceAttribute", "ModifyInstancesAttribute", "JoinSecurityGroup", "AssociateSecurityGroups"],
    &["ModifyInstanceAttribute", "ModifyInstancesAttribute", "LeaveSecurityGroup", "DisassociateSecurityGroups"],
    &["ModifyInstanceAttribute", "ModifyInstancesAttribute", "ResetInstancesPassword"],
    &["ModifyInstancesAttribute", "AssociateIamInstanceProfile", "AttachInstanceRamRole", "ReplaceIamInstanceProfileAssociation"],
    &["DescribeInstanceAttribute", "DescribeUserData"],
    &["CreateSnapshot", "CreateSnapshots", "CreateSnapshotGroup", "CreateDiskBackup"],
    &["DeleteSnapshot", "DeleteSnapshots", "DeleteSnapshotGroup", "DeleteDiskBackups"],
    &["ResetDisk", "ApplySnapshot", "ResetDisks", "ApplySnapshotGroup", "ApplyDiskBackup"],
    &["CreateNetworkAclEntry", "UpdateNetworkAclEntries", "CreateNetworkAclEntries", "ModifyNetworkAclEntries"],
    &["DeleteNetworkAclEntry", "UpdateNetworkAclEntries", "DeleteNetworkAclEntries", "ModifyNetworkAclEntries"],
    &["ReplaceNetworkAclEntry", "UpdateNetworkAclEntries", "ModifyNetworkAclEntries"],
    &["ModifyImageAttribute", "ModifyImageSharePermission"],
    &["RegisterImage", "CreateImage"],
    &["CreatePolicyVersion", "UpdatePolicy"],
    &["UpdateRole", "UpdateRoleDescription", "UpdateRoleSessionDuration"],
    &["ListUsers", "DescribeSubAccounts"],
    &["ListAttachedUserPolicies", "ListPoliciesForUser", "ListAttachedUserAllPolicies"],
    &["ListAttachedGroupPolicies", "ListPoliciesForGroup", "ListAttachedUserAllPolicies"],
    &["AllocateAddress", "AllocateEipAddress", "AllocateAddresses", "AllocatePublicIpAddress"],
    &["AllocateAddress", "AllocateEipAddress", "AllocateAddresses", "AllocateEipAddressPro"],
    &["CreateInternetGateway", "CreateIpv4Gateway"],
    &["AttachInternetGateway", "CreateIpv4Gateway"],
    &["DetachInternetGateway", "DeleteIpv4Gateway"],
    &["DeleteInternetGateway", "DeleteIpv4Gateway"],
    &["AssociateVpcCidrBlock", "CreateAssistantCidr", "ModifyAssistantCidr"],
    &["DisassociateVpcCidrBlock", "UnassociateVpcCidrBlock", "DeleteAssistantCidr", "ModifyAssistantCidr"],
];

/// Calls that Alibaba Cloud and Tencent Cloud have in a service for networks of its own, in the words of any cloud.
const OF_NETWORKS: &[&str] = &[
    "DescribeVpcs",
    "CreateVpc",
    "DeleteVpc",
    "ModifyVpcAttribute",
    "AssociateVpcCidrBlock",
    "DisassociateVpcCidrBlock",
    "DescribeSubnets",
    "CreateSubnet",
    "DeleteSubnet",
    "ModifySubnetAttribute",
    "DescribeRouteTables",
    "CreateRouteTable",
    "DeleteRouteTable",
    "CreateRoute",
    "DeleteRoute",
    "CreateRoutes",
    "DeleteRoutes",
    "ReplaceRouteTableAssociation",
    "AssociateRouteTable",
    "DisassociateRouteTable",
    "DescribeAddresses",
    "AllocateAddress",
    "AssociateAddress",
    "DisassociateAddress",
    "ReleaseAddress",
    "DescribeNatGateways",
    "CreateNatGateway",
    "DeleteNatGateway",
    "AssociateNatGatewayAddress",
    "DisassociateNatGatewayAddress",
    "DescribeNetworkAcls",
    "CreateNetworkAcl",
    "DeleteNetworkAcl",
    "DescribeVpcPeeringConnections",
    "CreateVpcPeeringConnection",
    "AcceptVpcPeeringConnection",
    "RejectVpcPeeringConnection",
    "DeleteVpcPeeringConnection",
];

/// Calls that Tencent Cloud has in its service for disks.
const OF_DISKS: &[&str] = &[
    "DescribeVolumes",
    "CreateVolume",
    "AttachVolume",
    "DetachVolume",
    "DeleteVolume",
    "ModifyVolume",
    "DescribeSnapshots",
    "CreateSnapshot",
    "DeleteSnapshot",
    "ResetDisk",
];

/// Services beside those for machines under which another cloud has an action.
pub(crate) fn services_beside(name: &str) -> &'static [&'static str] {
    let names = names_of(name);
    let is_of = |list: &[&str]| names.iter().any(|name| list.contains(name));
    match (is_of(OF_NETWORKS), is_of(OF_DISKS)) {
        (true, _) => &["vpc"],
        (false, true) => &["cbs"],
        (false, false) => &[],
    }
}

/// Every name of an action, the given one first.
pub(crate) fn names_of(name: &str) -> Vec<&str> {
    together(SAME, name)
}

/// Every name of an action and of those that do a part of what it does or more; the given one alone when there are none.
pub(crate) fn overlapping(name: &str) -> Vec<&str> {
    together(OVERLAPPING, name)
}

fn together<'n>(groups: &[&[&'n str]], name: &'n str) -> Vec<&'n str> {
    let mut names = vec![name];
    for other in groups.iter().filter(|group| group.contains(&name)).flat_map(|group| group.iter().copied()) {
        if !names.contains(&other) {
            names.push(other);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_has_its_own_name_first_and_then_those_of_others() {
        assert_eq!(names_of("DeleteInstance"), ["DeleteInstance", "TerminateInstances", "DeleteInstances"]);
        assert_eq!(names_of("DescribeVpcs"), ["DescribeVpcs"]);
    }

    #[test]
    fn what_overlaps_shares_denials_and_no_rights() {
        let both = overlapping("CreateSecurityGroupPolicies");
        assert!(both.contains(&"AuthorizeSecurityGroupIngress") && both.contains(&"AuthorizeSecurityGroupEgress"));
        assert_eq!(names_of("CreateSecurityGroupPolicies"), ["CreateSecurityGroupPolicies"]);
        assert_eq!(names_of("ResetInstancesPassword"), ["ResetInstancesPassword"]);
    }
}
