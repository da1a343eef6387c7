//! The manifest: which chunks make a disk, and how a machine starts from it.
//!
//! ```text
//!   {"version":1,"size_bytes":1048576,"chunk_bytes":262144,"chunks":["<sha256>",2,"<sha256>"],"boot":null}
//!                                                                     data │ two chunks of zeroes
//! ```
//!
//! That of an encrypted disk ends in `"sealed":"<name of the key>"`, which tells nothing of the key: its chunks are sealed
//! ([`crate::seal`]).
//!
//! The text is canonical (fields in this order, no spaces, longest runs), so equal disks have equal digests. It holds no name and
//! no time for the same reason: what people call an image, and when it came, is the control plane's. One flat list is enough for
//! [`MAX_IMAGE_BYTES`]; the version is there for a tree of lists.

use crate::{Digest, Object, RepositoryError};
use serde::de::{self, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// The version of the format written by this build.
const VERSION: u32 = 1;

/// Largest disk in bytes. 2 TiB are 8 Mi chunks of 256 KiB, 33 bytes each in memory: 277 MB while one is read.
pub const MAX_IMAGE_BYTES: u64 = 2 << 40;

/// Longest kernel command line in bytes: `COMMAND_LINE_SIZE` of Linux on x86, with its final zero.
pub const MAX_COMMAND_LINE_BYTES: usize = 2047;

/// Smallest and largest chunk in bytes that a manifest may name. Smaller ones drown in metadata, larger ones cost a guest's 4 KiB
/// read milliseconds.
pub(crate) const CHUNK_BYTES: std::ops::RangeInclusive<u32> = 4 << 10..=16 << 20;

/// Which chunks make a disk, and how a machine starts from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Format, 1.
    pub version: u32,
    /// Size of the disk in bytes as a guest sees it.
    pub size_bytes: u64,
    /// Plain bytes in a chunk, a power of two; the last chunk has what is left.
    pub chunk_bytes: u32,
    /// The chunks in order; `None` is a chunk of zeroes, which is not stored.
    #[serde(serialize_with = "write_runs", deserialize_with = "read_runs")]
    pub chunks: Vec<Option<Digest>>,
    /// How a machine starts without a boot loader, if the image says so.
    pub boot: Option<Boot>,
    /// Name of the key that its chunks are sealed under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
}

/// A kernel that is started directly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boot {
    /// The kernel's blob.
    pub kernel: Digest,
    /// The initial RAM disk's blob.
    pub initrd: Option<Digest>,
    /// The command line, at most [`MAX_COMMAND_LINE_BYTES`].
    pub cmdline: String,
}

impl Manifest {
    /// Builds the manifest of a disk; `chunks` may be short, the rest is zeroes.
    pub(crate) fn new(size_bytes: u64, chunk_bytes: u32, mut chunks: Vec<Option<Digest>>, boot: Option<Boot>) -> Manifest {
        let count = usize::try_from(size_bytes.div_ceil(u64::from(chunk_bytes))).expect("MAX_IMAGE_BYTES keeps the count small");
        chunks.resize(count, None);
        Manifest { version: VERSION, size_bytes, chunk_bytes, chunks, boot, sealed: None }
    }

    /// Writes the canonical text.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a manifest has only text keys and plain values")
    }

    /// Reads the text of the manifest called `digest`. Corrupt if the text does not give that name, Malformed if it does but
    /// makes no sense.
    pub(crate) fn from_bytes(digest: &Digest, bytes: &[u8]) -> Result<Manifest, RepositoryError> {
        let object = Object::Manifest(*digest);
        if Digest::of(bytes) != *digest {
            return Err(RepositoryError::Corrupt { object });
        }
        let manifest: Manifest = serde_json::from_slice(bytes).map_err(|error| RepositoryError::malformed(object, error))?;
        manifest.check().map_err(|reason| RepositoryError::malformed(object, reason))?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), String> {
        if self.version != VERSION {
            return Err(format!("version {} is not known to this build", self.version));
        }
        if !CHUNK_BYTES.contains(&self.chunk_bytes) || !self.chunk_bytes.is_power_of_two() {
            return Err(format!("chunks of {} bytes", self.chunk_bytes));
        }
        if self.size_bytes > MAX_IMAGE_BYTES {
            return Err(format!("a disk of {} bytes", self.size_bytes));
        }
        let expected = self.size_bytes.div_ceil(u64::from(self.chunk_bytes));
        if self.chunks.len() as u64 != expected {
            return Err(format!("{} chunks where {expected} make {} bytes", self.chunks.len(), self.size_bytes));
        }
        match &self.boot {
            Some(boot) => boot.check(),
            None => Ok(()),
        }
    }

    /// Plain length in bytes of the chunk at `index`.
    pub(crate) fn chunk_length(&self, index: usize) -> usize {
        let start = index as u64 * u64::from(self.chunk_bytes);
        (self.size_bytes - start).min(u64::from(self.chunk_bytes)) as usize
    }

    /// Every object that the manifest needs, each as often as it is named.
    pub(crate) fn objects(&self) -> impl Iterator<Item = Object> + '_ {
        let blobs = self.boot.iter().flat_map(|boot| [Some(boot.kernel), boot.initrd]).flatten().map(Object::Blob);
        self.chunks.iter().flatten().copied().map(Object::Chunk).chain(blobs)
    }
}

impl Boot {
    /// Refuses a command line that a kernel would cut or misread.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.cmdline.len() > MAX_COMMAND_LINE_BYTES {
            return Err(format!("a command line of {} bytes", self.cmdline.len()));
        }
        if self.cmdline.chars().any(|c| c.is_control()) {
            return Err("control characters in the command line".into());
        }
        Ok(())
    }
}

/// What stands in the list of chunks: a digest, or how many chunks of zeroes follow each other.
enum Run {
    Data(Digest),
    Zeroes(u64),
}

fn write_runs<S: Serializer>(chunks: &[Option<Digest>], serializer: S) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(None)?;
    for run in chunks.chunk_by(|a, b| a.is_none() && b.is_none()) {
        match run[0] {
            Some(digest) => list.serialize_element(&digest)?,
            None => list.serialize_element(&run.len())?,
        }
    }
    list.end()
}

fn read_runs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Option<Digest>>, D::Error> {
    // The limit holds while runs are unrolled: three bytes of text must not become an absurd allocation.
    const MAX_CHUNKS: u64 = MAX_IMAGE_BYTES / *CHUNK_BYTES.start() as u64;
    let mut chunks = Vec::new();
    for run in Vec::<Run>::deserialize(deserializer)? {
        match run {
            Run::Data(digest) => chunks.push(Some(digest)),
            Run::Zeroes(count) if count <= MAX_CHUNKS - (chunks.len() as u64).min(MAX_CHUNKS) => {
                chunks.resize(chunks.len() + count as usize, None);
            }
            Run::Zeroes(count) => return Err(de::Error::custom(format!("{count} chunks of zeroes"))),
        }
    }
    Ok(chunks)
}

impl<'de> Deserialize<'de> for Run {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Run, D::Error> {
        struct RunVisitor;
        impl Visitor<'_> for RunVisitor {
            type Value = Run;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a digest or a number of chunks of zeroes")
            }

            fn visit_u64<E: de::Error>(self, count: u64) -> Result<Run, E> {
                Ok(Run::Zeroes(count))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Run, E> {
                text.parse().map(Run::Data).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(RunVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Manifest, RepositoryError> {
        Manifest::from_bytes(&Digest::of(text.as_bytes()), text.as_bytes())
    }

    #[test]
    fn the_text_is_canonical() {
        let digest = Digest::of(b"x");
        let manifest = Manifest::new(4096 * 4 - 1, 4096, vec![Some(digest), None, None, Some(digest)], None);
        let text = format!(r#"{{"version":1,"size_bytes":16383,"chunk_bytes":4096,"chunks":["{digest}",2,"{digest}"],"boot":null}}"#);
        assert_eq!(String::from_utf8(manifest.to_bytes()).unwrap(), text);
        assert_eq!(read(&text).unwrap(), manifest);
        assert_eq!((manifest.chunk_length(0), manifest.chunk_length(3)), (4096, 4095));
    }

    #[test]
    fn a_text_that_makes_no_sense_is_refused() {
        let cases = [
            (r#"{"version":2,"size_bytes":0,"chunk_bytes":4096,"chunks":[],"boot":null}"#, "version 2"),
            (r#"{"version":1,"size_bytes":0,"chunk_bytes":4097,"chunks":[],"boot":null}"#, "chunks of 4097"),
            (r#"{"version":1,"size_bytes":0,"chunk_bytes":2048,"chunks":[],"boot":null}"#, "chunks of 2048"),
            (r#"{"version":1,"size_bytes":4096,"chunk_bytes":4096,"chunks":[],"boot":null}"#, "0 chunks where 1"),
            (r#"{"version":1,"size_bytes":4096,"chunk_bytes":4096,"chunks":[18446744073709551615],"boot":null}"#, "chunks of zeroes"),
            (r#"{"version":1,"size_bytes":4096,"chunk_bytes":4096,"chunks":["../x"],"boot":null}"#, "64 lower-case"),
            (r#"{"version":1,"size_bytes":9999999999999999,"chunk_bytes":4096,"chunks":[1],"boot":null}"#, "a disk of"),
            (r#"{"version":1,"size_bytes":0,"chunk_bytes":4096,"chunks":[],"boot":null,"more":1}"#, "unknown field"),
            ("[]", "invalid"),
        ];
        for (text, part) in cases {
            let error = read(text).unwrap_err();
            assert!(matches!(error, RepositoryError::Malformed { .. }), "{text}: {error}");
            assert!(error.to_string().contains(part), "{text}: {error}");
        }
        let wrong_name = Manifest::from_bytes(&Digest::of(b"other"), b"{}").unwrap_err();
        assert!(matches!(wrong_name, RepositoryError::Corrupt { object: Object::Manifest(_) }));
    }

    #[test]
    fn a_command_line_is_bounded_and_plain() {
        let boot = |cmdline: String| Boot { kernel: Digest::of(b""), initrd: None, cmdline };
        assert_eq!(boot("a".repeat(MAX_COMMAND_LINE_BYTES)).check(), Ok(()));
        assert!(boot("a".repeat(MAX_COMMAND_LINE_BYTES + 1)).check().is_err());
        assert!(boot("console=ttyS0\nx".into()).check().is_err());
    }

    proptest! {
        #[test]
        fn any_manifest_reads_back(seeds in prop::collection::vec(prop::option::of(0u8..3), 0..50), cut in 0u64..4096) {
            let chunks: Vec<_> = seeds.iter().map(|seed| seed.map(|seed| Digest::of(&[seed]))).collect();
            let size = (chunks.len() as u64 * 4096).saturating_sub(cut);
            let manifest = Manifest::new(size, 4096, chunks, None);
            let bytes = manifest.to_bytes();
            prop_assert_eq!(Manifest::from_bytes(&Digest::of(&bytes), &bytes).unwrap(), manifest);
        }
    }
}
