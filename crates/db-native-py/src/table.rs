//! Columns of any Arrow type: from memory or lists and back, and as batches through capsules.
//!
//! Types are spelled as the format strings of Arrow's C data interface: "g" is float64, "tsn:UTC" a timestamp.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::builder::{LargeBinaryBuilder, LargeStringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::ffi::FFI_ArrowSchema;
use arrow_array::{Array as _, ArrayRef, BooleanArray, NullArray, RecordBatch, RecordBatchOptions, make_array};
use arrow_buffer::{Buffer, NullBuffer};
use arrow_data::ArrayData;
use arrow_schema::{DataType, Field, Schema};
use db_native::Stream;
use pyo3::IntoPyObjectExt;
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCapsule, PyList, PyString};

use crate::buffer::Memory;
use crate::capsule;
use crate::errors::{InvalidArgumentError, raise};

/// Batches of one schema; immutable.
#[pyclass(frozen, module = "db_core._native")]
pub(crate) struct Table(pub(crate) Stream);

#[pymethods]
impl Table {
    #[new]
    fn new(
        names: Vec<String>,
        arrays: Vec<Bound<'_, Array>>,
        rows: usize,
        metadata: HashMap<String, String>,
    ) -> PyResult<Self> {
        let columns = arrays.iter().map(|array| array.get().whole(array.py())).collect::<PyResult<Vec<_>>>()?;
        let typed = names.into_iter().zip(&arrays);
        let field = |(name, array): (String, &Bound<'_, Array>)| {
            let array = array.get();
            Field::new(name, array.data_type.clone(), true).with_dict_is_ordered(array.ordered)
        };
        let fields: Vec<_> = typed.map(field).collect();
        let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &options);
        let batch = batch.map_err(|why| InvalidArgumentError::new_err(why.to_string()))?;
        Ok(Self(Stream { schema, batches: vec![batch] }))
    }

    #[staticmethod]
    fn from_arrow(source: &Bound<'_, PyAny>) -> PyResult<Self> {
        let (batches, schema) = capsule::stream_in(source)?;
        Ok(Self(Stream { schema, batches }))
    }

    fn __len__(&self) -> usize {
        self.0.batches.iter().map(RecordBatch::num_rows).sum()
    }

    #[getter]
    fn names(&self) -> Vec<String> {
        self.0.schema.fields().iter().map(|field| field.name().clone()).collect()
    }

    #[getter]
    fn metadata(&self) -> HashMap<String, String> {
        self.0.schema.metadata().clone().into()
    }

    /// Of each column, the name of its extension type, or of one within it.
    #[getter]
    fn extensions(&self) -> Vec<Option<String>> {
        let name = |field: &Arc<Field>| {
            let alone = Schema::new(vec![Arc::clone(field)]);
            alone.flattened_fields().into_iter().find_map(|each| each.extension_type_name().map(str::to_owned))
        };
        self.0.schema.fields().iter().map(name).collect()
    }

    fn arrays(&self) -> Vec<Array> {
        let column = |(place, field): (usize, &Arc<Field>)| Array {
            data_type: field.data_type().clone(),
            ordered: field.dict_is_ordered() == Some(true),
            parts: Mutex::new(Some(self.0.batches.iter().map(|batch| Arc::clone(batch.column(place))).collect())),
        };
        self.0.schema.fields().iter().enumerate().map(column).collect()
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // By the protocol a producer may ignore the request; the consumer casts.
        let _ = requested_schema;
        capsule::stream_out(py, Arc::clone(&self.0.schema), self.0.batches.clone())
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        capsule::schema_out(py, &self.0.schema)
    }
}

/// One column, perhaps in several parts, until `values` hands it over.
#[pyclass(frozen, module = "db_core._native")]
pub(crate) struct Array {
    data_type: DataType,
    /// Of a dictionary, whether its words stand in an order that means something.
    #[pyo3(get)]
    ordered: bool,
    parts: Mutex<Option<Vec<ArrayRef>>>,
}

impl Array {
    fn of(array: ArrayRef, ordered: bool) -> Self {
        Self { data_type: array.data_type().clone(), ordered, parts: Mutex::new(Some(vec![array])) }
    }

    fn parts(&self) -> PyResult<Vec<ArrayRef>> {
        let held = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        held.clone().ok_or_else(|| InvalidArgumentError::new_err("the column's values were taken before"))
    }

    fn whole(&self, py: Python<'_>) -> PyResult<ArrayRef> {
        db_native::join(&self.data_type, &self.parts()?).map_err(|error| raise(py, &error))
    }
}

#[pymethods]
impl Array {
    /// A column from memory (numbers, times; booleans as bytes), a list of str or bytes, a length (null),
    /// or with a dictionary from the codes.
    #[new]
    #[pyo3(signature = (format, values, nulls=None, dictionary=None, *, ordered=false))]
    fn new(
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
                let width = data_type.primitive_width().ok_or_else(|| refuse(format!("no memory of {data_type}")))?;
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
        table.arrays().into_iter().next().ok_or_else(|| InvalidArgumentError::new_err("a stream without a column"))
    }

    fn __len__(&self) -> PyResult<usize> {
        Ok(self.parts()?.iter().map(arrow_array::Array::len).sum())
    }

    /// The type; of a dictionary that of its codes. Types that are made of others are spelled as in Rust.
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

    /// Bytes, 1 where null; None without nulls.
    fn nulls(&self) -> PyResult<Option<Memory>> {
        let parts = self.parts()?;
        if parts.iter().all(|part| part.logical_null_count() == 0) {
            return Ok(None);
        }
        let mut mask = Vec::new();
        for part in parts {
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
        // Parts may have dictionaries of their own: the codes that `values` gives are for the joined one.
        let whole = self.whole(py)?;
        let words = Arc::clone(whole.as_any_dictionary().values());
        *self.parts.lock().unwrap_or_else(PoisonError::into_inner) = Some(vec![whole]);
        Ok(Some(Self::of(words, false)))
    }

    /// The values as memory (numbers, times, codes; booleans as bytes) or as a list (texts, bytes); taken once.
    fn values<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let parts = match &self.data_type {
            DataType::Dictionary(..) => vec![self.whole(py)?.as_any_dictionary().keys().to_data()],
            _ => self.parts()?.iter().map(arrow_array::Array::to_data).collect(),
        };
        drop(self.parts.lock().unwrap_or_else(PoisonError::into_inner).take());
        let kind = match &self.data_type {
            DataType::Dictionary(codes, _) => codes,
            other => other,
        };
        if let Some(width) = kind.primitive_width() {
            let mut memory = Vec::with_capacity(parts.iter().map(|part| part.len() * width).sum());
            for part in &parts {
                let from = part.offset() * width;
                memory.extend_from_slice(&part.buffers()[0][from..from + part.len() * width]);
            }
            return Memory::new(memory).into_bound_py_any(py);
        }
        let arrays = parts.into_iter().map(make_array);
        match kind {
            DataType::Boolean => {
                let bytes = arrays.flat_map(|part| part.as_boolean().values().iter().map(u8::from).collect::<Vec<_>>());
                Memory::new(bytes.collect::<Vec<u8>>()).into_bound_py_any(py)
            }
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                let list = PyList::empty(py);
                for part in arrays {
                    match kind {
                        DataType::Utf8 => append(&list, part.as_string::<i32>().iter())?,
                        DataType::Utf8View => append(&list, part.as_string_view().iter())?,
                        _ => append(&list, part.as_string::<i64>().iter())?,
                    }
                }
                Ok(list.into_any())
            }
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
                let list = PyList::empty(py);
                let bytes = |value: Option<&[u8]>| value.map(|value| PyBytes::new(py, value));
                for part in arrays {
                    match kind {
                        DataType::Binary => append(&list, part.as_binary::<i32>().iter().map(bytes))?,
                        DataType::BinaryView => append(&list, part.as_binary_view().iter().map(bytes))?,
                        _ => append(&list, part.as_binary::<i64>().iter().map(bytes))?,
                    }
                }
                Ok(list.into_any())
            }
            other => Err(InvalidArgumentError::new_err(format!("values of {other} can't be listed"))),
        }
    }
}

fn append<'py>(list: &Bound<'py, PyList>, values: impl Iterator<Item = impl IntoPyObject<'py>>) -> PyResult<()> {
    for value in values {
        list.append(value)?;
    }
    Ok(())
}

fn data_type(format: &str) -> PyResult<DataType> {
    FFI_ArrowSchema::try_new(format, Vec::new(), None)
        .and_then(|schema| DataType::try_from(&schema))
        .map_err(|why| InvalidArgumentError::new_err(format!("{format:?} is no type: {why}")))
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
