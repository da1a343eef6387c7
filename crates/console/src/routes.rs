//! The table of routes: every method and path that is served, the action by which policies and the audit trail know it, what it takes and
//! what it answers. A further noun is one line here for each of its calls, and one file.

use std::future::Future;
use std::pin::Pin;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::error::Category;

use crate::error::Refusal;
use crate::page::{PAGING, Page};
use crate::query::{Parameter, Takes};
use crate::{
    Cx, image, instance, instance_change, instance_launch, instance_list, instance_tag, instance_type, key_pair, security_group, snapshot,
    subnet, zone,
};

/// The parameter that has a change tried out and not kept.
pub(crate) const DRY_RUN: &str = "dry_run";
/// What stands in a path for the id of a thing.
const ID: &str = "{id}";
/// The status of an answer without a body.
const NO_CONTENT: u16 = 204;

/// The parameter of every change.
const OF_CHANGES: &[Parameter] = &[Parameter {
    name: DRY_RUN,
    about: "Whether everything is checked and nothing kept; answered with 204 when it would have succeeded.",
    takes: Takes::Flag,
}];

/// How a path is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Makes, or does something with what is there.
    Post,
    /// Changes.
    Patch,
    /// Removes.
    Delete,
}

impl Method {
    /// The method in requests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }
}

/// A row of the table.
pub(crate) struct Route {
    pub method: Method,
    pub path: &'static str,
    pub action: &'static str,
    /// Its name in the document.
    pub name: &'static str,
    pub about: &'static str,
    /// Parameters of its query of its own.
    own: &'static [Parameter],
    /// The status of its answer.
    pub status: u16,
    pub body: fn(&mut SchemaGenerator) -> Schema,
    pub reply: fn(&mut SchemaGenerator) -> Schema,
    pub run: Run,
}

/// How a route is run, with the bytes of its body.
type Run = fn(Cx, &[u8]) -> Result<Running, Refusal>;
type Running = Pin<Box<dyn Future<Output = Result<Written, Refusal>> + Send>>;

/// One route, for documents and tests.
#[derive(Debug, Clone, Copy)]
pub struct RouteInfo {
    /// Its method.
    pub method: Method,
    /// Its path, with `{id}` for the id of a thing.
    pub path: &'static str,
    /// The action by which policies and the audit trail know it.
    pub action: &'static str,
}

/// Every route, in the order of the table.
pub fn routes() -> impl Iterator<Item = RouteInfo> {
    TABLE.iter().map(|Route { method, path, action, .. }| RouteInfo { method: *method, path, action })
}

/// A body that says nothing.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// An answer that went well, as text.
pub(crate) struct Written {
    pub status: u16,
    pub body: String,
}

impl Written {
    /// An answer without a body.
    pub fn nothing() -> Written {
        Written { status: NO_CONTENT, body: String::new() }
    }

    fn of<T: Serialize>(status: u16, reply: &T) -> Written {
        if status == NO_CONTENT {
            return Written::nothing();
        }
        Written { status, body: serde_json::to_string(reply).expect("replies have texts for keys, and writing them does not fail") }
    }
}

impl Route {
    /// Parameters of its query.
    pub fn parameters(&self) -> impl Iterator<Item = &'static Parameter> {
        let common = match self.method {
            Method::Get => &[],
            Method::Post | Method::Patch | Method::Delete => OF_CHANGES,
        };
        let paging = if self.is_list() { PAGING } else { &[] };
        self.own.iter().chain(paging).chain(common)
    }

    /// Whether its path has an id.
    pub fn has_id(&self) -> bool {
        self.path.contains(ID)
    }

    fn is_list(&self) -> bool {
        self.method == Method::Get && !self.has_id()
    }

    /// The id in a path that is of this route; empty where it has none.
    fn id_in<'p>(&self, path: &'p str) -> Option<&'p str> {
        let (mut own, mut given) = (self.path.split('/'), path.split('/'));
        let mut id = "";
        loop {
            match (own.next(), given.next()) {
                (None, None) => return Some(id),
                (Some(ID), Some(text)) if !text.is_empty() => id = text,
                (Some(word), Some(text)) if word == text => {}
                _ => return None,
            }
        }
    }
}

/// The route of a request, and the id in its path.
pub(crate) fn find<'p>(method: &str, path: &'p str) -> Result<(&'static Route, &'p str), Refusal> {
    let mut here = TABLE.iter().filter_map(|route| Some((route, route.id_in(path)?)));
    let Some(found) = here.clone().find(|(route, _)| route.method.as_str() == method) else {
        let first = here.next().ok_or(Refusal::Path)?.0.method.as_str();
        let allowed = here.fold(first.to_owned(), |all, (route, _)| format!("{all}, {}", route.method.as_str()));
        return Err(Refusal::Method { allowed });
    };
    Ok(found)
}

/// Reads a body; what is wrong is told by the member's name.
fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let read = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        refused(if path == "." { "" } else { &path }, error.inner())
    })?;
    json.end().map_err(|error| refused("", &error))?;
    Ok(read)
}

fn refused(path: &str, error: &serde_json::Error) -> Refusal {
    let message = error.to_string();
    match error.classify() {
        Category::Io | Category::Syntax | Category::Eof => Refusal::member("", message),
        Category::Data => {
            let reason = message.split(" at line ").next().unwrap_or_default();
            // Of a member that is unknown the path tells, of one that is missing or given twice only the message does.
            let is_about_name = ["missing field `", "duplicate field `"].iter().any(|begin| reason.starts_with(begin));
            let name = reason.split('`').nth(1).filter(|_| is_about_name);
            let at = match (path, name) {
                ("", Some(name)) => name.to_owned(),
                (path, Some(name)) => format!("{path}.{name}"),
                (path, None) => path.to_owned(),
            };
            Refusal::member(&at, reason)
        }
    }
}

macro_rules! rows {
    ($($method:ident $path:literal $action:literal $name:ident => $handler:path, $asked:ty => $status:literal $reply:ty, $own:expr, $about:literal;)*) => {
        &[$(Route {
            method: Method::$method,
            path: $path,
            action: $action,
            name: stringify!($name),
            about: $about,
            own: $own,
            status: $status,
            body: |generator| generator.subschema_for::<$asked>(),
            reply: |generator| generator.subschema_for::<$reply>(),
            run: |cx, body| {
                let asked = decode::<$asked>(body)?;
                Ok(Box::pin(async move {
                    let reply: $reply = $handler(cx, asked).await?;
                    Ok(Written::of($status, &reply))
                }))
            },
        }),*]
    };
}

pub(crate) static TABLE: &[Route] = rows! {
    Post "/v1/instances" "ec2:RunInstances" launch_instances => instance_launch::launch, instance_launch::Launch => 201
        instance_launch::Launched, &[], "Launches 1 to 100 instances of a kind; all of them, or at least as many as `at_least` says.";
    Get "/v1/instances" "ec2:DescribeInstances" list_instances => instance_list::list, Nothing => 200
        Page<control::InstanceView>, instance_list::FILTERS, "Lists instances, oldest first. Terminated ones are listed for an hour.";
    Get "/v1/instances/{id}" "ec2:DescribeInstances" get_instance => instance_list::get, Nothing => 200
        instance::One, &[], "Tells of an instance.";
    Patch "/v1/instances/{id}" "ec2:ModifyInstanceAttribute" change_instance => instance_change::change, instance_change::Change => 204
        (), &[], "Changes an instance; what is absent stays as it is.";
    Delete "/v1/instances/{id}" "ec2:TerminateInstances" terminate_instance => instance_change::terminate, Nothing => 202
        instance_change::StateChange, &[], "Terminates an instance, in whatever state it is.";
    Post "/v1/instances/{id}/start" "ec2:StartInstances" start_instance => instance_change::start, Nothing => 202
        instance_change::StateChange, &[], "Starts a stopped instance; one that runs is left alone.";
    Post "/v1/instances/{id}/stop" "ec2:StopInstances" stop_instance => instance_change::stop, instance_change::Stop => 202
        instance_change::StateChange, &[], "Stops a running instance.";
    Post "/v1/instances/{id}/reboot" "ec2:RebootInstances" reboot_instance => instance_change::reboot, instance_change::Reboot => 202
        instance_change::StateChange, &[], "Restarts a running instance.";
    Post "/v1/instances/{id}/tags" "ec2:CreateTags" tag_instance => instance_tag::give, instance_tag::NewTags => 204
        (), &[], "Gives an instance tags.";
    Delete "/v1/instances/{id}/tags" "ec2:DeleteTags" untag_instance => instance_tag::take, Nothing => 204
        (), instance_tag::KEYS, "Takes tags from an instance; one that is not there is no error.";
    Get "/v1/images" "ec2:DescribeImages" list_images => image::list, Nothing => 200
        Page<model::Image>, image::FILTERS, "Lists the images that can be launched from, oldest first.";
    Get "/v1/instance-types" "ec2:DescribeInstanceTypes" list_instance_types => instance_type::list, Nothing => 200
        Page<&'static model::InstanceType>, instance_type::FILTERS, "Lists the instance types, families together, small before large.";
    Get "/v1/subnets" "ec2:DescribeSubnets" list_subnets => subnet::list, Nothing => 200
        Page<(model::Subnet, u64)>, subnet::FILTERS, "Lists subnets, oldest first.";
    Get "/v1/security-groups" "ec2:DescribeSecurityGroups" list_security_groups => security_group::list, Nothing => 200
        Page<model::SecurityGroup>, security_group::FILTERS, "Lists security groups with their rules, oldest first.";
    Get "/v1/key-pairs" "ec2:DescribeKeyPairs" list_key_pairs => key_pair::list, Nothing => 200
        Page<model::KeyPair>, key_pair::FILTERS, "Lists key pairs, oldest first.";
    Get "/v1/snapshots" "ec2:DescribeSnapshots" list_snapshots => snapshot::list, Nothing => 200
        Page<model::Snapshot>, snapshot::FILTERS, "Lists snapshots, the account's own and those that are shared with it, oldest first.";
    Get "/v1/zones" "ec2:DescribeAvailabilityZones" list_zones => zone::list, Nothing => 200
        Page<zone::Named>, &[], "Lists the zones of the region.";
};

#[cfg(test)]
mod tests {
    use super::*;

    fn at<T: DeserializeOwned>(body: &str) -> (String, String) {
        match decode::<T>(body.as_bytes()).err() {
            Some(Refusal::Body { at, reason }) => (at, reason),
            other => panic!("{body}: {other:?}"),
        }
    }

    #[test]
    fn a_path_is_found_by_its_words() {
        for (method, path, id) in
            [("GET", "/v1/instances", ""), ("DELETE", "/v1/instances/i-1", "i-1"), ("POST", "/v1/instances/i-1/stop", "i-1")]
        {
            let (route, found) = find(method, path).unwrap_or_else(|refusal| panic!("{path}: {refusal:?}"));
            assert_eq!((route.method.as_str(), found), (method, id));
        }
        for path in ["/", "/v1", "/v1/", "/v1/instances/", "/v1/instances/i-1/", "/v1/instances/i-1/eat", "/v1//start"] {
            assert!(matches!(find("GET", path), Err(Refusal::Path)), "{path}");
        }
        let allowed = "GET, PATCH, DELETE".to_owned();
        assert_eq!(find("PUT", "/v1/instances/i-1").err(), Some(Refusal::Method { allowed }));
    }

    #[test]
    fn what_is_wrong_with_a_body_is_told_by_name() {
        use crate::instance_launch::Launch;
        for (body, member) in [
            (r#"{"image": "ami-1", "type": "t3.nano"}"#, "image"),
            (r#"{"image": "vol-00000000000000001", "type": "t3.nano"}"#, "image"),
            (r#"{"interfaces": [{"index": 1}, {}]}"#, "interfaces[1].index"),
            (r#"{"type": "t3.nano", "colour": "red"}"#, "colour"),
            (r#"{"type": 3}"#, "type"),
            (r#"{"type": "a", "type": "b"}"#, "type"),
            (r#"{"count": -1}"#, "count"),
            (r#"{"root": {"size": 3}}"#, "root.size"),
            (r#"{"volumes": [{"size_gib": 1}, {"size_gib": "2"}]}"#, "volumes[1].size_gib"),
            (r#"{"password": 12345678}"#, "password"),
            (r#"{"tags": {"a": "1", "a": "2"}}"#, "tags"),
            (r#"{"tags": {"a": 1}}"#, "tags.a"),
        ] {
            assert_eq!(at::<Launch>(body).0, member, "{body}");
        }
        assert!(!at::<Launch>(r#"{"password": 12345678}"#).1.contains("12345678"));
    }

    #[test]
    fn a_damaged_body_is_read_or_refused() {
        let body = r#"{"image": "ami-00000000000000001", "type": "t3.nano", "count": 2, "root": {"size_gib": 3, "kind": "level1"},
            "volumes": [{"size_gib": 2}], "capacity": {"reservation": "cr-00000000000000001"}, "tags": {"a": "\u00e4"},
            "template": {"name": "a", "version": {"number": 3}}, "release_at": "2026-12-24T18:00:00Z", "interfaces": [{"index": 1}]}"#;
        assert!(decode::<crate::instance_launch::Launch>(body.as_bytes()).is_ok());
        for at in 0..body.len() {
            assert!(decode::<crate::instance_launch::Launch>(&body.as_bytes()[..at]).is_err(), "{at}");
            for other in [0, b'"', b'{', b'9', b'-', 0xff] {
                let mut damaged = body.as_bytes().to_vec();
                damaged[at] = other;
                drop(decode::<crate::instance_launch::Launch>(&damaged));
            }
        }
    }

    #[test]
    fn what_is_no_object_is_no_body() {
        let deep = format!("{{\"tags\": {}", "[".repeat(100_000));
        for body in ["", "[", "3", "{", "{}{}", "\"a\"", "null", r#"{"a": }"#, &deep] {
            assert!(decode::<Nothing>(body.as_bytes()).is_err(), "{body:.20}");
        }
        assert!(decode::<crate::instance_launch::Launch>(deep.as_bytes()).is_err());
    }
}
