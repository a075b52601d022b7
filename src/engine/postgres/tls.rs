//! TLS for connections to PostgreSQL. Trusts the certificate authorities from the URL, or those of
//! the operating system.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::url::{Address, invalid};
use crate::error::{OpenError, StorageError, StorageErrorKind};

/// Returns the TLS connector, or `None` for connections without TLS.
///
/// Connections use no TLS with `sslmode=disable`. They also use none with `sslmode=prefer` if the
/// machine has no certificate authority.
pub(super) fn connector(address: &Address) -> Result<Option<MakeRustlsConnect>, OpenError> {
    let mode = address.config.get_ssl_mode();
    if mode == SslMode::Disable {
        return Ok(None);
    }
    let roots = match &address.roots {
        Some(file) => in_file(file)?,
        None => of_system(),
    };
    if !roots.is_empty() {
        let config = config(roots, address.checks_name);
        let config = config.map_err(|error| {
            OpenError::Unavailable(StorageError::new(StorageErrorKind::Internal, error))
        })?;
        return Ok(Some(MakeRustlsConnect::new(config)));
    }
    if mode == SslMode::Prefer {
        return Ok(None);
    }
    let why = "this machine has no certificate authorities: name a file of them in `sslrootcert`";
    Err(invalid(why))
}

fn in_file(file: &Path) -> Result<RootCertStore, OpenError> {
    let wrong = |why: &dyn std::fmt::Display| {
        let file = file.display();
        invalid(format!(
            "the parameter `sslrootcert` names {file}, which cannot be used: {why}"
        ))
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| wrong(&error))? {
        let certificate = certificate.map_err(|error| wrong(&error))?;
        roots.add(certificate).map_err(|error| wrong(&error))?;
    }
    if roots.is_empty() {
        return Err(wrong(&"the file holds no certificate in PEM form"));
    }
    Ok(roots)
}

fn of_system() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// Builds the TLS configuration with an explicit cryptography provider.
///
/// The default provider belongs to the whole process. rustls panics if the crates of a process
/// enable different providers and none was installed.
fn config(
    roots: RootCertStore,
    checks_name: bool,
) -> Result<ClientConfig, Box<dyn std::error::Error + Send + Sync>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider));
    let config = config.with_safe_default_protocol_versions()?;
    if checks_name {
        return Ok(config.with_root_certificates(roots).with_no_client_auth());
    }
    let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
    let config = config.dangerous();
    let config = config.with_custom_certificate_verifier(Arc::new(AnyName(chain)));
    Ok(config.with_no_client_auth())
}

/// Verifier for `sslmode=verify-ca`: checks the certificate chain, but not the host name.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let found =
            self.0
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match found {
            // Accept a wrong host name. The verifier compares the name after it has checked the
            // chain of certificates, so the chain is valid here.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
