//! Versions of policies, which CAM knows by number. The system's have one each.

use control::{ChangePolicyVersion, PolicyName, VersionChange};
use model::{Error, ManagedPolicy, Noun, PolicyVersion, system_policy};
use wire::{FromArg, Show};

use super::at;
use super::policy::{EVER, own};
use crate::Cx;
use crate::error::Fault;

/// Most versions that one call deletes: as many as a policy may have.
const DELETED_MAX: usize = model::VERSIONS_MAX;

/// What CAM says of versions: those that are too many, and the one that counts.
fn refusal(error: Error) -> Fault {
    let code = match &error {
        Error::LimitReached { name: "PolicyDocument", .. } => Some("FailedOperation.PolicyVersionFull"),
        Error::InUse { noun: Noun::PolicyVersion, .. } => Some("FailedOperation.PolicyVersionAlreadyDefault"),
        _ => None,
    };
    let fault = Fault::from(error);
    Fault { code: code.map_or(fault.code, Into::into), message: fault.message }
}

async fn change(cx: &Cx<'_>, policy: u64, change: VersionChange) -> Result<ManagedPolicy, Fault> {
    let name = own(cx.cloud.policy_numbered(&cx.caller, policy).await?)?;
    cx.cloud.run(&cx.caller, ChangePolicyVersion { name, change }, cx.options()).await.map_err(refusal)
}

/// `CreatePolicyVersion`.
#[derive(FromArg)]
pub(crate) struct CreatePolicyVersion {
    policy_id: u64,
    policy_document: String,
    set_as_default: bool,
}

/// A reply that names a version.
#[derive(Show)]
pub(crate) struct Named {
    version_id: u32,
}

/// Adds a version.
pub(crate) async fn create(cx: &Cx<'_>, asked: CreatePolicyVersion) -> Result<Named, Fault> {
    let add = VersionChange::Add { document: asked.policy_document, is_default: asked.set_as_default, drops_oldest: false };
    let policy = change(cx, asked.policy_id, add).await?;
    Ok(Named { version_id: policy.versions.last().ok_or(Error::Internal)?.number })
}

/// The parameter of `ListPolicyVersions`.
#[derive(FromArg)]
pub(crate) struct OfPolicy {
    policy_id: u64,
}

/// The reply of `ListPolicyVersions`.
#[derive(Show)]
#[reply(list = "")]
pub(crate) struct Versions {
    versions: Vec<VersionItem>,
}

#[derive(Show)]
struct VersionItem {
    version_id: u32,
    create_date: String,
    is_default_version: u8,
}

/// The one version of a policy of the system's.
fn only(name: &str) -> Result<PolicyVersion, Fault> {
    let policy = system_policy(name).ok_or_else(|| Error::not_found(Noun::Policy, name))?;
    Ok(PolicyVersion { number: 1, document: policy.document.to_owned(), created_at: EVER })
}

/// The versions of a policy, and which of them counts.
async fn versions(cx: &Cx<'_>, policy: u64) -> Result<(Vec<PolicyVersion>, u32), Fault> {
    match cx.cloud.policy_numbered(&cx.caller, policy).await? {
        PolicyName::Own(name) => {
            let (policy, _) = cx.cloud.managed_policy(&cx.caller, name).await?;
            Ok((policy.versions, policy.default))
        }
        PolicyName::System(name) => {
            let only = only(&name)?;
            cx.cloud.policy_holders(&cx.caller, PolicyName::System(name)).await?;
            Ok((vec![only], 1))
        }
    }
}

/// Lists the versions of a policy.
pub(crate) async fn list(cx: &Cx<'_>, asked: OfPolicy) -> Result<Versions, Fault> {
    let (versions, default) = versions(cx, asked.policy_id).await?;
    let item = |version: PolicyVersion| VersionItem {
        version_id: version.number,
        create_date: at(version.created_at),
        is_default_version: u8::from(version.number == default),
    };
    Ok(Versions { versions: versions.into_iter().map(item).collect() })
}

/// The parameters of calls on one version.
#[derive(FromArg)]
pub(crate) struct One {
    policy_id: u64,
    version_id: u32,
}

/// The reply of `GetPolicyVersion`.
#[derive(Show)]
pub(crate) struct Shown {
    policy_version: Detail,
}

#[derive(Show)]
struct Detail {
    version_id: u32,
    create_date: String,
    is_default_version: u8,
    document: String,
}

/// Shows a version with its document.
pub(crate) async fn get(cx: &Cx<'_>, asked: One) -> Result<Shown, Fault> {
    let (versions, default) = versions(cx, asked.policy_id).await?;
    let found = versions.into_iter().find(|version| version.number == asked.version_id);
    let found = found.ok_or_else(|| Error::not_found(Noun::PolicyVersion, format!("v{}", asked.version_id)))?;
    Ok(Shown {
        policy_version: Detail {
            version_id: found.number,
            create_date: at(found.created_at),
            is_default_version: u8::from(found.number == default),
            document: found.document,
        },
    })
}

/// Makes a version the one that counts.
pub(crate) async fn set_default(cx: &Cx<'_>, asked: One) -> Result<(), Fault> {
    change(cx, asked.policy_id, VersionChange::SetDefault(asked.version_id)).await?;
    Ok(())
}

/// `DeletePolicyVersion`.
#[derive(FromArg)]
pub(crate) struct DeletePolicyVersion {
    policy_id: u64,
    #[arg(max_items = DELETED_MAX)]
    version_id: Vec<u32>,
}

/// Deletes versions that do not count, one after the other.
pub(crate) async fn delete(cx: &Cx<'_>, asked: DeletePolicyVersion) -> Result<(), Fault> {
    if asked.version_id.is_empty() {
        return Err(Fault::missing("VersionId"));
    }
    for version in asked.version_id {
        change(cx, asked.policy_id, VersionChange::Remove(version)).await?;
    }
    Ok(())
}
