//! A load generator: sends calls of a cloud's client as fast as a server answers them, and prints `name=value` lines.
//!
//! ```text
//! load ENDPOINT CALLS [--dialect ec2|ecs|cvm|native] [--connections N] [--seconds S | --calls N] [--collect FILE] [--reply FILE]
//! ```
//!
//! `CALLS` holds one call a line, as `client/signer.rs` says for each dialect; they are sent in turn, each signed anew with the keys
//! of `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`. Connections have one call under way each and are kept alive where the server
//! keeps them. Ids of instances in replies go to the file of `--collect`, the last reply to that of `--reply`. One thread, so that
//! it takes no more than one core from the server beside it.

mod client;

use std::cell::RefCell;
use std::collections::HashMap;
use std::error::Error;
use std::io::{BufRead, BufReader, Write as _};
use std::rc::Rc;
use std::time::{Duration, Instant};

use client::{Fallible, Signer, reply};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// What the command line says.
struct Options {
    endpoint: String,
    dialect: String,
    lines: Vec<String>,
    connections: usize,
    seconds: f64,
    calls: u64,
    collect: Option<String>,
    reply: Option<String>,
}

impl Options {
    fn read() -> Fallible<Options> {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let (plain, named) = words.split_at(words.iter().position(|word| word.starts_with("--")).unwrap_or(words.len()));
        let named: HashMap<&str, &str> = named.chunks_exact(2).map(|pair| (pair[0].as_str(), pair[1].as_str())).collect();
        let [endpoint, lines] = plain else { return Err("load ENDPOINT CALLS [options]".into()) };
        let file = BufReader::new(std::fs::File::open(lines)?);
        let lines = file.lines().collect::<Result<Vec<String>, _>>()?;
        Ok(Options {
            endpoint: endpoint.trim_start_matches("http://").to_owned(),
            dialect: named.get("--dialect").copied().unwrap_or("ec2").to_owned(),
            lines,
            connections: named.get("--connections").map_or(Ok(32), |text| text.parse())?,
            seconds: named.get("--seconds").map_or(Ok(f64::INFINITY), |text| text.parse())?,
            calls: named.get("--calls").map_or(Ok(u64::MAX), |text| text.parse())?,
            collect: named.get("--collect").map(|text| (*text).to_owned()),
            reply: named.get("--reply").map(|text| (*text).to_owned()),
        })
    }
}

/// What connections share.
struct Run {
    options: Options,
    signer: RefCell<Signer>,
    began: Instant,
    next: RefCell<u64>,
    micros: RefCell<Vec<u32>>,
    refused: RefCell<Vec<String>>,
    ids: RefCell<Vec<String>>,
}

impl Run {
    /// The number of the next call; none when it is over.
    fn next(&self) -> Option<u64> {
        let mut next = self.next.borrow_mut();
        let goes_on = *next < self.options.calls && self.began.elapsed().as_secs_f64() < self.options.seconds;
        goes_on.then(|| {
            *next += 1;
            *next - 1
        })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Fallible<()> {
    let options = Options::read()?;
    let signer = RefCell::new(Signer::from_environment(&options.dialect, &options.endpoint)?);
    let connections = options.connections;
    let run = Rc::new(Run {
        options,
        signer,
        began: Instant::now(),
        next: RefCell::new(0),
        micros: RefCell::default(),
        refused: RefCell::default(),
        ids: RefCell::default(),
    });
    let tasks = tokio::task::LocalSet::new();
    let all = tasks.run_until(async {
        let started: Vec<_> = (0..connections).map(|_| tokio::task::spawn_local(connection(run.clone()))).collect();
        for task in started {
            task.await??;
        }
        Ok::<_, Box<dyn Error>>(())
    });
    all.await?;
    report(&run)
}

fn report(run: &Run) -> Fallible<()> {
    let took = run.began.elapsed();
    let mut micros = run.micros.take();
    micros.sort_unstable();
    let at = |share: f64| micros.get(((micros.len() as f64 * share) as usize).min(micros.len().saturating_sub(1))).copied().unwrap_or(0);
    println!("calls={}\nseconds={:.3}\nper_second={:.1}", micros.len(), took.as_secs_f64(), micros.len() as f64 / took.as_secs_f64());
    println!("p50_ms={:.3}\np99_ms={:.3}", f64::from(at(0.50)) / 1e3, f64::from(at(0.99)) / 1e3);
    println!("refused={}\ncpu_share={:.3}", run.refused.borrow().len(), processor_time()?.as_secs_f64() / took.as_secs_f64());
    if let Some(first) = run.refused.borrow().first() {
        eprintln!("the first refusal: {first}");
    }
    if let Some(path) = &run.options.collect {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
        file.write_all(run.ids.borrow().iter().map(|id| format!("{id}\n")).collect::<String>().as_bytes())?;
    }
    Ok(())
}

/// Processor time of this process so far (proc(5), fields 14 and 15, in hundredths of a second).
fn processor_time() -> Fallible<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 = fields.get(11).ok_or("stat")?.parse::<u64>()? + fields.get(12).ok_or("stat")?.parse::<u64>()?;
    Ok(Duration::from_millis(ticks * 10))
}

async fn connection(run: Rc<Run>) -> Result<(), std::io::Error> {
    let mut stream = connected(&run).await?;
    let mut buffer = Vec::with_capacity(64 << 10);
    while let Some(number) = run.next() {
        let call = &run.options.lines[(number % run.options.lines.len() as u64) as usize];
        let request = run.signer.borrow_mut().request(call);
        let sent = Instant::now();
        stream.write_all(request.as_bytes()).await?;
        let (status, start) = reply(&mut stream, &mut buffer).await?;
        run.micros.borrow_mut().push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
        let body = &buffer[start..];
        if let Some(path) = &run.options.reply {
            std::fs::write(path, body)?;
        }
        if !(200..300).contains(&status) || refuses(&run.options.dialect, body) {
            run.refused.borrow_mut().push(format!("{status} {}", String::from_utf8_lossy(body)));
        } else if run.options.collect.is_some() {
            run.ids.borrow_mut().extend(launched(&run.options.dialect, &String::from_utf8_lossy(body)));
        }
        if closes(&buffer[..start]) {
            stream = connected(&run).await?;
        }
    }
    Ok(())
}

/// Whether a reply of a good status is a refusal, as Tencent Cloud's are, which say so first.
fn refuses(dialect: &str, body: &[u8]) -> bool {
    dialect == "cvm" && body.starts_with(br#"{"Response":{"Error":{"#)
}

/// The ids of instances in a reply to a launch.
fn launched(dialect: &str, text: &str) -> Vec<String> {
    match dialect {
        "ec2" => text.split("<instanceId>").skip(1).filter_map(|rest| rest.split('<').next()).map(str::to_owned).collect(),
        // Ids of instances are the first members of what is in the list; interfaces and volumes have other prefixes.
        "native" => {
            let of = |rest: &str| rest.split('"').next().filter(|id| id.starts_with("i-")).map(str::to_owned);
            text.split(r#"{"id":""#).skip(1).filter_map(of).collect()
        }
        _ => {
            let set = text.split_once(r#""InstanceIdSet":["#).and_then(|(_, rest)| rest.split(']').next()).unwrap_or_default();
            set.split(',').map(|id| id.trim_matches('"').to_owned()).filter(|id| !id.is_empty()).collect()
        }
    }
}

async fn connected(run: &Run) -> Result<TcpStream, std::io::Error> {
    let stream = TcpStream::connect(&run.options.endpoint).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Whether the server closes the connection after a reply, of which this is the head.
fn closes(head: &[u8]) -> bool {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    head.lines().any(|line| line.strip_prefix("connection:").is_some_and(|value| value.trim() == "close"))
}
