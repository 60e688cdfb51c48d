//! What to do on which device until it trusts the hub. Menus as they are called in English today; they move now and then.

use super::pictures::{Row, Screen};

/// A kind of device.
pub(super) struct Platform {
    /// For links to it, and to find it again.
    pub id: &'static str,
    pub name: &'static str,
    /// What is downloaded, from this port.
    pub file: &'static str,
    /// What the link to it says.
    pub download: &'static str,
    pub steps: &'static [Step],
}

/// One thing to do.
pub(super) struct Step {
    pub text: &'static str,
    pub picture: Option<Screen>,
}

const fn step(text: &'static str) -> Step {
    Step { text, picture: None }
}

const fn phone(text: &'static str, file: &'static str, title: &'static str, rows: &'static [Row]) -> Step {
    Step { text, picture: Some(Screen { file, phone: true, title, rows }) }
}

const fn window(text: &'static str, file: &'static str, title: &'static str, rows: &'static [Row]) -> Step {
    Step { text, picture: Some(Screen { file, phone: false, title, rows }) }
}

pub(super) const IOS: usize = 0;
pub(super) const ANDROID: usize = 1;
pub(super) const WINDOWS: usize = 2;
pub(super) const MACOS: usize = 3;
pub(super) const LINUX: usize = 4;

/// All of them, the commonest first.
pub(super) const PLATFORMS: [Platform; 5] = [
    Platform {
        id: "ios",
        name: "iPhone and iPad",
        file: "/ca.mobileconfig",
        download: "Download the profile",
        steps: &[
            step("Open this page in Safari, and tap the button above. Choose “Allow”, then “Close”."),
            phone(
                "Open Settings. Near the top, tap “Profile Downloaded”. (Later it is under General, “VPN & Device Management”.)",
                "ios-downloaded",
                "Settings",
                &[Row::Open("Profile Downloaded"), Row::There("Wi-Fi"), Row::There("General")],
            ),
            phone(
                "Tap “Install” at the top right, enter your code, and tap “Install” again.",
                "ios-install",
                "Install Profile",
                &[Row::There("Keepsight hub"), Row::Press("Install")],
            ),
            phone(
                "Go back to Settings: General, About, and at the very end “Certificate Trust Settings”.",
                "ios-about",
                "About",
                &[Row::There("Name"), Row::There("iOS Version"), Row::Open("Certificate Trust Settings")],
            ),
            phone(
                "Switch on the one that begins with “Keepsight root”, and tap “Continue”.",
                "ios-trust",
                "Certificate Trust Settings",
                &[Row::On("Keepsight root of …")],
            ),
        ],
    },
    Platform {
        id: "android",
        name: "Android",
        file: "/ca.crt",
        download: "Download the certificate",
        steps: &[
            step(
                "Tap the button above; if you are asked, download it all the same. Do not open the file: it is installed from Settings.",
            ),
            phone(
                "Open Settings and search for “CA certificate”. (It is under Security & privacy, More security settings, Encryption & credentials, Install a certificate.)",
                "android-install",
                "Install a certificate",
                &[
                    Row::Open("CA certificate"),
                    Row::There("VPN & app user certificate"),
                    Row::There("Wi-Fi certificate"),
                ],
            ),
            phone(
                "Android warns that others could read along. This certificate is good for your hub’s own names only: tap “Install anyway”.",
                "android-anyway",
                "Your data won’t be private",
                &[Row::There("Don’t install"), Row::Press("Install anyway")],
            ),
            phone(
                "Choose the file “keepsight-ca.crt” under Downloads.",
                "android-file",
                "Downloads",
                &[Row::Open("keepsight-ca.crt")],
            ),
            step(
                "Use Chrome, or another browser that trusts what you installed. Firefox does so once its setting “Use third party CA certificates” is on.",
            ),
        ],
    },
    Platform {
        id: "windows",
        name: "Windows",
        file: "/ca.crt",
        download: "Download the certificate",
        steps: &[
            window(
                "Open the file “keepsight-ca.crt” and choose “Install Certificate…”, then “Current User”.",
                "windows-certificate",
                "Certificate",
                &[Row::There("Issued to: Keepsight root of …"), Row::Press("Install Certificate…")],
            ),
            window(
                "Choose “Place all certificates in the following store”, “Browse…”, and “Trusted Root Certification Authorities”.",
                "windows-store",
                "Certificate Store",
                &[Row::There("Personal"), Row::Open("Trusted Root Certification Authorities")],
            ),
            step("Choose “Next”, “Finish”, and “Yes”. Close the browser and open it again."),
        ],
    },
    Platform {
        id: "macos",
        name: "Mac",
        file: "/ca.crt",
        download: "Download the certificate",
        steps: &[
            step("Open the file “keepsight-ca.crt”. Keychain Access takes it into the login keychain."),
            window(
                "In Keychain Access, search for “Keepsight” and open the one that begins with “Keepsight root”.",
                "macos-keychain",
                "Keychain Access",
                &[Row::There("login"), Row::Open("Keepsight root of …")],
            ),
            window(
                "Open “Trust”, and set “When using this certificate” to “Always Trust”. Close the window and enter your password.",
                "macos-trust",
                "Keepsight root of …",
                &[Row::There("When using this certificate:"), Row::Open("Always Trust")],
            ),
        ],
    },
    Platform {
        id: "linux",
        name: "Linux",
        file: "/ca.pem",
        download: "Download the certificate",
        steps: &[
            window(
                "Chrome or Chromium: Settings, Privacy and security, Security, Manage certificates, Custom, “Installed by you”: import the file under Trusted Certificates.",
                "linux-chrome",
                "Manage certificates",
                &[Row::There("Trusted Certificates"), Row::Press("Import")],
            ),
            window(
                "Firefox: Settings, Privacy & Security, View Certificates…, Authorities, Import…, and tick “Trust this CA to identify websites”.",
                "linux-firefox",
                "Downloading Certificate",
                &[Row::On("Trust it to identify websites"), Row::Press("OK")],
            ),
        ],
    },
];

/// Which of them asks, by its User-Agent. An iPad says that it is a Mac: both are shown open then.
pub(super) fn asking(user_agent: &str) -> &'static [usize] {
    let says = |word: &str| user_agent.contains(word);
    // In this order: Android says Linux too, and an iPhone “like Mac OS X”.
    if says("iPhone") || says("iPad") || says("iPod") {
        &[IOS]
    } else if says("Android") {
        &[ANDROID]
    } else if says("Windows") {
        &[WINDOWS]
    } else if says("Macintosh") {
        &[MACOS, IOS]
    } else if says("Linux") || says("X11") {
        &[LINUX]
    } else {
        &[]
    }
}
