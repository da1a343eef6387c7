//! Names of the instances of one launch, with numbers as CVM makes them.
//!
//! A pattern `{R:3}` in a name stands for 3, 4, 5, ...; `{R:3,F:4}` for 0003, 0004, ... Without a pattern, several instances are
//! numbered from 1 behind the name.

/// Most digits that a pattern may ask for.
const DIGITS_MAX: usize = 8;
/// Largest first number of a pattern.
const FIRST_MAX: u32 = 99_999_999;

/// A piece of a name.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Number { first: u32, digits: usize },
}

/// Cuts a name into its pieces; what only looks like a pattern is text.
fn pieces(name: &str) -> Vec<Piece<'_>> {
    let mut pieces = vec![];
    let (mut text_from, mut at) = (0, 0);
    while let Some(found) = name[at..].find("{R:") {
        let start = at + found;
        let Some(length) = name[start..].find('}') else { break };
        let end = start + length + 1;
        if let Some(number) = number(&name[start + 3..end - 1]) {
            pieces.push(Piece::Text(&name[text_from..start]));
            pieces.push(number);
            text_from = end;
        }
        at = end;
    }
    pieces.push(Piece::Text(&name[text_from..]));
    pieces
}

/// Reads `3` or `3,F:4`.
fn number(inside: &str) -> Option<Piece<'static>> {
    let (first, digits) = match inside.split_once(",F:") {
        Some((first, digits)) => (first, plain(digits)?),
        None => (inside, 0),
    };
    let (first, digits) = (plain(first)?, usize::try_from(digits).ok()?);
    (first <= FIRST_MAX && digits <= DIGITS_MAX).then_some(Piece::Number { first, digits })
}

/// A number without sign or blanks.
fn plain(text: &str) -> Option<u32> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    if is_plain { text.parse().ok() } else { None }
}

/// The names of so many instances.
pub(super) fn names(name: &str, count: u32) -> Vec<String> {
    let pieces = pieces(name);
    if pieces.len() == 1 {
        return if count == 1 { vec![name.to_owned()] } else { (1..=count).map(|number| format!("{name}{number}")).collect() };
    }
    let nth = |index: u32| {
        let write = |piece: &Piece<'_>| match piece {
            Piece::Text(text) => (*text).to_owned(),
            Piece::Number { first, digits } => format!("{:0digits$}", first + index),
        };
        pieces.iter().map(write).collect::<String>()
    };
    (0..count).map(nth).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_numbered_as_cvm_documents() {
        for (name, count, expected) in [
            ("server", 1, &["server"][..]),
            ("server_", 2, &["server_1", "server_2"]),
            ("server_{R:3}", 1, &["server_3"]),
            ("server_{R:3}", 2, &["server_3", "server_4"]),
            ("server_{R:3,F:3}-x", 2, &["server_003-x", "server_004-x"]),
            ("app_{R:99,F:2}", 2, &["app_99", "app_100"]),
            ("{R:1}{R:8}", 2, &["18", "29"]),
            ("{R:x}{R:1", 1, &["{R:x}{R:1"]),
            ("{R:+1}", 1, &["{R:+1}"]),
            ("{R:1,F:9}", 1, &["{R:1,F:9}"]),
            ("{}", 2, &["{}1", "{}2"]),
            ("{R:{R:1}", 1, &["{R:{R:1}"]),
            ("ü{R:1}ü", 1, &["ü1ü"]),
        ] {
            assert_eq!(names(name, count), expected, "{name} {count}");
        }
    }
}
