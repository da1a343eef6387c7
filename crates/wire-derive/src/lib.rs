//! Derives for the request and reply types of the dialects.
//!
//! `FromArg` turns a structure into its own decoder, `Show` into its own encoder. Both know only
//! names and shapes: no vendor, no action, no format. The generated code names the crate `wire`.
//!
//! On a field of a `FromArg` structure, `#[arg(...)]` takes
//!
//! | key | meaning |
//! |---|---|
//! | `name = "X"` | the vendor's name, where it is not the field's in `UpperCamelCase` |
//! | `alias = "Y"` | a further name; may be repeated |
//! | `default`, `default = expr` | the value when absent; else absence is what the type says |
//! | `range = 1..=100` | smallest and largest number |
//! | `min_len = 2`, `max_len = 128` | length of a text, in characters |
//! | `max_items = 100` | length of a list |
//! | `with = function` | decodes with `fn(&Node, &Path) -> Result<T, ArgsError>`, inside `Option` and `Vec` too |
//! | `flatten` | the structure's members lie beside the other fields |
//!
//! On a field of a `Show` structure, `#[reply(...)]` takes `name = "x"`, `list = "item"` (the name of
//! a list's items; empty for a plain array), `skip_empty` (leave out when empty) and `flatten`.
//!
//! On the type itself, `rename = "camelCase"` (or `UpperCamelCase`, the default for structures,
//! `kebab-case`, `snake_case`, `lowercase`, `UPPER_SNAKE_CASE`) says how names are made, and `list = "..."`
//! names the items of all its lists. Enums without data decode from and encode to words; a variant's
//! name is taken as written unless `rename` or `name` says otherwise.

mod arg;
mod case;
mod reply;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Derives `wire::FromArg`; see the crate's page for the attributes.
#[proc_macro_derive(FromArg, attributes(arg))]
pub fn derive_from_arg(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    arg::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Derives `wire::Show`; see the crate's page for the attributes.
#[proc_macro_derive(Show, attributes(reply))]
pub fn derive_show(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    reply::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
