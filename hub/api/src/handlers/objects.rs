//! The owner's model that tells objects apart.

use base::ProblemKind;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Method;
use serde::{Deserialize, Serialize};
use store::Actor;
use utoipa::ToSchema;
use vision::{MAX_DESCRIPTION_BYTES, MAX_MODEL_BYTES, Objects, Outcome, Tried};

use crate::hub::Ctx;
use crate::objects::{ms, pictures_per_second, run_by};
use crate::problem::ApiError;
use crate::reply::{self, Response};
use crate::route::{Access, Request, Route};

const PATH: &str = "/api/v1/objects";
/// The largest model in base64, its description, and the braces around them.
const BODY_BYTES: u64 = (MAX_MODEL_BYTES.div_ceil(3) * 4 + 8 * MAX_DESCRIPTION_BYTES) as u64;

pub(super) fn routes() -> Vec<Route<Ctx>> {
    vec![
        Route::get(PATH, Access::Owner, "Whether persons, cars and other things are told apart, and by what.", show)
            .answers::<ObjectsJson>(200, "How it is."),
        Route::new(
            Method::PUT,
            PATH,
            Access::Owner,
            "Tells objects apart with a model; it is tried first, and what was used before stays where it is none.",
            change,
        )
        .takes::<ModelJson>()
        .body_bytes(BODY_BYTES)
        .answers::<ObjectsJson>(200, "It is used."),
        Route::new(Method::DELETE, PATH, Access::Owner, "Forgets the model: what moves is motion.", forget)
            .answers_with(204, "It is forgotten.", None),
    ]
}

#[derive(Serialize, ToSchema)]
struct ObjectsJson {
    /// none (there is no model), starting, ok, or failed.
    state: &'static str,
    /// Why it failed, in words.
    problem: Option<String>,
    /// What is told apart.
    labels: Vec<String>,
    /// The picture that the model wants, in pixels.
    width: Option<u16>,
    /// See `width`.
    height: Option<u16>,
    /// Who runs it, by name: the hub's own `tract`, or a library that the board names.
    run_by: Option<String>,
    /// Processor time of a picture, in milliseconds; where hardware runs it, the time until it is looked at.
    ms_per_picture: Option<f64>,
    /// Pictures that one core, or the hardware, looks at in a second.
    pictures_per_second: Option<f64>,
    /// The libraries that the board names, best first: the first that costs less than the hub's own is used.
    runtimes: Vec<RuntimeJson>,
    /// The model's size; null: there is none.
    model_bytes: Option<u64>,
    /// Its description, as it was given.
    description: Option<String>,
}

/// A library that may run the model.
#[derive(Serialize, ToSchema)]
struct RuntimeJson {
    /// What of it runs the model, by name.
    name: String,
    /// Where it lies.
    library: String,
    /// untried (there is no model, or one before it is good), trying, used, no_better (than the hub's own), or failed: then it is
    /// tried again later.
    state: &'static str,
    /// What a picture costs, in milliseconds.
    ms_per_picture: Option<f64>,
    /// Why it failed, in words.
    problem: Option<String>,
}

/// A model.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ModelJson {
    /// An ONNX file, or one that was compiled for Hailo's accelerators (HEF), in base64, 64 MiB at most. Absent: the one that is kept.
    #[serde(default)]
    model: Option<String>,
    /// What the model does not say itself, as TOML: docs/objects.md.
    #[serde(default)]
    description: String,
}

async fn show(hub: Ctx, _request: Request<Ctx>) -> Result<Response, ApiError> {
    Ok(reply::json(&told(&hub).await?))
}

async fn change(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let who = Actor::Principal(request.session()?.principal.id);
    let body: ModelJson = request.json()?;
    drop(request); // with its body: a model need not be there three times
    if body.description.len() > MAX_DESCRIPTION_BYTES {
        return Err(ApiError::with(
            ProblemKind::BadModel,
            format!("Its description has more than {MAX_DESCRIPTION_BYTES} bytes"),
        ));
    }
    let model = match body.model {
        None => None,
        Some(text) => match STANDARD.decode(text) {
            Ok(model) if model.len() <= MAX_MODEL_BYTES => Some(Bytes::from(model)),
            Ok(_) => {
                return Err(ApiError::with(
                    ProblemKind::BadModel,
                    format!("It has more than {} MiB", MAX_MODEL_BYTES >> 20),
                ));
            }
            Err(_) => return Err(ApiError::with(ProblemKind::BadRequest, "The model is not in base64")),
        },
    };
    let about = hub.parts.objects.change(model, body.description).await?;
    hub.audit(who, "objects.model", format!("{} kinds", about.labels.len())).await?;
    Ok(reply::json(&told(&hub).await?))
}

async fn forget(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    if hub.parts.objects.forget().await? {
        hub.audit(Actor::Principal(request.session()?.principal.id), "objects.model", "none".into()).await?;
    }
    Ok(reply::no_content())
}

async fn told(hub: &Ctx) -> Result<ObjectsJson, ApiError> {
    let kept = hub.parts.objects.kept().await?;
    let (state, problem, about) = match hub.parts.objects.state() {
        Objects::None => ("none", None, None),
        Objects::Starting => ("starting", None, None),
        Objects::Ready(about) => ("ok", None, Some(about)),
        Objects::Failed(why) => ("failed", Some(why), None),
    };
    let about = about.as_ref();
    Ok(ObjectsJson {
        state,
        problem,
        labels: about.map(|about| about.labels.clone()).unwrap_or_default(),
        width: about.map(|about| about.width),
        height: about.map(|about| about.height),
        run_by: about.map(run_by),
        ms_per_picture: about.map(|about| ms(about.cost())),
        pictures_per_second: about.map(|about| (pictures_per_second(about) * 10.0).round() / 10.0),
        runtimes: hub.parts.objects.runtimes().into_iter().map(runtime).collect(),
        model_bytes: kept.as_ref().map(|(bytes, _)| *bytes),
        description: kept.map(|(_, description)| description),
    })
}

fn runtime(Tried { runtime, outcome }: Tried) -> RuntimeJson {
    let (state, cost, problem) = match outcome {
        Outcome::Untried => ("untried", None, None),
        Outcome::Trying => ("trying", None, None),
        Outcome::Used(cost) => ("used", Some(cost), None),
        Outcome::NoBetter(cost) => ("no_better", Some(cost), None),
        Outcome::Failed(why) => ("failed", None, Some(why)),
    };
    let (name, library) = (runtime.provider.to_string(), runtime.library.to_string_lossy().into_owned());
    RuntimeJson { name, library, state, ms_per_picture: cost.map(ms), problem }
}
