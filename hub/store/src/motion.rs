//! How a camera's pictures are looked at, as people want it.

use serde::{Deserialize, Deserializer, Serialize};

/// So many zones and masks a camera has at most: its row is a small one.
pub const MAX_ZONES: usize = 8;
/// Corners of a zone.
const CORNERS: std::ops::RangeInclusive<usize> = 3..=16;
/// The picture's width and height, in the units of corners.
const WHOLE: u16 = 10_000;

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MotionSettings {
    /// Who looks; what else is set here is for the hub only. A word of a newer hub is read as `hub`.
    #[serde(default, deserialize_with = "by", skip_serializing_if = "By::is_hub")]
    pub by: By,
    /// How much it takes. A word of a newer hub is read as `normal`.
    #[serde(default, deserialize_with = "sensitivity")]
    pub sensitivity: Sensitivity,
    /// Only what touches one of these counts; without any, everything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zones: Vec<Zone>,
    /// What is in these is not looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub masks: Vec<Zone>,
}

/// Who notices what moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The hub looks at the pictures.
    #[default]
    Hub,
    /// The camera tells it.
    Camera,
}

impl By {
    fn is_hub(&self) -> bool {
        *self == By::Hub
    }
}

/// How small and faint something may be that is still noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sensitivity {
    /// People near by.
    Low,
    /// People and animals in a garden.
    #[default]
    Normal,
    /// Whatever moves.
    High,
}

/// A part of a picture: its corners, in ten-thousandths of width and height from the left and the top.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<[u16; 2]>", into = "Vec<[u16; 2]>")]
pub struct Zone(Vec<[u16; 2]>);

/// A list of corners is no part of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a zone has 3 to 16 corners, each 0 to 10000 from the left and from the top")]
pub struct BadZone;

impl Zone {
    /// Its corners.
    pub fn corners(&self) -> &[[u16; 2]] {
        &self.0
    }
}

impl TryFrom<Vec<[u16; 2]>> for Zone {
    type Error = BadZone;
    fn try_from(corners: Vec<[u16; 2]>) -> Result<Self, BadZone> {
        let inside = corners.iter().flatten().all(|part| *part <= WHOLE);
        (CORNERS.contains(&corners.len()) && inside).then_some(Self(corners)).ok_or(BadZone)
    }
}

impl From<Zone> for Vec<[u16; 2]> {
    fn from(zone: Zone) -> Self {
        zone.0
    }
}

fn sensitivity<'de, D: Deserializer<'de>>(d: D) -> Result<Sensitivity, D::Error> {
    known_word(d)
}

fn by<'de, D: Deserializer<'de>>(d: D) -> Result<By, D::Error> {
    known_word(d)
}

/// A word that is known here; one of a newer hub is as if it were absent.
fn known_word<'de, D: Deserializer<'de>, T: serde::de::DeserializeOwned + Default>(d: D) -> Result<T, D::Error> {
    let word = serde_json::Value::String(String::deserialize(d)?);
    Ok(serde_json::from_value(word).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_in_the_picture_and_a_newer_hubs_word_is_no_obstacle() {
        let read = |json: &str| serde_json::from_str::<MotionSettings>(json);
        let settings = read(r#"{"sensitivity":"high","zones":[[[0,0],[10000,0],[10000,10000]]]}"#).unwrap();
        assert_eq!((settings.sensitivity, settings.zones.len()), (Sensitivity::High, 1));
        assert_eq!(read(&serde_json::to_string(&settings).unwrap()).unwrap(), settings);
        assert_eq!(read(r#"{"sensitivity":"as a cat","by":"the cat"}"#).unwrap(), MotionSettings::default());
        let told = read(r#"{"by":"camera"}"#).unwrap();
        assert_eq!((told.by, read(&serde_json::to_string(&told).unwrap()).unwrap()), (By::Camera, told));
        for bad in ["[[[0,0],[1,1]]]", "[[[0,0],[10001,0],[5,5]]]", "[[]]"] {
            assert!(read(&format!(r#"{{"zones":{bad}}}"#)).is_err(), "{bad}");
        }
    }

    /// A camera's row is under 4 KiB, with names and addresses as long as they get.
    #[test]
    fn as_many_zones_as_may_be_are_a_small_row() {
        let zone = Zone::try_from(vec![[9_999, 9_999]; 16]).unwrap();
        let settings = MotionSettings { zones: vec![zone; MAX_ZONES], ..MotionSettings::default() };
        assert!(serde_json::to_vec(&settings).unwrap().len() < 2_000);
    }
}
