//! `pileus tunnel` and `pileus ssh`: sessions for whoever has an access key, wherever the API is reached.
//!
//! They read the same environment as the SDKs do (`AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
//! `AWS_SESSION_TOKEN`, `AWS_REGION`), and need no state folder.

use std::fmt::Write;
use std::os::unix::process::CommandExt;
use std::pin::Pin;
use std::process::Command;
use std::task::{Context as Waker, Poll};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use secrecy::SecretString;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error as WebSocketError;

use crate::{api, client, sessions};

/// Seconds that a signed request is good for.
const EXPIRES: u32 = 60;

/// `pileus tunnel`.
#[derive(Debug, Clone, Args)]
pub struct Tunnel {
    /// The instance.
    pub instance: String,
    /// TCP port of its guest.
    #[arg(long, default_value_t = 22)]
    pub port: u16,
}

/// `pileus ssh`.
#[derive(Debug, Clone, Args)]
pub struct Ssh {
    /// Who logs in.
    #[arg(long, default_value = "root")]
    pub user: String,
    /// TCP port of the guest.
    #[arg(long, default_value_t = 22)]
    pub port: u16,
    /// The instance.
    pub instance: String,
    /// Given to ssh as they are: options, and a command.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<String>,
}

/// Becomes ssh with a session for its way.
pub fn ssh(ssh: &Ssh) -> Result<()> {
    let own = std::env::current_exe().context("the program's own path is not known")?;
    let proxy = format!("ProxyCommand={} tunnel %h --port %p", own.display());
    let mut command = Command::new("ssh");
    command.args(["-o", &proxy, "-p", &ssh.port.to_string(), &format!("{}@{}", ssh.user, ssh.instance)]).args(&ssh.arguments);
    Err(command.exec()).context("ssh cannot be started")
}

/// Joins standard input and output to a port of a guest.
pub fn tunnel(tunnel: &Tunnel) -> Result<()> {
    client::block_on(open(tunnel))
}

async fn open(tunnel: &Tunnel) -> Result<()> {
    let variable = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set; `pileus env` prints it"));
    let endpoint = variable("AWS_ENDPOINT_URL")?;
    let host = endpoint.strip_prefix("http://").with_context(|| format!("{endpoint} is not an http:// address"))?.trim_end_matches('/');
    let (key, region) = (variable("AWS_ACCESS_KEY_ID")?, variable("AWS_REGION")?);
    let token = std::env::var("AWS_SESSION_TOKEN").ok().filter(|token| !token.is_empty());
    let secret = SecretString::from(variable("AWS_SECRET_ACCESS_KEY")?);
    let signer = Signer { host, key: &key, secret: &secret, token: token.as_deref(), region: &region };
    let url = format!("ws://{host}{}", signer.target(tunnel, jiff::Timestamp::now())?);
    let stream = TcpStream::connect(host).await.with_context(|| format!("the API is not reached at {host}"))?;
    stream.set_nodelay(true)?;
    let (socket, _) = tokio_tungstenite::client_async_with_config(url, stream, Some(sessions::config())).await.map_err(refusal)?;
    sessions::carry(socket, tokio::io::join(Endless(tokio::io::stdin()), tokio::io::stdout())).await;
    Ok(())
}

/// What the API said instead of opening a session.
fn refusal(error: WebSocketError) -> anyhow::Error {
    let WebSocketError::Http(response) = error else { return anyhow!(error).context("no session was opened") };
    let body = response.body().as_deref().map(String::from_utf8_lossy).unwrap_or_default();
    let between = |name: &str| body.split_once(&format!("<{name}>"))?.1.split_once(&format!("</{name}>")).map(|(text, _)| text.to_owned());
    match (between("Code"), between("Message")) {
        (Some(code), Some(message)) => anyhow!("{code}: {message}"),
        _ => anyhow!("the API answered {}: {body}", response.status()),
    }
}

/// Who signs, for which API.
struct Signer<'a> {
    host: &'a str,
    key: &'a str,
    secret: &'a SecretString,
    token: Option<&'a str>,
    region: &'a str,
}

impl Signer<'_> {
    /// Path and query of a request for a session, signed in its query (AWS Signature Version 4).
    fn target(&self, tunnel: &Tunnel, now: jiff::Timestamp) -> Result<String> {
        let credential = format!("{}/{}/{}/{}/aws4_request", self.key, now.strftime("%Y%m%d"), self.region, api::SESSIONS);
        let mut target = format!("{}?instanceId={}&remotePort={}", sessions::PATH, encoded(&tunnel.instance), tunnel.port);
        write!(
            target,
            "&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={}&X-Amz-Date={}&X-Amz-Expires={EXPIRES}&X-Amz-SignedHeaders=host",
            encoded(&credential),
            now.strftime("%Y%m%dT%H%M%SZ"),
        )?;
        if let Some(token) = self.token {
            write!(target, "&X-Amz-Security-Token={}", encoded(token))?;
        }
        let headers = [("host".to_owned(), self.host.to_owned())];
        let unsigned = wire::Request::new("GET", format!("{target}&X-Amz-Signature=00"), headers, bytes::Bytes::new())?;
        let Some(signature) = wire::identify(&unsigned)?.signature_with(self.secret) else { bail!("the request cannot be signed") };
        Ok(format!("{target}&X-Amz-Signature={signature}"))
    }
}

/// Text as it stands in a query (RFC 3986, section 2.3).
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte.into()),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Standard input whose end is not the session's: an answer may still come.
struct Endless(tokio::io::Stdin);

impl AsyncRead for Endless {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Waker<'_>, buffer: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let filled = buffer.filled().len();
        match Pin::new(&mut self.0).poll_read(cx, buffer) {
            Poll::Ready(Ok(())) if buffer.filled().len() == filled => Poll::Pending,
            polled => polled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_is_verified_and_nothing_else() {
        let secret = SecretString::from("secret");
        let signer = Signer { host: "127.0.0.1:7700", key: "AKIA", secret: &secret, token: Some("a/b+c="), region: "local-1" };
        let now = jiff::Timestamp::now();
        let target = signer.target(&Tunnel { instance: "i-1".to_owned(), port: 22 }, now).unwrap();
        let request = |target: &str| {
            let headers = [("host".to_owned(), "127.0.0.1:7700".to_owned()), ("upgrade".to_owned(), "websocket".to_owned())];
            wire::identify(&wire::Request::new("GET", target, headers, bytes::Bytes::new()).unwrap()).unwrap()
        };
        request(&target).verify(&secret, now).unwrap();
        request(&target.replace("i-1", "i-2")).verify(&secret, now).unwrap_err();
        request(&target).verify(&SecretString::from("other"), now).unwrap_err();
    }
}
