//! `db_native::Error` to the exceptions of `db_core.errors`: the one place where errors cross.

use db_native::{Error, ErrorKind};
use pyo3::prelude::*;

pyo3::import_exception!(db_core.errors, AmbiguousSeriesError);
pyo3::import_exception!(db_core.errors, IncompleteResultError);
pyo3::import_exception!(db_core.errors, InvalidArgumentError);
pyo3::import_exception!(db_core.errors, ParseError);
pyo3::import_exception!(db_core.errors, QueryError);
pyo3::import_exception!(db_core.errors, SchemaConflictError);

/// The Python exception for an error of the native crate, with its attributes.
pub(crate) fn raise(py: Python<'_>, error: &Error) -> PyErr {
    let text = error.to_string();
    match &error.kind {
        ErrorKind::Syntax(_) | ErrorKind::Value { .. } => {
            let raised = ParseError::new_err(text);
            if let Some(position) = error.position {
                let value = raised.value(py);
                let set = value
                    .setattr("offset", position.offset)
                    .and_then(|()| value.setattr("table", position.table))
                    .and_then(|()| value.setattr("row", position.row));
                if let Err(failure) = set {
                    return failure;
                }
            }
            raised
        }
        ErrorKind::Damage { offset, .. } => {
            let raised = ParseError::new_err(text);
            match raised.value(py).setattr("offset", *offset) {
                Ok(()) => raised,
                Err(failure) => failure,
            }
        }
        ErrorKind::Incomplete | ErrorKind::Framing(_) | ErrorKind::Missing(_) | ErrorKind::Unreadable { .. } => {
            IncompleteResultError::new_err(text)
        }
        ErrorKind::Server { .. } => {
            // The position of the error table says nothing to a user; the message is the server's own.
            let raised = QueryError::new_err(error.kind.to_string());
            // The answer began with HTTP 200 before the server found the error.
            match raised.value(py).setattr("status", 200) {
                Ok(()) => raised,
                Err(failure) => failure,
            }
        }
        ErrorKind::Conflict { .. } | ErrorKind::Sparse(_) => SchemaConflictError::new_err(text),
        ErrorKind::Ambiguous(_) => AmbiguousSeriesError::new_err(text),
        ErrorKind::Input { argument, .. } => refuse(py, *argument, text),
    }
}

/// The exception about an argument.
pub(crate) fn refuse(py: Python<'_>, argument: Option<&str>, text: String) -> PyErr {
    let raised = InvalidArgumentError::new_err(text);
    match raised.value(py).setattr("argument", argument) {
        Ok(()) => raised,
        Err(failure) => failure,
    }
}
