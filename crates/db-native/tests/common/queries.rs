//! What the queries that consumption is computed from answer, rendered from all of a meter's totals.

use arrow_array::RecordBatch;
use db_native::{Answer, Consumption, Gaps, Levels, OnReset, Policy, Result, Totals, Unsettled, Window};

use super::plain::Value;
use super::reads::{Table, Tags, answer};

/// The tables of each query, and the windows whose points the last one has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tables {
    pub(crate) totals: Vec<Table>,
    pub(crate) before: Vec<Table>,
    pub(crate) first: Vec<Table>,
    pub(crate) lows: Vec<Table>,
    pub(crate) points: Vec<Table>,
    pub(crate) refined: Vec<Window>,
}

pub(crate) const SECOND: i64 = 1_000_000_000;

fn answers(slices: &[Tables]) -> [Vec<Answer>; 5] {
    let of = |query: fn(&Tables) -> &Vec<Table>| slices.iter().map(|slice| answer(query(slice))).collect();
    [of(|t| &t.totals), of(|t| &t.before), of(|t| &t.first), of(|t| &t.lows), of(|t| &t.points)]
}

pub(crate) fn consumption(slices: &[Tables], spec: &Policy) -> Result<RecordBatch> {
    let [totals, before, first, lows, points] = answers(slices);
    let totals = Totals { totals: &totals, before: &before, first: &first, lows: &lows };
    let refined: Vec<Window> = slices.iter().flat_map(|slice| slice.refined.clone()).collect();
    Consumption::new(&totals, spec.clone())?.frame(&points, &refined).map(|wide| wide.batch)
}

pub(crate) fn unsettled(slices: &[Tables], spec: &Policy) -> Result<Unsettled> {
    let [totals, before, first, lows, _] = answers(slices);
    let totals = Totals { totals: &totals, before: &before, first: &first, lows: &lows };
    Consumption::new(&totals, spec.clone())?.unsettled()
}

/// The totals of one field of one series, all of them, by time.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    pub(crate) tags: Tags,
    pub(crate) field: &'static str,
    pub(crate) datatype: &'static str,
    pub(crate) points: Vec<(i64, Value)>,
}

impl Raw {
    /// A table of the series with these rows, if there are any.
    pub(crate) fn table(&self, rows: impl IntoIterator<Item = (i64, Value)>) -> Option<Table> {
        let rows: Vec<_> = rows.into_iter().map(|(time, value)| (Some(time), value)).collect();
        let Self { tags, field, datatype, .. } = self.clone();
        (!rows.is_empty()).then_some(Table { tags, field: Some(field), datatype: Some(datatype), rows })
    }
}

/// What the queries answer for these windows, which stand side by side; `refined` of them in points.
pub(crate) fn queries(raws: &[Raw], windows: &[Window], refined: &[Window]) -> Tables {
    let mut tables = Tables { refined: refined.to_vec(), ..Tables::default() };
    let (Some(begin), Some(end)) = (windows.first(), windows.last()) else { return tables };
    for raw in raws {
        let within = |window: &Window| {
            let points = raw.points.iter().filter(|point| window.start <= point.0 && point.0 < window.stop);
            points.cloned().collect::<Vec<_>>()
        };
        let all = within(&Window { stop: end.stop, ..*begin });
        let labelled = |pick: fn(Vec<(i64, Value)>) -> Option<Value>| {
            windows.iter().filter_map(|window| Some((window.label, pick(within(window))?))).collect::<Vec<_>>()
        };
        tables.totals.extend(raw.table(labelled(|rows| rows.last().map(|row| row.1.clone()))));
        tables.lows.extend(raw.table(labelled(|rows| rows.into_iter().map(|row| row.1).min_by(by_size))));
        tables.before.extend(raw.table(raw.points.iter().rfind(|point| point.0 < begin.start).cloned()));
        tables.first.extend(raw.table(all.first().cloned()));
        tables.points.extend(raw.table(refined.iter().flat_map(within)));
    }
    tables
}

fn by_size(one: &Value, other: &Value) -> std::cmp::Ordering {
    match (one, other) {
        (Value::Double(one), Value::Double(other)) => f64::from_bits(*one).total_cmp(&f64::from_bits(*other)),
        (one, other) => one.cmp(other),
    }
}

/// Windows between these edges.
pub(crate) fn windows(edges: &[i64], at_start: bool) -> Vec<Window> {
    let window = |pair: &[i64]| Window { label: pair[usize::from(!at_start)], start: pair[0], stop: pair[1] };
    edges.windows(2).map(window).collect()
}

pub(crate) fn spec(fields: &[&str]) -> Policy {
    Policy {
        fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        levels: Levels::Differing,
        tz: "UTC".to_owned(),
        on_reset: OnReset::Null,
        rollover: Vec::new(),
        max_rate: Vec::new(),
        gaps: Gaps::Book,
        grid: None,
        adjacent_since: None,
        lead: 0,
        kinds: Vec::new(),
        late: 0,
        longest: 0,
        quality: true,
        windows: None,
    }
}
