//! What the clouds call the same action. A right to it, and more so a denial, is one under every name: else whoever may not
//! `ec2:TerminateInstances` would end an instance by `ecs:DeleteInstance`.
//!
//! Calls that have one name everywhere are not listed. A call that does what two of another cloud do stands with both of them, so
//! that it is denied where either is.

/// Names of one action each.
const SAME: &[&[&str]] = &[
    &["RunInstances", "CreateInstance"],
    &["StartInstances", "StartInstance"],
    &["StopInstances", "StopInstance"],
    &["RebootInstances", "RebootInstance"],
    &["TerminateInstances", "DeleteInstances", "DeleteInstance"],
    &["DescribeInstanceStatus", "DescribeInstancesStatus"],
    &["ModifyInstanceAttribute", "ResetInstanceAttribute", "ModifyInstancesAttribute", "ResetInstancesPassword"],
    &["ModifyInstanceAttribute", "JoinSecurityGroup", "LeaveSecurityGroup", "AssociateSecurityGroups", "DisassociateSecurityGroups"],
    &["DescribeInstanceAttribute", "DescribeUserData"],
    &["GetConsoleOutput", "GetInstanceConsoleOutput"],
    &["DeleteKeyPair", "DeleteKeyPairs"],
    &["DescribeVolumes", "DescribeDisks"],
    &["CreateVolume", "CreateDisk", "CreateDisks"],
    &["AttachVolume", "AttachDisk", "AttachDisks"],
    &["DetachVolume", "DetachDisk", "DetachDisks"],
    &["DeleteVolume", "DeleteDisk", "TerminateDisks"],
    &["ModifyVolume", "ResizeDisk", "ModifyDiskAttribute", "ModifyDiskAttributes"],
    &["DescribeSecurityGroupRules", "DescribeSecurityGroupAttribute", "DescribeSecurityGroupPolicies"],
    &["AuthorizeSecurityGroupIngress", "AuthorizeSecurityGroup", "CreateSecurityGroupPolicies"],
    &["AuthorizeSecurityGroupEgress", "CreateSecurityGroupPolicies"],
    &["RevokeSecurityGroupIngress", "RevokeSecurityGroup", "DeleteSecurityGroupPolicies"],
    &["RevokeSecurityGroupEgress", "DeleteSecurityGroupPolicies"],
    &["DescribeSubnets", "DescribeVSwitches", "DescribeVSwitchAttributes"],
    &["CreateSubnet", "CreateVSwitch"],
    &["ModifySubnetAttribute", "ModifyVSwitchAttribute"],
    &["DeleteSubnet", "DeleteVSwitch"],
    &["DescribeRouteTables", "DescribeRouteTableList", "DescribeRouteEntryList"],
    &["CreateRoute", "CreateRouteEntry"],
    &["DeleteRoute", "DeleteRouteEntry"],
    &["DisassociateRouteTable", "UnassociateRouteTable"],
    &["DescribeAddresses", "DescribeEipAddresses"],
    &["AllocateAddress", "AllocateEipAddress", "AllocateAddresses", "AllocatePublicIpAddress"],
    &["AssociateAddress", "AssociateEipAddress"],
    &["DisassociateAddress", "UnassociateEipAddress"],
    &["ReleaseAddress", "ReleaseEipAddress", "ReleaseAddresses"],
    &["CreateTags", "TagResources"],
    &["DeleteTags", "UntagResources", "UnTagResources"],
    &["DescribeTags", "ListTagResources", "DescribeResourceTagsByResourceIds"],
    &["AttachUserPolicy", "AttachPolicyToUser"],
    &["DetachUserPolicy", "DetachPolicyFromUser"],
    &["ListAttachedUserPolicies", "ListPoliciesForUser"],
    &["AttachGroupPolicy", "AttachPolicyToGroup"],
    &["DetachGroupPolicy", "DetachPolicyFromGroup"],
    &["ListAttachedGroupPolicies", "ListPoliciesForGroup"],
    &["AttachRolePolicy", "AttachPolicyToRole"],
    &["DetachRolePolicy", "DetachPolicyFromRole"],
    &["ListAttachedRolePolicies", "ListPoliciesForRole"],
    &["UpdateRole", "UpdateAssumeRolePolicy"],
    &["GetGroup", "ListUsersForGroup"],
];

/// Every name of an action, the given one first.
pub(crate) fn names_of(name: &str) -> Vec<&str> {
    let same = SAME.iter().filter(|names| names.contains(&name)).flat_map(|names| names.iter().copied());
    let mut names = vec![name];
    for other in same {
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
        let both = names_of("CreateSecurityGroupPolicies");
        assert!(both.contains(&"AuthorizeSecurityGroupIngress") && both.contains(&"AuthorizeSecurityGroupEgress"));
    }
}
