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
use pileus_ecs as ecs;
use serde_json::Value;
use testcloud::{Golden, SmallCloud};
use wire::{Args, Reply, Request, identify};

pub use testcloud::{NOON, texts};

/// The smallest type under ECS's name, with 512 MiB.
pub const TYPE: &str = "ecs.t5-lc2m1.nano";
const GOLDEN: Golden = Golden {
    crate_folder: env!("CARGO_MANIFEST_DIR"),
    secrets: &[
        ("PrivateKeyBody", "PRIVATE KEY"),
        ("KeyPairFingerPrint", "FINGERPRINT"),
        ("NextToken", "TOKEN"),
        ("MacAddress", "02:00:00:00:00:01"),
    ],
    numbers: &[],
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

    /// The answer to a call of the account under test. The version is ECS's unless the parameters name another.
    pub async fn call(&self, parameters: &str) -> Reply {
        self.call_as(&self.owner, parameters).await
    }

    /// The answer to anybody's call.
    pub async fn call_as(&self, principal: &Arc<Principal>, parameters: &str) -> Reply {
        let version = if parameters.contains("Version=") { "" } else { "&Version=2014-05-26" };
        let signature = "SignatureMethod=HMAC-SHA1&SignatureVersion=1.0&SignatureNonce=n&Signature=AA%3D%3D&Timestamp=2026-11-20T12:00:00Z";
        let target = format!("/?{parameters}{version}&AccessKeyId={}&{signature}", principal.access_key);
        let request = Request::new("POST", target, [("host".to_owned(), "cloud.test".to_owned())], Bytes::new()).unwrap();
        let claim = identify(&request).unwrap();
        let args = match Args::from_request(&request) {
            Ok(args) => args,
            Err(error) => return ecs::refuse(&request, "req-1", ecs::Refused::Args(&error)),
        };
        let source = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let call = ecs::Call { args: &args, claim: &claim, request: &request, principal: principal.clone(), source, request_id: "req-1" };
        ecs::answer(&self.cloud, call).await
    }

    /// A successful answer as JSON.
    pub async fn json(&self, parameters: &str) -> Value {
        let reply = self.call(parameters).await;
        assert_eq!(reply.status, 200, "{parameters}\n{}", reply.body);
        serde_json::from_str(&reply.body).unwrap()
    }

    /// Checks a successful answer against the text kept in `file`, whose ending tells its format; with UPDATE=1 the text is
    /// written instead.
    pub async fn golden(&self, file: &str, parameters: &str) -> String {
        let reply = self.call(parameters).await;
        assert_eq!(reply.status, 200, "{parameters}\n{}", reply.body);
        GOLDEN.check(parameters, file, &reply.body, self.owner.account);
        reply.body
    }

    /// Checks that a call is refused with this code.
    pub async fn refused(&self, parameters: &str, status: u16, code: &str) {
        self.refused_as(&self.owner, parameters, status, code).await;
    }

    /// Checks that anybody's call is refused with this code.
    pub async fn refused_as(&self, principal: &Arc<Principal>, parameters: &str, status: u16, code: &str) {
        let reply = self.call_as(principal, parameters).await;
        let found = texts(&reply.body, "Code");
        assert_eq!((reply.status, found.first().map(String::as_str)), (status, Some(code)), "{parameters}\n{}", reply.body);
    }

    /// Launches small instances with these parameters beside the usual ones, and gives the ids.
    pub async fn run(&self, more: &str) -> Vec<String> {
        let image = self.image("pileus-linux").await;
        let reply = self.json(&format!("Action=RunInstances&ImageId={image}&InstanceType={TYPE}&{more}")).await;
        let ids = reply["InstanceIdSets"]["InstanceIdSet"].as_array().unwrap();
        ids.iter().map(|id| id.as_str().unwrap().to_owned()).collect()
    }

    /// The account under test, for what a test asks of the control plane itself.
    pub fn caller(&self) -> Caller {
        self.0.caller("ecs:Test")
    }

    /// The id of an image by its name.
    pub async fn image(&self, name: &str) -> String {
        use control::{Field, Filter, Query};
        let filters = vec![Filter { field: Field::Name, values: vec![name.to_owned()] }];
        let images = self.cloud.list::<model::Image>(&self.caller(), Query { filters, ..Query::default() }).await.unwrap();
        images.rows[0].id.to_string()
    }
}
