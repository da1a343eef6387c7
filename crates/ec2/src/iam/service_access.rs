//! Which policies let somebody use a service at all.

use control::{Holder, PolicySource};
use model::{AccountId, Error};
use wire::{FromArg, Show};

use super::simulation::{Texts, holder_of};
use super::{Paging, policy_arn};
use crate::Cx;
use crate::error::Refusal;

/// Most services of one call, and most characters of the name of one, as IAM documents them.
const SERVICES_MAX: usize = 200;
const SERVICE_CHARACTERS_MAX: usize = 64;

/// The parameters of `ListPoliciesGrantingServiceAccess`.
#[derive(FromArg)]
pub(crate) struct ListGranting {
    arn: String,
    service_namespaces: Texts,
    marker: Option<String>,
}

/// Its reply.
#[derive(Show)]
#[reply(list = "member")]
pub(crate) struct Granting {
    policies_granting_service_access: Vec<ServiceItem>,
    is_truncated: bool,
    marker: Option<String>,
}

#[derive(Show)]
#[reply(list = "member")]
struct ServiceItem {
    service_namespace: String,
    policies: Vec<PolicyItem>,
}

#[derive(Show)]
struct PolicyItem {
    policy_name: String,
    policy_type: &'static str,
    policy_arn: Option<String>,
    entity_type: Option<&'static str>,
    entity_name: Option<String>,
}

/// Lists, for each service that is asked about, what of somebody's policies grants it.
pub(crate) async fn list(cx: Cx, asked: ListGranting) -> Result<Granting, Refusal> {
    let account = cx.caller.account();
    let of = holder_of("Arn", account, &asked.arn)?;
    let services = asked.service_namespaces.texts;
    if services.is_empty() || services.len() > SERVICES_MAX {
        return Err(Error::invalid("ServiceNamespaces", format!("must be 1 to {SERVICES_MAX} services")).into());
    }
    let is_word = |service: &String| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        (1..=SERVICE_CHARACTERS_MAX).contains(&service.len()) && service.chars().all(allowed)
    };
    if !services.iter().all(is_word) {
        let reason = format!("each has 1 to {SERVICE_CHARACTERS_MAX} letters, digits, underscores and dashes");
        return Err(Error::invalid("ServiceNamespaces", reason).into());
    }
    let found = cx.cloud.policies_granting(&cx.caller, of, services).await?;
    // Pages are in the order of these texts.
    let items = found.into_iter().enumerate().map(|(place, entry)| (format!("{place:06}"), entry)).collect();
    let paging = Paging { max_items: None, marker: asked.marker };
    let (page, marker) = paging.page(items, |(place, _): &(String, _)| place)?;
    let policies_granting_service_access = page
        .into_iter()
        .map(|(_, (service_namespace, sources))| {
            let policies = sources.into_iter().filter_map(|source| item(account, source)).collect();
            ServiceItem { service_namespace, policies }
        })
        .collect();
    Ok(Granting { policies_granting_service_access, is_truncated: marker.is_some(), marker })
}

/// A managed policy by its ARN, another one with whose it is; none of one that came with the question.
fn item(account: AccountId, source: PolicySource) -> Option<PolicyItem> {
    match source {
        PolicySource::Own(holder, policy_name) => {
            let (entity_type, name) = match holder {
                Holder::User(name) => ("USER", name),
                Holder::Group(name) => ("GROUP", name),
                Holder::Role(name) => ("ROLE", name),
            };
            let (entity_type, entity_name) = (Some(entity_type), Some(name));
            Some(PolicyItem { policy_name, policy_type: "INLINE", policy_arn: None, entity_type, entity_name })
        }
        PolicySource::Managed(_, policy) => {
            let policy_arn = Some(policy_arn(account, &policy));
            let (control::PolicyName::System(policy_name) | control::PolicyName::Own(policy_name)) = policy;
            Some(PolicyItem { policy_name, policy_type: "MANAGED", policy_arn, entity_type: None, entity_name: None })
        }
        PolicySource::Given(_) => None,
    }
}
