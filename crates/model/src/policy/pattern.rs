//! Patterns: texts with wildcards and variables, compiled once and matched without allocation unless they hold a variable.
//!
//! `*` stands for any characters, none included; `?` for exactly one. A variable's value is always literal: a user who
//! is called `*` does not gain by it.

use super::{Context, Problem, context};

/// How a text of a document is to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    pub wildcards: bool,
    pub ignore_case: bool,
    pub variables: bool,
    /// Wildcards stay within the colon-separated parts of a resource name.
    pub by_part: bool,
}

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    form: Form,
    ignore_case: bool,
    by_part: bool,
}

#[derive(Debug, Clone)]
enum Form {
    Any,
    Exact(String),
    Prefix(String),
    Units(Vec<Unit>),
    Template(Vec<Piece>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Unit {
    Char(char),
    One,
    Star,
}

#[derive(Debug, Clone)]
enum Piece {
    Unit(Unit),
    Variable { key: String, otherwise: Option<String> },
}

/// Whether a pattern matches one of some texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Yes,
    No,
    /// It holds a variable that has no value in this request.
    Unknown,
}

impl Pattern {
    pub(super) fn parse(text: &str, style: Style) -> Result<Pattern, Problem> {
        let pieces = pieces(text, style)?;
        let form = match units(&pieces) {
            None => Form::Template(pieces),
            Some(units) if style.by_part => Form::Units(units),
            Some(units) => simplest(units),
        };
        Ok(Pattern { form, ignore_case: style.ignore_case, by_part: style.by_part })
    }

    /// Whether any of these texts matches.
    pub(super) fn find(&self, texts: &[&str], context: &Context) -> Found {
        if let Form::Template(pieces) = &self.form {
            let Some(units) = expand(pieces, context) else { return Found::Unknown };
            return found(texts.iter().any(|text| self.matches_units(&units, text)));
        }
        found(texts.iter().any(|text| self.matches(text)))
    }

    /// Whether some text that starts so matches.
    pub(super) fn may_start(&self, start: &str) -> bool {
        let same = |one: &str, other: &str| same_text(one, other, self.ignore_case);
        match &self.form {
            Form::Any => true,
            Form::Exact(wanted) => wanted.get(..start.len()).is_some_and(|head| same(head, start)),
            Form::Prefix(wanted) => {
                let both = wanted.len().min(start.len());
                wanted.get(..both).zip(start.get(..both)).is_some_and(|(one, other)| same(one, other))
            }
            Form::Units(units) => units_may_start(units, start, self.ignore_case),
            Form::Template(_) => false,
        }
    }

    /// Whether every text that starts so matches.
    pub(super) fn covers_start(&self, start: &str) -> bool {
        match &self.form {
            Form::Any => true,
            Form::Prefix(wanted) => prefix(wanted, start, self.ignore_case),
            // What its last star matches may be longer.
            Form::Units(units) => !self.by_part && matches!(units.last(), Some(Unit::Star)) && self.matches_units(units, start),
            Form::Exact(_) | Form::Template(_) => false,
        }
    }

    fn matches(&self, text: &str) -> bool {
        match &self.form {
            Form::Any => true,
            Form::Exact(wanted) => same_text(wanted, text, self.ignore_case),
            Form::Prefix(wanted) => prefix(wanted, text, self.ignore_case),
            Form::Units(units) => self.matches_units(units, text),
            Form::Template(_) => false,
        }
    }

    fn matches_units(&self, units: &[Unit], text: &str) -> bool {
        if self.by_part { by_part(units, text, self.ignore_case) } else { glob(units, text, self.ignore_case) }
    }
}

fn units_may_start(units: &[Unit], start: &str, ignore_case: bool) -> bool {
    let Some(wanted) = start.chars().next() else { return true };
    let rest = &start[wanted.len_utf8()..];
    match units.split_first() {
        None => false,
        // What the star leaves of the start is what it may stand for itself.
        Some((Unit::Star, _)) => true,
        Some((Unit::One, units)) => units_may_start(units, rest, ignore_case),
        Some((Unit::Char(c), units)) => {
            same_text(&c.to_string(), &wanted.to_string(), ignore_case) && units_may_start(units, rest, ignore_case)
        }
    }
}

fn found(yes: bool) -> Found {
    if yes { Found::Yes } else { Found::No }
}

fn simplest(units: Vec<Unit>) -> Form {
    let literal = |units: &[Unit]| {
        let chars = units.iter().map(|u| match u {
            Unit::Char(c) => Some(*c),
            Unit::One | Unit::Star => None,
        });
        chars.collect::<Option<String>>()
    };
    match units.split_last() {
        Some((Unit::Star, [])) => Form::Any,
        Some((Unit::Star, rest)) => literal(rest).map_or(Form::Units(units), Form::Prefix),
        _ => literal(&units).map_or(Form::Units(units), Form::Exact),
    }
}

fn pieces(text: &str, style: Style) -> Result<Vec<Piece>, Problem> {
    let mut pieces = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if style.variables
            && let Some(inner) = rest.strip_prefix("${")
        {
            let (body, after) = inner.split_once('}').ok_or(Problem::Variable)?;
            pieces.push(variable(body)?);
            rest = after;
            continue;
        }
        rest = &rest[c.len_utf8()..];
        let unit = match c {
            '*' if style.wildcards => Unit::Star,
            '?' if style.wildcards => Unit::One,
            other => Unit::Char(other),
        };
        // Two stars in a row say what one says.
        if unit != Unit::Star || !matches!(pieces.last(), Some(Piece::Unit(Unit::Star))) {
            pieces.push(Piece::Unit(unit));
        }
    }
    Ok(pieces)
}

/// Reads what stands between `${` and `}`: `*`, `?` or `$` for themselves, a key, or a key with a quoted default.
fn variable(body: &str) -> Result<Piece, Problem> {
    if let "*" | "?" | "$" = body {
        return Ok(Piece::Unit(Unit::Char(body.chars().next().unwrap_or('$'))));
    }
    let (key, otherwise) = match body.split_once(',') {
        None => (body, None),
        Some((key, quoted)) => {
            let inner = quoted.trim().strip_prefix('\'').and_then(|q| q.strip_suffix('\''));
            (key, Some(inner.ok_or(Problem::Variable)?.to_owned()))
        }
    };
    let key = key.trim();
    if key.is_empty() || key.contains(['$', '{', '\'']) {
        return Err(Problem::Variable);
    }
    Ok(Piece::Variable { key: context::canonical(key), otherwise })
}

/// The units of pieces without a variable.
fn units(pieces: &[Piece]) -> Option<Vec<Unit>> {
    let unit = |piece: &Piece| match piece {
        Piece::Unit(unit) => Some(*unit),
        Piece::Variable { .. } => None,
    };
    pieces.iter().map(unit).collect()
}

/// The units with each variable's value in its place; none when one has no value, or several.
fn expand(pieces: &[Piece], context: &Context) -> Option<Vec<Unit>> {
    let mut units = Vec::with_capacity(pieces.len() + 32);
    for piece in pieces {
        match piece {
            Piece::Unit(unit) => units.push(*unit),
            Piece::Variable { key, otherwise } => {
                let value = match context.canonical_values(key) {
                    [one] => one,
                    _ => otherwise.as_ref()?,
                };
                units.extend(value.chars().map(Unit::Char));
            }
        }
    }
    Some(units)
}

fn same_char(a: char, b: char, ignore_case: bool) -> bool {
    a == b || ignore_case && a.to_lowercase().eq(b.to_lowercase())
}

fn same_text(a: &str, b: &str, ignore_case: bool) -> bool {
    if !ignore_case {
        return a == b;
    }
    let (mut a, mut b) = (a.chars(), b.chars());
    loop {
        match (a.next(), b.next()) {
            (None, None) => return true,
            (Some(x), Some(y)) if same_char(x, y, true) => {}
            _ => return false,
        }
    }
}

fn prefix(wanted: &str, text: &str, ignore_case: bool) -> bool {
    if !ignore_case {
        return text.starts_with(wanted);
    }
    let mut chars = text.chars();
    wanted.chars().all(|w| chars.next().is_some_and(|c| same_char(w, c, true)))
}

/// Matches with one place to come back to: the last star and where it began. Takes units x characters steps at most.
fn glob(units: &[Unit], text: &str, ignore_case: bool) -> bool {
    let (mut unit, mut at) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        let next = text[at..].chars().next();
        match (units.get(unit), next) {
            (Some(Unit::Star), _) => {
                unit += 1;
                retry = Some((unit, at));
                continue;
            }
            (Some(Unit::One), Some(c)) => {
                (unit, at) = (unit + 1, at + c.len_utf8());
                continue;
            }
            (Some(Unit::Char(wanted)), Some(c)) if same_char(*wanted, c, ignore_case) => {
                (unit, at) = (unit + 1, at + c.len_utf8());
                continue;
            }
            (None, None) => return true,
            (Some(Unit::One | Unit::Char(_)) | None, _) => {}
        }
        let Some((after_star, began)) = retry else { return false };
        let Some(skipped) = text[began..].chars().next() else { return false };
        (unit, at) = (after_star, began + skipped.len_utf8());
        retry = Some((after_star, at));
    }
}

/// Matches part by part: six parts for `arn:` and `qcs:`, five for `acs:`, the last of which may hold colons.
fn by_part(units: &[Unit], text: &str, ignore_case: bool) -> bool {
    let parts = if text.starts_with("acs:") { 5 } else { 6 };
    let mut patterns = units.splitn(parts, |u| *u == Unit::Char(':'));
    let mut texts = text.splitn(parts, ':');
    for _ in 0..parts {
        match (patterns.next(), texts.next()) {
            (Some(pattern), Some(part)) if glob(pattern, part, ignore_case) => {}
            _ => return false,
        }
    }
    true
}
