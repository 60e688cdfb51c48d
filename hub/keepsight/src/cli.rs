//! The command line: what there is, and which exit code it ends with (0 fine, 1 failed, 2 usage).

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use base::{Problem, ProblemKind};
use clap::{Args, Parser, Subcommand};
use http::Method;

use crate::adopt::Adopt;
use crate::cameras::Cameras;
use crate::check::Check;
use crate::config::{Config, DEFAULT_FILE};
use crate::doctor::DoctorCommand;
use crate::first_boot::FirstBootCommand;
use crate::footage_disk::FootageDiskCommand;
use crate::health::HealthCommand;
use crate::open::Open;
use crate::out::{self, Failure};
use crate::reset::FactoryReset;
use crate::sock::HubSocket;
use crate::store_cmd::StoreCommand;
use crate::support::SupportBundle;
use crate::wifi::WifiCommand;
use crate::{console, demo, hygiene, logs, run};

/// Records the cameras of a home, sealed for the people who live there.
#[derive(Parser)]
#[command(name = "keepsight", version, arg_required_else_help = true, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Everything that the binary does.
#[derive(Subcommand)]
pub enum Command {
    /// Runs the hub
    Run(ConfigFile),
    /// Runs a hub with four simulated cameras in a temporary folder, claimed for you
    Demo(Demo),
    /// Prints the claim token again, while the hub is unclaimed, and opens it for another 30 minutes
    ClaimToken(Hub),
    /// Manages the cameras of a running hub
    Cameras(Cameras),
    /// Opens one sealed file without a hub
    Open(Open),
    /// Looks whether a hub's store and footage are whole; of a stopped one, mends what can be mended
    Check(Check),
    /// Says how the machine is: disks, temperature, power, clock, both copies of the system; and the hub, if one runs
    Doctor(DoctorCommand),
    /// Writes what somebody who helps wants to know into a file: no pictures, names, addresses or secrets
    SupportBundle(SupportBundle),
    /// Looks whether a running hub does what it should, as a new version of the system has to show
    Health(HealthCommand),
    /// Does at the start of the machine what first-boot.toml on the card says, or says what is wrong with such a file
    FirstBoot(FirstBootCommand),
    /// For the system: mounts the hub's footage disk, or makes a disk the one that an owner chose
    FootageDisk(FootageDiskCommand),
    /// For the system: joins the Wi-Fi that an owner chose in the app, or leaves it
    Wifi(WifiCommand),
    /// Takes the footage disk of a hub that is no more into this stopped hub, with that hub's recovery kit
    Adopt(Adopt),
    /// Destroys all footage, keys, people, cameras and settings: the hub is as it was flashed
    FactoryReset(FactoryReset),
    /// Exports or checks a hub's store, or makes a stopped one's anew from exports
    Store(StoreCommand),
    /// Runs simulated cameras
    CameraSim(camera_sim::cli::Args),
    /// Decodes one picture, or watches one camera, for a running hub, which starts it
    #[command(hide = true)]
    VisionChild {
        /// The hub's process
        hub: i32,
        /// Watch a camera
        #[arg(long)]
        watch: bool,
        /// Likewise, with hardware decoders
        #[arg(long, conflicts_with = "watch")]
        hardware: bool,
        /// Tell objects apart
        #[arg(long, conflicts_with_all = ["watch", "hardware"])]
        objects: bool,
        /// Likewise, with another library than the hub's own
        #[arg(long, requires = "objects")]
        runtime: Option<vision::Runtime>,
    },
    /// Reads one camera for a running hub, which starts it
    #[command(hide = true)]
    MediaChild,
}

/// Where the configuration is.
#[derive(Debug, Args)]
pub struct ConfigFile {
    /// The hub's configuration
    #[arg(long, value_name = "FILE", default_value = DEFAULT_FILE, global = true)]
    pub config: PathBuf,
}

impl ConfigFile {
    /// Reads it.
    pub fn load(&self) -> Result<Config, Problem> {
        Config::load(&self.config)
    }
}

/// What kind of demo.
#[derive(Debug, Args)]
pub struct Demo {
    /// Leave the hub unclaimed, to try claiming it yourself
    #[arg(long)]
    pub unclaimed: bool,
}

/// A running hub that a command asks, and how it reports.
#[derive(Debug, Args)]
pub struct Hub {
    #[command(flatten)]
    config: ConfigFile,
    /// Report as JSON, errors too
    #[arg(long, global = true)]
    pub json: bool,
}

impl Hub {
    /// The way to the hub. `no-config` or `bad-config` if the file does not say where it is.
    pub fn socket(&self) -> Result<HubSocket, Problem> {
        Ok(HubSocket::new(self.config.load()?.paths.socket()))
    }
}

/// Does what the arguments say; everything it has to say has been printed when it returns.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command = match Cli::try_parse_from(args) {
        Ok(cli) => cli.command,
        Err(usage) => {
            let _ = usage.print(); // without a terminal there is nobody to tell
            return ExitCode::from(if usage.use_stderr() { 2 } else { 0 });
        }
    };
    // A child locks itself in, in its own order, and says nothing to anybody but the hub.
    if !matches!(command, Command::VisionChild { .. } | Command::MediaChild) {
        logs::init(if matches!(command, Command::Run(_)) { "info" } else { "warn" });
        hygiene::harden();
        media::isolated::isolate();
    }
    let json = command.json();
    match command.dispatch() {
        Ok(code) => code,
        Err(failure) => {
            failure.report(json);
            ExitCode::from(failure.code())
        }
    }
}

impl Command {
    fn dispatch(self) -> Result<ExitCode, Failure> {
        match self {
            Command::Run(file) => hub(run::run(file.load()?))?,
            Command::Demo(demo) => hub(demo::demo(demo.unclaimed))?,
            Command::ClaimToken(hub) => block_on(claim_token(&hub))?,
            Command::Cameras(cameras) => block_on(cameras.run())?,
            Command::Open(open) => open.run()?,
            Command::Check(check) => check.run()?,
            Command::Doctor(doctor) => block_on(doctor.run())?,
            Command::SupportBundle(bundle) => block_on(bundle.run())?,
            Command::Health(health) => block_on(health.run())?,
            Command::FirstBoot(first) => first.run()?,
            Command::FootageDisk(disk) => disk.run()?,
            Command::Wifi(wifi) => wifi.run()?,
            Command::Adopt(adopt) => adopt.run()?,
            Command::FactoryReset(reset) => block_on(reset.run())?,
            Command::Store(store) => store.run()?,
            Command::CameraSim(args) => return Ok(camera_sim::cli::run(args)),
            Command::VisionChild { hub, watch, hardware, objects, runtime } => {
                let life = match (watch, hardware, objects) {
                    (_, _, true) => vision::child::Life::Objects(runtime),
                    (_, true, _) => vision::child::Life::Hardware,
                    (true, false, _) => vision::child::Life::Watch,
                    (false, false, _) => vision::child::Life::Picture,
                };
                return Ok(vision::child::main(hub, life));
            }
            Command::MediaChild => return Ok(media::isolated::main()),
        }
        Ok(ExitCode::SUCCESS)
    }

    fn json(&self) -> bool {
        match self {
            Command::ClaimToken(hub) | Command::Cameras(Cameras { hub, .. }) => hub.json,
            Command::Check(check) => check.json,
            Command::Doctor(doctor) => doctor.json,
            Command::SupportBundle(bundle) => bundle.hub.json,
            Command::Health(health) => health.json,
            Command::Adopt(adopt) => adopt.json,
            Command::FactoryReset(reset) => reset.json,
            Command::Store(store) => store.json,
            Command::Run(_)
            | Command::Demo(_)
            | Command::FirstBoot(_)
            | Command::FootageDisk(_)
            | Command::Wifi(_)
            | Command::Open(_)
            | Command::CameraSim(_)
            | Command::VisionChild { .. }
            | Command::MediaChild => false,
        }
    }
}

/// On a screen all that a person needs to claim the hub; for scripts and QR printers the token and nothing else.
async fn claim_token(hub: &Hub) -> Result<(), Failure> {
    let socket = hub.socket()?;
    if !hub.json && !out::is_terminal() {
        let answer = socket.request(Method::GET, "/local/claim-token", None).await?;
        return Ok(out::text(String::from_utf8_lossy(&answer).trim())?);
    }
    let answer = socket.json(Method::GET, "/local/claim", None).await?;
    if hub.json {
        return Ok(out::json(&answer)?);
    }
    let claim = serde_json::from_value(answer).map_err(|e| Problem::with(ProblemKind::Internal, e))?;
    Ok(console::show(&claim)?)
}

/// For commands that run a hub.
fn hub(command: impl Future<Output = Result<(), Problem>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("hub").build();
    let runtime = runtime.map_err(|e| Problem::with(ProblemKind::Internal, format_args!("No runtime: {e}")))?;
    Ok(runtime.block_on(command)?)
}

/// For commands that ask one question and end.
fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    wait_for(command)?
}

/// For commands of which only a part asks the hub.
pub(crate) fn wait_for<T>(question: impl Future<Output = T>) -> Result<T, Problem> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Problem::with(ProblemKind::Internal, format_args!("No runtime: {e}")))?;
    Ok(runtime.block_on(question))
}
