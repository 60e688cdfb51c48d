//! TLS configurations: rustls with aws-lc-rs, TLS 1.2 and 1.3.

use std::fmt;
use std::sync::{Arc, RwLock};

use base::SharedClock;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::{CipherSuite, ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::authority::TlsError;

/// Protocols that the hub speaks over TLS, best first.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The certificate that new connections get; replaced when it is renewed.
pub(crate) struct Current(RwLock<Arc<CertifiedKey>>);

impl Current {
    pub fn new(certificate: CertifiedKey) -> Self {
        Self(RwLock::new(Arc::new(certificate)))
    }
    pub fn replace(&self, certificate: CertifiedKey) {
        *self.0.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = Arc::new(certificate);
    }
}

impl ResolvesServerCert for Current {
    /// Always the one certificate, whatever name was asked for: clients that use an address send no name.
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone())
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the hub's certificate")
    }
}

/// A server configuration that takes its certificate from `certificate` at every handshake.
pub fn server_config(certificate: Arc<dyn ResolvesServerCert>, clock: SharedClock) -> Result<ServerConfig, TlsError> {
    let aes = has_aes();
    let provider = Arc::new(provider(aes));
    let builder = ServerConfig::builder_with_details(provider, Arc::new(Time(clock)));
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(certificate);
    config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
    // Phones list AES first as they have it in silicon; where the hub has not, its own order counts.
    config.ignore_client_order = !aes;
    Ok(config)
}

/// A client that trusts only this root: for tests and for the hub's own tools.
pub fn client_config(root_pem: &str, clock: SharedClock, alpn: &[&str]) -> Result<ClientConfig, TlsError> {
    use rustls_pki_types::pem::PemObject;
    let root = CertificateDer::from_pem_slice(root_pem.as_bytes()).map_err(|e| TlsError::Pem(e.to_string()))?;
    client(roots(&root)?, clock, alpn)
}

/// A client that trusts whom this system trusts (`/etc/ssl/certs`, or `SSL_CERT_FILE`): for the world outside.
pub fn web_client_config(clock: SharedClock, alpn: &[&str]) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first().map_or_else(|| "there are none".to_owned(), ToString::to_string);
        return Err(TlsError::Pem(format!("the system's certificates: {why}")));
    }
    client(roots, clock, alpn)
}

fn client(roots: RootCertStore, clock: SharedClock, alpn: &[&str]) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_details(Arc::new(provider(has_aes())), Arc::new(Time(clock)));
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Ok(config)
}

/// Checks a chain as a phone does: is `leaf` good for `name` at the time `at` (Unix seconds)?
pub(crate) fn verify(
    root: &CertificateDer<'static>,
    intermediate: &CertificateDer<'static>,
    leaf: &CertificateDer<'static>,
    name: &str,
    at: i64,
) -> Result<(), TlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots(root)?), provider).build();
    let verifier = verifier.map_err(|e| rustls::Error::General(e.to_string()))?;
    let name = name.to_owned().try_into().map_err(|_| rustls::Error::General("not a name".into()))?;
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(at.max(0) as u64));
    verifier.verify_server_cert(leaf, std::slice::from_ref(intermediate), &name, &[], at)?;
    Ok(())
}

fn roots(root: &CertificateDer<'static>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone())?;
    Ok(roots)
}

/// The crypto library with its suites in the order that this CPU is fast in.
fn provider(aes: bool) -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    if !aes {
        let is_chacha = |suite: CipherSuite| {
            use CipherSuite as C;
            matches!(
                suite,
                C::TLS13_CHACHA20_POLY1305_SHA256
                    | C::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
                    | C::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
            )
        };
        provider.cipher_suites.sort_by_key(|suite| !is_chacha(suite.suite())); // stable: else the order stays
    }
    provider
}

/// Has the CPU instructions for AES? All 64-bit Raspberry Pis up to the 4 have not.
fn has_aes() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("aes");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    false
}

struct Time(SharedClock);

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = self.0.wall().as_second().try_into().ok()?;
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)))
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the hub's clock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chacha_comes_first_exactly_where_the_cpu_has_no_aes() {
        let first = |aes| provider(aes).cipher_suites[0].suite();
        assert_eq!(first(false), CipherSuite::TLS13_CHACHA20_POLY1305_SHA256);
        assert_ne!(first(true), CipherSuite::TLS13_CHACHA20_POLY1305_SHA256);
        assert_eq!(provider(false).cipher_suites.len(), provider(true).cipher_suites.len());
    }
}
