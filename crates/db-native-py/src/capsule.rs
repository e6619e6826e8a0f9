//! Arrow C streams in and out, as PyCapsules: the Arrow PyCapsule protocol.
//!
//! One of the two modules with `unsafe`; the other is `buffer`.
#![allow(unsafe_code, reason = "the C stream interface is made of raw pointers")]

use arrow_array::ffi::FFI_ArrowSchema;
use arrow_array::ffi_stream::{FFI_ArrowArrayStream, RecordBatchStreamReader};
use arrow_array::{RecordBatch, RecordBatchIterator, RecordBatchReader};
use arrow_schema::{Schema, SchemaRef};
use pyo3::prelude::*;
use pyo3::sync::critical_section::with_critical_section;
use pyo3::types::PyCapsule;

use crate::errors::InvalidArgumentError;

const STREAM: &std::ffi::CStr = c"arrow_array_stream";
const SCHEMA: &std::ffi::CStr = c"arrow_schema";

/// Batches of one schema as a stream.
pub(crate) fn stream_out(
    py: Python<'_>,
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
) -> PyResult<Bound<'_, PyCapsule>> {
    let reader = RecordBatchIterator::new(batches.into_iter().map(Ok), schema);
    let stream = FFI_ArrowArrayStream::new(Box::new(reader));
    PyCapsule::new_with_value(py, stream, STREAM)
}

/// The batch's schema.
pub(crate) fn schema_out<'py>(py: Python<'py>, schema: &Schema) -> PyResult<Bound<'py, PyCapsule>> {
    let schema = FFI_ArrowSchema::try_from(schema).map_err(|why| InvalidArgumentError::new_err(why.to_string()))?;
    PyCapsule::new_with_value(py, schema, SCHEMA)
}

/// Reads all batches of an object with `__arrow_c_stream__`, and their schema.
pub(crate) fn stream_in(source: &Bound<'_, PyAny>) -> PyResult<(Vec<RecordBatch>, SchemaRef)> {
    let refuse = |why: String| InvalidArgumentError::new_err(format!("the frame's Arrow stream can't be read: {why}"));
    let capsule = source.call_method0("__arrow_c_stream__")?.cast_into::<PyCapsule>().map_err(PyErr::from)?;
    let pointer = capsule.pointer_checked(Some(STREAM))?.cast::<FFI_ArrowArrayStream>();
    // SAFETY:
    // - The capsule's name has been checked, so by the PyCapsule protocol it points to an `ArrowArrayStream`
    //   that lives as long as the capsule, which outlives this call.
    // - `from_raw` moves the stream out and marks the original as released, as the protocol asks of a consumer.
    //   An object may hand the same capsule to several threads: only one of them at a time can be here, by the
    //   GIL or, without a GIL, by the critical section of the capsule. The others find the stream released.
    let stream = with_critical_section(&capsule, || unsafe { FFI_ArrowArrayStream::from_raw(pointer.as_ptr()) });
    let reader = RecordBatchStreamReader::try_new(stream).map_err(|why| refuse(why.to_string()))?;
    let schema = reader.schema();
    let batches = reader.collect::<Result<Vec<_>, _>>().map_err(|why| refuse(why.to_string()))?;
    Ok((batches, schema))
}
