//! The files of shards, opened and read where they lie, by several threads if asked for.
//!
//! No file stays open between two reads, so that a year of shards needs no more descriptors than a day.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use db_native::{Chunk, Error, ErrorKind, Kind, Query, ReadAt, Selection, Source};
use pyo3::prelude::*;

use crate::decoder::Answer;
use crate::errors::raise;

/// Parts that the work of a thread is divided into, so that all end at about the same time.
const PARTS: usize = 4;

/// Bytes of a file, or of a part of one.
struct Bytes {
    path: PathBuf,
    offset: u64,
}

impl ReadAt for Bytes {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let file = File::open(&self.path)?;
        #[cfg(unix)]
        return std::os::unix::fs::FileExt::read_exact_at(&file, buffer, self.offset + offset);
        #[cfg(not(unix))]
        {
            use std::io::{Read, Seek, SeekFrom};
            let mut file = file;
            file.seek(SeekFrom::Start(self.offset + offset))?;
            file.read_exact(buffer)
        }
    }
}

/// A file as Python names it: its own name, the path where its bytes lie, the offset there and the length.
type Place = (String, PathBuf, u64, Option<u64>);

fn source((name, path, offset, length): Place) -> Result<Source, Error> {
    let shown = path.display().to_string();
    let label = if path.file_name().is_some_and(|last| *last == *name) {
        shown
    } else {
        format!("{name} (in {shown} from byte {offset} on)")
    };
    let unreadable = |reason: String| Error::from(ErrorKind::Unreadable { file: label.clone(), reason });
    let found = std::fs::metadata(&path).map_err(|error| unreadable(error.to_string()))?.len();
    let rest = found.checked_sub(offset).filter(|rest| length.is_none_or(|length| length <= *rest));
    let rest = rest.ok_or_else(|| unreadable(format!("it ends after {found} bytes")))?;
    Ok(Source { name, label, length: length.unwrap_or(rest), bytes: Box::new(Bytes { path, offset }) })
}

/// What a read asks for, without the measurement: fields, tags, start and stop.
type Last = Mutex<Option<(Query, Arc<Selection>)>>;

/// The points in the files of shards.
#[pyclass(frozen, module = "db_core._native")]
pub(crate) struct Shards {
    shards: db_native::Shards,
    /// What was asked for last, as a read in batches asks the same again.
    last: Last,
}

impl Shards {
    fn select(&self, query: Query) -> Result<Arc<Selection>, Error> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((asked, selection)) = &*last
            && *asked == query
        {
            return Ok(Arc::clone(selection));
        }
        let selection = Arc::new(self.shards.select(&query)?);
        *last = Some((query, Arc::clone(&selection)));
        Ok(selection)
    }

    /// Reads the points of a run of series, each thread a part of them at a time.
    fn read_by(
        &self,
        selection: &Selection,
        series: Range<usize>,
        within: (i64, i64),
        threads: usize,
    ) -> Result<Vec<Chunk>, Error> {
        if threads <= 1 {
            return Ok(vec![self.shards.read_within(selection, series, within)?]);
        }
        let runs = selection.divide(series, threads * PARTS);
        let next = AtomicUsize::new(0);
        let work = || {
            let mut done = Vec::new();
            while let Some(run) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                let chunk = self.shards.read_within(selection, run.clone(), within);
                if chunk.is_err() {
                    next.store(runs.len(), Ordering::Relaxed);
                }
                done.push((run.start, chunk));
            }
            done
        };
        let mut done = thread::scope(|scope| {
            let threads: Vec<_> = (0..threads.min(runs.len())).map(|_| scope.spawn(work)).collect();
            let joined = threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            joined.collect::<Vec<_>>()
        });
        done.sort_by_key(|(start, _)| *start);
        done.into_iter().map(|(_, chunk)| chunk).collect()
    }
}

const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Float => "float64",
        Kind::Integer => "int64",
        Kind::Boolean => "bool",
        Kind::Text => "string",
        Kind::Unsigned => "uint64",
    }
}

#[pymethods]
impl Shards {
    #[new]
    fn new(py: Python<'_>, shards: Vec<Vec<Place>>) -> PyResult<Self> {
        let open = || {
            let sources = shards.into_iter().map(|files| files.into_iter().map(source).collect());
            db_native::Shards::open(sources.collect::<Result<_, _>>()?)
        };
        let shards = py.detach(open).map_err(|error| raise(py, &error))?;
        Ok(Self { shards, last: Mutex::new(None) })
    }

    fn measurements(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        py.detach(|| self.shards.measurements()).map_err(|error| raise(py, &error))
    }

    #[pyo3(signature = (measurement, within = None))]
    fn fields(
        &self,
        py: Python<'_>,
        measurement: &str,
        within: Option<(i64, i64)>,
    ) -> PyResult<Vec<(String, Vec<&'static str>)>> {
        let within = within.map_or((i64::MIN, i64::MAX), |(start, stop)| (start, stop.saturating_sub(1)));
        let fields = py.detach(|| self.shards.fields(measurement, within)).map_err(|error| raise(py, &error))?;
        Ok(fields.into_iter().map(|(name, kinds)| (name, kinds.into_iter().map(kind).collect())).collect())
    }

    fn tag_keys(&self, py: Python<'_>, measurement: &str) -> PyResult<Vec<String>> {
        py.detach(|| self.shards.tag_keys(measurement)).map_err(|error| raise(py, &error))
    }

    fn range(&self, py: Python<'_>, measurement: &str) -> Option<(i64, i64)> {
        py.detach(|| self.shards.range(measurement))
    }

    /// The tags that differ between the series that match.
    #[pyo3(signature = (measurement, *, fields, tags, start, stop))]
    fn differing(
        &self,
        py: Python<'_>,
        measurement: String,
        fields: Option<Vec<String>>,
        tags: Vec<(String, Vec<String>)>,
        start: i64,
        stop: i64,
    ) -> PyResult<Vec<String>> {
        let query = Query { measurement, fields, tags, start, stop };
        py.detach(|| self.select(query).map(|selection| selection.differing())).map_err(|error| raise(py, &error))
    }

    /// How many series match, and about how many rows a run of them has.
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    #[pyo3(signature = (measurement, *, fields, tags, start, stop, first = 0, count = usize::MAX, within = None))]
    fn series(
        &self,
        py: Python<'_>,
        measurement: String,
        fields: Option<Vec<String>>,
        tags: Vec<(String, Vec<String>)>,
        start: i64,
        stop: i64,
        first: usize,
        count: usize,
        within: Option<(i64, i64)>,
    ) -> PyResult<(usize, usize)> {
        let (from, to) = within.unwrap_or((start, stop));
        let query = Query { measurement, fields, tags, start, stop };
        let count = || {
            let selection = self.select(query)?;
            let series = first..first.saturating_add(count);
            Ok((selection.len(), self.shards.rows(&selection, series, (from, to.saturating_sub(1)))))
        };
        py.detach(count).map_err(|error: Error| raise(py, &error))
    }

    /// The points of a run of the matching series.
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    #[pyo3(signature = (measurement, *, fields, tags, start, stop, first, count, threads, within = None))]
    fn read(
        &self,
        py: Python<'_>,
        measurement: String,
        fields: Option<Vec<String>>,
        tags: Vec<(String, Vec<String>)>,
        start: i64,
        stop: i64,
        first: usize,
        count: usize,
        threads: usize,
        within: Option<(i64, i64)>,
    ) -> PyResult<Answer> {
        let (from, to) = within.unwrap_or((start, stop));
        let query = Query { measurement, fields, tags, start, stop };
        let read = || {
            let selection = self.select(query)?;
            let series = first..first.saturating_add(count);
            let chunks = self.read_by(&selection, series, (from, to.saturating_sub(1)), threads)?;
            Ok(selection.answer(chunks))
        };
        py.detach(read).map(Answer::new).map_err(|error: Error| raise(py, &error))
    }
}
