//! One field's values of one row group, and how the fields of a group share an axis of times.

use std::borrow::Cow;

use crate::fields::FieldColumn;
use crate::pieces::{Pieces, Times};
use crate::unify::{Stretch, extend};

/// One field's values of one row group, in order of time.
pub(crate) struct Track<'a> {
    pub(crate) times: Cow<'a, [i64]>,
    pub(crate) runs: Vec<Stretch>,
}

impl<'a> Track<'a> {
    /// Joins pieces; a time that two of them carry is the error.
    pub(crate) fn join(
        found: &'a Pieces<'_>,
        column: &FieldColumn,
        pieces: &[usize],
        newest: &[i64],
    ) -> std::result::Result<Self, i64> {
        let times_of = |piece: usize| match found.list[piece].times {
            Times::Read(times) => times,
            Times::Newest => newest,
        };
        let ascends = |times: &[i64]| times.windows(2).all(|pair| pair[0] < pair[1]);
        if let [piece] = *pieces
            && let Times::Read(times) = found.list[piece].times
            && ascends(times)
        {
            let runs = vec![Stretch::Rows { source: column.source[&piece], start: 0, rows: times.len() }];
            return Ok(Self { times: times.into(), runs });
        }
        let mut rows: Vec<(i64, usize, usize)> = Vec::new();
        for &piece in pieces {
            let source = column.source[&piece];
            rows.extend(times_of(piece).iter().enumerate().map(|(row, time)| (*time, source, row)));
        }
        rows.sort_by_key(|row| row.0);
        if let Some(pair) = rows.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(pair[0].0);
        }
        let mut runs = Vec::new();
        for (_, source, start) in &rows {
            extend(&mut runs, Stretch::Rows { source: *source, start: *start, rows: 1 });
        }
        Ok(Self { times: rows.iter().map(|row| row.0).collect(), runs })
    }
}

/// Appends one row group: the union of the tracks' times, and each track's stretches along it.
pub(crate) fn merge(tracks: &[Track<'_>], axis: &mut Vec<i64>, stretches: &mut [Vec<Stretch>]) {
    let filled: Vec<&Track<'_>> = tracks.iter().filter(|track| !track.times.is_empty()).collect();
    let Some(first) = filled.first() else { return };
    let begin = axis.len();
    axis.extend_from_slice(&first.times);
    if filled.iter().any(|track| track.times != first.times) {
        for track in &filled[1..] {
            axis.extend_from_slice(&track.times);
        }
        let mut union = axis.split_off(begin);
        // The tracks' times are runs in order, which the stable sort merges.
        #[expect(clippy::stable_sort_primitive, reason = "it finds the runs")]
        union.sort();
        union.dedup();
        axis.append(&mut union);
    }
    let union = &axis[begin..];
    for (track, stretches) in tracks.iter().zip(stretches) {
        if track.times.len() == union.len() {
            track.runs.iter().for_each(|run| extend(stretches, *run));
            continue;
        }
        let mut rows = track.runs.iter().flat_map(|run| match *run {
            Stretch::Rows { source, start, rows } => (start..start + rows).map(move |start| (source, start)),
            Stretch::Repeat { .. } | Stretch::Nulls(_) => unreachable!("a track has rows only"),
        });
        let mut times = track.times.iter().peekable();
        for time in union {
            let next = if times.next_if_eq(&time).is_some() { rows.next() } else { None };
            extend(
                stretches,
                next.map_or(Stretch::Nulls(1), |(source, start)| Stretch::Rows { source, start, rows: 1 }),
            );
        }
    }
}
