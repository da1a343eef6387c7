//! The state folder: everything of one cloud on one machine.
//!
//! ```text
//!   cloud.json      what was fixed when the cloud was made          control.db   the database
//!   master.key      seals secrets (0600)                            repository/  images
//!   environment     endpoint and first access key (0600)            host/        the agent's
//!   operator.sock   the operator's socket (0600)                    lock         held while `up` runs
//!   authority.json  certifies hosts (0600)                          identity.json  of a host whose server is elsewhere (0600)
//!   uploads/        blocks of snapshots that tenants write
//! ```
//!
//! Only its owner may enter it.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use control::{MASTER_KEY_LEN, MasterKey};
use ipnet::Ipv4Net;
use link::{Authority, Identity};
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::arguments::Up;

/// Range in which a free /24 is sought for public addresses: reserved for tests between networks (RFC 2544), so hardly ever
/// routed on a machine.
const POOL_RANGE: &str = "198.18.0.0/15";
/// Range of default VPCs when none is chosen, which is EC2's.
const DEFAULT_VPC: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(172, 31, 0, 0), 16);
/// Account number of the operator, who owns the public images.
pub const OPERATOR: u64 = 1;
/// Longest name of a region or zone.
const NAME_MAX: usize = 32;

/// What is fixed when a cloud is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fixed {
    /// Name of the region.
    pub region: String,
    /// Names of the zones.
    pub zones: Vec<String>,
    /// Range of default VPCs.
    pub vpc_range: Ipv4Net,
    /// Public addresses.
    pub public_pool: Ipv4Net,
}

/// The state folder of a cloud.
#[derive(Debug, Clone)]
pub struct StateFolder {
    path: PathBuf,
}

impl StateFolder {
    /// Names the folder; nothing is touched. A relative path is taken from here.
    pub fn at(path: &Path) -> Result<StateFolder> {
        let path = std::path::absolute(path).with_context(|| format!("the state folder {}", path.display()))?;
        Ok(StateFolder { path })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a cloud was ever made here.
    pub fn exists(&self) -> bool {
        self.path.join("cloud.json").exists()
    }

    /// The embedded database.
    pub fn database(&self) -> PathBuf {
        self.path.join("control.db")
    }

    /// The image repository.
    pub fn repository(&self) -> PathBuf {
        self.path.join("repository")
    }

    /// The agent's folder.
    pub fn host(&self) -> PathBuf {
        self.path.join("host")
    }

    /// The operator's socket.
    pub fn socket(&self) -> PathBuf {
        self.path.join("operator.sock")
    }

    /// Who this host is, where the server is elsewhere.
    pub fn identity(&self) -> PathBuf {
        self.path.join("identity.json")
    }

    /// Who this host is; none where no machine has joined.
    pub fn kept_identity(&self) -> Result<Option<Identity>> {
        let path = self.identity();
        match fs::read(&path).map(zeroize::Zeroizing::new) {
            Ok(bytes) => Ok(Some(Identity::from_bytes(&bytes).with_context(|| format!("{} is damaged", path.display()))?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
        }
    }

    /// What certifies hosts, made at the first time.
    pub fn authority(&self) -> Result<Authority> {
        let path = self.path.join("authority.json");
        match fs::read(&path).map(zeroize::Zeroizing::new) {
            Ok(bytes) => Authority::from_bytes(&bytes).with_context(|| format!("{} is damaged", path.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let authority = Authority::generate()?;
                write_private(&path, &authority.to_bytes())?;
                Ok(authority)
            }
            Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
        }
    }

    /// The environment file.
    pub fn environment(&self) -> PathBuf {
        self.path.join("environment")
    }

    /// Makes the folder if absent and takes its lock; fails while another `up` holds it.
    pub fn take(&self) -> Result<Flock<File>> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.path);
        made.with_context(|| format!("the state folder {} cannot be made", self.path.display()))?;
        let path = self.path.join("lock");
        let lock = OpenOptions::new().create(true).write(true).truncate(false).mode(0o600).open(&path);
        let lock = lock.with_context(|| format!("the state folder {} cannot be written", self.path.display()))?;
        match Flock::lock(lock, FlockArg::LockExclusiveNonblock) {
            Ok(held) => Ok(held),
            Err(_) => bail!("another pileus runs on {}; `pileus status` says what it does, `pileus down` stops it", self.path.display()),
        }
    }

    /// Reads what is fixed, or fixes it now. Other wishes than those of the first time are refused.
    pub fn fix(&self, up: &Up) -> Result<Fixed> {
        let path = self.path.join("cloud.json");
        if let Some(fixed) = self.fixed()? {
            let zones_differ = !up.zones.is_empty() && up.zones != fixed.zones;
            let pool_differs = up.public_pool.is_some_and(|pool| pool.trunc() != fixed.public_pool);
            let range_differs = up.vpc_range.is_some_and(|range| range.trunc() != fixed.vpc_range);
            if up.region != fixed.region || zones_differ || pool_differs || range_differs {
                bail!(
                    "{} holds the region {} with zones {}, default VPCs of {} and public addresses {}; these cannot be changed, take \
                     another state folder",
                    self.path.display(),
                    fixed.region,
                    fixed.zones.join(","),
                    fixed.vpc_range,
                    fixed.public_pool,
                );
            }
            return Ok(fixed);
        }
        let zones = if up.zones.is_empty() { vec![format!("{}a", up.region)] } else { up.zones.clone() };
        check_names(&up.region, &zones)?;
        let public_pool = match up.public_pool {
            Some(pool) => pool.trunc(),
            None => self.free_pool()?,
        };
        let fixed = Fixed { region: up.region.clone(), zones, vpc_range: up.vpc_range.unwrap_or(DEFAULT_VPC).trunc(), public_pool };
        write_private(&path, serde_json::to_string_pretty(&fixed)?.as_bytes())?;
        Ok(fixed)
    }

    /// What is fixed; none when no cloud was made here.
    pub fn fixed(&self) -> Result<Option<Fixed>> {
        let path = self.path.join("cloud.json");
        match fs::read(&path) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display()))?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
        }
    }

    /// The master key: in this file, or in one of the state folder, which is made at the first time.
    pub fn master_key(&self, given: Option<&Path>) -> Result<MasterKey> {
        if let Some(path) = given {
            check_private(path)?;
        }
        let path = given.map_or_else(|| self.path.join("master.key"), Path::to_owned);
        let mut bytes = zeroize::Zeroizing::new([0; MASTER_KEY_LEN]);
        match fs::read(&path).map(zeroize::Zeroizing::new) {
            Ok(kept) if kept.len() == MASTER_KEY_LEN => bytes.copy_from_slice(&kept),
            Ok(_) => bail!("{} is damaged: it must have {MASTER_KEY_LEN} bytes", path.display()),
            Err(error) if error.kind() == io::ErrorKind::NotFound && given.is_none() => {
                getrandom::fill(bytes.as_mut_slice()).context("no randomness")?;
                write_private(&path, bytes.as_slice())?;
            }
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
        }
        Ok(MasterKey::new(&bytes))
    }

    /// A /24 that no route of this machine touches, sought from a place that depends on the folder, so that several clouds
    /// mostly find theirs at once.
    fn free_pool(&self) -> Result<Ipv4Net> {
        let range: Ipv4Net = POOL_RANGE.parse().expect("a constant range");
        let pools: Vec<Ipv4Net> = range.subnets(24).expect("24 is longer than the range's prefix").collect();
        let taken = routed_ranges()?;
        let digest = Sha256::digest(self.path.as_os_str().as_encoded_bytes());
        let start = usize::from(u16::from_be_bytes([digest[3], digest[4]]));
        let candidates = (0..pools.len()).map(|step| pools[(start + step) % pools.len()]);
        let free = |pool: &Ipv4Net| !taken.iter().any(|net| net.contains(pool) || pool.contains(net));
        candidates.into_iter().find(free).context("no /24 of 198.18.0.0/15 is free; choose a range with --public-pool")
    }
}

/// Refuses a file that others than its owner can read.
fn check_private(path: &Path) -> Result<()> {
    let mode = fs::metadata(path).with_context(|| format!("{} cannot be read", path.display()))?.permissions().mode();
    if mode & 0o077 != 0 {
        bail!("{} can be read by others than its owner: its mode is {:03o} and must be 600", path.display(), mode & 0o777);
    }
    Ok(())
}

/// Writes a file that only its owner can read, whole or not at all.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let fresh = path.with_extension("new");
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&fresh)?;
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
    };
    write().with_context(|| format!("{} cannot be written", path.display()))
}

fn check_names(region: &str, zones: &[String]) -> Result<()> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    for name in zones.iter().map(String::as_str).chain([region]) {
        if name.is_empty() || name.len() > NAME_MAX || !name.chars().all(allowed) {
            bail!("'{name}' cannot name a region or zone: use 1 to {NAME_MAX} of a-z, 0-9 and -");
        }
    }
    let mut distinct = zones.to_vec();
    distinct.sort();
    distinct.dedup();
    if distinct.len() != zones.len() {
        bail!("two zones have the same name");
    }
    Ok(())
}

/// Ranges that the main routing table names, the default route apart (`/proc/net/route`: hexadecimal in the byte order of the
/// machine).
fn routed_ranges() -> Result<Vec<Ipv4Net>> {
    let table = fs::read_to_string("/proc/net/route").context("the routing table cannot be read")?;
    let number = |text: &str| u32::from_str_radix(text, 16).ok().map(|n| n.to_ne_bytes()).map(std::net::Ipv4Addr::from);
    let row = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (to, mask) = (number(fields.get(1)?)?, number(fields.get(7)?)?);
        Ipv4Net::with_netmask(to, mask).ok()
    };
    Ok(table.lines().skip(1).filter_map(row).filter(|net| net.prefix_len() > 0).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_key_is_made_once_and_read_only_by_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFolder::at(folder.path()).unwrap();
        let sealed = state.master_key(None).unwrap().seal("x", &secrecy::SecretString::from("s")).unwrap();
        assert!(state.master_key(None).unwrap().open("x", &sealed).is_ok(), "the second time reads the first key");
        let mode = fs::metadata(folder.path().join("master.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_second_up_on_the_same_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFolder::at(folder.path()).unwrap();
        let held = state.take().unwrap();
        assert!(state.take().unwrap_err().to_string().contains("another pileus runs"));
        drop(held);
        assert!(state.take().is_ok());
    }

    #[test]
    fn strange_names_of_regions_are_refused() {
        for bad in ["", "UPPER", "a b", "../x", &"a".repeat(33)] {
            assert!(check_names(bad, &["z".to_owned()]).is_err(), "{bad}");
        }
        assert!(check_names("r", &["a".to_owned(), "a".to_owned()]).is_err());
    }
}
