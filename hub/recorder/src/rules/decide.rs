//! Whether a rule does something for an event. Pure.

use base::Timestamp;
use jiff::civil::{DateTime, Weekday};
use store::{Day, Event, Fired, ModeNow, Rule, Times};

/// When it is decided.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// The hub's clock.
    pub(super) now: Timestamp,
    /// What clocks on the wall show when the event was last seen; `None`: the hub does not know the time.
    pub(super) local: Option<DateTime>,
}

/// When an event was last seen, as far as the hub knows.
pub(super) fn last_seen(event: &Event, now: Timestamp) -> Timestamp {
    event.end.map_or(now, |end| end.min(now))
}

/// Whether a rule does something for an event now. `fired`: when it did for the camera.
pub(super) fn fires(rule: &Rule, event: &Event, mode: &ModeNow, fired: Option<&Fired>, moment: Moment) -> bool {
    let Moment { now, local } = moment;
    let seen = last_seen(event, now);
    rule.enabled
        && (rule.cameras.is_empty() || rule.cameras.contains(&event.camera))
        && (rule.kinds.is_empty() || rule.kinds.iter().any(|kind| kind.is(&event.kind)))
        && (rule.objects.is_empty() || objects(event).any(|object| rule.objects.iter().any(|wanted| wanted == object)))
        && (rule.modes.is_empty() || in_mode(rule, mode, seen, now))
        && (rule.times.is_empty() || local.is_none_or(|local| rule.times.iter().any(|times| covers(times, local))))
        && fired.is_none_or(|fired| !fired.for_event(event.id) && cooled_down(rule, fired.at, seen, now))
}

/// What was seen of it: nothing, where nobody said.
fn objects(event: &Event) -> impl Iterator<Item = &str> {
    let said = event.detail.get("objects").and_then(|objects| objects.as_array());
    said.into_iter().flatten().filter_map(|object| object.as_str())
}

/// What was over before the mode was set is not its concern: who goes out, and says so, was seen going. A clock that was set back
/// since tells nothing.
fn in_mode(rule: &Rule, mode: &ModeNow, seen: Timestamp, now: Timestamp) -> bool {
    let begun = mode.since.is_none_or(|since| seen >= since || now < since);
    begun && rule.modes.iter().any(|word| word.is(&mode.mode))
}

/// What is looked at late counts for when it was seen: before what was looked at meanwhile, and as far from it. A clock that was
/// set back since does not make it wait for years.
fn cooled_down(rule: &Rule, at: Timestamp, seen: Timestamp, now: Timestamp) -> bool {
    now < at || seen.duration_since(at).abs().as_secs() >= i64::from(rule.cool_down_s)
}

/// When a rule did something the last time, if it does for an event that was seen then. `before`: it did before.
pub(super) fn last_fired(before: Option<Timestamp>, seen: Timestamp, now: Timestamp) -> Timestamp {
    before.filter(|before| *before <= now).map_or(seen, |before| before.max(seen))
}

/// Whether a time of the week covers what clocks on the wall show. When they are set forward, what they skip does not come; when
/// back, what they show twice counts twice.
pub(super) fn covers(times: &Times, local: DateTime) -> bool {
    let begins_on = |day: Weekday| times.days.is_empty() || times.days.contains(&of(day));
    let minute = local.hour() as u16 * 60 + local.minute() as u16;
    let (from, to) = (times.from.of_day(), times.to.of_day());
    let (today, yesterday) = (local.weekday(), local.weekday().previous());
    match from < to {
        true => begins_on(today) && (from..to).contains(&minute),
        false => (begins_on(today) && minute >= from) || (begins_on(yesterday) && minute < to),
    }
}

fn of(day: Weekday) -> Day {
    match day {
        Weekday::Monday => Day::Mon,
        Weekday::Tuesday => Day::Tue,
        Weekday::Wednesday => Day::Wed,
        Weekday::Thursday => Day::Thu,
        Weekday::Friday => Day::Fri,
        Weekday::Saturday => Day::Sat,
        Weekday::Sunday => Day::Sun,
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
