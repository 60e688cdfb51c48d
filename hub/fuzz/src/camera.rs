//! What a camera says: a whole side of an RTSP conversation, from its first answer to the packets of its pictures.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use base::{SharedClock, SystemClock};
use media::{Options, Probe, Source};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

/// As long as a hub that asks may wait for a camera that has gone already.
const PATIENCE: Duration = Duration::from_millis(200);

/// One camera for all inputs: what it says next.
struct Camera {
    runtime: Runtime,
    address: SocketAddr,
    says: Arc<Mutex<Vec<u8>>>,
}

static CAMERA: LazyLock<Camera> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    let says = Arc::new(Mutex::new(Vec::new()));
    let next = says.clone();
    runtime.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let says = std::mem::take(&mut *next.lock().await);
            tokio::spawn(async move {
                // All at once, as if it knew what it will be asked; then it goes, once the other side was heard.
                let _ = stream.write_all(&says).await;
                let _ = stream.shutdown().await;
                let _ = stream.read_to_end(&mut Vec::new()).await;
            });
        }
    });
    Camera { runtime, address, says }
});

/// Asks a camera that says these bytes what it offers, as the hub does before it records: it must describe and play, and where
/// its description is not enough, send a picture.
pub fn read(bytes: &[u8]) {
    if let Some(offer) = offer(bytes) {
        assert!(!offer.video.codec.is_empty(), "{offer:?}");
    }
}

fn offer(bytes: &[u8]) -> Option<Probe> {
    let camera = &*CAMERA;
    let source = Source::parse(&format!("rtsp://{}/cam", camera.address), None).expect("an address");
    let clock: SharedClock = Arc::new(SystemClock);
    let options =
        Options { connect_timeout: PATIENCE, read_timeout: PATIENCE, ask_again: PATIENCE * 2, ..Options::default() };
    camera.runtime.block_on(async {
        *camera.says.lock().await = bytes.to_vec();
        media::probe(&source, &clock, &options).await.ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_are_read_as_far_as_they_go() {
        let seed = |name: &str| std::fs::read(format!("{}/corpus/camera/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        assert_eq!(offer(&seed("description")), None, "a camera that describes must play, too");
        assert_eq!(offer(&seed("plays")).map(|offer| offer.video.width), Some(160));
        assert_eq!(offer(&seed("refuses")), None);
    }
}
