//! Promise 2: what lies on the disk shows nothing, and whoever holds the keys can open it without this software.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use testkit::client::PASSWORD;
use testkit::hub::{self, Home, HubProcess};
use testkit::pictures;
use testkit::search::{files, search};

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");

#[tokio::test]
async fn e2e_nothing_readable_lies_on_the_disk_and_the_keys_open_everything() {
    let home = Home::new();
    let cameras = testkit::cameras(2).await;
    let hub = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let (owner, kit) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    let mut ids = Vec::new();
    for (i, url) in cameras.addresses().iter().enumerate() {
        ids.push(owner.add_camera(&format!("Camera {i}"), &url.main).await);
    }
    owner.wait_recording(&ids, Duration::from_secs(20)).await;

    // Pictures that are known to be recorded, in the clear: taken live, then played back.
    let mut needles = Vec::new();
    for id in &ids {
        let mut live = owner.websocket(&format!("/api/v1/cameras/{id}/live")).await.expect("live opens");
        let (_, _, fragments) = live.collect(60).await;
        // From the middle of a picture: the boxes around it are not the same in the file.
        let pictures = fragments.iter().filter(|f| f.len() > 1_500).take(8);
        needles.extend(pictures.map(|f| (format!("a picture of {id}"), f[f.len() / 2..][..32].to_vec())));
    }
    assert!(needles.len() >= 8, "{} known pictures", needles.len());
    let mut segments = Vec::new();
    testkit::wait_for("what was seen live is on disk", Duration::from_secs(20), async || {
        let mut seen = 0;
        segments.clear();
        for id in &ids {
            let spans = owner.segments(id).await;
            let (from, to) = (spans.first().expect("a segment").0, spans.last().expect("a segment").1);
            let film = owner.playback(id, from, to).await.expect(200).body;
            seen += needles.iter().filter(|(_, n)| film.windows(n.len()).any(|w| w == n)).count();
            segments.push((from, to));
        }
        seen == needles.len()
    })
    .await;

    // A key as its owner exports it; it opens nothing that is recorded after.
    let key = owner.post(&format!("/api/v1/cameras/{}/key", ids[0]), json!({"password": PASSWORD})).await.expect(200);
    let key_file = home.scratch("exported.txt");
    std::fs::write(&key_file, &key.body).unwrap();
    let exported = String::from_utf8_lossy(&key.body).into_owned();
    hub.stop().await;

    for line in exported.lines().filter(|l| l.starts_with("AGE-SECRET-KEY-1")) {
        needles.push(("an exported key".into(), line.as_bytes().to_vec()));
        needles.push(("an exported key in lower case".into(), line.to_lowercase().into_bytes()));
    }
    let secret = kit["secret"].as_str().expect("the kit has a secret");
    let words = kit["words"].as_str().map(str::to_owned).unwrap_or_else(|| {
        let words = kit["words"].as_array().expect("the kit has words");
        words.iter().filter_map(|w| w.as_str()).collect::<Vec<_>>().join(" ")
    });
    needles.push(("the recovery kit's secret".into(), secret.as_bytes().to_vec()));
    needles.push(("the recovery kit's words".into(), words.as_bytes()[..40].to_vec()));
    needles.push(("any key at all".into(), b"AGE-SECRET-KEY-1".to_vec()));
    needles.push(("the owner's password".into(), PASSWORD.as_bytes().to_vec()));

    let (data, footage) = (home.data(), home.footage());
    assert_eq!(search(&[&data, &footage], &needles), [], "nothing readable lies on the disk");

    // The search does find what lies there: each needle, left deep inside a file among others.
    for (name, needle) in &needles {
        let planted = files(&footage).into_iter().next().expect("there are files").with_extension("planted");
        let content = [&[0x5a; 70_000][..], needle, &[0xa5; 300]].concat();
        std::fs::write(&planted, content).unwrap();
        let found = search(&[&data, &footage], &[(name.clone(), needle.clone())]);
        assert_eq!(found.len(), 1, "{name} is found where it lies");
        assert_eq!(found[0].file, planted);
        std::fs::remove_file(planted).unwrap();
    }

    // Debian's age opens a segment with the exported key, and a stranger's player takes it.
    let first = segment_files(&footage.join(&ids[0])).remove(0);
    let film = home.scratch("by-age.mp4");
    age(&["-d", "-i", text(&key_file), "-o", text(&film), text(&first)]);
    let shown = pictures::decode(&film);
    assert!(
        shown.len() > 20 && shown.iter().all(|p| p.mark.is_some_and(|m| m.camera == 1)),
        "the first camera's pictures"
    );

    // The system card is dead: only the footage and the kit are left.
    std::fs::remove_dir_all(&data).unwrap();
    let kit_file = home.scratch("kit.txt");
    std::fs::write(&kit_file, format!("{secret}\n")).unwrap();
    for (n, id) in ids.iter().enumerate() {
        let epochs = home.scratch(&format!("epochs-{n}.txt"));
        let mut keys = Vec::new();
        for file in files(&footage.join(id).join("keys")) {
            keys.extend(age(&["-d", "-i", text(&kit_file), text(&file)]));
        }
        std::fs::write(&epochs, keys).unwrap();
        let sealed = segment_files(&footage.join(id));
        assert!(!sealed.is_empty());
        for file in sealed {
            let film = home.scratch("recovered.mp4");
            std::fs::write(&film, age(&["-d", "-i", text(&epochs), text(&file)])).unwrap();
            let shown = pictures::decode(&film);
            assert!(!shown.is_empty() && shown.iter().all(|p| p.mark.is_some_and(|m| usize::from(m.camera) == n + 1)));
            let open = Command::new(KEEPSIGHT).args(["open", text(&file), "--key", text(&epochs)]).output().unwrap();
            assert!(open.status.success(), "{}", String::from_utf8_lossy(&open.stderr));
            assert_eq!(open.stdout, std::fs::read(&film).unwrap(), "the hub's own command opens the same");
        }
    }
}

fn segment_files(folder: &Path) -> Vec<PathBuf> {
    files(folder).into_iter().filter(|f| text(f).ends_with(".mp4.age")).collect()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the test's paths are text")
}

fn age(args: &[&str]) -> Vec<u8> {
    let out = Command::new("age").args(args).output().expect("age runs: scripts/setup installs it");
    assert!(out.status.success(), "age {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    out.stdout
}
