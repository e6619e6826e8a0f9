//! The body of an HTTP message.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::raise;

/// Bytes from which on the GIL is released. For fewer, releasing it would take longer than the work.
const WORTH_RELEASING: usize = 32 << 10;

/// A body, pushed in with what frames it.
#[pyclass(frozen, module = "db_core._native")]
pub(crate) struct HttpBody(Mutex<Progress>);

struct Progress {
    body: db_native::HttpBody,
    excess: usize,
    /// Memory for the next bytes. To reserve it each time took longer than to fill it.
    spare: Vec<u8>,
}

impl HttpBody {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress {
    fn feed(&mut self, data: &[u8]) -> db_native::Result<Vec<u8>> {
        let mut payload = std::mem::take(&mut self.spare);
        payload.clear();
        let used = self.body.feed(data, &mut payload)?;
        self.excess += data.len() - used;
        Ok(payload)
    }
}

#[pymethods]
impl HttpBody {
    #[new]
    fn new(length: Option<u64>) -> Self {
        let body = length.map_or_else(db_native::HttpBody::chunked, db_native::HttpBody::of_length);
        Self(Mutex::new(Progress { body, excess: 0, spare: Vec::new() }))
    }

    fn feed<'py>(&self, data: &Bound<'py, PyBytes>) -> PyResult<Bound<'py, PyBytes>> {
        let (py, bytes) = (data.py(), data.as_bytes());
        let payload = if bytes.len() < WORTH_RELEASING {
            self.progress().feed(bytes)
        } else {
            py.detach(|| self.progress().feed(bytes))
        };
        let payload = payload.map_err(|error| raise(py, &error))?;
        let returned = PyBytes::new(py, &payload);
        self.progress().spare = payload;
        Ok(returned)
    }

    #[getter]
    fn complete(&self) -> bool {
        self.progress().body.is_complete()
    }

    #[getter]
    fn excess(&self) -> usize {
        self.progress().excess
    }
}
