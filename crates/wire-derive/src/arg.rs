//! Expands `#[derive(FromArg)]`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::meta::ParseNestedMeta;
use syn::{Attribute, Data, DataEnum, DeriveInput, Expr, ExprRange, Field, Fields, Ident, LitStr, RangeLimits, Token};

use crate::case::{Case, inside, require_unit};

pub(crate) fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    let case = container_case(&input.attrs)?;
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => {
                let case = case.unwrap_or(Case::UpperCamel);
                let members = fields.named.iter().map(|field| Member::read(field, case));
                let members = members.collect::<syn::Result<Vec<_>>>()?;
                Ok(structure(input, &members))
            }
            Fields::Unit | Fields::Unnamed(_) => Err(needs_names(input)),
        },
        Data::Enum(data) => words(input, data, case.unwrap_or(Case::Unchanged)),
        Data::Union(_) => Err(needs_names(input)),
    }
}

fn needs_names(input: &DeriveInput) -> syn::Error {
    let message = "FromArg is derived for structures with named fields and enums without data";
    syn::Error::new_spanned(&input.ident, message)
}

fn container_case(attrs: &[Attribute]) -> syn::Result<Option<Case>> {
    let mut case = None;
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("arg")) {
        attr.parse_nested_meta(|meta| {
            if meta.path.is_ident("rename") {
                case = Some(Case::parse(&meta.value()?.parse()?)?);
                Ok(())
            } else {
                Err(meta.error("a type takes `rename` only"))
            }
        })?;
    }
    Ok(case)
}

/// What becomes of an absent parameter.
enum Absent {
    AsTheTypeSays,
    Value(TokenStream),
}

/// One field and what its attributes say.
struct Member<'a> {
    field: &'a Field,
    ident: &'a Ident,
    name: String,
    aliases: Vec<String>,
    absent: Absent,
    range: Option<ExprRange>,
    min_len: Option<Expr>,
    max_len: Option<Expr>,
    max_items: Option<Expr>,
    with: Option<Expr>,
    flatten: bool,
}

impl<'a> Member<'a> {
    fn read(field: &'a Field, case: Case) -> syn::Result<Self> {
        let ident = field.ident.as_ref();
        let ident = ident.ok_or_else(|| syn::Error::new_spanned(field, "a field needs a name"))?;
        let mut member = Member {
            field,
            ident,
            name: case.apply(ident),
            aliases: Vec::new(),
            absent: Absent::AsTheTypeSays,
            range: None,
            min_len: None,
            max_len: None,
            max_items: None,
            with: None,
            flatten: false,
        };
        for attr in field.attrs.iter().filter(|attr| attr.path().is_ident("arg")) {
            attr.parse_nested_meta(|meta| member.read_key(&meta))?;
        }
        Ok(member)
    }

    fn read_key(&mut self, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
        let key = meta.path.require_ident()?.to_string();
        match key.as_str() {
            "name" => self.name = meta.value()?.parse::<LitStr>()?.value(),
            "alias" => self.aliases.push(meta.value()?.parse::<LitStr>()?.value()),
            "default" if meta.input.peek(Token![=]) => {
                let value: Expr = meta.value()?.parse()?;
                self.absent = Absent::Value(quote!(#value));
            }
            "default" => {
                self.absent = Absent::Value(quote!(::core::default::Default::default()));
            }
            "range" => self.range = Some(meta.value()?.parse()?),
            "min_len" => self.min_len = Some(meta.value()?.parse()?),
            "max_len" => self.max_len = Some(meta.value()?.parse()?),
            "max_items" => self.max_items = Some(meta.value()?.parse()?),
            "with" => self.with = Some(meta.value()?.parse()?),
            "flatten" => self.flatten = true,
            _ => return Err(meta.error("not a key of #[arg(...)]")),
        }
        Ok(())
    }

    /// `let __field = ...;` with its checks.
    fn decode(&self) -> TokenStream {
        let variable = self.variable();
        let ty = &self.field.ty;
        let value = if self.flatten {
            quote!(<#ty as ::wire::FromArg>::from_arg(__node, __path)?)
        } else if let Some(with) = &self.with {
            self.decode_with(with)
        } else {
            let names = self.names();
            match &self.absent {
                Absent::AsTheTypeSays => quote!(__branch.field::<#ty>(#names, __path)?),
                Absent::Value(value) => {
                    quote!(__branch.field_or::<#ty>(#names, __path, || #value)?)
                }
            }
        };
        let checks = self.checks();
        quote! {
            let #variable: #ty = #value;
            #checks
        }
    }

    /// Decodes with the author's function, inside of `Option` and `Vec`.
    fn decode_with(&self, with: &Expr) -> TokenStream {
        let (names, name) = (self.names(), &self.name);
        let ty = &self.field.ty;
        let (present, absent) = if inside(ty, "Option").is_some() {
            let some = quote!(::core::option::Option::Some((#with)(__member, __at)?));
            let none = quote!(::core::option::Option::None);
            (quote!(if __member.is_empty_text() { #none } else { #some }), none)
        } else if inside(ty, "Vec").is_some() {
            let each = quote! {
                __member
                    .list(__at)?
                    .into_iter()
                    .map(|(__index, __item)| (#with)(__item, &__at.index(__index)))
                    .collect::<::core::result::Result<_, ::wire::ArgsError>>()?
            };
            (each, quote!(::std::vec::Vec::new()))
        } else {
            let missing = quote! {
                return ::core::result::Result::Err(
                    ::wire::ArgsError::new(__at, ::wire::ArgsErrorKind::Missing),
                )
            };
            (quote!((#with)(__member, __at)?), missing)
        };
        let absent = match &self.absent {
            Absent::AsTheTypeSays => absent,
            Absent::Value(value) => value.clone(),
        };
        quote! {{
            let __at = &__path.name(#name);
            match __branch.first_of(#names) {
                ::core::option::Option::Some(__member) => #present,
                ::core::option::Option::None => #absent,
            }
        }}
    }

    fn checks(&self) -> TokenStream {
        let (variable, name) = (self.variable(), &self.name);
        let at = quote!(&__path.name(#name));
        let range = self.range.as_ref().map(|range| {
            let (min, max) = range_bounds(range);
            quote!(::wire::InRange::check_range(&#variable, #min, #max, #at)?;)
        });
        let length = (self.min_len.is_some() || self.max_len.is_some()).then(|| {
            let min = self.min_len.as_ref().map_or(quote!(0), |min| quote!(#min));
            let max = self.max_len.as_ref().map_or(quote!(usize::MAX), |max| quote!(#max));
            quote!(::wire::HasLength::check_length(&#variable, #min, #max, #at)?;)
        });
        let items = self.max_items.as_ref().map(|max| quote!(::wire::HasItems::check_items(&#variable, #max, #at)?;));
        quote!(#range #length #items)
    }

    /// The entry of `PARAMETERS`.
    fn parameter(&self) -> TokenStream {
        let (name, aliases) = (&self.name, &self.aliases);
        let name = if self.flatten { "" } else { name.as_str() };
        let ty = &self.field.ty;
        let (required, shape, members) = if self.with.is_some() {
            let is_list = inside(ty, "Vec").is_some();
            let shape = if is_list { quote!(List) } else { quote!(Text) };
            let required = !is_list && inside(ty, "Option").is_none();
            (quote!(#required), quote!(::wire::Shape::#shape), quote!(&[]))
        } else {
            (
                quote!(<#ty as ::wire::FromArg>::REQUIRED),
                quote!(<#ty as ::wire::FromArg>::SHAPE),
                quote!(<#ty as ::wire::FromArg>::PARAMETERS),
            )
        };
        let required = match &self.absent {
            Absent::AsTheTypeSays => required,
            Absent::Value(_) => quote!(false),
        };
        quote! {
            ::wire::Parameter {
                name: #name,
                aliases: &[#(#aliases),*],
                required: #required,
                shape: #shape,
                members: #members,
            }
        }
    }

    fn names(&self) -> TokenStream {
        let (name, aliases) = (&self.name, &self.aliases);
        quote!(&[#name #(, #aliases)*])
    }

    fn variable(&self) -> Ident {
        format_ident!("__field_{}", self.ident.to_string().trim_start_matches("r#"))
    }
}

/// The smallest and largest number of a range, as expressions of `i128`.
fn range_bounds(range: &ExprRange) -> (TokenStream, TokenStream) {
    let min = match &range.start {
        Some(start) => quote!((#start) as i128),
        None => quote!(i128::MIN),
    };
    let max = match (&range.end, &range.limits) {
        (Some(end), RangeLimits::Closed(_)) => quote!((#end) as i128),
        (Some(end), RangeLimits::HalfOpen(_)) => quote!((#end) as i128 - 1),
        (None, _) => quote!(i128::MAX),
    };
    (min, max)
}

fn structure(input: &DeriveInput, members: &[Member<'_>]) -> TokenStream {
    let ident = &input.ident;
    let (impl_generics, ty_generics, where_clause) = input.generics.split_for_impl();
    let parameters = members.iter().map(Member::parameter);
    let decodes = members.iter().map(Member::decode);
    let fields = members.iter().map(|member| {
        let (field, variable) = (member.ident, member.variable());
        quote!(#field: #variable)
    });
    quote! {
        #[automatically_derived]
        impl #impl_generics ::wire::FromArg for #ident #ty_generics #where_clause {
            const SHAPE: ::wire::Shape = ::wire::Shape::Structure;
            const PARAMETERS: &'static [::wire::Parameter] = &[#(#parameters),*];

            fn from_arg(
                __node: &::wire::Node,
                __path: &::wire::Path<'_>,
            ) -> ::core::result::Result<Self, ::wire::ArgsError> {
                #[allow(unused_variables)]
                let __branch = __node.branch(__path)?;
                #(#decodes)*
                ::core::result::Result::Ok(Self { #(#fields),* })
            }
        }
    }
}

fn words(input: &DeriveInput, data: &DataEnum, case: Case) -> syn::Result<TokenStream> {
    let (mut arms, mut allowed) = (Vec::new(), Vec::new());
    for variant in &data.variants {
        require_unit(variant)?;
        let ident = &variant.ident;
        let mut word = case.apply(ident);
        let mut aliases = Vec::new();
        for attr in variant.attrs.iter().filter(|attr| attr.path().is_ident("arg")) {
            attr.parse_nested_meta(|meta| {
                let text = || meta.value()?.parse::<LitStr>().map(|text| text.value());
                if meta.path.is_ident("name") {
                    word = text()?;
                } else if meta.path.is_ident("alias") {
                    aliases.push(text()?);
                } else {
                    return Err(meta.error("a variant takes `name` and `alias` only"));
                }
                Ok(())
            })?;
        }
        arms.push(quote!(#word #(| #aliases)* => ::core::result::Result::Ok(Self::#ident)));
        allowed.push(word);
    }
    let ident = &input.ident;
    Ok(quote! {
        #[automatically_derived]
        impl ::wire::FromArg for #ident {
            const SHAPE: ::wire::Shape = ::wire::Shape::Word(&[#(#allowed),*]);

            fn from_arg(
                __node: &::wire::Node,
                __path: &::wire::Path<'_>,
            ) -> ::core::result::Result<Self, ::wire::ArgsError> {
                match __node.value(__path)? {
                    #(#arms,)*
                    __other => ::core::result::Result::Err(::wire::ArgsError::with_value(
                        __path,
                        ::wire::ArgsErrorKind::NotOneOf { allowed: &[#(#allowed),*] },
                        __other,
                    )),
                }
            }
        }
    })
}
