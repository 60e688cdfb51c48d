//! Cameras that are paused while somebody is at home.
//!
//! Recording is what happens when in doubt: a phone that is not seen counts as away, and one that is signed out has no say:
//! the camera forgets it.

use std::time::Duration;

use base::{HardwareAddress, ProblemKind};
use net::{Neighbour, Place, Presence};
use store::{Actor, AtHome, Camera, Secret};

use crate::hub::{Ctx, Session};
use crate::problem::ApiError;
use crate::route::Peer;

/// How often the phones are asked. The kernel's answer of one round counts in the next.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Pauses and records as people go and come, until the hub stops.
pub async fn run(hub: Ctx) {
    let mut presence = Presence::new(hub.parts.away_after);
    loop {
        if let Err(e) = round(&hub, &mut presence).await {
            tracing::warn!(problem = %e.problem, "it was not looked who is at home; it is tried again");
        }
        tokio::select! {
            () = hub.parts.clock.sleep(LOOK_EVERY) => {}
            () = hub.parts.shutdown.wait() => return,
        }
    }
}

/// The device that a request came from, if it is on one of the hub's own networks.
pub(crate) async fn device_of(session: &Session, peer: Peer) -> Result<AtHome, ApiError> {
    if !session.is_device() {
        return Err(ProblemKind::NotForTokens.into());
    }
    let Peer::Net(from) = peer else { return Err(ProblemKind::NotAtHome.into()) };
    let address = from.ip().to_canonical();
    let found = neighbours().await?.into_iter().find(|neighbour| neighbour.at.address == address);
    let neighbour = found.ok_or(ProblemKind::NotAtHome)?;
    Ok(AtHome {
        principal: session.principal.id,
        device: session.secret.id,
        hardware: neighbour.hardware,
        address,
        interface: neighbour.at.interface,
    })
}

async fn neighbours() -> Result<Vec<Neighbour>, ApiError> {
    net::neighbours().await.map_err(|e| ApiError::with(ProblemKind::Internal, e))
}

async fn round(hub: &Ctx, presence: &mut Presence) -> Result<(), ApiError> {
    let cameras = hub.parts.store.read(|db| {
        let ruled = db.cameras()?.into_iter().filter_map(|camera| Some((camera.while_home.clone()?, camera)));
        let known = |(rule, camera): (AtHome, Camera)| {
            let device: Option<Secret> = db.secret(rule.principal, rule.device)?;
            Ok((rule, camera, device.is_some()))
        };
        ruled.map(known).collect::<Result<Vec<_>, store::StoreError>>()
    });
    let cameras = cameras.await?;
    let devices: Vec<HardwareAddress> = cameras.iter().map(|(rule, ..)| rule.hardware).collect();
    presence.keep(&devices);
    if cameras.is_empty() {
        return Ok(());
    }
    let neighbours = neighbours().await?;
    let mut changed = false;
    for (rule, camera, signed_in) in cameras {
        if !signed_in {
            if hub.parts.recorder.forget_home(camera.id, &rule).await? {
                if camera.paused {
                    hub.audit(Actor::Hub, "camera.resume", camera.id.to_string()).await?;
                }
                changed = true;
            }
            continue;
        }
        // At every address that it has; at the one from which it asked, too, as the kernel forgets.
        let known = neighbours.iter().filter(|n| n.hardware == rule.hardware).map(|n| n.at);
        known.for_each(net::ask);
        net::ask(Place { address: rule.address, interface: rule.interface });
        let at_home = presence.is_home(rule.hardware, &neighbours, hub.parts.clock.mono());
        if at_home != camera.paused && hub.parts.recorder.follow_home(camera.id, at_home).await? {
            let what = if at_home { "camera.pause" } else { "camera.resume" };
            hub.audit(Actor::Hub, what, camera.id.to_string()).await?;
            changed = true;
        }
    }
    if changed {
        hub.export().await?;
    }
    Ok(())
}
