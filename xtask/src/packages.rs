//! The Debian packages that Pileus needs, in one list, and their installation.
//!
//! It knows apt and nothing of what the packages are for beyond their comment.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::run;

/// What running the cloud and building its small image takes.
pub const RUN: &[&str] = &[
    "cpio",                   // the image's initrd
    "debian-archive-keyring", // checks the packages that images are made of
    "e2fsprogs",              // mkfs.ext4 -d
    "fdisk",                  // sfdisk: partition tables in files
    "grub-common",            // grub-mkimage
    "grub-pc-bin",            // GRUB for BIOS
    "iproute2",               // for people who look; the agent speaks netlink
    "kmod",                   // depmod, modprobe --show-depends
    "nftables",               // security groups
    "openssh-client",         // the ssh line at the end of `up`
    "qemu-system-x86",        // the hypervisor
    "qemu-utils",             // qemu-img
    "zstd",                   // the image's initrd
];

/// What only the tests and the stock image take.
pub const TEST: &[&str] = &[
    "bird2",          // announces public addresses in the agent's tests
    "curl",           // a client of the native API
    "frr",            // likewise
    "iputils-ping",   // what guests in namespaces send
    "mmdebstrap",     // the stock Debian image
    "openssl",        // password hashes and certificates in tests
    "packer",         // its builders for the three clouds
    "postgresql",     // the store's second engine
    "python3-venv",   // the vendors' own clients
    "sshpass",        // log in by password
    "busybox-static", // small guests in the agent's tests
    "strace",         // looks at what a caged QEMU may do
];

/// Returns both lists in one.
pub fn all() -> Vec<&'static str> {
    RUN.iter().chain(TEST).copied().collect()
}

/// Installs those that are missing, one line each.
///
/// Fails with words that say what to do where the machine has no apt, where this is not
/// root, or where apt fails.
pub fn install(wanted: &[&str]) -> Result<()> {
    let missing = missing(wanted)?;
    if missing.is_empty() {
        println!("  all {} Debian packages are installed", wanted.len());
        return Ok(());
    }
    let by_hand = format!("apt-get install --no-install-recommends {}", missing.join(" "));
    if !nix::unistd::geteuid().is_root() {
        bail!("{} Debian packages are missing and this is not root. Run as root:\n  {by_hand}", missing.len());
    }
    println!("  missing: {}", missing.join(" "));
    run::shown(apt(&["update", "-qq"]).stdout(Stdio::null()))
        .context("the package lists cannot be read; is there a network and a mirror in /etc/apt?")?;
    apt_install(&missing).with_context(|| format!("apt could not do it; see its words above, or run by hand:\n  {by_hand}"))?;
    // A package from elsewhere, as a newer qemu-utils, goes when apt installs what does not agree with it.
    let gone = self::missing(wanted)?;
    if !gone.is_empty() {
        println!("  removed meanwhile: {}", gone.join(" "));
        apt_install(&gone).with_context(|| format!("packages do not agree with each other: {}", gone.join(" ")))?;
    }
    let missing = self::missing(wanted)?;
    if !missing.is_empty() {
        bail!("apt installed all and removed again: {}", missing.join(" "));
    }
    Ok(())
}

fn missing<'a>(wanted: &[&'a str]) -> Result<Vec<&'a str>> {
    let mut query = run::command("dpkg-query", &["--show", "--showformat", "${db:Status-Abbrev} ${Package}\n"]);
    // Unknown names make dpkg-query fail and say so; they are simply missing.
    let Ok(output) = query.args(wanted).stderr(Stdio::null()).output() else {
        bail!(
            "this is not a Debian-type machine (no dpkg-query). Install what these packages hold by hand, \
             then start `pileus` directly:\n  {}",
            wanted.join(" ")
        );
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let installed: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("ii  ")).collect();
    Ok(wanted.iter().copied().filter(|name| !installed.contains(name)).collect())
}

fn apt_install(missing: &[&str]) -> Result<()> {
    let mut command = apt(&["install", "--yes", "--no-install-recommends"]);
    command.args(missing).stdout(Stdio::piped());
    let mut child = command.spawn().context("cannot start apt-get")?;
    let stdout = child.stdout.take().expect("it was asked to be piped");
    for line in BufReader::new(stdout).lines() {
        if let Some(package) = line?.strip_prefix("Setting up ") {
            println!("  installed {}", package.trim_end_matches(" ..."));
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("apt-get install ended with {status}");
    }
    Ok(())
}

fn apt(arguments: &[&str]) -> Command {
    let mut command = run::command("apt-get", arguments);
    // Another apt may hold the lock: five minutes is a large upgrade.
    command.args(["-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"]);
    // Run level 1 keeps packages from starting their services; nothing here uses the system's own.
    command.env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_package_is_listed_twice() {
        let mut names = all();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn an_unknown_package_is_missing_and_an_installed_one_is_not() {
        if !run::succeeds(&mut run::command("dpkg-query", &["--version"])) {
            return;
        }
        assert_eq!(missing(&["dpkg", "no-such-package-here"]).unwrap(), ["no-such-package-here"]);
    }
}
