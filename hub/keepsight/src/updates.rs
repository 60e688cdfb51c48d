//! What updates of the system need of the hub around them (`system::update`): what people want, what is recorded, and the way
//! to the address of updates.

use std::sync::{Arc, OnceLock};

use base::{CameraId, Problem, SharedClock};
use recorder::Recorder;
use reqwest::redirect::{Attempt, Policy};
use store::Store;
use system::update::{Around, Boxed, MAX_MANIFEST_BYTES, Parts, SETTINGS, Settings, Sticks, Updates};
use system::{Image, Rauc};
use url::Url;

use crate::config::Config;
use crate::machine::RESTART;

/// So often is somebody sent on from one address to the next.
const MOST_REDIRECTS: usize = 5;

/// The updates of this hub; they begin when they are run.
pub(crate) fn of(config: &Config, store: &Store, recorder: &Recorder, clock: &SharedClock) -> Updates {
    let image = Image::read(config.update.image()).unwrap_or_else(|e| {
        tracing::error!(
            error = &e as &dyn std::error::Error,
            "what the image says of itself cannot be read: no updates"
        );
        None
    });
    let around = AroundUpdates { store: store.clone(), recorder: recorder.clone(), web: Web::new(clock.clone()) };
    Updates::new(Parts {
        image,
        rauc: Rauc::default(),
        file: config.paths.data().join("update.json"),
        restart: crate::machine::asked_in(RESTART),
        sticks: Sticks::default(),
        clock: clock.clone(),
        around: Arc::new(around),
    })
}

struct AroundUpdates {
    store: Store,
    recorder: Recorder,
    web: Web,
}

impl Around for AroundUpdates {
    fn settings(&self) -> Boxed<Option<Settings>> {
        let store = self.store.clone();
        Box::pin(async move {
            match store.read(|db| db.setting::<Settings>(SETTINGS)).await {
                Ok(settings) => Some(settings.unwrap_or_default()),
                Err(e) => {
                    tracing::warn!(problem = %Problem::from(e), "it is not known whether updates are wanted");
                    None
                }
            }
        })
    }
    fn recorded(&self) -> Boxed<Vec<CameraId>> {
        let recorder = self.recorder.clone();
        Box::pin(async move {
            let cameras = recorder.cameras().await.unwrap_or_default(); // it is only written down
            let recorded = cameras.into_iter().filter(|(_, status)| status.as_ref().is_some_and(|s| s.recording));
            recorded.map(|(camera, _)| camera.id).collect()
        })
    }
    fn fetch(&self, from: Url) -> Boxed<Result<Vec<u8>, String>> {
        let web = self.web.clone();
        Box::pin(async move {
            let mut answer = web.client()?.get(from).send().await.map_err(|e| chain(&e))?;
            if !answer.status().is_success() {
                return Err(format!("it answers with status {}", answer.status().as_u16()));
            }
            let mut bytes = Vec::new();
            while let Some(part) = answer.chunk().await.map_err(|e| chain(&e))? {
                bytes.extend_from_slice(&part);
                if bytes.len() as u64 > MAX_MANIFEST_BYTES {
                    return Err("what lies there is too long".to_owned());
                }
            }
            Ok(bytes)
        })
    }
}

/// A client for the world outside. Made at the first question: as flashed there is none.
#[derive(Clone)]
struct Web {
    clock: SharedClock,
    client: Arc<OnceLock<Result<reqwest::Client, String>>>,
}

impl Web {
    fn new(clock: SharedClock) -> Self {
        Self { clock, client: Arc::default() }
    }

    fn client(&self) -> Result<reqwest::Client, String> {
        let make = || {
            let tls = tls::web_client_config(self.clock.clone(), &["h2", "http/1.1"]).map_err(|e| chain(&e))?;
            // Neither which hub asks, nor which version it has.
            let client =
                reqwest::Client::builder().user_agent("keepsight").no_proxy().redirect(Policy::custom(sent_on));
            client.tls_backend_preconfigured(tls).build().map_err(|e| chain(&e))
        };
        self.client.get_or_init(make).clone()
    }
}

/// Further on it is https:, whatever the first address was.
fn sent_on(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    match attempt.url().scheme() == "https" && attempt.previous().len() <= MOST_REDIRECTS {
        true => attempt.follow(),
        false => attempt.error("it sends on to an address that is not taken"),
    }
}

/// An error with what caused it, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        said = format!("{said}: {error}");
        cause = error.source();
    }
    said.chars().take(300).collect()
}
