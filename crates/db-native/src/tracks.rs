//! The values of one field of one row group, and the times that the fields of a group share.

use std::borrow::Cow;

use arrow_array::Array;

use crate::fields::FieldColumn;
use crate::pieces::{Pieces, Times};
use crate::unify::{Stretch, extend};

/// One field's values of one row group, in order of time.
pub(crate) struct Track<'a> {
    /// The times, one part after the other.
    pub(crate) times: Vec<Cow<'a, [i64]>>,
    pub(crate) runs: Vec<Stretch>,
}

impl<'a> Track<'a> {
    /// Joins pieces; the error is a time that two of them have.
    ///
    /// The pieces of slices follow one another, so nothing is compared or copied by row. If pieces do not follow one
    /// another, because series share rows, their rows are sorted.
    pub(crate) fn join(
        found: &'a Pieces<'_>,
        column: &FieldColumn,
        pieces: &[usize],
        newest: &'a [i64],
    ) -> std::result::Result<Self, i64> {
        let times_of = |piece: usize| match found.list[piece].times {
            Times::Read(times) => times,
            Times::Newest => newest,
        };
        let part = |piece: &usize| (times_of(*piece), column.source[piece], found.list[*piece].has_gaps);
        let mut parts: Vec<(&'a [i64], usize, bool)> = pieces.iter().map(part).collect();
        parts.retain(|(times, ..)| !times.is_empty());
        parts.sort_by_key(|(times, ..)| times[0]);
        let ascends = |times: &[i64]| times.windows(2).all(|pair| pair[0] < pair[1]);
        let follows = |pair: &[(&[i64], usize, bool)]| pair[0].0.last() < pair[1].0.first();
        if parts.windows(2).all(follows) && parts.iter().all(|(times, ..)| ascends(times)) {
            let run = |(times, source, _): &(&[i64], usize, bool)| Stretch::Rows {
                source: *source,
                start: 0,
                rows: times.len(),
            };
            let runs = parts.iter().map(run).collect();
            return Ok(Self { times: parts.into_iter().map(|(times, ..)| times.into()).collect(), runs });
        }
        let mut rows: Vec<(i64, usize, usize)> = Vec::new();
        for (times, source, has_gaps) in parts {
            let is_value = |row: &usize| !has_gaps || column.arrays[source].is_valid(*row);
            rows.extend((0..times.len()).filter(is_value).map(|row| (times[row], source, row)));
        }
        rows.sort_by_key(|row| row.0);
        if let Some(pair) = rows.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(pair[0].0);
        }
        let mut runs = Vec::new();
        for (_, source, start) in &rows {
            extend(&mut runs, Stretch::Rows { source: *source, start: *start, rows: 1 });
        }
        Ok(Self { times: vec![rows.iter().map(|row| row.0).collect()], runs })
    }

    /// Number of times.
    fn len(&self) -> usize {
        self.times.iter().map(|part| part.len()).sum()
    }

    fn has_times_of(&self, other: &Self) -> bool {
        let is_same = |(one, other): (&Cow<'_, [i64]>, &Cow<'_, [i64]>)| {
            std::ptr::eq(one.as_ref(), other.as_ref()) || one == other
        };
        (self.times.len() == other.times.len() && self.times.iter().zip(&other.times).all(is_same))
            || (self.len() == other.len()
                && self.times.iter().flat_map(|part| part.iter()).eq(other.times.iter().flat_map(|part| part.iter())))
    }
}

/// Appends one row group: the union of the tracks' times, and each track's stretches along it.
pub(crate) fn merge(tracks: &[Track<'_>], axis: &mut Vec<i64>, stretches: &mut [Vec<Stretch>]) {
    let filled: Vec<&Track<'_>> = tracks.iter().filter(|track| track.len() > 0).collect();
    let Some((first, others)) = filled.split_first() else { return };
    let begin = axis.len();
    first.times.iter().for_each(|part| axis.extend_from_slice(part));
    if others.iter().any(|track| !track.has_times_of(first)) {
        others.iter().flat_map(|track| &track.times).for_each(|part| axis.extend_from_slice(part));
        let mut union = axis.split_off(begin);
        // The tracks' times are runs in order, which the stable sort merges.
        #[expect(clippy::stable_sort_primitive, reason = "it finds the runs")]
        union.sort();
        union.dedup();
        axis.append(&mut union);
    }
    let union = &axis[begin..];
    for (track, stretches) in tracks.iter().zip(stretches) {
        if track.len() == union.len() {
            track.runs.iter().for_each(|run| extend(stretches, *run));
            continue;
        }
        let mut rows = track.runs.iter().flat_map(|run| match *run {
            Stretch::Rows { source, start, rows } => (start..start + rows).map(move |start| (source, start)),
            Stretch::Repeat { .. } | Stretch::Nulls(_) => unreachable!("a track has rows only"),
        });
        let mut times = track.times.iter().flat_map(|part| part.iter()).peekable();
        for time in union {
            let next = if times.next_if_eq(&time).is_some() { rows.next() } else { None };
            extend(
                stretches,
                next.map_or(Stretch::Nulls(1), |(source, start)| Stretch::Rows { source, start, rows: 1 }),
            );
        }
    }
}
