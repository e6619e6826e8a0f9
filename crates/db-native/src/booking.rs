//! One meter's readings, in order of time, booked as consumption of their windows.
//!
//! The idea, in short:
//!
//! ```text
//! base = the last total before the range
//! for each reading:
//!     book (reading - base) to the reading's window
//!     base = reading
//! ```
//!
//! So the sum of a window is its last total minus the last total before it. The
//! consumption of two adjoining ranges adds up to that of both at once.
//!
//! There are three exceptions:
//!
//! - A step may be unknown. Then the sum of its window is unknown: see [`Rules::judge`].
//! - If a field has a highest rate, a jump or a drop may be a single wrong reading.
//!   Its step is not booked before the next reading. If the next total continues
//!   from the suspicious one, the meter did change, and the step is booked. If it
//!   continues from the total before, the suspicious reading is skipped.
//! - A step over windows without a reading is a gap, which is booked to the last
//!   window, spread over all of them, or unknown: see [`Ledger::book`].

use crate::total::Total;

/// What a fall of a total means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnReset {
    /// The consumption since the total before is not known.
    Null,
    /// The meter began again at 0: the consumption is the total itself.
    Restart,
    /// The meter counted up to its rollover, and continued from 0.
    Rollover,
    /// The meter counts backwards too: the difference, which is negative.
    Keep,
}

/// Where the consumption over windows without a reading goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gaps {
    /// To the window of the next reading.
    Book,
    /// In equal parts to the windows without a reading and the window of the next reading.
    Spread,
    /// To no window: all of them are null.
    Null,
}

/// How far a window's consumption can be trusted, in order of gravity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Quality {
    Ok,
    /// The series begins here: what came before its first total is not known.
    First,
    /// It includes the consumption of windows without a reading, or is a part of it.
    Gap,
    Rollover,
    Reset,
    /// A total rose by more than the meter can count.
    Implausible,
}

impl Quality {
    /// The words of a quality column, by code.
    pub(crate) const WORDS: [&str; 6] = ["ok", "first", "gap", "reset", "rollover", "implausible"];

    pub(crate) const fn code(self) -> i32 {
        match self {
            Self::Ok => 0,
            Self::First => 1,
            Self::Gap => 2,
            Self::Reset => 3,
            Self::Rollover => 4,
            Self::Implausible => 5,
        }
    }
}

/// A total that a meter showed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading<T> {
    /// Label of the window it is in.
    pub(crate) window: i64,
    /// Its own time, twice; or the start and stop of the window if only these are known.
    pub(crate) earliest: i64,
    pub(crate) latest: i64,
    pub(crate) total: T,
    /// The smallest total of the window, where it is known.
    pub(crate) low: Option<T>,
}

/// What consumption is counted from, with its own time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start<T> {
    /// The last total before the range.
    Before { time: i64, total: T },
    /// The first total within it.
    First { time: i64, total: T },
    /// The first reading.
    Unknown,
}

/// How steps are judged and booked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'a, T> {
    pub(crate) on_reset: OnReset,
    pub(crate) rollover: Option<T>,
    /// Most per second.
    pub(crate) max_rate: Option<f64>,
    pub(crate) gaps: Gaps,
    /// Labels of all windows, ascending; empty if they are not known.
    pub(crate) grid: &'a [i64],
    /// A total before the range that is older leaves a gap.
    pub(crate) adjacent_since: Option<i64>,
}

/// A window and what was booked to it; `None` is unknown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Booked<T> {
    pub(crate) window: i64,
    pub(crate) amount: Option<T>,
    pub(crate) quality: Quality,
}

/// How many windows [`book`] returns at most: those with a reading, and those of gaps that are not booked.
pub(crate) fn most_windows<T: Total>(start: &Start<T>, readings: &[Reading<T>], rules: &Rules<'_, T>) -> usize {
    let (Some(first), Some(last)) = (readings.first(), readings.last()) else { return 0 };
    if rules.gaps == Gaps::Book {
        return readings.len();
    }
    let from = if matches!(start, Start::Before { .. }) { 0 } else { rules.slot_after(0, first.window) };
    readings.len().max(rules.slot_after(from, last.window) - from)
}

/// Books the readings of one field of one meter, sorted by window and time; returns its windows in order.
pub(crate) fn book<T: Total>(start: Start<T>, readings: &[Reading<T>], rules: &Rules<'_, T>) -> Vec<Booked<T>> {
    let Some(first) = readings.first() else { return Vec::new() };
    let mut ledger = Ledger { rules, readings, booked: Vec::with_capacity(readings.len()) };
    let mut begin = 0;
    let mut base = match start {
        Start::Before { time, total } => {
            let late = !rules.grid.is_empty() && rules.adjacent_since.is_some_and(|since| time < since);
            Base { window: time, earliest: time, total, slot: 0, next: 0, late }
        }
        Start::First { time, total } => {
            ledger.put(first.window, Some(T::default()), Quality::First);
            let slot = rules.slot_after(0, first.window);
            Base { window: first.window, earliest: time, total, slot, next: 0, late: false }
        }
        Start::Unknown => {
            ledger.put(first.window, None, Quality::First);
            begin = 1;
            Base::of(first, rules.slot_after(0, first.window), 1)
        }
    };
    // The step to `base`, and the base before, if `base` is suspicious.
    let mut held: Option<Step<T>> = None;
    for (index, reading) in readings.iter().enumerate().skip(begin) {
        let odd = base;
        base = Base::of(reading, rules.slot_after(odd.slot, reading.window), index + 1);
        let Some(step) = held.take() else {
            held = ledger.step(&odd, index);
            continue;
        };
        let old = step.from;
        if rules.fits(&odd, reading) {
            ledger.book(&step);
            held = ledger.step(&odd, index);
        } else if rules.fits(&old, reading) {
            // The smallest total of the window does not count: it may be the suspicious one, if that lasted into it.
            if odd.window != reading.window {
                ledger.put(odd.window, None, Quality::Implausible);
            }
            let amount = Some(reading.total - old.total);
            ledger.book(&Step { from: old, to: index, amount, quality: Quality::Ok });
        } else {
            ledger.put(odd.window, None, Quality::Implausible);
            held = Some(Step { from: old, to: index, amount: None, quality: Quality::Implausible });
        }
    }
    if let Some(step) = held {
        ledger.book(&step);
    }
    ledger.close()
}

/// What the next step counts from: a reading, or the total before the first one.
#[derive(Clone, Copy)]
struct Base<T> {
    window: i64,
    earliest: i64,
    total: T,
    /// Position in the grid of the first window after its own.
    slot: usize,
    /// Position of the first reading after it.
    next: usize,
    /// Whether windows before the range lie between it and the first.
    late: bool,
}

impl<T: Total> Base<T> {
    fn of(reading: &Reading<T>, slot: usize, next: usize) -> Self {
        Self { window: reading.window, earliest: reading.earliest, total: reading.total, slot, next, late: false }
    }
}

/// What was consumed from a base up to a reading, given by position.
#[derive(Clone, Copy)]
struct Step<T> {
    from: Base<T>,
    to: usize,
    amount: Option<T>,
    quality: Quality,
}

/// The amount and quality of a step, and whether the next reading decides on it.
struct Verdict<T> {
    amount: Option<T>,
    quality: Quality,
    wait: bool,
}

impl<T: Total> Rules<'_, T> {
    /// Whether a rise by `amount` from base to reading can be within the highest rate, if there is one.
    fn plausible(&self, amount: T, base: &Base<T>, reading: &Reading<T>) -> bool {
        let Some(rate) = self.max_rate else { return true };
        let elapsed = reading.latest.saturating_sub(base.earliest);
        #[expect(clippy::cast_precision_loss, reason = "a rate is not given to the nanosecond")]
        let seconds = elapsed as f64 / 1e9;
        amount.double() <= rate * seconds
    }

    fn fits(&self, base: &Base<T>, reading: &Reading<T>) -> bool {
        reading.total >= base.total && self.plausible(reading.total - base.total, base, reading)
    }

    /// Returns the amount and quality of a step from base to reading.
    ///
    /// The amount of a rise is the rise itself, with two exceptions: a jump, and a window whose smallest total is
    /// below the base. In that window the meter began again and has overtaken its old total since. [`OnReset`]
    /// decides on a fall.
    fn judge(&self, base: &Base<T>, reading: &Reading<T>) -> Verdict<T> {
        let change = reading.total - base.total;
        let fell = reading.total < base.total;
        if !fell {
            let hidden = self.on_reset != OnReset::Keep && reading.low.is_some_and(|low| low < base.total);
            return if !self.plausible(change, base, reading) {
                Verdict { amount: None, quality: Quality::Implausible, wait: true }
            } else if hidden {
                Verdict { amount: None, quality: Quality::Reset, wait: false }
            } else {
                Verdict { amount: Some(change), quality: Quality::Ok, wait: false }
            };
        }
        let (amount, quality) = match self.on_reset {
            OnReset::Null => (None, Quality::Reset),
            // A meter that counts from zero never shows less than zero.
            OnReset::Restart => (Some(reading.total).filter(|total| *total >= T::default()), Quality::Reset),
            OnReset::Rollover => match self.rollover {
                Some(end) if base.total <= end && reading.total >= T::default() => {
                    (Some(end - base.total + reading.total), Quality::Rollover)
                }
                // No meter that begins again at `end` shows such a total.
                _ => (None, Quality::Reset),
            },
            OnReset::Keep => (Some(change), Quality::Reset),
        };
        let wait = self.max_rate.is_some();
        if amount.is_none_or(|amount| self.plausible(amount, base, reading)) {
            Verdict { amount, quality, wait }
        } else {
            Verdict { amount: None, quality: Quality::Implausible, wait }
        }
    }

    /// The first position in the grid, from `slot` on, of a window after this one.
    fn slot_after(&self, slot: usize, window: i64) -> usize {
        match self.grid.get(slot..).unwrap_or_default() {
            [here, ..] if *here == window => slot + 1,
            rest => slot + rest.partition_point(|label| *label <= window),
        }
    }
}

/// What has been booked so far.
struct Ledger<'a, T> {
    rules: &'a Rules<'a, T>,
    readings: &'a [Reading<T>],
    /// A window may have several entries, in any order.
    booked: Vec<Booked<T>>,
}

impl<T: Total> Ledger<'_, T> {
    /// Judges the step from `base` to the reading at `to` and books it, or returns it if the next reading decides.
    fn step(&mut self, base: &Base<T>, to: usize) -> Option<Step<T>> {
        let Verdict { amount, quality, wait } = self.rules.judge(base, &self.readings[to]);
        let step = Step { from: *base, to, amount, quality };
        if wait {
            return Some(step);
        }
        self.book(&step);
        None
    }

    /// Books a step, the part of windows without a reading as [`Gaps`] says.
    ///
    /// A window whose readings were skipped counts as a window with a reading.
    fn book(&mut self, step: &Step<T>) {
        let Reading { window, .. } = self.readings[step.to];
        let passed = &self.readings[step.from.next..step.to];
        let grid = self.rules.grid.get(step.from.slot..).unwrap_or_default();
        let between = match grid {
            [next, ..] if *next < window => &grid[..grid.partition_point(|label| *label < window)],
            _ => &[],
        };
        let is_empty = |label: &&i64| passed.binary_search_by_key(*label, |reading| reading.window).is_err();
        let mut empty = between.iter().filter(is_empty).peekable();
        if empty.peek().is_none() && !step.from.late {
            return self.put(window, step.amount, step.quality);
        }
        let quality = step.quality.max(Quality::Gap);
        match self.rules.gaps {
            Gaps::Book => self.put(window, step.amount, quality),
            Gaps::Null => {
                empty.for_each(|label| self.put(*label, None, Quality::Gap));
                self.put(window, None, quality);
            }
            Gaps::Spread => {
                let empty: Vec<i64> = empty.copied().collect();
                let mut shares = step.amount.map(|amount| amount.shares(empty.len() + 1)).into_iter().flatten();
                for label in empty {
                    self.put(label, shares.next(), Quality::Gap);
                }
                self.put(window, shares.next(), quality);
            }
        }
    }

    fn put(&mut self, window: i64, amount: Option<T>, quality: Quality) {
        let entry = Booked { window, amount, quality };
        match self.booked.last_mut() {
            Some(last) if last.window == window => last.add(&entry),
            _ => self.booked.push(entry),
        }
    }

    /// One entry per window, in order.
    fn close(mut self) -> Vec<Booked<T>> {
        if !self.booked.is_sorted_by(|one, next| one.window < next.window) {
            self.booked.sort_by_key(|entry| entry.window);
            self.booked.dedup_by(|next, kept| {
                let same = next.window == kept.window;
                if same {
                    kept.add(next);
                }
                same
            });
        }
        self.booked
    }
}

impl<T: Total> Booked<T> {
    /// Adds another entry of the same window.
    fn add(&mut self, other: &Self) {
        self.amount = self.amount.zip(other.amount).map(|(one, other)| one + other);
        self.quality = self.quality.max(other.quality);
    }
}
