//! The Alibaba Cloud dialect: ECS, with the little of VPC, STS and the location service that its clients call beside it.
//!
//! ```text
//! Call (verified by the listener) -> action and version -> row of the action table -> Args -> structure
//!     -> control: run or list -> reply structure -> JSON, or XML when Format=XML
//! ```
//!
//! One file a noun; [`actions`] is the table of what is answered. Instances that are being released are not shown, as in ECS:
//! there a released instance is gone from every list at once.
//!
//! What it does not know: HTTP, signatures (only how to refuse them in Alibaba's words), rows, hosts.

mod account;
mod actions;
mod address;
mod availability;
mod bandwidth;
mod bandwidth_package;
mod capacity_reservation;
mod deletion_protection;
mod dhcp_options;
mod disk_encryption;
mod egress_only_rule;
mod error;
mod filter;
mod flow_log;
mod image;
mod image_change;
mod image_task;
mod instance;
mod instance_fleet;
mod instance_role;
mod instance_type;
mod instance_type_choice;
mod interface;
mod interface_change;
mod ipv4_gateway;
mod ipv6;
mod ipv6_address;
mod ipv6_gateway;
mod key_pair;
mod launch_template;
mod launch_template_data;
mod nat_entry;
mod nat_gateway;
mod network;
mod network_acl;
mod outcome;
mod page;
mod parameter;
mod placement_group;
mod prefix_list;
mod quota;
mod ram;
mod region;
mod root_volume;
mod route;
mod route_change;
mod security_group;
mod security_group_reference;
mod security_group_rules;
mod snapshot;
mod snapshot_group;
mod snapshot_policy;
mod snapshot_use;
mod subnet;
mod tag;
mod tag_older;
mod traffic;
mod trail;
mod volume;
mod vpc_peering;
mod vpc_range;

use std::net::IpAddr;
use std::sync::Arc;

use control::{Caller, Cloud, Options, Principal, Target};
use model::Error;
use wire::{Args, Claim, FromArg, Reply, Request, Scheme, Shown, SignatureError, envelope};

pub use actions::{Action, Product, State, Works, actions};
pub use error::Refused;
pub use parameter::Absent;

use error::Fault;

/// A request whose signature was found good.
pub struct Call<'a> {
    /// Its parameters.
    pub args: &'a Args,
    /// What its signature said.
    pub claim: &'a Claim,
    /// The request itself, for headers.
    pub request: &'a Request,
    /// Who signed it.
    pub principal: Arc<Principal>,
    /// Where it came from.
    pub source: IpAddr,
    /// Its id, which the reply repeats.
    pub request_id: &'a str,
}

/// The form of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Xml,
}

impl Format {
    fn of(request: &Request) -> Format {
        let is_xml = request.parameter("Format").is_some_and(|format| format.eq_ignore_ascii_case("xml"));
        if is_xml { Format::Xml } else { Format::Json }
    }
}

/// What a handler knows of its call.
pub(crate) struct Cx<'a> {
    pub cloud: &'a Cloud,
    pub call: &'a Call<'a>,
    pub caller: Caller,
    /// The row of its action.
    pub action: &'static Action,
    /// The service that was asked; some actions are in two, with different replies.
    pub product: Product,
}

/// Answers a request. Never fails: what goes wrong is in the reply.
pub async fn answer(cloud: &Cloud, call: Call<'_>) -> Reply {
    let format = Format::of(call.request);
    match dispatch(cloud, &call).await {
        Ok((action, shown)) => match format {
            Format::Json => Reply::json(200, envelope::alibaba_json(call.request_id, &shown)),
            Format::Xml => Reply::xml(200, envelope::alibaba_xml(action, call.request_id, &shown)),
        },
        Err(fault) => fault.reply(format, host_of(call.request), call.request_id),
    }
}

/// Refuses a request that fails before its action is looked at.
pub fn refuse(request: &Request, request_id: &str, why: Refused<'_>) -> Reply {
    let mismatch = matches!(why, Refused::Signature(SignatureError::Mismatch { .. }));
    let fault = Fault::from(why);
    let claim = mismatch.then(|| wire::identify(request).ok()).flatten();
    let fault = match claim.as_ref().map(Claim::string_to_sign) {
        Some(signed) => fault.with_string_to_sign(signed.unwrap_or_default()),
        None => fault,
    };
    fault.reply(Format::of(request), host_of(request), request_id)
}

async fn dispatch(cloud: &Cloud, call: &Call<'_>) -> Result<(&'static str, Shown), Fault> {
    let (action, product) = actions::find(name_of(call, "Action", "x-acs-action"), name_of(call, "Version", "x-acs-version"))?;
    let caller =
        Caller { principal: call.principal.clone(), source: call.source, request: call.request_id.to_owned(), action: action.policy_name };
    cloud.admit(&caller)?;
    let cx = Cx { cloud, call, caller, action, product };
    cx.check_region()?;
    let shown = match action.state {
        State::Works(works) => works.answer(&cx).await?,
        State::NotYet => return Err(Error::Unsupported { what: format!("the action {}", action.name) }.into()),
    };
    // A command that was only to be tried has ended in this error already; what is left here is a look.
    if cx.options()?.dry_run { Err(Error::DryRun.into()) } else { Ok((action.name, shown)) }
}

/// Action or version: of the signed header where headers are signed, of the parameters where those are. The old SDK sends the
/// headers as well, but does not sign them.
fn name_of<'a>(call: &'a Call<'_>, parameter: &str, header: &str) -> &'a str {
    let found = match call.claim.scheme {
        Scheme::AlibabaV3 => call.request.header(header),
        Scheme::AlibabaRpc | Scheme::AwsV4 | Scheme::AwsV4Presigned | Scheme::AwsV2 | Scheme::TencentV3 | Scheme::TencentForm => {
            call.args.text(parameter)
        }
    };
    found.unwrap_or("")
}

/// The host that the client believes to talk to, port included.
fn host_of(request: &Request) -> &str {
    request.header("host").unwrap_or("")
}

impl Cx<'_> {
    /// Decodes the action's parameters and refuses what neither it nor this cloud has.
    pub(crate) fn decode<T: FromArg>(&self) -> Result<T, Fault> {
        let decoded = self.call.args.decode()?;
        self.options()?;
        parameter::check_unread(self.call.args, self.call.claim.scheme, self.action.absent)?;
        Ok(decoded)
    }

    /// Asks the policies, for actions that tell of settings and read no rows.
    pub(crate) async fn allowed(&self) -> Result<(), Fault> {
        Ok(self.cloud.read(&self.caller, vec![Target::any()], |_, _| Ok(())).await?)
    }

    /// How a command is to be run.
    pub(crate) fn options(&self) -> Result<Options, Fault> {
        let client_token: Option<String> = self.call.args.get("ClientToken")?;
        let dry_run: Option<bool> = self.call.args.get("DryRun")?;
        Ok(Options { client_token: client_token.filter(|token| !token.is_empty()), dry_run: dry_run.unwrap_or(false) })
    }

    /// The host that the client believes to talk to, port included.
    pub(crate) fn host(&self) -> &str {
        host_of(self.call.request)
    }

    /// The region's name.
    pub(crate) fn region(&self) -> String {
        self.cloud.region().name.clone()
    }

    /// An endpoint serves one region; a call that names another is in the wrong place. The location service is asked about any.
    fn check_region(&self) -> Result<(), Fault> {
        let asked: Option<String> = self.call.args.get("RegionId")?;
        match asked {
            Some(asked) if !asked.is_empty() && self.product != Product::Location && asked != self.cloud.region().name => {
                Err(Error::not_found(model::Noun::Region, asked).into())
            }
            Some(_) | None => Ok(()),
        }
    }
}
