//! What people say of a camera when they add or change it.

use base::{ProblemKind, Timestamp, Transport};
use media::Source;
use store::{AtHome, Camera, Learnt, MotionSettings, StreamSource};
use zeroize::Zeroizing;

use crate::cameras::RecorderError;
use crate::finding::refused;

/// Where a stream comes from, as a person says it.
#[derive(Default)]
pub struct NewSource {
    /// `rtsp://…`, `rtsps://…` or `sim:`, without user name and password.
    pub url: String,
    /// The user name that the camera wants to see.
    pub username: Option<String>,
    /// The password that the camera wants to see.
    pub password: Option<Zeroizing<String>>,
    /// How its packets are to travel.
    pub transport: Transport,
    /// The SHA-256 of the certificate that it must show; `None`: the first one is taken.
    pub certificate: Option<String>,
}

impl NewSource {
    pub(crate) fn row(&self) -> Result<StreamSource, RecorderError> {
        let row = StreamSource {
            url: self.url.trim().to_owned(),
            username: self.username.clone(),
            transport: self.transport,
            learnt: Learnt { certificate: self.certificate.clone(), ..Learnt::default() },
        };
        check(&row)?;
        Ok(row)
    }
}

/// Can a source be read at all?
fn check(row: &StreamSource) -> Result<(), RecorderError> {
    let source = Source::parse(&row.url, None).map_err(refused)?;
    source.ways(row.transport).map_err(refused)?;
    Ok(())
}

/// A camera as a person adds it.
pub struct NewCamera {
    /// What people call it.
    pub name: String,
    /// The stream that is recorded.
    pub main: NewSource,
    /// The small stream.
    pub sub: Option<NewSource>,
}

/// A change of a source. What is `None` stays; `Some(None)` takes away.
#[derive(Default)]
pub struct SourceChange {
    /// Another address.
    pub url: Option<String>,
    /// Another user name.
    pub username: Option<Option<String>>,
    /// Another password.
    pub password: Option<Option<Zeroizing<String>>>,
    /// Another transport.
    pub transport: Option<Transport>,
    /// Another certificate; `Some(None)`: the next one that it shows.
    pub certificate: Option<Option<String>>,
}

impl SourceChange {
    /// Changes a row; gives back the change of the password. A password goes to the host it was given for: with another
    /// one, and without a new password, there is none. So it is with the certificate. What was learnt is of one address.
    pub(crate) fn apply(self, row: &mut StreamSource) -> Result<Option<Option<Zeroizing<String>>>, RecorderError> {
        let mut new = row.clone();
        if let Some(url) = self.url {
            new.url = url.trim().to_owned();
        }
        if let Some(username) = self.username {
            new.username = username;
        }
        if let Some(transport) = self.transport {
            new.transport = transport;
        }
        check(&new)?;
        let elsewhere = authority(&new.url) != authority(&row.url);
        if new.url != row.url || new.transport != row.transport {
            let certificate = new.learnt.certificate.take().filter(|_| !elsewhere);
            new.learnt = Learnt { certificate, ..Learnt::default() };
        }
        if let Some(certificate) = self.certificate {
            new.learnt.certificate = certificate;
        }
        *row = new;
        Ok(self.password.or(elsewhere.then_some(None)))
    }
}

/// Host and port of an address.
fn authority(url: &str) -> Option<(String, Option<u16>)> {
    let source = Source::parse(url, None).ok()?;
    let address = source.address()?;
    Some((address.host_str()?.to_owned(), address.port()))
}

/// What a person may change of a camera. What is `None` stays.
#[derive(Default)]
pub struct CameraChange {
    /// Another name.
    pub name: Option<String>,
    /// Another main source.
    pub main: Option<SourceChange>,
    /// Another sub stream; `Some(None)`: none any more.
    pub sub: Option<Option<SourceChange>>,
    /// Record or not.
    pub paused: Option<bool>,
    /// Pause until then; `Some(None)`: a pause lasts until somebody ends it.
    pub paused_until: Option<Option<Timestamp>>,
    /// Look for this from now on; `Some(None)`: look no more.
    pub motion: Option<Option<MotionSettings>>,
    /// Pause while this device is at home, from now on; `Some(None)`: no more, and record.
    pub while_home: Option<Option<AtHome>>,
}

impl CameraChange {
    /// Whether the camera is recorded from now on, and until when. What was said last counts, and ends what was said before.
    pub(crate) fn pause(&self, camera: &mut Camera, now: Timestamp) -> Result<(), RecorderError> {
        if let Some(paused) = self.paused {
            (camera.paused, camera.paused_until, camera.while_home) = (paused, None, None);
        }
        match self.paused_until {
            Some(Some(until)) if self.paused != Some(false) && until > now => {
                (camera.paused, camera.paused_until, camera.while_home) = (true, Some(until), None);
            }
            Some(Some(_)) => return Err(ProblemKind::BadEnd.into()),
            Some(None) => camera.paused_until = None,
            None => {}
        }
        match &self.while_home {
            // Who asks is at home.
            Some(Some(device)) => {
                (camera.paused, camera.paused_until, camera.while_home) = (true, None, Some(device.clone()));
            }
            Some(None) if camera.while_home.is_some() => (camera.paused, camera.while_home) = (false, None),
            Some(None) | None => {}
        }
        Ok(())
    }
}
