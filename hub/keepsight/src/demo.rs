//! `keepsight demo`: what a newcomer sees first: four simulated cameras, recorded, and a page to look at.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base::{Clock, Mono, Problem, ProblemKind, Shutdown, SystemClock};
use camera_sim::Simulator;
use recorder::{NewCamera, NewSource};

use vault::Password;

use crate::config::{AbsolutePath, Api, Config, Limits, Net, Paths, Storage, Update};
use crate::hub::Hub;
use crate::out;
use crate::run::Stop;

const CAMERAS: u16 = 4;
const NAMES: [&str; CAMERAS as usize] = ["Front door", "Garden", "Garage", "Living room"];
/// The demo owner.
const OWNER: &str = "Olivia";
/// Cameras that are not recorded by then are not going to be.
const RECORDED_WITHIN: Duration = Duration::from_secs(30);

/// Runs the demo until Ctrl-C. Everything is in a temporary folder that goes with it.
pub async fn demo(unclaimed: bool) -> Result<(), Problem> {
    let mut stop = Stop::listen()?;
    out::text("Making the pictures of four simulated cameras; the first time takes some seconds.")?;
    let options = camera_sim::Options {
        cameras: CAMERAS,
        size: "1280x720".parse().map_err(|e| Problem::with(ProblemKind::Internal, e))?,
        ..camera_sim::Options::default()
    };
    let cameras = tokio::select! {
        cameras = Simulator::start(options, Arc::new(SystemClock)) => cameras,
        () = stop.asked() => return Ok(()),
    };
    let cameras = cameras.map_err(|e| Problem::with(ProblemKind::MissingPart, e))?;

    let folder = tempfile::Builder::new().prefix("keepsight-demo-").tempdir().map_err(io_problem)?;
    let https = free_port()?;
    let config = config(folder.path(), https)?;
    let clock = SystemClock;
    let started = clock.mono();
    let hub = Hub::start(config, Arc::new(clock), Shutdown::new()).await?;
    // Whatever comes, the hub is stopped before its folder goes.
    let shown = tokio::select! {
        shown = show(&hub, &cameras, folder.path(), https, unclaimed, started) => shown,
        // What a reset destroys goes with the folder.
        () = hub.reset_asked() => Ok(()),
        () = stop.asked() => Ok(()),
    };
    out::text("Stopping.")?;
    hub.stop().await;
    cameras.stop().await;
    shown
}

/// Tells a person where to look, and waits.
async fn show(
    hub: &Hub,
    cameras: &Simulator,
    folder: &Path,
    https: SocketAddr,
    unclaimed: bool,
    started: Mono,
) -> Result<(), Problem> {
    let here = format!("https://127.0.0.1:{}", https.port());
    let lan = lan_address().map(|ip| format!("https://{}", SocketAddr::new(ip, https.port())));

    out::text("")?;
    let token = hub.claim_token().await?.unwrap_or_default();
    let fragment = if unclaimed { format!("/#/claim/{}", &*token) } else { String::new() };
    out::text(&format!("On this machine: {here}{fragment}"))?;
    if let Some(lan) = &lan {
        out::text(&format!("On your network: {lan}{fragment}"))?;
    }
    out::qr(&format!("{}{fragment}", lan.as_ref().unwrap_or(&here)))?;
    if unclaimed {
        out::text(&format!("Claim token: {}", &*token))?;
    } else {
        let password = Password::four_words();
        hub.claim(OWNER, Password::new(password.to_string()).map_err(|e| Problem::with(ProblemKind::Internal, e))?)
            .await?;
        out::text(&format!("Name: {OWNER}"))?;
        out::text(&format!("Password: {}", &*password))?;
        add(hub, cameras).await?;
    }
    out::text(&format!("Certificate: {}", folder.join("data/root.pem").display()))?;
    out::text(&format!(
        "Your browser will warn until it trusts that certificate ({}).",
        hub.authority().fingerprint_words().join(" ")
    ))?;
    if let Some((ip, port)) = lan_address().zip(hub.ports().http) {
        out::text(&format!("A phone learns to trust it at http://{}", SocketAddr::new(ip, port)))?;
    }
    if unclaimed {
        out::text("Claim the hub on its page; then the cameras below can be added there:")?;
        for camera in cameras.addresses() {
            out::text(&format!("  {}", camera.main))?;
        }
    } else {
        let seconds = recorded(hub, started, &SystemClock).await?.as_secs_f64();
        out::text(&format!("Recording {CAMERAS} cameras after: {seconds:.1} s"))?;
    }
    out::text("Ctrl-C stops the demo and removes everything it made.")?;

    std::future::pending().await
}

async fn add(hub: &Hub, cameras: &Simulator) -> Result<(), Problem> {
    for (name, camera) in NAMES.iter().zip(cameras.addresses()) {
        let source = |url: &str| NewSource { url: url.to_owned(), ..NewSource::default() };
        let new = NewCamera { name: (*name).to_owned(), main: source(&camera.main), sub: Some(source(&camera.sub)) };
        hub.recorder().add(new).await?;
    }
    Ok(())
}

/// Waits until every camera's footage reaches the disk; how long that took from the start of the hub.
async fn recorded(hub: &Hub, started: Mono, clock: &SystemClock) -> Result<Duration, Problem> {
    loop {
        let all = hub.recorder().cameras().await?;
        let waited = clock.mono().since(started);
        if all.iter().all(|(_, status)| status.as_ref().is_some_and(|s| s.recording)) {
            return Ok(waited);
        }
        if waited > RECORDED_WITHIN {
            return Err(Problem::with(ProblemKind::Internal, "The simulated cameras are not recorded"));
        }
        clock.sleep(Duration::from_millis(20)).await;
    }
}

fn config(folder: &Path, https: SocketAddr) -> Result<Config, Problem> {
    let path = |name: &str| AbsolutePath::new(folder.join(name));
    let bad = |e| Problem::with(ProblemKind::BadConfig, e);
    let paths = Paths::new(path("data").map_err(bad)?, path("footage").map_err(bad)?).map_err(bad)?;
    let api = Api::new(vec![https], vec![SocketAddr::new(https.ip(), 0)]).map_err(bad)?;
    // Where a demo runs, disks are often nearly full.
    let storage = Storage::new(64 << 20, None).map_err(bad)?;
    // Quiet: in an office a demo says its name to nobody who did not ask. The addresses that it prints do.
    let net = Net { mdns: false, ..Net::default() };
    Ok(Config { paths, api, limits: Limits::default(), storage, net, update: Update::default() })
}

/// On all addresses, so that a phone on the network can look too.
fn free_port() -> Result<SocketAddr, Problem> {
    let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let port = std::net::TcpListener::bind(any).and_then(|l| l.local_addr()).map_err(io_problem)?.port();
    Ok(SocketAddr::new(any.ip(), port))
}

fn lan_address() -> Option<IpAddr> {
    let addresses = tls::local_addresses().ok()?;
    addresses.into_iter().find(|a| a.is_ipv4() && !a.is_loopback())
}

fn io_problem(e: std::io::Error) -> Problem {
    Problem::with(ProblemKind::FileError, e)
}
