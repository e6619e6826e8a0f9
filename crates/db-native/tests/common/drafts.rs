//! Frames to be written as line protocol, and the points that the server is to store of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, TimestampNanosecondArray};
use db_native::{Duplicates, ErrorKind, Gathered, Layout, Points, Precision, Result, Value};

use super::lines::{FieldValue, Point, parse};
use super::strings;

pub(crate) const PRECISIONS: [(Precision, i64); 4] = [
    (Precision::Nanosecond, 1),
    (Precision::Microsecond, 1_000),
    (Precision::Millisecond, 1_000_000),
    (Precision::Second, 1_000_000_000),
];

pub(crate) fn encode(frame: &RecordBatch, layout: &Layout<'_>, limit: usize) -> Result<Vec<String>> {
    let points = Points::new(frame, layout)?;
    points.check()?;
    let (mut row, mut bodies) = (0, Vec::new());
    while row < points.rows() {
        let mut body = Vec::new();
        row = points.write(row, limit, &mut body);
        bodies.push(String::from_utf8(body).unwrap());
    }
    Ok(bodies)
}

pub(crate) fn frame(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let fields: Vec<_> =
        columns.iter().map(|(name, array)| arrow_schema::Field::new(*name, array.data_type().clone(), true)).collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(Arc::new(arrow_schema::Schema::new(fields)), arrays).unwrap()
}

pub(crate) fn times(times: Vec<i64>) -> ArrayRef {
    Arc::new(TimestampNanosecondArray::from(times).with_timezone("UTC"))
}

/// Whether line protocol, as the server reads it, can carry a text as a name or tag value.
pub(crate) fn fits(text: &str, place: &str) -> bool {
    let lost = match place {
        "tag value" => vec![],
        "tag key" => vec!["\\ "],
        _ => vec!["\\ ", "\\,", "\\=", "\\\""],
    };
    let starts = match place {
        "measurement" => vec!["#", "\t", "\0"],
        "field key" => vec!["\t", "\0"],
        _ => vec![],
    };
    let own = ["time", "_field", "_measurement", "_time", "_value", "_start", "_stop"];
    (place != "tag key" || !own.contains(&text))
        && (place == "tag value" || !text.is_empty())
        && !text.ends_with('\\')
        && !text.contains(['\n', '\r'])
        && !lost.iter().any(|lost| text.contains(lost))
        && !starts.iter().any(|start| text.starts_with(start))
}

/// A column of fields: each row's value, if it has one.
#[derive(Clone, Debug)]
pub(crate) struct Fields(pub(crate) Vec<Option<FieldValue>>, pub(crate) ArrayRef);

/// A frame to write: names, tag columns and field columns by name, constant tags, times.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) measurement: String,
    pub(crate) constant: BTreeMap<String, String>,
    pub(crate) tags: BTreeMap<String, Vec<Option<String>>>,
    pub(crate) strings: strings::Layout,
    pub(crate) fields: BTreeMap<String, Fields>,
    pub(crate) times: Vec<i64>,
    pub(crate) precision: usize,
}

impl Draft {
    pub(crate) fn names_are_distinct(&self) -> bool {
        let tags = self.constant.keys().chain(self.tags.keys());
        tags.clone().all(|name| !self.fields.contains_key(name))
            && self.constant.keys().all(|name| !self.tags.contains_key(name))
            && tags.chain(self.fields.keys()).all(|name| name != "time")
    }

    /// What the server is to store; `None` if it can't.
    fn points(&self) -> Option<Vec<Point>> {
        let has_field = |row: usize| self.fields.values().any(|column| column.0[row].is_some());
        let fit = fits(&self.measurement, "measurement")
            && self.constant.keys().chain(self.tags.keys()).all(|name| fits(name, "tag key"))
            && self.fields.keys().all(|name| fits(name, "field key"))
            && self.constant.values().all(|value| fits(value, "tag value"))
            && self.tags.values().flatten().flatten().all(|value| fits(value, "tag value"))
            && (0..self.times.len()).all(has_field);
        fit.then(|| (0..self.times.len()).map(|row| self.point(row)).collect())
    }

    fn point(&self, row: usize) -> Point {
        let columns = self.tags.iter().filter_map(|(name, values)| Some((name.clone(), values[row].clone()?)));
        let constant = self.constant.iter().map(|(name, value)| (name.clone(), value.clone()));
        let fields = self.fields.iter().filter_map(|(name, column)| Some((name.clone(), column.0[row].clone()?)));
        Point {
            measurement: self.measurement.clone(),
            tags: constant.chain(columns).filter(|(_, value)| !value.is_empty()).collect(),
            fields: fields.collect(),
            time: self.times[row] / PRECISIONS[self.precision].1,
        }
    }

    /// What the server is to store of a row that is a point of its own; `None` if it can't.
    fn single(&self, row: usize) -> Option<Point> {
        let point = self.point(row);
        let fit = fits(&self.measurement, "measurement")
            && self.constant.keys().all(|name| fits(name, "tag key"))
            && self.tags.iter().all(|(name, values)| values[row].is_none() || fits(name, "tag key"))
            && self.constant.values().all(|value| fits(value, "tag value"))
            && self.tags.values().filter_map(|values| values[row].as_ref()).all(|value| fits(value, "tag value"))
            && point.fields.iter().all(|(name, _)| fits(name, "field key"))
            && !point.fields.is_empty();
        fit.then_some(Point { time: self.times[row], ..point })
    }

    fn gather(&self, row: usize, into: &mut Gathered) -> Result<()> {
        into.begin(None)?;
        for (name, values) in &self.tags {
            if let Some(value) = &values[row] {
                into.tag(name, Value::Text(value))?;
            }
        }
        for (name, column) in self.fields.iter().rev() {
            match &column.0[row] {
                Some(FieldValue::Float(value)) => into.field(name, Value::Float(*value))?,
                Some(FieldValue::Integer(value)) => into.field(name, Value::Integer(*value))?,
                Some(FieldValue::Unsigned(value)) => into.field(name, Value::Unsigned(*value))?,
                Some(FieldValue::Boolean(value)) => into.field(name, Value::Boolean(*value))?,
                Some(FieldValue::Text(value)) => into.field(name, Value::Text(value))?,
                None => {}
            }
        }
        into.end(self.times[row])
    }

    /// Checks that each row that is a point of its own arrives as it was, or is refused and leaves nothing behind.
    fn check_singly(&self) {
        let tags: Vec<_> = self.constant.clone().into_iter().collect();
        let Ok(mut gathered) = Gathered::new(Some(&self.measurement), &tags) else {
            assert!((0..self.times.len()).all(|row| self.single(row).is_none()));
            return;
        };
        let mut expected = Vec::new();
        for row in 0..self.times.len() {
            let before = gathered.size();
            match (self.gather(row, &mut gathered), self.single(row)) {
                (Ok(()), Some(mut point)) => {
                    point.fields.sort_by(|one, other| other.0.cmp(&one.0));
                    point.tags.sort();
                    expected.push(point);
                }
                (Err(_), None) => assert_eq!(before, gathered.size()),
                (result, point) => panic!("{result:?}, {point:?}"),
            }
        }
        assert_eq!(expected.len(), gathered.rows());
        let (body, _) = gathered.take();
        let mut points = parse(std::str::from_utf8(&body).unwrap()).unwrap();
        for point in &mut points {
            point.tags.sort();
        }
        assert_eq!(expected, points);
    }

    fn encode(&self, limit: usize) -> Result<Vec<String>> {
        let mut columns: Vec<(&str, ArrayRef)> = vec![("time", times(self.times.clone()))];
        for (name, values) in &self.tags {
            columns.push((name, strings::strings(values, self.strings)));
        }
        columns.extend(self.fields.iter().map(|(name, column)| (name.as_str(), Arc::clone(&column.1))));
        let tag_columns: Vec<String> = self.tags.keys().cloned().collect();
        let tags: Vec<_> = self.constant.clone().into_iter().collect();
        let layout = Layout {
            measurement: &self.measurement,
            tag_columns: &tag_columns,
            time_column: "time",
            tags: &tags,
            precision: PRECISIONS[self.precision].0,
            duplicates: Duplicates::Last,
        };
        encode(&frame(columns), &layout, limit)
    }

    /// Checks that the points arrive as they were, in bodies of at least `limit` bytes, or are refused with reason.
    pub(crate) fn check(&self, limit: usize) {
        self.check_singly();
        match self.encode(limit) {
            Ok(bodies) => {
                let points = parse(&bodies.concat()).unwrap();
                for point in &points {
                    // Constant tags stand before those of columns.
                    let constant = self.constant.values().filter(|value| !value.is_empty()).count();
                    assert!(point.tags[..constant].is_sorted() && point.tags[constant..].is_sorted());
                }
                assert_eq!(self.points(), Some(points));
                assert!(bodies.iter().all(|body| body.ends_with('\n')));
                let enough = |body: &String| body.len() >= limit;
                assert!(bodies.iter().rev().skip(1).all(enough), "{bodies:?}");
            }
            Err(error) => {
                assert!(matches!(error.kind, ErrorKind::Input { .. }), "{error}");
                assert_eq!(self.points(), None, "{error}");
            }
        }
    }
}
