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
use std::sync::Arc;

use arrow_array::types::{Float64Type, Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, LargeStringArray, TimestampNanosecondArray};
use arrow_schema::{DataType, Field};

use crate::booking::{Booked, Gaps, OnReset, Quality, Rules, book, most_windows};
use crate::column::dictionary;
use crate::decoder::Answer;
use crate::error::{Error, ErrorKind, Result};
use crate::fields::{EmptyText, FieldColumn, columns};
use crate::keys::{Keys, Levels, ambiguous};
use crate::meter::no_total;
use crate::pieces::{Pieces, Times, collect};
use crate::pivot::Wide;
use crate::readings::{Cells, Doubts, Fault, Parts, Refined, Span, Window};
use crate::sparse;
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

/// How totals become consumption.
#[derive(Clone, Debug)]
pub struct Consumption {
    /// These fields in this order.
    pub fields: Vec<String>,
    /// Types that fields have elsewhere: a field without data takes its.
    pub kinds: Vec<(String, DataType)>,
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
    /// How long before the last instant of its window a label may lie, in nanoseconds: 0 for labels at the stop.
    pub lead: i64,
    /// By how many nanoseconds labels come late; the frame's do not. It is 1 where windows are closed at the
    /// right, which are asked for as ones that begin and end a nanosecond later.
    pub late: i64,
    /// How long a window may be, in nanoseconds.
    pub longest: i64,
    /// Append a column of qualities per field.
    pub quality: bool,
}

impl Consumption {
    fn span(&self) -> Span {
        Span { lead: self.lead, longest: self.longest }
    }

    fn doubts(&self, field: &str) -> Doubts {
        let max_rate = of_field(&self.max_rate, field);
        let counts = matches!(self.on_reset, OnReset::Restart | OnReset::Rollover);
        Doubts { falls: counts || max_rate.is_some(), max_rate }
    }
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
/// does, with [`ErrorKind::Missing`](crate::ErrorKind::Missing) where a refined window
/// that a meter leaves unsettled has none of its points, and with
/// [`ErrorKind::Input`](crate::ErrorKind::Input) where a field
/// is no number, a sum does not fit in 64 bits, the grid does not ascend, a
/// field of integers can't have its rollover, or windows without a reading are
/// more than the memory holds.
pub fn consumption<A: AsRef<Answer>>(totals: &Totals<'_, A>, spec: &Consumption) -> Result<Wide> {
    let read = Read::new(totals, spec)?;
    let booked: Vec<Column> = (0..spec.fields.len()).map(|field| read.column(field, spec)).collect::<Result<_>>()?;

    if spec.gaps != Gaps::Book {
        let rows = booked.iter().map(|column| column.windows.len()).max().unwrap_or(0);
        sparse::room(rows.saturating_mul(16 * read.width(spec)))?;
    }
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

    let rows = axis.len();
    let (mut fields, mut columns): (Vec<Field>, Vec<ArrayRef>) = read.keys.columns(&key_rows).into_iter().unzip();
    for label in &mut axis {
        *label = label.saturating_sub(spec.late);
    }
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

/// The windows whose points are worth asking for, and the series that have them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unsettled {
    /// Names of the tags.
    pub tags: Vec<String>,
    /// Per series of [`Totals::totals`], the value of each tag.
    pub series: Vec<Vec<Option<String>>>,
    /// What each field of each meter leaves open, if there is anything.
    pub doubts: Vec<Doubt>,
}

/// The windows of one field of one meter whose points are worth asking for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// The field.
    pub field: String,
    /// The meter's series, as numbers in [`Unsettled::series`].
    pub series: Vec<usize>,
    /// Labels of the windows; sorted.
    pub windows: Vec<i64>,
}

/// Finds the windows whose points are worth asking for.
///
/// Those in which two series of one meter have a total; with [`OnReset::Restart`], [`OnReset::Rollover`] or a
/// highest rate those in which a total fell, or was below the total before; with a highest rate
/// those that exceed it. Of `spec`, `points`, `refined` and what is about gaps play no part.
pub fn unsettled<A: AsRef<Answer>>(totals: &Totals<'_, A>, spec: &Consumption) -> Result<Unsettled> {
    let read = Read::new(&Totals { points: &[], ..*totals }, spec)?;
    let mut found = Unsettled::default();
    for field in 0..spec.fields.len() {
        found.doubts.extend(read.unsettled(field, spec)?);
    }
    if !found.doubts.is_empty() {
        found.tags = read.found.tags.iter().map(|tag| (*tag).to_owned()).collect();
        let leading = &read.found.series[..read.found.leading];
        found.series =
            leading.iter().map(|values| values.iter().map(|value| value.map(str::to_owned)).collect()).collect();
    }
    Ok(found)
}

/// All answers, taken apart.
struct Read<'a> {
    found: Pieces<'a>,
    keys: Keys<'a>,
    fields: &'a [String],
    columns: Vec<FieldColumn>,
}

impl<'a> Read<'a> {
    fn new<A: AsRef<Answer>>(totals: &Totals<'a, A>, spec: &'a Consumption) -> Result<Self> {
        let fields = spec.fields.as_slice();
        let sets = [totals.totals, totals.before, totals.first, totals.lows, totals.points];
        let mut found = collect(&sets, Some(fields), &[])?;
        let keys = Keys::new(&found, &spec.levels)?;
        found.list.retain(|piece| keys.of[piece.series].is_some());
        let names: Vec<&str> = fields.iter().map(String::as_str).collect();
        let has_times = |times| matches!(times, Times::Read(_));
        if found.list.iter().any(|piece| names.contains(&piece.field) && !has_times(piece.times)) {
            return Err(Error::syntax("a table lacks the column \"_time\""));
        }
        let columns = columns(&found, &names, &spec.kinds, EmptyText::Null)?;
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

    /// The windows that a field, given by position, leaves unsettled.
    fn unsettled(&self, field: usize, spec: &Consumption) -> Result<Vec<Doubt>> {
        let (name, column) = (&self.fields[field], &self.columns[field]);
        match column.kind {
            DataType::Float64 => self.unsettled_of::<Float64Type, f64>(name, column, spec),
            DataType::Int64 => self.unsettled_of::<Int64Type, i128>(name, column, spec),
            DataType::UInt64 => self.unsettled_of::<UInt64Type, i128>(name, column, spec),
            ref other => Err(no_total(name, other)),
        }
    }

    fn unsettled_of<P, T>(&self, name: &str, column: &FieldColumn, spec: &Consumption) -> Result<Vec<Doubt>>
    where
        P: ArrowPrimitiveType,
        T: Total + From<P::Native>,
    {
        let cells = Cells::<P>::new(&self.found, column);
        let mut doubts = Vec::new();
        for (key, parts) in self.parts(name).iter().enumerate() {
            let ambiguous = |time| ambiguous(&self.found, &self.keys.list[key].1, name, time);
            let windows = cells.unsettled::<T>(parts, spec.span(), spec.doubts(name)).map_err(ambiguous)?;
            if !windows.is_empty() {
                let series = self.keys.list[key].1.iter().copied();
                let series = series.filter(|series| *series < self.found.leading).collect();
                doubts.push(Doubt { field: name.to_owned(), series, windows });
            }
        }
        Ok(doubts)
    }

    fn typed<P, T>(&self, name: &str, column: &FieldColumn, spec: &Consumption) -> Result<Column>
    where
        P: ArrowPrimitiveType,
        T: Total + From<P::Native>,
    {
        let cells = Cells::<P>::new(&self.found, column);
        let rules = rules::<T>(name, spec)?;
        let refined = Refined::new(&spec.refined);
        let mut out = Booking::default();
        let (mut most, mut held) = (0, 0);
        for (key, parts) in self.parts(name).iter().enumerate() {
            let ambiguous = |time| ambiguous(&self.found, &self.keys.list[key].1, name, time);
            let start = cells.start(parts).map_err(ambiguous)?;
            let readings =
                cells.readings(parts, &refined, spec.span(), spec.doubts(name)).map_err(|fault| match fault {
                    Fault::Twice(time) => ambiguous(time),
                    Fault::Absent(label) => {
                        let window = crate::timestamp::write(label.saturating_sub(spec.late));
                        ErrorKind::Missing(format!("field {name:?}, window {window}: its points are not in the answer"))
                            .into()
                    }
                })?;
            let windows = most_windows(&start, &readings, &rules);
            most += windows;
            held += readings.len() * (self.keys.names.len() + 2);
            if windows > readings.len() {
                sparse::check_windows(most, self.width(spec), held)?;
                // What is booked, and what was before, which grow by doubling.
                sparse::room((4 * windows + out.windows.len()).saturating_mul(size_of::<Booked<T>>()))?;
            }
            out.push(book(start, &readings, &rules));
        }
        if spec.gaps != Gaps::Book {
            sparse::room(out.windows.len().saturating_mul(16))?;
        }
        Ok(out.finish())
    }

    /// How many columns the frame has.
    fn width(&self, spec: &Consumption) -> usize {
        self.keys.names.len() + 1 + self.fields.len() * (1 + usize::from(spec.quality))
    }

    /// The pieces of a field, by key.
    fn parts(&self, name: &str) -> Vec<Parts> {
        let mut by_key = vec![Parts::default(); self.keys.list.len()];
        for (index, piece) in self.found.list.iter().enumerate().filter(|(_, piece)| piece.field == name) {
            let Some(key) = self.keys.of[piece.series] else { continue };
            let Parts { totals, before, first, lows, points } = &mut by_key[key];
            // In the order in which `new` collects them.
            [totals, before, first, lows, points][piece.set].push(index);
        }
        by_key
    }
}

/// A field's rules.
fn rules<'a, T: Total>(name: &str, spec: &'a Consumption) -> Result<Rules<'a, T>> {
    let grid = spec.grid.as_deref().unwrap_or_default();
    if !grid.is_sorted_by(|one, next| one < next) {
        return Err(Error::input(None, None, "the labels of the grid have to ascend").about("grid"));
    }
    let whole = |rollover: f64| {
        let why = || format!("a rollover of integers is a whole number up to 2^64, not {rollover}");
        T::exactly(rollover).ok_or_else(|| Error::input(None, Some(name), why()).about("rollover"))
    };
    Ok(Rules {
        on_reset: spec.on_reset,
        rollover: of_field(&spec.rollover, name).map(whole).transpose()?,
        max_rate: of_field(&spec.max_rate, name),
        gaps: spec.gaps,
        grid,
        adjacent_since: spec.adjacent_since,
    })
}

fn of_field(list: &[(String, f64)], name: &str) -> Option<f64> {
    list.iter().find(|(field, _)| field == name).map(|(_, value)| *value)
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
        Track { times: vec![times], runs: vec![Stretch::Rows { source: 0, start, rows }] }
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
