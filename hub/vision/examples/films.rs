//! Made films, for the bench: `films list` says which there are, `films paint ROUND NAME` writes one as grey pictures to standard
//! output; round 0 is what the tests look at. `films find` says when this crate sees motion in one from standard input.

#[path = "../tests/films/mod.rs"]
mod films;

use std::io::{self, Read, Write};
use std::time::Duration;

use films::{FPS, HEIGHT, WIDTH};
use vision::{Grey, Motion, MotionSettings};

fn main() -> io::Result<()> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let mut out = io::BufWriter::new(io::stdout().lock());
    let film = |round: &str, name: &str| {
        let round = round.parse().map_err(|_| io::Error::other("a round is a number"))?;
        let film = films::all(round).into_iter().find(|film| film.name == name);
        film.ok_or_else(|| io::Error::other("there is no such film"))
    };
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["list"] => {
            for film in films::all(0) {
                let truth: Vec<_> = film.truth().iter().map(|(from, to)| format!("{from:.1}-{to:.1}")).collect();
                writeln!(out, "{}\t{}\t{}", film.name, film.class, truth.join(" "))?;
            }
        }
        ["paint", round, name] => {
            let film = film(round, name)?;
            let mut painter = film.painter();
            for number in 0..film.len() {
                out.write_all(&painter.picture(number))?;
            }
        }
        ["find"] => {
            let (mut motion, mut input) = (Motion::new(MotionSettings::default()), io::stdin().lock());
            let mut picture = vec![0; WIDTH * HEIGHT];
            for number in 0.. {
                match input.read_exact(&mut picture) {
                    Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => break,
                    read => read?,
                }
                let at = Duration::from_millis((number * 1_000 / FPS) as u64);
                let small = Grey::shrink(&picture, WIDTH, HEIGHT, WIDTH);
                let small = small.ok_or_else(|| io::Error::other("the film is too small"))?;
                if motion.see(&small, at).moving.is_some() {
                    writeln!(out, "{:.2}", at.as_secs_f32())?;
                }
            }
        }
        _ => return Err(io::Error::other("usage: films list | paint ROUND NAME | find")),
    }
    out.flush()
}
