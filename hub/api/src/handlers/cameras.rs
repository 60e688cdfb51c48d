//! Cameras: listed, added, changed, removed.

use base::state::{CameraState, Health};
use base::{CameraId, Problem, ProblemKind, Timestamp, Transport};
use http::StatusCode;
use media::Way;
use recorder::{CameraChange, CameraStatus, NewCamera, NewSource, SourceChange, Via};
use serde::{Deserialize, Serialize};
use store::{Actor, By, Camera, MAX_ZONES, MotionSettings, Sensitivity, StreamSource, Zone};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::decoders::DecoderJson;
use crate::encoders::EncoderJson;
use crate::handlers::storage::loss_bound_s;
use crate::home;
use crate::hub::{Ctx, Session};
use crate::problem::ApiError;
use crate::reply::{self, Response};
use crate::route::{Access, Caller, Hub, Request, Right, Route};

pub(super) fn routes() -> Vec<Route<Ctx>> {
    vec![
        Route::get("/api/v1/cameras", Access::Session, "Lists the cameras that you may see.", list)
            .answers_list::<CameraJson>("The cameras, in the order they were added.")
            .local(),
        Route::post("/api/v1/cameras", Access::Owner, "Adds a camera and records it.", add)
            .takes::<AddCamera>()
            .answers::<CameraJson>(201, "The camera.")
            .local(),
        Route::post("/api/v1/cameras/probe", Access::Owner, "Tries a camera's address without adding it.", probe)
            .takes::<AddSource>()
            .answers::<Probed>(200, "What the camera sends.")
            .local(),
        Route::get("/api/v1/cameras/{id}", Access::Camera(Right::Any), "Shows a camera.", show)
            .answers::<CameraJson>(200, "The camera.")
            .local(),
        Route::patch("/api/v1/cameras/{id}", Access::Camera(Right::Manage), "Changes a camera.", change)
            .takes::<ChangeCamera>()
            .answers::<CameraJson>(200, "The camera as it is now.")
            .local(),
        Route::delete(
            "/api/v1/cameras/{id}",
            Access::Camera(Right::Manage),
            "Removes a camera; its footage stays until its room is needed.",
            remove,
        )
        .answers_with(204, "Removed.", None)
        .local(),
    ]
}

/// A camera as it is told: never with a password.
#[derive(Serialize, ToSchema)]
pub(crate) struct CameraJson {
    #[schema(value_type = String)]
    id: CameraId,
    name: String,
    /// connecting, recording, stalled, unauthorised, untrusted, unreachable, unsupported, broken, not_writing or paused.
    #[schema(value_type = String)]
    state: CameraState,
    /// Since when it is in this state.
    #[schema(value_type = Option<String>)]
    since: Option<Timestamp>,
    /// What is wrong and what to do, if something is.
    detail: Option<String>,
    /// Its footage reached the disk within the last seconds.
    recording: bool,
    /// Whether the disk takes its footage as fast as promised. `{state, reason?, detail?}`.
    #[schema(value_type = Object)]
    disk: Health,
    /// What a power cut takes of it at most, in seconds: 2, unless the disk is slow.
    loss_bound_s: f64,
    /// What its pictures are looked at for; null: they are not.
    motion: Option<MotionJson>,
    /// Whether they are looked at: off where motion is null, or while it is paused. `{state, reason?, detail?}`.
    #[schema(value_type = Object)]
    watched: Health,
    /// What they are decoded with to be looked at; null while they are not, and where that was not tried.
    decoder: Option<DecoderJson>,
    /// What its pictures are encoded with; only cameras of this machine have one.
    encoder: Option<EncoderJson>,
    /// Whether somebody paused it.
    paused: bool,
    /// Until when; null: until somebody ends it.
    #[schema(value_type = Option<String>)]
    paused_until: Option<Timestamp>,
    /// It is paused while somebody's phone is at home, and recorded while it is not.
    paused_while_home: bool,
    /// RFC 6381 codecs of the main stream, as Media Source Extensions want them; absent before the first picture.
    codec: Option<String>,
    width: Option<u16>,
    height: Option<u16>,
    /// It has a small stream, which `stream=sub` shows.
    has_sub: bool,
    /// Encoding of its sound if that cannot be kept.
    sound_dropped: Option<String>,
    /// End of what is surely on disk.
    #[schema(value_type = Option<String>)]
    last_fragment_at: Option<Timestamp>,
    #[schema(value_type = String)]
    created: Timestamp,
    /// In which way it is read, or was tried last. Only for who may manage the camera.
    #[serde(skip_serializing_if = "Option::is_none")]
    via: Option<ViaJson>,
    /// Only for who may manage the camera.
    #[serde(skip_serializing_if = "Option::is_none")]
    main: Option<SourceJson>,
    /// Only for who may manage the camera.
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<SourceJson>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct SourceJson {
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    /// auto, tcp, udp or multicast, as it was set.
    #[schema(value_type = String)]
    transport: Transport,
    /// The certificate that an rtsps: camera must show: the SHA-256 of its DER form in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<String>,
}

/// Looking for motion.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MotionJson {
    /// Who notices what moves: hub (it looks at the pictures, as if absent) or camera (it tells it beside its pictures; nothing else is
    /// set then).
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    by: By,
    /// low (people near by), normal (people and animals in a garden) or high (whatever moves).
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    sensitivity: Sensitivity,
    /// Only what touches one of these counts; none: everything. Each is 3 to 16 corners `[from the left, from the top]`, in
    /// ten-thousandths of the picture.
    #[serde(default)]
    #[schema(value_type = Vec<Vec<Vec<u16>>>)]
    zones: Vec<Zone>,
    /// What is in these is not looked at. With the zones 8 at most.
    #[serde(default)]
    #[schema(value_type = Vec<Vec<Vec<u16>>>)]
    masks: Vec<Zone>,
}

impl MotionJson {
    pub(super) fn into_settings(self) -> Result<MotionSettings, ApiError> {
        let Self { by, sensitivity, zones, masks } = self;
        match zones.len() + masks.len() > MAX_ZONES {
            true => Err(ApiError::with(ProblemKind::BadRequest, "A camera has 8 zones and masks at most")),
            false => Ok(MotionSettings { by, sensitivity, zones, masks }),
        }
    }
}

impl From<MotionSettings> for MotionJson {
    fn from(settings: MotionSettings) -> Self {
        let MotionSettings { by, sensitivity, zones, masks } = settings;
        Self { by, sensitivity, zones, masks }
    }
}

/// In which way a camera is read.
#[derive(Serialize, ToSchema)]
pub(crate) struct ViaJson {
    /// How its packets travel: tcp, udp or multicast.
    #[schema(value_type = String)]
    transport: Transport,
    /// Who reads it: "hub", the hub's own source, or "gstreamer", which takes more cameras and more of the processor.
    source: &'static str,
    /// Why it is not the first way: how the one before it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

impl From<Via> for ViaJson {
    fn from(via: Via) -> Self {
        let source = if via.way == Way::Own { "hub" } else { "gstreamer" };
        Self { transport: via.way.transport(), source, why: via.why }
    }
}

/// Where a stream comes from.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AddSource {
    /// `rtsp://host:port/path` or `rtsps://host:port/path`, without user name and password. On the hub's own socket also
    /// `sim:`, a clip for self-tests.
    url: String,
    username: Option<String>,
    password: Option<String>,
    /// auto (as if absent), tcp, udp or multicast.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    transport: Transport,
    /// The certificate that an rtsps: camera must show: the SHA-256 of its DER form in hexadecimal. Absent: the first one that
    /// it shows, from then on.
    certificate: Option<String>,
}

impl AddSource {
    fn into_new(self, caller: &Caller<Session>) -> Result<NewSource, ApiError> {
        allowed(&self.url, caller)?;
        Ok(NewSource {
            url: self.url,
            username: self.username,
            password: self.password.map(Zeroizing::new),
            transport: self.transport,
            certificate: self.certificate.as_deref().map(fingerprint).transpose()?,
        })
    }
}

/// A clip in place of a camera is for who tests the hub on the machine itself: over the network nobody swaps one for it.
fn allowed(url: &str, caller: &Caller<Session>) -> Result<(), ApiError> {
    let sim = url.trim().get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("sim:"));
    match caller {
        Caller::Signed(_) | Caller::Nobody if sim => {
            let detail = "sim: is for self-tests, and taken by the hub's own command line only";
            Err(Problem::with(ProblemKind::BadCameraUrl, detail).into())
        }
        _ => Ok(()),
    }
}

/// The SHA-256 of a certificate, as people copy it: in either case, with or without colons.
fn fingerprint(text: &str) -> Result<String, ApiError> {
    let hex = text.trim().replace(':', "").to_ascii_lowercase();
    match hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        true => Ok(hex),
        false => {
            let detail = "A certificate is given by its SHA-256: 64 hexadecimal digits";
            Err(Problem::with(ProblemKind::BadCameraUrl, detail).into())
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AddCamera {
    /// 1 to 64 characters.
    name: String,
    main: AddSource,
    #[serde(default)]
    sub: Option<AddSource>,
}

/// A change of a source; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeSource {
    #[serde(default)]
    url: Option<String>,
    /// null removes it.
    #[serde(default, deserialize_with = "super::given")]
    username: Option<Option<String>>,
    /// null removes it.
    #[serde(default, deserialize_with = "super::given")]
    password: Option<Option<String>>,
    /// auto, tcp, udp or multicast.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    transport: Option<Transport>,
    /// null forgets it: the next one that the camera shows is taken.
    #[serde(default, deserialize_with = "super::given")]
    certificate: Option<Option<String>>,
}

impl ChangeSource {
    fn into_change(self, caller: &Caller<Session>) -> Result<SourceChange, ApiError> {
        self.url.as_deref().map_or(Ok(()), |url| allowed(url, caller))?;
        Ok(SourceChange {
            url: self.url,
            username: self.username,
            password: self.password.map(|p| p.map(Zeroizing::new)),
            transport: self.transport,
            certificate: match self.certificate {
                Some(Some(text)) => Some(Some(fingerprint(&text)?)),
                other => other.map(|_| None),
            },
        })
    }
}

/// A change of a camera; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeCamera {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    main: Option<ChangeSource>,
    /// null removes the sub stream.
    #[serde(default, deserialize_with = "super::given")]
    sub: Option<Option<ChangeSource>>,
    /// true: is not recorded until it is false again.
    #[serde(default)]
    paused: Option<bool>,
    /// Pauses it until then; it is recorded again by itself. null: the pause lasts until it is ended.
    #[serde(default, deserialize_with = "super::given")]
    #[schema(value_type = Option<String>)]
    paused_until: Option<Option<Timestamp>>,
    /// Looks for motion from now on; null: looks no more.
    #[serde(default, deserialize_with = "super::given")]
    motion: Option<Option<MotionJson>>,
    /// true: is paused while the device that asks is at home, from now on. false: no more.
    #[serde(default)]
    paused_while_home: Option<bool>,
}

#[derive(Serialize, ToSchema)]
struct Probed {
    /// RFC 6381 codecs, as Media Source Extensions want them.
    codec: String,
    width: u16,
    height: u16,
    /// Encoding of its sound if that cannot be kept.
    sound_dropped: Option<String>,
    /// In which way it could be read, and why.
    via: ViaJson,
}

async fn list(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let mut shown = Vec::new();
    for (camera, status) in hub.parts.recorder.cameras().await? {
        let manages = match &request.caller {
            Caller::Local => true,
            Caller::Nobody => continue,
            Caller::Signed(session) => match hub.rights(session, camera.id).await? {
                Some(rights) => rights.manage,
                None => continue,
            },
        };
        shown.push(told(&hub, camera, status, manages));
    }
    Ok(reply::json(&shown))
}

async fn show(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let id: CameraId = request.id("id")?;
    let manages = match &request.caller {
        Caller::Signed(session) => hub.rights(session, id).await?.is_some_and(|r| r.manage),
        Caller::Local => true,
        Caller::Nobody => false,
    };
    one(&hub, id, manages, StatusCode::OK).await
}

async fn add(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let body: AddCamera = request.json()?;
    let sub = body.sub.map(|sub| sub.into_new(&request.caller)).transpose()?;
    let new = NewCamera { name: body.name, main: body.main.into_new(&request.caller)?, sub };
    let camera = hub.parts.recorder.add(new).await?;
    hub.audit(actor(&request.caller), "camera.add", camera.id.to_string()).await?;
    hub.export().await?;
    one(&hub, camera.id, true, StatusCode::CREATED).await
}

async fn change(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let id: CameraId = request.id("id")?;
    let body: ChangeCamera = request.json()?;
    // They are not in the row.
    let given = |source: &ChangeSource| source.password.is_some();
    let passwords =
        body.main.as_ref().is_some_and(given) || body.sub.as_ref().is_some_and(|sub| sub.as_ref().is_some_and(given));
    let change = CameraChange {
        name: body.name,
        main: body.main.map(|main| main.into_change(&request.caller)).transpose()?,
        sub: body.sub.map(|sub| sub.map(|sub| sub.into_change(&request.caller)).transpose()).transpose()?,
        motion: body.motion.map(|motion| motion.map(MotionJson::into_settings).transpose()).transpose()?,
        paused: body.paused,
        paused_until: body.paused_until,
        while_home: match body.paused_while_home {
            Some(true) => Some(Some(home::device_of(request.session()?, request.peer).await?)),
            Some(false) => Some(None),
            None => None,
        },
    };
    let before = hub.parts.store.read(move |db| db.camera(id)).await?.ok_or(ProblemKind::NotFound)?;
    let after = hub.parts.recorder.change(id, change).await?.ok_or(ProblemKind::NotFound)?;
    for what in changes(&before, &after, passwords) {
        hub.audit(actor(&request.caller), what, id.to_string()).await?;
    }
    hub.expiries.notify_one();
    hub.export().await?;
    one(&hub, id, true, StatusCode::OK).await
}

async fn remove(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let id: CameraId = request.id("id")?;
    // A member who was not granted the camera is told above that it is not there; one who was, that it is the owner's.
    if matches!(&request.caller, Caller::Signed(session) if !session.is_owner()) {
        return Err(ProblemKind::NotAllowed.into());
    }
    if !hub.parts.recorder.remove(id).await? {
        return Err(ProblemKind::NotFound.into());
    }
    hub.audit(actor(&request.caller), "camera.remove", id.to_string()).await?;
    hub.export().await?;
    Ok(reply::no_content())
}

/// Who asks: over the network somebody who is signed in.
fn actor(caller: &Caller<Session>) -> Actor {
    match caller {
        Caller::Signed(session) => session.actor(),
        Caller::Local | Caller::Nobody => Actor::Console,
    }
}

/// What was done to a camera, in the audit log's words.
fn changes(before: &Camera, after: &Camera, passwords: bool) -> Vec<&'static str> {
    let source = |camera: &Camera| {
        let of = |s: &StreamSource| (s.url.clone(), s.username.clone(), s.transport, s.learnt.certificate.clone());
        (of(&camera.main), camera.sub.as_ref().map(of))
    };
    let of = |camera: &Camera| (camera.paused, camera.paused_until, camera.while_home.clone());
    let paused = of(before) != of(after);
    [
        (before.name != after.name, "camera.rename"),
        (passwords || source(before) != source(after), "camera.change"),
        (before.motion != after.motion, "camera.motion"),
        (paused && after.while_home.is_some(), "camera.pause_home"),
        (paused && after.paused && after.while_home.is_none(), "camera.pause"),
        (paused && !after.paused, "camera.resume"),
    ]
    .into_iter()
    .filter_map(|(done, what)| done.then_some(what))
    .collect()
}

async fn probe(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let body: AddSource = request.json()?;
    let found = hub.parts.recorder.probe(body.into_new(&request.caller)?).await?;
    let (found, via) = (found.offer, found.via);
    Ok(reply::json(&Probed {
        codec: match &found.audio {
            Some(audio) => format!("{}, {}", found.video.codec, audio.codec),
            None => found.video.codec.clone(),
        },
        width: found.video.width,
        height: found.video.height,
        sound_dropped: found.dropped_audio,
        via: via.into(),
    }))
}

async fn one(hub: &Ctx, id: CameraId, manages: bool, status_code: StatusCode) -> Result<Response, ApiError> {
    let Some((camera, status)) = hub.parts.recorder.camera(id).await? else {
        return Err(ProblemKind::NotFound.into());
    };
    Ok(reply::json_with(status_code, &told(hub, camera, status, manages)))
}

fn told(hub: &Ctx, camera: store::Camera, status: Option<CameraStatus>, manages: bool) -> CameraJson {
    let source = |row: &StreamSource| SourceJson {
        url: row.url.clone(),
        username: row.username.clone(),
        transport: row.transport,
        certificate: row.learnt.certificate.clone(),
    };
    let loss_bound = hub.parts.recorder.loss_bound(camera.id);
    let init = status.as_ref().and_then(|s| s.init.clone());
    CameraJson {
        id: camera.id,
        name: camera.name,
        state: status.as_ref().map_or(CameraState::Unsupported, |s| s.state),
        since: status.as_ref().map(|s| s.since),
        recording: status.as_ref().is_some_and(|s| s.recording),
        disk: loss_bound.map_or(Health::Ok, recorder::slow_disk),
        loss_bound_s: loss_bound_s(loss_bound),
        motion: camera.motion.map(MotionJson::from),
        watched: hub.parts.recorder.watched(camera.id),
        encoder: hub.parts.recorder.encoders().of_camera(&camera.main.url).map(EncoderJson::from),
        decoder: hub.parts.recorder.decodes_with(camera.id).map(|using| hub.parts.decoders.of_camera(using)),
        paused: camera.paused,
        paused_until: camera.paused_until.filter(|_| camera.paused),
        paused_while_home: camera.while_home.is_some(),
        codec: init.as_ref().map(|i| i.codecs()),
        width: init.as_ref().map(|i| i.video.width),
        height: init.as_ref().map(|i| i.video.height),
        has_sub: camera.sub.is_some(),
        sound_dropped: status.as_ref().and_then(|s| s.sound_dropped.clone()),
        last_fragment_at: status.as_ref().and_then(|s| s.last_fragment_at),
        via: status.as_ref().filter(|_| manages).and_then(|s| s.via.clone()).map(ViaJson::from),
        detail: status.and_then(|s| s.detail),
        created: camera.created,
        main: manages.then(|| source(&camera.main)),
        sub: camera.sub.as_ref().filter(|_| manages).map(source),
    }
}
