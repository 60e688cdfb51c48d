//! What to do next.

use semver::Version;
use serde::{Deserialize, Serialize};

use super::{UpdateFile, Why};
use crate::{Image, Slots};

/// The name under which the store has what people decide.
pub const SETTINGS: &str = "updates";

/// What people decide about updates. As flashed they are off.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Who begins an update.
    pub when: When,
    /// Where updates are: a folder's address (`https:`; `http:` in the home network only), or nothing: USB sticks only.
    pub source: Option<String>,
    /// The hour, by the hub's own clock, in which it may restart by itself: 0 to 23.
    pub quiet_hour: u8,
}

/// Who begins an update.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Nobody: nothing is looked for.
    #[default]
    Off,
    /// An owner, who is told that there is one.
    Ask,
    /// The hub, in the quiet hour.
    Automatic,
}

/// A version that could be installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Which.
    pub version: Version,
    /// Which hubs it is for.
    pub compatible: String,
    /// The oldest version that may be updated to it; older ones go by one in between.
    pub minimum: Option<Version>,
    /// The bundle: an address or a file.
    pub bundle: String,
    /// Its bytes.
    pub size: u64,
}

/// All that the decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// What people want.
    pub settings: &'a Settings,
    /// What this system is; `None`: it is no image of ours.
    pub image: Option<&'a Image>,
    /// How its two copies are; `None`: it has none.
    pub slots: Option<&'a Slots>,
    /// What was tried.
    pub file: &'a UpdateFile,
    /// The newest that was found, if anything was looked for.
    pub offer: Option<&'a Offer>,
    /// An owner said "now".
    pub asked: bool,
    /// The hour that it is, by the hub's own clock; `None`: nobody told it.
    pub hour: Option<u8>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing: this machine has no second copy of the system.
    NoSlots,
    /// Nothing: the copy that runs has to show first that it is good.
    Trial,
    /// The update that was tried runs and was marked as good: remember that.
    RememberGood(Version),
    /// The update that was tried does not run: remember that it failed.
    RememberFailed(Version, Why),
    /// Nothing: nobody wants updates.
    Off,
    /// Nothing is known that could be installed: look for it.
    Look,
    /// What was found is not for this hub.
    Refuse(Refused),
    /// Wait until an owner says so.
    AskOwner,
    /// Wait for the quiet hour.
    WaitForQuietHour,
    /// Install what was found.
    Install,
    /// It is installed: restart.
    Restart,
}

/// Why something that was found is not installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refused {
    /// It is for another board.
    OtherBoard,
    /// It is the version that runs.
    Same,
    /// It is older than what runs.
    Older,
    /// It was tried before, and did not do.
    FailedBefore,
    /// This system is too old for it.
    TooOld,
}

/// What to do next. What was begun is ended first, whatever people want by now.
pub fn next(now: &Situation<'_>) -> Step {
    let (Some(image), Some(slots)) = (now.image, now.slots) else { return Step::NoSlots };
    if let Some(step) = begun(now, image, slots) {
        return step;
    }
    if slots.on_trial() {
        return Step::Trial;
    }
    if now.settings.when == When::Off && !now.asked {
        return Step::Off;
    }
    let Some(offer) = now.offer else { return Step::Look };
    if let Some(refused) = refused(offer, image, now.file) {
        return Step::Refuse(refused);
    }
    in_its_time(now, Step::Install)
}

/// What the update that is under way asks for.
fn begun(now: &Situation<'_>, image: &Image, slots: &Slots) -> Option<Step> {
    let tried = now.file.tried.as_ref()?;
    let (there, back) = (slots.booted != tried.from_slot, image.version == tried.from_version);
    if there && image.version == tried.version {
        return slots.on_trial().then_some(Step::Trial).or(Some(Step::RememberGood(tried.version.clone())));
    }
    if !there && back && tried.installed && slots.next == Some(tried.from_slot.other()) {
        return Some(in_its_time(now, Step::Restart));
    }
    // It was not written whole, or the boot loader went back, or something else runs altogether.
    match tried.installed {
        true => Some(Step::RememberFailed(tried.version.clone(), Why::WentBack)),
        // A power cut in the middle says nothing about the version: it may be tried again.
        false => None,
    }
}

impl Refused {
    /// The same for a person, of the version that was found.
    pub fn said(self, offer: &Offer, image: &Image) -> String {
        let (found, runs) = (&offer.version, &image.version);
        match self {
            Refused::OtherBoard => {
                format!("Version {found} is for {}, and this hub is {}", offer.compatible, image.compatible)
            }
            Refused::Same => format!("Version {runs} runs already"),
            Refused::Older => format!("Version {found} is older than {runs}, which runs"),
            Refused::FailedBefore => format!("Version {found} was tried before and did not do"),
            Refused::TooOld => match &offer.minimum {
                Some(least) => format!("Version {found} can be installed on {least} or newer only, and {runs} runs"),
                None => format!("Version {found} cannot be installed on {runs}"),
            },
        }
    }
}

/// Whatever keeps an offer from being installed. What RAUC finds out (signature, board) it finds out again.
pub(super) fn refused(offer: &Offer, image: &Image, file: &UpdateFile) -> Option<Refused> {
    if offer.compatible != image.compatible {
        return Some(Refused::OtherBoard);
    }
    // As semver orders them: build metadata makes no newer version.
    match offer.version.cmp_precedence(&image.version) {
        std::cmp::Ordering::Equal => return Some(Refused::Same),
        std::cmp::Ordering::Less => return Some(Refused::Older),
        std::cmp::Ordering::Greater => {}
    }
    if file.has_failed(&offer.version) {
        return Some(Refused::FailedBefore);
    }
    let too_old = offer.minimum.as_ref().is_some_and(|least| image.version.cmp_precedence(least).is_lt());
    too_old.then_some(Refused::TooOld)
}

/// An owner's "now" is now. Else the hub acts in the quiet hour, if it may and knows the time.
fn in_its_time(now: &Situation<'_>, step: Step) -> Step {
    match now.settings.when {
        _ if now.asked => step,
        When::Automatic if now.hour == Some(now.settings.quiet_hour) => step,
        When::Automatic => Step::WaitForQuietHour,
        When::Ask | When::Off => Step::AskOwner,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::update::Tried;
    use crate::{Slot, SlotName};

    /// How things are on a hub with 0.2.0 in A, to be changed by each test.
    struct Hub {
        settings: Settings,
        image: Image,
        slots: Slots,
        file: UpdateFile,
        offer: Option<Offer>,
        asked: bool,
        hour: Option<u8>,
    }

    impl Hub {
        fn new() -> Self {
            let slot = |good| Slot { good, version: None };
            Hub {
                settings: Settings { when: When::Automatic, source: None, quiet_hour: 3 },
                image: Image {
                    version: Version::new(0, 2, 0),
                    board: "pc".into(),
                    compatible: "keepsight-pc".into(),
                    built: base::Timestamp::UNIX_EPOCH,
                },
                slots: Slots {
                    compatible: "keepsight-pc".into(),
                    booted: SlotName::A,
                    next: Some(SlotName::A),
                    a: slot(true),
                    b: slot(false),
                },
                file: UpdateFile::default(),
                offer: Some(Offer {
                    version: Version::new(0, 3, 0),
                    compatible: "keepsight-pc".into(),
                    minimum: None,
                    bundle: "https://example.org/0.3.0.raucb".into(),
                    size: 1 << 27,
                }),
                asked: false,
                hour: Some(3),
            }
        }
        fn tried(mut self, installed: bool) -> Self {
            self.file.tried = Some(Tried {
                version: Version::new(0, 3, 0),
                from_slot: SlotName::A,
                from_version: Version::new(0, 2, 0),
                began: base::Timestamp::UNIX_EPOCH,
                recorded: vec![],
                installed,
            });
            self
        }
        fn next(&self) -> Step {
            super::next(&Situation {
                settings: &self.settings,
                image: Some(&self.image),
                slots: Some(&self.slots),
                file: &self.file,
                offer: self.offer.as_ref(),
                asked: self.asked,
                hour: self.hour,
            })
        }
        fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
            change(&mut self);
            self
        }
    }

    #[test]
    fn as_flashed_nothing_is_looked_for() {
        let hub = Hub::new().with(|hub| hub.settings = Settings::default());
        assert_eq!(hub.next(), Step::Off);
        let none = Situation {
            settings: &hub.settings,
            image: None,
            slots: None,
            file: &hub.file,
            offer: None,
            asked: true,
            hour: None,
        };
        assert_eq!(super::next(&none), Step::NoSlots);
    }

    #[test]
    fn an_update_is_looked_for_waited_with_and_installed_in_the_quiet_hour() {
        assert_eq!(Hub::new().with(|hub| hub.offer = None).next(), Step::Look);
        assert_eq!(Hub::new().with(|hub| hub.hour = Some(4)).next(), Step::WaitForQuietHour);
        assert_eq!(Hub::new().with(|hub| hub.hour = None).next(), Step::WaitForQuietHour, "nobody told the time");
        assert_eq!(Hub::new().next(), Step::Install);
        let asks = || Hub::new().with(|hub| hub.settings.when = When::Ask);
        assert_eq!(asks().next(), Step::AskOwner);
        assert_eq!(asks().with(|hub| hub.asked = true).next(), Step::Install);
    }

    #[test]
    fn what_is_not_for_this_hub_is_refused_though_an_owner_asks() {
        let offered = |change: fn(&mut Offer)| {
            Hub::new().with(|hub| {
                hub.asked = true;
                hub.offer.as_mut().into_iter().for_each(change);
            })
        };
        assert_eq!(offered(|o| o.compatible = "keepsight-pi".into()).next(), Step::Refuse(Refused::OtherBoard));
        assert_eq!(offered(|o| o.version = Version::new(0, 1, 9)).next(), Step::Refuse(Refused::Older));
        assert_eq!(offered(|o| o.version = Version::new(0, 2, 0)).next(), Step::Refuse(Refused::Same));
        assert_eq!(offered(|o| o.version = "0.2.0+later".parse().unwrap()).next(), Step::Refuse(Refused::Same));
        assert_eq!(offered(|o| o.version = "0.2.0-rc.1".parse().unwrap()).next(), Step::Refuse(Refused::Older));
        assert_eq!(offered(|o| o.minimum = Some(Version::new(0, 2, 1))).next(), Step::Refuse(Refused::TooOld));
        assert_eq!(offered(|o| o.minimum = Some(Version::new(0, 2, 0))).next(), Step::Install);
        let failed = Hub::new().with(|hub| {
            hub.asked = true;
            hub.file.fail(Version::new(0, 3, 0), base::Timestamp::UNIX_EPOCH, Why::WentBack);
        });
        assert_eq!(failed.next(), Step::Refuse(Refused::FailedBefore));
    }

    #[test]
    fn an_update_that_is_installed_restarts_in_its_time_is_tried_and_remembered() {
        let installed = || Hub::new().tried(true).with(|hub| hub.slots.next = Some(SlotName::B));
        assert_eq!(installed().next(), Step::Restart);
        assert_eq!(installed().with(|hub| hub.hour = Some(12)).next(), Step::WaitForQuietHour);
        let runs = |good: bool| {
            installed().with(|hub| {
                (hub.slots.booted, hub.slots.b.good, hub.image.version) = (SlotName::B, good, Version::new(0, 3, 0));
            })
        };
        assert_eq!(runs(false).next(), Step::Trial);
        assert_eq!(runs(true).next(), Step::RememberGood(Version::new(0, 3, 0)));
    }

    #[test]
    fn an_update_from_which_the_boot_loader_went_back_has_failed_whatever_people_want_by_now() {
        let back = Hub::new().tried(true).with(|hub| hub.settings = Settings::default());
        assert_eq!(back.next(), Step::RememberFailed(Version::new(0, 3, 0), Why::WentBack));
    }

    #[test]
    fn a_power_cut_while_it_is_installed_says_nothing_about_the_version() {
        assert_eq!(Hub::new().tried(false).next(), Step::Install);
    }

    #[test]
    fn while_the_first_copy_has_to_show_that_it_is_good_nothing_is_installed() {
        assert_eq!(Hub::new().with(|hub| hub.slots.a.good = false).next(), Step::Trial);
    }

    proptest! {
        /// Whatever the situation: never older, never another board's, never what failed, never without being wanted.
        #[test]
        fn what_is_installed_is_newer_wanted_and_new(
            running in (0u64..3, 0u64..3), offered in (0u64..3, 0u64..3), failed in (0u64..3, 0u64..3),
            board in prop::bool::ANY, on in 0u8..3, asked: bool, hour in prop::option::of(0u8..24), trial: bool,
        ) {
            let hub = Hub::new().with(|hub| {
                hub.image.version = Version::new(0, running.0, running.1);
                hub.settings.when = [When::Off, When::Ask, When::Automatic][usize::from(on)];
                (hub.asked, hub.hour, hub.slots.a.good) = (asked, hour, !trial);
                hub.file.fail(Version::new(0, failed.0, failed.1), base::Timestamp::UNIX_EPOCH, Why::WentBack);
                if let Some(offer) = &mut hub.offer {
                    offer.version = Version::new(0, offered.0, offered.1);
                    if !board { offer.compatible = "keepsight-pi".into(); }
                }
            });
            if hub.next() == Step::Install {
                prop_assert!(offered > running && offered != failed && board && !trial);
                prop_assert!(asked || (on == 2 && hour == Some(3)));
            }
        }
    }
}
