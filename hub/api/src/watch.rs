//! Who looks at pictures is shown out when what let them in ends: the session, the person, or the rights on a camera.

use base::{CameraId, PrincipalId, SecretId};
use tokio::sync::broadcast;

/// So many ends may be behind of who watches for one: more, and all are shown out, to come in again if they may.
const BEHIND: usize = 256;

/// Something that let somebody in has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// A device was signed out.
    Session(SecretId),
    /// A principal is gone, or is not what it was.
    Principal(PrincipalId),
    /// A principal has other rights on a camera than before.
    Rights(PrincipalId, CameraId),
}

/// Where ends are told.
pub(crate) struct Ends(broadcast::Sender<Ended>);

impl Default for Ends {
    fn default() -> Self {
        Self(broadcast::channel(BEHIND).0)
    }
}

impl Ends {
    pub(crate) fn tell(&self, ended: Ended) {
        let _ = self.0.send(ended); // nobody looks at anything: fine
    }
    /// From now on. What ended before is for the caller to find out, after this.
    pub(crate) fn watch(&self, secret: SecretId, principal: PrincipalId, camera: CameraId) -> Watch {
        Watch { told: self.0.subscribe(), secret, principal, camera: Some(camera) }
    }
    /// The same for who is signed in, whatever cameras they may see.
    pub(crate) fn watch_session(&self, secret: SecretId, principal: PrincipalId) -> Watch {
        Watch { told: self.0.subscribe(), secret, principal, camera: None }
    }
}

/// Waits for the end of what lets one request or stream see one camera, or be signed in.
pub(crate) struct Watch {
    told: broadcast::Receiver<Ended>,
    secret: SecretId,
    principal: PrincipalId,
    camera: Option<CameraId>,
}

impl Watch {
    /// Returns when it has ended, or when so much did that this may be among it.
    pub(crate) async fn ended(mut self) {
        loop {
            let concerns = match self.told.recv().await {
                Err(_) => true,
                Ok(Ended::Session(secret)) => secret == self.secret,
                Ok(Ended::Principal(principal)) => principal == self.principal,
                Ok(Ended::Rights(principal, camera)) => (principal, Some(camera)) == (self.principal, self.camera),
            };
            if concerns {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn id<T>(make: fn([u8; 16]) -> T, n: u8) -> T {
        make([n; 16])
    }

    #[test]
    fn only_ones_own_end_shows_one_out() {
        let (mine, me, camera) =
            (id(SecretId::from_bytes, 1), id(PrincipalId::from_bytes, 1), id(CameraId::from_bytes, 1));
        let (other, them, elsewhere) =
            (id(SecretId::from_bytes, 2), id(PrincipalId::from_bytes, 2), id(CameraId::from_bytes, 2));
        let ends = Ends::default();
        for (ended, out) in [
            (Ended::Session(other), false),
            (Ended::Principal(them), false),
            (Ended::Rights(them, camera), false),
            (Ended::Rights(me, elsewhere), false),
            (Ended::Session(mine), true),
            (Ended::Principal(me), true),
            (Ended::Rights(me, camera), true),
        ] {
            let watch = ends.watch(mine, me, camera);
            ends.tell(ended);
            assert_eq!(watch.ended().now_or_never().is_some(), out, "{ended:?}");
        }
        let listening = ends.watch_session(mine, me);
        ends.tell(Ended::Rights(me, camera));
        let mut out = Box::pin(listening.ended());
        assert!(out.as_mut().now_or_never().is_none(), "another camera's event may be for them");
        ends.tell(Ended::Principal(me));
        assert!(out.now_or_never().is_some());
        let watch = ends.watch(mine, me, camera);
        (0..=BEHIND).for_each(|_| ends.tell(Ended::Session(other)));
        assert!(watch.ended().now_or_never().is_some(), "what was missed may have been one's own");
    }
}
