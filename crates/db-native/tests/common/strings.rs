//! Columns of strings in every layout that Arrow has for them.

use std::sync::Arc;

use arrow_array::types::Int8Type;
use arrow_array::{ArrayRef, DictionaryArray, Int32Array, LargeStringArray, StringArray, StringViewArray};

/// How the strings of a column are kept.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Layout {
    Small,
    Large,
    View,
    /// A dictionary in which equal texts are one word.
    Words,
    /// A dictionary with a word per row, one for null, and one that no row has and nothing can be done with.
    OwnWords,
}

impl Layout {
    pub(crate) const ALL: [Self; 5] = [Self::Small, Self::Large, Self::View, Self::Words, Self::OwnWords];
}

/// The column that holds these texts.
pub(crate) fn strings(texts: &[Option<String>], layout: Layout) -> ArrayRef {
    let texts = || texts.iter().map(Option::as_deref);
    match layout {
        Layout::Small => Arc::new(texts().collect::<StringArray>()),
        Layout::Large => Arc::new(texts().collect::<LargeStringArray>()),
        Layout::View => Arc::new(texts().collect::<StringViewArray>()),
        Layout::Words => Arc::new(texts().collect::<DictionaryArray<Int8Type>>()),
        Layout::OwnWords => {
            let words: LargeStringArray = texts().chain([Some("\n")]).collect();
            let codes = Int32Array::from_iter_values((0..).take(texts().count()));
            Arc::new(DictionaryArray::new(codes, Arc::new(words)))
        }
    }
}
