//! Asks hosts for what they saw of flows, and has it written down. A part is forgotten by its host when it is asked for what comes after,
//! so that neither side may lose it by ending.

use std::time::Duration;

use control::Cloud;
use link::{Answer, Question};
use model::HostId;
use tokio::task::JoinSet;

use crate::questions::Hosts;

/// Pause between two rounds: a span of flows is over every 34 seconds.
const ASK_EVERY: Duration = Duration::from_secs(10);
/// Parts that are taken from a host in one round: more wait for the next, so that one host holds nobody up.
const PARTS_OF_ROUND: usize = 32;
/// Hosts that are asked at once.
const ASKED_AT_ONCE: usize = 16;

/// Asks, until the task is dropped.
pub async fn collect(cloud: Cloud, hosts: Hosts) {
    loop {
        tokio::time::sleep(ASK_EVERY).await;
        let mut asked: JoinSet<()> = JoinSet::new();
        for host in hosts.reached() {
            if asked.len() >= ASKED_AT_ONCE {
                asked.join_next().await;
            }
            let (cloud, hosts) = (cloud.clone(), hosts.clone());
            asked.spawn(async move { collect_of(&cloud, &hosts, host).await });
        }
        while asked.join_next().await.is_some() {}
    }
}

async fn collect_of(cloud: &Cloud, hosts: &Hosts, host: HostId) {
    let mut told = None;
    for _ in 0..PARTS_OF_ROUND {
        let Some(Answer::Flows { report }) = hosts.ask(host, Question::Flows { told }).await else { return };
        let number = report.number;
        if let Err(error) = cloud.take_flows(host, report).await {
            tracing::warn!(%error, %host, "flows could not be written down; they are asked for again");
            return;
        }
        told = Some(number);
    }
    // The last one is known to be written down, too.
    hosts.ask(host, Question::Flows { told }).await;
}
