//! From nothing to a session that plays.

use std::sync::Arc;

use base::SharedClock;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use retina::client::SessionGroup;

use crate::end::{EndReason, IngestEnd};
use crate::session::{Offer, Playing};
use crate::source::{Options, Rtsp};

/// Connects. A camera that does not answer is asked on a further connection every [`Options::ask_again`], while the
/// earlier ones still wait: it may be slow, and then they will be answered; or it may have started again since, and then
/// only a new one will be.
pub(crate) async fn connect(
    source: &Rtsp,
    group: &Arc<SessionGroup>,
    clock: &SharedClock,
    options: &Options,
) -> Result<Playing, IngestEnd> {
    let try_once = || async {
        let mut offer = Offer::ask(source, group.clone()).await?;
        if options.pace.without_sound() {
            offer.leave_sound_out();
        }
        offer.play().await
    };
    let mut tries = FuturesUnordered::from_iter([try_once()]);
    let mut deadline = clock.sleep(options.connect_timeout);
    let mut again = clock.sleep(options.ask_again);
    let mut refused = None;
    loop {
        tokio::select! {
            biased;
            Some(tried) = tries.next() => match tried {
                Ok(playing) => return Ok(playing),
                // Not one more wrong password than needed; and who has nobody else to wait for need not wait.
                Err(end) if end.reason == EndReason::Unauthorised || tries.is_empty() => return Err(end),
                // A camera that takes one connection at a time refuses the second while it sees to the first.
                Err(end) => refused = Some(end),
            },
            () = &mut deadline => {
                let seconds = options.connect_timeout.as_secs();
                let silent = || IngestEnd::new(EndReason::Unreachable, format!("There was no answer within {seconds} seconds"));
                return Err(refused.unwrap_or_else(silent));
            }
            () = &mut again => {
                tries.push(try_once());
                again = clock.sleep(options.ask_again);
            }
        }
    }
}
