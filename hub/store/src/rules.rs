//! What the hub does when something happens, as people want it; and how they live at the moment: the mode.
//!
//! ```text
//! s/mode                            → ModeNow
//! s/rules/<rule id>                 → Rule
//! s/fired/<rule id>/<camera id>     → Fired
//! ```
//!
//! All of them are settings: a hub from before there were rules, to which a machine may go back, takes them for those of a newer
//! one and lets them be.

use base::{CameraId, EventId, RuleId, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};

use crate::db::Db;
use crate::engine::{KeyRange, Order, Tree};
use crate::error::StoreError;
use crate::events::EventKind;
use crate::hub::SETTING;
use crate::key::key;

/// How people live at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Somebody is at home.
    #[default]
    Home,
    /// Nobody is.
    Away,
    /// Everybody sleeps.
    Night,
}

/// The mode, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ModeNow {
    /// Which. A word of a newer hub is read as `away`: better told once too often.
    #[serde(deserialize_with = "mode")]
    pub mode: Mode,
    /// Since when; what was over before is not its concern. `None`: nobody has set one yet.
    pub since: Option<Timestamp>,
}

/// A word of a list. One that only a newer hub knows stays in it and is like none of ours, so that a list of nothing else is not
/// taken for an empty one, which means everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Word<T> {
    /// One of ours.
    Known(T),
    /// Of a newer hub.
    Newer(String),
}

impl<T: PartialEq> Word<T> {
    /// Whether it is this one.
    pub fn is(&self, word: &T) -> bool {
        matches!(self, Word::Known(known) if known == word)
    }
}

/// When something of a kind happens, do something. An empty list sets no condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Which.
    pub id: RuleId,
    /// For people.
    pub name: String,
    /// It holds at all.
    pub enabled: bool,
    /// At one of these cameras.
    pub cameras: Vec<CameraId>,
    /// Of one of these kinds.
    pub kinds: Vec<Word<EventKind>>,
    /// One of these was seen: it is among the event's `detail.objects`.
    pub objects: Vec<String>,
    /// In one of these modes.
    pub modes: Vec<Word<Mode>>,
    /// At one of these times of the week.
    pub times: Vec<Times>,
    /// So long after it did something for a camera it does nothing more for that camera, in seconds.
    pub cool_down_s: u32,
    /// What it does.
    pub actions: Actions,
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Actions {
    /// The event's footage is protected.
    #[serde(default)]
    pub protect: Option<Roll>,
    /// Whoever may look back at the camera is told.
    #[serde(default)]
    pub notify: bool,
}

/// What of the footage belongs to an event besides itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roll {
    /// Seconds before it begins.
    pub before_s: u32,
    /// Seconds after its end.
    pub after_s: u32,
}

/// A time of the day on some days of the week, as clocks on the wall show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// On which days it begins; empty: on every day.
    #[serde(default)]
    pub days: Vec<Day>,
    /// When it begins.
    pub from: Minute,
    /// When it ends: on the next day if that is not after `from`.
    pub to: Minute,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "they are the days of the week")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// A minute of the day. As text `HH:MM`, 00:00 to 23:59.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Minute(u16);

/// A text is no time of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a time of the day is HH:MM, from 00:00 to 23:59")]
pub struct BadMinute;

impl Minute {
    /// Minutes since midnight.
    pub fn of_day(self) -> u16 {
        self.0
    }
}

impl TryFrom<String> for Minute {
    type Error = BadMinute;
    fn try_from(text: String) -> Result<Self, BadMinute> {
        let digit = |byte: u8| byte.is_ascii_digit().then(|| u16::from(byte - b'0')).ok_or(BadMinute);
        let [h1, h2, b':', m1, m2] = *text.as_bytes() else { return Err(BadMinute) };
        let (hour, minute) = (digit(h1)? * 10 + digit(h2)?, digit(m1)? * 10 + digit(m2)?);
        (hour < 24 && minute < 60).then_some(Self(hour * 60 + minute)).ok_or(BadMinute)
    }
}

impl From<Minute> for String {
    fn from(Minute(of_day): Minute) -> String {
        format!("{:02}:{:02}", of_day / 60, of_day % 60)
    }
}

/// When a rule did something for a camera.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fired {
    /// For an event that was seen then: the last time, by the hub's clock.
    pub at: Timestamp,
    /// For which events: the last ones, by their ids, [`MAX_EVENTS_FIRED`] at most. Those before count as among them.
    pub events: Vec<EventId>,
}

/// Of so many events it is known whether a rule did something for them.
pub const MAX_EVENTS_FIRED: usize = 16;

impl Fired {
    /// It did, or it is not known any more that it did not.
    pub fn for_event(&self, event: EventId) -> bool {
        let forgotten =
            self.events.len() == MAX_EVENTS_FIRED && self.events.first().is_some_and(|first| event < *first);
        forgotten || self.events.contains(&event)
    }

    /// It does something for one more event.
    pub fn add(&mut self, event: EventId, at: Timestamp) {
        self.at = at;
        self.events.push(event);
        self.events.sort_unstable();
        let too_many = self.events.len().saturating_sub(MAX_EVENTS_FIRED);
        self.events.drain(..too_many);
    }
}

const TREE: Tree = Tree::Meta;
const MODE: &str = "mode";
const RULES: &[u8] = b"rules/";
const FIRED: &[u8] = b"fired/";

impl Db {
    /// How people live at the moment.
    pub fn mode(&self) -> Result<ModeNow, StoreError> {
        Ok(self.setting(MODE)?.unwrap_or_default())
    }
    /// They live otherwise from now on; `false`: they did already.
    pub fn set_mode(&mut self, mode: Mode) -> Result<bool, StoreError> {
        if self.mode()?.mode == mode {
            return Ok(false);
        }
        self.put_setting(MODE, &ModeNow { mode, since: Some(self.now()) })?;
        Ok(true)
    }

    /// Every rule, in the order they were made. One that only a newer hub can read is left out.
    pub fn rules(&self) -> Result<Vec<Rule>, StoreError> {
        let rows = KeyRange::prefix(&key(&[SETTING, RULES]));
        let rules = self.list(TREE, &rows, Order::Forward, |_, content| Ok(serde_json::from_slice(content).ok()))?;
        Ok(rules.into_iter().flatten().collect())
    }
    /// Keeps a rule, or replaces the one with its id.
    ///
    /// # Errors
    /// [`StoreError::TooLong`] if it is.
    pub fn put_rule(&mut self, rule: &Rule) -> Result<(), StoreError> {
        self.put(TREE, rule_key(rule.id), rule)
    }
    /// Removes a rule, and what it did when; `false` if there is none.
    pub fn remove_rule(&mut self, id: RuleId) -> Result<bool, StoreError> {
        let rule = rule_key(id);
        let there = self.contains(TREE, &rule)?;
        if there {
            self.delete(TREE, rule)?;
            self.delete_range(TREE, &KeyRange::prefix(&key(&[SETTING, FIRED, id.to_string().as_bytes(), b"/"])))?;
        }
        Ok(there)
    }

    /// When a rule did something for a camera; `None`: never yet.
    pub fn fired(&self, rule: RuleId, camera: CameraId) -> Result<Option<Fired>, StoreError> {
        self.get(TREE, &fired_key(rule, camera))
    }
    /// A rule did something for a camera.
    pub fn put_fired(&mut self, rule: RuleId, camera: CameraId, fired: &Fired) -> Result<(), StoreError> {
        self.put(TREE, fired_key(rule, camera), fired)
    }
    /// The camera is gone.
    pub(crate) fn forget_fired_at(&mut self, camera: CameraId) -> Result<(), StoreError> {
        let all = KeyRange::prefix(&key(&[SETTING, FIRED]));
        let keys = self.list(TREE, &all, Order::Forward, |key, _| Ok(key.to_vec()))?;
        let (mut keys, of) = (keys, camera.to_string());
        keys.retain(|key| key.ends_with(of.as_bytes()));
        keys.into_iter().try_for_each(|key| self.delete(TREE, key))
    }
}

fn rule_key(id: RuleId) -> Vec<u8> {
    key(&[SETTING, RULES, id.to_string().as_bytes()])
}

fn fired_key(rule: RuleId, camera: CameraId) -> Vec<u8> {
    key(&[SETTING, FIRED, rule.to_string().as_bytes(), b"/", camera.to_string().as_bytes()])
}

fn mode<'de, D: Deserializer<'de>>(d: D) -> Result<Mode, D::Error> {
    let word = serde_json::Value::String(String::deserialize(d)?);
    Ok(serde_json::from_value(word).unwrap_or(Mode::Away))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_the_day_is_four_digits_and_a_colon() {
        let read = |text: &str| Minute::try_from(text.to_owned());
        for (text, of_day) in [("00:00", 0), ("09:05", 545), ("23:59", 1_439)] {
            let minute = read(text).unwrap();
            assert_eq!((minute.of_day(), String::from(minute).as_str()), (of_day, text));
        }
        for bad in ["", "9:05", "24:00", "12:60", "12.30", "12:3", "-1:30", "ü:30", "12:300"] {
            assert_eq!(read(bad), Err(BadMinute), "{bad}");
        }
    }

    #[test]
    fn a_newer_hubs_words_are_kept_and_are_none_of_ours() {
        let text = r#"{"id":"01kdw000000000000000000000","name":"n","enabled":true,"cameras":[],"kinds":["parcel"],"objects":[],
            "modes":["holiday","away"],"times":[],"cool_down_s":0,"actions":{"siren":{"s":5},"notify":true},"more":1}"#;
        let rule: Rule = serde_json::from_str(text).unwrap();
        assert!(!EVENT_KINDS.iter().any(|kind| rule.kinds[0].is(kind)));
        assert!(rule.modes[1].is(&Mode::Away) && !rule.modes[0].is(&Mode::Away));
        assert_eq!(rule.actions, Actions { protect: None, notify: true });
        let again = serde_json::to_string(&rule).unwrap();
        assert!(again.contains(r#""kinds":["parcel"]"#) && again.contains(r#"["holiday","away"]"#), "{again}");
        let mode: ModeNow = serde_json::from_str(r#"{"mode":"holiday","since":null}"#).unwrap();
        assert_eq!(mode.mode, Mode::Away);
    }

    const EVENT_KINDS: [EventKind; 4] = [EventKind::Motion, EventKind::Person, EventKind::Doorbell, EventKind::Offline];

    #[test]
    fn an_event_is_known_to_have_fired_for_ever() {
        let id = |n: u8| EventId::from_bytes([n; 16]);
        let at = |s| Timestamp::from_second(s).unwrap();
        let mut fired = Fired { at: at(0), events: Vec::new() };
        for n in [3, 1, 2].into_iter().chain(4..100) {
            assert!(!fired.for_event(id(n)), "{n}");
            fired.add(id(n), at(n.into()));
            assert!((1..=n).all(|before| n < 4 || fired.for_event(id(before))), "{n}");
        }
        assert_eq!((fired.events.len(), fired.at), (MAX_EVENTS_FIRED, at(99)));
        let bytes = serde_json::to_vec(&fired).unwrap().len();
        assert!(bytes < 1_000, "{bytes}");
    }
}
