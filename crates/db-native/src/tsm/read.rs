//! The points of series, out of the blocks of all files of a shard.
//!
//! ```text
//! for each shard:
//!     plan which blocks of which file are needed
//!     for each series and field:
//!         blocks that overlap in time, of one file or several, are one group
//!         a group of one block that is wanted whole: decoded straight behind the points there are
//!         any other group: decoded apart, cut to the range, and of equal times the last file's taken
//! ```

use std::ops::Range;

use crate::error::Result;
use crate::tsm::Shards;
use crate::tsm::block::Block;
use crate::tsm::blocks::Blocks;
use crate::tsm::index::Entry;
use crate::tsm::select::{Part, Selection};
use crate::tsm::shard::{Holder, Shard, TsmFile};
use crate::tsm::values::{Kind, Points};

/// Points of one series and field: rows of a type's points that follow the rows of the table before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stored {
    pub(crate) series: u32,
    pub(crate) field: u32,
    pub(crate) kind: Kind,
    pub(crate) rows: usize,
}

/// Points that were read.
#[derive(Debug)]
pub struct Chunk {
    /// By type.
    pub(crate) points: [Points; 5],
    pub(crate) tables: Vec<Stored>,
    /// How many blocks are to be read, by type.
    blocks: [usize; 5],
}

impl Chunk {
    fn new() -> Self {
        Self { points: Kind::ALL.map(Points::new), tables: Vec::new(), blocks: [0; 5] }
    }

    fn of(&mut self, kind: Kind) -> &mut Points {
        &mut self.points[kind as usize]
    }
}

/// A block, or all of a key's points in the WAL.
#[derive(Clone, Copy, Debug)]
struct Piece {
    first: i64,
    last: i64,
    part: Part,
    /// `None` in the WAL.
    entry: Option<Entry>,
}

impl Shards {
    /// Reads the points of a run of the series.
    pub fn read(&self, selection: &Selection, series: Range<usize>) -> Result<Chunk> {
        self.read_within(selection, series, (selection.first, selection.last))
    }

    /// Reads the points of a run of the series from a first time to a last, both of them asked for.
    pub fn read_within(&self, selection: &Selection, series: Range<usize>, within: (i64, i64)) -> Result<Chunk> {
        let mut parts = selection.parts_of(series).to_vec();
        // By shard, so that the runs of one shard's files are in memory at a time.
        parts.sort_by_key(|part| part.shard);
        let mut chunk = Chunk::new();
        for part in &parts {
            if let Some(file) = self.shards[part.shard as usize].files.get(part.holder as usize) {
                let key = part.key as usize;
                chunk.blocks[file.index.kind(key) as usize] += file.entries(key, within.0, within.1).count();
            }
        }
        let mut spare = Vec::new();
        for parts in parts.chunk_by(|one, other| one.shard == other.shard) {
            let shard = &self.shards[parts[0].shard as usize];
            let mut reader = Reader::new(shard, within, parts, spare);
            for parts in parts.chunk_by(|one, other| (one.series, one.field) == (other.series, other.field)) {
                reader.track(parts, &mut chunk)?;
            }
            spare = reader.spare;
        }
        Ok(chunk)
    }
}

/// Reads parts of one shard.
struct Reader<'a> {
    shard: &'a Shard,
    first: i64,
    last: i64,
    /// Per file of the shard.
    blocks: Vec<Blocks<'a>>,
    /// Memory for their bytes.
    spare: Vec<u8>,
    pieces: Vec<Piece>,
}

impl<'a> Reader<'a> {
    fn new(shard: &'a Shard, (first, last): (i64, i64), parts: &[Part], spare: Vec<u8>) -> Self {
        let mut wanted: Vec<Vec<(u64, usize)>> = vec![Vec::new(); shard.files.len()];
        for part in parts {
            if let Some(file) = shard.files.get(part.holder as usize) {
                let entries = file.entries(part.key as usize, first, last);
                wanted[part.holder as usize].extend(entries.map(|entry| (entry.offset, entry.size)));
            }
        }
        let blocks = shard.files.iter().zip(wanted).map(|(file, wanted)| Blocks::plan(&file.source, wanted)).collect();
        Self { shard, first, last, blocks, spare, pieces: Vec::new() }
    }

    /// Appends the points of one series and field.
    fn track(&mut self, parts: &[Part], chunk: &mut Chunk) -> Result<()> {
        let mut pieces = std::mem::take(&mut self.pieces);
        pieces.clear();
        for part in parts {
            let key = part.key as usize;
            if let Some(file) = self.shard.files.get(part.holder as usize) {
                let piece =
                    |entry: Entry| Piece { first: entry.first, last: entry.last, part: *part, entry: Some(entry) };
                pieces.extend(file.entries(key, self.first, self.last).map(piece));
            } else if let Some((first, last)) = Holder::Unfiled(&self.shard.unfiled).range(key) {
                pieces.push(Piece { first, last, part: *part, entry: None });
            }
        }
        // Stable, so that of blocks that begin together the last file's comes last.
        pieces.sort_by_key(|piece| piece.first);
        let before = Kind::ALL.map(|kind| chunk.of(kind).len());
        let mut rest = pieces.as_slice();
        while let Some(first) = rest.first() {
            let mut end = first.last;
            let overlapping = |piece: &Piece| {
                let overlaps = piece.first <= end;
                end = end.max(piece.last);
                overlaps
            };
            let count = rest.iter().map(overlapping).take_while(|overlaps| *overlaps).count();
            let (group, behind) = rest.split_at(count);
            rest = behind;
            self.group(group, chunk)?;
        }
        for (kind, before) in Kind::ALL.into_iter().zip(before) {
            let rows = chunk.of(kind).len() - before;
            if rows > 0 {
                chunk.tables.push(Stored { series: parts[0].series, field: parts[0].field, kind, rows });
            }
        }
        self.pieces = pieces;
        Ok(())
    }

    /// Appends the points of blocks that overlap.
    fn group(&mut self, group: &[Piece], chunk: &mut Chunk) -> Result<()> {
        let mut decoded = Vec::with_capacity(group.len());
        if let &[Piece { first, last, part, entry: Some(entry) }] = group
            && first >= self.first
            && last <= self.last
            && self.deleted(part, first, last).is_empty()
        {
            let kind = self.shard.files[part.holder as usize].index.kind(part.key as usize);
            let blocks = chunk.blocks[kind as usize];
            let points = chunk.of(kind);
            let rows = points.len();
            self.decode(part, entry, points)?;
            if rows == 0 {
                points.expect(blocks);
            }
            if points.times[rows..].is_sorted_by(|one, other| one < other) {
                return Ok(());
            }
            decoded.push(points.rows(rows..points.len()));
            points.truncate(rows);
        }
        for piece in &group[decoded.len()..] {
            let key = piece.part.key as usize;
            if let Some(entry) = piece.entry {
                let mut points = Points::new(self.shard.files[piece.part.holder as usize].index.kind(key));
                self.decode(piece.part, entry, &mut points)?;
                decoded.push(points);
            } else {
                let (_, unfiled) = &self.shard.unfiled.keys[key];
                let mut points = Points::new(unfiled.kind());
                points.extend(unfiled, 0..unfiled.len());
                decoded.push(points);
            }
        }
        // Time, the file and the place in it, and where the point is.
        let mut rows: Vec<(i64, u32, u64, usize, usize)> = Vec::new();
        for (number, (piece, points)) in group.iter().zip(&decoded).enumerate() {
            let deleted = self.deleted(piece.part, piece.first, piece.last);
            let is_left = |time: i64| {
                let ended = deleted.partition_point(|range| range.1 < time);
                (self.first..=self.last).contains(&time) && deleted.get(ended).is_none_or(|range| range.0 > time)
            };
            let wanted = points.times.iter().enumerate().filter(|(_, time)| is_left(**time));
            let place = piece.entry.map_or(0, |entry| entry.offset);
            rows.extend(wanted.map(|(row, time)| (*time, piece.part.holder, place, number, row)));
        }
        rows.sort_unstable();
        let last_of_time = |index: usize| rows.get(index + 1).is_none_or(|next| next.0 != rows[index].0);
        let mut kept =
            (0..rows.len()).filter(|index| last_of_time(*index)).map(|index| (rows[index].3, rows[index].4)).peekable();
        while let Some((number, start)) = kept.next() {
            let mut end = start + 1;
            while kept.next_if_eq(&(number, end)).is_some() {
                end += 1;
            }
            let points = &decoded[number];
            chunk.of(points.kind()).extend(points, start..end);
        }
        Ok(())
    }

    /// The ranges of time that are deleted of a part.
    fn deleted(&self, part: Part, first: i64, last: i64) -> &'a [(i64, i64)] {
        let file = self.shard.files.get(part.holder as usize);
        file.map_or(&[], |file| file.deleted.of(part.key as usize, first, last))
    }

    /// Appends the points of a block.
    fn decode(&mut self, part: Part, entry: Entry, points: &mut Points) -> Result<()> {
        let TsmFile { source, index, .. } = &self.shard.files[part.holder as usize];
        let key = part.key as usize;
        self.blocks[part.holder as usize].take(entry, &mut self.spare, |bytes| {
            let damage = |fault: &str| {
                let key = String::from_utf8_lossy(index.key(key));
                source.damage(entry.offset, format!("in the block of {key:?}, {fault}"))
            };
            let block = Block::of(bytes, entry.size).map_err(damage)?;
            if block.kind != points.kind() {
                return Err(damage("its values are of another type than the index says"));
            }
            let rows = points.len();
            block.decode(points).map_err(damage)?;
            let times = &points.times[rows..];
            if times.iter().any(|time| *time < entry.first || *time > entry.last) {
                return Err(damage("it has times outside of those that the index says"));
            }
            Ok(())
        })
    }
}
