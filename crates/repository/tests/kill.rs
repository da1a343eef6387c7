//! Processes that are killed: whatever an import or a server leaves behind, no image is broken by it.

mod common;

use common::{Process, Server, disk, example, import};
use pileus_repository::{Repository, server};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::tempdir;

#[test]
fn a_killed_import_leaves_no_broken_image() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("repository");
    let disk = disk(24);
    let (mut finished, mut killed) = (0, 0);
    // Later and later, until an import gets through.
    for round in 0u32.. {
        let mut child = Command::new(example());
        child.arg("import").arg(&path).arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut import = Process(child.spawn().unwrap());
        // The moment is an amount of the disk that the process has taken and, after the last, a time.
        let share = disk.len() * (round as usize).min(8) / 8;
        let mut input = import.0.stdin.take().unwrap();
        input.write_all(&disk[..share]).unwrap();
        if share == disk.len() {
            drop(input);
            std::thread::sleep(Duration::from_millis(10) * (round - 7));
            if import.0.try_wait().unwrap().is_some_and(|status| status.success()) {
                finished += 1;
            }
        }
        let _ = import.0.kill();
        import.0.wait().unwrap();
        killed += 1;

        let repository = Repository::open(&path).unwrap();
        for image in repository.images().unwrap() {
            assert_eq!(repository.verify(&image), vec![], "killed in round {round}");
        }
        if finished > 0 {
            break;
        }
        assert!(round < 2000, "no import finishes");
    }
    assert!(killed > 8);
    let repository = Repository::open(&path).unwrap();
    let images = repository.images().unwrap();
    assert_eq!(images.len(), 1);
    repository.sweep().unwrap();
    assert_eq!(repository.verify(&images[0]), vec![]);
    assert_eq!(fs::read_dir(path.join("staging")).unwrap().count(), 0);
}

#[test]
fn a_reading_guest_outlives_its_killed_server() {
    let folder = tempdir().unwrap();
    let disk = disk(8);
    let (_, image) = import(folder.path(), &disk);
    let server = Server::start(folder.path());
    let options = format!("driver=nbd,server.type=unix,server.path={},export={image},reconnect-delay=60", server.socket.display());
    let mut client = Command::new("qemu-io");
    client.args(["-r", "--image-opts", &options]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut client = Process(client.spawn().unwrap());
    let mut commands = client.0.stdin.take().unwrap();
    let mut answers = BufReader::new(client.0.stdout.take().unwrap());
    let mut answer = || loop {
        let mut line = String::new();
        assert_ne!(answers.read_line(&mut line).unwrap(), 0, "the client has given up");
        assert!(!line.contains("failed"), "{line}");
        if line.contains("read 1/1 bytes") {
            return;
        }
    };
    // The inner parts of stretches of noise, which lie in different chunks.
    let mut read = |stretch: usize| {
        let offset = stretch * 300_000 + 1000;
        writeln!(commands, "read -P {} {offset} 1", disk[offset]).unwrap();
    };
    read(0);
    answer();

    server.kill();
    read(4); // while the server is away
    let server = Server::start(folder.path());
    answer();
    server.kill();
    let server = Server::start(folder.path());
    read(8); // after it was replaced
    answer();
    drop(commands);
    assert!(client.0.wait().unwrap().success());

    // The bytes are right, too.
    let copy = folder.path().join("copy");
    let (ok, said) = common::tool("qemu-img", &["convert", "-f", "raw", "-O", "raw", &server.url(&image), copy.to_str().unwrap()]);
    assert!(ok, "{said}");
    assert!(fs::read(&copy).unwrap()[..disk.len()] == disk);
}

#[test]
fn a_server_ends_on_request_and_leaves_nothing() {
    let folder = tempdir().unwrap();
    import(folder.path(), &disk(1));
    let mut server = Server::start(folder.path());
    let pid = nix::unistd::Pid::from_raw(i32::try_from(server.process.0.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert!(server.process.0.wait().unwrap().success());
    let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["log", "repository"]);
}

#[test]
fn a_live_socket_is_not_taken_and_a_dead_one_is_replaced() {
    let folder = tempdir().unwrap();
    import(folder.path(), &disk(1));
    let first = Server::start(folder.path());
    let second = Command::new(example()).arg("serve").arg(folder.path().join("repository")).arg(&first.socket).output().unwrap();
    assert!(!second.status.success());
    assert!(String::from_utf8_lossy(&second.stderr).contains("AlreadyServed"));
    assert!(server::is_serving(&first.socket));

    let socket = first.socket.clone();
    first.kill();
    assert!(socket.exists() && !server::is_serving(&socket));
    let third = Server::start(folder.path());
    assert!(server::is_serving(&third.socket));
}
