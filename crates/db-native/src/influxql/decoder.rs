//! Walks through the messages.
//!
//! The idea, in short:
//!
//! ```text
//! feed(bytes):  after the kept rest of the last call, as often as a unit is all here:
//!                   close the arrays and maps that are at their end
//!                   the unit is a header, or a key and its value, or a row -> take it in
//!               keep what is not yet a whole unit
//! ```
//!
//! The value of `results`, `series` and `values` is only the header of an array, so a unit is small, and nothing
//! nests deeper than the shape in `mod.rs`. Rows that follow one another go straight into columns (`Builder::read`);
//! the first that does not fit there, or is not all here, is read as a unit.

use super::groups::{Groups, Head};
use super::msgpack::{Cursor, Read, Stop, few, wrong};
use crate::annotated::Datatype;
use crate::decoder::{Answer, EndMark, Table};
use crate::error::{Error, ErrorKind, Position, Result, excerpt};
use crate::scan::LONGEST_RECORD;

/// Where in a message the next unit stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Before a message.
    #[default]
    Message,
    /// Before a result.
    Result,
    /// Before a key of a result.
    ResultKey,
    /// Before a series.
    Series,
    /// Before a key of a series.
    SeriesKey,
    /// Before a row.
    Row,
}

/// Where the rows of the series so far are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Progress {
    /// There are none.
    #[default]
    Nowhere,
    /// In a table that others do not join: of a batch that was taken, or of another group.
    Elsewhere,
    /// In the last table.
    Here,
}

/// The keys of a map that are still to come, and the last one that came.
#[derive(Clone, Copy, Debug, Default)]
struct Keys {
    left: u32,
    /// One more than the last key's number in the order in which keys come.
    next: usize,
}

const RESULT_KEYS: [&str; 4] = ["statement_id", "messages", "series", "partial"];
const SERIES_KEYS: [&str; 5] = ["name", "tags", "columns", "values", "partial"];

impl Keys {
    /// Reads a key, which must come after the last one in the order of `names`; returns its number.
    fn read(self, cursor: &mut Cursor<'_>, of: &str, names: &[&'static str]) -> Read<usize> {
        let start = cursor.at();
        let key = cursor.text("a key")?;
        match names.iter().position(|name| *name == key) {
            Some(number) if number >= self.next => Ok(number),
            Some(_) => Err(wrong(start, format!("the key {key:?} of a {of} comes twice or in another order"))),
            None => {
                let key = excerpt(key.as_bytes());
                Err(wrong(start, format!("unknown key {key:?} of a {of}, known are {}", names.join(", "))))
            }
        }
    }

    fn passed(self, number: usize) -> Self {
        Self { left: self.left - 1, next: number + 1 }
    }
}

fn lacks(of: &str, key: &str) -> String {
    format!("a {of} lacks the key {key:?}")
}

/// Push decoder of InfluxQL's answers in msgpack: [`feed`](Self::feed) bytes split anywhere, then
/// [`finish`](Self::finish).
///
/// Each series is a table of the answer. Its columns are `_measurement`, the series' name; its tags, null where the
/// value is empty; and the columns of its rows, of which `time` is a timestamp.
#[derive(Debug, Default)]
pub struct SeriesDecoder {
    /// Bytes of a unit that is not all here yet.
    pending: Vec<u8>,
    /// Length of `pending` from which on it is looked at.
    due: usize,
    /// Offset in the answer of the first byte not yet decoded.
    offset: usize,
    place: Place,
    /// Elements of the arrays that are still to come.
    results: u32,
    series: u32,
    rows: u32,
    result_keys: Keys,
    series_keys: Keys,
    /// Number of the last result's statement.
    statement: Option<u64>,
    /// The last result said that more of its statement come.
    is_partial: bool,
    /// The last series said that more of its rows come.
    is_open: bool,
    /// The series that is being read, and the one before.
    head: Head,
    last: Head,
    groups: Groups,
    /// The series' group, once that was needed.
    group: Option<usize>,
    progress: Progress,
    tables: Vec<Table>,
    /// Tables begun so far, over the whole answer.
    begun: usize,
    /// Rows of the current table decoded so far, over all batches.
    row: usize,
    messages: Vec<String>,
    is_over: bool,
}

impl SeriesDecoder {
    /// A decoder of series that have `time` and then exactly these fields, by position.
    ///
    /// A value of another type is [`ErrorKind::Conflict`]: the field was written with another type.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`] where a datatype is none that a field can have.
    pub fn declared(fields: Vec<(String, Datatype)>) -> Result<Self> {
        if let Some((name, datatype)) =
            fields.iter().find(|(_, kind)| matches!(kind, Datatype::Time | Datatype::Duration | Datatype::Binary))
        {
            return Err(Error::input(None, Some(name), format!("{} is no type of a field", datatype.name())));
        }
        let time = ("time".to_owned(), Datatype::Time);
        let declared = Some(std::iter::once(time).chain(fields).collect());
        Ok(Self { groups: Groups::new(declared), ..Self::default() })
    }

    /// A decoder of series whose columns have the names and types of their values.
    ///
    /// Integers are of 64 bits, with a sign unless one of them needs the room. Where a column's type changes, the
    /// series' rows go on in another group. A column that is null throughout has the type that columns of its name
    /// have elsewhere, or holds doubles.
    pub fn inferred() -> Self {
        Self::default()
    }

    /// Number of rows that were decoded and not taken yet.
    pub fn rows(&self) -> usize {
        self.groups.list.iter().map(|group| group.rows).sum()
    }

    /// Number of layouts of series that were read and not taken yet; some may have no rows.
    pub fn schemas(&self) -> usize {
        self.groups.list.len()
    }

    /// The messages of the server so far, each with its level.
    pub fn messages(&self) -> &[String] {
        &self.messages
    }

    /// Decodes the next bytes of the answer, split anywhere.
    ///
    /// After an error the decoder returns nothing more.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<()> {
        self.guarded(|decoder| decoder.join(chunk))
    }

    /// Ends the answer and returns everything that was not taken yet.
    ///
    /// Where the end is required, there has to be a result, and nothing may be missing that the server said was to
    /// come. Otherwise the answer may end after any message.
    pub fn finish(&mut self, end: EndMark) -> Result<Answer> {
        self.guarded(|decoder| decoder.end(end))?;
        self.is_over = true;
        Ok(self.take())
    }

    /// Returns the rows decoded so far and starts anew, at the same place of the answer.
    pub fn take(&mut self) -> Answer {
        self.group = None;
        self.leave_table();
        Answer { groups: self.groups.take(), tables: std::mem::take(&mut self.tables) }
    }

    fn guarded(&mut self, step: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        if self.is_over {
            return Err(Error::syntax("the decoder has failed or finished before; nothing more can be read"));
        }
        let result = step(self);
        if result.is_err() {
            *self = Self { is_over: true, messages: std::mem::take(&mut self.messages), ..Self::default() };
        }
        result
    }

    /// Decodes the pending bytes and `chunk`; a long unit is looked at again when it is twice as long.
    fn join(&mut self, chunk: &[u8]) -> Result<()> {
        if self.pending.is_empty() {
            let used = self.units(chunk)?;
            self.pending.extend_from_slice(&chunk[used..]);
            self.due = 0;
            return Ok(());
        }
        self.pending.extend_from_slice(chunk);
        if self.pending.len() >= self.due.min(LONGEST_RECORD) { self.look() } else { Ok(()) }
    }

    /// Decodes the whole units that are pending.
    fn look(&mut self) -> Result<()> {
        let mut pending = std::mem::take(&mut self.pending);
        let used = self.units(&pending)?;
        pending.drain(..used);
        self.due = if used == 0 { 2 * pending.len() } else { 0 };
        self.pending = pending;
        Ok(())
    }

    fn end(&mut self, end: EndMark) -> Result<()> {
        self.look()?;
        let is_whole = self.pending.is_empty() && self.place == Place::Message;
        let is_complete = self.statement.is_some() && !self.is_partial && !self.is_open;
        if is_whole && (is_complete || end == EndMark::Optional) {
            return Ok(());
        }
        Err(Error::from(ErrorKind::Incomplete).at(self.position(0)))
    }

    fn position(&self, ahead: usize) -> Position {
        Position { offset: self.offset + ahead, table: self.begun.saturating_sub(1), row: self.row }
    }

    /// Decodes the whole units at the start of `bytes`; returns their length.
    fn units(&mut self, bytes: &[u8]) -> Result<usize> {
        let mut at = 0;
        loop {
            at += self.fast_rows(&bytes[at..]);
            self.close().map_err(|kind| Error::from(kind).at(self.position(0)))?;
            // No more than a unit may have, so that a longer one is refused.
            let window = &bytes[at..bytes.len().min(at.saturating_add(LONGEST_RECORD))];
            let mut cursor = Cursor::new(window);
            match self.unit(&mut cursor) {
                Ok(()) => {
                    self.offset += cursor.at();
                    at += cursor.at();
                }
                Err(Stop::More) if window.len() < LONGEST_RECORD => return Ok(at),
                Err(Stop::More) => {
                    let why = format!("a value or row of more than {LONGEST_RECORD} bytes");
                    return Err(Error::syntax(why).at(self.position(0)));
                }
                Err(Stop::Wrong { at, kind }) => return Err(Error::from(kind).at(self.position(at))),
            }
        }
    }

    /// Closes the arrays and maps that are at their end.
    fn close(&mut self) -> std::result::Result<(), ErrorKind> {
        loop {
            self.place = match self.place {
                Place::Row if self.rows == 0 => Place::SeriesKey,
                Place::SeriesKey if self.series_keys.left == 0 => {
                    if self.series_keys.next <= 3 {
                        let key = if self.series_keys.next <= 2 { "columns" } else { "values" };
                        return Err(ErrorKind::Syntax(lacks("series", key)));
                    }
                    self.series -= 1;
                    Place::Series
                }
                Place::Series if self.series == 0 => Place::ResultKey,
                Place::ResultKey if self.result_keys.left == 0 => {
                    if self.result_keys.next <= 2 {
                        return Err(ErrorKind::Syntax(lacks("result", "series")));
                    }
                    self.results -= 1;
                    Place::Result
                }
                Place::Result if self.results == 0 => Place::Message,
                _ => return Ok(()),
            }
        }
    }

    /// Takes in one unit; without an error all of it, else nothing.
    fn unit(&mut self, cursor: &mut Cursor<'_>) -> Read<()> {
        match self.place {
            Place::Message => self.message(cursor),
            Place::Result => {
                let left = cursor.map("a result")?;
                self.result_keys = Keys { left, next: 0 };
                self.place = Place::ResultKey;
                Ok(())
            }
            Place::ResultKey => self.result_key(cursor),
            Place::Series => {
                let left = cursor.map("a series")?;
                self.series_keys = Keys { left, next: 0 };
                std::mem::swap(&mut self.head, &mut self.last);
                self.head.name = None;
                self.head.tags.clear();
                self.place = Place::SeriesKey;
                Ok(())
            }
            Place::SeriesKey => self.series_key(cursor),
            Place::Row => self.slow_row(cursor),
        }
    }

    fn message(&mut self, cursor: &mut Cursor<'_>) -> Read<()> {
        let keys = cursor.map("a message")?;
        if keys != 1 {
            return Err(wrong(0, format!("a message has {keys} keys, expected one, \"results\" or \"error\"")));
        }
        let number = Keys { left: keys, next: 0 }.read(cursor, "message", &["results", "error"])?;
        if number == 1 {
            return error(cursor);
        }
        self.results = cursor.array("results")?;
        self.place = Place::Result;
        Ok(())
    }

    fn result_key(&mut self, cursor: &mut Cursor<'_>) -> Read<()> {
        let [id, messages, series, partial] = RESULT_KEYS;
        let number = self.result_keys.read(cursor, "result", &[id, messages, series, partial, "error"])?;
        if number > 0 && number < RESULT_KEYS.len() && self.result_keys.next == 0 {
            return Err(wrong(0, lacks("result", id)));
        }
        match number {
            0 => self.statement(cursor)?,
            1 => {
                let found = texts_of_messages(cursor)?;
                self.messages.extend(found);
            }
            2 => {
                self.series = cursor.array("series")?;
                self.place = Place::Series;
            }
            3 if self.result_keys.next <= 2 => return Err(wrong(0, lacks("result", "series"))),
            3 => self.is_partial = cursor.boolean("whether a result is partial")?,
            _ => return error(cursor),
        }
        self.result_keys = self.result_keys.passed(number);
        Ok(())
    }

    /// Takes in the number of a result's statement; those before have to be whole.
    fn statement(&mut self, cursor: &mut Cursor<'_>) -> Read<()> {
        let start = cursor.at();
        let number = cursor.integer("the number of a statement")?;
        let number = u64::try_from(number).map_err(|_| wrong(start, format!("there is no statement {number}")))?;
        match self.statement {
            Some(last) if number < last => {
                return Err(wrong(
                    start,
                    format!("a result of statement {number} comes after one of statement {last}"),
                ));
            }
            Some(last) if number > last && (self.is_partial || self.is_open) => {
                let why = format!("statement {number} begins before the rest of statement {last} has come");
                return Err(Stop::Wrong { at: start, kind: ErrorKind::Missing(why) });
            }
            _ => {}
        }
        self.statement = Some(number);
        self.is_partial = false;
        Ok(())
    }

    fn series_key(&mut self, cursor: &mut Cursor<'_>) -> Read<()> {
        let number = self.series_keys.read(cursor, "series", &SERIES_KEYS)?;
        match number {
            0 => self.head.name = Some(cursor.text("a series' name")?.to_owned()),
            1 => self.head.tags = tags(cursor)?,
            2 => self.begin(cursor)?,
            3 | 4 if self.series_keys.next <= 2 => return Err(wrong(0, lacks("series", "columns"))),
            4 if self.series_keys.next <= 3 => return Err(wrong(0, lacks("series", "values"))),
            3 => {
                self.rows = cursor.array("rows")?;
                self.place = Place::Row;
            }
            _ => self.is_open = cursor.boolean("whether a series is partial")?,
        }
        self.series_keys = self.series_keys.passed(number);
        Ok(())
    }

    /// Takes in the names of a series' columns, with which it begins or goes on.
    fn begin(&mut self, cursor: &mut Cursor<'_>) -> Read<()> {
        let start = cursor.at();
        let names = names(cursor)?;
        if let Some(declared) = &self.groups.declared
            && declared.len() != names.len()
        {
            let why = format!("a series has {} columns, expected {}: time and the fields", names.len(), declared.len());
            return Err(wrong(start, why));
        }
        if self.head.columns != names {
            self.head.columns = names.into_iter().map(str::to_owned).collect();
        }
        if self.is_open {
            if self.head != self.last {
                let why = format!("another series begins before the rest of {} has come", self.last);
                return Err(Stop::Wrong { at: start, kind: ErrorKind::Missing(why) });
            }
        } else {
            self.progress = Progress::Nowhere;
            self.group = None;
        }
        self.is_open = false;
        self.group();
        Ok(())
    }

    /// The number of the series' group.
    fn group(&mut self) -> usize {
        *self.group.get_or_insert_with(|| self.groups.of(&self.head, self.begun))
    }

    /// Decodes the rows that `bytes` starts with, as far as they fit their columns; returns their length.
    fn fast_rows(&mut self, bytes: &[u8]) -> usize {
        if self.place != Place::Row || bytes.is_empty() {
            return 0;
        }
        let group = self.group();
        // No more than a unit may have, so that a longer row is left to be refused.
        let bytes = &bytes[..bytes.len().min(LONGEST_RECORD)];
        let (rows, length) = self.groups.list[group].read(bytes, self.rows);
        self.appended(rows);
        self.offset += length;
        length
    }

    /// Takes in a row that may not be all here, or not fit its columns.
    fn slow_row(&mut self, cursor: &mut Cursor<'_>) -> Read<()> {
        let width = cursor.array("cells, a row")?;
        let columns = self.head.columns.len();
        if usize::try_from(width) != Ok(columns) {
            return Err(wrong(0, format!("a row has {width} cells, expected {columns}")));
        }
        let group = self.group();
        let mut row = Vec::with_capacity(columns.min(64));
        for column in 0..columns {
            let start = cursor.at();
            let value = cursor.scalar("a cell")?;
            self.groups.list[group].check(column, value, self.groups.declared.is_some()).map_err(
                |kind| match kind {
                    ErrorKind::Conflict { column, detail } => {
                        let detail = format!("{detail} in {}", self.head);
                        Stop::Wrong { at: start, kind: ErrorKind::Conflict { column, detail } }
                    }
                    kind => Stop::Wrong { at: start, kind },
                },
            )?;
            row.push(value);
        }
        let group = self.groups.fitting(group, &row, self.begun);
        if self.group != Some(group) {
            self.group = Some(group);
            self.leave_table();
        }
        self.groups.list[group].push(&row);
        self.appended(1);
        Ok(())
    }

    /// Lets the series' next row begin another table.
    fn leave_table(&mut self) {
        if self.progress == Progress::Here {
            self.progress = Progress::Elsewhere;
        }
    }

    /// Counts rows that were appended to the series' group.
    fn appended(&mut self, rows: u32) {
        if rows == 0 {
            return;
        }
        self.rows -= rows;
        let rows = rows as usize;
        if self.progress == Progress::Nowhere {
            self.begun += 1;
            self.row = 0;
        }
        self.row += rows;
        let group = self.group();
        if self.progress != Progress::Here {
            self.progress = Progress::Here;
            let ordinal = self.groups.begin(group, &self.head);
            let start = self.groups.list[group].rows - rows;
            self.tables.push(Table { group, ordinal, start, rows: 0 });
        }
        if let Some(table) = self.tables.last_mut() {
            table.rows += rows;
        }
    }
}

/// The server's error, where it stands in place of an answer.
fn error(cursor: &mut Cursor<'_>) -> Read<()> {
    let message = cursor.text("an error")?.to_owned();
    Err(Stop::Wrong { at: 0, kind: ErrorKind::Server { message, reference: String::new() } })
}

/// The messages of a result, each with its level.
fn texts_of_messages(cursor: &mut Cursor<'_>) -> Read<Vec<String>> {
    let start = cursor.at();
    let count = cursor.array("messages")?;
    let count = few(start, count, "messages")?;
    let mut found = Vec::new();
    for _ in 0..count {
        let start = cursor.at();
        let keys = cursor.map("a message of the server")?;
        if keys != 2 {
            return Err(wrong(
                start,
                format!("a message of the server has {keys} keys, expected \"level\" and \"text\""),
            ));
        }
        let mut parts = [""; 2];
        let mut keys = Keys { left: 2, next: 0 };
        for part in &mut parts {
            keys = keys.passed(keys.read(cursor, "message of the server", &["level", "text"])?);
            *part = cursor.text("a message of the server")?;
        }
        found.push(parts.join(": "));
    }
    Ok(found)
}

/// The tags of a series, by name.
fn tags(cursor: &mut Cursor<'_>) -> Read<Vec<(String, String)>> {
    let start = cursor.at();
    let count = cursor.map("the tags of a series")?;
    let count = few(start, count, "tags")?;
    let mut tags = Vec::new();
    for _ in 0..count {
        tags.push((cursor.text("a tag's name")?.to_owned(), cursor.text("a tag's value")?.to_owned()));
    }
    tags.sort_unstable();
    if let Some(pair) = tags.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(wrong(start, format!("the tag {:?} comes twice", excerpt(pair[0].0.as_bytes()))));
    }
    Ok(tags)
}

/// The names of a series' columns.
fn names<'a>(cursor: &mut Cursor<'a>) -> Read<Vec<&'a str>> {
    let start = cursor.at();
    let count = cursor.array("names of columns")?;
    let count = few(start, count, "columns")?;
    if count == 0 {
        return Err(wrong(start, "a series without columns"));
    }
    let mut names = Vec::new();
    for _ in 0..count {
        names.push(cursor.text("a column's name")?);
    }
    Ok(names)
}
