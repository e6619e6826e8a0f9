//! The one error of this crate: what went wrong, and where in the input.
//!
//! Positions are kept as numbers. Only `Display` makes sentences of them.

use std::fmt;

/// Result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Where in the input an error stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Byte offset of the record, counted from 0 over the whole answer.
    pub offset: usize,
    /// Table, counted from 0 over the whole answer.
    pub table: usize,
    /// Row within that table, counted from 0.
    pub row: usize,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The text is not annotated CSV.
    Syntax(String),
    /// A cell does not hold what its `#datatype` says.
    Value {
        /// The column's name.
        column: String,
        /// The datatype as the annotation spells it.
        datatype: &'static str,
        /// The cell's text, cut if long.
        text: String,
    },
    /// The answer ends before its end mark, or before the server said that it does.
    Incomplete,
    /// The HTTP message with the answer does not have the form that HTTP requires.
    Framing(String),
    /// An answer lacks data that another answer announces.
    Missing(String),
    /// A stored file does not have the form that its format requires.
    Damage {
        /// The file's name.
        file: String,
        /// Byte of the file, counted from 0.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// A stored file can't be read.
    Unreadable {
        /// The file's name.
        file: String,
        /// What the system says.
        reason: String,
    },
    /// The answer carries an error table.
    Server {
        /// The server's own message.
        message: String,
        /// The server's reference, empty if it gave none.
        reference: String,
    },
    /// A column has values whose types have no common type.
    Conflict {
        /// The column's name.
        column: String,
        /// Both places and types, or the value that is not exact.
        detail: String,
    },
    /// Tables have so little in common that one frame of them would be large and nearly empty.
    Sparse(String),
    /// Several series have a value for the same row and column.
    Ambiguous(String),
    /// A frame can't be encoded or computed on as asked.
    Input {
        /// Row, counted from 0, if one row is to blame.
        row: Option<usize>,
        /// The column's name, if one column is to blame.
        column: Option<String>,
        /// The argument of the call that is to blame, where it is known.
        argument: Option<&'static str>,
        /// What is wrong, and what is expected.
        reason: String,
    },
}

/// An error: its kind and, for input that is read, its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What went wrong.
    pub kind: ErrorKind,
    /// Where, if the error arose in reading bytes.
    pub position: Option<Position>,
}

impl Error {
    pub(crate) fn syntax(reason: impl Into<String>) -> Self {
        ErrorKind::Syntax(reason.into()).into()
    }

    pub(crate) fn input(row: Option<usize>, column: Option<&str>, reason: impl Into<String>) -> Self {
        ErrorKind::Input { row, column: column.map(str::to_owned), argument: None, reason: reason.into() }.into()
    }

    /// Names the argument to blame, unless one is named already.
    pub(crate) fn about(mut self, name: &'static str) -> Self {
        if let ErrorKind::Input { argument, .. } = &mut self.kind {
            argument.get_or_insert(name);
        }
        self
    }

    pub(crate) fn at(mut self, position: Position) -> Self {
        self.position.get_or_insert(position);
        self
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self { kind, position: None }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(reason)
            | Self::Framing(reason)
            | Self::Sparse(reason)
            | Self::Ambiguous(reason)
            | Self::Missing(reason) => f.write_str(reason),
            Self::Damage { file, offset, reason } => write!(f, "{file} is damaged at byte {offset}: {reason}"),
            Self::Unreadable { file, reason } => write!(f, "{file} can't be read: {reason}"),
            Self::Value { column, datatype, text } => {
                write!(f, "column {column:?}: {text:?} is not a {datatype}")
            }
            Self::Incomplete => f.write_str("the answer was cut off: its end is missing"),
            Self::Server { message, reference } if reference.is_empty() => f.write_str(message),
            Self::Server { message, reference } => write!(f, "{message} (reference {reference})"),
            Self::Conflict { column, detail } => write!(f, "column {column:?}: {detail}"),
            Self::Input { row, column, reason, .. } => {
                if let Some(column) = column {
                    write!(f, "column {column:?}")?;
                }
                if let Some(row) = row {
                    let comma = if column.is_some() { ", " } else { "" };
                    write!(f, "{comma}row {row}")?;
                }
                if column.is_some() || row.is_some() {
                    f.write_str(": ")?;
                }
                f.write_str(reason)
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)?;
        if let Some(Position { offset, table, row }) = self.position {
            write!(f, " (byte {offset}, table {table}, row {row})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// A cell's text for a message: lossy UTF-8, at most 40 characters.
pub(crate) fn excerpt(cell: &[u8]) -> String {
    let text = String::from_utf8_lossy(cell);
    match text.char_indices().nth(40) {
        None => text.into_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
