//! The hub's authority on disk, and the leaf that the server shows.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use base::clock::BUILT;
use base::fs::FsError;
use base::{HubId, Problem, ProblemKind, SharedClock, TimeSource};
use rcgen::{KeyPair, PublicKeyData};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{PemObject, SectionKind};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::config::{self, Current};
use crate::make::{self, Ca, Validity};
use crate::names::{Names, host_name};
use crate::show;

/// The root's certificate, and the intermediate's certificate and key: one file, so that it is whole or absent.
const AUTHORITY: &str = "tls-authority.pem";
/// The leaf's certificate and key.
const LEAF: &str = "tls-leaf.pem";
/// The longest of the two files in bytes; they have about 2,500.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FsError),
    /// A file is there, but not what it should be.
    #[error("{path} is damaged: {what}", path = path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The leaf is there but the authority that made it is not: a new authority would break every phone's trust, so
    /// none is made.
    #[error("{path} is missing, but a certificate that it made is there", path = path.display())]
    Missing {
        /// Which file.
        path: PathBuf,
    },
    /// The authority is good, but of another hub.
    #[error("{path} belongs to another hub than {expected}", path = path.display())]
    OtherHub {
        /// Which file.
        path: PathBuf,
        /// This hub's name.
        expected: String,
    },
    /// A certificate could not be made.
    #[error("cannot make a certificate")]
    Make(#[from] rcgen::Error),
    /// The TLS library refused a certificate or a configuration.
    #[error("cannot configure TLS")]
    Tls(#[from] rustls::Error),
    /// A text that was given is not a certificate.
    #[error("not a certificate: {0}")]
    Pem(String),
}

impl From<TlsError> for Problem {
    fn from(error: TlsError) -> Problem {
        match &error {
            TlsError::File(FsError { path, action, .. }) => {
                Problem::with(ProblemKind::FileError, format!("The hub could not {action} {}", path.display()))
            }
            TlsError::Damaged { .. } | TlsError::Missing { .. } | TlsError::OtherHub { .. } => {
                Problem::with(ProblemKind::BadFile, error)
            }
            TlsError::Make(_) | TlsError::Tls(_) | TlsError::Pem(_) => ProblemKind::Internal.into(),
        }
    }
}

/// The hub's own certificate authority, and its current leaf. Shared by the server and whoever renews.
pub struct Authority {
    dir: PathBuf,
    hub: HubId,
    clock: SharedClock,
    ca: Ca,
    words: [&'static str; 4],
    current: Arc<Current>,
    /// What the current leaf says. Held while it is renewed, so that two renewals follow each other.
    leaf: Mutex<LeafFacts>,
}

impl Authority {
    /// Opens the authority in a folder, or makes it there on the first start; and the leaf, anew if its time has
    /// come. `dir` is the hub's folder of secrets; `addresses` are the machine's, see [`crate::local_addresses`].
    ///
    /// # Errors
    /// A file that is damaged, or one that is missing beside the other, is an error: nothing is made over it.
    pub fn open_or_create(dir: &Path, hub: HubId, clock: SharedClock, addresses: &[IpAddr]) -> Result<Self, TlsError> {
        base::fs::create_dir(dir, 0o700)?;
        let (authority_path, leaf_path) = (dir.join(AUTHORITY), dir.join(LEAF));
        let stored_leaf = if_there(&leaf_path)?;
        let ca = match if_there(&authority_path)? {
            Some(content) => read_authority(&authority_path, &content, hub)?,
            None if stored_leaf.is_some() => return Err(TlsError::Missing { path: authority_path }),
            None => {
                let content = make::authority(hub, clock.wall())?;
                // Read back before it is kept: what the next start could not read must show now.
                let ca = read_authority(&authority_path, content.as_bytes(), hub)?;
                base::fs::write_atomic(&authority_path, content.as_bytes(), 0o600)?;
                tracing::info!(hub = host_name(hub), "made the hub's certificate authority");
                ca
            }
        };
        let (leaf, facts) = match stored_leaf {
            Some(content) => read_leaf(&leaf_path, &content, &ca)?,
            // Its turn comes after the authority's: the first start may have ended in between.
            None => make_leaf(&leaf_path, &ca, &Names::new(hub, addresses), &clock)?,
        };
        let words = show::fingerprint_words(&ca.root);
        let (current, leaf) = (Arc::new(Current::new(leaf)), Mutex::new(facts));
        let authority = Self { dir: dir.to_owned(), hub, clock, ca, words, current, leaf };
        authority.renew_if_due(addresses)?;
        Ok(authority)
    }

    /// Makes the leaf anew whether or not its time has come: somebody told the hub what time it is. Otherwise as
    /// [`Self::renew_if_due`].
    pub fn renew(&self, addresses: &[IpAddr]) -> Result<(), TlsError> {
        let facts = self.leaf.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        self.make_anew(facts, &Names::new(self.hub, addresses))
    }

    /// Makes the leaf anew if two thirds of its life are over, if the machine's addresses are others now, or if the
    /// clock shows a time before it. Connections that begin after that get the new one; `true` if so. To be called
    /// now and then (hourly), and when addresses or the time source change.
    pub fn renew_if_due(&self, addresses: &[IpAddr]) -> Result<bool, TlsError> {
        let names = Names::new(self.hub, addresses);
        let facts = self.leaf.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if !facts.is_due(&names, &self.clock, self.ca.ends) {
            return Ok(false);
        }
        self.make_anew(facts, &names).map(|()| true)
    }

    fn make_anew(&self, mut facts: MutexGuard<'_, LeafFacts>, names: &Names) -> Result<(), TlsError> {
        let (leaf, new) = make_leaf(&self.dir.join(LEAF), &self.ca, names, &self.clock)?;
        self.current.replace(leaf);
        *facts = new;
        tracing::info!(names = ?facts.names, "renewed the hub's certificate");
        Ok(())
    }

    /// A server configuration: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1. It shows renewed leaves by itself.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let config = config::server_config(self.current.clone(), Arc::clone(&self.clock))?;
        Ok(Arc::new(config))
    }

    /// The root's certificate, for phones to install and clients to trust. Public.
    pub fn root_pem(&self) -> &str {
        &self.ca.root_pem
    }

    /// The root's certificate as DER: what `.crt` and `.cer` downloads hold.
    pub fn root_der(&self) -> &[u8] {
        &self.ca.root
    }

    /// The root as a profile for iPhones and iPads (`.mobileconfig`).
    pub fn ios_profile(&self) -> String {
        show::ios_profile(&self.ca.root_pem, &self.ca.root, &host_name(self.hub))
    }

    /// Four words that name the root: a person compares them on phone and hub before trusting it.
    pub fn fingerprint_words(&self) -> [&'static str; 4] {
        self.words
    }

    /// The root's SHA-256 as certificate viewers show it.
    pub fn fingerprint_sha256(&self) -> String {
        show::fingerprint_sha256(&self.ca.root)
    }

    /// The names and addresses of the current leaf: the hub's own names in `Host` headers.
    pub fn names(&self) -> Names {
        self.leaf.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).names.clone()
    }
}

/// What a leaf says of itself.
struct LeafFacts {
    names: Names,
    validity: Validity,
}

impl LeafFacts {
    fn is_due(&self, names: &Names, clock: &SharedClock, ends: i64) -> bool {
        if self.names != *names {
            return true;
        }
        let now = clock.wall().as_second();
        if now < BUILT || clock.source() == TimeSource::Unset {
            return false; // by a wrong clock nothing is due
        }
        // The last leaf of an authority ends with it; a new one would end no later.
        now < self.validity.from || (self.validity.to < ends && self.validity.is_due(now))
    }
}

fn make_leaf(path: &Path, ca: &Ca, names: &Names, clock: &SharedClock) -> Result<(CertifiedKey, LeafFacts), TlsError> {
    let validity = Validity::of_leaf(clock.wall(), clock.source());
    let content = ca.leaf(names, validity)?;
    // Read back before it is kept: a leaf that phones would refuse is never shown.
    let made = read_leaf(path, content.as_bytes(), ca)?;
    base::fs::write_atomic(path, content.as_bytes(), 0o600)?;
    Ok(made)
}

fn read_authority(path: &Path, content: &[u8], hub: HubId) -> Result<Ca, TlsError> {
    let damaged = |what: &str| TlsError::Damaged { path: path.to_owned(), what: what.to_owned() };
    let (certificates, key) = parse(path, content)?;
    let [root, intermediate] =
        <[_; 2]>::try_from(certificates).map_err(|_| damaged("it must hold two certificates"))?;
    let (_, parsed) = X509Certificate::from_der(&intermediate).map_err(|_| damaged("the second is no certificate"))?;
    if parsed.public_key().subject_public_key.data != key.der_bytes() {
        return Err(damaged("certificate and key do not belong together"));
    }
    let name = parsed.subject().iter_common_name().next().and_then(|name| name.as_str().ok()).unwrap_or_default();
    if !name.ends_with(&host_name(hub)) {
        return Err(TlsError::OtherHub { path: path.to_owned(), expected: host_name(hub) });
    }
    let ends = parsed.validity().not_after.timestamp();
    Ok(Ca { root_pem: first_section(content), root, intermediate, key, ends })
}

fn read_leaf(path: &Path, content: &[u8], ca: &Ca) -> Result<(CertifiedKey, LeafFacts), TlsError> {
    let damaged = |what: String| TlsError::Damaged { path: path.to_owned(), what };
    let (certificates, key) = parse(path, content)?;
    let [leaf] = <[_; 1]>::try_from(certificates).map_err(|_| damaged("it must hold one certificate".into()))?;
    let facts = leaf_facts(&leaf).ok_or_else(|| damaged("its certificate cannot be read".into()))?;
    let (_, parsed) = X509Certificate::from_der(&leaf).map_err(|e| damaged(e.to_string()))?;
    if parsed.public_key().subject_public_key.data != key.der_bytes() {
        return Err(damaged("certificate and key do not belong together".into()));
    }
    // As a phone would, at a time when it is good: does the chain hold, and do all names obey the constraints?
    config::verify(&ca.root, &ca.intermediate, &leaf, "localhost", facts.validity.from + 1)
        .map_err(|error| damaged(format!("the hub's authority did not make it ({error:?})")))?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let chain = vec![leaf, ca.intermediate.clone()];
    Ok((CertifiedKey::new(chain, any_supported_type(&key)?), facts))
}

fn leaf_facts(leaf: &CertificateDer<'_>) -> Option<LeafFacts> {
    let (_, parsed) = X509Certificate::from_der(leaf).ok()?;
    let mut names = Names { dns: Vec::new(), addresses: Vec::new() };
    for name in &parsed.subject_alternative_name().ok()??.value.general_names {
        match name {
            GeneralName::DNSName(name) => names.dns.push((*name).to_owned()),
            GeneralName::IPAddress(ip) => names.addresses.push(match ip.len() {
                4 => IpAddr::from(<[u8; 4]>::try_from(*ip).ok()?),
                _ => IpAddr::from(<[u8; 16]>::try_from(*ip).ok()?),
            }),
            _ => {}
        }
    }
    let validity = parsed.validity();
    let validity = Validity { from: validity.not_before.timestamp(), to: validity.not_after.timestamp() };
    Some(LeafFacts { names, validity })
}

/// The certificates of a file, and its one key, which comes last.
fn parse(path: &Path, content: &[u8]) -> Result<(Vec<CertificateDer<'static>>, KeyPair), TlsError> {
    let damaged = |what: String| TlsError::Damaged { path: path.to_owned(), what };
    let mut sections = <(SectionKind, Vec<u8>)>::pem_slice_iter(content)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| damaged(error.to_string()))?;
    let key = match sections.pop() {
        Some((SectionKind::PrivateKey, der)) => {
            KeyPair::try_from(der).map_err(|_| damaged("its key cannot be read".into()))?
        }
        _ => return Err(damaged("it does not end with a key".into())),
    };
    let certificates = sections.into_iter().map(|(kind, der)| match kind {
        SectionKind::Certificate => Ok(CertificateDer::from(der)),
        other => Err(damaged(format!("it holds a {other:?}"))),
    });
    Ok((certificates.collect::<Result<_, _>>()?, key))
}

/// The first section of a file that has one.
fn first_section(content: &[u8]) -> String {
    const END: &str = "-----END CERTIFICATE-----";
    let text = String::from_utf8_lossy(content);
    let start = text.find("-----BEGIN").unwrap_or_default();
    let end = text.find(END).map_or(text.len(), |end| end + END.len());
    text[start..end.max(start)].to_owned() + "\n"
}

fn if_there(path: &Path) -> Result<Option<Vec<u8>>, TlsError> {
    match base::fs::read(path, MAX_FILE_BYTES) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}
