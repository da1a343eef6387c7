//! What the measuring programs share: a client that signs calls of the three clouds and of the native API, and speaks HTTP/1.1 over a socket.

mod signer;

pub use signer::Signer;
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
    buffer.reserve((start + length).saturating_sub(buffer.len()));
    while buffer.len() < start + length {
        if stream.read_buf(buffer).await? == 0 {
            return Err(broken("the server closed a connection"));
        }
    }
    Ok((status, start))
}
