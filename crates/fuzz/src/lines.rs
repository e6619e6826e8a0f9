//! Frames to line protocol, and back by a parser that has the server's own rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use arrow_array::{
    Array, BooleanArray, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, NullArray,
    UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};

use crate::choice::{one, some, text};
use crate::common::drafts::{Draft, Fields, PRECISIONS};
use crate::common::lines::FieldValue;
use crate::common::strings::{Layout, strings};

/// Checks the frame that the bytes choose.
pub fn check(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let Ok(draft) = draft(&mut u) else { return };
    let Ok(limit) = one(&mut u, &[0, 1, 100, 1 << 20].each_ref()) else { return };
    if draft.names_are_distinct() {
        draft.check(*limit);
    }
}

const PARTS: [&str; 17] =
    ["\\", ",", "=", " ", "\"", "a", "b", "é", "🔌", "#", "\t", "\0", "\r", "\n", "i", "_field", "time"];

fn name(u: &mut Unstructured<'_>) -> Result<String> {
    if u.ratio(3, 4)? { Ok(one(u, &["a", "bc", "power", "größe"])?.to_owned()) } else { text(u, &PARTS) }
}

fn draft(u: &mut Unstructured<'_>) -> Result<Draft> {
    let rows = u.int_in_range(0..=5)?;
    let precision = u.choose_index(PRECISIONS.len())?;
    let unit = PRECISIONS[precision].1;
    // The ends of the 64 bits are InfluxDB's own.
    let time = |u: &mut Unstructured<'_>| Ok(u.arbitrary::<i64>()?.clamp(i64::MIN + 2, i64::MAX - 2) / unit * unit);
    let times = (0..rows).map(|_| time(u)).collect::<Result<_>>()?;
    let mut draft = Draft {
        measurement: name(u)?,
        constant: some(u, 2, |u| Ok((name(u)?, name(u)?)))?.into_iter().collect(),
        tags: BTreeMap::new(),
        strings: *u.choose(&Layout::ALL)?,
        fields: BTreeMap::new(),
        times,
        precision,
    };
    draft.tags = some(u, 2, |u| Ok((name(u)?, many(u, rows, name)?)))?.into_iter().collect();
    draft.fields = some(u, 3, |u| Ok((name(u)?, fields(u, rows)?)))?.into_iter().collect();
    draft.fields.insert("v".to_owned(), fields(u, rows)?);
    Ok(draft)
}

fn many<T>(
    u: &mut Unstructured<'_>,
    rows: usize,
    mut make: impl FnMut(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Vec<Option<T>>> {
    (0..rows).map(|_| if u.ratio(1, 8)? { Ok(None) } else { make(u).map(Some) }).collect()
}

fn fields(u: &mut Unstructured<'_>, rows: usize) -> Result<Fields> {
    fn of<T: for<'a> arbitrary::Arbitrary<'a> + Clone, A: Array + From<Vec<Option<T>>> + 'static>(
        u: &mut Unstructured<'_>,
        rows: usize,
        field: fn(T) -> Option<FieldValue>,
    ) -> Result<Fields> {
        #[expect(clippy::redundant_closure_for_method_calls, reason = "the method is of one lifetime only")]
        let values = many(u, rows, |u| u.arbitrary::<T>())?;
        Ok(Fields(values.iter().cloned().map(|value| value.and_then(field)).collect(), Arc::new(A::from(values))))
    }
    fn finite(value: f64) -> f64 {
        if value.is_infinite() { 1e300 } else { value }
    }
    let integer = |value: i64| Some(FieldValue::Integer(value));
    match u.int_in_range(0..=12)? {
        0 => of::<i8, Int8Array>(u, rows, |v| Some(FieldValue::Integer(v.into()))),
        1 => of::<i16, Int16Array>(u, rows, |v| Some(FieldValue::Integer(v.into()))),
        2 => of::<i32, Int32Array>(u, rows, |v| Some(FieldValue::Integer(v.into()))),
        3 => of::<i64, Int64Array>(u, rows, integer),
        4 => of::<u8, UInt8Array>(u, rows, |v| Some(FieldValue::Unsigned(v.into()))),
        5 => of::<u16, UInt16Array>(u, rows, |v| Some(FieldValue::Unsigned(v.into()))),
        6 => of::<u32, UInt32Array>(u, rows, |v| Some(FieldValue::Unsigned(v.into()))),
        7 => of::<u64, UInt64Array>(u, rows, |v| Some(FieldValue::Unsigned(v))),
        8 => {
            let values = many(u, rows, |u| Ok(f32::from(u.arbitrary::<i16>()?) / 3.0))?;
            let fields = values.iter().map(|value| value.map(|value| FieldValue::Float(value.into())));
            Ok(Fields(fields.collect(), Arc::new(Float32Array::from(values))))
        }
        9 => {
            let values = many(u, rows, |u| u.arbitrary().map(finite))?;
            // A NaN is no value.
            let fields = values.iter().map(|value| value.filter(|value| !value.is_nan()).map(FieldValue::Float));
            Ok(Fields(fields.collect(), Arc::new(Float64Array::from(values))))
        }
        10 => of::<bool, BooleanArray>(u, rows, |v| Some(FieldValue::Boolean(v))),
        11 => Ok(Fields(vec![None; rows], Arc::new(NullArray::new(rows)))),
        _ => {
            let values = many(u, rows, |u| text(u, &PARTS))?;
            let array = strings(&values, *u.choose(&Layout::ALL)?);
            Ok(Fields(values.into_iter().map(|value| value.map(FieldValue::Text)).collect(), array))
        }
    }
}
