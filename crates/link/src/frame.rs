//! Frames: how messages are cut out of a stream of bytes.
//!
//! ```text
//!   4 bytes: length of the head    4 bytes: length of the body    head (JSON)    body (plain bytes)
//! ```
//!
//! Both lengths are checked before anything is allocated.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::LinkError;

/// Most bytes of an object in one frame, so that nothing waits long behind them.
pub const PART_MAX: usize = 1 << 20;

/// What one end may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest head in bytes.
    pub head: usize,
    /// Longest body in bytes.
    pub body: usize,
}

impl Limits {
    /// Before it is known who speaks: a token and a key are some hundred bytes.
    pub const GREETING: Limits = Limits { head: 16 << 10, body: 0 };
    /// What a host sends: a report has some hundred bytes for each machine and volume, an answer at most 128 KiB.
    pub const OF_HOST: Limits = Limits { head: 16 << 20, body: 0 };
    /// What the server sends: a document names each interface of a VPC in some 120 bytes, and a VPC may have a million.
    pub const OF_SERVER: Limits = Limits { head: 256 << 20, body: PART_MAX };
}

/// Writes one frame.
pub async fn write<T: Serialize>(to: &mut (impl AsyncWrite + Unpin), message: &T, body: &[u8]) -> Result<(), LinkError> {
    let head = serde_json::to_vec(message).map_err(|error| LinkError::Nonsense(error.to_string()))?;
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).map_err(|_| LinkError::Nonsense("a frame of 4 GiB".to_owned()));
    to.write_u32(length(&head)?).await?;
    to.write_u32(length(body)?).await?;
    to.write_all(&head).await?;
    to.write_all(body).await?;
    Ok(to.flush().await?)
}

/// Reads one frame; an end between two frames is an error like any other end.
pub async fn read<T: DeserializeOwned>(from: &mut (impl AsyncRead + Unpin), limits: Limits) -> Result<(T, Vec<u8>), LinkError> {
    let (head, body) = (from.read_u32().await? as usize, from.read_u32().await? as usize);
    if head > limits.head || body > limits.body {
        return Err(LinkError::Nonsense(format!("a frame of {head} and {body} bytes, allowed are {} and {}", limits.head, limits.body)));
    }
    let mut bytes = vec![0; head];
    from.read_exact(&mut bytes).await?;
    let message = serde_json::from_slice(&bytes).map_err(|error| LinkError::Nonsense(error.to_string()))?;
    bytes.clear();
    bytes.resize(body, 0);
    from.read_exact(&mut bytes).await?;
    Ok((message, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_frame_reads_back_with_its_body() {
        let mut wire = Vec::new();
        write(&mut wire, &"hello", b"bytes").await.unwrap();
        write(&mut wire, &7, b"").await.unwrap();
        let mut from = wire.as_slice();
        assert_eq!(read::<String>(&mut from, Limits::OF_SERVER).await.unwrap(), ("hello".to_owned(), b"bytes".to_vec()));
        assert_eq!(read::<u32>(&mut from, Limits::OF_SERVER).await.unwrap(), (7, vec![]));
        assert!(read::<u32>(&mut from, Limits::OF_SERVER).await.is_err(), "the stream ended");
    }

    #[tokio::test]
    async fn a_length_beyond_the_limit_is_refused_before_anything_is_read() {
        for lengths in [[u32::MAX, 0], [0, u32::MAX], [(16 << 10) + 1, 0], [4, 1]] {
            let wire: Vec<u8> = lengths.iter().flat_map(|length| length.to_be_bytes()).collect();
            let error = read::<u32>(&mut wire.as_slice(), Limits::GREETING).await.unwrap_err();
            assert!(matches!(error, LinkError::Nonsense(_)), "{lengths:?}: {error}");
        }
    }
}
