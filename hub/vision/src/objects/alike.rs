//! Whether two who run a model give the same for a picture. Pure.
//!
//! Numbers of one kind are compared with each other: the left sides of all places, the certainties of one label. What is far from another
//! depends on how large they are: on a picture of nothing all certainties are tiny, and those of a library that loses them are none.

use super::heads::{Head, Shape};

/// So far from each other may two numbers be, as a part of the largest of their kind: hardware rounds otherwise.
const NEAR: f32 = 0.05;
/// And so far in any case: what makes a certainty of a number rounds to some ten millionths, however small it is.
const LEAST: f32 = 1e-6;
/// One in so many of a kind may be another one.
const OTHERS: usize = 50;

/// Whether what another gives is the same as what the hub's own gives.
pub(super) fn are_alike(head: &Head, shapes: &[Shape], own: &[Vec<f32>], other: &[Vec<f32>]) -> bool {
    let right = |outputs: &[Vec<f32>]| {
        let counts = shapes.iter().map(|shape| shape.sides.iter().product::<usize>());
        counts.eq(outputs.iter().map(Vec::len))
    };
    if !right(own) || !right(other) {
        return false;
    }
    let last = |n: usize| shapes[n].sides.last().copied().unwrap_or(1).max(1);
    // Of an output: so many kinds, one number of each after the other.
    let in_rows =
        |n: usize| (0..last(n)).all(|kind| is_alike(every(&own[n], kind, last(n)), every(&other[n], kind, last(n))));
    match *head {
        // All of a kind, then all of the next.
        Head::Yolov8 => {
            own[0].chunks(last(0)).zip(other[0].chunks(last(0))).all(|(a, b)| is_alike(a.to_vec(), b.to_vec()))
        }
        Head::Yolov5 | Head::Yolox => in_rows(0),
        Head::SsdScores { boxes, scores } => in_rows(boxes) && in_rows(scores),
        // The best first: of two that are as good as each other either may be, so only how good they are says something.
        Head::EndToEnd => is_alike(in_order(every(&own[0], 4, last(0))), in_order(every(&other[0], 4, last(0)))),
        Head::SsdClasses { scores, .. } => is_alike(in_order(own[scores].clone()), in_order(other[scores].clone())),
    }
}

fn every(numbers: &[f32], first: usize, step: usize) -> Vec<f32> {
    numbers.iter().skip(first).step_by(step).copied().collect()
}

fn in_order(mut numbers: Vec<f32>) -> Vec<f32> {
    numbers.sort_by(f32::total_cmp);
    numbers
}

/// Of one kind.
fn is_alike(own: Vec<f32>, other: Vec<f32>) -> bool {
    let largest = own.iter().fold(0f32, |largest, n| largest.max(n.abs()));
    let bound = (NEAR * largest).max(LEAST);
    // What is no number is not near.
    let near = own.iter().zip(&other).filter(|(a, b)| bound.is_finite() && (**a - **b).abs() <= bound).count();
    own.len() == other.len() && own.len() - near <= own.len() / OTHERS
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACES: usize = 200;

    /// Middle, size, and the certainties of two labels, which are tiny.
    fn kinds() -> [Vec<f32>; 6] {
        let all = |of: fn(f32) -> f32| (0..PLACES).map(|n| of(n as f32)).collect();
        [
            all(|n| n % 20.0 * 16.0 + 8.0),
            all(|n| (n / 20.0).floor() * 32.0 + 16.0),
            all(|n| 20.0 + (n * 0.7).sin() * 8.0),
            all(|n| 40.0 + (n * 0.3).cos() * 8.0),
            all(|n| 1e-4 * (1.1 + (n * 0.9).sin())),
            all(|n| 3e-5 * (1.1 + (n * 0.4).cos())),
        ]
    }

    fn alike(family: &Head, own: &[Vec<f32>; 6], other: &[Vec<f32>; 6]) -> bool {
        let rows =
            |of: &[Vec<f32>; 6]| (0..PLACES).flat_map(|n| of.iter().map(move |kind| kind[n])).collect::<Vec<_>>();
        let (sides, written): (_, fn(_, _) -> _) = match family {
            Head::Yolov8 => (vec![1, 6, PLACES], |of: &[Vec<f32>; 6], _| of.concat()),
            _ => (vec![1, PLACES, 6], |of: &[Vec<f32>; 6], rows: &dyn Fn(&[Vec<f32>; 6]) -> Vec<f32>| rows(of)),
        };
        let shapes = [Shape { name: "out".into(), sides }];
        are_alike(family, &shapes, &[written(own, &rows)], &[written(other, &rows)])
    }

    #[test]
    fn what_rounds_otherwise_is_the_same_and_rubbish_is_not() {
        let own = kinds();
        let changed = |change: &dyn Fn(&mut [Vec<f32>; 6])| {
            let mut other = own.clone();
            change(&mut other);
            other
        };
        // A label that is next to nothing everywhere rounds otherwise, too.
        let tiny = |by: f32| changed(&|all| all[5].iter_mut().for_each(|n| *n = 1e-7 + by));
        assert!(alike(&Head::Yolov8, &tiny(0.0), &tiny(2e-7)));
        let endless = changed(&|all| all[0][3] = f32::INFINITY);
        assert!(!alike(&Head::Yolov8, &endless, &own));
        let rounded = changed(&|all| all.iter_mut().flatten().for_each(|n| *n *= 1.01));
        for head in [Head::Yolov8, Head::Yolov5, Head::Yolox] {
            assert!(alike(&head, &own, &own) && alike(&head, &own, &rounded), "{head:?}");
            for (what, other) in [
                ("all nothing", changed(&|all| all.iter_mut().flatten().for_each(|n| *n = 0.0))),
                ("no numbers", changed(&|all| all.iter_mut().flatten().for_each(|n| *n = f32::NAN))),
                ("never certain", changed(&|all| all[4..].iter_mut().flatten().for_each(|n| *n = 0.0))),
                ("one label lost", changed(&|all| all[5] = vec![0.0; PLACES])),
                ("labels exchanged", changed(&|all| all.swap(4, 5))),
                ("across for down", changed(&|all| all.swap(0, 1))),
                ("places in another order", changed(&|all| all.iter_mut().for_each(|kind| kind.reverse()))),
            ] {
                assert!(!alike(&head, &own, &other), "{head:?}: {what}");
            }
        }
        // Of those that give the best only, which one comes first means nothing.
        let other_order = changed(&|all| all.iter_mut().for_each(|kind| kind.reverse()));
        assert!(alike(&Head::EndToEnd, &own, &other_order));
        assert!(!alike(&Head::EndToEnd, &own, &changed(&|all| all[4] = vec![0.0; PLACES])));
    }

    #[test]
    fn other_shapes_are_not_the_same() {
        let shapes = [Shape { name: "out".into(), sides: vec![1, 6, 2] }];
        let alike = |own: Vec<f32>, other: Vec<f32>| are_alike(&Head::Yolov8, &shapes, &[own], &[other]);
        assert!(alike(vec![1.0; 12], vec![1.0; 12]));
        assert!(!alike(vec![1.0; 12], vec![1.0; 11]) && !alike(vec![], vec![]));
        assert!(!are_alike(&Head::Yolov8, &shapes, &[vec![1.0; 12]], &[]));
    }
}
