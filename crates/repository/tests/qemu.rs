//! QEMU's own tools as clients of the server.

mod common;

use common::{Server, chunks, disk, file_of, import, tool};
use pileus_repository::Object;
use std::fs;
use tempfile::tempdir;

#[test]
fn qemu_reads_the_bytes_that_were_imported() {
    let folder = tempdir().unwrap();
    let mut disk = disk(9);
    // QEMU counts in sectors; an odd end is padded with zeroes.
    let (_, image) = import(folder.path(), &disk);
    let server = Server::start(folder.path());
    disk.resize(disk.len().next_multiple_of(512), 0);
    let plain = folder.path().join("plain");
    fs::write(&plain, &disk).unwrap();
    let (ok, said) = tool("qemu-img", &["compare", "-f", "raw", "-F", "raw", plain.to_str().unwrap(), &server.url(&image)]);
    assert!(ok && said.contains("Images are identical"), "{said}");

    let copy = folder.path().join("copy.qcow2");
    let copy = copy.to_str().unwrap();
    let (ok, said) = tool("qemu-img", &["convert", "-f", "raw", "-O", "qcow2", "-W", "-m", "16", &server.url(&image), copy]);
    assert!(ok, "{said}");
    let (ok, said) = tool("qemu-img", &["compare", "-f", "raw", "-F", "qcow2", plain.to_str().unwrap(), copy]);
    assert!(ok, "{said}");
}

#[test]
fn qemu_knows_what_is_zero() {
    let folder = tempdir().unwrap();
    let mut disk = vec![0; 8 << 20];
    disk[3 << 20..(3 << 20) + 100_000].fill(5);
    let (repository, image) = import(folder.path(), &disk);
    let server = Server::start(folder.path());
    let (ok, said) = tool("qemu-img", &["map", "--output=json", "-f", "raw", &server.url(&image)]);
    assert!(ok, "{said}");
    let chunk = repository.manifest(&image).unwrap().chunk_bytes as usize;
    let map: Vec<(usize, usize, bool, bool)> = serde_json::from_str::<Vec<serde_json::Value>>(&said)
        .unwrap()
        .iter()
        .map(|part| {
            let number = |name: &str| part[name].as_u64().unwrap() as usize;
            (number("start"), number("length"), part["zero"].as_bool().unwrap(), part["data"].as_bool().unwrap())
        })
        .collect();
    let expected = [(0, 3 << 20, true, false), (3 << 20, chunk, false, true), ((3 << 20) + chunk, (5 << 20) - chunk, true, false)];
    assert_eq!(map, expected);
}

#[test]
fn many_clients_read_at_once() {
    let folder = tempdir().unwrap();
    let disk = disk(6);
    let (repository, first) = import(folder.path(), &disk);
    let other = [disk.clone(), vec![9; 1 << 20]].concat();
    let second = repository.import_raw(&other[..], None).unwrap();
    let server = Server::start(folder.path());
    std::thread::scope(|scope| {
        for client in 0..6 {
            let (image, bytes) = if client % 2 == 0 { (first, &disk) } else { (second, &other) };
            let copy = folder.path().join(format!("copy{client}"));
            let url = server.url(&image);
            scope.spawn(move || {
                let (ok, said) = tool("qemu-img", &["convert", "-f", "raw", "-O", "raw", "-W", &url, copy.to_str().unwrap()]);
                assert!(ok, "{said}");
                assert!(fs::read(&copy).unwrap()[..bytes.len()] == bytes[..], "client {client}");
            });
        }
    });
}

#[test]
fn an_overlay_reads_through_to_the_image() {
    let folder = tempdir().unwrap();
    let disk = disk(2);
    let (_, image) = import(folder.path(), &disk);
    let server = Server::start(folder.path());
    let overlay = folder.path().join("overlay.qcow2");
    let overlay = overlay.to_str().unwrap();
    let (ok, said) = tool("qemu-img", &["create", "-q", "-f", "qcow2", "-F", "raw", "-b", &server.url(&image), overlay, "16M"]);
    assert!(ok, "{said}");
    let text = disk[300_000];
    let commands = [
        "write -P 0xab 4096 4096".to_owned(),
        "read -P 0xab 4096 4096".to_owned(),
        format!("read -P {text} 300000 1"),
        // Beyond the image's end an overlay is zero.
        "read -P 0 8M 1M".to_owned(),
    ];
    let mut arguments = vec!["-f", "qcow2"];
    for command in &commands {
        arguments.extend(["-c", command]);
    }
    arguments.push(overlay);
    let (ok, said) = tool("qemu-io", &arguments);
    assert!(ok && !said.contains("failed"), "{said}");
}

#[test]
fn a_damaged_chunk_is_an_io_error_and_its_name_is_in_the_log() {
    let folder = tempdir().unwrap();
    let (repository, image) = import(folder.path(), &disk(2));
    let stored = chunks(&repository, &image);
    let path = folder.path().join("repository");
    common::flip(&file_of(&path, Object::Chunk(stored[0])));
    fs::remove_file(file_of(&path, Object::Chunk(stored[1]))).unwrap();
    let server = Server::start(folder.path());
    let url = server.url(&image);
    // The first chunk is damaged, the second is missing, and the fourth is neither.
    let read = |offset: &str| tool("qemu-io", &["-r", "-f", "raw", "-c", &format!("read {offset} 4096"), &url]);
    for offset in ["0", "256k", "200k"] {
        let (_, said) = read(offset);
        assert!(said.contains("Input/output error"), "{offset}: {said}");
    }
    let (ok, said) = tool("qemu-io", &["-r", "-f", "raw", "-c", "read 0 1M", &url]);
    assert!(said.contains("Input/output error"), "{ok}: {said}");
    let (_, said) = read("1280k");
    assert!(said.contains("read 4096/4096"), "{said}");
    let log = server.log();
    for chunk in &stored[..2] {
        let lines: Vec<_> = log.lines().filter(|line| line.contains(&format!("chunk {chunk}"))).collect();
        assert_eq!(lines.len(), 1, "{log}");
        assert!(lines[0].contains("ERROR") && lines[0].contains(&image.to_string()), "{log}");
    }
}

#[test]
fn an_unknown_image_and_a_write_are_refused() {
    let folder = tempdir().unwrap();
    let (_, image) = import(folder.path(), &disk(1));
    let server = Server::start(folder.path());
    let unknown = "0".repeat(64);
    for name in [unknown.as_str(), "", "../../etc/passwd", &image.to_string().to_uppercase()] {
        let url = format!("nbd+unix:///{name}?socket={}", server.socket.display());
        let (ok, said) = tool("qemu-img", &["info", "-f", "raw", &url]);
        assert!(!ok && said.contains("export not available"), "{name}: {said}");
    }
    let (ok, said) = tool("qemu-io", &["-f", "raw", "-c", "write 0 4096", &server.url(&image)]);
    assert!(!ok && said.contains("Permission denied"), "{said}");
    let (ok, said) = tool("qemu-nbd", &["--list", &format!("--socket={}", server.socket.display())]);
    assert!(!ok && !said.contains(&image.to_string()), "{said}");
}
