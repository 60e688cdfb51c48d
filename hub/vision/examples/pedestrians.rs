//! The film of pedestrians, for the bench: what is told of it, and how that is judged, as lines of JSON. `pedestrians CHILD`: a program
//! that knows how to be a child. `pedestrians judge ZONE`: judges the moments, in seconds, that come from standard input.

#[path = "../tests/coded/mod.rs"]
mod coded;
#[path = "../tests/film_of_pedestrians/mod.rs"]
mod film_of_pedestrians;
#[path = "../tests/films/mod.rs"]
mod films;

use std::io::{self, Write};

use film_of_pedestrians::{Judged, as_at_a_camera, coded_film, every_picture, truth};

#[tokio::main]
async fn main() -> io::Result<()> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let zones = truth();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["judge", zone] => {
            let told: Vec<_> = io::stdin().lines().filter_map(|line| line.ok()?.parse().ok()).collect();
            let zone = zones.iter().find(|known| known.judge(&[]).zone == zone);
            say("motion", &zone.ok_or_else(|| io::Error::other("there is no such zone"))?.judge(&told))
        }
        [child] => {
            for judged in as_at_a_camera(child, &coded_film(false), &zones).await {
                say("keepsight", &judged)?;
            }
            for judged in every_picture(&zones) {
                say("keepsight, every picture looked at", &judged)?;
            }
            Ok(())
        }
        _ => Err(io::Error::other("usage: pedestrians CHILD | judge ZONE")),
    }
}

fn say(who: &str, Judged { zone, there, missed, wrong, told_s, true_s }: &Judged) -> io::Result<()> {
    let found = there - missed.len();
    let spans = |spans: &[(f32, f32)]| {
        let spans: Vec<_> = spans.iter().map(|(from, to)| format!("[{from:.1},{to:.1}]")).collect();
        format!("[{}]", spans.join(","))
    };
    writeln!(
        io::stdout(),
        "{{\"film\":\"pedestrians\",\"zone\":\"{zone}\",\"who\":\"{who}\",\"there\":{there},\"found\":{found},\
         \"missed\":{},\"wrong\":{},\"told_s\":{told_s:.1},\"true_s\":{true_s:.1}}}",
        spans(missed),
        spans(wrong),
    )
}
