//! HTTPS from PEM files.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::door::{Running, Stage, exchange, local};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use soundpost_report::{Limits, ServerConfig, TlsFiles};
use std::io::{Read, Write};
use tempfile::TempDir;

struct Files {
    directory: TempDir,
    tls: TlsFiles,
    roots: RootCertStore,
}

impl Files {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let tls = TlsFiles {
            certificate: directory.path().join("server.crt"),
            key: directory.path().join("server.key"),
        };
        fs::write(&tls.certificate, made.cert.pem()).unwrap();
        fs::write(&tls.key, made.signing_key.serialize_pem()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        Self { directory, tls, roots }
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn config(&self) -> ServerConfig {
        ServerConfig { tls: Some(self.tls.clone()), ..local() }
    }
}

#[test]
fn scrapes_go_over_tls() {
    let files = Files::new();
    let server = Running::start(&files.config(), &Stage::new());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(files.roots.clone())
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(client), name).unwrap();
    let mut stream = StreamOwned::new(connection, server.connect());
    for _ in 0..2 {
        let response = exchange(&mut stream, "GET", "/metrics", &[]);
        assert_eq!(response.status, 200);
        assert!(response.text().starts_with("# HELP calls_total"));
    }
}

#[test]
fn plain_http_and_silent_clients_are_closed() {
    let files = Files::new();
    let limits = Limits { header: Duration::from_millis(300), ..Limits::default() };
    let server = Running::start(&ServerConfig { limits, ..files.config() }, &Stage::new());
    for hello in [&b"GET /metrics HTTP/1.1\r\n\r\n"[..], b"", b"\x16\x03\x01"] {
        let mut stream = server.connect();
        let _ = stream.write_all(hello);
        let mut answer = Vec::new();
        // An alert or nothing, and then the end.
        if let Err(error) = stream.read_to_end(&mut answer) {
            assert_ne!(error.kind(), ErrorKind::WouldBlock, "still open");
        }
        assert!(!answer.starts_with(b"HTTP"));
    }
}

#[test]
fn an_error_names_the_file() {
    let files = Files::new();
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let missing = files.directory.path().join("missing.pem");
    let empty = files.write("empty.pem", "");
    let broken = files.write("broken.pem", "-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n");
    let foreign = files.write("foreign.key", &other.signing_key.serialize_pem());
    let (certificate, key) = (files.tls.certificate.clone(), files.tls.key.clone());
    for (certificate, key, names) in [
        (&missing, &key, "certificate file"),
        (&empty, &key, "certificate file"),
        (&broken, &key, "certificate file"),
        (&certificate, &missing, "key file"),
        (&certificate, &empty, "key file"),
        (&certificate, &certificate, "key file"),
        (&certificate, &foreign, "key file"),
    ] {
        let tls = Some(TlsFiles { certificate: certificate.clone(), key: key.clone() });
        let error = ServerConfig { tls, ..local() }.check().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let at_fault = if names.starts_with("key") { key } else { certificate };
        let expected = format!("TLS {names} {}: ", at_fault.display());
        assert!(error.to_string().starts_with(&expected), "{error}");
        assert!(!error.to_string().contains("PRIVATE KEY"));
    }
}
