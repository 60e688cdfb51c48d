//! What ends by itself, with nobody signed in: grants, tokens, invitations, and the pause of a camera.

use std::time::Duration;

use base::{CameraId, Mono, PrincipalId, Timestamp};
use store::{Actor, Db, PrincipalKind, StoreError};

use crate::hub::Ctx;
use crate::problem::ApiError;
use crate::secrets::{has_ended, settle};
use crate::watch::Ended;

/// It is looked at least so often: the clock may be set, and what failed is tried again.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Refused attempts are written down so often at most.
const REFUSED_EVERY: Duration = Duration::from_secs(60);

/// Ends what is over, until the hub stops.
pub async fn run(hub: Ctx) {
    let mut told = None;
    loop {
        told = write_refused(&hub, told).await;
        let next = match round(&hub).await {
            Ok(next) => next,
            Err(e) => {
                tracing::warn!(problem = %e.problem, "what is over was not ended; it is tried again");
                None
            }
        };
        let now = hub.parts.clock.wall();
        let wait = next.and_then(|at| Duration::try_from(at.duration_since(now)).ok()).unwrap_or(LOOK_EVERY);
        tokio::select! {
            () = hub.parts.clock.sleep(wait.min(LOOK_EVERY)) => {}
            () = hub.expiries.notified() => {}
            () = hub.parts.shutdown.wait() => return,
        }
    }
}

/// Writes attempts that were refused into the audit log; answers when that was done last.
async fn write_refused(hub: &Ctx, told: Option<Mono>) -> Option<Mono> {
    let now = hub.parts.clock.mono();
    if told.is_some_and(|told| now.since(told) < REFUSED_EVERY) {
        return told;
    }
    let Some(said) = hub.refused.take() else { return told };
    if let Err(e) = hub.audit(Actor::Hub, "session.refused", said).await {
        tracing::warn!(problem = %e.problem, "refused attempts are not in the audit log");
    }
    Some(now)
}

/// Ends what is over; answers when the next thing will be.
async fn round(hub: &Ctx) -> Result<Option<Timestamp>, ApiError> {
    let now = hub.parts.clock.wall();
    let (found, due) = hub.parts.store.read(move |db| Ok((Found::at(db, now)?, db.due_epochs()?))).await?;
    if !found.grants.is_empty() || !found.principals.is_empty() || !due.is_empty() {
        let keys = hub.parts.recorder.keys().await;
        let ended = hub.parts.store.urgent(move |db| {
            // As it is by now: somebody may have given it more time.
            let found = Found::at(db, now)?;
            for (principal, camera) in &found.grants {
                db.remove_grant(*principal, *camera)?;
                db.append_audit(Actor::Hub, "grant.expire", &format!("{principal} {camera}"))?;
            }
            for (principal, what) in &found.principals {
                db.remove_principal(*principal)?;
                db.append_audit(Actor::Hub, what, &principal.to_string())?;
            }
            Ok(found)
        });
        let ended = ended.await?;
        ended.grants.iter().for_each(|(principal, camera)| hub.ends.tell(Ended::Rights(*principal, *camera)));
        ended.principals.iter().for_each(|(principal, _)| hub.ends.tell(Ended::Principal(*principal)));
        settle(hub, keys).await?;
    }
    let resumed = hub.parts.recorder.resume_due().await?;
    for camera in &resumed {
        hub.audit(Actor::Hub, "camera.resume", camera.to_string()).await?;
    }
    if !resumed.is_empty() {
        hub.export().await?;
    }
    Ok(found.next)
}

/// What is over at a time.
#[derive(Default)]
struct Found {
    grants: Vec<(PrincipalId, CameraId)>,
    /// Each with the audit log's word for it.
    principals: Vec<(PrincipalId, &'static str)>,
    /// When the next thing will be.
    next: Option<Timestamp>,
}

impl Found {
    fn at(db: &Db, now: Timestamp) -> Result<Self, StoreError> {
        let mut found = Self::default();
        for principal in db.principals()? {
            let what = match principal.kind {
                PrincipalKind::Person => None,
                PrincipalKind::Token => Some("token.expire"),
                PrincipalKind::Invitation { .. } => Some("invitation.expire"),
            };
            if let Some(what) = what {
                let expires = db.secrets_of(principal.id)?.iter().find_map(|secret| secret.kind.expires());
                if has_ended(expires, now) {
                    found.principals.push((principal.id, what));
                    continue; // its grants go with it
                }
                found.will(expires, now);
            }
            for grant in db.grants_of(principal.id)? {
                if has_ended(grant.expires, now) {
                    found.grants.push((grant.principal, grant.camera));
                }
                found.will(grant.expires, now);
            }
        }
        db.cameras()?.iter().for_each(|camera| found.will(camera.paused_until, now));
        Ok(found)
    }

    fn will(&mut self, at: Option<Timestamp>, now: Timestamp) {
        self.next = self.next.into_iter().chain(at.filter(|at| *at > now)).min();
    }
}
