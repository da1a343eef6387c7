//! A small cloud for the tests of every noun: two accounts, two images, one simulated host, a clock that stands.
//!
//! A test makes its own [`World`], calls it with the parameters that a client would send ([`World::call`], [`World::golden`],
//! [`World::refused`]), and lets the host catch up with [`World::settle`]. Kept replies are in tests/golden; UPDATE=1 writes
//! them anew.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use control::{Caller, Principal};
use pileus_cvm as cvm;
use serde_json::Value;
use testcloud::{Golden, SmallCloud};
use wire::{Args, Reply, Request, identify};

pub use testcloud::NOON;

/// The smallest type under CVM's name, with 512 MiB.
pub const TYPE: &str = "B1.SMALL512M";
const GOLDEN: Golden = Golden {
    crate_folder: env!("CARGO_MANIFEST_DIR"),
    secrets: &[
        ("PrivateKey", "PRIVATE KEY"),
        ("PublicKey", "PUBLIC KEY"),
        ("MacAddress", "02:00:00:00:00:01"),
        ("Uuid", "UUID"),
        ("Token", "TOKEN"),
        ("TmpSecretId", "SECRET ID"),
        ("TmpSecretKey", "SECRET KEY"),
        ("Version", "VERSION"),
        ("AccessKeyId", "ACCESS KEY"),
        ("SecretAccessKey", "SECRET"),
        ("SecretId", "ACCESS KEY"),
        ("SecretKey", "SECRET"),
        ("RoleId", "ROLE ID"),
    ],
    numbers: &["Uin", "Uid", "GroupId", "PolicyId"],
};

/// The cloud and those who call it.
pub struct World(SmallCloud);

impl Deref for World {
    type Target = SmallCloud;

    fn deref(&self) -> &SmallCloud {
        &self.0
    }
}

impl World {
    /// Makes the cloud, with room for some 60 small instances.
    pub async fn new() -> World {
        World(SmallCloud::new().await)
    }

    /// The answer to a call of the account under test: the action and its parameters in JSON.
    pub async fn call(&self, action: &str, body: &str) -> Reply {
        self.call_as(&self.owner, action, body).await
    }

    /// The answer to anybody's call.
    pub async fn call_as(&self, principal: &Arc<Principal>, action: &str, body: &str) -> Reply {
        let known = cvm::actions().find(|known| known.name == action);
        let version = known.map_or("2017-03-12", |action| action.product.version());
        let credential = format!("{}/2026-11-20/cvm/tc3_request", principal.access_key);
        let headers = [
            ("host", "cloud.test".to_owned()),
            ("content-type", "application/json".to_owned()),
            ("authorization", format!("TC3-HMAC-SHA256 Credential={credential}, SignedHeaders=content-type;host, Signature=00")),
            ("x-tc-action", action.to_owned()),
            ("x-tc-version", version.to_owned()),
            ("x-tc-region", "test-1".to_owned()),
            ("x-tc-timestamp", (NOON.0 / 1000).to_string()),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value));
        let request = Request::new("POST", "/", headers, Bytes::from(body.to_owned())).unwrap();
        self.answer(principal, &request).await
    }

    /// The answer to a request with the older signature, all of it in the query.
    pub async fn query(&self, parameters: &str) -> Reply {
        self.query_as(&self.owner, parameters).await
    }

    /// The answer to anybody's request of that kind.
    pub async fn query_as(&self, principal: &Arc<Principal>, parameters: &str) -> Reply {
        let signature = format!("Nonce=1&Timestamp={}&SignatureMethod=HmacSHA1&Signature=AA%3D%3D", NOON.0 / 1000);
        let target = format!("/?{parameters}&SecretId={}&{signature}", principal.access_key);
        let request = Request::new("GET", target, [("host".to_owned(), "cloud.test".to_owned())], Bytes::new()).unwrap();
        self.answer(principal, &request).await
    }

    async fn answer(&self, principal: &Arc<Principal>, request: &Request) -> Reply {
        let claim = identify(request).unwrap();
        let args = match Args::from_request(request) {
            Ok(args) => args,
            Err(error) => return cvm::refuse("req-1", cvm::Refused::Args(&error)),
        };
        let source = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let call = cvm::Call { args: &args, claim: &claim, request, principal: principal.clone(), source, request_id: "req-1" };
        let reply = cvm::answer(&self.cloud, call).await;
        assert_eq!((reply.status, reply.content_type), (200, "application/json"), "the vendor's clients read nothing else");
        reply
    }

    /// What is in a successful answer.
    pub async fn json(&self, action: &str, body: &str) -> Value {
        let reply = self.call(action, body).await;
        let mut answer: Value = serde_json::from_str(&reply.body).unwrap();
        assert!(answer["Response"].get("Error").is_none(), "{action} {body}\n{}", reply.body);
        answer["Response"].take()
    }

    /// Checks a successful answer against the text kept in `file`; with UPDATE=1 the text is written instead.
    pub async fn golden(&self, file: &str, action: &str, body: &str) -> Value {
        self.golden_as(&self.owner, file, action, body).await
    }

    /// Does the same with anybody's call.
    pub async fn golden_as(&self, principal: &Arc<Principal>, file: &str, action: &str, body: &str) -> Value {
        let reply = self.call_as(principal, action, body).await;
        let mut answer: Value = serde_json::from_str(&reply.body).unwrap();
        assert!(answer["Response"].get("Error").is_none(), "{action} {body}\n{}", reply.body);
        GOLDEN.check(&format!("{action} {body}"), file, &reply.body, self.owner.account);
        answer["Response"].take()
    }

    /// Checks that a call is refused with this code.
    pub async fn refused(&self, action: &str, body: &str, code: &str) {
        self.refused_as(&self.owner, action, body, code).await;
    }

    /// Checks that anybody's call is refused with this code.
    pub async fn refused_as(&self, principal: &Arc<Principal>, action: &str, body: &str, code: &str) {
        let reply = self.call_as(principal, action, body).await;
        assert_eq!(code_of(&reply).as_deref(), Some(code), "{action} {body}\n{}", reply.body);
    }

    /// Launches small instances with these parameters beside the usual ones, and gives the ids.
    pub async fn run(&self, more: &str) -> Vec<String> {
        let body = self.launch(more).await;
        let reply = self.json("RunInstances", &body).await;
        let ids = reply["InstanceIdSet"].as_array().unwrap();
        ids.iter().map(|id| id.as_str().unwrap().to_owned()).collect()
    }

    /// The parameters of a launch: the usual ones and these, such as `"InstanceCount": 2`.
    pub async fn launch(&self, more: &str) -> String {
        let image = self.image("pileus-linux").await;
        let more = if more.is_empty() { String::new() } else { format!(", {more}") };
        format!(r#"{{"Placement": {{"Zone": "test-1a"}}, "ImageId": "{image}", "InstanceType": "{TYPE}"{more}}}"#)
    }

    /// One instance as it is shown; null when it is not.
    pub async fn instance(&self, id: &str) -> Value {
        self.json("DescribeInstances", &format!(r#"{{"InstanceIds": ["{id}"]}}"#)).await["InstanceSet"][0].take()
    }

    /// The account under test, for what a test asks of the control plane itself.
    pub fn caller(&self) -> Caller {
        self.0.caller("cvm:Test")
    }

    /// The id of an image by its name.
    pub async fn image(&self, name: &str) -> String {
        use control::{Field, Filter, Query};
        let filters = vec![Filter { field: Field::Name, values: vec![name.to_owned()] }];
        let images = self.cloud.list::<model::Image>(&self.caller(), Query { filters, ..Query::default() }).await.unwrap();
        images.rows[0].id.to_string().replace("ami-", "img-")
    }
}

/// The code of a refusal; none when it is none.
pub fn code_of(reply: &Reply) -> Option<String> {
    let answer: Value = serde_json::from_str(&reply.body).unwrap();
    answer["Response"]["Error"]["Code"].as_str().map(str::to_owned)
}
