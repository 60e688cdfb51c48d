//! Which of a camera's pictures are worth a look. Pure: time comes with the pictures.
//!
//! | while | what is looked at |
//! |---|---|
//! | nothing happens | key pictures, one a second at most: each is decoded by itself, and costs a hundredth of all of them |
//! | something is suspected | every picture, for 8 seconds |
//! | something has moved for long | now and then every picture, until something is seen to move; in between key pictures |
//!
//! What has moved for long is known: whatever moves within ten seconds belongs to the same event. So of a street in which something
//! always moves a fifth is looked at.

use std::time::Duration;

use base::Mono;

/// Key pictures are looked at so often at most while nothing happens.
const IDLE_EVERY: Duration = Duration::from_millis(950);
/// After a suspicion every picture is looked at for so long.
const SUSPICIOUS: Duration = Duration::from_secs(8);
/// A new child looks at every picture for so long, to learn what the scene is like.
const LEARNS: Duration = Duration::from_secs(4);
/// What has moved for so long...
const LONG: Duration = Duration::from_secs(120);
/// ...without such a break...
const BREAK: Duration = Duration::from_secs(10);
/// ...need not be looked at for so long, and then until the next key picture; but only where those come so often, that less than a
/// break lies between two looks.
const RESTS: Duration = Duration::from_secs(4);
const REST_KEYS: Duration = Duration::from_millis(2_600);
/// From a look to the next one.
pub(crate) const LONGEST_REST: Duration = RESTS.saturating_add(REST_KEYS);
// Then something has to be seen for a second, and a busy machine is late.
const _: () = assert!(LONGEST_REST.as_secs() + 2 < BREAK.as_secs());

/// What is to be done with a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// It is passed over.
    Past,
    /// It is looked at by itself.
    Alone,
    /// It is looked at, if all since a key picture were.
    Whole,
}

/// What is paid attention to at one camera.
#[derive(Debug, Default)]
pub struct Attention {
    /// Every picture is looked at until then...
    all_until: Mono,
    /// ...but not before.
    rests_until: Mono,
    /// When a key picture was last looked at by itself.
    alone_at: Option<Mono>,
    /// When the last key picture was taken, and how long after the one before.
    key_at: Option<Mono>,
    key_every: Option<Duration>,
    /// Since when something moves, and when it was last seen to.
    moving: Option<(Mono, Mono)>,
}

impl Attention {
    /// Who relies on it must not take a shorter one for the end of what moves.
    pub const BREAK: Duration = BREAK;

    /// The next picture. `at`: when it was taken; `key`: can be decoded without others.
    pub fn picture(&mut self, at: Mono, key: bool) -> Look {
        if key {
            self.key_every = self.key_at.map(|before| at.since(before));
            self.key_at = Some(at);
        }
        if self.looks_at_all(at) {
            return Look::Whole;
        }
        if key && self.alone_at.is_none_or(|last| at < last || at.since(last) >= IDLE_EVERY) {
            self.alone_at = Some(at);
            return Look::Alone;
        }
        Look::Past
    }

    /// Whether every picture is looked at that is taken at `at`.
    pub fn looks_at_all(&self, at: Mono) -> bool {
        (self.rests_until..self.all_until).contains(&at)
    }

    /// Something is not as it was at `at`.
    pub fn suspects(&mut self, at: Mono) {
        self.all_until = self.all_until.max(at + SUSPICIOUS);
    }

    /// Something moves at `at`. `known`: nobody asks what else there is to know of it.
    pub fn moves(&mut self, at: Mono, known: bool) {
        self.suspects(at);
        let since = self.moving.filter(|(_, last)| at.since(*last) < BREAK).map_or(at, |(since, _)| since);
        self.moving = Some((since, at));
        let keys_come = self.key_every.is_some_and(|every| every <= REST_KEYS);
        if known && keys_come && at >= self.rests_until && at.since(since) >= LONG {
            self.rests_until = at + RESTS;
            self.suspects(self.rests_until);
        }
    }

    /// Whoever looks knows nothing; `at`: when the last picture was taken.
    pub fn learns(&mut self, at: Mono) {
        (self.rests_until, self.alone_at) = (Mono::default(), None);
        self.all_until = self.all_until.max(at + LEARNS);
    }

    /// Other pictures begin, at another time.
    pub fn begins(&mut self) {
        (self.alone_at, self.key_at, self.key_every, self.rests_until) = (None, None, None, Mono::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pictures a second.
    const FPS: u64 = 10;

    fn at(number: u64) -> Mono {
        Mono(1_000_000_000 + number * 1_000_000_000 / FPS)
    }

    /// Something moves in every picture of four minutes, and is seen to a second after looking at all has begun. How many are looked at of
    /// each ten seconds, whole and alone, and the longest time in which nothing is seen to move.
    fn moves_all_the_time(keys_every: u64, known: bool) -> (Vec<[usize; 2]>, Duration) {
        let mut attention = Attention::default();
        attention.learns(at(0));
        let mut tens = vec![[0; 2]; 24];
        let (mut whole_since, mut seen, mut longest) = (None, at(0), Duration::ZERO);
        for number in 0..240 * FPS {
            let (now, key) = (at(number), number.is_multiple_of(keys_every));
            let ten = &mut tens[(number / FPS / 10) as usize];
            match attention.picture(now, key) {
                Look::Whole if key || whole_since.is_some() => {
                    ten[0] += 1;
                    attention.suspects(now);
                    if number >= *whole_since.get_or_insert(number) + FPS {
                        attention.moves(now, known);
                        longest = longest.max(now.since(seen));
                        seen = now;
                    }
                }
                Look::Alone => {
                    (ten[1], whole_since) = (ten[1] + 1, None);
                    attention.suspects(now);
                }
                _ => whole_since = None,
            }
        }
        (tens, longest)
    }

    #[test]
    fn what_has_moved_for_long_is_looked_at_now_and_then_and_more_often_than_an_event_needs() {
        for keys_every in [FPS, 2 * FPS, 5 * FPS / 2] {
            let (tens, longest) = moves_all_the_time(keys_every, true);
            assert_eq!(tens[..12], [[100, 0]; 12], "an event that somebody looks at");
            assert!(tens[13..].iter().all(|[whole, alone]| (10..=33).contains(whole) && *alone >= 1), "{tens:?}");
            assert!(longest < BREAK - Duration::from_secs(1), "{longest:?}");
        }
    }

    #[test]
    fn all_is_looked_at_where_somebody_asks_what_moves_and_where_key_pictures_are_rare() {
        for (keys_every, known) in [(2 * FPS, false), (4 * FPS, true), (10 * FPS, true)] {
            let (tens, _) = moves_all_the_time(keys_every, known);
            assert_eq!(tens, [[100, 0]; 24]);
        }
    }

    #[test]
    fn what_moves_again_after_a_break_is_looked_at_whole_and_so_is_all_by_who_knows_nothing() {
        let mut attention = Attention::default();
        let look = |attention: &mut Attention, number: u64| attention.picture(at(number), number.is_multiple_of(FPS));
        let rests = |attention: &mut Attention, number: u64| {
            look(attention, number);
            attention.moves(at(number), true);
            !attention.looks_at_all(at(number + 1))
        };
        // Now and then, with breaks: each time anew.
        for number in (0..3_000).step_by(13 * FPS as usize) {
            (0..3).for_each(|n| assert!(!rests(&mut attention, number + n)));
        }
        let begins = 10_000;
        let began = (begins..).find(|number| rests(&mut attention, *number)).unwrap();
        assert_eq!(began, begins + 120 * FPS);
        // Something suspicious is in every picture of it.
        attention.suspects(at(began + 1));
        assert!(!attention.looks_at_all(at(began + 1)));
        attention.learns(at(began + 1));
        assert!(attention.looks_at_all(at(began + 2)));
    }
}
