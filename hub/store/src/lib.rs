//! The event store: what is small, durable and ordered.
//!
//! Principals and grants, wrapped keys, cameras, the segment index, events, gaps and the audit log, as typed rows in a
//! handful of trees. [`Store`] is the handle; a call is a closure over [`Db`], atomic, run by the one storage thread, and
//! acknowledged when what it changed has survived a flush ([`Durability`] says how soon that is).
//!
//! Beneath is sled, which is durable only with the override in [`durable`], and which is dropped and opened again after any
//! error. [`engine::Engine`] is all that is asked of it.

pub mod durable;
pub mod engine;

mod audit;
mod cameras;
mod check;
mod db;
mod error;
mod events;
mod export;
mod folder;
mod hub;
mod keep;
mod key;
mod motion;
mod people;
mod row;
mod rules;
mod segments;
mod span;
mod store;
mod tally;
mod worker;

pub use audit::{Actor, AuditEntry, AuditHash, AuditHead, AuditReport};
pub use cameras::{Adopted, AtHome, Camera, Epoch, Learnt, StreamSource};
pub use check::{CheckReport, TreeReport};
pub use db::Db;
pub use error::StoreError;
pub use events::{BadEventCursor, Event, EventCursor, EventKind, EventPage, EventQuery};
pub use export::{ExportHeader, ExportKind};
pub use hub::{Claim, HubRow, RecoveryKitRow};
pub use keep::{KeepLimit, LONGEST_BY_RULE, MOST_BY_RULES, ProtectedSpan};
pub use motion::{BadZone, By, MAX_ZONES, MotionSettings, Sensitivity, Zone};
pub use people::{Grant, Principal, PrincipalKind, Rights, Role, Secret, SecretKind, Totp};
pub use row::{MAX_ROW_BYTES, RowError, RowTooLong};
pub use rules::{Actions, BadMinute, Day, Fired, MAX_EVENTS_FIRED, Minute, Mode, ModeNow, Roll, Rule, Times, Word};
pub use segments::Gap;
pub use store::{Durability, Options, Pending, Store};
