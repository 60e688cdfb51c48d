//! The authority as phones, openssl and a thief see it.

use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use base::{Clock, HubId, Problem, ProblemKind, SimClock, TimeSource, Timestamp};
use rustls_pki_types::ServerName;
use tls::{Authority, TlsError, client_config, host_name};

const DAY: Duration = Duration::from_secs(24 * 3600);

struct Home {
    dir: tempfile::TempDir,
    clock: SimClock,
    hub: HubId,
}

impl Home {
    fn new() -> Self {
        // A hundred days after the build, so that a leaf's first day is not cut off by it.
        Self::at("2026-04-11T00:00:00Z")
    }
    fn at(time: &str) -> Self {
        let clock = SimClock::at(time.parse().unwrap());
        Self { dir: tempfile::tempdir().unwrap(), hub: HubId::new(&clock), clock }
    }
    fn secrets(&self) -> std::path::PathBuf {
        self.dir.path().join("secrets")
    }
    fn authority(&self) -> Result<Authority, TlsError> {
        self.open(&["192.168.1.5"])
    }
    fn open(&self, addresses: &[&str]) -> Result<Authority, TlsError> {
        Authority::open_or_create(&self.secrets(), self.hub, Arc::new(self.clock.clone()), &ips(addresses))
    }
    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.secrets().join(file)).unwrap()
    }
    fn write(&self, file: &str, content: &str) {
        std::fs::write(self.secrets().join(file), content).unwrap();
    }
}

fn ips(addresses: &[&str]) -> Vec<IpAddr> {
    addresses.iter().map(|ip| ip.parse().unwrap()).collect()
}

/// Runs openssl; its output, and whether it was content.
fn openssl(dir: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new("openssl").current_dir(dir).args(arguments).output().expect("openssl is installed");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// Splits a PEM file into its sections.
fn sections(pem: &str) -> Vec<String> {
    let mut sections: Vec<String> = Vec::new();
    let mut rest = pem;
    while let Some(end) = rest.find("-----END ") {
        let end = end + rest[end..].find('\n').map_or(rest.len() - end, |i| i + 1);
        sections.push(rest[..end].to_owned());
        rest = &rest[end..];
    }
    sections
}

/// What a client sees: handshakes with a running configuration.
async fn handshake(
    server: &Arc<rustls::ServerConfig>,
    home: &Home,
    root_pem: &str,
    name: &str,
    alpn: &[&str],
) -> Result<(Vec<u8>, Option<Vec<u8>>), String> {
    let client = Arc::new(client_config(root_pem, Arc::new(home.clock.clone()), alpn).unwrap());
    let (near, far) = tokio::io::duplex(64 * 1024);
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(server));
    let (client, _) = tokio::join!(tokio_rustls::TlsConnector::from(client).connect(name, near), acceptor.accept(far));
    let client = client.map_err(|error| error.to_string())?;
    let (_, connection) = client.get_ref();
    let leaf = connection.peer_certificates().unwrap()[0].to_vec();
    Ok((leaf, connection.alpn_protocol().map(<[u8]>::to_vec)))
}

#[tokio::test]
async fn a_client_that_trusts_the_root_reaches_the_hub_by_each_of_its_names() {
    let home = Home::new();
    let authority = home.authority().unwrap();
    let server = authority.server_config().unwrap();
    for name in [&host_name(home.hub), "localhost", "127.0.0.1", "::1", "192.168.1.5"] {
        let (_, alpn) = handshake(&server, &home, authority.root_pem(), name, &["h2", "http/1.1"]).await.unwrap();
        assert_eq!(alpn.as_deref(), Some(&b"h2"[..]), "{name}");
    }
    let (_, alpn) = handshake(&server, &home, authority.root_pem(), "localhost", &["http/1.1"]).await.unwrap();
    assert_eq!(alpn.as_deref(), Some(&b"http/1.1"[..]));
    for name in ["192.168.1.6", "bank.example.com"] {
        let error = handshake(&server, &home, authority.root_pem(), name, &[]).await.unwrap_err();
        assert!(error.contains("not valid for name"), "{name}: {error}");
    }
    let other = Home::new().authority().unwrap();
    let error = handshake(&server, &home, other.root_pem(), "localhost", &[]).await.unwrap_err();
    assert!(error.contains("UnknownIssuer"), "{error}");
}

#[test]
fn openssl_accepts_the_chain_for_the_hubs_own_names() {
    let home = Home::new();
    let authority = home.authority().unwrap();
    let dir = home.dir.path();
    std::fs::write(dir.join("root.pem"), authority.root_pem()).unwrap();
    std::fs::write(dir.join("intermediate.pem"), &sections(&home.read("tls-authority.pem"))[1]).unwrap();
    std::fs::write(dir.join("leaf.pem"), &sections(&home.read("tls-leaf.pem"))[0]).unwrap();
    let now = home.clock.wall().as_second().to_string();
    let verify = ["verify", "-x509_strict", "-attime", &now, "-CAfile", "root.pem", "-untrusted", "intermediate.pem"];
    let own = host_name(home.hub);
    for name in [["-verify_hostname", own.as_str()], ["-verify_hostname", "localhost"], ["-verify_ip", "192.168.1.5"]] {
        let (good, text) = openssl(dir, &[&verify[..], &name, &["-purpose", "sslserver", "leaf.pem"]].concat());
        assert!(good, "{name:?}: {text}");
    }
    let (good, text) = openssl(dir, &[&verify[..], &["-verify_ip", "192.168.1.6", "leaf.pem"]].concat());
    assert!(!good && text.contains("IP address mismatch"), "{text}");
}

#[test]
fn with_everything_on_its_disk_a_stolen_hub_can_mint_its_own_names_only() {
    let home = Home::new();
    let authority = home.authority().unwrap();
    let dir = home.dir.path();
    let parts = sections(&home.read("tls-authority.pem"));
    std::fs::write(dir.join("root.pem"), authority.root_pem()).unwrap();
    std::fs::write(dir.join("intermediate.pem"), &parts[1]).unwrap();
    std::fs::write(dir.join("intermediate.key"), &parts[2]).unwrap();
    let own = format!("DNS:{}", host_name(home.hub));
    let cases = [
        (own.as_str(), None),
        ("DNS:localhost", None),
        ("DNS:camera.home.arpa", None),
        ("IP:10.9.8.7", None),
        ("IP:172.31.0.1", None),
        ("IP:169.254.3.4", None),
        ("IP:fd12::1", None),
        ("IP:fe80::1", None),
        ("DNS:bank.example.com", Some("permitted subtree violation")),
        ("DNS:keepsight-000000.local", Some("permitted subtree violation")),
        ("DNS:local", Some("permitted subtree violation")),
        ("IP:8.8.8.8", Some("permitted subtree violation")),
        ("IP:172.32.0.1", Some("permitted subtree violation")),
        ("IP:2001:db8::1", Some("permitted subtree violation")),
    ];
    for (name, refusal) in cases {
        let mint = "set -e; openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout m.key \
                    -out m.csr -subj /CN=minted -addext \"subjectAltName=$1\"; openssl x509 -req -in m.csr -days 3 \
                    -CA intermediate.pem -CAkey intermediate.key -copy_extensions copyall -out m.pem";
        let minted = Command::new("sh").current_dir(dir).args(["-c", mint, "sh", name]).output().unwrap();
        assert!(minted.status.success(), "{name}: {}", String::from_utf8_lossy(&minted.stderr));
        let (good, text) = openssl(dir, &["verify", "-CAfile", "root.pem", "-untrusted", "intermediate.pem", "m.pem"]);
        assert_eq!(good, refusal.is_none(), "{name}: {text}");
        assert!(refusal.is_none_or(|refusal| text.contains(refusal)), "{name}: {text}");
    }
    // Nor another authority: the path ends at the leaf.
    let (_, text) = openssl(dir, &["x509", "-in", "intermediate.pem", "-noout", "-text"]);
    assert!(text.contains("CA:TRUE, pathlen:0"), "{text}");
}

#[test]
fn the_roots_private_key_is_nowhere_on_disk() {
    let home = Home::new();
    let authority = home.authority().unwrap();
    let dir = home.dir.path();
    std::fs::write(dir.join("root.pem"), authority.root_pem()).unwrap();
    let (good, root_key) = openssl(dir, &["x509", "-in", "root.pem", "-noout", "-pubkey"]);
    assert!(good, "{root_key}");
    let mut private_keys = 0;
    for file in std::fs::read_dir(home.secrets()).unwrap() {
        let file = file.unwrap().path();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
        for section in sections(&std::fs::read_to_string(&file).unwrap()) {
            if section.contains("PRIVATE KEY") {
                std::fs::write(dir.join("found.key"), &section).unwrap();
                let (good, public) = openssl(dir, &["pkey", "-in", "found.key", "-pubout"]);
                assert!(good && public.contains("PUBLIC KEY"), "{public}");
                assert_ne!(public, root_key, "{file:?} holds the root's key");
                private_keys += 1;
            }
        }
    }
    assert_eq!(private_keys, 2, "the intermediate's and the leaf's");
}

#[tokio::test]
async fn the_leaf_is_renewed_at_two_thirds_of_its_life_and_the_running_server_shows_it() {
    let home = Home::new();
    let authority = home.authority().unwrap();
    let server = authority.server_config().unwrap();
    let root = authority.root_pem().to_owned();
    let (first, _) = handshake(&server, &home, &root, "localhost", &[]).await.unwrap();
    home.clock.advance(DAY * 263);
    assert!(!authority.renew_if_due(&ips(&["192.168.1.5"])).unwrap());
    home.clock.advance(DAY);
    assert!(authority.renew_if_due(&ips(&["192.168.1.5"])).unwrap());
    assert!(!authority.renew_if_due(&ips(&["192.168.1.5"])).unwrap());
    let (second, _) = handshake(&server, &home, &root, "localhost", &[]).await.unwrap();
    assert_ne!(first, second);
    home.clock.advance(DAY * 200); // the first one would be over by now
    handshake(&server, &home, &root, "localhost", &[]).await.unwrap();
    // The next start shows the same one, or a newer one if its time has come while the hub was off.
    let server = home.authority().unwrap().server_config().unwrap();
    assert_eq!(handshake(&server, &home, &root, "localhost", &[]).await.unwrap().0, second);
    home.clock.advance(DAY * 3_000);
    let server = home.authority().unwrap().server_config().unwrap();
    handshake(&server, &home, &root, "localhost", &[]).await.unwrap();
}

#[tokio::test]
async fn a_new_address_gets_into_the_leaf_and_an_old_one_out_of_it() {
    let home = Home::new();
    let authority = home.authority().unwrap();
    let server = authority.server_config().unwrap();
    assert!(authority.renew_if_due(&ips(&["10.0.0.9", "8.8.8.8"])).unwrap());
    assert!(authority.names().contains("10.0.0.9"));
    assert!(!authority.names().contains("192.168.1.5") && !authority.names().contains("8.8.8.8"));
    handshake(&server, &home, authority.root_pem(), "10.0.0.9", &[]).await.unwrap();
    handshake(&server, &home, authority.root_pem(), "192.168.1.5", &[]).await.unwrap_err();
}

#[tokio::test]
async fn a_hub_without_a_clock_makes_a_leaf_that_phones_accept_today() {
    let home = Home::new();
    home.clock.step_wall(Timestamp::UNIX_EPOCH, TimeSource::Unset);
    let authority = home.authority().unwrap();
    let server = authority.server_config().unwrap();
    assert!(!authority.renew_if_due(&ips(&["192.168.1.5"])).unwrap());
    for today in ["2026-01-01T12:00:00Z", "2027-06-01T00:00:00Z", "2028-04-01T00:00:00Z"] {
        home.clock.step_wall(today.parse().unwrap(), TimeSource::Phone); // the client's time
        handshake(&server, &home, authority.root_pem(), "localhost", &[]).await.unwrap();
    }
}

#[tokio::test]
async fn a_clock_that_ran_ahead_on_the_first_day_does_no_lasting_harm() {
    let home = Home::at("2041-01-01T00:00:00Z");
    let authority = home.authority().unwrap();
    let server = authority.server_config().unwrap();
    home.clock.step_wall("2026-05-01T00:00:00Z".parse().unwrap(), TimeSource::Ntp);
    handshake(&server, &home, authority.root_pem(), "localhost", &[]).await.unwrap_err();
    assert!(authority.renew_if_due(&ips(&["192.168.1.5"])).unwrap());
    handshake(&server, &home, authority.root_pem(), "localhost", &[]).await.unwrap();
}

#[test]
fn no_clock_however_broken_keeps_the_hub_from_starting() {
    for time in [Timestamp::MIN, Timestamp::MAX] {
        for source in [TimeSource::Unset, TimeSource::Rtc] {
            let home = Home::new();
            home.clock.step_wall(time, source);
            let authority = home.authority().unwrap();
            authority.renew_if_due(&ips(&["10.0.0.9"])).unwrap();
            authority.server_config().unwrap();
        }
    }
}

#[test]
fn the_authority_stays_the_same_from_start_to_start() {
    let home = Home::new();
    let first = home.authority().unwrap();
    let second = home.authority().unwrap();
    assert_eq!(first.root_pem(), second.root_pem());
    assert_eq!(first.fingerprint_words(), second.fingerprint_words());
    assert_ne!(first.fingerprint_words(), Home::new().authority().unwrap().fingerprint_words());
    assert!(first.root_pem().starts_with("-----BEGIN CERTIFICATE-----\n"), "{}", first.root_pem());
}

#[test]
fn the_fingerprint_and_the_profile_are_of_the_root() {
    let home = Home::new();
    let authority = home.authority().unwrap();
    std::fs::write(home.dir.path().join("root.pem"), authority.root_pem()).unwrap();
    let (_, text) = openssl(home.dir.path(), &["x509", "-in", "root.pem", "-noout", "-fingerprint", "-sha256"]);
    assert_eq!(text.trim().split_once('=').unwrap().1, authority.fingerprint_sha256());
    let profile = authority.ios_profile();
    let base64: String = authority.root_pem().lines().filter(|line| !line.starts_with('-')).collect();
    assert!(profile.contains(&format!("<data>{base64}</data>")));
    assert_eq!(profile, home.authority().unwrap().ios_profile());
}

#[test]
fn a_first_start_that_was_cut_off_goes_on() {
    let home = Home::new();
    let root = home.authority().unwrap().root_pem().to_owned();
    std::fs::remove_file(home.secrets().join("tls-leaf.pem")).unwrap();
    assert_eq!(home.authority().unwrap().root_pem(), root);
}

#[test]
fn what_is_damaged_is_an_error_and_stays_as_it_is() {
    let home = Home::new();
    drop(home.authority().unwrap());
    let other = Home::new();
    drop(other.authority().unwrap());
    let (authority, leaf) = (home.read("tls-authority.pem"), home.read("tls-leaf.pem"));
    let parts = sections(&authority);
    let leaf_parts = sections(&leaf);
    let bent = |text: &str| text.replacen("MII", "MIJ", 1);
    let cases = [
        ("tls-authority.pem", String::new(), "does not end with a key"),
        ("tls-authority.pem", "nonsense".into(), "does not end with a key"),
        ("tls-authority.pem", authority[..authority.len() / 2].into(), ""),
        ("tls-authority.pem", parts[1].clone() + &parts[2], "two certificates"),
        ("tls-authority.pem", [&parts[0], &parts[1], &leaf_parts[1]].map(String::as_str).concat(), "do not belong"),
        ("tls-authority.pem", other.read("tls-authority.pem"), "belongs to another hub"),
        ("tls-leaf.pem", String::new(), "does not end with a key"),
        ("tls-leaf.pem", leaf[..leaf.len() - 40].into(), ""),
        ("tls-leaf.pem", bent(&leaf), ""),
        ("tls-leaf.pem", leaf_parts[0].clone() + &parts[2], "do not belong"),
        ("tls-leaf.pem", other.read("tls-leaf.pem"), "did not make it"),
    ];
    for (file, content, said) in cases {
        home.write(file, &content);
        let Err(error) = home.authority() else { panic!("{file} was taken as {content}") };
        let problem = Problem::from(error);
        assert_eq!(problem.kind, ProblemKind::BadFile, "{problem}");
        assert!(problem.to_string().contains(file) && problem.to_string().contains(said), "{said}: {problem}");
        assert_eq!(home.read(file), content);
        home.write("tls-authority.pem", &authority);
        home.write("tls-leaf.pem", &leaf);
    }
    home.authority().unwrap();
}

#[test]
fn a_missing_authority_beside_a_leaf_is_not_made_anew() {
    let home = Home::new();
    drop(home.authority().unwrap());
    std::fs::remove_file(home.secrets().join("tls-authority.pem")).unwrap();
    let error = home.authority().err().unwrap();
    assert!(matches!(error, TlsError::Missing { .. }), "{error}");
    assert_eq!(Problem::from(error).kind, ProblemKind::BadFile);
    assert!(!home.secrets().join("tls-authority.pem").exists());
}

#[test]
fn a_file_that_cannot_be_read_is_not_taken_as_missing() {
    let home = Home::new();
    std::fs::create_dir_all(home.secrets().join("tls-leaf.pem")).unwrap();
    let error = home.authority().err().unwrap();
    assert_eq!(Problem::from(error).kind, ProblemKind::FileError);
}
