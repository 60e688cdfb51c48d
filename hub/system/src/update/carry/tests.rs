//! With a program in RAUC's place, folders in those of disks, and a clock that a test moves.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};

use base::{Clock, SimClock, SystemClock};
use semver::Version;
use tempfile::TempDir;

use super::*;

const STATUS: &str = include_str!("../../../tests/rauc/on-trial.json");
const SOURCE: &str = "https://example.org/updates";
const MANIFEST: &str = "https://example.org/updates/generic-x86-64.json";

/// What there is besides the machine.
#[derive(Default)]
struct World {
    settings: Mutex<Settings>,
    served: Mutex<BTreeMap<String, Vec<u8>>>,
    fetched: Mutex<Vec<String>>,
}

impl Around for World {
    fn settings(&self) -> Boxed<Option<Settings>> {
        let settings = self.settings.lock().unwrap().clone();
        Box::pin(async { Some(settings) })
    }
    fn recorded(&self) -> Boxed<Vec<CameraId>> {
        Box::pin(async { vec![CameraId::from_bytes([7; 16])] })
    }
    fn fetch(&self, from: Url) -> Boxed<Result<Vec<u8>, String>> {
        self.fetched.lock().unwrap().push(from.to_string());
        let served = self.served.lock().unwrap().get(from.as_str()).cloned();
        Box::pin(async { served.ok_or_else(|| "status 404".to_owned()) })
    }
}

/// A machine with version 0.2.0 in A, at two in the morning of some day.
struct Machine {
    folder: TempDir,
    world: Arc<World>,
    clock: SimClock,
    version: &'static str,
}

impl Machine {
    fn new(when: When) -> Self {
        let clock = SimClock::at("2026-05-04T02:10:00Z".parse().unwrap());
        let machine = Machine { folder: tempfile::tempdir().unwrap(), world: Arc::default(), clock, version: "0.2.0" };
        *machine.world.settings.lock().unwrap() =
            Settings { when, source: (when != When::Off).then(|| SOURCE.to_owned()), quiet_hour: 3 };
        let at = machine.folder.path().display();
        let script = format!(
            "#!/bin/sh\necho \"$*\" >> {at}/calls\ncase \"$1\" in\n\
             status) test \"$2\" = --detailed && cat {at}/status.json ; exit 0 ;;\n\
             install) cat {at}/says; test -e {at}/fails && exit 1; cp {at}/after.json {at}/status.json ;;\nesac\n"
        );
        let program = machine.path("rauc");
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        machine
            .rauc_says("installing\n  0% Installing\n100% Installing done.\nidle\nInstalling `x` succeeded\n", false);
        machine.runs('A', true, "rootfs.0", "");
        machine.installs("0.3.0");
        machine
    }
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
    /// What the slots are: which one runs, whether it is good, which comes next, and what is written in B.
    fn runs(&self, booted: char, good: bool, next: &str, b: &str) {
        std::fs::write(self.path("status.json"), status(booted, good, next, b)).unwrap();
    }
    /// What RAUC finds in the bundle.
    fn installs(&self, version: &str) {
        std::fs::write(self.path("after.json"), status('A', true, "rootfs.1", version)).unwrap();
    }
    fn rauc_says(&self, words: &str, fails: bool) {
        std::fs::write(self.path("says"), words).unwrap();
        match fails {
            true => std::fs::write(self.path("fails"), "").unwrap(),
            false => drop(std::fs::remove_file(self.path("fails"))),
        }
    }
    fn serves(&self, manifest: &str) {
        self.world.served.lock().unwrap().insert(MANIFEST.to_owned(), manifest.as_bytes().to_vec());
    }
    fn calls(&self) -> Vec<String> {
        let calls = std::fs::read_to_string(self.path("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }
    fn installed(&self) -> Vec<String> {
        self.calls().into_iter().filter(|call| call.starts_with("install")).collect()
    }
    fn fetched(&self) -> Vec<String> {
        self.world.fetched.lock().unwrap().clone()
    }
    fn file(&self) -> UpdateFile {
        UpdateFile::load(&self.path("update.json")).unwrap()
    }
    fn start(&self) -> Running<'_> {
        let image = Image {
            version: self.version.parse().unwrap(),
            board: "generic-x86-64".into(),
            compatible: "keepsight-generic-x86-64".into(),
            built: Timestamp::UNIX_EPOCH,
        };
        let updates = Updates::new(Parts {
            image: Some(image),
            rauc: Rauc::new(self.path("rauc")),
            file: self.path("update.json"),
            restart: Some(self.path("restart")),
            sticks: Sticks::new(self.path("mountinfo"), self.path("devices")),
            clock: Arc::new(self.clock.clone()),
            around: self.world.clone(),
        });
        let shutdown = Shutdown::new();
        tokio::spawn(updates.clone().run(shutdown.clone()));
        Running { machine: self, updates, shutdown }
    }
}

fn status(booted: char, good: bool, next: &str, b: &str) -> String {
    let (a_good, b_good) = if booted == 'A' { (good, false) } else { (true, good) };
    let word = |good| if good { "good" } else { "bad" };
    STATUS
        .replace("\"booted\":\"B\"", &format!("\"booted\":\"{booted}\""))
        .replace("\"boot_primary\":\"rootfs.0\"", &format!("\"boot_primary\":\"{next}\""))
        .replace("\"boot_status\":\"good\"", &format!("\"boot_status\":\"{}\"", word(a_good)))
        .replace("\"boot_status\":\"bad\"", &format!("\"boot_status\":\"{}\"", word(b_good)))
        .replace("\"version\":\"0.2.0\"", &format!("\"version\":\"{b}\""))
}

fn manifest(version: &str) -> String {
    format!(
        r#"{{"format": 1, "version": "{version}", "compatible": "keepsight-generic-x86-64",
            "bundle": "keepsight-{version}.raucb", "size": 5,
            "sha256": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"}}"#
    )
}

/// Its updates.
struct Running<'a> {
    machine: &'a Machine,
    updates: Updates,
    shutdown: Shutdown,
}

impl Running<'_> {
    async fn until(&self, what: &str, so: impl Fn(&Status) -> bool) -> Status {
        let deadline = SystemClock.mono() + Duration::from_secs(20);
        loop {
            let status = self.updates.status();
            if so(&status) {
                return status;
            }
            assert!(SystemClock.mono() < deadline, "{what}: {status:?} {:?}", self.machine.calls());
            SystemClock.sleep(Duration::from_millis(5)).await;
        }
    }
    async fn until_stage(&self, stage: Stage) -> Status {
        self.until(&format!("{stage:?}"), |status| status.stage == stage).await
    }
    /// A round has gone by: RAUC was asked, and nothing is to be done any more.
    async fn round_after(&self, before: usize) {
        let asleep = |_: &Status| self.machine.calls().len() > before && self.machine.clock.sleepers() == 1;
        self.until("a round", asleep).await;
    }
    async fn later(&self, time: Duration) {
        self.until("it sleeps", |_| self.machine.clock.sleepers() == 1).await;
        let before = self.machine.calls().len();
        self.machine.clock.advance(time);
        self.round_after(before).await;
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.shutdown.trigger();
    }
}

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn as_flashed_nobody_is_asked_for_updates() {
    let machine = Machine::new(When::Off);
    machine.world.settings.lock().unwrap().source = Some(SOURCE.into());
    machine.serves(&manifest("0.3.0"));
    let hub = machine.start();
    let status = hub.until_stage(Stage::Off).await;
    assert_eq!((status.health, status.slot), (Health::Off, Some(SlotName::A)));
    for _ in 0..3 {
        hub.later(12 * HOUR).await;
    }
    assert!(machine.fetched().is_empty() && machine.installed().is_empty());
}

#[tokio::test]
async fn an_owner_is_asked_says_now_and_the_hub_restarts_into_it() {
    let machine = Machine::new(When::Ask);
    machine.serves(&manifest("0.3.0"));
    std::fs::write(machine.path("restart"), "of the start before").unwrap();
    let hub = machine.start();
    let status = hub.until_stage(Stage::Offered).await;
    assert_eq!(status.offer.unwrap().version, Version::new(0, 3, 0));
    assert_eq!((status.refused, status.on_stick, machine.fetched()), (None, false, vec![MANIFEST.to_owned()]));
    hub.later(HOUR).await;
    assert_eq!(machine.fetched().len(), 1, "a source is not asked all the time");
    assert!(machine.installed().is_empty() && !machine.path("restart").exists());

    hub.updates.now().unwrap();
    let status = hub.until_stage(Stage::Restarting).await;
    assert_eq!(machine.installed(), ["install https://example.org/updates/keepsight-0.3.0.raucb"]);
    assert!(machine.path("restart").exists());
    let tried = machine.file().tried.unwrap();
    assert_eq!((tried.version, tried.from_slot, tried.installed), (Version::new(0, 3, 0), SlotName::A, true));
    assert_eq!(tried.recorded, [CameraId::from_bytes([7; 16])]);
    assert_eq!((status.health, status.problem), (Health::Ok, None));
}

#[tokio::test]
async fn what_is_automatic_waits_for_the_quiet_hour_and_for_the_time() {
    let machine = Machine::new(When::Automatic);
    machine.serves(&manifest("0.3.0"));
    let hub = machine.start();
    hub.until_stage(Stage::Waiting).await;
    machine.clock.step_wall("2026-05-04T03:30:00Z".parse().unwrap(), TimeSource::Unset);
    hub.later(EVERY).await;
    assert_eq!(hub.updates.status().stage, Stage::Waiting, "nobody told the time");
    machine.clock.step_wall("2026-05-04T03:30:00Z".parse().unwrap(), TimeSource::Ntp);
    hub.later(EVERY).await;
    hub.until_stage(Stage::Restarting).await;
    assert_eq!(machine.installed().len(), 1);
    assert_eq!(machine.fetched().len(), 2, "it is looked once more before it is installed");
}

#[tokio::test]
async fn what_is_not_for_this_hub_is_refused_with_words() {
    for (served, why, words) in [
        (manifest("0.1.0"), Refused::Older, "Version 0.1.0 is older than 0.2.0, which runs"),
        (manifest("0.2.0"), Refused::Same, "Version 0.2.0 runs already"),
        (
            manifest("0.3.0").replace("keepsight-generic-x86-64\"", "keepsight-raspberry-pi-4\""),
            Refused::OtherBoard,
            "Version 0.3.0 is for keepsight-raspberry-pi-4, and this hub is keepsight-generic-x86-64",
        ),
        (
            manifest("0.4.0").replace("\"bundle\"", "\"minimum\": \"0.3.0\", \"bundle\""),
            Refused::TooOld,
            "Version 0.4.0 can be installed on 0.3.0 or newer only, and 0.2.0 runs",
        ),
        (manifest("0.2.5"), Refused::FailedBefore, "Version 0.2.5 was tried before and did not do"),
    ] {
        let machine = Machine::new(When::Ask);
        let mut file = UpdateFile::default();
        file.fail(Version::new(0, 2, 5), Timestamp::UNIX_EPOCH, Why::Refused);
        file.save(&machine.path("update.json")).unwrap();
        machine.serves(&served);
        let hub = machine.start();
        let status = hub.until(words, |status| status.refused.is_some()).await;
        assert_eq!(status.refused, Some((why, words.to_owned())));
        let problem = hub.updates.now().unwrap_err();
        let (kind, detail) = match why {
            Refused::Same => (ProblemKind::NoUpdate, None),
            _ => (ProblemKind::UpdateRefused, Some(words)),
        };
        assert_eq!((problem.kind, problem.detail.as_deref()), (kind, detail));
        assert!(machine.installed().is_empty());
    }
}

#[tokio::test]
async fn what_came_up_and_is_good_is_remembered() {
    let mut machine = Machine::new(When::Automatic);
    machine.serves(&manifest("0.3.0"));
    {
        let hub = machine.start();
        hub.until_stage(Stage::Waiting).await;
        hub.later(HOUR).await;
        hub.until_stage(Stage::Restarting).await;
    }
    // The machine starts in B.
    machine.version = "0.3.0";
    machine.runs('B', false, "rootfs.1", "0.3.0");
    let hub = machine.start();
    hub.until_stage(Stage::Trial).await;
    assert_eq!(hub.updates.now().unwrap_err().kind, ProblemKind::UpdateBusy);
    assert!(machine.file().tried.is_some() && machine.file().last_good.is_none());
    machine.runs('B', true, "rootfs.1", "0.3.0");
    hub.later(EVERY_MEANWHILE).await;
    let status = hub.until_stage(Stage::Newest).await;
    assert_eq!((status.health, status.slot), (Health::Ok, Some(SlotName::B)));
    let file = machine.file();
    assert_eq!((file.tried, file.last_good.unwrap().0, file.failed), (None, Version::new(0, 3, 0), vec![]));
    assert!(!machine.path("restart").exists(), "a restart is asked for once");
}

#[tokio::test]
async fn what_the_boot_loader_went_back_from_is_said_and_not_tried_again() {
    let machine = Machine::new(When::Automatic);
    machine.serves(&manifest("0.3.0"));
    {
        let hub = machine.start();
        hub.until_stage(Stage::Waiting).await;
        hub.later(HOUR).await;
        hub.until_stage(Stage::Restarting).await;
    }
    // The machine comes back in A.
    machine.runs('A', true, "rootfs.0", "0.3.0");
    let hub = machine.start();
    let status = hub.until_stage(Stage::Refused).await;
    let Health::Degraded { reason, detail } = status.health else { panic!("{:?}", status.health) };
    assert_eq!(reason, Reason::UpdateWentBack);
    assert!(detail.starts_with("An update did not do, and the hub went back to the version before. Version 0.3.0 did"));
    assert!(detail.ends_with("0.2.0 runs. Nothing is to be done: that version is not tried again, the next one is."));
    assert_eq!(machine.file().failed[0].why, Why::WentBack);
    hub.later(24 * HOUR).await;
    assert_eq!(machine.installed().len(), 1, "in the next quiet hour, too");
    // The next version is.
    machine.serves(&manifest("0.3.1"));
    machine.installs("0.3.1");
    hub.later(24 * HOUR).await;
    hub.until_stage(Stage::Restarting).await;
    assert_eq!(machine.installed().len(), 2);
}

#[tokio::test]
async fn a_bundle_that_rauc_refuses_is_not_tried_again_one_that_was_cut_off_is() {
    let machine = Machine::new(When::Automatic);
    machine.serves(&manifest("0.3.0"));
    machine.rauc_says("LastError: failed to download: connection reset\nidle\n", true);
    let hub = machine.start();
    hub.until_stage(Stage::Waiting).await;
    hub.later(HOUR).await;
    let status = hub.until("it failed", |status| status.problem.is_some() && status.progress.is_none()).await;
    let Health::Degraded { reason, detail } = status.health else { panic!("{:?}", status.health) };
    assert_eq!(reason, Reason::UpdateFailed);
    assert!(detail.contains("Version 0.3.0: failed to download: connection reset."), "{detail}");
    assert_eq!((machine.file(), machine.installed().len()), (UpdateFile::default(), 1));
    hub.later(EVERY).await;
    assert_eq!(machine.installed().len(), 1, "once a night");
    machine.rauc_says("LastError: signature verification failed: unable to get local issuer certificate\n", true);
    hub.later(24 * HOUR).await;
    hub.until_stage(Stage::Refused).await;
    assert_eq!((machine.file().failed[0].why, machine.installed().len()), (Why::Refused, 2));
    hub.later(24 * HOUR).await;
    assert_eq!(machine.installed().len(), 2);
}

#[tokio::test]
async fn a_manifest_that_lies_about_the_version_brings_no_older_one_in() {
    let machine = Machine::new(When::Ask);
    machine.serves(&manifest("9.9.9"));
    machine.installs("0.1.0");
    let hub = machine.start();
    hub.until_stage(Stage::Offered).await;
    hub.updates.now().unwrap();
    let status = hub.until_stage(Stage::Refused).await;
    let said = status.problem.unwrap().to_string();
    assert!(said.contains("Version 9.9.9: what was signed is version 0.1.0."), "{said}");
    assert!(machine.calls().contains(&"status mark-active booted".to_owned()));
    assert!(!machine.path("restart").exists());
    assert_eq!(machine.file().failed[0].why, Why::Refused);
}

#[tokio::test]
async fn a_stick_is_enough_if_what_lies_on_it_is_whole() {
    let machine = Machine::new(When::Ask);
    machine.world.settings.lock().unwrap().source = None;
    let stick = machine.path("stick");
    for folder in [&stick, &machine.path("devices"), &machine.path("usb1/sda1")] {
        std::fs::create_dir_all(folder).unwrap();
    }
    symlink(machine.path("usb1/sda1"), machine.path("devices/8:1")).unwrap();
    std::fs::write(machine.path("mountinfo"), format!("40 22 8:1 / {} rw - vfat /dev/sda1 rw\n", stick.display()))
        .unwrap();
    std::fs::write(stick.join("generic-x86-64.json"), manifest("0.3.0")).unwrap();
    let hub = machine.start();
    hub.later(EVERY).await;
    assert_eq!(hub.updates.status().stage, Stage::Looking, "there is no bundle beside it");

    let bundle = stick.join("keepsight-0.3.0.raucb");
    std::fs::write(&bundle, "hallo").unwrap();
    hub.later(EVERY).await;
    let status = hub.until_stage(Stage::Offered).await;
    assert!(status.on_stick);
    hub.updates.now().unwrap();
    let status = hub.until("it is refused", |status| status.problem.is_some() && status.progress.is_none()).await;
    let said = status.problem.unwrap().to_string();
    assert!(said.contains("is not the file that its manifest names: copy it anew"), "{said}");
    assert!(machine.installed().is_empty());

    std::fs::write(&bundle, "hello").unwrap();
    hub.updates.now().unwrap();
    hub.until_stage(Stage::Restarting).await;
    assert_eq!(machine.installed(), [format!("install {}", bundle.display())]);
    assert!(machine.fetched().is_empty());
}

#[tokio::test]
async fn a_source_that_does_not_answer_is_a_state_and_is_asked_again() {
    let machine = Machine::new(When::Ask);
    let hub = machine.start();
    let status = hub.until("it says so", |status| status.problem.is_some()).await;
    let Health::Degraded { reason, detail } = status.health else { panic!("{:?}", status.health) };
    assert_eq!(reason, Reason::UpdateFailed);
    assert!(detail.contains("https://example.org/updates/generic-x86-64.json: status 404."), "{detail}");
    machine.serves("{}");
    hub.later(HOUR).await;
    hub.until("it is no manifest", |status| {
        status.problem.as_ref().is_some_and(|problem| problem.to_string().contains("is no manifest of an update"))
    })
    .await;
    machine.serves(&manifest("0.3.0"));
    hub.later(HOUR).await;
    let status = hub.until_stage(Stage::Offered).await;
    assert_eq!((status.problem, status.health), (None, Health::Ok));
}

#[tokio::test]
async fn a_damaged_memory_of_updates_is_said_and_nothing_is_installed() {
    let machine = Machine::new(When::Automatic);
    machine.serves(&manifest("0.3.0"));
    std::fs::write(machine.path("update.json"), "{").unwrap();
    let hub = machine.start();
    hub.until("it sleeps", |_| machine.clock.sleepers() == 1).await;
    assert!(matches!(hub.updates.health(), Health::Degraded { reason: Reason::UpdateFailed, .. }));
    assert!(machine.installed().is_empty() && machine.fetched().is_empty());
    assert_eq!(std::fs::read_to_string(machine.path("update.json")).unwrap(), "{");
}

#[tokio::test]
async fn an_owner_who_says_now_is_told_when_there_is_nothing() {
    let machine = Machine::new(When::Ask);
    let hub = machine.start();
    hub.until("it was looked", |status| status.problem.is_some()).await;
    machine.world.settings.lock().unwrap().source = None;
    hub.updates.changed();
    hub.until("nothing is known", |status| status.problem.is_none() && status.looked.is_none()).await;
    hub.updates.now().unwrap();
    let none = |status: &Status| status.problem.as_ref().is_some_and(|problem| problem.kind == ProblemKind::NoUpdate);
    let status = hub.until("there is none", none).await;
    assert_eq!(status.health, Health::Ok, "that is no worry");
}
