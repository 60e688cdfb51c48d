//! Promise 6 at its root: whenever the power goes while an update is written, tried or judged, the next start finds a copy
//! of the system that boots.
//!
//! The parts are models that follow the real ones: RAUC's order of writes (the target is marked bad, its images are
//! written and synced, it is made primary), grub-editenv (which rewrites its 1024 bytes in place: one block, whole or not
//! at all), and our grub.cfg. The disk loses writes that were not synced, by chance, and tears them at blocks.

use std::collections::BTreeMap;

const CUTS: u64 = 200;
/// A disk writes a sector whole or not at all; grubenv has two of them, and a copy of the system many.
const BLOCK: usize = 512;
/// Small copies of a system: blocks of it and a checksum, as dm-verity has.
const COPY_BLOCKS: usize = 24;
/// Starts of the machine after which a copy must have booted: a panic ends each other one.
const MOST_STARTS: usize = 12;

/// Random numbers of a seed (SplitMix64): each cut can be done again.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

/// The power is gone.
#[derive(Debug)]
struct Cut;

/// Files as blocks. What was not synced may be lost, each block by itself.
struct Disk {
    durable: BTreeMap<(&'static str, usize), Vec<u8>>,
    waiting: Vec<((&'static str, usize), Vec<u8>)>,
    /// So many writes and syncs are done yet before the power goes.
    left: Option<usize>,
    done: usize,
}

impl Disk {
    fn step(&mut self) -> Result<(), Cut> {
        self.done += 1;
        match &mut self.left {
            Some(0) => Err(Cut),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
    fn write(&mut self, file: &'static str, content: &[u8]) -> Result<(), Cut> {
        for (n, block) in content.chunks(BLOCK).enumerate() {
            self.step()?;
            self.waiting.push(((file, n), block.to_vec()));
        }
        Ok(())
    }
    fn sync(&mut self) -> Result<(), Cut> {
        self.step()?;
        for (place, block) in std::mem::take(&mut self.waiting) {
            self.durable.insert(place, block);
        }
        Ok(())
    }
    /// What is there after a cut: of what waited, some blocks and some not, in whatever order.
    fn after_cut(&mut self, random: &mut Random) {
        for (place, block) in std::mem::take(&mut self.waiting) {
            if random.below(2) == 0 {
                self.durable.insert(place, block);
            }
        }
        self.left = None;
    }
    fn read(&self, file: &'static str) -> Vec<u8> {
        let newest = |place| self.waiting.iter().rev().find(|(at, _)| *at == place).map(|(_, block)| block);
        let blocks = (0..).map_while(|n| newest((file, n)).or_else(|| self.durable.get(&(file, n))));
        blocks.flatten().copied().collect()
    }
}

/// grub-editenv: 1024 bytes, of which the first block holds all that there is.
fn env(disk: &Disk) -> BTreeMap<String, String> {
    let text = String::from_utf8(disk.read("grubenv")).expect("grubenv is text, whatever happened");
    assert!(text.starts_with("# GRUB Environment Block\n") && text.len() == 1024, "{text:?}");
    let pairs = text.lines().skip(1).filter_map(|line| line.split_once('='));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// grub-editenv syncs the file when it has written it; GRUB itself writes through the firmware.
fn set(disk: &mut Disk, pairs: &[(&str, &str)]) -> Result<(), Cut> {
    let mut all = env(disk);
    for (key, value) in pairs {
        all.insert((*key).to_owned(), (*value).to_owned());
    }
    write_env(disk, &all)?;
    disk.sync()
}

fn write_env(disk: &mut Disk, all: &BTreeMap<String, String>) -> Result<(), Cut> {
    let mut text = String::from("# GRUB Environment Block\n");
    for (key, value) in all {
        text += &format!("{key}={value}\n");
    }
    assert!(text.len() <= BLOCK, "it fits into the first block, which is written whole or not at all");
    text += &"#".repeat(1024 - text.len());
    disk.write("grubenv", text.as_bytes())
}

fn copy_of(version: u8) -> Vec<u8> {
    let mut content = vec![version; BLOCK * COPY_BLOCKS];
    content[BLOCK * (COPY_BLOCKS - 1)..].fill(version.wrapping_mul(31)); // the verity root, last
    content
}

fn file_of(slot: &str) -> &'static str {
    if slot == "A" { "copy-a" } else { "copy-b" }
}

fn whole(disk: &Disk, slot: &str) -> Option<u8> {
    let content = disk.read(file_of(slot));
    let version = *content.first()?;
    (content == copy_of(version)).then_some(version)
}

/// Our grub.cfg: the first copy of ORDER that may be started and was not tried in vain. One that was good before
/// (PROVEN) has three starts without saying so (STARTS), a new one has one. A copy that is not whole panics or is no
/// kernel: the machine starts again. Where none is left, it begins anew with those that may be started.
fn grub(disk: &mut Disk) -> Result<String, Cut> {
    for _ in 0..MOST_STARTS {
        let all = env(disk);
        let of = |slot: &str, what: &str| all.get(&format!("{slot}_{what}")).cloned().unwrap_or_default();
        let mut order = all["ORDER"].split(' ');
        let Some(slot) = order.find(|slot| of(slot, "OK") == "1" && of(slot, "TRY") != "1") else {
            if of("A", "OK") != "1" && of("B", "OK") != "1" {
                set(disk, &[("A_OK", "1"), ("B_OK", "1")])?;
            }
            set(disk, &[("A_TRY", "0"), ("B_TRY", "0"), ("A_STARTS", ""), ("B_STARTS", "")])?;
            continue;
        };
        let (tried, starts) = (format!("{slot}_TRY"), format!("{slot}_STARTS"));
        let before = of(slot, "STARTS");
        match of(slot, "PROVEN") == "1" && before != "xx" {
            true => set(disk, &[(&tried, "0"), (&starts, &format!("x{before}"))])?,
            false => set(disk, &[(&tried, "1")])?,
        }
        if whole(disk, slot).is_some() {
            return Ok(slot.to_owned());
        }
        // A copy that was never written has no kernel: GRUB sees it at once and goes on with the other one.
        if disk.read(file_of(slot)).is_empty() {
            set(disk, &[(&tried, "1")])?;
        }
    }
    panic!("after {MOST_STARTS} starts no copy has booted: {:?}", env(disk));
}

/// RAUC, in its order.
fn install(disk: &mut Disk, booted: &str, version: u8) -> Result<(), Cut> {
    let target = if booted == "A" { "B" } else { "A" };
    let (ok, tried) = (format!("{target}_OK"), format!("{target}_TRY"));
    // Our own, before RAUC writes anything: what will be there is not proven.
    set(disk, &[(&format!("{target}_PROVEN"), "0"), (&format!("{target}_STARTS"), "")])?;
    set(disk, &[(&ok, "0"), (&tried, "0")])?;
    disk.write(file_of(target), &copy_of(version))?;
    disk.sync()?;
    set(disk, &[(&ok, "1"), (&tried, "0"), ("ORDER", &format!("{target} {booted}"))])
}

fn mark(disk: &mut Disk, slot: &str, good: bool) -> Result<(), Cut> {
    set(disk, &[(&format!("{slot}_OK"), if good { "1" } else { "0" }), (&format!("{slot}_TRY"), "0")])
}

/// Our health service: a system that was good before needs no gate, one that is new shows that it is good, or is bad.
fn judge(disk: &mut Disk, slot: &str, good: bool) -> Result<(), Cut> {
    let (proven, starts, tried) = (format!("{slot}_PROVEN"), format!("{slot}_STARTS"), format!("{slot}_TRY"));
    if env(disk).get(&proven).is_some_and(|proven| proven == "1") {
        return set(disk, &[(&starts, ""), (&tried, "0")]);
    }
    mark(disk, slot, good)?;
    if good {
        set(disk, &[(&proven, "1"), (&starts, "")])?;
    }
    Ok(())
}

fn shipped() -> Disk {
    let mut disk = Disk { durable: BTreeMap::new(), waiting: vec![], left: None, done: 0 };
    let first = [("ORDER", "A B"), ("A_OK", "1"), ("A_TRY", "0"), ("A_PROVEN", "1"), ("B_OK", "0"), ("B_TRY", "0")];
    write_env(&mut disk, &first.map(|(k, v)| (k.to_owned(), v.to_owned())).into()).expect("no cut yet");
    disk.write("copy-a", &copy_of(1)).expect("no cut yet");
    disk.sync().expect("no cut yet");
    disk
}

/// A version that does not record.
const BAD: u8 = 9;

/// One start, and what the system does with it: judges itself, and installs the next version if there is one.
/// Answers the version that ran.
fn life(disk: &mut Disk, offered: Option<u8>) -> Result<u8, Cut> {
    let slot = grub(disk)?;
    let version = whole(disk, &slot).expect("what was started is whole");
    judge(disk, &slot, version != BAD)?;
    if version == BAD {
        return Ok(version);
    }
    match offered {
        Some(next) if next > version => install(disk, &slot, next)?,
        _ => {}
    }
    Ok(version)
}

#[test]
fn two_hundred_cuts_while_updating_each_end_on_a_copy_that_boots() {
    // How many writes two updates and three starts take, so that cuts fall anywhere in them.
    let mut disk = shipped();
    disk.done = 0;
    let versions = [life(&mut disk, Some(2)), life(&mut disk, Some(3)), life(&mut disk, None)];
    assert!(versions.into_iter().map(|v| v.expect("no cut")).eq([1, 2, 3]));
    let steps = disk.done;

    let mut ran = [0; 3];
    for seed in 0..CUTS {
        let mut random = Random(seed);
        let mut disk = shipped();
        disk.left = Some(random.below(steps));
        let mut newest = 1;
        let began = [Some(2), Some(3), None].into_iter().try_for_each(|offered| {
            newest = life(&mut disk, offered)?;
            Ok::<_, Cut>(())
        });
        assert!(began.is_err(), "seed {seed}: the power went");
        disk.after_cut(&mut random);
        // Cut again and again while it starts; then, left alone, it runs a whole copy.
        let more = random.below(3);
        for _ in 0..more {
            disk.left = Some(random.below(6));
            let _ = life(&mut disk, None);
            disk.after_cut(&mut random);
        }
        let runs = life(&mut disk, None).expect("no cut");
        assert!(runs + 1 >= newest, "seed {seed}: {runs} after {newest}, which is more than one version back");
        // Three starts has a system that was good before it is left: one was cut in the first place.
        assert!(more == 2 || runs >= newest, "seed {seed}: {runs} after {newest}, though it was good");
        assert_eq!(life(&mut disk, None).expect("no cut"), runs, "seed {seed}: a start without a cut stays");
        ran[usize::from(runs) - 1] += 1;
        // And it still updates: written by one start, run by the next.
        life(&mut disk, Some(4)).expect("no cut");
        assert_eq!(life(&mut disk, None).expect("no cut"), 4, "seed {seed}");
    }
    assert!(ran.iter().all(|n| *n > 0), "some cuts end on each of the versions: {ran:?}");
}

#[test]
fn a_version_that_does_not_do_is_left_after_one_try_wherever_the_power_goes() {
    for seed in 0..CUTS {
        let mut random = Random(seed ^ 0xbad);
        let mut disk = shipped();
        // It comes into a slot whose system before was good.
        let before = [2, 3, BAD].map(|next| life(&mut disk, Some(next)).expect("no cut"));
        assert_eq!(before, [1, 2, 3]);
        disk.left = Some(random.below(8));
        let _ = life(&mut disk, None);
        disk.after_cut(&mut random);
        let starts: Vec<u8> = (0..3).map(|_| life(&mut disk, None).expect("no cut")).collect();
        assert_eq!(&starts[1..], [3, 3], "seed {seed}: {starts:?}");
    }
}
