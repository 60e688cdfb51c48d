//! Cameras on one port: clips are made, then all of them can be played.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base::SharedClock;
use base::footage::{StreamName, VIDEO_TIMESCALE};
use rtsp_server::{Clip, Config, Limits, Media, Mount, Reserved, Server, Unit};
use tokio::sync::watch;

use crate::encode::{self, Encoded, Recipe, is_key, parameter_sets, sound};
use crate::fault::Control;
use crate::options::{self, CLIP_SECONDS, Codec};
use crate::source::{Log, StreamSource};
use crate::{Fault, NoSuchCamera, Options, Sent, SimError, cache};

const STREAMS: [StreamName; 2] = [StreamName::Main, StreamName::Sub];

/// Running cameras. Dropped, they are gone; [`Simulator::stop`] also waits until they are.
pub struct Simulator {
    server: Server,
    /// Number of the first one.
    first: u16,
    cameras: Vec<Camera>,
}

struct Camera {
    control: watch::Sender<Control>,
    logs: [Arc<Log>; 2],
}

/// Where a camera is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Its number, which its pictures' marks say; the first camera's is 1.
    pub number: u16,
    /// Its name, such as `cam01`.
    pub name: String,
    /// Address of its main stream.
    pub main: String,
    /// Address of its sub stream.
    pub sub: String,
}

impl Simulator {
    /// Makes the clips that the cache does not have, on all cores, then listens. Must be awaited on a tokio
    /// runtime. A clip is 8 seconds; four cameras of 1280x720 take two cores some 4 seconds, from the cache a tenth of one.
    pub async fn start(options: Options, clock: SharedClock) -> Result<Self, SimError> {
        options.check()?;
        // The port first: it costs nothing to see that it is taken. Nobody can connect before all can be played.
        let port = Reserved::bind(SocketAddr::new(options.address, options.port))?;
        let recipes = recipes(&options);
        let cache = options.cache.clone();
        let made = tokio::task::spawn_blocking(move || make_clips(&recipes, cache.as_deref())).await;
        let streams = made.map_err(|e| SimError::Encode { camera: "all cameras".into(), detail: e.to_string() })??;

        let limits = Limits { connections: 4_096, ..Limits::default() };
        let (credentials, scheme) = (options.credentials, options.scheme);
        let config = Config { credentials, scheme, limits, ..Config::new(clock.clone()) };
        let (now, key_seconds) = (clock.mono(), f64::from(options.key_seconds));
        let mut mounts = Vec::new();
        let mut cameras = Vec::new();
        for (i, streams) in streams.chunks_exact(STREAMS.len()).enumerate() {
            let number = options.first + i as u16;
            let (control, _) = watch::channel(Control::default());
            // As real ones, cameras do not make their key pictures all at once: the golden ratio spreads them.
            let phase = (i as f64 * 0.618_034).fract() * key_seconds;
            let zero = now - Duration::from_secs_f64(phase);
            let mut logs = Vec::new();
            // What each of a camera's streams changes to is what the other one is.
            for (name, (stream, other)) in STREAMS.into_iter().zip(streams.iter().zip(streams.iter().rev())) {
                let control = control.subscribe();
                let source = StreamSource::new(stream, other, clock.clone(), zero, options.wrap, control);
                logs.push(source.log());
                let path = format!("{}/{}", options::name(number), name.as_str());
                let tracks = stream.tracks.clone();
                mounts.push((path.clone(), Mount { name: path, tracks, source: Arc::new(source) }));
            }
            let [main, sub] = [logs.remove(0), logs.remove(0)];
            cameras.push(Camera { control, logs: [main, sub] });
        }
        let server = Server::start(port, config, mounts)?;
        Ok(Self { server, first: options.first, cameras })
    }

    /// The port that the cameras listen on.
    pub fn port(&self) -> u16 {
        self.server.addr().port()
    }
    /// Where the cameras are, in the order of their numbers.
    pub fn addresses(&self) -> Vec<Address> {
        addresses(self.server.addr(), self.first..self.first + self.cameras.len() as u16)
    }
    /// Breaks a camera, or makes it well again.
    pub fn set_fault(&self, camera: u16, fault: Option<Fault>) -> Result<(), NoSuchCamera> {
        self.tell(camera, |control| {
            control.boots += u64::from(fault == Some(Fault::Reboot));
            control.fault = fault;
        })
    }
    /// Closes a camera's connections that play. It can be connected to again at once.
    pub fn cut(&self, camera: u16) -> Result<(), NoSuchCamera> {
        self.tell(camera, |control| control.cuts += 1)
    }
    /// Resets a camera's connections that play. It can be connected to again at once.
    pub fn reset(&self, camera: u16) -> Result<(), NoSuchCamera> {
        self.tell(camera, |control| control.resets += 1)
    }
    /// Changes the parameters of a camera's pictures, or changes them back: from the next key picture on, each of its
    /// streams sends the pictures of the other one. Numbers, timestamps and sound go on.
    pub fn change_parameters(&self, camera: u16) -> Result<(), NoSuchCamera> {
        self.tell(camera, |control| control.changed = !control.changed)
    }
    /// Sets a camera's media clock ahead, or back if negative: the timestamps of its pictures and its sound jump, on the
    /// connections that play and on later ones. When pictures are sent does not change.
    pub fn jump(&self, camera: u16, ms: i64) -> Result<(), NoSuchCamera> {
        self.tell(camera, |control| control.ahead_ms = control.ahead_ms.wrapping_add(ms))
    }
    /// The same with the clock of the camera's sound alone.
    pub fn jump_sound(&self, camera: u16, ms: i64) -> Result<(), NoSuchCamera> {
        self.tell(camera, |control| control.sound_ahead_ms = control.sound_ahead_ms.wrapping_add(ms))
    }
    /// Takes all cameras off the network: connections are cut, and new ones are refused. Their clips go on.
    pub async fn go_offline(&self) -> Result<(), SimError> {
        Ok(self.server.go_offline().await?)
    }
    /// Brings all cameras back, on the same port.
    pub async fn go_online(&self) -> Result<(), SimError> {
        Ok(self.server.go_online().await?)
    }
    /// How many pictures were given to a stream's clients, all of them together.
    pub fn pictures_sent(&self, camera: u16, stream: StreamName) -> Result<u64, NoSuchCamera> {
        Ok(self.log(camera, stream)?.total())
    }
    /// The pictures that were given to a stream's clients, oldest first; at most the last 20,000. The last ones of a
    /// connection may not have reached its client.
    pub fn sent(&self, camera: u16, stream: StreamName) -> Result<Vec<Sent>, NoSuchCamera> {
        Ok(self.log(camera, stream)?.last())
    }
    /// Closes all connections and waits until the port is free.
    pub async fn stop(self) {
        self.server.stop().await;
    }

    fn tell(&self, camera: u16, change: impl FnOnce(&mut Control)) -> Result<(), NoSuchCamera> {
        self.camera(camera)?.control.send_modify(change);
        Ok(())
    }
    fn camera(&self, number: u16) -> Result<&Camera, NoSuchCamera> {
        let index = usize::from(number).checked_sub(self.first.into()).ok_or(NoSuchCamera(number))?;
        self.cameras.get(index).ok_or(NoSuchCamera(number))
    }
    fn log(&self, camera: u16, stream: StreamName) -> Result<&Log, NoSuchCamera> {
        let [main, sub] = &self.camera(camera)?.logs;
        Ok(match stream {
            StreamName::Main => main,
            StreamName::Sub => sub,
        })
    }
}

/// Where cameras are that listen on `addr`. Who listens on all addresses is reached at this machine's own.
pub(crate) fn addresses(addr: SocketAddr, cameras: Range<u16>) -> Vec<Address> {
    let mut addr = addr;
    if addr.ip().is_unspecified() {
        addr.set_ip(if addr.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
    }
    let address = |number| {
        let name = options::name(number);
        Address { number, main: format!("rtsp://{addr}/{name}/main"), sub: format!("rtsp://{addr}/{name}/sub"), name }
    };
    cameras.map(address).collect()
}

/// A stream that can be played.
#[derive(Clone)]
pub(crate) struct Playable {
    pub tracks: Vec<Media>,
    pub clip: Arc<Clip>,
}

/// What to encode: main and sub stream of each camera, in order.
fn recipes(options: &Options) -> Vec<Recipe> {
    let recipe = |(camera, stream)| {
        let (size, kbit) = options.stream(stream);
        let Options { codec, fps, key_seconds, audio, .. } = *options;
        Recipe { camera, codec, size, fps, kbit, key_seconds, audio }
    };
    options.numbers().flat_map(|camera| STREAMS.map(|stream| (camera, stream))).map(recipe).collect()
}

fn make_clips(recipes: &[Recipe], cache: Option<&std::path::Path>) -> Result<Vec<Playable>, SimError> {
    recipes.first().map_or(Ok(()), |recipe| encode::init(recipe.codec))?;
    let next = AtomicUsize::new(0);
    let work = || {
        let mut made = Vec::new();
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            let Some(recipe) = recipes.get(i) else { return Ok(made) };
            match cache::clip(cache, *recipe).and_then(|encoded| playable(*recipe, &encoded)) {
                Ok(playable) => made.push((i, playable)),
                Err(error) => {
                    next.store(recipes.len(), Ordering::Relaxed); // nobody need begin another one
                    return Err(error);
                }
            }
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from).min(recipes.len());
    let mut made = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let mut made = Vec::new();
        for worker in workers {
            made.extend(worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok::<_, SimError>(made)
    })?;
    made.sort_by_key(|(i, _)| *i);
    Ok(made.into_iter().map(|(_, playable)| playable).collect())
}

/// Packets of a clip, and how they are described.
fn playable(recipe: Recipe, encoded: &Encoded) -> Result<Playable, SimError> {
    let error = |detail: String| SimError::Encode { camera: options::name(recipe.camera), detail };
    let mut tracks = vec![pictures(recipe, encoded)];
    let mut units = Vec::new();
    for (i, (nals, shown)) in encoded.pictures.iter().zip(&encoded.shown).enumerate() {
        // Sent in the order of decoding, at an even pace.
        let at = Duration::from_secs(i as u64) / recipe.fps;
        let timestamp = (u64::from(*shown) * u64::from(VIDEO_TIMESCALE) / u64::from(recipe.fps)) as u32;
        let (key, units_of) = (is_key(recipe.codec, nals), || nals.iter().map(|n| &n[..]));
        let unit = match recipe.codec {
            Codec::H264 | Codec::H264B | Codec::H264Interlaced => Some(Unit::h264(0, at, timestamp, key, units_of())),
            Codec::H265 | Codec::H265Open => Some(Unit::h265(0, at, timestamp, key, units_of())),
            Codec::Mjpeg => Unit::jpeg(0, at, timestamp, &nals.concat()),
        };
        units.push(unit.ok_or_else(|| error("a picture is none that RTP can carry".into()))?);
    }
    if let Some(format) = sound(recipe.audio) {
        for (i, frame) in encoded.audio.iter().enumerate() {
            let timestamp = i as u32 * format.frame_samples;
            let at = Duration::from_secs(timestamp.into()) / format.media.clock_rate();
            let unit = match format.media {
                Media::Aac { .. } => Unit::aac(1, at, timestamp, frame),
                _ => Some(Unit::raw(1, at, timestamp, false, vec![frame.clone()])),
            };
            units.push(unit.ok_or_else(|| error("a frame of sound is too long".into()))?);
        }
        tracks.push(format.media);
    }
    let clip = Clip::new(&tracks, units, Duration::from_secs(CLIP_SECONDS.into())).map_err(|e| error(e.to_string()))?;
    Ok(Playable { tracks, clip: Arc::new(clip) })
}

/// How the pictures are described.
fn pictures(recipe: Recipe, encoded: &Encoded) -> Media {
    let framerate = Some(recipe.fps);
    let sets = encoded.pictures.first().and_then(|nals| nals.get(..parameter_sets(recipe.codec).len()));
    match (recipe.codec, sets) {
        (Codec::Mjpeg, _) => Media::Jpeg { framerate },
        (Codec::H265 | Codec::H265Open, Some([vps, sps, pps])) => {
            Media::H265 { parameter_sets: Some((vps.clone(), sps.clone(), pps.clone())), framerate }
        }
        (Codec::H265 | Codec::H265Open, _) => Media::H265 { parameter_sets: None, framerate },
        (Codec::H264 | Codec::H264B | Codec::H264Interlaced, Some([sps, pps])) => {
            Media::H264 { parameter_sets: Some((sps.clone(), pps.clone())), framerate }
        }
        (Codec::H264 | Codec::H264B | Codec::H264Interlaced, _) => Media::H264 { parameter_sets: None, framerate },
    }
}
