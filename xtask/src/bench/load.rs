//! A simulated cloud under load, for measurements: `pileus up --simulate` in a folder of its own and the load generator of
//! `crates/pileus/examples/load.rs` beside it. Both end and vanish with these values.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{image, run, up};

/// How long a server may take to answer.
const READY_LIMIT: Duration = Duration::from_secs(180);
/// Between two looks whether it does.
const READY_POLL: Duration = Duration::from_millis(5);
/// Share of a processor below which a server rests, over so long, and how long that is waited for.
const RESTING: f64 = 0.15;
const REST_SPAN: Duration = Duration::from_millis(300);
const REST_LIMIT: Duration = Duration::from_secs(20);
/// The figure that says what a call takes of the server's processors, in microseconds.
pub const SERVER_TIME: &str = "server_us";

/// A folder that is removed with this value.
pub struct Folder(pub PathBuf);

impl Folder {
    /// Makes one below the system's temporary folder.
    pub fn new(name: &str) -> Result<Folder> {
        let path = std::env::temp_dir().join(format!("pileus-bench-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Folder(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's cleaning of temporary folders.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A process that ends with this value.
pub struct Process(pub Child);

impl Process {
    /// Ends it in order, and waits.
    pub fn end(&mut self) -> Result<()> {
        let id = i32::try_from(self.0.id()).context("process ids fit in an i32 on Linux")?;
        kill(Pid::from_raw(id), Signal::SIGTERM)?;
        self.0.wait()?;
        Ok(())
    }

    /// Processor time that it has taken so far (proc(5), fields 14 and 15, in hundredths of a second).
    pub fn processor_time(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).context("proc(5) names more fields")?.parse::<u64>().context("a number of ticks");
        Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 10))
    }

    /// Waits until it has done what earlier calls left to be done: machines that were launched come to run after the reply. One that never
    /// rests is not waited for longer than some seconds.
    pub fn rest(&self) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < REST_LIMIT {
            let before = self.processor_time()?;
            std::thread::sleep(REST_SPAN);
            if self.processor_time()?.saturating_sub(before) < REST_SPAN.mul_f64(RESTING) {
                break;
            }
        }
        Ok(())
    }

    /// Memory that it holds, in megabytes (proc(5), VmRSS).
    pub fn resident_megabytes(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0 / 1e6)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended already is as it should be.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A simulated cloud.
pub struct Cloud {
    /// The server.
    pub process: Process,
    /// What SDKs read.
    pub environment: HashMap<String, String>,
    /// Seconds from the start of the process until it was ready.
    pub ready_after: f64,
}

/// Builds the image that clouds offer, `pileus` and the load generator.
pub fn build() -> Result<()> {
    image::build(&image::Options { image: image::Image::PileusLinux, fresh: false })?;
    run::shown(&mut run::cargo(&["build", "--release", "--quiet", "--package", "pileus", "--bins", "--examples"]))
}

impl Cloud {
    /// Starts one of so many simulated hosts on a state folder, made or found there.
    pub fn start(state: &Path, hosts: u32) -> Result<Cloud> {
        let hosts = hosts.to_string();
        let range = ["--vpc-range", "10.0.0.0/8", "--zones", "local-1a,local-1b", "--simulate", &hosts];
        let crowded = ["--cpu-overcommit", "64", "--disk-overcommit", "64"];
        Cloud::real_with(state, &image::folder(), &[&range[..], &crowded].concat())
    }

    /// Starts one that runs machines here.
    pub fn real(state: &Path) -> Result<Cloud> {
        Cloud::real_with(state, &image::folder(), &[])
    }

    /// Starts one that runs machines here, of the images in a folder.
    pub fn real_with(state: &Path, images: &Path, arguments: &[&str]) -> Result<Cloud> {
        let binary = up::binary()?;
        let log = std::fs::File::options().create(true).append(true).open(state.with_extension("log"))?;
        let mut command = Command::new(&binary);
        command.arg("up").arg("--state").arg(state).arg("--images").arg(images);
        command.args(["--listen", "127.0.0.1:0"]).args(arguments);
        let began = Instant::now();
        let child = command.stdout(log.try_clone()?).stderr(log).spawn().context("cannot start pileus up")?;
        let mut process = Process(child);
        loop {
            let answer = Command::new(&binary).arg("env").arg("--state").arg(state).stderr(Stdio::null()).output()?;
            if answer.status.success() {
                let ready_after = began.elapsed().as_secs_f64();
                return Ok(Cloud { process, environment: exports(&String::from_utf8_lossy(&answer.stdout)), ready_after });
            }
            if process.0.try_wait()?.is_some() || began.elapsed() > READY_LIMIT {
                bail!("pileus did not become ready: {}", std::fs::read_to_string(state.with_extension("log"))?);
            }
            std::thread::sleep(READY_POLL);
        }
    }

    /// The id of the image of a name, as the vendors' clients find it.
    pub fn image(&self, folder: &Path, name: &str) -> Result<String> {
        let call = format!("Action=DescribeImages&Version=2016-11-15&Filter.1.Name=name&Filter.1.Value.1={name}");
        let text = Load::new(folder, "images", vec![call]).reply_of_one(&self.environment)?;
        let id = text.split("<imageId>").nth(1).and_then(|rest| rest.split('<').next());
        Ok(id.context("the cloud offers no image")?.to_owned())
    }
}

/// `export NAME='value'` lines.
fn exports(text: &str) -> HashMap<String, String> {
    let pair = |line: &str| {
        let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
        Some((name.to_owned(), value.trim_matches(['\'', '"']).to_owned()))
    };
    text.lines().filter_map(pair).collect()
}

/// One run of the load generator.
pub struct Load {
    name: &'static str,
    lines: Vec<String>,
    folder: PathBuf,
    options: Vec<String>,
}

impl Load {
    /// A run that sends calls in turn, as the load generator reads them; its files are in a folder, by its name.
    pub fn new(folder: &Path, name: &'static str, calls: Vec<String>) -> Load {
        Load { name, lines: calls, folder: folder.to_owned(), options: vec![] }
    }

    /// Sends calls of another dialect than EC2's, or of the native API.
    pub fn dialect(self, name: &str) -> Load {
        self.with("--dialect", name)
    }

    fn with(mut self, name: &str, value: impl ToString) -> Load {
        self.options.extend([name.to_owned(), value.to_string()]);
        self
    }

    /// Sends so many calls and no more.
    pub fn calls(self, calls: u64) -> Load {
        self.with("--calls", calls)
    }

    /// Sends for so long.
    pub fn seconds(self, seconds: f64) -> Load {
        self.with("--seconds", seconds)
    }

    /// Uses so many connections.
    pub fn connections(self, connections: u32) -> Load {
        self.with("--connections", connections)
    }

    /// Adds the ids of instances in replies to a file.
    pub fn collect(self, file: &Path) -> Load {
        self.with("--collect", file.display())
    }

    /// Sends one call, and gives its reply.
    pub fn reply_of_one(self, environment: &HashMap<String, String>) -> Result<String> {
        let reply = self.folder.join("reply");
        self.calls(1).connections(1).with("--reply", reply.display()).run(environment)?;
        Ok(std::fs::read_to_string(&reply)?)
    }

    /// Runs it against the endpoint of an environment, and gives its figures. Refused calls are an error.
    pub fn run(self, environment: &HashMap<String, String>) -> Result<HashMap<String, f64>> {
        self.run_on(environment, None)
    }

    /// The same, and what each call took of a server's processor time: [`SERVER_TIME`], microseconds.
    pub fn run_on(self, environment: &HashMap<String, String>, server: Option<&Process>) -> Result<HashMap<String, f64>> {
        let before = server.map(Process::processor_time).transpose()?;
        let calls = self.folder.join(format!("{}.calls", self.name));
        std::fs::write(&calls, self.lines.join("\n"))?;
        let endpoint = environment.get("AWS_ENDPOINT_URL").context("the environment names no endpoint")?;
        let program = up::binary()?.with_file_name("examples").join("load");
        let mut command = Command::new(program);
        command.arg(endpoint).arg(calls).args(&self.options).envs(environment);
        let printed = run::output(&mut command)?;
        let mut figures: HashMap<String, f64> =
            printed.lines().filter_map(|line| line.split_once('=')).filter_map(|(n, v)| Some((n.to_owned(), v.parse().ok()?))).collect();
        if let (Some(server), Some(before)) = (server, before) {
            let took = server.processor_time()?.saturating_sub(before);
            figures.insert(SERVER_TIME.to_owned(), took.as_secs_f64() * 1e6 / figure(&figures, "calls")?.max(1.0));
        }
        match figures.get("refused") {
            Some(0.0) => Ok(figures),
            _ => bail!("{}: calls were refused: {printed}", self.name),
        }
    }
}

/// One figure of a run.
pub fn figure(figures: &HashMap<String, f64>, name: &str) -> Result<f64> {
    figures.get(name).copied().with_context(|| format!("the load generator printed no {name}"))
}
