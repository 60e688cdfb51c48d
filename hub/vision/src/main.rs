//! A child and nothing else, for tests of this crate: the hub starts its own binary instead.

use std::process::ExitCode;

use vision::child;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (command, parent) = (args.next(), args.next().and_then(|parent| parent.parse().ok()));
    let life = match args.next().as_deref() {
        Some(child::WATCH) => child::Life::Watch,
        _ => child::Life::Picture,
    };
    match (command.as_deref(), parent) {
        (Some(child::COMMAND), Some(parent)) => child::main(parent, life),
        _ => ExitCode::from(2),
    }
}
