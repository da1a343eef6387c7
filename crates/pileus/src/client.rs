//! The other end of the operator's socket.

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

use crate::state::StateFolder;

/// Asks the pileus that runs on this state folder.
pub async fn ask(state: &StateFolder, path: &str, arguments: &Value) -> Result<Value> {
    let folder = state.path().display();
    let stream = UnixStream::connect(state.socket()).await;
    let stream = stream.with_context(|| format!("no pileus runs on {folder}; start one with `pileus up --state {folder}`"))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let body = Full::new(Bytes::from(arguments.to_string()));
    let request = http::Request::post(path).header("host", "operator").body(body)?;
    let response = sender.send_request(request).await.context("pileus did not answer")?;
    let status = response.status();
    let body = response.into_body().collect().await.context("the answer broke off")?.to_bytes();
    let value: Value = serde_json::from_slice(&body).context("the answer is not JSON")?;
    if !status.is_success() {
        bail!("{}", value["error"].as_str().unwrap_or("the request was refused"));
    }
    Ok(value)
}

/// Runs one conversation.
pub fn block_on<T>(conversation: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(conversation)
}
