//! From JSON to a compiled document: which elements there may be, what each must look like, and where one does not.

use std::collections::HashSet;
use std::fmt;

use super::condition::{Clause, Operator};
use super::json::{self, Node};
use super::pattern::{Pattern, Style};
use super::{Document, Effect, Element, Language, MAX_BYTES, MAX_CHARACTERS, MAX_STATEMENTS, PolicyError, Problem, Statement};

/// What a document is attached to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Identity,
    Resource,
}

/// Reads and checks a document.
pub(super) fn document(text: &str, kind: Kind) -> Result<Document, PolicyError> {
    if text.len() > MAX_BYTES {
        return Err(PolicyError::TooLarge { bytes: text.len(), limit: MAX_BYTES });
    }
    let characters = text.chars().filter(|c| !c.is_whitespace()).count();
    if characters > MAX_CHARACTERS {
        return Err(PolicyError::TooLong { characters, limit: MAX_CHARACTERS });
    }
    let root = json::read(text)?;
    let path = Path::Root;
    let members = object(&root, &path)?;
    let language = language(members, &path)?;
    let words = Words::of(language);
    let allowed = [words.version, words.statement, "Id"];
    known(members, &allowed[..if language == Language::Cam { 2 } else { 3 }], &path)?;
    let list = member(members, words.statement).ok_or_else(|| path.error(Problem::Missing(words.statement)))?;
    let path = path.key(words.statement);
    let reader = Reader { language, kind, words };
    let statements = match list {
        Node::List(nodes) if nodes.is_empty() => return Err(path.error(Problem::Empty)),
        Node::List(nodes) if nodes.len() > MAX_STATEMENTS => return Err(path.error(Problem::TooMany(MAX_STATEMENTS))),
        Node::List(nodes) => {
            nodes.iter().enumerate().map(|(i, node)| reader.statement(node, &path.index(i))).collect::<Result<Vec<_>, _>>()?
        }
        one => vec![reader.statement(one, &path)?],
    };
    let mut sids = HashSet::new();
    for (i, sid) in statements.iter().enumerate().filter_map(|(i, s)| s.sid.as_ref().map(|sid| (i, sid))) {
        if !sids.insert(sid) {
            return Err(path.index(i).key("Sid").error(Problem::Twice));
        }
    }
    Ok(Document { text: text.into(), language, statements: statements.into() })
}

/// The elements' names in a language.
#[derive(Clone, Copy)]
struct Words {
    version: &'static str,
    statement: &'static str,
    effect: &'static str,
    action: &'static str,
    resource: &'static str,
    principal: &'static str,
    condition: &'static str,
    allow: &'static str,
    deny: &'static str,
}

impl Words {
    const fn of(language: Language) -> Words {
        match language {
            Language::Cam => Words {
                version: "version",
                statement: "statement",
                effect: "effect",
                action: "action",
                resource: "resource",
                principal: "principal",
                condition: "condition",
                allow: "allow",
                deny: "deny",
            },
            Language::Iam | Language::Iam2008 | Language::Ram => Words {
                version: "Version",
                statement: "Statement",
                effect: "Effect",
                action: "Action",
                resource: "Resource",
                principal: "Principal",
                condition: "Condition",
                allow: "Allow",
                deny: "Deny",
            },
        }
    }
}

fn language(members: &[(String, Node)], path: &Path) -> Result<Language, PolicyError> {
    let (word, node) = match (member(members, "Version"), member(members, "version")) {
        (Some(node), _) => ("Version", node),
        (None, Some(node)) => ("version", node),
        // AWS reads a document without a version as one of 2008; Tencent's lower-case documents always have one.
        (None, None) if member(members, "statement").is_some() => return Err(path.error(Problem::Missing("version"))),
        (None, None) => return Ok(Language::Iam2008),
    };
    match (word, node) {
        ("Version", Node::Text(v)) if v == "2012-10-17" => Ok(Language::Iam),
        ("Version", Node::Text(v)) if v == "2008-10-17" => Ok(Language::Iam2008),
        ("Version", Node::Text(v)) if v == "1" => Ok(Language::Ram),
        ("version", Node::Text(v)) if v == "2.0" => Ok(Language::Cam),
        _ => Err(path.key(word).error(Problem::Version)),
    }
}

struct Reader {
    language: Language,
    kind: Kind,
    words: Words,
}

impl Reader {
    fn statement(&self, node: &Node, path: &Path) -> Result<Statement, PolicyError> {
        let words = self.words;
        let members = object(node, path)?;
        let lower = [words.effect, words.action, words.resource, words.principal, words.condition];
        let upper = ["Sid", "NotAction", "NotResource", "NotPrincipal"];
        let more: &[&str] = if self.language == Language::Cam { &[] } else { &upper };
        known(members, &[&lower[..], more].concat(), path)?;
        let sid = member(members, "Sid").map(|n| sid(n, &path.key("Sid"))).transpose()?;
        let effect = member(members, words.effect).ok_or_else(|| path.error(Problem::Missing(words.effect)))?;
        let effect = match effect {
            Node::Text(t) if t == words.allow => Effect::Allow,
            Node::Text(t) if t == words.deny => Effect::Deny,
            _ => return Err(path.key(words.effect).error(Problem::Type("Allow or Deny"))),
        };
        let actions = self.either(members, (words.action, "NotAction"), path, |text| self.action(text))?;
        let actions = actions.ok_or_else(|| path.error(Problem::Missing(words.action)))?;
        let resources = self.either(members, (words.resource, "NotResource"), path, |text| self.resource(text))?;
        if self.kind == Kind::Identity && resources.is_none() {
            return Err(path.error(Problem::Missing(words.resource)));
        }
        let principals = self.principals(members, path)?;
        let conditions = match member(members, words.condition) {
            Some(node) => self.conditions(node, &path.key(words.condition))?,
            None => Vec::new(),
        };
        Ok(Statement { sid, effect, actions, resources, principals, conditions })
    }

    /// Reads an element that may stand as itself or as its opposite.
    fn either(
        &self,
        members: &[(String, Node)],
        (plain, not): (&'static str, &'static str),
        path: &Path,
        read: impl Fn(&str) -> Result<Pattern, Problem>,
    ) -> Result<Option<Element>, PolicyError> {
        let (word, node, except) = match (member(members, plain), member(members, not)) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => return Err(path.error(Problem::Both(plain, not))),
            (Some(node), None) => (plain, node, false),
            (None, Some(node)) => (not, node, true),
        };
        let patterns = texts(node, &path.key(word), |text, at| read(text).map_err(|problem| at.error(problem)))?;
        Ok(Some(Element { patterns, except }))
    }

    fn action(&self, text: &str) -> Result<Pattern, Problem> {
        let bare = if self.language == Language::Cam { text.strip_prefix("name/").unwrap_or(text) } else { text };
        let letters = |part: &str, more: &[u8]| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"*?-_.".contains(&b) || more.contains(&b))
        };
        let stars = !bare.is_empty() && bare.bytes().all(|b| b == b'*');
        let named = bare.split_once(':').is_some_and(|(service, operation)| letters(service, b"") && letters(operation, b"/"));
        if !stars && !named {
            return Err(Problem::Action);
        }
        Pattern::parse(bare, Style { wildcards: true, ignore_case: true, variables: false, by_part: false })
    }

    fn resource(&self, text: &str) -> Result<Pattern, Problem> {
        let stars = !text.is_empty() && text.bytes().all(|b| b == b'*');
        let named = ["arn:", "acs:", "qcs:"].iter().any(|scheme| text.starts_with(scheme));
        if !stars && !named {
            return Err(Problem::Resource);
        }
        let style = Style { wildcards: true, ignore_case: false, variables: self.variables(), by_part: false };
        Pattern::parse(&any_for_empty(text), style)
    }

    /// Variables came to AWS with the version of 2012.
    fn variables(&self) -> bool {
        self.language != Language::Iam2008
    }

    fn principals(&self, members: &[(String, Node)], path: &Path) -> Result<Option<Element>, PolicyError> {
        let (plain, not) = (self.words.principal, "NotPrincipal");
        let (word, node, except) = match (member(members, plain), member(members, not)) {
            (None, None) if self.kind == Kind::Resource => return Err(path.error(Problem::Missing(plain))),
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => return Err(path.error(Problem::Both(plain, not))),
            (Some(node), None) => (plain, node, false),
            (None, Some(node)) => (not, node, true),
        };
        let path = path.key(word);
        if self.kind == Kind::Identity {
            return Err(path.error(Problem::Principal));
        }
        let name = |text: &str, wildcards| Pattern::parse(text, Style { wildcards, ignore_case: false, variables: false, by_part: false });
        if let Node::Text(text) = node
            && text == "*"
        {
            let anyone = name("*", true).map_err(|problem| path.error(problem))?;
            return Ok(Some(Element { patterns: vec![anyone], except }));
        }
        let kinds = object(node, &path)?;
        known(kinds, &["AWS", "RAM", "qcs", "Service", "service", "Federated", "federated"], &path)?;
        let mut patterns = Vec::new();
        for (kind, node) in kinds {
            // "Everyone" is an answer only among accounts and users.
            let everyone = matches!(kind.as_str(), "AWS" | "RAM" | "qcs");
            patterns
                .extend(texts(node, &path.key(kind), |text, at| name(text, everyone && text == "*").map_err(|problem| at.error(problem)))?);
        }
        if patterns.is_empty() {
            return Err(path.error(Problem::Empty));
        }
        Ok(Some(Element { patterns, except }))
    }

    fn conditions(&self, node: &Node, path: &Path) -> Result<Vec<Clause>, PolicyError> {
        let operators = object(node, path)?;
        let mut clauses = Vec::new();
        for (i, (name, keys)) in operators.iter().enumerate() {
            let path = path.key(name);
            if operators[..i].iter().any(|(earlier, _)| earlier == name) {
                return Err(path.error(Problem::Twice));
            }
            let operator = Operator::parse(name, self.language).ok_or_else(|| path.error(Problem::Operator))?;
            let keys = object(keys, &path)?;
            if keys.is_empty() {
                return Err(path.error(Problem::Empty));
            }
            for (i, (key, values)) in keys.iter().enumerate() {
                let path = path.key(key);
                if keys[..i].iter().any(|(earlier, _)| earlier == key) {
                    return Err(path.error(Problem::Twice));
                }
                if !key.split_once(':').is_some_and(|(service, name)| !service.is_empty() && !name.is_empty()) {
                    return Err(path.error(Problem::Key));
                }
                let texts = scalars(values, &path)?;
                let clause = Clause::compile(operator, key, &texts, self.variables());
                clauses.push(clause.map_err(|(at, problem)| match values {
                    Node::List(_) => path.index(at).error(problem),
                    _ => path.error(problem),
                })?);
            }
        }
        Ok(clauses)
    }
}

fn sid(node: &Node, path: &Path) -> Result<String, PolicyError> {
    match node {
        Node::Text(t) if t.bytes().all(|b| b.is_ascii_alphanumeric()) => Ok(t.clone()),
        Node::Text(_) => Err(path.error(Problem::Sid)),
        _ => Err(path.error(Problem::Type("a text"))),
    }
}

/// Tencent leaves project, region and account of a resource empty where it means any; one account's documents only ever
/// meet that account's resources, so any account is its own.
fn any_for_empty(text: &str) -> String {
    if !text.starts_with("qcs:") {
        return text.to_owned();
    }
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let last = parts.len() - 1;
    let filled = parts.iter().enumerate().map(|(i, part)| if part.is_empty() && i < last { "*" } else { part });
    filled.collect::<Vec<_>>().join(":")
}

/// Where in a document something stands.
#[derive(Clone, Copy)]
enum Path<'a> {
    Root,
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl Path<'_> {
    fn key<'b>(&'b self, key: &'b str) -> Path<'b> {
        Path::Key(self, key)
    }

    fn index(&self, index: usize) -> Path<'_> {
        Path::Index(self, index)
    }

    fn error(&self, problem: Problem) -> PolicyError {
        PolicyError::Invalid { path: self.to_string(), problem }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => f.write_str("policy"),
            Path::Key(Path::Root, key) => f.write_str(key),
            Path::Key(parent, key) => write!(f, "{parent}.{key}"),
            Path::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

fn member<'n>(members: &'n [(String, Node)], name: &str) -> Option<&'n Node> {
    members.iter().find(|(key, _)| key == name).map(|(_, node)| node)
}

fn object<'n>(node: &'n Node, path: &Path) -> Result<&'n [(String, Node)], PolicyError> {
    match node {
        Node::Map(members) => Ok(members),
        _ => Err(path.error(Problem::Type("an object"))),
    }
}

/// Refuses members that the language does not have, and members that stand twice.
fn known(members: &[(String, Node)], allowed: &[&str], path: &Path) -> Result<(), PolicyError> {
    for (i, (name, _)) in members.iter().enumerate() {
        if !allowed.contains(&name.as_str()) {
            return Err(path.key(name).error(Problem::Unknown));
        }
        if members[..i].iter().any(|(earlier, _)| earlier == name) {
            return Err(path.key(name).error(Problem::Twice));
        }
    }
    Ok(())
}

/// Reads one text or a list of them.
fn texts<T>(node: &Node, path: &Path, read: impl Fn(&str, &Path) -> Result<T, PolicyError>) -> Result<Vec<T>, PolicyError> {
    let one = |node: &Node, path: &Path| match node {
        Node::Text(text) => read(text, path),
        _ => Err(path.error(Problem::Type("a text"))),
    };
    match node {
        Node::List(nodes) if nodes.is_empty() => Err(path.error(Problem::Empty)),
        Node::List(nodes) => nodes.iter().enumerate().map(|(i, node)| one(node, &path.index(i))).collect(),
        node => Ok(vec![one(node, path)?]),
    }
}

/// Reads one value of a condition or a list of them; numbers and truth values count as their texts.
fn scalars(node: &Node, path: &Path) -> Result<Vec<String>, PolicyError> {
    let one = |node: &Node, path: &Path| match node {
        Node::Text(text) | Node::Number(text) => Ok(text.clone()),
        Node::Bool(value) => Ok(value.to_string()),
        Node::Null | Node::List(_) | Node::Map(_) => Err(path.error(Problem::Type("a text, a number or true or false"))),
    };
    match node {
        Node::List(nodes) if nodes.is_empty() => Err(path.error(Problem::Empty)),
        Node::List(nodes) => nodes.iter().enumerate().map(|(i, node)| one(node, &path.index(i))).collect(),
        node => Ok(vec![one(node, path)?]),
    }
}
