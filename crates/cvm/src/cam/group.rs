//! Groups of sub-users.

use control::{CreateUserGroup, DeleteUserGroup, SetMembership, Ties, UpdateUserGroup};
use model::{User, UserGroup};
use wire::{FromArg, Show};

use super::{Paging, at, group, has_keyword, user};
use crate::Cx;
use crate::error::Fault;

/// Most users that one call takes into groups or out of them.
const MEMBERS_PER_CALL: usize = 100;

/// `CreateGroup`.
#[derive(FromArg)]
pub(crate) struct CreateGroup {
    group_name: String,
    #[arg(default, max_len = 1024)]
    remark: String,
}

#[derive(Show)]
pub(crate) struct Created {
    group_id: u64,
}

/// Makes a group.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreateGroup) -> Result<Created, Fault> {
    let command = CreateUserGroup { name: asked.group_name, description: asked.remark };
    Ok(Created { group_id: cx.cloud.run(&cx.caller, command, cx.options()).await?.number() })
}

/// `ListGroups`.
#[derive(FromArg)]
pub(crate) struct ListGroups {
    keyword: Option<String>,
    #[arg(flatten)]
    paging: Paging,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Groups {
    total_num: usize,
    group_info: Vec<GroupReply>,
}

#[derive(Show)]
struct GroupReply {
    group_id: u64,
    group_name: String,
    create_time: String,
    remark: String,
}

fn groups(found: Vec<UserGroup>, paging: Paging) -> Groups {
    let (total_num, page) = paging.of(found);
    let reply = |group: UserGroup| GroupReply {
        group_id: group.number(),
        group_name: group.name,
        create_time: at(group.created_at),
        remark: group.description,
    };
    Groups { total_num, group_info: page.into_iter().map(reply).collect() }
}

/// Lists the groups.
pub(crate) async fn list(cx: &Cx<'_>, asked: ListGroups) -> Result<Groups, Fault> {
    let mut found = cx.cloud.user_groups(&cx.caller).await?;
    found.retain(|group| has_keyword(&group.name, asked.keyword.as_deref()));
    Ok(groups(found, asked.paging))
}

/// `ListGroupsForUser`.
#[derive(FromArg)]
pub(crate) struct OfUser {
    uid: Option<u64>,
    sub_uin: Option<u64>,
    #[arg(flatten)]
    paging: Paging,
}

/// Lists the groups that a user is in.
pub(crate) async fn list_of_user(cx: &Cx<'_>, asked: OfUser) -> Result<Groups, Fault> {
    let name = user(cx, asked.uid.or(asked.sub_uin).ok_or_else(|| Fault::missing("SubUin"))?).await?;
    Ok(groups(cx.cloud.groups_of_user(&cx.caller, name).await?, asked.paging))
}

/// The parameter of calls on one group.
#[derive(FromArg)]
pub(crate) struct One {
    group_id: u64,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Shown {
    group_id: u64,
    group_name: String,
    group_num: usize,
    remark: String,
    create_time: String,
    user_info: Vec<Member>,
}

#[derive(Show)]
struct Member {
    uid: u64,
    uin: u64,
    name: String,
    phone_num: String,
    country_code: String,
    phone_flag: u8,
    email: String,
    email_flag: u8,
    user_type: u8,
    create_time: String,
    is_receiver_owner: u8,
    remark: String,
}

fn member(user: User) -> Member {
    Member {
        uid: user.number(),
        uin: user.number(),
        name: user.name,
        phone_num: user.details.phone,
        country_code: user.details.country_code,
        phone_flag: 0,
        email: user.details.email,
        email_flag: 0,
        user_type: 1,
        create_time: at(user.created_at),
        is_receiver_owner: 0,
        remark: user.details.comments,
    }
}

/// Shows a group and the users in it.
pub(crate) async fn get(cx: &Cx<'_>, asked: One) -> Result<Shown, Fault> {
    let name = group(cx, asked.group_id).await?;
    let (group, members) = cx.cloud.user_group(&cx.caller, name).await?;
    Ok(Shown {
        group_id: group.number(),
        group_name: group.name,
        group_num: members.len(),
        remark: group.description,
        create_time: at(group.created_at),
        user_info: members.into_iter().map(member).collect(),
    })
}

/// `ListUsersForGroup`.
#[derive(FromArg)]
pub(crate) struct Members {
    group_id: u64,
    #[arg(flatten)]
    paging: Paging,
}

#[derive(Show)]
#[reply(list = "")]
pub(crate) struct MembersReply {
    total_num: usize,
    user_info: Vec<Member>,
}

/// Lists the users in a group.
pub(crate) async fn members(cx: &Cx<'_>, asked: Members) -> Result<MembersReply, Fault> {
    let name = group(cx, asked.group_id).await?;
    let (_, members) = cx.cloud.user_group(&cx.caller, name).await?;
    let (total_num, page) = asked.paging.of(members);
    Ok(MembersReply { total_num, user_info: page.into_iter().map(member).collect() })
}

/// `UpdateGroup`.
#[derive(FromArg)]
pub(crate) struct UpdateGroup {
    group_id: u64,
    group_name: Option<String>,
    #[arg(max_len = 1024)]
    remark: Option<String>,
}

/// Changes a group.
pub(crate) async fn update(cx: &Cx<'_>, asked: UpdateGroup) -> Result<(), Fault> {
    let name = group(cx, asked.group_id).await?;
    let command = UpdateUserGroup { name, new_name: asked.group_name, description: asked.remark };
    cx.cloud.run(&cx.caller, command, cx.options()).await?;
    Ok(())
}

/// Deletes a group; its members and policies are tied to it no more.
pub(crate) async fn delete(cx: &Cx<'_>, asked: One) -> Result<(), Fault> {
    let name = group(cx, asked.group_id).await?;
    Ok(cx.cloud.run(&cx.caller, DeleteUserGroup { name, ties: Ties::GoToo }, cx.options()).await?)
}

/// `AddUserToGroup` and `RemoveUserFromGroup`.
#[derive(FromArg)]
pub(crate) struct Memberships {
    #[arg(max_items = MEMBERS_PER_CALL)]
    info: Vec<MembershipArg>,
}

#[derive(FromArg)]
struct MembershipArg {
    group_id: u64,
    uid: Option<u64>,
    uin: Option<u64>,
}

/// Takes users into groups.
pub(crate) async fn add(cx: &Cx<'_>, asked: Memberships) -> Result<(), Fault> {
    set(cx, asked, true).await
}

/// Takes users out of groups.
pub(crate) async fn remove(cx: &Cx<'_>, asked: Memberships) -> Result<(), Fault> {
    set(cx, asked, false).await
}

/// All are looked up before the first is changed; the same call again does what is left.
async fn set(cx: &Cx<'_>, asked: Memberships, member: bool) -> Result<(), Fault> {
    if asked.info.is_empty() {
        return Err(Fault::missing("Info"));
    }
    let mut changes = Vec::with_capacity(asked.info.len());
    for MembershipArg { group_id, uid, uin } in asked.info {
        let uin = uin.or(uid).ok_or_else(|| Fault::missing("Info.Uin"))?;
        changes.push(SetMembership { group: group(cx, group_id).await?, user: user(cx, uin).await?, member });
    }
    for change in changes {
        cx.cloud.run(&cx.caller, change, cx.options()).await?;
    }
    Ok(())
}
