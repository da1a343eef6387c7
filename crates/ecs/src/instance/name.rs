//! Names of the instances of one launch: the same for all, or with numbers.
//!
//! ECS has two ways to number: a pattern in the name, `web[5,3]` for web005, web006, ..., and a suffix of three digits from
//! 001 when the call asks for unique ones.

/// Digits of a pattern that does not say how many.
const DIGITS: usize = 6;
/// Largest first number of a pattern.
const FIRST_MAX: u32 = 999_999;

/// A pattern `prefix[first,digits]suffix`.
#[derive(Debug, PartialEq, Eq)]
struct Pattern<'a> {
    prefix: &'a str,
    first: u32,
    digits: usize,
    suffix: &'a str,
}

impl<'a> Pattern<'a> {
    /// Reads the pattern in a name; a name without one is taken as it is.
    fn read(name: &'a str) -> Option<Pattern<'a>> {
        let (prefix, rest) = name.split_once('[')?;
        let (inside, suffix) = rest.split_once(']')?;
        let (first, digits) = inside.split_once(',').unwrap_or((inside, ""));
        let first = if first.is_empty() { 0 } else { number(first)? };
        let digits = if digits.is_empty() { DIGITS } else { usize::try_from(number(digits)?).ok()? };
        (first <= FIRST_MAX && (1..=DIGITS).contains(&digits)).then_some(Pattern { prefix, first, digits, suffix })
    }

    fn nth(&self, index: u32) -> String {
        format!("{}{:0digits$}{}", self.prefix, self.first + index, self.suffix, digits = self.digits)
    }
}

/// A number without sign or blanks.
fn number(text: &str) -> Option<u32> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    if is_plain { text.parse().ok() } else { None }
}

/// The names of so many instances; one name alone when all have the same.
pub(super) fn names(name: &str, count: u32, unique: bool) -> Vec<String> {
    match Pattern::read(name) {
        Some(pattern) if !(unique && count > 1 && !pattern.suffix.is_empty()) => (0..count).map(|index| pattern.nth(index)).collect(),
        Some(pattern) => (0..count).map(|index| format!("{}{:03}", pattern.nth(index), index + 1)).collect(),
        None if unique && count > 1 && !name.is_empty() => (1..=count).map(|number| format!("{name}{number:03}")).collect(),
        None => vec![name.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_numbered_as_ecs_documents() {
        for (name, count, unique, expected) in [
            ("web", 2, false, &["web"][..]),
            ("web", 1, true, &["web"]),
            ("web", 2, true, &["web001", "web002"]),
            ("", 2, true, &[""]),
            ("web[]", 2, false, &["web000000", "web000001"]),
            ("web[99,3]-x", 2, false, &["web099-x", "web100-x"]),
            ("web[7]", 1, false, &["web000007"]),
            ("web[,2]", 1, false, &["web00"]),
            ("web[999,2]", 2, false, &["web999", "web1000"]),
            ("web[5,3]", 2, true, &["web005", "web006"]),
            ("web[5,3]x", 2, true, &["web005x001", "web006x002"]),
            ("web[1, 3]", 2, false, &["web[1, 3]"]),
            ("web[+1,3]", 1, false, &["web[+1,3]"]),
            ("web[1,7]", 1, false, &["web[1,7]"]),
            ("web[1000000,3]", 1, false, &["web[1000000,3]"]),
            ("web]1,3[", 1, false, &["web]1,3["]),
        ] {
            assert_eq!(names(name, count, unique), expected, "{name} {count} {unique}");
        }
    }
}
