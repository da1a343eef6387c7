//! Logs to standard error: words for a person at a terminal, JSON for a collector. `PILEUS_LOG` chooses what (as `RUST_LOG`).
//! Metrics for Prometheus by HTTP.

use std::convert::Infallible;
use std::io::IsTerminal;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

/// What is logged when nobody says otherwise.
const DEFAULT_FILTER: &str = "info";

/// Starts logging.
pub fn start() {
    let filter = EnvFilter::try_from_env("PILEUS_LOG").unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() { logs.compact().init() } else { logs.json().init() }
}

/// Records metrics from now on and serves them, whatever path is asked for.
pub async fn serve_metrics(address: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(address).await;
    let listener = listener.with_context(|| format!("metrics cannot be served on {address}; choose another address with --metrics"))?;
    let recorder = PrometheusBuilder::new().install_recorder().context("metrics cannot be recorded")?;
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            };
            let recorder = recorder.clone();
            let service = service_fn(move |_: http::Request<hyper::body::Incoming>| {
                let text = recorder.render();
                async move { Ok::<_, Infallible>(http::Response::new(Full::new(Bytes::from(text)))) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    Ok(())
}
