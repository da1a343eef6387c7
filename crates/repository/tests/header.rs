//! Foreign images, good ones by QEMU's own hand and bad ones by ours: those that refer to other files, lie about themselves, or
//! are not what they are said to be.

mod common;

use common::{disk, tool};
use pileus_repository::header::{Format, Header, Refusal, inspect};
use pileus_repository::{Repository, RepositoryError};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use tempfile::tempdir;

const MIB: u64 = 1 << 20;

/// An image of `size` bytes made by qemu-img.
fn create(folder: &Path, name: &str, arguments: &[&str], size: u64) -> PathBuf {
    let path = folder.join(name);
    let size = size.to_string();
    let (ok, said) = tool("qemu-img", &[&["create", "-q"], arguments, &[path.to_str().unwrap(), &size]].concat());
    assert!(ok, "{said}");
    path
}

fn verdict(path: &Path, declared: Format) -> Result<Header, Refusal> {
    inspect(&File::open(path).unwrap(), declared)
}

/// Overwrites bytes of a file.
fn patch(path: &Path, offset: u64, bytes: &[u8]) {
    File::options().write(true).open(path).unwrap().write_all_at(bytes, offset).unwrap();
}

/// Says whether changing bytes of a good image has it refused, and how.
#[track_caller]
fn check(good: &Path, declared: Format, offset: u64, bytes: &[u8], expected: &str) {
    let bad = good.with_extension("bad");
    fs::copy(good, &bad).unwrap();
    patch(&bad, offset, bytes);
    let refusal = verdict(&bad, declared).unwrap_err().to_string();
    assert!(refusal.contains(expected), "{refusal}");
}

#[test]
fn what_qemu_makes_in_one_file_is_recognised() {
    let folder = tempdir().unwrap();
    let size = 40 * MIB;
    let cases: [(Format, &[&str]); 10] = [
        (Format::Raw, &["-f", "raw"]),
        (Format::Qcow2, &["-f", "qcow2"]),
        (Format::Qcow2, &["-f", "qcow2", "-o", "compat=0.10"]),
        (Format::Qcow2, &["-f", "qcow2", "-o", "compression_type=zstd,cluster_size=4k"]),
        (Format::Qcow2, &["-f", "qcow2", "-o", "lazy_refcounts=on,cluster_size=2M,preallocation=metadata"]),
        (Format::Vmdk, &["-f", "vmdk"]),
        (Format::Vmdk, &["-f", "vmdk", "-o", "subformat=streamOptimized"]),
        (Format::Vhd, &["-f", "vpc", "-o", "force_size=on"]),
        (Format::Vhd, &["-f", "vpc", "-o", "force_size=on,subformat=fixed"]),
        (Format::Vhdx, &["-f", "vhdx"]),
    ];
    for (number, (format, arguments)) in cases.into_iter().enumerate() {
        let path = create(folder.path(), &number.to_string(), arguments, size);
        assert_eq!(verdict(&path, format).unwrap(), Header { format, virtual_bytes: size }, "{arguments:?}");
        for other in [Format::Raw, Format::Qcow2, Format::Vmdk, Format::Vhd, Format::Vhdx] {
            if other != format {
                let refusal = verdict(&path, other).unwrap_err();
                assert!(
                    matches!(refusal, Refusal::NotAsDeclared { declared, found } if declared == other && found == format),
                    "{arguments:?} as {other}: {refusal}"
                );
            }
        }
    }
}

#[test]
fn an_image_that_refers_to_another_file_is_refused() {
    let folder = tempdir().unwrap();
    let in_folder = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let base = create(folder.path(), "base.qcow2", &["-f", "qcow2"], MIB);
    let base = base.to_str().unwrap();
    let vmdk = create(folder.path(), "base.vmdk", &["-f", "vmdk"], MIB);
    let data = format!("data_file={}", in_folder("data.raw"));
    let data_raw = format!("{data},data_file_raw=on");
    let backed = ["-f", "qcow2", "-F", "qcow2", "-b", base];
    let cases: [(Format, &[&str], &str); 6] = [
        (Format::Qcow2, &backed, "backing"),
        (Format::Qcow2, &["-f", "qcow2", "-o", "compat=0.10", "-F", "qcow2", "-b", base], "backing"),
        (Format::Qcow2, &["-f", "qcow2", "-o", &data], "another file"),
        (Format::Qcow2, &["-f", "qcow2", "-o", &data_raw], "another file"),
        (Format::Vmdk, &["-f", "vmdk", "-F", "vmdk", "-b", vmdk.to_str().unwrap()], "backing"),
        (Format::Vmdk, &["-f", "vmdk", "-o", "subformat=monolithicFlat"], "another file"),
    ];
    for (number, (format, arguments, expected)) in cases.into_iter().enumerate() {
        let path = create(folder.path(), &format!("{number}.image"), arguments, MIB);
        let refusal = verdict(&path, format).unwrap_err().to_string();
        assert!(refusal.contains(expected), "{arguments:?}: {refusal}");
    }
}

/// CVE-2024-32498: the header's feature bit and extension, by themselves and with every other trace taken away.
#[test]
fn external_data_hidden_in_a_qcow2_is_found() {
    let folder = tempdir().unwrap();
    let path = create(folder.path(), "image", &["-f", "qcow2"], MIB);
    check(&path, Format::Qcow2, 79, &[4], "another file");
    let name = b"/etc/passwd\0\0\0\0\0";
    let extension = [&0x4441_5441u32.to_be_bytes()[..], &11u32.to_be_bytes(), name].concat();
    check(&path, Format::Qcow2, 112, &extension, "another file");
    // Behind an unknown extension, which readers skip.
    let hidden = [&0x0bad_cafeu32.to_be_bytes()[..], &5u32.to_be_bytes(), &[0; 8], &extension].concat();
    check(&path, Format::Qcow2, 112, &hidden, "another file");
    let backing_format = [&0xe279_2acau32.to_be_bytes()[..], &3u32.to_be_bytes(), b"raw\0\0\0\0\0"].concat();
    check(&path, Format::Qcow2, 112, &backing_format, "backing");
    check(&path, Format::Qcow2, 112, &[0x05, 0x37, 0xbe, 0x77], "encrypted");
    check(&path, Format::Qcow2, 16, &1u32.to_be_bytes(), "backing");
}

/// CVE-2022-47951: a VMDK descriptor that names the host's files as extents.
#[test]
fn a_descriptor_that_names_other_files_is_refused() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("alone");
    let descriptor = "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\n\n\
                      RW 8 FLAT \"/etc/passwd\" 0\n";
    fs::write(&path, descriptor).unwrap();
    assert!(matches!(verdict(&path, Format::Vmdk), Err(Refusal::ExternalData)));
    assert!(matches!(verdict(&path, Format::Raw), Err(Refusal::NotAsDeclared { .. })));
    // QEMU also knows one by its version line after comments.
    fs::write(&path, format!("# a\n\n#b\n{}", descriptor.split_once('\n').unwrap().1)).unwrap();
    assert!(matches!(verdict(&path, Format::Raw), Err(Refusal::NotAsDeclared { found: Format::Vmdk, .. })));

    // The same inside a sparse file.
    let good = create(folder.path(), "sparse", &["-f", "vmdk"], MIB);
    let text = |kind: &str, parent: &str, extents: &str| {
        let text = format!("# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID={parent}\ncreateType=\"{kind}\"\n{extents}\n");
        let mut bytes = text.into_bytes();
        bytes.resize(20 * 512, 0);
        bytes
    };
    let own = r#"RW 2048 SPARSE "sparse.vmdk""#;
    let fine = text("monolithicSparse", "ffffffff", own);
    let whole = good.with_extension("whole");
    fs::copy(&good, &whole).unwrap();
    patch(&whole, 512, &fine);
    assert_eq!(verdict(&whole, Format::Vmdk).unwrap().virtual_bytes, MIB);
    for (kind, parent, extents, expected) in [
        ("monolithicFlat", "ffffffff", own, "another file"),
        ("twoGbMaxExtentFlat", "ffffffff", own, "another file"),
        ("fullDevice", "ffffffff", own, "another file"),
        ("monolithicSparse", "ffffffff", "RW 2048 FLAT \"/etc/passwd\" 0", "another file"),
        ("monolithicSparse", "ffffffff", "RW 2048 SPARSE \"/etc/passwd\"", "another file"),
        ("monolithicSparse", "ffffffff", "RW 2048 SPARSE \"nbd:host:1\"", "another file"),
        ("monolithicSparse", "ffffffff", "RW 2048 VMFS \"x\"", "another file"),
        ("monolithicSparse", "ffffffff", "RW 2048 FLAT \"a=b\" 0", "another file"),
        ("monolithicSparse", "ffffffff", "RW 4096 SPARSE \"x\"", "another size"),
        ("monolithicSparse", "ffffffff", "RW 2048 SPARSE \"x\"\nRW 2048 SPARSE \"x\"", "one extent"),
        ("monolithicSparse", "ffffffff", "", "one extent"),
        ("monolithicSparse", "0badcafe", own, "backing"),
        ("monolithicSparse", "ffffffff", "parentFileNameHint=\"/etc/passwd\"", "backing"),
        ("monolithicSparse\"\ncreateType=\"monolithicSparse", "ffffffff", own, "one extent"),
        ("monolithicSparse", "ffffffff", "something else", "another file"),
    ] {
        check(&good, Format::Vmdk, 512, &text(kind, parent, extents), expected);
    }
    let mut hidden = fine.clone();
    hidden[10_000..10_005].copy_from_slice(b"RW 8 ");
    check(&good, Format::Vmdk, 512, &hidden, "after the descriptor's end");
}

/// CVE-2024-40767: said to be raw, but something else to whoever looks.
#[test]
fn a_raw_disk_that_looks_like_another_format_is_refused() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("disk");
    for (offset, magic) in [
        (0, &b"QFI\xfb\0\0\0\x03"[..]),
        (0, b"KDMV"),
        (0, b"vhdxfile"),
        (0, b"conectix"),
        (MIB - 512, b"conectix"),
        (0, b"QED\0"),
        (64, b"\x7f\x10\xda\xbe"),
    ] {
        fs::write(&path, vec![0; MIB as usize]).unwrap();
        assert_eq!(verdict(&path, Format::Raw).unwrap().virtual_bytes, MIB);
        patch(&path, offset, magic);
        assert!(verdict(&path, Format::Raw).is_err(), "{magic:?}");
    }
    fs::write(&path, "").unwrap();
    assert_eq!(verdict(&path, Format::Raw).unwrap().virtual_bytes, 0);
}

#[test]
fn absurd_numbers_are_refused() {
    let folder = tempdir().unwrap();
    let qcow2 = create(folder.path(), "qcow2", &["-f", "qcow2"], MIB);
    let be32 = u32::to_be_bytes;
    let be64 = u64::to_be_bytes;
    for (offset, bytes, expected) in [
        (4, &be32(1)[..], "version"),
        (4, &be32(4), "version"),
        (20, &be32(8), "size of clusters"),
        (20, &be32(64), "size of clusters"),
        (24, &be64(u64::MAX), "too large"),
        (24, &be64((2 << 40) + 1), "too large"),
        (24, &be64(1 << 40), "first table"),
        (32, &be32(1), "encrypted"),
        (32, &be32(2), "encrypted"),
        (36, &be32(u32::MAX), "first table"),
        (40, &be64(!0xffff), "first table"),
        (40, &be64(12345), "first table"),
        (48, &be64(1 << 60), "reference counts"),
        (56, &be32(u32::MAX), "reference counts"),
        (60, &be32(1), "snapshots"),
        (72, &be64(1 << 1), "corrupt"),
        (72, &be64(1 << 3), "compression"),
        (72, &be64(1 << 4), "extended"),
        (72, &be64(1 << 40), "unknown features"),
        (96, &be32(7), "reference counts"),
        (100, &be32(u32::MAX), "length of the header"),
        (100, &be32(105), "length of the header"),
        (116, &be32(u32::MAX), "header extension"),
    ] {
        check(&qcow2, Format::Qcow2, offset, bytes, expected);
    }
    let vmdk = create(folder.path(), "vmdk", &["-f", "vmdk"], MIB);
    for (offset, bytes, expected) in [
        (4, &99u32.to_le_bytes()[..], "version"),
        (12, &u64::MAX.to_le_bytes(), "another size"),
        (20, &3u64.to_le_bytes(), "grains"),
        (28, &u64::MAX.to_le_bytes(), "descriptor"),
        (28, &0u64.to_le_bytes(), "descriptor"),
        (36, &u64::MAX.to_le_bytes(), "descriptor"),
        (44, &u32::MAX.to_le_bytes(), "second tables"),
        (56, &(1u64 << 50).to_le_bytes(), "first table"),
        (73, b"\r\n\r\n", "line ends"),
    ] {
        check(&vmdk, Format::Vmdk, offset, bytes, expected);
    }
    let vhd = create(folder.path(), "vhd", &["-f", "vpc", "-o", "force_size=on"], MIB);
    let end = fs::metadata(&vhd).unwrap().len();
    check(&vhd, Format::Vhd, end - 512 + 48, &be64(5), "checksum");
    check(&vhd, Format::Vhd, 48, &be64(5), "copy of the footer");
    check(&vhd, Format::Vhd, 512, b"x", "dynamic");
    check(&vhd, Format::Vhd, 512 + 28, &be32(u32::MAX), "checksum of the dynamic");
    let vhdx = create(folder.path(), "vhdx", &["-f", "vhdx"], 8 * MIB);
    check(&vhdx, Format::Vhdx, 192 << 10, b"x", "regions");
    check(&vhdx, Format::Vhdx, (192 << 10) + 8, &[0xff; 4], "number of regions");
}

/// The VHD and VHDX ways to say "look in my parent", with checksums that are right.
#[test]
fn a_differencing_disk_is_refused() {
    let folder = tempdir().unwrap();
    let vhd = create(folder.path(), "vhd", &["-f", "vpc", "-o", "force_size=on"], MIB);
    let end = fs::metadata(&vhd).unwrap().len();
    let mut bytes = fs::read(&vhd).unwrap();
    for footer in [0, end as usize - 512] {
        bytes[footer + 60..footer + 64].copy_from_slice(&4u32.to_be_bytes());
        reseal(&mut bytes[footer..footer + 512], 64);
    }
    fs::write(&vhd, &bytes).unwrap();
    assert!(matches!(verdict(&vhd, Format::Vhd), Err(Refusal::BackingFile)));
    // Said to be dynamic, but with a parent.
    for footer in [0, end as usize - 512] {
        bytes[footer + 60..footer + 64].copy_from_slice(&3u32.to_be_bytes());
        reseal(&mut bytes[footer..footer + 512], 64);
    }
    bytes[512 + 40] = 1;
    reseal(&mut bytes[512..1536], 36);
    fs::write(&vhd, &bytes).unwrap();
    assert!(matches!(verdict(&vhd, Format::Vhd), Err(Refusal::BackingFile)));

    let vhdx = create(folder.path(), "vhdx", &["-f", "vhdx"], 8 * MIB);
    let bytes = fs::read(&vhdx).unwrap();
    let table = bytes.windows(8).position(|bytes| bytes == b"metadata").unwrap();
    let entry = (1..64).map(|entry| table + entry * 32).find(|at| bytes[*at..].starts_with(b"\x37\x67\xa1\xca")).unwrap();
    let item = table + u32::from_le_bytes(bytes[entry + 16..entry + 20].try_into().unwrap()) as usize;
    check(&vhdx, Format::Vhdx, item as u64 + 4, &2u32.to_le_bytes(), "backing");
    let locator = *b"\x2d\x5f\xd3\xa8\x0b\xb3\x4d\x45\xab\xf7\xd3\xd8\x48\x34\xab\x0c";
    check(&vhdx, Format::Vhdx, entry as u64, &locator, "backing");
}

fn reseal(bytes: &mut [u8], place: usize) {
    bytes[place..place + 4].fill(0);
    let sum = bytes.iter().fold(0u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
    bytes[place..place + 4].copy_from_slice(&(!sum).to_be_bytes());
}

#[test]
fn no_header_makes_the_parser_panic() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("mutant");
    let cases: [(Format, &[&str], u64); 5] = [
        (Format::Qcow2, &["-f", "qcow2"], 0),
        (Format::Vmdk, &["-f", "vmdk"], 0),
        (Format::Vmdk, &["-f", "vmdk"], 512),
        (Format::Vhd, &["-f", "vpc"], 0),
        (Format::Vhdx, &["-f", "vhdx"], 192 << 10),
    ];
    for (format, arguments, region) in cases {
        let good = fs::read(create(folder.path(), "good", arguments, MIB)).unwrap();
        fs::write(&path, &good).unwrap();
        let mut refused = 0;
        for (round, noise) in common::noise(region + 1, 2400).chunks(8).enumerate() {
            let at = region + u64::from(noise[0]) % 160;
            let length = 1 + usize::from(noise[1]) % 6;
            let value = if round % 2 == 0 { &[0xff; 8] } else { noise };
            patch(&path, at, &value[..length]);
            refused += u32::from(verdict(&path, format).is_err());
            patch(&path, at, &good[at as usize..][..length]);
        }
        for cut in (0..2000).step_by(61) {
            fs::write(&path, &good[..(region as usize + cut).min(good.len())]).unwrap();
            refused += u32::from(verdict(&path, format).is_err());
        }
        assert!(refused > 50, "{format}: {refused}");
    }
}

#[test]
fn a_qcow2_is_the_image_of_its_disk() {
    let folder = tempdir().unwrap();
    let mut disk = disk(5);
    disk.resize(disk.len().next_multiple_of(512), 0);
    let plain = folder.path().join("plain");
    fs::write(&plain, &disk).unwrap();
    let repository = Repository::open(folder.path().join("repository")).unwrap();
    let image = repository.import_raw_file(&plain, None).unwrap();
    let path = folder.path().join("image.qcow2");
    let cases: [&[&str]; 7] = [
        &[],
        &["-o", "compat=0.10"],
        &["-c"],
        &["-c", "-o", "compression_type=zstd"],
        &["-c", "-o", "compression_type=zstd,cluster_size=2M"],
        &["-c", "-o", "cluster_size=512"],
        &["-o", "cluster_size=4k,preallocation=full"],
    ];
    for options in cases {
        let (from, to) = (plain.to_str().unwrap(), path.to_str().unwrap());
        let (ok, said) = tool("qemu-img", &[&["convert", "-f", "raw", "-O", "qcow2"], options, &[from, to]].concat());
        assert!(ok, "{said}");
        assert_eq!(repository.import_qcow2_file(&path, None).unwrap(), image, "{options:?}");
    }
}

#[test]
fn a_qcow2_with_bad_tables_is_refused_and_leaves_nothing() {
    let folder = tempdir().unwrap();
    let plain = folder.path().join("plain");
    fs::write(&plain, common::noise(1, 300_000)).unwrap();
    let path = folder.path().join("image.qcow2");
    let (from, to) = (plain.to_str().unwrap(), path.to_str().unwrap());
    let (ok, said) = tool("qemu-img", &["convert", "-f", "raw", "-O", "qcow2", from, to]);
    assert!(ok, "{said}");
    let good = fs::read(&path).unwrap();
    let number = |at: usize| u64::from_be_bytes(good[at..at + 8].try_into().unwrap());
    let l1 = number(40);
    let l2 = number(l1 as usize) & 0x00ff_ffff_ffff_fe00;
    let repository = Repository::open(folder.path().join("repository")).unwrap();
    for (offset, entry, expected) in [
        (l1, 1u64 << 50, "beyond the file's end"),
        (l2, (1 << 63) | (1 << 50), "beyond the file's end"),
        (l2, (1 << 63) | 512, "place of a cluster"),
        (l2, (1 << 62) | 7, "compressed cluster"),
        (l2, u64::MAX >> 1, "compressed cluster"),
    ] {
        fs::write(&path, &good).unwrap();
        patch(&path, offset, &entry.to_be_bytes());
        let error = repository.import_qcow2_file(&path, None).unwrap_err();
        assert!(matches!(error, RepositoryError::Refused { .. }) && error.to_string().contains(expected), "{error}");
    }
    assert_eq!(repository.images().unwrap(), vec![]);
}
