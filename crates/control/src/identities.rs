//! Everything of access control that an account has, seen at one instant.

use std::collections::BTreeMap;

use model::{Error, InstanceProfile, ManagedPolicy, MfaDevice, PolicyId, PolicyRef, Rights, Role, User, UserGroup, UserGroupId};

use crate::auth::{Caller, Target};
use crate::permission::{Held, HeldPolicy, PolicyName, PolicyUse};
use crate::{Cloud, Failure};

/// What an account has.
#[derive(Debug, Clone)]
pub struct Identities {
    /// The root user.
    pub root: Option<User>,
    /// How many access keys the root has.
    pub root_keys: usize,
    /// The other users, with what each has and the names of its groups.
    pub users: Vec<(User, Held, Vec<String>)>,
    /// Groups.
    pub groups: Vec<(UserGroup, Held)>,
    /// Roles.
    pub roles: Vec<(Role, Held)>,
    /// The account's managed policies.
    pub policies: Vec<ManagedPolicy>,
    /// What each managed policy is used for that anybody has or is bounded by.
    pub uses: BTreeMap<PolicyName, PolicyUse>,
    /// Instance profiles.
    pub profiles: Vec<InstanceProfile>,
    /// MFA devices.
    pub devices: Vec<MfaDevice>,
}

impl Cloud {
    /// Everything of access control that the caller's account has.
    pub async fn identities(&self, caller: &Caller) -> Result<Identities, Error> {
        self.read(caller, vec![Target::any()], |tx, cx| {
            let account = cx.caller.account();
            let policies = tx.managed_policy_list(account)?;
            let names: BTreeMap<PolicyId, &str> = policies.iter().map(|policy| (policy.id, policy.name.as_str())).collect();
            let groups = tx.user_group_list(account)?;
            let group_names: BTreeMap<UserGroupId, &str> = groups.iter().map(|group| (group.id, group.name.as_str())).collect();
            let mut uses: BTreeMap<PolicyName, PolicyUse> = BTreeMap::new();
            let mut held = |permissions: &model::Permissions| {
                let named = |policy: &PolicyRef| match policy {
                    PolicyRef::System(name) => Some(PolicyName::System(name.clone())),
                    PolicyRef::Own(id) => names.get(id).map(|&name| PolicyName::Own(name.to_owned())),
                };
                let held = |held: &model::AttachedPolicy| Some(HeldPolicy { name: named(&held.policy)?, at: held.at });
                let attached: Vec<HeldPolicy> = permissions.attached.iter().filter_map(held).collect();
                for policy in &attached {
                    uses.entry(policy.name.clone()).or_default().attached += 1;
                }
                let boundary = permissions.boundary.as_ref().and_then(named);
                if let Some(policy) = &boundary {
                    uses.entry(policy.clone()).or_default().bounding += 1;
                }
                Held { own: permissions.own.clone().into_iter().collect(), attached, boundary }
            };
            let (mut root, mut users) = (None, Vec::new());
            for user in tx.user_list(account)? {
                let Rights::Policies { permissions, groups } = &user.rights else {
                    root = Some(user);
                    continue;
                };
                let of = groups.iter().filter_map(|id| group_names.get(id)).map(|&name| name.to_owned()).collect();
                let held = held(permissions);
                users.push((user, held, of));
            }
            let root_keys = root.as_ref().map(|root: &User| tx.access_key_list(root.id)).transpose()?.map_or(0, |keys| keys.len());
            let with_held: Vec<(UserGroup, Held)> = groups.iter().map(|group| (group.clone(), held(&group.permissions))).collect();
            let mut roles = Vec::new();
            for role in tx.role_list(account)? {
                let held = held(&role.permissions);
                roles.push((role, held));
            }
            let (profiles, devices) = (tx.instance_profile_list(account)?, tx.mfa_device_list(account)?);
            Ok::<_, Failure>(Identities { root, root_keys, users, groups: with_held, roles, policies, uses, profiles, devices })
        })
        .await
    }
}
