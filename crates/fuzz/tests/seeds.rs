//! Every target over its seeds: what fuzzing has found stays found.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn seeds() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds")
}

#[test]
fn every_target_holds_on_its_seeds() {
    for target in fuzz::TARGETS {
        let folder = seeds().join(target.name);
        let files = std::fs::read_dir(&folder).unwrap();
        let files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
        assert!(!files.is_empty(), "{} has no seeds", target.name);
        for file in files {
            println!("{}", file.display());
            (target.run)(&std::fs::read(file).unwrap());
        }
        (target.run)(b"");
    }
}

#[test]
fn every_folder_of_seeds_has_a_target() {
    let folders = std::fs::read_dir(seeds()).unwrap();
    let folders = folders.map(|folder| folder.unwrap().file_name().into_string().unwrap());
    let targets = fuzz::TARGETS.iter().map(|target| target.name.to_owned());
    assert_eq!(folders.collect::<BTreeSet<_>>(), targets.collect());
}
