//! Patterns that messages of logs are found by ("Filter pattern syntax" in CloudWatch Logs' guide).
//!
//! ```text
//!   error "was not found"          all of these words are in the message
//!   ?error ?warning                one of them is
//!   error -test                    the first is and the second is not
//!   [a, b = 10.*, ..., c > 3 || c = 0]   the words of the message, one by one
//! ```
//!
//! Patterns of messages that are JSON are refused: no message here is.

use crate::Error;

/// Characters of a pattern (CloudWatch Logs, "FilterLogEvents": 1,024).
const PATTERN_MAX: usize = 1_024;

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogPattern {
    /// Words in the message, wherever they are.
    Words {
        /// Each is there.
        all: Vec<String>,
        /// One is, if there are any here.
        any: Vec<String>,
        /// None is.
        none: Vec<String>,
    },
    /// Words of the message in order.
    Columns {
        /// Before the ellipsis, or all.
        first: Vec<Column>,
        /// After it; none where every word has its column.
        last: Option<Vec<Column>>,
    },
}

/// What a word must be: one of these lists of conditions holds; none asks for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    either: Vec<Vec<Condition>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition {
    sign: Sign,
    value: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Is,
    IsNot,
    Below,
    AtMost,
    Above,
    AtLeast,
}

/// Signs, the longer before those that they begin with.
const SIGNS: [(&str, Sign); 6] =
    [("!=", Sign::IsNot), ("<=", Sign::AtMost), (">=", Sign::AtLeast), ("=", Sign::Is), ("<", Sign::Below), (">", Sign::Above)];

impl LogPattern {
    /// Reads a pattern; an empty one fits every message.
    ///
    /// # Errors
    /// Refuses one that is too long, that is about JSON, or that does not end what it begins.
    pub fn parse(text: &str) -> Result<LogPattern, Error> {
        let wrong = |reason: &str| Error::invalid("FilterPattern", reason);
        let text = text.trim();
        if text.chars().count() > PATTERN_MAX {
            return Err(wrong("is longer than 1024 characters"));
        }
        if text.starts_with(['{', '%']) {
            return Err(Error::Unsupported { what: "A filter pattern of JSON or of regular expressions".to_owned() });
        }
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or_else(|| wrong("does not end with ]"))?;
            return columns(inner).ok_or_else(|| wrong("is no list of words such as [a, b = 1, ...]"));
        }
        let (mut all, mut any, mut none) = (Vec::new(), Vec::new(), Vec::new());
        for (sign, word) in words(text).ok_or_else(|| wrong("has a quotation mark too few"))? {
            match sign {
                Some('?') => any.push(word),
                Some('-') => none.push(word),
                _ => all.push(word),
            }
        }
        Ok(LogPattern::Words { all, any, none })
    }

    /// Whether a message fits.
    pub fn fits(&self, message: &str) -> bool {
        match self {
            LogPattern::Words { all, any, none } => {
                let has = |word: &String| message.contains(word.as_str());
                // "Any" is not asked for beside words that must be there.
                let one = any.is_empty() || !all.is_empty() || any.iter().any(has);
                all.iter().all(has) && one && !none.iter().any(has)
            }
            LogPattern::Columns { first, last } => {
                let found = split(message);
                let count = first.len() + last.as_ref().map_or(0, Vec::len);
                let fits_length = if last.is_some() { found.len() >= count } else { found.len() == count };
                let end = last.as_deref().unwrap_or_default();
                let tail = found.len().saturating_sub(end.len());
                fits_length
                    && first.iter().zip(&found).all(|(column, word)| column.fits(word))
                    && end.iter().zip(&found[tail..]).all(|(column, word)| column.fits(word))
            }
        }
    }
}

impl Column {
    fn fits(&self, word: &str) -> bool {
        self.either.is_empty() || self.either.iter().any(|all| all.iter().all(|condition| condition.holds(word)))
    }
}

impl Condition {
    fn holds(&self, word: &str) -> bool {
        let compared = || word.parse::<f64>().ok()?.partial_cmp(&self.value.parse::<f64>().ok()?);
        match self.sign {
            Sign::Is => wildcard(&self.value, word),
            Sign::IsNot => !wildcard(&self.value, word),
            Sign::Below => compared().is_some_and(std::cmp::Ordering::is_lt),
            Sign::AtMost => compared().is_some_and(std::cmp::Ordering::is_le),
            Sign::Above => compared().is_some_and(std::cmp::Ordering::is_gt),
            Sign::AtLeast => compared().is_some_and(std::cmp::Ordering::is_ge),
        }
    }
}

/// Whether a text fits, in which `*` stands for any characters.
fn wildcard(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// Words, each with the `?` or `-` before it; those in quotation marks may have spaces. None when a quotation does not end.
fn words(text: &str) -> Option<Vec<(Option<char>, String)>> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let sign = rest.chars().next().filter(|c| matches!(c, '?' | '-'));
        let bare = if sign.is_some() { &rest[1..] } else { rest };
        let (word, after) = match bare.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => bare.split_once(char::is_whitespace).unwrap_or((bare, "")),
        };
        if !word.is_empty() {
            found.push((sign, word.to_owned()));
        }
        rest = after.trim_start();
    }
    Some(found)
}

fn columns(inner: &str) -> Option<LogPattern> {
    let (mut first, mut last) = (Vec::new(), None::<Vec<Column>>);
    for part in inner.split(',').map(str::trim) {
        if part == "..." {
            if last.replace(Vec::new()).is_some() {
                return None;
            }
            continue;
        }
        let column = column(part)?;
        last.as_mut().unwrap_or(&mut first).push(column);
    }
    Some(LogPattern::Columns { first, last })
}

/// `name`, or conditions about it joined by `&&`, which binds closer, and `||`.
fn column(text: &str) -> Option<Column> {
    if !text.contains(['=', '<', '>']) {
        return is_name(text).then_some(Column { either: vec![] });
    }
    let either = text.split("||").map(|all| all.split("&&").map(condition).collect::<Option<Vec<_>>>()).collect::<Option<Vec<_>>>()?;
    Some(Column { either })
}

fn condition(text: &str) -> Option<Condition> {
    let at = text.find(['=', '<', '>', '!'])?;
    let (name, rest) = text.split_at(at);
    let (sign, value) = SIGNS.into_iter().find_map(|(word, sign)| Some((sign, rest.strip_prefix(word)?.trim())))?;
    let value = value.strip_prefix('"').and_then(|quoted| quoted.strip_suffix('"')).unwrap_or(value);
    (is_name(name.trim()) && !value.is_empty()).then(|| Condition { sign, value: value.to_owned() })
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// The words of a message; what stands in quotation marks or brackets is one.
fn split(message: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = message.trim_start();
    while !rest.is_empty() {
        let enclosed = |open: char, close: char| rest.strip_prefix(open)?.split_once(close);
        let (word, after) =
            enclosed('"', '"').or_else(|| enclosed('[', ']')).unwrap_or_else(|| rest.split_once(char::is_whitespace).unwrap_or((rest, "")));
        found.push(word);
        rest = after.trim_start();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "2 111122223333 eni-05 10.0.0.5 10.0.0.6 40000 22 6 3 180 17 18 REJECT OK";

    #[test]
    fn patterns_fit_what_they_say() {
        for (pattern, fits) in [
            ("", true),
            ("REJECT", true),
            ("reject", false),
            ("REJECT eni-05", true),
            ("REJECT ACCEPT", false),
            ("?ACCEPT ?REJECT", true),
            ("?ACCEPT ?NODATA", false),
            ("REJECT ?ACCEPT", true),
            ("OK -REJECT", false),
            ("\"REJECT OK\"", true),
            ("\"OK REJECT\"", false),
            ("[a, b, c, d, e, f, g, h, i, j, k, l, m, n]", true),
            ("[a, b, c, d, e, f, g, h, i, j, k, l, m]", false),
            ("[..., action = REJECT, status]", true),
            ("[..., action = ACCEPT, status]", false),
            ("[version, account, eni, src = 10.0.*, dst, sport, dport = 22, ...]", true),
            ("[version, account, eni, src = 10.1.*, dst, sport, dport = 22, ...]", false),
            ("[v, a, e, s, d, sp, dp > 21 && dp < 23, proto = 6 || proto = 17, ...]", true),
            ("[v, a, e, s, d, sp, dp >= 23 || dp <= 21, ...]", false),
            ("[v, a, e, s != 10.0.0.5, ...]", false),
        ] {
            assert_eq!(LogPattern::parse(pattern).unwrap().fits(LINE), fits, "{pattern}");
        }
        assert!(LogPattern::parse("[a, b, c]").unwrap().fits("one \"two words\" [and more of them]"));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for wrong in ["[a, b", "\"open", "[a, ..., b, ...]", "[a b]", "[= 5]", "[a = ]", "[]", &"x".repeat(1_025)] {
            assert!(matches!(LogPattern::parse(wrong), Err(Error::InvalidParameter { .. })), "{wrong}");
        }
        assert!(matches!(LogPattern::parse("{ $.a = 1 }"), Err(Error::Unsupported { .. })));
    }
}
