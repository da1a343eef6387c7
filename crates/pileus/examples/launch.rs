//! One launch, measured from the call to the guest's first byte of user space; prints `name=value` lines.
//!
//! ```text
//! launch ENDPOINT STATE IMAGE MARK CMDLINE
//! ```
//!
//! It is over when the console shows `MARK`. QEMU's command line goes to the file `CMDLINE`, one argument a line; the instance is
//! terminated at the end, and its end is waited for.

#[path = "client/caller.rs"]
mod caller;
mod client;

use std::time::{Duration, Instant, SystemTime};

use caller::{Caller, element};
use client::Fallible;

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
    while !caller.console(&id).await?.contains(mark) {
        if began.elapsed() > LIMIT {
            return Err(format!("no {mark} on the console").into());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    println!("user_space_s={:.4}", began.elapsed().as_secs_f64());
    let pid_file = caller::pid_file(state, &id);
    // It is written once QEMU's process is there.
    let started = std::fs::metadata(&pid_file)?.modified()?.duration_since(clock)?;
    println!("process_ms={:.3}", started.as_secs_f64() * 1e3);
    std::fs::write(cmdline, caller::command_line(&pid_file)?)?;
    caller.call(&format!("TerminateInstances&InstanceId.1={id}")).await?;
    while !caller.call(&format!("DescribeInstances&InstanceId.1={id}")).await?.contains("<name>terminated</name>") {
        if began.elapsed() > LIMIT {
            return Err("the instance does not end".into());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}
