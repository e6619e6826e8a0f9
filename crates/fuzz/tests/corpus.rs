//! Replays what has been found and kept, on any toolchain: the corpus of each target, and its findings.

use std::fs;
use std::path::Path;

fn replay(folder: &str) -> usize {
    // Panics of arrow-ipc are caught; told with a backtrace, they would take memory that is counted.
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    let mut files = 0;
    for (name, check) in db_fuzz::TARGETS {
        let Ok(entries) = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(name)) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            println!("{}", path.display());
            check(&fs::read(path).unwrap());
            files += 1;
        }
    }
    files
}

#[test]
fn the_corpus_holds_no_fault() {
    assert!(replay("corpus") > 100);
}

#[test]
fn what_was_found_is_mended() {
    replay("findings");
}

#[test]
fn real_answers_hold_no_fault() {
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "csv") {
            db_fuzz::decoder::check(&fs::read(path).unwrap());
        }
    }
}
