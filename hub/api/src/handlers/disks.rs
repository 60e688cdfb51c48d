//! The machine's disks, and one of them that becomes the footage disk.

use base::{Problem, ProblemKind};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use system::footage_disk::{Fit, FoundDisk, Stage};
use utoipa::ToSchema;
use vault::Password;

use crate::handlers::updates::ProblemJson;
use crate::hub::Ctx;
use crate::problem::ApiError;
use crate::reply::{self, Response};
use crate::route::{Access, Caller, Request, Route};
use crate::secrets::asked_again;

pub(super) fn routes() -> Vec<Route<Ctx>> {
    vec![
        Route::get(
            "/api/v1/system/disks",
            Access::Owner,
            "The disks of the machine, and how it goes with the one that is to become the footage disk.",
            show,
        )
        .answers::<Disks>(200, "The disks.")
        .local(),
        Route::post(
            "/api/v1/system/disks/footage",
            Access::Owner,
            "Makes a disk the footage disk. All that is on it is lost; the footage that there is moves there.",
            make,
        )
        .takes::<MakeFootageDisk>()
        .answers::<Disks>(202, "It has begun."),
    ]
}

#[derive(Serialize, ToSchema)]
struct Disks {
    /// One of them can be made the footage disk from here: the hub runs from an image of Keepsight's.
    can_be_made: bool,
    disks: Vec<DiskJson>,
    /// The last change since the machine started; null: none.
    change: Option<ChangeJson>,
}

#[derive(Serialize, ToSchema)]
struct DiskJson {
    /// Its maker's serial number, or another mark that stays; empty: it has none.
    id: String,
    /// Such as sda, at this moment.
    name: String,
    model: String,
    size_bytes: u64,
    /// usb, ata, nvme, mmc or empty.
    bus: String,
    /// What is on it now, as far as that is recognised.
    holds: Vec<HoldsJson>,
    /// footage (this hub's own), empty, used, other_hub (a footage disk of another hub, which `keepsight adopt` can take in), system,
    /// in_use, read_only, too_small or no_number (it cannot be told from others). Empty, used and other_hub can be made.
    #[schema(value_type = String)]
    fit: Fit,
    /// Stands for all of this; to be given back with the choice.
    seen: String,
}

#[derive(Serialize, ToSchema)]
struct HoldsJson {
    size_bytes: u64,
    /// ext4, ntfs, vfat, …; empty: nothing that is recognised.
    file_system: String,
    label: String,
}

#[derive(Serialize, ToSchema)]
struct ChangeJson {
    /// The disk's id.
    disk: String,
    /// asked, formatting, copying, changing_over, done or failed.
    #[schema(value_type = String)]
    stage: Stage,
    /// Of the bytes that are copied.
    percent: u8,
    problem: Option<ProblemJson>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MakeFootageDisk {
    /// The password of who asks: a session alone destroys nothing.
    #[schema(value_type = String)]
    password: Password,
    /// The disk's `id`.
    disk: String,
    /// Its `seen`: a disk that is not as it was then is left alone.
    seen: String,
}

async fn show(hub: Ctx, _request: Request<Ctx>) -> Result<Response, ApiError> {
    Ok(reply::json(&told(&hub).await?))
}

async fn make(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let body: MakeFootageDisk = request.json()?;
    let Caller::Signed(session) = request.caller else { return Err(ProblemKind::NotAllowed.into()) };
    asked_again(&hub, &session, body.password, request.peer).await?;
    let (disks, disk, seen) = (hub.parts.disks.clone(), body.disk, body.seen);
    let asked = tokio::task::spawn_blocking(move || disks.ask(&disk, &seen)).await.map_err(ApiError::internal)?;
    let FoundDisk { id, model, size_bytes, .. } = asked?;
    let who = store::Actor::Principal(session.principal.id);
    hub.audit(who, "storage.disk", format!("{model}, {size_bytes} bytes, {id}")).await?;
    Ok(reply::json_with(StatusCode::ACCEPTED, &told(&hub).await?))
}

async fn told(hub: &Ctx) -> Result<Disks, ApiError> {
    let disks = hub.parts.disks.clone();
    let look = move || (disks.can_be_made(), disks.list(), disks.progress());
    let (can_be_made, disks, change) = tokio::task::spawn_blocking(look).await.map_err(ApiError::internal)?;
    Ok(Disks {
        can_be_made,
        disks: disks.into_iter().map(DiskJson::from).collect(),
        change: change.map(|change| ChangeJson {
            problem: change.problem().map(|problem: Problem| problem.into()),
            disk: change.disk,
            stage: change.stage,
            percent: change.percent,
        }),
    })
}

impl From<FoundDisk> for DiskJson {
    fn from(disk: FoundDisk) -> Self {
        let FoundDisk { id, name, model, size_bytes, bus, holds, fit, seen, .. } = disk;
        let holds = holds.into_iter().map(|holds| HoldsJson {
            size_bytes: holds.size_bytes,
            file_system: holds.file_system,
            label: holds.label,
        });
        Self { id, name, model, size_bytes, bus, holds: holds.collect(), fit, seen }
    }
}
