//! The plug, pulled: every write and sync of a program is logged, and from the log the disk is built as it may be after a
//! power cut at any place of it.
//!
//! The disk is as bad as one may be: what was written before the last completed sync of its file is there. Each later write
//! is there in pieces of 4 KiB, each by a toss of a coin. The names in a folder are sure up to its last sync; of the later
//! changes some first ones are there. A name is never sure by the sync of the file alone.

use std::collections::{BTreeMap, HashMap};
use std::fs::OpenOptions;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use base::Mono;

/// What a drive writes as a whole.
const PIECE: u64 = 4096;

/// Has a command logged, as long as it runs; gives back where the log will be.
///
/// # Panics
/// If there is no C compiler.
pub fn log(command: &mut Command, scratch: &Path, folders: [&Path; 2]) -> PathBuf {
    let (library, log) = (crate::preload::library("plug/log.c", scratch), scratch.join("plug.log"));
    command.env("LD_PRELOAD", library).env("PLUG_LOG", &log).env("PLUG_A", folders[0]).env("PLUG_B", folders[1]);
    log
}

/// Random numbers that are the same for the same seed (splitmix64).
#[derive(Debug, Clone)]
pub struct Luck(pub u64);

impl Luck {
    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    /// A number below `n`, which is not 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.draw() % n as u64) as usize
    }
    fn coin(&mut self) -> bool {
        self.draw() >> 63 == 1
    }
}

/// A number for each file and folder that ever was; inodes are used again.
type Id = usize;

#[derive(Debug)]
enum Op {
    Create { id: Id, path: PathBuf, mode: u32 },
    Mkdir { id: Id, path: PathBuf, mode: u32 },
    Write { id: Id, at: u64, data: std::ops::Range<usize> },
    Truncate { id: Id, len: u64 },
    Allocate { id: Id, len: u64 },
    Name { from: Option<PathBuf>, to: PathBuf, id: Id },
    Remove { path: PathBuf },
    SyncBegin { number: u64 },
    SyncEnd { id: Id, number: u64, path: PathBuf },
    Nothing,
}

/// What a program did to the disk.
#[derive(Debug)]
pub struct Log {
    raw: Vec<u8>,
    ops: Vec<(Mono, Op)>,
}

impl Log {
    /// Reads a log. A record that was cut short at its end, as by a kill, does not count.
    ///
    /// # Panics
    /// If it is none.
    pub fn read(path: &Path) -> Log {
        let raw = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut ops = Vec::new();
        let (mut at, mut ids, mut next) = (0, HashMap::<u64, Id>::new(), 0);
        let mut names = HashMap::<PathBuf, Id>::new();
        while at + 41 <= raw.len() {
            let u64_at = |from: usize| u64::from_ne_bytes(raw[at + from..at + from + 8].try_into().expect("8 bytes"));
            let len_at =
                |from: usize| u32::from_ne_bytes(raw[at + from..at + from + 4].try_into().expect("4 bytes")) as usize;
            let (op, time, inode, a) = (raw[at], u64_at(1), u64_at(9), u64_at(17));
            let (path_from, data_from) = (at + 41, at + 41 + len_at(33));
            let end = data_from + len_at(37);
            if end > raw.len() {
                break;
            }
            let text = |range: std::ops::Range<usize>| {
                PathBuf::from(std::str::from_utf8(&raw[range]).expect("our paths are text"))
            };
            let path = text(path_from..data_from);
            if matches!(op, 1 | 2) {
                next += 1;
                ids.insert(inode, next);
                names.insert(path.clone(), next);
            }
            let op = match op {
                1 => Op::Create { id: next, path, mode: a as u32 },
                2 => Op::Mkdir { id: next, path, mode: a as u32 },
                3 => ids.get(&inode).map_or(Op::Nothing, |id| Op::Write { id: *id, at: a, data: data_from..end }),
                4 => ids.get(&inode).map_or(Op::Nothing, |id| Op::Truncate { id: *id, len: a }),
                11 => ids.get(&inode).map_or(Op::Nothing, |id| Op::Allocate { id: *id, len: a }),
                5 | 6 => {
                    let to = text(data_from..end);
                    let id = *names.get(&path).unwrap_or_else(|| panic!("{} was never made", path.display()));
                    names.insert(to.clone(), id);
                    if op == 5 {
                        assert_eq!(path.parent(), to.parent(), "a move to another folder is not modelled");
                        // What lies in a folder moves with it.
                        let inside: Vec<_> = names.keys().filter(|p| p.starts_with(&path)).cloned().collect();
                        for old in inside {
                            if let (Some(id), Ok(rest)) = (names.remove(&old), old.strip_prefix(&path))
                                && rest != Path::new("")
                            {
                                names.insert(to.join(rest), id);
                            }
                        }
                    }
                    Op::Name { from: (op == 5).then_some(path), to, id }
                }
                7 | 8 => {
                    names.remove(&path);
                    Op::Remove { path }
                }
                9 => Op::SyncBegin { number: a },
                10 => ids.get(&inode).map_or(Op::Nothing, |id| Op::SyncEnd { id: *id, number: a, path }),
                other => panic!("a record of kind {other} at byte {at}"),
            };
            ops.push((Mono(time), op));
            at = end;
        }
        Log { raw, ops }
    }

    /// The same as if the program had not synced what has this in its path.
    pub fn without_syncs_of(mut self, part: &str) -> Log {
        for (_, op) in &mut self.ops {
            if matches!(op, Op::SyncEnd { path, .. } if path.to_string_lossy().contains(part)) {
                *op = Op::Nothing;
            }
        }
        self
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.ops.len()
    }
    /// Nothing was logged.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }
    /// When a record was made.
    pub fn time(&self, record: usize) -> Mono {
        self.ops[record].0
    }
    /// The first record at or after a time.
    pub fn at(&self, time: Mono) -> usize {
        self.ops.partition_point(|(t, _)| *t < time)
    }

    /// The disk after a cut before record `cut`: one of those that may be.
    ///
    /// # Panics
    /// If the log is of something that is not modelled.
    pub fn disk_after(&self, cut: usize, luck: &mut Luck) -> Disk {
        let mut begun = HashMap::new();
        let mut synced = HashMap::<Id, usize>::new();
        let mut disk = Disk::default();
        // The folder in which a name is: that which has this path at the time.
        let mut folders = HashMap::<PathBuf, Id>::new();
        let mut changes = BTreeMap::<Id, Vec<(usize, Change)>>::new();
        for (n, (_, op)) in self.ops[..cut].iter().enumerate() {
            match op {
                Op::SyncBegin { number } => drop(begun.insert(*number, n)),
                Op::SyncEnd { id, number, .. } => {
                    let begin = begun.get(number).copied().unwrap_or(0);
                    let last = synced.entry(*id).or_default();
                    *last = begin.max(*last);
                }
                Op::Mkdir { id, path, mode } => {
                    disk.nodes.insert(*id, Node { mode: *mode, folder: true, ..Node::default() });
                    change(&mut disk, &folders, &mut changes, n, path, |name| Change::Set(name, *id));
                    folders.insert(path.clone(), *id);
                }
                Op::Create { id, path, mode } => {
                    disk.nodes.insert(*id, Node { mode: *mode, ..Node::default() });
                    change(&mut disk, &folders, &mut changes, n, path, |name| Change::Set(name, *id));
                }
                Op::Name { from: None, to, id } => {
                    change(&mut disk, &folders, &mut changes, n, to, |name| Change::Set(name, *id));
                }
                Op::Name { from: Some(from), to, id } => {
                    let old = name_of(from);
                    change(&mut disk, &folders, &mut changes, n, to, |name| Change::Move(old, name, *id));
                    let moved: Vec<_> = folders.keys().filter(|p| p.starts_with(from)).cloned().collect();
                    for path in moved {
                        if let (Some(id), Ok(rest)) = (folders.remove(&path), path.strip_prefix(from)) {
                            let path = if rest == Path::new("") { to.clone() } else { to.join(rest) };
                            folders.insert(path, id);
                        }
                    }
                }
                Op::Remove { path } => {
                    change(&mut disk, &folders, &mut changes, n, path, Change::Remove);
                    folders.remove(path);
                }
                Op::Write { .. } | Op::Truncate { .. } | Op::Allocate { .. } | Op::Nothing => {}
            }
        }
        let sure = |id: &Id, n: usize| synced.get(id).is_some_and(|until| n < *until);
        for (folder, changes) in changes {
            let first = changes.iter().take_while(|(n, _)| sure(&folder, *n)).count();
            let kept = first + luck.below(changes.len() - first + 1);
            let names = &mut disk.nodes.get_mut(&folder).expect("it was made").names;
            for (_, change) in changes.into_iter().take(kept) {
                change.apply(names);
            }
        }
        for (n, (_, op)) in self.ops[..cut].iter().enumerate() {
            match op {
                Op::Write { id, at, data } => {
                    let sure = sure(id, n);
                    let Some(node) = disk.nodes.get_mut(id) else { continue };
                    let mut from = *at;
                    let end = at + data.len() as u64;
                    if sure {
                        node.write(from, &self.raw[data.clone()], true);
                        continue;
                    }
                    while from < end {
                        let to = ((from / PIECE + 1) * PIECE).min(end);
                        if luck.coin() {
                            let piece = data.start + (from - at) as usize..data.start + (to - at) as usize;
                            node.write(from, &self.raw[piece], false);
                        }
                        from = to;
                    }
                    // A file may be as long as it was to be, with nothing in it yet.
                    if luck.coin() {
                        node.len = node.len.max(end);
                    }
                }
                Op::Truncate { id, len } => {
                    let sure = sure(id, n);
                    if let Some(node) = disk.nodes.get_mut(id)
                        && (sure || luck.coin())
                    {
                        node.content.truncate(*len as usize);
                        node.len = *len;
                        if sure {
                            node.sure.truncate(*len as usize);
                        }
                    }
                }
                Op::Allocate { id, len } => {
                    let sure = sure(id, n);
                    if let Some(node) = disk.nodes.get_mut(id)
                        && (sure || luck.coin())
                    {
                        node.len = node.len.max(*len);
                    }
                }
                _ => {}
            }
        }
        disk
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

fn change(
    disk: &mut Disk,
    folders: &HashMap<PathBuf, Id>,
    changes: &mut BTreeMap<Id, Vec<(usize, Change)>>,
    n: usize,
    path: &Path,
    make: impl FnOnce(String) -> Change,
) {
    match folders.get(path.parent().unwrap_or(Path::new("/"))) {
        Some(folder) => changes.entry(*folder).or_default().push((n, make(name_of(path)))),
        // The two folders themselves: they are there.
        None => match make(name_of(path)) {
            Change::Set(_, id) => drop(disk.roots.insert(path.to_owned(), id)),
            other => panic!("{}: {other:?}", path.display()),
        },
    }
}

#[derive(Debug)]
enum Change {
    Set(String, Id),
    Move(String, String, Id),
    Remove(String),
}

impl Change {
    fn apply(self, names: &mut BTreeMap<String, Id>) {
        match self {
            Change::Set(name, id) => drop(names.insert(name, id)),
            Change::Move(from, to, id) => {
                names.remove(&from);
                names.insert(to, id);
            }
            Change::Remove(name) => drop(names.remove(&name)),
        }
    }
}

/// A disk after a power cut.
#[derive(Debug, Default)]
pub struct Disk {
    nodes: HashMap<Id, Node>,
    roots: BTreeMap<PathBuf, Id>,
}

#[derive(Debug, Default)]
struct Node {
    mode: u32,
    folder: bool,
    names: BTreeMap<String, Id>,
    content: Vec<u8>,
    /// What is sure of the content: the same file on a disk that loses every write that was not synced.
    sure: Vec<u8>,
    /// At least the content's length; zeros follow.
    len: u64,
}

impl Node {
    fn write(&mut self, at: u64, bytes: &[u8], sure: bool) {
        let end = at as usize + bytes.len();
        let put = |content: &mut Vec<u8>| {
            if content.len() < end {
                content.resize(end, 0);
            }
            content[at as usize..end].copy_from_slice(bytes);
        };
        put(&mut self.content);
        if sure {
            put(&mut self.sure);
        }
        self.len = self.len.max(end as u64);
    }
}

impl Disk {
    /// Writes one of the two folders, as it was called in the log, to another place, which must not be there yet.
    ///
    /// # Panics
    /// If there is no room for it.
    pub fn write(&self, root: &Path, to: &Path) {
        if let Some(id) = self.roots.get(root) {
            self.write_node(*id, to);
        }
    }

    /// What is sure of each file below a folder, by its path from there. A file whose name is not there is not.
    pub fn sure(&self, root: &Path) -> BTreeMap<PathBuf, &[u8]> {
        let mut found = BTreeMap::new();
        let mut left: Vec<_> = self.roots.get(root).map(|id| (PathBuf::new(), *id)).into_iter().collect();
        while let Some((path, id)) = left.pop() {
            let node = &self.nodes[&id];
            if node.folder {
                left.extend(node.names.iter().map(|(name, id)| (path.join(name), *id)));
            } else {
                found.insert(path, &node.sure[..]);
            }
        }
        found
    }

    fn write_node(&self, id: Id, to: &Path) {
        let node = &self.nodes[&id];
        let fail = |e: std::io::Error| -> ! { panic!("{}: {e}", to.display()) };
        if node.folder {
            std::fs::DirBuilder::new().mode(node.mode).create(to).unwrap_or_else(|e| fail(e));
            for (name, id) in &node.names {
                self.write_node(*id, &to.join(name));
            }
            return;
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(node.mode).open(to);
        let file = file.unwrap_or_else(|e| fail(e));
        file.write_all_at(&node.content, 0).and_then(|()| file.set_len(node.len)).unwrap_or_else(|e| fail(e));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_synced_is_there_and_what_was_not_may_be() {
        let scratch = tempfile::tempdir().expect("a temporary folder");
        let (a, b) = (scratch.path().join("a"), scratch.path().join("b"));
        let mut shell = Command::new("sh");
        let path = log(&mut shell, scratch.path(), [&a, &b]);
        let script = "set -e; mkdir $PLUG_A; cd $PLUG_A; printf one > file; sync file .; printf two >> file; \
                      printf x > new; mv new newer; sync newer; rm file; printf y > late";
        assert!(shell.args(["-c", script]).status().expect("a shell").success());
        let log = Log::read(&path);
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let to = scratch.path().join(format!("after{seed}"));
            log.disk_after(log.len(), &mut Luck(seed)).write(&a, &to);
            let read = |name: &str| std::fs::read_to_string(to.join(name)).ok();
            seen.insert((read("file"), read("new").is_some(), read("newer"), read("late").is_some()));
        }
        let file = |content: &str| seen.iter().any(|s| s.0.as_deref() == Some(content));
        assert!(file("one") && file("onetwo") && file("one\0\0\0"), "{seen:?}");
        // Changes of a folder are there in their order, and the content of what was synced with its name.
        assert!(seen.iter().all(|s| s.0.is_some() || s.2.as_deref() == Some("x")), "{seen:?}");
        assert!(seen.iter().all(|s| !s.3 || s.0.is_none()), "{seen:?}");
        assert!(seen.iter().any(|s| s.1) && seen.iter().any(|s| s.3), "{seen:?}");
        // As if nothing had been synced, nothing is sure.
        let log = log.without_syncs_of("/a");
        let lost = (0..50).any(|seed| log.disk_after(log.len(), &mut Luck(seed)).sure(&a).is_empty());
        assert!(lost, "a name that was not synced can be gone");
    }
}
