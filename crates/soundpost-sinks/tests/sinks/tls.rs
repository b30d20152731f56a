//! Tests of trusted and untrusted certificates.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use soundpost_sinks::kinds::{Graylog, InfluxDb, Verdict};

use crate::receiver::{calls, on_a_runtime, opened, send};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};

/// Serves requests over TLS with a certificate for these names, signed by an authority whose certificate is written to
/// `ca`. Returns the port.
fn serve(ca: &Path, names: &[&str], expired: bool) -> u16 {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    std::fs::write(ca, authority.self_signed(&authority_key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    if expired {
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    }
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").unwrap());
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let session = rustls::ServerConnection::new(config.clone()).unwrap();
            let mut stream = rustls::StreamOwned::new(session, stream);
            // The server reads and ignores the request; then the client closes the connection.
            if stream.read(&mut [0; 65_536]).is_ok() {
                let _ = stream.write_all(b"HTTP/1.1 204 x\r\n\r\n");
            }
            while stream.read(&mut [0; 65_536]).is_ok_and(|read| read > 0) {}
        }
    });
    port
}

/// Returns the verdict on a batch that is sent to this host and port.
fn sent(host: &str, port: u16, ca: Option<&Path>) -> Verdict {
    let mut sink = InfluxDb::new(&format!("https://{host}:{port}")).unwrap().database("d");
    if let Some(ca) = ca {
        sink = sink.ca_file(ca);
    }
    on_a_runtime(async { send(opened(sink).as_mut(), &calls(1)).await.rest })
}

#[track_caller]
fn assert_refused(verdict: &Verdict, why: &str) {
    assert!(matches!(verdict, Verdict::Misconfigured(said) if said.contains(why)), "{verdict:?}");
}

#[test]
fn certificate_of_a_known_authority_and_name_is_trusted() {
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    let port = serve(&ca, &["localhost", "127.0.0.1"], false);
    assert_eq!(sent("localhost", port, Some(&ca)), Verdict::Taken);
    assert_eq!(sent("127.0.0.1", port, Some(&ca)), Verdict::Taken);
}

#[test]
fn gelf_over_tls_trusts_the_same_certificates() {
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    let port = serve(&ca, &["localhost"], false);
    let sink = Graylog::new(&format!("tls://localhost:{port}")).unwrap();
    let send = |sink| on_a_runtime(async { send(opened(sink).as_mut(), &calls(300)).await });
    let answer = send(sink.clone().ca_file(&ca));
    assert_eq!((answer.settled, answer.rest), (300, Verdict::Taken));
    assert_refused(&send(sink).rest, "UnknownIssuer");
}

#[test]
fn untrusted_certificate_is_rejected() {
    let directory = tempfile::tempdir().unwrap();
    let [ca, other] = ["ca.pem", "other.pem"].map(|name| directory.path().join(name));
    let port = serve(&ca, &["elsewhere.example"], false);
    assert_refused(&sent("localhost", port, Some(&ca)), "not valid for name");
    let port = serve(&ca, &["localhost"], true);
    assert_refused(&sent("localhost", port, Some(&ca)), "expired");
    let port = serve(&ca, &["localhost"], false);
    assert_refused(&sent("localhost", port, None), "UnknownIssuer");
    serve(&other, &["localhost"], false);
    assert_refused(&sent("localhost", port, Some(&other)), "invalid peer certificate");
}

#[test]
fn server_without_tls_is_rejected() {
    let server = soundpost_testkit::Server::start(|_| soundpost_testkit::Reply::status(204));
    // The server's reply to the handshake is not TLS.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    assert_refused(&sent("127.0.0.1", port, None), "TLS");
    drop(server);
}
