//! What handlers work with, and who a session is.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base::state::Health;
use base::{CameraId, HubId, Mono, PrincipalId, Problem, ProblemKind, SharedClock, Shutdown, TimeSource, Timestamp};
use footage::Footage;
use jiff::SignedDuration;
use recorder::Recorder;
use store::{Actor, Db, Durability, ExportKind, Principal, PrincipalKind, Role, Secret, SecretKind, Store, StoreError};
use system::HubClock;
use tokio::sync::{Notify, Semaphore, watch};
use vault::{Password, PrincipalIdentity, SessionToken, Viewer, Zeroizing};

use crate::claiming::Claiming;
use crate::limit::Attempts;
use crate::metrics::Metrics;
use crate::problem::ApiError;
use crate::route::{Credentials, Hub, Peer, Rights, Standing};
use crate::watch::{Ends, Watch};

/// A device's last use is written down so often.
const SEEN_EVERY: jiff::SignedDuration = jiff::SignedDuration::from_hours(1);

/// What the API is made of.
pub struct Parts {
    /// Whose home.
    pub hub: HubId,
    /// The clock.
    pub clock: SharedClock,
    /// The same, to be told the time.
    pub time: Arc<HubClock>,
    /// The store.
    pub store: Store,
    /// The cameras.
    pub recorder: Recorder,
    /// The footage.
    pub footage: Footage,
    /// Still pictures.
    pub stills: vision::Stills,
    /// The hub's certificates: its names are the ones that are answered to.
    pub authority: Arc<tls::Authority>,
    /// Its name on the network.
    pub mdns: net::Mdns,
    /// `<data>/secrets`.
    pub secrets: PathBuf,
    /// `<data>/export`.
    pub export: PathBuf,
    /// Looks whether all is whole, for `keepsight check` on the hub's own socket. Blocks.
    pub check: Check,
    /// What the store's rescue at the start lost, where one was needed.
    pub rescued: Option<Health>,
    /// Cameras that were recorded in the last hour in which the hub ran before.
    pub recorded_before: Vec<CameraId>,
    /// How the machine is.
    pub machine: system::Machine,
    /// What decodes cameras' pictures.
    pub decoders: crate::decoders::Decoders,
    /// What tells objects apart.
    pub objects: crate::objects::Keeper,
    /// Has the hub stop, and begin anew as it was flashed. Blocks.
    pub reset: Reset,
    /// Where it is said whether time servers are asked.
    pub internet_time: system::InternetTime,
    /// Which Wi-Fi is joined.
    pub wifi: system::HubWifi,
    /// Updates of the system.
    pub updates: system::update::Updates,
    /// The disks of the machine.
    pub disks: system::footage_disk::FootageDisks,
    /// When the hub started.
    pub started: Mono,
    /// Where the hub reaches its own app and API.
    pub own_address: SocketAddr,
    /// Cost of password derivation; light in tests only.
    pub password_params: fn() -> vault::PasswordParams,
    /// A phone that was not seen for so long is not at home any more.
    pub away_after: Duration,
    /// Where it listens.
    pub ports: Ports,
    /// When to stop.
    pub shutdown: Shutdown,
}

/// Where the hub listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// App and API.
    pub https: u16,
    /// The set-up page, where there is one.
    pub http: Option<u16>,
}

/// How to claim a hub: what its console shows. A secret while the token is open.
#[derive(serde::Serialize, serde::Deserialize, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
pub struct ClaimShown {
    /// The token; absent while claiming is shut.
    pub claim_token: Option<String>,
    /// The page that claims, with the token in its fragment: for a QR code.
    pub claim_url: Option<String>,
    /// Seconds for which claiming is open yet; 0: it is shut.
    pub open_for_s: u64,
    /// Where a phone learns to trust the hub, if that is served.
    pub set_up_url: Option<String>,
    /// The hub's page.
    pub app_url: String,
    /// The four words of its certificate.
    pub words: Vec<String>,
    /// The same as certificate viewers show it.
    pub sha256: String,
}

/// Looks whether something is whole; answers a report as JSON.
pub type Check = Arc<dyn Fn(Checked) -> Result<serde_json::Value, Problem> + Send + Sync>;

/// Says, durably, that the hub is to be reset, and has it stop.
pub type Reset = Arc<dyn Fn() -> Result<(), Problem> + Send + Sync>;

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// The store's rows and the audit log.
    Store,
    /// The footage tree beside its index, too.
    StoreAndFootage,
}

/// A phone that tells nearly the time that another one told tells nothing new.
const SAME_TIME: SignedDuration = SignedDuration::from_secs(60);

/// The context of every handler. Clones share everything. Holds no key that opens footage.
#[derive(Clone)]
pub struct Ctx(Arc<Inner>);

/// What every [`Ctx`] shares.
pub struct Inner {
    pub(crate) parts: Parts,
    pub(crate) claiming: Claiming,
    pub(crate) claim_attempts: Attempts,
    pub(crate) sign_in_attempts: Attempts,
    pub(crate) invitation_attempts: Attempts,
    /// For telling the time at the set-up page.
    time_attempts: Attempts,
    /// Password derivations at a time: each takes 64 MiB and a core.
    pub(crate) derivations: Semaphore,
    /// Files that are taken away at a time, see [`crate::export::MOST`].
    pub(crate) files: Arc<Semaphore>,
    /// Settings of motion that are tried at a time.
    pub(crate) previews: Arc<Semaphore>,
    /// The hub has an owner, as far as that was told.
    owned: watch::Sender<bool>,
    /// Held over a claim: the hub's signing key is written before the store says whose hub it is.
    pub(crate) claims: tokio::sync::Mutex<()>,
    /// Held over an export: two at once would write one temporary file.
    exports: tokio::sync::Mutex<()>,
    /// What ends is told here: who looks at pictures by it is shown out.
    pub(crate) ends: Ends,
    /// Attempts to be let in that were refused, to be written down.
    pub(crate) refused: crate::limit::Refused,
    /// Something that ends by itself was made or changed.
    pub(crate) expiries: Notify,
    /// Secrets of one-time codes that nobody has confirmed yet.
    pub(crate) pending_totp: crate::handlers::PendingTotp,
    pub(crate) metrics: Metrics,
}

impl Ctx {
    /// The context of a hub.
    ///
    /// # Errors
    /// The claim token's file cannot be read or written.
    pub fn new(parts: Parts) -> Result<Self, base::fs::FsError> {
        let claiming = Claiming::open(&parts.secrets, parts.clock.clone())?;
        Ok(Self(Arc::new(Inner {
            claiming,
            claim_attempts: Attempts::for_claim(parts.clock.clone()),
            sign_in_attempts: Attempts::for_sign_in(parts.clock.clone()),
            invitation_attempts: Attempts::for_claim(parts.clock.clone()),
            time_attempts: Attempts::for_claim(parts.clock.clone()),
            derivations: Semaphore::new(1),
            files: Arc::new(Semaphore::new(crate::export::MOST)),
            previews: Arc::new(Semaphore::new(1)),
            ends: Ends::default(),
            refused: Default::default(),
            expiries: Notify::new(),
            pending_totp: Default::default(),
            owned: watch::channel(false).0,
            claims: tokio::sync::Mutex::default(),
            exports: tokio::sync::Mutex::default(),
            metrics: Metrics::default(),
            parts,
        })))
    }
}

impl std::ops::Deref for Ctx {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Ctx {
    /// Whether the hub has an owner, and when it gets one. Where the store does not say it, it has.
    pub async fn watch_owned(&self) -> watch::Receiver<bool> {
        let claimed = self.claimed().await.unwrap_or(true);
        self.owned.send_if_modified(|owned| claimed && !std::mem::replace(owned, claimed));
        self.owned.subscribe()
    }

    /// The hub has an owner from now on.
    pub(crate) fn has_owner(&self) {
        self.owned.send_replace(true);
    }

    /// Where the hub listens.
    pub fn ports(&self) -> Ports {
        self.parts.ports
    }

    /// How the store is: degraded while it does not answer, and, until the hub is started again, where it had to be made
    /// again.
    pub fn store_health(&self) -> Health {
        match (self.parts.store.health(), &self.parts.rescued) {
            (Health::Ok, Some(rescued)) => rescued.clone(),
            (health, _) => health,
        }
    }

    /// The claim token, open for half an hour from now; `None` if the hub has an owner.
    ///
    /// # Errors
    /// The store or the token's file fails.
    pub async fn open_claim(&self) -> Result<Option<Zeroizing<String>>, ApiError> {
        if self.claimed().await? {
            return Ok(None);
        }
        self.claiming.reopen().map(Some).map_err(ApiError::internal)
    }

    /// How to claim the hub; `None` if it has an owner.
    ///
    /// # Errors
    /// The store fails.
    pub async fn claim_shown(&self) -> Result<Option<ClaimShown>, ApiError> {
        if self.claimed().await? {
            return Ok(None);
        }
        let (authority, Ports { https, http }) = (&self.parts.authority, self.parts.ports);
        let names = authority.names();
        let own = names.dns.first().cloned().unwrap_or_default();
        // Its name, unless nobody on the network hears that: then an address, if it has one that phones take.
        let named = matches!(self.parts.mdns.health(), Health::Ok);
        let address = names.addresses.iter().find(|ip| ip.is_ipv4() && !ip.is_loopback()).filter(|_| !named);
        let host = address.map_or(own, ToString::to_string);
        let url = |scheme: &str, port: u16, usual: u16| match port {
            port if port == usual => format!("{scheme}://{host}/"),
            port => format!("{scheme}://{host}:{port}/"),
        };
        let open = self.claiming.shown();
        let app = url("https", https, 443);
        Ok(Some(ClaimShown {
            claim_url: open.as_ref().map(|(token, _)| format!("{app}#/claim/{}", **token)),
            claim_token: open.as_ref().map(|(token, _)| token.to_string()),
            open_for_s: open.map_or(0, |(_, left)| left.as_secs()),
            set_up_url: http.map(|port| url("http", port, 80)),
            app_url: app,
            words: authority.fingerprint_words().map(str::to_owned).to_vec(),
            sha256: authority.fingerprint_sha256(),
        }))
    }

    /// Makes somebody the owner at the machine itself, without the token: for the demo.
    ///
    /// # Errors
    /// As `POST /api/v1/claim`.
    pub async fn claim(&self, name: &str, password: Password) -> Result<(), ApiError> {
        crate::handlers::claim_hub(self, name.to_owned(), password).await.map(drop)
    }

    /// Writes people, keys, cameras and settings into `<data>/export`, as after every change of them.
    pub(crate) async fn export(&self) -> Result<(), ApiError> {
        let _one_at_a_time = self.exports.lock().await;
        let (store, dir) = (self.parts.store.clone(), self.parts.export.clone());
        let written = tokio::task::spawn_blocking(move || {
            base::fs::create_dir(&dir, 0o700)?;
            store.export(&dir.join("settings.export"), ExportKind::Settings)
        });
        written.await.map_err(ApiError::internal)??;
        Ok(())
    }

    /// Writes into the audit log what somebody did.
    pub(crate) async fn audit(&self, who: Actor, what: &'static str, about: String) -> Result<(), ApiError> {
        Ok(self.parts.store.urgent(move |db| db.append_audit(who, what, &about).map(drop)).await?)
    }
}

impl Inner {
    pub(crate) async fn claimed(&self) -> Result<bool, ApiError> {
        Ok(self.parts.store.read(|db| db.hub_row()).await?.claim.is_some())
    }
}

/// Somebody who is signed in, for the length of one request: the principal's identity, unwrapped by the session's secret.
pub struct Session {
    /// Who.
    pub(crate) principal: Principal,
    /// By which of its secrets.
    pub(crate) secret: Secret,
    identity: PrincipalIdentity,
}

impl Session {
    pub(crate) fn is_owner(&self) -> bool {
        self.principal.role == Role::Owner
    }

    /// A device that somebody signed in with, not a token.
    pub(crate) fn is_device(&self) -> bool {
        matches!(self.secret.kind, SecretKind::Session { .. })
    }

    /// Who does what is asked for.
    pub(crate) fn actor(&self) -> Actor {
        Actor::Principal(self.principal.id)
    }

    /// The viewer for one camera, which holds that camera's keys only, as far as they were granted; and when it ends.
    pub(crate) async fn into_viewer(self, hub: &Ctx, camera: CameraId) -> Result<(Viewer, Watch), ApiError> {
        let (principal, secret) = (self.principal.id, self.secret.id);
        // What ended since this session was found is not told to who begins to watch now.
        let watch = hub.ends.watch(secret, principal, camera);
        let keys = hub.parts.store.read(move |db| match db.secret(principal, secret)? {
            Some(_) => {
                // The fault that the mix-up test builds in: whoever asks for a camera gets the keys of another one.
                #[cfg(feature = "switched")]
                let camera = db.cameras()?.iter().map(|c| c.id).find(|id| *id != camera).unwrap_or(camera);
                db.wrapped_keys(principal, camera).map(Some)
            }
            None => Ok(None),
        });
        let keys = keys.await?.ok_or(ProblemKind::NotSignedIn)?;
        Ok((Viewer::new(principal, self.identity, keys), watch))
    }

    /// The viewer of all that the principal may see, to wrap keys anew. To be asked for while no keys change hands.
    ///
    /// # Errors
    /// [`ProblemKind::TooBusy`] if the principal got another identity since the request came: what was wrapped to that
    /// would not open, and would be lost.
    pub(crate) async fn into_whole_viewer(self, hub: &Ctx) -> Result<Viewer, ApiError> {
        let principal = self.principal.id;
        let read = hub.parts.store.read(move |db| Ok((db.principal(principal)?, db.wrapped_keys_of(principal)?)));
        let (row, keys) = read.await?;
        match row.is_some_and(|row| row.recipient == self.identity.recipient()) {
            true => Ok(Viewer::new(principal, self.identity, keys)),
            false => Err(ProblemKind::TooBusy.into()),
        }
    }
}

impl Hub for Ctx {
    type Session = Session;

    fn clock(&self) -> &SharedClock {
        &self.parts.clock
    }

    fn knows_host(&self, host: &str) -> bool {
        self.parts.authority.names().contains(host)
    }

    async fn wants_time(&self) -> bool {
        let guesses = matches!(self.parts.clock.source(), TimeSource::Unset | TimeSource::Phone);
        guesses && self.claimed().await.is_ok_and(|claimed| !claimed)
    }

    async fn take_time(&self, time: Timestamp, peer: Peer) -> Result<(), ApiError> {
        let _no_claim_meanwhile = self.claims.lock().await;
        if self.claimed().await? {
            return Err(ProblemKind::AlreadyClaimed.into());
        }
        if !self.wants_time().await {
            return Err(ProblemKind::TimeKnown.into());
        }
        let clock = &self.parts.clock;
        // Every phone that looks at the page tells it, and every time makes a certificate and writes it.
        let told = clock.source() == TimeSource::Phone;
        if told && time.duration_since(clock.wall()).abs() < SAME_TIME {
            return Ok(());
        }
        self.time_attempts.begin("time", peer)?;
        let before = clock.wall();
        self.parts.time.tell(time)?;
        let authority = self.parts.authority.clone();
        let renewed = tokio::task::spawn_blocking(move || {
            authority.renew(&tls::local_addresses().unwrap_or_default()) // without any it is good by name
        });
        renewed.await.map_err(ApiError::internal)??;
        tracing::info!(%before, now = %time, "a phone told the time at the set-up page");
        let said = format!("{before} became {time}");
        self.parts.store.urgent(move |db| db.append_audit(Actor::Hub, "system.time", &said)).await?;
        Ok(())
    }

    async fn authenticate(&self, credentials: &Credentials, _peer: Peer) -> Result<Option<Session>, ApiError> {
        let Ok(token) = SessionToken::parse(&credentials.secret) else { return Ok(None) };
        let (lookup, now) = (token.lookup(), self.parts.clock.wall());
        let found = self
            .parts
            .store
            .read(move |db| {
                let Some(secret) = db.secret_by_lookup(&lookup)? else { return Ok(None) };
                Ok(db.principal(secret.principal)?.map(|principal| (principal, secret)))
            })
            .await?;
        let Some((principal, secret)) = found else { return Ok(None) };
        let seen = match (&principal.kind, &secret.kind) {
            (PrincipalKind::Person, SecretKind::Session { last_used, .. }) => Some(*last_used),
            (PrincipalKind::Token, SecretKind::Token { .. }) => None,
            _ => return Ok(None), // a password is no session, nor is an invitation
        };
        if secret.kind.expires().is_some_and(|at| at <= now) {
            return Ok(None);
        }
        if seen.is_some_and(|seen| now.duration_since(seen) >= SEEN_EVERY) {
            let (principal, id) = (principal.id, secret.id);
            let call = move |db: &mut Db| saw(db, principal, id, now);
            drop(self.parts.store.submit(Durability::Lazy, call)); // it only tells people which device is which
        }
        let identity = token.unlock(&secret.sealed).map_err(|e| {
            tracing::error!(principal = %principal.id, error = %e, "a session does not open its principal's identity");
            ApiError::from(ProblemKind::NotSignedIn)
        })?;
        Ok(Some(Session { principal, secret, identity }))
    }

    fn standing(&self, session: &Session) -> Standing {
        match (session.principal.kind, session.principal.role) {
            (PrincipalKind::Person, Role::Owner) => Standing::Owner,
            (PrincipalKind::Person, Role::Member) => Standing::Member,
            (PrincipalKind::Token | PrincipalKind::Invitation { .. }, _) => Standing::Token,
        }
    }

    async fn rights(&self, session: &Session, camera: CameraId) -> Result<Option<Rights>, ApiError> {
        self.rights_of(session.principal.id, camera).await
    }
}

impl Ctx {
    /// What somebody may do with a camera, at this moment. `None`: for them it is not there.
    pub(crate) async fn rights_of(&self, principal: PrincipalId, camera: CameraId) -> Result<Option<Rights>, ApiError> {
        let now = self.parts.clock.wall();
        let read = self.parts.store.read(move |db| {
            let owner = db.principal(principal)?.is_some_and(|principal| principal.role == Role::Owner);
            Ok((db.camera(camera)?.is_some(), owner, db.grant(principal, camera)?))
        });
        let (is_there, owner, grant) = read.await?;
        Ok(match (is_there, grant) {
            (false, _) => None,
            (true, _) if owner => Some(Rights::ALL),
            (true, Some(grant)) if grant.expires.is_none_or(|at| at > now) => Some(Rights {
                live: grant.rights.live,
                playback: grant.rights.playback,
                export: grant.rights.export,
                manage: grant.rights.manage,
            }),
            (true, _) => None,
        })
    }
}

/// A device was seen, if it is still signed in.
fn saw(db: &mut Db, principal: base::PrincipalId, id: base::SecretId, now: Timestamp) -> Result<(), StoreError> {
    let Some(mut secret) = db.secret(principal, id)? else { return Ok(()) };
    if let SecretKind::Session { last_used, .. } = &mut secret.kind {
        *last_used = now;
    }
    db.put_secret(&secret)
}
