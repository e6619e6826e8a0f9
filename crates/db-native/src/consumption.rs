//! Consumption per window, from the running totals of meters.
//!
//! What one meter's totals tell is in `booking`; here the answers of several
//! queries are put together into readings, and what is booked into one frame:
//!
//! ```text
//! read the answers once: for each field, and each series or row group of series, its totals
//! unsettled = the windows of which those do not tell enough
//! readings = the last total of each window, or its points where they were asked for
//! windows, amounts, qualities = book(the last total before, readings)
//! the frame is the fields side by side, as in a pivot
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, LargeStringArray, TimestampNanosecondArray};
use arrow_schema::{DataType, Field};

use crate::booked::{Booking, Column};
use crate::booking::{Booked, Gaps, OnReset, Quality, Rules, book, most_windows};
use crate::column::dictionary;
use crate::decoder::Answer;
use crate::error::{Error, ErrorKind, Result};
use crate::fields::{EmptyText, FieldColumn, columns};
use crate::keys::{Keys, Levels, ambiguous, tag_column};
use crate::meter::no_total;
use crate::pieces::{Piece, Pieces, Times, collect};
use crate::pivot::Wide;
use crate::readings::{Doubts, Fault, Meter, Refined, SETS, Span, Window, Windows, rows};
use crate::sparse;
use crate::total::Total;
use crate::tracks::{Track, merge};
use crate::unify::{Stretch, gather, type_name};
use crate::union::batch;

/// The answers of the queries that consumption is computed from.
///
/// A series is told by all its tags. Those of `totals` make the frame; of the
/// others, what belongs to none of them is left out.
#[derive(Debug)]
pub struct Totals<'a, A> {
    /// The last total of each window that has one; its time is the window's label. With [`Policy::windows`],
    /// every total, with its own time.
    pub totals: &'a [A],
    /// The last total before the range, with its own time.
    pub before: &'a [A],
    /// The first total in the range, with its own time; for series without one before.
    pub first: &'a [A],
    /// The smallest total of each window, labelled as `totals`. May be empty: then a reset that a
    /// later total of its window has overtaken is not seen.
    pub lows: &'a [A],
}

/// How totals become consumption.
#[derive(Clone, Debug)]
pub struct Policy {
    /// These fields in this order.
    pub fields: Vec<String>,
    /// Types that fields have elsewhere: a field without data takes its.
    pub kinds: Vec<(String, DataType)>,
    /// The leading columns, decided by the series of [`Totals::totals`] alone.
    pub levels: Levels,
    /// IANA name of the zone the time column is typed with; its values are UTC all the same.
    pub tz: String,
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
    /// The windows, if the totals are all points: then every fall is seen, and nothing is unsettled.
    pub windows: Option<Windows>,
}

impl Policy {
    fn span(&self) -> Span {
        Span { lead: self.lead, longest: self.longest }
    }

    fn doubts(&self, field: &str) -> Doubts {
        let max_rate = of_field(&self.max_rate, field);
        let counts = matches!(self.on_reset, OnReset::Restart | OnReset::Rollover);
        Doubts { falls: counts || max_rate.is_some(), max_rate }
    }
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

/// The totals of meters, read from the answers once: asked what is unsettled, and then for the frame.
#[derive(Debug)]
pub struct Consumption {
    policy: Policy,
    /// Names of the tags, and per series the value of each.
    tags: Vec<String>,
    series: Vec<Vec<Option<String>>>,
    /// How many of the series, the first ones, are those of [`Totals::totals`].
    leading: usize,
    /// Names of the levels.
    levels: Vec<String>,
    /// Per meter, the values of its levels, and its series.
    meters: Vec<(Vec<Option<String>>, Vec<usize>)>,
    /// Per field, its type and its totals by meter.
    fields: Vec<(DataType, Counted)>,
}

/// A field's totals by meter, as the numbers that they are counted in.
#[derive(Debug)]
enum Counted {
    Doubles(Vec<Meter<f64>>),
    Integers(Vec<Meter<i128>>),
    /// It is no number.
    Not,
}

/// The points of refined windows.
struct Points<'a> {
    found: Pieces<'a>,
    columns: Vec<FieldColumn>,
    /// Per series, its meter.
    of: Vec<Option<usize>>,
    refined: Refined,
}

impl Consumption {
    /// Reads the answers.
    ///
    /// Fails with [`ErrorKind::Ambiguous`](crate::ErrorKind::Ambiguous) and
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) as [`pivot`](crate::pivot()) does.
    pub fn new<A: AsRef<Answer>>(totals: &Totals<'_, A>, policy: Policy) -> Result<Self> {
        let sets: [_; SETS] = [totals.totals, totals.before, totals.first, totals.lows];
        let mut found = collect(&sets, Some(&policy.fields), &[])?;
        let keys = Keys::new(&found, &policy.levels)?;
        found.list.retain(|piece| keys.of[piece.series].is_some());
        let columns = columns_of(&found, &policy.fields, &policy.kinds)?;
        let mut fields = Vec::with_capacity(policy.fields.len());
        for (name, column) in policy.fields.iter().zip(columns) {
            let counted = match column.kind {
                DataType::Float64 => Counted::Doubles(meters(&found, name, &column, &keys, &policy)?),
                DataType::Int64 | DataType::UInt64 => Counted::Integers(meters(&found, name, &column, &keys, &policy)?),
                _ => Counted::Not,
            };
            fields.push((column.kind, counted));
        }
        let owned = |values: &[Option<&str>]| values.iter().map(|value| value.map(str::to_owned)).collect();
        Ok(Self {
            tags: found.tags.iter().map(|tag| (*tag).to_owned()).collect(),
            series: found.series.iter().map(|values| owned(values)).collect(),
            leading: found.leading,
            levels: keys.names.iter().map(|name| (*name).to_owned()).collect(),
            meters: keys.list.into_iter().map(|(values, series)| (owned(&values), series)).collect(),
            fields,
            policy,
        })
    }

    /// Finds the windows whose points are worth asking for; none with [`Policy::windows`].
    ///
    /// Those in which two series of one meter have a total; with [`OnReset::Restart`], [`OnReset::Rollover`] or a
    /// highest rate those in which a total fell, or was below the total before; with a highest rate
    /// those that exceed it.
    pub fn unsettled(&self) -> Result<Unsettled> {
        let mut found = Unsettled::default();
        if self.policy.windows.is_some() {
            return Ok(found);
        }
        for (name, (kind, counted)) in self.policy.fields.iter().zip(&self.fields) {
            found.doubts.extend(match counted {
                Counted::Doubles(meters) => self.doubts(name, meters)?,
                Counted::Integers(meters) => self.doubts(name, meters)?,
                Counted::Not => return Err(no_total(name, kind)),
            });
        }
        if !found.doubts.is_empty() {
            found.tags.clone_from(&self.tags);
            found.series = self.series[..self.leading].to_vec();
        }
        Ok(found)
    }

    fn doubts<T: Total>(&self, name: &str, meters: &[Meter<T>]) -> Result<Vec<Doubt>> {
        let mut doubts = Vec::new();
        for (number, meter) in meters.iter().enumerate() {
            let windows = meter
                .unsettled(self.policy.span(), self.policy.doubts(name))
                .map_err(|time| self.ambiguous(number, name, time))?;
            if !windows.is_empty() {
                let series = self.meters[number].1.iter().copied().filter(|series| *series < self.leading).collect();
                doubts.push(Doubt { field: name.to_owned(), series, windows });
            }
        }
        Ok(doubts)
    }

    /// Turns the totals into consumption per window, in their unit.
    ///
    /// `points` are all totals of the windows in `refined`, with their own times. They stand in for the
    /// one total of those that a meter leaves unsettled.
    ///
    /// float64 stays float64; int64 and uint64 become int64, exactly. A window
    /// whose consumption is not known is null, and so is a field without a reading
    /// in a row that another field made. The qualities, strings in a dictionary,
    /// are "ok", "first", "gap", "reset", "rollover" and "implausible".
    ///
    /// Fails with [`ErrorKind::Ambiguous`](crate::ErrorKind::Ambiguous) where two totals of a meter meet, with
    /// [`ErrorKind::Missing`](crate::ErrorKind::Missing) where a refined window
    /// that a meter leaves unsettled has none of its points, and with
    /// [`ErrorKind::Input`](crate::ErrorKind::Input) where a field
    /// is no number, a sum does not fit in 64 bits, the grid does not ascend, a
    /// field of integers can't have its rollover, or windows without a reading are
    /// more than the memory holds.
    pub fn frame<A: AsRef<Answer>>(&self, points: &[A], refined: &[Window]) -> Result<Wide> {
        let policy = &self.policy;
        let points = self.points(&[points], refined)?;
        let booked: Vec<Column> =
            (0..self.fields.len()).map(|field| self.column(field, &points)).collect::<Result<_>>()?;

        if policy.gaps != Gaps::Book {
            let rows = booked.iter().map(|column| column.windows.len()).max().unwrap_or(0);
            sparse::room(rows.saturating_mul(16 * self.width()))?;
        }
        let mut axis: Vec<i64> = Vec::new();
        let mut stretches: Vec<Vec<Stretch>> = vec![Vec::new(); booked.len()];
        let mut meter_rows = Vec::with_capacity(self.meters.len());
        for meter in 0..self.meters.len() {
            let begin = axis.len();
            let tracks: Vec<Track<'_>> = booked.iter().map(|column| column.track(meter)).collect();
            merge(&tracks, &mut axis, &mut stretches);
            for (column, name) in booked.iter().zip(&policy.fields) {
                if let Some((_, window)) = column.too_large.filter(|(of, _)| *of == meter) {
                    let row = begin + axis[begin..].partition_point(|label| *label < window);
                    return Err(Error::input(Some(row), Some(name), "the consumption does not fit in 64 bits"));
                }
            }
            meter_rows.push(axis.len() - begin);
        }

        let rows = axis.len();
        let levels = self.levels.iter().enumerate().map(|(level, name)| {
            let values: Vec<Option<&str>> = self.meters.iter().map(|(values, _)| values[level].as_deref()).collect();
            tag_column(name, &values, &meter_rows)
        });
        let (mut fields, mut columns): (Vec<Field>, Vec<ArrayRef>) = levels.unzip();
        for label in &mut axis {
            *label = label.saturating_sub(policy.late);
        }
        let time: ArrayRef = Arc::new(TimestampNanosecondArray::from(axis).with_timezone(policy.tz.as_str()));
        fields.push(Field::new("time", time.data_type().clone(), false));
        columns.push(time);
        for ((name, column), stretches) in policy.fields.iter().zip(&booked).zip(&stretches) {
            let kind = column.amounts.data_type().clone();
            columns.push(gather(name, &kind, &[Arc::clone(&column.amounts)], stretches)?);
            fields.push(Field::new(name, kind, true));
        }
        if policy.quality {
            let words: ArrayRef = Arc::new(LargeStringArray::from_iter_values(Quality::WORDS));
            for ((name, column), stretches) in policy.fields.iter().zip(&booked).zip(&stretches) {
                let qualities = dictionary(column.codes(stretches, rows), None, Arc::clone(&words));
                fields.push(Field::new(format!("{name}_quality"), qualities.data_type().clone(), true));
                columns.push(qualities);
            }
        }
        Ok(Wide { batch: batch(fields, columns, rows), levels: self.levels.len() })
    }

    /// Finds the points and the meters that they are of.
    fn points<'a, A: AsRef<Answer>>(&'a self, points: &[&'a [A]; 1], refined: &[Window]) -> Result<Points<'a>> {
        let fields = &self.policy.fields;
        let mut found = collect(points, Some(fields), &[])?;
        let of = self.meters_of(&found);
        found.list.retain(|piece| of[piece.series].is_some());
        let kinds: Vec<_> =
            fields.iter().zip(&self.fields).map(|(name, (kind, _))| (name.clone(), kind.clone())).collect();
        let columns = columns_of(&found, fields, &kinds)?;
        for ((name, kind), column) in kinds.iter().zip(&columns) {
            if *kind != column.kind {
                let (total, point) = (type_name(kind), type_name(&column.kind));
                let detail =
                    format!("{total} in the totals of windows and {point} in their points have no common type");
                return Err(ErrorKind::Conflict { column: name.clone(), detail }.into());
            }
        }
        Ok(Points { found, columns, of, refined: Refined::new(refined) })
    }

    /// The meter of each series that was found: of the same tags or, if meters are told by levels, of those.
    fn meters_of(&self, found: &Pieces<'_>) -> Vec<Option<usize>> {
        let by_levels = matches!(&self.policy.levels, Levels::Named(names) if !names.is_empty());
        let counts = |name: &str| !by_levels || self.levels.iter().any(|level| level == name);
        let own = self.tags.iter().map(String::as_str).enumerate().filter(|(_, name)| counts(name));
        let own: Vec<(usize, &str)> = own.collect();
        let theirs = found.tags.iter().copied().enumerate().filter(|(_, name)| counts(name));
        let theirs: Vec<(usize, &str)> = theirs.collect();
        let mut known: HashMap<Vec<(&str, &str)>, usize> = HashMap::new();
        for (number, (_, series)) in self.meters.iter().enumerate() {
            for series in series {
                let values = &self.series[*series];
                let tags = own.iter().filter_map(|(tag, name)| Some((*name, values[*tag].as_deref()?)));
                known.insert(tags.collect(), number);
            }
        }
        let meter = |values: &Vec<Option<&str>>| {
            let tags: Vec<_> = theirs.iter().filter_map(|(tag, name)| Some((*name, values[*tag]?))).collect();
            known.get(&tags).copied()
        };
        found.series.iter().map(meter).collect()
    }

    /// The consumption of a field, given by position.
    fn column(&self, field: usize, points: &Points<'_>) -> Result<Column> {
        let name = &self.policy.fields[field];
        match &self.fields[field] {
            (_, Counted::Doubles(meters)) => self.booked(name, meters, points, &points.columns[field]),
            (_, Counted::Integers(meters)) => self.booked(name, meters, points, &points.columns[field]),
            (kind, Counted::Not) => Err(no_total(name, kind)),
        }
    }

    fn booked<T: Total>(
        &self,
        name: &str,
        meters: &[Meter<T>],
        points: &Points<'_>,
        column: &FieldColumn,
    ) -> Result<Column> {
        let policy = &self.policy;
        let rules = rules::<T>(name, policy)?;
        let points_of = rows::<T, 1>(&points.found, name, column, &points.of, meters.len());
        let mut out = Booking::default();
        let (mut most, mut held) = (0, 0);
        for (number, (meter, [points_of])) in meters.iter().zip(points_of).enumerate() {
            let start = meter.start.map_err(|time| self.ambiguous(number, name, time))?;
            let readings = match &policy.windows {
                Some(windows) => meter.readings_of(windows, policy.span(), policy.doubts(name)),
                None => meter.readings(points_of, &points.refined, policy.span(), policy.doubts(name)),
            };
            let readings = readings.map_err(|fault| match fault {
                Fault::Twice(time) => self.ambiguous(number, name, time),
                Fault::Absent(label) => {
                    let window = crate::timestamp::write(label.saturating_sub(policy.late));
                    let why = format!("field {name:?}, window {window}: its points are not in the answer");
                    ErrorKind::Missing(why).into()
                }
            })?;
            let windows = most_windows(&start, &readings, &rules);
            most += windows;
            held += readings.len() * (self.levels.len() + 2);
            if windows > readings.len() {
                sparse::check_windows(most, self.width(), held)?;
                // What is booked, and what was before, which grow by doubling.
                sparse::room((4 * windows + out.windows.len()).saturating_mul(size_of::<Booked<T>>()))?;
            }
            out.push(book(start, &readings, &rules));
        }
        if policy.gaps != Gaps::Book {
            sparse::room(out.windows.len().saturating_mul(16))?;
        }
        Ok(out.finish())
    }

    /// How many columns the frame has.
    fn width(&self) -> usize {
        self.levels.len() + 1 + self.fields.len() * (1 + usize::from(self.policy.quality))
    }

    /// Two totals of a meter at one time.
    fn ambiguous(&self, meter: usize, field: &str, time: i64) -> Error {
        let found = Pieces {
            tags: self.tags.iter().map(String::as_str).collect(),
            series: self.series.iter().map(|values| values.iter().map(Option::as_deref).collect()).collect(),
            ..Pieces::default()
        };
        ambiguous(&found, &self.meters[meter].1, field, time)
    }
}

/// One column per field; every row of it has to have a time.
fn columns_of(found: &Pieces<'_>, fields: &[String], kinds: &[(String, DataType)]) -> Result<Vec<FieldColumn>> {
    let names: Vec<&str> = fields.iter().map(String::as_str).collect();
    let is_bare = |piece: &Piece<'_>| names.contains(&piece.field) && matches!(piece.times, Times::Newest);
    if found.list.iter().any(is_bare) {
        return Err(Error::syntax("a table lacks the column \"_time\""));
    }
    columns(found, &names, kinds, EmptyText::Null)
}

fn meters<T: Total>(
    found: &Pieces<'_>,
    field: &str,
    column: &FieldColumn,
    keys: &Keys<'_>,
    policy: &Policy,
) -> Result<Vec<Meter<T>>> {
    let rows = rows(found, field, column, &keys.of, keys.list.len()).into_iter();
    let Some(windows) = &policy.windows else { return Ok(rows.map(Meter::new).collect()) };
    let meter = |rows| Meter::of_points(rows, windows, policy.on_reset == OnReset::Keep);
    let meters: Option<Vec<_>> = rows.map(meter).collect();
    meters.ok_or_else(|| Error::syntax("a point lies outside of the range that was asked for"))
}

/// A field's rules.
fn rules<'a, T: Total>(name: &str, policy: &'a Policy) -> Result<Rules<'a, T>> {
    let grid = policy.grid.as_deref().unwrap_or_default();
    if !grid.is_sorted_by(|one, next| one < next) {
        return Err(Error::input(None, None, "the labels of the grid must ascend").about("grid"));
    }
    let whole = |rollover: f64| {
        let why = || format!("the rollover of a field of integers must be a whole number up to 2^64, not {rollover}");
        T::exactly(rollover).ok_or_else(|| Error::input(None, Some(name), why()).about("rollover"))
    };
    Ok(Rules {
        on_reset: policy.on_reset,
        rollover: of_field(&policy.rollover, name).map(whole).transpose()?,
        max_rate: of_field(&policy.max_rate, name),
        gaps: policy.gaps,
        grid,
        adjacent_since: policy.adjacent_since,
    })
}

fn of_field(list: &[(String, f64)], name: &str) -> Option<f64> {
    list.iter().find(|(field, _)| field == name).map(|(_, value)| *value)
}
