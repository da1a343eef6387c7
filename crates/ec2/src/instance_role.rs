//! Instance profiles of instances.

use control::{InstanceRoleView, RoleBefore, SetInstanceRole};
use jiff::Timestamp;
use model::{AccountId, Error, InstanceId, InstanceProfile, InstanceRoleId, Noun, RoleChoice};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::{Refusal, combination};
use crate::filter::{self, AskedFilter};
use crate::iam::instance_profile::{profile_arn, profile_id};
use crate::page::{Paging, USUAL};
use crate::tag;

/// A profile as calls name it.
#[derive(FromArg)]
pub(crate) struct ProfileSpecification {
    arn: Option<String>,
    name: Option<String>,
}

impl ProfileSpecification {
    /// The profile's name; none where both texts are empty, as Go programs send what is not set.
    pub(crate) fn optional_choice(&self, account: AccountId) -> Result<Option<RoleChoice>, Refusal> {
        let named = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        (named(&self.name) || named(&self.arn)).then(|| self.choice(account)).transpose()
    }

    /// The profile's name.
    pub(crate) fn choice(&self, account: AccountId) -> Result<RoleChoice, Refusal> {
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        match (filled(&self.name), filled(&self.arn)) {
            (Some(_), Some(_)) => Err(combination("The Name and the Arn of an instance profile exclude each other")),
            (Some(name), None) => Ok(RoleChoice::Profile(name)),
            (None, Some(arn)) => match arn.strip_prefix(&format!("arn:aws:iam::{account}:instance-profile/")) {
                Some(name) => Ok(RoleChoice::Profile(name.to_owned())),
                None => Err(Error::not_found(Noun::InstanceProfile, arn).into()),
            },
            (None, None) => Err(Error::MissingParameter { name: "IamInstanceProfile.Name" }.into()),
        }
    }
}

/// A profile in replies.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct ProfileItem {
    arn: String,
    id: String,
}

/// The profile that an instance has; a role that it has without one is not shown, since EC2 has no words for it.
pub(crate) fn shown(role: Option<&InstanceRoleView>) -> Option<ProfileItem> {
    role.and_then(|view| view.profile.as_ref()).map(profile_item)
}

fn profile_item(profile: &InstanceProfile) -> ProfileItem {
    ProfileItem { arn: profile_arn(profile), id: profile_id(profile) }
}

#[derive(Show)]
#[reply(rename = "camelCase")]
struct Association {
    association_id: String,
    instance_id: String,
    iam_instance_profile: ProfileItem,
    state: &'static str,
    timestamp: Option<Timestamp>,
}

fn association(view: &InstanceRoleView, state: &'static str) -> Option<Association> {
    Some(Association {
        association_id: view.held.id.to_string(),
        instance_id: view.held.instance.to_string(),
        iam_instance_profile: profile_item(view.profile.as_ref()?),
        state,
        timestamp: Some(view.held.created_at.timestamp()),
    })
}

/// A reply that shows one association.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct One {
    iam_instance_profile_association: Association,
}

fn one(view: Option<InstanceRoleView>, state: &'static str) -> Result<One, Refusal> {
    let shown = view.as_ref().and_then(|view| association(view, state)).ok_or(Error::Internal)?;
    Ok(One { iam_instance_profile_association: shown })
}

/// The parameters of `AssociateIamInstanceProfile`.
#[derive(FromArg)]
pub(crate) struct Associate {
    iam_instance_profile: ProfileSpecification,
    instance_id: String,
}

/// Gives an instance a profile.
pub(crate) async fn associate(cx: Cx, asked: Associate) -> Result<One, Refusal> {
    let instance: InstanceId = tag::id(Noun::Instance, &asked.instance_id)?;
    let role = Some(asked.iam_instance_profile.choice(cx.caller.account())?);
    let command = SetInstanceRole { instance, role, before: RoleBefore::None };
    one(cx.cloud.run(&cx.caller, command, cx.options(None)).await?, "associating")
}

/// The parameters of `DisassociateIamInstanceProfile`.
#[derive(FromArg)]
pub(crate) struct Disassociate {
    association_id: String,
}

/// Takes the profile from an instance, which ends its keys.
pub(crate) async fn disassociate(cx: Cx, asked: Disassociate) -> Result<One, Refusal> {
    let id: InstanceRoleId = tag::id(Noun::InstanceRole, &asked.association_id)?;
    let instance = cx.cloud.instance_of_role(&cx.caller, id).await?;
    let command = SetInstanceRole { instance, role: None, before: RoleBefore::This(id) };
    one(cx.cloud.run(&cx.caller, command, cx.options(None)).await?, "disassociating")
}

/// The parameters of `ReplaceIamInstanceProfileAssociation`.
#[derive(FromArg)]
pub(crate) struct Replace {
    iam_instance_profile: ProfileSpecification,
    association_id: String,
}

/// Gives an instance another profile.
pub(crate) async fn replace(cx: Cx, asked: Replace) -> Result<One, Refusal> {
    let id: InstanceRoleId = tag::id(Noun::InstanceRole, &asked.association_id)?;
    let instance = cx.cloud.instance_of_role(&cx.caller, id).await?;
    let role = Some(asked.iam_instance_profile.choice(cx.caller.account())?);
    let command = SetInstanceRole { instance, role, before: RoleBefore::This(id) };
    one(cx.cloud.run(&cx.caller, command, cx.options(None)).await?, "associating")
}

/// The parameters of `DescribeIamInstanceProfileAssociations`.
#[derive(FromArg)]
pub(crate) struct Describe {
    #[arg(name = "AssociationId")]
    ids: Vec<String>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
    #[arg(flatten)]
    paging: Paging,
}

/// The reply of `DescribeIamInstanceProfileAssociations`.
#[derive(Show)]
#[reply(rename = "camelCase")]
pub(crate) struct Associations {
    iam_instance_profile_association_set: Vec<Association>,
    next_token: Option<String>,
}

/// Lists the profiles that instances have.
pub(crate) async fn describe(cx: Cx, asked: Describe) -> Result<Associations, Refusal> {
    let pages = asked.paging.pages(&cx, USUAL, &asked.filters)?;
    let ids: Vec<InstanceRoleId> = tag::ids(Noun::InstanceRole, &asked.ids)?;
    let mut found = cx.cloud.instance_roles(&cx.caller).await?;
    found.retain(|view| view.profile.is_some());
    if let Some(absent) = ids.iter().find(|id| !found.iter().any(|view| view.held.id == **id)) {
        return Err(Error::not_found(Noun::InstanceRole, absent).into());
    }
    found.retain(|view| ids.is_empty() || ids.contains(&view.held.id));
    let value = |view: &InstanceRoleView, name: &str| match name {
        "instance-id" => Some(vec![view.held.instance.to_string()]),
        "state" => Some(vec!["associated".to_owned()]),
        _ => None,
    };
    filter::retain(&mut found, &asked.filters, value, &["instance-id", "state"])?;
    let (page, next_token) = pages.cut(found, |view| view.held.id.to_string());
    let shown = page.iter().filter_map(|view| association(view, "associated")).collect();
    Ok(Associations { iam_instance_profile_association_set: shown, next_token })
}
