//! What happens to instances at maintenance. Nothing of it can be chosen here: a guest starts again where it was.

use control::{Field, Query};
use wire::{FromArg, Show};

use super::{INSTANCES_PER_CALL, in_state};
use crate::Cx;
use crate::error::Fault;
use crate::filter::Filters;
use crate::page::{Numbered, Numbers, PAGE_SIZE_MAX};

/// That a guest starts again by itself after its host was down, in ECS's word.
const ACTION: &str = "AutoRecover";

/// `DescribeInstanceMaintenanceAttributes`.
#[derive(FromArg)]
pub(crate) struct DescribeInstanceMaintenanceAttributes {
    #[arg(name = "InstanceId", max_items = INSTANCES_PER_CALL)]
    ids: Vec<String>,
    #[arg(flatten)]
    numbered: Numbered,
}

#[derive(Show)]
pub(crate) struct Attributes {
    #[reply(list = "MaintenanceAttribute")]
    maintenance_attributes: Vec<AttributeReply>,
    #[reply(flatten)]
    numbers: Numbers,
}

#[derive(Show)]
struct AttributeReply {
    instance_id: String,
    #[reply(list = "MaintenanceWindow")]
    maintenance_windows: Vec<String>,
    action_on_maintenance: Action,
    notify_on_maintenance: bool,
}

#[derive(Show)]
struct Action {
    value: &'static str,
    default_value: &'static str,
    #[reply(list = "SupportedValue")]
    supported_values: Vec<&'static str>,
}

/// Tells what happens to instances at maintenance.
pub(crate) async fn describe_maintenance(cx: &Cx<'_>, asked: DescribeInstanceMaintenanceAttributes) -> Result<Attributes, Fault> {
    let mut filters = Filters::new();
    filters.one_of(Field::Id, &asked.ids);
    in_state(&mut filters, None);
    let query = Query { ids: vec![], filters: filters.into_vec(), page: asked.numbered.page(PAGE_SIZE_MAX)? };
    let listed = cx.cloud.list_instances(&cx.caller, query).await?;
    let numbers = asked.numbered.numbers(&listed);
    let attribute = |view: &control::InstanceView| AttributeReply {
        instance_id: view.instance.id.to_string(),
        maintenance_windows: vec![],
        action_on_maintenance: Action { value: ACTION, default_value: ACTION, supported_values: vec![ACTION] },
        notify_on_maintenance: false,
    };
    Ok(Attributes { maintenance_attributes: listed.rows.iter().map(attribute).collect(), numbers })
}
