//! Nouns, units, ids, rules, state machines and errors of Pileus; pure.
