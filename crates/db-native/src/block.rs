//! The rows after one header row, and the fast way to read them.
//!
//! The rows of a table repeat their constant cells (result, table, group key)
//! byte for byte. So a row is taken as *runs* of constant columns, which are
//! compared with the last row's bytes and passed over, and varying cells, which
//! their columns read straight from the row.
//!
//! Any other row is left to the decoder, which splits it into fields: the first
//! row of a table, a row whose end is not here yet, a number in quotes, a row
//! with an error. So nothing here can fail. The cells that such a row has
//! appended are removed again.

use std::sync::Arc;

use crate::annotated::Schema;
use crate::column::Column;
use crate::run::Run;

/// Part of a row: constant columns, then varying ones.
#[derive(Debug, Default)]
pub(crate) struct Step {
    /// The bytes of the constant columns in the last row.
    pub(crate) run: Run,
    /// The first constant column, the first varying one, and one past the last.
    pub(crate) start: usize,
    pub(crate) middle: usize,
    pub(crate) end: usize,
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
        let mut step = Step::default();
        let mut steps = Vec::new();
        for (index, column) in schema.columns.iter().enumerate() {
            if column.constant {
                if step.middle < step.end {
                    steps.push(step);
                    step = Step { start: index, ..Step::default() };
                }
                step.middle = index + 1;
            }
            step.end = index + 1;
        }
        steps.push(step);
        Self { schema, group, defaults, steps, primed: false }
    }

    /// Appends the rows of the current table that `bytes` starts with to the columns, which have `rows` rows.
    ///
    /// Returns their number and length.
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

    /// Appends the cells of one row; returns what follows it.
    #[inline]
    fn read_row<'a>(&self, row: &'a [u8], columns: &mut [Column]) -> Option<&'a [u8]> {
        let width = columns.len();
        let mut rest = row;
        for step in &self.steps {
            rest = step.run.pass(rest)?;
            for (index, column) in (step.middle..step.end).zip(&mut columns[step.middle..step.end]) {
                if let Some(behind) = column.read(rest) {
                    rest = behind;
                    continue;
                }
                rest = match column.read_any(rest, &self.defaults[index])? {
                    [b',', rest @ ..] => rest,
                    [b'\n', rest @ ..] | [b'\r', b'\n', rest @ ..] => return (index + 1 == width).then_some(rest),
                    _ => return None,
                };
            }
        }
        // A comma after the last cell is one too many; a run holds the line end.
        self.steps.last().is_some_and(|step| step.middle == step.end).then_some(rest)
    }
}
