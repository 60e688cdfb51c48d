//! A child that has a model: started, asked, and ended so that the next one finds the accelerator free.

use std::io;
use std::time::Duration;

use base::clock::{SharedClock, timeout};
use base::runtime::Runtime;
use tokio::io::AsyncWriteExt;
use tokio::runtime::Handle;
use tokio::sync::OwnedMutexGuard;

use super::{About, MAX_DESCRIPTION_BYTES, MAX_MODEL_BYTES, Model, Rgb, Seen};
use crate::sandbox::Life;
use crate::spawn::Child;
use crate::watch::Starts;
use crate::wire::objects as wire;

/// A process that is ended is gone in this time; a driver that hangs for longer holds nobody up.
const ENDS_WITHIN: Duration = Duration::from_secs(5);

/// A child with a model. Dropped, it is ended.
pub(super) struct Loaded {
    /// There until it is dropped.
    child: Option<Child>,
    /// An accelerator does for one process at a time: this one has it until its process is gone.
    turn: Option<OwnedMutexGuard<()>>,
    clock: SharedClock,
}

impl Loaded {
    /// What is in a picture.
    ///
    /// # Errors
    /// The child has ended.
    pub async fn detect(&mut self, picture: &Rgb) -> io::Result<Vec<Seen>> {
        let socket = &mut self.child.as_mut().expect("there until it is dropped").socket;
        socket.write_all(&picture.pixels).await?;
        wire::seen(socket).await
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        // Without an accelerator it is killed with this, and waited for in the background.
        if let (Some(mut child), Some(turn), Ok(runtime)) = (self.child.take(), self.turn.take(), Handle::try_current())
        {
            let clock = self.clock.clone();
            runtime.spawn(async move {
                let _ = timeout(&*clock, ENDS_WITHIN, child.process.kill()).await;
                drop(turn);
            });
        }
    }
}

/// A child that has read the model, and has it run by the hub's own library or another; or why it is of no use.
pub(super) async fn begin(
    starts: &Starts,
    model: &Model,
    runtime: Option<&Runtime>,
    patience: Duration,
) -> io::Result<Result<(Loaded, About), String>> {
    if model.file.len() > MAX_MODEL_BYTES || model.description.len() > MAX_DESCRIPTION_BYTES {
        return Err(io::Error::other("a model larger than any that is kept"));
    }
    let turn = match model.only_on() {
        Some(_) => Some(starts.accelerator.clone().lock_owned().await),
        None => None,
    };
    let child = starts.child(Life::Objects(runtime.cloned())).await?;
    let mut loaded = Loaded { child: Some(child), turn, clock: starts.clock.clone() };
    let socket = &mut loaded.child.as_mut().expect("it is there").socket;
    let ready = async {
        socket.write_all(&wire::head(model)).await?;
        socket.write_all(model.description.as_bytes()).await?;
        socket.write_all(&model.file).await?;
        wire::ready(socket, runtime.map(|runtime| runtime.provider)).await
    };
    let ready = timeout(&*starts.clock, patience, ready).await;
    let ready = ready.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))?;
    Ok(ready.map(|about| (loaded, about)))
}
