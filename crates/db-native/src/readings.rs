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

/// Where windows lie about their labels; nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    /// How long before the end of its window a label lies, at most.
    pub(crate) lead: i64,
    /// How long a window is, at most.
    pub(crate) longest: i64,
}

impl Span {
    /// The one total that is known of a window.
    fn reading<T>(self, window: i64, total: T, low: Option<T>) -> Reading<T> {
        let latest = window.saturating_add(self.lead);
        Reading { window, earliest: latest.saturating_sub(self.longest), latest, total, low }
    }
}

/// What makes a meter's points worth asking for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Doubts {
    /// That a total fell.
    pub(crate) falls: bool,
    /// That one rose by more than this per second.
    pub(crate) max_rate: Option<f64>,
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

/// Why totals are no readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Two totals carry this time.
    Twice(i64),
    /// The window with this label is to be read by its points, and has none.
    Absent(i64),
}

impl From<i64> for Fault {
    fn from(time: i64) -> Self {
        Self::Twice(time)
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

    /// A meter's readings: one per window, and one per point in those refined windows that it leaves unsettled.
    ///
    /// In no others: what a meter's consumption is must not depend on the meters it is read with.
    pub(crate) fn readings<T: Total + From<P::Native>>(
        &self,
        parts: &Parts,
        refined: &Refined,
        span: Span,
        doubts: Doubts,
    ) -> Result<Vec<Reading<T>>, Fault> {
        let by_point = if refined.windows.is_empty() { Vec::new() } else { self.unsettled::<T>(parts, span, doubts)? };
        let is_by_point = |label: i64| by_point.binary_search(&label).is_ok() && refined.labels.contains(&label);
        let mut totals = self.sorted::<T>(&parts.totals);
        let mut lows = self.sorted::<T>(&parts.lows);
        totals.retain(|(label, _)| !is_by_point(*label));
        lows.retain(|(label, _)| !is_by_point(*label));
        let mut lows = once(lows)?.into_iter().peekable();
        let mut readings = Vec::new();
        for (window, total) in once(totals)? {
            while lows.next_if(|(label, _)| *label < window).is_some() {}
            let low = lows.next_if(|(label, _)| *label == window).map(|(_, low)| low);
            readings.push(span.reading(window, total, low));
        }
        if !by_point.is_empty() {
            let window = |time: &i64| refined.label(*time).filter(|label| is_by_point(*label));
            let mut points = self.sorted::<T>(&parts.points);
            points.retain(|(time, _)| window(time).is_some());
            let found: HashSet<i64> = points.iter().filter_map(|(time, _)| window(time)).collect();
            if let Some(absent) = by_point.iter().find(|label| is_by_point(**label) && !found.contains(label)) {
                return Err(Fault::Absent(*absent));
            }
            for (time, total) in once(points)? {
                let label = window(&time);
                readings.extend(label.map(|window| Reading { window, earliest: time, latest: time, total, low: None }));
            }
            readings.sort_by_key(|reading| (reading.window, reading.earliest));
        }
        Ok(readings)
    }

    /// Labels of the windows of which the totals alone do not tell enough; sorted.
    ///
    /// A window in which two series of one meter have a total. Where falls are in doubt, one in which the
    /// total fell, or was below the one before. Where there is a highest rate, one that exceeds it by
    /// its length, and with each the one before, for the times of both.
    pub(crate) fn unsettled<T: Total + From<P::Native>>(
        &self,
        parts: &Parts,
        span: Span,
        doubts: Doubts,
    ) -> Result<Vec<i64>, i64> {
        let mut unsettled = Vec::new();
        let mut lows = self.sorted::<T>(&parts.lows).into_iter().peekable();
        let mut before: Option<(Option<i64>, i64, T)> = match self.start(parts)? {
            Start::Before { time, total } | Start::First { time, total } => Some((None, time, total)),
            Start::Unknown => None,
        };
        let mut last = None;
        for (label, total) in self.sorted::<T>(&parts.totals) {
            let stop = label.saturating_add(span.lead);
            if last == Some(label) {
                unsettled.push(label);
            }
            last = Some(label);
            let mut fell = false;
            while let Some((of, low)) = lows.next_if(|(of, _)| *of <= label) {
                fell |= of == label && before.is_some_and(|(_, _, before)| low < before);
            }
            if let Some((window, time, base)) = before {
                fell |= total < base;
                #[expect(clippy::cast_precision_loss, reason = "a rate is not given to the nanosecond")]
                let seconds = stop.saturating_sub(time) as f64 / 1e9;
                let too_fast = doubts.max_rate.is_some_and(|rate| (total - base).double() > rate * seconds);
                if too_fast || fell && doubts.falls {
                    unsettled.push(label);
                    unsettled.extend(window.filter(|_| doubts.max_rate.is_some()));
                }
            }
            before = Some((Some(label), stop, total));
        }
        unsettled.sort_unstable();
        unsettled.dedup();
        Ok(unsettled)
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

    fn sorted<T: From<P::Native>>(&self, pieces: &[usize]) -> Vec<(i64, T)> {
        let mut rows: Vec<(i64, T)> = self.rows(pieces).collect();
        if !rows.is_sorted_by(|one, next| one.0 <= next.0) {
            rows.sort_by_key(|row| row.0);
        }
        rows
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

/// The rows, if no time comes twice.
fn once<T>(rows: Vec<(i64, T)>) -> Result<Vec<(i64, T)>, i64> {
    match rows.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some(pair) => Err(pair[0].0),
        None => Ok(rows),
    }
}
