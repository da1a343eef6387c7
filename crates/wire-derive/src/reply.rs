//! Expands `#[derive(Show)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::{Attribute, Data, DataEnum, DeriveInput, Field, Fields, Ident, LitStr};

use crate::case::{Case, inside, require_unit};

pub(crate) fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    let container = Container::read(&input.attrs)?;
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => {
                let members = fields.named.iter().map(|field| Member::read(field, &container));
                let members = members.collect::<syn::Result<Vec<_>>>()?;
                Ok(structure(input, &members))
            }
            Fields::Unit | Fields::Unnamed(_) => Err(needs_names(input)),
        },
        Data::Enum(data) => words(input, data, container.case.unwrap_or(Case::Unchanged)),
        Data::Union(_) => Err(needs_names(input)),
    }
}

fn needs_names(input: &DeriveInput) -> syn::Error {
    let message = "Show is derived for structures with named fields and enums without data";
    syn::Error::new_spanned(&input.ident, message)
}

/// What the attributes of the type say.
struct Container {
    case: Option<Case>,
    list: Option<String>,
}

impl Container {
    fn read(attrs: &[Attribute]) -> syn::Result<Self> {
        let (mut case, mut list) = (None, None);
        for attr in attrs.iter().filter(|attr| attr.path().is_ident("reply")) {
            attr.parse_nested_meta(|meta| {
                if meta.path.is_ident("rename") {
                    case = Some(Case::parse(&meta.value()?.parse()?)?);
                } else if meta.path.is_ident("list") {
                    list = Some(meta.value()?.parse::<LitStr>()?.value());
                } else {
                    return Err(meta.error("a type takes `rename` and `list` only"));
                }
                Ok(())
            })?;
        }
        Ok(Self { case, list })
    }
}

/// One field and what its attributes say.
struct Member<'a> {
    ident: &'a Ident,
    name: String,
    list: Option<String>,
    skip_empty: bool,
    flatten: bool,
}

impl<'a> Member<'a> {
    fn read(field: &'a Field, container: &Container) -> syn::Result<Self> {
        let ident = field.ident.as_ref();
        let ident = ident.ok_or_else(|| syn::Error::new_spanned(field, "a field needs a name"))?;
        let case = container.case.unwrap_or(Case::UpperCamel);
        let mut member = Member { ident, name: case.apply(ident), list: container.list.clone(), skip_empty: false, flatten: false };
        for attr in field.attrs.iter().filter(|attr| attr.path().is_ident("reply")) {
            attr.parse_nested_meta(|meta| member.read_key(&meta))?;
        }
        let bare = inside(&field.ty, "Option").unwrap_or(&field.ty);
        let is_list = inside(bare, "Vec").is_some();
        if is_list && member.list.is_none() && case != Case::Camel {
            return Err(syn::Error::new_spanned(
                &field.ty,
                "name the items with #[reply(list = \"Instance\")], or list = \"\" for a plain array: \
                 only EC2's lists (rename = \"camelCase\") are always of `item`",
            ));
        }
        Ok(member)
    }

    fn read_key(&mut self, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
        let key = meta.path.require_ident()?.to_string();
        match key.as_str() {
            "name" => self.name = meta.value()?.parse::<LitStr>()?.value(),
            "list" => self.list = Some(meta.value()?.parse::<LitStr>()?.value()),
            "skip_empty" => self.skip_empty = true,
            "flatten" => self.flatten = true,
            _ => return Err(meta.error("not a key of #[reply(...)]")),
        }
        Ok(())
    }

    /// The statement that shows this member to `__sink`.
    fn show(&self) -> TokenStream {
        let (ident, name) = (self.ident, &self.name);
        if self.flatten {
            return quote!(::wire::Show::show_members(&self.#ident, __sink););
        }
        let items = match self.list.as_deref().map(written) {
            Some(list) => quote!(::core::option::Option::Some(#list)),
            None => quote!(::core::option::Option::None),
        };
        let (name, left_out) = (written(name), self.left_out());
        quote! {
            if !#left_out {
                __sink.member(#name, #items, &self.#ident);
            }
        }
    }

    /// Whether this member does not appear, as an expression.
    fn left_out(&self) -> TokenStream {
        let ident = self.ident;
        if self.skip_empty || self.flatten {
            quote!(::wire::Show::is_empty(&self.#ident))
        } else {
            quote!(::wire::Show::is_null(&self.#ident))
        }
    }
}

/// A name with what formats write of it.
fn written(name: &str) -> TokenStream {
    let (open, close, quoted) = (format!("<{name}>"), format!("</{name}>"), format!(",\"{name}\":"));
    quote! {
        ::wire::Name {
            text: #name,
            written: ::core::option::Option::Some(::wire::Written { open: #open, close: #close, quoted: #quoted }),
        }
    }
}

fn structure(input: &DeriveInput, members: &[Member<'_>]) -> TokenStream {
    let ident = &input.ident;
    let (impl_generics, ty_generics, where_clause) = input.generics.split_for_impl();
    let shows = members.iter().map(Member::show);
    let left_out = members.iter().map(Member::left_out);
    quote! {
        #[automatically_derived]
        impl #impl_generics ::wire::Show for #ident #ty_generics #where_clause {
            fn show(&self, __sink: &mut dyn ::wire::Sink) {
                __sink.object(self);
            }

            fn show_members(&self, __sink: &mut dyn ::wire::Sink) {
                #(#shows)*
            }

            fn is_empty(&self) -> bool {
                true #(&& #left_out)*
            }
        }
    }
}

fn words(input: &DeriveInput, data: &DataEnum, case: Case) -> syn::Result<TokenStream> {
    let mut arms = Vec::new();
    for variant in &data.variants {
        require_unit(variant)?;
        let ident = &variant.ident;
        let mut word = case.apply(ident);
        for attr in variant.attrs.iter().filter(|attr| attr.path().is_ident("reply")) {
            attr.parse_nested_meta(|meta| {
                if meta.path.is_ident("name") {
                    word = meta.value()?.parse::<LitStr>()?.value();
                    Ok(())
                } else {
                    Err(meta.error("a variant takes `name` only"))
                }
            })?;
        }
        arms.push(quote!(Self::#ident => #word));
    }
    let ident = &input.ident;
    Ok(quote! {
        #[automatically_derived]
        impl ::wire::Show for #ident {
            fn show(&self, __sink: &mut dyn ::wire::Sink) {
                __sink.text(match self { #(#arms),* });
            }
        }
    })
}
