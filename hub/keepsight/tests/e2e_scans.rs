//! Scanners that others wrote, against a real hub: sslyze for its TLS, schemathesis for every route of its API.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};
use testkit::client::PASSWORD;
use testkit::hub::{self, Home, HubProcess};
use testkit::tools;

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");

#[tokio::test]
async fn e2e_sslyze_finds_tls_1_2_and_1_3_and_nothing_to_say_against_them() {
    let home = Home::new();
    let process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let report = home.scratch("sslyze.json");
    let mut command = Command::new(tools::python("sslyze"));
    command.args([
        "--sslv2",
        "--sslv3",
        "--tlsv1",
        "--tlsv1_1",
        "--tlsv1_2",
        "--tlsv1_3",
        "--certinfo",
        "--openssl_ccs",
    ]);
    command.args(["--heartbleed", "--robot", "--reneg", "--compression", "--fallback", "--early_data", "--ems"]);
    command.args(["--elliptic_curves", "--mozilla_config=disable", "--quiet"]);
    command.arg("--certinfo_ca_file").arg(home.data().join("root.pem")).arg("--json_out").arg(&report);
    let done = run(command.arg(format!("localhost:{}", home.port))).await;
    assert!(done.status.success(), "{}", said(&done));

    let report: Value = serde_json::from_slice(&std::fs::read(report).expect("a report")).expect("JSON");
    let scan = &report["server_scan_results"][0];
    assert_eq!(scan["scan_status"], "COMPLETED", "{scan}");
    let result = |name: &str| {
        let part = &scan["scan_result"][name];
        assert_eq!(part["status"], "COMPLETED", "{name}: {part}");
        part["result"].clone()
    };
    let accepted = |version: &str| -> Vec<String> {
        let suites = result(&format!("{version}_cipher_suites"))["accepted_cipher_suites"].clone();
        let names = suites.as_array().expect("a list").iter().map(|s| s["cipher_suite"]["name"].as_str());
        names.map(|name| name.expect("a name").to_owned()).collect()
    };
    for old in ["ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"] {
        assert!(accepted(old).is_empty(), "{old}: {:?}", accepted(old));
    }
    for new in ["tls_1_2", "tls_1_3"] {
        let suites = accepted(new);
        assert!(!suites.is_empty(), "{new}");
        for suite in suites {
            // Authenticated encryption, and in 1.2 keys of one connection's own; in 1.3 there are no others.
            let sealed = suite.contains("_GCM_") || suite.contains("_POLY1305_");
            assert!(sealed && (new == "tls_1_3" || suite.starts_with("TLS_ECDHE_")), "{suite}");
        }
    }
    for (name, field, good) in [
        ("tls_compression", "supports_compression", json!(false)),
        ("tls_1_3_early_data", "supports_early_data", json!(false)),
        ("openssl_ccs_injection", "is_vulnerable_to_ccs_injection", json!(false)),
        ("heartbleed", "is_vulnerable_to_heartbleed", json!(false)),
        ("robot", "robot_result", json!("NOT_VULNERABLE_RSA_NOT_SUPPORTED")),
        ("session_renegotiation", "is_vulnerable_to_client_renegotiation_dos", json!(false)),
        ("session_renegotiation", "supports_secure_renegotiation", json!(true)),
        ("tls_fallback_scsv", "supports_fallback_scsv", json!(true)),
        ("tls_extended_master_secret", "supports_ems_extension", json!(true)),
        ("elliptic_curves", "supports_ecdh_key_exchange", json!(true)),
    ] {
        assert_eq!(result(name)[field], good, "{name}");
    }
    let weak =
        |curve: &Value| !["X25519", "secp256r1", "secp384r1"].contains(&curve["name"].as_str().unwrap_or_default());
    let curves = result("elliptic_curves")["supported_curves"].clone();
    assert!(!curves.as_array().expect("a list").iter().any(weak), "{curves}");
    // With the hub's root the chain holds, as on a phone that installed it.
    let shown = result("certificate_info")["certificate_deployments"][0].clone();
    assert_eq!(shown["received_chain_has_valid_order"], true);
    assert_eq!(shown["verified_chain_has_sha1_signature"], false);
    let trusts = shown["path_validation_results"].as_array().expect("a list");
    assert!(trusts.iter().any(|t| t["was_validation_successful"] == true), "{trusts:?}");
    process.stop().await;
}

/// What a camera that does not answer makes of these routes: the hub is well, and says so in a problem document.
const GATEWAY: &str = r#"
[[operations]]
include-path = "/api/v1/cameras/probe"
checks.not_a_server_error.expected-statuses = ["2XX", "4XX", "502"]

[[operations]]
include-path = "/api/v1/cameras/{id}/snapshot.jpg"
checks.not_a_server_error.expected-statuses = ["2XX", "4XX", "503"]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn e2e_schemathesis_as_owner_and_as_member_finds_no_5xx_and_nothing_undocumented() {
    let home = Home::new();
    let simulated = testkit::cameras(2).await;
    let process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    let mut cameras = Vec::new();
    for (name, camera) in ["Front door", "Garden"].into_iter().zip(simulated.addresses()) {
        cameras.push(owner.add_camera(name, &camera.main).await);
    }
    owner.wait_recording(&cameras, Duration::from_secs(20)).await;
    let grants = json!([{"camera": cameras[0], "rights": ["live", "playback"], "expires": null}]);
    let invitation =
        owner.post("/api/v1/invitations", json!({"name": "Max", "grants": grants})).await.expect(201).json();
    let body = json!({"secret": invitation["secret"], "password": PASSWORD, "device": "phone"});
    let accepted = home.client().post("/api/v1/invitations/accept", body).await.expect(201);
    let member = accepted.header("set-cookie").split(';').next().expect("a cookie").to_owned();

    // The member first: the owner's scan may remove whom it finds.
    scan(&home, &member).await;
    scan(&home, owner.cookie().expect("a session")).await;
    // Whatever it did, the owner is still let in, and the hub is whole.
    owner.get("/api/v1/system").await.expect(200);
    let check = Command::new(KEEPSIGHT).args(["check", "--config"]).arg(home.config()).output().expect("it runs");
    assert!(check.status.success(), "{}", said(&check));
    process.stop().await;
}

/// Asks every route what it should and what it should not be asked, as whoever has this session: by `Authorization`, as the
/// document knows that too, and one of its own making would else win over the cookie. Left out is what would take the session
/// away or turn the clock (its own tests have that), and what is no plain question and answer.
async fn scan(home: &Home, cookie: &str) {
    let token = cookie.split_once('=').expect("a cookie").1;
    let config = home.scratch("schemathesis.toml");
    std::fs::write(&config, GATEWAY).expect("a file");
    let mut command = Command::new(tools::python("schemathesis"));
    command.arg("--config-file").arg(&config).arg("run");
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json"));
    command.args(["--url", &format!("https://127.0.0.1:{}", home.port), "--no-color", "--seed", "20261124"]);
    command.arg("--tls-verify").arg(home.data().join("root.pem"));
    command.args(["--header", &format!("Authorization: Bearer {token}")]);
    let checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";
    command.args(["--checks", &format!("{checks},unsupported_method")]);
    command.args(["--phases", "examples,coverage,fuzzing", "--max-examples", "15", "--request-timeout", "60"]);
    // The hub ends connections that asked for nothing for 15 s: one that is ended as it is used again is no finding.
    command.args(["--request-retries", "3"]);
    command.args(["--continue-on-failure", "--exclude-path-regex"]);
    command.arg("^/local/|/(live|stream)$|^/api/v1/(claim|(members/.+/)?sessions/.+|system/time)$");
    command.current_dir(home.scratch(".")); // what it remembers goes with the hub
    let done = run(&mut command).await;
    assert!(done.status.success(), "{}", said(&done));
}

/// Runs a command without holding up what else runs in this process.
async fn run(command: &mut Command) -> Output {
    let mut command = std::mem::replace(command, Command::new("true"));
    let done = tokio::task::spawn_blocking(move || command.output()).await;
    done.expect("no panic").expect("it runs")
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned()).concat()
}
