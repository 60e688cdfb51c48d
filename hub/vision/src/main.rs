//! A child and nothing else, for tests of this crate: the hub starts its own binary instead.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    match (args.next().as_deref(), args.next().and_then(|parent| parent.parse().ok())) {
        (Some(vision::child::COMMAND), Some(parent)) => vision::child::main(parent),
        _ => ExitCode::from(2),
    }
}
