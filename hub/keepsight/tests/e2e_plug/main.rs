//! Promise 4, the half that a kill cannot show: the power is cut at random places, with 8 cameras recording, and during the
//! first start and the claim. The hub starts by itself on whatever the disk may be then; what was acknowledged is there: kept
//! footage, new epochs, a camera's name, the audit log, an ended session; at most 2 s of each camera are lost.
//!
//! `KEEPSIGHT_PLUG_CUTS` says how many cuts. With `KEEPSIGHT_RESULTS`, a folder, figures are kept there, and a run that was
//! ended early goes on where it was. What failed is left in a folder that is printed; one cut of it is done again by
//!
//! ```text
//! KEEPSIGHT_PLUG_REPLAY=FOLDER KEEPSIGHT_PLUG_ONLY=3 cargo nextest run -p keepsight --test e2e_plug --no-capture
//! ```

mod claim;
mod cut;
mod recording;
mod results;

use std::path::PathBuf;

use recording::Recording;
use results::{Round, cuts_done, println_for_the_log};
use testkit::plug::{Log, Luck};

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");
const CAMERAS: u16 = 8;
/// Cuts of one recording; then another is made.
const CUTS_OF_ONE: usize = 50;

#[tokio::test]
async fn e2e_whenever_the_power_is_cut_the_hub_goes_on_and_two_seconds_are_lost_at_most() {
    if let Some(folder) = std::env::var_os("KEEPSIGHT_PLUG_REPLAY") {
        let only = std::env::var("KEEPSIGHT_PLUG_ONLY").ok();
        return replay(&PathBuf::from(folder), only.map(|n| n.parse().expect("the number of a cut"))).await;
    }
    let wanted = std::env::var("KEEPSIGHT_PLUG_CUTS").map_or(12, |n| n.parse::<usize>().expect("a number of cuts"));
    let results = std::env::var_os("KEEPSIGHT_RESULTS").map(PathBuf::from);
    let mut done = results.as_deref().map_or(0, cuts_done);
    let cameras = testkit::cameras(CAMERAS).await;
    while done < wanted {
        let mut seed = [0; 8];
        base::random(&mut seed);
        let recording = Recording::make(&cameras, u64::from_ne_bytes(seed)).await;
        let log = Log::read(&recording.log());
        let mut round = Round { seed: recording.seed, records: log.len(), losses: Vec::new(), listed: Vec::new() };
        for n in 0..(wanted - done).min(CUTS_OF_ONE) {
            one(&recording, &log, n, &mut round).await;
        }
        done += round.losses.len() / usize::from(CAMERAS);
        println_for_the_log(&round.figures());
        if let Some(results) = &results {
            round.keep(results);
        }
        if done >= wanted {
            without_syncs(&recording).await;
        }
    }
}

/// The n-th cut of a recording, which is the same whenever it is done.
async fn one(recording: &Recording, log: &Log, n: usize, round: &mut Round) {
    let mut luck = Luck(recording.seed.wrapping_add(n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let cut = recording.cut(log, &mut luck);
    println_for_the_log(&format!("seed {}, cut {n} before record {cut} of {}", recording.seed, log.len()));
    let after = recording.after_a_cut(log, cut, &mut luck, n.is_multiple_of(10)).await;
    let (lost, listed) = after.unwrap_or_else(|e| panic!("cut {n} before record {cut}: {e}"));
    round.losses.extend(lost);
    round.listed.push(listed);
}

async fn replay(folder: &std::path::Path, only: Option<usize>) {
    let recording = Recording::load(folder);
    let log = Log::read(&recording.log());
    let mut round = Round { seed: recording.seed, records: log.len(), losses: Vec::new(), listed: Vec::new() };
    match only {
        Some(n) => one(&recording, &log, n, &mut round).await,
        None => {
            for n in 0..CUTS_OF_ONE {
                one(&recording, &log, n, &mut round).await;
            }
        }
    }
    println_for_the_log(&round.figures());
}

/// The simulator sees what it is there to see. Without the syncs of its files the engine is what it would be without the
/// override of sync_file_range, which makes nothing durable.
async fn without_syncs(recording: &Recording) {
    let mut luck = Luck(recording.seed);
    for part in ["/store/sled/", "/footage/"] {
        let log = Log::read(&recording.log()).without_syncs_of(part);
        let mut harm = None;
        // Not each of such cuts does harm that can be seen from outside.
        for tried in 1..=20 {
            let cut = recording.cut(&log, &mut luck);
            harm = recording.after_a_cut(&log, cut, &mut luck, false).await.err();
            if let Some(harm) = &harm {
                println_for_the_log(&format!("without the syncs of {part}, cut {tried}: {harm}"));
                break;
            }
        }
        assert!(harm.is_some(), "twenty cuts without the syncs of {part} did no harm");
    }
}
