//! A process that is not our child: found again by pid and start time, watched and killed through a descriptor.
//!
//! A pid may be given to another process once its owner is gone, so a [`Process`] holds a pidfd, opened first and then compared
//! with the start time that was written down. It tells the end of the process without asking, also of one that this agent did
//! not start.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use nix::libc;
use serde::{Deserialize, Serialize};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// What identifies a process on one run of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its number.
    pub pid: i32,
    /// When it started, in clock ticks since the machine did.
    pub start_ticks: u64,
    /// The run of the machine.
    pub boot_id: String,
}

impl Identity {
    /// Reads the identity of a process that exists now.
    pub fn of(pid: i32) -> io::Result<Identity> {
        Ok(Identity { pid, start_ticks: start_ticks(pid)?, boot_id: crate::files::boot_id() })
    }
}

/// A live process.
#[derive(Debug)]
pub struct Process {
    identity: Identity,
    fd: AsyncFd<OwnedFd>,
}

impl Process {
    /// Finds a process; none when it is gone, or when its number now belongs to another.
    pub fn find(identity: &Identity) -> io::Result<Option<Process>> {
        if identity.boot_id != crate::files::boot_id() {
            return Ok(None);
        }
        let fd = match pidfd_open(identity.pid) {
            Ok(fd) => fd,
            Err(e) if e.raw_os_error() == Some(libc::ESRCH) => return Ok(None),
            Err(e) => return Err(e),
        };
        match start_ticks(identity.pid) {
            Ok(ticks) if ticks == identity.start_ticks => {}
            Ok(_) => return Ok(None),
            Err(e) if e.kind() == io::ErrorKind::NotFound || e.raw_os_error() == Some(libc::ESRCH) => return Ok(None),
            Err(e) => return Err(e),
        }
        #[expect(unsafe_code, reason = "tokio asks the caller to keep the descriptor open")]
        // SAFETY: the descriptor is owned by the AsyncFd itself and is never taken out of it.
        let fd = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }.map_err(|e| io::Error::other(e.to_string()))?;
        let process = Process { identity: identity.clone(), fd };
        Ok((!process.ended()).then_some(process))
    }

    /// Its number.
    pub fn pid(&self) -> i32 {
        self.identity.pid
    }

    /// Waits until it has ended.
    pub async fn exited(&self) {
        // A pidfd becomes readable when its process ends and stays so.
        if let Err(e) = self.fd.readable().await {
            tracing::error!(pid = self.pid(), error = %e, "a process cannot be watched");
            std::future::pending::<()>().await;
        }
    }

    /// Kills it and waits for its end; false when it has not ended within `limit` (a process in an uninterruptible call).
    pub async fn kill(&self, limit: Duration) -> bool {
        pidfd_send_signal(self.fd.get_ref(), libc::SIGKILL);
        tokio::time::timeout(limit, self.exited()).await.is_ok()
    }

    fn ended(&self) -> bool {
        let mut poll = [nix::poll::PollFd::new(std::os::fd::AsFd::as_fd(self.fd.get_ref()), nix::poll::PollFlags::POLLIN)];
        nix::poll::poll(&mut poll, nix::poll::PollTimeout::ZERO).is_ok_and(|n| n > 0)
    }
}

/// Reads when a process started: field 22 of `/proc/PID/stat`, counted after the parenthesised name, which may hold anything.
fn start_ticks(pid: i32) -> io::Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    after_name.split_whitespace().nth(19).and_then(|t| t.parse().ok()).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

#[expect(unsafe_code, reason = "no crate in use wraps pidfd_open")]
fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: pidfd_open takes two integers and touches no memory of ours.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given us this descriptor, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

#[expect(unsafe_code, reason = "no crate in use wraps pidfd_send_signal")]
fn pidfd_send_signal(fd: &OwnedFd, signal: i32) {
    // SAFETY: the descriptor is open for as long as `fd` lives; a null siginfo is allowed and means the default one. The only
    // failure for a live descriptor is that the process is gone, which is what the caller wants.
    unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd.as_raw_fd(), signal, std::ptr::null::<libc::siginfo_t>(), 0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_process_is_found_watched_and_killed() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let identity = Identity::of(child.id() as i32).unwrap();
        let process = Process::find(&identity).unwrap().unwrap();
        assert!(process.kill(LIMIT).await);
        child.wait().unwrap();
        assert!(Process::find(&identity).unwrap().is_none());
    }

    #[tokio::test]
    async fn another_process_with_the_same_number_is_not_taken_for_it() {
        let mine = Identity::of(std::process::id() as i32).unwrap();
        assert!(Process::find(&mine).unwrap().is_some());
        assert!(Process::find(&Identity { start_ticks: mine.start_ticks + 1, ..mine.clone() }).unwrap().is_none());
        assert!(Process::find(&Identity { boot_id: "another".into(), ..mine }).unwrap().is_none());
    }
}
