//! What Prometheus is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use base::state::Health;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use recorder::{CameraStatus, StorageStatus};

use crate::handlers::storage::loss_bound_s;
use crate::hub::Ctx;
use std::sync::atomic::AtomicU64;

/// Counts that belong to the API itself.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    live_viewers: Arc<AtomicI64>,
}

/// A live view that is counted while this is held.
pub(crate) struct Viewing(Arc<AtomicI64>);

impl Metrics {
    pub(crate) fn live_viewer(&self) -> Viewing {
        self.live_viewers.fetch_add(1, Ordering::Relaxed);
        Viewing(self.live_viewers.clone())
    }
}

impl Drop for Viewing {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A camera is named by its id: names are for people who may see the camera.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Camera {
    camera: String,
}

/// Gaps, by camera and reason: the words of the timeline.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Gap {
    camera: String,
    reason: String,
}

/// The hub's state as Prometheus text.
pub(crate) fn text(hub: &Ctx, cameras: &[(store::Camera, Option<CameraStatus>)]) -> String {
    let (metrics, recorder, now) = (&hub.metrics, &hub.parts.recorder, hub.parts.clock.wall());
    let mut registry = Registry::with_prefix("keepsight");
    let recording = Family::<Camera, Gauge>::default();
    let pictures = Family::<Camera, Counter>::default();
    let failures = Family::<Camera, Counter>::default();
    let behind = Family::<Camera, Gauge<f64, AtomicU64>>::default();
    registry.register(
        "camera_recording",
        "1 if the camera's footage reached the disk within the last seconds",
        recording.clone(),
    );
    registry.register("camera_pictures", "Pictures that arrived since the hub started", pictures.clone());
    registry.register("camera_failures", "Connections lost or refused since the hub started", failures.clone());
    registry.register("camera_unsynced_seconds", "Age of the newest footage that is surely on disk", behind.clone());
    let gaps = Family::<Gap, Counter>::default();
    let missed = Family::<Gap, Counter<f64, AtomicU64>>::default();
    registry.register("camera_gaps", "Gaps in the recording that have ended since the hub started", gaps.clone());
    registry.register("camera_gap_seconds", "How long they were, all together", missed.clone());
    let looked = Family::<Camera, Counter>::default();
    let not_looked = Family::<Camera, Counter>::default();
    registry.register(
        "camera_looked",
        "Pictures that were looked at for motion, since that was last set",
        looked.clone(),
    );
    registry.register(
        "camera_not_looked",
        "Pictures that were not, since nobody waits for who looks",
        not_looked.clone(),
    );
    let viewers = Gauge::<i64>::default();
    viewers.set(metrics.live_viewers.load(Ordering::Relaxed));
    registry.register("live_viewers", "Open live views", viewers);
    let time_known = Gauge::<i64>::default();
    time_known.set(i64::from(hub.parts.time.health() == Health::Ok));
    registry.register("time_known", "1 if somebody told the hub the time, 0 if it guesses", time_known);
    let name = states(&hub.parts.mdns.health());
    registry.register("mdns_state", "1 for how the hub's .local name is: ok, off, or the reason why it is not", name);
    let update = states(&hub.parts.updates.health());
    registry.register("update_state", "1 for how updates of the system are: ok, off, or what went wrong", update);
    storage(&mut registry, &recorder.storage());
    let footage = Family::<Camera, Gauge>::default();
    let loss_bound = Family::<Camera, Gauge<f64, AtomicU64>>::default();
    registry.register("camera_footage_bytes", "Bytes of the camera's footage on the disk", footage.clone());
    registry.register(
        "camera_loss_bound_seconds",
        "What a power cut takes of the camera's footage at most: 2, or more if the disk is slow",
        loss_bound.clone(),
    );
    for (camera, status) in cameras {
        let label = Camera { camera: camera.id.to_string() };
        footage.get_or_create(&label).set(i64::try_from(recorder.footage_bytes(camera.id)).unwrap_or(i64::MAX));
        loss_bound.get_or_create(&label).set(loss_bound_s(recorder.loss_bound(camera.id)));
        if let Some((seen, dropped)) = recorder.looked(camera.id) {
            looked.get_or_create(&label).inc_by(seen);
            not_looked.get_or_create(&label).inc_by(dropped);
        }
        recording.get_or_create(&label).set(i64::from(status.as_ref().is_some_and(|s| s.recording)));
        let Some(status) = status else { continue };
        pictures.get_or_create(&label).inc_by(status.pictures);
        failures.get_or_create(&label).inc_by(status.failures);
        for (reason, tally) in &status.gaps {
            let reason = serde_json::to_value(reason).ok().and_then(|word| Some(word.as_str()?.to_owned()));
            let label = Gap { camera: camera.id.to_string(), reason: reason.unwrap_or_default() };
            gaps.get_or_create(&label).inc_by(tally.count);
            missed.get_or_create(&label).inc_by(tally.total.as_secs_f64());
        }
        if let Some(end) = status.last_fragment_at {
            behind.get_or_create(&label).set(now.duration_since(end).as_secs_f64());
        }
    }
    let mut text = String::new();
    encode(&mut text, &registry).expect("writing to a String does not fail");
    text
}

/// How a part is: `ok`, `off`, or the reason why it is degraded.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: String,
}

fn states(health: &Health) -> Family<State, Gauge> {
    let word = match health {
        Health::Degraded { reason, .. } => serde_json::to_value(reason).ok(),
        Health::Ok => Some("ok".into()),
        Health::Off => Some("off".into()),
    };
    let word = word.as_ref().and_then(|word| word.as_str()).unwrap_or_default().to_owned();
    let states = Family::<State, Gauge>::default();
    states.get_or_create(&State { state: word }).set(1);
    states
}

fn storage(registry: &mut Registry, status: &StorageStatus) {
    let bytes = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let mut gauge = |name: &str, what: &str, value: Option<u64>| {
        if let Some(value) = value {
            let gauge = Gauge::<i64>::default();
            gauge.set(bytes(value));
            registry.register(name, what, gauge);
        }
    };
    gauge("storage_total_bytes", "Bytes of the footage disk; absent while it is", status.disk.map(|d| d.total));
    gauge("storage_free_bytes", "Free bytes of the footage disk; absent while it is", status.disk.map(|d| d.free));
    gauge("storage_used_bytes", "Bytes of all that Keepsight has on the footage disk", Some(status.used));
    gauge("storage_reserve_bytes", "Bytes of the footage disk that stay free", Some(status.reserve));
    let state = states(&status.health);
    registry.register("storage_state", "1 for how the footage disk is: ok, or the reason why it is not", state);
    let removed = Counter::<u64>::default();
    removed.inc_by(status.removed);
    registry.register("storage_removed_segments", "Segments removed to make room since the hub started", removed);
}
