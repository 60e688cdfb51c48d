//! The child's side: locks itself in, makes one picture and ends, or watches one camera until the hub needs it no more.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::process::ExitCode;

use crate::decode::{self, Failure};
use crate::motion::{Motion, Settings};
use crate::pictures::Pictures;
pub use crate::sandbox::Life;
use crate::wire::watch::{self, Looked};
use crate::wire::{Attempt, Hello, Reply, Request};
use crate::{attempts, sandbox};

/// The hidden subcommand that calls [`main`]; the hub's process id follows it, and [`WATCH`] if the child is to watch.
pub const COMMAND: &str = "vision-child";
/// See [`COMMAND`].
pub const WATCH: &str = "--watch";

/// A child's whole life: standard input is the socket to the hub, standard output the file for the JPEG. To be called first in
/// the process, before there is another thread.
pub fn main(parent: i32, life: Life) -> ExitCode {
    match serve(parent, life) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE, // the hub sees that the socket closed, and nobody reads more
    }
}

fn serve(parent: i32, life: Life) -> io::Result<()> {
    sandbox::limit(parent, life)?;
    // Files, not sockets: a child may read and write what is open, and no system call of sockets.
    let mut hub = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let picture = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let decoders = match decode::load() {
        Ok(decoders) => decoders,
        Err(lacks) => return Hello { sandbox: sandbox::Sandbox::default(), lacks }.write(&mut hub),
    };
    let sandbox = sandbox::lock(decoders.devices)?;
    Hello { sandbox, lacks: decoders.lacks }.write(&mut hub)?;
    let reply = match crate::wire::request(&mut hub)? {
        None => return Ok(()),
        Some(Request::Watch { settings }) => return watch_camera(&mut hub, settings),
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

/// Picture after picture: what moves in it.
fn watch_camera(hub: &mut File, settings: Settings) -> io::Result<()> {
    let (mut pictures, mut motion) = (Pictures::default(), Motion::new(settings));
    while let Some(picture) = watch::picture(hub)? {
        let mut looked = Looked { at: picture.at, ..Looked::default() };
        match pictures.grey(picture) {
            Ok(grey) => {
                for (grey, at) in grey {
                    let seen = motion.see(&grey, at);
                    looked.suspicion |= seen.suspicion;
                    if seen.moving.is_some() {
                        (looked.moving, looked.at) = (seen.moving, at);
                    }
                }
            }
            Err(Failure::NoDecoder(_)) => looked.no_decoder = true,
            Err(Failure::Failed(_)) => looked.undecoded = true,
        }
        looked.write(hub)?;
    }
    Ok(())
}
