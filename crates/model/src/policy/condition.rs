//! Conditions: one clause for each operator and key, all of which must hold.
//!
//! ```text
//! value list of the policy x values of the request
//! plain          any value of the request matches any of the policy (negated: none does)
//! ForAnyValue    there is a value of the request that matches (negated: that matches none)
//! ForAllValues   each value of the request does, also when there is none
//! ...IfExists    also holds when the request does not have the key
//! ```
//!
//! A missing key fails a plain clause and satisfies a negated one, as AWS has it.

use std::net::IpAddr;

use ipnet::IpNet;
use jiff::civil;
use jiff::tz::TimeZone;

use super::pattern::{Found, Pattern, Style};
use super::{Context, Effect, Language, Problem};

/// One operator applied to one key.
#[derive(Debug, Clone)]
pub(super) struct Clause {
    /// The key as it is written.
    name: String,
    key: String,
    operator: Operator,
    test: Test,
}

/// An operator's name taken apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operator {
    comparison: Comparison,
    negated: bool,
    quantifier: Quantifier,
    if_exists: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantifier {
    Plain,
    All,
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equals,
    EqualsIgnoreCase,
    Like,
    Arn,
    Number(Relation),
    Date(Relation),
    Bool,
    Ip,
    Null,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// The values of the policy, read for their operator.
#[derive(Debug, Clone)]
enum Test {
    Patterns(Vec<Pattern>),
    Numbers(Relation, Vec<f64>),
    Dates(Relation, Vec<i64>),
    Bools(Vec<bool>),
    Nets(Vec<IpNet>),
    Null(Vec<bool>),
}

/// What each language calls a comparison and whether the name negates it. An empty name: the language has none.
const OPERATORS: &[(&str, &str, Comparison, bool)] = {
    use Comparison::*;
    use Relation::*;
    &[
        ("StringEquals", "string_equal", Equals, false),
        ("StringNotEquals", "string_not_equal", Equals, true),
        ("StringEqualsIgnoreCase", "string_equal_ignore_case", EqualsIgnoreCase, false),
        ("StringNotEqualsIgnoreCase", "string_not_equal_ignore_case", EqualsIgnoreCase, true),
        ("StringLike", "string_like", Like, false),
        ("StringNotLike", "string_not_like", Like, true),
        ("BinaryEquals", "binary_equal", Equals, false),
        ("ArnEquals", "", Arn, false),
        ("ArnLike", "", Arn, false),
        ("ArnNotEquals", "", Arn, true),
        ("ArnNotLike", "", Arn, true),
        ("NumericEquals", "numeric_equal", Number(Equal), false),
        ("NumericNotEquals", "numeric_not_equal", Number(Equal), true),
        ("NumericLessThan", "numeric_less_than", Number(Less), false),
        ("NumericLessThanEquals", "numeric_less_than_equal", Number(LessOrEqual), false),
        ("NumericGreaterThan", "numeric_greater_than", Number(Greater), false),
        ("NumericGreaterThanEquals", "numeric_greater_than_equal", Number(GreaterOrEqual), false),
        ("DateEquals", "date_equal", Date(Equal), false),
        ("DateNotEquals", "date_not_equal", Date(Equal), true),
        ("DateLessThan", "date_less_than", Date(Less), false),
        ("DateLessThanEquals", "date_less_than_equal", Date(LessOrEqual), false),
        ("DateGreaterThan", "date_greater_than", Date(Greater), false),
        ("DateGreaterThanEquals", "date_greater_than_equal", Date(GreaterOrEqual), false),
        ("Bool", "bool_equal", Bool, false),
        ("IpAddress", "ip_equal", Ip, false),
        ("NotIpAddress", "ip_not_equal", Ip, true),
        ("Null", "null_equal", Null, false),
    ]
};

impl Operator {
    /// Takes an operator's name apart; none when the language has no such operator.
    pub(super) fn parse(name: &str, language: Language) -> Option<Operator> {
        let cam = language == Language::Cam;
        let (all, any, exists) =
            if cam { ("for_all_value:", "for_any_value:", "_if_exist") } else { ("ForAllValues:", "ForAnyValue:", "IfExists") };
        let (quantifier, name) = if let Some(rest) = name.strip_prefix(all) {
            (Quantifier::All, rest)
        } else if let Some(rest) = name.strip_prefix(any) {
            (Quantifier::Any, rest)
        } else {
            (Quantifier::Plain, name)
        };
        let (if_exists, name) = name.strip_suffix(exists).map_or((false, name), |rest| (true, rest));
        let own = |row: &&(&str, &str, Comparison, bool)| !name.is_empty() && name == if cam { row.1 } else { row.0 };
        let &(_, _, comparison, negated) = OPERATORS.iter().find(own)?;
        // Null asks whether the key is there, so it cannot be left open by the key's absence.
        if comparison == Comparison::Null && (if_exists || quantifier != Quantifier::Plain) {
            return None;
        }
        Some(Operator { comparison, negated, quantifier, if_exists })
    }
}

impl Clause {
    /// Makes the clause of an operator, a key and the policy's values for it. An error carries the place of the value.
    pub(super) fn compile(operator: Operator, key: &str, values: &[String], variables: bool) -> Result<Clause, (usize, Problem)> {
        let style = |wildcards, ignore_case, by_part| Style { wildcards, ignore_case, variables, by_part };
        let patterns = |style| each(values, |text| Pattern::parse(text, style)).map(Test::Patterns);
        let test = match operator.comparison {
            Comparison::Equals => patterns(style(false, false, false))?,
            Comparison::EqualsIgnoreCase => patterns(style(false, true, false))?,
            Comparison::Like => patterns(style(true, false, false))?,
            Comparison::Arn => patterns(style(true, false, true))?,
            Comparison::Number(relation) => Test::Numbers(relation, each(values, |t| number(t).ok_or(Problem::Value("a number")))?),
            Comparison::Date(relation) => {
                Test::Dates(relation, each(values, |t| date(t).ok_or(Problem::Value("a date as 2026-01-31T00:00:00Z")))?)
            }
            Comparison::Bool => Test::Bools(each(values, |t| boolean(t).ok_or(Problem::Value("true or false")))?),
            Comparison::Ip => Test::Nets(each(values, |t| net(t).ok_or(Problem::Value("an IP address or range")))?),
            Comparison::Null => Test::Null(each(values, |t| boolean(t).ok_or(Problem::Value("true or false")))?),
        };
        Ok(Clause { name: key.to_owned(), key: super::context::canonical(key), operator, test })
    }

    /// The key as it is written.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it holds. A variable without a value makes a negated clause fail, except where that would lift a denial.
    pub(super) fn holds(&self, context: &Context, effect: Effect) -> bool {
        let values = context.canonical_values(&self.key);
        let Operator { negated, quantifier, if_exists, .. } = self.operator;
        if let Test::Null(wanted) = &self.test {
            return wanted.contains(&values.is_empty());
        }
        if values.is_empty() {
            return match quantifier {
                Quantifier::Plain => negated || if_exists,
                Quantifier::All => true,
                Quantifier::Any => if_exists,
            };
        }
        let one = |value: &String| match (self.test.matches(value, context), negated) {
            (Found::Yes, negated) => !negated,
            (Found::No, negated) => negated,
            (Found::Unknown, false) => false,
            (Found::Unknown, true) => effect == Effect::Deny,
        };
        match (quantifier, negated) {
            (Quantifier::Plain, false) | (Quantifier::Any, _) => values.iter().any(one),
            (Quantifier::Plain, true) | (Quantifier::All, _) => values.iter().all(one),
        }
    }
}

impl Test {
    /// Whether a value of the request matches any of the policy. A value that cannot be read matches none.
    fn matches(&self, value: &str, context: &Context) -> Found {
        let yes = match self {
            Test::Patterns(patterns) => {
                let mut unknown = false;
                for pattern in patterns {
                    match pattern.find(&[value], context) {
                        Found::Yes => return Found::Yes,
                        Found::Unknown => unknown = true,
                        Found::No => {}
                    }
                }
                return if unknown { Found::Unknown } else { Found::No };
            }
            Test::Numbers(relation, wanted) => number(value).is_some_and(|v| wanted.iter().any(|w| relation.holds(&v, w))),
            Test::Dates(relation, wanted) => date(value).is_some_and(|v| wanted.iter().any(|w| relation.holds(&v, w))),
            Test::Bools(wanted) => boolean(value).is_some_and(|v| wanted.contains(&v)),
            Test::Nets(wanted) => value.parse::<IpAddr>().is_ok_and(|v| wanted.iter().any(|n| n.contains(&v.to_canonical()))),
            Test::Null(_) => false,
        };
        if yes { Found::Yes } else { Found::No }
    }
}

impl Relation {
    fn holds<T: PartialOrd>(self, value: &T, wanted: &T) -> bool {
        match self {
            Relation::Equal => value == wanted,
            Relation::Less => value < wanted,
            Relation::LessOrEqual => value <= wanted,
            Relation::Greater => value > wanted,
            Relation::GreaterOrEqual => value >= wanted,
        }
    }
}

fn each<T>(values: &[String], read: impl Fn(&str) -> Result<T, Problem>) -> Result<Vec<T>, (usize, Problem)> {
    values.iter().enumerate().map(|(at, text)| read(text).map_err(|problem| (at, problem))).collect()
}

/// A decimal number. Whole numbers above 2^53 are compared as their nearest neighbour, as in JSON itself.
fn number(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    text.parse::<f64>().ok().filter(|n| plain && n.is_finite())
}

/// A point in time in milliseconds since 1970: ISO 8601 with or without time and offset, or seconds. UTC unless it says otherwise.
fn date(text: &str) -> Option<i64> {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse::<i64>().ok()?.checked_mul(1_000);
    }
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Some(at.as_millisecond());
    }
    let month = if text.len() == 7 { format!("{text}-01") } else { String::new() };
    let local = text.parse::<civil::DateTime>().ok().or_else(|| month.parse::<civil::Date>().ok().map(civil::DateTime::from))?;
    local.to_zoned(TimeZone::UTC).ok().map(|z| z.timestamp().as_millisecond())
}

fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

fn net(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(|a| IpNet::from(a.to_canonical())))
}
