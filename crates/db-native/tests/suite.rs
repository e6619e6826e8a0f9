//! All tests of the crate in one program, which is built in a fraction of the time that one for each file takes.

mod common;

mod aggregate;
mod by_time;
mod consumption;
mod consumption_by_hand;
mod duplicates;
mod gathered;
mod http_body;
mod ipc;
mod latest;
mod levels;
mod limits;
mod line_protocol;
mod malformed;
mod meter;
mod oracle;
mod pivot;
mod series;
mod tsm_blocks;
mod tsm_damage;
mod tsm_files;
mod tsm_lanes;
mod union;

/// A file that no `mod` line above names would not be compiled, and its tests would not run.
#[test]
fn every_file_is_a_module_here() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");
    let files = std::fs::read_dir(folder).expect("the folder of this file").map(|entry| entry.expect("a file").path());
    for file in files.filter(|file| file.extension().is_some_and(|extension| extension == "rs")) {
        let module = file.file_stem().and_then(|stem| stem.to_str()).expect("a name in ASCII");
        let named = include_str!("suite.rs").lines().any(|line| line == format!("mod {module};"));
        assert!(named || module == "suite", "tests/suite.rs lacks `mod {module};`");
    }
}
