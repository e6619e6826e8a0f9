//! Aggregates of windows, worked out from the points themselves.
//!
//! `InfluxDB`'s storage engine works out counts, sums, means, extremes, first and
//! last points by itself. For every other function it passes all points to the
//! query engine. So this module reads the points too, and its results are exact:
//! a quantile of all values instead of an estimate, sums in 128 bits, and one mode
//! where values are equally frequent.
//!
//! It turns an answer of points into an answer of aggregates, table by table. A
//! pivot reads that like an answer that the server aggregated.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::TimestampNanosecondArray;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampNanosecondType, UInt64Type};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, BooleanArray, Float64Array, LargeStringArray, PrimitiveArray};
use arrow_schema::DataType;

use crate::annotated::{Datatype, Schema};
use crate::column::dictionary;
use crate::decoder::{Answer, Form, Group, Table};
use crate::error::{Error, Result};
use crate::lengthen::lengthen;
use crate::unify::type_name;

/// What is computed from the values of a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Function {
    /// The mean, a double.
    Mean,
    /// The most frequent value; the smallest one if several are equally frequent. It has the field's type.
    Mode,
    /// The value below which this share of the values lies, from 0 to 1, a double.
    ///
    /// Between two values it is interpolated, as numpy's and pandas' `quantile` do by default
    /// (method 7 of Hyndman and Fan, "Sample Quantiles in Statistical Packages", 1996).
    Quantile(f64),
    /// The skewness of the values as a population, m3 / m2^(3/2), a double; null where all values are equal.
    Skew,
    /// The standard deviation of a sample, with n - 1, a double; null for one value.
    Stddev,
    /// The sum, of the field's type.
    Sum,
}

/// A function of some fields, and the name of the result that holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// Name of the result.
    pub result: String,
    /// What is computed.
    pub function: Function,
    /// Names of the fields. A table without a column `_field` belongs to each of them.
    pub fields: Vec<String>,
}

/// Adjoining windows.
#[derive(Clone, Copy, Debug)]
pub struct Edges<'a> {
    /// Nanoseconds at which windows begin and end, ascending: one more than there are windows.
    pub edges: &'a [i64],
    /// Whether the start of a window is its time; otherwise its stop is.
    pub label_start: bool,
}

impl Edges<'_> {
    /// The windows that hold points: the time of each, and the rows of its points.
    fn rows(self, times: &[i64]) -> Result<Vec<(i64, Range<usize>)>> {
        if !times.is_sorted() {
            return Err(Error::syntax("the times of a table must ascend"));
        }
        let mut windows = Vec::new();
        let mut row = 0;
        while row < times.len() {
            let next = self.edges.partition_point(|edge| *edge <= times[row]);
            if next == 0 || next == self.edges.len() {
                return Err(Error::syntax("a point lies outside of the range that was asked for"));
            }
            let stop = row + times[row..].partition_point(|time| *time < self.edges[next]);
            windows.push((self.edges[if self.label_start { next - 1 } else { next }], row..stop));
            row = stop;
        }
        Ok(windows)
    }
}

/// Turns points into aggregates of windows: for each table and each function of its field, a table of the
/// windows that hold points.
///
/// Fails with [`ErrorKind::Input`](crate::ErrorKind::Input) where a function can't take a field's type or a
/// sum does not fit in 64 bits, and with [`ErrorKind::Syntax`](crate::ErrorKind::Syntax) where a table has no
/// `_time` or `_value`, or points outside of the windows. Wide groups are taken field by field.
pub fn aggregate(answer: &Answer, edges: Edges<'_>, wanted: &[Aggregate]) -> Result<Answer> {
    if answer.groups.iter().any(|group| group.form == Form::Wide) {
        let is_wanted = |field: &str| wanted.iter().any(|one| one.fields.iter().any(|name| name == field));
        return aggregate(&lengthen(answer, is_wanted)?, edges, wanted);
    }
    let names: ArrayRef = Arc::new(LargeStringArray::from_iter_values(wanted.iter().map(|one| &one.result)));
    let mut out = Answer::default();
    let mut tables_of: Vec<Vec<&Table>> = vec![Vec::new(); answer.groups.len()];
    for table in &answer.tables {
        tables_of[table.group].push(table);
    }
    for (group, tables) in answer.groups.iter().zip(&tables_of) {
        let find = |name: &str| group.schema.columns.iter().skip(2).position(|c| c.name == name).map(|at| at + 2);
        let (Some(time), Some(value)) = (find("_time"), find("_value")) else {
            return Err(Error::syntax("a table of points lacks the column \"_time\" or \"_value\""));
        };
        let times = group.columns[time]
            .as_primitive_opt::<TimestampNanosecondType>()
            .filter(|times| times.null_count() == 0)
            .ok_or_else(|| Error::syntax("column \"_time\" must have a time in every row"))?;
        let fields = find("_field").map(|at| &group.columns[at]);
        let windows = tables
            .iter()
            .map(|table| edges.rows(&times.values()[table.start..table.start + table.rows]))
            .collect::<Result<Vec<_>>>()?;
        let field_of = |table: &Table| fields.map(|column| word(column, table.ordinal).unwrap_or_default());
        for (number, one) in wanted.iter().enumerate() {
            let is_wanted = |field: Option<&str>| field.is_none_or(|field| one.fields.iter().any(|name| name == field));
            let mut labels = Vec::new();
            let mut rows = Vec::new();
            let first = out.tables.len();
            for (table, windows) in tables.iter().zip(&windows).filter(|(table, _)| is_wanted(field_of(table))) {
                out.tables.push(Table {
                    group: out.groups.len(),
                    ordinal: table.ordinal,
                    start: labels.len(),
                    rows: windows.len(),
                });
                labels.extend(windows.iter().map(|(label, _)| *label));
                rows.extend(windows.iter().map(|(_, rows)| table.start + rows.start..table.start + rows.end));
            }
            if first == out.tables.len() {
                continue;
            }
            let of_table = out.tables[first..].iter().find_map(field_of);
            let field = of_table.or(one.fields.first().map(String::as_str)).unwrap_or_default();
            let values = of_windows(&group.columns[value], &rows, one.function, field)?;
            let mut schema = Schema::clone(&group.schema);
            schema.columns[value].datatype = datatype(&values);
            let mut columns = group.columns.clone();
            let code = i32::try_from(number).unwrap_or_default();
            columns[0] = dictionary(vec![code; tables.len()], None, Arc::clone(&names));
            columns[time] = Arc::new(TimestampNanosecondArray::from(labels).with_timezone_opt(times.timezone()));
            columns[value] = values;
            let first_table = group.first_table;
            out.groups.push(Group {
                form: Form::Long,
                schema: Arc::new(schema),
                columns,
                rows: rows.len(),
                first_table,
            });
        }
    }
    Ok(out)
}

fn word(column: &ArrayRef, row: usize) -> Option<&str> {
    let words = column.as_dictionary_opt::<arrow_array::types::Int32Type>()?;
    Some(words.values().as_string::<i64>().value(words.key(row)?))
}

fn datatype(values: &ArrayRef) -> Datatype {
    match values.data_type() {
        DataType::Int64 => Datatype::Long,
        DataType::UInt64 => Datatype::UnsignedLong,
        DataType::Boolean => Datatype::Boolean,
        DataType::LargeUtf8 => Datatype::String,
        _ => Datatype::Double,
    }
}

/// One value per window.
fn of_windows(values: &ArrayRef, windows: &[Range<usize>], function: Function, field: &str) -> Result<ArrayRef> {
    let is_null = |row: &usize| values.is_null(*row);
    let has_nulls = values.null_count() > 0 && values.data_type() != &DataType::LargeUtf8;
    if has_nulls && windows.iter().any(|rows| rows.clone().any(|row| is_null(&row))) {
        return Err(Error::syntax("column \"_value\" must have a value in every row"));
    }
    match (values.data_type(), function) {
        (DataType::Float64, _) => numbers::<Float64Type>(values, windows, function, field),
        (DataType::Int64, _) => numbers::<Int64Type>(values, windows, function, field),
        (DataType::UInt64, _) => numbers::<UInt64Type>(values, windows, function, field),
        (DataType::Boolean, Function::Mode) => {
            let values = values.as_boolean();
            let mode = |rows: &Range<usize>| {
                let set = rows.clone().filter(|row| values.value(*row)).count();
                set > rows.len() - set
            };
            Ok(Arc::new(windows.iter().map(|rows| Some(mode(rows))).collect::<BooleanArray>()))
        }
        (DataType::LargeUtf8, Function::Mode) => {
            let values = values.as_string::<i64>();
            let text = |row: usize| if values.is_null(row) { "" } else { values.value(row) };
            let mode = |rows: &Range<usize>| mode(rows.clone().map(text).collect(), Ord::cmp);
            Ok(Arc::new(windows.iter().map(mode).collect::<LargeStringArray>()))
        }
        (other, _) => {
            let why = format!("has values of type {}, for which this function does not exist", type_name(other));
            Err(Error::input(None, Some(field), why))
        }
    }
}

fn numbers<P>(values: &ArrayRef, windows: &[Range<usize>], function: Function, field: &str) -> Result<ArrayRef>
where
    P: ArrowPrimitiveType,
    P::Native: Number,
{
    let values: &[P::Native] = values.as_primitive::<P>().values();
    let doubles = |of: &dyn Fn(&[P::Native]) -> Option<f64>| -> ArrayRef {
        Arc::new(windows.iter().map(|rows| of(&values[rows.clone()])).collect::<Float64Array>())
    };
    Ok(match function {
        Function::Mean => doubles(&|values| Some(Number::mean(values))),
        Function::Quantile(share) => doubles(&|values| Some(quantile(values.to_vec(), share))),
        Function::Skew => doubles(&skew),
        Function::Stddev => doubles(&stddev),
        Function::Mode => {
            let mode = |rows: &Range<usize>| mode(values[rows.clone()].to_vec(), Number::order);
            Arc::new(windows.iter().map(mode).collect::<PrimitiveArray<P>>())
        }
        Function::Sum => {
            let sum = |rows: &Range<usize>| Number::sum(&values[rows.clone()]);
            let sums = windows.iter().map(sum).collect::<Option<Vec<_>>>();
            let why = "the sum of a window does not fit in 64 bits";
            let sums = sums.ok_or_else(|| Error::input(None, Some(field), why).about("wanted"))?;
            Arc::new(PrimitiveArray::<P>::from_iter_values(sums))
        }
    })
}

/// A number that a field may hold.
trait Number: Copy + PartialEq {
    fn order(&self, other: &Self) -> std::cmp::Ordering;
    /// The nearest double.
    fn double(self) -> f64;
    /// How much more this is than the other, as the nearest double.
    fn less(self, other: Self) -> f64;
    /// The difference of each value to the first one, in a unit in which their cubes neither overflow nor vanish.
    fn distances(values: &[Self]) -> (Vec<f64>, f64);
    /// Halfway between the two.
    fn midpoint(self, other: Self) -> f64;
    fn mean(values: &[Self]) -> f64;
    /// The sum, if it is one of these numbers.
    fn sum(values: &[Self]) -> Option<Self>;
}

#[expect(clippy::cast_precision_loss, reason = "the nearest double is wanted")]
fn count(values: usize) -> f64 {
    values as f64
}

impl Number for f64 {
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        self.total_cmp(other)
    }

    fn double(self) -> f64 {
        self
    }

    fn less(self, other: Self) -> f64 {
        self - other
    }

    fn distances(values: &[Self]) -> (Vec<f64>, f64) {
        let largest = values.iter().fold(Self::MIN_POSITIVE, |largest, value| largest.max(value.abs()));
        // The power of two below it, since a division by a power of two loses no digit.
        let unit = Self::from_bits(largest.to_bits() >> 52 << 52);
        (values.iter().map(|value| value / unit - values[0] / unit).collect(), unit)
    }

    fn midpoint(self, other: Self) -> f64 {
        Self::midpoint(self, other)
    }

    fn mean(values: &[Self]) -> f64 {
        values.iter().sum::<Self>() / count(values.len())
    }

    fn sum(values: &[Self]) -> Option<Self> {
        Some(values.iter().sum())
    }
}

/// Integers are added and subtracted in 128 bits, in which no 2^63 of them overflow.
macro_rules! integer {
    ($kind:ty) => {
        #[expect(clippy::cast_precision_loss, reason = "the nearest double is wanted")]
        impl Number for $kind {
            fn order(&self, other: &Self) -> std::cmp::Ordering {
                self.cmp(other)
            }

            fn double(self) -> f64 {
                self as f64
            }

            fn less(self, other: Self) -> f64 {
                (i128::from(self) - i128::from(other)) as f64
            }

            fn distances(values: &[Self]) -> (Vec<f64>, f64) {
                (values.iter().map(|value| value.less(values[0])).collect(), 1.0)
            }

            fn midpoint(self, other: Self) -> f64 {
                (i128::from(self) + i128::from(other)) as f64 / 2.0
            }

            fn mean(values: &[Self]) -> f64 {
                values.iter().map(|value| i128::from(*value)).sum::<i128>() as f64 / count(values.len())
            }

            fn sum(values: &[Self]) -> Option<Self> {
                Self::try_from(values.iter().map(|value| i128::from(*value)).sum::<i128>()).ok()
            }
        }
    };
}

integer!(i64);
integer!(u64);

/// The most frequent value; the smallest one if several are equally frequent. `None` if there is no value.
fn mode<T: PartialEq>(mut values: Vec<T>, order: fn(&T, &T) -> std::cmp::Ordering) -> Option<T> {
    values.sort_unstable_by(order);
    let longest = values.chunk_by(PartialEq::eq).map(<[T]>::len).max()?;
    let start = values.chunk_by(PartialEq::eq).scan(0, |at, run| {
        let start = *at;
        *at += run.len();
        Some((start, run.len()))
    });
    let (first, _) = start.into_iter().find(|(_, length)| *length == longest)?;
    values.into_iter().nth(first)
}

/// A quantile of at least one value.
fn quantile<T: Number>(mut values: Vec<T>, share: f64) -> f64 {
    let place = share * count(values.len() - 1);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it lies within the values")]
    let index = place.floor() as usize;
    let between = place - place.floor();
    let (_, low, above) = values.select_nth_unstable_by(index, Number::order);
    let low = *low;
    let Some(high) = above.iter().copied().min_by(Number::order).filter(|_| between > 0.0) else {
        return low.double();
    };
    let distance = high.less(low);
    if share.to_bits() == 0.5_f64.to_bits() {
        low.midpoint(high) // a median
    } else if distance.is_infinite() {
        low.double() * (1.0 - between) + high.double() * between
    } else if between < 0.5 {
        low.double() + distance * between
    } else {
        high.double() - distance * (1.0 - between)
    }
}

/// The distances of the values from their mean, and their unit; `None` if all values are equal.
///
/// The first value is subtracted before the mean is computed, which keeps the digits of large integers.
fn deviations<T: Number>(values: &[T]) -> (Vec<f64>, f64) {
    if values.iter().all(|value| *value == values[0]) {
        return (Vec::new(), 1.0);
    }
    let (mut distances, unit) = T::distances(values);
    // Twice: the second time removes what rounding left of the mean the first time.
    for _ in 0..2 {
        let mean = distances.iter().sum::<f64>() / count(distances.len());
        for distance in &mut distances {
            *distance -= mean;
        }
    }
    (distances, unit)
}

fn stddev<T: Number>(values: &[T]) -> Option<f64> {
    let (distances, unit) = deviations(values);
    // An empty sum is -0 in Rust.
    let squares = distances.iter().fold(0.0, |sum, distance| sum + distance * distance);
    (values.len() > 1).then(|| (squares / count(values.len() - 1)).sqrt() * unit)
}

fn skew<T: Number>(values: &[T]) -> Option<f64> {
    let (distances, _) = deviations(values);
    let moment = |power| distances.iter().map(|distance| distance.powi(power)).sum::<f64>() / count(distances.len());
    (!distances.is_empty()).then(|| moment(3) / moment(2).powf(1.5))
}
