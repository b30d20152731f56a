//! Certificates in PEM files.

use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use soundpost_core::regular_file::{self, CERTIFICATE_BYTES};

/// Reads the certificates of a PEM file, of which there is at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let about = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let pem = regular_file::read(path, CERTIFICATE_BYTES).map_err(|error| about(&error))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(|error| about(&error))?;
    if found.is_empty() { Err(about(&"no certificate in PEM form")) } else { Ok(found) }
}
