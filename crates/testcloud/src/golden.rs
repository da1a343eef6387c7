//! Replies kept as texts: what differs from run to run has a name of its own, ids are numbers, and each member has its line.

use std::collections::HashMap;
use std::path::Path;

use model::AccountId;

/// What the account under test is called in kept texts.
pub const SHOWN_ACCOUNT: &str = "111122223333";
/// Digits of an account, and of what Tencent Cloud's calls know by number.
const ACCOUNT_DIGITS: usize = 12;
/// Digits of an id.
const ID_DIGITS: usize = 17;

/// How one dialect's replies are kept.
pub struct Golden {
    /// The folder of the crate whose tests these are: texts are in its `tests/golden`.
    pub crate_folder: &'static str,
    /// Members and elements whose values differ from run to run, each with what stands for them.
    pub secrets: &'static [(&'static str, &'static str)],
    /// Members of JSON whose numbers are the cloud's own; those with the digits of an account are counted from 100000000001.
    pub numbers: &'static [&'static str],
}

impl Golden {
    /// Checks a reply against the text kept in `file`; with UPDATE=1 in the environment the text is written instead.
    ///
    /// # Panics
    /// When they differ, with `what` and the reply as it would be kept.
    pub fn check(&self, what: &str, file: &str, body: &str, account: AccountId) {
        let shown = self.shown(body, account);
        let path = Path::new(self.crate_folder).join("tests/golden").join(file);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &shown).expect("kept texts are in a folder that can be written");
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == shown, "{what} differs from {}; UPDATE=1 rewrites it:\n{shown}", path.display());
    }

    fn shown(&self, body: &str, account: AccountId) -> String {
        let mut text = body.replace(&account.to_string(), SHOWN_ACCOUNT);
        for (name, stands_for) in self.secrets {
            for secret in texts(&text, name).into_iter().filter(|secret| !secret.is_empty()) {
                text = text.replace(&secret, stands_for);
            }
        }
        let text = counted(&numbered(&text), self.numbers);
        if is_json(body) { indented_json(&text) } else { indented_xml(&text) }
    }
}

fn is_json(body: &str) -> bool {
    body.starts_with('{')
}

/// The texts of every member or element of this name, in either format.
pub fn texts(body: &str, name: &str) -> Vec<String> {
    let (open, close) =
        if is_json(body) { (format!("\"{name}\":\""), "\"".to_owned()) } else { (format!("<{name}>"), format!("</{name}>")) };
    body.split(&open).skip(1).filter_map(|rest| rest.split(&close).next()).map(str::to_owned).collect()
}

/// Numbers ids in order of their appearance; things that share digits keep doing so.
fn numbered(text: &str) -> String {
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("-0") {
        let (before, from) = rest.split_at(at + 1);
        out.push_str(before);
        let digits: String = from.chars().take_while(char::is_ascii_hexdigit).collect();
        if digits.len() == ID_DIGITS {
            let next = numbers.len() + 1;
            let number = *numbers.entry(digits.clone()).or_insert(next);
            out.push_str(&format!("{number:0ID_DIGITS$}"));
        } else {
            out.push_str(&digits);
        }
        rest = &from[digits.len()..];
    }
    out.push_str(rest);
    out
}

/// Counts the numbers of these members in order of their appearance; those that are the same keep being so.
fn counted(text: &str, members: &[&str]) -> String {
    let mut text = text.to_owned();
    let mut seen: Vec<String> = Vec::new();
    for name in members {
        let begins = format!("\"{name}\":");
        for rest in text.clone().split(&begins).skip(1) {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            if digits.len() == ACCOUNT_DIGITS && !digits.starts_with("1000000000") && digits != SHOWN_ACCOUNT && !seen.contains(&digits) {
                seen.push(digits);
            }
        }
    }
    for (digits, number) in seen.iter().zip(100_000_000_001_u64..) {
        text = text.replace(digits, &number.to_string());
    }
    text
}

/// One element a line.
pub fn indented_xml(xml: &str) -> String {
    let mut out = String::new();
    let mut depth = 0_usize;
    for line in xml.replace("><", ">\n<").lines() {
        let closes = line.starts_with("</");
        depth -= usize::from(closes);
        out.push_str(&"  ".repeat(depth));
        out.push_str(line);
        out.push('\n');
        let opens = line.starts_with('<') && !closes && !line.contains("</") && !line.ends_with("/>") && !line.starts_with("<?");
        depth += usize::from(opens);
    }
    out
}

/// Breaks lines outside of texts; members keep the order in which they were sent.
pub fn indented_json(json: &str) -> String {
    let mut out = String::new();
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    let mut letters = json.chars().peekable();
    while let Some(letter) = letters.next() {
        let next_closes = letters.peek().copied().filter(|next| matches!(next, '}' | ']'));
        let break_line = |out: &mut String, depth: usize| out.push_str(&format!("\n{}", "  ".repeat(depth)));
        if quoted {
            out.push(letter);
            (quoted, escaped) = (escaped || letter != '"', !escaped && letter == '\\');
            continue;
        }
        match (letter, next_closes) {
            ('{' | '[', Some(closing)) => {
                out.extend([letter, closing]);
                letters.next();
            }
            ('{' | '[', None) => {
                depth += 1;
                out.push(letter);
                break_line(&mut out, depth);
            }
            ('}' | ']', _) => {
                depth -= 1;
                break_line(&mut out, depth);
                out.push(letter);
            }
            (',', _) => {
                out.push(letter);
                break_line(&mut out, depth);
            }
            (':', _) => out.push_str(": "),
            _ => {
                quoted = letter == '"';
                out.push(letter);
            }
        }
    }
    out.push('\n');
    out
}
