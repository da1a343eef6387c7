//! What this machine must have to run instances, and clear words when it has not.

use std::path::Path;

use anyhow::{Result, bail};

/// Programs and devices, and the Debian package or the step that brings each.
const NEEDED: [(&str, &str); 2] = [
    ("/usr/bin/qemu-system-x86_64", "install it: apt-get install --no-install-recommends qemu-system-x86"),
    ("/dev/net/tun", "load it: modprobe tun"),
];

/// Checks that instances can run here.
pub fn check() -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        bail!("running instances takes root (network namespaces, taps, cages): use sudo, or try the API with --simulate 1");
    }
    for (path, remedy) in NEEDED {
        if !Path::new(path).exists() {
            bail!("{path} is missing; {remedy}");
        }
    }
    Ok(())
}
