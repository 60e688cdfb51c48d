//! The fragment writer: what players, the footage writer and live viewers rely on.

mod support;

use std::process::Command;

use base::Mono;
use base::footage::Track;
use bytes::Bytes;
use media::{AudioConfig, FragmentWriter, MAX_UNIT_BYTES, MediaUnit, VideoConfig, live_fragment};
use support::{AAC_CONFIG, Clip, FRAME, PICTURE_90K, Remember, read_fragment, sound};

fn picture(pts: i64, key: bool, data: Bytes) -> MediaUnit {
    MediaUnit { track: Track::Video, pts, key, arrived: at_90k(pts), data }
}

fn frame(pts: i64, data: Bytes) -> MediaUnit {
    MediaUnit { track: Track::Audio, pts, key: true, arrived: at_90k(pts * 90_000 / 16_000), data }
}

fn at_90k(ticks: i64) -> Mono {
    Mono((1_000_000_000_000 + i128::from(ticks) * 1_000_000 / 90) as u64)
}

fn video_of(clip: &Clip) -> VideoConfig {
    VideoConfig::h264(clip.avcc(), clip.width, clip.height).unwrap()
}

/// The clip's pictures and sound as they would come, one after another.
fn units(clip: &Clip) -> Vec<MediaUnit> {
    let pictures = (0..clip.pictures.len()).map(|i| picture(i as i64 * PICTURE_90K, clip.is_key(i), clip.picture(i)));
    let frames = sound().into_iter().enumerate().map(|(i, data)| frame(i as i64 * FRAME, data));
    let mut units: Vec<_> = pictures.chain(frames).collect();
    units.sort_by_key(|u| u.arrived);
    units
}

/// A writer with parameters of both tracks, and its output.
fn writer(clip: &Clip, with_sound: bool) -> (FragmentWriter, Remember, Box<dyn media::Output>) {
    let remember = Remember::default();
    let mut out = remember.output();
    let mut writer = FragmentWriter::new();
    if with_sound {
        writer.expect_audio();
        writer.set_audio(AudioConfig::aac(Bytes::from_static(AAC_CONFIG)).unwrap(), out.as_mut());
    }
    writer.set_video(video_of(clip), out.as_mut());
    (writer, remember, out)
}

fn write_clip() -> Remember {
    let clip = Clip::usual();
    let (mut writer, remember, mut out) = writer(&clip, true);
    units(&clip).into_iter().for_each(|unit| writer.push(unit, out.as_mut()));
    writer.flush(out.as_mut());
    remember
}

#[test]
fn fragments_are_at_most_half_a_second_and_begin_anew_at_key_pictures() {
    let remember = write_clip();
    let seen = remember.seen();
    // 16 pictures are 0.8 s: 10 pictures, then the 6 that are left before the next key picture.
    let spans: Vec<_> = seen.fragments.iter().map(|(_, f)| (f.key, f.end_90k / PICTURE_90K)).collect();
    assert_eq!(spans, [(true, 10), (false, 16), (true, 26), (false, 32)]);
    let arrived: Vec<_> = seen.fragments.iter().map(|(_, f)| f.arrived).collect();
    assert_eq!(arrived, [0, 10, 16, 26].map(|i| at_90k(i * PICTURE_90K)));
    for (_, f) in &seen.fragments {
        let sound_start = f.samples.iter().find(|s| s.track == Track::Audio).unwrap().dts * 90_000 / 16_000;
        assert_eq!(f.start_90k, sound_start.min(f.samples[0].dts));
    }
}

#[test]
fn every_sample_is_whole_exact_and_follows_the_one_before() {
    let (clip, frames) = (Clip::usual(), sound());
    let remember = write_clip();
    let seen = remember.seen();
    let pictures = seen.samples(Track::Video);
    assert_eq!(pictures.len(), 32);
    for (i, (sample, data)) in pictures.iter().enumerate() {
        assert_eq!((sample.dts, sample.cts_offset), (i as i64 * PICTURE_90K, 0));
        assert_eq!(i64::from(sample.duration), PICTURE_90K);
        assert_eq!(sample.key, clip.is_key(i));
        assert_eq!(*data, clip.picture(i));
    }
    let sounds = seen.samples(Track::Audio);
    assert_eq!(sounds.len(), 25);
    for (i, (sample, data)) in sounds.iter().enumerate() {
        assert_eq!((sample.dts, i64::from(sample.duration)), (i as i64 * FRAME, FRAME));
        assert_eq!(*data, frames[i]);
    }
}

#[test]
fn the_bytes_say_what_the_sample_list_says() {
    let remember = write_clip();
    for (i, (_, f)) in remember.seen().fragments.iter().enumerate() {
        let (sequence, trafs) = read_fragment(&f.bytes);
        assert_eq!(sequence as usize, i + 1);
        let mut listed = f.samples.iter();
        for traf in trafs {
            let (mut dts, mut offset) = (traf.tfdt as i64, traf.data_offset);
            for (duration, size, flags, cts_offset) in traf.samples {
                let s = listed.next().unwrap();
                assert_eq!((s.track.id(), s.dts, s.offset, s.size), (traf.track, dts, offset, size));
                assert_eq!((s.duration, s.cts_offset), (duration, cts_offset));
                assert_eq!(s.key, flags & 0x0001_0000 == 0);
                dts += i64::from(duration);
                offset += size;
            }
        }
        assert_eq!(listed.next(), None);
    }
}

#[test]
fn a_unit_comes_at_once_and_a_fragment_when_it_is_whole() {
    let clip = Clip::usual();
    let (mut writer, remember, mut out) = writer(&clip, false);
    for i in 0..11 {
        writer.push(picture(i as i64 * PICTURE_90K, clip.is_key(i), clip.picture(i)), out.as_mut());
        assert_eq!(remember.seen().units.len(), i + 1);
        assert_eq!(remember.seen().fragments.len(), usize::from(i == 10), "at picture {i}");
    }
}

#[test]
fn nothing_is_written_before_the_first_key_picture() {
    let clip = Clip::usual();
    let (mut writer, remember, mut out) = writer(&clip, true);
    writer.push(frame(0, sound()[0].clone()), out.as_mut());
    writer.push(picture(0, false, clip.picture(1)), out.as_mut());
    writer.flush(out.as_mut());
    assert!(remember.seen().inits.is_empty() && remember.seen().units.is_empty());
    writer.push(picture(9_000, true, clip.picture(0)), out.as_mut());
    assert_eq!(remember.seen().inits[0].1, at_90k(0), "when media time 0 was");
    assert_eq!(remember.seen().inits[0].0.codecs(), format!("{}, mp4a.40.2", video_of(&clip).params.codec));
}

#[test]
fn an_init_segment_waits_for_the_parameters_of_all_tracks() {
    let clip = Clip::usual();
    let remember = Remember::default();
    let mut out = remember.output();
    let mut writer = FragmentWriter::new();
    writer.expect_audio();
    writer.set_video(video_of(&clip), out.as_mut());
    writer.push(picture(0, true, clip.picture(0)), out.as_mut());
    assert!(remember.seen().inits.is_empty());
    writer.set_audio(AudioConfig::aac(Bytes::from_static(AAC_CONFIG)).unwrap(), out.as_mut());
    writer.push(picture(PICTURE_90K, true, clip.picture(0)), out.as_mut());
    assert!(remember.seen().inits[0].0.audio.is_some());
}

#[test]
fn new_parameters_end_the_fragment_and_begin_with_a_new_init_segment() {
    let (clip, smaller) = (Clip::usual(), Clip::smaller());
    let (mut writer, remember, mut out) = writer(&clip, false);
    for i in 0..3 {
        writer.push(picture(i as i64 * PICTURE_90K, clip.is_key(i), clip.picture(i)), out.as_mut());
    }
    writer.set_video(video_of(&clip), out.as_mut()); // the same: nothing happens
    assert!(remember.seen().fragments.is_empty());
    writer.set_video(video_of(&smaller), out.as_mut());
    assert_eq!(remember.seen().fragments.len(), 1);
    for i in 0..3 {
        let pts = (i as i64 + 3) * PICTURE_90K;
        writer.push(picture(pts, smaller.is_key(i), smaller.picture(i)), out.as_mut());
    }
    writer.flush(out.as_mut());
    let seen = remember.seen();
    assert_eq!(seen.inits.iter().map(|(i, _)| i.video.width).collect::<Vec<_>>(), [320, 160]);
    assert_eq!(seen.inits[0].1, seen.inits[1].1, "media time 0 stays");
    assert_eq!(seen.fragments.iter().map(|(init, f)| (*init, f.key)).collect::<Vec<_>>(), [(1, true), (2, true)]);
    assert_eq!(seen.samples(Track::Video)[3].0.dts, 3 * PICTURE_90K);
}

#[test]
fn a_slow_cameras_picture_is_written_early_and_stays_exact() {
    let clip = Clip::usual();
    let (mut writer, remember, mut out) = writer(&clip, false);
    // About one picture a second; each is written before the next comes.
    let times = [0, 90_000, 180_000, 268_000, 360_500];
    for (i, pts) in times.into_iter().enumerate() {
        writer.push(picture(pts, i == 0, clip.picture(i)), out.as_mut());
        writer.flush(out.as_mut());
        assert_eq!(remember.seen().fragments.len(), i + 1);
    }
    let seen = remember.seen();
    let samples = seen.samples(Track::Video);
    assert_eq!(samples.iter().map(|(s, _)| s.dts + i64::from(s.cts_offset)).collect::<Vec<_>>(), times);
    for pair in samples.windows(2) {
        assert!(pair[1].0.dts >= pair[0].0.dts + i64::from(pair[0].0.duration), "times overlap: {pair:?}");
    }
    // The fourth came 2,000 ticks before the end that the third was guessed to have.
    assert_eq!((samples[3].0.dts, samples[3].0.cts_offset), (270_000, -2_000));
}

#[test]
fn a_hole_in_the_picture_stays_a_hole_after_a_flush() {
    let clip = Clip::usual();
    let (mut writer, remember, mut out) = writer(&clip, false);
    for i in 0..4 {
        writer.push(picture(i * PICTURE_90K, i == 0, clip.picture(i as usize)), out.as_mut());
    }
    writer.flush(out.as_mut());
    writer.push(picture(900_000, false, clip.picture(4)), out.as_mut());
    writer.flush(out.as_mut());
    let seen = remember.seen();
    assert_eq!(seen.fragments[0].1.end_90k, 4 * PICTURE_90K);
    assert_eq!(seen.fragments[1].1.start_90k, 900_000);
}

#[test]
fn pictures_that_are_reordered_are_given_out_at_once_and_shown_when_the_camera_says() {
    let clip = Clip::usual();
    let (mut writer, remember, mut out) = writer(&clip, false);
    writer.expect_reordering(2);
    // A key picture, and pyramids: P, B in the middle, B before, B after it.
    let shown: Vec<i64> = std::iter::once(0).chain((0..10).flat_map(|g| [4, 2, 1, 3].map(|n| 4 * g + n))).collect();
    for (i, n) in shown.iter().enumerate() {
        writer.push(picture(n * PICTURE_90K, i == 0, clip.picture(i % 32)), out.as_mut());
        assert_eq!(remember.seen().units.len(), i + 1, "none is held back");
    }
    writer.flush(out.as_mut());
    let seen = remember.seen();
    let samples: Vec<_> = seen.samples(Track::Video).into_iter().map(|(sample, _)| sample).collect();
    let times: Vec<_> = samples.iter().map(|s| s.dts + i64::from(s.cts_offset)).collect();
    assert_eq!(times, shown.iter().map(|n| n * PICTURE_90K).collect::<Vec<_>>());
    // From the fourth picture on the usual spacing is known, and decoding goes at that pace.
    let decoded: Vec<_> = samples[3..].iter().map(|s| s.dts).collect();
    assert_eq!(decoded, (3..41).map(|n| n * PICTURE_90K).collect::<Vec<_>>());
    assert!(seen.fragments.iter().all(|(_, f)| f.end_90k - f.start_90k <= 45_000));
}

#[test]
fn pictures_that_are_all_key_pictures_share_fragments() {
    let clip = Clip::usual();
    let remember = Remember::default();
    let mut out = remember.output();
    let mut writer = FragmentWriter::new();
    writer.set_video(VideoConfig::jpeg(320, 180), out.as_mut());
    for i in 0..25 {
        writer.push(picture(i * PICTURE_90K, true, clip.picture(i as usize)), out.as_mut());
    }
    writer.flush(out.as_mut());
    let seen = remember.seen();
    assert_eq!(seen.inits[0].0.codecs(), "mp4v.6C");
    assert_eq!(seen.fragments.iter().map(|(_, f)| f.samples.len()).collect::<Vec<_>>(), [10, 10, 5]);
    assert!(seen.fragments.iter().all(|(_, f)| f.key && f.samples.iter().all(|s| s.key)));
}

#[test]
fn jittery_sound_is_smoothed_and_sound_that_is_off_is_put_right() {
    let clip = Clip::usual();
    let (mut writer, remember, mut out) = writer(&clip, true);
    let data = &sound()[0];
    writer.push(picture(0, true, clip.picture(0)), out.as_mut());
    // 10 ms early and late: contiguous. A hole of 100 ms: a hole. 40 ms early: left out.
    for pts in [0, 1_024 + 160, 2_048 - 160, 3_072 + 1_600, 5_696 - 640, 6_720] {
        writer.push(frame(pts, data.clone()), out.as_mut());
    }
    let dts: Vec<_> = remember.seen().units_of(Track::Audio).iter().map(|u| u.dts).collect();
    assert_eq!(dts, [0, 1_024, 2_048, 4_672, 6_720]);
    writer.flush(out.as_mut());
    let durations: Vec<_> = remember.seen().samples(Track::Audio).iter().map(|(s, _)| s.duration).collect();
    assert_eq!(durations, [1_024, 1_024, 2_624, 2_048, 1_024]);
}

/// A minute of pictures, a key picture each second, and sound in these spans of seconds. Gives the media time (s) and
/// whether sound is announced, of each init segment.
fn announced(spans: &[(i64, i64)]) -> Vec<(i64, bool)> {
    let clip = Clip::usual();
    let (mut writer, remember, mut out) = writer(&clip, true);
    let data = &sound()[0];
    let mut begun = Vec::new();
    let mut frames = 0;
    for i in 0..1_200 {
        writer.push(picture(i * PICTURE_90K, i % 20 == 0, clip.picture(i as usize % 32)), out.as_mut());
        while frames * FRAME < i * 800 {
            let at = frames * FRAME;
            if spans.iter().any(|(from, to)| (from * 16_000..to * 16_000).contains(&at)) {
                writer.push(frame(at, data.clone()), out.as_mut());
            }
            frames += 1;
        }
        let inits = &remember.seen().inits;
        if inits.len() > begun.len() {
            begun.push((i / 20, inits.last().unwrap().0.audio.is_some()));
        }
    }
    writer.flush(out.as_mut());
    assert_eq!(remember.seen().samples(Track::Video).len(), 1_200, "no picture is left out for it");
    begun
}

#[test]
fn sound_is_announced_only_while_it_comes() {
    assert_eq!(announced(&[(0, 60)]), [(0, true)]);
    // It never comes; it comes late; it stops, and comes again; it stutters.
    assert_eq!(announced(&[]), [(0, true), (6, false)]);
    assert_eq!(announced(&[(30, 60)]), [(0, true), (6, false), (31, true)]);
    assert_eq!(announced(&[(0, 10), (40, 60)]), [(0, true), (16, false), (41, true)]);
    assert_eq!(announced(&[(0, 10), (14, 20), (24, 30), (34, 60)]), [(0, true)]);
}

#[test]
fn no_fragment_grows_beyond_its_bounds() {
    let clip = Clip::usual();
    let (mut writer, remember, mut out) = writer(&clip, false);
    let large = Bytes::from(vec![0; 3 << 20]);
    for i in 0..6 {
        writer.push(picture(i * 10, i == 0, large.clone()), out.as_mut());
    }
    writer.push(picture(100, false, Bytes::from(vec![0; MAX_UNIT_BYTES + 1])), out.as_mut());
    writer.push(picture(110, false, Bytes::from(vec![0; MAX_UNIT_BYTES])), out.as_mut());
    for i in 0..10_000 {
        writer.push(picture(120 + i, false, Bytes::from_static(&[0])), out.as_mut());
    }
    writer.flush(out.as_mut());
    let seen = remember.seen();
    assert_eq!(seen.samples(Track::Video).len(), 6 + 1 + 10_000);
    assert!(seen.fragments.iter().all(|(_, f)| f.bytes.len() < 9 << 20 && f.samples.len() <= 4_096));
}

#[test]
fn ffprobe_and_ffmpeg_take_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let recorded = folder.path().join("recorded.mp4");
    let remember = write_clip();
    std::fs::write(&recorded, remember.seen().file()).unwrap();
    check_with_ffmpeg(&recorded);

    // As a live viewer gets it: one fragment per unit.
    let live = folder.path().join("live.mp4");
    let seen = remember.seen();
    let mut bytes = seen.inits[0].0.bytes.to_vec();
    for (i, unit) in seen.units.iter().enumerate() {
        bytes.extend(live_fragment(i as u32 + 1, std::slice::from_ref(unit)));
    }
    std::fs::write(&live, bytes).unwrap();
    check_with_ffmpeg(&live);
    // And the whole in one, as who opens a camera in the middle gets it.
    let all = [&seen.inits[0].0.bytes[..], &live_fragment(1, &seen.units)].concat();
    std::fs::write(&live, all).unwrap();
    check_with_ffmpeg(&live);
}

/// The clip, whole and exact.
fn check_with_ffmpeg(file: &std::path::Path) {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-of", "json", "-show_streams", "-show_packets"])
        .arg(file)
        .output()
        .expect("ffprobe is installed");
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let video = &said["streams"][0];
    assert_eq!(video["codec_name"], "h264");
    assert_eq!((video["width"].as_i64(), video["height"].as_i64()), (Some(320), Some(180)));
    let audio = &said["streams"][1];
    assert_eq!((audio["codec_name"].as_str(), audio["sample_rate"].as_str()), (Some("aac"), Some("16000")));
    let pts = |stream: i64| -> Vec<i64> {
        let packets = said["packets"].as_array().unwrap().iter();
        packets.filter(|p| p["stream_index"] == stream).map(|p| p["pts"].as_i64().unwrap()).collect()
    };
    assert_eq!(pts(0), (0..32).map(|i| i * PICTURE_90K).collect::<Vec<_>>());
    assert_eq!(pts(1), (0..25).map(|i| i * FRAME).collect::<Vec<_>>());

    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-xerror", "-i"])
        .arg(file)
        .args(["-f", "null", "-"])
        .output()
        .expect("ffmpeg is installed");
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

proptest::proptest! {
    #[test]
    fn any_order_of_units_gives_sound_fragments(
        steps in proptest::collection::vec((0u8..8, -100_000i64..100_000, 0usize..40), 0..300),
    ) {
        let clip = Clip::usual();
        let (mut writer, remember, mut out) = writer(&clip, true);
        let (mut video, mut audio) = (0i64, 0i64);
        let mut shown = Vec::new();
        for (what, step, size) in steps {
            let data = Bytes::from(vec![7; size]);
            match what {
                0 => writer.flush(out.as_mut()),
                1..=4 => {
                    video += step;
                    let before = remember.seen().units_of(Track::Video).len();
                    writer.push(picture(video, what == 1, data), out.as_mut());
                    if remember.seen().units_of(Track::Video).len() > before {
                        shown.push(video);
                    }
                }
                _ => {
                    audio += step / 10;
                    writer.push(frame(audio, data), out.as_mut());
                }
            }
        }
        writer.flush(out.as_mut());
        let seen = remember.seen();
        let samples = seen.samples(Track::Video);
        // Every picture that was given out is in a fragment, at the time at which it is shown.
        let times: Vec<_> = samples.iter().map(|(s, _)| s.dts + i64::from(s.cts_offset)).collect();
        proptest::prop_assert_eq!(times, shown);
        for track in [Track::Video, Track::Audio] {
            for pair in seen.samples(track).windows(2) {
                proptest::prop_assert!(pair[1].0.dts >= pair[0].0.dts + i64::from(pair[0].0.duration));
            }
        }
        for (_, f) in &seen.fragments {
            let (_, trafs) = read_fragment(&f.bytes);
            proptest::prop_assert!(f.samples[0].track == Track::Video && f.samples[0].dts >= 0);
            proptest::prop_assert_eq!(trafs.iter().map(|t| t.samples.len()).sum::<usize>(), f.samples.len());
            let end: usize = f.samples.last().map(|s| (s.offset + s.size) as usize).unwrap();
            proptest::prop_assert_eq!(end, f.bytes.len());
        }
        proptest::prop_assert_eq!(seen.fragments.first().is_none_or(|(_, f)| f.key), true);
    }
}
