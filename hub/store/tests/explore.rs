mod common;
use common::*;
#[test]
fn explore() {
    let (dir, store) = sled();
    for n in 0..20 {
        store
            .urgent_blocking(move |db| (0..200).try_for_each(|i| db.put_event(&event(1, n * 200 + i, i64::from(i)))))
            .unwrap();
    }
    drop(store);
    let src = dir.path().join("store");
    let len = src.join("sled/db").metadata().unwrap().len();
    println!(
        "db {} bytes; {:?}",
        len,
        std::fs::read_dir(src.join("sled")).unwrap().map(|e| e.unwrap().file_name()).collect::<Vec<_>>()
    );
    let mut out: std::collections::BTreeMap<String, usize> = Default::default();
    for mode in 0..3 {
        for k in 0..40u64 {
            let d2 = tempfile::tempdir().unwrap();
            std::process::Command::new("cp").arg("-r").arg(&src).arg(d2.path()).status().unwrap();
            let f = d2.path().join("store/sled/db");
            let mut c = std::fs::read(&f).unwrap();
            let at = (len as usize / 4096 * k as usize / 40) * 4096;
            match mode {
                0 => c[at..at + 4096].fill(0),
                1 => c[at + 2000] ^= 16,
                _ => c.truncate(at),
            }
            std::fs::write(&f, c).unwrap();
            let r = match try_open(&d2) {
                Err(e) => format!(
                    "open: {}",
                    e.to_string()
                        .split(' ')
                        .take(4)
                        .collect::<Vec<_>>()
                        .join(" ")
                        .replace(&d2.path().display().to_string(), "")
                ),
                Ok(s) => {
                    match s.read_blocking(|db| Ok((db.events_in(camera_id(1), at_(0), at_(10_000))?, db.check()?))) {
                        Err(e) => format!("read: {}", e.to_string().split(' ').nth(2).unwrap_or(""))
                            .replace(&d2.path().display().to_string(), ""),
                        Ok((ev, ch)) => {
                            if ev.len() == 4000 {
                                "all there".into()
                            } else {
                                format!("SILENT LOSS good={}", ch.is_good())
                            }
                        }
                    }
                }
            };
            *out.entry(format!("{mode} {r}")).or_default() += 1;
        }
    }
    println!("{out:#?}");
}
fn at_(s: i64) -> base::Timestamp {
    at(s)
}
