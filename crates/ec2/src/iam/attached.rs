//! Policies of users, groups and roles: documents of their own, and attached ones. The calls are the same for all three but for
//! the parameter that names the holder.

use control::{AttachPolicy, Holder, PolicyName, PutPolicy, RemovePolicy};
use model::{AccountId, Error, Noun};
use wire::Show;

use super::{Done, Paging, encoded, policy_arn, policy_of};
use crate::Cx;
use crate::error::Refusal;

/// The reply of the lists of own documents.
#[derive(Show)]
#[reply(list = "member")]
pub(crate) struct Names {
    policy_names: Vec<String>,
    is_truncated: bool,
    marker: Option<String>,
}

/// The reply of the lists of attached policies.
#[derive(Show)]
#[reply(list = "member")]
pub(crate) struct Attached {
    attached_policies: Vec<AttachedItem>,
    is_truncated: bool,
    marker: Option<String>,
}

#[derive(Show)]
pub(super) struct AttachedItem {
    policy_name: String,
    policy_arn: String,
}

async fn put(cx: Cx, holder: Holder, name: String, document: String) -> Result<Done, Refusal> {
    cx.cloud.run(&cx.caller, PutPolicy { holder, name, document }, cx.options(None)).await?;
    Ok(Done {})
}

async fn remove(cx: Cx, holder: Holder, name: String) -> Result<Done, Refusal> {
    cx.cloud.run(&cx.caller, RemovePolicy { holder, name }, cx.options(None)).await?;
    Ok(Done {})
}

async fn own_document(cx: &Cx, holder: Holder, name: &str) -> Result<String, Refusal> {
    let held = cx.cloud.held(&cx.caller, holder).await?;
    let found = held.own.into_iter().find(|(own, _)| own == name);
    let (_, document) = found.ok_or_else(|| Error::not_found(Noun::Policy, name))?;
    Ok(encoded(&document))
}

async fn own_names(cx: Cx, holder: Holder, paging: Paging) -> Result<Names, Refusal> {
    let held = cx.cloud.held(&cx.caller, holder).await?;
    let names = held.own.into_iter().map(|(name, _)| name).collect();
    let (policy_names, marker) = paging.page(names, String::as_str)?;
    Ok(Names { policy_names, is_truncated: marker.is_some(), marker })
}

async fn set(cx: Cx, holder: Holder, arn: &str, attach: bool) -> Result<Done, Refusal> {
    let policy = policy_of(cx.caller.account(), arn)?;
    cx.cloud.run(&cx.caller, AttachPolicy { holder, policy, attach }, cx.options(None)).await?;
    Ok(Done {})
}

async fn attached(cx: Cx, holder: Holder, paging: Paging) -> Result<Attached, Refusal> {
    let held = cx.cloud.held(&cx.caller, holder).await?;
    let account = cx.caller.account();
    let items = held.attached.iter().map(|policy| item(account, &policy.name)).collect();
    let (attached_policies, marker) = paging.page(items, |item: &AttachedItem| &item.policy_name)?;
    Ok(Attached { attached_policies, is_truncated: marker.is_some(), marker })
}

pub(super) fn item(account: AccountId, policy: &PolicyName) -> AttachedItem {
    let (PolicyName::System(name) | PolicyName::Own(name)) = policy;
    AttachedItem { policy_name: name.clone(), policy_arn: policy_arn(account, policy) }
}

/// The seven calls of a kind of holder.
macro_rules! calls_of {
    ($module:ident, $holder:ident, $field:ident, $words:literal) => {
        #[doc = concat!("Policies of ", $words, ".")]
        pub(crate) mod $module {
            use control::Holder;
            use wire::{FromArg, Show};

            use super::{Attached, Names};
            use crate::Cx;
            use crate::error::Refusal;
            use crate::iam::{Done, Paging, is_elsewhere};

            #[derive(FromArg)]
            pub(crate) struct Put {
                $field: String,
                policy_name: String,
                policy_document: String,
            }

            pub(crate) async fn put(cx: Cx, asked: Put) -> Result<Done, Refusal> {
                super::put(cx, Holder::$holder(asked.$field), asked.policy_name, asked.policy_document).await
            }

            #[derive(FromArg)]
            pub(crate) struct One {
                $field: String,
                policy_name: String,
            }

            pub(crate) async fn remove(cx: Cx, asked: One) -> Result<Done, Refusal> {
                super::remove(cx, Holder::$holder(asked.$field), asked.policy_name).await
            }

            #[derive(Show)]
            pub(crate) struct Document {
                $field: String,
                policy_name: String,
                policy_document: String,
            }

            pub(crate) async fn get(cx: Cx, asked: One) -> Result<Document, Refusal> {
                let One { $field, policy_name } = asked;
                let policy_document = super::own_document(&cx, Holder::$holder($field.clone()), &policy_name).await?;
                Ok(Document { $field, policy_name, policy_document })
            }

            #[derive(FromArg)]
            pub(crate) struct List {
                $field: String,
                #[arg(flatten)]
                paging: Paging,
            }

            pub(crate) async fn list(cx: Cx, asked: List) -> Result<Names, Refusal> {
                super::own_names(cx, Holder::$holder(asked.$field), asked.paging).await
            }

            #[derive(FromArg)]
            pub(crate) struct Managed {
                $field: String,
                policy_arn: String,
            }

            pub(crate) async fn attach(cx: Cx, asked: Managed) -> Result<Done, Refusal> {
                super::set(cx, Holder::$holder(asked.$field), &asked.policy_arn, true).await
            }

            pub(crate) async fn detach(cx: Cx, asked: Managed) -> Result<Done, Refusal> {
                super::set(cx, Holder::$holder(asked.$field), &asked.policy_arn, false).await
            }

            #[derive(FromArg)]
            pub(crate) struct ListAttached {
                $field: String,
                path_prefix: Option<String>,
                #[arg(flatten)]
                paging: Paging,
            }

            pub(crate) async fn list_attached(cx: Cx, asked: ListAttached) -> Result<Attached, Refusal> {
                let all = super::attached(cx, Holder::$holder(asked.$field), asked.paging).await?;
                Ok(if is_elsewhere(asked.path_prefix.as_deref()) { all.none() } else { all })
            }
        }
    };
}

calls_of!(of_user, User, user_name, "users");
calls_of!(of_group, Group, group_name, "groups");
calls_of!(of_role, Role, role_name, "roles");

impl Attached {
    fn none(self) -> Attached {
        Attached { attached_policies: vec![], is_truncated: false, marker: None }
    }
}
