//! The keepsight binary: subcommands, wiring, start and stop order.

pub mod adopt;
mod as_root;
pub mod cameras;
pub mod check;
pub mod cli;
pub mod config;
mod console;
pub mod demo;
pub mod doctor;
pub mod first_boot;
pub mod footage_disk;
pub mod health;
pub mod history;
pub mod hub;
pub mod hygiene;
pub mod logs;
mod machine;
pub mod open;
pub mod out;
pub mod rescue;
pub mod reset;
pub mod run;
pub mod sock;
pub mod store_cmd;
pub mod support;
mod updates;
pub mod wifi;
