//! What several tests need: disks with known bytes, and the example's process, which ends with its guard.

#![allow(dead_code, reason = "each test file uses a part")]

use pileus_repository::{Digest, Object, Repository, server};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for anything in these tests.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes that look random, the same for the same seed.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// A disk of `mib` MiB: noise, text and zeroes in turn, 300,000 bytes of each so that no border is a chunk's, and an odd end.
pub fn disk(mib: usize) -> Vec<u8> {
    let size = (mib << 20) + 777;
    let mut bytes = Vec::with_capacity(size + 300_000);
    for turn in 0u64.. {
        if bytes.len() >= size {
            break;
        }
        match turn % 4 {
            0 => bytes.extend(noise(turn + 1, 300_000)),
            1 => bytes.extend(format!("line {turn} of a file\n").into_bytes().into_iter().cycle().take(300_000)),
            _ => bytes.resize(bytes.len() + 300_000, 0),
        }
    }
    bytes.truncate(size);
    bytes
}

/// The path of the example, which `cargo test` builds beside the tests.
pub fn example() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let path = test.parent().and_then(Path::parent).expect("target/debug/deps").join("examples/repository");
    assert!(path.exists(), "{} is missing: cargo build --examples", path.display());
    path
}

/// A child process that does not outlive its guard.
pub struct Process(pub Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An image server in a process of its own.
pub struct Server {
    pub process: Process,
    pub socket: PathBuf,
    pub log: PathBuf,
}

impl Server {
    /// Starts one on a folder's repository, and waits until it answers. Its log goes on where a former one's ended.
    pub fn start(folder: &Path) -> Server {
        let (socket, log) = (folder.join("socket"), folder.join("log"));
        let to = fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let child = Command::new(example()).arg("serve").arg(folder.join("repository")).arg(&socket).stderr(to).spawn().unwrap();
        let server = Server { process: Process(child), socket, log };
        eventually("the server answers", || server::is_serving(&server.socket));
        server
    }

    pub fn kill(mut self) {
        self.process.0.kill().unwrap();
        self.process.0.wait().unwrap();
    }

    /// The address of an image for QEMU's tools.
    pub fn url(&self, image: &Digest) -> String {
        format!("nbd+unix:///{image}?socket={}", self.socket.display())
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}

/// Waits for a condition, and fails if it does not come.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs one of QEMU's tools, and returns whether it succeeded and what it said.
pub fn tool(name: &str, arguments: &[&str]) -> (bool, String) {
    let limit = PATIENCE.as_secs().to_string();
    let output = Command::new("timeout").arg(limit).arg(name).args(arguments).stdin(Stdio::null()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// The file of an object.
pub fn file_of(repository: &Path, object: Object) -> PathBuf {
    match object {
        Object::Manifest(digest) => repository.join("manifests").join(digest.to_string()),
        Object::Chunk(digest) => repository.join("chunks").join(&digest.to_string()[..2]).join(digest.to_string()),
        Object::Blob(digest) => repository.join("blobs").join(digest.to_string()),
    }
}

/// Changes one bit in the middle of a file.
pub fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Imports a disk into a folder's repository.
pub fn import(folder: &Path, disk: &[u8]) -> (Repository, Digest) {
    let repository = Repository::open(folder.join("repository")).unwrap();
    let image = repository.import_raw(disk, None).unwrap();
    (repository, image)
}

/// The stored chunks of an image, in order.
pub fn chunks(repository: &Repository, image: &Digest) -> Vec<Digest> {
    repository.manifest(image).unwrap().chunks.into_iter().flatten().collect()
}
