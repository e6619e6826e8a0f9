//! Turns annotation and header rows into the schema of a table.
//!
//! The annotations `#datatype`, `#group` and `#default` may come in any
//! order; others are ignored, as InfluxDB's own reader does.

use crate::error::{Error, Result, excerpt};

/// Most bytes of a default. Rows may repeat it with one byte each, the comma of an empty cell.
const LONGEST_DEFAULT: usize = 512;

/// What the cells of a column hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Datatype {
    /// UTF-8 text.
    String,
    /// 64-bit signed integer.
    Long,
    /// 64-bit unsigned integer.
    UnsignedLong,
    /// IEEE 754 double.
    Double,
    /// `true` or `false`.
    Boolean,
    /// RFC 3339 time, to the nanosecond.
    Time,
    /// Length of time in nanoseconds.
    Duration,
    /// Bytes in base64.
    Binary,
}

impl Datatype {
    fn parse(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"string" => Self::String,
            b"long" => Self::Long,
            b"unsignedLong" => Self::UnsignedLong,
            b"double" => Self::Double,
            b"boolean" => Self::Boolean,
            b"dateTime:RFC3339" | b"dateTime:RFC3339Nano" => Self::Time,
            b"duration" => Self::Duration,
            b"base64Binary" => Self::Binary,
            _ => return None,
        })
    }

    /// The annotation's spelling.
    pub const fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Long => "long",
            Self::UnsignedLong => "unsignedLong",
            Self::Double => "double",
            Self::Boolean => "boolean",
            Self::Time => "dateTime:RFC3339",
            Self::Duration => "duration",
            Self::Binary => "base64Binary",
        }
    }
}

/// One column of a table, without the leading annotation column.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ColumnSchema {
    /// The header's name.
    pub name: String,
    /// What its cells hold.
    pub datatype: Datatype,
    /// The column is part of the group key.
    pub group: bool,
    /// One value holds for a whole table: a group column, or `result` and `table`.
    pub constant: bool,
}

impl ColumnSchema {
    /// The column's text is kept once per distinct value: constant strings repeat.
    pub fn is_dictionary(&self) -> bool {
        self.constant && self.datatype == Datatype::String
    }
}

/// The columns of a table, in the header's order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Schema {
    /// Without the leading annotation column.
    pub columns: Vec<ColumnSchema>,
}

/// The annotation rows read so far, before their header row.
#[derive(Debug, Default)]
pub(crate) struct Annotations {
    datatype: Option<Vec<Vec<u8>>>,
    group: Option<Vec<Vec<u8>>>,
    default: Option<Vec<Vec<u8>>>,
}

impl Annotations {
    /// Takes in an annotation row; `cells` includes the `#name` cell.
    pub(crate) fn add(&mut self, cells: Vec<Vec<u8>>) -> Result<()> {
        let slot = match cells[0].as_slice() {
            b"#datatype" => &mut self.datatype,
            b"#group" => &mut self.group,
            b"#default" => &mut self.default,
            _ => return Ok(()),
        };
        if slot.is_some() {
            return Err(Error::syntax(format!(
                "annotation {} occurs twice before one header",
                String::from_utf8_lossy(&cells[0])
            )));
        }
        *slot = Some(cells);
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.datatype.is_none() && self.group.is_none() && self.default.is_none()
    }

    /// Joins the annotations with their header; `header` includes the empty first cell.
    ///
    /// Returns the schema and each column's default, empty if it has none.
    pub(crate) fn finish(self, header: &[Vec<u8>]) -> Result<(Schema, Vec<Vec<u8>>)> {
        let datatypes =
            self.datatype.ok_or_else(|| Error::syntax("a header row without a #datatype annotation before it"))?;
        for (name, row) in
            [("#datatype", Some(&datatypes)), ("#group", self.group.as_ref()), ("#default", self.default.as_ref())]
        {
            if row.is_some_and(|row| row.len() != header.len()) {
                return Err(Error::syntax(format!(
                    "{name} has {} cells, and its header has {}",
                    row.map_or(0, Vec::len),
                    header.len()
                )));
            }
        }
        if !header[0].is_empty() || header.len() < 2 {
            return Err(Error::syntax(
                "a header row must start with an empty cell, for the annotations, and have columns",
            ));
        }
        let mut columns = Vec::with_capacity(header.len() - 1);
        for (index, name) in header.iter().enumerate().skip(1) {
            let name = String::from_utf8(name.clone()).map_err(|_| Error::syntax("a column's name is not UTF-8"))?;
            let spelled = &datatypes[index];
            let datatype = Datatype::parse(spelled).ok_or_else(|| {
                Error::syntax(format!(
                    "column {:?} has the unknown datatype {:?}",
                    excerpt(name.as_bytes()),
                    excerpt(spelled)
                ))
            })?;
            let group = match self.group.as_ref().map(|row| row[index].as_slice()) {
                None | Some(b"false") => false,
                Some(b"true") => true,
                Some(_) => {
                    let column = excerpt(name.as_bytes());
                    return Err(Error::syntax(format!("#group of column {column:?} is neither true nor false")));
                }
            };
            let meta = matches!((index, name.as_str()), (1, "result") | (2, "table"));
            columns.push(ColumnSchema { name, datatype, group, constant: group || meta });
        }
        let defaults = match self.default {
            Some(row) => row[1..].to_vec(),
            None => vec![Vec::new(); columns.len()],
        };
        let mut spread = columns.iter().zip(&defaults).filter(|(column, _)| !column.is_dictionary());
        if let Some((column, default)) = spread.find(|(_, default)| default.len() > LONGEST_DEFAULT) {
            return Err(Error::syntax(format!(
                "the #default of column {:?} has {} bytes, at most {LONGEST_DEFAULT} are read: it stands for every \
                 empty cell",
                excerpt(column.name.as_bytes()),
                default.len()
            )));
        }
        Ok((Schema { columns }, defaults))
    }
}
