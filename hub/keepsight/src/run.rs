//! `keepsight run`: the hub as a service.

use std::sync::Arc;
use std::time::Duration;

use base::{Clock, Problem, ProblemKind, Shutdown, SystemClock};
use tokio::signal::unix::{SignalKind, signal};

use crate::config::Config;
use crate::console::Console;
use crate::hub::Hub;
use crate::out;

/// The storage thread answers within this, or is stuck.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// How often a console looks whether somebody claimed the hub.
const CONSOLE_EVERY: Duration = Duration::from_secs(2);

/// Runs until SIGTERM or SIGINT. Tells systemd when it is ready, that it is alive, and when it stops. After a factory reset it
/// begins anew: as another program in the same process, so that nothing of the old hub is left in its memory.
pub async fn run(config: Config) -> Result<(), Problem> {
    let mut stop = Stop::listen()?;
    let hub = Hub::start(config, Arc::new(SystemClock), Shutdown::new()).await?;
    notify(sd_notify::NotifyState::Ready);
    if hub.claim_token().await?.is_some() {
        tracing::warn!("the hub has no owner yet: `keepsight claim-token` prints the token that makes one");
    }
    let alive = watchdog_interval();
    let mut reset = false;
    // Only on a screen: what goes to a pipe ends up in a log.
    let mut console = out::is_terminal().then(Console::default);
    loop {
        let looks = async {
            match &mut console {
                Some(console) => {
                    // A screen that is gone, or a store that fails, ends no recording; both say so elsewhere.
                    let _ = console.look(&hub).await;
                    SystemClock.sleep(CONSOLE_EVERY).await;
                }
                None => std::future::pending().await,
            }
        };
        let beat = async {
            match alive {
                Some(every) => SystemClock.sleep(every).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = beat => {
                // Alive means that the runtime runs and the storage thread answers, be it with an error: a store that
                // is broken is a state, and no reason to end a recording.
                let answer = hub.store().read(|db| db.hub_row());
                if base::clock::timeout(&SystemClock, ANSWERS_WITHIN, answer).await.is_some() {
                    notify(sd_notify::NotifyState::Watchdog);
                }
            }
            () = looks => {}
            () = hub.reset_asked() => {
                reset = true;
                break;
            }
            () = stop.asked() => break,
        }
    }
    // systemd is not told that a hub stops which begins anew at once.
    if !reset {
        notify(sd_notify::NotifyState::Stopping);
    }
    hub.stop().await;
    if reset {
        return Err(anew());
    }
    Ok(())
}

/// Begins anew, by the same command line. Comes back only if that fails: then the next start does what is to be done.
fn anew() -> Problem {
    use std::os::unix::process::CommandExt;
    let failed = match std::env::current_exe() {
        Ok(program) => std::process::Command::new(program).args(std::env::args_os().skip(1)).exec(),
        Err(e) => e,
    };
    Problem::with(ProblemKind::Internal, format_args!("The hub cannot begin anew by itself; start it again: {failed}"))
}

/// SIGTERM and SIGINT.
pub(crate) struct Stop {
    term: tokio::signal::unix::Signal,
    int: tokio::signal::unix::Signal,
}

impl Stop {
    pub(crate) fn listen() -> Result<Self, Problem> {
        let on = |kind| signal(kind).map_err(|e| Problem::with(ProblemKind::Internal, format_args!("Signals: {e}")));
        Ok(Self { term: on(SignalKind::terminate())?, int: on(SignalKind::interrupt())? })
    }
    pub(crate) async fn asked(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }
}

fn notify(state: sd_notify::NotifyState<'_>) {
    if let Err(e) = sd_notify::notify(&[state]) {
        tracing::warn!(error = &e as &dyn std::error::Error, "systemd could not be told");
    }
}

/// Half of what systemd allows, where it watches.
fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2)
}
