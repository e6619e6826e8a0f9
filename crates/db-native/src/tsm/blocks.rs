//! The blocks that a read needs of one file, read in runs of neighbours.
//!
//! Each read of a file costs as much as some thousand bytes. So adjoining blocks are
//! read together, as many as fit into the cache of a processor. When the last block
//! of a run was taken, its memory is used for the next run.

use std::collections::HashMap;

use crate::error::Result;
use crate::tsm::index::Entry;
use crate::tsm::source::{SLACK, Source};

/// Bytes of a run, unless one block is longer.
const LONGEST: u64 = 1 << 18;
/// Most unwanted bytes between two blocks of one run. To read them costs less than a second read.
const GAP: u64 = 1 << 13;

/// Adjoining blocks.
#[derive(Debug)]
struct Run {
    start: u64,
    end: u64,
    /// Blocks that are still to be taken.
    left: usize,
}

/// The runs of one file, and those that are in memory.
#[derive(Debug)]
pub(crate) struct Blocks<'a> {
    source: &'a Source,
    runs: Vec<Run>,
    held: HashMap<usize, Vec<u8>>,
}

impl<'a> Blocks<'a> {
    /// Plans the reads of blocks, in any order.
    pub(crate) fn plan(source: &'a Source, mut blocks: Vec<(u64, usize)>) -> Self {
        blocks.sort_unstable();
        let mut runs: Vec<Run> = Vec::new();
        for (start, size) in blocks {
            let end = start + size as u64;
            match runs.last_mut() {
                Some(run) if start <= run.end + GAP && end - run.start <= LONGEST => {
                    run.end = end;
                    run.left += 1;
                }
                _ => runs.push(Run { start, end, left: 1 }),
            }
        }
        Self { source, runs, held: HashMap::new() }
    }

    /// Passes a planned block, and the bytes after it, to `take`. Memory is taken from `spare`, and given back to it.
    pub(crate) fn take<R>(
        &mut self,
        entry: Entry,
        spare: &mut Vec<u8>,
        take: impl FnOnce(&[u8]) -> Result<R>,
    ) -> Result<R> {
        let place = self.runs.partition_point(|run| run.start <= entry.offset) - 1;
        let run = &mut self.runs[place];
        let mut bytes = match self.held.remove(&place) {
            Some(bytes) => bytes,
            None => std::mem::take(spare),
        };
        if bytes.is_empty() {
            let length = usize::try_from(run.end - run.start);
            let length = length.map_err(|_| self.source.damage(run.start, "a block is longer than the memory"))?;
            self.source.read(run.start, length, &mut bytes)?;
        }
        let start = usize::try_from(entry.offset - run.start).unwrap_or(usize::MAX);
        let end = start + entry.size + SLACK;
        let taken = take(&bytes[start..end]);
        run.left -= 1;
        if run.left == 0 {
            bytes.clear();
            *spare = bytes;
        } else {
            self.held.insert(place, bytes);
        }
        taken
    }
}
