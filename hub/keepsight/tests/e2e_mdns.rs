//! The hub's name on a network, as Avahi on another machine sees it.

use std::path::Path;
use std::time::Duration;

use http::Method;
use keepsight::sock::HubSocket;
use testkit::avahi::{Avahi, ip};
use testkit::client::raw;
use testkit::gst_server::Network;
use testkit::hub::{Home, HubProcess};
use testkit::wait_for;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");
const SOON: Duration = Duration::from_secs(30);

async fn host(home: &Home) -> String {
    home.system().await["host"].as_str().expect("a name").to_owned()
}

async fn is(home: &Home, state: &str, reason: Option<&str>) -> bool {
    let mdns = home.system().await["mdns"].clone();
    mdns["state"] == state && mdns["reason"].as_str() == reason
}

/// Asks over a connection that stays open.
async fn is_alive(connection: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin)) -> bool {
    connection.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("it is open");
    let mut answer = [0; 4096];
    let read = connection.read(&mut answer).await.expect("it answers");
    String::from_utf8_lossy(&answer[..read]).starts_with("HTTP/1.1 200")
}

#[tokio::test]
async fn e2e_another_machine_finds_the_hub_by_its_name_and_goes_on_finding_it_when_its_address_changes() {
    let network = Network::enter();
    let home = Home::new();
    home.open_to_the_network();
    let hub = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let avahi = Avahi::start(&network, "somebody", &home.scratch("avahi")).await;
    let host = host(&home).await;
    wait_for("the name is answered to", SOON, async || avahi.resolve(&host).as_deref() == Some("10.99.0.1")).await;
    for kind in ["_keepsight._tcp", "_https._tcp"] {
        let here = (host.clone(), "10.99.0.1".to_owned(), home.port.to_string());
        wait_for("the hub is announced", SOON, async || avahi.browse(kind).contains(&here)).await;
    }
    assert!(is(&home, "ok", None).await);

    // A connection is open while the router gives the hub another address.
    let root = home.root_pem();
    let mut kept = raw(("127.0.0.1", home.port), "localhost", &root, &["http/1.1"]).await.expect("a connection");
    assert!(is_alive(&mut kept).await);
    ip("addr del 10.99.0.1/24 dev here");
    ip("addr add 10.99.0.7/24 dev here");
    wait_for("the new address is answered with", Duration::from_secs(60), async || {
        avahi.resolve(&host).as_deref() == Some("10.99.0.7")
    })
    .await;
    // The certificate has it too, without a restart, and nobody was cut off.
    let trusts = async |name: &str| raw(("10.99.0.7", home.port), name, &root, &[]).await.is_ok();
    wait_for("the certificate is good for the new address", SOON, async || trusts("10.99.0.7").await).await;
    assert!(trusts(&host).await && !trusts("10.99.0.1").await);
    assert!(is_alive(&mut kept).await, "the connection from before");

    hub.stop().await;
    wait_for("it said farewell", Duration::from_secs(10), async || avahi.browse("_keepsight._tcp").is_empty()).await;
}

#[tokio::test]
async fn e2e_a_hub_that_starts_without_any_network_says_so_and_is_found_once_there_is_one() {
    let network = Network::enter();
    ip("link set here down");
    let home = Home::new();
    home.open_to_the_network();
    let hub = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    wait_for("it says that there is none", SOON, async || is(&home, "degraded", Some("no_network")).await).await;
    ip("link set here up");
    ip("route replace 224.0.0.0/4 dev here");
    let avahi = Avahi::start(&network, "somebody", &home.scratch("avahi")).await;
    let host = host(&home).await;
    wait_for("the name is answered to", SOON, async || avahi.resolve(&host).as_deref() == Some("10.99.0.1")).await;
    wait_for("it says so", SOON, async || is(&home, "ok", None).await).await;
    // And it goes again.
    ip("link set here down");
    wait_for("it says that it is gone", SOON, async || is(&home, "degraded", Some("no_network")).await).await;
    hub.stop().await;
}

#[tokio::test]
async fn e2e_a_name_that_another_device_has_is_told_of_and_taken_up_again_when_it_is_free() {
    let network = Network::enter();
    let home = Home::new();
    home.open_to_the_network();
    let hub = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let host = host(&home).await;
    hub.stop().await;
    // As it is with a copy of the hub's card: the other one was there first.
    let avahi = Avahi::start(&network, host.trim_end_matches(".local"), &home.scratch("avahi")).await;
    let hub = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    wait_for("it says so", SOON, async || is(&home, "degraded", Some("host_name_taken")).await).await;
    let detail = home.system().await["mdns"]["detail"].as_str().expect("a sentence").to_owned();
    assert!(detail.contains("10.99.0.2") && detail.contains(&host), "{detail}");
    let socket = HubSocket::new(home.data().join("hub.sock"));
    let metrics = socket.request(Method::GET, "/metrics", None).await.expect("the hub answers");
    assert!(String::from_utf8_lossy(&metrics).contains("keepsight_mdns_state{state=\"host_name_taken\"} 1"));
    assert_eq!(avahi.resolve(&host).as_deref(), Some("10.99.0.2"), "the hub keeps quiet");
    assert!(avahi.browse("_keepsight._tcp").is_empty());
    drop(avahi);
    wait_for("it takes its name up again", Duration::from_secs(90), async || is(&home, "ok", None).await).await;
    hub.stop().await;
}
