//! TLS from PEM files.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use soundpost_core::regular_file::{self, CERTIFICATE_BYTES};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::config::TlsFiles;
use super::socket::Socket;

#[derive(Clone)]
pub(super) struct Acceptor(TlsAcceptor);

impl Acceptor {
    pub(super) async fn accept(&self, socket: Socket) -> io::Result<TlsStream<Socket>> {
        self.0.accept(socket).await
    }
}

/// Reads the files; an error names the invalid one.
pub(super) fn load(files: &TlsFiles) -> io::Result<Acceptor> {
    let certificates = read("certificate", &files.certificate)?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&certificates)
        .collect::<Result<_, _>>()
        .map_err(|error| invalid("certificate", &files.certificate, &error))?;
    if certificates.is_empty() {
        return Err(invalid("certificate", &files.certificate, &"no certificate in PEM form"));
    }
    let key = read("key", &files.key)?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound => {
            invalid("key", &files.key, &"no private key in PEM form")
        }
        error => invalid("key", &files.key, &error),
    })?;
    // The provider is explicit, so that another one in the host cannot replace it.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(|error| {
            let with = format!("with certificate file {}: {error}", files.certificate.display());
            invalid("key", &files.key, &with)
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Acceptor(TlsAcceptor::from(Arc::new(config))))
}

fn read(what: &str, path: &Path) -> io::Result<Vec<u8>> {
    regular_file::read(path, CERTIFICATE_BYTES).map_err(|error| invalid(what, path, &error))
}

fn invalid(what: &str, path: &Path, error: &dyn std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("TLS {what} file {}: {error}", path.display()))
}
