//! The agent as a process of its own, so that it can be killed at whatever it does.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc as threads;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hostspec::{HostReport, HostSpec};
use model::InstanceId;
use tokio::sync::mpsc;

use super::{Cloud, LIMIT, fs, program};

/// An agent that runs, spoken to through its standard streams; killed when dropped.
pub struct HostProcess {
    child: Child,
    input: ChildStdin,
    consoles: threads::Receiver<Vec<u8>>,
}

impl HostProcess {
    /// Hands over a document. One that has died hears nothing.
    pub fn send(&mut self, spec: &HostSpec) {
        let line = serde_json::to_string(spec).unwrap();
        let _ = writeln!(self.input, "{line}");
    }

    /// The newest output of a guest's console.
    pub fn console(&mut self, vm: InstanceId) -> Vec<u8> {
        writeln!(self.input, "console {vm}").unwrap();
        self.consoles.recv_timeout(LIMIT).expect("the agent answers")
    }

    /// Kills it, and waits until it is gone.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }
}

impl Drop for HostProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Cloud {
    /// Starts an agent in a process of its own, with the document as it is now.
    pub fn start_process(&mut self) {
        let document = self.folder.path().join("document.json");
        fs::write(&document, serde_json::to_vec(&self.spec).unwrap()).unwrap();
        let log = fs::File::options().create(true).append(true).open(self.folder.path().join("agent.log")).unwrap();
        let mut child = Command::new(program())
            .arg("run")
            .args([&self.config.state, &self.config.repository, &document])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (reports, received) = mpsc::channel(64);
        let (consoles, answers) = threads::channel();
        std::thread::spawn(move || {
            // A process that was killed in the middle of a line has said nothing with it.
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Some(text) = line.strip_prefix("console ") {
                    STANDARD.decode(text).iter().for_each(|bytes| drop(consoles.send(bytes.clone())));
                } else if let Ok(report) = serde_json::from_str::<HostReport>(&line) {
                    let _ = reports.blocking_send(report);
                }
            }
        });
        self.process = Some(HostProcess { child, input, consoles: answers });
        (self.reports, self.last) = (received, None);
    }

    /// Ends the agent that is a process, and starts one in this process.
    pub async fn end_process(&mut self) {
        drop(self.process.take());
        self.start_agent().await;
    }
}
