//! A push decoder that turns annotated CSV into typed columns.
//!
//! The idea, in short:
//!
//! ```text
//! feed(bytes):  join the kept rest of the last call with the first line
//!               for each whole record:
//!                   empty line     -> the block ends (at the end: the end mark)
//!                   #annotation    -> collect
//!                   header         -> a new block; rows go to the columns of its schema
//!                   row            -> append
//!               keep what is not yet a whole record
//! ```
//!
//! Two things make it fast, and both are in `block.rs`. Cells that the rows of a
//! table repeat are compared, not parsed again. The other cells are read straight
//! into their columns. Only a row that does not fit that pattern (a new
//! table, say) is split into fields properly, here. Both ways append the same
//! values: `tests/oracle.rs`.
//!
//! If you change what a row may look like, change `Block::read` and `slow_row`;
//! what a cell may look like, `Column::read_any` and `Column::push`.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::ArrayRef;

use crate::annotated::{Annotations, Schema};
use crate::block::Block;
use crate::column::{Column, Words};
use crate::error::{Error, ErrorKind, Position, Result, excerpt};
use crate::scan::{self, LONGEST_RECORD, Scan, Span};

/// A table of the answer: rows `start..start + rows` of its schema's columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// Index into [`Answer::groups`].
    pub group: usize,
    /// Number of the table within its group: its row in the constant columns.
    pub ordinal: usize,
    /// First row.
    pub start: usize,
    /// Number of rows, at least one.
    pub rows: usize,
}

/// How a pivot reads the columns of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A table has one field, in `_time`, `_value` and `_field`, after `result` and `table`. Constant columns are tags.
    Long,
    /// Each field is a column, after `_measurement`, the tags and `time`. A null means that the row has no value.
    Wide,
}

/// All rows of one schema.
#[derive(Clone, Debug)]
pub struct Group {
    /// How a pivot reads the columns.
    pub form: Form,
    /// Names, datatypes and group key.
    pub schema: Arc<Schema>,
    /// One array per column of the schema: of [`rows`](Self::rows) values, or if the column is
    /// constant, of one value per table of the group.
    pub columns: Vec<ArrayRef>,
    /// Number of rows.
    pub rows: usize,
    /// Number of the schema's first table, counted over the whole answer.
    pub first_table: usize,
}

/// A decoded answer: columns by schema, and the tables in order of arrival.
///
/// String columns that are constant within a table are dictionaries; columns
/// of one name share one dictionary over all groups.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// One entry per distinct schema, in order of first appearance; of shards, one per field, type and
    /// part that was read.
    pub groups: Vec<Group>,
    /// The tables, in order of arrival.
    pub tables: Vec<Table>,
}

impl AsRef<Self> for Answer {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// Whether an answer has to end with InfluxDB's end mark, an empty line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndMark {
    /// An answer without it is cut off: an error.
    Required,
    /// The text may end after any row, with or without a line end.
    Optional,
}

#[derive(Debug)]
struct GroupBuilder {
    schema: Arc<Schema>,
    columns: Vec<Column>,
    rows: usize,
    tables: usize,
    first_table: usize,
}

#[derive(Debug, Default)]
enum Expect {
    /// Annotations, or the header of an error table.
    #[default]
    Header,
    /// Rows of a block.
    Rows,
    /// The row of an error table.
    ErrorRow,
}

/// Push decoder: [`feed`](Self::feed) bytes split anywhere, then [`finish`](Self::finish).
#[derive(Debug, Default)]
pub struct Decoder {
    /// Bytes of a record that is not all here yet.
    pending: Vec<u8>,
    /// Length of `pending` from which on it is looked at with each line.
    due: usize,
    /// Offset in the answer of the first byte not yet decoded.
    offset: usize,
    expect: Expect,
    annotations: Annotations,
    block: Option<Block>,
    groups: Vec<GroupBuilder>,
    group_of: HashMap<Arc<Schema>, usize>,
    tables: Vec<Table>,
    words: Vec<Words>,
    word_slot: HashMap<String, usize>,
    /// Tables begun so far, over the whole answer.
    begun: usize,
    /// Rows of the current table decoded so far, over all batches.
    row: usize,
    /// The last record was an empty line.
    at_end_mark: bool,
    failed: bool,
    // Kept to be reused.
    fields: Vec<Span>,
    scratch: Vec<u8>,
}

impl Decoder {
    /// A decoder at the start of an answer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of rows that were decoded and not taken yet.
    pub fn rows(&self) -> usize {
        self.groups.iter().map(|group| group.rows).sum()
    }

    /// Number of schemas that were read and not taken yet; some may have no rows.
    pub fn schemas(&self) -> usize {
        self.groups.len()
    }

    /// Decodes the next bytes of the answer, split anywhere.
    ///
    /// After an error the decoder returns nothing more.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<()> {
        self.guarded(|decoder| decoder.join(chunk))
    }

    /// Ends the answer and returns everything that was not taken yet.
    pub fn finish(mut self, end: EndMark) -> Result<Answer> {
        self.guarded(|decoder| decoder.end(end))?;
        Ok(self.take())
    }

    /// Returns the rows decoded so far and starts anew, at the same place of the answer.
    pub fn take(&mut self) -> Answer {
        let words: Vec<ArrayRef> = std::mem::take(&mut self.words).into_iter().map(Words::finish).collect();
        let groups = std::mem::take(&mut self.groups)
            .into_iter()
            .map(|group| Group {
                form: Form::Long,
                schema: group.schema,
                columns: group.columns.into_iter().map(|column| column.finish(&words)).collect(),
                rows: group.rows,
                first_table: group.first_table,
            })
            .collect();
        let tables = std::mem::take(&mut self.tables);
        self.word_slot.clear();
        self.group_of.clear();
        if let Some(mut block) = self.block.take() {
            block.group = self.group(&block.schema);
            block.primed = false;
            self.block = Some(block);
        }
        Answer { groups, tables }
    }

    fn guarded(&mut self, step: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        if self.failed {
            return Err(Error::syntax("the decoder has failed before; nothing more can be read"));
        }
        let result = step(self);
        if result.is_err() {
            // What is there may end in half a row.
            *self = Self { failed: true, ..Self::default() };
        }
        result
    }

    /// Decodes the pending record with the line that completes it, then the rest of `chunk`.
    ///
    /// Where the first line does not complete it, a line end stood in a cell,
    /// and more may: all of `chunk` is joined, to scan the record once, not by line;
    /// and it is looked at again when it is twice as long, not by chunk.
    fn join(&mut self, mut chunk: &[u8]) -> Result<()> {
        let mut width = memchr::memchr(b'\n', chunk).map_or(chunk.len(), |feed| feed + 1);
        while !self.pending.is_empty() && !chunk.is_empty() {
            let (line, rest) = chunk.split_at(width);
            chunk = rest;
            width = rest.len();
            self.pending.extend_from_slice(line);
            let length = self.pending.len();
            if length >= LONGEST_RECORD || (length >= self.due && memchr::memchr(b'\n', line).is_some()) {
                self.look()?;
            }
        }
        let used = self.records(chunk)?;
        self.pending.extend_from_slice(&chunk[used..]);
        Ok(())
    }

    /// Decodes the whole records that are pending.
    fn look(&mut self) -> Result<()> {
        let mut pending = std::mem::take(&mut self.pending);
        let used = self.records(&pending)?;
        pending.drain(..used);
        self.due = if used == 0 { 2 * pending.len() } else { 0 };
        self.pending = pending;
        Ok(())
    }

    fn end(&mut self, end: EndMark) -> Result<()> {
        // It may hold more than half a record, as not every line was looked at.
        self.look()?;
        if end == EndMark::Optional && !self.pending.is_empty() {
            self.pending.push(b'\n');
            self.look()?;
        }
        let whole = self.pending.is_empty() && (end == EndMark::Optional || self.at_end_mark);
        if !whole || matches!(self.expect, Expect::ErrorRow) || !self.annotations.is_empty() {
            return Err(Error::from(ErrorKind::Incomplete).at(self.position(0)));
        }
        Ok(())
    }

    fn position(&self, ahead: usize) -> Position {
        Position { offset: self.offset + ahead, table: self.begun.saturating_sub(1), row: self.row }
    }

    /// Decodes the whole records at the start of `bytes`; returns their length.
    fn records(&mut self, bytes: &[u8]) -> Result<usize> {
        let mut at = 0;
        let mut fields = std::mem::take(&mut self.fields);
        loop {
            at += self.fast_rows(&bytes[at..]);
            match scan::record(&bytes[at..], &mut fields).map_err(|e| e.at(self.position(0)))? {
                Scan::NeedMore => break,
                Scan::Record(length) => {
                    let record = &bytes[at..at + length];
                    self.slow_record(record, &fields).map_err(|e| e.at(self.position(0)))?;
                    self.offset += length;
                    at += length;
                }
            }
        }
        self.fields = fields;
        Ok(at)
    }

    /// Appends the rows of the current table that `bytes` starts with; returns their length.
    fn fast_rows(&mut self, bytes: &[u8]) -> usize {
        let Some(block) = &self.block else {
            return 0;
        };
        let group = &mut self.groups[block.group];
        // No more than a record may have, so that a longer one is left to be refused.
        let bytes = &bytes[..bytes.len().min(LONGEST_RECORD)];
        let (rows, length) = block.read(bytes, &mut group.columns, group.rows);
        group.rows += rows;
        self.row += rows;
        self.offset += length;
        if let Some(table) = self.tables.last_mut() {
            table.rows += rows;
        }
        length
    }

    /// Takes in one record of any kind.
    fn slow_record(&mut self, record: &[u8], fields: &[Span]) -> Result<()> {
        self.at_end_mark = matches!(fields, [only] if only.start == only.end && !only.quoted);
        if self.at_end_mark {
            if !self.annotations.is_empty() {
                return Err(Error::syntax("an empty line between annotations and their header"));
            }
            if matches!(self.expect, Expect::ErrorRow) {
                return Err(Error::syntax("an error table without its row"));
            }
            self.block = None;
            self.expect = Expect::Header;
            return Ok(());
        }
        if record[0] == b'#' {
            self.block = None;
            self.expect = Expect::Header;
            let cells = self.texts(record, fields);
            return self.annotations.add(cells);
        }
        match self.expect {
            Expect::Header => self.header(record, fields),
            Expect::Rows => self.slow_row(record, fields),
            Expect::ErrorRow => {
                let cells = self.texts(record, fields);
                let cell = |index: usize| {
                    cells.get(index).map(|c| String::from_utf8_lossy(c).into_owned()).unwrap_or_default()
                };
                Err(ErrorKind::Server { message: cell(1), reference: cell(2) }.into())
            }
        }
    }

    fn texts(&mut self, record: &[u8], fields: &[Span]) -> Vec<Vec<u8>> {
        fields.iter().map(|span| cell(record, *span, &mut self.scratch).to_vec()).collect()
    }

    fn header(&mut self, record: &[u8], fields: &[Span]) -> Result<()> {
        let header = self.texts(record, fields);
        let annotations = std::mem::take(&mut self.annotations);
        if header.len() >= 2
            && header[0].is_empty()
            && header[1] == b"error"
            && header.get(2).is_none_or(|c| c == b"reference")
        {
            self.expect = Expect::ErrorRow;
            return Ok(());
        }
        let (schema, defaults) = annotations.finish(&header)?;
        let schema = Arc::new(schema);
        let group = self.group(&schema);
        self.block = Some(Block::new(schema, group, defaults));
        self.expect = Expect::Rows;
        Ok(())
    }

    /// Index of the columns for this schema, made if it is new.
    fn group(&mut self, schema: &Arc<Schema>) -> usize {
        if let Some(&group) = self.group_of.get(schema) {
            return group;
        }
        let mut columns = Vec::with_capacity(schema.columns.len());
        for column in &schema.columns {
            let slot = if column.is_dictionary() {
                *self.word_slot.entry(column.name.clone()).or_insert_with(|| {
                    self.words.push(Words::default());
                    self.words.len() - 1
                })
            } else {
                0
            };
            columns.push(Column::new(column, slot));
        }
        self.groups.push(GroupBuilder {
            schema: Arc::clone(schema),
            columns,
            rows: 0,
            tables: 0,
            first_table: self.begun,
        });
        self.group_of.insert(Arc::clone(schema), self.groups.len() - 1);
        self.groups.len() - 1
    }

    fn slow_row(&mut self, record: &[u8], fields: &[Span]) -> Result<()> {
        let Some(mut block) = self.block.take() else {
            return Err(Error::syntax("a row without a header"));
        };
        let result = self.row_of(&mut block, record, fields);
        self.block = Some(block);
        result
    }

    fn row_of(&mut self, block: &mut Block, record: &[u8], fields: &[Span]) -> Result<()> {
        if fields.len() != block.schema.columns.len() + 1 {
            return Err(Error::syntax(format!(
                "a row has {} cells, and its header has {}",
                fields.len(),
                block.schema.columns.len() + 1
            )));
        }
        if fields[0].start != fields[0].end {
            return Err(Error::syntax("a row's first cell, for annotations, must be empty"));
        }
        // The first run starts with the annotation column's comma.
        let comma = fields[0].next - 1;
        let fields = &fields[1..];
        let bytes_of = |from: usize, to: usize| {
            let start = if from == 0 { comma } else { fields[from - 1].next };
            let end = if to == 0 { fields[0].start - usize::from(fields[0].quoted) } else { fields[to - 1].next };
            &record[start..end]
        };
        let mut new_table = false;
        for step in &mut block.steps {
            let bytes = bytes_of(step.start, step.middle);
            new_table = new_table || without_line_end(bytes) != without_line_end(step.run.bytes());
            step.run.set(bytes);
        }
        if new_table {
            self.begun += 1;
            self.row = 0;
        }
        // After `take`, the rest of a table opens a span of its own.
        let new_span = new_table || !block.primed;
        block.primed = true;
        let group = &mut self.groups[block.group];
        if new_span {
            self.tables.push(Table { group: block.group, ordinal: group.tables, start: group.rows, rows: 0 });
            group.tables += 1;
        }
        for (index, span) in fields.iter().enumerate() {
            let column = &block.schema.columns[index];
            if column.constant && !new_span {
                continue;
            }
            let text = cell(record, *span, &mut self.scratch);
            let empty_text = span.quoted && column.datatype == crate::Datatype::String;
            let appended = if text.is_empty() && !empty_text {
                group.columns[index].push_default(&block.defaults[index], &mut self.words)
            } else {
                group.columns[index].push(text, &mut self.words)
            };
            if !appended {
                return Err(bad_cell(&block.schema, index, text, &block.defaults[index]));
            }
        }
        group.rows += 1;
        self.row += 1;
        if let Some(table) = self.tables.last_mut() {
            table.rows += 1;
        }
        Ok(())
    }
}

/// A run without the line end; the last line of a text may have another than the lines before.
fn without_line_end(run: &[u8]) -> &[u8] {
    let run = run.strip_suffix(b"\n").unwrap_or(run);
    run.strip_suffix(b"\r").unwrap_or(run)
}

/// Text of a field, unescaped into `scratch` where that is needed.
fn cell<'a>(record: &'a [u8], span: Span, scratch: &'a mut Vec<u8>) -> &'a [u8] {
    let text = &record[span.start..span.end];
    if span.escaped {
        scan::unescape(text, scratch);
        scratch
    } else {
        text
    }
}

fn bad_cell(schema: &Schema, column: usize, text: &[u8], default: &[u8]) -> Error {
    let column = &schema.columns[column];
    ErrorKind::Value {
        column: column.name.clone(),
        datatype: column.datatype.name(),
        text: excerpt(if text.is_empty() { default } else { text }),
    }
    .into()
}
