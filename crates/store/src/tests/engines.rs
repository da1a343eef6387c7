//! Runs a test over SQLite in a folder of its own, and over a PostgreSQL server of its own.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::noun;
use crate::{Store, StoreConfig};

/// How long a server may take to answer: initdb and start take a second on an idle machine.
const START: Duration = Duration::from_secs(60);

/// A place for a database, of which every store opened in turn sees the same rows.
pub(crate) struct Place {
    pub(crate) config: StoreConfig,
    /// Before its folder: it ends before that is removed.
    _server: Option<Server>,
    pub(crate) folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn sqlite() -> Place {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Place { config: StoreConfig::Sqlite { path: folder.path().join("pileus.db") }, folder, _server: None }
    }

    pub(crate) fn postgres() -> Place {
        let folder = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").expect("a temporary folder");
        let server = Server::start(folder.path());
        let url = format!("host={} user=pileus dbname=postgres", folder.path().display());
        Place { config: StoreConfig::Postgres { url }, folder, _server: Some(server) }
    }

    pub(crate) fn open(&self) -> Store {
        Store::open_with(self.config.clone(), &noun::schema()).expect("the store opens")
    }
}

/// Runs a test once over each engine.
pub(crate) fn check(test: impl Fn(&Store)) {
    for place in [Place::sqlite(), Place::postgres()] {
        println!("over {:?}", place.config);
        test(&place.open());
    }
}

/// The same for a test that opens the store itself.
pub(crate) fn check_place(test: impl Fn(&Place)) {
    for place in [Place::sqlite(), Place::postgres()] {
        println!("over {:?}", place.config);
        test(&place);
    }
}

/// Waits for something; so that the future may await timers and tasks.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), future).await.expect("the test waits too long") })
}

/// A PostgreSQL server with its data and its socket in one folder; it ends with this value, or with the thread that made it.
struct Server {
    child: Child,
}

impl Server {
    fn start(folder: &Path) -> Server {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).expect("the folder is ours");
        let data = folder.join("data");
        std::fs::create_dir(&data).expect("a folder for the data");
        if let Some(user) = unprivileged() {
            chown(&data, Some(user), Some(user)).expect("root may give a folder away");
            chown(folder, Some(user), Some(user)).expect("root may give a folder away");
        }
        let mut initdb = command("initdb");
        initdb.args(["--username=pileus", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"]);
        let made = initdb.arg("-D").arg(&data).output().expect("initdb runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut postgres = command("postgres");
        postgres.arg("-D").arg(&data).args(["-k".as_ref(), folder.as_os_str()]);
        for setting in ["listen_addresses=", "fsync=off", "shared_buffers=16MB", "max_connections=60", "logging_collector=off"] {
            postgres.args(["-c", setting]);
        }
        let child = postgres.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("postgres runs");
        let server = Server { child };
        server.await_answer(folder);
        server
    }

    fn await_answer(&self, folder: &Path) {
        let started = Instant::now();
        while !command("pg_isready").arg("-q").arg("-h").arg(folder).status().is_ok_and(|status| status.success()) {
            assert!(started.elapsed() < START, "PostgreSQL did not start");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // `setpriv` and `sh` have become the server itself. SIGINT: disconnect everyone and end.
        let asked = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        if !asked.is_ok_and(|status| status.success()) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// A program of PostgreSQL, run as a user that it accepts, and ended with our thread.
fn command(program: &str) -> Command {
    let path = program_path(program);
    let mut command = Command::new("setpriv");
    if let Some(user) = unprivileged() {
        command.args([format!("--reuid={user}"), format!("--regid={user}"), "--clear-groups".to_owned()]);
    }
    command.args(["--pdeathsig", "INT"]).arg(path).env_clear().env("LC_ALL", "C").env("PATH", "/usr/bin:/bin").current_dir("/");
    command
}

fn program_path(program: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed (Debian: apt-get install postgresql)");
    let newest =
        versions.filter_map(|entry| entry.ok().map(|entry| entry.path().join("bin").join(program))).filter(|path| path.exists()).max();
    newest.expect("PostgreSQL's programs are under /usr/lib/postgresql/VERSION/bin")
}

/// PostgreSQL refuses root, so root lends it the user "nobody" of every Linux; others run it as themselves.
fn unprivileged() -> Option<u32> {
    const NOBODY: u32 = 65_534;
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells who we are");
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:")).and_then(|line| line.split_whitespace().nth(1));
    (uid == Some("0")).then_some(NOBODY)
}
