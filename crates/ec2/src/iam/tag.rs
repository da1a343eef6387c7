//! Tags of users, roles, policies and MFA devices. The three calls are the same for all but for the parameter that names the thing.

use control::{IdentityName, TagIdentity, UntagIdentity};
use model::{Error, Tags};
use wire::{FromArg, Show};

use super::{Done, Paging};
use crate::Cx;
use crate::error::Refusal;

/// One tag in a request.
#[derive(Debug, Clone, FromArg)]
pub(crate) struct Tag {
    key: String,
    value: String,
}

/// One tag in a reply.
#[derive(Debug, Clone, Show)]
pub(crate) struct TagItem {
    key: String,
    value: String,
}

/// A list of tags as IAM's clients write it: `Tags.member.1.Key=...`.
#[derive(FromArg)]
pub(crate) struct TagList {
    #[arg(name = "member")]
    tags: Vec<Tag>,
}

/// A list of keys, likewise.
#[derive(FromArg)]
pub(crate) struct KeyList {
    #[arg(name = "member")]
    keys: Vec<String>,
}

/// The tags that a list has.
pub(crate) fn as_tags(asked: Option<TagList>) -> Result<Tags, Refusal> {
    let mut tags = Tags::new();
    for Tag { key, value } in asked.into_iter().flat_map(|list| list.tags) {
        if tags.insert(key.clone(), value).is_some() {
            return Err(Error::invalid("Tags", format!("the key '{key}' is given twice")).into());
        }
    }
    Ok(tags)
}

/// Tags as replies list them.
pub(crate) fn items(tags: &Tags) -> Vec<TagItem> {
    tags.iter().map(|(key, value)| TagItem { key: key.clone(), value: value.clone() }).collect()
}

/// The reply of the lists of tags.
#[derive(Show)]
#[reply(list = "member")]
pub(crate) struct Listed {
    tags: Vec<TagItem>,
    is_truncated: bool,
    marker: Option<String>,
}

async fn add(cx: Cx, of: IdentityName, tags: TagList) -> Result<Done, Refusal> {
    let tags = as_tags(Some(tags))?;
    cx.cloud.run(&cx.caller, TagIdentity { of, tags }, cx.options(None)).await?;
    Ok(Done {})
}

async fn remove(cx: Cx, of: IdentityName, KeyList { keys }: KeyList) -> Result<Done, Refusal> {
    cx.cloud.run(&cx.caller, UntagIdentity { of, keys }, cx.options(None)).await?;
    Ok(Done {})
}

async fn list(cx: Cx, of: IdentityName, paging: Paging) -> Result<Listed, Refusal> {
    let tags = cx.cloud.identity_tags(&cx.caller, of).await?;
    let (tags, marker) = paging.page(items(&tags), |tag: &TagItem| &tag.key)?;
    Ok(Listed { tags, is_truncated: marker.is_some(), marker })
}

macro_rules! calls_of {
    ($module:ident, $field:ident, $words:literal, $of:expr) => {
        #[doc = concat!("Tags of ", $words, ".")]
        pub(crate) mod $module {
            use control::IdentityName;
            use wire::FromArg;

            use super::{KeyList, Listed, TagList};
            use crate::Cx;
            use crate::error::Refusal;
            use crate::iam::{Done, Paging};

            fn named(cx: &Cx, text: &str) -> Result<IdentityName, Refusal> {
                let of: fn(&Cx, &str) -> Result<IdentityName, Refusal> = $of;
                of(cx, text)
            }

            #[derive(FromArg)]
            pub(crate) struct Add {
                $field: String,
                tags: TagList,
            }

            pub(crate) async fn add(cx: Cx, asked: Add) -> Result<Done, Refusal> {
                let of = named(&cx, &asked.$field)?;
                super::add(cx, of, asked.tags).await
            }

            #[derive(FromArg)]
            pub(crate) struct Remove {
                $field: String,
                tag_keys: KeyList,
            }

            pub(crate) async fn remove(cx: Cx, asked: Remove) -> Result<Done, Refusal> {
                let of = named(&cx, &asked.$field)?;
                super::remove(cx, of, asked.tag_keys).await
            }

            #[derive(FromArg)]
            pub(crate) struct List {
                $field: String,
                #[arg(flatten)]
                paging: Paging,
            }

            pub(crate) async fn list(cx: Cx, asked: List) -> Result<Listed, Refusal> {
                let of = named(&cx, &asked.$field)?;
                super::list(cx, of, asked.paging).await
            }
        }
    };
}

calls_of!(of_user, user_name, "users", |_, name| Ok(IdentityName::User(name.to_owned())));
calls_of!(of_role, role_name, "roles", |_, name| Ok(IdentityName::Role(name.to_owned())));
calls_of!(of_policy, policy_arn, "policies", |cx, arn| Ok(IdentityName::Policy(crate::iam::policy::own(cx, arn)?)));
calls_of!(of_mfa_device, serial_number, "MFA devices", |cx, serial| {
    Ok(IdentityName::MfaDevice(crate::iam::mfa_device::device_of(cx.caller.account(), serial)?))
});
