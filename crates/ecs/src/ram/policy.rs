//! Policies, and whom they are attached to.

use control::{AttachPolicy, CreatePolicy as Create, DeletePolicy as Delete, Holder, PolicyName, Ties};
use jiff::Timestamp;
use model::{Error, ManagedPolicy, Millis, Noun, SYSTEM_POLICIES, SystemPolicy, Tags, system_policy};
use wire::{FromArg, Show};

use super::policy_version::VersionItem;
use super::{Done, Next, Paging, PolicyType, refusal};
use crate::Cx;
use crate::error::Fault;

#[derive(Show)]
struct PolicyItem {
    policy_name: String,
    policy_type: PolicyType,
    description: String,
    default_version: String,
    create_date: Timestamp,
    update_date: Timestamp,
    attachment_count: Option<usize>,
    attach_date: Option<Timestamp>,
}

fn item(policy: &ManagedPolicy, attachment_count: Option<usize>) -> PolicyItem {
    PolicyItem {
        policy_name: policy.name.clone(),
        policy_type: PolicyType::Custom,
        description: policy.description.clone(),
        default_version: format!("v{}", policy.default),
        create_date: policy.created_at.timestamp(),
        update_date: policy.versions.last().map_or(policy.created_at, |version| version.created_at).timestamp(),
        attachment_count,
        attach_date: None,
    }
}

/// One of the system's; it has been there since ever, and has one version.
fn system_item(policy: &SystemPolicy, attachment_count: Option<usize>) -> PolicyItem {
    PolicyItem {
        policy_name: policy.name.to_owned(),
        policy_type: PolicyType::System,
        description: policy.description.to_owned(),
        default_version: "v1".to_owned(),
        create_date: Timestamp::UNIX_EPOCH,
        update_date: Timestamp::UNIX_EPOCH,
        attachment_count,
        attach_date: None,
    }
}

pub(super) fn unknown(name: &str) -> Fault {
    refusal(Error::not_found(Noun::Policy, name))
}

/// The parameters of `CreatePolicy`.
#[derive(FromArg)]
pub(crate) struct CreatePolicy {
    policy_name: String,
    policy_document: String,
    #[arg(default, max_len = 1024)]
    description: String,
}

/// The reply of `CreatePolicy`.
#[derive(Show)]
pub(crate) struct Made {
    policy: PolicyItem,
}

/// Makes a policy.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreatePolicy) -> Result<Made, Fault> {
    let command = Create { name: asked.policy_name, description: asked.description, document: asked.policy_document, tags: Tags::new() };
    let made = cx.cloud.run(&cx.caller, command, cx.options()?).await.map_err(refusal)?;
    Ok(Made { policy: item(&made, None) })
}

/// The parameters of `GetPolicy`.
#[derive(FromArg)]
pub(crate) struct GetPolicy {
    policy_name: String,
    policy_type: PolicyType,
}

/// The reply of `GetPolicy`.
#[derive(Show)]
pub(crate) struct Shown {
    policy: PolicyItem,
    default_policy_version: VersionItem,
}

/// Shows a policy with the document that counts.
pub(crate) async fn get(cx: &Cx<'_>, asked: GetPolicy) -> Result<Shown, Fault> {
    let GetPolicy { policy_name, policy_type } = asked;
    let (policy, document) = match policy_type {
        PolicyType::Custom => {
            let (found, used) = cx.cloud.managed_policy(&cx.caller, policy_name).await.map_err(refusal)?;
            let document = found.document().to_owned();
            (item(&found, Some(used.attached)), document)
        }
        PolicyType::System => {
            let found = system_policy(&policy_name).ok_or_else(|| unknown(&policy_name))?;
            let holders = cx.cloud.policy_holders(&cx.caller, PolicyName::System(policy_name)).await.map_err(refusal)?;
            (system_item(found, Some(holders.len())), found.document.to_owned())
        }
    };
    let (version_id, create_date) = (policy.default_version.clone(), policy.update_date);
    let default_policy_version = VersionItem { version_id, is_default_version: true, policy_document: document, create_date };
    Ok(Shown { policy, default_policy_version })
}

/// The parameter of `DeletePolicy`.
#[derive(FromArg)]
pub(crate) struct DeletePolicy {
    policy_name: String,
}

/// Deletes a policy that nobody has.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeletePolicy) -> Result<Done, Fault> {
    cx.cloud.run(&cx.caller, Delete { name: asked.policy_name, holders: Ties::MustBeGone }, cx.options()?).await.map_err(refusal)?;
    Ok(Done {})
}

/// The parameters of `ListPolicies`.
#[derive(FromArg)]
pub(crate) struct ListPolicies {
    policy_type: Option<PolicyType>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of the lists of policies.
#[derive(Show)]
pub(crate) struct Policies {
    #[reply(list = "Policy")]
    policies: Vec<PolicyItem>,
    #[reply(flatten)]
    next: Next,
}

/// Lists policies.
pub(crate) async fn list(cx: &Cx<'_>, asked: ListPolicies) -> Result<Policies, Fault> {
    let mut found = Vec::new();
    let own = cx.cloud.managed_policies(&cx.caller).await.map_err(refusal)?;
    if asked.policy_type != Some(PolicyType::System) {
        found.extend(own.iter().map(|policy| item(policy, None)));
    }
    if asked.policy_type != Some(PolicyType::Custom) {
        found.extend(SYSTEM_POLICIES.iter().map(|policy| system_item(policy, None)));
    }
    let (policies, next) = asked.paging.page(found, |item| &item.policy_name);
    Ok(Policies { policies, next })
}

async fn set(cx: &Cx<'_>, holder: Holder, policy: PolicyName, attach: bool) -> Result<Done, Fault> {
    cx.cloud.run(&cx.caller, AttachPolicy { holder, policy, attach }, cx.options()?).await.map_err(refusal)?;
    Ok(Done {})
}

async fn list_of(cx: &Cx<'_>, holder: Holder) -> Result<Policies, Fault> {
    let held = cx.cloud.held(&cx.caller, holder).await.map_err(refusal)?;
    let own = cx.cloud.managed_policies(&cx.caller).await.map_err(refusal)?;
    let policies = held.attached.iter().filter_map(|policy| {
        let shown = match &policy.name {
            PolicyName::System(name) => system_item(system_policy(name)?, None),
            PolicyName::Own(name) => item(own.iter().find(|policy| policy.name == *name)?, None),
        };
        Some(PolicyItem { attach_date: policy.at.map(Millis::timestamp), ..shown })
    });
    Ok(Policies { policies: policies.collect(), next: Next { is_truncated: false, marker: None } })
}

/// The three calls of a kind of holder, which differ in the parameter that names it.
macro_rules! calls_of {
    ($module:ident, $holder:ident, $field:ident, $words:literal) => {
        #[doc = concat!("Policies of ", $words, ".")]
        pub(crate) mod $module {
            use control::Holder;
            use wire::FromArg;

            use super::Policies;
            use crate::Cx;
            use crate::error::Fault;
            use crate::ram::{Done, PolicyType};

            #[derive(FromArg)]
            pub(crate) struct Change {
                $field: String,
                policy_name: String,
                policy_type: PolicyType,
            }

            pub(crate) async fn attach(cx: &Cx<'_>, asked: Change) -> Result<Done, Fault> {
                super::set(cx, Holder::$holder(asked.$field), asked.policy_type.named(asked.policy_name), true).await
            }

            pub(crate) async fn detach(cx: &Cx<'_>, asked: Change) -> Result<Done, Fault> {
                super::set(cx, Holder::$holder(asked.$field), asked.policy_type.named(asked.policy_name), false).await
            }

            #[derive(FromArg)]
            pub(crate) struct Of {
                $field: String,
            }

            pub(crate) async fn list(cx: &Cx<'_>, asked: Of) -> Result<Policies, Fault> {
                super::list_of(cx, Holder::$holder(asked.$field)).await
            }
        }
    };
}

calls_of!(of_user, User, user_name, "users");
calls_of!(of_group, Group, group_name, "groups");
calls_of!(of_role, Role, role_name, "roles");
