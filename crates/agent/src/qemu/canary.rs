//! Which accelerator really works: decided by a guest that runs, not by a device file that exists.
//!
//! `/dev/kvm` may be there and spin, abort, or interpret instruction by instruction (nested and paravirtual variants do). The canary
//! (`canary.s`) goes the way of every stock kernel into 64-bit code, does 2^25 rounds of work through memory and says its word:
//! hardware needs a tenth of a second for all of it, the translator a quarter, a broken or interpreting KVM never makes the limit.
//! The verdict holds for this run of the machine and is kept in the state folder.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use hostspec::Accelerator;
use serde::{Deserialize, Serialize};
use tokio::process::Command;

/// Seconds that the canary has, ten times what the slower of the good ways needs on an idle machine.
const LIMIT: Duration = Duration::from_secs(3);

/// What the canary writes.
const WORD: &[u8] = b"canary";

/// Exit status of QEMU after the canary wrote 0x2a to isa-debug-exit: 2 × 0x2a + 1.
const STATUS: i32 = 85;

/// Size of its disk: SeaBIOS does not boot from one of a single sector.
const DISK_BYTES: u64 = 1 << 20;

static BOOT_SECTOR: &[u8; 512] = include_bytes!("canary.bin");

/// A verdict and the run of the machine that it holds for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Verdict {
    boot_id: String,
    accelerator: Accelerator,
    reason: String,
}

/// Decides between KVM and the translator, at most once per run of the machine.
pub async fn decide(qemu: &Path, state: &Path) -> Accelerator {
    let kept = state.join("accelerator.json");
    let boot_id = crate::files::boot_id();
    if let Ok(Some(verdict)) = crate::files::load::<Verdict>(&kept)
        && verdict.boot_id == boot_id
    {
        return verdict.accelerator;
    }
    let (accelerator, reason) = match fly(qemu, state, "kvm").await {
        Ok(()) => (Accelerator::Kvm, "the canary lived".to_owned()),
        Err(why) => (Accelerator::Tcg, why),
    };
    tracing::info!(?accelerator, reason, "accelerator chosen");
    if let Err(e) = crate::files::store_durably(&kept, &Verdict { boot_id, accelerator, reason }) {
        tracing::warn!(error = %e, "the accelerator's verdict could not be kept");
    }
    accelerator
}

/// Runs the canary under an accelerator (QEMU's name); says why when it did not come back in time.
pub async fn fly(qemu: &Path, state: &Path, accelerator: &str) -> Result<(), String> {
    if accelerator == "kvm" && !Path::new("/dev/kvm").exists() {
        return Err("there is no /dev/kvm".to_owned());
    }
    let disk = state.join("canary.img");
    write_disk(&disk).map_err(|e| format!("the canary's disk: {e}"))?;
    let run = Command::new(qemu)
        .args(["-no-user-config", "-nodefaults", "-display", "none", "-m", "16", "-sandbox", "on,spawn=deny"])
        .args(["-machine", &format!("pc,accel={accelerator}"), "-cpu", "max"])
        .args(["-blockdev", &format!("driver=file,node-name=f,read-only=on,filename={}", disk.display().to_string().replace(',', ",,"))])
        .args(["-blockdev", "driver=raw,node-name=d,file=f,read-only=on", "-device", "virtio-blk-pci,drive=d"])
        .args(["-chardev", "stdio,id=word", "-device", "isa-debugcon,iobase=0xe9,chardev=word"])
        .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=4"])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let ended = tokio::time::timeout(LIMIT, run).await;
    drop(crate::files::remove(&disk));
    match ended {
        Err(_) => Err(format!("the canary did not come back within {LIMIT:?}")),
        Ok(Err(e)) => Err(format!("QEMU did not start: {e}")),
        Ok(Ok(out)) if out.status.code() == Some(STATUS) && out.stdout.ends_with(WORD) => Ok(()),
        Ok(Ok(out)) => Err(format!("QEMU ended with {}: {}", out.status, String::from_utf8_lossy(&out.stderr).trim())),
    }
}

fn write_disk(path: &Path) -> io::Result<()> {
    fs::write(path, BOOT_SECTOR)?;
    fs::OpenOptions::new().write(true).open(path)?.set_len(DISK_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QEMU: &str = "/usr/bin/qemu-system-x86_64";

    #[tokio::test]
    async fn the_canary_lives_where_guests_do() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(fly(Path::new(QEMU), state.path(), "tcg").await, Ok(()));
    }

    #[tokio::test]
    async fn a_verdict_holds_for_this_run_of_the_machine_only() {
        let state = tempfile::tempdir().unwrap();
        let kept = state.path().join("accelerator.json");
        let verdict = |boot_id| Verdict { boot_id, accelerator: Accelerator::Kvm, reason: String::new() };
        crate::files::store(&kept, &verdict(crate::files::boot_id())).unwrap();
        assert_eq!(decide(Path::new("/nonexistent/qemu"), state.path()).await, Accelerator::Kvm);
        crate::files::store(&kept, &verdict("another".into())).unwrap();
        assert_eq!(decide(Path::new("/nonexistent/qemu"), state.path()).await, Accelerator::Tcg);
    }
}
