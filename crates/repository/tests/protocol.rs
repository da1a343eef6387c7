//! The server's side of the NBD protocol, byte by byte, against clients that are old, odd or hostile.

mod common;

use common::{Server, chunks, disk, eventually, file_of, import};
use pileus_repository::{Digest, Object, Repository};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use tempfile::{TempDir, tempdir};

const EXPORT_NAME: u32 = 1;
const ABORT: u32 = 2;
const LIST: u32 = 3;
const INFO: u32 = 6;
const GO: u32 = 7;
const STRUCTURED: u32 = 8;
const SET_META_CONTEXT: u32 = 10;

const ACK: u32 = 1;
const ERROR: u32 = 1 << 31;

const READ: u16 = 0;
const WRITE: u16 = 1;
const DISCONNECT: u16 = 2;
const FLUSH: u16 = 3;
const TRIM: u16 = 4;
const WRITE_ZEROES: u16 = 6;
const BLOCK_STATUS: u16 = 7;

const PERM: u32 = 1;
const IO: u32 = 5;
const INVALID: u32 = 22;

/// Header, read-only, flush, several connections.
const FLAGS: u16 = 0b1_0000_0111;

struct Scene {
    folder: TempDir,
    disk: Vec<u8>,
    repository: Repository,
    image: Digest,
    server: Server,
}

fn scene() -> Scene {
    let folder = tempdir().unwrap();
    let disk = disk(2);
    let (repository, image) = import(folder.path(), &disk);
    let server = Server::start(folder.path());
    Scene { folder, disk, repository, image, server }
}

impl Scene {
    /// A client that has been greeted and has answered.
    fn greeted(&self) -> Client {
        let stream = UnixStream::connect(&self.server.socket).unwrap();
        stream.set_read_timeout(Some(common::PATIENCE)).unwrap();
        stream.set_write_timeout(Some(common::PATIENCE)).unwrap();
        let mut client = Client(stream);
        assert_eq!(&client.take(16), b"NBDMAGICIHAVEOPT");
        assert_eq!(client.u16(), 0b11);
        client.put(&3u32.to_be_bytes());
        client
    }

    /// A client that has the image open.
    fn opened(&self, structured: bool) -> Client {
        let mut client = self.greeted();
        if structured {
            client.option(STRUCTURED, &[]);
            assert_eq!(client.option_reply(STRUCTURED), (ACK, vec![]));
        }
        client.option(GO, &go(&self.image.to_string()));
        let (kind, fact) = client.option_reply(GO);
        assert_eq!((kind, &fact[..2]), (3, &[0u8, 0][..]));
        assert_eq!(fact[2..10], (self.disk.len() as u64).to_be_bytes());
        assert_eq!(fact[10..], FLAGS.to_be_bytes());
        let (kind, fact) = client.option_reply(GO);
        assert_eq!((kind, &fact[..2], fact.len()), (3, &[0u8, 3][..], 14));
        assert_eq!(client.option_reply(GO), (ACK, vec![]));
        client
    }
}

fn go(name: &str) -> Vec<u8> {
    [&(name.len() as u32).to_be_bytes()[..], name.as_bytes(), &[0, 0]].concat()
}

struct Client(UnixStream);

impl Client {
    fn put(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }

    fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.take(2).try_into().unwrap())
    }

    fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.take(4).try_into().unwrap())
    }

    fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.take(8).try_into().unwrap())
    }

    fn option(&mut self, option: u32, payload: &[u8]) {
        let bytes = [&b"IHAVEOPT"[..], &option.to_be_bytes(), &(payload.len() as u32).to_be_bytes(), payload].concat();
        self.put(&bytes);
    }

    fn option_reply(&mut self, option: u32) -> (u32, Vec<u8>) {
        assert_eq!(self.u64(), 0x0003_e889_0455_65a9);
        assert_eq!(self.u32(), option);
        let (kind, length) = (self.u32(), self.u32());
        (kind, self.take(length as usize))
    }

    fn request(&mut self, command: u16, cookie: u64, offset: u64, length: u32) {
        self.flagged_request(0, command, cookie, offset, length);
    }

    fn flagged_request(&mut self, flags: u16, command: u16, cookie: u64, offset: u64, length: u32) {
        let mut bytes = 0x2560_9513u32.to_be_bytes().to_vec();
        bytes.extend(flags.to_be_bytes());
        bytes.extend(command.to_be_bytes());
        bytes.extend(cookie.to_be_bytes());
        bytes.extend(offset.to_be_bytes());
        bytes.extend(length.to_be_bytes());
        self.put(&bytes);
    }

    /// A simple reply's error, 0 for none.
    fn simple_reply(&mut self, cookie: u64) -> u32 {
        assert_eq!(self.u32(), 0x6744_6698);
        let error = self.u32();
        assert_eq!(self.u64(), cookie);
        error
    }

    /// A structured reply: cookie, whether it is the last, its kind and its payload.
    fn chunk(&mut self) -> (u64, bool, u16, Vec<u8>) {
        assert_eq!(self.u32(), 0x668e_33ef);
        let (flags, kind, cookie, length) = (self.u16(), self.u16(), self.u64(), self.u32());
        (cookie, flags == 1, kind, self.take(length as usize))
    }

    /// The bytes of a structured read, or its error.
    fn read(&mut self, cookie: u64, offset: u64, length: u32) -> Result<Vec<u8>, u32> {
        self.request(READ, cookie, offset, length);
        let mut bytes = vec![0xee; length as usize];
        let mut filled = 0;
        loop {
            let (answered, done, kind, payload) = self.chunk();
            assert_eq!(answered, cookie);
            let place = |payload: &[u8]| (u64::from_be_bytes(payload[..8].try_into().unwrap()) - offset) as usize;
            match kind {
                1 => {
                    bytes[place(&payload)..][..payload.len() - 8].copy_from_slice(&payload[8..]);
                    filled += payload.len() - 8;
                }
                2 => {
                    let zeroes = u32::from_be_bytes(payload[8..12].try_into().unwrap()) as usize;
                    bytes[place(&payload)..][..zeroes].fill(0);
                    filled += zeroes;
                }
                0x8001 => return Err(u32::from_be_bytes(payload[..4].try_into().unwrap())),
                kind => panic!("a reply of kind {kind}"),
            }
            if done {
                assert_eq!(filled, length as usize);
                return Ok(bytes);
            }
        }
    }

    fn hung_up(mut self) -> bool {
        matches!(self.0.read(&mut [0]), Ok(0)) || self.0.write(&[0]).is_err()
    }
}

#[test]
fn a_client_of_today_reads_in_parts() {
    let scene = scene();
    let mut client = scene.opened(true);
    let all = scene.disk.len() as u32;
    for (offset, length) in [(0, 1), (0, all), (299_999, 2), (u64::from(all) - 1, 1), (200_000, 900_000)] {
        let expected = &scene.disk[offset as usize..][..length as usize];
        // Cold the first time, from memory the second.
        for cookie in 0..2 {
            assert!(client.read(cookie, offset, length).unwrap() == expected, "{length} bytes at {offset}");
        }
    }
    client.request(DISCONNECT, 9, 0, 0);
    assert!(client.hung_up());
}

#[test]
fn a_client_of_old_reads_in_one_piece() {
    let scene = scene();
    let mut client = scene.greeted();
    client.option(EXPORT_NAME, scene.image.to_string().as_bytes());
    assert_eq!(client.u64(), scene.disk.len() as u64);
    assert_eq!(client.u16(), FLAGS);
    for (offset, length) in [(0, 4096), (200_000, 1_000_000)] {
        client.request(READ, offset, offset, length);
        assert_eq!(client.simple_reply(offset), 0);
        assert!(client.take(length as usize) == scene.disk[offset as usize..][..length as usize]);
    }
    client.request(READ, 1, scene.disk.len() as u64, 1);
    assert_eq!(client.simple_reply(1), INVALID);
    client.request(BLOCK_STATUS, 2, 0, 1);
    assert_eq!(client.simple_reply(2), INVALID);
}

#[test]
fn requests_that_change_or_make_no_sense_are_refused_and_the_connection_goes_on() {
    let scene = scene();
    let mut client = scene.opened(true);
    let size = scene.disk.len() as u64;
    client.request(WRITE, 1, 0, 100_000);
    client.put(&vec![1; 100_000]);
    assert_eq!(client.simple_reply(1), PERM);
    for command in [TRIM, WRITE_ZEROES] {
        client.request(command, 2, 0, 4096);
        assert_eq!(client.simple_reply(2), PERM);
    }
    client.request(FLUSH, 3, 0, 0);
    assert_eq!(client.simple_reply(3), 0);
    client.request(99, 4, 0, 0);
    assert_eq!(client.simple_reply(4), INVALID);
    for (offset, length) in [(size, 1), (0, size as u32 + 1), (u64::MAX, 2), (0, 0), (0, (32 << 20) + 1)] {
        assert_eq!(client.read(5, offset, length), Err(INVALID), "{length} at {offset}");
    }
    client.flagged_request(1 << 5, READ, 6, 0, 1);
    assert_eq!(client.chunk().3[..4], INVALID.to_be_bytes());
    // Not asked for in the handshake.
    client.request(BLOCK_STATUS, 7, 0, 4096);
    assert_eq!(client.chunk().3[..4], INVALID.to_be_bytes());
    assert!(client.read(8, 0, 4096).unwrap() == scene.disk[..4096]);
}

#[test]
fn a_damaged_chunk_fails_its_reads_and_no_others() {
    let scene = scene();
    let bad = chunks(&scene.repository, &scene.image)[1];
    common::flip(&file_of(&scene.folder.path().join("repository"), Object::Chunk(bad)));
    let mut client = scene.opened(true);
    let chunk = u64::from(scene.repository.manifest(&scene.image).unwrap().chunk_bytes);
    assert_eq!(client.read(1, 0, 3 * chunk as u32), Err(IO));
    assert_eq!(client.read(2, chunk, 1), Err(IO));
    assert!(client.read(3, 0, chunk as u32).unwrap() == scene.disk[..chunk as usize]);
    let mut old = scene.opened(false);
    old.request(READ, 4, chunk - 1, 2);
    assert_eq!(old.simple_reply(4), IO);
    old.request(READ, 5, chunk - 1, 1);
    assert_eq!(old.simple_reply(5), 0);
}

#[test]
fn many_requests_in_flight_are_all_answered() {
    let scene = scene();
    let mut client = scene.opened(true);
    let requests = 200u64;
    let place = |cookie: u64| (cookie * 104_729) % (scene.disk.len() as u64 - 4096);
    for cookie in 0..requests {
        client.request(READ, cookie, place(cookie), 4096);
    }
    let mut missing: Vec<i64> = vec![4096; requests as usize];
    let mut left = requests;
    while left > 0 {
        let (cookie, done, kind, payload) = client.chunk();
        let offset = u64::from_be_bytes(payload[..8].try_into().unwrap()) as usize;
        let length = match kind {
            1 => payload.len() - 8,
            2 => u32::from_be_bytes(payload[8..12].try_into().unwrap()) as usize,
            kind => panic!("a reply of kind {kind}"),
        };
        let expected = &scene.disk[offset..offset + length];
        assert!(if kind == 1 { &payload[8..] == expected } else { expected.iter().all(|byte| *byte == 0) });
        missing[cookie as usize] -= length as i64;
        left -= u64::from(done);
    }
    assert!(missing.iter().all(|bytes| *bytes == 0));
}

#[test]
fn the_handshake_refuses_and_goes_on() {
    let scene = scene();
    let mut client = scene.greeted();
    let name = scene.image.to_string();
    for unknown in ["", "0123", &"0".repeat(64), &name[1..], &name.to_uppercase(), "../manifests"] {
        client.option(GO, &go(unknown));
        assert_eq!(client.option_reply(GO).0, ERROR | 6, "{unknown}");
    }
    client.option(LIST, &[]);
    assert_eq!(client.option_reply(LIST).0, ERROR | 2);
    client.option(5, &[]); // STARTTLS
    assert_eq!(client.option_reply(5).0, ERROR | 1);
    client.option(12345, b"x");
    assert_eq!(client.option_reply(12345).0, ERROR | 1);
    // Lengths that lie.
    for payload in [&[][..], &[0, 0, 0], &[0xff; 4], &[0, 0, 0, 9, b'x']] {
        client.option(INFO, payload);
        assert_eq!(client.option_reply(INFO).0, ERROR | 3);
        client.option(SET_META_CONTEXT, payload);
        assert_eq!(client.option_reply(SET_META_CONTEXT).0, ERROR | 3);
    }
    client.option(STRUCTURED, b"x");
    assert_eq!(client.option_reply(STRUCTURED).0, ERROR | 3);
    client.option(INFO, &go(&name));
    assert_eq!(client.option_reply(INFO).0, 3);
    assert_eq!(client.option_reply(INFO).0, 3);
    assert_eq!(client.option_reply(INFO).0, ACK);
    client.option(ABORT, &[]);
    assert_eq!(client.option_reply(ABORT).0, ACK);
    assert!(client.hung_up());
}

#[test]
fn a_client_that_breaks_the_protocol_is_hung_up_on_and_others_are_not() {
    let scene = scene();
    let mut good = scene.opened(true);
    let mut unknown = scene.greeted();
    unknown.option(EXPORT_NAME, b"nothing");
    assert!(unknown.hung_up());

    let mut long = scene.greeted();
    long.put(&[&b"IHAVEOPT"[..], &GO.to_be_bytes(), &u32::MAX.to_be_bytes()].concat());
    assert!(long.hung_up());

    let mut many = scene.greeted();
    for _ in 0..32 {
        many.option(INFO, &[]);
        assert_eq!(many.option_reply(INFO).0, ERROR | 3);
    }
    assert!(many.hung_up());

    let mut garbled = scene.opened(true);
    garbled.put(&[7; 28]);
    assert!(garbled.hung_up());

    let mut writer = scene.opened(true);
    writer.request(WRITE, 1, 0, u32::MAX);
    assert!(writer.hung_up());

    // Takes no answers at all, and asks for more than sockets hold.
    let mut deaf = scene.opened(true);
    deaf.0.set_nonblocking(true).unwrap();
    let request = [&0x2560_9513u32.to_be_bytes()[..], &[0; 4], &[0; 8], &[0; 8], &(2u32 << 20).to_be_bytes()].concat();
    while deaf.0.write(&request).is_ok() {}
    assert!(good.read(1, 0, 4096).unwrap() == scene.disk[..4096]);
}

#[test]
fn a_new_image_is_served_at_once_and_an_open_one_is_not_removed() {
    let scene = scene();
    let client = scene.opened(true);
    assert!(scene.repository.remove(&scene.image).is_err());
    drop(client);
    eventually("the server lets go of the image", || scene.repository.remove(&scene.image).is_ok());
    let mut late = scene.greeted();
    late.option(GO, &go(&scene.image.to_string()));
    assert_eq!(late.option_reply(GO).0, ERROR | 6);
    assert_eq!(scene.repository.import_raw(&scene.disk[..], None).unwrap(), scene.image);
    assert!(scene.opened(true).read(1, 0, 4096).unwrap() == scene.disk[..4096]);
}

#[test]
fn the_socket_has_its_permissions() {
    let scene = scene();
    assert_eq!(fs::metadata(&scene.server.socket).unwrap().permissions().mode() & 0o777, 0o666);
}
