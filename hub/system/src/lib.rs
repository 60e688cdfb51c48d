//! The machine under the hub: its board, what its disks say of themselves, what time it is, its two system copies;
//! what a person told it before its first start; Wi-Fi; and a disk that is made the footage disk.

mod board;
mod clock;
mod disks;
mod doctor;
pub mod first_boot;
pub mod footage_disk;
mod internet_time;
mod mounts;
pub mod reset;
mod slots;
mod turn;
pub mod update;
mod wifi;

pub use board::{Arch, BOARD_FILE, Board, BoardError, BoardLimits, Decoder, Flavour, IMAGE_FILE, Image, Kernel};
pub use clock::HubClock;
pub use disks::{DiskFacts, Disks, SystemDisks};
pub use doctor::{Doctor, Fact, Machine};
pub use internet_time::{INTERNET_TIME, InternetTime, TIME_SETTINGS, TimeSettings};
pub use mounts::{looked_into, missing_mount};
pub use slots::{Progress, Rauc, Slot, SlotName, Slots, SlotsError};
pub use wifi::{HubWifi, WIFI_REQUEST, WifiChange, WifiStage, WifiStatus, radios, wifi_of};
