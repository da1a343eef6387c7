//! A host agent by itself: follows a document in a file and prints its reports, one a line. For tests and for looking at one host.
//!
//! ```text
//!   agent_host run STATE REPOSITORY DOCUMENT     runs until its standard input ends
//!   agent_host cage … | image-server …           what the agent starts by itself
//! ```

use std::path::PathBuf;
use std::sync::Arc;

use hostspec::HostSpec;
use pileus_agent::{Agent, AgentConfig, cage};
use repository::server::{ServerConfig, main as serve};
use tokio::io::AsyncReadExt;
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
        _ => panic!("see the head of this file for its arguments"),
    }
}

#[tokio::main]
async fn run(state: &str, repository: &str, document: &str) {
    let text = std::fs::read(document).expect("the document is readable");
    let spec: HostSpec = serde_json::from_slice(&text).expect("the document is a host document");
    let config = AgentConfig::new(spec.host, PathBuf::from(state), PathBuf::from(repository));
    let config = AgentConfig { accelerator: Some(hostspec::Accelerator::Tcg), ..config };
    let (_documents, receiver) = watch::channel(Arc::new(spec));
    let (sender, mut reports) = mpsc::channel(REPORTS);
    let agent = Agent::start(config, receiver, sender).await.expect("the agent starts");
    tokio::spawn(async move {
        while let Some(report) = reports.recv().await {
            println!("{}", serde_json::to_string(&report).expect("a report is plain data"));
        }
    });
    let mut nothing = Vec::new();
    let _ = tokio::io::stdin().read_to_end(&mut nothing).await;
    agent.shutdown().await;
}
