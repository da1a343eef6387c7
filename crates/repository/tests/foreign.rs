//! Disks in files of foreign formats: those that QEMU makes are read to the same bytes, those that we write are read by QEMU, and what
//! is damaged, cut off or lies is refused in words.

mod common;

use common::{disk, noise, tool};
use pileus_repository::header::Format;
use pileus_repository::{Digest, Repository, RepositoryError, WrittenFormat};
use std::fs::{self, File};
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use tempfile::{TempDir, tempdir};

const MIB: usize = 1 << 20;

/// A repository, and a raw disk with noise, text, zeroes and holes in whole sectors.
struct World {
    folder: TempDir,
    repository: Repository,
    raw: PathBuf,
}

impl World {
    fn new() -> World {
        let folder = tempdir().unwrap();
        let repository = Repository::open(folder.path().join("repository")).unwrap();
        let raw = folder.path().join("disk.raw");
        let mut bytes = disk(5);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        fs::write(&raw, &bytes).unwrap();
        // A hole as long as several tables of grains, and something at the very end.
        let file = File::options().write(true).open(&raw).unwrap();
        file.set_len(100 * MIB as u64 + 512).unwrap();
        file.write_all_at(&noise(9, 512), 100 * MIB as u64).unwrap();
        World { folder, repository, raw }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn store(&self, path: &Path, declared: Format) -> Result<Digest, RepositoryError> {
        let going = |_: u64| ControlFlow::Continue(());
        self.repository.store_foreign(&File::open(path).unwrap(), declared, &going).map(|stored| stored.manifest)
    }

    fn convert(&self, name: &str, arguments: &[&str]) -> PathBuf {
        let path = self.path(name);
        let (from, to) = (self.raw.to_str().unwrap(), path.to_str().unwrap());
        let (ok, said) = tool("qemu-img", &[&["convert", "-q", "-f", "raw"], arguments, &[from, to]].concat());
        assert!(ok, "{said}");
        path
    }

    /// Says whether a good file that was tampered with is refused, and how.
    #[track_caller]
    fn check(&self, good: &Path, declared: Format, tamper: impl FnOnce(&File), expected: &str) {
        let bad = good.with_extension("bad");
        fs::copy(good, &bad).unwrap();
        tamper(&File::options().read(true).write(true).open(&bad).unwrap());
        let refusal = self.store(&bad, declared).unwrap_err();
        assert!(matches!(refusal, RepositoryError::Refused { .. }), "{refusal}");
        assert!(refusal.to_string().contains(expected), "{refusal}");
    }
}

/// Formats, and what qemu-img is told to make them.
const MADE: [(Format, &[&str]); 9] = [
    (Format::Qcow2, &["-O", "qcow2"]),
    (Format::Qcow2, &["-O", "qcow2", "-c"]),
    (Format::Vmdk, &["-O", "vmdk"]),
    (Format::Vmdk, &["-O", "vmdk", "-o", "subformat=streamOptimized"]),
    (Format::Vmdk, &["-O", "vmdk", "-o", "zeroed_grain=on"]),
    (Format::Vhd, &["-O", "vpc", "-o", "force_size=on"]),
    (Format::Vhd, &["-O", "vpc", "-o", "force_size=on,subformat=fixed"]),
    (Format::Vhdx, &["-O", "vhdx"]),
    (Format::Vhdx, &["-O", "vhdx", "-o", "block_size=1M"]),
];

#[test]
fn a_disk_in_any_format_is_the_same_disk() {
    let world = World::new();
    let raw = world.store(&world.raw, Format::Raw).unwrap();
    assert_eq!(raw, world.repository.import_raw_file(&world.raw, None).unwrap());
    for (number, (format, arguments)) in MADE.into_iter().enumerate() {
        let path = world.convert(&format!("{number}.image"), arguments);
        // Some formats have whole MiB or cylinders only: then the disk is longer, and the rest of it zeroes.
        let digest = world.store(&path, format).unwrap();
        let (mine, theirs) = (world.repository.reader(&raw).unwrap(), world.repository.reader(&digest).unwrap());
        let size = mine.size_bytes();
        assert!((size..size + 2 * MIB as u64).contains(&theirs.size_bytes()), "{arguments:?}: {}", theirs.size_bytes());
        let mut both = [vec![0; size as usize], vec![0; size as usize]];
        mine.read_at(0, &mut both[0]).unwrap();
        theirs.read_at(0, &mut both[1]).unwrap();
        assert!(both[0] == both[1], "{arguments:?}");
    }
}

#[test]
fn what_is_written_is_read_by_qemu_and_comes_back_the_same() {
    let world = World::new();
    let raw = world.store(&world.raw, Format::Raw).unwrap();
    let reader = world.repository.reader(&raw).unwrap();
    for (written, format, qemu) in
        [(WrittenFormat::Raw, Format::Raw, "raw"), (WrittenFormat::Vmdk, Format::Vmdk, "vmdk"), (WrittenFormat::Vhd, Format::Vhd, "vpc")]
    {
        let path = world.path(&format!("written.{qemu}"));
        let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        reader.write_to(&file, written, &|_| ControlFlow::Continue(())).unwrap();
        assert_eq!(world.store(&path, format).unwrap(), raw, "{written:?}");
        let (ours, theirs) = (world.raw.to_str().unwrap(), path.to_str().unwrap());
        let (same, said) = tool("qemu-img", &["compare", "-f", "raw", "-F", qemu, ours, theirs]);
        assert!(same, "{written:?}: {said}");
    }
}

#[test]
fn an_import_that_is_stopped_leaves_no_image() {
    let world = World::new();
    let stopped = world.repository.store_foreign(&File::open(&world.raw).unwrap(), Format::Raw, &|dealt| {
        if dealt > 2 * MIB as u64 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(stopped, Err(RepositoryError::Stopped)), "{stopped:?}");
    assert_eq!(world.repository.images().unwrap(), []);
}

#[test]
fn a_file_that_is_cut_off_is_refused() {
    let world = World::new();
    for (number, (format, arguments)) in MADE.into_iter().enumerate() {
        let path = world.convert(&format!("{number}.image"), arguments);
        let length = fs::metadata(&path).unwrap().len();
        for kept in [length / 2, 2_000, 100, 0] {
            let bad = path.with_extension("cut");
            fs::copy(&path, &bad).unwrap();
            File::options().write(true).open(&bad).unwrap().set_len(kept).unwrap();
            let refusal = world.store(&bad, format).unwrap_err();
            assert!(matches!(refusal, RepositoryError::Refused { .. }), "{arguments:?} {kept}: {refusal}");
        }
    }
    let empty = world.path("empty");
    fs::write(&empty, b"").unwrap();
    assert!(world.store(&empty, Format::Raw).unwrap_err().to_string().contains("a disk of no bytes"));
}

#[test]
fn table_entries_that_lead_astray_are_refused() {
    let world = World::new();
    let vmdk = world.convert("a.vmdk", &["-O", "vmdk"]);
    let word = |file: &File, at: u64| {
        let mut bytes = [0; 8];
        file.read_exact_at(&mut bytes, at).unwrap();
        u64::from_le_bytes(bytes)
    };
    // The directory's first entry, beyond the file's end.
    world.check(
        &vmdk,
        Format::Vmdk,
        |file| file.write_all_at(&u32::MAX.to_le_bytes(), word(file, 56) * 512).unwrap(),
        "beyond the file's end",
    );
    let packed = world.convert("b.vmdk", &["-O", "vmdk", "-o", "subformat=streamOptimized"]);
    let first_grain = |file: &File| {
        let table = word(file, word(file, 56) * 512) & 0xffff_ffff;
        (word(file, table * 512) & 0xffff_ffff) * 512
    };
    world.check(&packed, Format::Vmdk, |file| file.write_all_at(&[0xff; 8], first_grain(file)).unwrap(), "the place of a compressed grain");
    world.check(&packed, Format::Vmdk, |file| file.write_all_at(&[0xff; 4], first_grain(file) + 8).unwrap(), "the length of a compressed");
    world.check(&packed, Format::Vmdk, |file| file.write_all_at(&[0xff; 64], first_grain(file) + 12).unwrap(), "a compressed grain");
    world.check(&packed, Format::Vmdk, |file| file.write_all_at(&[7], 77).unwrap(), "the compression of grains");
    let vhd = world.convert("a.vhd", &["-O", "vpc", "-o", "force_size=on"]);
    world.check(&vhd, Format::Vhd, |file| file.write_all_at(&[0x7f; 4], 1_536).unwrap(), "beyond the file's end");
    let vhdx = world.convert("a.vhdx", &["-O", "vhdx"]);
    let table = |file: &File| {
        let mut regions = vec![0; 4_096];
        file.read_exact_at(&mut regions, 192 << 10).unwrap();
        let kind = b"\x66\x77\xc2\x2d\x23\xf6\x00\x42";
        let at = regions.windows(8).position(|window| window == kind).unwrap();
        u64::from_le_bytes(regions[at + 16..at + 24].try_into().unwrap())
    };
    world.check(&vhdx, Format::Vhdx, |file| file.write_all_at(&7u64.to_le_bytes(), table(file)).unwrap(), "the state of a block");
    world.check(&vhdx, Format::Vhdx, |file| file.write_all_at(&[0xf6, 0xff, 0xff, 0xff, 0xff, 0x7f], table(file)).unwrap(), "");
}

/// A file of any bytes behind a good head: whatever the tables say, it is a disk or a refusal, never a panic.
#[test]
fn noise_in_the_tables_is_a_disk_or_a_refusal() {
    let world = World::new();
    for (number, (format, arguments)) in MADE.into_iter().enumerate() {
        let path = world.convert(&format!("{number}.image"), arguments);
        let good = fs::read(&path).unwrap();
        for seed in 0..24 {
            let mut bad = good.clone();
            let places = noise(seed + 1, 64 * 8);
            for place in places.chunks(8) {
                let place = u64::from_le_bytes(place.try_into().unwrap());
                // Mostly where headers and tables are.
                let reach = if seed % 2 == 0 { bad.len().min(64 << 10) } else { bad.len() };
                let at = place as usize % reach;
                bad[at] = (place >> 32) as u8;
            }
            let file = path.with_extension("noise");
            fs::write(&file, &bad).unwrap();
            // What says that it is terabytes is not read to its end here.
            let some = |dealt: u64| if dealt > 400 * MIB as u64 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
            match world.repository.store_foreign(&File::open(&file).unwrap(), format, &some) {
                Ok(_) | Err(RepositoryError::Refused { .. } | RepositoryError::Stopped) => {}
                Err(other) => panic!("{arguments:?} {seed}: {other}"),
            }
        }
    }
}
