//! Versions of policies. The system's have one each.

use control::{ChangePolicyVersion, PolicyName, VersionChange};
use jiff::Timestamp;
use model::{Error, ManagedPolicy, Noun, PolicyVersion, system_policy};
use wire::{FromArg, Show};

use super::policy::unknown;
use super::{Done, PolicyType, refusal};
use crate::Cx;
use crate::error::Fault;

/// A version with its document.
#[derive(Show)]
pub(super) struct VersionItem {
    pub version_id: String,
    pub is_default_version: bool,
    pub policy_document: String,
    pub create_date: Timestamp,
}

fn item(policy: &ManagedPolicy, version: &PolicyVersion) -> VersionItem {
    VersionItem {
        version_id: format!("v{}", version.number),
        is_default_version: version.number == policy.default,
        policy_document: version.document.clone(),
        create_date: version.created_at.timestamp(),
    }
}

/// What happens to the oldest version when there is no room for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromArg)]
enum Rotation {
    None,
    #[arg(name = "DeleteOldestNonDefaultVersionWhenLimitExceeded")]
    DropOldest,
}

/// The parameters of `CreatePolicyVersion`.
#[derive(FromArg)]
pub(crate) struct CreatePolicyVersion {
    policy_name: String,
    policy_document: String,
    #[arg(default)]
    set_as_default: bool,
    #[arg(default = Rotation::None)]
    rotate_strategy: Rotation,
}

/// A reply with a version.
#[derive(Show)]
pub(crate) struct Shown {
    policy_version: VersionItem,
}

async fn change(cx: &Cx<'_>, name: String, change: VersionChange) -> Result<ManagedPolicy, Fault> {
    cx.cloud.run(&cx.caller, ChangePolicyVersion { name, change }, cx.options()?).await.map_err(refusal)
}

/// Adds a version.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreatePolicyVersion) -> Result<Shown, Fault> {
    let drops_oldest = asked.rotate_strategy == Rotation::DropOldest;
    let add = VersionChange::Add { document: asked.policy_document, is_default: asked.set_as_default, drops_oldest };
    let policy = change(cx, asked.policy_name, add).await?;
    let newest = policy.versions.last().ok_or(Error::Internal)?;
    Ok(Shown { policy_version: item(&policy, newest) })
}

/// The parameters of `ListPolicyVersions`.
#[derive(FromArg)]
pub(crate) struct OfPolicy {
    policy_type: PolicyType,
    policy_name: String,
}

/// The reply of `ListPolicyVersions`.
#[derive(Show)]
pub(crate) struct Versions {
    #[reply(list = "PolicyVersion")]
    policy_versions: Vec<VersionItem>,
}

/// Lists the versions of a policy.
pub(crate) async fn list(cx: &Cx<'_>, asked: OfPolicy) -> Result<Versions, Fault> {
    let OfPolicy { policy_type, policy_name } = asked;
    let policy_versions = match policy_type.named(policy_name) {
        PolicyName::Own(name) => {
            let (policy, _) = cx.cloud.managed_policy(&cx.caller, name).await.map_err(refusal)?;
            policy.versions.iter().map(|version| item(&policy, version)).collect()
        }
        PolicyName::System(name) => {
            let found = system_policy(&name).ok_or_else(|| unknown(&name))?;
            cx.cloud.policy_holders(&cx.caller, PolicyName::System(name)).await.map_err(refusal)?;
            vec![VersionItem {
                version_id: "v1".to_owned(),
                is_default_version: true,
                policy_document: found.document.to_owned(),
                create_date: Timestamp::UNIX_EPOCH,
            }]
        }
    };
    Ok(Versions { policy_versions })
}

/// The parameters of `GetPolicyVersion`.
#[derive(FromArg)]
pub(crate) struct GetPolicyVersion {
    #[arg(flatten)]
    policy: OfPolicy,
    version_id: String,
}

/// Shows a version.
pub(crate) async fn get(cx: &Cx<'_>, asked: GetPolicyVersion) -> Result<Shown, Fault> {
    let wanted = format!("v{}", number(&asked.version_id)?);
    let found = list(cx, asked.policy).await?.policy_versions.into_iter().find(|version| version.version_id == wanted);
    Ok(Shown { policy_version: found.ok_or_else(|| refusal(Error::not_found(Noun::PolicyVersion, wanted)))? })
}

/// The parameters of calls on a version of one of the account's policies.
#[derive(FromArg)]
pub(crate) struct One {
    policy_name: String,
    version_id: String,
}

fn number(version: &str) -> Result<u32, Fault> {
    let number = version.strip_prefix('v').and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| refusal(Error::not_found(Noun::PolicyVersion, version)))
}

/// Makes a version the one that counts.
pub(crate) async fn set_default(cx: &Cx<'_>, asked: One) -> Result<Done, Fault> {
    change(cx, asked.policy_name, VersionChange::SetDefault(number(&asked.version_id)?)).await?;
    Ok(Done {})
}

/// Deletes a version that does not count.
pub(crate) async fn delete(cx: &Cx<'_>, asked: One) -> Result<Done, Fault> {
    change(cx, asked.policy_name, VersionChange::Remove(number(&asked.version_id)?)).await?;
    Ok(Done {})
}
