//! How much of a service one guest may use at a time, so that none can starve the others.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts what each guest has open.
#[derive(Debug, Clone)]
pub struct Bounds {
    open: Arc<Mutex<HashMap<Ipv4Addr, usize>>>,
    each: usize,
}

/// One thing that a guest has open; it is closed by dropping this.
#[derive(Debug)]
pub struct Place {
    bounds: Bounds,
    guest: Ipv4Addr,
}

impl Bounds {
    /// Allows each guest so many at a time.
    pub fn new(each: usize) -> Bounds {
        Bounds { open: Arc::default(), each }
    }

    /// Takes a place for a guest; none when it has all of its places.
    pub fn take(&self, guest: Ipv4Addr) -> Option<Place> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(guest).or_insert(0);
        if *count >= self.each {
            return None;
        }
        *count += 1;
        Some(Place { bounds: self.clone(), guest })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.bounds.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.guest) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.guest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_gets_its_places_back_and_takes_none_from_others() {
        let bounds = Bounds::new(2);
        let (one, other) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
        let first = bounds.take(one);
        let second = bounds.take(one);
        assert!(first.is_some() && second.is_some() && bounds.take(one).is_none());
        assert!(bounds.take(other).is_some());
        drop(first);
        assert!(bounds.take(one).is_some());
    }
}
