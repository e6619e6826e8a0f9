//! Consumption per window, from the running totals of meters.
//!
//! What one meter's totals tell is in `booking`; here the answers of several
//! queries are put together into readings, and what is booked into one frame:
//!
//! ```text
//! for each field, and each series or row group of series:
//!     readings = the last total of each window, or its points where they were asked for
//!     windows, amounts, qualities = book(the last total before, readings)
//! the frame is the fields side by side, as in a pivot
//! ```

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, LargeStringArray, PrimitiveArray, TimestampNanosecondArray};
use arrow_schema::{DataType, Field};

use crate::booking::{Booked, Gaps, OnReset, Quality, Reading, Rules, Start, book};
use crate::column::dictionary;
use crate::decoder::Answer;
use crate::error::{Error, Result};
use crate::fields::{EmptyText, FieldColumn, columns};
use crate::keys::{Keys, Levels, ambiguous};
use crate::meter::no_total;
use crate::pieces::{Pieces, Times, collect};
use crate::pivot::Wide;
use crate::total::Total;
use crate::tracks::{Track, merge};
use crate::unify::{Stretch, gather};
use crate::union::batch;

/// The answers of the queries that consumption is computed from.
///
/// A series is told by all its tags. Those of `totals` make the frame; of the
/// others, what belongs to none of them is left out.
#[derive(Debug)]
pub struct Totals<'a, A> {
    /// The last total of each window that has one; its time is the window's label.
    pub totals: &'a [A],
    /// The last total before the range, with its own time.
    pub before: &'a [A],
    /// The first total in the range, with its own time; for series without one before.
    pub first: &'a [A],
    /// The smallest total of each window, labelled as `totals`. May be empty: then a reset that a
    /// later total of its window has overtaken is not seen.
    pub lows: &'a [A],
    /// All totals of the windows in [`Consumption::refined`], with their own times.
    pub points: &'a [A],
}

// Derived, they would ask the same of `A`.
impl<A> Clone for Totals<'_, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A> Copy for Totals<'_, A> {}

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

/// How totals become consumption.
#[derive(Clone, Debug)]
pub struct Consumption {
    /// These fields in this order.
    pub fields: Vec<String>,
    /// The leading columns, decided by the series of [`Totals::totals`] alone.
    pub levels: Levels,
    /// IANA name of the zone the time column is typed with; its values are UTC all the same.
    pub tz: String,
    /// Windows whose points stand in for their one total.
    pub refined: Vec<Window>,
    /// What a drop of a total means.
    pub on_reset: OnReset,
    /// Fields and the total at which each starts again from 0, for [`OnReset::Rollover`].
    pub rollover: Vec<(String, f64)>,
    /// Fields and the most that each can rise per second.
    pub max_rate: Vec<(String, f64)>,
    /// Where the consumption over windows without a reading goes.
    pub gaps: Gaps,
    /// Labels of all windows of the range, ascending; without them, no gap is seen.
    pub grid: Option<Vec<i64>>,
    /// A total before the range at or after this time lies in the window right before it.
    pub adjacent_since: Option<i64>,
    /// How long before the end of its window a label may lie, in nanoseconds: times of `before` and
    /// `first` are taken as earlier by it, so that no time from them to a label is too short.
    pub lead: i64,
    /// Append a column of qualities per field.
    pub quality: bool,
}

/// Turns totals into consumption per window, in the totals' unit.
///
/// float64 stays float64; int64 and uint64 become int64, exactly. A window
/// whose consumption is not known is null, and so is a field without a reading
/// in a row that another field made. The qualities, strings in a dictionary,
/// are "ok", "first", "gap", "reset", "rollover" and "implausible".
///
/// Fails with [`ErrorKind::Ambiguous`](crate::ErrorKind::Ambiguous) and
/// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) as [`pivot`](crate::pivot())
/// does, and with [`ErrorKind::Input`](crate::ErrorKind::Input) where a field
/// is no number, a sum does not fit in 64 bits, the grid does not ascend, or a
/// field of integers can't have its rollover.
pub fn consumption<A: AsRef<Answer>>(totals: Totals<'_, A>, spec: &Consumption) -> Result<Wide> {
    let read = Read::new(totals, &spec.fields, &spec.levels)?;
    let booked: Vec<Column> = (0..spec.fields.len()).map(|field| read.column(field, spec)).collect::<Result<_>>()?;

    let mut axis: Vec<i64> = Vec::new();
    let mut stretches: Vec<Vec<Stretch>> = vec![Vec::new(); booked.len()];
    let mut key_rows = Vec::with_capacity(read.keys.list.len());
    for key in 0..read.keys.list.len() {
        let begin = axis.len();
        let tracks: Vec<Track<'_>> = booked.iter().map(|column| column.track(key)).collect();
        merge(&tracks, &mut axis, &mut stretches);
        for (column, name) in booked.iter().zip(&spec.fields) {
            if let Some((_, window)) = column.too_large.filter(|(of, _)| *of == key) {
                let row = begin + axis[begin..].partition_point(|label| *label < window);
                return Err(Error::input(Some(row), Some(name), "the consumption does not fit in 64 bits"));
            }
        }
        key_rows.push(axis.len() - begin);
    }

    let (mut fields, mut columns): (Vec<Field>, Vec<ArrayRef>) = read.keys.columns(&key_rows).into_iter().unzip();
    let rows = axis.len();
    let time: ArrayRef = Arc::new(TimestampNanosecondArray::from(axis).with_timezone(spec.tz.as_str()));
    fields.push(Field::new("time", time.data_type().clone(), false));
    columns.push(time);
    for ((name, column), stretches) in spec.fields.iter().zip(&booked).zip(&stretches) {
        let kind = column.amounts.data_type().clone();
        columns.push(gather(name, &kind, &[Arc::clone(&column.amounts)], stretches)?);
        fields.push(Field::new(name, kind, true));
    }
    if spec.quality {
        let words: ArrayRef = Arc::new(LargeStringArray::from_iter_values(Quality::WORDS));
        for ((name, column), stretches) in spec.fields.iter().zip(&booked).zip(&stretches) {
            let qualities = dictionary(column.codes(stretches, rows), None, Arc::clone(&words));
            fields.push(Field::new(format!("{name}_quality"), qualities.data_type().clone(), true));
            columns.push(qualities);
        }
    }
    Ok(Wide { batch: batch(fields, columns, rows), levels: read.keys.names.len() })
}

/// The labels of the windows in which some series' total fell, or was below the total before; sorted.
///
/// Where windows are long, a meter that began again and went on shows so only in
/// their points: these are the windows whose points are worth asking for.
pub fn resets<A: AsRef<Answer>>(totals: Totals<'_, A>, fields: &[String], levels: &Levels) -> Result<Vec<i64>> {
    let spec = Consumption {
        fields: fields.to_vec(),
        levels: levels.clone(),
        tz: String::new(),
        refined: Vec::new(),
        on_reset: OnReset::Null,
        rollover: Vec::new(),
        max_rate: Vec::new(),
        gaps: Gaps::Book,
        grid: None,
        adjacent_since: None,
        lead: 0,
        quality: false,
    };
    let read = Read::new(Totals { points: &[], ..totals }, fields, levels)?;
    let mut windows = Vec::new();
    for field in 0..fields.len() {
        let column = read.column(field, &spec)?;
        let fell = column.qualities.iter().zip(&column.windows).filter(|(quality, _)| **quality == Quality::Reset);
        windows.extend(fell.map(|(_, window)| *window));
    }
    windows.sort_unstable();
    windows.dedup();
    Ok(windows)
}

/// The sets of answers, in the order of [`Totals`].
const SETS: usize = 5;

/// All answers, taken apart.
struct Read<'a> {
    found: Pieces<'a>,
    keys: Keys<'a>,
    fields: &'a [String],
    columns: Vec<FieldColumn>,
}

/// Numbers of one field's pieces of one key, by set.
type BySet = [Vec<usize>; SETS];

impl<'a> Read<'a> {
    fn new<A: AsRef<Answer>>(totals: Totals<'a, A>, fields: &'a [String], levels: &'a Levels) -> Result<Self> {
        let sets = [totals.totals, totals.before, totals.first, totals.lows, totals.points];
        let mut found = collect(&sets, Some(fields))?;
        let keys = Keys::new(&found, levels)?;
        found.list.retain(|piece| keys.of[piece.series].is_some());
        let names: Vec<&str> = fields.iter().map(String::as_str).collect();
        let has_times = |times| matches!(times, Times::Read(_));
        if found.list.iter().any(|piece| names.contains(&piece.field) && !has_times(piece.times)) {
            return Err(Error::syntax("a table lacks the column \"_time\""));
        }
        let columns = columns(&found, &names, &[], EmptyText::Null)?;
        Ok(Self { found, keys, fields, columns })
    }

    /// The consumption of a field, given by position.
    fn column(&self, field: usize, spec: &Consumption) -> Result<Column> {
        let (name, column) = (&self.fields[field], &self.columns[field]);
        match column.kind {
            DataType::Float64 => self.typed::<Float64Type, f64>(name, column, spec),
            DataType::Int64 => self.typed::<Int64Type, i128>(name, column, spec),
            DataType::UInt64 => self.typed::<UInt64Type, i128>(name, column, spec),
            ref other => Err(no_total(name, other)),
        }
    }

    fn typed<P, T>(&self, name: &str, column: &FieldColumn, spec: &Consumption) -> Result<Column>
    where
        P: ArrowPrimitiveType,
        T: Total + From<P::Native>,
    {
        let totals = Cells::<P> { column, arrays: column.arrays.iter().map(AsArray::as_primitive).collect() };
        let rules = rules::<T>(name, spec)?;
        let refined = Refined::new(&spec.refined);
        let mut out = Booking::default();
        for (key, pieces) in self.pieces(name).iter().enumerate() {
            let ambiguous = |time| ambiguous(&self.found, &self.keys.list[key].1, name, time);
            let [_, before, first, _, points] = pieces;
            let start =
                if let Some((time, total)) = totals.outermost(&self.found, before, i64::gt).map_err(ambiguous)? {
                    Start::Before { time, total }
                } else if let Some((time, total)) = totals.outermost(&self.found, first, i64::lt).map_err(ambiguous)? {
                    Start::First { time, total }
                } else {
                    Start::Unknown
                };
            let mut readings = totals.last_of_windows(&self.found, pieces, &refined).map_err(ambiguous)?;
            if !points.is_empty() {
                readings.extend(totals.points(&self.found, points, &refined).map_err(ambiguous)?);
                readings.sort_by_key(|reading| (reading.window, reading.time));
            }
            out.push(book(start, &readings, &rules));
        }
        Ok(out.finish())
    }

    /// The pieces of a field, by key.
    fn pieces(&self, name: &str) -> Vec<BySet> {
        let mut pieces = vec![BySet::default(); self.keys.list.len()];
        for (index, piece) in self.found.list.iter().enumerate().filter(|(_, piece)| piece.field == name) {
            if let Some(key) = self.keys.of[piece.series] {
                pieces[key][piece.set].push(index);
            }
        }
        pieces
    }
}

/// A field's rules.
fn rules<'a, T: Total>(name: &str, spec: &'a Consumption) -> Result<Rules<'a, T>> {
    let grid = spec.grid.as_deref().unwrap_or_default();
    if !grid.is_sorted_by(|one, next| one < next) {
        return Err(Error::input(None, None, "the labels of the grid have to ascend"));
    }
    let of_field = |list: &[(String, f64)]| list.iter().find(|(field, _)| field == name).map(|(_, value)| *value);
    let whole = |rollover: f64| {
        let why = || format!("a rollover of integers is a whole number up to 2^64, not {rollover}");
        T::exactly(rollover).ok_or_else(|| Error::input(None, Some(name), why()))
    };
    Ok(Rules {
        on_reset: spec.on_reset,
        rollover: of_field(&spec.rollover).map(whole).transpose()?,
        max_rate: of_field(&spec.max_rate),
        gaps: spec.gaps,
        grid,
        adjacent_since: spec.adjacent_since,
        lead: spec.lead,
    })
}

/// The refined windows, in order, and their labels.
struct Refined {
    windows: Vec<Window>,
    labels: HashSet<i64>,
}

impl Refined {
    fn new(windows: &[Window]) -> Self {
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

/// The totals of a field; null is none.
struct Cells<'a, P: ArrowPrimitiveType> {
    column: &'a FieldColumn,
    arrays: Vec<&'a PrimitiveArray<P>>,
}

impl<P: ArrowPrimitiveType> Cells<'_, P> {
    /// Times and totals of some pieces in order; a time that two of them carry is the error.
    fn of<T: From<P::Native>>(
        &self,
        found: &Pieces<'_>,
        pieces: &[usize],
    ) -> std::result::Result<impl Iterator<Item = (i64, T)>, i64> {
        let track = Track::join(found, self.column, pieces, &[])?;
        let totals: Vec<(i64, T)> =
            track.rows().filter_map(|(time, source, row)| Some((time, self.total(source, row)?))).collect();
        Ok(totals.into_iter())
    }

    fn total<T: From<P::Native>>(&self, source: usize, row: usize) -> Option<T> {
        let array = self.arrays[source];
        array.is_valid(row).then(|| array.value(row).into())
    }

    /// The total whose time goes before all others'.
    fn outermost<T: Total + From<P::Native>>(
        &self,
        found: &Pieces<'_>,
        pieces: &[usize],
        precedes: impl Fn(&i64, &i64) -> bool,
    ) -> std::result::Result<Option<(i64, T)>, i64> {
        let mut best: Option<(i64, T)> = None;
        let mut differ = false;
        for &piece in pieces {
            let Times::Read(times) = found.list[piece].times else { continue };
            for (row, time) in times.iter().enumerate() {
                let Some(total) = self.total::<T>(self.column.source[&piece], row) else { continue };
                match best {
                    Some((old, known)) if *time == old => differ |= total != known,
                    Some((old, _)) if !precedes(time, &old) => {}
                    _ => (best, differ) = (Some((*time, total)), false),
                }
            }
        }
        match best {
            Some((time, _)) if differ => Err(time),
            best => Ok(best),
        }
    }

    /// One reading per window that is not refined.
    fn last_of_windows<T: From<P::Native>>(
        &self,
        found: &Pieces<'_>,
        pieces: &BySet,
        refined: &Refined,
    ) -> std::result::Result<Vec<Reading<T>>, i64> {
        let [totals, _, _, lows, _] = pieces;
        let mut lows = self.of::<T>(found, lows)?.peekable();
        let mut readings = Vec::new();
        for (window, total) in self.of(found, totals)? {
            while lows.next_if(|(label, _)| *label < window).is_some() {}
            let low = lows.next_if(|(label, _)| *label == window).map(|(_, low)| low);
            if !refined.labels.contains(&window) {
                readings.push(Reading { window, time: window, total, low });
            }
        }
        Ok(readings)
    }

    /// One reading per point of a refined window.
    fn points<T: From<P::Native>>(
        &self,
        found: &Pieces<'_>,
        pieces: &[usize],
        refined: &Refined,
    ) -> std::result::Result<impl Iterator<Item = Reading<T>>, i64> {
        let points = self.of(found, pieces)?;
        Ok(points.filter_map(|(time, total)| Some(Reading { window: refined.label(time)?, time, total, low: None })))
    }
}

/// What is booked of a field, key by key.
struct Booking<T> {
    windows: Vec<i64>,
    amounts: Vec<Option<T>>,
    qualities: Vec<Quality>,
    ends: Vec<usize>,
}

impl<T> Default for Booking<T> {
    fn default() -> Self {
        Self { windows: Vec::new(), amounts: Vec::new(), qualities: Vec::new(), ends: Vec::new() }
    }
}

impl<T: Total> Booking<T> {
    fn push(&mut self, booked: Vec<Booked<T>>) {
        for Booked { window, amount, quality } in booked {
            self.windows.push(window);
            self.amounts.push(amount);
            self.qualities.push(quality);
        }
        self.ends.push(self.windows.len());
    }

    fn finish(self) -> Column {
        let Self { windows, amounts, qualities, ends } = self;
        let (amounts, too_large) = match T::column(amounts) {
            Ok(amounts) => (amounts, None),
            Err(at) => {
                let key = ends.partition_point(|end| *end <= at);
                (arrow_array::new_null_array(&DataType::Int64, windows.len()), Some((key, windows[at])))
            }
        };
        Column { windows, amounts, qualities, ends, too_large }
    }
}

/// The consumption of a field, key by key.
struct Column {
    windows: Vec<i64>,
    amounts: ArrayRef,
    qualities: Vec<Quality>,
    /// Per key, the row after its last.
    ends: Vec<usize>,
    /// Key and window of the first amount that does not fit.
    too_large: Option<(usize, i64)>,
}

impl Column {
    fn track(&self, key: usize) -> Track<'_> {
        let start = key.checked_sub(1).map_or(0, |before| self.ends[before]);
        let rows = self.ends[key] - start;
        let times = Cow::Borrowed(&self.windows[start..start + rows]);
        Track { times, runs: vec![Stretch::Rows { source: 0, start, rows }] }
    }

    /// Codes of the qualities along the rows; a row without a reading is a gap.
    fn codes(&self, stretches: &[Stretch], rows: usize) -> Vec<i32> {
        let mut codes = Vec::with_capacity(rows);
        for stretch in stretches {
            match *stretch {
                Stretch::Rows { start, rows, .. } => {
                    codes.extend(self.qualities[start..start + rows].iter().map(|quality| quality.code()));
                }
                Stretch::Nulls(rows) | Stretch::Repeat { count: rows, .. } => {
                    codes.resize(codes.len() + rows, Quality::Gap.code());
                }
            }
        }
        codes
    }
}
