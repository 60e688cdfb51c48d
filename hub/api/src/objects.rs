//! What tells objects apart: the owner's model, kept in a folder of the hub's data, and what is known of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::fs::FsError;
use base::state::{Health, Reason};
use base::{Problem, ProblemKind};
use system::Fact;
use tokio::sync::{Mutex, watch};
use vision::{About, Eyes, Model, Objects, Outcome, Tried};

/// Whatever its format is.
const MODEL: &str = "model.onnx";
const DESCRIPTION: &str = "model.toml";

/// Keeps the model. Clones share everything.
#[derive(Clone)]
pub struct Keeper {
    folder: Arc<Path>,
    eyes: Eyes,
    state: watch::Receiver<Objects>,
    runtimes: watch::Receiver<Vec<Tried>>,
    /// One change at a time: each takes memory for a model.
    changing: Arc<Mutex<()>>,
}

impl Keeper {
    /// Has what is kept in the folder tell objects apart, as soon as it is read: cameras are recorded meanwhile. Must be called inside
    /// a tokio runtime.
    pub fn open(folder: PathBuf, eyes: Eyes) -> Self {
        let (state, runtimes) = (eyes.objects(), eyes.runtimes());
        let keeper = Self { folder: folder.into(), state, runtimes, eyes, changing: Arc::default() };
        let first = keeper.clone();
        tokio::spawn(async move {
            let _one = first.changing.lock().await;
            match first.model().await {
                Ok(model) => first.eyes.tell_objects(model),
                Err(problem) => tracing::error!(%problem, "the model of objects is not read"),
            }
        });
        keeper
    }

    async fn model(&self) -> Result<Option<Model>, Problem> {
        let folder = self.folder.clone();
        on_disk(move || read(&folder)).await
    }

    /// What is kept: how many bytes the model has, and its description; `None`: none.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) async fn kept(&self) -> Result<Option<(u64, String)>, Problem> {
        let folder = self.folder.clone();
        on_disk(move || {
            let path = folder.join(MODEL);
            match std::fs::metadata(&path) {
                Ok(model) => Ok(Some((model.len(), description(&folder)?))),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(e) => Err(FsError::on("read", &path)(e)),
            }
        })
        .await
    }

    /// Whether objects are told apart.
    pub(crate) fn state(&self) -> Objects {
        self.state.borrow().clone()
    }

    /// What is known of the libraries that the board names to run models.
    pub(crate) fn runtimes(&self) -> Vec<Tried> {
        self.runtimes.borrow().clone()
    }

    /// Tries a model, and keeps and uses it if it is one; without a model the one that is kept gets another description. What was used
    /// before is used until then.
    ///
    /// # Errors
    /// `bad-model`; or it cannot be written.
    pub(crate) async fn change(&self, file: Option<bytes::Bytes>, description: String) -> Result<About, Problem> {
        let _one = self.changing.lock().await;
        let file = match file {
            Some(file) => file,
            None => self.model().await?.ok_or_else(|| Problem::with(ProblemKind::BadModel, "There is none"))?.file,
        };
        let model = Model { file, description };
        // What rests meanwhile rests until the new one takes its place.
        let tried = self.eyes.try_model(&model).await;
        let (about, _rest) = tried.map_err(|why| Problem::with(ProblemKind::BadModel, why))?;
        let (folder, kept) = (self.folder.clone(), model.clone());
        on_disk(move || {
            base::fs::create_dir(&folder, 0o700)?;
            // Between the two a power cut leaves a new description with an old model: that is told, and nothing is lost.
            base::fs::write_atomic(&folder.join(DESCRIPTION), kept.description.as_bytes(), 0o600)?;
            base::fs::write_atomic(&folder.join(MODEL), &kept.file, 0o600)
        })
        .await?;
        self.eyes.tell_objects(Some(model));
        Ok(about)
    }

    /// Forgets the model. `false`: there was none.
    ///
    /// # Errors
    /// It cannot be removed.
    pub(crate) async fn forget(&self) -> Result<bool, Problem> {
        let _one = self.changing.lock().await;
        let folder = self.folder.clone();
        let was_there = on_disk(move || {
            let mut was_there = false;
            for name in [MODEL, DESCRIPTION] {
                let path = folder.join(name);
                match std::fs::remove_file(&path) {
                    Ok(()) => was_there = true,
                    Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                    Err(e) => return Err(FsError::on("remove", &path)(e)),
                }
            }
            if was_there {
                base::fs::sync_dir(&folder)?;
            }
            Ok(was_there)
        })
        .await?;
        self.eyes.tell_objects(None);
        Ok(was_there)
    }

    /// `objects`, among the machine's facts.
    pub(crate) fn fact(&self) -> Fact {
        let fact = |health, said: String| Fact { name: "objects".into(), health, said };
        match self.state() {
            Objects::None => fact(Health::Off, "There is no model: whatever moves is motion".into()),
            Objects::Starting => fact(Health::Off, "The model is being read".into()),
            Objects::Ready(about) => fact(Health::Ok, said(&about, &self.runtimes())),
            Objects::Failed(why) => {
                let detail = Problem::with(ProblemKind::BadModel, &why).to_string();
                fact(Health::Degraded { reason: Reason::BadModel, detail }, why)
            }
        }
    }
}

/// What a model does, for a person, and which libraries are of no use that the board names.
pub(crate) fn said(about: &About, runtimes: &[Tried]) -> String {
    let count = about.labels.len();
    let first: Vec<_> = about.labels.iter().take(4).map(String::as_str).collect();
    let more = if count > first.len() { format!(" and {} more", count - first.len()) } else { String::new() };
    let hardware = about.by.is_some_and(vision::Provider::is_hardware);
    let (of, core) = if hardware { ("", "") } else { (" of the processor", " and core") };
    let mut said = format!(
        "{}{more}; by {}, {} ms{of} a picture of {}×{}: {:.1} pictures a second{core}",
        first.join(", "),
        run_by(about),
        ms(about.cost()),
        about.width,
        about.height,
        pictures_per_second(about),
    );
    for Tried { runtime, outcome } in runtimes {
        match outcome {
            Outcome::Failed(why) => said = format!("{said}. Not {}: {why}", runtime.provider),
            Outcome::NoBetter(cost) => said = format!("{said}. Not {}: {} ms", runtime.provider, ms(*cost)),
            Outcome::Untried | Outcome::Trying | Outcome::Used(_) => {}
        }
    }
    said
}

/// Who runs it, by name.
pub(crate) fn run_by(about: &About) -> String {
    about.by.map_or("tract".to_owned(), |provider| provider.to_string())
}

/// In milliseconds, with a tenth.
pub(crate) fn ms(time: std::time::Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

/// Of one core, or of the hardware that does it instead.
pub(crate) fn pictures_per_second(about: &About) -> f64 {
    1.0 / about.cost().as_secs_f64().max(0.000_1)
}

fn read(folder: &Path) -> Result<Option<Model>, FsError> {
    let Some(model) = file(folder, MODEL)? else { return Ok(None) };
    Ok(Some(Model { file: model.into(), description: description(folder)? }))
}

fn description(folder: &Path) -> Result<String, FsError> {
    Ok(String::from_utf8_lossy(&file(folder, DESCRIPTION)?.unwrap_or_default()).into_owned())
}

fn file(folder: &Path, name: &str) -> Result<Option<Vec<u8>>, FsError> {
    let path = folder.join(name);
    match std::fs::read(&path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(FsError::on("read", &path)(e)),
    }
}

async fn on_disk<T: Send + 'static>(task: impl FnOnce() -> Result<T, FsError> + Send + 'static) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(task).await.map_err(|e| Problem::with(ProblemKind::Internal, e))?;
    done.map_err(|e| Problem::with(ProblemKind::FileError, format_args!("{e}: {}", e.source)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use vision::{Provider, Runtime};

    use super::*;

    fn tried(provider: Provider, outcome: Outcome) -> Tried {
        Tried { runtime: Runtime { library: "/lib/o.so".into(), provider, devices: vec![] }, outcome }
    }

    #[test]
    fn who_runs_a_model_is_said_with_what_it_costs_and_who_else_is_of_no_use() {
        let labels = ["person", "car", "dog", "cat", "bicycle"].map(str::to_owned).into();
        let (per_picture, took) = (Duration::from_micros(33_560), Duration::from_millis(40));
        let about = About { labels, width: 320, height: 320, per_picture, took, by: None };
        let all = [
            tried(Provider::TensorRt, Outcome::Failed("It was not ready in time".into())),
            tried(Provider::Cpu, Outcome::NoBetter(Duration::from_millis(50))),
        ];
        assert_eq!(
            said(&about, &all),
            "person, car, dog, cat and 1 more; by tract, 33.6 ms of the processor a picture of 320×320: 29.8 pictures a second and core. \
             Not ONNX Runtime with TensorRT: It was not ready in time. Not ONNX Runtime: 50 ms"
        );
        let by_hardware = About { by: Some(Provider::Cuda), took: Duration::from_millis(5), ..about };
        let used = [tried(Provider::Cuda, Outcome::Used(Duration::from_millis(5)))];
        let words = "by ONNX Runtime with CUDA, 5 ms a picture of 320×320: 200.0 pictures a second";
        assert!(said(&by_hardware, &used).ends_with(words), "{}", said(&by_hardware, &used));
    }
}
