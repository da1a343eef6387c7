//! Roles.

use control::{CreateRole as Create, DeleteRole as Delete, IdentityName, TagIdentity, Ties, UntagIdentity, UpdateRole as Update};
use model::{Error, Noun, Role};
use wire::{FromArg, Show};

use super::{Paging, at, role};
use crate::error::Fault;
use crate::tag::{TAGS_PER_CALL, TagArg, TagReply};
use crate::{Cx, tag};

/// What a role allows unless it says otherwise: what a key of one acts when nothing is said (STS documents 7,200 seconds).
const SESSION_SECONDS: u32 = 7_200;

/// CAM's code for a role that is not there, which STS's is not.
pub(super) fn absent(id: &str) -> Fault {
    Fault { code: "InvalidParameter.RoleNotExist".into(), ..Fault::not_found(Noun::Role, id) }
}

pub(super) fn refusal(error: Error) -> Fault {
    match &error {
        Error::NotFound { noun: Noun::Role, id } => absent(id),
        _ => error.into(),
    }
}

/// `CreateRole`.
#[derive(FromArg)]
pub(crate) struct CreateRole {
    role_name: String,
    policy_document: String,
    #[arg(default, max_len = 1024)]
    description: String,
    #[arg(default)]
    session_duration: u32,
    #[arg(max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
}

#[derive(Show)]
pub(crate) struct Created {
    role_id: String,
}

/// Makes a role.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateRole) -> Result<Created, Fault> {
    let command = Create {
        name: asked.role_name,
        description: asked.description,
        trust: asked.policy_document,
        session_seconds: if asked.session_duration == 0 { SESSION_SECONDS } else { asked.session_duration },
        boundary: None,
        tags: tag::tags_of(asked.tags)?,
    };
    let role = cx.cloud.run(&cx.caller, command, cx.options()).await.map_err(refusal)?;
    Ok(Created { role_id: role.id.as_u64().to_string() })
}

#[derive(Show)]
#[reply(list = "")]
struct RoleReply {
    role_id: String,
    role_name: String,
    policy_document: String,
    description: String,
    add_time: String,
    update_time: String,
    console_login: u8,
    role_type: &'static str,
    session_duration: u32,
    deletion_task_id: &'static str,
    tags: Vec<TagReply>,
    role_arn: String,
}

fn reply(role: Role) -> RoleReply {
    RoleReply {
        role_id: role.id.as_u64().to_string(),
        role_arn: format!("qcs::cam::uin/{}:roleName/{}", role.account, role.name),
        role_name: role.name,
        policy_document: role.trust,
        description: role.description,
        add_time: at(role.created_at),
        update_time: at(role.created_at),
        console_login: 0,
        role_type: "user",
        session_duration: role.session_seconds,
        deletion_task_id: "",
        tags: tag::replies(&role.tags),
    }
}

/// The parameters of calls on one role.
#[derive(FromArg)]
pub(crate) struct One {
    role_id: Option<String>,
    role_name: Option<String>,
}

#[derive(Show)]
pub(crate) struct Shown {
    role_info: RoleReply,
}

/// Shows a role.
pub(crate) async fn get(cx: &Cx<'_>, asked: One) -> Result<Shown, Fault> {
    let name = role(cx, "RoleName", asked.role_id.as_deref(), asked.role_name).await?;
    Ok(Shown { role_info: reply(cx.cloud.role(&cx.caller, name).await.map_err(refusal)?) })
}

/// `DescribeRoleList`.
#[derive(FromArg)]
pub(crate) struct DescribeRoleList {
    #[arg(max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
    #[arg(flatten)]
    paging: Paging,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Roles {
    list: Vec<RoleReply>,
    total_num: usize,
}

/// Lists the roles, those that have all of some tags if any are given.
pub(crate) async fn list(cx: &Cx<'_>, asked: DescribeRoleList) -> Result<Roles, Fault> {
    let wanted = tag::tags_of(asked.tags)?;
    let mut found = cx.cloud.roles(&cx.caller).await?;
    found.retain(|role| wanted.iter().all(|(key, value)| role.tags.get(key) == Some(value)));
    let (total_num, page) = asked.paging.of(found);
    Ok(Roles { list: page.into_iter().map(reply).collect(), total_num })
}

async fn change(cx: &Cx<'_>, command: Update) -> Result<(), Fault> {
    cx.cloud.run(&cx.caller, command, cx.options()).await.map_err(refusal)?;
    Ok(())
}

/// `UpdateAssumeRolePolicy`.
#[derive(FromArg)]
pub(crate) struct UpdateTrust {
    policy_document: String,
    #[arg(flatten)]
    which: One,
}

/// Changes who may assume a role.
pub(crate) async fn update_trust(cx: &Cx<'_>, asked: UpdateTrust) -> Result<(), Fault> {
    let name = role(cx, "RoleName", asked.which.role_id.as_deref(), asked.which.role_name).await?;
    change(cx, Update { name, description: None, trust: Some(asked.policy_document), session_seconds: None }).await
}

/// `UpdateRoleDescription`.
#[derive(FromArg)]
pub(crate) struct UpdateDescription {
    #[arg(max_len = 1024)]
    description: String,
    #[arg(flatten)]
    which: One,
}

/// Changes what is said of a role.
pub(crate) async fn update_description(cx: &Cx<'_>, asked: UpdateDescription) -> Result<(), Fault> {
    let name = role(cx, "RoleName", asked.which.role_id.as_deref(), asked.which.role_name).await?;
    change(cx, Update { name, description: Some(asked.description), trust: None, session_seconds: None }).await
}

/// `UpdateRoleSessionDuration`.
#[derive(FromArg)]
pub(crate) struct UpdateSession {
    session_duration: u32,
    role_id: Option<u64>,
    role_name: Option<String>,
}

/// Changes how long a key of a role may act.
pub(crate) async fn update_session(cx: &Cx<'_>, asked: UpdateSession) -> Result<(), Fault> {
    let id = asked.role_id.map(|id| id.to_string());
    let name = role(cx, "RoleName", id.as_deref(), asked.role_name).await?;
    change(cx, Update { name, description: None, trust: None, session_seconds: Some(asked.session_duration) }).await
}

/// `TagRole`.
#[derive(FromArg)]
pub(crate) struct TagRole {
    #[arg(max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
    #[arg(flatten)]
    which: One,
}

/// Gives a role tags; one that it has already gets the new value.
pub(crate) async fn add_tags(cx: &Cx<'_>, asked: TagRole) -> Result<(), Fault> {
    if asked.tags.is_empty() {
        return Err(Fault::missing("Tags"));
    }
    let name = role(cx, "RoleName", asked.which.role_id.as_deref(), asked.which.role_name).await?;
    let command = TagIdentity { of: IdentityName::Role(name), tags: tag::tags_of(asked.tags)? };
    cx.cloud.run(&cx.caller, command, cx.options()).await.map_err(refusal)
}

/// `UntagRole`.
#[derive(FromArg)]
pub(crate) struct UntagRole {
    #[arg(max_items = TAGS_PER_CALL)]
    tag_keys: Vec<String>,
    #[arg(flatten)]
    which: One,
}

/// Takes tags from a role; one that it does not have is no error.
pub(crate) async fn take_tags(cx: &Cx<'_>, asked: UntagRole) -> Result<(), Fault> {
    if asked.tag_keys.is_empty() {
        return Err(Fault::missing("TagKeys"));
    }
    let name = role(cx, "RoleName", asked.which.role_id.as_deref(), asked.which.role_name).await?;
    let command = UntagIdentity { of: IdentityName::Role(name), keys: asked.tag_keys };
    cx.cloud.run(&cx.caller, command, cx.options()).await.map_err(refusal)
}

/// Deletes a role with its policies, which ends its sessions.
pub(crate) async fn delete(cx: &Cx<'_>, asked: One) -> Result<(), Fault> {
    let name = role(cx, "RoleName", asked.role_id.as_deref(), asked.role_name).await?;
    cx.cloud.run(&cx.caller, Delete { name, policies: Ties::GoToo }, cx.options()).await.map_err(refusal)
}
