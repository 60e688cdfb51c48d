//! Bodies that are made part by part, each when the one before has gone.

use std::io;

use bytes::Bytes;
use futures::Stream;
use tokio::sync::mpsc;

/// Bytes that are read and opened at a time, about.
pub(crate) const PART_BYTES: usize = 256 * 1024;

/// Something that is sent in parts.
pub(crate) trait Parts: Send + 'static {
    /// The next part; empty at the end. Blocks.
    ///
    /// # Errors
    /// It cannot go on as it was promised: the answer is cut, so that nobody takes a part for the whole.
    fn part(&mut self) -> io::Result<Bytes>;
}

/// The body, which begins with `first`; each part is made when the one before has been taken.
pub(crate) fn stream(
    first: Bytes,
    source: impl Parts,
) -> impl Stream<Item = io::Result<Bytes>> + Send + Sync + 'static {
    let (parts, taken) = mpsc::channel(1);
    tokio::spawn(async move {
        if !first.is_empty() && parts.send(Ok(first)).await.is_err() {
            return;
        }
        let mut source = Some(source);
        while let Some(mut s) = source.take() {
            let read = tokio::task::spawn_blocking(move || {
                let part = s.part();
                (s, part)
            });
            let Ok((s, part)) = read.await else { return };
            if part.as_ref().is_ok_and(Bytes::is_empty) {
                return; // the end; an empty frame would count against the connection with HTTP/2 clients
            }
            let go_on = part.is_ok();
            if parts.send(part).await.is_err() || !go_on {
                return; // nobody listens any more, or the end is not the one that was promised
            }
            source = Some(s);
        }
    });
    futures::stream::unfold(taken, async |mut taken: mpsc::Receiver<io::Result<Bytes>>| {
        Some((taken.recv().await?, taken))
    })
}
