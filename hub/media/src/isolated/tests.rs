use super::*;

/// Remembers what it was given, as text.
#[derive(Default)]
struct Remember(Vec<String>);

impl Output for Remember {
    fn init(&mut self, init: InitSegment, zero: Mono) {
        self.0.push(format!("{init:?} {zero:?}"));
    }
    fn fragment(&mut self, fragment: Fragment) {
        self.0.push(format!("{fragment:?}"));
    }
    fn unit(&mut self, unit: &AccessUnit) {
        self.0.push(format!("{unit:?}"));
    }
    fn sound_dropped(&mut self, encoding: &str) {
        self.0.push(encoding.to_owned());
    }
}

fn give(output: &mut dyn Output) {
    let video = VideoParams { codec: "hvc1.1.6.L93.B0".into(), width: 640, height: 360 };
    let audio = Some(AudioParams { codec: "opus".into(), sample_rate: 48_000, channels: 2 });
    output.init(InitSegment { bytes: Bytes::from_static(b"moov"), video, audio }, Mono(7));
    let (track, key, arrived) = (Track::Video, true, Mono(9));
    let data = Bytes::from_static(&[0, 1, 255]);
    output.unit(&AccessUnit { track, dts: 90_000, cts_offset: -4_500, duration: 4_500, key, arrived, data });
    let sample = Sample { track, offset: 8, size: 3, dts: 90_000, cts_offset: -4_500, duration: 4_500, key };
    output.fragment(Fragment { bytes: vec![9; 11], samples: vec![sample], start_90k: -1, end_90k: 5, key, arrived });
    output.sound_dropped("l16");
}

#[tokio::test]
async fn what_a_child_is_given_its_hub_is_given() {
    let file = tempfile::tempfile().unwrap();
    let wire = Wire(Arc::new(Mutex::new(file.try_clone().unwrap())));
    give(&mut Wire(wire.0.clone()));
    wire.say(&Head::Ended { reason: "stalled".into(), detail: "No picture".into() }, &[]);
    let said = {
        use std::io::{Read, Seek};
        let (mut file, mut said) = (file, Vec::new());
        file.rewind().unwrap();
        file.read_to_end(&mut said).unwrap();
        said
    };

    let (mut expected, mut seen, mut from) = (Remember::default(), Remember::default(), &said[..]);
    give(&mut expected);
    let end = loop {
        let (head, body) = message(&mut from).await.unwrap();
        if let Some(end) = take(head, body, &mut seen) {
            break end;
        }
    };
    assert_eq!((end.reason, end.detail.as_str()), (EndReason::Stalled, "No picture"));
    assert_eq!(seen.0, expected.0);
    // Cut anywhere, it is an error and no panic.
    for len in 0..said.len() {
        let mut from = &said[..len];
        while message(&mut from).await.is_ok() {}
    }
}

#[tokio::test]
async fn what_is_too_large_is_not_waited_for() {
    let mut huge = &[&u32::MAX.to_le_bytes()[..], &0u32.to_le_bytes()].concat()[..];
    assert_eq!(message(&mut huge).await.unwrap_err().to_string(), "a message is too large");
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut from = &bytes[..];
            while let Ok((head, body)) = message(&mut from).await {
                let _ = take(head, body, &mut Remember::default());
            }
        });
    }
}
