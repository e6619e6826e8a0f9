//! Arrow columns to InfluxDB line protocol.
//!
//! [`Points::new`] settles everything that holds for all rows: names, escaped
//! once, and typed columns. [`Points::check`] finds the first row that can't be
//! sent, so nothing is sent if there is one. [`Points::write`] then writes rows
//! into bodies. Syntax: InfluxDB 2 documentation, "Line protocol"; what the
//! server does beyond it was tried on InfluxDB 2.9.1 and is noted below.

use std::ops::Range;

use arrow_array::{Array, ArrayRef, RecordBatch};

use crate::cells::{Cells, times};
use crate::duplicates::{Overwritten, numbers, overwritten};
use crate::error::{Error, Result};
use crate::spelling::{Role, check_tag_key, quote};
use crate::texts::Texts;
use crate::timestamp;

/// Most bytes of a point's measurement, tags and longest field key in line protocol. The server adds four bytes.
pub(crate) const LONGEST_KEY: usize = 65_535 - 4;

/// Nanoseconds since the epoch. The server reserves both ends of the 64 bits, and no range finds the last but one.
pub(crate) const TIMES: Range<i64> = i64::MIN + 2..i64::MAX - 1;

/// How many columns a message names of those that may distinguish series.
const MOST_NAMED: usize = 3;

/// Unit of the written timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Nanoseconds.
    Nanosecond,
    /// Microseconds.
    Microsecond,
    /// Milliseconds.
    Millisecond,
    /// Seconds.
    Second,
}

impl Precision {
    const fn nanos(self) -> i64 {
        match self {
            Self::Nanosecond => 1,
            Self::Microsecond => 1_000,
            Self::Millisecond => 1_000_000,
            Self::Second => 1_000_000_000,
        }
    }
}

/// What to do about rows that have the same tags and time and different values of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicates {
    /// They can't be written.
    Error,
    /// The server keeps the value of the last row.
    Last,
}

/// The roles of the columns, and how points are written.
#[derive(Clone, Debug)]
pub struct Layout<'a> {
    /// The measurement of all points.
    pub measurement: &'a str,
    /// Columns written as tags; all others but the time are fields.
    pub tag_columns: &'a [String],
    /// The column of timestamps.
    pub time_column: &'a str,
    /// Tags that all points carry, as key and value.
    pub tags: &'a [(String, String)],
    /// Unit of the timestamps.
    pub precision: Precision,
    /// What to do about rows that overwrite each other.
    pub duplicates: Duplicates,
}

/// A frame ready to be written as points.
#[derive(Debug)]
pub struct Points {
    /// Measurement and constant tags, escaped.
    head: Vec<u8>,
    tags: Vec<TagColumn>,
    fields: Vec<FieldColumn>,
    time_name: String,
    times: Vec<Option<i64>>,
    per_tick: i64,
    duplicates: Duplicates,
}

impl Points {
    /// Reads the layout; fails where a name or a column's type can't be written.
    pub fn new(frame: &RecordBatch, layout: &Layout<'_>) -> Result<Self> {
        Self::of(frame, layout).map_err(|error| error.about("frame"))
    }

    fn of(frame: &RecordBatch, layout: &Layout<'_>) -> Result<Self> {
        let names: Vec<&str> = frame.schema_ref().fields().iter().map(|field| field.name().as_str()).collect();
        let tag_columns = layout.tag_columns.iter().map(|name| ("tag_columns", name.as_str()));
        for (argument, wanted) in tag_columns.chain([("time_column", layout.time_column)]) {
            if !names.contains(&wanted) {
                let reason = format!("there is no such column; the columns are {}", names.join(", "));
                return Err(Error::input(None, Some(wanted), reason).about(argument));
            }
        }
        if layout.tag_columns.iter().any(|tag| tag == layout.time_column) {
            let reason = "the time column can't be a tag; leave it out of tag_columns";
            return Err(Error::input(None, Some(layout.time_column), reason).about("tag_columns"));
        }
        let mut points = Self {
            head: head(layout)?,
            tags: Vec::new(),
            fields: Vec::new(),
            time_name: layout.time_column.to_owned(),
            times: Vec::new(),
            per_tick: layout.precision.nanos(),
            duplicates: layout.duplicates,
        };
        for (index, column) in frame.columns().iter().enumerate() {
            let name = names[index];
            if names[..index].contains(&name) {
                return Err(Error::input(
                    None,
                    Some(name),
                    "two columns have this name, counting the levels of the index; rename one",
                ));
            }
            if name == layout.time_column {
                points.times = times(name, column.as_ref())?;
            } else if layout.tag_columns.iter().any(|tag| tag == name) {
                points.tags.push(TagColumn::new(name, column)?);
            } else if layout.tags.iter().any(|(key, _)| key == name) {
                let reason =
                    "a field and a constant tag have this name, and no read can tell the two apart; rename one";
                return Err(Error::input(None, Some(name), reason).about("tags"));
            } else {
                points.fields.push(FieldColumn::new(name, column)?);
            }
        }
        // Sorted tags save the server the sorting.
        points.tags.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(points)
    }

    /// Number of points.
    pub fn rows(&self) -> usize {
        self.times.len()
    }

    /// The points' times; nanoseconds since the epoch.
    pub fn times(&self) -> impl Iterator<Item = Option<i64>> {
        self.times.iter().copied()
    }

    /// Finds a row that can't be written; nothing is written before all rows pass.
    pub fn check(&self) -> Result<()> {
        let mut first = None;
        self.inspect_rows(&mut |error| {
            first.get_or_insert(error);
        });
        first.or_else(|| self.overwritten().next()).map_or(Ok(()), |error| Err(error.about("frame")))
    }

    /// Reports everything that can't be written: values by column, rows without a field, tags, times, and rows that
    /// overwrite each other.
    pub fn inspect(&self, tell: &mut dyn FnMut(Error)) {
        self.inspect_rows(tell);
        self.overwritten().for_each(tell);
    }

    /// Reports faults of single rows, which do not depend on other rows.
    fn inspect_rows(&self, tell: &mut dyn FnMut(Error)) {
        let mut has_field = vec![false; self.rows()];
        for column in &self.fields {
            let mut refuse = |row, why| tell(Error::input(Some(row), Some(&column.name), why));
            column.cells.mark_values(&mut has_field, &mut refuse);
        }
        for (row, _) in has_field.iter().enumerate().filter(|(_, has)| !**has) {
            tell(Error::input(Some(row), None, "no field has a value; a point needs at least one"));
        }
        for column in &self.tags {
            column.inspect(self.rows(), tell);
        }
        self.inspect_keys(tell);
        for (row, time) in self.times.iter().enumerate() {
            let why = match time {
                None => "a point needs a time".to_owned(),
                Some(time) if !TIMES.contains(time) => {
                    format!("{time} ns lies outside InfluxDB's times, 1677-09-21 to 2262-04-11")
                }
                Some(time) if time % self.per_tick != 0 => {
                    format!("{time} ns is not a whole number of the precision's {} ns", self.per_tick)
                }
                Some(_) => continue,
            };
            tell(Error::input(Some(row), Some(&self.time_name), why));
        }
    }

    /// Faults for rows that a later row with the same tags and time would overwrite, if that is an error.
    fn overwritten(&self) -> impl Iterator<Item = Error> {
        let series = || {
            let number = |series: Option<Vec<u32>>, tag: &TagColumn| {
                let tags = tag.numbers(self.rows());
                Some(match series {
                    None => tags,
                    Some(series) => numbers(self.rows(), |row| Some((series[row], tags[row]))),
                })
            };
            self.tags.iter().fold(None, number).unwrap_or_else(|| vec![0; self.rows()])
        };
        let fields: Vec<&Cells> = self.fields.iter().map(|field| &field.cells).collect();
        let lost = match self.duplicates {
            Duplicates::Error => overwritten(&self.times, series, &fields),
            Duplicates::Last => Vec::new(),
        };
        lost.into_iter().map(|lost| self.refusal(lost))
    }

    fn refusal(&self, Overwritten { row, by, field }: Overwritten) -> Error {
        let time = timestamp::write(self.times[row].unwrap_or_default());
        let texts = self.fields.iter().filter(|field| field.cells.texts_differ(row, by));
        let names: Vec<String> = texts.take(MOST_NAMED).map(|field| format!("{:?}", field.name)).collect();
        let tags = match names.as_slice() {
            [] => "If they are of different series, add the column that tells these apart".to_owned(),
            [name] => format!("If {name} tells series apart, add it"),
            [names @ .., last] => format!("If {} or {last} tells series apart, add it", names.join(", ")),
        };
        let why = format!(
            "row {by} has the same tags and time, {time}, and another value, and InfluxDB keeps only the last. \
             {tags} to tag_columns; to keep the last value, set duplicates to \"last\""
        );
        Error::input(Some(row), Some(&self.fields[field].name), why)
    }

    /// Reports rows whose series key is too long. Rows are only inspected if one of them may be too long.
    fn inspect_keys(&self, tell: &mut dyn FnMut(Error)) {
        // Of a field's `,key=`.
        let name = |field: &FieldColumn| field.key.len() - 2;
        let field = self.fields.iter().map(name).max().unwrap_or(0);
        if self.head.len() + self.tags.iter().map(TagColumn::longest).sum::<usize>() + field <= LONGEST_KEY {
            return;
        }
        let mut names = vec![0; self.rows()];
        for field in &self.fields {
            let mut has_value = vec![false; self.rows()];
            field.cells.mark_values(&mut has_value, &mut |_, _| {});
            for (longest, _) in names.iter_mut().zip(has_value).filter(|(_, has)| *has) {
                *longest = name(field).max(*longest);
            }
        }
        let mut key = Vec::new();
        for (row, name) in names.into_iter().enumerate() {
            key.clear();
            self.write_key(row, &mut key);
            let length = key.len() + name;
            if length > LONGEST_KEY {
                let why = format!(
                    "measurement, tags and a field key have {length} bytes; InfluxDB stores at most {LONGEST_KEY}"
                );
                tell(Error::input(Some(row), None, why));
            }
        }
    }

    /// Appends the rows from `row` on as lines until `body` has `limit` bytes; returns the next row.
    ///
    /// At least one row is written. Rows must have passed [`check`](Self::check).
    pub fn write(&self, mut row: usize, limit: usize, body: &mut Vec<u8>) -> usize {
        while row < self.rows() {
            self.write_row(row, body);
            row += 1;
            if body.len() >= limit {
                break;
            }
        }
        row
    }

    /// Appends one row as a line.
    pub fn write_row(&self, row: usize, body: &mut Vec<u8>) {
        self.write_key(row, body);
        let mut separator = b' ';
        for field in &self.fields {
            if field.write(row, separator, body) {
                separator = b',';
            }
        }
        body.push(b' ');
        let ticks = self.times[row].unwrap_or_default() / self.per_tick;
        body.extend_from_slice(itoa::Buffer::new().format(ticks).as_bytes());
        body.push(b'\n');
    }

    /// Appends measurement and tags.
    #[inline]
    fn write_key(&self, row: usize, body: &mut Vec<u8>) {
        body.extend_from_slice(&self.head);
        for tag in &self.tags {
            tag.write(row, body);
        }
    }
}

/// Measurement and constant tags as every line begins.
fn head(layout: &Layout<'_>) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    Role::Measurement.write(layout.measurement, &mut head).map_err(|error| error.about("measurement"))?;
    constant_tags(layout, &mut head).map_err(|error| error.about("tags"))?;
    Ok(head)
}

fn constant_tags(layout: &Layout<'_>, head: &mut Vec<u8>) -> Result<()> {
    let mut tags = layout.tags.to_vec();
    tags.sort();
    for (index, (key, value)) in tags.iter().enumerate() {
        check_tag_key(key)?;
        if layout.tag_columns.contains(key) || index > 0 && tags[index - 1].0 == *key {
            return Err(Error::input(
                None,
                Some(key),
                "this tag is given twice, as a constant one or as a column; give it once",
            ));
        }
        let before = head.len();
        head.push(b',');
        Role::TagKey.write(key, head)?;
        head.push(b'=');
        Role::TagValue.write(value, head)?;
        if value.is_empty() {
            // An empty tag is an absent one.
            head.truncate(before);
        }
    }
    Ok(())
}

/// A column written as a tag.
#[derive(Debug)]
struct TagColumn {
    name: String,
    /// `,key=`
    key: Vec<u8>,
    cells: TagCells,
}

#[derive(Debug)]
enum TagCells {
    /// A dictionary: the whole `,key=word` for each word, or nothing for an empty word.
    Words {
        texts: Texts,
        tags: Vec<Vec<u8>>,
    },
    Cells(Cells),
}

impl TagColumn {
    fn new(name: &str, column: &ArrayRef) -> Result<Self> {
        check_tag_key(name)?;
        let mut key = vec![b','];
        Role::TagKey.write(name, &mut key)?;
        key.push(b'=');
        let cells = match Cells::of(name, column.as_ref())? {
            // pandas has this type for a column of nulls.
            Cells::Double(values) if values.iter().flatten().all(f64::is_nan) => TagCells::Cells(Cells::Nothing),
            Cells::Double(_) => {
                let reason = "a tag is a string, an integer or a boolean, not a float";
                return Err(Error::input(None, Some(name), reason));
            }
            Cells::Text(texts) => {
                let tags = texts.words().map(|words| words.map(|word| written(&key, word)).collect());
                match tags {
                    Some(tags) => TagCells::Words { texts, tags },
                    None => TagCells::Cells(Cells::Text(texts)),
                }
            }
            cells => TagCells::Cells(cells),
        };
        Ok(Self { name: name.to_owned(), key, cells })
    }

    /// Reports rows whose text can't be written.
    fn inspect(&self, rows: usize, tell: &mut dyn FnMut(Error)) {
        let texts = match &self.cells {
            TagCells::Words { texts, .. } => {
                // Rows are only inspected if a word has a fault.
                let faulty = |word: Option<&str>| word.and_then(|word| Role::TagValue.refusal(word)).is_some();
                if !texts.words().into_iter().flatten().any(faulty) {
                    return;
                }
                texts
            }
            TagCells::Cells(Cells::Text(texts)) => texts,
            TagCells::Cells(_) => return,
        };
        for row in 0..rows {
            if let Some(reason) = texts.get(row).and_then(|text| Role::TagValue.refusal(text)) {
                tell(Error::input(Some(row), Some(&self.name), reason));
            }
        }
    }

    /// A number for each row, the same where the tag is; 0 where there is none.
    fn numbers(&self, rows: usize) -> Vec<u32> {
        let cells = match &self.cells {
            TagCells::Words { texts, tags } => {
                // A dictionary may hold a word twice.
                let words = numbers(tags.len(), |word| Some(&tags[word]).filter(|tag| !tag.is_empty()));
                return (0..rows).map(|row| texts.word(row).map_or(0, |word| words[word])).collect();
            }
            TagCells::Cells(cells) => cells,
        };
        match cells {
            Cells::Text(texts) => numbers(rows, |row| texts.get(row).filter(|text| !text.is_empty())),
            Cells::Long(values) => numbers(rows, |row| values.is_valid(row).then(|| values.value(row))),
            Cells::UnsignedLong(values) => numbers(rows, |row| values.is_valid(row).then(|| values.value(row))),
            Cells::Boolean(values) => numbers(rows, |row| values.is_valid(row).then(|| values.value(row))),
            // A tag is no float.
            Cells::Double(_) | Cells::Nothing => vec![0; rows],
        }
    }

    /// At most so many bytes are written for a row.
    fn longest(&self) -> usize {
        let text = match &self.cells {
            TagCells::Words { tags, .. } => return tags.iter().map(Vec::len).max().unwrap_or(0),
            TagCells::Cells(Cells::Text(texts)) => texts.longest(),
            TagCells::Cells(_) => 20,
        };
        self.key.len() + 2 * text
    }

    fn write(&self, row: usize, body: &mut Vec<u8>) {
        match &self.cells {
            TagCells::Words { texts, tags } => {
                if let Some(word) = texts.word(row) {
                    body.extend_from_slice(&tags[word]);
                }
            }
            TagCells::Cells(Cells::Text(texts)) => match texts.get(row) {
                Some(text) if !text.is_empty() => {
                    body.extend_from_slice(&self.key);
                    Role::TagValue.escape(text, body);
                }
                _ => {}
            },
            TagCells::Cells(cells) => {
                cells.write(row, &self.key, "", "", body);
            }
        }
    }
}

/// The tag `,key=word`; nothing for an empty word.
fn written(key: &[u8], word: Option<&str>) -> Vec<u8> {
    let mut tag = Vec::new();
    if let Some(word) = word.filter(|word| !word.is_empty()) {
        tag.extend_from_slice(key);
        Role::TagValue.escape(word, &mut tag);
    }
    tag
}

/// A column written as a field.
#[derive(Debug)]
struct FieldColumn {
    name: String,
    /// A comma, or the space before the first field, and `key=`.
    key: Vec<u8>,
    cells: Cells,
}

impl FieldColumn {
    fn new(name: &str, column: &ArrayRef) -> Result<Self> {
        if name == "time" {
            let reason = "InfluxDB refuses a field of this name; rename it, or make it the time column";
            return Err(Error::input(None, Some(name), reason));
        }
        let mut key = vec![b','];
        Role::FieldKey.write(name, &mut key)?;
        key.push(b'=');
        Ok(Self { name: name.to_owned(), key, cells: Cells::of(name, column.as_ref())? })
    }

    /// Writes the field after `separator`, if the row has a value.
    fn write(&self, row: usize, separator: u8, body: &mut Vec<u8>) -> bool {
        let before = body.len();
        let written = match &self.cells {
            Cells::Text(texts) => texts.get(row).is_some_and(|text| {
                body.extend_from_slice(&self.key);
                body.push(b'"');
                quote(text, body);
                body.push(b'"');
                true
            }),
            cells => cells.write(row, &self.key, "i", "u", body),
        };
        if written {
            body[before] = separator;
        }
        written
    }
}
