//! The hub: what is started in which order, and stopped in the other.
//!
//! ```text
//! (factory reset) → hub.json → sockets → store → footage disk → TLS → writer → cameras → API → (ready)
//! ```
//!
//! Recording has begun when the API answers. What stands before it can fail only where nothing could be recorded or
//! shown, and says so: a taken port, a damaged certificate. A disk that is not there is a state.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use api::hub::{ClaimShown, Ctx, Parts as ApiParts, Ports};
use api::server::{self, Limits, Server};
use base::footage::StreamName;
use base::state::Health;
use base::{BootId, CameraId, Clock, HubId, Problem, ProblemKind, SharedClock, Shutdown};
use footage::{ClockFile, Clocks, Disk, DiskError, DiskLock, Footage, Keeper};
use recorder::Recorder;
use store::{Db, Store, StoreError};
use system::footage_disk::Wanted;
use system::{Disks, HubClock, SystemDisks};
use tokio::sync::mpsc;
use vault::{Password, Zeroizing};
use vision::Program;

use crate::config::Config;
use crate::history;
use crate::rescue::{self, Rescue, file_problem};

/// How long open requests may go on while the hub stops.
const DRAIN: Duration = Duration::from_secs(5);
/// How often it is looked whether the certificate must be renewed, or an address has changed: after a power cut the hub
/// is often up before the router gives it one.
const RENEW_EVERY: Duration = Duration::from_secs(10);
/// How long the hub waits for its history to be on the footage disk while it stops.
const HISTORY_WITHIN: Duration = Duration::from_secs(30);
/// How often it is looked whether the footage disk came or went.
const DISK_EVERY: Duration = Duration::from_secs(2);
/// What was recorded so lately when the hub stopped is expected to be recorded when it runs again.
const LATELY: jiff::SignedDuration = jiff::SignedDuration::from_hours(1);
/// How often it is looked whether the clock was set.
const CLOCK_EVERY: Duration = Duration::from_secs(2);

/// A running hub.
pub struct Hub {
    id: HubId,
    shutdown: Shutdown,
    store: Store,
    rescue: Option<Rescue>,
    recorder: Recorder,
    keeper: Arc<Keeper>,
    clocks: Clocks,
    ctx: Ctx,
    server: Server,
    table: Arc<api::Table<Ctx>>,
    authority: Arc<tls::Authority>,
    disk: Disk,
    clock: SharedClock,
    holds_disk: tokio::task::JoinHandle<()>,
    announces: Option<tokio::task::JoinHandle<()>>,
    reset: Arc<tokio::sync::Notify>,
}

impl Hub {
    /// Starts a hub; returns when it records and answers.
    ///
    /// # Errors
    /// What keeps it from starting, as a person is told; the log has the rest.
    pub async fn start(config: Config, clock: SharedClock, shutdown: Shutdown) -> Result<Hub, Problem> {
        let began = clock.mono();
        let time = Arc::new(HubClock::new(clock));
        let clock: SharedClock = time.clone();
        media::init()?;
        let data = config.paths.data().to_owned();
        let secrets = data.join("secrets");
        base::fs::create_dir(&data, 0o711).map_err(|e| file_problem(&e))?;
        // Whatever was begun before a power cut: there is nothing to be opened any more.
        crate::reset::wait_for_disk(&data, config.paths.footage(), &*clock).await;
        let was_reset = crate::reset::finish(&data, config.paths.footage())?;
        base::fs::create_dir(&secrets, 0o700).map_err(|e| file_problem(&e))?;
        let id = rescue::hub_id(&data, &clock)?;
        let boot = BootId::new(&*clock);

        // Before anything is begun that would have to be stopped again.
        // The hub's own socket first: who sees a port open can ask for the claim token.
        let local = api::listen::local(&config.paths.socket())?;
        let (https, http) = (listen(config.api.https())?, listen(config.api.http())?);
        let own_address =
            https.first().and_then(|l| l.local_addr().ok()).map_or((Ipv4Addr::LOCALHOST, 443).into(), reached);
        let port = https.first().and_then(|l| l.local_addr().ok()).map_or(443, |a| a.port());
        let reach = net::Reach::of(config.api.https().iter().map(SocketAddr::ip)).filter(|_| config.net.mdns);

        let (store, rescue) = rescue::open(&data, config.paths.footage(), id, &clock)?;
        let recorded_before = store.read(recorded_lately).await?;
        let disk = footage_disk(&store, &data, config.paths.footage(), &clock).await?;
        let footage = open_footage(&store, disk.clone(), id).await?;
        let mut clock_file = ClockFile::new(disk.clone());
        know_the_time(&mut clock_file, &time);
        let addresses = tls::local_addresses().unwrap_or_default();
        let authority = Arc::new(tls::Authority::open_or_create(&secrets, id, clock.clone(), &addresses)?);
        let tls = authority.server_config()?;
        // For people who want to trust the hub by hand; the set-up page serves the same.
        base::fs::write_atomic(&data.join("root.pem"), authority.root_pem().as_bytes(), 0o644)
            .map_err(|e| file_problem(&e))?;

        let (report, reports) = mpsc::unbounded_channel();
        let notify = Box::new(move |kept| {
            let _ = report.send(kept); // nobody listens only while the hub stops
        });
        let keeper = Keeper::start(disk.clone(), clock.clone(), id, boot, notify);
        let keeper = Arc::new(keeper.map_err(|e| Problem::with(ProblemKind::Internal, e))?);
        let children = crate::groups::divide(Path::new("/")).unwrap_or_else(|e| {
            tracing::warn!(error = %e, "children that decode have no group of their own");
            None
        });
        let children = Program::own().in_group(children);
        // A board that cannot be read is told as such.
        let board = system::Board::of(Path::new("/")).ok().flatten();
        let (decoders, runtimes) = board.map(|board| (board.decoders, board.detectors)).unwrap_or_default();
        let eyes = vision::Eyes::start_with(runtimes, children.clone(), clock.clone(), shutdown.clone())
            .map_err(|e| Problem::with(ProblemKind::Internal, e))?;
        let decoders = api::decoders::Decoders { tried: eyes.decoders(), expected: decoders };
        let objects = api::objects::Keeper::open(data.join("objects"), eyes.clone());
        let stills = vision::Stills::start(children, vision::Limits::default(), clock.clone(), shutdown.clone())
            .map_err(|e| Problem::with(ProblemKind::Internal, e))?;
        let recorder = Recorder::start(recorder::Parts {
            eyes: Some(eyes),
            stills: Some(stills.clone()),
            store: store.clone(),
            footage: footage.clone(),
            keeper: keeper.clone(),
            reports,
            clock: clock.clone(),
            boot,
            clocks: clock_file.clocks().clone(),
            secrets: secrets.clone(),
            max_cameras: config.limits.cameras() as usize,
            storage: recorder::StorageOptions {
                reserve: config.storage.reserve(),
                budget: config.storage.budget(),
                ..recorder::StorageOptions::unlimited(&data)
            },
            shutdown: shutdown.clone(),
        })
        .await?;
        let internet_time = crate::machine::internet_time(&config, &store).await;
        let updates = crate::updates::of(&config, &store, &recorder, &clock);
        if was_reset {
            // What was set on the card goes when the machine starts anew; until then the new hub runs.
            crate::machine::ask_for_restart(&config);
        }
        let disks = crate::machine::disks(&config);
        let (mdns, announces) = match reach {
            Some(reach) => {
                let (mdns, task) = net::Mdns::start(named(id, port, reach), clock.clone(), shutdown.clone());
                (mdns, Some(task))
            }
            None => (net::Mdns::off(), None),
        };
        let reset = Arc::new(tokio::sync::Notify::new());
        let ctx = Ctx::new(ApiParts {
            hub: id,
            clock: clock.clone(),
            time: time.clone(),
            store: store.clone(),
            recorder: recorder.clone(),
            footage: footage.clone(),
            stills,
            authority: authority.clone(),
            mdns,
            secrets,
            export: data.join("export"),
            check: {
                let (store, footage) = (store.clone(), footage.clone());
                Arc::new(move |what| crate::check::running(&store, &footage, what))
            },
            rescued: rescue.as_ref().map(Rescue::health),
            recorded_before,
            reset: {
                let (data, disk, asked) = (data.clone(), disk.id(), reset.clone());
                Arc::new(move || {
                    crate::reset::begin(&data, Some(disk))?;
                    asked.notify_one();
                    Ok(())
                })
            },
            internet_time,
            wifi: crate::machine::wifi(&config),
            updates: updates.clone(),
            disks,
            decoders,
            objects,
            machine: system::Machine::new(
                // Its sandbox has no devices: asking disks themselves is for `keepsight doctor`, as root.
                system::Doctor::of_this_machine().without_disks_tools(),
                clock.clone(),
            ),
            started: began,
            own_address,
            password_params: vault::PasswordParams::new,
            away_after: config.net.away_after,
            ports: Ports { https: port, http: http.first().and_then(|l| l.local_addr().ok()).map(|a| a.port()) },
            shutdown: shutdown.clone(),
        })
        .map_err(|e| file_problem(&e))?;
        let table = Arc::new(api::table());
        let server = Server::start(server::Options {
            limits: Limits {
                connections: config.limits.connections() as usize,
                per_network: config.limits.connections_per_address() as usize,
                ..Limits::default()
            },
            tls,
            https,
            http,
            plain: api::plain::Plain::new(&authority, port),
            local: Some(local),
            table: table.clone(),
            hub: ctx.clone(),
        });
        tokio::spawn(api::ends::run(ctx.clone()));
        tokio::spawn(api::home::run(ctx.clone()));
        tokio::spawn(crate::machine::say_whether_claimed(ctx.watch_owned().await));
        tokio::spawn(updates.run(shutdown.clone()));
        tokio::spawn(keep_certificate(authority.clone(), clock.clone(), shutdown.clone()));
        let clocks = clock_file.clocks().clone();
        tokio::spawn(keep_clock_file(clock_file, boot, time, shutdown.clone()));
        tokio::spawn(history::keep(store.clone(), disk.clone(), clock.clone(), shutdown.clone()));
        let holds_disk = tokio::spawn(hold_disk(disk.clone(), clock.clone(), shutdown.clone()));
        let ms = clock.mono().since(began).as_millis() as u64;
        tracing::info!(hub = %id, ms, "the hub runs");
        Ok(Hub {
            id,
            shutdown,
            store,
            rescue,
            recorder,
            keeper,
            clocks,
            ctx,
            server,
            table,
            authority,
            disk,
            clock,
            holds_disk,
            announces,
            reset,
        })
    }

    /// This hub's id.
    pub fn id(&self) -> HubId {
        self.id
    }

    /// The store, for tests that reach into it.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The footage writer, for tests that record without a camera.
    pub fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    /// What the clocks showed, for tests that wait until it is written down.
    pub fn clocks(&self) -> &Clocks {
        &self.clocks
    }

    /// How the store is: degraded while it does not answer, and, until the hub is started again, where it had to be made
    /// again.
    pub fn store_health(&self) -> Health {
        self.ctx.store_health()
    }

    /// What the store's rescue at the start could and could not bring back; `None` if it needed none.
    pub fn rescue(&self) -> Option<&Rescue> {
        self.rescue.as_ref()
    }

    /// The cameras.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Every route that can be asked for, for the access tests.
    pub fn routes(&self) -> &[api::Route<Ctx>] {
        self.table.routes()
    }

    /// The hub's certificates.
    pub fn authority(&self) -> &tls::Authority {
        &self.authority
    }

    /// Where it listens.
    pub fn ports(&self) -> Ports {
        self.ctx.ports()
    }

    /// The claim token, open for half an hour from now; `None` if the hub has an owner.
    pub async fn claim_token(&self) -> Result<Option<Zeroizing<String>>, Problem> {
        self.ctx.open_claim().await.map_err(|e| e.problem)
    }

    /// How to claim the hub, as its console shows it; `None` if it has an owner.
    pub async fn claim_shown(&self) -> Result<Option<ClaimShown>, Problem> {
        self.ctx.claim_shown().await.map_err(|e| e.problem)
    }

    /// Makes somebody the owner at the machine itself: for the demo and for tests.
    pub async fn claim(&self, name: &str, password: Password) -> Result<(), Problem> {
        self.ctx.claim(name, password).await.map_err(|e| e.problem)
    }

    /// Waits until somebody had the hub reset: to be stopped now, and begun anew.
    pub async fn reset_asked(&self) {
        self.reset.notified().await;
    }

    /// Stops in order: no new requests, cameras let go, segments closed and synced, the store flushed.
    pub async fn stop(self) {
        self.shutdown.trigger();
        self.recorder.stop().await;
        let keeper = self.keeper.clone();
        if tokio::task::spawn_blocking(move || keeper.stop()).await.is_err() {
            tracing::error!("the footage writer did not stop in order");
        }
        self.recorder.followed().await;
        match base::clock::timeout(&*self.clock, HISTORY_WITHIN, history::beside(&self.store, &self.disk, &self.clock))
            .await
        {
            Some(Ok(())) => {}
            Some(Err(e)) => tracing::warn!(problem = %e, "the last history is not on the footage disk"),
            None => tracing::warn!("the footage disk is too slow for the last history"),
        }
        let _ = self.holds_disk.await; // one that panicked holds nothing any more
        if let Some(announces) = self.announces {
            let _ = announces.await; // likewise
        }
        self.server.stop(DRAIN).await;
        self.store.close().await;
        tracing::info!("stopped");
    }
}

/// Where a hub that listens at an address reaches itself.
fn reached(address: SocketAddr) -> SocketAddr {
    let own = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        other => other,
    };
    SocketAddr::new(own, address.port())
}

/// Cameras of which there is footage of the last hour in which the hub ran. Not of the last hour: it may have been off.
fn recorded_lately(db: &Db) -> Result<Vec<CameraId>, StoreError> {
    let mut ends = Vec::new();
    for camera in db.cameras()? {
        if let Some(segment) = db.last_segment(camera.id, StreamName::Main)? {
            ends.push((camera.id, segment.end));
        }
    }
    let newest = ends.iter().map(|(_, end)| *end).max().unwrap_or_default();
    Ok(ends.into_iter().filter(|(_, end)| newest.duration_since(*end) <= LATELY).map(|(id, _)| id).collect())
}

/// The footage disk that the hub knows; the first one it sees becomes it.
async fn footage_disk(store: &Store, data: &Path, root: &Path, clock: &SharedClock) -> Result<Disk, Problem> {
    let problem = |e: &DiskError| Problem::from(e);
    let known = store.read(|db| db.setting(history::DISK)).await?;
    if let Some(id) = known {
        // A hub without its disk shows live pictures, says what is wrong, and records when the disk is back.
        return Ok(Disk::open(root, known).unwrap_or_else(|e| {
            tracing::error!(error = &e as &dyn std::error::Error, "the footage disk is not there: nothing is recorded");
            Disk::expected(root, id)
        }));
    }
    let disk = match Disk::open(root, None) {
        // The first start. Never on the system's own disk because the right one is not mounted yet.
        Err(DiskError::Missing { .. }) => match system::missing_mount(root).or_else(|| own_disk_missing(data, root)) {
            Some(point) => return Err(Problem::with(ProblemKind::NotMounted, point.display())),
            None => Disk::create(root, &**clock),
        },
        disk => disk,
    };
    let disk = disk.map_err(|e| problem(&e))?;
    let id = disk.id();
    store.urgent(move |db| db.put_setting(history::DISK, &id)).await?;
    Ok(disk)
}

/// The footage folder, if the system mounts a disk there that is not there now.
fn own_disk_missing(data: &Path, root: &Path) -> Option<PathBuf> {
    let mounted = SystemDisks.facts(root).is_ok_and(|facts| facts.mount_point);
    (Wanted::is_set(data) && !mounted).then(|| root.to_owned())
}

/// The footage, with the hubs from which some of it was adopted.
async fn open_footage(store: &Store, disk: Disk, hub: HubId) -> Result<Footage, Problem> {
    let footage = Footage::new(disk, hub);
    for epoch in store.read(|db| db.adopted_epochs()).await? {
        footage.adopt(epoch.camera, epoch.public.epoch, epoch.hub.unwrap_or(hub));
    }
    Ok(footage)
}

/// Holds the footage disk while it is there, so that nobody adopts it from under the hub; lets go of one that went.
async fn hold_disk(disk: Disk, clock: SharedClock, shutdown: Shutdown) {
    let (mut held, mut told): (Option<DiskLock>, bool) = (None, false);
    loop {
        let (looks, has) = (disk.clone(), held.take());
        let look = tokio::task::spawn_blocking(move || match has {
            Some(lock) => looks.check().map(|()| Some(lock)),
            None => looks.lock(),
        });
        match look.await {
            Ok(Ok(Some(lock))) => (held, told) = (Some(lock), false),
            Ok(Ok(None)) if !told => {
                tracing::error!("another program has the footage disk: two hubs must not share one");
                told = true;
            }
            _ => {} // it is not there, which others say
        }
        tokio::select! {
            () = clock.sleep(DISK_EVERY) => {}
            () = shutdown.wait() => return,
        }
    }
}

/// What the hub is called on the network: by its host name for life, which its certificate has, too.
fn named(id: HubId, port: u16, reach: net::Reach) -> net::Named {
    let host = tls::host_name(id);
    let short = host.trim_end_matches(".local").trim_start_matches("keepsight-").to_owned();
    net::Named { host, shown: format!("Keepsight {short}"), port, reach }
}

fn listen(addresses: &[SocketAddr]) -> Result<Vec<tokio::net::TcpListener>, Problem> {
    addresses.iter().map(|address| api::listen::tcp(*address).map_err(Into::into)).collect()
}

/// Takes from the footage disk how late it was at least, once it can be read.
fn know_the_time(file: &mut ClockFile, clock: &HubClock) {
    if let Ok(true) = file.load()
        && let Some(latest) = file.clocks().map().latest()
    {
        clock.not_before(latest);
    }
}

/// Says beside the footage what the clock shows, at the start and whenever it was set.
async fn keep_clock_file(mut file: ClockFile, boot: BootId, clock: Arc<HubClock>, shutdown: Shutdown) {
    let mut failed = false;
    loop {
        let reads = clock.clone();
        let observe = move || {
            know_the_time(&mut file, &reads);
            let observed = file.observe(boot, &*reads);
            (file, observed)
        };
        let Ok((back, observed)) = tokio::task::spawn_blocking(observe).await else { return };
        file = back;
        if let (Err(e), false) = (&observed, failed) {
            tracing::warn!(error = e as &dyn std::error::Error, "the clock file cannot be written; it is tried again");
        }
        failed = observed.is_err();
        tokio::select! {
            () = clock.sleep(CLOCK_EVERY) => {}
            () = shutdown.wait() => return,
        }
    }
}

async fn keep_certificate(authority: Arc<tls::Authority>, clock: SharedClock, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = clock.sleep(RENEW_EVERY) => {}
            () = shutdown.wait() => return,
        }
        match tls::local_addresses().map(|addresses| authority.renew_if_due(&addresses)) {
            Ok(Ok(true)) => tracing::info!("the certificate was renewed"),
            Ok(Ok(false)) => {}
            Ok(Err(e)) => tracing::error!(error = &e as &dyn std::error::Error, "the certificate was not renewed"),
            Err(e) => tracing::warn!(error = &e as &dyn std::error::Error, "the hub's addresses are not known"),
        }
    }
}
