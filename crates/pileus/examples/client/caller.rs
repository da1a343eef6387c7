//! A caller of EC2's calls, and what it finds on the machine of the instances that it launches.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::client::{Fallible, Signer, reply};

/// One connection to the cloud, over which calls of EC2 go one after the other.
pub struct Caller {
    stream: TcpStream,
    signer: Signer,
    buffer: Vec<u8>,
}

impl Caller {
    /// Connects to `HOST:PORT` with the keys of the environment.
    pub async fn connect(endpoint: &str) -> Fallible<Caller> {
        let stream = TcpStream::connect(endpoint).await?;
        stream.set_nodelay(true)?;
        Ok(Caller { stream, signer: Signer::from_environment("ec2", endpoint)?, buffer: vec![] })
    }

    /// Makes a call, `Action&Parameter=...`, and gives the reply's text.
    pub async fn call(&mut self, action: &str) -> Fallible<String> {
        let request = self.signer.request(&format!("Version=2016-11-15&Action={action}"));
        self.stream.write_all(request.as_bytes()).await?;
        let (status, start) = reply(&mut self.stream, &mut self.buffer).await?;
        let text = String::from_utf8(self.buffer[start..].to_vec())?;
        if status == 200 { Ok(text) } else { Err(format!("{status} {text}").into()) }
    }

    /// What is on the console of an instance.
    pub async fn console(&mut self, instance: &str) -> Fallible<String> {
        let reply = self.call(&format!("GetConsoleOutput&InstanceId={instance}")).await?;
        let bytes = element(&reply, "output").map(|text| STANDARD.decode(text.replace(['\n', '\r'], ""))).transpose()?;
        Ok(String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned())
    }
}

/// What is in the first element of a name.
pub fn element<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.split_once(&format!("<{name}>"))?.1.split_once('<').map(|(inner, _)| inner)
}

/// The file that says which process an instance is, in the state folder of its cloud.
pub fn pid_file(state: &str, instance: &str) -> PathBuf {
    Path::new(state).join("host/vms").join(instance).join("pid.json")
}

/// The command line of an instance's QEMU, one argument a line.
pub fn command_line(pid_file: &Path) -> Fallible<String> {
    let process: serde_json::Value = serde_json::from_slice(&std::fs::read(pid_file)?)?;
    let pid = process["identity"]["pid"].as_i64().or_else(|| process["pid"].as_i64()).ok_or("pid.json names no process")?;
    Ok(std::fs::read_to_string(format!("/proc/{pid}/cmdline"))?.replace('\0', "\n"))
}
