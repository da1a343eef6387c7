//! How a machine's task gives a running guest a network card, and takes one away.
//!
//! ```text
//!   plug   ─▶ open the tap, add cable and card ─▶ the guest has it
//!   unplug ─▶ cable cut, tap closed: the interface is free ─▶ the guest is asked for the empty card until it releases it
//! ```

use std::time::Duration;

use hostspec::{FaultKind, HostSpec};
use model::InterfaceId;
use tokio::time::Instant;

use super::super::start;
use super::{COMMAND, VmTask};
use crate::qemu::disk::Asked;
use crate::qemu::nic::Cards;
use crate::qemu::qmp::QmpError;
use crate::trouble::Trouble;

/// Time between two requests to release a card: a guest that is still booting does not hear the first, and QEMU repeats one after five
/// seconds at the earliest.
const ASK: Duration = Duration::from_secs(6);

/// The interfaces whose tap a process has open, by its descriptors: true whatever documents said since it was started.
pub(super) fn of_process(pid: i32) -> Vec<InterfaceId> {
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fdinfo")).into_iter().flatten().flatten();
    let texts = descriptors.filter_map(|entry| std::fs::read_to_string(entry.path()).ok());
    let mut nics: Vec<InterfaceId> =
        texts.filter_map(|text| crate::net::nic_of(text.lines().find_map(|l| l.strip_prefix("iff:"))?.trim())).collect();
    nics.sort();
    nics.dedup();
    nics
}

impl VmTask {
    fn cards(&self) -> Option<Cards> {
        let (qmp, _) = self.live.as_ref()?.monitor.as_ref()?;
        Some(Cards::new(qmp.clone(), COMMAND))
    }

    /// Gives the guest a card that it does not have yet.
    pub(super) async fn plug(&mut self, spec: &HostSpec, nic: InterfaceId) {
        if self.live.as_ref().is_none_or(|live| live.nics.contains(&nic)) {
            return;
        }
        match self.try_plug(spec, nic).await {
            Ok(()) => {
                tracing::info!(instance = %self.id, %nic, "interface plugged in");
                metrics::counter!("pileus_interfaces_plugged_total").increment(1);
                if let Some(live) = &mut self.live {
                    live.nics.push(nic);
                }
            }
            Err(trouble) => self.fail(trouble),
        }
    }

    async fn try_plug(&self, spec: &HostSpec, nic: InterfaceId) -> Result<(), Trouble> {
        let missing = || Trouble::new(FaultKind::Other, format!("{nic} is not in the document"));
        let vm = spec.vms.iter().find(|vm| vm.id == self.id).ok_or_else(missing)?;
        let wanted = vm.nics.iter().find(|known| known.id == nic).ok_or_else(missing)?;
        let cards = self.cards().ok_or_else(|| Trouble::new(FaultKind::Hung, "the monitor is not connected"))?;
        let doing = |e: QmpError| Trouble::new(FaultKind::Other, format!("plugging {nic} in: {e}"));
        if self.live.as_ref().is_some_and(|live| live.unplugged.contains_key(&nic)) {
            // The guest still has the card without a cable, and two of one name cannot be.
            match cards.ask_for(nic).await.map_err(doing)? {
                Asked::Absent => {}
                Asked::Waiting => return Err(Trouble::new(FaultKind::Other, format!("the guest has not let go of the card of {nic}"))),
            }
        }
        let tap = start::open_tap(&self.host, spec, nic).await?;
        cards.add(wanted, tap).await.map_err(doing)
    }

    /// Cuts the cable of a card and asks the guest to release it.
    pub(super) async fn unplug(&mut self, nic: InterfaceId) {
        let Some(cards) = self.cards() else { return };
        if let Err(e) = cards.cut(nic).await {
            return self.fail(Trouble::new(FaultKind::Other, format!("cutting {nic} off: {e}")));
        }
        tracing::info!(instance = %self.id, %nic, "interface unplugged");
        metrics::counter!("pileus_interfaces_unplugged_total").increment(1);
        if let Some(live) = &mut self.live {
            live.nics.retain(|held| *held != nic);
            live.unplugged.insert(nic, Instant::now() + ASK);
        }
        self.ask_for_card(nic).await;
    }

    async fn ask_for_card(&mut self, nic: InterfaceId) {
        let Some(cards) = self.cards() else { return };
        match cards.ask_for(nic).await {
            Ok(Asked::Waiting) | Err(QmpError::Closed) => {}
            Ok(Asked::Absent) => self.card_released(nic),
            Err(e) => self.complain(Trouble::new(FaultKind::Other, format!("asking for the card of {nic}: {e}"))),
        }
    }

    /// Asks again for cards that were not released.
    pub(super) async fn ask_for_cards(&mut self) {
        let now = Instant::now();
        let Some(live) = &mut self.live else { return };
        let due: Vec<InterfaceId> = live.unplugged.iter().filter(|(_, ask)| **ask <= now).map(|(nic, _)| *nic).collect();
        live.unplugged.values_mut().filter(|ask| **ask <= now).for_each(|ask| *ask = now + ASK);
        for nic in due {
            self.ask_for_card(nic).await;
        }
    }

    /// After an agent went in the middle of a change, asks for the cards that have no cable.
    pub(super) async fn settle_cards(&mut self) {
        let Some(cards) = self.cards() else { return };
        let (Ok(present), Some(live)) = (cards.list().await, &mut self.live) else { return };
        let without_cable = present.into_iter().filter(|nic| !live.nics.contains(nic));
        live.unplugged.extend(without_cable.map(|nic| (nic, Instant::now())));
    }

    /// The guest has released a card; another of its name can be added.
    pub(super) fn card_released(&mut self, nic: InterfaceId) {
        if let Some(live) = &mut self.live
            && live.unplugged.remove(&nic).is_some()
        {
            tracing::info!(instance = %self.id, %nic, "card released");
        }
    }
}
