//! What is told of a commit, and when, on disks that are slow or broken.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use model::InstanceId;

use super::Sqlite;
use super::syncer::Log;
use crate::changes::Publisher;
use crate::error::{StoreError, WriteError};
use crate::job::{Purpose, job};
use crate::projection::Projections;
use crate::tests::noun::{Machine, machine, schema};

type Answer = tokio::sync::oneshot::Receiver<Result<(), WriteError<StoreError>>>;

/// A disk whose flush ends when the test says so, until the test lets go of its end.
struct Slow {
    go: Mutex<mpsc::Receiver<()>>,
    done: Arc<AtomicBool>,
    flushes: Arc<AtomicUsize>,
}

impl Log for Slow {
    fn sync(&self) -> io::Result<()> {
        // An error says that the test has let go.
        let _ = self.go.lock().unwrap_or_else(PoisonError::into_inner).recv();
        self.flushes.fetch_add(1, Ordering::SeqCst);
        self.done.store(true, Ordering::SeqCst);
        Ok(())
    }
}

/// A disk that takes nothing.
struct Broken;

impl Log for Broken {
    fn sync(&self) -> io::Result<()> {
        Err(io::Error::other("sector 7"))
    }
}

fn open<L: Log>(folder: &Path, log: L) -> (Sqlite, Arc<Publisher>) {
    let schema = schema();
    let publisher = Arc::new(Publisher::new(Projections::new(&schema.projections)));
    let store = Sqlite::open_with(&folder.join("pileus.db"), &schema, publisher.clone(), |_| Ok(log)).expect("the database opens");
    (store, publisher)
}

fn insert(store: &Sqlite, number: u64) -> Answer {
    let (job, answer) = job(Purpose::Keep, move |tx| tx.insert(&machine(number)));
    store.queue().blocking_send(job).map_err(|_| "closed").expect("the writer runs");
    answer
}

fn find(store: &Sqlite, number: u64) -> Result<Option<Machine>, StoreError> {
    store.read_blocking(move |tx| tx.get::<Machine>(InstanceId::from_u64(number)))
}

#[test]
fn nobody_is_told_of_a_commit_before_the_disk_has_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (go, gate) = mpsc::channel();
    let done = Arc::new(AtomicBool::new(false));
    let (store, _) = open(folder.path(), Slow { go: Mutex::new(gate), done: done.clone(), flushes: Arc::default() });
    let answer = insert(&store, 1);
    let raw = rusqlite::Connection::open(folder.path().join("pileus.db")).expect("another reader");
    while raw.query_row("SELECT COUNT(*) FROM machine", [], |row| row.get::<_, i64>(0)).expect("the table is there") == 0 {
        std::thread::yield_now();
    }
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| (find(&store, 1), done.load(Ordering::SeqCst)));
        let writer = scope.spawn(|| (answer.blocking_recv(), done.load(Ordering::SeqCst)));
        assert!(!reader.is_finished() && !writer.is_finished());
        go.send(()).expect("the disk waits");
        let (found, was_done) = reader.join().expect("the reader ends");
        assert_eq!((found.map(|row| row.is_some()), was_done), (Ok(true), true));
        let (told, was_done) = writer.join().expect("the writer is answered");
        assert_eq!((told.expect("an answer"), was_done), (Ok(()), true));
    });
}

#[test]
fn what_comes_while_the_disk_is_busy_shares_its_next_flushes_and_is_told_in_order() {
    const WRITES: usize = 1000;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (go, gate) = mpsc::channel();
    let flushes = Arc::new(AtomicUsize::new(0));
    let (store, publisher) = open(folder.path(), Slow { go: Mutex::new(gate), done: Arc::default(), flushes: flushes.clone() });
    let mut told = publisher.subscribe();
    let answers: Vec<Answer> = (1..=WRITES as u64).map(|number| insert(&store, number)).collect();
    drop(go);
    for answer in answers {
        assert_eq!(answer.blocking_recv().expect("an answer"), Ok(()));
    }
    assert!(flushes.load(Ordering::SeqCst) < WRITES / 2, "{flushes:?}");
    let commits = std::iter::from_fn(|| told.try_next().expect("the feed has room for all"));
    let ids: Vec<_> =
        commits.flat_map(|commit| commit.changes.iter().filter_map(|change| change.id_of::<Machine>()).collect::<Vec<_>>()).collect();
    assert_eq!(ids, (1..=WRITES as u64).map(InstanceId::from_u64).collect::<Vec<_>>());
}

#[test]
fn what_the_disk_does_not_take_is_told_to_nobody() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (store, _) = open(folder.path(), Broken);
    assert_eq!(find(&store, 1), Ok(None));
    let refused = |answer: Answer| answer.blocking_recv().expect("an answer").expect_err("the disk is broken");
    let first = refused(insert(&store, 1));
    assert!(matches!(&first, WriteError::Store(StoreError::Engine(why)) if why.contains("sector 7")), "{first:?}");
    assert_eq!(refused(insert(&store, 2)), first);
    assert_eq!(find(&store, 1).map_err(WriteError::Store), Err(first));
}
