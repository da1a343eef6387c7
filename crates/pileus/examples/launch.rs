//! One launch, measured from the call to the guest's first byte of user space; prints `name=value` lines.
//!
//! ```text
//! launch ENDPOINT STATE IMAGE MARK CMDLINE
//! ```
//!
//! It is over when the console shows `MARK`. QEMU's command line goes to the file `CMDLINE`, one argument a line; the instance is
//! terminated at the end, and its end is waited for.

mod client;

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use client::{Fallible, Signer, reply};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// Between two looks at the console.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(120);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Fallible<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [endpoint, state, image, mark, cmdline] = words.as_slice() else { return Err("launch ENDPOINT STATE IMAGE MARK CMDLINE".into()) };
    let mut caller = Caller::connect(endpoint.trim_start_matches("http://")).await?;
    let (began, clock) = (Instant::now(), SystemTime::now());
    let made = caller.call(&format!("RunInstances&ImageId={image}&InstanceType=t3.nano&MinCount=1&MaxCount=1")).await?;
    println!("reply_ms={:.3}", began.elapsed().as_secs_f64() * 1e3);
    let id = element(&made, "instanceId").ok_or("no instance in the reply")?.to_owned();
    loop {
        let output = caller.call(&format!("GetConsoleOutput&InstanceId={id}")).await?;
        let text = element(&output, "output").map(|text| STANDARD.decode(text.replace(['\n', '\r'], ""))).transpose()?;
        if text.is_some_and(|text| String::from_utf8_lossy(&text).contains(mark)) {
            break;
        }
        if began.elapsed() > LIMIT {
            return Err(format!("no {mark} on the console").into());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    println!("user_space_s={:.4}", began.elapsed().as_secs_f64());
    let pid_file = Path::new(state).join("host/vms").join(&id).join("pid.json");
    // It is written once QEMU's process is there.
    let started = std::fs::metadata(&pid_file)?.modified()?.duration_since(clock)?;
    println!("process_ms={:.3}", started.as_secs_f64() * 1e3);
    let process: serde_json::Value = serde_json::from_slice(&std::fs::read(&pid_file)?)?;
    let pid = process["identity"]["pid"].as_i64().or_else(|| process["pid"].as_i64()).ok_or("pid.json names no process")?;
    std::fs::write(cmdline, std::fs::read_to_string(format!("/proc/{pid}/cmdline"))?.replace('\0', "\n"))?;
    caller.call(&format!("TerminateInstances&InstanceId.1={id}")).await?;
    while !caller.call(&format!("DescribeInstances&InstanceId.1={id}")).await?.contains("<name>terminated</name>") {
        if began.elapsed() > LIMIT {
            return Err("the instance does not end".into());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

struct Caller {
    stream: TcpStream,
    signer: Signer,
    buffer: Vec<u8>,
}

impl Caller {
    async fn connect(endpoint: &str) -> Fallible<Caller> {
        let stream = TcpStream::connect(endpoint).await?;
        stream.set_nodelay(true)?;
        Ok(Caller { stream, signer: Signer::from_environment(endpoint)?, buffer: vec![] })
    }

    async fn call(&mut self, action: &str) -> Fallible<String> {
        let request = self.signer.request(&format!("Version=2016-11-15&Action={action}"));
        self.stream.write_all(request.as_bytes()).await?;
        let (status, start) = reply(&mut self.stream, &mut self.buffer).await?;
        let text = String::from_utf8(self.buffer[start..].to_vec())?;
        if status == 200 { Ok(text) } else { Err(format!("{status} {text}").into()) }
    }
}

fn element<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.split_once(&format!("<{name}>"))?.1.split_once('<').map(|(inner, _)| inner)
}
