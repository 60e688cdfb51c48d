//! The catalogue of everything that a person can be told went wrong: what happened, then what to do.
//!
//! Logs get the error chain; people get these words. A kind stands here once, and the API maps it to a status,
//! the command line to an exit code. `docs/problems.md` is this table; a test keeps the two the same.

use std::fmt;

/// Something went wrong in a way that a person is told of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problem {
    /// Which of the catalogue.
    pub kind: ProblemKind,
    /// What exactly, where the kind alone does not say it: a file, a key, a limit. Never a secret.
    pub detail: Option<String>,
}

impl Problem {
    /// A problem with a detail.
    pub fn with(kind: ProblemKind, detail: impl fmt::Display) -> Self {
        Self { kind, detail: Some(detail.to_string()) }
    }
}

impl From<ProblemKind> for Problem {
    fn from(kind: ProblemKind) -> Self {
        Self { kind, detail: None }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.happened())?;
        if let Some(detail) = &self.detail {
            write!(f, " {detail}")?;
            if !detail.ends_with('.') {
                f.write_str(".")?;
            }
        }
        write!(f, " {}", self.kind.remedy())
    }
}

macro_rules! problems {
    ($($kind:ident $code:literal $happened:literal $remedy:literal)*) => {
        /// Every kind of problem.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ProblemKind {
            $(#[doc = concat!($happened, " ", $remedy)] $kind,)*
        }
        impl ProblemKind {
            /// All of them, in the catalogue's order.
            pub const ALL: &'static [ProblemKind] = &[$(ProblemKind::$kind,)*];
            /// Its name for machines, stable.
            pub fn code(self) -> &'static str {
                match self { $(ProblemKind::$kind => $code,)* }
            }
            /// What happened, one sentence.
            pub fn happened(self) -> &'static str {
                match self { $(ProblemKind::$kind => $happened,)* }
            }
            /// What to do about it, one sentence or more.
            pub fn remedy(self) -> &'static str {
                match self { $(ProblemKind::$kind => $remedy,)* }
            }
        }
    };
}

problems! {
    // Requests
    BadRequest "bad-request" "The request could not be understood." "Check it against /api/openapi.json."
    BadBody "bad-body" "The request's body is not what this address takes." "Check it against /api/openapi.json."
    BodyTooLarge "body-too-large" "The request's body is too large." "Send less."
    LengthRequired "length-required" "The request has a body without a length." "Send a Content-Length header."
    UnsupportedMediaType "unsupported-media-type" "The request's body is not JSON." "Send it as application/json."
    NotFound "not-found" "There is nothing at this address for you." "Check the address, or ask the owner of the hub for access."
    MethodNotAllowed "method-not-allowed" "This address does not take this method." "Check it against /api/openapi.json."
    UpgradeRequired "upgrade-required" "This address speaks WebSocket only." "Open it as a WebSocket."
    WrongHost "wrong-host" "This name is not one of the hub's." "Use the address that the hub shows on its console."
    ForeignOrigin "foreign-origin" "The request comes from another site's page." "Open the hub's own page and try again there."
    BadInterval "bad-interval" "The span of time cannot be used." "Give from and to as RFC 3339 times, from before to, at most 31 days apart."
    RequestTimeout "request-timeout" "The request took too long to arrive." "Try again on a better connection."
    TooBusy "too-busy" "The hub has too much to do at the moment." "Try again in a few seconds."
    TooManyAttempts "too-many-attempts" "There were too many attempts." "Wait for as long as Retry-After says, then try again."
    Internal "internal" "Something went wrong inside the hub." "Try again; if it stays, see the hub's log."
    ShuttingDown "shutting-down" "The hub is stopping." "Try again when it has started."

    // People
    NotSignedIn "not-signed-in" "You are not signed in." "Sign in with your name and password."
    WrongPassword "wrong-password" "The name or the password is wrong." "Check both and try again."
    NotAllowed "not-allowed" "Only an owner may do this." "Ask an owner of the hub."
    AlreadyClaimed "already-claimed" "This hub has an owner already." "Sign in, or ask the owner for an invitation."
    NotClaimed "not-claimed" "This hub has no owner yet." "Claim it first, with the token that `keepsight claim-token` prints."
    WrongClaimToken "wrong-claim-token" "The claim token is wrong or no longer open." "Print the token again with `keepsight claim-token`, which also opens it for another 30 minutes."
    WeakPassword "weak-password" "The password is too easy to guess." "Choose a longer one: four unrelated words are good."
    BadName "bad-name" "The name cannot be used." "Choose one of 1 to 64 characters, without control characters or spaces at its ends."
    NameTaken "name-taken" "The name is taken." "Choose another one."
    TotpNeeded "totp-needed" "A one-time code is needed." "Give the six digits that your app for one-time codes shows now; each is good once."
    WrongTotp "wrong-totp" "The one-time code is wrong, or was used already." "Wait for the next one; if it stays, check the clocks of the hub and of your device."
    WrongRecoveryKit "wrong-recovery-kit" "The name is no owner's, or the recovery kit is not this hub's." "Check both: the kit is the sheet with 24 words that was shown at the claim, or the one made last."
    BadInvitation "bad-invitation" "The invitation is none, was used, or has ended." "Ask an owner of the hub for a new one."
    BadGrant "bad-grant" "A grant cannot be used." "Give each camera once, one that is there, with one right at least and an end that is still to come."
    BadEnd "bad-end" "It cannot end at that time." "Give one that is still to come; an invitation holds from a minute to seven days."
    NotAtHome "not-at-home" "This device is not in the hub's own network." "Open the app at home, on the Wi-Fi or the cable that the hub is on."
    LastOwner "last-owner" "This is the hub's only owner." "Make somebody else an owner first."
    OwnerHasAll "owner-has-all" "An owner may do everything with every camera." "Make them a member first, or give no grants."
    TooManyPeople "too-many-people" "The hub has as many of these as it can take." "Remove some that are not needed any more."
    NotForTokens "not-for-tokens" "An API token cannot do this." "Sign in with a name and a password."

    // Cameras
    BadCameraUrl "bad-camera-url" "The camera's address cannot be used." "Give one like rtsp://192.168.1.20:554/stream, with user name and password in their own fields."
    CameraUnreachable "camera-unreachable" "The camera does not answer." "Check that it has power and network, and that its address is right."
    CameraUnauthorised "camera-unauthorised" "The camera refuses the user name or the password." "Check both in the camera's own settings."
    CameraUnsupported "camera-unsupported" "The camera's stream cannot be recorded." "Set the camera to H.264 or H.265."
    CameraTransport "camera-transport" "The camera does not send its stream in the way that was asked for." "Set its transport to auto, or to one that the camera offers."
    CameraCertificate "camera-certificate" "The camera shows another certificate than before." "If it was replaced or set up anew, let the hub forget the old certificate; if not, somebody may be listening between them."
    CameraBroken "camera-broken" "What the camera sends cannot be read." "Start it again, and check its cable or Wi-Fi; if it stays, look for newer software for it."
    TooManyCameras "too-many-cameras" "The hub has as many cameras as it can take." "Remove one first."
    NoPicture "no-picture" "The camera sends no picture at the moment." "Look at the camera's state: it says why, and what to do."
    NoSubStream "no-sub-stream" "The camera has no small stream." "Look at its main stream, or give the address of its small one in the camera's settings."
    StillFailed "still-failed" "A still picture could not be made." "Try again in a moment; if it stays, see the hub's log. Recording is not concerned."
    NotWatched "not-watched" "This camera's pictures cannot be looked at." "It is recorded. Look into the hub's log; it tries again by itself."
    NoCameraEvents "no-camera-events" "This camera does not tell what it notices." "Switch on its own motion detection and its ONVIF metadata, or have the hub look at its pictures. It is recorded, and asked again by itself."
    NoDecoder "no-decoder" "Nothing on this machine decodes the camera's pictures into still ones." "Install GStreamer's libav plugins (Debian: gstreamer1.0-libav). Recording and live pictures need none."
    EncoderFailed "encoder-failed" "The camera's pictures could not be encoded." "It is tried again by itself, with another encoder where there is one. If it stays, want less of the camera: at the end of its address ?size=640x360&fps=10, for example."
    NoEncoder "no-encoder" "Nothing on this machine encodes pictures for a camera of its own." "Install GStreamer's x264 plugin (Debian: gstreamer1.0-plugins-ugly). Cameras on the network need none."
    OtherDecoder "other-decoder" "This board should have a decoder that is missing, or of no use." "Recording is not concerned, and what moves is found; it takes more of the processor. If it stays after an update of the system, a support bundle says more: keepsight support-bundle."
    BadModel "bad-model" "The model of objects cannot be used." "Give another one, or say in its description what it does not say itself (docs/objects.md). What moves is noticed without it."
    WeakSandbox "weak-sandbox" "Still pictures are decoded behind fewer protections than Keepsight knows." "Use a kernel with Landlock and seccomp (Debian's has both); until then everything works, with one wall less around hostile pictures."

    // Footage
    NoFootage "no-footage" "There is no footage at that time." "See the camera's timeline for what there is."
    FootageChanged "footage-changed" "The file is another one than it was: footage was deleted or added since." "Ask for it again from its beginning."
    RangeBeyond "range-beyond" "There are no such bytes in the file." "Content-Range says how long it is."
    NotGranted "not-granted" "You were not given this camera." "Ask the owner of the hub for access."
    FootageForeign "footage-foreign" "The file belongs to another hub, camera or segment than asked for." "It was not shown. Look for moved or renamed files in the footage folder."
    FootageDamaged "footage-damaged" "The file is damaged from its start." "Run `keepsight check`; nothing of it can be shown."
    WrongKey "wrong-key" "This key does not open the file." "Use the key file of the camera and time that the file is from."
    BadKeyFile "bad-key-file" "This is not a key file." "Give a file with an AGE-SECRET-KEY-1 line, the 24 words, or the JSON of the claim."
    KeyExists "key-exists" "A key file of this epoch is there already and is never overwritten." "Move it away if you are sure that it is not needed."

    // Disks and store
    DiskForeign "disk-foreign" "The footage folder is on another disk than the one this hub knows." "Connect the right disk; recording goes on by itself then."
    NotMounted "not-mounted" "The disk of the footage folder is not mounted." "Mount it (its place is in /etc/fstab), or set footage under [paths] in keepsight.toml to a folder on another one."
    NotADisk "not-a-footage-disk" "This is not a footage disk." "Give the folder that holds .keepsight-disk, and mount the disk first."
    DiskElsewhere "disk-elsewhere" "A hub has one footage disk, in its footage folder." "Mount the disk there, or set footage under [paths] in keepsight.toml to where it is, then try again."
    DiskInUse "disk-in-use" "The footage disk is in use by a hub that runs." "Stop that hub first."
    DisksByHand "disks-by-hand" "No disk of this machine can be prepared from here." "Mount one, and set footage under [paths] in keepsight.toml to a folder on it; an image of Keepsight's does it by itself."
    DiskBusy "disk-being-prepared" "A disk is being prepared already." "Wait until it is done."
    DiskChanged "disk-changed" "The disk is not there, or is not as it was when it was chosen." "Look at the list of disks again, and choose again."
    DiskUnfit "disk-unfit" "This disk cannot become the footage disk." "Choose another one, of at least 4 GB and more than there is footage, that nothing else uses."
    DiskNotMade "disk-not-made" "The disk did not become the footage disk." "Nothing is lost: the hub records where it did before. Look at the disk and its cable, then try again."
    NothingToAdopt "nothing-to-adopt" "There is nothing on this footage disk that this hub does not have." "An own or an empty disk needs no adopting: start the hub."
    SlowDisk "slow-disk" "The disk is slow: what a power cut would take is more than the last 2 seconds." "Give the hub a faster disk, or record fewer cameras on this one."
    DiskError "disk-error" "The disk did not take the data." "Check the disk and its cable; the hub tries again by itself."
    DiskFull "disk-full" "The disk is full." "Free some space, or give the hub a larger disk."
    StoreDamaged "store-damaged" "The store is damaged." "When the hub starts it sets it aside and makes it again from its last export and the footage; see its log."
    StoreUnsafe "store-unsafe" "The store cannot be made durable on this system." "Keepsight was built without its sync_file_range override; use an official build."
    StoreBusy "store-busy" "The store is in use by another process." "Stop the other hub that uses this folder."
    NewerFormat "newer-format" "This was written by a newer Keepsight." "Install the newer version."
    BadExport "bad-export" "This is not a whole export of a Keepsight store." "Use another export."

    // Time
    NoTrueTime "no-true-time" "Nobody told the hub the time; it goes on from the last time that it knew." "Open the hub's page while you are signed in as an owner, or connect the hub to a time server: what was recorded is dated right from then on."
    BadTime "bad-time" "This cannot be the time." "Check the clock of the device that told it."
    TimeKnown "time-known" "The hub has the time from a time server already." "Nothing is to be done."

    // Network
    NoNetwork "no-network" "The hub has no network." "Connect it by cable or Wi-Fi: it is found by its name as soon as it has an address. Cameras of its own are recorded meanwhile."
    HostNameTaken "host-name-taken" "Another device on the network answers to this hub's name." "Find it and switch it off, if it is a copy of this hub; until then open this hub by its address. It tries again by itself."

    // The system
    BadImage "bad-image" "What the image says of itself cannot be used." "Write the image anew; footage on a disk of its own stays."
    WifiNotOurs "wifi-not-ours" "On this machine the hub does not decide which Wi-Fi is joined." "Set up Wi-Fi in this machine's own system."
    NoRadio "no-radio" "This machine has no Wi-Fi that works." "Connect the hub by cable, or plug in a Wi-Fi stick that Debian knows."
    WifiBusy "wifi-busy" "A network is being joined already." "Wait until that is done; it takes a minute at most."
    WifiNotJoined "wifi-not-joined" "The hub did not get into the network." "What was set before holds. Look at name and password, and whether the network reaches the hub."
    TimeNotOurs "time-not-ours" "On this machine the hub does not decide whose time is asked." "Set up a time service in this machine's own system."
    NoSlots "no-slots" "This machine has no second copy of its system to update." "Update it in the way in which it was set up; an image of Keepsight's updates itself."
    TooHot "too-hot" "The machine is hot." "Give it air, or a heat sink; hot boards slow down, and cards wear out sooner."
    Throttled "throttled" "The machine is slowed down." "Give it air, and the power supply that its maker names."
    LowVoltage "low-voltage" "The machine gets too little voltage." "Use the power supply that its maker names, and a short cable: writes to its card can fail."
    DiskWorn "disk-worn" "A disk is at the end of its life." "Replace it soon: a footage disk is adopted or begun anew, a system card is written anew."
    UpdateWentBack "update-went-back" "An update did not do, and the hub went back to the version before." "Nothing is to be done: that version is not tried again, the next one is."
    BadUpdateSource "bad-update-source" "This address of updates cannot be used." "Give a folder's address like https://example.org/keepsight/; http: only with an address in your own network, like http://192.168.1.20/updates/."
    UpdateSource "update-source" "It was not found out whether there is an update." "Check the address of updates and the hub's way to it; the hub tries again by itself."
    NoUpdate "no-update" "There is no update to install." "Nothing is to be done: this hub has the newest version that was found."
    UpdateRefused "update-refused" "The version that was found is not for this hub." "Wait for a later one; the version that runs goes on."
    UpdateFailed "update-failed" "An update was not installed." "Nothing is lost: the version that runs goes on, and starts again. Look for a later version, or check the disk and the hub's way to the address of updates."
    UpdateBusy "update-busy" "An update is being installed." "Wait until it is done."
    NotHealthy "not-healthy" "The hub does not do what it should." "See its log; an update that does so goes back by itself."

    // Configuration and start
    BadConfig "bad-config" "The configuration cannot be used." "Correct the file and start again."
    NoConfig "no-config" "The configuration cannot be read." "Check the path, or give another one with --config."
    PortTaken "port-taken" "The hub cannot listen on an address." "Stop what uses it, or choose another port under [api] in keepsight.toml."
    HubNotRunning "hub-not-running" "No hub is running with this configuration." "Start it with `keepsight run`, or give the right file with --config."
    HubRunning "hub-running" "A hub is running with this configuration already." "Stop it first."
    FileError "file-error" "A file could not be read or written." "Check that it is there, its permissions and the space on the disk."
    BadFile "bad-file" "A file of the hub is not what it should be." "Restore it from a backup, or move it away."
    MissingPart "missing-part" "A part of the system that the hub needs is missing." "Run scripts/setup, which installs it."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_says_what_happened_then_what_to_do() {
        for kind in ProblemKind::ALL {
            for text in [kind.happened(), kind.remedy()] {
                assert!(text.ends_with('.') && text.starts_with(char::is_uppercase), "{kind:?}: {text}");
            }
            assert!(kind.code().bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{kind:?}");
        }
    }

    #[test]
    fn codes_are_unique() {
        let mut codes: Vec<_> = ProblemKind::ALL.iter().map(|k| k.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), ProblemKind::ALL.len());
    }

    #[test]
    fn the_documents_table_is_the_catalogue() {
        let mut table = String::from(
            "# Problems\n\nEverything a person can be told went wrong, and what to do. Written by `hub/base/src/problem.rs`.\n\n| code | what happened | what to do |\n|---|---|---|\n",
        );
        for kind in ProblemKind::ALL {
            table += &format!("| `{}` | {} | {} |\n", kind.code(), kind.happened(), kind.remedy());
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/problems.md");
        if std::env::var_os("KEEPSIGHT_BLESS").is_some() {
            std::fs::write(path, &table).unwrap();
        }
        let on_disk = std::fs::read_to_string(path).unwrap_or_default();
        assert!(on_disk == table, "docs/problems.md differs from the catalogue: run this test with KEEPSIGHT_BLESS=1");
    }

    #[test]
    fn a_detail_stands_between_what_happened_and_what_to_do() {
        let problem = Problem::with(ProblemKind::BadName, "It is 65 characters long");
        assert_eq!(
            problem.to_string(),
            "The name cannot be used. It is 65 characters long. Choose one of 1 to 64 characters, without control characters or spaces at its ends."
        );
    }
}
