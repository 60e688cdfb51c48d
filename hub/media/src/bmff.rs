//! Boxes of ISO/IEC 14496-12 as the hub writes them: the init segment and fragments.

use base::footage::{AccessUnit, InitSegment, Sample, Track, VIDEO_TIMESCALE};

use crate::codec::{AudioConfig, VideoConfig};

/// Builds `ftyp` and `moov` for one video track and at most one audio track. Times are in the tracks' own
/// timescales: 90 kHz for video, the sampling rate for audio.
pub fn init_segment(video: &VideoConfig, audio: Option<&AudioConfig>) -> InitSegment {
    let mut out = Vec::with_capacity(1_024);
    boxed(&mut out, b"ftyp", |b| {
        b.extend(b"iso6\0\0\0\0");
        b.extend(b"iso6iso5mp41");
    });
    boxed(&mut out, b"moov", |b| {
        full(b, b"mvhd", 0, 0, |b| {
            u32s(b, &[0, 0, VIDEO_TIMESCALE, 0, 0x0001_0000]); // created, modified, timescale, duration, rate
            b.extend([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]); // volume, reserved
            matrix(b);
            u32s(b, &[0, 0, 0, 0, 0, 0, Track::Audio.id() + 1]); // pre_defined, next_track_ID
        });
        video_track(b, video);
        if let Some(audio) = audio {
            audio_track(b, audio);
        }
        boxed(b, b"mvex", |b| {
            for track in [Track::Video, Track::Audio].into_iter().take(1 + usize::from(audio.is_some())) {
                // Defaults of duration, size and flags are zero: every sample of a fragment says its own.
                full(b, b"trex", 0, 0, |b| u32s(b, &[track.id(), 1, 0, 0, 0]));
            }
        });
    });
    InitSegment { bytes: out.into(), video: video.params.clone(), audio: audio.map(|a| a.params.clone()) }
}

/// Builds one `moof` with a `traf` per track that has units, and one `mdat`: video first, then audio. Returns the
/// bytes and where each sample lies in them.
///
/// A unit's `dts` must not be negative, as `tfdt` is unsigned; the sum of the data must stay below 4 GiB. The
/// writer bounds both.
pub fn fragment(sequence: u32, video: &[AccessUnit], audio: &[AccessUnit]) -> (Vec<u8>, Vec<Sample>) {
    let tracks = || [(Track::Video, video), (Track::Audio, audio)].into_iter().filter(|(_, units)| !units.is_empty());
    let moof_len: usize = 8 + 16 + tracks().map(|(_, units)| 8 + 16 + 20 + 20 + 16 * units.len()).sum::<usize>();
    let data_len: usize = tracks().flat_map(|(_, units)| units).map(|u| u.data.len()).sum();
    let mut out = Vec::with_capacity(moof_len + 8 + data_len);
    let mut samples = Vec::with_capacity(video.len() + audio.len());
    let mut offset = moof_len + 8;
    boxed(&mut out, b"moof", |b| {
        full(b, b"mfhd", 0, 0, |b| u32s(b, &[sequence]));
        for (track, units) in tracks() {
            boxed(b, b"traf", |b| {
                full(b, b"tfhd", 0, DEFAULT_BASE_IS_MOOF, |b| u32s(b, &[track.id()]));
                full(b, b"tfdt", 1, 0, |b| b.extend((units[0].dts.max(0) as u64).to_be_bytes()));
                full(b, b"trun", 1, TRUN_FIELDS, |b| {
                    u32s(b, &[units.len() as u32, offset as u32]);
                    for unit in units {
                        let flags = if unit.key { SAMPLE_SYNC } else { SAMPLE_DEPENDS };
                        u32s(b, &[unit.duration, unit.data.len() as u32, flags, unit.cts_offset as u32]);
                        samples.push(Sample {
                            track,
                            offset: offset as u32,
                            size: unit.data.len() as u32,
                            dts: unit.dts,
                            cts_offset: unit.cts_offset,
                            duration: unit.duration,
                            key: unit.key,
                        });
                        offset += unit.data.len();
                    }
                });
            });
        }
    });
    debug_assert_eq!(out.len(), moof_len);
    boxed(&mut out, b"mdat", |b| tracks().flat_map(|(_, units)| units).for_each(|u| b.extend_from_slice(&u.data)));
    (out, samples)
}

/// `tfhd`: data offsets count from the `moof`'s first byte.
const DEFAULT_BASE_IS_MOOF: u32 = 0x02_0000;
/// `trun`: data offset; and of each sample duration, size, flags and (signed, version 1) composition offset.
const TRUN_FIELDS: u32 = 0x00_0f01;
/// A sample that depends on no other.
const SAMPLE_SYNC: u32 = 0x0200_0000;
/// A sample that depends on others and is not a place to begin.
const SAMPLE_DEPENDS: u32 = 0x0101_0000;

fn video_track(b: &mut Vec<u8>, video: &VideoConfig) {
    let (width, height) = (video.params.width, video.params.height);
    track(b, Track::Video, VIDEO_TIMESCALE, (width, height), b"vide", |b| {
        boxed(b, &video.entry, |b| {
            b.extend([0, 0, 0, 0, 0, 0, 0, 1]); // reserved, data_reference_index
            b.extend([0; 16]);
            b.extend(width.to_be_bytes());
            b.extend(height.to_be_bytes());
            u32s(b, &[0x0048_0000, 0x0048_0000, 0]); // 72 dpi, reserved
            b.extend([0, 1]); // one picture per sample
            b.extend([0; 32]); // compressor name
            b.extend([0, 0x18, 0xff, 0xff]); // depth, pre_defined
            boxed(b, &video.config_box, |b| b.extend_from_slice(&video.config));
        });
    });
}

fn audio_track(b: &mut Vec<u8>, audio: &AudioConfig) {
    let rate = audio.params.sample_rate;
    track(b, Track::Audio, rate, (0, 0), b"soun", |b| {
        boxed(b, &audio.entry, |b| {
            b.extend([0, 0, 0, 0, 0, 0, 0, 1]); // reserved, data_reference_index
            b.extend([0; 8]);
            b.extend(audio.params.channels.to_be_bytes());
            b.extend([0, 16, 0, 0, 0, 0]); // sample size, pre_defined, reserved
            // 16.16; a rate that does not fit is told by the AudioSpecificConfig alone.
            u32s(b, &[u16::try_from(rate).map_or(0, |r| u32::from(r) << 16)]);
            match &audio.entry {
                b"Opus" => boxed(b, b"dOps", |b| b.extend_from_slice(&audio.config)),
                _ => esds(b, &audio.config),
            }
        });
    });
}

fn esds(b: &mut Vec<u8>, specific: &[u8]) {
    full(b, b"esds", 0, 0, |b| {
        descriptor(b, 3, |b| {
            b.extend([0, 0, 0]); // ES_ID, flags
            descriptor(b, 4, |b| {
                b.extend([0x40, 0x15, 0, 0, 0]); // AAC, audio stream, buffer size unknown
                u32s(b, &[0, 0]); // bit rates unknown
                descriptor(b, 5, |b| b.extend_from_slice(specific));
            });
            descriptor(b, 6, |b| b.push(2)); // SL packets as MP4 has them
        });
    });
}

fn track(
    b: &mut Vec<u8>,
    track: Track,
    timescale: u32,
    (width, height): (u16, u16),
    handler: &[u8; 4],
    sample_entry: impl FnOnce(&mut Vec<u8>),
) {
    boxed(b, b"trak", |b| {
        // Enabled, in the movie, in the preview.
        full(b, b"tkhd", 0, 7, |b| {
            u32s(b, &[0, 0, track.id(), 0, 0, 0, 0]); // created, modified, id, reserved, duration, reserved
            // Layer, alternate group, volume, reserved.
            b.extend(if track == Track::Audio { [0, 0, 0, 0, 1, 0, 0, 0] } else { [0; 8] });
            matrix(b);
            u32s(b, &[u32::from(width) << 16, u32::from(height) << 16]);
        });
        boxed(b, b"mdia", |b| {
            full(b, b"mdhd", 0, 0, |b| {
                u32s(b, &[0, 0, timescale, 0]);
                b.extend([0x55, 0xc4, 0, 0]); // language undetermined
            });
            full(b, b"hdlr", 0, 0, |b| {
                u32s(b, &[0]);
                b.extend_from_slice(handler);
                b.extend([0; 12]);
                b.extend(b"Keepsight\0");
            });
            boxed(b, b"minf", |b| {
                match track {
                    Track::Video => full(b, b"vmhd", 0, 1, |b| b.extend([0; 8])),
                    Track::Audio => full(b, b"smhd", 0, 0, |b| b.extend([0; 4])),
                }
                boxed(b, b"dinf", |b| {
                    full(b, b"dref", 0, 0, |b| {
                        u32s(b, &[1]);
                        full(b, b"url ", 0, 1, |_| {}); // the data is in this file
                    });
                });
                boxed(b, b"stbl", |b| {
                    full(b, b"stsd", 0, 0, |b| {
                        u32s(b, &[1]);
                        sample_entry(b);
                    });
                    for empty in [b"stts", b"stsc", b"stco"] {
                        full(b, empty, 0, 0, |b| u32s(b, &[0]));
                    }
                    full(b, b"stsz", 0, 0, |b| u32s(b, &[0, 0]));
                });
            });
        });
    });
}

/// Writes a box: 32-bit length, type, content.
fn boxed(b: &mut Vec<u8>, kind: &[u8; 4], content: impl FnOnce(&mut Vec<u8>)) {
    let start = b.len();
    b.extend([0; 4]);
    b.extend_from_slice(kind);
    content(b);
    let len = (b.len() - start) as u32;
    b[start..start + 4].copy_from_slice(&len.to_be_bytes());
}

/// Writes a box with version and flags.
fn full(b: &mut Vec<u8>, kind: &[u8; 4], version: u8, flags: u32, content: impl FnOnce(&mut Vec<u8>)) {
    boxed(b, kind, |b| {
        b.extend((u32::from(version) << 24 | flags).to_be_bytes());
        content(b);
    });
}

/// Writes a descriptor of ISO/IEC 14496-1 with a 4-byte length, the form that every reader takes.
pub(crate) fn descriptor(b: &mut Vec<u8>, tag: u8, content: impl FnOnce(&mut Vec<u8>)) {
    b.extend([tag, 0x80, 0x80, 0x80, 0]);
    let start = b.len();
    content(b);
    let len = (b.len() - start) as u32;
    for (i, byte) in b[start - 4..start].iter_mut().rev().enumerate() {
        *byte = (len >> (7 * i)) as u8 & 0x7f | if i > 0 { 0x80 } else { 0 };
    }
}

fn u32s(b: &mut Vec<u8>, numbers: &[u32]) {
    numbers.iter().for_each(|n| b.extend(n.to_be_bytes()));
}

/// The unit matrix.
fn matrix(b: &mut Vec<u8>) {
    u32s(b, &[0x0001_0000, 0, 0, 0, 0x0001_0000, 0, 0, 0, 0x4000_0000]);
}
