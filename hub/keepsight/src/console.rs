//! How a hub that nobody owns yet is claimed, for the screen at the machine. Never for a log: whoever reads the token becomes
//! the owner.

use api::hub::ClaimShown;
use base::Problem;

use crate::hub::Hub;
use crate::out;

/// Says how to claim: the set-up page, the page that claims as text and QR code, the words, and for how long it is open.
pub(crate) fn show(claim: &ClaimShown) -> Result<(), Problem> {
    out::text("")?;
    match (&claim.claim_url, &claim.claim_token) {
        (Some(url), Some(token)) => {
            out::text("This hub has no owner yet. With a phone in the same network:")?;
            let mut step = 1;
            let mut say = |text: String| {
                step += 1;
                out::text(&format!("  {}. {text}", step - 1))
            };
            if let Some(page) = &claim.set_up_url {
                say(format!("Open {page} and follow it."))?;
            }
            say(format!("Compare its four words with these: {}", claim.words.join(" ")))?;
            say("Scan this code, or open the address below it.".to_owned())?;
            out::qr(url)?;
            out::text(url)?;
            out::text(&format!("Claim token: {token}"))?;
            out::text(&format!("Claiming is open for {} more minutes.", claim.open_for_s.div_ceil(60)))?;
        }
        _ => out::text("Claiming is shut. `keepsight claim-token` opens it for another 30 minutes.")?,
    }
    out::text(&format!("Certificate, SHA-256: {}", claim.sha256))
}

/// What a console showed last.
#[derive(Default, PartialEq, Eq, Clone, Copy)]
enum Shown {
    #[default]
    Nothing,
    Open,
    Shut,
    Claimed,
}

/// Keeps the screen of a running hub true.
#[derive(Default)]
pub(crate) struct Console(Shown);

impl Console {
    /// Looks how claiming is, and says it if it is otherwise than before.
    pub(crate) async fn look(&mut self, hub: &Hub) -> Result<(), Problem> {
        let claim = hub.claim_shown().await?;
        let now = match &claim {
            None => Shown::Claimed,
            Some(claim) if claim.claim_token.is_some() => Shown::Open,
            Some(_) => Shown::Shut,
        };
        let before = std::mem::replace(&mut self.0, now);
        match claim {
            _ if now == before => Ok(()),
            Some(claim) => show(&claim),
            // A hub that had its owner from the start has nothing to say.
            None if before == Shown::Nothing => Ok(()),
            None => out::text("This hub has an owner now."),
        }
    }
}
