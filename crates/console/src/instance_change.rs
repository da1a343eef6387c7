//! What can be done with an instance that is there.

use control::{ChangeInstanceType, ModifyInstance, RebootInstances, StartInstances, StopInstances, TerminateInstances, WhileRunning};
use model::{MetadataOptions, SecurityGroupId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Cx;
use crate::error::Refusal;
use crate::instance_launch::{Password, user_data};
use crate::instance_list::id;
use crate::routes::Nothing;
use crate::schema;

/// What an instance is changed to. `type` stands alone: it is a change of its own.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
pub(crate) struct Change {
    /// Display name.
    name: Option<String>,
    description: Option<String>,
    /// Host name; the guest reads it at its next boot.
    hostname: Option<String>,
    /// Name of its type, in any cloud's scheme. It stays on its host, which must have room.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Of a change of the type: whether one that runs is stopped, changed and started again. It is refused otherwise.
    restart: Option<bool>,
    /// Whether terminating it is refused.
    termination_protection: Option<bool>,
    /// Whether stopping it is refused.
    stop_protection: Option<bool>,
    #[schemars(with = "Option<schema::OnShutdown>")]
    on_shutdown: Option<model::OnShutdown>,
    detailed_monitoring: Option<bool>,
    metadata: Option<Metadata>,
    /// The security groups of its primary interface, and no others.
    #[schemars(with = "Option<Vec<schema::SecurityGroupId>>")]
    security_groups: Option<Vec<SecurityGroupId>>,
    /// User data in base64; only while it is stopped.
    user_data: Option<String>,
    /// A new password of the image's usual user, which the guest sets at its next boot.
    password: Option<Password>,
}

/// How the metadata service answers the guest, whole.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Metadata {
    enabled: bool,
    token_required: bool,
    /// Most network hops of a token's answer.
    #[schemars(range(min = 1, max = 64))]
    hop_limit: u8,
    show_tags: bool,
}

/// How an instance is stopped.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stop {
    /// Whether it is powered off without notice to the guest.
    #[serde(default)]
    force: bool,
    /// Whether processors and memory stay reserved for it.
    #[serde(default)]
    keep_capacity: bool,
}

/// How an instance is restarted.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reboot {
    /// Whether it is reset without notice to the guest.
    #[serde(default)]
    force: bool,
}

/// What a call did to an instance.
#[derive(Serialize, JsonSchema)]
pub(crate) struct StateChange {
    #[schemars(with = "schema::InstanceId")]
    id: model::InstanceId,
    /// Its state before the call.
    #[schemars(with = "schema::InstanceState")]
    before: &'static str,
    /// Its state now.
    #[schemars(with = "schema::InstanceState")]
    state: &'static str,
}

/// Changes an instance.
pub(crate) async fn change(cx: Cx, asked: Change) -> Result<(), Refusal> {
    let id = id(&cx)?;
    match asked.kind {
        None if asked.restart.is_some() => Err(Refusal::member("restart", "is said only of a change of the type")),
        None => modify(&cx, asked, id).await,
        Some(_) if asked.says_more() => Err(Refusal::member("type", "is changed by a call of its own, without other members")),
        Some(instance_type) => {
            let running = if asked.restart == Some(true) { WhileRunning::Restarted } else { WhileRunning::Refused };
            cx.run(ChangeInstanceType { id, instance_type, running }).await
        }
    }
}

impl Change {
    /// Whether anything is said beside the type.
    fn says_more(&self) -> bool {
        let flags = [self.termination_protection, self.stop_protection, self.detailed_monitoring];
        let texts = [&self.name, &self.description, &self.hostname, &self.user_data];
        flags.iter().any(Option::is_some)
            || texts.into_iter().any(Option::is_some)
            || self.on_shutdown.is_some()
            || self.metadata.is_some()
            || self.security_groups.is_some()
            || self.password.is_some()
    }
}

async fn modify(cx: &Cx, asked: Change, id: model::InstanceId) -> Result<(), Refusal> {
    let whole =
        |Metadata { enabled, token_required, hop_limit, show_tags }| MetadataOptions { enabled, token_required, hop_limit, show_tags };
    // Nothing is a value here: it takes away what there was.
    let user_data = asked.user_data.map(|text| user_data(&text)).transpose()?.map(Option::unwrap_or_default);
    cx.run(ModifyInstance {
        id: Some(id),
        name: asked.name,
        description: asked.description,
        hostname: asked.hostname,
        host_names: model::HostNameSettings::default(),
        termination_protection: asked.termination_protection,
        stop_protection: asked.stop_protection,
        on_shutdown: asked.on_shutdown,
        user_data,
        password_hash: asked.password.map(|password| password.hash()).transpose()?,
        detailed_monitoring: asked.detailed_monitoring,
        ebs_optimized: None,
        metadata: asked.metadata.map(whole),
        groups: asked.security_groups,
    })
    .await
}

/// Starts an instance.
pub(crate) async fn start(cx: Cx, _: Nothing) -> Result<StateChange, Refusal> {
    let ids = vec![id(&cx)?];
    one(cx.run(StartInstances { ids }).await?)
}

/// Stops an instance.
pub(crate) async fn stop(cx: Cx, asked: Stop) -> Result<StateChange, Refusal> {
    let ids = vec![id(&cx)?];
    one(cx.run(StopInstances { ids, force: asked.force, keep_capacity: asked.keep_capacity }).await?)
}

/// Restarts an instance.
pub(crate) async fn reboot(cx: Cx, asked: Reboot) -> Result<StateChange, Refusal> {
    let ids = vec![id(&cx)?];
    one(cx.run(RebootInstances { ids, force: asked.force }).await?)
}

/// Terminates an instance.
pub(crate) async fn terminate(cx: Cx, _: Nothing) -> Result<StateChange, Refusal> {
    let ids = vec![id(&cx)?];
    one(cx.run(TerminateInstances { ids, only_stopped: false }).await?)
}

/// What became of the one instance that was named.
fn one(changes: Vec<control::StateChange>) -> Result<StateChange, Refusal> {
    let control::StateChange { before, after } = changes.into_iter().next().ok_or(model::Error::Internal)?;
    Ok(StateChange { id: after.id, before: before.phase.word(), state: after.phase.word() })
}
