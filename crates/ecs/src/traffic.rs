//! What elastic addresses carried.

use control::{AddressRef, TrafficPeriod, TrafficQuestion};
use jiff::Timestamp;
use model::{AddressId, Error, Millis, Noun};
use wire::{FromArg, Show};

use crate::Cx;
use crate::error::Fault;
use crate::filter::id;

/// `DescribeEipMonitorData`.
#[derive(FromArg)]
pub(crate) struct DescribeEipMonitorData {
    allocation_id: String,
    start_time: Timestamp,
    end_time: Timestamp,
    #[arg(default = 60)]
    period: u32,
}

/// Seconds of the periods that there are.
const PERIODS: [u32; 4] = [60, 300, 900, 3_600];

#[derive(Show)]
pub(crate) struct EipMonitorDatas {
    #[reply(list = "EipMonitorData")]
    eip_monitor_datas: Vec<EipMonitorData>,
}

#[derive(Show)]
struct EipMonitorData {
    #[reply(name = "EipRX")]
    rx: u64,
    #[reply(name = "EipTX")]
    tx: u64,
    eip_flow: u64,
    eip_bandwidth: u64,
    eip_packets: u64,
    timestamp: Timestamp,
}

/// Shows bytes and packets by period. A bandwidth is in bytes per second, of both directions together, as VPC has it.
pub(crate) async fn describe(cx: &Cx<'_>, asked: DescribeEipMonitorData) -> Result<EipMonitorDatas, Fault> {
    if !PERIODS.contains(&asked.period) {
        return Err(Error::invalid("TrafficPeriod", format!("must be one of {PERIODS:?}")).into());
    }
    let question = TrafficQuestion {
        address: AddressRef::Id(id::<AddressId>(Noun::Address, &asked.allocation_id)?),
        from: Millis(asked.start_time.as_millisecond()),
        to: Millis(asked.end_time.as_millisecond()),
        minutes: asked.period / 60,
    };
    let periods = cx.cloud.address_traffic(&cx.caller, question).await?;
    Ok(EipMonitorDatas { eip_monitor_datas: periods.iter().map(|period| reply(period, asked.period)).collect() })
}

fn reply(period: &TrafficPeriod, seconds: u32) -> EipMonitorData {
    let traffic = period.traffic;
    let flow = traffic.in_bytes.saturating_add(traffic.out_bytes);
    EipMonitorData {
        rx: traffic.in_bytes,
        tx: traffic.out_bytes,
        eip_flow: flow,
        eip_bandwidth: flow / u64::from(seconds),
        eip_packets: traffic.in_packets.saturating_add(traffic.out_packets),
        timestamp: period.at.timestamp(),
    }
}
