//! From Tencent's filters to the control plane's.
//!
//! Tencent compares whole values, but for a few names that are looked for anywhere in a text; the control plane reads patterns
//! everywhere, so whatever is not meant as one is written literally. A value that cannot be what it is compared with, such as an
//! id of another noun, matches nothing.

pub(crate) use control::literal;
use control::{Field, Filter};
use wire::FromArg;

use crate::error::Fault;
use crate::id::{self, Id};

/// Most filters of a call (CVM documents 10).
pub(crate) const FILTERS_MAX: usize = 10;
/// Most values of a filter (CVM documents 5 for some lists and 100 for others; more than 5 does no harm).
const VALUES_MAX: usize = 100;

/// A filter as it is asked for.
#[derive(Debug, FromArg)]
pub(crate) struct FilterArg {
    pub name: String,
    #[arg(max_items = VALUES_MAX)]
    pub values: Vec<String>,
}

/// What a filter's values are compared with.
pub(crate) enum By {
    /// All of a field's text.
    Is(Field),
    /// Any part of a field's text.
    Holds(Field),
    /// The beginning of a field's text.
    Begins(Field),
    /// Yes or no, which VPC writes `TRUE` and `FALSE` and clients in small letters too.
    Flag(Field),
    /// An id, rewritten by this function.
    Id(Field, fn(&str) -> Option<String>),
    /// A word of the control plane's, translated by this function.
    Word(Field, fn(&str) -> Vec<String>),
    /// Values that everything has here; none of them selects nothing.
    Always(&'static [&'static str]),
}

impl By {
    /// An id of this noun in a field.
    pub(crate) fn id<I: Id>(field: Field) -> By {
        By::Id(field, id::ours::<I>)
    }
}

/// Filters that grow from a call's parameters.
#[derive(Debug, Default)]
pub(crate) struct Filters(Vec<Filter>);

impl Filters {
    /// Reads the filters of a call by what the action makes of their names; tags are the same everywhere.
    pub(crate) fn read(asked: &[FilterArg], known: impl Fn(&str) -> Option<By>) -> Result<Filters, Fault> {
        let mut filters = Filters::default();
        for FilterArg { name, values } in asked {
            let by = tag(name).or_else(|| known(name)).ok_or_else(|| Fault::unknown_filter(name))?;
            filters.push(by, values);
        }
        Ok(filters)
    }

    /// Only what everything else asked for and this.
    pub(crate) fn push(&mut self, by: By, values: &[String]) -> &mut Filters {
        let (field, values) = match by {
            By::Is(field) => (field, values.iter().map(|value| literal(value)).collect()),
            By::Holds(field) => (field, values.iter().map(|value| format!("*{}*", literal(value))).collect()),
            By::Begins(field) => (field, values.iter().map(|value| format!("{}*", literal(value))).collect()),
            By::Flag(field) => (field, values.iter().map(|value| literal(&value.to_ascii_lowercase())).collect()),
            By::Id(field, ours) => (field, values.iter().filter_map(|value| ours(value)).collect()),
            By::Word(field, words) => (field, values.iter().flat_map(|value| words(value)).collect()),
            By::Always(has) if values.iter().any(|value| has.iter().any(|one| one.eq_ignore_ascii_case(value))) => return self,
            By::Always(_) => (Field::Id, vec![]),
        };
        self.0.push(Filter { field, values });
        self
    }

    pub(crate) fn into_vec(self) -> Vec<Filter> {
        self.0
    }
}

/// The filters by tags.
fn tag(name: &str) -> Option<By> {
    match name {
        "tag-key" => Some(By::Is(Field::TagKey)),
        "tag-value" => Some(By::Is(Field::TagValue)),
        _ => name.strip_prefix("tag:").map(|key| By::Is(Field::Tag(key.to_owned()))),
    }
}

/// Ids and filters exclude each other in all of Tencent's lists.
pub(crate) fn not_both(parameter: &str, ids: &[String], filters: &[FilterArg]) -> Result<(), Fault> {
    if ids.is_empty() || filters.is_empty() {
        return Ok(());
    }
    Err(Fault::conflict(format!("`{parameter}` and `Filters` exclude each other")))
}

#[cfg(test)]
mod tests {
    use model::{InstanceId, matches_pattern};

    use super::*;

    fn read(name: &str, value: &str) -> Vec<Filter> {
        let known = |name: &str| match name {
            "instance-id" => Some(By::id::<InstanceId>(Field::Id)),
            "name" => Some(By::Holds(Field::Name)),
            "begins" => Some(By::Begins(Field::PrivateIp)),
            "charge" => Some(By::Always(&["POSTPAID"])),
            "is-default" => Some(By::Flag(Field::IsDefault)),
            _ => None,
        };
        let asked = FilterArg { name: name.to_owned(), values: vec![value.to_owned()] };
        Filters::read(&[asked], known).unwrap().into_vec()
    }

    #[test]
    fn a_value_becomes_what_the_control_plane_compares() {
        for (name, value, field, values) in [
            ("instance-id", "ins-00000000000000007", Field::Id, &["i-00000000000000007"][..]),
            ("instance-id", "i-00000000000000007", Field::Id, &[]),
            ("name", "a*", Field::Name, &[r"*a\**"]),
            ("begins", "10.0.0.1", Field::PrivateIp, &["10.0.0.1*"]),
            ("charge", "PREPAID", Field::Id, &[]),
            ("is-default", "TRUE", Field::IsDefault, &["true"]),
            ("tag:k", "v", Field::Tag("k".to_owned()), &["v"]),
            ("tag-key", "k?", Field::TagKey, &[r"k\?"]),
        ] {
            let values = values.iter().map(|value| (*value).to_owned()).collect();
            assert_eq!(read(name, value), [Filter { field, values }], "{name}={value}");
        }
        assert!(read("charge", "postpaid").is_empty());
        assert!(matches_pattern(&read("name", "a*")[0].values[0], "xa*x"));
    }

    #[test]
    fn a_filter_that_nobody_knows_is_refused() {
        let asked = FilterArg { name: "colour".to_owned(), values: vec![] };
        assert_eq!(Filters::read(&[asked], |_| None).unwrap_err().code, "InvalidFilter");
    }
}
