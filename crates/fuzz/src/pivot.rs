//! Tables of a read through the pivot, against its naive twin.

use arbitrary::{Result, Unstructured};
use db_native::{EmptyText, Levels, Pivot};

use crate::choice::{one, some};
use crate::common::plain::Value;
use crate::common::reads::{Table, Tags};
use crate::common::wide;

/// Checks the read that the bytes choose.
pub fn check(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let (Ok(spec), Ok(slices)) = (spec(&mut u), slices(&mut u)) else { return };
    assert_eq!(wide::twin(&slices, &spec), wide::pivot(&slices, &spec), "{spec:?} {slices:?}");
}

const FIELDS: [&str; 4] = ["power", "state", "total", "absent"];
const TAGS: [(&str, &[&str]); 4] =
    [("meter", &["m1", "m2", "m3"]), ("site", &["a", "b"]), ("unit", &["kWh", ""]), ("zone", &[""])];

fn spec(u: &mut Unstructured<'_>) -> Result<Pivot> {
    let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let fields = if u.arbitrary()? { Some(owned(some(u, 4, |u| one(u, &FIELDS))?)) } else { None };
    let levels = if u.arbitrary()? {
        let mut names = some(u, 3, |u| one(u, &["meter", "site", "unit", "zone", "nowhere"]))?;
        names.sort_unstable();
        names.dedup();
        Levels::Named(owned(names))
    } else {
        Levels::Differing
    };
    Ok(Pivot {
        fields,
        levels,
        tag_columns: u.arbitrary()?,
        empty_text: if u.arbitrary()? { EmptyText::Empty } else { EmptyText::Null },
        kinds: Vec::new(),
        tz: one(u, &["UTC", "Europe/Lisbon"])?.to_owned(),
        axis: Vec::new(),
        zeros: Vec::new(),
        spreads: Vec::new(),
        renamed: Vec::new(),
    })
}

fn slices(u: &mut Unstructured<'_>) -> Result<Vec<Vec<Table>>> {
    let mut number = 0;
    some(u, 3, |u| {
        number += 1;
        // Slices may hold times of their own, as those of a read do, or meet.
        let first = if u.arbitrary()? { number * 1_000 } else { 0 };
        some(u, 6, |u| table(u, first))
    })
}

fn table(u: &mut Unstructured<'_>, first: i64) -> Result<Table> {
    let mut tags = Tags::new();
    for (name, values) in TAGS {
        if u.ratio(2, 3)? {
            tags.insert(name, one(u, values)?);
        }
    }
    let field = one(u, &FIELDS[..3])?;
    // A field mostly has its own type.
    let usual = ["double", "string", "long"][FIELDS.iter().position(|name| *name == field).expect("one of them")];
    let datatype = if u.ratio(7, 8)? { usual } else { one(u, &["unsignedLong", "long", "boolean", "double"])? };
    // An aggregate over all the range has no time; a table of times alone has no values.
    let kind = if u.ratio(6, 8)? { 0 } else { u.int_in_range(1..=2)? };
    let rows = (0..u.int_in_range(1..=5)?).map(|_| {
        let time = if u.ratio(1, 30)? { u.arbitrary()? } else { first + i64::from(u.arbitrary::<u8>()? % 16) };
        let value = if u.ratio(1, 8)? { Value::Null } else { value(u, datatype)? };
        Ok(((kind != 1).then_some(time), if kind == 2 { Value::Null } else { value }))
    });
    let rows = rows.collect::<Result<Vec<_>>>()?;
    let rows = if kind == 1 { rows.into_iter().take(1).collect() } else { rows };
    Ok(Table { tags, field: Some(field), datatype: (kind != 2).then_some(datatype), rows })
}

fn value(u: &mut Unstructured<'_>, datatype: &str) -> Result<Value> {
    Ok(match datatype {
        "string" => Value::text(one(u, &["on", "off", "größe"])?),
        "boolean" => Value::Boolean(u.arbitrary()?),
        "long" => Value::Long(if u.ratio(9, 10)? { u.arbitrary::<i8>()?.into() } else { u.arbitrary()? }),
        "unsignedLong" => {
            Value::UnsignedLong(if u.ratio(9, 10)? { u.arbitrary::<u8>()?.into() } else { u.arbitrary()? })
        }
        _ => Value::double(f64::from(u.arbitrary::<i16>()?) / 8.0),
    })
}

/// A pivot of every field and tag of an answer of which nothing is known.
pub(crate) fn every_field() -> Pivot {
    Pivot {
        fields: None,
        levels: Levels::Differing,
        tag_columns: true,
        empty_text: EmptyText::Empty,
        kinds: Vec::new(),
        tz: "UTC".to_owned(),
        axis: Vec::new(),
        zeros: Vec::new(),
        spreads: Vec::new(),
        renamed: Vec::new(),
    }
}
