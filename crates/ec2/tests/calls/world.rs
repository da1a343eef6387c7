//! A small cloud for the tests: two accounts, two images, one simulated host, a clock that stands.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use control::Principal;
use pileus_ec2 as ec2;
use testcloud::{Golden, SmallCloud};
use wire::{Args, Reply, Request, identify};

pub use testcloud::texts as elements;

const GOLDEN: Golden = Golden {
    crate_folder: env!("CARGO_MANIFEST_DIR"),
    secrets: &[
        ("keyMaterial", "PRIVATE KEY"),
        ("keyFingerprint", "FINGERPRINT"),
        ("nextToken", "TOKEN"),
        ("macAddress", "02:00:00:00:00:01"),
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

    /// The answer to a call of the account under test.
    pub async fn call(&self, form: &str) -> Reply {
        self.call_as(&self.owner, "ec2", form).await
    }

    /// The text of a successful answer.
    pub async fn ok(&self, form: &str) -> String {
        let reply = self.call(form).await;
        assert_eq!(reply.status, 200, "{form}\n{}", reply.body);
        reply.body
    }

    /// The first element of a name in a successful answer.
    pub async fn first(&self, form: &str, name: &str) -> String {
        elements(&self.ok(form).await, name).remove(0)
    }

    /// The answer to anybody's call of a service.
    pub async fn call_as(&self, principal: &Arc<Principal>, service: &str, form: &str) -> Reply {
        let scope = format!("{}/20261120/test-1/{service}/aws4_request", principal.access_key);
        let authorization = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature={}", "0".repeat(64));
        let headers = [("authorization", authorization.as_str()), ("host", "cloud.test"), ("x-amz-date", "20261120T120000Z")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let request = Request::new("POST", "/", headers, Bytes::new()).unwrap();
        let claim = identify(&request).unwrap();
        let args = match Args::from_form(form) {
            Ok(args) => args,
            Err(error) => return ec2::refuse(&ec2::Refusal::Args(error), Some(service), "req-1"),
        };
        let source = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let prefix = match service {
            "cloudtrail" => Some("com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101."),
            "servicequotas" => Some("ServiceQuotasV20190624."),
            "kms" => Some("TrentService."),
            "logs" => Some("Logs_20140328."),
            _ => None,
        };
        let target = prefix.map(|prefix| format!("{prefix}{}", args.text("Action").unwrap_or_default()));
        let call = ec2::Call {
            args: &args,
            claim: &claim,
            principal: principal.clone(),
            source,
            request_id: "req-1",
            host: "cloud.test",
            body: &[],
            target: target.as_deref(),
        };
        ec2::answer(&self.cloud, call).await
    }

    /// Checks a successful answer against the text that is kept for it; with UPDATE=1 the text is written instead.
    pub async fn golden(&self, name: &str, form: &str) -> String {
        self.golden_as("ec2", name, form).await
    }

    /// The same for any service.
    pub async fn golden_as(&self, service: &str, name: &str, form: &str) -> String {
        let reply = self.call_as(&self.owner, service, form).await;
        assert_eq!(reply.status, 200, "{form}\n{}", reply.body);
        GOLDEN.check(form, &format!("{name}.xml"), &reply.body, self.owner.account);
        reply.body
    }

    /// Launches with the usual parameters and these, and gives the ids.
    pub async fn run(&self, more: &str) -> Vec<String> {
        let image = self.image("pileus-linux").await;
        let reply = self.call(&format!("Action=RunInstances&ImageId={image}&InstanceType=t3.nano&{more}")).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        elements(&reply.body, "instanceId")
    }

    /// The id of an image by its name.
    pub async fn image(&self, name: &str) -> String {
        let reply = self.call(&format!("Action=DescribeImages&Filter.1.Name=name&Filter.1.Value.1={name}")).await;
        elements(&reply.body, "imageId").pop().unwrap()
    }

    /// Checks that a call is refused with this code.
    pub async fn refused(&self, form: &str, status: u16, code: &str) {
        let reply = self.call(form).await;
        let found = elements(&reply.body, "Code");
        assert_eq!((reply.status, found.first().map(String::as_str)), (status, Some(code)), "{form}\n{}", reply.body);
    }
}
