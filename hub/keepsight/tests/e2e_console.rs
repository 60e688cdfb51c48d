//! How to claim a hub, on the screen at the machine; and nowhere else.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use testkit::hub::{self, Home, HubProcess};
use testkit::wait_for;

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");

/// A command on a terminal of its own, whose screen goes into a file.
fn on_a_terminal(command: &str, screen: &Path) -> std::process::Child {
    let file = std::fs::File::create(screen).expect("a file");
    // `exec`: a shell that waits beside the command (dash does, bash does not) would die of Ctrl-C and be the answer.
    let command = format!("exec {command}");
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &command, "/dev/null"]).env("COLUMNS", "120");
    script.stdin(Stdio::piped()).stdout(file).spawn().expect("script runs: it is part of Debian's base")
}

#[tokio::test]
async fn e2e_the_console_shows_how_to_claim_the_hub_until_somebody_has() {
    let home = Home::new();
    let http = home.with_set_up_page();
    let screen = home.scratch("screen");
    let shows = || std::fs::read_to_string(&screen).unwrap_or_default();
    let mut console = on_a_terminal(&format!("{KEEPSIGHT} run --config {}", home.config().display()), &screen);
    wait_for("the hub answers", Duration::from_secs(20), async || {
        tokio::net::TcpStream::connect(("127.0.0.1", home.port)).await.is_ok()
    })
    .await;
    wait_for("the console shows it", Duration::from_secs(10), async || shows().contains("SHA-256: ")).await;
    let text = shows();
    let token = claim_token(&home, &[]);
    assert!(text.contains(&format!(":{}/#/claim/{token}", home.port)), "{text}");
    assert!(text.contains(&format!("Claim token: {token}")), "{text}");
    assert!(text.contains(&format!(":{http}/ and follow it")), "{text}");
    assert!(text.contains("Claiming is open for 30 more minutes."), "{text}");
    assert!(text.contains('▀') && text.contains('▄'), "a QR code: {text}");
    // The words of the set-up page.
    let claim: Value = serde_json::from_str(&claim_token(&home, &["--json"])).expect("JSON");
    let words: Vec<&str> = claim["words"].as_array().expect("words").iter().filter_map(Value::as_str).collect();
    assert!(words.len() == 4 && text.contains(&words.join(" ")), "{words:?} {text}");
    assert_eq!(claim["claim_token"], token);
    assert!(text.contains(claim["sha256"].as_str().expect("text")));

    // The same by `keepsight claim-token` on a screen.
    let asked = home.scratch("asked");
    let mut asks = on_a_terminal(&format!("{KEEPSIGHT} claim-token --config {}", home.config().display()), &asked);
    assert!(asks.wait().expect("it ends").success());
    let said = std::fs::read_to_string(&asked).expect("text");
    assert!(
        said.contains(&format!("/#/claim/{token}")) && said.contains(&words.join(" ")) && said.contains('▀'),
        "{said}"
    );

    hub::claim(Path::new(KEEPSIGHT), &home).await;
    wait_for("the console says it", Duration::from_secs(10), async || shows().contains("has an owner now")).await;
    use std::io::Write;
    // Held until it has ended, as by somebody who sits there: `wait` would close it, and `script` then types Ctrl-D.
    let mut keyboard = console.stdin.take().expect("a terminal");
    keyboard.write_all(b"\x03").expect("Ctrl-C");
    let ended = console.wait().expect("it ends");
    assert!(ended.success(), "{ended}: {}", shows());
    drop(keyboard);
}

#[tokio::test]
async fn e2e_what_goes_to_a_pipe_or_a_log_says_nothing_of_the_token_but_to_who_asks_for_it() {
    let home = Home::new();
    let out = home.scratch("out");
    // As under systemd, which keeps both.
    let mut command = Command::new("sh");
    command.args(["-c", &format!("exec {KEEPSIGHT} \"$@\" > {}", out.display()), "sh"]);
    let process = HubProcess::start_with(command, &home).await;
    let token = claim_token(&home, &[]);
    assert_eq!((token.len(), token.lines().count()), (32, 1), "the token and nothing else: {token}");
    process.stop().await;
    let plain = token.replace('-', "");
    for file in [out, home.scratch("hub.log")] {
        let text = std::fs::read_to_string(&file).expect("a file");
        assert!(!text.contains(&token) && !text.contains(&plain), "{}", file.display());
    }
}

fn claim_token(home: &Home, arguments: &[&str]) -> String {
    let out = Command::new(KEEPSIGHT).arg("claim-token").args(arguments).arg("--config").arg(home.config()).output();
    let out = out.expect("it runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).trim().to_owned()
}
