//! `#[soundpost::instrument]`: records every call of a function.

#![forbid(unsafe_code)]

mod arguments;
mod expand;

use proc_macro::TokenStream;

/// Records every call of a function or async function.
///
/// ```ignore
/// #[soundpost::instrument(operation = "synthesize", labels(emotion), fields(char_count = text.len()))]
/// async fn synthesize(text: &str, emotion: &str) -> Result<Wav, Error> { ... }
/// ```
///
/// | argument | means | default |
/// |---|---|---|
/// | `operation = "name"` | the operation | the function's name |
/// | `labels(a, b = expression)` | labels: a parameter, or an expression that is printed | none |
/// | `fields(a, b = expression)` | fields of the call, evaluated at its start | none |
///
/// A function that returns a `Result` ends its call by it: an error is `oom`, `poisoned`, `timeout` or
/// `error` by its text and its sources. A future dropped half way is `cancelled`. Inside of another
/// instrumented function the call is a stage of that one's. Before telemetry was started nothing is recorded.
#[proc_macro_attribute]
pub fn instrument(arguments: TokenStream, function: TokenStream) -> TokenStream {
    let expanded =
        syn::parse(arguments).and_then(|arguments| Ok(expand::expand(&arguments, syn::parse(function)?)));
    expanded.unwrap_or_else(|error: syn::Error| error.to_compile_error()).into()
}
