//! The TLS configuration that REST calls and sockets share, built when first needed.
//!
//! In: `ca_file`, the system's roots · Out: shared `ClientConfig`, handshakes · Thread: any (one mutex, held while building).

use std::fmt;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme,
};

use super::issuer::issuer_of;
use crate::config::whole_file;
use crate::{Error, ErrorKind};

/// TLS sessions remembered for resumption: login, API and streaming host, and some more.
const SESSIONS: usize = 8;

/// TLS settings and root certificates; they are read on first use, because 146 system roots take some hundred KiB.
#[derive(Debug)]
pub(crate) struct Tls {
    ca_file: Option<PathBuf>,
    built: Mutex<Option<Arc<ClientConfig>>>,
}

impl Tls {
    /// Trusts the certificates in `ca_file` in addition to the system's.
    pub(crate) fn new(ca_file: Option<PathBuf>) -> Self {
        Self {
            ca_file,
            built: Mutex::new(None),
        }
    }

    /// Checks early that `ca_file` can be used.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`], naming the file.
    pub(crate) fn check_ca_file(&self) -> Result<(), Error> {
        self.ca_file
            .as_deref()
            .map_or(Ok(()), |path| read_ca_file(path).map(drop))
    }

    /// The shared configuration: TLS 1.2 and 1.3, the system's roots (bundled ones where it has none) and `ca_file`.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] where `ca_file` cannot be used.
    pub(crate) fn config(&self) -> Result<Arc<ClientConfig>, Error> {
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = built.as_ref() {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(build(self.ca_file.as_deref())?);
        *built = Some(Arc::clone(&config));
        Ok(config)
    }
}

fn build(ca_file: Option<&Path>) -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    let (added, ignored) = roots.add_parsable_certificates(native.certs);
    log::debug!("{added} root certificates of the system, {ignored} unreadable");
    for error in &native.errors {
        log::debug!("reading the system's root certificates: {error}");
    }
    if added == 0 {
        log::info!("the system has no root certificates: the bundled ones are used");
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    if let Some(path) = ca_file {
        let certificates = read_ca_file(path)?;
        let (added, ignored) = roots.add_parsable_certificates(certificates);
        if added == 0 || ignored > 0 {
            return Err(ca_file_error(path, "holds a certificate that cannot be used as a root"));
        }
        log::debug!("{added} root certificates of {}", path.display());
    }
    // Given explicitly: the process-wide provider belongs to the embedding program, and asking for it may panic.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let did = "preparing TLS";
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .map_err(|error| Error::caused_by(ErrorKind::Internal, did, error))?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::caused_by(ErrorKind::Internal, did, error))?
        .dangerous()
        // Not weaker than the default: the standard verifier decides, and this one adds the issuer's name to a refusal.
        .with_custom_certificate_verifier(Arc::new(NamingVerifier(verifier)))
        .with_no_client_auth();
    config.resumption = rustls::client::Resumption::in_memory_sessions(SESSIONS);
    Ok(config)
}

/// The bundles of whole systems have 250 kB.
const MOST_CA_FILE_BYTES: u64 = 16 << 20;

fn ca_file_error(path: &Path, what: impl fmt::Display) -> Error {
    Error::new(
        ErrorKind::Configuration,
        format!("reading the CA file {}", path.display()),
        format!("{what}; allowed is a PEM file with one or more certificates (-----BEGIN CERTIFICATE-----)"),
    )
}

fn read_ca_file(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let pem =
        whole_file::read(path, MOST_CA_FILE_BYTES).map_err(|error| ca_file_error(path, &error).with_source(error))?;
    let pem = pem.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&pem);
    // The beginning of a sequence with a length of two bytes, as every certificate has it.
    if pem.starts_with(&[0x30, 0x82]) {
        let what = "is a certificate in the binary form DER: convert it with `openssl x509 -inform der -in FILE -out FILE.pem`";
        return Err(ca_file_error(path, what));
    }
    let certificates = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| ca_file_error(path, format!("is no valid PEM ({error})")))?;
    if certificates.is_empty() {
        return Err(ca_file_error(path, "holds no certificate"));
    }
    let mut trial = RootCertStore::empty();
    for certificate in &certificates {
        trial
            .add(certificate.clone())
            .map_err(|error| ca_file_error(path, format!("holds a certificate that cannot be used: {error}")))?;
    }
    Ok(certificates)
}

/// Does the handshake with `host` over `stream`; the stream's read deadline is the limit.
///
/// # Errors
/// [`ErrorKind::Certificate`] with issuer and advice where the certificate is refused, else [`ErrorKind::Transient`].
pub(crate) fn handshake<T: Read + Write>(
    config: Arc<ClientConfig>,
    host: &str,
    stream: &mut T,
) -> Result<ClientConnection, Error> {
    let did = || format!("TLS handshake with {host}");
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| Error::new(ErrorKind::Configuration, did(), "a certificate cannot have this name"))?;
    let mut connection =
        ClientConnection::new(config, name).map_err(|error| Error::caused_by(ErrorKind::Transient, did(), error))?;
    while connection.is_handshaking() {
        match connection.complete_io(stream) {
            Ok((0, 0)) => return Err(Error::new(ErrorKind::Transient, did(), "the connection was closed")),
            Ok(_) => {}
            Err(error) => return Err(explain(&error, host, did()).with_source(error)),
        }
    }
    Ok(connection)
}

fn explain(error: &io::Error, host: &str, did: String) -> Error {
    use rustls::Error as Tls;
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<Tls>());
    match cause {
        Some(Tls::InvalidCertificate(CertificateError::Other(OtherError(refused)))) => Error::new(
            ErrorKind::Certificate,
            did,
            format!("the certificate was refused: {refused}"),
        ),
        Some(Tls::InvalidCertificate(_) | Tls::NoCertificatesPresented) => {
            Error::new(ErrorKind::Certificate, did, error.to_string())
        }
        Some(Tls::InvalidMessage(_)) => Error::new(
            ErrorKind::Transient,
            did,
            format!("{host} does not speak TLS on this port ({error})"),
        ),
        _ if error.kind() == io::ErrorKind::WouldBlock => Error::new(ErrorKind::Transient, did, "no answer in time"),
        _ if error.kind() == io::ErrorKind::UnexpectedEof => {
            Error::new(ErrorKind::Transient, did, "the connection was closed")
        }
        _ => Error::new(ErrorKind::Transient, did, error.to_string()),
    }
}

/// The standard verifier, whose refusals also name the issuer of the certificate.
#[derive(Debug)]
struct NamingVerifier(Arc<WebPkiServerVerifier>);

/// A refusal with the issuer's name.
#[derive(Debug)]
struct RefusedCertificate {
    why: CertificateError,
    issuer: Option<String>,
}

impl fmt::Display for RefusedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            CertificateError::UnknownIssuer => f.write_str("its issuer is not trusted here")?,
            why => write!(f, "{why}")?,
        }
        if let Some(issuer) = &self.issuer {
            write!(f, ", issued by \"{issuer}\"")?;
        }
        use CertificateError::{Expired, ExpiredContext, NotValidYet, NotValidYetContext};
        match &self.why {
            // At boot a machine without a battery for its clock has a time long ago.
            Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. } => {
                let now = crate::Moment::now();
                write!(f, ". This machine's clock says {now}; if that is wrong, set it (NTP)")
            }
            _ => f.write_str(
                ". If a proxy of your organisation inspects TLS, give its root certificate with --ca-file (key ca_file)",
            ),
        }
    }
}

impl std::error::Error for RefusedCertificate {}

impl ServerCertVerifier for NamingVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verdict = self
            .0
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        verdict.map_err(|error| match error {
            rustls::Error::InvalidCertificate(why) => {
                let issuer = issuer_of(end_entity);
                CertificateError::Other(OtherError(Arc::new(RefusedCertificate { why, issuer }))).into()
            }
            other => other,
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/tls")
            .join(name)
    }

    #[test]
    fn ca_files_are_checked_and_named() {
        Tls::new(Some(fixture("ca.pem"))).check_ca_file().unwrap();
        for (name, says) in [("missing.pem", "No such file"), ("server.key.pem", "no certificate")] {
            let tls = Tls::new(Some(fixture(name)));
            let error = tls.check_ca_file().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration);
            let text = error.to_string();
            assert!(text.contains(name) && text.contains(says), "{text}");
            assert!(tls.config().is_err());
        }
    }

    #[test]
    fn a_byte_order_mark_is_skipped_and_der_is_named() {
        let path = std::env::temp_dir().join(format!("genesys-stream-ca-forms-{}", std::process::id()));
        let pem = std::fs::read(fixture("ca.pem")).unwrap();
        std::fs::write(&path, [b"\xef\xbb\xbf".as_slice(), &pem].concat()).unwrap();
        Tls::new(Some(path.clone())).check_ca_file().unwrap();
        let der = CertificateDer::from_pem_slice(&pem).unwrap();
        std::fs::write(&path, der).unwrap();
        let text = Tls::new(Some(path.clone())).check_ca_file().unwrap_err().to_string();
        std::fs::remove_file(&path).unwrap();
        assert!(
            text.contains("DER") && text.contains("openssl x509 -inform der"),
            "{text}"
        );
    }

    #[test]
    fn a_wrong_time_is_named_as_a_matter_of_the_clock() {
        let told = |why| RefusedCertificate { why, issuer: None }.to_string();
        for why in [CertificateError::NotValidYet, CertificateError::Expired] {
            let text = told(why);
            assert!(
                text.contains("This machine's clock says 20") && !text.contains("--ca-file"),
                "{text}"
            );
        }
        assert!(told(CertificateError::UnknownIssuer).contains("--ca-file"));
    }

    #[test]
    fn a_broken_certificate_is_refused() {
        let path = std::env::temp_dir().join(format!("genesys-stream-ca-{}.pem", std::process::id()));
        std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        let error = Tls::new(Some(path.clone())).check_ca_file().unwrap_err();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{error}");
    }

    #[test]
    fn the_configuration_is_built_once_and_installs_no_process_wide_provider() {
        let tls = Tls::new(None);
        assert!(Arc::ptr_eq(&tls.config().unwrap(), &tls.config().unwrap()));
        assert!(rustls::crypto::CryptoProvider::get_default().is_none());
    }
}
