//! A child and nothing else, for tests of this crate: the hub starts its own binary instead.
//!
//! Under another name than its own it has a hardware decoder, good or bad, as [`made_up`] has it.

mod made_up;

use std::process::ExitCode;

use vision::child;

fn main() -> ExitCode {
    let mut args = std::env::args();
    let called = args.next().unwrap_or_default();
    let (command, parent) = (args.next(), args.next().and_then(|parent| parent.parse().ok()));
    let life = match args.next().as_deref() {
        Some(child::WATCH) => child::Life::Watch,
        Some(child::HARDWARE) => child::Life::Hardware,
        // `--runtime` and which.
        Some(child::OBJECTS) => match args.nth(1).map(|runtime| runtime.parse()).transpose() {
            Ok(runtime) => child::Life::Objects(runtime),
            Err(_) => return ExitCode::from(2), // else a test would be of the hub's own library
        },
        _ => child::Life::Picture,
    };
    match (command.as_deref(), parent) {
        (Some(child::COMMAND), Some(parent)) => {
            child::main_with(parent, life.clone(), || made_up::register(&life, &called))
        }
        _ => ExitCode::from(2),
    }
}
