//! What cameras say of themselves in ONVIF's words: which of their documents say that something moves, and what.
//!
//! Beside its pictures a camera sends a stream of metadata (ONVIF Streaming Specification §5.2.1), in which each document is XML:
//!
//! ```xml
//! <tt:MetadataStream><tt:Event><wsnt:NotificationMessage>
//!   <wsnt:Topic>tns1:RuleEngine/CellMotionDetector/Motion</wsnt:Topic>
//!   <wsnt:Message><tt:Message UtcTime="…" PropertyOperation="Changed">
//!     <tt:Source><tt:SimpleItem Name="Rule" Value="…"/></tt:Source>
//!     <tt:Data><tt:SimpleItem Name="IsMotion" Value="true"/></tt:Data>
//!   </tt:Message></wsnt:Message>
//! </wsnt:NotificationMessage></tt:Event></tt:MetadataStream>
//! ```
//!
//! Makers choose their own prefixes, so names count without them. Nothing here connects to anything: [`notices`] reads bytes.

mod document;

pub use document::{BadDocument, Notice, notices};

/// What a camera's own detection is called (ONVIF Analytics Service and Core Specification; the last ones are makers' own, as
/// Reolink and TP-Link send them), and what it means by it, where it tells that.
const MOVES: &[(&str, Option<&str>)] = &[
    ("VideoSource/MotionAlarm", None),
    ("RuleEngine/CellMotionDetector/Motion", None),
    ("RuleEngine/MotionRegionDetector/Motion", None),
    ("RuleEngine/FieldDetector/ObjectsInside", None),
    ("RuleEngine/TPSmartEventDetector/TPSmartEvent", None),
    ("RuleEngine/CellMotionDetector/Intrusion", None),
    ("RuleEngine/CellMotionDetector/People", Some(PERSON)),
    ("RuleEngine/PeopleDetector/People", Some(PERSON)),
    ("RuleEngine/MyRuleDetector/PeopleDetect", Some(PERSON)),
    ("RuleEngine/MyRuleDetector/FaceDetect", Some(PERSON)),
    ("RuleEngine/MyRuleDetector/VehicleDetect", Some("vehicle")),
    ("RuleEngine/MyRuleDetector/DogCatDetect", Some("animal")),
    ("RuleEngine/MyRuleDetector/Visitor", Some("doorbell")), // somebody rings
];
const PERSON: &str = "person";

/// Whether something moves, by one of a camera's rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// Which rule: what it is called, and where it looks. As long as the camera makes it.
    pub rule: String,
    /// Something moves; else nothing does any more.
    pub moves: bool,
    /// What it is, in a word, where the rule is for one kind of thing: person, vehicle, animal, doorbell.
    pub what: Option<&'static str>,
}

impl Movement {
    /// What a notice says of movement; `None` where it is of something else, a cable or the weather.
    pub fn of(notice: &Notice) -> Option<Self> {
        let (_, what) = MOVES.iter().find(|(topic, _)| *topic == notice.topic)?;
        // A rule that was taken away notices nothing more.
        let moves = if notice.deleted { false } else { truth(&notice.data)? };
        Some(Self { rule: format!("{} {}", notice.topic, notice.source), moves, what: *what })
    }
}

/// What is true or false among these: a word, or else a digit (XML Schema Part 2 §3.2.2.1) that is no number of an object.
fn truth(data: &[(String, String)]) -> Option<bool> {
    let word = |value: &str| ["false", "true"].iter().position(|word| value.trim().eq_ignore_ascii_case(word));
    let digit = |value: &str| ["0", "1"].iter().position(|digit| value.trim() == *digit);
    let no_number = data.iter().filter(|(name, _)| !name.ends_with("Id"));
    let truth = data
        .iter()
        .find_map(|(_, value)| word(value))
        .or_else(|| no_number.clone().find_map(|(_, value)| digit(value)));
    truth.map(|truth| truth == 1)
}
