//! The command line: `camera-sim …`, and `keepsight camera-sim …`.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;

use base::SystemClock;
use rtsp_server::Credentials;
use tokio::signal::unix::{SignalKind, signal};

use crate::simulator::addresses;
use crate::{Address, Audio, BadOption, Codec, Fault, Options, SimError, Simulator, Size, options};

/// Simulated cameras: rtsp://127.0.0.1:PORT/cam01/main and /sub, cam02, and so on.
#[derive(clap::Args)]
pub struct Args {
    /// How many cameras
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=i64::from(options::MAX_CAMERAS)))]
    cameras: u16,
    /// Coding of the pictures: h264, h264-b, h264-interlaced, h265, h265-open or mjpeg
    #[arg(long, default_value = "h264")]
    codec: Codec,
    /// Port to listen on
    #[arg(long, default_value_t = 8554, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Address to listen on; 0.0.0.0 for all, so that others on the network can play them
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    address: IpAddr,
    /// Size of the main stream's pictures
    #[arg(long, value_name = "WxH", default_value = "1920x1080")]
    size: Size,
    /// Pictures per second
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=i64::from(options::MAX_FPS)))]
    fps: u32,
    /// Bitrate of the main stream's pictures in kbit/s [default: 3000 at 1920x1080 and 20 pictures per second, else as much per pixel]
    #[arg(long, value_name = "KBIT", value_parser = clap::value_parser!(u32).range(50..=50_000))]
    bitrate: Option<u32>,
    /// Sound: aac, pcmu (or g711), pcma, opus, l16 or off
    #[arg(long, default_value = "aac")]
    audio: Audio,
    /// Who may play, by Digest authentication; anybody if not given
    #[arg(long, value_name = "NAME:PASSWORD")]
    user: Option<String>,
    /// Breaks a camera; may be given several times. WHAT is stall, mute (no sound comes), close, unauthorised, refuse, no-parameters
    /// or wrong-parameters
    #[arg(long, value_name = "CAMERA=WHAT", value_parser = parse_fault)]
    fault: Vec<(u16, Fault)>,
    /// Prints the cameras' addresses and ends
    #[arg(long)]
    list: bool,
    /// Prints the addresses as JSON
    #[arg(long)]
    json: bool,
}

/// Runs cameras until Ctrl-C or SIGTERM. Builds its own runtime: not to be called on one.
pub fn run(args: Args) -> ExitCode {
    match try_run(args) {
        Ok(code) => code,
        Err(message) => {
            let _ = writeln!(io::stderr(), "{message}");
            ExitCode::FAILURE
        }
    }
}

fn try_run(args: Args) -> Result<ExitCode, String> {
    let (cameras, list, json) = (args.cameras, args.list, args.json);
    let listening = SocketAddr::new(args.address, args.port);
    if let Some((camera, _)) = args.fault.iter().find(|(camera, _)| *camera > cameras) {
        let name = options::name(*camera);
        let _ = writeln!(io::stderr(), "There is no {name} to break. Give --cameras {camera} or more.");
        return Ok(ExitCode::from(2));
    }
    let Ok(credentials) = args.user.as_deref().map(parse_user).transpose() else {
        // What was given is not repeated: it may be a password.
        let _ = writeln!(io::stderr(), "The value of --user is not a user. Give one like NAME:PASSWORD.");
        return Ok(ExitCode::from(2));
    };
    if list {
        print(&addresses(listening, 1..cameras + 1), json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|e| format!("The runtime does not start: {e}. Free some memory and try again."))?;
    let result = runtime.block_on(serve(args, credentials));
    // A clip that is being made when somebody presses Ctrl-C is not waited for.
    runtime.shutdown_background();
    result.map(|()| ExitCode::SUCCESS)
}

async fn serve(args: Args, credentials: Option<Credentials>) -> Result<(), String> {
    let no_signals = |e| format!("Signals cannot be caught: {e}. Try again.");
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    let (faults, json) = (args.fault, args.json);
    let options = Options {
        cameras: args.cameras,
        address: args.address,
        port: args.port,
        size: args.size,
        fps: args.fps,
        codec: args.codec,
        bitrate_kbit: args.bitrate,
        audio: args.audio,
        credentials,
        ..Options::default()
    };
    let start = Simulator::start(options, Arc::new(SystemClock));
    let simulator = tokio::select! {
        started = start => started.map_err(|e: SimError| e.explain())?,
        _ = interrupt.recv() => return Ok(()),
        _ = terminate.recv() => return Ok(()),
    };
    for (camera, fault) in faults {
        simulator.set_fault(camera, Some(fault)).map_err(|e| e.to_string())?;
    }
    print(&simulator.addresses(), json)?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    simulator.stop().await;
    Ok(())
}

fn print(addresses: &[Address], json: bool) -> Result<(), String> {
    let mut text = String::new();
    if json {
        let list = addresses.iter().map(|a| serde_json::json!({"name": a.name, "main": a.main, "sub": a.sub}));
        text = format!("{}\n", list.collect::<serde_json::Value>());
    } else {
        for address in addresses {
            text += &format!("{}\n{}\n", address.main, address.sub);
        }
    }
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|e| format!("The addresses cannot be printed: {e}. Check where the output goes."))
}

fn parse_user(text: &str) -> Result<Credentials, ()> {
    let (name, password) = text.split_once(':').filter(|(name, _)| !name.is_empty()).ok_or(())?;
    Ok(Credentials::new(name, password))
}

fn parse_fault(text: &str) -> Result<(u16, Fault), BadOption> {
    let parse = || {
        let (camera, fault) = text.split_once('=')?;
        let camera = camera.strip_prefix("cam")?.parse().ok().filter(|n| (1..=options::MAX_CAMERAS).contains(n))?;
        let fault = match fault {
            "stall" => Fault::Stall,
            "mute" => Fault::Mute,
            "close" => Fault::Close,
            "unauthorised" => Fault::Unauthorised,
            "refuse" => Fault::Refuse,
            "no-parameters" => Fault::NoParameters,
            "wrong-parameters" => Fault::WrongParameters,
            _ => return None,
        };
        Some((camera, fault))
    };
    parse().ok_or_else(|| BadOption { what: format!("\"{text}\""), must: "is no fault: give one like cam02=stall" })
}
