//! What the operator sees of the whole installation, and what is looked after in the background.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Error, Host, HostId, Instance, Phase, VolumePhase};

use crate::report::mark_silent;
use crate::{Cloud, Failure};

/// How often hosts are asked whether they are still heard of.
const SILENCE_EVERY: Duration = Duration::from_secs(5);

/// The installation in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// Every host.
    pub hosts: Vec<Host>,
    /// Instances by the word of their phase.
    pub instances_by_state: BTreeMap<String, u64>,
}

impl Cloud {
    /// The installation in numbers.
    pub async fn overview(&self) -> Result<Overview, Error> {
        let read = self.store().scan(|tx| {
            let hosts = tx.host_list()?;
            let instances_by_state = tx.instance_count_by_state()?;
            Ok::<_, Failure>(Overview { hosts, instances_by_state })
        });
        read.await.map_err(|failure| self.refusal("read the overview", failure))
    }

    /// Rows that point at nothing: instances without interface or volume, volumes of no host, in one sentence each.
    pub async fn find_stray_rows(&self) -> Result<Vec<String>, Error> {
        let read = self.store().scan(|tx| {
            let hosts: Vec<HostId> = tx.host_list()?.iter().map(|host| host.id).collect();
            let mut found = Vec::new();
            for host in &hosts {
                for instance in tx.instance_list_on_host(*host)? {
                    stray_parts(tx, &instance, &mut found)?;
                }
                for volume in tx.volume_list_of_host(*host)? {
                    let owner = volume.instance.map(|id| tx.get::<Instance>(id)).transpose()?.flatten();
                    let lost = volume.instance.is_some() && owner.is_none_or(|owner| owner.phase == Phase::Terminated);
                    if lost && volume.phase != VolumePhase::Deleting {
                        found.push(format!("row: volume {} belongs to an instance that does not exist", volume.id));
                    }
                }
            }
            Ok::<_, Failure>(found)
        });
        read.await.map_err(|failure| self.refusal("look for stray rows", failure))
    }

    /// Marks hosts that went silent, until the task is dropped.
    pub async fn watch_silence(&self) {
        loop {
            tokio::time::sleep(SILENCE_EVERY).await;
            let cloud = self.clone();
            match self.store().write(move |tx| mark_silent(tx, cloud.clock().now())).await {
                Ok(silent) => {
                    silent.iter().for_each(|host| tracing::error!(%host, alarm = true, "a host went silent; nothing new is placed on it"))
                }
                Err(error) => tracing::error!(%error, "silent hosts could not be marked"),
            }
        }
    }
}

fn stray_parts(tx: &store::Tx<'_>, instance: &Instance, found: &mut Vec<String>) -> Result<(), Failure> {
    if tx.get::<model::Interface>(instance.interface)?.is_none() {
        found.push(format!("row: instance {} has no interface", instance.id));
    }
    if tx.get::<model::Volume>(instance.root_volume)?.is_none() {
        found.push(format!("row: instance {} has no system disk", instance.id));
    }
    Ok(())
}
