//! What the operator sees of the whole installation, and what is looked after in the background.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Error, Host};

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
