//! The two tables of blocks that are documented (docs/adr/0024-copy-on-write.md), made on real files with a real QEMU and compared row by
//! row: what each file has by its own tables, what a guest reads, and what the snapshot reads.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use model::{DiskLimits, SnapshotId, VolumeId};
use pileus_agent::block::Pool;
use pileus_agent::block::fleece::Fleece;
use pileus_agent::block::shared::Sharing;
use pileus_agent::qemu::disk::{Disks, NewDisk};
use pileus_agent::qemu::fleece::Way;
use pileus_agent::qemu::layer::Switch;
use pileus_agent::qemu::qmp::Qmp;
use repository::{LiveDisk, LiveError};
use serde_json::{Value, json};

/// A block of the tables is a cluster of the files.
const BLOCK: usize = 64 << 10;
const BLOCKS: usize = 4;
const LIMIT: Duration = Duration::from_secs(30);
/// Reads as zeroes.
const ZERO: char = '0';
/// The file has nothing there.
const NOTHING: char = '.';

const VOLUME: VolumeId = VolumeId::from_u64(1);
const SNAPSHOT: SnapshotId = SnapshotId::from_u64(1);

/// A row of a table: the first file, the one beside it, what the guest reads, what the snapshot reads. None where a cell is empty.
type Row = [Option<String>; 4];

/// A disk under a QEMU without a guest.
struct Bench {
    folder: tempfile::TempDir,
    pool: Pool,
    qemu: Child,
    qmp: Qmp,
    disks: Disks,
    served: Option<PathBuf>,
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

impl Bench {
    async fn new() -> Bench {
        let folder = tempfile::Builder::new().prefix("pileus-").tempdir().unwrap();
        let pool = Pool::open(&folder.path().join("volumes")).unwrap();
        pool.create(VOLUME, 1, (BLOCK * BLOCKS) as u64, None).unwrap();
        let monitor = folder.path().join("monitor.sock");
        let mut command = Command::new("/usr/bin/qemu-system-x86_64");
        command.args(["-accel", "tcg", "-m", "32", "-nodefaults", "-display", "none", "-S"]);
        command.arg("-qmp").arg(format!("unix:{},server=on,wait=off", monitor.display()));
        let qemu = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let connect = async {
            loop {
                match Qmp::connect(&monitor, LIMIT).await {
                    Ok((qmp, _events)) => return qmp,
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        let qmp = tokio::time::timeout(LIMIT, connect).await.expect("QEMU answers");
        let disks = Disks::new(qmp.clone(), LIMIT);
        let layers = pool.open_for_guest(VOLUME, 1).unwrap();
        let (serial, limits, sharing) = ("bench".into(), DiskLimits::default(), Sharing::One);
        let disk = NewDisk { volume: VOLUME, layers, key: None, below: None, serial, limits, sharing };
        disks.add(disk).await.unwrap();
        Bench { folder, pool, qemu, qmp, disks, served: None }
    }

    /// Writes a block as the guest's device does.
    async fn write(&self, letter: char, block: usize) {
        let at = format!("write -P {} {} {BLOCK}", letter as u32, block * BLOCK);
        let line = format!("qemu-io -d /machine/peripheral/disk-{VOLUME}/virtio-backend \"{at}\"");
        self.qmp.call("human-monitor-command", json!({"command-line": line}), LIMIT).await.unwrap();
    }

    /// The files as they are now; `beside` is the one beside the first, `then` the node that holds what the snapshot reads.
    async fn row(&mut self, beside: Option<&Path>, then: Option<&str>) -> Row {
        // Stopping brings everything that is in the memory of QEMU to the files.
        self.disks.pause().await.unwrap();
        let first = self.folder.path().join("volumes").join(format!("{VOLUME}.g1.qcow2"));
        let read = self.node_of_device().await;
        let read = self.read("guest", &read).await;
        let then = match then {
            Some(then) => Some(self.read("then", then).await),
            None => None,
        };
        [Some(blocks_of(&first)), beside.map(blocks_of), Some(read), then]
    }

    async fn node_of_device(&self) -> String {
        let devices = self.qmp.call("query-block", json!({}), LIMIT).await.unwrap();
        let ours = |entry: &&Value| entry["qdev"].as_str().is_some_and(|qdev| qdev.contains(&VOLUME.to_string()));
        devices.as_array().unwrap().iter().find(ours).unwrap()["inserted"]["node-name"].as_str().unwrap().to_owned()
    }

    /// What a node shows, read by our own NBD client.
    async fn read(&mut self, export: &str, node: &str) -> String {
        let socket = self.serve().await;
        let id = format!("read-{export}");
        let shown = json!({"type": "nbd", "id": id, "node-name": node, "name": export});
        self.qmp.call("block-export-add", shown, LIMIT).await.unwrap();
        let mut bytes = vec![0; BLOCK * BLOCKS];
        let line = UnixStream::connect(socket).unwrap();
        let mut disk = LiveDisk::open(&line, export).unwrap();
        disk.read_at(0, &mut bytes).unwrap();
        drop((disk, line));
        self.qmp.call("block-export-del", json!({"id": id, "mode": "hard"}), LIMIT).await.unwrap();
        let gone = async {
            while self.qmp.call("query-block-exports", json!({}), LIMIT).await.unwrap().to_string().contains(&id) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LIMIT, gone).await.expect("the export goes");
        bytes.chunks_exact(BLOCK).map(letter).collect()
    }

    async fn serve(&mut self) -> PathBuf {
        if let Some(socket) = &self.served {
            return socket.clone();
        }
        let socket = self.folder.path().join("copies.sock");
        let listening = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        self.disks.serve(listening.into()).await.unwrap();
        self.served = Some(socket.clone());
        socket
    }
}

/// The one byte that a block is full of.
fn letter(block: &[u8]) -> char {
    assert!(block.iter().all(|byte| *byte == block[0]), "a block is of several");
    if block[0] == 0 { ZERO } else { block[0] as char }
}

/// What a file has of each block by its own tables, as QEMU's tool reads them, whatever is below it.
fn blocks_of(file: &Path) -> String {
    let alone = format!("json:{}", json!({"driver": "qcow2", "backing": Value::Null, "file": {"driver": "file", "filename": file}}));
    let map = Command::new("qemu-img").args(["map", "-U", "--output=json", &alone]).output().unwrap();
    assert!(map.status.success(), "{}", String::from_utf8_lossy(&map.stderr));
    let stretches: Vec<Value> = serde_json::from_slice(&map.stdout).unwrap();
    let bytes = File::open(file).unwrap();
    let block = |at: usize| {
        let inside = |stretch: &&Value| {
            let start = stretch["start"].as_u64().unwrap();
            (start..start + stretch["length"].as_u64().unwrap()).contains(&((at * BLOCK) as u64))
        };
        let stretch = stretches.iter().find(inside).unwrap();
        if stretch["present"] == false {
            return NOTHING;
        }
        if stretch["data"] == false {
            return ZERO;
        }
        let place = stretch["offset"].as_u64().unwrap() + (at * BLOCK) as u64 - stretch["start"].as_u64().unwrap();
        let mut block = vec![0; BLOCK];
        bytes.read_exact_at(&mut block, place).unwrap();
        letter(&block)
    };
    (0..BLOCKS).map(block).collect()
}

/// The rows that are documented under a heading, without the words of their first cell.
fn documented(heading: &str) -> Vec<Row> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/adr/0024-copy-on-write.md");
    let page = std::fs::read_to_string(page).unwrap();
    let table = page.split_once(&format!("\n{heading}\n\n")).unwrap_or_else(|| panic!("no table under {heading}")).1;
    let lines = table.lines().take_while(|line| line.starts_with('|')).skip(2);
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').collect();
        std::array::from_fn(|at| {
            let cell: String = cells[at + 1].chars().filter(|c| !c.is_whitespace() && *c != '`').collect();
            (!cell.is_empty()).then_some(cell)
        })
    };
    lines.map(row).collect()
}

async fn written_before(bench: &Bench) {
    for (block, letter) in ['A', 'B', 'C'].into_iter().enumerate() {
        bench.write(letter, block).await;
    }
}

/// What the guest writes after the snapshot, one row each.
const WRITES: [(char, usize); 3] = [('b', 1), ('d', 3), ('e', 1)];

#[tokio::test]
async fn copy_on_write_goes_as_its_table_says() {
    let mut bench = Bench::new().await;
    written_before(&bench).await;
    let mut rows = vec![bench.row(None, None).await];
    let fleece = Fleece { volume: VOLUME, generation: 1, snapshot: SNAPSHOT };
    let file = bench.pool.make_fleece(fleece, (BLOCK * BLOCKS) as u64, None).unwrap();
    let path = bench.pool.fleece_path(fleece);
    bench.disks.add_fleece(VOLUME, 0, file, None).await.unwrap();
    bench.disks.freeze(&[Way::Copy { volume: VOLUME, layer: 0 }]).await.unwrap();
    bench.serve().await;
    bench.disks.show(VOLUME, 0, SNAPSHOT).await.unwrap();
    let then = format!("then-{VOLUME}");
    rows.push(bench.row(Some(&path), Some(&then)).await);
    for (letter, block) in WRITES {
        bench.write(letter, block).await;
        rows.push(bench.row(Some(&path), Some(&then)).await);
    }
    bench.disks.stop_copying(VOLUME).await.unwrap();
    bench.pool.delete_fleeces(|_| true).unwrap();
    rows.push(bench.row(None, None).await);
    assert_eq!(rows, documented("Copy on write:"));
    assert_eq!(bench.node_of_device().await, VOLUME.to_string());
}

#[tokio::test]
async fn redirect_on_write_goes_as_its_table_says() {
    let mut bench = Bench::new().await;
    written_before(&bench).await;
    let mut rows = vec![bench.row(None, None).await];
    redirect(&bench, 0, 1).await;
    let path = bench.folder.path().join("volumes").join(format!("{VOLUME}.g1.l1.qcow2"));
    let then = VOLUME.to_string();
    rows.push(bench.row(Some(&path), Some(&then)).await);
    for (letter, block) in WRITES {
        bench.write(letter, block).await;
        rows.push(bench.row(Some(&path), Some(&then)).await);
    }
    redirect(&bench, 1, 2).await;
    rows.push(bench.row(Some(&path), None).await);
    bench.disks.merge(VOLUME, 2, 1).await.unwrap();
    let merged = async {
        while bench.disks.merging(VOLUME).await.unwrap() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, merged).await.expect("the merge ends");
    assert!(bench.disks.remove_layer(VOLUME, 1).await.unwrap());
    bench.disks.flush_layer(VOLUME, 0).await.unwrap();
    bench.pool.delete_layer(VOLUME, 1, 1).unwrap();
    rows.push(bench.row(None, None).await);
    assert_eq!(rows, documented("Redirect on write:"));
}

#[tokio::test]
async fn a_block_that_cannot_be_copied_breaks_the_snapshot_and_not_the_write() {
    let mut bench = Bench::new().await;
    written_before(&bench).await;
    let fleece = Fleece { volume: VOLUME, generation: 1, snapshot: SNAPSHOT };
    let file = bench.pool.make_fleece(fleece, (BLOCK * BLOCKS) as u64, None).unwrap();
    bench.disks.add_fleece(VOLUME, 0, file, None).await.unwrap();
    bench.disks.freeze(&[Way::Copy { volume: VOLUME, layer: 0 }]).await.unwrap();
    let socket = bench.serve().await;
    bench.disks.show(VOLUME, 0, SNAPSHOT).await.unwrap();
    let then = |socket: &Path| {
        let line = UnixStream::connect(socket).unwrap();
        LiveDisk::open(&line, &SNAPSHOT.to_string()).and_then(|mut disk| disk.read_at(0, &mut [0; BLOCK]))
    };
    then(&socket).unwrap();
    // No room, whatever is written to the fleece from here on.
    let full = json!([{"event": "none", "iotype": "write", "errno": 28, "once": false}]);
    let image = format!("oldfile-{VOLUME}");
    let debug = json!({"driver": "blkdebug", "node-name": "full", "image": image, "inject-error": full, "discard": "unmap"});
    bench.qmp.call("blockdev-add", debug, LIMIT).await.unwrap();
    let old = format!("old-{VOLUME}");
    let reopened = json!({"driver": "qcow2", "node-name": old, "file": "full", "backing": Value::Null, "discard": "unmap"});
    bench.qmp.call("blockdev-reopen", json!({"options": [reopened]}), LIMIT).await.unwrap();
    bench.write('b', 1).await;
    let refused = then(&socket);
    assert!(matches!(refused, Err(LiveError::Refused(errno)) if errno != 5), "{refused:?}");
    bench.write('d', 3).await;
    // What stands between fleece and file here is nothing that the agent knows; what it could not take out, it takes out the next time.
    assert!(Disks::new(bench.qmp.clone(), Duration::from_secs(1)).stop_copying(VOLUME).await.is_err());
    bench.qmp.call("blockdev-del", json!({"node-name": "full"}), LIMIT).await.unwrap();
    bench.disks.stop_copying(VOLUME).await.unwrap();
    assert_eq!(bench.row(None, None).await, [Some("AbCd".to_owned()), None, Some("AbCd".to_owned()), None]);
}

async fn redirect(bench: &Bench, from: u32, to: u32) {
    let layer = bench.pool.make_layer(VOLUME, 1, None).unwrap();
    assert_eq!(layer.number, to);
    bench.disks.add_layer(VOLUME, to, layer.file, None).await.unwrap();
    bench.pool.name_layers(&[(VOLUME, 1, to)]).unwrap();
    bench.disks.freeze(&[Way::Redirect(Switch { volume: VOLUME, from, to })]).await.unwrap();
}
