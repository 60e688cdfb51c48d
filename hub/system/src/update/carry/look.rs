//! Looking for an update: at the source, and on disks that somebody put in.

use std::path::PathBuf;
use std::time::Duration;

use base::clock::timeout;
use base::{Mono, Problem, ProblemKind, Timestamp};

use super::Inner;
use crate::update::plan::refused;
use crate::update::{MAX_MANIFEST_BYTES, Manifest, Offer, Settings, Source};

/// How often the source is asked: it is somebody's machine.
const LOOK_EVERY: Duration = Duration::from_secs(6 * 3_600);
/// The same after it did not answer.
const LOOK_AGAIN: Duration = Duration::from_secs(3_600);
/// A manifest is fetched within this.
const FETCHED_WITHIN: Duration = Duration::from_secs(60);

/// The source was asked.
pub(super) struct Looked {
    /// Which.
    pub source: String,
    pub when: Timestamp,
    /// It is asked again then.
    pub again: Mono,
    pub found: Option<Found>,
}

#[derive(Clone)]
pub(super) struct Found {
    pub offer: Offer,
    pub sha256: [u8; 32],
    /// On a disk that somebody put in.
    pub stick: bool,
}

impl Inner {
    /// Looks on what is mounted, and at the source where it is time for that, or `anew`.
    pub(super) async fn look(&self, settings: &Settings, anew: bool) {
        let Some(image) = &self.parts.image else { return };
        let name = format!("{}.json", image.board);
        let mut best = self.on_sticks(&name).await;
        let source = settings.source.as_deref().map(Source::parse).transpose();
        match source {
            Ok(Some(source)) => {
                if self.is_due(&source, anew) {
                    self.ask(&source, &name).await;
                }
                let state = self.state();
                best.extend(state.looked.as_ref().and_then(|looked| looked.found.clone()));
            }
            Ok(None) => self.state().looked = None,
            Err(problem) => self.state().problem = Some(problem),
        }
        let mut state = self.state();
        // The newest that can be installed; else the newest, with what is against it.
        best.sort_by(|a, b| {
            let good = |found: &Found| refused(&found.offer, image, &state.file).is_none();
            good(a).cmp(&good(b)).then(a.offer.version.cmp(&b.offer.version))
        });
        state.found = best.pop();
    }

    fn is_due(&self, source: &Source, anew: bool) -> bool {
        let (state, now) = (self.state(), self.parts.clock.mono());
        let same = state.looked.as_ref().filter(|looked| looked.source == source.as_str());
        anew || state.is_asked() || same.is_none_or(|looked| now >= looked.again)
    }

    /// Asks the source for its manifest.
    async fn ask(&self, source: &Source, name: &str) {
        let (clock, address) = (&self.parts.clock, source.file(name));
        let place = address.to_string();
        let fetched = timeout(&**clock, FETCHED_WITHIN, self.parts.around.fetch(address)).await;
        let fetched = fetched.unwrap_or_else(|| Err(format!("no answer within {} seconds", FETCHED_WITHIN.as_secs())));
        let read = match fetched {
            Ok(bytes) => Manifest::parse(&bytes).map_err(|e| e.problem(&place)),
            Err(why) => Err(Problem::with(ProblemKind::UpdateSource, format_args!("{place}: {why}"))),
        };
        let (found, problem) = match read {
            Ok(manifest) => {
                let bundle = source.file(&manifest.bundle).to_string();
                (Some(Found { sha256: manifest.sha256, stick: false, offer: offer(manifest, bundle) }), None)
            }
            Err(problem) => {
                tracing::warn!(%problem, "updates were not looked for");
                (None, Some(problem))
            }
        };
        let again = clock.mono() + if problem.is_some() { LOOK_AGAIN } else { LOOK_EVERY };
        let mut state = self.state();
        // What an installation left behind is told until the next one.
        if problem.is_some() || state.problem.as_ref().is_some_and(|p| p.kind == ProblemKind::UpdateSource) {
            state.problem = problem;
        }
        state.looked = Some(Looked { source: source.as_str().to_owned(), when: clock.wall(), again, found });
    }

    /// Manifests on disks that somebody put in, with their bundles beside them.
    async fn on_sticks(&self, name: &str) -> Vec<Found> {
        let (sticks, name) = (self.parts.sticks.clone(), name.to_owned());
        let look = move || {
            let at = |folder: PathBuf| {
                let bytes = base::fs::read(&folder.join(&name), MAX_MANIFEST_BYTES).ok()?;
                let manifest = Manifest::parse(&bytes).ok()?;
                let bundle = folder.join(&manifest.bundle);
                bundle.is_file().then_some(())?;
                let bundle = bundle.to_str()?.to_owned();
                Some(Found { sha256: manifest.sha256, stick: true, offer: offer(manifest, bundle) })
            };
            sticks.mounted().into_iter().filter_map(at).collect()
        };
        tokio::task::spawn_blocking(look).await.unwrap_or_default()
    }
}

fn offer(manifest: Manifest, bundle: String) -> Offer {
    let Manifest { version, compatible, minimum, size, .. } = manifest;
    Offer { version, compatible, minimum, bundle, size }
}
