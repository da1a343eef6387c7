//! Texts with wildcards, as the clouds' filters have them.

/// A pattern taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Part>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    This(char),
    AnyOne,
    AnyMany,
}

impl Pattern {
    /// `*` stands for any characters, `?` for one, and `\` takes the meaning of the next; a `\` at the end stands for itself.
    pub(super) fn new(text: &str) -> Pattern {
        let mut parts = Vec::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            parts.push(match character {
                '*' if parts.last() == Some(&Part::AnyMany) => continue,
                '*' => Part::AnyMany,
                '?' => Part::AnyOne,
                '\\' => Part::This(characters.next().unwrap_or('\\')),
                other => Part::This(other),
            });
        }
        Pattern(parts)
    }

    /// What every covered text begins with.
    pub(super) fn prefix(&self) -> String {
        let literal = |part: &Part| match part {
            Part::This(character) => Some(*character),
            Part::AnyOne | Part::AnyMany => None,
        };
        self.0.iter().map_while(literal).collect()
    }

    /// Whether it covers the whole text. Only the last `*` met is ever reconsidered, so the time is at most the product of the
    /// lengths.
    pub(super) fn covers(&self, text: &str) -> bool {
        let mut rest = text.chars();
        let mut at = 0;
        let mut retry: Option<(usize, std::str::Chars<'_>)> = None;
        loop {
            let here = rest.clone();
            match (self.0.get(at), rest.next()) {
                (Some(Part::AnyMany), _) => {
                    at += 1;
                    rest = here.clone();
                    retry = Some((at, here));
                    continue;
                }
                (Some(Part::AnyOne), Some(_)) => {
                    at += 1;
                    continue;
                }
                (Some(Part::This(wanted)), Some(met)) if *wanted == met => {
                    at += 1;
                    continue;
                }
                (None, None) => return true,
                (Some(Part::This(_) | Part::AnyOne) | None, _) => {}
            }
            // The last `*` takes one character more.
            let Some((after, mut from)) = retry else { return false };
            if from.next().is_none() {
                return false;
            }
            at = after;
            rest = from.clone();
            retry = Some((after, from));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(pattern: &str, covered: &[&str], other: &[&str]) {
        let taken = Pattern::new(pattern);
        for text in covered {
            assert!(taken.covers(text), "{pattern} covers {text}");
        }
        for text in other {
            assert!(!taken.covers(text), "{pattern} does not cover {text}");
        }
    }

    #[test]
    fn wildcards_stand_for_characters() {
        check("", &[""], &["a"]);
        check("web", &["web"], &["we", "webs", "Web", ""]);
        check("web-*", &["web-", "web-1"], &["web", "xweb-1"]);
        check("*b*", &["b", "abc", "bb"], &["", "ac"]);
        check("?\u{1F600}?", &["a\u{1F600}b"], &["\u{1F600}b", "a\u{1F600}bc"]);
        check("a*b*c", &["abc", "aXbYc", "abbcc"], &["ab", "acb", "abcX"]);
        check("a**c", &["ac", "abc"], &["ab"]);
    }

    #[test]
    fn a_backslash_takes_the_meaning_of_the_next() {
        check(r"\*\?\\", &[r"*?\"], &["ab\\", "**\\"]);
        check(r"a\", &[r"a\"], &["a"]);
        assert_eq!(Pattern::new(r"we\*b?c").prefix(), "we*b");
        assert_eq!(Pattern::new("*").prefix(), "");
    }

    /// Slow and plain.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|taken| naive(rest, &text[taken..])),
            Some(('?', rest)) => !text.is_empty() && naive(rest, &text[1..]),
            Some((wanted, rest)) => text.first() == Some(wanted) && naive(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn it_covers_what_a_plain_search_finds(pattern in "[ab*?]{0,8}", text in "[abc]{0,8}") {
            let (letters, characters): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
            prop_assert_eq!(Pattern::new(&pattern).covers(&text), naive(&letters, &characters));
        }
    }
}
