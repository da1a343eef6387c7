//! What policies would say of calls.

use control::{Holder, PolicySource, SimulatePolicies, Simulated};
use model::policy::Decision;
use model::{AccountId, Error};
use wire::{FromArg, Show};

use super::Paging;
use crate::Cx;
use crate::error::Refusal;

/// Parameters of simulations that are not served.
pub(crate) const ABSENT: &[&str] = &["ResourcePolicy", "ResourceOwner", "CallerArn", "ResourceHandlingOption"];

/// A list of texts as IAM's clients write it: `ActionNames.member.1=...`.
#[derive(Default, FromArg)]
pub(crate) struct Texts {
    #[arg(name = "member")]
    pub(crate) texts: Vec<String>,
}

#[derive(FromArg)]
pub(crate) struct ContextList {
    #[arg(name = "member")]
    entries: Vec<ContextEntry>,
}

#[derive(FromArg)]
pub(crate) struct ContextEntry {
    context_key_name: String,
    context_key_values: Option<Texts>,
    #[expect(dead_code, reason = "the operator of each condition reads the values")]
    context_key_type: Option<KeyType>,
}

/// The type of a key's values, which the operator of each condition knows by itself.
#[derive(Debug, Clone, Copy, FromArg)]
#[arg(rename = "camelCase")]
pub(crate) enum KeyType {
    String,
    StringList,
    Numeric,
    NumericList,
    Boolean,
    BooleanList,
    Ip,
    IpList,
    Binary,
    BinaryList,
    Date,
    DateList,
}

/// What both calls ask.
#[derive(FromArg)]
pub(crate) struct Question {
    action_names: Texts,
    resource_arns: Option<Texts>,
    context_entries: Option<ContextList>,
    permissions_boundary_policy_input_list: Option<Texts>,
    #[arg(flatten)]
    paging: Paging,
}

/// The parameters of `SimulatePrincipalPolicy`.
#[derive(FromArg)]
pub(crate) struct OfPrincipal {
    policy_source_arn: String,
    policy_input_list: Option<Texts>,
    #[arg(flatten)]
    question: Question,
}

/// The parameters of `SimulateCustomPolicy`.
#[derive(FromArg)]
pub(crate) struct Custom {
    policy_input_list: Texts,
    #[arg(flatten)]
    question: Question,
}

/// The reply of both.
#[derive(Show)]
#[reply(list = "member")]
pub(crate) struct Results {
    evaluation_results: Vec<ResultItem>,
    is_truncated: bool,
    marker: Option<String>,
}

#[derive(Show)]
#[reply(list = "member")]
struct ResultItem {
    eval_action_name: String,
    eval_resource_name: String,
    eval_decision: &'static str,
    matched_statements: Vec<Matched>,
    missing_context_values: Vec<String>,
    permissions_boundary_decision_detail: Option<BoundaryDetail>,
}

#[derive(Show)]
struct BoundaryDetail {
    allowed_by_permissions_boundary: bool,
}

#[derive(Show)]
struct Matched {
    source_policy_id: String,
    source_policy_type: &'static str,
}

/// Asks the policies of a user, a group or a role.
pub(crate) async fn of_principal(cx: Cx, asked: OfPrincipal) -> Result<Results, Refusal> {
    let of = holder_of("PolicySourceArn", cx.caller.account(), &asked.policy_source_arn)?;
    answer(cx, Some(of), asked.policy_input_list.unwrap_or_default(), asked.question).await
}

/// Asks policies that come with the question.
pub(crate) async fn custom(cx: Cx, asked: Custom) -> Result<Results, Refusal> {
    answer(cx, None, asked.policy_input_list, asked.question).await
}

/// The user, group or role that an ARN names, which is the value of this parameter.
pub(super) fn holder_of(parameter: &'static str, account: AccountId, arn: &str) -> Result<Holder, Error> {
    let malformed = || Error::invalid(parameter, "is no ARN of a user, a group or a role of this account");
    let rest = arn.strip_prefix(&format!("arn:aws:iam::{account}:")).ok_or_else(malformed)?;
    match rest.split_once('/') {
        Some(("user", name)) => Ok(Holder::User(name.to_owned())),
        Some(("group", name)) => Ok(Holder::Group(name.to_owned())),
        Some(("role", name)) => Ok(Holder::Role(name.to_owned())),
        Some(_) | None => Err(malformed()),
    }
}

async fn answer(cx: Cx, of: Option<Holder>, documents: Texts, question: Question) -> Result<Results, Refusal> {
    let mut context = Vec::new();
    let entries = question.context_entries.into_iter().flat_map(|list| list.entries);
    for entry in entries {
        context.push((entry.context_key_name, entry.context_key_values.unwrap_or_default().texts));
    }
    let mut resources = question.resource_arns.unwrap_or_default().texts;
    if resources.is_empty() {
        resources.push("*".to_owned());
    }
    let mut boundaries = question.permissions_boundary_policy_input_list.unwrap_or_default().texts;
    let boundary = boundaries.pop();
    if !boundaries.is_empty() {
        return Err(Error::invalid("PermissionsBoundaryPolicyInputList", "holds one policy at most").into());
    }
    let asked = SimulatePolicies { of, documents: documents.texts, boundary, actions: question.action_names.texts, resources, context };
    let found = cx.cloud.simulate_policies(&cx.caller, asked).await?;
    // Pages are in the order of these texts.
    let items = found.into_iter().enumerate().map(|(place, answer)| (format!("{place:06}"), item(answer))).collect();
    let (page, marker) = question.paging.page(items, |(place, _): &(String, ResultItem)| place)?;
    let evaluation_results = page.into_iter().map(|(_, item)| item).collect();
    Ok(Results { evaluation_results, is_truncated: marker.is_some(), marker })
}

fn item(answer: Simulated) -> ResultItem {
    let eval_decision = match answer.decision {
        Decision::Allow { .. } => "allowed",
        Decision::DenyExplicit { .. } => "explicitDeny",
        Decision::DenyImplicit => "implicitDeny",
    };
    ResultItem {
        eval_action_name: answer.action,
        eval_resource_name: answer.resource,
        eval_decision,
        matched_statements: answer.by.iter().map(matched).collect(),
        missing_context_values: answer.missing,
        permissions_boundary_decision_detail: answer
            .within_boundary
            .map(|allowed_by_permissions_boundary| BoundaryDetail { allowed_by_permissions_boundary }),
    }
}

fn matched(source: &PolicySource) -> Matched {
    let of = |holder: &Holder| match holder {
        Holder::User(name) => ("user", name.clone()),
        Holder::Group(name) => ("group", name.clone()),
        Holder::Role(name) => ("role", name.clone()),
    };
    match source {
        PolicySource::Own(holder, policy) => {
            let (source_policy_type, name) = of(holder);
            Matched { source_policy_id: format!("{source_policy_type}_{name}_{policy}"), source_policy_type }
        }
        PolicySource::Managed(_, control::PolicyName::System(name)) => {
            Matched { source_policy_id: name.clone(), source_policy_type: "aws-managed" }
        }
        PolicySource::Managed(_, control::PolicyName::Own(name)) => {
            Matched { source_policy_id: name.clone(), source_policy_type: "user-managed" }
        }
        PolicySource::Given(place) => Matched { source_policy_id: format!("PolicyInputList.{}", place + 1), source_policy_type: "none" },
    }
}
