//! Which way a camera is read, where a person left it to the hub.

use crate::end::{EndReason, IngestEnd};
use crate::source::Way;

/// The way that is used, and why it is not the first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Via<'a> {
    /// Which.
    pub way: Way,
    /// How the one before it ended; `None` for the first.
    pub why: Option<&'a str>,
}

/// Finds the way that works for one address, and remembers it.
///
/// Only what a camera answers leads to another way, never that it is away: a camera that is off is asked in the one that
/// worked. All ways that are worth a try are tried one right after the other, as one try; then waits are for who owns it.
///
/// A camera that could be read for long and suddenly sends rubbish is more likely ill for a while than another camera: what
/// reads it then is a stopgap, for that connection only. Were it kept, each such illness would leave the camera with the
/// dearer source for good, which also finds it again later.
#[derive(Debug, Clone)]
pub struct Choice {
    ways: &'static [Way],
    way: Way,
    why: Option<String>,
    /// Ways that ended without a picture since the last picture, the present one not among them.
    failed: Vec<Way>,
    worked: bool,
    /// The way before the stopgap, and why it was that.
    before: Option<(Way, Option<String>)>,
    /// The way before the last stopgap is tried again, and no picture has come yet.
    returned: bool,
}

impl Choice {
    /// Out of `ways`, which [`Source::ways`](crate::Source::ways) gives; `worked` is the one that worked before, with the
    /// reason for it.
    pub fn new(ways: &'static [Way], worked: Option<(Way, Option<String>)>) -> Self {
        let worked = worked.filter(|(way, _)| ways.contains(way));
        let remembered = worked.is_some();
        let (way, why) = worked.unwrap_or((ways[0], None));
        Self { ways, way, why, failed: Vec::new(), worked: remembered, before: None, returned: false }
    }

    /// The way to take.
    pub fn via(&self) -> Via<'_> {
        Via { way: self.way, why: self.why.as_deref() }
    }

    /// Pictures came. `true`: this is news, to be remembered.
    pub fn works(&mut self) -> bool {
        self.failed.clear();
        self.returned = false;
        !std::mem::replace(&mut self.worked, true)
    }

    /// The present way is for this connection only, and nothing to be remembered.
    pub fn is_stopgap(&self) -> bool {
        self.before.is_some()
    }

    /// A connection ended that brought pictures: after a stopgap comes what was before it.
    pub fn ended(&mut self) {
        self.returned |= self.back();
    }

    /// Back to the way before the stopgap; `false` if there is none.
    fn back(&mut self) -> bool {
        let Some((way, why)) = self.before.take() else { return false };
        (self.way, self.why, self.worked) = (way, why, true);
        self.failed.clear();
        true
    }

    /// It ended without a picture. `true`: another way is to be tried at once.
    pub fn failed(&mut self, end: &IngestEnd) -> bool {
        let candidates: &[Way] = match end.reason {
            EndReason::NoTransport => &[Way::Own, Way::Udp, Way::Multicast],
            // Read over the RTSP connection by other code: redirects, further nonces, codings and packings.
            EndReason::Beyond | EndReason::Unsupported | EndReason::Broken => match self.way {
                Way::Own => &[Way::Tcp],
                _ => &[Way::Own, Way::Tcp],
            },
            // It agreed to play and nothing came: some cameras do so where a way is blocked or broken. One that was
            // recorded in this way hangs.
            EndReason::Stalled if !self.worked && !self.is_stopgap() => &[Way::Own, Way::Udp, Way::Multicast],
            _ => {
                self.back();
                return false;
            }
        };
        let untried = |way: &Way| *way != self.way && self.ways.contains(way) && !self.failed.contains(way);
        match candidates.iter().copied().find(untried) {
            Some(next) => {
                // What fails again right after the stopgap is no illness.
                let ill = matches!(end.reason, EndReason::Unsupported | EndReason::Broken);
                if self.worked && ill && !std::mem::take(&mut self.returned) {
                    self.before = Some((self.way, self.why.clone()));
                }
                self.failed.push(self.way);
                self.take(next, Some(&end.detail));
                true
            }
            None => {
                self.failed.clear();
                if !self.back() && !self.worked {
                    self.take(self.ways[0], None);
                }
                false
            }
        }
    }

    fn take(&mut self, way: Way, why: Option<&str>) {
        self.way = way;
        self.why = why.map(str::to_owned);
        self.worked = false;
    }
}

#[cfg(test)]
mod tests {
    use base::Transport;

    use super::*;
    use crate::source::Source;

    fn choice(transport: Transport, worked: Option<Way>) -> Choice {
        let source = Source::parse("rtsp://10.0.0.2/x", None).unwrap();
        Choice::new(source.ways(transport).unwrap(), worked.map(|way| (way, None)))
    }

    fn end(reason: EndReason) -> IngestEnd {
        IngestEnd::new(reason, reason.as_str())
    }

    /// The ways that are tried one after the other when each ends so.
    fn tried(mut choice: Choice, reason: EndReason) -> Vec<Way> {
        let mut ways = vec![choice.via().way];
        while choice.failed(&end(reason)) {
            ways.push(choice.via().way);
            assert!(ways.len() < 10, "{ways:?}");
        }
        ways
    }

    #[test]
    fn what_a_camera_answers_leads_to_the_ways_that_may_help() {
        use EndReason::*;
        let auto = || choice(Transport::Auto, None);
        assert_eq!(tried(auto(), NoTransport), [Way::Own, Way::Udp, Way::Multicast]);
        assert_eq!(tried(auto(), Stalled), [Way::Own, Way::Udp, Way::Multicast]);
        for beyond in [Beyond, Unsupported, Broken] {
            assert_eq!(tried(auto(), beyond), [Way::Own, Way::Tcp], "{beyond:?}");
        }
        for other in [Unreachable, Unauthorised, Closed, Error, Untrusted, Missing, Stopped] {
            assert_eq!(tried(auto(), other), [Way::Own], "{other:?}");
        }
    }

    #[test]
    fn what_a_person_set_is_kept_to() {
        for reason in [EndReason::NoTransport, EndReason::Stalled, EndReason::Unsupported] {
            assert_eq!(tried(choice(Transport::Udp, None), reason), [Way::Udp]);
            assert_eq!(tried(choice(Transport::Multicast, Some(Way::Own)), reason), [Way::Multicast]);
        }
        assert_eq!(tried(choice(Transport::Tcp, None), EndReason::NoTransport), [Way::Own]);
    }

    #[test]
    fn the_way_that_worked_is_kept_while_the_camera_is_away_and_left_when_it_says_no() {
        let mut choice = choice(Transport::Auto, None);
        assert!(choice.failed(&end(EndReason::NoTransport)));
        assert!(choice.works(), "it is to be remembered");
        assert!(!choice.works(), "once");
        assert_eq!(choice.via(), Via { way: Way::Udp, why: Some("no_transport") });
        for away in [EndReason::Unreachable, EndReason::Stalled, EndReason::Closed, EndReason::Unauthorised] {
            assert!(!choice.failed(&end(away)));
            assert_eq!(choice.via().way, Way::Udp, "{away:?}");
        }
        assert!(choice.failed(&end(EndReason::NoTransport)));
        assert_eq!(choice.via().way, Way::Own);
        assert!(choice.works());
    }

    #[test]
    fn what_reads_a_camera_that_is_ill_for_a_while_is_a_stopgap() {
        let mut choice = choice(Transport::Auto, None);
        choice.works();
        assert!(choice.failed(&end(EndReason::Broken)));
        assert_eq!(choice.via().way, Way::Tcp);
        choice.works();
        assert!(choice.is_stopgap());
        choice.ended();
        assert_eq!((choice.via(), choice.is_stopgap()), (Via { way: Way::Own, why: None }, false));
        // It is well again, and later ill again.
        choice.works();
        assert!(choice.failed(&end(EndReason::Broken)));
        choice.works();
        assert!(choice.is_stopgap());
        choice.ended();
        // It is not well: it has become one that the first way cannot read.
        assert!(choice.failed(&end(EndReason::Broken)));
        assert!(choice.works() && !choice.is_stopgap());
        choice.ended();
        assert_eq!(choice.via(), Via { way: Way::Tcp, why: Some("broken") });
    }

    #[test]
    fn a_way_that_never_worked_and_one_that_the_camera_refuses_are_left_for_good() {
        let mut never = choice(Transport::Auto, None);
        assert!(never.failed(&end(EndReason::Broken)));
        assert!(!never.is_stopgap());
        let mut refused = choice(Transport::Auto, Some(Way::Own));
        assert!(refused.failed(&end(EndReason::Beyond)));
        assert!(!refused.is_stopgap());
    }

    #[test]
    fn a_camera_that_nothing_reads_for_a_while_is_read_as_before_afterwards() {
        let mut choice = choice(Transport::Auto, Some(Way::Udp));
        while choice.failed(&end(EndReason::Broken)) {}
        assert_eq!(choice.via().way, Way::Udp);
        assert!(!choice.failed(&end(EndReason::Stalled)), "it hangs: no reason to try another way");
    }

    #[test]
    fn a_camera_that_goes_away_while_it_is_ill_is_asked_as_before() {
        for away in [EndReason::Unreachable, EndReason::Stalled, EndReason::Closed, EndReason::Unauthorised] {
            let mut choice = choice(Transport::Auto, None);
            choice.works();
            assert!(choice.failed(&end(EndReason::Broken)));
            assert!(!choice.failed(&end(away)));
            assert_eq!((choice.via().way, choice.is_stopgap()), (Way::Own, false), "{away:?}");
        }
    }

    #[test]
    fn when_nothing_works_it_begins_anew_with_the_first() {
        let mut choice = choice(Transport::Auto, None);
        for _ in 0..3 {
            assert!(choice.failed(&end(EndReason::Unsupported)));
            assert!(!choice.failed(&end(EndReason::Unsupported)));
            assert_eq!(choice.via(), Via { way: Way::Own, why: None });
        }
    }
}
