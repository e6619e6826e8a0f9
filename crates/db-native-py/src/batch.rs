//! A typed frame of columns: in from Arrow or from numpy memory, out as Arrow or column by column.

use std::hash::{DefaultHasher, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::builder::LargeStringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, DurationNanosecondType, Float64Type, Int32Type, Int64Type, TimestampNanosecondType, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, BooleanArray, DictionaryArray, LargeStringArray, PrimitiveArray, RecordBatch, RecordBatchOptions,
};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use pyo3::IntoPyObjectExt;
use pyo3::buffer::{Element, PyBuffer};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCapsule, PyList, PyString};

use crate::buffer::Memory;
use crate::capsule;
use crate::errors::{InvalidArgumentError, raise};

/// Name, kind, values and nulls (bytes, 1 where null) of a column made in Python.
type ColumnParts<'py> = (String, String, Bound<'py, PyAny>, Option<PyBuffer<u8>>);

/// Columns of one length, until `release` hands them over.
#[pyclass(frozen, module = "db_core._native")]
pub(crate) struct Batch(Mutex<Option<RecordBatch>>);

impl Batch {
    pub(crate) fn new(batch: RecordBatch) -> Self {
        Self(Mutex::new(Some(batch)))
    }

    /// The columns, shared.
    pub(crate) fn get(&self) -> PyResult<RecordBatch> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.clone().ok_or_else(|| InvalidArgumentError::new_err("the frame's memory was handed over; read it again"))
    }
}

#[pymethods]
impl Batch {
    #[staticmethod]
    fn from_arrow(py: Python<'_>, source: &Bound<'_, PyAny>) -> PyResult<Self> {
        let (batches, schema) = capsule::stream_in(source)?;
        py.detach(|| db_native::concat(&schema, &batches)).map(Self::new).map_err(|error| raise(py, &error))
    }

    /// Each column is (name, kind, values, nulls): a buffer of 64-bit numbers or bytes, a list of strings,
    /// or for the kind "arrow" an Arrow stream of that one column.
    #[staticmethod]
    fn from_columns(py: Python<'_>, columns: Vec<ColumnParts<'_>>) -> PyResult<Self> {
        let mut fields = Vec::with_capacity(columns.len());
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(columns.len());
        for (name, kind, values, nulls) in columns {
            let nulls = match nulls {
                Some(mask) => Some(mask.to_vec(py)?.iter().map(|is_null| *is_null == 0).collect::<NullBuffer>()),
                None => None,
            };
            let array: ArrayRef = match kind.as_str() {
                "int64" => primitive::<Int64Type>(&values, nulls)?,
                "uint64" => primitive::<UInt64Type>(&values, nulls)?,
                "float64" => primitive::<Float64Type>(&values, nulls)?,
                "timestamp" => {
                    let times = primitive::<TimestampNanosecondType>(&values, nulls)?;
                    Arc::new(times.as_primitive::<TimestampNanosecondType>().clone().with_timezone("UTC"))
                }
                "bool" => {
                    let bytes = PyBuffer::<u8>::get(&values)?.to_vec(py)?;
                    let nulls = of_length(nulls, bytes.len())?;
                    Arc::new(BooleanArray::new(bytes.iter().map(|byte| *byte != 0).collect(), nulls))
                }
                "string" => strings(&name, &values)?,
                "arrow" => Arc::clone(Self::from_arrow(py, &values)?.get()?.column(0)),
                "dictionary" => {
                    let (codes, words): (PyBuffer<i32>, Vec<String>) = values.extract()?;
                    let codes = codes.to_vec(py)?;
                    let nulls = of_length(nulls, codes.len())?;
                    let codes = PrimitiveArray::<Int32Type>::new(codes.into(), nulls);
                    let words = Arc::new(LargeStringArray::from_iter_values(words));
                    let array = DictionaryArray::try_new(codes, words);
                    Arc::new(array.map_err(|why| InvalidArgumentError::new_err(format!("column {name:?}: {why}")))?)
                }
                _ => return Err(InvalidArgumentError::new_err(format!("column {name:?}: unknown kind {kind:?}"))),
            };
            fields.push(Field::new(name, array.data_type().clone(), true));
            arrays.push(array);
        }
        let rows = arrays.first().map_or(0, Array::len);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
            .map(Self::new)
            .map_err(|why| InvalidArgumentError::new_err(why.to_string()))
    }

    fn __len__(&self) -> PyResult<usize> {
        Ok(self.get()?.num_rows())
    }

    #[getter]
    fn names(&self) -> PyResult<Vec<String>> {
        Ok(self.get()?.schema_ref().fields().iter().map(|field| field.name().clone()).collect())
    }

    fn slice(&self, start: usize, rows: usize) -> PyResult<Self> {
        let batch = self.get()?;
        let start = start.min(batch.num_rows());
        Ok(Self::new(batch.slice(start, rows.min(batch.num_rows() - start))))
    }

    fn columns(&self) -> PyResult<Vec<Column>> {
        Ok(self.get()?.columns().iter().map(|array| Column(Mutex::new(Some(Arc::clone(array))))).collect())
    }

    /// The columns, handed over: their memory is not copied, and this batch is empty from now on.
    fn release(&self) -> PyResult<Vec<Column>> {
        self.get()?;
        let batch = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let columns = batch.map(|batch| batch.into_parts().1).unwrap_or_default();
        Ok(columns.into_iter().map(|array| Column(Mutex::new(Some(array)))).collect())
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // By the protocol a producer may ignore the request; the consumer casts.
        let _ = requested_schema;
        let batch = self.get()?;
        capsule::stream_out(py, batch.schema(), vec![batch])
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        capsule::schema_out(py, self.get()?.schema_ref())
    }
}

/// The type of a column's kind, of those that a field can have.
pub(crate) fn data_type(kind: &str) -> PyResult<DataType> {
    Ok(match kind {
        "float64" => DataType::Float64,
        "int64" => DataType::Int64,
        "uint64" => DataType::UInt64,
        "bool" => DataType::Boolean,
        "string" => DataType::LargeUtf8,
        "timestamp" => DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
        other => return Err(InvalidArgumentError::new_err(format!("{other:?} is no type of a field"))),
    })
}

fn primitive<T>(values: &Bound<'_, PyAny>, nulls: Option<NullBuffer>) -> PyResult<ArrayRef>
where
    T: ArrowPrimitiveType,
    T::Native: Element,
{
    let values = PyBuffer::<T::Native>::get(values)?.to_vec(values.py())?;
    let nulls = of_length(nulls, values.len())?;
    Ok(Arc::new(PrimitiveArray::<T>::new(values.into(), nulls)))
}

/// A list of strings; None and NaN are null.
fn strings(name: &str, values: &Bound<'_, PyAny>) -> PyResult<ArrayRef> {
    let values = values.cast::<PyList>()?;
    let mut texts = LargeStringBuilder::with_capacity(values.len(), 0);
    for (row, value) in values.iter().enumerate() {
        if let Ok(text) = value.cast::<PyString>() {
            let why = |why| InvalidArgumentError::new_err(format!("column {name:?}, row {row}: {why}"));
            texts.append_value(text.to_str().map_err(why)?);
        } else if value.is_none() || value.extract::<f64>().is_ok_and(f64::is_nan) {
            texts.append_null();
        } else {
            let why = format!("column {name:?}, row {row}: {} in a column of strings", value.get_type().name()?);
            return Err(InvalidArgumentError::new_err(why));
        }
    }
    Ok(Arc::new(texts.finish()))
}

fn of_length(nulls: Option<NullBuffer>, rows: usize) -> PyResult<Option<NullBuffer>> {
    match nulls {
        Some(nulls) if nulls.len() != rows => {
            Err(InvalidArgumentError::new_err(format!("{} null marks for {rows} values", nulls.len())))
        }
        nulls => Ok(nulls),
    }
}

/// One column, until `values` hands its memory over.
#[pyclass(frozen, module = "db_core._native")]
pub(crate) struct Column(Mutex<Option<ArrayRef>>);

impl Column {
    fn array(&self) -> PyResult<ArrayRef> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.clone().ok_or_else(|| InvalidArgumentError::new_err("the column's values were taken before"))
    }
}

#[pymethods]
impl Column {
    /// One of: float64, int64, uint64, bool, timestamp, duration, string, dictionary, binary, null.
    #[getter]
    fn kind(&self) -> PyResult<&'static str> {
        Ok(match self.array()?.data_type() {
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

    /// What line protocol writes of it: InfluxDB's word for the type and how many values; None if nothing.
    fn written(&self, py: Python<'_>) -> PyResult<Option<(&'static str, usize)>> {
        db_native::written(&*self.array()?).map_err(|error| raise(py, &error))
    }

    /// The zone of a timestamp column.
    #[getter]
    fn tz(&self) -> PyResult<Option<String>> {
        Ok(match self.array()?.data_type() {
            DataType::Timestamp(_, tz) => tz.as_ref().map(ToString::to_string),
            _ => None,
        })
    }

    /// Bytes, 1 where null; None without nulls.
    fn nulls(&self) -> PyResult<Option<Memory>> {
        let nulls = self.array()?.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        Ok(nulls.map(|nulls| Memory::new(nulls.iter().map(|valid| u8::from(!valid)).collect::<Vec<_>>())))
    }

    /// The column as a batch of its own, which shares its memory.
    fn batch(&self) -> PyResult<Batch> {
        let array = self.array()?;
        let schema = Schema::new(vec![Field::new("", array.data_type().clone(), true)]);
        let batch = RecordBatch::try_new(Arc::new(schema), vec![array]);
        batch.map(Batch::new).map_err(|why| InvalidArgumentError::new_err(why.to_string()))
    }

    /// The values as memory (numbers, times, booleans as bytes) or as a list (strings, bytes); taken once.
    ///
    /// A dictionary gives a pair: codes (-1 where null) and words.
    fn values<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let kind = self.kind()?;
        let array = self.array()?;
        // From here on `array` is the only handle, unless the batch keeps one.
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
        match kind {
            "float64" => numbers::<Float64Type>(py, array),
            "int64" => numbers::<Int64Type>(py, array),
            "uint64" => numbers::<UInt64Type>(py, array),
            "timestamp" => numbers::<TimestampNanosecondType>(py, array),
            "duration" => numbers::<DurationNanosecondType>(py, array),
            "bool" => {
                let bytes: Vec<u8> = array.as_boolean().values().iter().map(u8::from).collect();
                Memory::new(bytes).into_bound_py_any(py)
            }
            "string" => {
                let texts: Vec<Option<&str>> = match array.data_type() {
                    DataType::Utf8 => array.as_string::<i32>().iter().collect(),
                    DataType::Utf8View => array.as_string_view().iter().collect(),
                    _ => array.as_string::<i64>().iter().collect(),
                };
                let mut strings = Strings::new(py);
                let texts = texts.into_iter().map(|text| text.map(|text| strings.get(text)));
                Ok(PyList::new(py, texts)?.into_any())
            }
            "binary" => {
                let values = array.as_binary::<i64>().iter().map(|value| value.map(|bytes| PyBytes::new(py, bytes)));
                Ok(PyList::new(py, values.collect::<Vec<_>>())?.into_any())
            }
            "dictionary" => {
                let array = array.as_dictionary::<Int32Type>();
                let codes: Vec<i32> = array.keys().iter().map(|code| code.unwrap_or(-1)).collect();
                let words: Vec<Option<&str>> = array.values().as_string::<i64>().iter().collect();
                (Memory::new(codes), words).into_bound_py_any(py)
            }
            _ => Memory::new(vec![0.0_f64; array.len()]).into_bound_py_any(py),
        }
    }
}

/// A column's memory; without a copy if nothing else shares it.
fn numbers<T: ArrowPrimitiveType>(py: Python<'_>, array: ArrayRef) -> PyResult<Bound<'_, PyAny>> {
    let (_, values, _) = array.as_primitive::<T>().clone().into_parts();
    drop(array);
    Memory::new(Vec::<T::Native>::from(values)).into_bound_py_any(py)
}

/// Makes Python's strings, one for all rows that repeat a text, unless many others come in between.
struct Strings<'a, 'py> {
    py: Python<'py>,
    /// By the texts' hashes; a text takes the place of another.
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
