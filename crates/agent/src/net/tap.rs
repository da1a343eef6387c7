//! Taps: the host's end of a machine's network interface.
//!
//! A tap is persistent: it belongs to its namespace, not to whoever opened it, so it outlives QEMU and the agent. Frames
//! carry the virtio header (`IFF_VNET_HDR`), which lets a guest leave checksums and segmentation to the host.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::libc;

/// Length of an interface's name with its NUL, `IFNAMSIZ`.
const NAME_SIZE: usize = 16;
const FLAGS: libc::c_short = (libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR) as libc::c_short;

/// `struct ifreq` as `TUNSETIFF` reads it: a name, flags, and the rest of the union.
#[repr(C)]
struct Request {
    name: [u8; NAME_SIZE],
    flags: libc::c_short,
    rest: [u8; 22],
}

/// Opens the tap of this name in the namespace of the calling thread, making it when it is not there. Only root may open it
/// again. Fails with `EBUSY` while somebody else has it open.
#[expect(unsafe_code, reason = "the tun ioctls have no safe wrapper in nix")]
pub fn open(name: &str) -> io::Result<OwnedFd> {
    if name.len() >= NAME_SIZE {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name} is too long for a link's name")));
    }
    let tun = File::options().read(true).write(true).open("/dev/net/tun")?;
    let mut request = Request { name: [0; NAME_SIZE], flags: FLAGS, rest: [0; 22] };
    request.name[..name.len()].copy_from_slice(name.as_bytes());
    // SAFETY: the request has the size of `struct ifreq` and lives through the call, which writes only the name back.
    checked(unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETIFF, &mut request) })?;
    // SAFETY: TUNSETOWNER takes a plain user id.
    checked(unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETOWNER, 0 as libc::c_ulong) })?;
    // SAFETY: TUNSETPERSIST takes a plain integer.
    checked(unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETPERSIST, 1 as libc::c_ulong) })?;
    Ok(tun.into())
}

fn checked(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
