//! Arguments of the attribute.

use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Expr, Ident, LitStr, Token, parenthesized};

/// `operation = "...", labels(...), fields(...)`, each at most once.
#[derive(Default)]
pub(crate) struct Arguments {
    pub(crate) operation: Option<LitStr>,
    pub(crate) labels: Vec<Entry>,
    pub(crate) fields: Vec<Entry>,
}

/// `name`, or `name = expression`.
pub(crate) struct Entry {
    pub(crate) name: Ident,
    pub(crate) value: Expr,
}

impl Parse for Entry {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name: Ident = input.parse()?;
        if input.parse::<Option<Token![=]>>()?.is_some() {
            return Ok(Self { name, value: input.parse()? });
        }
        let value = syn::parse_quote!(#name);
        Ok(Self { name, value })
    }
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut arguments = Self::default();
        while !input.is_empty() {
            let name: Ident = input.parse()?;
            match name.to_string().as_str() {
                "operation" => {
                    input.parse::<Token![=]>()?;
                    if arguments.operation.replace(input.parse()?).is_some() {
                        return Err(syn::Error::new(name.span(), "`operation` is given twice"));
                    }
                }
                "labels" => arguments.labels.extend(entries(input)?),
                "fields" => arguments.fields.extend(entries(input)?),
                _ => {
                    let message =
                        "unknown argument; there are `operation = \"...\"`, `labels(...)`, `fields(...)`";
                    return Err(syn::Error::new(name.span(), message));
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(arguments)
    }
}

fn entries(input: ParseStream<'_>) -> syn::Result<Punctuated<Entry, Token![,]>> {
    let inner;
    parenthesized!(inner in input);
    inner.parse_terminated(Entry::parse, Token![,])
}
