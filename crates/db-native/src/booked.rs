//! What was booked of a field, as a column of consumption.

use std::borrow::Cow;

use arrow_array::ArrayRef;
use arrow_schema::DataType;

use crate::booking::{Booked, Quality};
use crate::total::Total;
use crate::tracks::Track;
use crate::unify::Stretch;

/// What is booked of a field, meter by meter.
pub(crate) struct Booking<T> {
    pub(crate) windows: Vec<i64>,
    amounts: Vec<Option<T>>,
    qualities: Vec<Quality>,
    ends: Vec<usize>,
}

impl<T> Default for Booking<T> {
    fn default() -> Self {
        Self { windows: Vec::new(), amounts: Vec::new(), qualities: Vec::new(), ends: Vec::new() }
    }
}

impl<T: Total> Booking<T> {
    pub(crate) fn push(&mut self, booked: Vec<Booked<T>>) {
        for Booked { window, amount, quality } in booked {
            self.windows.push(window);
            self.amounts.push(amount);
            self.qualities.push(quality);
        }
        self.ends.push(self.windows.len());
    }

    pub(crate) fn finish(self) -> Column {
        let Self { windows, amounts, qualities, ends } = self;
        let (amounts, too_large) = match T::column(amounts) {
            Ok(amounts) => (amounts, None),
            Err(at) => {
                let meter = ends.partition_point(|end| *end <= at);
                (arrow_array::new_null_array(&DataType::Int64, windows.len()), Some((meter, windows[at])))
            }
        };
        Column { windows, amounts, qualities, ends, too_large }
    }
}

/// The consumption of a field, meter by meter.
pub(crate) struct Column {
    pub(crate) windows: Vec<i64>,
    pub(crate) amounts: ArrayRef,
    qualities: Vec<Quality>,
    /// Per meter, the row after its last.
    ends: Vec<usize>,
    /// Meter and window of the first amount that does not fit.
    pub(crate) too_large: Option<(usize, i64)>,
}

impl Column {
    pub(crate) fn track(&self, meter: usize) -> Track<'_> {
        let start = meter.checked_sub(1).map_or(0, |before| self.ends[before]);
        let rows = self.ends[meter] - start;
        let times = Cow::Borrowed(&self.windows[start..start + rows]);
        Track { times: vec![times], runs: vec![Stretch::Rows { source: 0, start, rows }] }
    }

    /// Codes of the qualities along the rows; a row without a reading is a gap.
    pub(crate) fn codes(&self, stretches: &[Stretch], rows: usize) -> Vec<i32> {
        let mut codes = Vec::with_capacity(rows);
        for stretch in stretches {
            match *stretch {
                Stretch::Rows { start, rows, .. } => {
                    codes.extend(self.qualities[start..start + rows].iter().map(|quality| quality.code()));
                }
                Stretch::Nulls(rows) | Stretch::Repeat { count: rows, .. } => {
                    codes.resize(codes.len() + rows, Quality::Gap.code());
                }
            }
        }
        codes
    }
}
