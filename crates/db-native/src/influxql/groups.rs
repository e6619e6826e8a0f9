//! Sets of columns, one for each layout of series.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef};

use super::column::Column;
use super::msgpack::Scalar;
use crate::annotated::{ColumnSchema, Datatype, Schema};
use crate::column::{Words, dictionary};
use crate::decoder::{Form, Group};
use crate::error::ErrorKind;
use crate::nulls::Nulls;

/// Name of the column of the series' names.
const MEASUREMENT: &str = "_measurement";

/// The head of a series, before its rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) name: Option<String>,
    /// Names and values, by name.
    pub(crate) tags: Vec<(String, String)>,
    /// Names of the columns.
    pub(crate) columns: Vec<String>,
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tags: Vec<String> = self.tags.iter().map(|(name, value)| format!("{name}={value}")).collect();
        write!(f, "series {:?} {{{}}}", self.name.as_deref().unwrap_or_default(), tags.join(","))
    }
}

/// Names of tags, and of the columns of rows.
type Layout = (Vec<String>, Vec<String>);

/// Types of the columns of rows; `None` where no value has come yet.
type Kinds = Vec<Option<Datatype>>;

/// A constant column: a word for each table.
#[derive(Debug)]
struct Constant {
    name: String,
    /// Number of its words.
    slot: usize,
    codes: Vec<i32>,
    nulls: Nulls,
}

/// The columns of one layout and types.
#[derive(Debug)]
pub(crate) struct Builder {
    /// Number of the layout.
    layout: usize,
    names: Vec<String>,
    kinds: Kinds,
    constants: Vec<Constant>,
    columns: Vec<Column>,
    pub(crate) rows: usize,
    tables: usize,
    first_table: usize,
}

impl Builder {
    /// Appends the rows that `bytes` start with, at most so many; returns their number and length.
    #[inline(never)]
    pub(crate) fn read(&mut self, bytes: &[u8], most: u32) -> (u32, usize) {
        let mut more = 0;
        let mut rest = bytes;
        while more < most
            && let Some(behind) = read_row(rest, &mut self.columns)
        {
            more += 1;
            rest = behind;
        }
        self.rows += more as usize;
        for column in &mut self.columns {
            column.truncate(self.rows);
        }
        (more, bytes.len() - rest.len())
    }

    /// Refuses a value that its column can't have, whatever group the row goes to.
    pub(crate) fn check(&self, column: usize, value: Scalar<'_>, is_declared: bool) -> Result<(), ErrorKind> {
        let Some(kind) = self.kinds[column].filter(|kind| !fits(*kind, value)) else { return Ok(()) };
        let name = &self.names[column];
        let found = value.name();
        if kind == Datatype::Time {
            return Err(ErrorKind::Syntax(format!("expected the time in nanoseconds, an integer, got {found}")));
        }
        if is_declared {
            let detail = format!("expected {} as declared, got {found}", kind.name());
            return Err(ErrorKind::Conflict { column: name.clone(), detail });
        }
        Ok(())
    }

    /// Appends a row of values, each of which is of its column's type.
    pub(crate) fn push(&mut self, row: &[Scalar<'_>]) {
        for (column, value) in self.columns.iter_mut().zip(row) {
            let pushed = column.push(*value);
            debug_assert!(pushed, "{value:?} was compared with the type of its column");
        }
        self.rows += 1;
    }

    fn finish(self, words: &[ArrayRef]) -> Group {
        let mut schema = Schema::default();
        let mut columns = Vec::with_capacity(self.constants.len() + self.columns.len());
        for Constant { name, slot, codes, nulls } in self.constants {
            schema.columns.push(ColumnSchema { name, datatype: Datatype::String, group: true, constant: true });
            columns.push(dictionary(codes, nulls.finish(self.tables), Arc::clone(&words[slot])));
        }
        for ((name, kind), column) in self.names.into_iter().zip(self.kinds).zip(self.columns) {
            let datatype = kind.unwrap_or(Datatype::Double);
            schema.columns.push(ColumnSchema { name, datatype, group: false, constant: false });
            columns.push(column.finish());
        }
        Group { form: Form::Wide, schema: Arc::new(schema), columns, rows: self.rows, first_table: self.first_table }
    }
}

/// Appends the row that `bytes` start with; returns what follows it.
#[inline]
fn read_row<'a>(bytes: &'a [u8], columns: &mut [Column]) -> Option<&'a [u8]> {
    let (width, mut rest) = match bytes {
        [first @ 0x90..=0x9f, rest @ ..] => (usize::from(first & 0x0f), rest),
        [0xdc, high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        _ => return None,
    };
    if width != columns.len() {
        return None;
    }
    for column in columns {
        rest = column.read(rest)?;
    }
    Some(rest)
}

/// Whether a column of this type can have a value.
fn fits(kind: Datatype, value: Scalar<'_>) -> bool {
    match (kind, value) {
        (Datatype::Time | Datatype::Long, Scalar::Integer(value)) => i64::try_from(value).is_ok(),
        (Datatype::UnsignedLong, Scalar::Integer(value)) => u64::try_from(value).is_ok(),
        (Datatype::Time, _) => false,
        (_, Scalar::Nil)
        | (Datatype::Double, Scalar::Double(_))
        | (Datatype::Boolean, Scalar::Boolean(_))
        | (Datatype::String, Scalar::Text(_)) => true,
        _ => false,
    }
}

/// The groups, and the words that their constant columns share by name.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    /// Names and types of all columns, `time` first, if they are known.
    pub(crate) declared: Option<Vec<(String, Datatype)>>,
    pub(crate) list: Vec<Builder>,
    /// Each layout with the group that its last row went to.
    layouts: Vec<(Arc<Layout>, usize)>,
    /// Numbers of layouts.
    layout_of: HashMap<Arc<Layout>, usize>,
    /// Groups by the layout's number and the types that they have, or had when fewer were known.
    group_of: HashMap<(usize, Kinds), usize>,
    words: Vec<Words>,
    slot_of: HashMap<String, usize>,
    /// The layout of the series before.
    last: Option<usize>,
    /// The types of columns with values, by name.
    known: HashMap<String, Datatype>,
}

impl Groups {
    /// No groups yet, of series with the declared columns.
    pub(crate) fn new(declared: Option<Vec<(String, Datatype)>>) -> Self {
        Self { declared, ..Self::default() }
    }

    /// The number of the group of a series; made if it is new.
    pub(crate) fn of(&mut self, head: &Head, first_table: usize) -> usize {
        let is_of = |(tags, columns): &Layout| {
            tags.iter().eq(head.tags.iter().map(|(name, _)| name)) && *columns == head.columns
        };
        let last = self.last.filter(|last| is_of(&self.layouts[*last].0));
        let layout = last.unwrap_or_else(|| self.layout(head, first_table));
        self.last = Some(layout);
        self.layouts[layout].1
    }

    /// The number of a layout; made with its first group if it is new.
    fn layout(&mut self, head: &Head, first_table: usize) -> usize {
        let tags = head.tags.iter().map(|(name, _)| name.clone()).collect();
        let layout = Arc::new((tags, head.columns.clone()));
        if let Some(number) = self.layout_of.get(&layout) {
            return *number;
        }
        let is_time = |(place, name): (usize, &String)| (place == 0 && name == "time").then_some(Datatype::Time);
        let kinds = self.declared.as_ref().map_or_else(
            || layout.1.iter().enumerate().map(is_time).collect(),
            |declared| declared.iter().map(|(_, kind)| Some(*kind)).collect(),
        );
        let number = self.layouts.len();
        self.layout_of.insert(Arc::clone(&layout), number);
        self.layouts.push((layout, 0));
        self.make(number, kinds, first_table);
        number
    }

    /// Makes a group of a layout; returns its number.
    fn make(&mut self, layout: usize, kinds: Kinds, first_table: usize) -> usize {
        let (tags, columns) = self.layouts[layout].0.as_ref();
        let names = match &self.declared {
            Some(declared) => declared.iter().map(|(name, _)| name.clone()).collect(),
            None => columns.clone(),
        };
        let constants = std::iter::once(MEASUREMENT).chain(tags.iter().map(String::as_str)).map(|name| {
            let slot = *self.slot_of.entry(name.to_owned()).or_insert_with(|| {
                self.words.push(Words::default());
                self.words.len() - 1
            });
            Constant { name: name.to_owned(), slot, codes: Vec::new(), nulls: Nulls::default() }
        });
        let constants = constants.collect();
        let columns = kinds.iter().map(|kind| Column::new(*kind)).collect();
        let group = self.list.len();
        self.group_of.insert((layout, kinds.clone()), group);
        self.layouts[layout].1 = group;
        self.list.push(Builder { layout, names, kinds, constants, columns, rows: 0, tables: 0, first_table });
        group
    }

    /// The number of the group that takes a row of the series of `group`; made if it is new.
    ///
    /// It is the same group where the row has its types, or a type for a column that had no value yet.
    pub(crate) fn fitting(&mut self, group: usize, row: &[Scalar<'_>], first_table: usize) -> usize {
        let Builder { layout, kinds: before, .. } = &self.list[group];
        let layout = *layout;
        let mut kinds = before.clone();
        let mut is_other = false;
        for ((kind, before), value) in kinds.iter_mut().zip(before).zip(row) {
            if before.is_none_or(|before| !fits(before, *value)) && value.kind().is_some() {
                is_other |= before.is_some();
                *kind = value.kind();
            }
        }
        if kinds == *before {
            return group;
        }
        if let Some(known) = self.group_of.get(&(layout, kinds.clone())) {
            self.layouts[layout].1 = *known;
            return *known;
        }
        if is_other {
            return self.make(layout, kinds, first_table);
        }
        let builder = &mut self.list[group];
        for (column, kind) in builder.columns.iter_mut().zip(&kinds) {
            if let Some(kind) = kind {
                column.become_of(*kind);
            }
        }
        builder.kinds.clone_from(&kinds);
        self.group_of.insert((layout, kinds), group);
        group
    }

    /// Begins a table of a group; returns its number there.
    ///
    /// A tag whose value is empty is one that the series lacks.
    pub(crate) fn begin(&mut self, group: usize, head: &Head) -> usize {
        let group = &mut self.list[group];
        let tags = head.tags.iter().map(|(_, value)| Some(value.as_str()).filter(|value| !value.is_empty()));
        for (constant, value) in group.constants.iter_mut().zip(std::iter::once(head.name.as_deref()).chain(tags)) {
            let last = constant.codes.last().copied();
            let code = value.and_then(|value| self.words[constant.slot].code(value.as_bytes(), last));
            if code.is_none() {
                constant.nulls.mark(constant.codes.len());
            }
            constant.codes.push(code.unwrap_or_default());
        }
        group.tables += 1;
        group.tables - 1
    }

    /// Hands over all groups.
    pub(crate) fn take(&mut self) -> Vec<Group> {
        let Self { declared, list, words, mut known, .. } = std::mem::take(self);
        let words: Vec<ArrayRef> = words.into_iter().map(Words::finish).collect();
        let mut groups: Vec<Group> = list.into_iter().map(|group| group.finish(&words)).collect();
        if declared.is_none() {
            settle_types(&mut groups, &mut known);
        }
        (self.declared, self.known) = (declared, known);
        groups
    }
}

/// Sets the types of columns without a value to the type of the first column of their name that has values, here or
/// before. Makes columns of integers without a negative one unsigned, if others of their name need the room.
///
/// So the type of an empty column can't conflict with the types of other columns.
fn settle_types(groups: &mut [Group], known: &mut HashMap<String, Datatype>) {
    let is_null = |column: &ColumnSchema, array: &ArrayRef| {
        !column.constant && column.datatype != Datatype::Time && array.null_count() == array.len()
    };
    let mut here: HashMap<String, Datatype> = HashMap::new();
    let mut unsigned = HashSet::new();
    for group in &*groups {
        for (column, array) in group.schema.columns.iter().zip(&group.columns) {
            if column.constant || array.null_count() == array.len() {
                continue;
            }
            if column.datatype == Datatype::UnsignedLong {
                unsigned.insert(column.name.clone());
            }
            if !here.contains_key(&column.name) {
                here.insert(column.name.clone(), column.datatype);
            }
        }
    }
    known.extend(here);
    known.extend(unsigned.iter().map(|name| (name.clone(), Datatype::UnsignedLong)));
    for group in groups {
        let schema = Arc::make_mut(&mut group.schema);
        for (column, array) in schema.columns.iter_mut().zip(&mut group.columns) {
            if is_null(column, array) {
                column.datatype = known.get(&column.name).copied().unwrap_or(Datatype::Double);
                *array = Column::nulls(column.datatype, array.len()).finish();
            } else if column.datatype == Datatype::Long && unsigned.contains(&column.name) {
                let values = array.as_primitive::<Int64Type>();
                if values.iter().flatten().all(|value| value >= 0) {
                    column.datatype = Datatype::UnsignedLong;
                    *array = Arc::new(values.unary::<_, UInt64Type>(i64::cast_unsigned));
                }
            }
        }
    }
}
