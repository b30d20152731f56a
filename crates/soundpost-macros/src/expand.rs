//! Expansion of the attribute: the function around its own body.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{ItemFn, ReturnType, Type};

use crate::arguments::Arguments;

pub(crate) fn expand(arguments: &Arguments, function: ItemFn) -> TokenStream {
    let ItemFn { attrs, vis, sig, block } = function;
    let operation = arguments.operation.as_ref().map_or_else(|| sig.ident.to_string(), syn::LitStr::value);
    let label_names = arguments.labels.iter().map(|label| label.name.to_string());
    let label_values = arguments.labels.iter().map(|label| &label.value);
    let field_names = arguments.fields.iter().map(|field| field.name.to_string());
    let field_values = arguments.fields.iter().map(|field| &field.value);
    let conclude = if returns_result(&sig.output) {
        quote!(match output {
            ::core::result::Result::Ok(_) => call.finish(),
            ::core::result::Result::Err(error) => {
                #[allow(unused_imports)]
                use ::soundpost::binding::{AsError as _, AsText as _};
                (&&::soundpost::binding::Failure(error)).fail(call)
            }
        })
    } else {
        quote!({
            let _ = output;
            call.finish();
        })
    };
    let conclude = quote!(|call: &::soundpost::Call, output| #conclude);
    let output = match &sig.output {
        ReturnType::Default => quote!(()),
        // A closure cannot return `impl Trait`; then the compiler infers the type.
        ReturnType::Type(_, output) if matches!(**output, Type::ImplTrait(_)) => quote!(_),
        ReturnType::Type(_, output) => quote!(#output),
    };
    let run = if sig.asyncness.is_some() {
        quote!(__soundpost.run_async(async move { let output: #output = #block; output }, #conclude).await)
    } else {
        quote!(__soundpost.run(move || -> #output { #block }, #conclude))
    };
    quote! {
        #(#attrs)* #vis #sig {
            static SITE: ::soundpost::binding::Site =
                ::soundpost::binding::Site::new(#operation, &[#(#label_names),*]);
            let __soundpost = SITE.begin(|| [#(::std::string::ToString::to_string(&#label_values)),*]);
            #(__soundpost.field(#field_names, #field_values);)*
            #run
        }
    }
}

/// Reports whether the return type is written as a `Result`.
fn returns_result(output: &ReturnType) -> bool {
    let ReturnType::Type(_, output) = output else { return false };
    let Type::Path(path) = &**output else { return false };
    path.path.segments.last().is_some_and(|segment| segment.ident == "Result")
}
