//! Requests that real clients signed, with bytes changed, dropped, doubled and taken from each other: for a few seconds, or
//! `PILEUS_FUZZ_SECONDS`, from a seed that is printed when something is wrong and may be given again by `PILEUS_FUZZ_SEED`.
//!
//! Nothing may panic; and a request that still verifies must say what was signed.

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use secrecy::SecretString;
use wire::{Args, Request, identify};

const SECRET: &str = "pileus/example+secret=1";
/// How long it runs unless the environment says otherwise; with the suite each day that adds up.
const SECONDS: u64 = 3;
/// Most changes to one request.
const CHANGES: u64 = 4;
/// Bytes that mean something to a decoder.
const SHARP: &[u8] = b"&=%+.;:,/\\\"'{}[]<>\0\r\n \t\xff1xA";

/// Numbers from a seed (xorshift64*, Vigna 2016).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % below.max(1)
    }

    fn place(&mut self, text: &[u8]) -> usize {
        self.roll(text.len() as u64) as usize
    }
}

/// A request as it came over the line: head and body.
#[derive(Clone)]
struct Raw {
    name: String,
    target: Vec<u8>,
    method: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Raw {
    fn read(path: &Path) -> Raw {
        let bytes = std::fs::read(path).expect("a capture can be read");
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head ends");
        let head = String::from_utf8(bytes[..end].to_vec()).expect("a head is text");
        let mut lines = head.split("\r\n");
        let mut first = lines.next().expect("a head has a first line").split(' ');
        let header = |line: &str| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().as_bytes().to_vec()));
        Raw {
            name: path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            method: first.next().expect("a method").to_owned(),
            target: first.next().expect("a target").as_bytes().to_vec(),
            headers: lines.filter_map(header).collect(),
            body: bytes[end + 4..].to_vec(),
        }
    }

    fn request(&self) -> Option<Request> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        Request::new(&self.method, text(&self.target), headers, Bytes::from(self.body.clone())).ok()
    }

    /// A part of it that can be changed.
    fn part(&mut self, dice: &mut Dice) -> &mut Vec<u8> {
        let headers = self.headers.len() as u64;
        match dice.roll(headers + 4) {
            0 | 1 => &mut self.target,
            2 | 3 => &mut self.body,
            header => &mut self.headers[(header - 4) as usize].1,
        }
    }
}

/// Changes a text in one of the ways in which decoders go wrong.
fn change(text: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    let at = dice.place(text);
    match dice.roll(7) {
        0 => text.insert(at, SHARP[dice.place(SHARP)]),
        1 if !text.is_empty() => text[at] = SHARP[dice.place(SHARP)],
        2 if !text.is_empty() => text[at] ^= 1 << dice.roll(8),
        3 => text.truncate(at),
        4 => {
            let piece = text[at..].iter().copied().take(40).collect::<Vec<u8>>();
            text.splice(at..at, piece);
        }
        5 => {
            let from = dice.place(other);
            text.splice(at.., other[from..].iter().copied());
        }
        _ => {
            let deep = [&b"[{\"a\":"[..], b"<a>", b"a.1."][dice.roll(3) as usize];
            text.splice(at..at, deep.repeat(1 + dice.roll(200) as usize));
        }
    }
}

/// What a request says, whatever the order: its pairs, and its body when that is JSON. A signature in hexadecimal digits is the same in
/// capitals.
fn said(request: &Request) -> (Vec<(String, String)>, Option<serde_json::Value>) {
    let value_of = |name: &str, value: String| if name == "X-Amz-Signature" { value.to_ascii_lowercase() } else { value };
    let mut pairs: Vec<_> = request.pairs().map(|(name, value)| (name.to_string(), value_of(&name, value.into_owned()))).collect();
    pairs.sort();
    (pairs, serde_json::from_slice(request.body()).ok())
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn what_was_changed_on_the_way_neither_panics_nor_passes_for_what_was_signed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/signed");
    let entries = std::fs::read_dir(folder).expect("the captures are there");
    let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let captures: Vec<Raw> = paths.filter(|path| path.extension().is_some_and(|end| end == "http")).map(|path| Raw::read(&path)).collect();
    assert!(captures.len() >= 34, "captures are missing");
    let seed = number("PILEUS_FUZZ_SEED").unwrap_or_else(|| std::time::UNIX_EPOCH.elapsed().map_or(7, |since| since.as_nanos() as u64 | 1));
    let until = Instant::now() + Duration::from_secs(number("PILEUS_FUZZ_SECONDS").unwrap_or(SECONDS));
    let secret = SecretString::from(SECRET);
    let (mut dice, mut tried, mut read, mut same) = (Dice(seed), 0_u64, 0_u64, 0_u64);
    while Instant::now() < until || tried < 1_000 {
        let original = &captures[dice.roll(captures.len() as u64) as usize];
        let other = captures[dice.roll(captures.len() as u64) as usize].body.clone();
        let mut changed = original.clone();
        for _ in 0..=dice.roll(CHANGES) {
            change(changed.part(&mut dice), &other, &mut dice);
        }
        tried += 1;
        let Some(request) = changed.request() else { continue };
        let args = Args::from_request(&request);
        read += u64::from(args.is_ok());
        let _ = Args::from_json(&changed.body);
        let Ok(claim) = identify(&request) else { continue };
        let verified = claim.verify(&secret, claim.time).is_ok();
        // Two of the captures sign no body, and say so.
        if !verified || original.name.contains("unsigned") {
            continue;
        }
        let signed = original.request().expect("a capture is a request");
        if args.is_ok() {
            assert_eq!(said(&request), said(&signed), "seed {seed}, request {tried}, from {}", original.name);
            same += 1;
        }
    }
    assert!(read > tried / 100, "only {read} of {tried} could be read: nothing was tried");
    assert!(same > 0, "no change kept a signature good, so none was compared");
}
