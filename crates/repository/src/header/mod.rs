//! The headers of foreign disk images, read with suspicion: whoever uploads an image chooses every byte of it.
//!
//! ```text
//!   file + declared format ──inspect──▶ Header { format, virtual_bytes }    or a Refusal that says why
//! ```
//!
//! The attacks are known: a qcow2 with a backing file or an external data file, or a VMDK whose descriptor names a flat extent, makes
//! a converter read the host's own files into the image (CVE-2022-47951, CVE-2024-32498); a "raw" disk that begins like a qcow2 is
//! one for whoever guesses formats later (CVE-2024-40767); sizes and tables without limits eat memory. So the format is declared
//! and must be what the bytes say, everything that refers to another file is refused, and every number has a bound before it is
//! used.
//!
//! Only headers are read here, with reads of bounded size. That an image passes does not make its tables sound: who follows them
//! checks each step.

pub(crate) mod qcow2;
pub(crate) mod vhd;
pub(crate) mod vhdx;
pub(crate) mod vmdk;

use crate::manifest::MAX_IMAGE_BYTES;
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;

/// A format of disk images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// The disk's bytes and nothing else.
    Raw,
    /// QEMU's, versions 2 and 3.
    Qcow2,
    /// VMware's, in one file: `monolithicSparse` and `streamOptimized`.
    Vmdk,
    /// Microsoft's older one, fixed or dynamic.
    Vhd,
    /// Microsoft's newer one.
    Vhdx,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Raw => "raw",
            Format::Qcow2 => "qcow2",
            Format::Vmdk => "vmdk",
            Format::Vhd => "vhd",
            Format::Vhdx => "vhdx",
        })
    }
}

/// What a header says that may be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The format, as declared.
    pub format: Format,
    /// Size of the disk in bytes, at most [`MAX_IMAGE_BYTES`].
    pub virtual_bytes: u64,
}

/// Why an image is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The bytes are of another format than was declared.
    #[error("declared as {declared}, but the bytes are {found}")]
    NotAsDeclared {
        /// What was said.
        declared: Format,
        /// What was found.
        found: Format,
    },
    /// The image is only a difference from another file.
    #[error("the image needs a backing file")]
    BackingFile,
    /// The image keeps its bytes in another file.
    #[error("the image keeps its data in another file")]
    ExternalData,
    /// The image is encrypted.
    #[error("the image is encrypted")]
    Encrypted,
    /// The layer should be encrypted.
    #[error("the layer is not encrypted")]
    Plain,
    /// The key does not open it.
    #[error("the key does not open the encryption")]
    WrongKey,
    /// The disk is larger than any may be.
    #[error("a disk of {virtual_bytes} bytes is too large")]
    TooLarge {
        /// What the header says.
        virtual_bytes: u64,
    },
    /// The image uses something that is not understood.
    #[error("the image uses {0}, which is not supported")]
    Unsupported(&'static str),
    /// The header contradicts itself or the file.
    #[error("the header makes no sense: {0}")]
    Absurd(&'static str),
    /// The file cannot be read.
    #[error("the file cannot be read")]
    Io(#[from] io::Error),
}

/// Reads the header of an image that is said to be of a format, and says why it is refused if it is.
pub fn inspect(file: &File, declared: Format) -> Result<Header, Refusal> {
    let source = Source::new(file)?;
    let found = source.recognise()?;
    if found != declared {
        return Err(Refusal::NotAsDeclared { declared, found });
    }
    let virtual_bytes = match declared {
        Format::Raw => source.length,
        Format::Qcow2 => qcow2::Layout::read(&source)?.virtual_bytes,
        Format::Vmdk => vmdk::virtual_bytes(&source)?,
        Format::Vhd => vhd::virtual_bytes(&source)?,
        Format::Vhdx => vhdx::virtual_bytes(&source)?,
    };
    bounded(virtual_bytes)?;
    Ok(Header { format: declared, virtual_bytes })
}

/// Refuses a disk that is too large.
pub(crate) fn bounded(virtual_bytes: u64) -> Result<(), Refusal> {
    if virtual_bytes > MAX_IMAGE_BYTES { Err(Refusal::TooLarge { virtual_bytes }) } else { Ok(()) }
}

/// A file whose every byte is somebody else's choice.
pub(crate) struct Source<'a> {
    file: &'a File,
    pub(crate) length: u64,
}

impl<'a> Source<'a> {
    pub(crate) fn new(file: &'a File) -> io::Result<Source<'a>> {
        Ok(Source { file, length: file.metadata()?.len() })
    }

    /// Reads bytes that the header says are there. The caller has bounded `length`.
    pub(crate) fn bytes(&self, offset: u64, length: usize) -> Result<Fields, Refusal> {
        let mut bytes = vec![0; length];
        match self.file.read_exact_at(&mut bytes, offset) {
            Ok(()) => Ok(Fields(bytes)),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(Refusal::Absurd("something lies beyond the file's end")),
            Err(error) => Err(error.into()),
        }
    }

    /// Says whether a stretch lies inside the file.
    fn holds(&self, offset: u64, length: u64) -> bool {
        offset.checked_add(length).is_some_and(|end| end <= self.length)
    }

    /// What the bytes are; raw is whatever nothing else claims. Also what QEMU would take it for, which is the point.
    fn recognise(&self) -> Result<Format, Refusal> {
        const DESCRIPTOR: &[u8] = b"# Disk DescriptorFile";
        // QEMU skips comments and blank lines before a descriptor's version line, so all of the beginning is searched.
        const VERSION: &[u8] = b"version=";
        let begins = self.bytes(0, self.length.min(512) as usize)?.0;
        let footer = self.bytes(self.length.saturating_sub(512), self.length.min(512) as usize)?.0;
        let text = begins.iter().take_while(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()).count();
        let first_line = begins[..text].split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).find(|line| !is_comment(line));
        // Formats of other programs that QEMU knows; none is raw, and some refer to other files.
        const OTHERS: [(usize, &[u8]); 4] = [(0, b"QED\0"), (64, b"\x7f\x10\xda\xbe"), (0, b"WithoutFreeSpace"), (0, b"WithouFreSpacExt")];
        if OTHERS.iter().any(|(at, magic)| begins.get(*at..).is_some_and(|rest| rest.starts_with(magic))) {
            return Err(Refusal::Unsupported("a format that cannot be imported"));
        }
        Ok(match () {
            () if begins.starts_with(b"QFI\xfb") => Format::Qcow2,
            () if begins.starts_with(b"KDMV") || begins.starts_with(b"COWD") || begins.starts_with(DESCRIPTOR) => Format::Vmdk,
            () if first_line.is_some_and(|line| line.to_ascii_lowercase().starts_with(VERSION)) => Format::Vmdk,
            () if begins.starts_with(b"vhdxfile") => Format::Vhdx,
            () if begins.starts_with(b"conectix") || footer.starts_with(b"conectix") => Format::Vhd,
            () => Format::Raw,
        })
    }
}

fn is_comment(line: &[u8]) -> bool {
    line.is_empty() || line.starts_with(b"#")
}

/// Bytes of a header, with numbers at fixed places.
pub(crate) struct Fields(pub(crate) Vec<u8>);

impl Fields {
    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        self.0[at..at + N].try_into().expect("a slice of N bytes")
    }

    pub(crate) fn be32(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.array(at))
    }

    pub(crate) fn be64(&self, at: usize) -> u64 {
        u64::from_be_bytes(self.array(at))
    }

    pub(crate) fn le16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.array(at))
    }

    pub(crate) fn le32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.array(at))
    }

    pub(crate) fn le64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.array(at))
    }

    fn is(&self, at: usize, expected: &[u8]) -> bool {
        self.0[at..].starts_with(expected)
    }
}

/// Refuses unless a condition holds.
pub(crate) fn sane(holds: bool, reason: &'static str) -> Result<(), Refusal> {
    if holds { Ok(()) } else { Err(Refusal::Absurd(reason)) }
}
