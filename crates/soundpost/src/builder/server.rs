//! Options of the scrape server.

use std::net::{Ipv4Addr, SocketAddr};
#[cfg(feature = "tls")]
use std::path::PathBuf;

use soundpost_report::{Auth, Config, ServerConfig, TlsFiles};

use super::Builder;
use crate::settings::{SettingValue, Settings};

/// Address of the endpoint, or no endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// No endpoint.
    Off,
    /// A socket address.
    Address(SocketAddr),
    /// `host:port`, or a port, as in `SOUNDPOST_LISTEN`.
    Text(String),
}

impl Builder {
    /// Sets the address that serves `/metrics`; port 0 selects a free port. `None`, the default, serves nothing.
    pub fn listen(self, address: impl Into<Endpoint>) -> Self {
        self.set(
            "listen",
            match address.into() {
                Endpoint::Off => SettingValue::Off,
                Endpoint::Address(address) => SettingValue::Address(address),
                Endpoint::Text(text) => SettingValue::Text(text),
            },
        )
    }

    /// Requires `Authorization: Bearer <token>` of a scrape.
    pub fn bearer_token(self, token: impl Into<String>) -> Self {
        self.set("bearer_token", token.into())
    }

    /// Requires this user and password of a scrape.
    pub fn basic_auth(self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.set("basic_auth", SettingValue::List(vec![user.into(), password.into()]))
    }

    /// Sets names by which an endpoint without credentials may be scraped, beside this host's names and addresses:
    /// `tts.example.org`, `*.example.org`, or `*` for any.
    pub fn allowed_hosts<T: Into<String>>(self, names: impl IntoIterator<Item = T>) -> Self {
        self.set("allowed_hosts", SettingValue::List(names.into_iter().map(Into::into).collect()))
    }

    /// Serves over TLS, with a certificate chain and its private key from PEM files.
    #[cfg(feature = "tls")]
    pub fn tls(self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.set("tls_cert", certificate.into()).set("tls_key", key.into())
    }
}

/// Configures the scrape server.
pub(super) fn configure(settings: &Settings, config: &mut Config) {
    let SettingValue::Address(listen) = settings.value("listen") else { return };
    let basic = <[String; 2]>::try_from(settings.list("basic_auth")).ok();
    let auth = settings.text("bearer_token").map(|token| Auth::Bearer { token });
    let auth = auth.or_else(|| basic.map(|[user, password]| Auth::Basic { user, password }));
    let tls = settings.path("tls_cert").zip(settings.path("tls_key"));
    let tls = tls.map(|(certificate, key)| TlsFiles { certificate, key });
    config.server = Some(ServerConfig {
        auth,
        tls,
        allowed_hosts: settings.list("allowed_hosts"),
        ..ServerConfig::new(listen)
    });
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self::Address(address)
    }
}

impl From<([u8; 4], u16)> for Endpoint {
    fn from((host, port): ([u8; 4], u16)) -> Self {
        Self::Address((Ipv4Addr::from(host), port).into())
    }
}

impl From<(Ipv4Addr, u16)> for Endpoint {
    fn from(address: (Ipv4Addr, u16)) -> Self {
        Self::Address(address.into())
    }
}

impl From<Option<SocketAddr>> for Endpoint {
    fn from(address: Option<SocketAddr>) -> Self {
        address.map_or(Self::Off, Self::Address)
    }
}

impl From<&str> for Endpoint {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}
