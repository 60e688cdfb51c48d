//! Motion on films whose truth is known, because they are made.

mod films;

use std::time::Duration;

use films::{FPS, Film, HEIGHT, WIDTH};
use vision::{Grey, Motion, MotionSettings, Polygon, Sensitivity};

/// What is found within so many seconds is one event.
const ONE_EVENT_S: f32 = 5.0;
/// Something that was there until now may be reported for so long.
const AFTER_S: f32 = 1.5;

/// Spans in which motion was reported, in seconds.
fn events(film: &Film, settings: &MotionSettings) -> Vec<(f32, f32)> {
    let (mut motion, mut painter) = (Motion::new(settings.clone()), film.painter());
    let mut events: Vec<(f32, f32)> = Vec::new();
    for number in 0..film.len() {
        let at = Duration::from_millis((number * 1_000 / FPS) as u64);
        let picture = Grey::shrink(&painter.picture(number), WIDTH, HEIGHT, WIDTH).unwrap();
        if motion.see(&picture, at).moving.is_some() {
            let t = at.as_secs_f32();
            match events.last_mut() {
                Some((_, end)) if t - *end < ONE_EVENT_S => *end = t,
                _ => events.push((t, t)),
            }
        }
    }
    events
}

/// Walk-ins that were found, walk-ins, events where nobody was, and how late the latest was found.
fn judged(film: &Film, settings: &MotionSettings) -> (usize, usize, usize, f32) {
    let (events, truth) = (events(film, settings), film.truth());
    let touches = |e: &(f32, f32), t: &(f32, f32)| e.0 <= t.1 + AFTER_S && e.1 >= t.0;
    let found: Vec<_> = truth.iter().filter_map(|t| Some(events.iter().find(|e| touches(e, t))?.0 - t.0)).collect();
    let wrong = events.iter().filter(|e| !truth.iter().any(|t| touches(e, t))).count();
    (found.len(), truth.len(), wrong, found.into_iter().fold(0.0, f32::max))
}

/// All films that are called so: everybody is noticed, and nothing where nobody is.
fn hold(called: &str) {
    let films: Vec<_> = films::all(0).into_iter().filter(|film| film.name.starts_with(called)).collect();
    assert!(!films.is_empty(), "there is no film {called}");
    for film in films {
        let (found, there, wrong, late) = judged(&film, &MotionSettings::default());
        assert_eq!((found, wrong), (there, 0), "{}: of {there} walk-ins, and where nobody was", film.name);
        // Those that are small and faint are noticed once they come before something plain.
        assert!(late <= 9.0, "{}: noticed after {late:.1} s", film.name);
    }
}

macro_rules! films {
    ($($test:ident: $called:expr;)*) => {
        $(#[test] fn $test() { hold($called); })*

        #[test]
        fn every_film_is_in_one_of_these_tests_and_fifty_people_walk_in() {
            let films = films::all(0);
            let in_a_test = |film: &&Film| [$($called),*].iter().any(|called| film.name.starts_with(called));
            assert_eq!(films.iter().filter(in_a_test).count(), films.len());
            assert!(films.iter().map(|film| film.walks.len()).sum::<usize>() >= 50);
        }
    };
}

films! {
    far_people_are_noticed: "walk-12";
    people_in_a_garden_are_noticed: "walk-20";
    people_near_by_are_noticed: "walk-35";
    people_at_the_door_are_noticed: "walk-60";
    people_who_come_nearer_are_noticed: "nearer";
    noise_in_the_dark_is_nobody: "noise";
    rain_is_nobody: "rain";
    a_tree_in_gusts_is_nobody: "tree";
    a_camera_that_shakes_sees_nobody: "shake";
    a_lamp_is_nobody: "lamp";
    a_camera_that_changes_to_infrared_sees_nobody: "infrared";
    headlights_are_nobody: "headlights";
    clouds_are_nobody: "clouds";
    what_a_coder_does_to_pictures_is_nobody: "pumping";
    all_weather_at_once_is_nobody: "all weather";
}

fn film(name: &str) -> Film {
    films::all(0).into_iter().find(|film| film.name == name).unwrap()
}

fn polygon(corners: &[(f32, f32)]) -> Polygon {
    Polygon::new(corners.to_vec()).unwrap()
}

#[test]
fn only_what_is_in_a_zone_counts_and_nothing_in_a_mask_does() {
    let left = polygon(&[(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)]);
    let path = polygon(&[(0.0, 0.3), (1.0, 0.3), (1.0, 1.0), (0.0, 1.0)]);
    let sky = polygon(&[(0.0, 0.0), (1.0, 0.0), (1.0, 0.3)]);
    let walk = film("walk-35--60");
    let (from, to) = walk.truth()[0]; // from left to right
    let everywhere = events(&walk, &MotionSettings::default());
    let in_zone = events(&walk, &MotionSettings { zones: vec![left.clone()], ..MotionSettings::default() });
    assert!(everywhere[0].1 > to - 1.0, "it is followed to the other side: {everywhere:?}");
    let middle = (from + to) / 2.0;
    assert!(in_zone[0].0 < middle && in_zone[0].1 < middle + 1.5, "until it leaves the zone: {in_zone:?}");
    assert_eq!(events(&walk, &MotionSettings { masks: vec![path], ..MotionSettings::default() }), []);
    assert_eq!(events(&walk, &MotionSettings { zones: vec![sky], ..MotionSettings::default() }), []);
    let both = MotionSettings { zones: vec![left.clone()], masks: vec![left], ..MotionSettings::default() };
    assert_eq!(events(&walk, &both), [], "a mask in a zone is one");
}

/// A tree that sways, a street: what is masked is as if it were not there, for whoever walks beside it too.
#[test]
fn what_happens_in_a_mask_raises_no_suspicion_beside_it() {
    let mask = polygon(&[(0.302, 0.0), (0.698, 0.0), (0.698, 1.0), (0.302, 1.0)]);
    let mut motion = Motion::new(MotionSettings { masks: vec![mask], ..MotionSettings::default() });
    let mut noise = 1u32;
    let mut suspicious = 0;
    for number in 0..30 * FPS {
        let pixels: Vec<u8> = (0..WIDTH * HEIGHT)
            .map(|i| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let (x, y) = (i % WIDTH, i / WIDTH);
                let grain = (noise >> 29) as u8;
                // Inside, another pattern in each picture.
                let masked = (0.302..0.698).contains(&(x as f32 / WIDTH as f32));
                let bright = (x / 40 + y / 40 + number * 7) % 3 == 0;
                if masked && bright {
                    240
                } else if masked {
                    20
                } else {
                    100 + (y / 8) as u8 + grain
                }
            })
            .collect();
        let picture = Grey::shrink(&pixels, WIDTH, HEIGHT, WIDTH).unwrap();
        let seen = motion.see(&picture, Duration::from_millis((number * 1_000 / FPS) as u64));
        assert!(seen.moving.is_none(), "picture {number}");
        suspicious += usize::from(seen.suspicion);
    }
    assert_eq!(suspicious, 0);
}

#[test]
fn far_people_are_nobody_where_only_near_ones_are_to_be_noticed() {
    let with = |sensitivity| MotionSettings { sensitivity, ..MotionSettings::default() };
    assert_eq!(events(&film("walk-12--22"), &with(Sensitivity::Low)), []);
    assert_eq!(judged(&film("walk-60--60"), &with(Sensitivity::Low)).0, 2);
    assert_eq!(judged(&film("walk-12--22"), &with(Sensitivity::High)).0, 2);
}

#[test]
fn a_polygon_has_three_corners_at_least_and_all_of_them_in_the_picture() {
    assert!(Polygon::new(vec![(0.0, 0.0), (1.0, 1.0)]).is_none());
    assert!(Polygon::new(vec![(0.0, 0.0), (1.0, 1.0), (1.1, 0.0)]).is_none());
    assert!(Polygon::new(vec![(0.0, 0.0), (1.0, 1.0), (f32::NAN, 0.0)]).is_none());
    assert!(Polygon::new(vec![(0.5, 0.5); 33]).is_none());
    assert!(Polygon::new(vec![(0.5, 0.5); 32]).is_some(), "one without an inside has nothing in it");
}

#[test]
fn a_jump_in_time_or_another_size_begins_anew() {
    let walk = film("walk-35--60");
    let mut painter = walk.painter();
    let picture = |number: usize, painter: &mut films::Painter| painter.picture(number);
    let small = |pixels: &[u8], height| Grey::shrink(pixels, WIDTH, height, WIDTH).unwrap();
    let mut motion = Motion::new(MotionSettings::default());
    let second = |t: f32| Duration::from_secs_f32(t);
    let nobody = picture(0, &mut painter);
    for i in 0..40 {
        motion.see(&small(&nobody, HEIGHT), second(100.0 + i as f32 / 6.0));
    }
    let somebody = picture(12 * FPS, &mut painter);
    for (at, height) in [(50.0, HEIGHT), (120.0, HEIGHT), (121.0, HEIGHT - 60)] {
        let seen = motion.see(&small(&somebody, height), second(at));
        assert_eq!(seen, vision::Seen::default(), "at {at} s everything is new");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]
    #[test]
    fn any_pictures_are_seen_without_a_panic(
        pictures in proptest::collection::vec((16usize..80, 16usize..80, 0u64..40_000, proptest::prelude::any::<u8>()), 1..40),
    ) {
        let mut motion = Motion::new(MotionSettings { sensitivity: Sensitivity::High, ..MotionSettings::default() });
        let mut at = 0;
        for (i, (width, height, step, grey)) in pictures.into_iter().enumerate() {
            at += step;
            let (width, height) = if i % 3 == 0 { (width, height) } else { (40, 30) };
            let pixels: Vec<u8> = (0..width * height).map(|p| (p * i) as u8 ^ grey).collect();
            let seen = motion.see(&Grey::shrink(&pixels, width, height, width).unwrap(), Duration::from_millis(at));
            if let Some(moving) = seen.moving {
                assert!((0.0..=1.0).contains(&moving.score) && moving.area > 0.0 && moving.area <= 1.0);
                assert!(moving.bounds.left + moving.bounds.width <= 1.001 && moving.bounds.top + moving.bounds.height <= 1.001);
            }
        }
    }
}

#[test]
fn who_is_followed_is_not_found_in_single_pictures_seconds_later_but_soon_where_all_are_looked_at_again() {
    let film = films::all(0).into_iter().find(|film| film.name == "walk-20--60").unwrap(); // from 8.0 s to 20.6 s
    let (mut motion, mut painter, mut found) = (Motion::new(MotionSettings::default()), film.painter(), Vec::new());
    for number in 0..19 * FPS {
        let t = number as f32 / FPS as f32;
        let picture = painter.picture(number);
        // As where something has moved for long: all, then key pictures, then all again.
        if (12.0..16.0).contains(&t) && !number.is_multiple_of(2 * FPS) {
            continue;
        }
        let seen = motion.see(&Grey::shrink(&picture, WIDTH, HEIGHT, WIDTH).unwrap(), Duration::from_secs_f32(t));
        found.extend(seen.moving.map(|_| t));
    }
    let within = |from: f32, to: f32| found.iter().filter(|t| (from..to).contains(*t)).count();
    assert!(within(8.0, 12.1) > 6, "{found:?}");
    assert_eq!(within(12.1, 16.1), 0, "{found:?}");
    assert!(within(16.1, 17.5) > 0, "{found:?}");
}
