//! The disk fills, the folder cannot be written, the server goes away: typed answers, and on it goes when things are well again.

use std::path::Path;

use super::engines::{Place, check_place};
use super::noun::{Machine, machine, schema};
use crate::{By, Query, Store, StoreConfig, StoreError, WriteError};

fn open(path: &Path) -> Result<Store, StoreError> {
    Store::open_with(StoreConfig::Sqlite { path: path.to_owned() }, &schema())
}

fn count(store: &Store) -> u64 {
    store.read_blocking(|tx| tx.count::<Machine>(By::all())).expect("the read succeeds")
}

/// A file system of 1 MiB in a mount namespace of this thread, which goes with the thread.
fn with_small_disk(test: impl FnOnce(&Path) + Send) {
    use nix::mount::{MsFlags, mount};
    use nix::sched::{CloneFlags, unshare};
    std::thread::scope(|scope| {
        let tested = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNS).expect("this test needs root, as the product does");
            mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).expect("our mounts stay here");
            let folder = tempfile::tempdir().expect("a temporary folder");
            mount(Some("small"), folder.path(), Some("tmpfs"), MsFlags::empty(), Some("size=1m")).expect("a small disk");
            test(folder.path());
            nix::mount::umount(folder.path()).expect("nobody uses the disk any more");
        });
        if let Err(panic) = tested.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

#[test]
fn a_full_disk_refuses_writes_and_they_go_on_when_there_is_room() {
    with_small_disk(|folder| {
        let ballast = folder.join("ballast");
        std::fs::write(&ballast, vec![0; 300 << 10]).expect("there is room");
        let store = open(&folder.join("pileus.db")).expect("the store opens");
        let insert = |number: u64| store.write_blocking(move |tx| tx.insert(&Machine { zone: "z".repeat(4000), ..machine(number) }));
        let mut kept = 0;
        let refused = loop {
            match insert(kept) {
                Ok(()) => kept += 1,
                Err(error) => break error,
            }
            assert!(kept < 1000, "the disk never fills");
        };
        assert_eq!(refused, WriteError::Store(StoreError::DiskFull));
        assert!(kept > 0);
        assert_eq!(count(&store), kept);
        assert_eq!(store.page::<Machine>(&Query::all()).map(|page| page.total), Ok(kept));
        assert_eq!(insert(kept), Err(WriteError::Store(StoreError::DiskFull)));
        std::fs::remove_file(&ballast).expect("the ballast is ours");
        assert_eq!(insert(kept), Ok(()));
        assert_eq!(count(&store), kept + 1);
        drop(store);
        assert_eq!(count(&open(&folder.join("pileus.db")).expect("the store opens again")), kept + 1);
    });
}

#[test]
fn a_backup_onto_a_full_disk_fails_and_leaves_nothing() {
    with_small_disk(|folder| {
        let place = Place::sqlite();
        let store = place.open();
        store.write_blocking(|tx| tx.insert(&Machine { zone: "z".repeat(2 << 20), ..machine(1) })).expect("there is room");
        assert_eq!(store.backup(&folder.join("copy.db")), Err(StoreError::DiskFull));
        assert_eq!(std::fs::read_dir(folder).expect("the folder is ours").count(), 0);
        assert_eq!(count(&store), 1);
    });
}

/// The log begins anew once it was moved into the database, without a pause in which nobody writes.
#[test]
fn the_write_ahead_log_does_not_grow_with_what_is_written() {
    const ROW: u64 = 256 << 10;
    let place = Place::sqlite();
    let store = place.open();
    let log = place.folder.path().join("pileus.db-wal");
    let row = |number: u64| Machine { state: "s".repeat(ROW as usize), ..machine(number % 8) };
    for number in 0..8000 {
        store.write_blocking(move |tx| tx.put(&row(number))).expect("the write succeeds");
        let written = (number + 1) * ROW;
        if written > 64 << 20 && written > 2 * std::fs::metadata(&log).expect("the log is there").len() {
            return;
        }
    }
    panic!("the log holds all that was ever written");
}

#[test]
fn a_folder_that_cannot_be_written_or_is_not_there_is_named() {
    // Even root cannot write to this one.
    for folder in ["/proc/self", "/nonexistent"] {
        let refused = open(&Path::new(folder).join("pileus.db")).err();
        assert!(matches!(&refused, Some(StoreError::ReadOnly(why)) if why.contains(folder)), "{refused:?}");
    }
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = format!("host={} user=pileus", folder.path().display());
    let refused = Store::open_with(StoreConfig::Postgres { url }, &schema()).err();
    assert!(matches!(&refused, Some(StoreError::Unreachable(_))), "{refused:?}");
    let refused = Store::open_with(StoreConfig::Postgres { url: "host='".to_owned() }, &schema()).err();
    assert!(matches!(&refused, Some(StoreError::Unreachable(_))), "{refused:?}");
}

#[test]
fn a_broken_connection_is_made_anew() {
    let place = Place::postgres();
    let store = place.open();
    store.write_blocking(|tx| tx.insert(&machine(1))).expect("the write succeeds");
    let ended = store.write_blocking(|tx| {
        let others =
            "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'pileus' AND pid <> pg_backend_pid()";
        tx.query(others, &[], |record| record.int(0))
    });
    assert!(ended.expect("the write succeeds")[0] > 1);
    for number in 2..40 {
        store.write_blocking(move |tx| tx.insert(&machine(number))).expect("the write succeeds");
        assert_eq!(count(&store), number);
    }
}

#[test]
fn a_backup_taken_while_writing_is_one_moment_and_opens() {
    check_place(|place| {
        let store = place.open();
        let copy = place.folder.path().join("copy.db");
        std::fs::write(&copy, "what an older backup left").expect("the folder is ours");
        store
            .write_blocking(|tx| {
                tx.wake("machine", 1, model::Millis(7))?;
                (0..1000).try_for_each(|number| tx.insert(&machine(number)))
            })
            .expect("the write succeeds");
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut number = 1000;
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    // Two at a time: the copy must not hold an odd number of rows.
                    let pair = move |tx: &mut crate::Tx<'_>| tx.insert(&machine(number)).and_then(|()| tx.insert(&machine(number + 1)));
                    store.write_blocking(pair).expect("the write succeeds");
                    number += 2;
                }
            });
            let done = store.backup(&copy);
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            writer.join().expect("the writer does not panic");
            assert_eq!(done, Ok(()));
        });
        let restored = open(&copy).expect("the copy opens");
        let rows = count(&restored);
        assert!(rows >= 1000 && rows.is_multiple_of(2), "{rows}");
        assert_eq!(restored.page::<Machine>(&Query::all()).map(|page| page.total), Ok(rows));
        let first = restored.read_blocking(|tx| Ok::<_, StoreError>((tx.get::<Machine>(machine(0).id)?, tx.next_due()?)));
        assert_eq!(first, Ok((Some(machine(0)), Some(model::Millis(7)))));
        assert!(!place.folder.path().join("copy.db.partial").exists());
    });
}
