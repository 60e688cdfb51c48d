//! The mix-up test, promise 3: many cameras whose every picture says whose it is, many clients of whom each may see one of them,
//! and all of it cut and restored at once, again and again, with a processor that has something else to do. Not one picture
//! of a camera reaches a client that was not granted it.
//!
//! `KEEPSIGHT_MIX_UP_PICTURES` says after how many pictures it is enough. With `KEEPSIGHT_RESULTS`, a folder, figures are kept there, a
//! line for each so many, and a run that was ended early goes on where it was.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base::{Clock, SystemClock, Timestamp};
use camera_sim::Simulator;
use http::Method;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use testkit::client::Client;
use testkit::figures::Figures;
use testkit::hub::{self, Home, HubProcess};
use testkit::pictures;
use testkit::plug::Luck;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_tungstenite::tungstenite::{self, Message};

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");
/// The same hub with one look-up of keys switched wrong; `scripts/test` builds it.
const SWITCHED: &str = concat!(env!("CARGO_BIN_EXE_keepsight"), "-switched");
const CAMERAS: u16 = 32;
const CLIENTS: usize = 50;
/// So many of them are people with a session; the others are programs with a token.
const PEOPLE: usize = 6;
const ENOUGH_PICTURES: u64 = 3_000;
/// A hub is begun anew after so many.
const ROUND_PICTURES: u64 = 20_000;
/// Cuts of everything at once, at least.
const ENOUGH_CUTS: u32 = 4;
const SIZE: (usize, usize) = (320, 180);

#[tokio::test(flavor = "multi_thread")]
async fn mix_up_of_many_cameras_and_clients_that_all_come_back_at_once_shows_nobody_a_foreign_picture() {
    let wanted = std::env::var("KEEPSIGHT_MIX_UP_PICTURES").map_or(ENOUGH_PICTURES, |n| n.parse().expect("a number"));
    let results = Figures::of("mix-up.jsonl");
    let mut done = results.sum("pictures");
    while done < wanted {
        let (pictures, figures) = round((wanted - done).min(ROUND_PICTURES)).await;
        done += pictures;
        results.keep(&figures);
    }
}

/// One hub, until so many pictures were looked at: how many it were, and the figures.
async fn round(enough: u64) -> (u64, Value) {
    let house = House::of(KEEPSIGHT, CAMERAS).await;
    let (network, _) = watch::channel(true);
    let mut clients = Vec::new();
    for n in 0..CLIENTS {
        clients.push(house.client(n, network.subscribe()).await);
    }
    let seen = Arc::new(Seen::default());
    let (enough_seen, stop) = watch::channel(false);
    let mut looking = Vec::new();
    for (n, client) in clients.into_iter().enumerate() {
        let others = house.ids.clone();
        looking.push(tokio::spawn(client.look(others, Luck(n as u64 + 1), seen.clone(), stop.clone())));
    }

    let mut luck = Luck(7);
    let mut cuts = 0;
    while cuts < ENOUGH_CUTS || seen.pictures() < enough {
        SystemClock.sleep(Duration::from_secs(3)).await; // the test's own input, as what follows
        // The cameras and the network are gone, and come back in the same moment.
        house.cameras.go_offline().await.expect("they can be taken off the network");
        network.send_replace(false);
        SystemClock.sleep(Duration::from_millis(300 + luck.below(1_200) as u64)).await;
        house.cameras.go_online().await.expect("they can come back");
        network.send_replace(true);
        // And the hub gets a fifth of a core while they do.
        for _ in 0..20 {
            house.starve(Duration::from_millis(80)).await;
            SystemClock.sleep(Duration::from_millis(20)).await;
        }
        cuts += 1;
        assert!(cuts < 40 + enough as u32 / 100, "it gets nowhere: {seen:?}");
        assert!(looking.iter().all(|task| !task.is_finished()), "somebody saw what is not theirs: see above");
    }
    enough_seen.send_replace(true);
    for task in looking {
        task.await.expect("nobody saw anything foreign");
    }
    println_for_the_log(&format!("{cuts} cuts; {seen:?}"));
    for (door, count) in seen.doors() {
        assert!(count.load(Ordering::Relaxed) > 0, "{door} was tried, too");
    }
    assert!(seen.refused.load(Ordering::Relaxed) > CLIENTS as u64, "others' cameras were asked for, too");
    // A picture that nobody can read is one that nobody has looked at.
    assert!(seen.unreadable.load(Ordering::Relaxed) * 100 <= seen.pictures(), "{seen:?}");
    house.process.stop().await;
    let mut figures = json!({"cuts": cuts, "pictures": seen.pictures()}); // a foreign one ended it
    for (name, count) in seen.doors().into_iter().chain([("unreadable", &seen.unreadable), ("refused", &seen.refused)])
    {
        figures[name] = json!(count.load(Ordering::Relaxed));
    }
    (seen.pictures(), figures)
}

/// The owner holds the keys of all cameras. With a look-up that gives another camera's keys, everything that opens anything ends in an
/// error, for the owner of both too.
#[tokio::test(flavor = "multi_thread")]
async fn mix_up_within_the_hub_ends_in_errors_and_shows_nothing() {
    assert!(Path::new(SWITCHED).exists(), "{SWITCHED} is missing: run scripts/switched, as scripts/test does");
    let house = House::of(SWITCHED, 4).await;
    let id = |n: usize| &house.ids[n];
    let member = {
        let grants: Vec<_> = (0..2).map(|n| grant(id(n), &["live", "playback", "export"])).collect();
        testkit::people::invited(&house.owner, "Mia", json!(grants)).await.0
    };
    for (client, cameras) in [(&house.owner, 4), (&member, 2)] {
        for n in 0..cameras {
            let span = span(Duration::from_secs(60));
            for path in ["snapshot.jpg".to_owned(), format!("playback.mp4?{span}"), format!("export.mp4?{span}")] {
                let answer = client.get(&format!("/api/v1/cameras/{}/{path}", id(n))).await;
                assert!(answer.status >= 400, "{path} of camera {n} answers {}", answer.status);
                let kind = answer.header("content-type");
                assert_eq!(kind, "application/problem+json", "{path} of camera {n}");
            }
            let live = client.websocket(&format!("/api/v1/cameras/{}/live", id(n))).await;
            match live {
                Err(tungstenite::Error::Http(answer)) => assert!(answer.status().is_client_error()),
                Err(e) => panic!("it is refused in order, not by {e}"),
                Ok(_) => panic!("live pictures of camera {n} by another camera's keys"),
            }
        }
    }
    // It records all the same: to seal it needs no look-up.
    house.owner.wait_recording(&house.ids, Duration::from_secs(5)).await;
    house.process.stop().await;
}

/// A hub with its cameras.
struct House {
    home: Home,
    cameras: Simulator,
    process: HubProcess,
    owner: Client,
    ids: Vec<String>,
}

impl House {
    async fn of(binary: &str, cameras: u16) -> House {
        let home = Home::new();
        let cameras = testkit::cameras(cameras).await;
        let process = HubProcess::start(Path::new(binary), &home).await;
        let (owner, _) = hub::claim(Path::new(binary), &home).await;
        let mut ids = Vec::new();
        for (i, camera) in cameras.addresses().iter().enumerate() {
            ids.push(owner.add_camera(&format!("Camera {i}"), &camera.main).await);
        }
        owner.wait_recording(&ids, Duration::from_secs(30)).await;
        House { home, cameras, process, owner, ids }
    }

    /// Client `n`, who may see one camera: all of it, or live only, or what was recorded only.
    async fn client(&self, n: usize, network: watch::Receiver<bool>) -> OneOfMany {
        let camera = n % self.ids.len();
        let words: &[&str] = match n / self.ids.len() {
            0 => &["live", "playback", "export"],
            _ if n.is_multiple_of(2) => &["live"],
            _ => &["playback"],
        };
        let grants = json!([grant(&self.ids[camera], words)]);
        let port = way_to(self.home.port, n, network).await;
        let mut client = Client::new(port, &self.home.root_pem());
        let name = format!("Client {n}");
        if n < PEOPLE {
            let body = json!({"name": name, "grants": grants});
            let invitation = self.owner.post("/api/v1/invitations", body).await.expect(201).json();
            client.accept(invitation["secret"].as_str().expect("a secret")).await;
        } else {
            let made = self.owner.post("/api/v1/tokens", json!({"name": name, "grants": grants})).await.expect(201);
            client = client.with_token(made.json()["token"].as_str().expect("a token"));
        }
        let (live, recorded, export) =
            (words.contains(&"live"), words.contains(&"playback"), words.contains(&"export"));
        let scratch = self.home.scratch(&format!("client-{n}.mp4"));
        OneOfMany { client, id: self.ids[camera].clone(), number: camera as u16 + 1, live, recorded, export, scratch }
    }

    /// The hub gets no processor for so long.
    async fn starve(&self, time: Duration) {
        let pid = Pid::from_raw(self.process.pid().cast_signed());
        kill(pid, Signal::SIGSTOP).expect("it runs");
        SystemClock.sleep(time).await;
        kill(pid, Signal::SIGCONT).expect("it is there");
    }
}

fn grant(camera: &str, rights: &[&str]) -> Value {
    json!({"camera": camera, "rights": rights})
}

/// A query for the last so many seconds.
fn span(back: Duration) -> String {
    let now: Timestamp = SystemClock.wall();
    format!("from={}&to={now}", now - back)
}

/// A way to the hub that can be cut, from an address of its own, as every phone has one: its port.
async fn way_to(hub: u16, n: usize, network: watch::Receiver<bool>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    tokio::spawn(async move {
        while let Ok((phone, _)) = listener.accept().await {
            let mut network = network.clone();
            if *network.borrow_and_update() {
                tokio::spawn(async move {
                    tokio::select! {
                        _ = network.wait_for(|up| !up) => {}
                        () = carry(phone, hub, n) => {}
                    }
                });
            }
        }
    });
    port
}

async fn carry(mut phone: TcpStream, hub: u16, n: usize) {
    let connect = async {
        let socket = TcpSocket::new_v4()?;
        socket.bind(([127, 0, 1, n as u8 + 1], 0).into())?;
        let mut hub = socket.connect(([127, 0, 0, 1], hub).into()).await?;
        tokio::io::copy_bidirectional(&mut phone, &mut hub).await
    };
    let _ = connect.await; // cut by either side
}

/// What all clients together saw.
#[derive(Debug, Default)]
struct Seen {
    live: AtomicU64,
    playback: AtomicU64,
    export: AtomicU64,
    snapshot: AtomicU64,
    unreadable: AtomicU64,
    /// Requests for others' cameras.
    refused: AtomicU64,
}

impl Seen {
    fn doors(&self) -> [(&'static str, &AtomicU64); 4] {
        [("live", &self.live), ("playback", &self.playback), ("export", &self.export), ("snapshot", &self.snapshot)]
    }

    fn pictures(&self) -> u64 {
        self.doors().iter().map(|(_, count)| count.load(Ordering::Relaxed)).sum()
    }
}

/// Decoders at a time: the hub wants a core, too.
static DECODERS: Semaphore = Semaphore::const_new(2);

struct OneOfMany {
    client: Client,
    /// The camera that was granted.
    id: String,
    /// What the marks of its pictures say.
    number: u16,
    live: bool,
    recorded: bool,
    export: bool,
    scratch: std::path::PathBuf,
}

/// What came of an answer, whole or not; `None` if nothing did.
type Got = Option<(u16, Vec<u8>)>;

impl OneOfMany {
    /// Looks at its own camera and asks for others', until it is enough. Panics at the first foreign picture.
    async fn look(self, others: Vec<String>, mut luck: Luck, seen: Arc<Seen>, stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            match luck.below(6) {
                0 | 1 if self.live => self.look_live(10 + luck.below(30), &seen.live, &seen).await,
                2 if self.live => self.fetch("snapshot.jpg", &seen.snapshot, &seen).await,
                3 if self.recorded => {
                    let path = format!("playback.mp4?{}", span(Duration::from_secs(4 + luck.below(8) as u64)));
                    self.fetch(&path, &seen.playback, &seen).await;
                }
                4 if self.export => {
                    let path = format!("export.mp4?{}", span(Duration::from_secs(4 + luck.below(8) as u64)));
                    self.fetch(&path, &seen.export, &seen).await;
                }
                5 => {
                    self.sees_only_its_own().await;
                    let other = &others[luck.below(others.len())];
                    if *other != self.id {
                        self.is_refused(other, &seen).await;
                    }
                }
                _ => {}
            }
        }
    }

    async fn look_live(&self, pictures: usize, count: &AtomicU64, seen: &Seen) {
        let Ok(mut live) = self.client.websocket(&format!("/api/v1/cameras/{}/live", self.id)).await else {
            return SystemClock.sleep(Duration::from_millis(50)).await; // the network is cut: not in a tight circle
        };
        let (mut film, mut parts) = (Vec::new(), 0);
        loop {
            match live.next().await {
                Some(Message::Binary(part)) => {
                    film.extend_from_slice(&part);
                    parts += 1;
                }
                Some(Message::Text(_)) if parts == 0 => {}
                // The camera came back with something new: what was seen so far is a film by itself.
                _ => break,
            }
            if parts > pictures {
                break;
            }
        }
        self.check(film, count, seen).await;
    }

    async fn fetch(&self, path: &str, count: &AtomicU64, seen: &Seen) {
        match self.get(&format!("/api/v1/cameras/{}/{path}", self.id)).await {
            Some((200, film)) => self.check(film, count, seen).await,
            // Nothing was recorded just then, the camera is away, too many ask at once.
            Some((404 | 429 | 503 | 412, _)) | None => SystemClock.sleep(Duration::from_millis(50)).await,
            Some((status, body)) => panic!("{path} answers {status}: {}", String::from_utf8_lossy(&body)),
        }
    }

    /// Asks, and takes what comes until it is cut.
    async fn get(&self, path: &str) -> Got {
        let mut answer = self.client.prepare(Method::GET, path).send().await.ok()?;
        let (status, mut body) = (answer.status().as_u16(), Vec::new());
        while let Ok(Some(part)) = answer.chunk().await {
            body.extend_from_slice(&part);
        }
        Some((status, body))
    }

    /// Every picture of it is the camera's that was asked for.
    async fn check(&self, film: Vec<u8>, count: &AtomicU64, seen: &Seen) {
        let _turn = DECODERS.acquire().await.expect("never closed");
        let scratch = self.scratch.clone();
        let marks = tokio::task::spawn_blocking(move || {
            std::fs::write(&scratch, film).expect("room for a film");
            pictures::marks_in(&scratch, SIZE)
        });
        for mark in marks.await.expect("it can be looked at") {
            match mark {
                Some(mark) if mark.camera == self.number => count.fetch_add(1, Ordering::Relaxed),
                Some(mark) => panic!("camera {} was asked for, camera {} was shown", self.number, mark.camera),
                None => seen.unreadable.fetch_add(1, Ordering::Relaxed),
            };
        }
    }

    /// The lists hold nothing of anybody else.
    async fn sees_only_its_own(&self) {
        if let Some((200, body)) = self.get("/api/v1/cameras").await
            && let Ok(cameras) = serde_json::from_slice::<Value>(&body)
        {
            let ids: Vec<_> = cameras.as_array().expect("a list").iter().map(|c| c["id"].as_str()).collect();
            assert_eq!(ids, [Some(self.id.as_str())]);
        }
        if let Some((200, body)) = self.get("/api/v1/events").await
            && let Ok(events) = serde_json::from_slice::<Value>(&body)
        {
            for event in events["items"].as_array().expect("a list") {
                assert_eq!(event["camera"], self.id.as_str());
            }
        }
    }

    /// Another's camera is not there, whichever way it is asked for.
    async fn is_refused(&self, other: &str, seen: &Seen) {
        let span = span(Duration::from_secs(10));
        for path in ["", "/snapshot.jpg", "/timeline?", "/playback.mp4?", "/export.mp4?"] {
            let query = if path.ends_with('?') { &span[..] } else { "" };
            if let Some((status, body)) = self.get(&format!("/api/v1/cameras/{other}{path}{query}")).await {
                assert!(matches!(status, 404 | 429 | 503), "{path} of another's camera answers {status}");
                assert!(body.len() < 2_048, "a refusal, and no picture");
                seen.refused.fetch_add(u64::from(status == 404), Ordering::Relaxed);
            }
        }
        let live = self.client.websocket(&format!("/api/v1/cameras/{other}/live")).await;
        assert!(live.is_err(), "another's camera live");
    }
}

#[expect(clippy::disallowed_macros, reason = "figures for whoever reads the test's output")]
fn println_for_the_log(line: &str) {
    println!("{line}");
}
