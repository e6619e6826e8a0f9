//! Any Arrow column of strings, read as `&str`: plain, large, view or dictionary.

use arrow_array::cast::AsArray;
use arrow_array::{Array, LargeStringArray, StringArray, StringViewArray};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;

/// A column of strings; it shares the array's memory.
#[derive(Debug)]
pub(crate) enum Texts {
    Small(StringArray),
    Large(LargeStringArray),
    View(StringViewArray),
    Words { keys: Vec<usize>, nulls: Option<NullBuffer>, words: Box<Texts> },
}

impl Texts {
    /// `None` if the column holds something else.
    pub(crate) fn of(array: &dyn Array) -> Option<Self> {
        Some(match array.data_type() {
            DataType::Utf8 => Self::Small(array.as_string().clone()),
            DataType::LargeUtf8 => Self::Large(array.as_string().clone()),
            DataType::Utf8View => Self::View(array.as_string_view().clone()),
            DataType::Dictionary(..) => {
                let dictionary = array.as_any_dictionary_opt()?;
                let words = Self::of(dictionary.values().as_ref())?;
                let keys = if dictionary.values().is_empty() { Vec::new() } else { dictionary.normalized_keys() };
                Self::Words { keys, nulls: array.logical_nulls(), words: Box::new(words) }
            }
            _ => return None,
        })
    }

    /// The text of a row, `None` if it is null.
    #[inline]
    pub(crate) fn get(&self, row: usize) -> Option<&str> {
        match self {
            Self::Small(array) => array.is_valid(row).then(|| array.value(row)),
            Self::Large(array) => array.is_valid(row).then(|| array.value(row)),
            Self::View(array) => array.is_valid(row).then(|| array.value(row)),
            Self::Words { words, .. } => words.get(self.word(row)?),
        }
    }

    /// The words of a dictionary, in order; `None` of other columns.
    pub(crate) fn words(&self) -> Option<impl Iterator<Item = Option<&str>>> {
        match self {
            Self::Words { words, .. } => Some((0..words.len()).map(|word| words.get(word))),
            _ => None,
        }
    }

    /// The number of a dictionary's word in a row.
    #[inline]
    pub(crate) fn word(&self, row: usize) -> Option<usize> {
        match self {
            Self::Words { keys, nulls, .. } if nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)) => {
                Some(keys[row])
            }
            _ => None,
        }
    }

    /// Bytes of the longest text.
    pub(crate) fn longest(&self) -> usize {
        (0..self.len()).filter_map(|row| self.get(row)).map(str::len).max().unwrap_or(0)
    }

    fn len(&self) -> usize {
        match self {
            Self::Small(array) => array.len(),
            Self::Large(array) => array.len(),
            Self::View(array) => array.len(),
            Self::Words { keys, .. } => keys.len(),
        }
    }
}
