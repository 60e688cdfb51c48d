//! `camera-sim`: simulated cameras on the command line.

use std::process::ExitCode;

use clap::Parser;

/// Simulated cameras for trying and testing Keepsight.
#[derive(Parser)]
#[command(name = "camera-sim", version)]
struct Cli {
    #[command(flatten)]
    args: camera_sim::cli::Args,
}

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|_| "warn".into()))
        .with_writer(std::io::stderr)
        .init();
    camera_sim::cli::run(Cli::parse().args)
}
