//! Expands `#[derive(IntoDoc)]`.

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
    let message = "IntoDoc is derived for structures with named fields and enums without data";
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

    /// The statements that add this member to `__members`.
    fn encode(&self) -> TokenStream {
        let (ident, name) = (self.ident, &self.name);
        let doc = quote!(::wire::IntoDoc::into_doc(self.#ident));
        if self.flatten {
            return quote!(__members.extend(#doc.into_members()););
        }
        let named = self.list.as_ref().map(|list| quote!(.named_items(#list)));
        let skip = if self.skip_empty { quote!(__doc.is_empty()) } else { quote!(::core::matches!(__doc, ::wire::Doc::Null)) };
        quote! {
            let __doc = #doc #named;
            if !#skip {
                __members.push((#name, __doc));
            }
        }
    }
}

fn structure(input: &DeriveInput, members: &[Member<'_>]) -> TokenStream {
    let ident = &input.ident;
    let (impl_generics, ty_generics, where_clause) = input.generics.split_for_impl();
    let count = members.len();
    let encodes = members.iter().map(Member::encode);
    quote! {
        #[automatically_derived]
        impl #impl_generics ::wire::IntoDoc for #ident #ty_generics #where_clause {
            fn into_doc(self) -> ::wire::Doc {
                #[allow(unused_mut)]
                let mut __members = ::std::vec::Vec::with_capacity(#count);
                #(#encodes)*
                ::wire::Doc::Object(__members)
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
        impl ::wire::IntoDoc for #ident {
            fn into_doc(self) -> ::wire::Doc {
                ::wire::Doc::text(match self { #(#arms),* })
            }
        }
    })
}
