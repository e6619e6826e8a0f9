//! Joins the answers of several queries into the readings of each meter, in order of time.

use std::collections::HashSet;

use crate::booking::{Reading, Start};
use crate::fields::FieldColumn;
use crate::pieces::{Pieces, Times};
use crate::total::Total;

/// A window of time; nanoseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its label: the start or the stop.
    pub label: i64,
    /// Its first instant.
    pub start: i64,
    /// The first instant after it.
    pub stop: i64,
}

/// Adjoining windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Nanoseconds at which windows begin and end, ascending: one more than there are windows.
    pub edges: Vec<i64>,
    /// Whether the start of a window is its label; otherwise its stop is.
    pub label_start: bool,
}

impl Windows {
    /// The totals with the labels of their windows; `None` for one that is in none.
    fn labelled<T: Copy>(&self, points: &[(i64, T)]) -> impl Iterator<Item = (Option<i64>, T)> {
        let mut next = 0;
        points.iter().map(move |(time, total)| {
            if self.edges.get(next).is_some_and(|edge| edge <= time) {
                next += self.edges[next..].partition_point(|edge| edge <= time);
            }
            let window = next.checked_sub(1).filter(|_| next < self.edges.len());
            (window.map(|start| self.edges[if self.label_start { start } else { next }]), *total)
        })
    }

    /// The window with a label.
    fn window(&self, label: i64) -> Option<Window> {
        let place = self.edges.binary_search(&label).ok()?;
        let start = if self.label_start { place } else { place.checked_sub(1)? };
        Some(Window { label, start: self.edges[start], stop: *self.edges.get(start + 1)? })
    }
}

/// Where windows lie relative to their labels; nanoseconds.
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

/// Reasons to read the points of a meter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Doubts {
    /// A total fell.
    pub(crate) falls: bool,
    /// A total rose by more than this per second.
    pub(crate) max_rate: Option<f64>,
}

/// The windows whose points replace their one total.
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

/// Why totals can't be used as readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Two totals have this time.
    Twice(i64),
    /// The points of the window with this label are needed, and there are none.
    Absent(i64),
}

impl From<i64> for Fault {
    fn from(time: i64) -> Self {
        Self::Twice(time)
    }
}

/// The sets of answers about the totals of windows, as they are numbered.
pub(crate) const SETS: usize = 4;

/// Times and totals, in order of time.
pub(crate) type Rows<T> = Vec<(i64, T)>;

/// The rows of a field's pieces, by meter and by set of answers; `of` is the meter of each series.
///
/// Where a total is null, there is none.
pub(crate) fn rows<T: Total, const SETS: usize>(
    found: &Pieces<'_>,
    field: &str,
    column: &FieldColumn,
    of: &[Option<usize>],
    meters: usize,
) -> Vec<[Rows<T>; SETS]> {
    let mut rows = vec![[const { Vec::new() }; SETS]; meters];
    for (index, piece) in found.list.iter().enumerate().filter(|(_, piece)| piece.field == field) {
        let (Some(meter), Times::Read(times)) = (of[piece.series], piece.times) else { continue };
        let totals = T::read(&column.arrays[column.source[&index]]);
        rows[meter][piece.set].extend(times.iter().zip(totals).filter_map(|(time, total)| Some((*time, total?))));
    }
    for rows in rows.iter_mut().flatten().filter(|rows| !rows.is_sorted_by_key(|row| row.0)) {
        rows.sort_by_key(|row| row.0);
    }
    rows
}

/// What is known of one field of one meter.
#[derive(Debug)]
pub(crate) struct Meter<T> {
    /// The base of its consumption; the error is a time that two totals have.
    pub(crate) start: Result<Start<T>, i64>,
    /// The last total of each window.
    totals: Rows<T>,
    /// The smallest one.
    lows: Rows<T>,
    /// All points, if they are known from the start.
    points: Rows<T>,
}

impl<T: Total> Meter<T> {
    /// A meter of its totals, those before the range, the first ones in it, and the smallest ones.
    pub(crate) fn new([totals, before, first, lows]: [Rows<T>; SETS]) -> Self {
        let start = match outermost(before.into_iter().rev()) {
            Ok(Some((time, total))) => Ok(Start::Before { time, total }),
            Ok(None) => outermost(first.into_iter())
                .map(|first| first.map_or(Start::Unknown, |(time, total)| Start::First { time, total })),
            Err(time) => Err(time),
        };
        Self { start, totals, lows, points: Vec::new() }
    }

    /// A meter of all its points in `windows`, and those before them.
    ///
    /// In a window in which a total fell, the smallest total is recorded as less than any number. So a fall is not
    /// missed if a later total of the window overtakes it. With `keeps`, a fall is an ordinary difference.
    ///
    /// `None` if a point is in none of the windows.
    pub(crate) fn of_points([points, before, ..]: [Rows<T>; SETS], windows: &Windows, keeps: bool) -> Option<Self> {
        let mut totals: Rows<T> = Vec::new();
        let mut lows: Rows<T> = Vec::new();
        let mut last = before.last().map(|(_, total)| *total);
        for (label, total) in windows.labelled(&points) {
            let label = label?;
            let low = if last.is_some_and(|last| total < last) { T::LEAST } else { total };
            last = Some(total);
            match (totals.last_mut(), lows.last_mut()) {
                (Some(of_window), Some(smallest)) if of_window.0 == label => {
                    of_window.1 = total;
                    if low < smallest.1 {
                        smallest.1 = low;
                    }
                }
                _ => {
                    totals.push((label, total));
                    lows.push((label, low));
                }
            }
        }
        if keeps {
            lows.clear();
        }
        let first = points.first().copied().into_iter().collect();
        let mut meter = Self::new([totals, before, first, lows]);
        if let Some(pair) = points.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            meter.start = Err(pair[0].0);
        }
        meter.points = points;
        Some(meter)
    }

    /// Its readings: one for each window, and one for each point in the refined windows that it leaves unsettled.
    ///
    /// Points of other refined windows are ignored. So the consumption of a meter does not depend on the meters that
    /// are read with it.
    pub(crate) fn readings(
        &self,
        mut points: Rows<T>,
        refined: &Refined,
        span: Span,
        doubts: Doubts,
    ) -> Result<Vec<Reading<T>>, Fault> {
        let mut by_point = if refined.windows.is_empty() { Vec::new() } else { self.unsettled(span, doubts)? };
        by_point.retain(|label| refined.labels.contains(label));
        let is_by_point = |label: i64| by_point.binary_search(&label).is_ok();
        let by_window = |rows: &Rows<T>| once(rows.iter().copied().filter(|(label, _)| !is_by_point(*label)).collect());
        let mut lows = by_window(&self.lows)?.into_iter().peekable();
        let mut readings = Vec::new();
        for (window, total) in by_window(&self.totals)? {
            while lows.next_if(|(label, _)| *label < window).is_some() {}
            let low = lows.next_if(|(label, _)| *label == window).map(|(_, low)| low);
            readings.push(span.reading(window, total, low));
        }
        if !by_point.is_empty() {
            let window = |time: &i64| refined.label(*time).filter(|label| is_by_point(*label));
            points.retain(|(time, _)| window(time).is_some());
            let found: HashSet<i64> = points.iter().filter_map(|(time, _)| window(time)).collect();
            if let Some(absent) = by_point.iter().find(|label| !found.contains(label)) {
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

    /// Its readings, where all points of `windows` are known: one per window, and one per point in those windows
    /// that it leaves unsettled.
    pub(crate) fn readings_of(&self, windows: &Windows, span: Span, doubts: Doubts) -> Result<Vec<Reading<T>>, Fault> {
        let unsettled = self.unsettled(span, doubts)?;
        let refined: Vec<Window> = unsettled.iter().filter_map(|label| windows.window(*label)).collect();
        let points = if refined.is_empty() { Vec::new() } else { self.points.clone() };
        self.readings(points, &Refined::new(&refined), span, doubts)
    }

    /// Sorted labels of the windows whose totals alone do not decide the consumption.
    ///
    /// These are windows in which two series of one meter have a total. If falls are in doubt, also those in which
    /// the total fell or was below the one before. If there is a highest rate, also those whose length makes
    /// the rate too high, each with the window before it, because the times of both matter.
    ///
    /// The error is a time that two totals have.
    pub(crate) fn unsettled(&self, span: Span, doubts: Doubts) -> Result<Vec<i64>, i64> {
        let mut unsettled = Vec::new();
        let mut lows = self.lows.iter().peekable();
        let mut before: Option<(Option<i64>, i64, T)> = match self.start? {
            Start::Before { time, total } | Start::First { time, total } => Some((None, time, total)),
            Start::Unknown => None,
        };
        let mut last = None;
        for &(label, total) in &self.totals {
            let stop = label.saturating_add(span.lead);
            if last == Some(label) {
                unsettled.push(label);
            }
            last = Some(label);
            let mut fell = false;
            while let Some((of, low)) = lows.next_if(|(of, _)| *of <= label) {
                fell |= *of == label && before.is_some_and(|(_, _, before)| *low < before);
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
}

/// The first of some rows; different ones of its time are the error.
fn outermost<T: Total>(mut rows: impl Iterator<Item = (i64, T)>) -> Result<Option<(i64, T)>, i64> {
    let Some((time, total)) = rows.next() else { return Ok(None) };
    let mut same = rows.take_while(|row| row.0 == time);
    if same.any(|row| row.1 != total) { Err(time) } else { Ok(Some((time, total))) }
}

/// The rows, if no time comes twice.
fn once<T>(rows: Rows<T>) -> Result<Rows<T>, i64> {
    match rows.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some(pair) => Err(pair[0].0),
        None => Ok(rows),
    }
}
