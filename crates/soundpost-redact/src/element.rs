//! Values in elements of XML: `<password>...</password>`, `<entry key="password">...`, `<key>password</key><string>...`.

use crate::cursor::{Cursor, Match};
use crate::harmless::{Style, is_harmless};
use crate::name::{Class, class};
use crate::rule::Rule;

/// Maximum bytes of a tag that are examined.
const TAG_BYTES: usize = 192;
/// Attributes that name the value of an element.
const ATTRIBUTES: [&str; 3] = ["name=", "key=", "property="];
/// Elements of forms, whose text is a label.
const FORM: [&str; 6] = ["input", "label", "button", "select", "option", "textarea"];
/// Begin of a text without escapes.
const CDATA: &str = "<![CDATA[";

/// Returns the text of the element whose `>` is at the cursor, or of the next one if this one names it.
#[cold]
pub(crate) fn find(cursor: &Cursor<'_>) -> Option<Match> {
    let bytes = cursor.bytes;
    if matches!(cursor.before(1), b'-' | b'=' | b' ' | b'/') {
        return None;
    }
    let from = cursor.at.saturating_sub(TAG_BYTES);
    let open = from + bytes[from..cursor.at].iter().rposition(|byte| *byte == b'<')?;
    let tag = String::from_utf8_lossy(&bytes[open + 1..cursor.at]);
    let tag_name = tag.split(|letter: char| letter.is_ascii_whitespace()).next().unwrap_or_default();
    let closing = tag_name.strip_prefix('/').filter(|name| matches!(*name, "key" | "name" | "Key" | "Name"));
    let name = match closing {
        Some(_) => cursor.name_before(open).into_owned(),
        None => named(&tag, tag_name)?.to_owned(),
    };
    if class(&name) != Class::Secret {
        return None;
    }
    let start = cursor.run(cursor.at + 1, |byte| byte.is_ascii_whitespace());
    let inner = bytes[start..].starts_with(b"<") && !matches!(bytes.get(start + 1), Some(b'/' | b'!'));
    let start = if inner { cursor.run(start, |byte| byte != b'>' && byte != b'\n') + 1 } else { start };
    if closing.is_some() && !inner || start > bytes.len() {
        return None;
    }
    let text = start + if bytes[start..].starts_with(CDATA.as_bytes()) { CDATA.len() } else { 0 };
    let end = cursor.run(text, |byte| byte != b'<' && byte != b'\n' && (byte != b']' || text == start));
    let value = String::from_utf8_lossy(&bytes[text..end]);
    let rest = &bytes[end..];
    let closed = rest.starts_with(b"</") || rest.starts_with(b"]]>") || rest.is_empty() && !cursor.text.whole;
    (closed && !is_harmless(&name, &value, Style::Quoted)).then_some(Match {
        start: text,
        end,
        rule: Rule::Key,
    })
}

/// Returns the name of the value in an element: that of an attribute, or of the element.
fn named<'a>(tag: &'a str, tag_name: &'a str) -> Option<&'a str> {
    let local = tag_name.rsplit(':').next().unwrap_or_default();
    if class(local) == Class::Secret {
        return Some(local);
    }
    if FORM.contains(&local) {
        return None;
    }
    let (_, value) = ATTRIBUTES.iter().find_map(|attribute| tag.split_once(attribute))?;
    value.trim_start_matches(['"', '\'', '\\']).split(['"', '\'', '\\']).next()
}
