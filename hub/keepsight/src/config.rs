//! `keepsight.toml`: what the machine needs to start, parsed into types that cannot be wrong.
//!
//! What people change in the app (cameras, members, rules) is in the store, never here. Unknown keys are refused, and
//! every error names file, line and key, and what is allowed. `systemd/keepsight.toml` is shipped and equals
//! [`Config::default`], by test.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use base::{Problem, ProblemKind};

use read::Section;

mod read;

/// Where `--config` points when it is not given.
pub const DEFAULT_FILE: &str = "/etc/keepsight/keepsight.toml";

/// A configuration that is longer is not one.
const MAX_FILE_BYTES: u64 = 64 * 1024;
/// More addresses than that in one list are a mistake.
const MAX_ADDRESSES: usize = 16;

/// Everything in `keepsight.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// `[paths]`
    pub paths: Paths,
    /// `[api]`
    pub api: Api,
    /// `[limits]`
    pub limits: Limits,
    /// `[storage]`
    pub storage: Storage,
    /// `[net]`
    pub net: Net,
    /// `[update]`
    pub update: Update,
}

impl Config {
    /// Reads the file. `no-config` if it cannot be read, `bad-config` with the place if it cannot be used.
    pub fn load(path: &Path) -> Result<Self, Problem> {
        let bytes = base::fs::read(path, MAX_FILE_BYTES)
            .map_err(|e| Problem::with(ProblemKind::NoConfig, format_args!("{}: {}", e, e.source)))?;
        let text = match std::str::from_utf8(&bytes) {
            Ok(text) => text,
            Err(e) => {
                let line = 1 + bytes[..e.valid_up_to()].iter().filter(|b| **b == b'\n').count();
                return Err(ConfigError::new(path, line, "the text is not UTF-8", "TOML in UTF-8").into());
            }
        };
        Ok(Self::parse(path, text)?)
    }

    /// Parses the text of a file; the path is only for errors. What is left out has its default.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let document = read::Document::parse(path, text)?;
        let root = document.root(&["paths", "api", "limits", "storage", "net", "update"])?;
        Ok(Self {
            paths: Paths::read(&root.section("paths", &["data", "footage"])?)?,
            api: Api::read(&root.section("api", &["https", "http"])?)?,
            limits: Limits::read(&root.section("limits", &["cameras", "connections", "connections_per_address"])?)?,
            storage: Storage::read(&root.section("storage", &["reserve", "budget"])?)?,
            net: Net::read(&root.section("net", &["mdns", "away_after"])?)?,
            update: Update::read(&root.section("update", &["gate", "image"])?)?,
        })
    }
}

/// A configuration that cannot be used: where, what is wrong, and what is allowed there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}, line {line}: {wrong}; allowed is {allowed}", path = path.display())]
pub struct ConfigError {
    /// The file.
    pub path: PathBuf,
    /// The line in it, from 1.
    pub line: usize,
    /// What is wrong, with the key.
    pub wrong: String,
    /// What is allowed there.
    pub allowed: String,
}

impl ConfigError {
    fn new(path: &Path, line: usize, wrong: impl Into<String>, allowed: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, wrong: wrong.into(), allowed: allowed.into() }
    }
}

impl From<ConfigError> for Problem {
    fn from(error: ConfigError) -> Problem {
        Problem::with(ProblemKind::BadConfig, error)
    }
}

/// A value that cannot be used: what is wrong with it, and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{wrong}; allowed is {allowed}")]
pub struct BadValue {
    wrong: String,
    allowed: String,
}

fn bad<T>(wrong: impl fmt::Display, allowed: impl fmt::Display) -> Result<T, BadValue> {
    Err(BadValue { wrong: wrong.to_string(), allowed: allowed.to_string() })
}

/// A path from the root, without `.` and `..`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbsolutePath(PathBuf);

impl AbsolutePath {
    /// Refuses what is relative, the root itself, and `..`, after which nobody can tell which folder is inside which.
    pub fn new(path: impl Into<PathBuf>) -> Result<Self, BadValue> {
        let path: PathBuf = path.into();
        let allowed = "a folder's path from the root, without \"..\", such as \"/var/lib/keepsight\"";
        if !path.is_absolute() || path.to_string_lossy().chars().any(char::is_control) {
            return bad("is not a path from the root", allowed);
        }
        if path.components().any(|c| c == Component::ParentDir) {
            return bad("has \"..\" in it", allowed);
        }
        let path: PathBuf = path.components().collect(); // drops "." and doubled slashes
        if path.parent().is_none() {
            return bad("is the root of all files", allowed);
        }
        Ok(Self(path))
    }
}

impl AsRef<Path> for AbsolutePath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

/// The two folders. Neither is the other, and the data folder is not inside the footage folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    data: AbsolutePath,
    footage: AbsolutePath,
}

impl Paths {
    /// What the hub keeps for itself inside the data folder: footage may not lie there.
    const OWN: [&str; 3] = ["secrets", "store", "export"];

    /// Both folders, when they go together.
    pub fn new(data: AbsolutePath, footage: AbsolutePath) -> Result<Self, BadValue> {
        let allowed =
            "a folder of its own, on its own disk or inside paths.data, where secrets, store and export are taken";
        if data.0.starts_with(&footage.0) {
            return bad("is or contains paths.data, so that secrets would lie among the footage", allowed);
        }
        if Self::OWN.iter().any(|own| footage.0.starts_with(data.0.join(own))) {
            return bad("is one of the hub's own folders inside paths.data", allowed);
        }
        Ok(Self { data, footage })
    }
    /// Where the hub keeps its store, its secrets and its socket.
    pub fn data(&self) -> &Path {
        &self.data.0
    }
    /// Where the sealed footage goes.
    pub fn footage(&self) -> &Path {
        &self.footage.0
    }
    /// The socket by which commands manage a running hub.
    pub fn socket(&self) -> PathBuf {
        self.data.0.join("hub.sock")
    }

    fn read(section: &Section) -> Result<Self, ConfigError> {
        let default = Self::default();
        let data = section.string("data", |p| AbsolutePath::new(p))?.unwrap_or(default.data);
        let footage = section.string("footage", |p| AbsolutePath::new(p))?;
        // Who moves data alone gets footage inside of it, as the default has it.
        let footage_key = if footage.is_some() { "footage" } else { "data" };
        let footage = footage.unwrap_or_else(|| AbsolutePath(data.0.join("footage")));
        section.check(footage_key, Self::new(data, footage))
    }
}

impl Default for Paths {
    fn default() -> Self {
        let data = PathBuf::from("/var/lib/keepsight");
        Self { footage: AbsolutePath(data.join("footage")), data: AbsolutePath(data) }
    }
}

/// Where the hub listens. No address stands twice; port 0 is any free port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Api {
    https: Vec<SocketAddr>,
    http: Vec<SocketAddr>,
}

impl Api {
    /// Addresses of the app and API (at least one), and of the set-up page (none: off).
    pub fn new(https: Vec<SocketAddr>, http: Vec<SocketAddr>) -> Result<Self, BadValue> {
        check_https(&https)?;
        check_http(&https, &http)?;
        Ok(Self { https, http })
    }
    /// Where app and API are served, by TLS only.
    pub fn https(&self) -> &[SocketAddr] {
        &self.https
    }
    /// Where the set-up page is served, without TLS; empty: nowhere.
    pub fn http(&self) -> &[SocketAddr] {
        &self.http
    }

    fn read(section: &Section) -> Result<Self, ConfigError> {
        let default = Self::default();
        let https = section.strings("https", address)?.unwrap_or(default.https);
        section.check("https", check_https(&https))?;
        let http = section.strings("http", address)?.unwrap_or(default.http);
        section.check("http", check_http(&https, &http))?;
        Ok(Self { https, http })
    }
}

impl Default for Api {
    fn default() -> Self {
        let any = |port| SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, port));
        Self { https: vec![any(443)], http: vec![any(80)] }
    }
}

const ADDRESS: &str = "an IP address with its port, such as \"[::]:443\" or \"192.168.1.2:8443\"";

fn address(text: &str) -> Result<SocketAddr, BadValue> {
    text.parse().or_else(|_| bad("is not an address", ADDRESS))
}

fn check_https(https: &[SocketAddr]) -> Result<(), BadValue> {
    if https.is_empty() {
        return bad(
            "is empty, and without it nobody could reach the hub",
            format_args!("a list of at least one, such as [\"[::]:443\"]"),
        );
    }
    check_list(https)
}

fn check_http(https: &[SocketAddr], http: &[SocketAddr]) -> Result<(), BadValue> {
    check_list(http)?;
    match http.iter().find(|a| a.port() != 0 && https.contains(a)) {
        Some(a) => bad(format_args!("has {a}, which stands in api.https too"), "another port, or [] for none"),
        None => Ok(()),
    }
}

fn check_list(addresses: &[SocketAddr]) -> Result<(), BadValue> {
    if addresses.len() > MAX_ADDRESSES {
        return bad(
            format_args!("has {} addresses", addresses.len()),
            format_args!("a list of at most {MAX_ADDRESSES}"),
        );
    }
    for (i, a) in addresses.iter().enumerate() {
        if a.port() != 0 && addresses[..i].contains(a) {
            return bad(format_args!("has {a} twice"), "each address once");
        }
    }
    Ok(())
}

/// Bounds of what one hub takes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    cameras: u32,
    connections: u32,
    connections_per_address: u32,
}

impl Limits {
    /// Each within its range, see the getters; an address gets at most all connections.
    pub fn new(cameras: u32, connections: u32, connections_per_address: u32) -> Result<Self, BadValue> {
        in_range(cameras.into(), 1, 256)?;
        in_range(connections.into(), 16, 65_536)?;
        in_range(connections_per_address.into(), 1, connections.into())?;
        Ok(Self { cameras, connections, connections_per_address })
    }
    /// How many cameras can be added: 1 to 256.
    pub fn cameras(&self) -> u32 {
        self.cameras
    }
    /// How many connections are served at once: 16 to 65,536.
    pub fn connections(&self) -> u32 {
        self.connections
    }
    /// How many of them one address may hold: 1 to all.
    pub fn connections_per_address(&self) -> u32 {
        self.connections_per_address
    }

    fn read(section: &Section) -> Result<Self, ConfigError> {
        let default = Self::default();
        let number = |key, least, most, default| {
            section.integer(key, |n| in_range(n, least, most)).map(|n| n.unwrap_or(default))
        };
        let cameras = number("cameras", 1, 256, default.cameras)?;
        let connections = number("connections", 16, 65_536, default.connections)?;
        let per_address =
            number("connections_per_address", 1, connections.into(), default.connections_per_address.min(connections))?;
        Ok(Self { cameras, connections, connections_per_address: per_address })
    }
}

impl Default for Limits {
    /// 64 cameras are what was measured to be no load; a household's devices fit twice into the rest.
    fn default() -> Self {
        Self { cameras: 64, connections: 1_024, connections_per_address: 256 }
    }
}

/// The room on the footage disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Storage {
    reserve: u64,
    budget: Option<u64>,
}

impl Storage {
    /// A smaller budget would hold no footage.
    const LEAST_BUDGET: u64 = 32 << 20;

    /// Bytes that stay free, and bytes that all of the hub takes at most.
    pub fn new(reserve: u64, budget: Option<u64>) -> Result<Self, BadValue> {
        if budget.is_some_and(|b| b < Self::LEAST_BUDGET) {
            return bad("is too little for footage", format_args!("\"all\", or a size from 32 MiB on"));
        }
        Ok(Self { reserve, budget })
    }
    /// Bytes of the footage disk that stay free.
    pub fn reserve(&self) -> u64 {
        self.reserve
    }
    /// Bytes that all of the hub takes on the footage disk; `None`: all but the reserve.
    pub fn budget(&self) -> Option<u64> {
        self.budget
    }

    fn read(section: &Section) -> Result<Self, ConfigError> {
        let default = Self::default();
        let reserve = section.string("reserve", size)?.unwrap_or(default.reserve);
        let budget = section.string("budget", |text| match text {
            "all" => Ok(None),
            text => size(text).map(Some).map_err(|e| BadValue { allowed: format!("\"all\", or {}", e.allowed), ..e }),
        })?;
        section.check("budget", Self::new(reserve, budget.unwrap_or(default.budget)))
    }
}

impl Default for Storage {
    /// 1 GiB free is room for the system's own files, for updates and for a file system that slows down when full.
    fn default() -> Self {
        Self { reserve: 1 << 30, budget: None }
    }
}

/// The hub on the network that it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Net {
    /// It answers to its `.local` name, and says that it is there.
    pub mdns: bool,
    /// A phone that does not answer for so long is not at home any more.
    pub away_after: Duration,
}

impl Net {
    fn read(section: &Section) -> Result<Self, ConfigError> {
        let default = Self::default();
        Ok(Self {
            mdns: section.boolean("mdns")?.unwrap_or(default.mdns),
            away_after: section.string("away_after", duration)?.unwrap_or(default.away_after),
        })
    }
}

impl Default for Net {
    /// Found by its name: addresses change, and its certificate is made for the name. A phone that sleeps may miss what it
    /// is asked for a minute or two.
    fn default() -> Self {
        Self { mdns: true, away_after: Duration::from_secs(300) }
    }
}

/// `30 s`, `5 min`, `2 h`: a whole number and a unit, a day at most.
fn duration(text: &str) -> Result<Duration, BadValue> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = [("s", 1), ("min", 60), ("h", 3_600)].into_iter().find(|(name, _)| *name == unit.trim());
    match (number.parse::<u32>(), unit) {
        (Ok(number @ 1..=86_400), Some((_, seconds))) if u64::from(number) * seconds <= 86_400 => {
            Ok(Duration::from_secs(u64::from(number) * seconds))
        }
        _ => bad("is not a time", "a whole number with s, min or h, a day at most, such as \"5 min\""),
    }
}

/// Updates of the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    gate: Duration,
    image: PathBuf,
}

impl Update {
    /// For how long a new version has to do what it should before it is taken as good: a second to an hour.
    pub fn new(gate: Duration) -> Result<Self, BadValue> {
        match (Duration::from_secs(1)..=Duration::from_secs(3_600)).contains(&gate) {
            true => Ok(Self { gate, ..Self::default() }),
            false => bad("is too short or too long", GATE),
        }
    }
    /// The same with another file in which the image says which version it is.
    pub fn with_image(self, image: impl Into<PathBuf>) -> Self {
        Self { image: image.into(), ..self }
    }
    /// For how long.
    pub fn gate(&self) -> Duration {
        self.gate
    }
    /// The file in which the image says which version it is. Where it is not there, nothing is updated.
    pub fn image(&self) -> &Path {
        &self.image
    }

    fn read(section: &Section) -> Result<Self, ConfigError> {
        let gate = section.string("gate", |text| {
            Self::new(duration(text).map_err(|e| BadValue { allowed: GATE.to_owned(), ..e })?)
        })?;
        let image = section.string("image", |text| {
            let allowed = "a file's path from the root, such as \"/usr/lib/keepsight/image.toml\"";
            match text.starts_with('/') && !text.chars().any(char::is_control) {
                true => Ok(PathBuf::from(text)),
                false => bad("is not a path from the root", allowed),
            }
        })?;
        let gate = gate.unwrap_or_default();
        Ok(Self { image: image.unwrap_or_else(|| gate.image.clone()), ..gate })
    }
}

impl Default for Update {
    /// Cameras of every make have connected by then.
    fn default() -> Self {
        Self { gate: Duration::from_secs(300), image: Path::new("/").join(system::IMAGE_FILE) }
    }
}

const GATE: &str = "a whole number with s or min, from \"1 s\" to \"60 min\"";

/// `500 GB`, `2 TiB`: a whole number and a unit.
fn size(text: &str) -> Result<u64, BadValue> {
    const UNITS: [(&str, u64); 6] = [
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
    ];
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = UNITS.iter().find(|(name, _)| *name == unit.trim());
    match (number.parse::<u64>(), unit) {
        (Ok(number), Some((_, unit))) if number.checked_mul(*unit).is_some_and(|bytes| bytes <= 1 << 60) => {
            Ok(number * unit)
        }
        _ => bad("is not a size", "a whole number with MB, GB, TB, MiB, GiB or TiB, such as \"500 GB\""),
    }
}

fn in_range(n: i64, least: i64, most: i64) -> Result<u32, BadValue> {
    match u32::try_from(n) {
        Ok(fits) if (least..=most).contains(&n) => Ok(fits),
        _ => bad(format_args!("is {n}"), format_args!("a whole number from {least} to {most}")),
    }
}

/// A value from the file as it is shown in an error: cut, and without control characters.
fn shown(text: &str) -> String {
    let cut: String = text.chars().take(60).collect();
    format!("{:?}{}", cut, if cut.len() < text.len() { "…" } else { "" })
}
