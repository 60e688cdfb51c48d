//! What the outputs of a model say, family by family. Pure.
//!
//! Boxes of YOLO families are in pixels of the model's picture, those of SSD in parts of it.

use super::description::Family;
use super::{MAX_OBJECTS, Seen, Size};
use crate::motion::Bounds;

/// Two boxes of one label that have so much of their area in common are one thing.
const SAME: f32 = 0.5;
/// Of so many places at most is looked whether they are one thing: the most certain.
const MAX_CANDIDATES: usize = 400;
/// Cells of YOLOX's three grids, in pixels.
const STRIDES: [u16; 3] = [8, 16, 32];

/// How an output looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    pub name: String,
    pub sides: Vec<usize>,
}

/// How outputs are to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Head {
    Yolov8,
    Yolov5,
    Yolox,
    EndToEnd,
    /// Certainties for each box: the first for "nothing", then one for each label.
    SsdScores {
        boxes: usize,
        scores: usize,
    },
    /// A label and a certainty for each box.
    SsdClasses {
        boxes: usize,
        classes: usize,
        scores: usize,
    },
}

impl Head {
    /// How outputs of these shapes are read, and how many labels there are, where that can be seen. `labels`: how many are known of.
    ///
    /// # Errors
    /// It cannot be told, for a person.
    pub fn of(
        shapes: &[Shape],
        family: Option<Family>,
        labels: Option<usize>,
        size: Size,
    ) -> Result<(Head, Option<usize>), String> {
        let said = || {
            let one = |shape: &Shape| format!("{} {:?}", shape.name.chars().take(40).collect::<String>(), shape.sides);
            shapes.iter().take(6).map(one).collect::<Vec<_>>().join(", ")
        };
        let family = match family {
            Some(family) => family,
            None => guess(shapes, labels).ok_or_else(|| {
                format!("It cannot be told what its outputs mean ({}): say the family in the description", said())
            })?,
        };
        let other = |wanted: &str| Err(format!("Its outputs are {}, those of this family are {wanted}", said()));
        if family == Family::Ssd {
            return ssd(shapes).map_or_else(|| other("boxes [1, places, 4] with certainties [1, places, labels] or with labels and certainties [1, places]"), Ok);
        }
        let [Shape { sides, .. }] = shapes else { return other("one") };
        let [1, a, b] = sides[..] else { return other("[1, …, …]") };
        let grid: usize = STRIDES.iter().map(|s| usize::from(size.width / s) * usize::from(size.height / s)).sum();
        match family {
            Family::Yolov8 if a > 4 => Ok((Head::Yolov8, Some(a - 4))),
            Family::Yolov8 => other("[1, 4 + labels, places]"),
            Family::Yolov5 if b > 5 => Ok((Head::Yolov5, Some(b - 5))),
            Family::Yolov5 => other("[1, places, 5 + labels]"),
            Family::Yolox if b > 5 && a == grid => Ok((Head::Yolox, Some(b - 5))),
            Family::Yolox => other(&format!("[1, {grid}, 5 + labels] for a picture of {}×{}", size.width, size.height)),
            Family::YoloEndToEnd if b == 6 => Ok((Head::EndToEnd, None)),
            Family::YoloEndToEnd | Family::Ssd => other("[1, objects, 6]"),
        }
    }

    /// What there is, the most certain first.
    pub fn read(&self, outputs: &[&[f32]], shapes: &[Shape], size: Size, labels: usize, least: f32) -> Vec<Seen> {
        let (w, h) = (f32::from(size.width), f32::from(size.height));
        let first = outputs.first().copied().unwrap_or_default();
        let columns = shapes.first().and_then(|shape| shape.sides.last()).copied().unwrap_or(1).max(1);
        let rows = || first.chunks_exact(columns);
        let found: Vec<_> = match self {
            Head::Yolov8 => (0..columns)
                .filter_map(|place| {
                    let value = |row: usize| first.get(row * columns + place).copied().unwrap_or_default();
                    let (label, score) = best((0..labels).map(|label| value(4 + label)))?;
                    seen(label, score, around([value(0) / w, value(1) / h, value(2) / w, value(3) / h]), least)
                })
                .collect(),
            Head::Yolov5 => rows()
                .filter_map(|row| {
                    let (label, score) = best(row[5..].iter().copied().take(labels))?;
                    seen(label, score * row[4], around([row[0] / w, row[1] / h, row[2] / w, row[3] / h]), least)
                })
                .collect(),
            Head::Yolox => cells(size)
                .zip(rows())
                .filter_map(|((x, y, cell), row)| {
                    let (label, score) = best(row[5..].iter().copied().take(labels))?;
                    let middle = [(row[0] + x) * cell / w, (row[1] + y) * cell / h];
                    let [width, height] = [row[2].exp() * cell / w, row[3].exp() * cell / h];
                    seen(label, score * row[4], around([middle[0], middle[1], width, height]), least)
                })
                .collect(),
            Head::EndToEnd => rows()
                .filter_map(|row| {
                    let label = index(row[5]).filter(|label| *label < labels)?;
                    seen(label, row[4], between([row[0] / w, row[1] / h, row[2] / w, row[3] / h]), least)
                })
                .collect(),
            Head::SsdScores { boxes, scores } => {
                let (all, order) = (outputs[*scores].chunks_exact(1 + labels), order(&shapes[*boxes]));
                all.zip(outputs[*boxes].as_chunks::<4>().0)
                    .filter_map(|(row, at)| {
                        let (label, score) = best(row[1..].iter().copied())?;
                        seen(label, score, between(order(at)), least)
                    })
                    .collect()
            }
            Head::SsdClasses { boxes, classes, scores } => {
                let order = order(&shapes[*boxes]);
                let all = outputs[*classes].iter().zip(outputs[*scores]).zip(outputs[*boxes].as_chunks::<4>().0);
                all.filter_map(|((class, score), at)| {
                    // 0 is nothing.
                    let label = index(*class)?.checked_sub(1).filter(|label| *label < labels)?;
                    seen(label, *score, between(order(at)), least)
                })
                .collect()
            }
        };
        apart(found)
    }
}

fn guess(shapes: &[Shape], labels: Option<usize>) -> Option<Family> {
    let [Shape { sides, .. }] = shapes else { return Some(Family::Ssd) };
    let [1, a, b] = sides[..] else { return None };
    Some(match labels {
        Some(labels) if a == 4 + labels => Family::Yolov8,
        Some(labels) if b == 5 + labels && (b != 6 || a > 1_000) => Family::Yolov5,
        _ if b == 6 && a <= 1_000 => Family::YoloEndToEnd,
        _ if a > 4 && a < b => Family::Yolov8,
        _ if b > 5 && b < a => Family::Yolov5,
        _ => return None,
    })
}

fn ssd(shapes: &[Shape]) -> Option<(Head, Option<usize>)> {
    let find = |wanted: &dyn Fn(&Shape) -> bool| shapes.iter().position(wanted);
    let boxes = find(&|s| matches!(s.sides[..], [1, _, 4] | [1, _, 1, 4]))?;
    let places = shapes[boxes].sides[1];
    if let Some(scores) =
        find(&|s| matches!(s.sides[..], [1, n, labels] if n == places && labels >= 2 && s.name != shapes[boxes].name))
    {
        let labels = shapes[scores].sides[2];
        return Some((Head::SsdScores { boxes, scores }, Some(labels - 1)));
    }
    let flat = |s: &Shape| matches!(s.sides[..], [1, n] if n == places);
    let called = |s: &Shape| ["class", "label"].iter().any(|word| s.name.to_lowercase().contains(word));
    let classes = find(&|s| flat(s) && called(s))?;
    let scores = find(&|s| flat(s) && !called(s))?;
    Some((Head::SsdClasses { boxes, classes, scores }, None))
}

/// TensorFlow's boxes begin with the top, others with the left.
fn order(boxes: &Shape) -> impl Fn(&[f32; 4]) -> [f32; 4] + use<> {
    let top_first = boxes.name.to_lowercase().contains("detection_boxes");
    move |[a, b, c, d]| if top_first { [*b, *a, *d, *c] } else { [*a, *b, *c, *d] }
}

/// Column, row and side of every cell of the three grids, in YOLOX's order.
fn cells(size: Size) -> impl Iterator<Item = (f32, f32, f32)> {
    STRIDES.into_iter().flat_map(move |side| {
        let (columns, rows) = (size.width / side, size.height / side);
        (0..rows).flat_map(move |y| (0..columns).map(move |x| (f32::from(x), f32::from(y), f32::from(side))))
    })
}

fn best(scores: impl Iterator<Item = f32>) -> Option<(usize, f32)> {
    scores.enumerate().filter(|(_, score)| score.is_finite()).max_by(|a, b| a.1.total_cmp(&b.1))
}

fn index(value: f32) -> Option<usize> {
    (0.0..65_536.0).contains(&value).then_some(value.round() as usize)
}

/// From a middle and a size to corners.
fn around([x, y, w, h]: [f32; 4]) -> Option<[f32; 4]> {
    between([x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0])
}

/// Corners in the picture, if there is anything between them.
pub(super) fn between(corners: [f32; 4]) -> Option<[f32; 4]> {
    if corners.iter().any(|corner| !corner.is_finite()) {
        return None;
    }
    let [left, top, right, bottom] = corners.map(|corner| corner.clamp(0.0, 1.0));
    (right > left && bottom > top).then_some([left, top, right, bottom])
}

pub(super) fn seen(label: usize, score: f32, corners: Option<[f32; 4]>, least: f32) -> Option<Seen> {
    let [left, top, right, bottom] = corners.filter(|_| score.is_finite() && score >= least)?;
    let bounds = Bounds { left, top, width: right - left, height: bottom - top };
    Some(Seen { label, score: score.min(1.0), bounds })
}

/// Each thing once: of boxes of a label that lie on one another the most certain.
pub(super) fn apart(mut found: Vec<Seen>) -> Vec<Seen> {
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    found.truncate(MAX_CANDIDATES);
    let mut kept: Vec<Seen> = Vec::new();
    for seen in found {
        if kept.len() >= MAX_OBJECTS {
            break;
        }
        if !kept.iter().any(|other| other.label == seen.label && shared(&other.bounds, &seen.bounds) > SAME) {
            kept.push(seen);
        }
    }
    kept
}

/// The area that two rectangles have in common, as a part of what they cover together.
pub(super) fn shared(a: &Bounds, b: &Bounds) -> f32 {
    let common = common(a, b);
    let all = a.width * a.height + b.width * b.height - common;
    if all > 0.0 { common / all } else { 0.0 }
}

/// The area that two rectangles have in common.
pub(super) fn common(a: &Bounds, b: &Bounds) -> f32 {
    let side = |a: f32, a_len: f32, b: f32, b_len: f32| ((a + a_len).min(b + b_len) - a.max(b)).max(0.0);
    side(a.left, a.width, b.left, b.width) * side(a.top, a.height, b.top, b.height)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { width: 64, height: 32 };

    fn shapes(all: &[(&str, &[usize])]) -> Vec<Shape> {
        all.iter().map(|(name, sides)| Shape { name: (*name).into(), sides: sides.to_vec() }).collect()
    }

    /// What two labels' model of this family says, told without the family where that can be.
    fn read(all: &[(&str, &[usize])], outputs: &[&[f32]], family: Option<Family>) -> Vec<(usize, i32, [i32; 4])> {
        let shapes = shapes(all);
        let (head, labels) = Head::of(&shapes, family, Some(2), SIZE).unwrap();
        assert!(labels.is_none_or(|labels| labels == 2));
        let all = head.read(outputs, &shapes, SIZE, 2, 0.4);
        // In hundredths of the picture.
        let whole = |part: f32| (part * 100.0).round() as i32;
        let of = |b: Bounds| [b.left, b.top, b.width, b.height].map(whole);
        all.into_iter().map(|seen| (seen.label, whole(seen.score), of(seen.bounds))).collect()
    }

    /// From 25 to 75 hundredths across, from 50 to 100 down.
    const THERE: [i32; 4] = [25, 50, 50, 50];

    #[test]
    fn each_family_is_read_as_it_is_written() {
        // One place with label 1, beside one that is not certain enough.
        let v8 = [32.0, 1.0, 24.0, 1.0, 32.0, 1.0, 16.0, 1.0, 0.1, 0.2, 0.9, 0.3];
        assert_eq!(read(&[("output0", &[1, 6, 2])], &[&v8], None), [(1, 90, THERE)]);
        let v5 = [32.0, 24.0, 32.0, 16.0, 0.5, 0.1, 0.9, 32.0, 24.0, 32.0, 16.0, 0.5, 0.1, 0.7];
        assert_eq!(read(&[("out", &[1, 2, 7])], &[&v5], None), [(1, 45, THERE)]);
        let end = [16.0, 16.0, 48.0, 32.0, 0.9, 1.0, 0.0, 0.0, 9.0, 9.0, 0.8, 7.0, 0.0, 0.0, 9.0, 9.0, 0.1, 0.0];
        assert_eq!(read(&[("out", &[1, 3, 6])], &[&end], Some(Family::YoloEndToEnd)), [(1, 90, THERE)]);
        // Cells of 8 pixels: 8 × 4, of 16: 4 × 2, of 32: 2 × 1. The last one is at (32, 0): half a cell to its middle, 0.75 down.
        let mut x = vec![0.0; 42 * 7];
        x[41 * 7..].copy_from_slice(&[0.0, 0.75, 0.0, 0.5f32.ln(), 1.0, 0.0, 0.8]);
        assert_eq!(read(&[("out", &[1, 42, 7])], &[&x], Some(Family::Yolox)), [(1, 80, THERE)]);
        let boxes = [0.25, 0.5, 0.75, 1.0, 0.0, 0.0, 0.1, 0.1];
        let scores = [0.1, 0.0, 0.9, 0.9, 0.1, 0.0];
        assert_eq!(read(&[("scores", &[1, 2, 3]), ("boxes", &[1, 2, 4])], &[&scores, &boxes], None), [(1, 90, THERE)]);
        let top_first = [0.5, 0.25, 1.0, 0.75, 0.0, 0.0, 0.1, 0.1];
        let names: [(&str, &[usize]); 4] = [
            ("detection_boxes", &[1, 2, 4]),
            ("detection_classes", &[1, 2]),
            ("detection_scores", &[1, 2]),
            ("num_detections", &[1]),
        ];
        assert_eq!(read(&names, &[&top_first, &[2.0, 9.0], &[0.9, 0.9], &[2.0]], None), [(1, 90, THERE)]);
    }

    #[test]
    fn what_lies_on_one_another_is_one_thing_and_what_is_no_number_is_none() {
        let row = |x: f32, score: f32, label: usize| {
            [x, 16.0, 16.0, 16.0, 1.0, if label == 0 { score } else { 0.0 }, if label == 1 { score } else { 0.0 }]
        };
        let rows = [
            row(20.0, 0.9, 0),
            row(22.0, 0.8, 0),
            row(20.0, 0.7, 1),
            row(50.0, 0.6, 0),
            row(f32::NAN, 0.9, 0),
            row(20.0, f32::NAN, 0),
        ];
        let seen = read(&[("out", &[1, 6, 7])], &[&rows.concat()], Some(Family::Yolov5));
        assert_eq!(seen.iter().map(|s| (s.0, s.1)).collect::<Vec<_>>(), [(0, 90), (1, 70), (0, 60)]);
    }

    #[test]
    fn outputs_that_say_nothing_are_refused_in_words() {
        let of = |all: &[(&str, &[usize])], family, labels| Head::of(&shapes(all), family, labels, SIZE).unwrap_err();
        assert!(of(&[("logits", &[1, 1_000])], None, None).contains("logits [1, 1000]"));
        assert!(
            of(&[("a", &[1, 84, 8_400])], Some(Family::Yolox), None)
                .contains("[1, 42, 5 + labels] for a picture of 64×32")
        );
        assert!(of(&[("a", &[1, 3, 8])], Some(Family::Yolov8), None).contains("[1, 4 + labels, places]"));
        assert!(of(&[("a", &[1, 3]), ("b", &[1, 4])], None, None).contains("boxes [1, places, 4]"));
        assert_eq!(Head::of(&shapes(&[("a", &[1, 84, 8_400])]), None, None, SIZE), Ok((Head::Yolov8, Some(80))));
        assert_eq!(Head::of(&shapes(&[("a", &[1, 300, 6])]), None, Some(80), SIZE), Ok((Head::EndToEnd, None)));
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_model_says_it_is_read_without_a_panic(
            values in proptest::collection::vec(proptest::num::f32::ANY, 0..300), kind in 0usize..6, labels in 1usize..4,
        ) {
            let heads = [
                Head::Yolov8, Head::Yolov5, Head::Yolox, Head::EndToEnd,
                Head::SsdScores { boxes: 0, scores: 1 }, Head::SsdClasses { boxes: 0, classes: 1, scores: 2 },
            ];
            let columns = if kind < 3 { 5 + labels } else { 6 };
            let shape = Shape { name: "a".into(), sides: vec![1, values.len() / columns, columns] };
            let all = heads[kind].read(&[&values, &values, &values], &[shape.clone(), shape.clone(), shape], SIZE, labels, 0.1);
            proptest::prop_assert!(all.len() <= MAX_OBJECTS && all.iter().all(|seen| seen.label < labels));
        }
    }
}
