//! A token: what a machine needs to become a host, in one word that the operator carries there.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::HostId;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Bytes of the secret: nobody guesses 256 bits.
pub const SECRET_BYTES: usize = 32;
/// What a token begins with, so that one is known when it is met where it should not be.
const PREFIX: &str = "pileus-host-";
/// Longest text that is looked at.
const TEXT_MAX: usize = 4096;

/// The text is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is no token of `pileus host add`")]
pub struct BadToken;

/// What a machine needs to become a host.
#[derive(Debug, Clone)]
pub struct Token {
    /// Where the server listens for hosts.
    pub server: SocketAddr,
    /// SHA-256 of the authority's certificate, in hex: the server that shows another is not the one.
    pub authority: String,
    /// The host that the machine becomes.
    pub host: HostId,
    /// Shown once.
    pub secret: SecretString,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    server: SocketAddr,
    authority: String,
    host: HostId,
    secret: String,
}

impl Token {
    /// What the server keeps of a secret: it can recognise it, and nobody can use what was kept.
    pub fn digest(secret: &str) -> String {
        hex::encode(Sha256::digest(secret.as_bytes()))
    }

    /// The token's text.
    pub fn text(&self) -> SecretString {
        let (server, authority, host) = (self.server, self.authority.clone(), self.host);
        let text = Text { server, authority, host, secret: self.secret.expose_secret().to_owned() };
        let text = serde_json::to_vec(&text).expect("addresses, ids and text are plain data");
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(text)).into()
    }
}

impl FromStr for Token {
    type Err = BadToken;

    fn from_str(text: &str) -> Result<Token, BadToken> {
        let encoded = text.trim().strip_prefix(PREFIX).filter(|text| text.len() <= TEXT_MAX).ok_or(BadToken)?;
        let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| BadToken)?;
        let Text { server, authority, host, secret } = serde_json::from_slice(&bytes).map_err(|_| BadToken)?;
        Ok(Token { server, authority, host, secret: secret.into() })
    }
}

impl fmt::Display for Token {
    /// Says whose it is; never the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a token for {} at {}", self.host, self.server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_word_that_reads_back_and_does_not_show_its_secret() {
        let token = Token {
            server: "192.0.2.1:7710".parse().unwrap(),
            authority: "ab".repeat(32),
            host: HostId::from_u64(7),
            secret: "hidden".to_owned().into(),
        };
        let text = token.text();
        let again: Token = format!("{}\n", text.expose_secret()).parse().unwrap();
        assert_eq!((again.server, again.authority.as_str(), again.host), (token.server, token.authority.as_str(), token.host));
        assert_eq!(again.secret.expose_secret(), "hidden");
        assert!(!format!("{token} {token:?}").contains("hidden"));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for text in ["", "pileus-host-", "pileus-host-!!", "pileus-host-e30", &format!("pileus-host-{}", "A".repeat(5000))] {
            assert_eq!(text.parse::<Token>().err(), Some(BadToken), "{text}");
        }
    }
}
