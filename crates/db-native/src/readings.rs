//! The answers of several queries put together into one meter's readings, in order of time.

use std::collections::HashSet;

use arrow_array::cast::AsArray;
use arrow_array::{ArrowPrimitiveType, PrimitiveArray};

use crate::booking::{Reading, Start};
use crate::fields::FieldColumn;
use crate::pieces::{Pieces, Times};
use crate::total::Total;

/// A window of time; nanoseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The time that stands for it: its start or its stop.
    pub label: i64,
    /// Its first instant.
    pub start: i64,
    /// The first instant after it.
    pub stop: i64,
}

/// The windows whose points stand in for their one total.
pub(crate) struct Refined {
    /// In order.
    windows: Vec<Window>,
    labels: HashSet<i64>,
}

impl Refined {
    pub(crate) fn new(windows: &[Window]) -> Self {
        let mut windows = windows.to_vec();
        windows.sort_unstable_by_key(|window| window.start);
        let labels = windows.iter().map(|window| window.label).collect();
        Self { windows, labels }
    }

    /// The label of the window that a time is in.
    fn label(&self, time: i64) -> Option<i64> {
        let next = self.windows.partition_point(|window| window.start <= time);
        let window = self.windows[..next].last()?;
        (time < window.stop).then_some(window.label)
    }
}

/// Numbers of the pieces of one field of one meter, by the set of answers they came with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parts {
    pub(crate) totals: Vec<usize>,
    pub(crate) before: Vec<usize>,
    pub(crate) first: Vec<usize>,
    pub(crate) lows: Vec<usize>,
    pub(crate) points: Vec<usize>,
}

/// The totals of a field; where one is null, there is none.
pub(crate) struct Cells<'a, P: ArrowPrimitiveType> {
    found: &'a Pieces<'a>,
    column: &'a FieldColumn,
    arrays: Vec<&'a PrimitiveArray<P>>,
}

/// The error of each is a time that two totals carry.
impl<'a, P: ArrowPrimitiveType> Cells<'a, P> {
    /// `column`, which is of the type `P`.
    pub(crate) fn new(found: &'a Pieces<'a>, column: &'a FieldColumn) -> Self {
        Self { found, column, arrays: column.arrays.iter().map(AsArray::as_primitive).collect() }
    }

    /// What a meter's consumption is counted from: the newest total before the range, or the oldest in it.
    pub(crate) fn start<T: Total + From<P::Native>>(&self, parts: &Parts) -> Result<Start<T>, i64> {
        if let Some((time, total)) = self.outermost(&parts.before, i64::gt)? {
            return Ok(Start::Before { time, total });
        }
        let first = self.outermost(&parts.first, i64::lt)?;
        Ok(first.map_or(Start::Unknown, |(time, total)| Start::First { time, total }))
    }

    /// A meter's readings: one per window, and in refined windows one per point.
    pub(crate) fn readings<T: From<P::Native>>(
        &self,
        parts: &Parts,
        refined: &Refined,
    ) -> Result<Vec<Reading<T>>, i64> {
        let mut lows = self.in_order::<T>(&parts.lows)?.into_iter().peekable();
        let mut readings = Vec::new();
        for (window, total) in self.in_order(&parts.totals)? {
            while lows.next_if(|(label, _)| *label < window).is_some() {}
            let low = lows.next_if(|(label, _)| *label == window).map(|(_, low)| low);
            if !refined.labels.contains(&window) {
                readings.push(Reading { window, time: window, total, low });
            }
        }
        if !parts.points.is_empty() {
            for (time, total) in self.in_order(&parts.points)? {
                let window = refined.label(time);
                readings.extend(window.map(|window| Reading { window, time, total, low: None }));
            }
            readings.sort_by_key(|reading| (reading.window, reading.time));
        }
        Ok(readings)
    }

    /// Times and totals of all rows of some pieces.
    fn rows<T: From<P::Native>>(&self, pieces: &[usize]) -> impl Iterator<Item = (i64, T)> {
        pieces.iter().flat_map(|piece| {
            let times = match self.found.list[*piece].times {
                Times::Read(times) => times,
                Times::Newest => &[],
            };
            let totals = self.arrays[self.column.source[piece]];
            times.iter().zip(totals).filter_map(|(time, total)| Some((*time, total?.into())))
        })
    }

    fn in_order<T: From<P::Native>>(&self, pieces: &[usize]) -> Result<Vec<(i64, T)>, i64> {
        let mut rows: Vec<(i64, T)> = self.rows(pieces).collect();
        if !rows.is_sorted_by(|one, next| one.0 < next.0) {
            rows.sort_by_key(|row| row.0);
            if let Some(pair) = rows.windows(2).find(|pair| pair[0].0 == pair[1].0) {
                return Err(pair[0].0);
            }
        }
        Ok(rows)
    }

    /// The total whose time goes before all others'; different ones of that time are the error.
    fn outermost<T: Total + From<P::Native>>(
        &self,
        pieces: &[usize],
        precedes: impl Fn(&i64, &i64) -> bool,
    ) -> Result<Option<(i64, T)>, i64> {
        let mut best: Option<(i64, T)> = None;
        let mut differ = false;
        for (time, total) in self.rows(pieces) {
            match best {
                Some((old, known)) if time == old => differ |= total != known,
                Some((old, _)) if !precedes(&time, &old) => {}
                _ => (best, differ) = (Some((time, total)), false),
            }
        }
        match best {
            Some((time, _)) if differ => Err(time),
            best => Ok(best),
        }
    }
}
