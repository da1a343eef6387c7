//! Rules for names and other texts that tenants choose.

use crate::Error;

/// Longest display name in characters (EC2 tag values and ECS names both allow at least 128).
pub const NAME_MAX: usize = 128;
/// Longest name of a placement group or a prefix list in characters (EC2: 255; ECS and CVM allow less and check that themselves).
pub const LONG_NAME_MAX: usize = 255;
/// Longest user data in bytes after decoding (EC2 documents 16 KiB, ECS 32 KB; the larger is taken).
pub const USER_DATA_MAX: usize = 32 * 1024;
/// Longest client token (64 ASCII characters in EC2, ECS and CVM).
pub const CLIENT_TOKEN_MAX: usize = 64;
/// Longest host name label (RFC 1123).
pub const HOSTNAME_MAX: usize = 63;

/// Checks a display name: 0 to [`NAME_MAX`] characters, no control characters.
pub fn check_name(parameter: &'static str, name: &str) -> Result<(), Error> {
    check_text(parameter, name, NAME_MAX)
}

/// Checks a name of the kinds that may be longer: 0 to [`LONG_NAME_MAX`] characters, no control characters.
pub fn check_long_name(parameter: &'static str, name: &str) -> Result<(), Error> {
    check_text(parameter, name, LONG_NAME_MAX)
}

fn check_text(parameter: &'static str, name: &str, most: usize) -> Result<(), Error> {
    if name.chars().count() > most {
        return Err(Error::invalid(parameter, format!("longer than {most} characters")));
    }
    if name.chars().any(char::is_control) {
        return Err(Error::invalid(parameter, "contains control characters"));
    }
    Ok(())
}

/// Checks a client token: 1 to [`CLIENT_TOKEN_MAX`] printable ASCII characters.
pub fn check_client_token(token: &str) -> Result<(), Error> {
    let printable = token.bytes().all(|b| (0x20..0x7f).contains(&b));
    if token.is_empty() || token.len() > CLIENT_TOKEN_MAX || !printable {
        return Err(Error::invalid("ClientToken", format!("must be 1 to {CLIENT_TOKEN_MAX} ASCII characters")));
    }
    Ok(())
}

/// Checks a host name: one or more labels of RFC 1123, 253 characters in all.
pub fn check_hostname(name: &str) -> Result<(), Error> {
    let label = |l: &str| {
        (1..=HOSTNAME_MAX).contains(&l.len())
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    if name.len() > 253 || !name.split('.').all(label) {
        return Err(Error::invalid("HostName", "must be labels of letters, digits and hyphens as in RFC 1123"));
    }
    Ok(())
}

/// Whether `text` matches `pattern`, where `*` stands for any characters, `?` for one and `\` takes the next literally,
/// as EC2's filters document it.
pub fn matches_pattern(pattern: &str, text: &str) -> bool {
    let pattern: Vec<Piece> = pieces(pattern);
    let text: Vec<char> = text.chars().collect();
    // Greedy match with one point of return: the latest `*` is the only one that must ever take more.
    let (mut p, mut t, mut retry) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(Piece::Many) => {
                retry = Some((p, t));
                p += 1;
                continue;
            }
            Some(Piece::One) => (p, t) = (p + 1, t + 1),
            Some(Piece::Char(c)) if *c == text[t] => (p, t) = (p + 1, t + 1),
            Some(Piece::Char(_)) | None => match retry {
                Some((star, at)) => {
                    retry = Some((star, at + 1));
                    (p, t) = (star + 1, at + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|piece| matches!(piece, Piece::Many))
}

enum Piece {
    Many,
    One,
    Char(char),
}

fn pieces(pattern: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        pieces.push(match c {
            '*' => Piece::Many,
            '?' => Piece::One,
            '\\' => Piece::Char(chars.next().unwrap_or('\\')),
            other => Piece::Char(other),
        });
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_ec2_documents() {
        for (pattern, text, expected) in [
            ("web-*", "web-1", true),
            ("web-*", "db-1", false),
            ("*", "", true),
            ("?", "", false),
            ("a?c", "abc", true),
            ("*a*b*c", "xxaxxbxxc", true),
            ("*a*b*c", "xxaxxbxx", false),
            (r"\*", "*", true),
            (r"\*", "x", false),
            ("t*", "été", false),
            ("?t?", "été", true),
            ("", "", true),
        ] {
            assert_eq!(matches_pattern(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_hostile_pattern_ends_in_time() {
        let pattern = "*a".repeat(200);
        assert!(!matches_pattern(&pattern, &"a".repeat(199)));
    }

    #[test]
    fn host_names_follow_rfc_1123() {
        for good in ["a", "web-1", "a.b.c", "0x"] {
            assert!(check_hostname(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "a..b", "a_b", "ä", &"a".repeat(64)] {
            assert!(check_hostname(bad).is_err(), "{bad}");
        }
    }
}
