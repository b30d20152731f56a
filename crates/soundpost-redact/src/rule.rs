//! Rules: the reason for a redaction, and the mark in its place.

/// Reason for a redaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Value of a secret name such as `password`: a field, or `password=...` in a text.
    Key,
    /// Text to synthesise.
    Text,
    /// Credentials behind `Bearer` or `Basic`.
    Authorization,
    /// Key with the prefix of its issuer, such as `ghp_` or `AKIA`.
    ApiKey,
    /// JSON web token.
    Jwt,
    /// Private key in PEM.
    PrivateKey,
    /// User and password of a URL, or the secret path of a webhook.
    Url,
    /// E-mail address.
    Email,
    /// Resident id of mainland China.
    ResidentId,
    /// Mobile number of mainland China, or another telephone number.
    Mobile,
    /// Number of a payment card.
    Card,
    /// Number of a bank account.
    Iban,
    /// Custom pattern of the service.
    Own,
}

/// Name and mark of each rule.
const NAMES_AND_MARKS: [(&str, &str); Rule::ALL.len()] = [
    ("key", "[REDACTED:key]"),
    ("text", "[REDACTED:text]"),
    ("authorization", "[REDACTED:authorization]"),
    ("api_key", "[REDACTED:api_key]"),
    ("jwt", "[REDACTED:jwt]"),
    ("private_key", "[REDACTED:private_key]"),
    ("url", "[REDACTED:url]"),
    ("email", "[REDACTED:email]"),
    ("resident_id", "[REDACTED:resident_id]"),
    ("mobile", "[REDACTED:mobile]"),
    ("card", "[REDACTED:card]"),
    ("iban", "[REDACTED:iban]"),
    ("own", "[REDACTED:own]"),
];

impl Rule {
    /// All rules, in the order of their declaration.
    #[rustfmt::skip]
    pub const ALL: [Self; 13] = [
        Self::Key, Self::Text, Self::Authorization, Self::ApiKey, Self::Jwt, Self::PrivateKey, Self::Url, Self::Email,
        Self::ResidentId, Self::Mobile, Self::Card, Self::Iban, Self::Own,
    ];

    /// Returns the value of the label `rule` of `soundpost_redactions_total`.
    pub fn name(self) -> &'static str {
        NAMES_AND_MARKS[self as usize].0
    }

    /// Returns the mark in the place of a match. A text to synthesise becomes its length instead.
    pub fn mark(self) -> &'static str {
        NAMES_AND_MARKS[self as usize].1
    }
}

/// Number of redactions by rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    any: bool,
    counts: [u32; Rule::ALL.len()],
}

impl Hits {
    /// Counts one redaction.
    pub(crate) fn add(&mut self, rule: Rule) {
        self.any = true;
        self.counts[rule as usize] = self.counts[rule as usize].saturating_add(1);
    }

    /// Returns whether nothing was redacted.
    pub fn is_empty(&self) -> bool {
        !self.any
    }

    /// Returns the applied rules with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (Rule, u32)> {
        Rule::ALL.into_iter().zip(self.counts).filter(|(_, count)| *count > 0)
    }
}
