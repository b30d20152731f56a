//! Texts as results: paths of files, or audio and other output as text.

use pyo3::prelude::*;
use pyo3::types::PyString;

/// The kind of a text.
pub(super) enum Text {
    Path,
    Output,
    Nothing,
}

impl Text {
    /// Minimum length of a text that may be base64.
    const MIN_BASE64: usize = 32;

    pub(super) fn of(text: &Bound<'_, PyString>) -> Self {
        let text = text.to_string_lossy();
        let (start, length) = (text.trim_start(), text.len());
        let scheme = start.split_once(':').map_or("", |(scheme, _)| scheme);
        let has_scheme = scheme.len() > 1
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte));
        if start.is_empty() {
            Self::Nothing
        } else if has_scheme && (scheme == "data" || start[scheme.len()..].starts_with("://")) {
            Self::Output
        } else if length > 4096 || std::path::Path::new(&*text).exists() {
            if length > 4096 { Self::Output } else { Self::Path }
        } else {
            let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_=\r\n".contains(&byte);
            let name = text.rsplit('/').next().unwrap_or_default();
            let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
            let has_extension = (1..=5).contains(&extension.len())
                && extension.bytes().all(|byte| byte.is_ascii_alphanumeric());
            if length >= Self::MIN_BASE64 && text.bytes().all(is_base64) {
                Self::Output
            } else if has_extension || text.contains('/') && !text.contains(char::is_whitespace) {
                Self::Path
            } else {
                Self::Output
            }
        }
    }
}
