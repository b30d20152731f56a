//! The rules: why something was taken out, and what stands in its place.

/// Why something was taken out of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// It stood under a name such as `password`, as a field, or as `password=...` in a text.
    Key,
    /// Text to synthesise.
    Text,
    /// Credentials of an `Authorization` header: `Bearer` or `Basic`.
    Authorization,
    /// A key with a prefix that says whose it is, such as `ghp_` or `AKIA`.
    ApiKey,
    /// A JSON web token.
    Jwt,
    /// A private key in PEM.
    PrivateKey,
    /// User and password of a URL.
    Url,
    /// An e-mail address.
    Email,
    /// A resident id of mainland China.
    ResidentId,
    /// A mobile number of mainland China.
    Mobile,
    /// The number of a payment card.
    Card,
    /// A pattern of the service's own.
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

    /// Its name: the label `rule` of `soundpost_redactions_total`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Text => "text",
            Self::Authorization => "authorization",
            Self::ApiKey => "api_key",
            Self::Jwt => "jwt",
            Self::PrivateKey => "private_key",
            Self::Url => "url",
            Self::Email => "email",
            Self::ResidentId => "resident_id",
            Self::Mobile => "mobile",
            Self::Card => "card",
            Self::Own => "own",
        }
    }

    /// What stands where something was taken out; text to synthesise becomes its length instead.
    pub fn mark(self) -> &'static str {
        match self {
            Self::Key => "[REDACTED:key]",
            Self::Text => "[REDACTED:text]",
            Self::Authorization => "[REDACTED:authorization]",
            Self::ApiKey => "[REDACTED:api_key]",
            Self::Jwt => "[REDACTED:jwt]",
            Self::PrivateKey => "[REDACTED:private_key]",
            Self::Url => "[REDACTED:url]",
            Self::Email => "[REDACTED:email]",
            Self::ResidentId => "[REDACTED:resident_id]",
            Self::Mobile => "[REDACTED:mobile]",
            Self::Card => "[REDACTED:card]",
            Self::Own => "[REDACTED:own]",
        }
    }
}

/// How often each rule was applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    any: bool,
    counts: [u32; Rule::ALL.len()],
}

impl Hits {
    /// Counts one more.
    pub(crate) fn add(&mut self, rule: Rule) {
        self.any = true;
        self.counts[rule as usize] = self.counts[rule as usize].saturating_add(1);
    }

    /// Whether nothing was taken out.
    pub fn is_empty(&self) -> bool {
        !self.any
    }

    /// The rules that were applied, and how often.
    pub fn iter(&self) -> impl Iterator<Item = (Rule, u32)> {
        Rule::ALL.into_iter().zip(self.counts).filter(|(_, count)| *count > 0)
    }
}
