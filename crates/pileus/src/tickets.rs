//! Lines that hosts were asked to dial, each recognised by a ticket.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::HostId;
use tokio::sync::oneshot;

/// Randomness of a ticket.
const TICKET_BYTES: usize = 16;

/// The lines that are expected.
pub struct Tickets<L> {
    expected: Arc<Mutex<HashMap<String, Expected<L>>>>,
}

/// Who dials a line, and who waits for it.
struct Expected<L> {
    host: HostId,
    line: oneshot::Sender<L>,
}

/// A line that somebody waits for; forgotten when this is dropped.
pub struct Ticket<L> {
    tickets: Tickets<L>,
    word: String,
    line: oneshot::Receiver<L>,
}

// Not derived: a line need be neither.
impl<L> Clone for Tickets<L> {
    fn clone(&self) -> Tickets<L> {
        Tickets { expected: self.expected.clone() }
    }
}

impl<L> Default for Tickets<L> {
    fn default() -> Tickets<L> {
        Tickets { expected: Arc::default() }
    }
}

impl<L> Tickets<L> {
    /// Expects a line of a host. Fails when there is no randomness.
    pub fn expect(&self, host: HostId) -> Result<Ticket<L>, getrandom::Error> {
        let mut bytes = [0; TICKET_BYTES];
        getrandom::fill(&mut bytes)?;
        let word = hex::encode(bytes);
        let (sender, line) = oneshot::channel();
        self.lock().insert(word.clone(), Expected { host, line: sender });
        Ok(Ticket { tickets: self.clone(), word, line })
    }

    /// Hands a line that a host dialled to whoever waits for it; one that nobody waits for ends.
    pub fn hand_over(&self, host: HostId, word: &str, line: L) {
        let mut expected = self.lock();
        if expected.get(word).is_some_and(|expected| expected.host == host)
            && let Some(expected) = expected.remove(word)
        {
            // Who waited may have gone just now.
            let _ = expected.line.send(line);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Expected<L>>> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<L> Ticket<L> {
    /// What the host has to show.
    pub fn word(&self) -> &str {
        &self.word
    }

    /// The line, once it is there.
    pub async fn line(mut self) -> Option<L> {
        (&mut self.line).await.ok()
    }
}

impl<L> Drop for Ticket<L> {
    fn drop(&mut self) {
        self.tickets.lock().remove(&self.word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: HostId = HostId::from_u64(7);

    #[tokio::test]
    async fn a_line_that_comes_late_is_waited_for() {
        let tickets = Tickets::default();
        let ticket = tickets.expect(HOST).unwrap();
        let word = ticket.word().to_owned();
        let waiting = tokio::spawn(ticket.line());
        tokio::task::yield_now().await;
        tickets.hand_over(HOST, &word, "line");
        assert_eq!(waiting.await.unwrap(), Some("line"));
        assert!(tickets.lock().is_empty());
    }

    #[tokio::test]
    async fn a_line_is_handed_to_nobody_else_and_a_ticket_is_worth_nothing_when_it_is_dropped() {
        let tickets = Tickets::default();
        let ticket = tickets.expect(HOST).unwrap();
        tickets.hand_over(HostId::from_u64(8), ticket.word(), "of another host");
        tickets.hand_over(HOST, "0", "of another ticket");
        assert_eq!(tickets.lock().len(), 1);
        let word = ticket.word().to_owned();
        drop(ticket);
        tickets.hand_over(HOST, &word, "late");
        assert!(tickets.lock().is_empty());
    }
}
