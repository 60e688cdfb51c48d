//! What tells objects apart: the owner's model, kept in a folder of the hub's data, and what is known of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::fs::FsError;
use base::state::{Health, Reason};
use base::{Problem, ProblemKind};
use system::Fact;
use tokio::sync::{Mutex, watch};
use vision::{About, Eyes, Model, Objects};

const MODEL: &str = "model.onnx";
const DESCRIPTION: &str = "model.toml";

/// Keeps the model. Clones share everything.
#[derive(Clone)]
pub struct Keeper {
    folder: Arc<Path>,
    eyes: Eyes,
    state: watch::Receiver<Objects>,
    /// One change at a time: each takes memory for a model.
    changing: Arc<Mutex<()>>,
}

impl Keeper {
    /// Has what is kept in the folder tell objects apart, as soon as it is read: cameras are recorded meanwhile. Must be called inside
    /// a tokio runtime.
    pub fn open(folder: PathBuf, eyes: Eyes) -> Self {
        let keeper = Self { folder: folder.into(), state: eyes.objects(), eyes, changing: Arc::default() };
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

    /// Tries a model, and keeps and uses it if it is one; without a model the one that is kept gets another description. What was used
    /// before is used until then.
    ///
    /// # Errors
    /// `bad-model`; or it cannot be written.
    pub(crate) async fn change(&self, onnx: Option<bytes::Bytes>, description: String) -> Result<About, Problem> {
        let _one = self.changing.lock().await;
        let onnx = match onnx {
            Some(onnx) => onnx,
            None => self.model().await?.ok_or_else(|| Problem::with(ProblemKind::BadModel, "There is none"))?.onnx,
        };
        let model = Model { onnx, description };
        let about = self.eyes.try_model(&model).await.map_err(|why| Problem::with(ProblemKind::BadModel, why))?;
        let (folder, kept) = (self.folder.clone(), model.clone());
        on_disk(move || {
            base::fs::create_dir(&folder, 0o700)?;
            // Between the two a power cut leaves a new description with an old model: that is told, and nothing is lost.
            base::fs::write_atomic(&folder.join(DESCRIPTION), kept.description.as_bytes(), 0o600)?;
            base::fs::write_atomic(&folder.join(MODEL), &kept.onnx, 0o600)
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
            Objects::Ready(about) => fact(Health::Ok, said(&about)),
            Objects::Failed(why) => {
                let detail = Problem::with(ProblemKind::BadModel, &why).to_string();
                fact(Health::Degraded { reason: Reason::BadModel, detail }, why)
            }
        }
    }
}

/// What a model does, for a person.
pub(crate) fn said(about: &About) -> String {
    let count = about.labels.len();
    let first: Vec<_> = about.labels.iter().take(4).map(String::as_str).collect();
    let more = if count > first.len() { format!(" and {} more", count - first.len()) } else { String::new() };
    let per_second = pictures_per_second(about);
    format!(
        "{}{more}; {:.0} ms of the processor a picture of {}×{}: {per_second:.1} pictures a second and core",
        first.join(", "),
        about.per_picture.as_secs_f64() * 1_000.0,
        about.width,
        about.height
    )
}

/// Of one core.
pub(crate) fn pictures_per_second(about: &About) -> f64 {
    1.0 / about.per_picture.as_secs_f64().max(0.000_1)
}

fn read(folder: &Path) -> Result<Option<Model>, FsError> {
    let Some(onnx) = file(folder, MODEL)? else { return Ok(None) };
    Ok(Some(Model { onnx: onnx.into(), description: description(folder)? }))
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
