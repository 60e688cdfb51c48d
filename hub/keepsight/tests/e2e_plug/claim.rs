//! The power is cut during the first start and the claim: the hub is unclaimed and can be claimed, or claimed and its owner
//! can sign in; never anything between. A claim that was acknowledged is there, and its kit is the hub's.

use std::path::Path;
use std::process::Command;

use base::{Clock, Mono, SystemClock};
use futures::FutureExt;
use testkit::client::PASSWORD;
use testkit::hub::{self, Home, HubProcess};
use testkit::plug::{Log, Luck};
use vault::RecoveryKit;

use crate::KEEPSIGHT;
use crate::results::println_for_the_log;

/// Cuts of the one recording.
const CUTS: usize = 16;

#[tokio::test]
async fn e2e_whenever_the_power_is_cut_a_claim_is_there_or_can_be_made() {
    let mut seed = [0; 8];
    base::random(&mut seed);
    let seed = u64::from_ne_bytes(seed);
    let first = FirstStart::make().await;
    let log = Log::read(&first.home.scratch("plug.log"));
    let mut luck = Luck(seed);
    let [mut unclaimed, mut claimed] = [0, 0];
    for n in 0..CUTS {
        let cut = first.cut(&log, n, &mut luck);
        println_for_the_log(&format!("seed {seed}, cut {n} before record {cut} of {}", log.len()));
        match first.after_a_cut(&log, cut, &mut luck).await {
            Ok(true) => claimed += 1,
            Ok(false) => unclaimed += 1,
            Err(e) => {
                let kept = std::env::temp_dir().join(format!("keepsight-plug-claim-{seed}.log"));
                let _ = std::fs::copy(first.home.scratch("plug.log"), &kept); // to be looked at
                panic!("seed {seed}, cut {n} before record {cut} ({}): {e}", kept.display());
            }
        }
    }
    println_for_the_log(&format!("{CUTS} cuts: {unclaimed} left an unclaimed hub, {claimed} a claimed one"));
    assert!(unclaimed > 0 && claimed > 0, "the cuts fall on both sides of the claim");
}

/// A hub that starts for the first time and is claimed, under the log.
struct FirstStart {
    home: Home,
    kit: RecoveryKit,
    asked: Mono,
    acknowledged: Mono,
}

impl FirstStart {
    async fn make() -> FirstStart {
        let home = Home::new();
        let mut command = Command::new(KEEPSIGHT);
        testkit::plug::log(&mut command, &home.scratch(""), [&home.data(), &home.footage()]);
        let mut process = HubProcess::start_with(command, &home).await;
        let asked = SystemClock.mono();
        let (_, kit) = hub::claim(Path::new(KEEPSIGHT), &home).await;
        let acknowledged = SystemClock.mono();
        process.kill();
        let kit = RecoveryKit::parse_file(&kit.to_string()).expect("the claim's kit").kit;
        FirstStart { home, kit, asked, acknowledged }
    }

    /// By turns: during the first start, while the claim is made, and at its very end.
    fn cut(&self, log: &Log, n: usize, luck: &mut Luck) -> usize {
        let (asked, acknowledged) = (log.at(self.asked), log.at(self.acknowledged));
        match n % 4 {
            0 => luck.below(asked.max(1)),
            1 | 2 => asked + luck.below((acknowledged - asked).max(1)),
            _ => acknowledged + luck.below((log.len() - acknowledged).max(1)),
        }
        .min(log.len() - 1)
    }

    /// Whether the hub is claimed then; or what is wrong.
    async fn after_a_cut(&self, log: &Log, cut: usize, luck: &mut Luck) -> Result<bool, String> {
        let must_be = log.time(cut) > self.acknowledged;
        let may_be = log.time(cut) > self.asked;
        let disk = log.disk_after(cut, luck);
        let home = Home::new();
        disk.write(&self.home.data(), &home.data());
        disk.write(&self.home.footage(), &home.footage());
        let looked = std::panic::AssertUnwindSafe(async move {
            let mut process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
            let token = Command::new(KEEPSIGHT).args(["claim-token", "--config"]).arg(home.config()).output();
            let claimed = !token.expect("it runs").status.success();
            assert!(claimed || !must_be, "the claim was acknowledged, and is gone");
            assert!(!claimed || may_be, "it is claimed before anybody asked for it");
            if claimed {
                let mut owner = home.client();
                owner.sign_in("Olivia", PASSWORD).await;
                owner.get("/api/v1/cameras").await.expect(200);
            } else {
                hub::claim(Path::new(KEEPSIGHT), &home).await;
            }
            // A camera's key is sealed to the kit that the hub holds to be its own.
            let owner = hub::owner(&home).await;
            let camera = owner.add_camera("Porch", "rtsp://127.0.0.1:9/none").await;
            process.kill();
            if claimed && must_be {
                let disk = footage::Disk::open(&home.footage(), None).expect("the footage disk");
                let id = camera.parse().expect("an id");
                let key = disk.keys(id).expect("the keys").remove(0);
                let sealed = disk.read_key(&key.path).expect("the key");
                assert!(self.kit.open_kit_file(id, key.epoch, &sealed).is_ok(), "the kit that was shown opens nothing");
            }
            claimed
        });
        let looked = looked.catch_unwind().await;
        looked
            .map_err(|panic| panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "the hub does not start".into()))
    }
}
