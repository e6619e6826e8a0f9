//! A vector's memory as a Python buffer, so that numpy can use it without a copy.
//!
//! One of the two modules with `unsafe`; the other is `capsule`.
#![allow(unsafe_code, reason = "the buffer protocol is made of raw pointers")]

use std::ffi::c_int;

use arrow_buffer::{ArrowNativeType, MutableBuffer};
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;

/// Writable memory that Python owns from now on: nothing in Rust reads or writes it again, or makes a reference to it.
#[pyclass(frozen, module = "db_core._native")]
pub(crate) struct Memory(MutableBuffer);

impl Memory {
    /// Hands a vector over.
    pub(crate) fn new<T: ArrowNativeType>(values: Vec<T>) -> Self {
        Self(values.into())
    }
}

#[pymethods]
impl Memory {
    /// Fills in the view.
    ///
    /// # Safety
    /// - Called by the interpreter with a valid `view`.
    /// - The view holds a reference to `slf`, which keeps the memory alive.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let memory = slf.get();
        let length = isize::try_from(memory.0.len()).map_err(|_| PyBufferError::new_err("too large for a buffer"))?;
        let pointer = memory.0.as_ptr().cast_mut();
        // SAFETY:
        // - `view` is valid by contract; the call takes a reference to `slf` and stores it in the view.
        // - Pointer and length are those of the memory, which neither moves nor is freed before `slf`. Python may
        //   write to it: the pointer is the allocation's own, and was not made of a reference to the bytes.
        let status = unsafe { ffi::PyBuffer_FillInfo(view, slf.as_ptr(), pointer.cast(), length, 0, flags) };
        if status == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }
}
