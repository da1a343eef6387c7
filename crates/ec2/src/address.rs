//! Elastic addresses. Those that instances get by themselves are shown with the instances, not here, as with EC2.

use std::collections::HashMap;

use control::{Field, Filter, InterfaceView, Query};
use model::{Address, Error, InterfaceId, Noun};
use wire::{FromArg, IntoDoc};

use crate::Cx;
use crate::error::Refusal;
use crate::filter::{self, AskedFilter, literal};
use crate::interface::association_id;
use crate::page::every_row;
use crate::tag::{self, TagItem};

/// The parameters of `DescribeAddresses`.
#[derive(FromArg)]
pub(crate) struct DescribeAddresses {
    #[arg(name = "AllocationId")]
    ids: Vec<String>,
    #[arg(name = "PublicIp", max_items = 200)]
    ips: Vec<String>,
    #[arg(name = "Filter")]
    filters: Vec<AskedFilter>,
}

/// The reply of `DescribeAddresses`.
#[derive(IntoDoc)]
#[reply(rename = "camelCase")]
pub(crate) struct Addresses {
    addresses_set: Vec<AddressItem>,
}

#[derive(IntoDoc)]
#[reply(rename = "camelCase")]
struct AddressItem {
    public_ip: String,
    allocation_id: String,
    domain: &'static str,
    instance_id: Option<String>,
    association_id: Option<String>,
    network_interface_id: Option<String>,
    network_interface_owner_id: Option<String>,
    private_ip_address: Option<String>,
    network_border_group: String,
    #[reply(skip_empty)]
    tag_set: Vec<TagItem>,
}

/// Lists elastic addresses.
pub(crate) async fn describe_addresses(cx: Cx, asked: DescribeAddresses) -> Result<Addresses, Refusal> {
    let mut filters = filter::filters(&cx, filter::ADDRESS, &asked.filters)?;
    filters.push(Filter { field: Field::IsElastic, values: vec!["true".to_owned()] });
    if !asked.ips.is_empty() {
        let values = asked.ips.iter().map(|ip| literal(ip)).collect();
        filters.push(Filter { field: Field::PublicIp, values });
    }
    let query = Query { ids: tag::ids(Noun::Address, &asked.ids)?, filters, ..Query::default() };
    let rows = every_row::<Address>(&cx, query).await?;
    if let Some(absent) = asked.ips.iter().find(|ip| !rows.iter().any(|row| row.ip.to_string() == **ip)) {
        return Err(Error::not_found(Noun::Address, absent).into());
    }
    let interfaces = interfaces_of(&cx, &rows).await?;
    let item = |address: &Address| address_item(&cx, address, address.interface.and_then(|id| interfaces.get(&id)));
    Ok(Addresses { addresses_set: rows.iter().map(item).collect() })
}

async fn interfaces_of(cx: &Cx, addresses: &[Address]) -> Result<HashMap<InterfaceId, InterfaceView>, Refusal> {
    let tied: Vec<InterfaceId> = addresses.iter().filter_map(|address| address.interface).collect();
    let mut found = HashMap::new();
    for ids in tied.chunks(control::IDS_MAX) {
        let listed = cx.cloud.list_interfaces(&cx.caller, Query { ids: ids.to_vec(), ..Query::default() }).await?;
        found.extend(listed.rows.into_iter().map(|view| (view.interface.id, view)));
    }
    Ok(found)
}

fn address_item(cx: &Cx, address: &Address, tied: Option<&InterfaceView>) -> AddressItem {
    AddressItem {
        public_ip: address.ip.to_string(),
        allocation_id: address.id.to_string(),
        domain: "vpc",
        instance_id: tied.and_then(|view| view.interface.instance).map(|id| id.to_string()),
        association_id: tied.map(|_| association_id(address)),
        network_interface_id: tied.map(|view| view.interface.id.to_string()),
        network_interface_owner_id: tied.map(|view| view.interface.account.to_string()),
        private_ip_address: tied.map(|view| view.interface.ip.to_string()),
        network_border_group: cx.cloud.region().name.clone(),
        tag_set: tag::items(&address.tags),
    }
}
