//! The client of guest agents against guests that are what a tenant may make of them.

use super::*;
use std::future::Future;
use std::path::PathBuf;
use tokio::net::UnixListener;
use tokio::time::Instant;

const LIMIT: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(100);

struct Guest {
    from: tokio::io::Split<BufReader<OwnedReadHalf>>,
    to: OwnedWriteHalf,
}

impl Guest {
    async fn say(&mut self, bytes: &[u8]) {
        self.to.write_all(bytes).await.unwrap();
    }

    /// The next command that it is told.
    async fn told(&mut self) -> Value {
        let line = self.from.next_segment().await.unwrap().expect("a command");
        serde_json::from_slice(line.strip_prefix(&[DELIMITER]).unwrap_or(&line)).unwrap()
    }

    /// Reads a synchronisation and gives its number.
    async fn number(&mut self) -> i64 {
        let told = self.told().await;
        assert_eq!(told["execute"], "guest-sync-delimited");
        told["arguments"]["id"].as_i64().unwrap()
    }

    async fn synchronise(&mut self) {
        let number = self.number().await;
        self.say(&answer_to(number)).await;
    }
}

fn answer_to(number: i64) -> Vec<u8> {
    [&[DELIMITER][..], format!("{{\"return\": {number}}}\n").as_bytes()].concat()
}

/// A client and a guest at both ends of a channel.
async fn channel() -> (GuestAgent, Guest) {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("channel");
    let listener = UnixListener::bind(&path).unwrap();
    let agent = GuestAgent::open(&path).unwrap();
    let (from, to) = listener.accept().await.unwrap().0.into_split();
    (agent, Guest { from: BufReader::new(from).split(b'\n'), to })
}

/// What the client makes of a guest, in time.
async fn met<T>(client: impl Future<Output = T>, guest: impl Future<Output = ()>) -> T {
    let both = async { tokio::join!(client, guest).0 };
    timeout(LIMIT, both).await.expect("the client is not held up by its guest")
}

#[tokio::test]
async fn a_guest_holds_its_file_systems_and_lets_them_go() {
    let (mut agent, mut guest) = channel().await;
    let play = async {
        guest.synchronise().await;
        assert_eq!(guest.told().await["execute"], "guest-fsfreeze-freeze");
        guest.say(b"{\"return\": 3}\n").await;
        guest.synchronise().await;
        assert_eq!(guest.told().await["execute"], "guest-fsfreeze-thaw");
        guest.say(b"{\"return\": 3}\n").await;
    };
    let ask = async {
        agent.synchronise(LIMIT).await.unwrap();
        (agent.freeze(LIMIT).await.unwrap(), agent.thaw(LIMIT).await.unwrap())
    };
    assert_eq!(met(ask, play).await, (3, 3));
}

#[tokio::test]
async fn what_lies_in_the_channel_is_passed_over() {
    let (mut agent, mut guest) = channel().await;
    let play = async {
        let number = guest.number().await;
        guest.say(b"{\"return\": {}}\nno JSON\n\xff\xff\n\xff{\"return\": 7}\n{\"ret").await;
        guest.say(&answer_to(number - 1)).await;
        guest.say(format!("{{\"return\": {number}}}\n").as_bytes()).await;
        guest.say(b"torn").await;
        guest.say(&answer_to(number)).await;
    };
    met(agent.synchronise(LIMIT), play).await.unwrap();
}

#[tokio::test]
async fn wrong_numbers_are_no_answer() {
    let (mut agent, mut guest) = channel().await;
    let play = async {
        let number = guest.number().await;
        for wrong in [number + 1, -number, 0] {
            guest.say(&answer_to(wrong)).await;
        }
        guest.say(format!("\u{7f}{{\"return\": {number}}}\n").as_bytes()).await;
        let mut text = vec![DELIMITER];
        text.extend(format!("{{\"return\": \"{number}\"}}\n").as_bytes());
        guest.say(&text).await;
    };
    assert!(matches!(met(agent.synchronise(SHORT), play).await, Err(GuestAgentError::Timeout(_))));
}

#[tokio::test]
async fn a_silent_guest_is_given_up_in_time() {
    let (mut agent, _guest) = channel().await;
    let begun = Instant::now();
    assert!(matches!(agent.synchronise(SHORT).await, Err(GuestAgentError::Timeout(_))));
    assert!(matches!(agent.thaw(SHORT).await, Err(GuestAgentError::Timeout(_))));
    assert!(begun.elapsed() < LIMIT);
}

/// Says something again and again until nobody listens; gives how many bytes were heard of it.
async fn flood(mut to: OwnedWriteHalf, what: &[u8]) -> usize {
    let mut said = 0;
    while let Ok(Ok(())) = timeout(SHORT, to.write_all(what)).await {
        said += what.len();
    }
    said
}

#[tokio::test]
async fn endless_bytes_end_the_wait_and_are_not_kept() {
    for what in [&[b'x'; 4096][..], b"{\"return\": 1}\n", b"\xff", b"\n", b"[[[[[[[["] {
        let (mut agent, guest) = channel().await;
        let ask = async {
            let refused = agent.synchronise(LIMIT).await;
            drop(agent);
            refused
        };
        let (refused, said) = timeout(LIMIT * 2, async { tokio::join!(ask, flood(guest.to, what)) }).await.expect("an end");
        assert!(matches!(refused, Err(GuestAgentError::TooLong(_))), "{refused:?}");
        // What the kernel has of the socket besides is some hundred KiB.
        assert!(said < STALE_BYTES + (4 << 20), "{said}");
    }
}

#[tokio::test]
async fn an_answer_that_never_ends_is_refused() {
    let (mut agent, mut guest) = channel().await;
    let play = async {
        guest.told().await;
        guest.say(b"{\"return\": \"").await;
        guest.say(&vec![b'a'; 2 * ANSWER_BYTES]).await;
    };
    assert!(matches!(met(agent.freeze(LIMIT), play).await, Err(GuestAgentError::TooLong(ANSWER_BYTES))));
}

#[tokio::test]
async fn garbage_is_no_answer() {
    let deep = [vec![b'['; ANSWER_BYTES / 2], b"\n".to_vec()].concat();
    let lines: [&[u8]; 10] = [
        b"\n",
        b"{}\n",
        b"[]\n",
        b"{\"return\": null}\n",
        b"{\"return\": -1}\n",
        b"{\"return\": 1.5}\n",
        b"{\"return\": {\"return\": 1}}\n",
        b"{\"error\": \"no\"}\n",
        b"\xff\xfe\n",
        &deep,
    ];
    for line in lines {
        let (mut agent, mut guest) = channel().await;
        let play = async {
            guest.told().await;
            guest.say(line).await;
        };
        let refused = met(agent.freeze(LIMIT), play).await;
        assert!(matches!(refused, Err(GuestAgentError::Protocol(_))), "{line:?}: {refused:?}");
    }
}

#[tokio::test]
async fn a_refusal_has_words_and_a_closed_channel_is_told_at_once() {
    let (mut agent, mut guest) = channel().await;
    let play = async {
        guest.told().await;
        guest.say(b"{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"disabled\"}}\n").await;
    };
    let refused = met(agent.freeze(LIMIT), play).await;
    assert!(matches!(refused, Err(GuestAgentError::Refused { description, .. }) if description == "disabled"));
    guest.say(b"{\"return\"").await;
    drop(guest);
    assert!(matches!(met(agent.thaw(LIMIT), async {}).await, Err(GuestAgentError::Closed | GuestAgentError::Channel(_))));
}

#[tokio::test]
async fn a_guest_that_froze_too_late_is_thawed_all_the_same() {
    let (mut agent, mut guest) = channel().await;
    assert!(matches!(met(agent.freeze(SHORT), async {}).await, Err(GuestAgentError::Timeout(_))));
    let play = async {
        assert_eq!(guest.told().await["execute"], "guest-fsfreeze-freeze");
        guest.say(b"{\"return\": 2}\n").await;
        guest.synchronise().await;
        assert_eq!(guest.told().await["execute"], "guest-fsfreeze-thaw");
        guest.say(b"{\"return\": 2}\n").await;
    };
    assert_eq!(met(agent.thaw(LIMIT), play).await.unwrap(), 2);
}

#[tokio::test]
async fn a_thaw_that_nobody_waits_for_is_said_before_the_channel_closes() {
    let (agent, mut guest) = channel().await;
    assert!(agent.thaw_unheard());
    drop(agent);
    guest.number().await;
    assert_eq!(guest.told().await["execute"], "guest-fsfreeze-thaw");
}
