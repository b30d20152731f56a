//! A strict reader of both formats: it accepts what their grammars allow and nothing more, and fails
//! on anything that is out of place, so that an injected line cannot go unseen.

use super::{Exemplar, Exposed, Format, Number, Sample};

pub(crate) fn read(text: &str, format: Format) -> Result<Exposed, String> {
    let body = match format {
        Format::Text => text,
        Format::OpenMetrics => text.strip_suffix("# EOF\n").ok_or("no # EOF at the end")?,
    };
    if !body.is_empty() && !body.ends_with('\n') {
        return Err("the last line does not end".to_owned());
    }
    let mut families = Exposed::new();
    let mut current = String::new();
    for line in body.split_terminator('\n') {
        read_line(line, format, &mut families, &mut current)
            .map_err(|error| format!("{error} in {line:?}"))?;
    }
    Ok(families)
}

fn read_line(line: &str, format: Format, families: &mut Exposed, current: &mut String) -> Result<(), String> {
    let Some(comment) = line.strip_prefix("# ") else {
        let sample = Cursor(line).sample(format)?;
        let family = families.get_mut(current).ok_or("a sample before its family")?;
        let suffix = sample.name.strip_prefix(current.as_str()).ok_or("a sample of another family")?;
        let allowed: &[&str] = match (family.kind.as_str(), format) {
            ("counter", Format::OpenMetrics) => &["_total"],
            ("info", _) => &["_info"],
            ("histogram", _) => &["_bucket", "_sum", "_count"],
            ("summary", _) => &["_sum", "_count"],
            _ => &[""],
        };
        if !allowed.contains(&suffix) {
            return Err(format!("suffix {suffix:?} in a {}", family.kind));
        }
        family.samples.push(sample);
        return Ok(());
    };
    let (keyword, rest) = comment.split_once(' ').ok_or("a comment without a name")?;
    let (name, rest) = rest.split_once(' ').ok_or("a comment without a text")?;
    if Cursor(name).name()? != name {
        return Err(format!("{name:?} is no name"));
    }
    if name != current {
        if families.contains_key(name) {
            return Err("a family that is not contiguous".to_owned());
        }
        families.insert(name.to_owned(), Default::default());
        name.clone_into(current);
    }
    let family = families.get_mut(name).ok_or("no family")?;
    if !family.samples.is_empty() {
        return Err("a comment after samples".to_owned());
    }
    let (field, value) = match keyword {
        "HELP" => (&mut family.help, unescape(rest, format == Format::OpenMetrics)?),
        "TYPE" => (&mut family.kind, rest.to_owned()),
        "UNIT" if format == Format::OpenMetrics => (&mut family.unit, rest.to_owned()),
        _ => return Err(format!("keyword {keyword:?}")),
    };
    if !field.is_empty() {
        return Err(format!("a second {keyword}"));
    }
    *field = value;
    Ok(())
}

fn unescape(text: &str, quoted: bool) -> Result<String, String> {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('\\') => out.push('\\'),
                Some('n') => out.push('\n'),
                Some('"') if quoted => out.push('"'),
                other => return Err(format!("escape {other:?}")),
            },
            '"' if quoted => return Err("a bare quote".to_owned()),
            c => out.push(c),
        }
    }
    Ok(out)
}

/// Rest of a line.
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn sample(&mut self, format: Format) -> Result<Sample, String> {
        let name = self.name()?.to_owned();
        let labels = if self.0.starts_with('{') { self.labels()? } else { Vec::new() };
        self.take(" ")?;
        let value = self.number()?;
        let mut exemplar = None;
        if format == Format::OpenMetrics && self.0.starts_with(" # ") {
            self.take(" # ")?;
            let labels = self.labels()?;
            self.take(" ")?;
            let value = self.number()?;
            let timestamp = if self.0.is_empty() {
                None
            } else {
                self.take(" ")?;
                Some(self.number()?)
            };
            exemplar = Some(Exemplar { labels, value, timestamp });
        }
        if self.0.is_empty() {
            Ok(Sample { name, labels, value, exemplar })
        } else {
            Err("more text".to_owned())
        }
    }

    fn take(&mut self, text: &str) -> Result<(), String> {
        self.0 = self.0.strip_prefix(text).ok_or_else(|| format!("no {text:?} before {:?}", self.0))?;
        Ok(())
    }

    fn name(&mut self) -> Result<&'a str, String> {
        let end =
            self.0.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':').unwrap_or(self.0.len());
        let (name, rest) = self.0.split_at(end);
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err("no name".to_owned());
        }
        self.0 = rest;
        Ok(name)
    }

    fn labels(&mut self) -> Result<Vec<(String, String)>, String> {
        let mut labels = Vec::new();
        self.take("{")?;
        loop {
            let name = self.name()?.to_owned();
            self.take("=\"")?;
            let mut escaped = false;
            let end = self.0.find(|c| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            let (value, rest) = self.0.split_at(end.ok_or("an open quote")?);
            self.0 = rest;
            self.take("\"")?;
            labels.push((name, unescape(value, true)?));
            if self.0.starts_with('}') {
                self.take("}")?;
                break;
            }
            self.take(",")?;
        }
        // A bound is compared as a number.
        for (name, value) in &mut labels {
            if name == "le" {
                *value = value.parse::<f64>().map_err(|error| error.to_string())?.to_string();
            }
        }
        Ok(labels)
    }

    fn number(&mut self) -> Result<Number, String> {
        let end = self.0.find(' ').unwrap_or(self.0.len());
        let (number, rest) = self.0.split_at(end);
        self.0 = rest;
        let plain = number.bytes().all(|b| b.is_ascii_digit() || b"+-.e".contains(&b));
        if !plain && !["NaN", "+Inf", "-Inf"].contains(&number) {
            return Err(format!("number {number:?}"));
        }
        number.parse::<f64>().map_err(|error| error.to_string())?;
        Ok(Number::Written(number.to_owned()))
    }
}
