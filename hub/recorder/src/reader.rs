//! The thread that reads from all cameras.
//!
//! Cameras send small pieces at any time: of one camera some 36 a second, of 64 more than 2,000. Who wakes up for each of
//! them spends more on waking up than on reading. So this runtime has one thread, and after it has read all that there is
//! it lies down for [`NAP`], whatever comes: what came meanwhile, from whichever camera, is then read at once. The kernel
//! keeps it for so long (a camera of 20 Mbit/s sends 100 KB in that time, a socket holds more), and every picture is
//! late by half of it on average, which nobody sees.
//!
//! So are small streams read that the hub looked at when they were connected to; one that a person opened is not, whose first picture
//! would wait for a nap with each of the camera's answers.
//!
//! A runtime of its own also keeps reading from waiting for anything else that the hub does: a request that computes for
//! too long delays requests.

use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};

/// How long what comes may wait. Live view is late by it, and so is each of the handful of answers with which a
/// connection to a camera begins.
const NAP: Duration = Duration::from_millis(40);

/// Reads from cameras until it is dropped. What is spawned on it must not block.
pub(crate) struct Reader(Option<Runtime>);

impl Reader {
    /// Starts the thread.
    ///
    /// # Errors
    /// The machine gives no more threads or descriptors.
    pub(crate) fn start() -> std::io::Result<Reader> {
        let mut runtime = Builder::new_multi_thread();
        runtime.worker_threads(1).enable_all().thread_name("cameras").on_thread_park(nap);
        Ok(Reader(Some(runtime.build()?)))
    }

    /// Where to spawn what reads.
    pub(crate) fn handle(&self) -> Handle {
        self.0.as_ref().expect("it is there until it is dropped").handle().clone()
    }
}

impl Drop for Reader {
    /// Whoever drops it may be a task: nothing is waited for. What was spawned has been stopped before.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// The thread has nothing to do at the moment.
#[expect(clippy::disallowed_methods, reason = "nothing waits for it: it gathers what the kernel receives meanwhile")]
fn nap() {
    std::thread::sleep(NAP);
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use base::{Clock, SystemClock};
    use tokio::io::AsyncReadExt;

    use super::*;

    /// How often the reader's thread lay down, as the kernel counts.
    fn rests() -> u64 {
        let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        let status = threads.filter_map(|t| std::fs::read_to_string(t.path().join("status")).ok());
        let counts = status.filter(|s| s.starts_with("Name:\tcameras\n")).map(|s| {
            s.lines().find_map(|l| l.strip_prefix("voluntary_ctxt_switches:")?.trim().parse::<u64>().ok()).unwrap()
        });
        counts.sum()
    }

    #[tokio::test]
    async fn it_wakes_up_far_less_often_than_something_comes_and_misses_nothing() {
        const CAMERAS: usize = 8;
        const PIECES: usize = 400;
        let reader = Reader::start().unwrap();
        let (mut cameras, mut read) = (Vec::new(), Vec::new());
        for _ in 0..CAMERAS {
            let (camera, hub) = UnixStream::pair().unwrap();
            hub.set_nonblocking(true).unwrap();
            cameras.push(camera);
            read.push(reader.handle().spawn(async move {
                let mut all = Vec::new();
                tokio::net::UnixStream::from_std(hub).unwrap().read_to_end(&mut all).await.unwrap();
                all
            }));
        }
        let before = rests();
        for piece in 0..PIECES {
            cameras[piece % CAMERAS].write_all(&[piece as u8]).unwrap();
            SystemClock.sleep(Duration::from_millis(1)).await;
        }
        let rests = rests() - before;
        drop(cameras);
        for (n, all) in read.into_iter().enumerate() {
            let sent: Vec<u8> = (n..PIECES).step_by(CAMERAS).map(|piece| piece as u8).collect();
            assert_eq!(all.await.unwrap(), sent);
        }
        assert!(rests < PIECES as u64 / 4, "it lay down {rests} times for {PIECES} pieces");
    }
}
