//! Signing as the clients of the three clouds do: Signature Version 4 (EC2, and the native API), ACS3-HMAC-SHA256 (ECS),
//! TC3-HMAC-SHA256 (CVM).

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::Fallible;

/// Whose calls are made.
#[derive(Clone, Copy)]
enum Dialect {
    /// A call is a form body: `Action=...&Version=...&...`.
    Ec2,
    /// A call is `ACTION QUERY`, the query's parameters in the order of their names, escaped as in URLs.
    Ecs,
    /// A call is `ACTION JSON`.
    Cvm,
    /// A call is `METHOD TARGET`, and ` JSON` where it has a body; the target's parameters in the order of their names.
    Native,
}

impl Dialect {
    fn named(name: &str) -> Fallible<Dialect> {
        match name {
            "ec2" => Ok(Dialect::Ec2),
            "ecs" => Ok(Dialect::Ecs),
            "cvm" => Ok(Dialect::Cvm),
            "native" => Ok(Dialect::Native),
            _ => Err(format!("{name} is no dialect").into()),
        }
    }
}

/// What Signature Version 4 is made over.
struct Sent<'a> {
    service: &'a str,
    method: &'a str,
    target: &'a str,
    media: &'a str,
    body: &'a str,
}

/// Signs calls with one key.
pub struct Signer {
    dialect: Dialect,
    host: String,
    region: String,
    access_key: String,
    secret: String,
    /// A day, and the key that is derived for it.
    key: (String, Vec<u8>),
    /// Calls signed so far: no two are alike.
    signed: u64,
}

impl Signer {
    /// Takes the keys of the environment, for an endpoint `HOST:PORT`, to sign calls of the dialect `ec2`, `ecs`, `cvm` or `native`. They
    /// share the keys.
    pub fn from_environment(dialect: &str, endpoint: &str) -> Fallible<Signer> {
        let variable = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set"));
        Ok(Signer {
            dialect: Dialect::named(dialect)?,
            host: endpoint.to_owned(),
            region: variable("AWS_REGION")?,
            access_key: variable("AWS_ACCESS_KEY_ID")?,
            secret: variable("AWS_SECRET_ACCESS_KEY")?,
            key: (String::new(), Vec::new()),
            signed: 0,
        })
    }

    /// The whole request of a call.
    pub fn request(&mut self, call: &str) -> String {
        self.signed += 1;
        let now = jiff::Timestamp::now();
        let (action, payload) = call.split_once(' ').unwrap_or((call, ""));
        match self.dialect {
            Dialect::Ec2 => {
                let media = "application/x-www-form-urlencoded";
                self.version_4(now, &Sent { service: "ec2", method: "POST", target: "/", media, body: call })
            }
            Dialect::Native => {
                let (target, body) = payload.split_once(' ').unwrap_or((payload, ""));
                self.version_4(now, &Sent { service: "pileus", method: action, target, media: "application/json", body })
            }
            Dialect::Ecs => self.acs3(now, action, payload),
            Dialect::Cvm => self.tc3(now, action, payload),
        }
    }

    fn version_4(&mut self, now: jiff::Timestamp, sent: &Sent<'_>) -> String {
        let Sent { service, method, target, media, body } = sent;
        let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let (date, host) = (&time[..8], &self.host);
        let names = "content-type;host;x-amz-date";
        let headers = format!("content-type:{media}\nhost:{host}\nx-amz-date:{time}\n");
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let canonical = format!("{method}\n{path}\n{query}\n{headers}\n{names}\n{}", digest(body));
        let scope = format!("{date}/{}/{service}/aws4_request", self.region);
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", digest(&canonical));
        if self.key.0 != date {
            let day = mac(format!("AWS4{}", self.secret).as_bytes(), date);
            self.key = (date.to_owned(), mac(&mac(&mac(&day, &self.region), service), "aws4_request"));
        }
        let signature = hexadecimal(&mac(&self.key.1, &to_sign));
        format!(
            "{method} {target} HTTP/1.1\r\nhost: {host}\r\ncontent-type: {media}\r\nx-amz-date: {time}\r\ncontent-length: \
             {}\r\nauthorization: AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, \
             Signature={signature}\r\n\r\n{body}",
            body.len(),
            self.access_key,
        )
    }

    fn acs3(&self, now: jiff::Timestamp, action: &str, query: &str) -> String {
        let time = now.strftime("%Y-%m-%dT%H:%M:%SZ");
        let nonce = format!("{}-{}-{}", std::process::id(), self.signed, now.as_nanosecond());
        let (host, hash) = (&self.host, digest(""));
        let headers = format!(
            "host:{host}\nx-acs-action:{action}\nx-acs-content-sha256:{hash}\nx-acs-date:{time}\nx-acs-signature-nonce:{nonce}\n\
             x-acs-version:2014-05-26\n"
        );
        let names = "host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version";
        let canonical = format!("POST\n/\n{query}\n{headers}\n{names}\n{hash}");
        let signature = hexadecimal(&mac(self.secret.as_bytes(), &format!("ACS3-HMAC-SHA256\n{}", digest(&canonical))));
        format!(
            "POST /?{query} HTTP/1.1\r\n{}content-length: 0\r\nauthorization: ACS3-HMAC-SHA256 \
             Credential={},SignedHeaders={names},Signature={signature}\r\n\r\n",
            headers.replace('\n', "\r\n"),
            self.access_key,
        )
    }

    fn tc3(&mut self, now: jiff::Timestamp, action: &str, body: &str) -> String {
        let (time, date, host) = (now.as_second(), now.strftime("%Y-%m-%d").to_string(), &self.host);
        let names = "content-type;host";
        let canonical = format!("POST\n/\n\ncontent-type:application/json\nhost:{host}\n\n{names}\n{}", digest(body));
        let scope = format!("{date}/cvm/tc3_request");
        let to_sign = format!("TC3-HMAC-SHA256\n{time}\n{scope}\n{}", digest(&canonical));
        if self.key.0 != date {
            let day = mac(format!("TC3{}", self.secret).as_bytes(), &date);
            self.key = (date, mac(&mac(&day, "cvm"), "tc3_request"));
        }
        let signature = hexadecimal(&mac(&self.key.1, &to_sign));
        format!(
            "POST / HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\nx-tc-action: {action}\r\nx-tc-timestamp: {time}\r\n\
             x-tc-version: 2017-03-12\r\nx-tc-region: {}\r\ncontent-length: {}\r\nauthorization: TC3-HMAC-SHA256 \
             Credential={}/{scope}, SignedHeaders={names}, Signature={signature}\r\n\r\n{body}",
            self.region,
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

fn digest(text: &str) -> String {
    hexadecimal(&Sha256::digest(text))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
