//! Bodies that are made part by part, each when the one before has gone.

use std::io;
use std::pin::Pin;

use bytes::Bytes;
use futures::Stream;
use tokio::sync::mpsc;

use crate::watch::Watch;

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

pub(crate) type Taken = mpsc::Receiver<io::Result<Bytes>>;
type Ending = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

/// The body, which begins with `first`; each part is made when the one before has been taken. It is cut when what lets its
/// reader see it ends.
pub(crate) fn stream(
    first: Bytes,
    source: impl Parts,
    watch: Watch,
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
    until_ended(taken, watch)
}

/// A body of what comes, until that ends, or what lets its reader see it does: then it is cut.
pub(crate) fn until_ended(taken: Taken, watch: Watch) -> impl Stream<Item = io::Result<Bytes>> + Send + Sync + 'static {
    let watch: Ending = Box::pin(watch.ended());
    futures::stream::unfold(Some((taken, watch)), async |state: Option<(Taken, Ending)>| {
        let (mut taken, mut watch) = state?;
        tokio::select! {
            biased;
            () = &mut watch => Some((Err(io::Error::other("what let its reader see it has ended")), None)),
            part = taken.recv() => Some((part?, Some((taken, watch)))),
        }
    })
}

#[cfg(test)]
mod tests {
    use base::{CameraId, PrincipalId, SecretId};
    use futures::StreamExt;

    use super::*;
    use crate::watch::{Ended, Ends};

    struct Endless;

    impl Parts for Endless {
        fn part(&mut self) -> io::Result<Bytes> {
            Ok(Bytes::from_static(b"more"))
        }
    }

    #[tokio::test]
    async fn an_answer_in_the_middle_is_cut_when_its_reader_is_out() {
        let ends = Ends::default();
        let secret = SecretId::from_bytes([1; 16]);
        let watch = ends.watch(secret, PrincipalId::from_bytes([2; 16]), CameraId::from_bytes([3; 16]));
        let mut body = Box::pin(stream(Bytes::from_static(b"first"), Endless, watch));
        assert_eq!(body.next().await.unwrap().unwrap(), "first");
        for _ in 0..100 {
            assert_eq!(body.next().await.unwrap().unwrap(), "more");
        }
        ends.tell(Ended::Session(SecretId::from_bytes([9; 16])));
        assert_eq!(body.next().await.unwrap().unwrap(), "more", "somebody else is out");
        ends.tell(Ended::Session(secret));
        assert!(body.next().await.unwrap().is_err(), "cut, so that nobody takes a part for the whole");
        assert!(body.next().await.is_none());
    }
}
