//! One signal that everybody hears: the hub is stopping.

use tokio_util::sync::CancellationToken;

/// Handed to everything that runs; clones share the signal, children stop with their parent.
#[derive(Debug, Clone, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// A new signal.
    pub fn new() -> Self {
        Self::default()
    }
    /// A signal that is given with this one, and can be given alone.
    pub fn child(&self) -> Self {
        Self(self.0.child_token())
    }
    /// Gives the signal.
    pub fn trigger(&self) {
        self.0.cancel();
    }
    /// Has it been given?
    pub fn is_triggered(&self) -> bool {
        self.0.is_cancelled()
    }
    /// Waits for it.
    pub async fn wait(&self) {
        self.0.cancelled().await;
    }
}
