//! The bandwidth of an instance's own public address. Elastic addresses have theirs.

use model::{InstanceId, Noun};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter::id;

/// `ModifyInstanceNetworkSpec`.
#[derive(FromArg)]
pub(crate) struct ModifyInstanceNetworkSpec {
    instance_id: String,
    #[arg(range = 0..=OUT_MAX)]
    internet_max_bandwidth_out: Option<u32>,
    #[arg(default)]
    allocate_public_ip: bool,
    #[expect(dead_code, reason = "addresses are paid for by what they carry, which is the only one of these words")]
    network_charge_type: Option<ChargeType>,
}

/// How traffic is paid for.
#[derive(Debug, Clone, Copy, FromArg)]
enum ChargeType {
    PayByTraffic,
}

/// Largest outward bandwidth of an instance in megabits per second (ECS documents 100).
pub(crate) const OUT_MAX: u32 = 100;

#[derive(Show)]
pub(crate) struct Changed {
    order_id: &'static str,
}

/// Changes it at once, whether the instance runs or not.
pub(crate) async fn modify(cx: &Cx<'_>, asked: ModifyInstanceNetworkSpec) -> Result<Changed, Fault> {
    let instance: InstanceId = id(Noun::Instance, &asked.instance_id)?;
    let bandwidth = asked.internet_max_bandwidth_out.ok_or_else(|| Fault::missing("InternetMaxBandwidthOut"))?;
    let command = control::ModifyInstanceBandwidth { instance, bandwidth, allocate: asked.allocate_public_ip };
    cx.cloud.run(&cx.caller, command, cx.options()?).await?;
    Ok(Changed { order_id: "" })
}
