//! RAM roles of instances.

use control::{InstanceRoleView, RoleBefore, SetInstanceRole};
use model::{InstanceId, RoleChoice};
use wire::{FromArg, Json, JsonList, Show};

use crate::Cx;
use crate::error::Fault;
use crate::outcome::{self, Outcome};
use crate::page::{Numbered, SHORT_PAGE_MAX};

/// Most instances of one call (ECS documents 100).
const INSTANCES_PER_CALL: usize = 100;

/// `AttachInstanceRamRole` and `DetachInstanceRamRole`.
#[derive(FromArg)]
pub(crate) struct Change {
    #[arg(max_items = INSTANCES_PER_CALL)]
    instance_ids: JsonList<String>,
    ram_role_name: Option<String>,
}

#[derive(Show)]
pub(crate) struct Attached {
    total_count: usize,
    fail_count: usize,
    ram_role_name: String,
    #[reply(list = "AttachInstanceRamRoleResult")]
    attach_instance_ram_role_results: Vec<Outcome>,
}

#[derive(Show)]
pub(crate) struct Detached {
    total_count: usize,
    fail_count: usize,
    ram_role_name: String,
    #[reply(list = "DetachInstanceRamRoleResult")]
    detach_instance_ram_role_results: Vec<Outcome>,
}

/// Gives instances a role, each by itself: one that cannot have it does not keep it from the others.
pub(crate) async fn attach(cx: &Cx<'_>, asked: Change) -> Result<Attached, Fault> {
    let name = asked.ram_role_name.filter(|name| !name.is_empty()).ok_or_else(|| Fault::missing("RamRoleName"))?;
    let role = Some(RoleChoice::Role(name.clone()));
    let outcomes = outcome::each(cx, asked.instance_ids, change(role, RoleBefore::None)).await?;
    Ok(Attached {
        total_count: outcomes.len(),
        fail_count: outcome::failed(&outcomes),
        ram_role_name: name,
        attach_instance_ram_role_results: outcomes,
    })
}

/// Takes the role from instances, which ends their keys.
pub(crate) async fn detach(cx: &Cx<'_>, asked: Change) -> Result<Detached, Fault> {
    let name = asked.ram_role_name.filter(|name| !name.is_empty());
    let before = name.clone().map_or(RoleBefore::Any, RoleBefore::Named);
    let outcomes = outcome::each(cx, asked.instance_ids, change(None, before)).await?;
    Ok(Detached {
        total_count: outcomes.len(),
        fail_count: outcome::failed(&outcomes),
        ram_role_name: name.unwrap_or_default(),
        detach_instance_ram_role_results: outcomes,
    })
}

fn change(role: Option<RoleChoice>, before: RoleBefore) -> impl Fn(InstanceId) -> SetInstanceRole {
    move |instance| SetInstanceRole { instance, role: role.clone(), before: before.clone() }
}

/// `DescribeInstanceRamRole`.
#[derive(FromArg)]
pub(crate) struct DescribeInstanceRamRole {
    #[arg(max_items = INSTANCES_PER_CALL)]
    instance_ids: Option<JsonList<String>>,
    ram_role_name: Option<String>,
    #[arg(flatten)]
    numbered: Numbered,
}

#[derive(Show)]
pub(crate) struct Roles {
    region_id: String,
    total_count: usize,
    #[reply(list = "InstanceRamRoleSet")]
    instance_ram_role_sets: Vec<RoleReply>,
}

#[derive(Show)]
struct RoleReply {
    instance_id: String,
    ram_role_name: String,
}

/// Lists the roles that instances have.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeInstanceRamRole) -> Result<Roles, Fault> {
    let ids = asked.instance_ids.map_or(vec![], |Json(ids)| ids);
    let name = asked.ram_role_name.filter(|name| !name.is_empty());
    let mut found = cx.cloud.instance_roles(&cx.caller).await?;
    let wanted = |view: &InstanceRoleView| {
        (ids.is_empty() || ids.contains(&view.held.instance.to_string())) && name.as_ref().is_none_or(|_| view.role_name == name)
    };
    found.retain(wanted);
    let (page, numbers) = asked.numbered.cut(found, SHORT_PAGE_MAX)?;
    let reply = |view: InstanceRoleView| RoleReply {
        instance_id: view.held.instance.to_string(),
        ram_role_name: view.role_name.unwrap_or_default(),
    };
    Ok(Roles { region_id: cx.region(), total_count: numbers.total_count, instance_ram_role_sets: page.into_iter().map(reply).collect() })
}
