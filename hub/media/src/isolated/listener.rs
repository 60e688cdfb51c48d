//! What a camera says beside its pictures, read in a process of its own.

use std::sync::Arc;
use std::time::Duration;

use base::{SharedClock, Shutdown, SystemClock, clock};
use bytes::Bytes;
use nix::sys::resource::{Resource, setrlimit};
use retina::client::SessionGroup;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStdout};
use tokio::sync::mpsc;

use super::{Connect, GIVEN_UP, Head, Request, SILENT, STOPS_WITHIN, Wire, begin, message, told_to_stop};
use crate::end::{EndReason, IngestEnd};
use crate::messages::{MAX_DOCUMENT_BYTES, Messages};
use crate::source::{Options, Source};

/// What the child may fill: an answer that does not end ends there.
const MAX_BYTES: u64 = 64 << 20;
/// What is added to its niceness: recording comes first.
const NICE: i32 = 10;
/// A document takes at least so long: a camera that says more waits.
const PACE: Duration = Duration::from_millis(10);

/// A child that reads what a camera says beside its pictures; it ends with this.
pub(crate) struct Listener {
    said: mpsc::Receiver<Result<Bytes, IngestEnd>>,
    stop: Shutdown,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.trigger();
    }
}

impl Listener {
    /// As [`Messages::connect`].
    pub async fn start(source: &Source, clock: &SharedClock, options: &Options) -> Result<Self, IngestEnd> {
        let request = Request::Messages(Connect::new(source, None, options));
        // What waits here waits in the child's pipe then, and then at the camera.
        let (tell, said) = mpsc::channel(1);
        let mut listener = Self { said, stop: Shutdown::new() };
        let (stop, of_child) = (listener.stop.clone(), clock.clone());
        tokio::spawn(async move {
            let end = match begin(&request).await {
                Ok(child) => hear(child, &tell, &stop, &of_child).await,
                Err(e) => {
                    tracing::error!(error = &e as &dyn std::error::Error, "a camera's process does not start");
                    IngestEnd::new(EndReason::Error, "The program that reads it does not start")
                }
            };
            let _ = tell.send(Err(end)).await; // nobody listens any more
        });
        let listens = clock::timeout(&**clock, options.connect_timeout + SILENT, listener.next()).await;
        let hangs = || Err(IngestEnd::new(EndReason::Stalled, "The program that reads it hangs"));
        listens.unwrap_or_else(hangs).map(|_| listener)
    }

    /// The next document; the first is empty, and says that it listens. Cancel safe.
    pub async fn next(&mut self) -> Result<Bytes, IngestEnd> {
        self.said.recv().await.unwrap_or_else(|| Err(IngestEnd::stopped()))
    }
}

/// Hands on what a child says, until it ends or nobody listens. Then it has some time for the camera's goodbye, and is killed.
async fn hear(
    mut child: Child,
    tell: &mpsc::Sender<Result<Bytes, IngestEnd>>,
    stop: &Shutdown,
    clock: &SharedClock,
) -> IngestEnd {
    let (to, Some(mut from)) = (child.stdin.take(), child.stdout.take()) else { return IngestEnd::stopped() };
    let end = tokio::select! {
        biased; // whoever listens no more has said so: the goodbye comes first
        () = stop.wait() => IngestEnd::stopped(),
        end = hand_on(&mut from, tell) => return end,
    };
    // The end of its input tells it to stop; nobody wants what it still says.
    drop(to);
    let said = async { while from.read(&mut [0; 4_096]).await.is_ok_and(|n| n > 0) {} };
    let _ = clock::timeout(&**clock, STOPS_WITHIN, said).await;
    end
}

async fn hand_on(from: &mut ChildStdout, tell: &mpsc::Sender<Result<Bytes, IngestEnd>>) -> IngestEnd {
    loop {
        match message(from).await {
            Ok((Head::Listens | Head::Document, body)) if body.len() <= MAX_DOCUMENT_BYTES => {
                if tell.send(Ok(body)).await.is_err() {
                    return IngestEnd::stopped();
                }
            }
            Ok((Head::Ended { reason, detail }, _)) => {
                return IngestEnd { reason: EndReason::from_word(&reason).unwrap_or(EndReason::Error), detail };
            }
            Ok(_) => return IngestEnd::new(EndReason::Broken, "The program that reads it says something else"),
            Err(e) => {
                tracing::debug!(error = &e as &dyn std::error::Error, "a camera's process says no more");
                return IngestEnd::new(EndReason::Broken, "The program that reads it failed at what it sends");
            }
        }
    }
}

/// Hands on what a camera says beside its pictures, to its end.
pub(super) fn serve(source: &Source, connect: &Connect, wire: &Wire) -> std::io::Result<IngestEnd> {
    setrlimit(Resource::RLIMIT_DATA, MAX_BYTES, MAX_BYTES)?;
    // SAFETY: changes only how often this process runs.
    unsafe { nix::libc::setpriority(nix::libc::PRIO_PROCESS, 0, NICE) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (clock, group): (SharedClock, _) = (Arc::new(SystemClock), Arc::<SessionGroup>::default());
    let said = async {
        let mut messages = match Messages::connect_in(&group, source, &clock, &connect.options()).await {
            Ok(messages) => messages,
            Err(end) => return end,
        };
        wire.say(&Head::Listens, &[]);
        loop {
            match messages.next().await {
                Ok(document) => {
                    wire.say(&Head::Document, &document);
                    clock.sleep(PACE).await;
                }
                Err(end) => return end,
            }
        }
    };
    Ok(runtime.block_on(async {
        let stop = told_to_stop();
        let end = tokio::select! {
            end = said => end,
            () = stop.wait() => IngestEnd::stopped(),
        };
        // Some cameras go on sending to whoever comes next, if nobody says goodbye.
        let _ = clock::timeout(&*clock, GIVEN_UP, group.await_teardown()).await;
        end
    }))
}
