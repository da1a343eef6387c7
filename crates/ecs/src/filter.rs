//! From ECS's filter parameters to the control plane's filters.
//!
//! ECS compares whole values, but for a few names in which `*` stands for anything; the control plane reads patterns
//! everywhere, so whatever is not meant as one is written literally.

use std::collections::HashSet;
use std::fmt::Display;
use std::net::Ipv6Addr;

pub(crate) use control::literal;
use control::{Field, Filter};
use model::{Millis, Noun, Tags};
use wire::FromArg;

use crate::error::Fault;

/// One tag of a filter or of a new thing.
#[derive(Debug, FromArg)]
pub(crate) struct TagArg {
    #[arg(alias = "TagKey")]
    pub key: String,
    #[arg(alias = "TagValue")]
    pub value: Option<String>,
}

/// One condition of the lists whose conditions have names: they are on times.
#[derive(Debug, FromArg)]
pub(crate) struct Condition {
    pub key: Option<String>,
    pub value: Option<String>,
}

/// Most conditions of one call (ECS documents 4).
pub(crate) const CONDITIONS_PER_CALL: usize = 10;

/// Most tags in one call (ECS documents 20).
pub(crate) const TAGS_PER_CALL: usize = 20;

/// Filters that grow from a call's parameters; an absent or empty parameter adds none.
#[derive(Debug, Default)]
pub(crate) struct Filters(Vec<Filter>);

impl Filters {
    pub(crate) fn new() -> Filters {
        Filters::default()
    }

    pub(crate) fn into_vec(self) -> Vec<Filter> {
        self.0
    }

    /// The field has exactly this value.
    pub(crate) fn exact(&mut self, field: Field, value: Option<impl Display>) -> &mut Filters {
        match value.map(|value| value.to_string()).filter(|value| !value.is_empty()) {
            Some(value) => self.push(field, vec![literal(&value)]),
            None => self,
        }
    }

    /// The field has one of these values; an empty list is no condition.
    pub(crate) fn one_of(&mut self, field: Field, values: &[String]) -> &mut Filters {
        if values.is_empty() { self } else { self.push(field, values.iter().map(|value| literal(value)).collect()) }
    }

    /// The field has one of these values; an empty list selects nothing.
    pub(crate) fn one_of_at_least(&mut self, field: Field, values: &[String]) -> &mut Filters {
        self.push(field, values.iter().map(|value| literal(value)).collect())
    }

    /// The field has one of the values of a JSON list, which selects nothing when it is there and empty.
    pub(crate) fn listed(&mut self, field: Field, values: Option<&[String]>) -> &mut Filters {
        match values {
            Some(values) => self.push(field, values.iter().map(|value| literal(value)).collect()),
            None => self,
        }
    }

    /// The field matches a text in which `*` stands for anything.
    pub(crate) fn wildcard(&mut self, field: Field, pattern: Option<&String>) -> &mut Filters {
        match pattern.filter(|pattern| !pattern.is_empty()) {
            Some(pattern) => self.push(field, vec![literal(pattern).replace("\\*", "*")]),
            None => self,
        }
    }

    /// All of these tags are there; one without a value has any.
    pub(crate) fn tags(&mut self, tags: &[TagArg]) -> &mut Filters {
        for tag in tags {
            match tag.value.as_deref().filter(|value| !value.is_empty()) {
                Some(value) => self.push(Field::Tag(tag.key.clone()), vec![literal(value)]),
                None => self.push(Field::TagKey, vec![literal(&tag.key)]),
            };
        }
        self
    }

    /// Made at or after, and at or before, the moments of `CreationStartTime` and `CreationEndTime`. `expires` is when everything
    /// expires, where the list knows such conditions too.
    pub(crate) fn times(&mut self, conditions: &[Condition], expires: Option<Millis>) -> Result<&mut Filters, Fault> {
        for Condition { key, value } in conditions {
            let (Some(key), Some(value)) = (key.as_deref(), value.as_deref().filter(|value| !value.is_empty())) else { continue };
            let wrong = || Fault::invalid("Filter.N.Value", format!("'{}' is not a time", shown(value)));
            let at = Millis(wire::time::parse(value).ok_or_else(wrong)?.as_millisecond());
            match (key, expires) {
                ("CreationStartTime", _) => self.exact(Field::CreatedSince(at), Some(true)),
                ("CreationEndTime", _) => self.exact(Field::CreatedUntil(at), Some(true)),
                ("ExpiredStartTime", Some(expires)) if expires >= at => self,
                ("ExpiredEndTime", Some(expires)) if expires <= at => self,
                ("ExpiredStartTime" | "ExpiredEndTime", Some(_)) => self.nothing(),
                _ => return Err(Fault::unsupported_parameter(format!("The Filter.N.Key '{}'", shown(key)))),
            };
        }
        Ok(self)
    }

    /// Selects nothing unless the parameter is absent, empty or one of these values, which everything has here.
    pub(crate) fn always(&mut self, value: Option<&String>, values: &[&str]) -> &mut Filters {
        match value.filter(|value| !value.is_empty() && !values.iter().any(|always| always.eq_ignore_ascii_case(value))) {
            Some(_) => self.nothing(),
            None => self,
        }
    }

    /// Selects nothing.
    pub(crate) fn nothing(&mut self) -> &mut Filters {
        self.push(Field::Id, vec![])
    }

    pub(crate) fn push(&mut self, field: Field, values: Vec<String>) -> &mut Filters {
        self.0.push(Filter { field, values });
        self
    }
}

fn shown(text: &str) -> String {
    text.chars().take(wire::SHOWN_CHARS).collect()
}

/// The tags of a new thing.
pub(crate) fn tags_of(tags: Vec<TagArg>) -> Result<Tags, Fault> {
    let mut seen = HashSet::new();
    if let Some(twice) = tags.iter().find(|tag| !seen.insert(&tag.key)) {
        return Err(Fault::new(400, "Duplicate.TagKey", format!("The Tag.N.Key '{}' is given twice.", twice.key)));
    }
    drop(seen);
    Ok(tags.into_iter().map(|tag| (tag.key, tag.value.unwrap_or_default())).collect())
}

/// IPv6 addresses as the control plane writes them; what is none stays as it is, and nothing has it.
pub(crate) fn ipv6_texts(asked: &[String]) -> Vec<String> {
    asked.iter().map(|text| text.parse::<Ipv6Addr>().map_or_else(|_| text.clone(), |ip| ip.to_string())).collect()
}

/// Reads an id; a text that cannot be one names nothing.
pub(crate) fn id<I: std::str::FromStr>(noun: Noun, text: &str) -> Result<I, Fault> {
    text.parse().map_err(|_| Fault::not_found(noun, text))
}

/// Reads an id that may be absent; an empty text is absence.
pub(crate) fn optional_id<I: std::str::FromStr>(noun: Noun, text: Option<&String>) -> Result<Option<I>, Fault> {
    text.filter(|text| !text.is_empty()).map(|text| id(noun, text)).transpose()
}

#[cfg(test)]
mod tests {
    use model::matches_pattern;

    use super::*;

    #[test]
    fn only_what_was_asked_matches() {
        for text in ["web", "w*b", "w?b", r"w\b", r"\*", ""] {
            assert!(matches_pattern(&literal(text), text), "{text}");
        }
        assert!(!matches_pattern(&literal("w*b"), "wxb"));
        assert!(!matches_pattern(&literal("w?b"), "wxb"));
    }

    #[test]
    fn a_star_in_a_name_stands_for_anything() {
        let mut filters = Filters::new();
        filters.wildcard(Field::Name, Some(&"web-*?".to_owned()));
        let pattern = &filters.into_vec()[0].values[0];
        assert!(matches_pattern(pattern, "web-1?") && !matches_pattern(pattern, "web-12"));
    }
}
