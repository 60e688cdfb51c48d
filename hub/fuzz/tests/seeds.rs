//! The seeds, and what fuzzing once found, run without a fuzzer.

use std::path::{Path, PathBuf};

use fuzz::TARGETS;
use proptest::prelude::*;

#[test]
fn every_seed_is_read() {
    for (name, target) in TARGETS {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name} has no seeds: cargo run -p fuzz --example seeds");
        for seed in seeds {
            let bytes = std::fs::read(&seed).unwrap();
            let read = std::panic::catch_unwind(|| target(&bytes));
            assert!(read.is_ok(), "{}: see the panic above", seed.display());
        }
    }
}

#[test]
fn every_target_has_a_binary_and_nothing_else_has() {
    let files = std::fs::read_dir(here().join("targets")).unwrap().map(|f| f.unwrap().path());
    let mut binaries: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    let mut names: Vec<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    binaries.sort();
    names.sort();
    assert_eq!(binaries, names);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_seed_with_a_few_other_bytes_is_read(
        target in 0..TARGETS.len(),
        seed: prop::sample::Index,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let (name, read) = TARGETS[target];
        let mut bytes = std::fs::read(seed.get(&seeds(name))).unwrap();
        if !bytes.is_empty() {
            for (at, to) in changes {
                let at = at.index(bytes.len());
                bytes[at] = to;
            }
        }
        read(&bytes);
    }
}

fn seeds(target: &str) -> Vec<PathBuf> {
    let folder = here().join("corpus").join(target);
    let Ok(files) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths
}

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
