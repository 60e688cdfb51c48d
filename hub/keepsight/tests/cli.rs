//! The command line as scripts and people meet it: the real binary, its exact words and exit codes, against a hub's
//! socket that answers what the test wants.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread::JoinHandle;

use serde_json::{Value, json};

const CAMERA: &str = "01k5xqz3v8e9m2n4p6r7s8t9w0";

#[test]
fn wrong_usage_ends_with_2_and_help_with_0() {
    for bad in [&["--such"][..], &["cameras"], &["cameras", "remove", "../x"], &["cameras", "add", "Garden"], &[]] {
        let output = Home::new().keepsight(bad);
        assert_eq!(output.status.code(), Some(2), "{bad:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{bad:?}");
    }
    for good in [&["--help"][..], &["--version"], &["cameras", "add", "--help"]] {
        let output = Home::new().keepsight(good);
        assert_eq!(output.status.code(), Some(0), "{good:?}");
        assert!(output.stderr.is_empty(), "{good:?}");
    }
}

#[test]
fn a_bad_id_says_what_an_id_is() {
    let output = Home::new().keepsight(&["cameras", "remove", "garden"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(r#""garden" is not a camera id: it must be 26 characters"#), "{said}");
}

#[test]
fn without_a_hub_a_command_says_so_and_what_to_do() {
    let home = Home::new();
    let socket = home.socket();
    let expected = format!(
        "keepsight: No hub is running with this configuration. Nobody listens on {}. Start it with `keepsight run`, or give the right file with --config.\n",
        socket.display()
    );
    assert_said(&home.managed(&["claim-token"]), 1, "", &expected);
    // The socket of a hub that crashed is still there.
    drop(UnixListener::bind(&socket).unwrap());
    assert_said(&home.managed(&["claim-token"]), 1, "", &expected);
}

#[test]
fn a_configuration_that_cannot_be_used_is_an_error_with_its_place() {
    let home = Home::new();
    std::fs::write(home.config(), "[api]\nport = 1\n").unwrap();
    let file = home.config().display().to_string();
    let expected = format!(
        "keepsight: The configuration cannot be used. {file}, line 2: \"port\" is not a setting of [api]; allowed is `https` or `http`. Correct the file and start again.\n"
    );
    assert_said(&home.managed(&["claim-token"]), 1, "", &expected);

    let output = home.managed(&["claim-token", "--json"]);
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!((output.status.code(), &error["code"]), (Some(1), &json!("bad-config")));
}

#[test]
fn the_claim_token_is_printed_and_nothing_else() {
    let home = Home::new();
    let hub = home.answers("200 OK", "abcd-efgh\n");
    assert_said(&home.managed(&["claim-token"]), 0, "abcd-efgh\n", "");
    assert_eq!(hub.join().unwrap(), ("GET /local/claim-token HTTP/1.1".into(), String::new()));
}

#[test]
fn a_problem_of_the_hub_is_told_in_the_catalogues_words() {
    let home = Home::new();
    let document = json!({ "code": "already-claimed", "title": "other words", "status": 409, "detail": "Since May" });
    home.answers("409 Conflict", &document.to_string());
    let expected =
        "keepsight: This hub has an owner already. Since May. Sign in, or ask the owner for an invitation.\n";
    assert_said(&home.managed(&["claim-token"]), 1, "", expected);

    home.answers("418 Teapot", r#"{"code":"from-the-future","title":"Teapot."}"#);
    let output = home.managed(&["claim-token"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("status 418: Teapot."));
}

#[test]
fn an_answer_that_is_no_answer_is_an_error() {
    for bad in ["not HTTP at all\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort", ""] {
        let home = Home::new();
        home.serves(bad.into());
        let output = home.managed(&["cameras", "list"]);
        assert_eq!((output.status.code(), output.stdout), (Some(1), vec![]), "{bad:?}");
    }
    let home = Home::new();
    home.answers("200 OK", "[{");
    assert_eq!(home.managed(&["cameras", "list"]).status.code(), Some(1));
}

#[test]
fn cameras_are_listed_for_people_and_for_scripts() {
    let cameras = json!([
        { "id": CAMERA, "name": "Garden", "state": "recording", "codec": "avc1.640028", "last_fragment_at": "2026-01-01T00:00:00Z" },
        { "id": CAMERA, "name": "Up\u{1b}[2J", "state": "unreachable", "codec": null },
    ]);
    let home = Home::new();
    home.answers("200 OK", &cameras.to_string());
    let expected = format!(
        "ID                          NAME    STATE        CODEC        LAST FRAGMENT\n\
         {CAMERA}  Garden  recording    avc1.640028  2026-01-01T00:00:00Z\n\
         {CAMERA}  Up\u{fffd}[2J  unreachable  -            -\n"
    );
    assert_said(&home.managed(&["cameras", "list"]), 0, &expected, "");

    home.answers("200 OK", &cameras.to_string());
    let output = home.managed(&["cameras", "list", "--json"]);
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), cameras);
}

#[test]
fn a_camera_is_added_with_its_password_from_a_file() {
    let home = Home::new();
    let file = home.path("password");
    std::fs::write(&file, "s3cret\nnot this line\n").unwrap();
    let hub = home.answers("201 Created", &json!({ "id": CAMERA, "name": "Garden" }).to_string());
    let file = file.display().to_string();
    let arguments = ["cameras", "add", "Garden", "rtsp://h/main", "--sub", "rtsp://h/sub"];
    let secret = ["--username", "admin", "--password-file", &file];
    assert_said(&home.managed(&[&arguments[..], &secret].concat()), 0, &format!("Added Garden: {CAMERA}\n"), "");
    let (request, body) = hub.join().unwrap();
    assert_eq!(request, "POST /api/v1/cameras HTTP/1.1");
    assert_eq!(
        serde_json::from_str::<Value>(&body).unwrap(),
        json!({
            "name": "Garden",
            "main": { "url": "rtsp://h/main", "username": "admin", "password": "s3cret" },
            "sub": { "url": "rtsp://h/sub", "username": "admin", "password": "s3cret" },
        })
    );
}

#[test]
fn a_transport_and_a_certificate_go_along() {
    let home = Home::new();
    let hub = home.answers("200 OK", r#"{"codec":"avc1.640028"}"#);
    let probe = ["cameras", "probe", "rtsps://h/x", "--transport", "tcp", "--certificate", "AB:CD"];
    assert_eq!(home.managed(&probe).status.code(), Some(0));
    let (_, body) = hub.join().unwrap();
    let sent: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(sent, json!({ "url": "rtsps://h/x", "transport": "tcp", "certificate": "AB:CD" }));
    let output = home.managed(&["cameras", "probe", "rtsp://h/x", "--transport", "pigeon"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("give auto, tcp, udp or multicast"));
}

#[test]
fn a_camera_is_removed_by_its_id() {
    let home = Home::new();
    let hub = home.answers("204 No Content", "");
    assert_said(&home.managed(&["cameras", "remove", CAMERA]), 0, &format!("Removed {CAMERA}\n"), "");
    assert_eq!(hub.join().unwrap().0, format!("DELETE /api/v1/cameras/{CAMERA} HTTP/1.1"));
}

#[test]
fn a_probe_shows_what_the_camera_sends() {
    let home = Home::new();
    let hub = home.answers("200 OK", r#"{"codec":"avc1.640028","audio":null}"#);
    let expected = "WHAT   VALUE\naudio  -\ncodec  avc1.640028\n";
    assert_said(&home.managed(&["cameras", "probe", "rtsp://h/x"]), 0, expected, "");
    let (request, body) = hub.join().unwrap();
    assert_eq!((request.as_str(), body.as_str()), ("POST /api/v1/cameras/probe HTTP/1.1", r#"{"url":"rtsp://h/x"}"#));
}

#[test]
fn a_password_file_without_a_password_is_an_error() {
    let home = Home::new();
    let file = home.path("password");
    for (content, wrong) in
        [("\n", "has no password in its first line"), (&"x".repeat(1_025), "longer than 1024 bytes")]
    {
        std::fs::write(&file, content).unwrap();
        let shown = file.display().to_string();
        let output =
            home.managed(&["cameras", "probe", "rtsp://h/x", "--username", "admin", "--password-file", &shown]);
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8(output.stderr).unwrap().contains(wrong));
    }
}

fn assert_said(output: &Output, code: i32, stdout: &str, stderr: &str) {
    let said = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!((said.0.as_ref(), said.1.as_ref(), output.status.code()), (stdout, stderr, Some(code)));
}

/// A folder with a configuration, and in it perhaps the socket of a hub.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let home = Home(tempfile::tempdir().unwrap());
        std::fs::write(home.config(), format!("[paths]\ndata = {:?}\n", home.0.path())).unwrap();
        home
    }
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    fn config(&self) -> PathBuf {
        self.path("keepsight.toml")
    }
    fn socket(&self) -> PathBuf {
        self.path("hub.sock")
    }
    fn keepsight(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(Path::new(env!("CARGO_BIN_EXE_keepsight")));
        command.args(arguments).env_remove("KEEPSIGHT_LOG").env_remove("JOURNAL_STREAM").output().unwrap()
    }
    /// With this home's configuration.
    fn managed(&self, arguments: &[&str]) -> Output {
        let config = self.config().display().to_string();
        self.keepsight(&[arguments, &["--config", &config]].concat())
    }
    /// A hub that answers one request; gives its request line and body.
    fn answers(&self, status: &str, body: &str) -> JoinHandle<(String, String)> {
        let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        self.serves(format!("HTTP/1.1 {status}\r\n{length}\r\n{body}"))
    }
    fn serves(&self, answer: String) -> JoinHandle<(String, String)> {
        let _ = std::fs::remove_file(self.socket());
        let listener = UnixListener::bind(self.socket()).unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 1024];
            let (head, body) = loop {
                let n = stream.read(&mut buffer).unwrap();
                request.extend_from_slice(&buffer[..n]);
                let text = String::from_utf8(request.clone()).unwrap();
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")).unwrap_or("0");
                if body.len() >= length.parse().unwrap() {
                    break (head.to_owned(), body.to_owned());
                }
            };
            stream.write_all(answer.as_bytes()).unwrap();
            (head.lines().next().unwrap().to_owned(), body)
        })
    }
}
