//! Elastic addresses. Those that instances get by themselves are shown with the instances.

use std::collections::HashMap;

use control::{Field, InterfaceView, Query};
use jiff::Timestamp;
use model::{Address, InterfaceId};
use wire::{FromArg, IntoDoc};

use crate::Cx;
use crate::error::Fault;
use crate::filter::{Filters, TAGS_PER_CALL, TagArg};
use crate::page::{Numbered, Numbers, PAGE_SIZE_MAX};
use crate::tag::{VpcTagReply, vpc_tag_replies};

/// `DescribeEipAddresses`.
#[derive(FromArg)]
pub(crate) struct DescribeEipAddresses {
    allocation_id: Option<String>,
    eip_address: Option<String>,
    eip_name: Option<String>,
    charge_type: Option<String>,
    resource_group_id: Option<String>,
    #[arg(name = "Tag", max_items = TAGS_PER_CALL)]
    tags: Vec<TagArg>,
    #[arg(flatten)]
    numbered: Numbered,
}

#[derive(IntoDoc)]
pub(crate) struct EipAddresses {
    #[reply(list = "EipAddress")]
    eip_addresses: Vec<EipReply>,
    #[reply(flatten)]
    numbers: Numbers,
}

#[derive(IntoDoc)]
struct EipReply {
    allocation_id: String,
    ip_address: String,
    name: String,
    status: &'static str,
    region_id: String,
    instance_id: String,
    instance_type: &'static str,
    private_ip_address: String,
    bandwidth: &'static str,
    charge_type: &'static str,
    internet_charge_type: &'static str,
    allocation_time: Timestamp,
    resource_group_id: &'static str,
    #[reply(list = "Tag")]
    tags: Vec<VpcTagReply>,
}

/// Lists elastic addresses.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeEipAddresses) -> Result<EipAddresses, Fault> {
    let mut filters = Filters::new();
    filters
        .exact(Field::IsElastic, Some("true"))
        .exact(Field::Id, asked.allocation_id.as_ref())
        .exact(Field::PublicIp, asked.eip_address.as_ref())
        .wildcard(Field::Tag("Name".to_owned()), asked.eip_name.as_ref())
        .always(asked.charge_type.as_ref(), &["PostPaid"])
        .always(asked.resource_group_id.as_ref(), &[])
        .tags(&asked.tags);
    let query = Query { ids: vec![], filters: filters.into_vec(), page: asked.numbered.page(PAGE_SIZE_MAX)? };
    let listed = cx.cloud.list::<Address>(&cx.caller, query).await?;
    let numbers = asked.numbered.numbers(&listed);
    let tied: Vec<InterfaceId> = listed.rows.iter().filter_map(|address| address.interface).collect();
    let interfaces: HashMap<InterfaceId, InterfaceView> = if tied.is_empty() {
        HashMap::new()
    } else {
        let found = cx.cloud.list_interfaces(&cx.caller, Query { ids: tied, ..Query::default() }).await?;
        found.rows.into_iter().map(|view| (view.interface.id, view)).collect()
    };
    let replies = listed.rows.iter().map(|address| reply(cx, address, address.interface.and_then(|id| interfaces.get(&id))));
    Ok(EipAddresses { eip_addresses: replies.collect(), numbers })
}

fn reply(cx: &Cx<'_>, address: &Address, tied: Option<&InterfaceView>) -> EipReply {
    let instance = tied.and_then(|view| view.interface.instance);
    EipReply {
        allocation_id: address.id.to_string(),
        ip_address: address.ip.to_string(),
        name: address.tags.get("Name").cloned().unwrap_or_default(),
        status: if tied.is_some() { "InUse" } else { "Available" },
        region_id: cx.region(),
        instance_id: instance.map(|id| id.to_string()).unwrap_or_default(),
        instance_type: if instance.is_some() { "EcsInstance" } else { "" },
        private_ip_address: tied.map(|view| view.interface.ip.to_string()).unwrap_or_default(),
        bandwidth: "100",
        charge_type: "PostPaid",
        internet_charge_type: "PayByTraffic",
        allocation_time: address.created_at.timestamp(),
        resource_group_id: "",
        tags: vpc_tag_replies(&address.tags),
    }
}
