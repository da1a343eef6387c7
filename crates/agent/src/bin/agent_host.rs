//! A host agent by itself: follows documents and prints its reports, one a line. For tests and for looking at one host.
//!
//! ```text
//!   agent_host run STATE REPOSITORY DOCUMENT     runs until its standard input ends
//!   agent_host remove REPOSITORY MANIFEST        removes an image or a snapshot, and what only it named
//!   agent_host cage … | image-server …           what the agent starts by itself
//!
//!   on its standard input     a newer document, in one line
//!                             console INSTANCE   answered by "console" and the newest output in base64
//! ```

use std::path::PathBuf;
use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hostspec::HostSpec;
use pileus_agent::{Agent, AgentConfig, AgentHandle, cage};
use repository::Repository;
use repository::server::{ServerConfig, main as serve};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::{mpsc, watch};

/// Reports that wait to be printed.
const REPORTS: usize = 16;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["cage", place] => cage::main(place),
        ["image-server", "--repository", repository, "--socket", socket] => {
            serve(ServerConfig::new(repository, socket)).expect("the image server ends in order");
        }
        ["run", state, repository, document] => run(state, repository, document),
        ["remove", repository, manifest] => {
            let repository = Repository::open(repository).expect("the repository opens");
            repository.remove(&manifest.parse().expect("a manifest's digest")).expect("it is there and nobody reads it");
            repository.sweep().expect("no import runs");
        }
        _ => panic!("see the head of this file for its arguments"),
    }
}

#[tokio::main]
async fn run(state: &str, repository: &str, document: &str) {
    let text = std::fs::read(document).expect("the document is readable");
    let spec: HostSpec = serde_json::from_slice(&text).expect("the document is a host document");
    let config = AgentConfig::new(spec.host, PathBuf::from(state), PathBuf::from(repository));
    let config = AgentConfig { accelerator: Some(hostspec::Accelerator::Tcg), ..config };
    let (documents, receiver) = watch::channel(Arc::new(spec));
    let (sender, mut reports) = mpsc::channel(REPORTS);
    let agent = Agent::start(config, receiver, sender).await.expect("the agent starts");
    tokio::spawn(async move {
        while let Some(report) = reports.recv().await {
            println!("{}", serde_json::to_string(&report).expect("a report is plain data"));
        }
    });
    obey(&agent, &documents).await;
    agent.shutdown().await;
}

async fn obey(agent: &AgentHandle, documents: &watch::Sender<Arc<HostSpec>>) {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(id) = line.strip_prefix("console ") {
            let output = agent.console_output(id.parse().expect("an instance's id")).await;
            println!("console {}", STANDARD.encode(output.map(|output| output.bytes).unwrap_or_default()));
        } else {
            documents.send_replace(Arc::new(serde_json::from_str(&line).expect("the document is a host document")));
        }
    }
}
