//! Meter differences against a naive twin.

use std::sync::Arc;

use crate::common::cases;
use crate::common::plain::{Value, values};
use crate::common::strings::{Layout, strings};
use arrow_array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray, UInt64Array,
};
use db_native::{ErrorKind, differences};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// The totals of one column.
#[derive(Clone, Debug)]
enum Totals {
    Double(Vec<Option<f64>>),
    Long(Vec<Option<i64>>),
    UnsignedLong(Vec<Option<u64>>),
}

impl Totals {
    fn array(&self) -> ArrayRef {
        match self {
            Self::Double(totals) => Arc::new(Float64Array::from(totals.clone())),
            Self::Long(totals) => Arc::new(Int64Array::from(totals.clone())),
            Self::UnsignedLong(totals) => Arc::new(UInt64Array::from(totals.clone())),
        }
    }

    /// The naive difference: for each row, look back for the last total of its series.
    ///
    /// `None` if an integer does not fit.
    fn twin(&self, series: &[usize]) -> Option<Vec<Value>> {
        fn look_back<T: Copy>(totals: &[Option<T>], series: &[usize], row: usize) -> Option<(T, T)> {
            let mut before = (0..row).rev().filter(|earlier| series[*earlier] == series[row]);
            Some((totals[row]?, before.find_map(|earlier| totals[earlier])?))
        }
        let rows = 0..series.len();
        match self {
            Self::Double(totals) => {
                let pairs = rows.map(|row| look_back(totals, series, row));
                Some(pairs.map(|pair| pair.map_or(Value::Null, |(now, before)| Value::double(now - before))).collect())
            }
            Self::Long(totals) => rows.map(|row| wide(look_back(totals, series, row))).collect(),
            Self::UnsignedLong(totals) => rows.map(|row| wide(look_back(totals, series, row))).collect(),
        }
    }
}

fn wide<T: Into<i128>>(pair: Option<(T, T)>) -> Option<Value> {
    let Some((now, before)) = pair else { return Some(Value::Null) };
    Some(Value::Long(i64::try_from(now.into() - before.into()).ok()?))
}

fn totals(rows: usize) -> impl Strategy<Value = Totals> {
    prop_oneof![
        3 => vec(option::weighted(0.8, 0.0..1e6), rows).prop_map(Totals::Double),
        1 => vec(option::weighted(0.8, any::<f64>()), rows).prop_map(Totals::Double),
        3 => vec(option::weighted(0.8, (1_i64 << 53)..(1 << 54)), rows).prop_map(Totals::Long),
        1 => vec(option::weighted(0.8, any::<i64>()), rows).prop_map(Totals::Long),
        3 => vec(option::weighted(0.8, 0..1_000_u64), rows).prop_map(Totals::UnsignedLong),
        1 => vec(option::weighted(0.8, any::<u64>()), rows).prop_map(Totals::UnsignedLong),
    ]
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn differences_are_what_the_twin_finds(
        (series, columns) in vec(0..4_usize, 0..20).prop_flat_map(|mut series| {
            series.sort_unstable();
            let rows = series.len();
            (Just(series), vec(totals(rows), 0..3))
        }),
        layout in select(Layout::ALL.to_vec()),
    ) {
        let times: TimestampNanosecondArray = (0_i64..).take(series.len()).map(Some).collect();
        // Series 0 has no name.
        let names: Vec<_> = series.iter().map(|series| (*series > 0).then(|| format!("m{series}"))).collect();
        let mut named = vec![("meter".to_owned(), strings(&names, layout)), ("time".to_owned(), Arc::new(times) as _)];
        named.extend(columns.iter().enumerate().map(|(index, totals)| (format!("total{index}"), totals.array())));
        let frame = RecordBatch::try_from_iter(named).unwrap();
        let expected: Option<Vec<Vec<Value>>> = columns.iter().map(|totals| totals.twin(&series)).collect();
        match differences(&frame, &[0, 1]) {
            Ok(found) => {
                prop_assert_eq!(&frame.columns()[..2], &found.columns()[..2]);
                let found: Vec<_> = found.columns()[2..].iter().map(|column| values(column.as_ref())).collect();
                prop_assert_eq!(expected, Some(found));
            }
            Err(error) => {
                prop_assert_eq!(expected, None);
                let in_a_row = matches!(error.kind, ErrorKind::Input { row: Some(_), column: Some(_), .. });
                prop_assert!(in_a_row, "{}", error);
            }
        }
    }
}

#[test]
fn consumption_by_hand() {
    let meters: ArrayRef = Arc::new(StringArray::from(vec!["a", "a", "a", "b", "b"]));
    let totals: ArrayRef = Arc::new(Float64Array::from(vec![Some(10.0), None, Some(12.5), Some(1.0), Some(4.0)]));
    let frame = RecordBatch::try_from_iter([("meter", meters), ("kwh", totals)]).unwrap();
    let found = differences(&frame, &[0]).unwrap();
    let expected = [Value::Null, Value::Null, Value::double(2.5), Value::Null, Value::double(3.0)];
    assert_eq!(expected.to_vec(), values(found.column(1).as_ref()));
}

#[test]
fn what_has_no_difference_is_told_by_name() {
    let message = |column: ArrayRef| {
        let frame = RecordBatch::try_from_iter([("kwh", column)]).unwrap();
        differences(&frame, &[]).unwrap_err().to_string()
    };
    assert_eq!(
        "column \"kwh\": consumption needs a float64, int64 or uint64 total, not Utf8",
        message(Arc::new(StringArray::from(vec!["a"])))
    );
    assert_eq!(
        "column \"kwh\", row 1: the difference does not fit in 64 bits",
        message(Arc::new(Int64Array::from(vec![i64::MIN, i64::MAX])))
    );
    let frame = RecordBatch::try_from_iter([("kwh", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
    assert_eq!("there is no column 1", differences(&frame, &[1]).unwrap_err().to_string());
}
