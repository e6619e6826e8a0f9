//! The rows after one header row, and the fast way through them.
//!
//! The rows of a table repeat their constant cells (result, table, group key)
//! byte for byte. So a row is taken as *runs* of constant columns, which are
//! compared with the last row's bytes and passed over, and varying cells, which
//! their columns read straight from the row.
//!
//! Whatever is not like that is left, before its row, to the decoder, which
//! splits the row into fields: a new table, a row that is not all here, a
//! number in quotes, any error. So nothing here can fail; what a row has
//! appended before it turned out to be one of those is forgotten.

use std::sync::Arc;

use crate::annotated::Schema;
use crate::column::Column;
use crate::run::Run;

/// Part of a row: adjacent columns, numbered from..to.
#[derive(Debug)]
pub(crate) enum Step {
    /// Constant columns, and their bytes in the last row.
    Run { from: usize, to: usize, run: Run },
    /// Varying columns.
    Cells { from: usize, to: usize },
}

/// The rows after one header row.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) schema: Arc<Schema>,
    pub(crate) group: usize,
    pub(crate) defaults: Vec<Vec<u8>>,
    pub(crate) steps: Vec<Step>,
    /// The runs are those of the current table.
    pub(crate) primed: bool,
}

impl Block {
    pub(crate) fn new(schema: Arc<Schema>, group: usize, defaults: Vec<Vec<u8>>) -> Self {
        // The annotation column, always empty in a row, opens the first run, which may hold no other.
        let mut steps = vec![Step::Run { from: 0, to: 0, run: Run::default() }];
        for (index, column) in schema.columns.iter().enumerate() {
            let (from, end) = (index, index + 1);
            match steps.last_mut() {
                Some(Step::Run { to, .. }) if column.constant => *to = end,
                Some(Step::Cells { to, .. }) if !column.constant => *to = end,
                _ if column.constant => steps.push(Step::Run { from, to: end, run: Run::default() }),
                _ => steps.push(Step::Cells { from, to: end }),
            }
        }
        Self { schema, group, defaults, steps, primed: false }
    }

    /// Appends the rows of the current table that `bytes` starts with to the columns, which have `rows` rows.
    ///
    /// Gives their number and length.
    #[inline(never)]
    pub(crate) fn read(&self, bytes: &[u8], columns: &mut [Column], rows: usize) -> (usize, usize) {
        let mut more = 0;
        let mut rest = bytes;
        if self.primed {
            while let Some(behind) = self.read_row(rest, columns) {
                more += 1;
                rest = behind;
            }
            for (column, _) in columns.iter_mut().zip(&self.schema.columns).filter(|(_, schema)| !schema.constant) {
                column.truncate(rows + more);
            }
        }
        (more, bytes.len() - rest.len())
    }

    /// Appends the cells of one row; gives what is behind it.
    #[inline]
    fn read_row<'a>(&self, row: &'a [u8], columns: &mut [Column]) -> Option<&'a [u8]> {
        let width = columns.len();
        let mut rest = row;
        for step in &self.steps {
            match step {
                Step::Run { run, .. } => rest = run.pass(rest)?,
                &Step::Cells { from, to } => {
                    for (index, column) in (from..to).zip(&mut columns[from..to]) {
                        if let Some(behind) = column.read(rest) {
                            rest = behind;
                            continue;
                        }
                        rest = match column.read_any(rest, &self.defaults[index])? {
                            [b',', rest @ ..] => rest,
                            [b'\n', rest @ ..] | [b'\r', b'\n', rest @ ..] => {
                                return (index + 1 == width).then_some(rest);
                            }
                            _ => return None,
                        };
                    }
                }
            }
        }
        // A comma behind the last cell is one too many; a run holds the line end.
        matches!(self.steps.last(), Some(Step::Run { .. })).then_some(rest)
    }
}
