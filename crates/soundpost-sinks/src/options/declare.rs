//! Declaration of options: each is written once, and is a method in Rust, an option in URLs and bindings, and a row in
//! the guide.

/// An option of the sink `S` by name and text.
pub struct OptionSpec<S> {
    pub(crate) row: OptionRow,
    /// Reads the text and sets the option. The error completes `name: `.
    pub(crate) set: fn(&mut S, &str) -> Result<(), &'static str>,
}

/// An option as documentation and bindings show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionRow {
    /// Name, the same in URLs, Rust and Python.
    pub name: &'static str,
    /// Type of the argument in Python.
    pub python: &'static str,
    /// Default, as text.
    pub default: &'static str,
    /// Description, in Markdown.
    pub help: &'static str,
}

/// Declares options of a sink: `/// Help.`, then `name(argument): value type, "default" => how it is set;`.
macro_rules! options {
    ($sink:ty as $table:ident {
        $($(#[doc = $doc:expr])+ $name:ident($argument:ty): $value:ty, $default:expr => $set:expr;)*
    }) => {
        impl $sink {
            $(
                $(#[doc = $doc])+
                #[doc = ""]
                #[doc = concat!("Default: ", $default, ".")]
                pub fn $name(mut self, $name: $argument) -> Self {
                    let (set, value): (fn(&mut Self, $value), $value) = ($set, $name.into());
                    self.common.declare(stringify!($name), $crate::options::value::OptionValue::write(&value));
                    set(&mut self, value);
                    self
                }
            )*

            /// Options by name and text.
            pub(crate) const $table: &'static [$crate::options::declare::OptionSpec<Self>] = &[
                $($crate::options::declare::OptionSpec {
                    row: $crate::options::declare::OptionRow {
                        name: stringify!($name),
                        python: <$value as $crate::options::value::OptionValue>::PYTHON,
                        default: $default,
                        help: concat!($($doc),+),
                    },
                    set: |sink, text| {
                        let set: fn(&mut Self, $value) = $set;
                        let value = <$value as $crate::options::value::OptionValue>::read(text)?;
                        sink.common.declare(stringify!($name), $crate::options::value::OptionValue::write(&value));
                        set(sink, value);
                        Ok(())
                    },
                }),*
            ];
        }
    };
}

pub(crate) use options;
