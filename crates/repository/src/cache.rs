//! Plain chunks in memory, shared by all readers of a repository, bounded in bytes.
//!
//! A chunk that several readers want at once is loaded once: the first loads, the others wait for it. Only checked bytes get in.
//! The least recently used chunk goes first; with a few hundred chunks a scan finds it in a microsecond, which is nothing beside
//! the decompression that made room necessary.

use crate::{Digest, RepositoryError};
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard};

/// Plain chunks in memory.
#[derive(Debug)]
pub(crate) struct Cache {
    limit_bytes: usize,
    state: Mutex<State>,
    loaded: Condvar,
}

#[derive(Debug, Default)]
struct State {
    slots: HashMap<Digest, Slot>,
    bytes: usize,
    clock: u64,
}

#[derive(Debug)]
enum Slot {
    /// Somebody is loading it.
    Loading,
    Ready {
        bytes: Bytes,
        used: u64,
    },
}

impl Cache {
    pub(crate) fn new(limit_bytes: usize) -> Cache {
        Cache { limit_bytes, state: Mutex::default(), loaded: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change under the lock is complete before anything can panic, so a poisoned state is a sound one.
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Returns the chunk if it is in memory.
    pub(crate) fn get(&self, digest: &Digest) -> Option<Bytes> {
        self.lock().touch(digest)
    }

    /// Returns the chunk from memory, or from `load`, or from whoever is loading it already.
    pub(crate) fn get_or_load(
        &self,
        digest: &Digest,
        load: impl FnOnce() -> Result<Bytes, RepositoryError>,
    ) -> Result<Bytes, RepositoryError> {
        let mut state = self.lock();
        loop {
            if let Some(bytes) = state.touch(digest) {
                return Ok(bytes);
            }
            if !state.slots.contains_key(digest) {
                break;
            }
            state = self.loaded.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
        state.slots.insert(*digest, Slot::Loading);
        drop(state);

        let place = Place { cache: self, digest };
        let bytes = load()?;
        place.fill(bytes.clone());
        Ok(bytes)
    }
}

impl State {
    fn touch(&mut self, digest: &Digest) -> Option<Bytes> {
        self.clock += 1;
        match self.slots.get_mut(digest) {
            Some(Slot::Ready { bytes, used }) => {
                *used = self.clock;
                Some(bytes.clone())
            }
            Some(Slot::Loading) | None => None,
        }
    }

    fn evict_to(&mut self, limit_bytes: usize) {
        while self.bytes > limit_bytes {
            let ready = self.slots.iter().filter_map(|(digest, slot)| match slot {
                Slot::Ready { bytes, used } => Some((*used, *digest, bytes.len())),
                Slot::Loading => None,
            });
            let Some((_, oldest, length)) = ready.min() else { return };
            self.slots.remove(&oldest);
            self.bytes -= length;
        }
    }
}

/// A slot being loaded. Dropped unfilled (an error, a panic), it lets the next reader try.
struct Place<'a> {
    cache: &'a Cache,
    digest: &'a Digest,
}

impl Place<'_> {
    fn fill(self, bytes: Bytes) {
        let mut state = self.cache.lock();
        state.clock += 1;
        let used = state.clock;
        state.bytes += bytes.len();
        state.slots.insert(*self.digest, Slot::Ready { bytes, used });
        state.evict_to(self.cache.limit_bytes);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.cache.lock();
        if matches!(state.slots.get(self.digest), Some(Slot::Loading)) {
            state.slots.remove(self.digest);
        }
        drop(state);
        self.cache.loaded.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Object;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    fn chunk(seed: u8) -> (Digest, Bytes) {
        let bytes = Bytes::from(vec![seed; 100]);
        (Digest::of(&bytes), bytes)
    }

    #[test]
    fn the_least_recently_used_chunk_makes_room() {
        let cache = Cache::new(250);
        let (a, b, c) = (chunk(1), chunk(2), chunk(3));
        for (digest, bytes) in [&a, &b] {
            cache.get_or_load(digest, || Ok(bytes.clone())).unwrap();
        }
        assert_eq!(cache.get(&a.0), Some(a.1));
        cache.get_or_load(&c.0, || Ok(c.1.clone())).unwrap();
        assert_eq!(cache.get(&b.0), None);
        assert!(cache.get(&a.0).is_some() && cache.get(&c.0).is_some());
        assert_eq!(cache.lock().bytes, 200);
    }

    #[test]
    fn many_readers_of_a_chunk_load_it_once() {
        let cache = Cache::new(1000);
        let (digest, bytes) = chunk(1);
        let loads = AtomicUsize::new(0);
        let (started, wait_for_start) = mpsc::channel();
        let (go, wait_to_go) = mpsc::channel::<()>();
        let (counted, loaded) = (&loads, &bytes);
        let load = move || {
            counted.fetch_add(1, Ordering::SeqCst);
            started.send(()).unwrap();
            wait_to_go.recv().unwrap();
            Ok(loaded.clone())
        };
        std::thread::scope(|scope| {
            let first = scope.spawn(|| cache.get_or_load(&digest, load));
            wait_for_start.recv().unwrap();
            let others: Vec<_> =
                (0..4).map(|_| scope.spawn(|| cache.get_or_load(&digest, || panic!("the first reader is loading")))).collect();
            go.send(()).unwrap();
            assert_eq!(first.join().unwrap().unwrap(), bytes);
            for other in others {
                assert_eq!(other.join().unwrap().unwrap(), bytes);
            }
        });
        assert_eq!(loads.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_failed_load_is_tried_again() {
        let cache = Cache::new(1000);
        let (digest, bytes) = chunk(1);
        let failed = cache.get_or_load(&digest, || Err(RepositoryError::Corrupt { object: Object::Chunk(digest) }));
        assert!(failed.is_err());
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| cache.get_or_load(&digest, || panic!("a bug"))));
        assert!(panicked.is_err());
        assert_eq!(cache.get_or_load(&digest, || Ok(bytes.clone())).unwrap(), bytes);
    }
}
