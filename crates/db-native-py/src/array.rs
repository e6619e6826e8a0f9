//! Columns of any Arrow type: from memory or lists, and back.
//!
//! Types are spelled as the format strings of Arrow's C data interface: "g" is float64, "tsn:UTC" a timestamp.

use std::hash::{DefaultHasher, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::builder::{LargeBinaryBuilder, LargeStringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::ffi::FFI_ArrowSchema;
use arrow_array::{Array as _, ArrayRef, BooleanArray, NullArray, make_array};
use arrow_buffer::{ArrowNativeType, Buffer, NullBuffer};
use arrow_data::ArrayData;
use arrow_schema::{DataType, TimeUnit};
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};
use pyo3::{IntoPyObjectExt, PyTypeInfo};

use crate::buffer::Memory;
use crate::errors::{InvalidArgumentError, raise};
use crate::table::Table;

/// One column, perhaps in several parts, until `values` hands it over.
#[pyclass(frozen, module = "db_core._native")]
pub(crate) struct Array {
    pub(crate) data_type: DataType,
    /// For a dictionary, whether the order of its words means something.
    #[pyo3(get)]
    pub(crate) ordered: bool,
    parts: Mutex<Option<Vec<ArrayRef>>>,
}

impl Array {
    pub(crate) fn new(data_type: DataType, ordered: bool, parts: Vec<ArrayRef>) -> Self {
        Self { data_type, ordered, parts: Mutex::new(Some(parts)) }
    }

    fn of(array: ArrayRef, ordered: bool) -> Self {
        Self::new(array.data_type().clone(), ordered, vec![array])
    }

    fn parts(&self) -> PyResult<Vec<ArrayRef>> {
        self.held().clone().ok_or_else(are_taken)
    }

    fn held(&self) -> MutexGuard<'_, Option<Vec<ArrayRef>>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn whole(&self, py: Python<'_>) -> PyResult<ArrayRef> {
        db_native::join(&self.data_type, &self.parts()?).map_err(|error| raise(py, &error))
    }
}

#[pymethods]
impl Array {
    /// A column from memory (numbers, times; booleans as bytes), a list of str or bytes, a length (null),
    /// or with a dictionary from the codes.
    #[new]
    #[pyo3(signature = (format, values, nulls=None, dictionary=None, *, ordered=false))]
    fn from_values(
        format: &str,
        values: &Bound<'_, PyAny>,
        nulls: Option<PyBuffer<u8>>,
        dictionary: Option<&Bound<'_, Array>>,
        ordered: bool,
    ) -> PyResult<Self> {
        let py = values.py();
        let refuse = |why: String| InvalidArgumentError::new_err(why);
        let data_type = data_type(format)?;
        let nulls = match nulls {
            Some(mask) => Some(mask.to_vec(py)?.iter().map(|is_null| *is_null == 0).collect::<NullBuffer>()),
            None => None,
        };
        let array: ArrayRef = match &data_type {
            DataType::Null => Arc::new(NullArray::new(values.extract()?)),
            DataType::Boolean => {
                let bytes = PyBuffer::<u8>::get(values)?.to_vec(py)?;
                let data = BooleanArray::new(bytes.iter().map(|byte| *byte != 0).collect(), None).into_data();
                make_array(data.into_builder().nulls(nulls).build().map_err(|why| refuse(why.to_string()))?)
            }
            DataType::LargeUtf8 => strings(values.cast::<PyList>()?)?,
            DataType::LargeBinary => {
                let mut array = LargeBinaryBuilder::new();
                for value in values.cast::<PyList>()? {
                    array.append_option(value.extract::<Option<Vec<u8>>>()?);
                }
                Arc::new(array.finish())
            }
            _ => {
                let width = data_type
                    .primitive_width()
                    .ok_or_else(|| refuse(format!("expected a type of fixed width, got {data_type}")))?;
                let memory = PyBuffer::<u8>::get(values)?.to_vec(py)?;
                let rows = memory.len() / width;
                let (kind, child) = match dictionary {
                    Some(words) => {
                        let words = words.get().whole(py)?;
                        let kind = DataType::Dictionary(Box::new(data_type), Box::new(words.data_type().clone()));
                        (kind, vec![words.into_data()])
                    }
                    None => (data_type, Vec::new()),
                };
                let data = ArrayData::builder(kind).len(rows).nulls(nulls).add_buffer(Buffer::from_vec(memory));
                // Memory of bytes need not be aligned for numbers, though it is in practice.
                let data = data.child_data(child).align_buffers(true).build();
                make_array(data.map_err(|why| refuse(why.to_string()))?)
            }
        };
        Ok(Self::of(array, ordered))
    }

    /// The first column of anything with `__arrow_c_stream__`.
    #[staticmethod]
    fn from_arrow(source: &Bound<'_, PyAny>) -> PyResult<Self> {
        let table = Table::from_arrow(source)?;
        table.columns()?.into_iter().next().ok_or_else(|| InvalidArgumentError::new_err("a stream without a column"))
    }

    fn __len__(&self) -> PyResult<usize> {
        Ok(self.parts()?.iter().map(arrow_array::Array::len).sum())
    }

    /// The type; for a dictionary, the type of its codes. Types that are made of others are spelled as in Rust.
    #[getter]
    fn format(&self) -> String {
        let kind = match &self.data_type {
            DataType::Dictionary(codes, _) => codes,
            other => other,
        };
        let nested = kind.is_nested() || matches!(kind, DataType::RunEndEncoded(..));
        match FFI_ArrowSchema::try_from(kind) {
            Ok(schema) if !nested => schema.format().to_owned(),
            _ => kind.to_string(),
        }
    }

    #[getter]
    fn null_count(&self) -> PyResult<usize> {
        Ok(self.parts()?.iter().map(arrow_array::Array::logical_null_count).sum())
    }

    /// Bytes, 1 where null; None without nulls.
    fn nulls(&self) -> PyResult<Option<Memory>> {
        if self.null_count()? == 0 {
            return Ok(None);
        }
        let mut mask = Vec::new();
        for part in self.parts()? {
            match part.logical_nulls() {
                Some(nulls) => mask.extend(nulls.iter().map(|valid| u8::from(!valid))),
                None => mask.resize(mask.len() + part.len(), 0),
            }
        }
        Ok(Some(Memory::new(mask)))
    }

    /// The words of a dictionary, or None.
    fn dictionary(&self, py: Python<'_>) -> PyResult<Option<Self>> {
        if !matches!(self.data_type, DataType::Dictionary(..)) {
            return Ok(None);
        }
        // Parts may have dictionaries of their own. The codes that `values` returns belong to the joined one.
        let whole = self.whole(py)?;
        let words = Arc::clone(whole.as_any_dictionary().values());
        // Another thread may have taken the values meanwhile, and they are taken once.
        if let Some(parts) = self.held().as_mut() {
            *parts = vec![whole];
        }
        Ok(Some(Self::of(words, false)))
    }

    /// What a column of a decoded frame holds.
    #[getter]
    fn kind(&self) -> PyResult<&'static str> {
        Ok(match &self.data_type {
            DataType::Float64 => "float64",
            DataType::Int64 => "int64",
            DataType::UInt64 => "uint64",
            DataType::Boolean => "bool",
            DataType::Timestamp(TimeUnit::Nanosecond, _) => "timestamp",
            DataType::Duration(TimeUnit::Nanosecond) => "duration",
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string",
            DataType::Dictionary(key, value) if **key == DataType::Int32 && **value == DataType::LargeUtf8 => {
                "dictionary"
            }
            DataType::LargeBinary => "binary",
            DataType::Null => "null",
            other => return Err(InvalidArgumentError::new_err(format!("{other} is no type of a decoded frame"))),
        })
    }

    /// InfluxDB's name for the type that line protocol writes, and the number of values; None if there is none.
    fn written(&self, py: Python<'_>) -> PyResult<Option<(&'static str, usize)>> {
        db_native::written(&*self.whole(py)?).map_err(|error| raise(py, &error))
    }

    /// The values as memory (numbers, times, codes; booleans as bytes) or as a list (texts, bytes); taken once.
    fn values<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let taken = self.held().take().ok_or_else(are_taken)?;
        let parts: Vec<ArrayData> = match &self.data_type {
            DataType::Dictionary(..) => {
                let whole = db_native::join(&self.data_type, &taken).map_err(|error| raise(py, &error))?;
                vec![whole.as_any_dictionary().keys().to_data()]
            }
            _ => taken.iter().map(arrow_array::Array::to_data).collect(),
        };
        // From here on `parts` are the only handles, unless a table keeps one.
        drop(taken);
        let kind = match &self.data_type {
            DataType::Dictionary(codes, _) => codes,
            other => other,
        };
        if let Some(width) = kind.primitive_width() {
            return memory(parts, width).into_bound_py_any(py);
        }
        let arrays: Vec<ArrayRef> = parts.into_iter().map(make_array).collect();
        let arrays = arrays.iter();
        let mut strings = Strings::new(py);
        let text = |text| strings.get(text);
        let bytes = |value: &[u8]| PyBytes::new(py, value);
        match kind {
            DataType::Boolean => {
                let bytes = arrays.flat_map(|part| part.as_boolean().values().iter().map(u8::from));
                Memory::new(bytes.collect::<Vec<u8>>()).into_bound_py_any(py)
            }
            DataType::Utf8 => listed(py, arrays.flat_map(AsArray::as_string::<i32>), text),
            DataType::LargeUtf8 => listed(py, arrays.flat_map(AsArray::as_string::<i64>), text),
            DataType::Utf8View => listed(py, arrays.flat_map(AsArray::as_string_view), text),
            DataType::Binary => listed(py, arrays.flat_map(AsArray::as_binary::<i32>), bytes),
            DataType::LargeBinary => listed(py, arrays.flat_map(AsArray::as_binary::<i64>), bytes),
            DataType::BinaryView => listed(py, arrays.flat_map(AsArray::as_binary_view), bytes),
            other => Err(InvalidArgumentError::new_err(format!("values of {other} can't be listed"))),
        }
    }
}

fn are_taken() -> PyErr {
    InvalidArgumentError::new_err("the column's values were taken before")
}

/// Memory of fixed-width values; without a copy if it is whole and nothing else shares it.
fn memory(mut parts: Vec<ArrayData>, width: usize) -> Memory {
    let values = |part: &ArrayData| part.buffers()[0].slice_with_length(part.offset() * width, part.len() * width);
    match (parts.pop(), parts.is_empty(), width) {
        (Some(only), true, 1 | 2 | 4 | 8 | 16) => {
            let values = values(&only);
            drop(only);
            match width {
                1 => taken::<i8>(values),
                2 => taken::<i16>(values),
                4 => taken::<i32>(values),
                8 => taken::<i64>(values),
                _ => taken::<i128>(values),
            }
        }
        (last, ..) => {
            parts.extend(last);
            let mut memory = Vec::with_capacity(parts.iter().map(|part| part.len() * width).sum());
            for part in &parts {
                memory.extend_from_slice(&values(part));
            }
            Memory::new(memory)
        }
    }
}

/// A buffer's memory, if it is a vector's of this width that nothing else shares; else a copy.
fn taken<T: ArrowNativeType>(values: Buffer) -> Memory {
    values.into_vec::<T>().map_or_else(|shared| Memory::new(shared.to_vec()), Memory::new)
}

fn listed<'a, 'py, V: ?Sized + 'a, T: PyTypeInfo>(
    py: Python<'py>,
    values: impl Iterator<Item = Option<&'a V>>,
    mut make: impl FnMut(&'a V) -> Bound<'py, T>,
) -> PyResult<Bound<'py, PyAny>> {
    let objects: Vec<_> = values.map(|value| value.map(&mut make)).collect();
    Ok(PyList::new(py, objects)?.into_any())
}

fn data_type(format: &str) -> PyResult<DataType> {
    FFI_ArrowSchema::try_new(format, Vec::new(), None).and_then(|schema| DataType::try_from(&schema)).map_err(|why| {
        InvalidArgumentError::new_err(format!("expected the format of an Arrow type, got {format:?}: {why}"))
    })
}

fn strings(values: &Bound<'_, PyList>) -> PyResult<ArrayRef> {
    let mut texts = LargeStringBuilder::with_capacity(values.len(), 0);
    for (row, value) in values.iter().enumerate() {
        if value.is_none() {
            texts.append_null();
            continue;
        }
        let text = value.cast::<PyString>()?;
        let why = |why| InvalidArgumentError::new_err(format!("row {row} has no UTF-8 form: {why}"));
        texts.append_value(text.to_str().map_err(why)?);
    }
    Ok(Arc::new(texts.finish()))
}

/// Makes Python's strings, one for all rows that repeat a text, unless many others come in between.
struct Strings<'a, 'py> {
    py: Python<'py>,
    /// By the hashes of the texts; a text replaces another one with the same place.
    known: Vec<Option<(&'a str, Bound<'py, PyString>)>>,
}

impl<'a, 'py> Strings<'a, 'py> {
    fn new(py: Python<'py>) -> Self {
        Self { py, known: vec![None; 1 << 10] }
    }

    fn get(&mut self, text: &'a str) -> Bound<'py, PyString> {
        let mut hasher = DefaultHasher::new();
        hasher.write(text.as_bytes());
        let place = usize::try_from(hasher.finish() % (1 << 10)).unwrap_or_default();
        match &self.known[place] {
            Some((known, string)) if *known == text => string.clone(),
            _ => {
                let string = PyString::new(self.py, text);
                self.known[place] = Some((text, string.clone()));
                string
            }
        }
    }
}
