//! Tables of typed columns: from Arrow, from a decoded answer or column by column, and out the same ways.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{Field, Schema};
use db_native::Stream;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::array::Array;
use crate::capsule;
use crate::errors::{InvalidArgumentError, raise};

/// Batches of one schema, until `release` hands their columns over.
#[pyclass(frozen, module = "db_core._native")]
pub(crate) struct Table(Mutex<Option<Stream>>);

impl Table {
    pub(crate) fn of(stream: Stream) -> Self {
        Self(Mutex::new(Some(stream)))
    }

    pub(crate) fn of_batch(batch: RecordBatch) -> Self {
        Self::of(Stream { schema: batch.schema(), batches: vec![batch] })
    }

    /// The batches, shared.
    pub(crate) fn stream(&self) -> PyResult<Stream> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(is_handed_over)
    }

    /// All rows as one batch, which is shared if there is only one.
    pub(crate) fn batch(&self, py: Python<'_>) -> PyResult<RecordBatch> {
        let Stream { schema, batches } = self.stream()?;
        py.detach(|| db_native::concat(&schema, &batches)).map_err(|error| raise(py, &error))
    }
}

fn is_handed_over() -> PyErr {
    InvalidArgumentError::new_err("the memory of the frame was handed over; read the frame again")
}

fn rows(stream: &Stream) -> usize {
    stream.batches.iter().map(RecordBatch::num_rows).sum()
}

/// The columns; of a stream that nothing else shares, they are all that holds its memory.
fn columns(stream: Stream) -> Vec<Array> {
    let mut parts = vec![Vec::with_capacity(stream.batches.len()); stream.schema.fields().len()];
    for batch in stream.batches {
        for (column, parts) in batch.into_parts().1.into_iter().zip(&mut parts) {
            parts.push(column);
        }
    }
    let column = |(field, parts): (&Arc<Field>, _)| {
        Array::new(field.data_type().clone(), field.dict_is_ordered() == Some(true), parts)
    };
    stream.schema.fields().iter().zip(parts).map(column).collect()
}

#[pymethods]
impl Table {
    #[new]
    #[pyo3(signature = (names, arrays, rows, metadata=HashMap::new()))]
    fn new(
        names: Vec<String>,
        arrays: Vec<Bound<'_, Array>>,
        rows: usize,
        metadata: HashMap<String, String>,
    ) -> PyResult<Self> {
        let columns = arrays.iter().map(|array| array.get().whole(array.py())).collect::<PyResult<_>>()?;
        let typed = names.into_iter().zip(&arrays);
        let field = |(name, array): (String, &Bound<'_, Array>)| {
            let array = array.get();
            Field::new(name, array.data_type.clone(), true).with_dict_is_ordered(array.ordered)
        };
        let fields: Vec<_> = typed.map(field).collect();
        let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(schema, columns, &options);
        batch.map(Self::of_batch).map_err(|why| InvalidArgumentError::new_err(why.to_string()))
    }

    #[staticmethod]
    pub(crate) fn from_arrow(source: &Bound<'_, PyAny>) -> PyResult<Self> {
        let (batches, schema) = capsule::stream_in(source)?;
        Ok(Self::of(Stream { schema, batches }))
    }

    /// The same rows in one batch.
    fn joined(&self, py: Python<'_>) -> PyResult<Self> {
        self.batch(py).map(Self::of_batch)
    }

    fn slice(&self, py: Python<'_>, start: usize, rows: usize) -> PyResult<Self> {
        let batch = self.batch(py)?;
        let start = start.min(batch.num_rows());
        Ok(Self::of_batch(batch.slice(start, rows.min(batch.num_rows() - start))))
    }

    fn by_time(&self, py: Python<'_>, levels: usize) -> PyResult<Self> {
        let batch = self.batch(py)?;
        py.detach(|| db_native::by_time(&batch, levels)).map(Self::of_batch).map_err(|error| raise(py, &error))
    }

    fn __len__(&self) -> PyResult<usize> {
        self.stream().map(|stream| rows(&stream))
    }

    #[getter]
    fn names(&self) -> PyResult<Vec<String>> {
        Ok(self.stream()?.schema.fields().iter().map(|field| field.name().clone()).collect())
    }

    #[getter]
    fn metadata(&self) -> PyResult<HashMap<String, String>> {
        Ok(self.stream()?.schema.metadata().clone().into())
    }

    /// Of each column, the name of its extension type, or of one within it.
    #[getter]
    fn extensions(&self) -> PyResult<Vec<Option<String>>> {
        let name = |field: &Arc<Field>| {
            let alone = Schema::new(vec![Arc::clone(field)]);
            alone.flattened_fields().into_iter().find_map(|each| each.extension_type_name().map(str::to_owned))
        };
        Ok(self.stream()?.schema.fields().iter().map(name).collect())
    }

    pub(crate) fn columns(&self) -> PyResult<Vec<Array>> {
        self.stream().map(columns)
    }

    /// The columns, handed over: their memory is not copied, and this table is empty from now on.
    fn release(&self) -> PyResult<Vec<Array>> {
        let stream = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        stream.map(columns).ok_or_else(is_handed_over)
    }

    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // By the protocol a producer may ignore the request; the consumer casts.
        let _ = requested_schema;
        let Stream { schema, batches } = self.stream()?;
        capsule::stream_out(py, schema, batches)
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        capsule::schema_out(py, &self.stream()?.schema)
    }
}
