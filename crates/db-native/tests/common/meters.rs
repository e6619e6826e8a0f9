//! Policy, naively: written from what it is to be, looking everything up anew at every step.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Add, Sub};

use db_native::{Gaps, Levels, OnReset, Policy, Window};

use super::plain::Value;
use super::queries::Tables;
use super::reads::Table;

/// Qualities, the gravest last.
const GRAVITY: [&str; 6] = ["ok", "first", "gap", "rollover", "reset", "implausible"];

/// What computing consumption fails with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Ambiguous,
    Conflict,
    Input,
}

/// A total, or a difference of totals.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
enum Number {
    Whole(i128),
    Double(f64),
}

use Number::{Double, Whole};

impl Number {
    fn of(value: &Value) -> Option<Self> {
        match *value {
            Value::Long(value) => Some(Whole(value.into())),
            Value::UnsignedLong(value) => Some(Whole(value.into())),
            Value::Double(bits) => Some(Double(f64::from_bits(bits))),
            _ => None,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate is compared with a double")]
    fn double(self) -> f64 {
        match self {
            Whole(value) => value as f64,
            Double(value) => value,
        }
    }

    /// The same kind of number.
    #[expect(clippy::cast_possible_truncation, reason = "the tests' rollovers are small")]
    fn like(self, value: f64) -> Self {
        match self {
            Whole(_) => Whole(value as i128),
            Double(_) => Double(value),
        }
    }

    /// The share of part `part` out of `count`; `others` is the sum of the parts before.
    #[expect(clippy::cast_precision_loss, reason = "the tests have few windows")]
    fn share(self, part: usize, count: usize, others: Self) -> Self {
        match self {
            Double(_) if part + 1 == count => self - others,
            Double(value) => Double(value / count as f64),
            Whole(value) => {
                let floor = |parts: usize| {
                    let product = value * i128::try_from(parts).unwrap();
                    let count = i128::try_from(count).unwrap();
                    product / count - i128::from(product % count < 0)
                };
                Whole(floor(part + 1) - floor(part))
            }
        }
    }
}

impl Add for Number {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        match (self, other) {
            (Whole(one), Whole(other)) => Whole(one + other),
            (one, other) => Double(one.double() + other.double()),
        }
    }
}

impl Sub for Number {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        match (self, other) {
            (Whole(one), Whole(other)) => Whole(one - other),
            (one, other) => Double(one.double() - other.double()),
        }
    }
}

/// A reading: the label of its window, when it was at the earliest and at the latest, its total, and the
/// window's smallest where that counts.
#[derive(Clone, Copy, Debug)]
struct Seen {
    window: i64,
    earliest: i64,
    latest: i64,
    total: Number,
    low: Option<Number>,
    /// A total before the range that is older than it may be.
    stale: bool,
}

/// What was consumed between two readings, and the index of its quality in [`GRAVITY`].
#[derive(Clone, Copy, Debug)]
struct Step {
    from: Seen,
    to: Seen,
    amount: Option<Number>,
    gravity: usize,
}

type Entry = (i64, Option<Number>, usize);

fn gravity(word: &str) -> usize {
    GRAVITY.iter().position(|known| *known == word).unwrap()
}

/// One field of one meter.
struct Meter<'a> {
    spec: &'a Policy,
    rate: Option<f64>,
    rollover: Option<f64>,
    readings: Vec<Seen>,
}

impl Meter<'_> {
    fn plausible(&self, amount: Number, from: &Seen, to: &Seen) -> bool {
        let nanos = to.latest - from.earliest;
        #[expect(clippy::cast_precision_loss, reason = "the tests' times are short")]
        self.rate.is_none_or(|rate| amount.double() <= rate * (nanos as f64 / 1e9))
    }

    fn fits(&self, from: &Seen, to: &Seen) -> bool {
        to.total >= from.total && self.plausible(to.total - from.total, from, to)
    }

    /// The step, and whether it is provisional.
    fn step(&self, from: Seen, to: Seen) -> (Step, bool) {
        let change = to.total - from.total;
        let keep = self.spec.on_reset == OnReset::Keep;
        let step = |amount, word| Step { from, to, amount, gravity: gravity(word) };
        if to.total >= from.total {
            if !self.plausible(change, &from, &to) {
                return (step(None, "implausible"), true);
            }
            let hidden = !keep && to.low.is_some_and(|low| low < from.total);
            return (if hidden { step(None, "reset") } else { step(Some(change), "ok") }, false);
        }
        let zero = change.like(0.0);
        let drop = match self.spec.on_reset {
            OnReset::Null => step(None, "reset"),
            OnReset::Restart => step(Some(to.total).filter(|total| *total >= zero), "reset"),
            OnReset::Keep => step(Some(change), "reset"),
            OnReset::Rollover => {
                let end = change.like(self.rollover.unwrap());
                let on_the_dial = from.total <= end && to.total <= end && to.total >= zero;
                if on_the_dial { step(Some(end - from.total + to.total), "rollover") } else { step(None, "reset") }
            }
        };
        let too_much = drop.amount.is_some_and(|amount| !self.plausible(amount, &from, &to));
        (if too_much && !keep { step(None, "implausible") } else { drop }, self.rate.is_some())
    }

    /// Policy from `base` on, over the readings left; `held` is the step to `base` if that is odd.
    fn walk(&self, base: Seen, held: Option<Step>, rest: &[Seen]) -> Vec<Entry> {
        let Some((next, after)) = rest.split_first() else {
            return held.map(|step| self.entries(&step)).unwrap_or_default();
        };
        let Some(held) = held else {
            let (step, provisional) = self.step(base, *next);
            return if provisional {
                self.walk(*next, Some(step), after)
            } else {
                [self.entries(&step), self.walk(*next, None, after)].concat()
            };
        };
        let odd = vec![(base.window, None, gravity("implausible"))];
        if self.fits(&base, next) {
            [self.entries(&held), self.walk(base, None, rest)].concat()
        } else if self.fits(&held.from, next) {
            let forgotten = if base.window == next.window { Vec::new() } else { odd };
            let amount = Some(next.total - held.from.total);
            let step = Step { to: *next, amount, gravity: gravity("ok"), ..held };
            [forgotten, self.entries(&step), self.walk(*next, None, after)].concat()
        } else {
            let step = Step { to: *next, amount: None, gravity: gravity("implausible"), ..held };
            [odd, self.walk(*next, Some(step), after)].concat()
        }
    }

    /// What a step books, to which windows.
    fn entries(&self, step: &Step) -> Vec<Entry> {
        let grid = self.spec.grid.as_deref().unwrap_or_default();
        let between = grid.iter().filter(|label| step.from.window < **label && **label < step.to.window);
        let has_reading = |label: i64| self.readings.iter().any(|reading| reading.window == label);
        let empty: Vec<i64> = between.copied().filter(|label| !has_reading(*label)).collect();
        let is_gap = !empty.is_empty() || step.from.stale && self.spec.grid.is_some();
        let gap = gravity("gap");
        let last = if is_gap { step.gravity.max(gap) } else { step.gravity };
        if !is_gap || self.spec.gaps == Gaps::Book {
            return vec![(step.to.window, step.amount, last)];
        }
        let windows: Vec<i64> = empty.into_iter().chain([step.to.window]).collect();
        let mut entries: Vec<Entry> = Vec::new();
        for (part, window) in windows.iter().enumerate() {
            let amount = step.amount.filter(|_| self.spec.gaps == Gaps::Spread).map(|amount| {
                let others = entries.iter().filter_map(|entry| entry.1).fold(amount.like(0.0), Add::add);
                amount.share(part, windows.len(), others)
            });
            entries.push((*window, amount, if part + 1 == windows.len() { last } else { gap }));
        }
        entries
    }

    /// Amount and quality of each window that something was booked to.
    fn windows(
        &self,
        before: Option<(i64, Number)>,
        first: Option<(i64, Number)>,
    ) -> BTreeMap<i64, (Option<Number>, usize)> {
        let Some(opening) = self.readings.first().copied() else { return BTreeMap::new() };
        let entries = if let Some((time, total)) = before {
            let stale = self.spec.adjacent_since.is_some_and(|since| time < since);
            let base = Seen { window: time, earliest: time, latest: time, total, low: None, stale };
            self.walk(base, None, &self.readings)
        } else if let Some((time, total)) = first {
            let base = Seen { earliest: time, total, low: None, ..opening };
            let flag = (opening.window, Some(total.like(0.0)), gravity("first"));
            [vec![flag], self.walk(base, None, &self.readings)].concat()
        } else {
            [vec![(opening.window, None, gravity("first"))], self.walk(opening, None, &self.readings[1..])].concat()
        };
        let mut windows = BTreeMap::new();
        for (window, amount, gravity) in entries {
            let sum = windows.entry(window).or_insert((Some(opening.total.like(0.0)), 0));
            *sum = (sum.0.zip(amount).map(|(one, other)| one + other), sum.1.max(gravity));
        }
        windows
    }
}

/// A row group: the values of the levels.
type Key<'a> = Vec<Option<&'a str>>;

fn tag<'a>(table: &'a Table, name: &str) -> Option<&'a str> {
    table.tags.get(name).copied().filter(|value| !value.is_empty())
}

/// Names of the levels.
fn levels<'a>(totals: &'a [Table], spec: &'a Levels) -> Result<Vec<&'a str>, Failure> {
    let names: BTreeSet<&str> = totals.iter().flat_map(|table| table.tags.keys().copied()).collect();
    let values = |name: &str| totals.iter().map(|table| tag(table, name)).collect::<BTreeSet<_>>();
    let differing: Vec<&str> = names.into_iter().filter(|name| values(name).len() > 1).collect();
    match spec {
        Levels::Differing => Ok(differing),
        Levels::Named(names) if names.is_empty() && !differing.is_empty() => Err(Failure::Ambiguous),
        Levels::Named(names) => Ok(names.iter().map(String::as_str).collect()),
    }
}

/// The field's tables of one query that belong to a key, and its values by time; each time once.
struct Kept<'a> {
    spec: &'a Policy,
    tables: &'a Tables,
    levels: Vec<&'a str>,
}

impl<'a> Kept<'a> {
    fn key(&self, table: &'a Table) -> Key<'a> {
        self.levels.iter().map(|name| tag(table, name)).collect()
    }

    /// The key that a table of any query counts for.
    fn belongs(&self, table: &'a Table) -> Option<Key<'a>> {
        let series = |table: &'a Table| -> BTreeSet<(&str, &str)> {
            table.tags.iter().filter(|tag| !tag.1.is_empty()).map(|(name, value)| (*name, *value)).collect()
        };
        let named = matches!(&self.spec.levels, Levels::Named(names) if !names.is_empty());
        let mut totals = self.tables.totals.iter();
        let known =
            totals.any(|total| if named { self.key(total) == self.key(table) } else { series(total) == series(table) });
        known.then(|| self.key(table))
    }

    fn of(&self, query: &'a [Table], field: &str) -> Vec<(Key<'a>, &'a Table)> {
        let of_field = query.iter().filter(|table| table.field.is_none_or(|name| name == field));
        of_field.filter_map(|table| Some((self.belongs(table)?, table))).collect()
    }

    fn queries(&self) -> [&'a [Table]; 5] {
        let Tables { totals, before, first, lows, points, .. } = self.tables;
        [totals, before, first, lows, points]
    }

    /// Whether the field's values are doubles; an integer column otherwise.
    fn doubles(&self, field: &str) -> Result<bool, Failure> {
        let tables: Vec<&Table> =
            self.queries().into_iter().flat_map(|query| self.of(query, field)).map(|(_, table)| table).collect();
        let kinds: BTreeSet<&str> = tables.iter().filter_map(|table| table.datatype).collect();
        let numbers = BTreeSet::from(["double", "long", "unsignedLong"]);
        if kinds.len() > 1 {
            let exact = tables.iter().flat_map(|table| &table.rows).all(|row| row.1.widened().is_some());
            return if kinds.is_subset(&numbers) && exact { Ok(true) } else { Err(Failure::Conflict) };
        }
        Ok(kinds.is_empty() || kinds.contains("double"))
    }

    /// Time and total of each row of a key, in order.
    fn rows(&self, query: &'a [Table], field: &str, key: &Key<'a>, doubles: bool) -> Vec<(i64, Number)> {
        let tables = self.of(query, field).into_iter().filter(|(of, _)| of == key);
        let rows = tables.flat_map(|(_, table)| &table.rows);
        let number = |value: &Value| Number::of(&if doubles { value.widened()? } else { value.clone() });
        let mut rows: Vec<(i64, Number)> =
            rows.filter_map(|(time, value)| Some((time.unwrap(), number(value)?))).collect();
        rows.sort_by_key(|row| row.0);
        rows
    }
}

fn window_of(time: i64, refined: &[Window]) -> Option<i64> {
    refined.iter().find(|window| window.start <= time && time < window.stop).map(|window| window.label)
}

fn of_field(list: &[(String, f64)], field: &str) -> Option<f64> {
    list.iter().find(|pair| pair.0 == field).map(|pair| pair.1)
}

/// The windows of one field of one meter whose points are worth asking for; `base` is what it counts from.
fn doubtful(kept: &Kept<'_>, field: &str, key: &Key<'_>, doubles: bool, base: Option<(i64, Number)>) -> BTreeSet<i64> {
    let spec = kept.spec;
    let rate = of_field(&spec.max_rate, field);
    let falls = rate.is_some() || [OnReset::Restart, OnReset::Rollover].contains(&spec.on_reset);
    let key: Key<'_> = key.clone();
    let totals = kept.rows(&kept.tables.totals, field, &key, doubles);
    let lows = kept.rows(&kept.tables.lows, field, &key, doubles);
    let mut found = BTreeSet::new();
    for (index, (label, total)) in totals.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| totals[before]);
        let again = before.is_some_and(|before| before.0 == *label);
        if again {
            found.insert(*label);
        }
        let stop = label + spec.lead;
        let Some((time, from)) = before.map(|(label, total)| (label + spec.lead, total)).or(base) else { continue };
        let fell = *total < from || !again && lows.iter().any(|low| low.0 == *label && low.1 < from);
        #[expect(clippy::cast_precision_loss, reason = "the tests' times are short")]
        let fast = rate.is_some_and(|rate| (*total - from).double() > rate * ((stop - time) as f64 / 1e9));
        if fast || fell && falls {
            found.insert(*label);
            found.extend(before.filter(|_| rate.is_some()).map(|before| before.0));
        }
    }
    found
}

/// A column's name and values.
pub(crate) type Columns = Vec<(String, Vec<Value>)>;

/// The naive consumption.
pub(crate) fn consumption(tables: &Tables, spec: &Policy) -> Result<Columns, Failure> {
    let levels = levels(&tables.totals, &spec.levels)?;
    let kept = Kept { spec, tables, levels };
    let keys: BTreeSet<Key<'_>> = tables.totals.iter().map(|table| kept.key(table)).collect();
    let doubles: Vec<bool> = spec.fields.iter().map(|field| kept.doubles(field)).collect::<Result<_, _>>()?;

    let mut booked = BTreeMap::new();
    for (field, doubles) in spec.fields.iter().zip(&doubles) {
        let mut kinds = kept.queries().into_iter().flat_map(|query| kept.of(query, field));
        if kinds.any(|(_, table)| matches!(table.datatype, Some("string" | "boolean"))) {
            return Err(Failure::Input);
        }
        for key in &keys {
            let rows = |query| kept.rows(query, field, key, *doubles);
            let once = |rows: Vec<(i64, Number)>| {
                let twice = rows.windows(2).any(|pair| pair[0].0 == pair[1].0);
                if twice { Err(Failure::Ambiguous) } else { Ok(rows) }
            };
            let outermost = |rows: Vec<(i64, Number)>, at: Option<i64>| {
                let rows: Vec<_> = rows.into_iter().filter(|row| Some(row.0) == at).collect();
                let differ = rows.iter().any(|row| row.1 != rows[0].1);
                if differ { Err(Failure::Ambiguous) } else { Ok(rows.first().copied()) }
            };
            let before = rows(&tables.before);
            let newest = before.last().map(|row| row.0);
            let before = outermost(before, newest)?;
            let first = rows(&tables.first);
            let oldest = first.first().map(|row| row.0);
            let first = if before.is_some() { None } else { outermost(first, oldest)? };
            let doubtful = doubtful(&kept, field, key, *doubles, before.or(first));
            let by_point =
                |label| tables.refined.iter().any(|window| window.label == label) && doubtful.contains(&label);
            let of_windows = |query| once(rows(query).into_iter().filter(|row| !by_point(row.0)).collect());
            let lows = of_windows(&tables.lows)?;
            let low = |label| lows.iter().find(|row| row.0 == label).map(|row| row.1);
            let mut readings = Vec::new();
            for (label, total) in of_windows(&tables.totals)? {
                let latest = label + spec.lead;
                let earliest = latest - spec.longest;
                readings.push(Seen { window: label, earliest, latest, total, low: low(label), stale: false });
            }
            let window = |time| window_of(time, &tables.refined).filter(|label| by_point(*label));
            for (time, total) in once(rows(&tables.points).into_iter().filter(|row| window(row.0).is_some()).collect())?
            {
                let window = window(time).unwrap();
                readings.push(Seen { window, earliest: time, latest: time, total, low: None, stale: false });
            }
            readings.sort_by_key(|reading| (reading.window, reading.earliest));
            let (rate, rollover) = (of_field(&spec.max_rate, field), of_field(&spec.rollover, field));
            let meter = Meter { spec, rate, rollover, readings };
            booked.insert((field.as_str(), key), meter.windows(before, first));
        }
    }

    let mut rows: BTreeSet<(&Key<'_>, i64)> = BTreeSet::new();
    for ((_, key), windows) in &booked {
        rows.extend(windows.keys().map(|window| (*key, *window)));
    }
    let mut out: Columns = Vec::new();
    for (level, name) in kept.levels.iter().enumerate() {
        let values = rows.iter().map(|(key, _)| key[level].map_or(Value::Null, Value::text));
        out.push(((*name).to_owned(), values.collect()));
    }
    out.push(("time".to_owned(), rows.iter().map(|(_, window)| Value::Time(*window - spec.late)).collect()));
    let cell = |field: &str, (key, window): &(&Key<'_>, i64)| booked[&(field, *key)].get(window).copied();
    for field in &spec.fields {
        let amount = |row| match cell(field, row).and_then(|cell| cell.0) {
            None => Ok(Value::Null),
            Some(Double(amount)) => Ok(Value::double(amount)),
            Some(Whole(amount)) => i64::try_from(amount).map(Value::Long).map_err(|_| Failure::Input),
        };
        out.push((field.clone(), rows.iter().map(amount).collect::<Result<_, _>>()?));
    }
    for field in spec.fields.iter().filter(|_| spec.quality) {
        let word = |row| Value::text(cell(field, row).map_or("gap", |cell| GRAVITY[cell.1]));
        out.push((format!("{field}_quality"), rows.iter().map(word).collect()));
    }
    Ok(out)
}

/// Windows whose points are worth asking for, by field and by the series of the meter, each told by its tags.
pub(crate) type Doubts = BTreeMap<(String, BTreeSet<BTreeMap<String, String>>), BTreeSet<i64>>;

/// The naive list of them.
pub(crate) fn unsettled(tables: &Tables, spec: &Policy) -> Doubts {
    let levels = levels(&tables.totals, &spec.levels).unwrap();
    let kept = Kept { spec, tables, levels };
    let keys: BTreeSet<Key<'_>> = tables.totals.iter().map(|table| kept.key(table)).collect();
    let mut found = Doubts::new();
    for field in &spec.fields {
        let doubles = kept.doubles(field).unwrap();
        for key in &keys {
            let before = kept.rows(&tables.before, field, key, doubles).last().copied();
            let first = kept.rows(&tables.first, field, key, doubles).first().copied();
            let windows = doubtful(&kept, field, key, doubles, before.or(first));
            let tables = tables.totals.iter().filter(|table| kept.key(table) == *key);
            let tags = tables.map(|table| {
                let tags = table.tags.iter().filter(|tag| !tag.1.is_empty());
                tags.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
            });
            if !windows.is_empty() {
                found.insert((field.clone(), tags.collect()), windows);
            }
        }
    }
    found
}
