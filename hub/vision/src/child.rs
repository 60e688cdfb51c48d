//! The child's side: locks itself in, makes one picture and ends, or watches one camera until the hub needs it no more.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::process::ExitCode;
use std::time::Duration;

use base::SystemClock;
use base::runtime::{Provider, Runtime};

use crate::decode::{self, Failure};
use crate::motion::{Motion, Moving, Settings};
use crate::objects::{self, Detector, Hailo, Onnx, OnnxRuntime};
use crate::pictures::Pictures;
pub use crate::sandbox::Life;
use crate::wire::trial;
use crate::wire::watch::{self, Looked, MAX_BEST_BYTES};
use crate::wire::{self, Attempt, Hello, Reply, Request};
use crate::{attempts, sandbox};

/// The hidden subcommand that calls [`main`]; the hub's process id follows it, and [`WATCH`] if the child is to watch.
pub const COMMAND: &str = "vision-child";
/// See [`COMMAND`].
pub const WATCH: &str = "--watch";
/// See [`COMMAND`]: it may use the device files of hardware decoders.
pub const HARDWARE: &str = "--hardware";
/// See [`COMMAND`]: it has a model that tells objects apart.
pub const OBJECTS: &str = "--objects";
/// See [`COMMAND`]: it is run by another library than the hub's own, which follows.
pub const RUNTIME: &str = "--runtime";

/// A child's whole life: standard input is the socket to the hub, standard output the file for the JPEG. To be called first in
/// the process, before there is another thread.
pub fn main(parent: i32, life: Life) -> ExitCode {
    main_with(parent, life, || {})
}

/// The same, where GStreamer learns of more elements once it has started: for tests, of hardware that they make up.
pub fn main_with(parent: i32, life: Life, more: impl FnOnce()) -> ExitCode {
    match serve(parent, &life, more) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE, // the hub sees that the socket closed, and nobody reads more
    }
}

fn serve(parent: i32, life: &Life, more: impl FnOnce()) -> io::Result<()> {
    sandbox::limit(parent, life)?;
    // Files, not sockets: a child may read and write what is open, and no system call of sockets.
    let mut hub = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let picture = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let nothing = decode::Decoders { devices: Vec::new(), lacks: String::new() };
    // What is wrong with a library is told once there is a model.
    let (mut by, mut opened) = (None, Ok(()));
    let loaded = match life {
        Life::Objects(runtime) => {
            objects::prepare();
            by = runtime.as_ref();
            // HailoRT's starts a thread when it is opened, which would not be locked in.
            opened = by.filter(|by| by.provider != Provider::Hailo).map_or(Ok(()), objects::open);
            Ok(nothing)
        }
        _ => decode::load(*life == Life::Hardware),
    };
    let decoders = match loaded {
        Ok(decoders) => decoders,
        Err(lacks) => return Hello { sandbox: sandbox::Sandbox::default(), lacks }.write(&mut hub),
    };
    more();
    let sandbox = sandbox::lock(&sandbox::Needs::of(life, decoders.devices))?;
    if by.is_some_and(|by| by.provider.is_hardware()) && !sandbox.files {
        opened = Err("The kernel has no Landlock, and without it no hardware runs a model".into());
    }
    Hello { sandbox, lacks: decoders.lacks }.write(&mut hub)?;
    let reply = match wire::request(&mut hub)? {
        None => return Ok(()),
        Some(Request::Watch { settings, first }) => return watch_camera(&mut hub, &picture, settings, first),
        Some(Request::Detect { description, model }) => {
            return tell_objects(&mut hub, &description, model, opened.map(|()| by));
        }
        Some(Request::Candidates) => Reply::Text(trial::list(&crate::trial::candidates())),
        Some(Request::Try { codec, name }) => {
            Reply::Text(trial::outcome(&crate::trial::run(codec, &name, &SystemClock)))
        }
        Some(Request::Attempts { path }) => Reply::Text(Attempt::lines(&attempts::all(parent, &path))),
        Some(Request::Still { codec, width, config, data }) => match decode::jpeg(codec, width, &config, data) {
            Ok(jpeg) => {
                picture.write_all_at(&jpeg, 0)?;
                Reply::Jpeg(jpeg.len() as u32) // bounded by its maker
            }
            Err(Failure::NoDecoder(text)) => Reply::NoDecoder(text),
            Err(Failure::Failed(text)) => Reply::Text(text.chars().take(500).collect()),
        },
    };
    reply.write(&mut hub)
}

/// Picture after picture: what moves in it, and a JPEG of the best of them.
fn watch_camera(hub: &mut File, file: &File, settings: Settings, first: Vec<String>) -> io::Result<()> {
    let (mut pictures, mut motion, mut best) = (Pictures::new(first), Motion::new(settings), Best::default());
    while let Some(picture) = watch::picture(hub)? {
        let mut looked = Looked { at: picture.at, ..Looked::default() };
        let wanted = picture.part;
        match pictures.decode(picture) {
            Ok(decoded) => {
                let mut last = None;
                for out in decoded {
                    let seen = motion.see(&out.grey, out.at);
                    looked.suspicion |= seen.suspicion;
                    let Some(moving) = seen.moving else { continue };
                    (looked.moving, looked.at) = (Some(moving), out.at);
                    // Without one there is an event all the same.
                    if best.is_less_than(&moving, out.at)
                        && let Ok(jpeg) = out.jpeg()
                        && let Some(len) = u32::try_from(jpeg.len()).ok().filter(|len| *len <= MAX_BEST_BYTES)
                    {
                        file.write_all_at(&jpeg, 0)?;
                        looked.jpeg = len;
                    }
                    last = Some((out, moving.bounds));
                }
                if let (Some(size), Some((out, bounds))) = (wanted, last)
                    && let Ok((part, place)) = out.part(&bounds, size)
                {
                    file.write_all_at(&part.pixels, MAX_BEST_BYTES.into())?;
                    looked.part = Some(place);
                }
            }
            Err(Failure::NoDecoder(_)) => looked.no_decoder = true,
            Err(Failure::Failed(_)) => looked.undecoded = true,
        }
        looked.write(hub)?;
    }
    Ok(())
}

/// Reads a model, and says what is in picture after picture.
fn tell_objects(
    hub: &mut File,
    description: &str,
    model: Vec<u8>,
    by: Result<Option<&Runtime>, String>,
) -> io::Result<()> {
    let ready = by.and_then(|by| {
        let provider = by.map(|by| by.provider);
        let detector: Box<dyn Detector> = match by {
            None => {
                let onnx = Onnx::load(&model, description)?;
                drop(model); // it is large
                Box::new(onnx)
            }
            Some(Runtime { provider: Provider::Hailo, library, .. }) => {
                Box::new(Hailo::start(library, model, description)?)
            }
            Some(Runtime { provider, .. }) => {
                let onnx = Onnx::load(&model, description)?.run_by(|| OnnxRuntime::start(*provider, &model))?;
                drop(model);
                Box::new(onnx)
            }
        };
        objects::measured(detector, provider, &SystemClock)
    });
    let mut detector = match ready {
        Ok((detector, about)) => {
            wire::objects::say_ready(hub, &Ok(about))?;
            detector
        }
        Err(why) => return wire::objects::say_ready(hub, &Err(why)),
    };
    while let Some(picture) = wire::objects::picture(hub, detector.size())? {
        let seen = detector.detect(&picture).map_err(io::Error::other)?;
        wire::objects::say_seen(hub, &seen)?;
    }
    Ok(())
}

/// Of what moves now, the picture in which most of it was seen.
#[derive(Default)]
struct Best(Option<(Moving, Duration)>);

impl Best {
    /// So much more certain is a better picture, and so much later: not every one is worth a JPEG, which takes ten times what looking
    /// at it does.
    const STEP: f32 = 0.05;
    const EVERY: Duration = Duration::from_millis(500);

    fn is_less_than(&mut self, moving: &Moving, at: Duration) -> bool {
        let better = self.0.is_none_or(|(best, last)| {
            best.since != moving.since
                || moving.score >= best.score + Self::STEP && at.saturating_sub(last) >= Self::EVERY
        });
        if better {
            self.0 = Some((*moving, at));
        }
        better
    }
}
