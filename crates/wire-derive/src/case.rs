//! How the vendors' names are made of Rust's, and the few things that both derives ask of types.

use syn::{Fields, GenericArgument, Ident, LitStr, PathArguments, Type, Variant};

/// One way of writing a name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    /// As in Rust.
    Unchanged,
    UpperCamel,
    Camel,
    Kebab,
    Snake,
    Lower,
    UpperSnake,
}

impl Case {
    pub(crate) fn parse(text: &LitStr) -> syn::Result<Self> {
        match text.value().as_str() {
            "UpperCamelCase" => Ok(Case::UpperCamel),
            "camelCase" => Ok(Case::Camel),
            "kebab-case" => Ok(Case::Kebab),
            "snake_case" => Ok(Case::Snake),
            "lowercase" => Ok(Case::Lower),
            "UPPER_SNAKE_CASE" => Ok(Case::UpperSnake),
            _ => Err(syn::Error::new(text.span(), "one of UpperCamelCase, camelCase, kebab-case, snake_case, lowercase, UPPER_SNAKE_CASE")),
        }
    }

    /// Writes a Rust name this way.
    pub(crate) fn apply(self, ident: &Ident) -> String {
        let text = ident.to_string();
        let text = text.trim_start_matches("r#");
        let words = words(text);
        match self {
            Case::Unchanged => text.to_owned(),
            Case::UpperCamel => words.iter().map(|word| capitalised(word)).collect(),
            Case::Camel => {
                let camel = words.iter().enumerate();
                camel.map(|(at, word)| if at == 0 { word.clone() } else { capitalised(word) }).collect()
            }
            Case::Kebab => words.join("-"),
            Case::Snake => words.join("_"),
            Case::Lower => words.concat(),
            Case::UpperSnake => words.join("_").to_uppercase(),
        }
    }
}

/// The lower-case words of a snake-case or camel-case name.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut starts_word = true;
    for character in text.chars() {
        if character == '_' {
            starts_word = true;
            continue;
        }
        if starts_word || character.is_uppercase() {
            words.push(String::new());
        }
        starts_word = false;
        if let Some(word) = words.last_mut() {
            word.extend(character.to_lowercase());
        }
    }
    words
}

fn capitalised(word: &str) -> String {
    let mut characters = word.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}

/// The `T` of a type written as `Wrapper<T>`.
pub(crate) fn inside<'a>(ty: &'a Type, wrapper: &str) -> Option<&'a Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    match arguments.args.first()? {
        GenericArgument::Type(inner) if last.ident == wrapper => Some(inner),
        _ => None,
    }
}

/// Refuses a variant that holds data.
pub(crate) fn require_unit(variant: &Variant) -> syn::Result<()> {
    match variant.fields {
        Fields::Unit => Ok(()),
        Fields::Named(_) | Fields::Unnamed(_) => Err(syn::Error::new_spanned(variant, "a word of the wire holds no data")),
    }
}
