//! Documents as cameras send them, and as they should not.

use std::slice;

use onvif::{Movement, Notice, notices};
use proptest::prelude::*;

fn moved(document: &str) -> Vec<Movement> {
    notices(document.as_bytes()).unwrap().iter().filter_map(Movement::of).collect()
}

/// ONVIF Streaming Specification §5.2.1.1, its own example but for the topic.
fn told(topic: &str, operation: &str, item: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<tt:MetadataStream xmlns:tt="http://www.onvif.org/ver10/schema" xmlns:wsnt="http://docs.oasis-open.org/wsn/b-2" xmlns:tns1="http://www.onvif.org/ver10/topics">
  <tt:Event>
    <wsnt:NotificationMessage>
      <wsnt:Topic Dialect="http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet">{topic}</wsnt:Topic>
      <wsnt:Message>
        <tt:Message UtcTime="2008-10-10T12:24:57.321Z" PropertyOperation="{operation}">
          <tt:Source>
            <tt:SimpleItem Name="VideoSourceConfigurationToken" Value="1"/>
            <tt:SimpleItem Name="Rule" Value="My &lt;garden&gt;"></tt:SimpleItem>
          </tt:Source>
          <tt:Data>{item}</tt:Data>
        </tt:Message>
      </wsnt:Message>
    </wsnt:NotificationMessage>
  </tt:Event>
</tt:MetadataStream>"#
    )
}

#[test]
fn a_rule_says_that_something_moves_and_that_it_does_no_more() {
    let item = |value: &str| format!(r#"<tt:SimpleItem Name="IsMotion" Value="{value}"/>"#);
    let topic = "tns1:RuleEngine/CellMotionDetector/Motion";
    let rule = "RuleEngine/CellMotionDetector/Motion VideoSourceConfigurationToken=1 Rule=My <garden>";
    for (value, moves) in [("true", true), ("false", false), ("1", true), ("0", false), ("True", true)] {
        let movement = Movement { rule: rule.into(), moves, what: None };
        for (topic, operation) in [(topic, "Changed"), (&format!("\n   {topic}\n"), "Initialized")] {
            assert_eq!(moved(&told(topic, operation, &item(value)))[..], *slice::from_ref(&movement), "{value}");
        }
    }
    assert!(!moved(&told(topic, "Deleted", &item("true")))[0].moves, "the rule is gone");
    assert!(!moved(&told(topic, "Deleted", ""))[0].moves);
    assert_eq!(moved(&told(topic, "Changed", &item("perhaps"))), []);
    assert_eq!(moved(&told(topic, "Changed", "")), []);
}

#[test]
fn makers_prefixes_do_not_count_and_what_they_tell_apart_is_told() {
    let item = r#"<tt:SimpleItem Name="ObjectId" Value="0"/><tt:SimpleItem Name="State" Value="true"/>"#;
    for (topic, what) in [
        ("tns1:VideoSource/MotionAlarm", None),
        ("tns1:RuleEngine/tnsreolink:MyRuleDetector/PeopleDetect", Some("person")),
        ("x:RuleEngine/MyRuleDetector/VehicleDetect", Some("vehicle")),
        ("RuleEngine/MyRuleDetector/tns1:DogCatDetect", Some("animal")),
        ("<![CDATA[tns1:RuleEngine/MyRuleDetector/Visitor]]>", Some("doorbell")),
    ] {
        let moved = moved(&told(topic, "Changed", item));
        assert_eq!((moved.len(), moved[0].moves, moved[0].what), (1, true, what), "{topic}");
    }
    let number = r#"<tt:SimpleItem Name="ObjectId" Value="1"/><tt:SimpleItem Name="IsInside" Value="0"/>"#;
    assert!(!moved(&told("tns1:RuleEngine/FieldDetector/ObjectsInside", "Changed", number))[0].moves);
    for other in ["tns1:Device/Trigger/DigitalInput", "tns1:RuleEngine/TamperDetector/Tamper", ""] {
        let document = told(other, "Changed", item);
        assert_eq!((moved(&document), notices(document.as_bytes()).unwrap().len()), (vec![], 1), "{other}");
    }
}

#[test]
fn what_a_camera_draws_around_things_is_passed_over_and_several_notices_are_read() {
    let frame = r#"<tt:MetadataStream xmlns:tt="x"><tt:VideoAnalytics><tt:Frame UtcTime="2008-10-10T12:24:57.321Z"><tt:Object ObjectId="1">
        <tt:Appearance><tt:Shape><tt:BoundingBox left="20.0" top="30.0"/></tt:Shape></tt:Appearance></tt:Object></tt:Frame></tt:VideoAnalytics>
        </tt:MetadataStream>"#;
    assert_eq!(notices(frame.as_bytes()).unwrap(), []);
    let two = "<a><NotificationMessage><Topic>a:b/c</Topic></NotificationMessage>\
               <NotificationMessage><Topic>d</Topic><Data><SimpleItem Name='x' Value='7'/></Data></NotificationMessage></a>";
    let notice = |topic: &str, data: &[&str]| Notice {
        topic: topic.into(),
        data: data.iter().map(|v| ("x".into(), (*v).into())).collect(),
        ..Notice::default()
    };
    assert_eq!(notices(two.as_bytes()).unwrap(), [notice("b/c", &[]), notice("d", &["7"])]);
    // What is empty has nothing in it.
    let empty = "<NotificationMessage><Data/><SimpleItem Name='x' Value='1'/><Topic/>e</NotificationMessage><NotificationMessage/>";
    assert_eq!(notices(empty.as_bytes()).unwrap(), [notice("", &[]), notice("", &[])]);
}

#[test]
fn what_is_no_document_is_an_error_and_what_is_too_much_is_bounded() {
    for bad in ["<a></b>", "<a", "<a><!-- ", "</a>"] {
        assert!(notices(bad.as_bytes()).is_err(), "{bad}");
    }
    assert_eq!(notices(b"").unwrap(), []);
    assert_eq!(
        notices(&"<a>".repeat(100).into_bytes()).unwrap_err().to_string(),
        "its elements lie too deep in one another"
    );
    let many = format!("<a>{}</a>", "<NotificationMessage></NotificationMessage>".repeat(1_000));
    assert_eq!(notices(many.as_bytes()).unwrap().len(), 64);
    // Entities of its own, each ten of the one before: nothing is made of them.
    let laughs = "<!DOCTYPE a [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>]>\
                  <a><NotificationMessage><Topic>&b;</Topic></NotificationMessage></a>";
    assert_eq!(notices(laughs.as_bytes()).unwrap()[0].topic, "");
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
        let _ = notices(&bytes);
    }

    #[test]
    fn a_document_with_other_bytes_in_it_is_read_without_a_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut: prop::sample::Index,
    ) {
        let mut bytes = told("tns1:VideoSource/MotionAlarm", "Changed", r#"<tt:SimpleItem Name="State" Value="true"/>"#).into_bytes();
        for (at, to) in changes {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        for document in [&bytes[..], &bytes[..cut.index(bytes.len())]] {
            if let Ok(notices) = notices(document) {
                notices.iter().for_each(|notice| drop(Movement::of(notice)));
            }
        }
    }
}
