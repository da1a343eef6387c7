//! What the measuring programs share: a client that signs calls of EC2 (Signature Version 4) and speaks HTTP/1.1 over a socket.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// Longest reply that is read.
const REPLY_MAX: usize = 64 << 20;

/// Whatever goes wrong ends a measurement.
pub type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

/// Reads one reply into the buffer: its status, and where its body starts.
pub async fn reply(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<(u16, usize), std::io::Error> {
    let broken = |what| std::io::Error::other(what);
    buffer.clear();
    let start = loop {
        if stream.read_buf(buffer).await? == 0 {
            return Err(broken("the server closed a connection"));
        }
        if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let head = std::str::from_utf8(&buffer[..start]).map_err(|_| broken("a head that is no text"))?;
    let status = head.get(9..12).and_then(|text| text.parse().ok()).ok_or_else(|| broken("a status line"))?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let length = length.filter(|length| *length <= REPLY_MAX).ok_or_else(|| broken("a reply without length"))?;
    while buffer.len() < start + length {
        if stream.read_buf(buffer).await? == 0 {
            return Err(broken("the server closed a connection"));
        }
    }
    Ok((status, start))
}

/// Signs calls with Signature Version 4.
pub struct Signer {
    host: String,
    region: String,
    access_key: String,
    secret: String,
    key: (String, Vec<u8>),
}

impl Signer {
    /// Takes the keys of the environment, for an endpoint `HOST:PORT`.
    pub fn from_environment(endpoint: &str) -> Fallible<Signer> {
        let variable = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set"));
        Ok(Signer {
            host: endpoint.to_owned(),
            region: variable("AWS_REGION")?,
            access_key: variable("AWS_ACCESS_KEY_ID")?,
            secret: variable("AWS_SECRET_ACCESS_KEY")?,
            key: (String::new(), Vec::new()),
        })
    }

    /// The whole request for a form body.
    pub fn request(&mut self, body: &str) -> String {
        let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let (date, host) = (&time[..8], &self.host);
        let (form, names) = ("application/x-www-form-urlencoded", "content-type;host;x-amz-date");
        let headers = format!("content-type:{form}\nhost:{host}\nx-amz-date:{time}\n");
        let canonical = format!("POST\n/\n\n{headers}\n{names}\n{}", hexadecimal(&Sha256::digest(body)));
        let scope = format!("{date}/{}/ec2/aws4_request", self.region);
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hexadecimal(&Sha256::digest(canonical)));
        if self.key.0 != date {
            let day = mac(format!("AWS4{}", self.secret).as_bytes(), date);
            self.key = (date.to_owned(), mac(&mac(&mac(&day, &self.region), "ec2"), "aws4_request"));
        }
        let signature = hexadecimal(&mac(&self.key.1, &to_sign));
        format!(
            "POST / HTTP/1.1\r\nhost: {host}\r\ncontent-type: {form}\r\nx-amz-date: {time}\r\ncontent-length: {}\r\nauthorization: \
             AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}\r\n\r\n{body}",
            body.len(),
            self.access_key,
        )
    }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length will do");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
