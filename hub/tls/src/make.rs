//! Making certificates: ECDSA P-256 throughout, which every phone takes.

use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base::clock::BUILT;
use base::{HubId, TimeSource, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, SerialNumber, SignatureAlgorithm, SigningKey,
};
use rustls_pki_types::CertificateDer;

use crate::names::{Names, constraints, host_name};

const DAY: i64 = 24 * 3600;
const ROOT_LIFE: i64 = 20 * 365 * DAY;
const INTERMEDIATE_LIFE: i64 = 10 * 365 * DAY;
/// What public authorities may give, and less than the 825 days that phones take from a user's own.
const LEAF_LIFE: i64 = 397 * DAY;
/// A hub without a clock cannot renew at the right time: its leaf lasts as long as phones allow.
const CLOCKLESS_LEAF_LIFE: i64 = 825 * DAY;
/// The end of time: 2199-01-01. Certificates' dates end at the year 9999, and broken clocks show anything.
const LAST: i64 = 7_226_582_400;

/// From when to when a certificate is good, in Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Validity {
    pub from: i64,
    pub to: i64,
}

impl Validity {
    /// Of a leaf made now.
    pub fn of_leaf(now: Timestamp, source: TimeSource) -> Self {
        let now = now.as_second().min(LAST);
        if source != TimeSource::Unset && now >= BUILT {
            // From a day ago on, for phones whose clock is behind.
            let from = (now - DAY).max(BUILT);
            // What a phone told is forgotten at the next start.
            let life = if source == TimeSource::Phone { CLOCKLESS_LEAF_LIFE } else { LEAF_LIFE };
            return Self { from, to: from + life };
        }
        // The hub's time is a guess. The truth is not before the build, and hardly ever long before the guess.
        let from = if now < BUILT + CLOCKLESS_LEAF_LIFE / 2 { BUILT } else { now - CLOCKLESS_LEAF_LIFE / 2 };
        Self { from, to: from + CLOCKLESS_LEAF_LIFE }
    }

    /// Two thirds of it have gone.
    pub fn is_due(self, now: i64) -> bool {
        now >= self.from + (self.to - self.from) / 3 * 2
    }
}

/// The root and the intermediate of a new hub, with the intermediate's key, as PEM. The root's private key ends with this call: it is made inside the
/// crypto library, is never written out, and is wiped when dropped.
pub(crate) fn authority(hub: HubId, now: Timestamp) -> Result<String, rcgen::Error> {
    let id = host_name(hub);
    let now = now.as_second().clamp(BUILT, LAST);
    // Both begin with the build and not with now: a clock that runs ahead on the first day must not make an
    // authority that phones refuse for years.
    let root_params = ca_params(&format!("Keepsight root of {id}"), now + ROOT_LIFE, 1)?;
    let root_key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING);
    let root_key = RootKey(root_key.map_err(|_| rcgen::Error::RingUnspecified)?);
    let root = root_params.self_signed(&root_key)?;

    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = ca_params(&format!("Keepsight authority of {id}"), now + INTERMEDIATE_LIFE, 0)?;
    params.name_constraints = Some(constraints(hub));
    // Constraints bind names only; this binds the rest: no signed mail, no signed code.
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let intermediate = params.signed_by(&key, &Issuer::new(root_params, root_key))?;
    Ok(root.pem() + &intermediate.pem() + &key.serialize_pem())
}

/// A hub's authority.
pub(crate) struct Ca {
    pub root: CertificateDer<'static>,
    pub root_pem: String,
    pub intermediate: CertificateDer<'static>,
    /// The intermediate's.
    pub key: KeyPair,
    /// When the intermediate ends, Unix seconds.
    pub ends: i64,
}

impl Ca {
    /// A new leaf and its new key, as PEM. It ends with the intermediate at the latest.
    pub fn leaf(&self, names: &Names, validity: Validity) -> Result<String, rcgen::Error> {
        let issuer = Issuer::from_ca_cert_der(&self.intermediate, &self.key)?;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        // The first name is the hub's own. It differs from the authorities' names: equal ones read as self-signed.
        let mut params = params(&names.dns[0], Validity { to: validity.to.min(self.ends), ..validity })?;
        let dns = names.dns.iter().map(|name| Ok(SanType::DnsName(name.as_str().try_into()?)));
        let addresses = names.addresses.iter().map(|ip| Ok(SanType::IpAddress(*ip)));
        params.subject_alt_names = dns.chain(addresses).collect::<Result<_, rcgen::Error>>()?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let leaf = params.signed_by(&key, &issuer)?;
        Ok(leaf.pem() + &key.serialize_pem())
    }
}

fn ca_params(name: &str, to: i64, path_length: u8) -> Result<CertificateParams, rcgen::Error> {
    let mut params = params(name, Validity { from: BUILT, to })?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_length));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn params(name: &str, validity: Validity) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let date = |seconds: i64| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds.max(0) as u64);
    (params.not_before, params.not_after) = (date(validity.from), date(validity.to));
    let mut serial = [0; 16];
    base::random(&mut serial);
    serial[0] = serial[0] & 0x7f | 0x40; // positive, and never shortened (RFC 5280 §4.1.2.2)
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(params)
}

/// A key that can sign and cannot be written out.
struct RootKey(EcdsaKeyPair);

impl PublicKeyData for RootKey {
    fn der_bytes(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }
    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl SigningKey for RootKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature = self.0.sign(&SystemRandom::new(), message).map_err(|_| rcgen::Error::RingUnspecified)?;
        Ok(signature.as_ref().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn a_true_clock_makes_a_leaf_of_397_days() {
        let now = BUILT + 100 * DAY;
        let leaf = Validity::of_leaf(at(now), TimeSource::Ntp);
        assert_eq!((leaf.from, leaf.to), (now - DAY, now + 396 * DAY));
        assert!(!leaf.is_due(leaf.from + 264 * DAY) && leaf.is_due(leaf.from + 265 * DAY));
    }

    #[test]
    fn without_a_true_clock_a_leaf_starts_with_the_build_and_lasts_825_days() {
        for now in [0, BUILT - 1, BUILT, BUILT + 300 * DAY] {
            let leaf = Validity::of_leaf(at(now), TimeSource::Unset);
            assert_eq!((leaf.from, leaf.to), (BUILT, BUILT + 825 * DAY));
        }
        // A clock that says it is true but shows a time before the build lies.
        assert_eq!(Validity::of_leaf(at(0), TimeSource::Rtc).from, BUILT);
        // A guess far ahead must still be inside the leaf.
        let far = BUILT + 3_000 * DAY;
        let leaf = Validity::of_leaf(at(far), TimeSource::Unset);
        assert!(leaf.from < far && far < leaf.to);
    }

    #[test]
    fn a_phones_time_is_true_but_is_forgotten_so_its_leaf_is_from_now_and_lasts_825_days() {
        let now = BUILT + 1_000 * DAY;
        let leaf = Validity::of_leaf(at(now), TimeSource::Phone);
        assert_eq!((leaf.from, leaf.to), (now - DAY, now + 824 * DAY));
    }
}
