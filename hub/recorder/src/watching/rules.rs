//! Which of a camera's own rules say that something moves.
//!
//! A camera tells when that changes, and says nothing while it stays so. Events want to hear of what goes on.

use std::collections::BTreeMap;
use std::time::Duration;

use base::Mono;
use onvif::Movement;

use crate::happening::QUIET;

/// What goes on is told so often.
const AGAIN: Duration = Duration::from_secs(3);
const _: () = assert!(2 * AGAIN.as_millis() < QUIET.as_millis(), "what goes on is one event");
/// A rule that says nothing else for so long is forgotten: some cameras never take back what they said.
const STUCK: Duration = Duration::from_secs(10 * 60);
/// Rules of one camera that may say so at a time; their names are as long as it makes them.
const MAX_RULES: usize = 32;

/// What is to be told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Told {
    /// When it was so.
    pub at: Mono,
    /// Since when it moves.
    pub since: Mono,
    /// What moves, as far as it is known.
    pub what: Vec<&'static str>,
}

#[derive(Default)]
pub(super) struct Rules {
    /// Those that say that something moves; when they said it, and what it is.
    moving: BTreeMap<String, (Mono, Option<&'static str>)>,
    /// When the last of them said that nothing does any more.
    ended: Option<Mono>,
    /// What was told last.
    last: Told,
}

impl Rules {
    /// A rule says something. What is to be told of it, if it changes anything.
    pub fn say(&mut self, movement: Movement, now: Mono) -> Option<Told> {
        let Movement { rule, moves, what } = movement;
        let before = self.moving.len();
        match moves {
            true if before < MAX_RULES || self.moving.contains_key(&rule) => {
                self.moving.insert(rule, (now, what));
            }
            true => {}
            false => {
                self.moving.remove(&rule);
            }
        }
        // What moves again soon belongs to the same event.
        if before == 0 && moves && self.ended.is_none_or(|ended| now.since(ended) > QUIET) {
            self.last.since = now;
        }
        if before > 0 && !self.moves() {
            self.ended = Some(now);
        }
        (self.moving.len() != before).then(|| self.tell(now))
    }

    /// When it is to be told that it goes on.
    pub fn next_at(&self) -> Option<Mono> {
        self.moves().then(|| self.last.at + AGAIN)
    }

    /// It goes on; `None`: it does not.
    pub fn again(&mut self, now: Mono) -> Option<Told> {
        let before = self.moving.len();
        self.moving.retain(|_, (said, _)| now.since(*said) < STUCK);
        if before > 0 && !self.moves() {
            self.ended = Some(self.last.at);
        }
        self.moves().then(|| self.tell(now))
    }

    /// Whether something moves.
    pub fn moves(&self) -> bool {
        !self.moving.is_empty()
    }

    /// What was told last.
    pub fn last(&self) -> &Told {
        &self.last
    }

    fn tell(&mut self, at: Mono) -> Told {
        let mut what: Vec<_> = self.moving.values().filter_map(|(_, what)| *what).collect();
        what.sort_unstable();
        what.dedup();
        self.last = Told { at, since: self.last.since, what };
        self.last.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(s: u64) -> Mono {
        Mono(s * 1_000_000_000)
    }

    fn says(rule: &str, moves: bool) -> Movement {
        let what = rule.starts_with("people").then_some("person");
        Movement { rule: rule.into(), moves, what }
    }

    fn told(at: u64, since: u64, what: &[&'static str]) -> Option<Told> {
        Some(Told { at: second(at), since: second(since), what: what.into() })
    }

    #[test]
    fn it_moves_from_the_first_rule_that_says_so_to_the_last_that_does_not_any_more() {
        let mut rules = Rules::default();
        assert_eq!(rules.say(says("motion", false), second(5)), None, "as at the begin of a connection");
        assert_eq!((rules.next_at(), rules.again(second(8))), (None, None));
        assert_eq!(rules.say(says("motion", true), second(10)), told(10, 10, &[]));
        assert_eq!(rules.say(says("motion", true), second(11)), None, "it said so");
        assert_eq!(rules.next_at(), Some(second(13)));
        assert_eq!(rules.again(second(13)), told(13, 10, &[]));
        assert_eq!(rules.say(says("people", true), second(14)), told(14, 10, &["person"]));
        assert_eq!(rules.say(says("motion", false), second(15)), told(15, 10, &["person"]));
        assert_eq!(rules.say(says("people", false), second(20)), told(20, 10, &[]), "its end, to the moment");
        assert_eq!((rules.next_at(), rules.moves()), (None, false));
        // Soon again, and again: it is the same.
        assert_eq!(rules.say(says("motion", true), second(30)), told(30, 10, &[]));
        assert_eq!(rules.say(says("motion", false), second(31)), told(31, 10, &[]));
        assert_eq!(rules.say(says("motion", false), second(32)), None);
        assert_eq!(rules.say(says("motion", true), second(42)), told(42, 42, &[]));
    }

    #[test]
    fn what_a_camera_never_takes_back_is_forgotten() {
        let mut rules = Rules::default();
        rules.say(says("motion", true), second(0));
        assert!(rules.again(second(599)).is_some());
        assert_eq!((rules.again(second(600)), rules.moves()), (None, false));
        assert_eq!(rules.say(says("motion", false), second(700)), None);
        assert_eq!(rules.say(says("motion", true), second(701)), told(701, 701, &[]));
    }

    #[test]
    fn a_camera_that_thinks_up_rules_is_bounded() {
        let mut rules = Rules::default();
        for n in 0..1_000 {
            rules.say(says(&n.to_string(), true), second(1));
        }
        assert_eq!(rules.moving.len(), MAX_RULES);
    }
}
