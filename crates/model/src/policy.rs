//! Policies: documents in the clouds' own JSON languages, and the answer to "may this request be done".
//!
//! ```text
//! text -> Document (checked and compiled once)          AWS IAM "2012-10-17", Alibaba RAM "1", Tencent CAM "2.0"
//! documents + AccessRequest -> Decision                 an explicit denial, else a permission, else nothing
//! ```
//!
//! An action has one identity and a spelling for each cloud (`ec2:RunInstances`, `ecs:RunInstances`,
//! `cvm:RunInstances`); so has a resource. A request carries every spelling, and a statement written in any of them
//! applies, whichever dialect the request came through. `NotAction` and `NotResource` leave out what any spelling names.
//!
//! Where the clouds leave a case open the answer here is the one that grants less: a variable without a value makes an
//! allowing statement fail and a denying one with `NotResource` or a negated condition hold.
//!
//! Not known here: who the caller is, which documents are attached to whom, and which actions exist.

mod condition;
mod context;
mod json;
mod parse;
mod pattern;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use context::Context;

use condition::Clause;
use pattern::{Found, Pattern};

/// Most characters of a document, white space not counted: AWS's limit for a managed policy and RAM's for a custom one.
pub const MAX_CHARACTERS: usize = 6_144;
/// Most bytes of a document with its white space, so that indentation cannot be endless.
pub const MAX_BYTES: usize = 64 * 1024;
/// Most statements of a document. 6,144 characters have room for about 130 of the smallest.
pub const MAX_STATEMENTS: usize = 100;
/// Most levels of nesting; the deepest legal value (a list under a condition key) lies on the seventh.
pub const MAX_DEPTH: usize = 8;

/// The language that a document is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// AWS IAM, `"Version": "2012-10-17"`.
    Iam,
    /// AWS IAM before policy variables, `"Version": "2008-10-17"` or none.
    Iam2008,
    /// Alibaba RAM, `"Version": "1"`.
    Ram,
    /// Tencent CAM, `"version": "2.0"`.
    Cam,
}

/// Why a text is not a policy document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// It has too many characters.
    #[error("the policy has {characters} characters, white space not counted; the limit is {limit}")]
    TooLong {
        /// Characters that are not white space.
        characters: usize,
        /// The limit.
        limit: usize,
    },
    /// It has too many bytes, most of them white space.
    #[error("the policy has {bytes} bytes with its white space; the limit is {limit}")]
    TooLarge {
        /// Bytes of the text.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// It is not JSON, or nested too deeply.
    #[error("the policy is not valid JSON at line {line}, column {column}: {detail}")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column in bytes, from 1; 0 for the end of the text.
        column: usize,
        /// What is wrong there.
        detail: String,
    },
    /// It is JSON, but not a policy.
    #[error("{path}: {problem}")]
    Invalid {
        /// Where, as `Statement[1].Condition.IpAddress`.
        path: String,
        /// What is wrong there.
        problem: Problem,
    },
}

/// What is wrong at a place of a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A wanted element is not there.
    #[error("the element {0} is missing")]
    Missing(&'static str),
    /// An element that the language does not have.
    #[error("this element is unknown")]
    Unknown,
    /// The same name stands twice.
    #[error("this stands twice")]
    Twice,
    /// Only one of two elements may be there.
    #[error("{0} and {1} exclude each other")]
    Both(&'static str, &'static str),
    /// The value has another type.
    #[error("{0} is wanted here")]
    Type(&'static str),
    /// A list or object has nothing in it.
    #[error("this is empty")]
    Empty,
    /// A list is too long.
    #[error("more than {0} of these")]
    TooMany(usize),
    /// The version is none that is known.
    #[error("the version is none of \"2012-10-17\", \"2008-10-17\", \"1\" and \"2.0\"")]
    Version,
    /// An identifier has letters that are not allowed.
    #[error("only letters and digits are allowed here")]
    Sid,
    /// An action is not `*` or `service:Operation`.
    #[error("an action is * or service:Operation")]
    Action,
    /// A resource is not `*` or a full name.
    #[error("a resource is * or a name that begins with arn:, acs: or qcs:")]
    Resource,
    /// A principal is not allowed in a policy that is attached to one.
    #[error("a policy that is attached to a user, group or role names no principal")]
    Principal,
    /// A condition operator is unknown.
    #[error("this condition operator is unknown")]
    Operator,
    /// A condition key has not the shape of one.
    #[error("a condition key has the shape service:Key")]
    Key,
    /// A value of a condition does not fit its operator.
    #[error("{0} is wanted here")]
    Value(&'static str),
    /// A variable is not closed or has no name.
    #[error("a variable has the shape ${{service:Key}} or ${{service:Key, 'otherwise'}}")]
    Variable,
}

/// Whether a statement gives or takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Allow,
    Deny,
}

/// A list of patterns, or everything but what it names.
#[derive(Debug, Clone)]
struct Element {
    patterns: Vec<Pattern>,
    except: bool,
}

/// One compiled statement. No resource or principal element means that it speaks of all.
#[derive(Debug, Clone)]
struct Statement {
    sid: Option<String>,
    effect: Effect,
    actions: Element,
    resources: Option<Element>,
    principals: Option<Element>,
    conditions: Vec<Clause>,
}

/// A policy document, checked and compiled. Clones share the text and the statements.
#[derive(Debug, Clone)]
pub struct Document {
    text: Arc<str>,
    language: Language,
    statements: Arc<[Statement]>,
}

impl Document {
    /// Reads a document that is attached to a user, a group or a role: it names resources and no principals.
    pub fn identity(text: &str) -> Result<Document, PolicyError> {
        parse::document(text, parse::Kind::Identity)
    }

    /// Reads a document that is attached to a resource or says who may assume a role: it names principals, and its
    /// resource is the thing that it is attached to when none is written.
    pub fn resource(text: &str) -> Result<Document, PolicyError> {
        parse::document(text, parse::Kind::Resource)
    }

    /// The text as it was given, to the byte.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The language that it is written in.
    pub fn language(&self) -> Language {
        self.language
    }

    /// Whether a statement allows some action of this service, such as `ec2`. What other statements deny is not looked at, nor on
    /// which things and under which conditions it is allowed.
    pub fn allows_some_of(&self, service: &str) -> bool {
        let start = format!("{service}:");
        let allowing = self.statements.iter().filter(|statement| statement.effect == Effect::Allow);
        allowing.map(|statement| &statement.actions).any(|actions| match actions.except {
            false => actions.patterns.iter().any(|pattern| pattern.may_start(&start)),
            true => !actions.patterns.iter().any(|pattern| pattern.covers_start(&start)),
        })
    }

    /// How many statements it has.
    pub fn statement_count(&self) -> usize {
        self.statements.len()
    }

    /// Condition keys that its conditions look at, as they are written; one may come twice.
    pub fn condition_keys(&self) -> impl Iterator<Item = &str> {
        self.statements.iter().flat_map(|statement| &statement.conditions).map(Clause::name)
    }

    /// What to call a statement when a decision is explained: its `Sid`, or its place as `Statement[2]`.
    pub fn statement_label(&self, index: usize) -> String {
        let sid = self.statements.get(index).and_then(|s| s.sid.clone());
        sid.unwrap_or_else(|| format!("Statement[{index}]"))
    }
}

/// What is asked: one action on one resource by one principal, each with all its spellings.
#[derive(Debug, Clone, Copy)]
pub struct AccessRequest<'a> {
    /// The action as each cloud spells it: `ec2:RunInstances`, `ecs:RunInstances`, `cvm:RunInstances`.
    pub actions: &'a [&'a str],
    /// The resource as each cloud spells it; empty for an action that concerns none, which then is `*`.
    pub resources: &'a [&'a str],
    /// The caller as each cloud spells it, its account and its account's root included. Only documents of resources
    /// look at it.
    pub principals: &'a [&'a str],
    /// Facts for conditions and variables.
    pub context: &'a Context,
}

/// A statement among the documents of one evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatementRef {
    /// Place of the document, from 0.
    pub document: usize,
    /// Place of the statement in it, from 0.
    pub statement: usize,
}

/// The answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// A statement allows it and none denies it.
    Allow {
        /// The first statement that allows.
        by: StatementRef,
    },
    /// A statement denies it, whatever others say.
    DenyExplicit {
        /// The first statement that denies.
        by: StatementRef,
    },
    /// No statement speaks of it.
    DenyImplicit,
}

impl Decision {
    /// Whether the request may be done.
    pub const fn is_allowed(self) -> bool {
        match self {
            Decision::Allow { .. } => true,
            Decision::DenyExplicit { .. } | Decision::DenyImplicit => false,
        }
    }

    /// This answer within bounds, given what each bound says of the request: each must allow it too, and what one denies is denied.
    pub fn within(self, bounds: impl IntoIterator<Item = Decision>) -> Decision {
        bounds.into_iter().fold(self, |answer, bound| match (answer, bound) {
            (Decision::DenyExplicit { .. }, _) | (_, Decision::Allow { .. }) => answer,
            (Decision::Allow { .. } | Decision::DenyImplicit, Decision::DenyExplicit { .. } | Decision::DenyImplicit) => bound,
        })
    }
}

/// Decides a request by these documents: an explicit denial anywhere wins, else the first permission, else it is denied.
pub fn evaluate<'d>(documents: impl IntoIterator<Item = &'d Document>, request: &AccessRequest) -> Decision {
    let mut allowed = None;
    for (document, policy) in documents.into_iter().enumerate() {
        for (statement, rule) in policy.statements.iter().enumerate() {
            if rule.effect == Effect::Allow && allowed.is_some() || !rule.applies(request) {
                continue;
            }
            let by = StatementRef { document, statement };
            match rule.effect {
                Effect::Deny => return Decision::DenyExplicit { by },
                Effect::Allow => allowed = Some(by),
            }
        }
    }
    allowed.map_or(Decision::DenyImplicit, |by| Decision::Allow { by })
}

impl Statement {
    fn applies(&self, request: &AccessRequest) -> bool {
        let resources = if request.resources.is_empty() { &["*"] } else { request.resources };
        let covers = |element: &Element, names: &[&str]| element.covers(names, request.context, self.effect);
        covers(&self.actions, request.actions)
            && self.resources.as_ref().is_none_or(|e| covers(e, resources))
            && self.principals.as_ref().is_none_or(|e| covers(e, request.principals))
            && self.conditions.iter().all(|clause| clause.holds(request.context, self.effect))
    }
}

impl Element {
    /// Whether the statement speaks of a thing with these spellings.
    fn covers(&self, names: &[&str], context: &Context, effect: Effect) -> bool {
        let mut unknown = false;
        for pattern in &self.patterns {
            match pattern.find(names, context) {
                Found::Yes => return !self.except,
                Found::Unknown => unknown = true,
                Found::No => {}
            }
        }
        self.except && (!unknown || effect == Effect::Deny)
    }
}
