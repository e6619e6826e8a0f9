//! Writes single points as line protocol.

use std::sync::{Mutex, MutexGuard, PoisonError};

use db_native::{Error, Gathered, Value};
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyMapping, PyString, PyType};

use crate::errors::{raise, refuse};

/// Points as lines, until they are taken.
#[pyclass(frozen, module = "db_core._native")]
pub(crate) struct PointEncoder {
    gathered: Mutex<Gathered>,
    tag_columns: Vec<String>,
    time_column: String,
    datetime: Py<PyType>,
    /// The epoch without a zone, and that in UTC.
    epochs: (Py<PyAny>, Py<PyAny>),
    instant: Py<PyAny>,
    most_rows: usize,
    most_bytes: usize,
}

#[pymethods]
impl PointEncoder {
    #[new]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    #[pyo3(signature = (measurement, *, tag_columns, time_column, tags, instant, most_rows, most_bytes))]
    fn new(
        py: Python<'_>,
        measurement: Option<&str>,
        tag_columns: Vec<String>,
        time_column: String,
        tags: Vec<(String, String)>,
        instant: Py<PyAny>,
        most_rows: usize,
        most_bytes: usize,
    ) -> PyResult<Self> {
        let gathered = Gathered::new(measurement, &tags).map_err(|error| raise(py, &error))?;
        let module = py.import("datetime")?;
        let datetime = module.getattr("datetime")?.cast_into::<PyType>()?;
        let plain = datetime.call1((1970, 1, 1))?;
        let utc = PyDict::new(py);
        utc.set_item("tzinfo", module.getattr("UTC")?)?;
        let epochs = (plain.clone().unbind(), plain.call_method("replace", (), Some(&utc))?.unbind());
        let datetime = datetime.unbind();
        let gathered = Mutex::new(gathered);
        Ok(Self { gathered, tag_columns, time_column, datetime, epochs, instant, most_rows, most_bytes })
    }

    /// Adds a point; `True` once there are enough of them.
    fn add(&self, point: &Bound<'_, PyDict>, now: i64) -> PyResult<bool> {
        let py = point.py();
        let mut gathered = self.lock(py);
        let time = match point.get_item(intern!(py, "fields"))? {
            Some(fields) if fields.is_instance_of::<PyMapping>() => {
                Self::of_parts(&mut gathered, point, &as_dict(&fields)?)?
            }
            _ => self.of_row(&mut gathered, point)?,
        };
        let time = time.map_or(Ok(now), |time| self.nanoseconds(&time))?;
        gathered.end(time).map_err(|error| refused(py, &error))?;
        Ok(self.is_enough(&gathered))
    }

    /// Adds lines of text; `True` once there are enough.
    fn add_text(&self, py: Python<'_>, text: &str, now: i64) -> PyResult<bool> {
        let mut gathered = self.lock(py);
        gathered.text(text, now).map_err(|error| refused(py, &error))?;
        Ok(self.is_enough(&gathered))
    }

    /// Adds lines of an `Encoder`; `True` once there are enough.
    fn add_lines(&self, py: Python<'_>, lines: &[u8], rows: usize) -> bool {
        let mut gathered = self.lock(py);
        gathered.lines(lines, rows);
        self.is_enough(&gathered)
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        self.lock(py).rows()
    }

    /// All lines, with their number; afterwards there are none.
    fn take<'py>(&self, py: Python<'py>) -> (Bound<'py, PyBytes>, usize) {
        let (body, rows) = self.lock(py).take();
        (PyBytes::new(py, &body), rows)
    }
}

impl PointEncoder {
    /// Waits without the GIL: whoever adds a point runs code of Python's meanwhile, which needs it.
    fn lock(&self, py: Python<'_>) -> MutexGuard<'_, Gathered> {
        self.gathered.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner)
    }

    fn is_enough(&self, gathered: &Gathered) -> bool {
        gathered.rows() >= self.most_rows || gathered.size() >= self.most_bytes
    }

    /// Puts together a point of measurement, tags and fields; returns its time.
    fn of_parts<'py>(
        gathered: &mut Gathered,
        point: &Bound<'py, PyDict>,
        fields: &Bound<'py, PyDict>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = point.py();
        let (mut measurement, mut tags, mut time) = (None, None, None);
        for (key, value) in point {
            match text(&key, "a key")? {
                "measurement" => measurement = Some(value).filter(|value| !value.is_none()),
                "tags" => tags = Some(value).filter(|value| !value.is_none()),
                "time" => time = Some(value).filter(|value| !value.is_none()),
                "fields" => {}
                other => {
                    let why = format!(
                        "a point with `fields` can also have `measurement`, `tags` and `time`, but not {other:?}"
                    );
                    return Err(bad(py, why));
                }
            }
        }
        let name = measurement.as_ref().map(|name| text(name, "the measurement")).transpose()?;
        gathered.begin(name).map_err(|error| refused(py, &error))?;
        if let Some(tags) = tags {
            for (key, value) in as_dict(&tags)? {
                add(gathered, text(&key, "a tag's key")?, &value, true)?;
            }
        }
        for (key, value) in fields {
            add(gathered, text(&key, "a field's key")?, &value, false)?;
        }
        Ok(time)
    }

    /// Puts together a point of columns; returns its time.
    fn of_row<'py>(&self, gathered: &mut Gathered, point: &Bound<'py, PyDict>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let mut time = None;
        gathered.begin(None).map_err(|error| refused(point.py(), &error))?;
        for (key, value) in point {
            let name = text(&key, "a key")?;
            if name == self.time_column {
                time = Some(value).filter(|value| !value.is_none());
            } else {
                add(gathered, name, &value, self.tag_columns.iter().any(|tag| tag == name))?;
            }
        }
        Ok(time)
    }

    /// Nanoseconds since the epoch of a time: the usual kinds here, the others by `instant`.
    fn nanoseconds(&self, time: &Bound<'_, PyAny>) -> PyResult<i64> {
        let py = time.py();
        if let Ok(integer) = time.cast_exact::<PyInt>() {
            return integer
                .extract()
                .map_err(|_| bad(py, format!("its time in nanoseconds, {}, exceeds 64 bits", digits(integer))));
        }
        if time.get_type().is(&self.datetime) {
            let is_plain = time.getattr(intern!(py, "tzinfo"))?.is_none();
            let passed = match time.sub(if is_plain { &self.epochs.0 } else { &self.epochs.1 }) {
                // Its zone has no offset for it, which `instant` refuses in its own words.
                Err(error) if error.is_instance_of::<PyTypeError>(py) => return self.ask(time),
                passed => passed?,
            };
            let days: i64 = passed.getattr(intern!(py, "days"))?.extract()?;
            let seconds: i64 = passed.getattr(intern!(py, "seconds"))?.extract()?;
            let micros: i64 = passed.getattr(intern!(py, "microseconds"))?.extract()?;
            // Within a few thousand years, so nothing overflows but the last step.
            let micros = (days * 86_400 + seconds) * 1_000_000 + micros;
            return Ok(micros.saturating_mul(1_000));
        }
        self.ask(time)
    }

    fn ask(&self, time: &Bound<'_, PyAny>) -> PyResult<i64> {
        self.instant.call1(time.py(), (time,))?.extract(time.py())
    }
}

/// The exception about a point.
fn refused(py: Python<'_>, error: &Error) -> PyErr {
    bad(py, error.to_string())
}

fn bad(py: Python<'_>, why: String) -> PyErr {
    refuse(py, Some("data"), format!("`data`: {why}"))
}

/// The lines of a body, each with its line feed.
#[pyfunction]
pub(crate) fn split_lines<'py>(py: Python<'py>, body: &[u8]) -> Vec<Bound<'py, PyBytes>> {
    db_native::split_lines(body).map(|line| PyBytes::new(py, line)).collect()
}

/// Adds a tag or a field to a point, if it has a value.
#[inline]
fn add(gathered: &mut Gathered, key: &str, value: &Bound<'_, PyAny>, is_tag: bool) -> PyResult<()> {
    let py = value.py();
    let known = if let Ok(float) = value.cast_exact::<PyFloat>() {
        Some(Value::Float(float.value()))
    } else if let Ok(text) = value.cast_exact::<PyString>() {
        Some(Value::Text(text.to_str().map_err(|_| no_unicode(py, key))?))
    } else if let Ok(boolean) = value.cast_exact::<PyBool>() {
        Some(Value::Boolean(boolean.is_true()))
    } else if let Ok(integer) = value.cast::<PyInt>() {
        Some(Value::Integer(integer.extract().map_err(|_| too_large(py, key, value))?))
    } else if value.is_none() {
        None
    } else {
        rare(key, value)?
    };
    match known {
        None => Ok(()),
        Some(known) if is_tag => gathered.tag(key, known).map_err(|error| refused(py, &error)),
        Some(known) => gathered.field(key, known).map_err(|error| refused(py, &error)),
    }
}

/// A value of numpy or pandas, or of a class derived from Python's own.
fn rare<'a>(key: &str, value: &'a Bound<'_, PyAny>) -> PyResult<Option<Value<'a>>> {
    let py = value.py();
    if let Ok(float) = value.cast::<PyFloat>() {
        return Ok(Some(Value::Float(float.value())));
    }
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(Some(Value::Text(text.to_str().map_err(|_| no_unicode(py, key))?)));
    }
    let class = value.get_type();
    let name = class.qualname()?.to_string();
    if name == "NAType" || name == "NaTType" {
        return Ok(None);
    }
    if let Ok(kind) = value.getattr("dtype").and_then(|dtype| dtype.getattr("char"))
        && value.getattr("ndim")?.extract::<usize>()? == 0
    {
        let plain = value.call_method0("item")?;
        match kind.extract::<&str>()? {
            "?" => return Ok(Some(Value::Boolean(plain.extract()?))),
            "b" | "h" | "i" | "l" | "q" => return Ok(Some(Value::Integer(plain.extract()?))),
            "B" | "H" | "I" | "L" | "Q" => return Ok(Some(Value::Unsigned(plain.extract()?))),
            "e" | "f" | "d" => return Ok(Some(Value::Float(plain.extract()?))),
            _ => {}
        }
    }
    let module = class.module()?;
    let why =
        format!("{key:?}: a {module}.{name} can't be stored; convert it to a float, an int, a bool or text first");
    Err(bad(py, why))
}

fn too_large(py: Python<'_>, key: &str, value: &Bound<'_, PyAny>) -> PyErr {
    let shown = digits(value);
    bad(py, format!("{key:?}: {shown} exceeds 64 bits; convert it to a float, a numpy uint64 or text first"))
}

/// An integer in digits, or its size if Python refuses to write so many digits.
fn digits(integer: &Bound<'_, PyAny>) -> String {
    let size = || integer.call_method0("bit_length").map(|bits| format!("an integer of {bits} bits"));
    integer.str().map(|text| text.to_string()).or_else(|_| size()).unwrap_or_default()
}

fn no_unicode(py: Python<'_>, key: &str) -> PyErr {
    bad(py, format!("{key:?}: the text is not valid Unicode"))
}

/// A name as text.
fn text<'a>(name: &'a Bound<'_, PyAny>, what: &str) -> PyResult<&'a str> {
    let py = name.py();
    if let Ok(text) = name.cast::<PyString>() {
        return text.to_str().map_err(|_| bad(py, format!("{what} is not valid Unicode")));
    }
    let class = name.get_type().qualname()?;
    Err(bad(py, format!("{what} must be text, not {class}")))
}

/// A mapping as a dict.
fn as_dict<'py>(mapping: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    if let Ok(dict) = mapping.cast::<PyDict>() {
        return Ok(dict.clone());
    }
    let py = mapping.py();
    if !mapping.is_instance_of::<PyMapping>() {
        let class = mapping.get_type().qualname()?;
        return Err(bad(py, format!("its tags must be a mapping, not {class}")));
    }
    Ok(py.get_type::<PyDict>().call1((mapping,))?.cast_into()?)
}
