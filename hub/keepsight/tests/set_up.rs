//! A hub that wakes up without a clock, and the phone that sets it up: by its time the certificate is good.

use std::sync::Arc;
use std::time::Duration;

use base::{Clock, Shutdown, SimClock, SystemClock, TimeSource, Timestamp};
use keepsight::config::Config;
use keepsight::hub::Hub;
use testkit::hub::Home;
use testkit::wait_for;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use vault::Password;

/// The answer's status and body.
async fn ask(port: u16, request: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the set-up page is served");
    let length = body.len();
    let text = format!(
        "{request} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(text.as_bytes()).await.expect("it takes a request");
    let mut said = String::new();
    stream.read_to_string(&mut said).await.expect("it answers");
    let status = said.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status");
    (status, said.split_once("\r\n\r\n").expect("a head").1.to_owned())
}

async fn tell(port: u16, time: Timestamp) -> (u16, String) {
    ask(port, "POST /time", &format!("{{\"time\":\"{time}\"}}")).await
}

/// Would a phone whose clock shows `time` take the hub's certificate?
async fn is_trusted_at(home: &Home, time: Timestamp) -> bool {
    let clock = Arc::new(SimClock::at(time));
    let tls = tls::client_config(&home.root_pem(), clock, &[]).expect("a configuration");
    let stream = TcpStream::connect(("127.0.0.1", home.port)).await.expect("the hub listens");
    let name = "localhost".try_into().expect("a name");
    tokio_rustls::TlsConnector::from(Arc::new(tls)).connect(name, stream).await.is_ok()
}

async fn start(home: &Home, clock: impl Clock) -> Hub {
    Hub::start(Config::load(&home.config()).unwrap(), Arc::new(clock), Shutdown::new()).await.unwrap()
}

#[tokio::test]
async fn an_unclaimed_hub_without_a_clock_takes_the_phones_time_and_makes_its_certificate_anew() {
    let home = Home::new();
    let port = home.with_set_up_page();
    let clock = SimClock::at(Timestamp::UNIX_EPOCH);
    clock.step_wall(Timestamp::UNIX_EPOCH, TimeSource::Unset);
    let hub = start(&home, clock.clone()).await;
    // The card lay in a drawer for years: no phone takes what the hub shows.
    let built = Timestamp::from_second(base::clock::BUILT).unwrap();
    let now = built + Duration::from_secs(1_500 * 24 * 3600);
    assert!(!is_trusted_at(&home, now).await);
    assert!(ask(port, "GET /", "").await.1.contains("<script src=\"/setup.js\""));

    let early = tell(port, built - Duration::from_secs(1)).await;
    assert!(early.0 == 422 && early.1.contains("bad-time"), "{early:?}");
    assert_eq!(home.system().await["time_source"], "unset");
    assert_eq!(tell(port, now).await.0, 204);
    assert!(is_trusted_at(&home, now).await, "at once, without a restart");
    assert!(
        is_trusted_at(&home, now + Duration::from_secs(800 * 24 * 3600)).await,
        "until the hub forgets the time again"
    );
    let system = home.system().await;
    assert_eq!((&system["time_source"], &system["clock"]["state"]), (&"phone".into(), &"ok".into()));

    // Another phone knows better; one that says the same changes nothing, however often it says it.
    let leaf = || std::fs::read(home.data().join("secrets/tls-leaf.pem")).unwrap();
    let made = leaf();
    for _ in 0..30 {
        assert_eq!(tell(port, now + Duration::from_secs(10)).await.0, 204);
    }
    assert_eq!(leaf(), made);
    assert_eq!(tell(port, now + Duration::from_secs(3_600)).await.0, 204);
    assert_ne!(leaf(), made);
    // Whoever tells other times again and again is slowed down.
    let mut refused = 0;
    for n in 0..30_u64 {
        refused += u32::from(tell(port, now + Duration::from_secs(7_200 * n)).await.0 == 429);
    }
    assert!(refused >= 15, "{refused}");

    // After the claim only an owner's session may tell it.
    hub.claim("Olivia", Password::new(testkit::client::PASSWORD.to_owned()).unwrap()).await.unwrap();
    let late = tell(port, now).await;
    assert!(late.0 == 409 && late.1.contains("already-claimed"), "{late:?}");
    assert!(!ask(port, "GET /", "").await.1.contains("<script"));
    stop(hub, &clock).await;
}

#[tokio::test]
async fn a_hub_that_has_the_time_takes_no_phones() {
    let home = Home::new();
    let port = home.with_set_up_page();
    let now: Timestamp = "2027-05-01T12:00:00Z".parse().unwrap();
    for source in [TimeSource::Ntp, TimeSource::Rtc] {
        let clock = SimClock::at(now);
        clock.step_wall(now, source);
        let hub = start(&home, clock.clone()).await;
        let answer = tell(port, now + Duration::from_secs(86_400)).await;
        assert!(answer.0 == 409 && answer.1.contains("time-known"), "{answer:?}");
        assert!(!ask(port, "GET /", "").await.1.contains("<script"));
        stop(hub, &clock).await;
    }
}

#[tokio::test]
async fn a_running_hub_renews_its_certificate_by_itself_at_two_thirds_of_its_life() {
    let home = Home::new();
    let begun: Timestamp = "2027-05-01T12:00:00Z".parse().unwrap();
    let clock = SimClock::at(begun);
    clock.step_wall(begun, TimeSource::Ntp);
    let hub = start(&home, clock.clone()).await;
    let path = home.data().join("secrets/tls-leaf.pem");
    let first = std::fs::read(&path).unwrap();
    let day = |n: u64| begun + Duration::from_secs(n * 24 * 3600);
    clock.step_wall(day(265), TimeSource::Ntp);
    wait_for("it is renewed", Duration::from_secs(20), async || {
        clock.advance(Duration::from_secs(1));
        std::fs::read(&path).unwrap() != first
    })
    .await;
    assert!(is_trusted_at(&home, day(500)).await);
    stop(hub, &clock).await;
}

/// Stops a hub whose time passes by hand.
async fn stop(hub: Hub, clock: &SimClock) {
    let stopping = tokio::spawn(hub.stop());
    while !stopping.is_finished() {
        clock.advance(Duration::from_millis(100));
        SystemClock.sleep(Duration::from_millis(1)).await;
    }
    stopping.await.unwrap();
}
