//! The type of an instance, changed while it is stopped.

use control::{ChangeInstanceType, ModifyInstanceBandwidth, WhileRunning};
use model::{Error, InstanceId, Noun};
use wire::FromArg;

use crate::Cx;
use crate::bandwidth::OUT_MAX;
use crate::error::Fault;
use crate::filter::id;

/// `ModifyInstanceSpec`.
#[derive(FromArg)]
pub(crate) struct ModifyInstanceSpec {
    instance_id: String,
    instance_type: Option<String>,
    #[arg(range = 0..=OUT_MAX)]
    internet_max_bandwidth_out: Option<u32>,
    #[arg(default, name = "Async")]
    asynchronous: bool,
    #[expect(dead_code, reason = "it allows a move to another cluster and orders none; instances stay on their host")]
    allow_migrate_across_zone: Option<bool>,
}

/// Gives a stopped instance another type, or an instance in any state another bandwidth.
pub(crate) async fn modify_spec(cx: &Cx<'_>, asked: ModifyInstanceSpec) -> Result<(), Fault> {
    let instance: InstanceId = id(Noun::Instance, &asked.instance_id)?;
    if asked.asynchronous {
        return Err(Fault::unsupported_parameter("Async=true"));
    }
    let kind = asked.instance_type.filter(|name| !name.is_empty());
    match (kind, asked.internet_max_bandwidth_out) {
        (Some(_), Some(_)) => {
            let reason = "the instance type and the bandwidth are changed by two calls".to_owned();
            Err(Error::InvalidCombination { reason }.into())
        }
        (Some(instance_type), None) => {
            let command = ChangeInstanceType { id: instance, instance_type, running: WhileRunning::Refused };
            Ok(cx.cloud.run(&cx.caller, command, cx.options()?).await?)
        }
        (None, Some(bandwidth)) => {
            let command = ModifyInstanceBandwidth { instance, bandwidth, allocate: false };
            cx.cloud.run(&cx.caller, command, cx.options()?).await?;
            Ok(())
        }
        (None, None) => Err(Fault::missing("InstanceType")),
    }
}
