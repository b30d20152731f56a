//! Authentication of scrapers.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use subtle::ConstantTimeEq as _;

use super::config::Auth;

pub(super) struct Gate {
    scheme: &'static str,
    /// The token, or `user:password`.
    secret: Vec<u8>,
}

impl Gate {
    /// Fails for a configuration that no client could satisfy.
    pub(super) fn new(auth: &Auth) -> io::Result<Self> {
        let invalid = |message| Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        match auth {
            Auth::Bearer { token } => {
                if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
                    return invalid("the bearer token must be of visible ASCII characters, at least one");
                }
                Ok(Self { scheme: "Bearer", secret: token.clone().into_bytes() })
            }
            Auth::Basic { user, password } => {
                if user.contains(':') {
                    return invalid("the user of basic auth must not contain a colon");
                }
                if user.is_empty() && password.is_empty() {
                    return invalid("basic auth needs a user or a password");
                }
                Ok(Self { scheme: "Basic", secret: [user, ":", password].concat().into_bytes() })
            }
        }
    }

    /// Returns whether a request has the secret. The time is the same for every wrong secret of one length.
    pub(super) fn admits(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        // Two headers are ambiguous: a proxy may have checked the other one.
        let (Some(value), None) = (values.next(), values.next()) else { return false };
        let Some((scheme, credentials)) = split_scheme(value.as_bytes()) else { return false };
        if !scheme.eq_ignore_ascii_case(self.scheme.as_bytes()) {
            return false;
        }
        if self.scheme == "Basic" {
            let Ok(decoded) = STANDARD.decode(credentials) else { return false };
            decoded.ct_eq(&self.secret).into()
        } else {
            credentials.ct_eq(&self.secret).into()
        }
    }

    /// Returns the value of `WWW-Authenticate` for a rejection.
    pub(super) fn challenge(&self) -> HeaderValue {
        HeaderValue::from_static(if self.scheme == "Basic" {
            "Basic realm=\"metrics\", charset=\"UTF-8\""
        } else {
            "Bearer realm=\"metrics\""
        })
    }
}

fn split_scheme(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = value.iter().position(|b| *b == b' ')?;
    Some((&value[..at], value[at..].trim_ascii()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(auth: Auth, values: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        Gate::new(&auth).unwrap().admits(&headers)
    }

    #[test]
    fn a_token_is_compared_whole() {
        let auth = || Auth::Bearer { token: "s3cret".into() };
        for value in ["Bearer s3cret", "bearer s3cret", "BEARER   s3cret "] {
            assert!(admits(auth(), &[value]), "{value}");
        }
        for values in [
            &["Bearer s3cre"][..],
            &["Bearer s3cret2"],
            &["Bearer S3CRET"],
            &["Bearer"],
            &["Bearer "],
            &["s3cret"],
            &["Basic s3cret"],
            &[],
            &["Bearer s3cret", "Bearer s3cret"],
        ] {
            assert!(!admits(auth(), values), "{values:?}");
        }
    }

    #[test]
    fn basic_auth_takes_any_password() {
        let auth = || Auth::Basic { user: "prom".into(), password: "pä:ss".into() };
        let header = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
        assert!(admits(auth(), &[&header("prom:pä:ss")]));
        for value in
            [header("prom:pä:s"), header("prom"), header(""), "Basic ???".into(), "Basic cHJvb".into()]
        {
            assert!(!admits(auth(), &[&value]), "{value}");
        }
    }

    #[test]
    fn impossible_credentials_are_rejected_at_start() {
        for auth in [
            Auth::Bearer { token: String::new() },
            Auth::Bearer { token: "a b".into() },
            Auth::Bearer { token: "a\n".into() },
            Auth::Basic { user: "a:b".into(), password: "c".into() },
            Auth::Basic { user: String::new(), password: String::new() },
        ] {
            assert_eq!(Gate::new(&auth).err().unwrap().kind(), io::ErrorKind::InvalidInput);
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let shown = format!(
            "{:?} {:?}",
            Auth::Bearer { token: "canary".into() },
            Auth::Basic { user: "prom".into(), password: "canary".into() }
        );
        assert_eq!(shown, "Bearer { .. } Basic { user: \"prom\", .. }");
    }
}
