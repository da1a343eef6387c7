//! Where an instance is in VPCs.

use std::net::Ipv4Addr;

use control::MoveInstance;
use model::{Error, GROUPS_PER_INTERFACE_MAX, Noun};
use wire::FromArg;

use crate::Cx;
use crate::error::Fault;
use crate::filter::{id, optional_id};

/// `ModifyInstanceVpcAttribute`.
#[derive(FromArg)]
pub(crate) struct ModifyInstanceVpcAttribute {
    instance_id: String,
    v_switch_id: String,
    private_ip_address: Option<Ipv4Addr>,
    vpc_id: Option<String>,
    #[arg(name = "SecurityGroupId", max_items = GROUPS_PER_INTERFACE_MAX)]
    security_group_ids: Vec<String>,
}

/// Moves a stopped instance to another vSwitch of its zone: of its VPC, or of the one that is said, whose security groups are said too.
pub(crate) async fn modify_vpc(cx: &Cx<'_>, asked: ModifyInstanceVpcAttribute) -> Result<(), Fault> {
    let vpc = optional_id(Noun::Vpc, asked.vpc_id.as_ref())?;
    match (vpc, asked.security_group_ids.is_empty()) {
        (Some(_), true) => return Err(Fault::missing("SecurityGroupId.1")),
        (None, false) => {
            let reason = "security groups are changed together with the VPC, so VpcId must be given too".to_owned();
            return Err(Error::InvalidCombination { reason }.into());
        }
        (Some(_), false) | (None, true) => {}
    }
    let command = MoveInstance {
        id: id(Noun::Instance, &asked.instance_id)?,
        subnet: id(Noun::Subnet, &asked.v_switch_id)?,
        vpc,
        ip: asked.private_ip_address,
        groups: asked.security_group_ids.iter().map(|group| id(Noun::SecurityGroup, group)).collect::<Result<_, _>>()?,
    };
    Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
}
