//! `keepsight.toml`: what is taken, and the exact words for what is not.

use std::path::Path;

use base::ProblemKind;
use keepsight::config::{AbsolutePath, Api, Config, Limits, Net, Paths, Storage, Update};
use proptest::prelude::*;

const SHIPPED: &str = include_str!("../../../systemd/keepsight.toml");

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(Path::new("keepsight.toml"), text).map_err(|e| e.to_string())
}

#[test]
fn the_shipped_file_is_the_defaults_and_names_every_setting() {
    assert_eq!(parse(SHIPPED), Ok(Config::default()));
    // Were a setting missing in the file, taking the file's settings away one by one would not find all of them.
    let settings = |text: &str| text.lines().filter(|l| l.contains(" = ")).count();
    assert_eq!(settings(SHIPPED.split("[paths]").nth(1).unwrap()), 13);
}

#[test]
fn an_empty_file_is_the_defaults() {
    assert_eq!(parse(""), Ok(Config::default()));
    assert_eq!(parse("[paths]\n[api]\n[limits]\n"), Ok(Config::default()));
}

#[test]
fn every_setting_is_taken() {
    let text = r#"
        paths.data = "/data/./hub//"
        paths.footage = "/mnt/disk"
        [api]
        https = ["127.0.0.1:8443", "[::1]:8443"]
        http = []
        [limits]
        cameras = +1
        connections = 1_6
        connections_per_address = 0x10
        [storage]
        reserve = "0MB"
        budget = "2 TiB"
        [net]
        mdns = false
        [update]
        gate = "30 s"
        image = "/opt/image.toml"
    "#;
    let path = |p: &str| AbsolutePath::new(p).unwrap();
    let expected = Config {
        paths: Paths::new(path("/data/hub"), path("/mnt/disk")).unwrap(),
        api: Api::new(vec!["127.0.0.1:8443".parse().unwrap(), "[::1]:8443".parse().unwrap()], vec![]).unwrap(),
        limits: Limits::new(1, 16, 16).unwrap(),
        storage: Storage::new(0, Some(2 << 40)).unwrap(),
        net: Net { mdns: false, ..Net::default() },
        update: Update::new(std::time::Duration::from_secs(30)).unwrap().with_image("/opt/image.toml"),
    };
    assert_eq!(parse(text), Ok(expected));
}

#[test]
fn who_moves_data_moves_footage_with_it() {
    let config = parse("[paths]\ndata = \"/srv/hub\"").unwrap();
    assert_eq!(config.paths.footage(), Path::new("/srv/hub/footage"));
    assert_eq!(config.paths.socket(), Path::new("/srv/hub/hub.sock"));
}

#[test]
fn free_ports_may_stand_more_than_once() {
    assert!(parse("[api]\nhttps = [\"[::]:0\", \"[::]:0\"]\nhttp = [\"[::]:0\"]").is_ok());
}

#[test]
fn every_bad_file_has_its_exact_error() {
    let many = format!("[api]\nhttp = [{}]", "\"[::]:0\",".repeat(17));
    let table: &[(&str, &str)] = &[
        // Not TOML.
        (
            "[paths\ndata = 1",
            r#"line 1: "[paths" is not TOML (unclosed table, expected `]`); allowed is a line like `key = value` or `[section]`"#,
        ),
        (
            "[paths]\ndata = /srv",
            r#"line 2: "data = /srv" is not TOML (string values must be quoted, expected literal string); allowed is a line like `key = value` or `[section]`"#,
        ),
        (
            "[paths]\ndata = \"/a\"\ndata = \"/b\"",
            r#"line 3: "data = \"/b\"" is not TOML (duplicate key); allowed is a line like `key = value` or `[section]`"#,
        ),
        // Unknown keys.
        (
            "[path]\n",
            r#"line 1: "path" is not a section; allowed is one of the sections `paths`, `api`, `limits`, `storage`, `net` or `update`"#,
        ),
        (
            "# first\n\ndata = \"/srv\"",
            r#"line 3: "data" stands outside of every section; allowed is one of the sections `paths`, `api`, `limits`, `storage`, `net` or `update`"#,
        ),
        (
            "[paths]\ndata = \"/srv\"\nfotage = \"/mnt\"",
            r#"line 3: "fotage" is not a setting of [paths]; allowed is `data` or `footage`"#,
        ),
        (
            "[limits]\nz = 1\na = 1",
            r#"line 2: "z" is not a setting of [limits]; allowed is `cameras`, `connections` or `connections_per_address`"#,
        ),
        // Wrong types.
        ("api = 5", r#"line 1: `api` is a number; allowed is a section [api] with `https` or `http`"#),
        ("[paths]\ndata = true", r#"line 2: `paths.data` is true or false; allowed is a text in quotes"#),
        ("[api]\nhttps = \"[::]:443\"", r#"line 2: `api.https` is a text; allowed is a list of texts in quotes"#),
        (
            "[api]\nhttps = [\n  \"[::]:443\",\n  443,\n]",
            r#"line 4: `api.https` has a number in it; allowed is a list of texts in quotes"#,
        ),
        (
            "[update]\ngate = \"90 min\"",
            r#"line 2: `update.gate` = "90 min" is too short or too long; allowed is a whole number with s or min, from "1 s" to "60 min""#,
        ),
        (
            "[update]\nimage = \"image.toml\"",
            r#"line 2: `update.image` = "image.toml" is not a path from the root; allowed is a file's path from the root, such as "/usr/lib/keepsight/image.toml""#,
        ),
        (
            "[update]\ngate = \"soon\"",
            r#"line 2: `update.gate` = "soon" is not a time; allowed is a whole number with s or min, from "1 s" to "60 min""#,
        ),
        ("[net]\nmdns = \"on\"", r#"line 2: `net.mdns` is a text; allowed is true or false"#),
        ("[limits]\ncameras = \"8\"", r#"line 2: `limits.cameras` is a text; allowed is a whole number"#),
        (
            "[limits]\ncameras = 8.0",
            r#"line 2: `limits.cameras` is a number with a fraction; allowed is a whole number"#,
        ),
        // Wrong values.
        (
            "[paths]\ndata = \"var/lib\"",
            r#"line 2: `paths.data` = "var/lib" is not a path from the root; allowed is a folder's path from the root, without "..", such as "/var/lib/keepsight""#,
        ),
        (
            "[paths]\ndata = \"/var/../srv\"",
            r#"line 2: `paths.data` = "/var/../srv" has ".." in it; allowed is a folder's path from the root, without "..", such as "/var/lib/keepsight""#,
        ),
        (
            "[paths]\nfootage = \"//./\"",
            r#"line 2: `paths.footage` = "//./" is the root of all files; allowed is a folder's path from the root, without "..", such as "/var/lib/keepsight""#,
        ),
        (
            "[paths]\ndata = \"/srv/hub\"\nfootage = \"/srv\"",
            "line 3: `paths.footage` is or contains paths.data, so that secrets would lie among the footage; allowed is a folder of its own, on its own disk or inside paths.data, where secrets, store and export are taken",
        ),
        (
            "[paths]\ndata = \"/srv\"\nfootage = \"/srv/store/x\"",
            "line 3: `paths.footage` is one of the hub's own folders inside paths.data; allowed is a folder of its own, on its own disk or inside paths.data, where secrets, store and export are taken",
        ),
        (
            "[api]\nhttps = [\"localhost:443\"]",
            r#"line 2: `api.https` = "localhost:443" is not an address; allowed is an IP address with its port, such as "[::]:443" or "192.168.1.2:8443""#,
        ),
        (
            "[api]\nhttps = []",
            r#"line 2: `api.https` is empty, and without it nobody could reach the hub; allowed is a list of at least one, such as ["[::]:443"]"#,
        ),
        (
            "[api]\nhttps = [\"[::]:1\", \"[::]:1\"]",
            "line 2: `api.https` has [::]:1 twice; allowed is each address once",
        ),
        (
            "[api]\nhttp = [\"[::]:443\"]",
            "line 2: `api.http` has [::]:443, which stands in api.https too; allowed is another port, or [] for none",
        ),
        (
            "[api]\nhttps = [\"[::]:80\"]",
            "line 1: `api.http` (its default) has [::]:80, which stands in api.https too; allowed is another port, or [] for none",
        ),
        (&many, "line 2: `api.http` has 17 addresses; allowed is a list of at most 16"),
        ("[limits]\ncameras = 0", "line 2: `limits.cameras` is 0; allowed is a whole number from 1 to 256"),
        ("[limits]\ncameras = 257", "line 2: `limits.cameras` is 257; allowed is a whole number from 1 to 256"),
        (
            "[limits]\nconnections = 99999999999999999999",
            "line 2: `limits.connections` is 9223372036854775807; allowed is a whole number from 16 to 65536",
        ),
        (
            "[limits]\nconnections = 20\nconnections_per_address = 21",
            "line 3: `limits.connections_per_address` is 21; allowed is a whole number from 1 to 20",
        ),
        (
            "[storage]\nreserve = \"10%\"",
            r#"line 2: `storage.reserve` = "10%" is not a size; allowed is a whole number with MB, GB, TB, MiB, GiB or TiB, such as "500 GB""#,
        ),
        (
            "[storage]\nbudget = \"9999999 TB\"",
            r#"line 2: `storage.budget` = "9999999 TB" is not a size; allowed is "all", or a whole number with MB, GB, TB, MiB, GiB or TiB, such as "500 GB""#,
        ),
        (
            "[storage]\nbudget = \"31 MiB\"",
            r#"line 2: `storage.budget` is too little for footage; allowed is "all", or a size from 32 MiB on"#,
        ),
    ];
    for (text, expected) in table {
        assert_eq!(parse(text), Err(format!("keepsight.toml, {expected}")), "\n{text}");
    }
}

#[test]
fn a_person_is_told_what_happened_where_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("keepsight.toml");
    let shown = file.display();

    let problem = Config::load(&file).unwrap_err();
    assert_eq!(problem.kind, ProblemKind::NoConfig);
    assert_eq!(
        problem.to_string(),
        format!(
            "The configuration cannot be read. cannot read {shown}: No such file or directory (os error 2). Check the path, or give another one with --config."
        )
    );

    std::fs::write(&file, "[limits]\ncamera = 4\n").unwrap();
    assert_eq!(
        Config::load(&file).unwrap_err().to_string(),
        format!(
            "The configuration cannot be used. {shown}, line 2: \"camera\" is not a setting of [limits]; allowed is `cameras`, `connections` or `connections_per_address`. Correct the file and start again."
        )
    );

    std::fs::write(&file, b"[paths]\n# \xff\n").unwrap();
    assert!(Config::load(&file).unwrap_err().to_string().contains("line 2: the text is not UTF-8"));

    std::fs::write(&file, vec![b'#'; 64 * 1024 + 1]).unwrap();
    assert_eq!(Config::load(&file).unwrap_err().kind, ProblemKind::NoConfig);
    std::fs::write(&file, vec![b'#'; 64 * 1024]).unwrap();
    assert_eq!(Config::load(&file), Ok(Config::default()));
}

proptest! {
    #[test]
    fn no_text_panics_and_every_error_names_a_line_of_the_file(text in "\\PC{0,200}") {
        check_error(&text);
    }

    /// Texts that look like the file more than random ones do: its own, with a part cut out and another put in.
    #[test]
    fn no_broken_file_panics(from in 0usize..SHIPPED.len(), len in 0usize..40, insert in "[\\[\\]\"='#.\\n a-z0-9]{0,12}") {
        let to = (from + len).min(SHIPPED.len());
        check_error(&format!("{}{insert}{}", &SHIPPED[..from], &SHIPPED[to..]));
    }
}

fn check_error(text: &str) {
    if let Err(e) = Config::parse(Path::new("f"), text) {
        assert!(e.line >= 1 && e.line <= text.lines().count() + 1, "{e}");
        assert!(!e.to_string().contains('\n') && e.to_string().len() < 1_000, "{e}");
    }
}
