//! Notices in a document.

use quick_xml::Reader;
use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesStart, Event};

/// So many notices of a document are read; cameras send one.
const MAX_NOTICES: usize = 64;
/// So deep may elements lie in one another; a notice is eight deep.
const MAX_DEPTH: usize = 32;

/// A document is no XML, or no XML of a camera's.
#[derive(Debug, thiserror::Error)]
pub enum BadDocument {
    /// It is not well formed.
    #[error("it is no XML")]
    NoXml(#[from] quick_xml::Error),
    /// It is too deep.
    #[error("its elements lie too deep in one another")]
    TooDeep,
}

/// A camera says that something is so (`wsnt:NotificationMessage`, OASIS WS-BaseNotification 1.3 §3.2).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Notice {
    /// What it is of, without prefixes: `RuleEngine/CellMotionDetector/Motion`.
    pub topic: String,
    /// Which of the camera's parts and rules says it, and of which thing: `Name=Value`, one after the other.
    pub source: String,
    /// There is no such rule any more.
    pub deleted: bool,
    /// What it gives: names and values.
    pub data: Vec<(String, String)>,
}

/// The notices of a document, oldest first, 64 at most. What else is in it, such as where things are in the picture, is passed over.
///
/// # Errors
/// It is no XML, or its elements lie more than 32 deep in one another. Notices before that are lost with it.
pub fn notices(document: &[u8]) -> Result<Vec<Notice>, BadDocument> {
    let mut reader = Reader::from_reader(document);
    let mut all = Vec::new();
    let mut now: Option<Notice> = None;
    let (mut depth, mut place) = (0usize, Place::Elsewhere);
    while all.len() < MAX_NOTICES {
        match reader.read_event()? {
            Event::Start(element) => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(BadDocument::TooDeep);
                }
                begin(&element, &mut now, &mut place);
            }
            Event::Empty(element) => {
                begin(&element, &mut now, &mut place);
                all.extend(end(element.local_name().as_ref(), &mut now, &mut place));
            }
            Event::End(element) => {
                depth = depth.saturating_sub(1);
                all.extend(end(element.local_name().as_ref(), &mut now, &mut place));
            }
            Event::Text(text) => topic(&text, &mut now, place),
            Event::CData(text) => topic(&text, &mut now, place),
            Event::Eof => break,
            _ => {}
        }
    }
    Ok(all)
}

/// Where in a notice.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Elsewhere,
    Topic,
    Source,
    Data,
}

fn begin(element: &BytesStart, now: &mut Option<Notice>, place: &mut Place) {
    let name = element.local_name();
    if name.as_ref() == b"NotificationMessage" {
        (*now, *place) = (Some(Notice::default()), Place::Elsewhere);
    }
    let Some(now) = now else { return };
    match name.as_ref() {
        b"Topic" => *place = Place::Topic,
        b"Source" | b"Key" => *place = Place::Source,
        b"Data" => *place = Place::Data,
        b"Message" => {
            now.deleted |= attribute(element, b"PropertyOperation").is_some_and(|word| word == "Deleted");
        }
        b"SimpleItem" => {
            let [name, value] = [b"Name".as_slice(), b"Value"].map(|name| attribute(element, name).unwrap_or_default());
            match place {
                Place::Source => now.source.push_str(&format!("{name}={value} ")),
                Place::Data => now.data.push((name, value)),
                Place::Elsewhere | Place::Topic => {}
            }
        }
        _ => {}
    }
}

/// A notice that is complete with this element.
fn end(element: &[u8], now: &mut Option<Notice>, place: &mut Place) -> Option<Notice> {
    match element {
        b"NotificationMessage" => return now.take().map(named),
        b"Topic" | b"Source" | b"Key" | b"Data" => *place = Place::Elsewhere,
        _ => {}
    }
    None
}

fn topic(text: &[u8], now: &mut Option<Notice>, place: Place) {
    if let Some(now) = now.as_mut().filter(|_| place == Place::Topic) {
        now.topic.push_str(&String::from_utf8_lossy(text));
    }
}

/// An attribute that has no prefix. One that cannot be read is none.
fn attribute(element: &BytesStart, name: &[u8]) -> Option<String> {
    let is_it = |attribute: &Attribute| attribute.key.as_ref() == name;
    let attribute = element.attributes().with_checks(false).flatten().find(is_it)?;
    Some(attribute.unescape_value().ok()?.into_owned())
}

/// With its topic as it is known: each step without its prefix, and without what stands around it.
fn named(notice: Notice) -> Notice {
    let steps = notice.topic.trim().split('/').map(|step| step.rsplit(':').next().unwrap_or(step));
    let topic = steps.collect::<Vec<_>>().join("/");
    Notice { topic, source: notice.source.trim_end().to_owned(), ..notice }
}
