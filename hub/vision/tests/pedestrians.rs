//! Real people, in a film that nobody here made: what the hub tells of them, beside what somebody who looked at it wrote down before.

mod coded;
mod film_of_pedestrians;
mod films;

use film_of_pedestrians::{Judged, as_at_a_camera, coded_film, truth};

#[tokio::test]
async fn everybody_who_walks_through_a_zone_is_told_and_nobody_who_does_not() {
    let judged = as_at_a_camera(env!("CARGO_BIN_EXE_vision"), &coded_film(true), &truth()).await;
    let people: usize = judged.iter().map(|zone| zone.there).sum();
    assert_eq!(people, 25);
    assert!(judged.iter().all(|zone| zone.wrong.is_empty()), "{judged:#?}");
    // Whoever is on the path is half as tall as is promised, and not always noticed.
    assert!(judged.iter().all(|zone| zone.missed.is_empty() || zone.zone == "path"), "{judged:#?}");
    let sum = |of: fn(&Judged) -> f32| judged.iter().map(of).sum::<f32>();
    let right = sum(|zone| zone.true_s) / sum(|zone| zone.told_s);
    assert!(right > 0.8, "motion is told while it is true: {right}, {judged:#?}");
}
