//! Where instances are in VPCs.

use std::net::Ipv4Addr;

use control::{Many, MoveInstance};
use wire::FromArg;

use crate::error::Fault;
use crate::instance::{INSTANCES_PER_CALL, ids};
use crate::{Cx, id};

/// `ModifyInstancesVpcAttribute`.
#[derive(FromArg)]
pub(crate) struct ModifyInstancesVpcAttribute {
    #[arg(max_items = INSTANCES_PER_CALL)]
    instance_ids: Vec<String>,
    virtual_private_cloud: VirtualPrivateCloud,
    #[expect(dead_code, reason = "an instance that runs is refused, whether it may be stopped hard or not")]
    force_stop: Option<bool>,
    #[arg(default = true)]
    reserve_host_name: bool,
}

#[derive(FromArg)]
struct VirtualPrivateCloud {
    vpc_id: String,
    subnet_id: String,
    #[arg(max_items = INSTANCES_PER_CALL)]
    private_ip_addresses: Vec<Ipv4Addr>,
}

/// Moves stopped instances to another subnet, all of them or none. Where addresses are given there is one for each.
pub(crate) async fn modify_vpc(cx: &Cx<'_>, asked: ModifyInstancesVpcAttribute) -> Result<(), Fault> {
    if !asked.reserve_host_name {
        return Err(Fault::unsupported("A host name that follows the address"));
    }
    let (instances, place) = (ids(&asked.instance_ids)?, asked.virtual_private_cloud);
    let (vpc, subnet, ips) = (id::read(&place.vpc_id)?, id::read(&place.subnet_id)?, place.private_ip_addresses);
    if !ips.is_empty() && ips.len() != instances.len() {
        return Err(Fault::conflict("`PrivateIpAddresses` are as many as `InstanceIds`"));
    }
    let one = |(at, id)| MoveInstance { id, subnet, vpc: Some(vpc), ip: ips.get(at).copied(), groups: vec![] };
    let commands = instances.into_iter().enumerate().map(one).collect();
    Ok(cx.cloud.run(&cx.caller, Many(commands), cx.options()).await.map(drop)?)
}
