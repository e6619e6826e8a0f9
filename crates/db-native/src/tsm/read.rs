//! Reads the points of series from the blocks of all files of a shard.
//!
//! ```text
//! for each shard:
//!     plan which blocks of which file are needed
//!     for each series and field:
//!         blocks that overlap in time, of one file or several, are one group
//!         a group of one block that is wanted whole: decoded straight after the points before it
//!         any other group: decoded separately, cut to the range; of equal times, the last file's point counts
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

/// Points of one series: rows of a lane that follow the rows of the lane's table before it. Their times ascend.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stored {
    pub(crate) series: u32,
    pub(crate) lane: usize,
    pub(crate) rows: usize,
}

/// Points of one field and type, series after series.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) field: u32,
    pub(crate) points: Points,
    /// Whether its times have been those of the first lane so far, row by row, so that it keeps none.
    pub(crate) follows: bool,
    /// How many blocks are to be read.
    blocks: usize,
    /// How many rows these are, at about.
    expected: usize,
    /// The number of its last table, and the last time there.
    last: Option<(usize, i64)>,
}

/// Points that were read.
#[derive(Debug, Default)]
pub struct Chunk {
    pub(crate) lanes: Vec<Lane>,
    pub(crate) tables: Vec<Stored>,
    /// By field and type the number of the lane.
    places: Vec<[Option<usize>; 5]>,
    /// The shard and series of which the first lane has its last rows, and where these begin.
    leading: Option<(u32, u32, usize)>,
}

impl Chunk {
    /// The number of the lane of a field and type.
    fn place(&mut self, field: u32, kind: Kind) -> usize {
        let number = field as usize;
        if number >= self.places.len() {
            self.places.resize(number + 1, [None; 5]);
        }
        let next = self.lanes.len();
        let place = *self.places[number][kind as usize].get_or_insert(next);
        if place == next {
            let points = Points::new(kind);
            self.lanes.push(Lane { field, points, follows: next > 0, blocks: 0, expected: 0, last: None });
        }
        place
    }

    /// The lengths of a field's lanes, by type.
    fn lengths(&self, field: u32) -> [usize; 5] {
        let places = self.places.get(field as usize).copied().unwrap_or_default();
        places.map(|place| place.map_or(0, |place| self.lanes[place].points.len()))
    }

    /// Makes a table of the rows of a lane from `before` on, or adds them to the last table of the lane.
    fn close(&mut self, part: Part, place: usize, before: usize) {
        let (lead, lane) = match self.lanes.split_at_mut(place) {
            ([lead, ..], [lane, ..]) => (Some(lead), lane),
            (_, [lane, ..]) => (None, lane),
            _ => return,
        };
        let rows = lane.points.len() - before;
        let times = &lane.points.times[before - lane.points.untimed()..];
        let (Some(first), Some(last)) = (times.first(), times.last()) else { return };
        let table = match lane.last {
            Some((table, end)) if self.tables[table].series == part.series && end < *first => {
                self.tables[table].rows += rows;
                table
            }
            _ => {
                self.tables.push(Stored { series: part.series, lane: place, rows });
                self.tables.len() - 1
            }
        };
        lane.last = Some((table, *last));
        let Some(lead) = lead else {
            self.leading = Some((part.shard, part.series, before));
            return;
        };
        if !lane.follows {
            return;
        }
        if self.leading == Some((part.shard, part.series, before)) && lead.points.times[before..] == *times {
            lane.points.times.clear();
            return;
        }
        let mut times = Vec::with_capacity(lane.expected.max(before + rows));
        times.extend_from_slice(&lead.points.times[..before]);
        times.append(&mut lane.points.times);
        lane.points.times = times;
        lane.follows = false;
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
        let mut chunk = Chunk::default();
        for part in &parts {
            if let Some(file) = self.shards[part.shard as usize].files.get(part.holder as usize) {
                let key = part.key as usize;
                let place = chunk.place(part.field, file.index.kind(key));
                chunk.lanes[place].blocks += file.entries(key, within.0, within.1).count();
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
        // Stable, so that if blocks begin together, the last file's block comes last.
        pieces.sort_by_key(|piece| piece.first);
        let before = chunk.lengths(parts[0].field);
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
        let after = chunk.lengths(parts[0].field);
        for (kind, before) in Kind::ALL.into_iter().zip(before) {
            if after[kind as usize] > before {
                let place = chunk.place(parts[0].field, kind);
                chunk.close(parts[0], place, before);
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
            let place = chunk.place(part.field, kind);
            let Lane { points, follows, blocks, expected, .. } = &mut chunk.lanes[place];
            let rows = points.len();
            let ascends = self.decode(part, entry, points)?;
            if rows == 0 {
                let more = points.len().saturating_mul(blocks.saturating_sub(1));
                *expected = points.len().saturating_add(more);
                points.expect(more);
                if !*follows {
                    _ = points.times.try_reserve_exact(more);
                }
            }
            if ascends {
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
            let place = chunk.place(group[0].part.field, points.kind());
            chunk.lanes[place].points.extend(points, start..end);
        }
        Ok(())
    }

    /// The ranges of time in which points of a part are deleted.
    fn deleted(&self, part: Part, first: i64, last: i64) -> &'a [(i64, i64)] {
        let file = self.shard.files.get(part.holder as usize);
        file.map_or(&[], |file| file.deleted.of(part.key as usize, first, last))
    }

    /// Appends the points of a block, and tells whether each is later than the one before.
    fn decode(&mut self, part: Part, entry: Entry, points: &mut Points) -> Result<bool> {
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
            let before = points.times.len();
            block.decode(points).map_err(damage)?;
            let times = &points.times[before..];
            let is_within = |time: &i64| (entry.first..=entry.last).contains(time);
            let ascends = block.ascends(times);
            let ends = [times.first(), times.last()];
            let are_within =
                if ascends { ends.into_iter().flatten().all(is_within) } else { times.iter().all(is_within) };
            if are_within { Ok(ascends) } else { Err(damage("it has times outside of those that the index says")) }
        })
    }
}
