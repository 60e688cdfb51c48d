//! What a camera says beside its pictures, read in a process of its own.

use std::sync::Arc;

use base::{SharedClock, SystemClock, clock};
use bytes::Bytes;
use nix::sys::resource::{Resource, setrlimit};
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{Connect, Head, Request, SILENT, Wire, begin, message, told_to_stop};
use crate::end::{EndReason, IngestEnd};
use crate::messages::{MAX_DOCUMENT_BYTES, Messages};
use crate::source::{Options, Source};

/// What the child may fill: an answer that does not end ends there.
const MAX_BYTES: u64 = 128 << 20;

/// A child that reads what a camera says beside its pictures; it ends with this.
pub(crate) struct Listener {
    said: mpsc::Receiver<Result<Bytes, IngestEnd>>,
    task: JoinHandle<()>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort(); // the child goes with it
    }
}

impl Listener {
    /// As [`Messages::connect`].
    pub async fn start(source: &Source, clock: &SharedClock, options: &Options) -> Result<Self, IngestEnd> {
        let request = Request::Messages(Connect::new(source, None, options));
        // What waits here waits in the child's pipe then, and then at the camera.
        let (tell, said) = mpsc::channel(1);
        let task = tokio::spawn(async move {
            let end = match begin(&request).await {
                Ok(mut child) => hear(&mut child, &tell).await,
                Err(e) => {
                    tracing::error!(error = &e as &dyn std::error::Error, "a camera's process does not start");
                    IngestEnd::new(EndReason::Error, "The program that reads it does not start")
                }
            };
            let _ = tell.send(Err(end)).await; // nobody listens any more
        });
        let mut listener = Self { said, task };
        let listens = clock::timeout(&**clock, options.connect_timeout + SILENT, listener.next()).await;
        let hangs = || Err(IngestEnd::new(EndReason::Stalled, "The program that reads it hangs"));
        listens.unwrap_or_else(hangs).map(|_| listener)
    }

    /// The next document; the first is empty, and says that it listens. Cancel safe.
    pub async fn next(&mut self) -> Result<Bytes, IngestEnd> {
        self.said.recv().await.unwrap_or_else(|| Err(IngestEnd::stopped()))
    }
}

/// Hands on what a child says, until it ends or nobody listens.
async fn hear(child: &mut Child, tell: &mpsc::Sender<Result<Bytes, IngestEnd>>) -> IngestEnd {
    let Some(mut from) = child.stdout.take() else { return IngestEnd::stopped() };
    loop {
        match message(&mut from).await {
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
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let said = async {
        let clock: SharedClock = Arc::new(SystemClock);
        let mut messages = match Messages::connect(source, &clock, &connect.options()).await {
            Ok(messages) => messages,
            Err(end) => return end,
        };
        wire.say(&Head::Listens, &[]);
        loop {
            match messages.next().await {
                Ok(document) => wire.say(&Head::Document, &document),
                Err(end) => return end,
            }
        }
    };
    Ok(runtime.block_on(async {
        let stop = told_to_stop();
        tokio::select! {
            end = said => end,
            () = stop.wait() => IngestEnd::stopped(),
        }
    }))
}
