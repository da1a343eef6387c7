//! The Tencent Cloud dialect: CVM, with CAM and the parts of VPC, CBS, STS and the tag service that its clients call beside it.
//!
//! ```text
//! Call (verified by the listener) -> action and version -> row of the action table -> Args -> structure
//!     -> control: run or list -> reply structure -> {"Response": {...}}
//! ```
//!
//! One file a noun; [`actions`] is the table of what is answered. Ids have Tencent's prefixes here and ours behind it
//! ([`id`]). Every answer has status 200, refusals too, as the vendor's clients want it.
//!
//! What it does not know: HTTP, signatures (only how to refuse them in Tencent's words), rows, hosts.

mod account;
mod action_timer;
mod actions;
mod address;
mod bandwidth;
mod bandwidth_package;
mod cam;
mod disk_backup;
mod disk_quota;
mod error;
mod filter;
mod flow_log;
mod id;
mod image;
mod image_change;
mod image_task;
mod instance;
mod instance_type;
mod interface;
mod interface_change;
mod ipv6;
mod key_pair;
mod launch_template;
mod nat_gateway;
mod nat_rule;
mod network;
mod network_acl;
mod order;
mod page;
mod parameter;
mod placement_group;
mod quota;
mod region;
mod repair_task;
mod root_volume;
mod route;
mod security_group;
mod security_group_policies;
mod security_group_rules;
mod snapshot;
mod snapshot_group;
mod snapshot_image;
mod snapshot_policy;
mod snapshot_share;
mod sts;
mod subnet;
mod tag;
mod tag_service;
mod tagged;
mod time;
mod trail;
mod volume;
mod vpc_peering;
mod vpc_range;

use std::net::IpAddr;
use std::sync::Arc;

use control::{Caller, Cloud, Options, Principal, Target};
use model::{Error, Noun};
use wire::{Args, Claim, FromArg, Reply, Request, Scheme, Shown, envelope};

pub use actions::{Action, Product, State, actions};
pub use error::Refused;

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

/// What a handler knows of its call.
pub(crate) struct Cx<'a> {
    pub cloud: &'a Cloud,
    pub call: &'a Call<'a>,
    pub caller: Caller,
    /// The row of the table that is answered.
    pub action: &'static Action,
}

/// Answers a request. Never fails: what goes wrong is in the reply.
pub async fn answer(cloud: &Cloud, call: Call<'_>) -> Reply {
    match dispatch(cloud, &call).await {
        Ok(shown) => Reply::json(200, envelope::tencent_json(call.request_id, &shown)),
        Err(fault) => fault.reply(call.request_id),
    }
}

/// Refuses a request that fails before its action is looked at.
pub fn refuse(request_id: &str, why: Refused<'_>) -> Reply {
    Fault::from(why).reply(request_id)
}

async fn dispatch(cloud: &Cloud, call: &Call<'_>) -> Result<Shown, Fault> {
    let action = actions::find(common(call, "Action", "x-tc-action"), common(call, "Version", "x-tc-version"))?;
    let caller =
        Caller { principal: call.principal.clone(), source: call.source, request: call.request_id.to_owned(), action: action.policy_name };
    cloud.admit(&caller)?;
    let cx = Cx { cloud, call, caller, action };
    cx.check_region()?;
    action.answer(&cx).await
}

/// A parameter of every call: in a header where the newer signature is used, among the parameters with the older ones.
fn common<'a>(call: &'a Call<'_>, parameter: &str, header: &str) -> &'a str {
    let found = match call.claim.scheme {
        Scheme::TencentV3 => call.request.header(header),
        Scheme::TencentForm | Scheme::AlibabaV3 | Scheme::AlibabaRpc | Scheme::AwsV4 | Scheme::AwsV4Presigned | Scheme::AwsV2 => {
            call.args.text(parameter)
        }
    };
    found.unwrap_or("")
}

impl Cx<'_> {
    /// Decodes the action's parameters and refuses what neither it nor this cloud has.
    pub(crate) fn decode<T: FromArg>(&self) -> Result<T, Fault> {
        let decoded = self.call.args.decode()?;
        parameter::check_unread(self.call.args, self.call.claim.scheme, self.action.absent)?;
        Ok(decoded)
    }

    /// Asks the policies, for actions that tell of settings and read no rows.
    pub(crate) async fn allowed(&self) -> Result<(), Fault> {
        Ok(self.cloud.read(&self.caller, vec![Target::any()], |_, _| Ok(())).await?)
    }

    /// How most commands are run: once, without a token.
    pub(crate) fn options(&self) -> Options {
        Options::default()
    }

    /// The region's name.
    pub(crate) fn region(&self) -> String {
        self.cloud.region().name.clone()
    }

    /// An endpoint serves one region; a call that names another is in the wrong place.
    fn check_region(&self) -> Result<(), Fault> {
        match common(self.call, "Region", "x-tc-region") {
            "" => Ok(()),
            asked if asked == self.cloud.region().name => Ok(()),
            asked => Err(Error::not_found(Noun::Region, asked).into()),
        }
    }
}
