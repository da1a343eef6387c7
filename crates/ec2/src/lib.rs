//! The EC2 dialect, with STS and IAM beside it.
//!
//! ```text
//! Args -> action table -> #[derive(FromArg)] structure -> handler -> control -> #[derive(Show)] structure -> XML
//!                                                            \-> Refusal -> one table of codes -> XML
//! ```
//!
//! EC2's words live here and nowhere else: names of states, filters, parameters, error codes. What it does not know: HTTP,
//! how signatures are verified, how anything is done; it asks [`control::Cloud`].

mod account;
mod actions;
mod address;
mod capacity_reservation;
mod credit_specification;
mod dhcp_options;
mod disk_encryption;
mod egress_only_gateway;
mod error;
mod filter;
mod flow_log;
mod gateway;
mod host_name;
mod iam;
mod image;
mod image_attribute;
mod image_change;
mod image_task;
mod instance;
mod instance_attribute;
mod instance_event;
mod instance_fleet;
mod instance_fleet_record;
mod instance_health;
mod instance_power;
mod instance_role;
mod instance_type;
mod interface;
mod interface_plug;
mod ipv6;
mod key_pair;
mod kms;
mod launch_nics;
mod launch_template;
mod launch_template_data;
mod lifecycle;
mod logs;
mod metadata_options;
mod nat_gateway;
mod network;
mod network_acl;
mod network_insights;
mod page;
mod placement_group;
mod prefix_list;
mod region;
mod root_volume;
mod route;
mod run_instances;
mod security_group;
mod security_group_reference;
mod security_group_rule_change;
mod security_group_rules;
mod service_quotas;
mod shown_filter;
mod snapshot;
mod snapshot_attribute;
mod snapshot_block;
mod sts;
mod subnet;
mod tag;
mod trail;
mod volume;
mod volume_attribute;
mod vpc_peering;
mod vpc_range;

use std::net::IpAddr;
use std::sync::Arc;

use control::{Caller, Cloud, Options, Principal, Target};
use model::Error;
use wire::{Args, Claim, Reply, Show, Shown, envelope};

use crate::error::unsupported;

pub use actions::{ActionInfo, NOT_YET, Service, State, actions};
pub use error::{Refusal, refuse};
pub use lifecycle::arguments as lifecycle_arguments;
pub use snapshot_block::arguments as block_arguments;

/// One call of which the signature was verified.
pub struct Call<'a> {
    /// The parameters.
    pub args: &'a Args,
    /// Who signed it, and how.
    pub claim: &'a Claim,
    /// Whom the access key acts for.
    pub principal: Arc<Principal>,
    /// Where it came from.
    pub source: IpAddr,
    /// The request's id, as the reply has it.
    pub request_id: &'a str,
    /// What the client calls the endpoint: its `Host` header.
    pub host: &'a str,
    /// The bytes of its body, for actions that carry data.
    pub body: &'a [u8],
    /// What its `X-Amz-Target` header says, which names the action of services that speak JSON.
    pub target: Option<&'a str>,
}

/// Answers a call, in the form of the service that it was signed for.
pub async fn answer(cloud: &Cloud, call: Call<'_>) -> Reply {
    let service = service_of(&call);
    match run(cloud, &call, service).await {
        Ok((action, shown)) => reply(service, action, call.request_id, &shown),
        Err(refusal) => {
            tracing::debug!(request = call.request_id, ?refusal, "refused");
            refuse(&refusal, Some(service), call.request_id)
        }
    }
}

/// What a handler knows beside its parameters.
pub(crate) struct Cx {
    pub cloud: Cloud,
    pub caller: Caller,
    pub host: String,
    /// The bytes of the body, of actions that carry data.
    pub body: Vec<u8>,
    dry_run: bool,
}

impl Cx {
    /// How a command is run, with its client token if it has one.
    pub fn options(&self, client_token: Option<String>) -> Options {
        Options { client_token, dry_run: self.dry_run }
    }

    /// Asks the policies, for actions that tell of settings and read no rows.
    pub async fn allowed(&self) -> Result<(), Error> {
        self.cloud.read(&self.caller, vec![Target::any()], |_, _| Ok(())).await
    }
}

/// The service that a call is for: the one of its signature, or by the version of its API where the signature names none.
fn service_of<'a>(call: &'a Call<'_>) -> &'a str {
    match &call.claim.scope {
        Some(scope) => &scope.service,
        None if call.args.text("Version") == Some(sts::VERSION) => "sts",
        None if call.args.text("Version") == Some(iam::VERSION) => "iam",
        None => "ec2",
    }
}

async fn run(cloud: &Cloud, call: &Call<'_>, service: &str) -> Result<(&'static str, Shown), Refusal> {
    let service = Service::named(service).ok_or_else(|| Refusal::UnknownService { name: service.to_owned() })?;
    let name = match service {
        Service::CloudTrail => named_by(call.target, trail::TARGET)?,
        Service::ServiceQuotas => named_by(call.target, service_quotas::TARGET)?,
        Service::Kms => named_by(call.target, kms::TARGET)?,
        Service::Logs => named_by(call.target, logs::TARGET)?,
        Service::Ec2 | Service::Sts | Service::Iam | Service::Ebs | Service::Dlm => call.args.text("Action").ok_or(Refusal::NoAction)?,
    };
    let action = actions::find(service, name).ok_or_else(|| match service {
        Service::Ec2 if NOT_YET.contains(&name) => unsupported(format!("The operation {name}")),
        _ => Refusal::UnknownAction { name: name.to_owned() },
    })?;
    let dry_run = call.args.get::<Option<bool>>("DryRun")?.unwrap_or(false);
    let caller =
        Caller { principal: call.principal.clone(), source: call.source, request: call.request_id.to_owned(), action: action.policy };
    cloud.admit(&caller)?;
    let body = if service == Service::Ebs { call.body.to_vec() } else { vec![] };
    let cx = Cx { cloud: cloud.clone(), caller, host: call.host.to_owned(), body, dry_run };
    let shown = (action.run)(action, call, cx)?.await?;
    let shown = shown_filter::retain(action.policy, call.args, shown)?;
    if dry_run { Err(Error::DryRun.into()) } else { Ok((action.name, shown)) }
}

/// The action that a target names; a target of another service is refused.
fn named_by<'t>(target: Option<&'t str>, service: &str) -> Result<&'t str, Refusal> {
    let target = target.ok_or(Refusal::NoAction)?;
    target.strip_prefix(service).ok_or_else(|| Refusal::UnknownAction { name: target.to_owned() })
}

fn reply(service: &str, action: &str, request_id: &str, shown: &dyn Show) -> Reply {
    let body = match Service::named(service) {
        Some(Service::Sts) => envelope::query_xml(action, sts::NAMESPACE, request_id, shown),
        Some(Service::Iam) => envelope::query_xml(action, iam::NAMESPACE, request_id, shown),
        Some(Service::CloudTrail | Service::ServiceQuotas | Service::Kms | Service::Logs) => {
            return Reply::json(200, envelope::aws_json(shown));
        }
        Some(Service::Ebs) => return snapshot_block::reply(action, shown),
        Some(Service::Dlm) => return lifecycle::reply(shown),
        Some(Service::Ec2) | None => envelope::ec2_xml(action, request_id, shown),
    };
    Reply::xml(200, body)
}
