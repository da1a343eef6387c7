//! The query: a route's parameters as one table, which reads them and describes them.
//!
//! A parameter that is not in the table is refused, and so is one that is given twice and takes one value. Filters may be given several times:
//! one of the values must match, and of different filters all must. Values may hold `*` for any letters and `?` for one; `\` before
//! them takes that meaning away.

use control::{FILTER_VALUES_MAX, Field, Filter};
use wire::{Request, decode_bytes};

use crate::error::Refusal;
use crate::routes::Route;

/// Most parameters of a query: more than filters may have values is nothing that anybody asks for.
const PARAMETERS_MAX: usize = FILTER_VALUES_MAX;

/// A parameter of a query.
pub(crate) struct Parameter {
    pub name: &'static str,
    pub about: &'static str,
    pub takes: Takes,
}

/// What a parameter takes.
pub(crate) enum Takes {
    /// `true` or `false`.
    Flag,
    /// A whole number from 1.
    Count {
        /// The largest.
        most: usize,
    },
    /// A text.
    Text,
    /// Texts, each given by itself.
    Texts,
    /// Values of a field.
    Filter(Field),
    /// `KEY=VALUE` of a tag, or its `KEY`.
    Tag,
}

impl Parameter {
    /// A filter by a field.
    pub const fn filter(name: &'static str, field: Field, about: &'static str) -> Parameter {
        Parameter { name, about, takes: Takes::Filter(field) }
    }
}

/// Filters by tags.
pub(crate) const TAGS: Parameter = Parameter {
    name: "tag",
    about: "`KEY=VALUE`: only those that have the tag with this key and one of the values; `KEY`: only those that have it at all.",
    takes: Takes::Tag,
};

/// What a query says.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    plain: Vec<(&'static str, String)>,
    filters: Vec<Filter>,
}

impl Asked {
    /// Reads the query of a request; `signature` are the parameters by which it may be signed.
    pub fn read(request: &Request, signature: &[&str], route: &Route) -> Result<Asked, Refusal> {
        let mut asked = Asked::default();
        for (number, (name, value)) in request.raw_query_pairs().enumerate() {
            let refuse = |reason: String| Refusal::Parameter { name: name.chars().take(wire::SHOWN_CHARS).collect(), reason };
            if number == PARAMETERS_MAX {
                return Err(refuse(format!("is one of more than {PARAMETERS_MAX}")));
            }
            let not_text = || refuse("is not UTF-8".to_owned());
            let (name, value) = (text(name).ok_or_else(not_text)?, text(value).ok_or_else(not_text)?);
            if signature.contains(&name.as_str()) {
                continue;
            }
            asked.take(name, value, route)?;
        }
        Ok(asked)
    }

    fn take(&mut self, name: String, value: String, route: &Route) -> Result<(), Refusal> {
        let known = route.parameters().find(|known| known.name == name);
        let known = known.ok_or_else(|| Refusal::UnknownParameter { name: name.clone() })?;
        let refuse = |reason: String| Err(Refusal::Parameter { name: name.clone(), reason });
        match &known.takes {
            Takes::Filter(field) => {
                self.filter(field.clone(), value);
                return Ok(());
            }
            Takes::Tag => {
                self.tag(value);
                return Ok(());
            }
            Takes::Flag if !matches!(value.as_str(), "true" | "false") => return refuse("must be true or false".to_owned()),
            Takes::Count { most } if !value.parse::<usize>().is_ok_and(|count| (1..=*most).contains(&count)) => {
                return refuse(format!("must be a number from 1 to {most}"));
            }
            Takes::Flag | Takes::Count { .. } | Takes::Text | Takes::Texts => {}
        }
        if !matches!(known.takes, Takes::Texts) && self.plain.iter().any(|(earlier, _)| *earlier == known.name) {
            return refuse("is given twice".to_owned());
        }
        self.plain.push((known.name, value));
        Ok(())
    }

    fn filter(&mut self, field: Field, value: String) {
        match self.filters.iter_mut().find(|filter| filter.field == field) {
            Some(filter) => filter.values.push(value),
            None => self.filters.push(Filter { field, values: vec![value] }),
        }
    }

    fn tag(&mut self, asked: String) {
        match asked.split_once('=') {
            Some((key, value)) => self.filter(Field::Tag(key.to_owned()), value.to_owned()),
            // Of several keys each is wanted.
            None => self.filters.push(Filter { field: Field::TagKey, values: vec![asked] }),
        }
    }

    /// The text of a parameter that is no filter.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.plain.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// The texts of a parameter that may be given several times.
    pub fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.plain.iter().filter(move |(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// Whether a flag is set.
    pub fn flag(&self, name: &str) -> bool {
        self.text(name) == Some("true")
    }

    /// A number, which was checked when it was read.
    pub fn count(&self, name: &str) -> Option<usize> {
        self.text(name)?.parse().ok()
    }

    /// The filters.
    pub fn filters(&self) -> &[Filter] {
        &self.filters
    }
}

fn text(raw: &str) -> Option<String> {
    String::from_utf8(decode_bytes(raw).into_owned()).ok()
}
