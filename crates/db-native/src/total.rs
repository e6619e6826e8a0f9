//! The numbers that consumption is computed in: doubles, and integers wide enough for every difference.

use std::ops::{Add, Sub};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, UInt64Type};
use arrow_array::{ArrayRef, Float64Array, Int64Array};

/// A total, or a difference or sum of totals.
pub(crate) trait Total: Copy + Default + PartialOrd + Add<Output = Self> + Sub<Output = Self> {
    /// Less than any total.
    const LEAST: Self;

    /// The nearest double.
    fn double(self) -> f64;

    /// The number equal to a double; `None` where this type has none.
    fn exactly(double: f64) -> Option<Self>;

    /// Even shares of the number, of which there are at least one; they add up to it.
    fn shares(self, count: usize) -> Vec<Self>;

    /// The numbers of a column, which is of a type that they hold.
    fn read(column: &ArrayRef) -> Box<dyn Iterator<Item = Option<Self>> + '_>;

    /// The numbers as a column of 64 bits; the position of the first that does not fit is the error.
    fn column(numbers: Vec<Option<Self>>) -> Result<ArrayRef, usize>;
}

impl Total for f64 {
    const LEAST: Self = Self::NEG_INFINITY;

    fn double(self) -> f64 {
        self
    }

    fn exactly(double: f64) -> Option<Self> {
        Some(double)
    }

    /// The last share is what the others leave over.
    #[expect(clippy::cast_precision_loss, reason = "no range has 2^53 windows")]
    fn shares(self, count: usize) -> Vec<Self> {
        let mut shares = vec![self / count as Self; count];
        if let Some((last, others)) = shares.split_last_mut() {
            *last = self - others.iter().sum::<Self>();
        }
        shares
    }

    fn read(column: &ArrayRef) -> Box<dyn Iterator<Item = Option<Self>> + '_> {
        Box::new(column.as_primitive::<Float64Type>().iter())
    }

    fn column(numbers: Vec<Option<Self>>) -> Result<ArrayRef, usize> {
        Ok(Arc::new(Float64Array::from(numbers)))
    }
}

/// Holds any sum of differences of 64-bit totals.
impl Total for i128 {
    const LEAST: Self = Self::MIN;

    #[expect(clippy::cast_precision_loss, reason = "a rate is compared with a double")]
    fn double(self) -> f64 {
        self as f64
    }

    fn exactly(double: f64) -> Option<Self> {
        #[expect(clippy::cast_possible_truncation, reason = "a whole double up to 2^64 fits")]
        (double.fract() == 0.0 && double.abs() <= 2_f64.powi(64)).then_some(double as Self)
    }

    /// Share k is the sum of the first k + 1 of `count` parts minus the sum of the first k, each rounded down.
    fn shares(self, count: usize) -> Vec<Self> {
        let count = i128::try_from(count).expect("a length fits in 128 bits");
        let up_to = |parts: i128| (self * parts).div_euclid(count);
        (0..count).map(|part| up_to(part + 1) - up_to(part)).collect()
    }

    fn read(column: &ArrayRef) -> Box<dyn Iterator<Item = Option<Self>> + '_> {
        match column.as_primitive_opt::<UInt64Type>() {
            Some(column) => Box::new(column.iter().map(|total| total.map(Self::from))),
            None => Box::new(column.as_primitive::<Int64Type>().iter().map(|total| total.map(Self::from))),
        }
    }

    fn column(numbers: Vec<Option<Self>>) -> Result<ArrayRef, usize> {
        let narrow =
            |(position, number): (usize, Option<Self>)| number.map(i64::try_from).transpose().map_err(|_| position);
        let numbers = numbers.into_iter().enumerate().map(narrow).collect::<Result<Int64Array, _>>()?;
        Ok(Arc::new(numbers))
    }
}
