//! Values of fields.

/// Maximum length of a text before redaction, bytes; the recorded limit is lower.
const TEXT: usize = 16_384;

/// Value of a field: data of one call or event that is never a label.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldValue {
    /// Text.
    Text(String),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A truth value.
    Bool(bool),
}

macro_rules! field_value {
    ($($given:ty => $variant:ident by $make:expr),* $(,)?) => {
        $(impl From<$given> for FieldValue {
            fn from(value: $given) -> Self {
                let make: fn($given) -> _ = $make;
                Self::$variant(make(value))
            }
        })*
    };
}

field_value! {
    &str => Text by |text| text[..text.floor_char_boundary(TEXT)].to_owned(),
    String => Text by |mut text| { text.truncate(text.floor_char_boundary(TEXT)); text },
    i32 => Int by i64::from,
    i64 => Int by |value| value,
    u32 => Int by i64::from,
    u64 => Int by |value| i64::try_from(value).unwrap_or(i64::MAX),
    usize => Int by |value| i64::try_from(value).unwrap_or(i64::MAX),
    f32 => Float by f64::from,
    f64 => Float by |value| value,
    bool => Bool by |value| value,
}

impl FieldValue {
    /// Returns the borrowed value.
    #[inline]
    pub fn as_ref(&self) -> FieldRef<'_> {
        match self {
            Self::Text(text) => FieldRef::Text(text),
            Self::Int(number) => FieldRef::Int(*number),
            Self::Float(number) => FieldRef::Float(*number),
            Self::Bool(truth) => FieldRef::Bool(*truth),
        }
    }
}

/// A borrowed [`FieldValue`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FieldRef<'a> {
    /// Text.
    Text(&'a str),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A truth value.
    Bool(bool),
}
