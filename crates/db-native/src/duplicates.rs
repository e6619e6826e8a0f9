//! Rows that overwrite each other: of one series and time, with different values of a field.
//!
//! InfluxDB keeps one value of a field for each series and time, that of the last
//! row. Where the times ascend from row to row, there are no such rows. Otherwise
//! rows are sorted into their series by counting, and a series is sorted by time
//! only if its own times do not ascend. Only rows that share both are compared.

use std::collections::HashMap;
use std::hash::Hash;

use crate::cells::Cells;

/// A row one of whose values would be overwritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overwritten {
    pub(crate) row: usize,
    /// The later row whose value stays.
    pub(crate) by: usize,
    /// The first of the fields in question.
    pub(crate) field: usize,
}

/// The rows one of whose values would be overwritten, in order. Rows without a time are skipped.
///
/// `series` returns the number of each row's series. It is only called if two rows may have the same time.
pub(crate) fn overwritten(
    times: &[Option<i64>],
    series: impl FnOnce() -> Vec<u32>,
    fields: &[&Cells],
) -> Vec<Overwritten> {
    let mut lost = Vec::new();
    if times.is_sorted_by(|one, next| one < next) {
        return lost;
    }
    let mut stays = vec![None; fields.len()];
    for rows in by_series(&series()).iter_mut() {
        if rows.is_sorted_by(|one, next| times[*one] < times[*next]) {
            continue;
        }
        // Rows of one time stay in their order.
        rows.sort_by_key(|row| times[*row]);
        let together = rows.chunk_by(|one, next| times[*one] == times[*next]);
        for rows in together.filter(|rows| rows.len() > 1 && times[rows[0]].is_some()) {
            stays.fill(None);
            lost.extend(rows.iter().rev().filter_map(|row| loses(*row, fields, &mut stays)));
        }
    }
    lost.sort_unstable_by_key(|lost| lost.row);
    lost
}

/// Compares a row with the values that stay, and adds its own values to them where there are none yet.
fn loses(row: usize, fields: &[&Cells], stays: &mut [Option<usize>]) -> Option<Overwritten> {
    let mut lost = None;
    for (field, (cells, stays)) in fields.iter().zip(stays).enumerate() {
        if !cells.has_value(row) {
            continue;
        }
        match *stays {
            None => *stays = Some(row),
            Some(by) if cells.differ(row, by) => {
                lost.get_or_insert(Overwritten { row, by, field });
            }
            Some(_) => {}
        }
    }
    lost
}

/// The rows of each series, in order.
struct Rows {
    rows: Vec<usize>,
    ends: Vec<usize>,
}

impl Rows {
    fn iter_mut(&mut self) -> impl Iterator<Item = &mut [usize]> {
        let mut rest = self.rows.as_mut_slice();
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let (rows, after) = std::mem::take(&mut rest).split_at_mut(end - start);
            (rest, start) = (after, *end);
            rows
        })
    }
}

/// Sorts rows into their series by counting.
fn by_series(series: &[u32]) -> Rows {
    let place = |series: u32| series as usize;
    let mut ends = vec![0; series.iter().max().map_or(0, |last| place(*last) + 1)];
    for one in series {
        ends[place(*one)] += 1;
    }
    let mut start = 0;
    for end in &mut ends {
        start += std::mem::replace(end, start);
    }
    let mut rows = vec![0; series.len()];
    for (row, one) in series.iter().enumerate() {
        let next = &mut ends[place(*one)];
        rows[*next] = row;
        *next += 1;
    }
    Rows { rows, ends }
}

/// A number for each row, the same where the keys are equal; 0 where there is none.
pub(crate) fn numbers<K: Copy + Eq + Hash>(rows: usize, key: impl Fn(usize) -> Option<K>) -> Vec<u32> {
    let mut known = HashMap::new();
    let mut last = None;
    let number = |row| {
        let key = key(row)?;
        // Rows of one series often follow each other.
        match last {
            Some((before, number)) if before == key => Some(number),
            _ => {
                // No memory has room for more keys than that.
                let next = u32::try_from(known.len() + 1).unwrap_or(u32::MAX);
                let number = *known.entry(key).or_insert(next);
                last = Some((key, number));
                Some(number)
            }
        }
    };
    (0..rows).map(number).map(Option::unwrap_or_default).collect()
}
