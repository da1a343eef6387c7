//! What a session of a role brings along besides its name: tags, and who is behind it.
//!
//! ```text
//!   AssumeRole with tags and a source identity ─▶ session ─▶ AssumeRole by the session ─▶ the next session:
//!                                                            its own tags, those that are transitive, the same identity
//! ```

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::tag::check_tag;
use crate::{Error, Tags};

/// Most tags of a session (STS and Tencent's STS: 50).
pub const SESSION_TAGS_MAX: usize = 50;
/// Most characters of all keys and values of a session's tags. STS packs tags and policy in a form of its own, whose limit it tells
/// in percent only; a token that is sent with each call, and remembered, has to stay small.
pub const SESSION_TAG_CHARACTERS_MAX: usize = 4_096;

/// Tags of a session, and who is behind it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionContext {
    /// Tags, which policies know as tags of who calls.
    #[serde(skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
    /// Keys of those that sessions have too which this session opens.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub transitive: BTreeSet<String>,
    /// Who is behind it, as was said when the first session was opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_identity: Option<String>,
}

impl SessionContext {
    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        *self == SessionContext::default()
    }

    /// Checks it as a caller asks for it.
    pub fn check(&self) -> Result<(), Error> {
        if self.tags.len() > SESSION_TAGS_MAX {
            return Err(Error::invalid("Tags", format!("more than {SESSION_TAGS_MAX} tags of one session")));
        }
        for (key, value) in &self.tags {
            check_tag(key, value)?;
        }
        // Conditions compare keys without case, so that two that differ only by it would be one.
        let keys: BTreeSet<String> = self.tags.keys().map(|key| key.to_lowercase()).collect();
        if keys.len() < self.tags.len() {
            return Err(Error::invalid("Tags", "no two keys may differ by case only"));
        }
        let characters: usize = self.tags.iter().map(|(key, value)| key.chars().count() + value.chars().count()).sum();
        if characters > SESSION_TAG_CHARACTERS_MAX {
            let what = "characters of the tags of a session".to_owned();
            return Err(Error::LimitReached { name: "Tags", what, limit: SESSION_TAG_CHARACTERS_MAX as u64 });
        }
        if let Some(key) = self.transitive.iter().find(|key| !self.tags.contains_key(*key)) {
            return Err(Error::invalid("TransitiveTagKeys", format!("`{key}` is no key of the session's tags")));
        }
        match &self.source_identity {
            Some(identity) => check_source_identity(identity),
            None => Ok(()),
        }
    }

    /// What a session has that somebody opens who has `before` already. None when it says what may not be changed: a transitive tag,
    /// or another source identity.
    pub fn after(&self, before: &SessionContext) -> Option<SessionContext> {
        let mut next = self.clone();
        for key in &before.transitive {
            if self.tags.keys().any(|other| other.to_lowercase() == key.to_lowercase()) {
                return None;
            }
            next.tags.extend(before.tags.get_key_value(key).map(|(key, value)| (key.clone(), value.clone())));
            next.transitive.insert(key.clone());
        }
        if let Some(identity) = &before.source_identity {
            if self.source_identity.as_ref().is_some_and(|other| other != identity) {
                return None;
            }
            next.source_identity = Some(identity.clone());
        }
        Some(next)
    }
}

/// 2 to 64 of letters, digits and `_+=,.@-`, not beginning with `aws:`, as STS has it.
fn check_source_identity(identity: &str) -> Result<(), Error> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    match (2..=64).contains(&identity.len()) && identity.chars().all(allowed) {
        true => Ok(()),
        false => Err(Error::invalid("SourceIdentity", "must be 2 to 64 of letters, digits and _+=,.@-")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(tags: &[(&str, &str)], transitive: &[&str], identity: Option<&str>) -> SessionContext {
        SessionContext {
            tags: tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            transitive: transitive.iter().map(|key| (*key).to_owned()).collect(),
            source_identity: identity.map(str::to_owned),
        }
    }

    #[test]
    fn what_is_said_of_a_session_has_limits() {
        assert_eq!(context(&[("team", "red"), ("empty", "")], &["team"], Some("ann@example.org")).check(), Ok(()));
        let many: Tags = (0..=SESSION_TAGS_MAX).map(|n| (format!("k{n}"), String::new())).collect();
        let long: Tags = (0..20).map(|n| (format!("k{n:03}"), "x".repeat(250))).collect();
        for wrong in [
            SessionContext { tags: many, ..SessionContext::default() },
            SessionContext { tags: long, ..SessionContext::default() },
            context(&[("team", "red"), ("Team", "blue")], &[], None),
            context(&[("aws:team", "red")], &[], None),
            context(&[("", "red")], &[], None),
            context(&[("team", "red")], &["other"], None),
            context(&[], &[], Some("a")),
            context(&[], &[], Some("a b")),
            context(&[], &[], Some("aws:ann")),
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_next_session_has_what_goes_on_and_cannot_change_it() {
        let first = context(&[("team", "red"), ("day", "monday")], &["team"], Some("ann"));
        let next = context(&[("day", "friday")], &[], None).after(&first).unwrap();
        assert_eq!(next, context(&[("team", "red"), ("day", "friday")], &["team"], Some("ann")));
        assert_eq!(SessionContext::default().after(&next).unwrap(), context(&[("team", "red")], &["team"], Some("ann")));
        assert_eq!(context(&[("Team", "blue")], &[], None).after(&first), None);
        assert_eq!(context(&[], &[], Some("bob")).after(&first), None);
        assert!(context(&[], &[], Some("ann")).after(&first).is_some());
    }
}
