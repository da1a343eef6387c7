//! Trial restores: a disk is made of a snapshot, a machine without any network boots from it, and what it came to is kept as tags.
//!
//! ```text
//!   Waiting ──(a host has room)──▶ Running ──(verdict, limit, snapshot deleted)──▶ Removing ──(bytes are gone)──▶ row gone
//!      ▲  └──(limit)──▶ row gone      └──(room is wanted)──▶ Removing { again } ──(bytes are gone)──┐
//!      └───────────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! A snapshot has at most one. Not known here: how a host makes machine and disk, what is shown of a verdict by whom.

use serde::{Deserialize, Serialize};

use crate::{AccountId, Contents, Error, Gib, HostId, ImageId, InstanceId, Mib, Millis, Snapshot, SnapshotId, Tags, VolumeId};

/// Key of the tag by which a snapshot is tried; on a disk or on a policy, each of its snapshots. Its values are `true` and `false`.
pub const TRIAL_TAG: &str = "pileus/trial-restore";
/// Key of the tag that tells the verdict, which only the cloud gives.
pub const TRIAL_VERDICT_TAG: &str = "pileus:trial-verdict";
/// Key of the tag that tells when the verdict was found.
pub const TRIAL_AT_TAG: &str = "pileus:trial-at";
/// Key of the tag that tells why the verdict is what it is.
pub const TRIAL_REASON_TAG: &str = "pileus:trial-reason";

/// How long a guest may take to a login prompt: a stock Debian takes 50 s under emulation, and a slow machine some of that.
pub const TRIAL_BOOT_MS: i64 = 5 * 60_000;
/// How long a trial may wait for a host with room until it is given up.
pub const TRIAL_WAIT_MS: i64 = 24 * 3_600_000;
/// How often a trial that waits looks for room, and one that runs whether its room is wanted.
pub const TRIAL_LOOK_MS: i64 = 10_000;
/// How long a host may say nothing after [`TRIAL_BOOT_MS`] until the trial is begun anew: six of its reports.
pub const TRIAL_SILENT_MS: i64 = 60_000;
/// Trials on one host at a time.
pub const TRIALS_PER_HOST: usize = 1;
/// Processors of the machine of a trial.
pub const TRIAL_VCPUS: u32 = 1;
/// Memory of the machine of a trial: what stock images need to their prompt.
pub const TRIAL_MEMORY: Mib = Mib(1_024);
/// Characters of a console's end that a verdict quotes; a tag's value has 256.
const QUOTED_CHARS: usize = 160;

/// A trial of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotTrial {
    /// The snapshot, which may be gone.
    pub snapshot: SnapshotId,
    /// Its owner.
    pub account: AccountId,
    /// The host that it runs on.
    pub host: Option<HostId>,
    /// Its machine there, which is no instance.
    pub machine: InstanceId,
    /// The disk of that, which is no volume of the account.
    pub volume: VolumeId,
    /// The image that the system came of.
    pub image: Option<ImageId>,
    /// Size of the disk.
    pub size: Gib,
    /// How far it is.
    pub phase: TrialPhase,
    /// When it was asked for.
    pub created_at: Millis,
}

/// How far a trial is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "phase")]
pub enum TrialPhase {
    /// It waits for a host with room.
    Waiting {
        /// When it is given up.
        until: Millis,
    },
    /// Its machine boots.
    Running {
        /// When that has taken too long.
        until: Millis,
    },
    /// Machine and disk are taken away.
    Removing {
        /// Whether it waits for room once more then.
        again: bool,
    },
}

/// What a trial found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrialVerdict {
    /// Its guest came to a login prompt.
    Boots,
    /// It did not.
    DoesNotBoot,
    /// Its bytes in the repository are missing or damaged.
    Damaged,
    /// It is not of a system disk, so there is nothing to boot.
    NotBootable,
    /// No host had room for long.
    NotTried,
}

impl TrialVerdict {
    /// Its word, the value of the tag.
    pub const fn word(self) -> &'static str {
        match self {
            TrialVerdict::Boots => "boots",
            TrialVerdict::DoesNotBoot => "does-not-boot",
            TrialVerdict::Damaged => "damaged",
            TrialVerdict::NotBootable => "not-bootable",
            TrialVerdict::NotTried => "not-tried",
        }
    }
}

/// What a host saw of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrialSeen<'a> {
    /// The newest output of its serial console.
    pub console: &'a str,
    /// Whether its bytes cannot be read.
    pub is_damaged: bool,
    /// Whether its guest shut itself down.
    pub is_down: bool,
    /// Whether its disk's bytes are gone.
    pub is_removed: bool,
}

/// What [`SnapshotTrial::advance`] may know beside the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrialFacts<'a> {
    /// Whether its snapshot exists.
    pub snapshot_exists: bool,
    /// Whether its host is known to the installation.
    pub host_exists: bool,
    /// A host that has room; for one that runs, its own.
    pub room: Option<HostId>,
    /// What its host just said; none when it said nothing.
    pub seen: Option<TrialSeen<'a>>,
}

/// What becomes of a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrialStep {
    /// Nothing until it is looked at again.
    Wait,
    /// It goes on to another phase.
    Change(TrialPhase, Option<HostId>, Option<(TrialVerdict, String)>),
    /// The row is deleted.
    Forget(Option<(TrialVerdict, String)>),
}

/// Checks a value of [`TRIAL_TAG`].
pub fn check_trial_word(value: &str) -> Result<(), Error> {
    if matches!(value, "true" | "false") { Ok(()) } else { Err(Error::invalid("Tag.Value", format!("of {TRIAL_TAG} is true or false"))) }
}

/// Whether tags ask for trials.
pub fn asks_for_trial(tags: &Tags) -> bool {
    tags.get(TRIAL_TAG).is_some_and(|value| value == "true")
}

impl SnapshotTrial {
    /// A trial of a completed snapshot, which waits for room. Its machine and disk have these ids.
    pub fn of(snapshot: &Snapshot, machine: InstanceId, volume: VolumeId, now: Millis) -> SnapshotTrial {
        SnapshotTrial {
            snapshot: snapshot.id,
            account: snapshot.account,
            host: None,
            machine,
            volume,
            image: snapshot.image,
            size: snapshot.size,
            phase: TrialPhase::Waiting { until: now.after(TRIAL_WAIT_MS) },
            created_at: now,
        }
    }

    /// What next. It gives the same answer twice.
    pub fn advance(&self, facts: TrialFacts<'_>, now: Millis) -> TrialStep {
        match self.phase {
            TrialPhase::Waiting { .. } if !facts.snapshot_exists => TrialStep::Forget(None),
            TrialPhase::Waiting { until } if now >= until => {
                TrialStep::Forget(Some((TrialVerdict::NotTried, "no host had room for a trial".to_owned())))
            }
            TrialPhase::Waiting { .. } => match facts.room {
                Some(host) => TrialStep::Change(TrialPhase::Running { until: now.after(TRIAL_BOOT_MS) }, Some(host), None),
                None => TrialStep::Wait,
            },
            TrialPhase::Running { .. } if !facts.host_exists => self.wait_again(),
            TrialPhase::Running { .. } if !facts.snapshot_exists => self.remove(false, None),
            TrialPhase::Running { until } => {
                if let Some(verdict) = facts.seen.and_then(verdict) {
                    return self.remove(false, Some(verdict));
                }
                if now >= until {
                    let Some(seen) = facts.seen else {
                        return if now >= until.after(TRIAL_SILENT_MS) { self.remove(true, None) } else { TrialStep::Wait };
                    };
                    return self.remove(false, Some((TrialVerdict::DoesNotBoot, too_long(seen.console))));
                }
                if facts.room.is_none() { self.remove(true, None) } else { TrialStep::Wait }
            }
            TrialPhase::Removing { again } => {
                if facts.host_exists && !facts.seen.is_some_and(|seen| seen.is_removed) {
                    TrialStep::Wait
                } else if again && facts.snapshot_exists {
                    self.wait_again()
                } else {
                    TrialStep::Forget(None)
                }
            }
        }
    }

    fn remove(&self, again: bool, verdict: Option<(TrialVerdict, String)>) -> TrialStep {
        TrialStep::Change(TrialPhase::Removing { again }, self.host, verdict)
    }

    fn wait_again(&self) -> TrialStep {
        TrialStep::Change(TrialPhase::Waiting { until: self.created_at.after(TRIAL_WAIT_MS) }, None, None)
    }
}

impl Snapshot {
    /// What a trial of it starts as. Refused unless there is something to boot: the verdict says why.
    pub fn trial_contents(&self) -> Result<Contents, (TrialVerdict, String)> {
        if !self.of_root {
            return Err((TrialVerdict::NotBootable, "it is not of a system disk".to_owned()));
        }
        self.start().map_err(|_| (TrialVerdict::NotTried, "it is not completed".to_owned()))
    }

    /// Takes a verdict down.
    pub fn judge(&mut self, verdict: TrialVerdict, reason: &str, now: Millis) {
        let tags = [
            (TRIAL_VERDICT_TAG, verdict.word().to_owned()),
            (TRIAL_AT_TAG, now.timestamp().to_string()),
            (TRIAL_REASON_TAG, reason.to_owned()),
        ];
        self.tags.extend(tags.map(|(key, value)| (key.to_owned(), value)));
    }
}

/// What systems say when they have come so far that somebody can log in.
const UP: &[&str] = &["login: "];
/// What kernels, early systems and the firmware say when they go no further.
const LOST: &[&str] = &["Kernel panic", "no root file system", "VFS: Unable to mount root", "No bootable device", "emergency mode"];

fn verdict(seen: TrialSeen<'_>) -> Option<(TrialVerdict, String)> {
    if seen.is_damaged {
        return Some((TrialVerdict::Damaged, "what the snapshot holds is missing or damaged in the repository".to_owned()));
    }
    if UP.iter().any(|said| seen.console.contains(said)) {
        return Some((TrialVerdict::Boots, "its console came to a login prompt".to_owned()));
    }
    if let Some(at) = LOST.iter().filter_map(|said| seen.console.find(said)).min() {
        let line = seen.console[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let said: String = in_one_line(&seen.console[line..]).chars().take(QUOTED_CHARS).collect();
        return Some((TrialVerdict::DoesNotBoot, format!("its console says: {said}")));
    }
    seen.is_down.then(|| (TrialVerdict::DoesNotBoot, "its guest shut itself down".to_owned()))
}

fn too_long(console: &str) -> String {
    let seconds = TRIAL_BOOT_MS / 1_000;
    match end(console) {
        said if said.is_empty() => format!("nothing was on its console in {seconds} s"),
        said => format!("no login prompt in {seconds} s; its console ends: {said}"),
    }
}

/// The end of what a guest wrote, as much as a tag may hold.
fn end(console: &str) -> String {
    let line = in_one_line(console);
    line.chars().skip(line.chars().count().saturating_sub(QUOTED_CHARS)).collect()
}

/// What a guest wrote, without control characters.
fn in_one_line(console: &str) -> String {
    let words = console.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::pending;

    fn trial(phase: TrialPhase) -> SnapshotTrial {
        let row = SnapshotTrial::of(&pending(), InstanceId::from_u64(7), VolumeId::from_u64(8), Millis(0));
        SnapshotTrial { host: Some(HostId::from_u64(1)), phase, ..row }
    }

    fn facts(seen: Option<TrialSeen<'_>>) -> TrialFacts<'_> {
        TrialFacts { snapshot_exists: true, host_exists: true, room: Some(HostId::from_u64(1)), seen }
    }

    const RUNNING: TrialPhase = TrialPhase::Running { until: Millis(1_000) };

    #[track_caller]
    fn check(seen: TrialSeen<'_>, now: i64, expected: Option<TrialVerdict>) {
        let found = match trial(RUNNING).advance(facts(Some(seen)), Millis(now)) {
            TrialStep::Change(TrialPhase::Removing { again: false }, _, Some((verdict, reason))) => {
                crate::check_tag("reason", &reason).unwrap();
                Some(verdict)
            }
            TrialStep::Wait => None,
            other => panic!("{other:?}"),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn a_verdict_is_what_was_seen() {
        let console = |console| TrialSeen { console, ..TrialSeen::default() };
        let noise = "\u{1b}[0m\r\n[ 1.0] x".repeat(400);
        check(console("Debian GNU/Linux 12 debian ttyS0\r\n\r\ndebian login: "), 1, Some(TrialVerdict::Boots));
        check(console("[  1.2] Kernel panic - not syncing: VFS"), 1, Some(TrialVerdict::DoesNotBoot));
        check(console("Pileus Linux: no root file system LABEL=pileus-root; a shell"), 1, Some(TrialVerdict::DoesNotBoot));
        check(console(&noise), 1, None);
        check(console(&noise), 1_000, Some(TrialVerdict::DoesNotBoot));
        check(console(""), 999, None);
        check(console(""), 1_000, Some(TrialVerdict::DoesNotBoot));
        check(TrialSeen { is_damaged: true, ..console("login: ") }, 1, Some(TrialVerdict::Damaged));
        check(TrialSeen { is_down: true, ..console("") }, 1, Some(TrialVerdict::DoesNotBoot));
        let (_, reason) = verdict(console(&format!("{noise}\n[ 2.0] Kernel panic: x\n/ # {noise}"))).unwrap();
        assert!(reason.starts_with("its console says: [ 2.0] Kernel panic: x / # "), "{reason}");
    }

    #[test]
    fn a_trial_gives_way_and_waits_again() {
        let none = TrialFacts { room: None, ..facts(None) };
        let gives_way = TrialStep::Change(TrialPhase::Removing { again: true }, Some(HostId::from_u64(1)), None);
        assert_eq!(trial(RUNNING).advance(none, Millis(1)), gives_way);
        assert_eq!(
            trial(RUNNING).advance(facts(None), Millis(1_000 + TRIAL_SILENT_MS)),
            gives_way,
            "a host that says nothing proves nothing"
        );
        let waits = TrialStep::Change(TrialPhase::Waiting { until: Millis(TRIAL_WAIT_MS) }, None, None);
        let removed = TrialSeen { is_removed: true, ..TrialSeen::default() };
        let removing = trial(TrialPhase::Removing { again: true });
        assert_eq!(removing.advance(facts(None), Millis(1)), TrialStep::Wait);
        assert_eq!(removing.advance(facts(Some(removed)), Millis(1)), waits);
        assert_eq!(trial(RUNNING).advance(TrialFacts { host_exists: false, ..none }, Millis(1)), waits);
    }

    #[test]
    fn every_trial_ends() {
        let late = Millis(TRIAL_WAIT_MS);
        let waiting = trial(TrialPhase::Waiting { until: late });
        let none = TrialFacts { room: None, ..facts(None) };
        assert_eq!(waiting.advance(none, Millis(1)), TrialStep::Wait);
        assert!(matches!(waiting.advance(facts(None), late), TrialStep::Forget(Some((TrialVerdict::NotTried, _)))));
        let deleted = TrialFacts { snapshot_exists: false, ..facts(None) };
        assert_eq!(waiting.advance(deleted, Millis(1)), TrialStep::Forget(None));
        let removing = TrialPhase::Removing { again: false };
        assert_eq!(trial(RUNNING).advance(deleted, Millis(1)), TrialStep::Change(removing, Some(HostId::from_u64(1)), None));
        let again = trial(TrialPhase::Removing { again: true });
        assert_eq!(again.advance(TrialFacts { host_exists: false, ..deleted }, Millis(1)), TrialStep::Forget(None));
    }

    #[test]
    fn only_system_disks_are_tried_and_nobody_else_gives_verdicts() {
        assert_eq!(pending().trial_contents().unwrap_err().0, TrialVerdict::NotBootable);
        for key in [TRIAL_VERDICT_TAG, TRIAL_AT_TAG, TRIAL_REASON_TAG] {
            assert!(crate::check_tag(key, "boots").is_err());
        }
        assert!(crate::check_tag(TRIAL_TAG, "true").is_ok() && crate::check_tag(TRIAL_TAG, "yes").is_err());
    }
}
