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
    /// Mobile number of mainland China.
    Mobile,
    /// Number of a payment card.
    Card,
    /// Custom pattern of the service.
    Own,
}

impl Rule {
    /// All rules, in the order of their declaration.
    pub const ALL: [Self; 12] = [
        Self::Key,
        Self::Text,
        Self::Authorization,
        Self::ApiKey,
        Self::Jwt,
        Self::PrivateKey,
        Self::Url,
        Self::Email,
        Self::ResidentId,
        Self::Mobile,
        Self::Card,
        Self::Own,
    ];

    /// Returns the value of the label `rule` of `soundpost_redactions_total`.
    pub fn name(self) -> &'static str {
        self.name_and_mark().0
    }

    /// Returns the mark in the place of a match. A text to synthesise becomes its length instead.
    pub fn mark(self) -> &'static str {
        self.name_and_mark().1
    }

    fn name_and_mark(self) -> (&'static str, &'static str) {
        match self {
            Self::Key => ("key", "[REDACTED:key]"),
            Self::Text => ("text", "[REDACTED:text]"),
            Self::Authorization => ("authorization", "[REDACTED:authorization]"),
            Self::ApiKey => ("api_key", "[REDACTED:api_key]"),
            Self::Jwt => ("jwt", "[REDACTED:jwt]"),
            Self::PrivateKey => ("private_key", "[REDACTED:private_key]"),
            Self::Url => ("url", "[REDACTED:url]"),
            Self::Email => ("email", "[REDACTED:email]"),
            Self::ResidentId => ("resident_id", "[REDACTED:resident_id]"),
            Self::Mobile => ("mobile", "[REDACTED:mobile]"),
            Self::Card => ("card", "[REDACTED:card]"),
            Self::Own => ("own", "[REDACTED:own]"),
        }
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
