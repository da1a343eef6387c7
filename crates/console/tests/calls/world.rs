//! A small cloud for the tests: two accounts, two images, one simulated host, a clock that stands.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use control::Principal;
use pileus_console as console;
use serde_json::Value;
use testcloud::SmallCloud;
use wire::{Reply, Request, identify};

/// The cloud and those who call it.
pub struct World(SmallCloud);

impl Deref for World {
    type Target = SmallCloud;

    fn deref(&self) -> &SmallCloud {
        &self.0
    }
}

/// A request: `METHOD TARGET`, further headers, and a body that may be nothing.
#[derive(Default)]
pub struct Sent<'a> {
    pub line: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a str,
}

impl World {
    /// Makes the cloud, with room for some 60 small instances.
    pub async fn new() -> World {
        World(SmallCloud::new().await)
    }

    /// The answer to anybody's request.
    pub async fn send(&self, principal: &Arc<Principal>, sent: &Sent<'_>) -> Reply {
        let scope = format!("{}/20261120/test-1/pileus/aws4_request", principal.access_key);
        let signed = format!("SignedHeaders=host;idempotency-key;x-amz-date, Signature={}", "0".repeat(64));
        let authorization = format!("AWS4-HMAC-SHA256 Credential={scope}, {signed}");
        let usual = [
            ("authorization", authorization.as_str()),
            ("host", "cloud.test"),
            ("x-amz-date", "20261120T120000Z"),
            ("content-type", "application/json"),
        ];
        let given = sent.headers.iter().map(|(name, _)| *name).collect::<Vec<_>>();
        let headers = usual.iter().filter(|(name, _)| !given.contains(name)).chain(sent.headers);
        let headers = headers.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let (method, target) = sent.line.split_once(' ').expect("a method and a target");
        let request = Request::new(method, target, headers, Bytes::from(sent.body.to_owned())).unwrap();
        let claim = identify(&request).unwrap();
        let source = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let call = console::Call { request: &request, claim: &claim, principal: principal.clone(), source, request_id: "req-1" };
        console::answer(&self.cloud, call).await
    }

    /// Status and JSON of the answer to the account under test; null where there is no body.
    pub async fn call(&self, line: &str, body: &str) -> (u16, Value) {
        self.call_with(&Sent { line, body, headers: &[] }).await
    }

    /// The same with headers.
    pub async fn call_with(&self, sent: &Sent<'_>) -> (u16, Value) {
        let reply = self.send(&self.owner, sent).await;
        (reply.status, json(&reply))
    }

    /// The JSON of an answer that goes well.
    pub async fn ok(&self, line: &str, body: &str) -> Value {
        let (status, reply) = self.call(line, body).await;
        assert!((200..300).contains(&status), "{line} {body}: {status} {reply}");
        reply
    }

    /// Checks that a call is refused with this status and code; what it is told.
    pub async fn refused(&self, line: &str, body: &str, status: u16, code: &str) -> String {
        let (found, reply) = self.call(line, body).await;
        assert_eq!((found, reply["code"].as_str()), (status, Some(code)), "{line} {body}: {reply}");
        assert_eq!((reply["status"].as_u64(), reply["request_id"].as_str()), (Some(status.into()), Some("req-1")), "{reply}");
        reply["detail"].as_str().expect("a problem has a detail").to_owned()
    }

    /// The id of an image by its name.
    pub async fn image(&self, name: &str) -> String {
        let found = self.ok(&format!("GET /v1/images?name={name}"), "").await;
        text(&found["items"][0]["id"])
    }

    /// The body of a launch of the smallest type with these members beside.
    pub async fn launch_body(&self, more: &str) -> String {
        let image = self.image("pileus-linux").await;
        let comma = if more.is_empty() { "" } else { ", " };
        format!(r#"{{"image": "{image}", "type": "t3.nano"{comma}{more}}}"#)
    }

    /// Launches so, and gives the ids.
    pub async fn launch(&self, more: &str) -> Vec<String> {
        let body = self.launch_body(more).await;
        let launched = self.ok("POST /v1/instances", &body).await;
        launched["instances"].as_array().unwrap().iter().map(|instance| text(&instance["id"])).collect()
    }
}

/// The JSON of an answer.
pub fn json(reply: &Reply) -> Value {
    match reply.body.as_str() {
        "" => Value::Null,
        body => serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}")),
    }
}

/// A text in JSON.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}
