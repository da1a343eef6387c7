//! Buckets: folders that the operator lends to accounts, `DIR/ACCOUNT/BUCKET/KEY`.
//!
//! A key comes from a tenant, and whoever fills a bucket may have put anything into it. So the kernel itself is told to stay below the
//! account's folder and to follow no link (`openat2`, Linux 5.6), and what is opened is looked at before it is believed: regular files are
//! read, nothing else. A new object has no name until all of it is on the disk (`O_TMPFILE`), so nobody meets half of one, and one whose
//! writer dies was never there.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use model::{AccountId, BucketObject};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{Gid, Uid, fchown, linkat};

/// The folder of all buckets.
#[derive(Debug, Clone)]
pub struct Buckets {
    folder: Arc<OwnedFd>,
}

/// Why an object cannot be had: words for the tenant, or a fault of the system for the operator.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// The tenant can mend it.
    #[error("{0}")]
    Refused(String),
    /// The operator can.
    #[error("{what}: {error}")]
    Fault {
        /// What was being done.
        what: &'static str,
        /// What the system said.
        error: io::Error,
    },
}

/// An object that is being written; it is nowhere until it is kept.
#[derive(Debug)]
pub struct NewObject {
    /// Its bytes.
    pub file: File,
    folder: OwnedFd,
    name: String,
}

impl Buckets {
    /// Opens the folder, which must be there.
    pub fn open(folder: &Path) -> Result<Buckets> {
        let opened = File::open(folder).with_context(|| format!("the folder of buckets {} cannot be opened", folder.display()))?;
        if !opened.metadata().is_ok_and(|about| about.is_dir()) {
            bail!("{} is no folder: --buckets names one", folder.display());
        }
        Ok(Buckets { folder: Arc::new(opened.into()) })
    }

    /// Opens an object of an account for reading.
    pub fn object(&self, account: AccountId, object: &BucketObject) -> Result<File, BucketError> {
        let bucket = self.bucket(account, &object.bucket)?;
        // Without O_NONBLOCK a pipe would hold its reader until somebody writes to it.
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let file = File::from(below(&bucket, Path::new(&object.key), flags).map_err(|errno| refused(errno, object))?);
        let about = file.metadata().map_err(fault("looking at an object"))?;
        let kind = about.file_type();
        if !kind.is_file() {
            let is = match () {
                () if kind.is_dir() => "a folder",
                () if kind.is_fifo() || kind.is_socket() => "a pipe or a socket",
                () => "a device",
            };
            return Err(BucketError::Refused(format!("the object {} is {is}, not a file", shown(object))));
        }
        Ok(file)
    }

    /// Begins a new object of an account. Folders that its key names are made.
    pub fn begin(&self, account: AccountId, object: &BucketObject) -> Result<NewObject, BucketError> {
        let mut folder = self.bucket(account, &object.bucket)?;
        let mut parts: Vec<&str> = object.key.split('/').collect();
        let name = parts.pop().unwrap_or_default().to_owned();
        for part in parts {
            match mkdirat(&folder, part, Mode::from_bits_truncate(0o750)) {
                Ok(()) => hand_to_owner(&folder, &below(&folder, Path::new(part), FOLDER).map_err(|errno| refused(errno, object))?),
                Err(Errno::EEXIST) => {}
                Err(errno) => return Err(written(errno, object)),
            }
            folder = below(&folder, Path::new(part), FOLDER).map_err(|errno| refused(errno, object))?;
        }
        let flags = OFlag::O_RDWR | OFlag::O_TMPFILE | OFlag::O_CLOEXEC;
        let how = OpenHow::new().flags(flags).mode(Mode::from_bits_truncate(0o640)).resolve(resolve());
        let file = openat2(&folder, ".", how).map_err(|errno| written(errno, object))?;
        hand_to_owner(&folder, &file);
        Ok(NewObject { file: file.into(), folder, name })
    }

    fn bucket(&self, account: AccountId, bucket: &str) -> Result<OwnedFd, BucketError> {
        // In two steps: a bucket's name leads nowhere but down from its account.
        let opened = below(&self.folder, Path::new(&account.to_string()), FOLDER);
        opened.and_then(|account| below(&account, Path::new(bucket), FOLDER)).map_err(|errno| match errno {
            Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::EXDEV => BucketError::Refused(format!("there is no bucket {bucket}")),
            other => fault("opening a bucket")(other.into()),
        })
    }
}

impl NewObject {
    /// Has all of it on the disk, and then gives it its name. One of the same name is whole already: the name holds the task's id.
    pub fn keep(self) -> Result<u64, BucketError> {
        self.file.sync_all().map_err(fault("syncing an object"))?;
        let path = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        match linkat(AT_FDCWD, path.as_str(), &self.folder, self.name.as_str(), AtFlags::AT_SYMLINK_FOLLOW) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(fault("naming an object")(errno.into())),
        }
        let folder = File::from(self.folder);
        folder.sync_all().map_err(fault("syncing a bucket"))?;
        self.file.metadata().map(|about| about.len()).map_err(fault("looking at an object"))
    }
}

const FOLDER: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY);

fn resolve() -> ResolveFlag {
    ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS
}

fn below(folder: &OwnedFd, path: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
    openat2(folder, path, OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(resolve()))
}

/// Gives what was made to whom the folder belongs, who could not read it otherwise. A server that may not do so owns both.
fn hand_to_owner(folder: &OwnedFd, made: &OwnedFd) {
    let owner = folder.try_clone().map(File::from).and_then(|folder| folder.metadata());
    let given = owner.map(|owner| fchown(made, Some(Uid::from_raw(owner.uid())), Some(Gid::from_raw(owner.gid()))));
    if !matches!(given, Ok(Ok(()))) {
        tracing::debug!(?given, "a new object stays the server's own");
    }
}

fn shown(object: &BucketObject) -> String {
    format!("{}/{}", object.bucket, object.key)
}

fn refused(errno: Errno, object: &BucketObject) -> BucketError {
    let object = shown(object);
    match errno {
        Errno::ENOENT | Errno::ENOTDIR => BucketError::Refused(format!("there is no object {object}")),
        Errno::ELOOP => BucketError::Refused(format!("the object {object} is a symbolic link, or lies behind one")),
        Errno::EXDEV => BucketError::Refused(format!("the object {object} lies outside its bucket")),
        Errno::ENAMETOOLONG => BucketError::Refused(format!("the key of {object} is too long")),
        // A socket, or a device without a driver.
        Errno::ENXIO | Errno::ENODEV => BucketError::Refused(format!("the object {object} is not a file")),
        other => fault("opening an object")(other.into()),
    }
}

fn written(errno: Errno, object: &BucketObject) -> BucketError {
    match errno {
        Errno::ENOSPC | Errno::EDQUOT => BucketError::Refused(format!("the bucket {} has no room", object.bucket)),
        Errno::EROFS | Errno::EACCES => BucketError::Refused(format!("the bucket {} cannot be written to", object.bucket)),
        Errno::EOPNOTSUPP | Errno::EISDIR => {
            tracing::error!(bucket = object.bucket, "the file system of a bucket has no O_TMPFILE: nothing can be exported to it");
            BucketError::Refused(format!("the bucket {} cannot be written to", object.bucket))
        }
        other => fault("making an object")(other.into()),
    }
}

fn fault(what: &'static str) -> impl FnOnce(io::Error) -> BucketError {
    move |error| BucketError::Fault { what, error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::{Read, Write};
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    struct World {
        folder: tempfile::TempDir,
        buckets: Buckets,
        account: AccountId,
    }

    impl World {
        fn new() -> World {
            let folder = tempfile::tempdir().unwrap();
            let account = AccountId::from_u64(7).unwrap();
            fs::create_dir_all(folder.path().join("000000000007/disks")).unwrap();
            fs::create_dir_all(folder.path().join("000000000008/theirs")).unwrap();
            fs::write(folder.path().join("000000000008/theirs/disk.raw"), b"secret").unwrap();
            let buckets = Buckets::open(folder.path()).unwrap();
            World { folder, buckets, account }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join("000000000007/disks").join(name)
        }

        /// What comes of reading an object whose names nobody has checked.
        fn read(&self, bucket: &str, key: &str) -> Result<String, String> {
            let object = BucketObject { bucket: bucket.to_owned(), key: key.to_owned() };
            let mut text = String::new();
            let mut file = self.buckets.object(self.account, &object).map_err(|error| error.to_string())?;
            file.read_to_string(&mut text).map_err(|error| error.to_string())?;
            Ok(text)
        }
    }

    #[test]
    fn only_files_of_the_account_are_read_whatever_is_asked_for() {
        let world = World::new();
        fs::create_dir(world.path("folder")).unwrap();
        fs::write(world.path("folder/disk.raw"), b"mine").unwrap();
        symlink("/etc/passwd", world.path("passwd")).unwrap();
        symlink("../../000000000008/theirs/disk.raw", world.path("theirs")).unwrap();
        symlink("folder/disk.raw", world.path("inside")).unwrap();
        symlink("/", world.path("root")).unwrap();
        symlink("../000000000008/theirs", world.folder.path().join("000000000007/linked")).unwrap();
        nix::unistd::mkfifo(&world.path("pipe"), Mode::from_bits_truncate(0o600)).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(world.path("socket")).unwrap();
        assert_eq!(world.read("disks", "folder/disk.raw"), Ok("mine".to_owned()));
        for (bucket, key, expected) in [
            ("disks", "passwd", "symbolic link"),
            ("disks", "theirs", "symbolic link"),
            ("disks", "inside", "symbolic link"),
            ("disks", "root/etc/passwd", "symbolic link"),
            ("disks", "../../000000000008/theirs/disk.raw", "outside its bucket"),
            ("disks", "/etc/passwd", "outside its bucket"),
            ("disks", "absent", "no object"),
            ("disks", "folder", "a folder"),
            ("disks", "pipe", "a pipe"),
            ("disks", "socket", "not a file"),
            ("disks", "folder/disk.raw/x", "no object"),
            ("theirs", "disk.raw", "no bucket"),
            ("linked", "disk.raw", "no bucket"),
            ("../000000000008/theirs", "disk.raw", "no bucket"),
        ] {
            let refused = world.read(bucket, key).unwrap_err();
            assert!(refused.contains(expected), "{bucket} {key}: {refused}");
        }
    }

    #[test]
    fn a_new_object_is_there_when_it_is_whole_and_not_before() {
        let world = World::new();
        let object = BucketObject::new("disks", "out/of/here.raw").unwrap();
        let mut half = world.buckets.begin(world.account, &object).unwrap();
        half.file.write_all(b"half").unwrap();
        let folder = world.path("out/of");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        drop(half);
        let mut whole = world.buckets.begin(world.account, &object).unwrap();
        whole.file.write_all(b"whole").unwrap();
        assert_eq!(whole.keep().unwrap(), 5);
        assert_eq!(fs::read(folder.join("here.raw")).unwrap(), b"whole");
        // Somebody planted a link where folders would be made.
        symlink("../../../000000000008", world.path("away")).unwrap();
        let astray = BucketObject::new("disks", "away/theirs/new.raw").unwrap();
        assert!(world.buckets.begin(world.account, &astray).unwrap_err().to_string().contains("symbolic link"));
        assert_eq!(fs::read_dir(world.folder.path().join("000000000008/theirs")).unwrap().count(), 1);
    }
}
