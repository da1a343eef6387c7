//! Who has a managed policy, by number too: Tencent Cloud's calls know users, groups and roles so.

use model::{Error, Millis};

use crate::Cloud;
use crate::auth::Caller;
use crate::holder::Holder;
use crate::permission::{PolicyName, group, holders, policy_target, role, user};

/// Somebody who has a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyEntity {
    /// By name.
    pub holder: Holder,
    /// The number of the user or group, the id of the role.
    pub number: u64,
    /// When it was attached; none where it was before times of that were kept.
    pub at: Option<Millis>,
}

impl Cloud {
    /// Who has a managed policy: users first, then groups, then roles.
    pub async fn policy_entities(&self, caller: &Caller, policy: PolicyName) -> Result<Vec<PolicyEntity>, Error> {
        let asked = policy.clone();
        self.read_about(
            caller,
            move |tx, account| policy_target(tx, account, &asked),
            move |tx, cx| {
                let account = cx.caller.account();
                let mut entities = Vec::new();
                let policy = policy.find(tx, account)?;
                for holder in holders(tx, account, &policy)? {
                    let number = match &holder {
                        Holder::User(name) => user(tx, account, name)?.number(),
                        Holder::Group(name) => group(tx, account, name)?.number(),
                        Holder::Role(name) => role(tx, account, name)?.id.as_u64(),
                    };
                    let at = holder.permissions(tx, account)?.attached(&policy).and_then(|held| held.at);
                    entities.push(PolicyEntity { holder, number, at });
                }
                entities.sort_by_key(|entity| (kind(&entity.holder), entity.number));
                Ok(entities)
            },
        )
        .await
    }
}

const fn kind(holder: &Holder) -> u8 {
    match holder {
        Holder::User(_) => 0,
        Holder::Group(_) => 1,
        Holder::Role(_) => 2,
    }
}
