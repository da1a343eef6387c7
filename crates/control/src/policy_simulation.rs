//! What policies would say of calls that nobody makes.
//!
//! Only the facts that the question names are there, and the name of the user whose policies are asked; what the policies ask for
//! besides is told with the answer.

use std::collections::BTreeSet;

use model::policy::{Context, Decision, Document};
use model::{AccountId, Error, ManagedPolicy, Permissions, PolicyRef, Rights, UserGroup, system_policy};
use store::Tx;

use crate::auth::{Caller, Spelled};
use crate::holder::Holder;
use crate::permission::{PolicyName, group, rights_of, role, user};
use crate::{Cloud, Failure};

/// Most decisions of one simulation.
const DECISIONS_MAX: usize = 1_000;

/// A question.
#[derive(Debug, Clone)]
pub struct SimulatePolicies {
    /// Whose policies are asked; without it only those that come with the question.
    pub of: Option<Holder>,
    /// Documents that are asked too.
    pub documents: Vec<String>,
    /// A document that bounds them, in place of the boundary of whom they are asked of.
    pub boundary: Option<String>,
    /// Actions, each with its service.
    pub actions: Vec<String>,
    /// Things that they are done to, by full name or `*`.
    pub resources: Vec<String>,
    /// Condition keys and their values.
    pub context: Vec<(String, Vec<String>)>,
}

/// The answer for one action on one thing.
#[derive(Debug, Clone)]
pub struct Simulated {
    /// The action.
    pub action: String,
    /// The thing.
    pub resource: String,
    /// What becomes of it.
    pub decision: Decision,
    /// Where the statement that decides stands; none when there is none, when a boundary decides, or when the root may do everything.
    pub by: Option<PolicySource>,
    /// Whether the boundary allows it; none without a boundary.
    pub within_boundary: Option<bool>,
    /// Condition keys that the policies ask for and the question does not name.
    pub missing: Vec<String>,
}

/// Where a document comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicySource {
    /// Somebody's own document of this name.
    Own(Holder, String),
    /// A managed policy, and who has it.
    Managed(Holder, PolicyName),
    /// The document at this place of the question, from 0.
    Given(usize),
}

pub(crate) type Sources = Vec<(PolicySource, String)>;

fn sources_of(tx: &Tx<'_>, holder: &Holder, permissions: &Permissions) -> Result<Sources, Failure> {
    let own = permissions.own.iter().map(|(name, text)| (PolicySource::Own(holder.clone(), name.clone()), text.clone()));
    let mut sources: Sources = own.collect();
    for attached in &permissions.attached {
        let found = match &attached.policy {
            PolicyRef::System(name) => system_policy(name).map(|policy| (PolicyName::System(name.clone()), policy.document.to_owned())),
            PolicyRef::Own(id) => {
                tx.get::<ManagedPolicy>(*id)?.map(|policy| (PolicyName::Own(policy.name.clone()), policy.document().to_owned()))
            }
        };
        sources.extend(found.map(|(name, text)| (PolicySource::Managed(holder.clone(), name), text)));
    }
    Ok(sources)
}

/// The documents that decide for somebody; none are a root's.
pub(crate) fn sources(tx: &Tx<'_>, account: AccountId, of: &Holder) -> Result<Option<Sources>, Failure> {
    let permissions = match of {
        Holder::User(name) => match user(tx, account, name)?.rights {
            Rights::Root => return Ok(None),
            Rights::Policies { permissions, groups } => {
                let mut found = sources_of(tx, of, &permissions)?;
                for row in tx.get_many::<UserGroup>(&groups.into_iter().collect::<Vec<_>>())? {
                    found.extend(sources_of(tx, &Holder::Group(row.name.clone()), &row.permissions)?);
                }
                return Ok(Some(found));
            }
        },
        Holder::Group(name) => group(tx, account, name)?.permissions,
        Holder::Role(name) => role(tx, account, name)?.permissions,
    };
    sources_of(tx, of, &permissions).map(Some)
}

impl Cloud {
    /// Asks policies about each action on each thing, in the order of the question.
    pub async fn simulate_policies(&self, caller: &Caller, asked: SimulatePolicies) -> Result<Vec<Simulated>, Error> {
        if asked.actions.len() * asked.resources.len() > DECISIONS_MAX {
            let what = "actions times resources of one simulation".to_owned();
            return Err(Error::LimitReached { name: "ActionNames", what, limit: DECISIONS_MAX as u64 });
        }
        let (targets_of, of) = (asked.of.clone(), asked.of.clone());
        let targets = move |tx: &Tx<'_>, account| match &targets_of {
            Some(holder) => holder.target(tx, account),
            None => Ok(vec![crate::auth::Target::any()]),
        };
        let look = move |tx: &Tx<'_>, cx: &crate::run::Cx<'_>| match &of {
            Some(holder) => {
                let account = cx.caller.account();
                Ok((sources(tx, account, holder)?, rights_of(tx, &holder.permissions(tx, account)?)?.boundary))
            }
            None => Ok((Some(vec![]), None)),
        };
        let (held, boundary) = self.read_about(caller, targets, look).await?;
        let boundary = asked.boundary.or(boundary).map(|text| Document::identity(&text)).transpose();
        let boundary = boundary.map_err(|error| Error::invalid("PolicyDocument", error.to_string()))?;
        let is_root = held.is_none();
        let mut all = Vec::new();
        for (source, text) in held.unwrap_or_default() {
            all.push((source, Document::identity(&text).map_err(|error| self.internal("read a policy", &error))?));
        }
        for (place, text) in asked.documents.iter().enumerate() {
            let document = Document::identity(text).map_err(|error| Error::invalid("PolicyDocument", error.to_string()))?;
            all.push((PolicySource::Given(place), document));
        }
        let mut context = Context::new();
        if let Some(Holder::User(name)) = &asked.of {
            context.set("aws:username", name.clone());
        }
        for (key, values) in &asked.context {
            for value in values {
                context.add(key, value.clone());
            }
        }
        let asked_too = all.iter().map(|(_, document)| document).chain(&boundary);
        let wanted: BTreeSet<&str> = asked_too.flat_map(Document::condition_keys).collect();
        let missing: Vec<String> = wanted.into_iter().filter(|key| context.values(key).is_empty()).map(str::to_owned).collect();
        let mut answers = Vec::new();
        for action in &asked.actions {
            for resource in &asked.resources {
                let spelled = Spelled::of_named(action, resource, caller.account());
                let decided = spelled.decide(all.iter().map(|(_, document)| document), &context);
                let bound = boundary.as_ref().map(|boundary| spelled.decide([boundary], &context));
                let within_boundary = bound.map(Decision::is_allowed);
                let (decision, by) = match decided {
                    Decision::DenyImplicit if is_root => {
                        (Decision::Allow { by: model::policy::StatementRef { document: 0, statement: 0 } }, None)
                    }
                    Decision::DenyImplicit => (decided, None),
                    Decision::Allow { by } | Decision::DenyExplicit { by } => {
                        (decided, all.get(by.document).map(|(source, _)| source.clone()))
                    }
                };
                let bounded = decision.within(bound);
                let by = by.filter(|_| bounded == decision);
                let (action, resource, missing, decision) = (action.clone(), resource.clone(), missing.clone(), bounded);
                answers.push(Simulated { action, resource, decision, by, within_boundary, missing });
            }
        }
        Ok(answers)
    }
}
