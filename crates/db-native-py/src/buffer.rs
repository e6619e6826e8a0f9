//! A vector's memory as a Python buffer, so that numpy can use it without a copy.
//!
//! One of the two modules with `unsafe`; the other is `capsule`.
#![allow(unsafe_code, reason = "the buffer protocol is made of raw pointers")]

use std::any::Any;
use std::ffi::c_int;

use arrow_buffer::ArrowNativeType;
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;

/// Writable memory that Python owns from now on: nothing in Rust reads or writes it again.
#[pyclass(frozen, module = "db_core._native")]
pub(crate) struct Memory {
    pointer: *mut u8,
    bytes: usize,
    /// Keeps the memory alive; never touched otherwise.
    _owner: Box<dyn Any + Send + Sync>,
}

// SAFETY: the pointer is to the owner's heap memory, which neither moves nor is freed before the owner is
// dropped, and which only Python touches, under the rules Python has for shared buffers.
unsafe impl Send for Memory {}
// SAFETY: as above; `Memory` itself has no method that reads or writes through the pointer.
unsafe impl Sync for Memory {}

impl Memory {
    /// Hands a vector over.
    pub(crate) fn new<T: ArrowNativeType>(values: Vec<T>) -> Self {
        let mut values = values.into_boxed_slice();
        Self {
            pointer: values.as_mut_ptr().cast(),
            bytes: size_of_val::<[T]>(&values),
            _owner: Box::new(OwnedSlice(values)),
        }
    }
}

/// The owner of the memory; a boxed slice keeps its address when it is moved.
struct OwnedSlice<T>(#[expect(dead_code, reason = "held to be dropped")] Box<[T]>);

#[pymethods]
impl Memory {
    /// Fills in the view.
    ///
    /// # Safety
    /// - Called by the interpreter with a valid `view`.
    /// - The view holds a reference to `slf`, which keeps the memory alive.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let memory = slf.get();
        let length = isize::try_from(memory.bytes).map_err(|_| PyBufferError::new_err("too large for a buffer"))?;
        // SAFETY: `view` is valid by contract; pointer and length describe the owner's memory; the call takes
        // a reference to `slf` and stores it in the view.
        let status = unsafe { ffi::PyBuffer_FillInfo(view, slf.as_ptr(), memory.pointer.cast(), length, 0, flags) };
        if status == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }

    fn __len__(&self) -> usize {
        self.bytes
    }
}
