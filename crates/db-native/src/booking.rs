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
//! So a window's sum is its last total less the last total before it, and what
//! is booked in two ranges side by side is what is booked in both at once.
//!
//! What departs from it:
//!
//! - A step may be unknown, which makes its window's sum unknown: see [`Rules::judge`].
//! - Where a field has a highest rate, a jump or a drop may be one odd reading.
//!   Its step is held back until the next reading tells: if that goes on from the
//!   odd one, the meter did change, and the step is booked; if it goes on from the
//!   base before, the odd one was wrong, and is passed over.
//! - A step over windows without a reading is a gap, which is booked to the last
//!   window, spread over all of them, or unknown: see [`Ledger::book`].

use crate::total::Total;

/// What a drop of a total means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnReset {
    /// Nothing is known of the consumption since the total before.
    Null,
    /// The meter began again at 0: the total itself was consumed.
    Restart,
    /// The meter went round: it counts up to its rollover, and on from 0.
    Rollover,
    /// The meter counts backwards too: the difference, which is negative.
    Keep,
}

/// Where the consumption over windows without a reading goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gaps {
    /// Into the window of the next reading.
    Book,
    /// Evenly over the windows without a reading and the one of the next.
    Spread,
    /// Nowhere: all of them are null.
    Null,
}

/// How far a window's consumption can be trusted, the gravest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Quality {
    Ok,
    /// The series begins here: what came before its first total is not known.
    First,
    /// Windows without a reading have part in it.
    Gap,
    Rollover,
    Reset,
    /// A total rose by more than the meter can.
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
    /// Its own time, twice, or start and stop of the window where only that is known.
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

/// How many windows [`book`] gives at most: those with a reading, and where a gap is not booked those between.
pub(crate) fn most_windows<T: Total>(start: &Start<T>, readings: &[Reading<T>], rules: &Rules<'_, T>) -> usize {
    let (Some(first), Some(last)) = (readings.first(), readings.last()) else { return 0 };
    if rules.gaps == Gaps::Book {
        return readings.len();
    }
    let from = if matches!(start, Start::Before { .. }) { 0 } else { rules.slot_after(0, first.window) };
    readings.len().max(rules.slot_after(from, last.window) - from)
}

/// Books the readings of one field of one meter, sorted by window and time; gives its windows in order.
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
    // The step to `base`, and with it the base before, if `base` is odd.
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
            // The window's smallest total is not asked: it may be the odd one's, which lasted into it.
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

/// What the next step counts from: a reading, or what was there before the first.
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

/// A step's amount and quality, and whether it waits for the next reading.
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

    /// What a step from base to reading tells.
    ///
    /// A rise is its amount, but for a jump, and for a window whose smallest total is below the
    /// base: there the meter began again and has overtaken its old total since. A drop is what
    /// [`OnReset`] says.
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
            // From zero, nothing counts to below it.
            OnReset::Restart => (Some(reading.total).filter(|total| *total >= T::default()), Quality::Reset),
            OnReset::Rollover => match self.rollover {
                Some(end) if base.total <= end && reading.total >= T::default() => {
                    (Some(end - base.total + reading.total), Quality::Rollover)
                }
                // No dial that goes round at `end` shows such a total.
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
    /// Entries of one window may stand apart, and out of order.
    booked: Vec<Booked<T>>,
}

impl<T: Total> Ledger<'_, T> {
    /// Judges the step from `base` to the reading at `to` and books it; gives it back if it has to wait.
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
    /// Windows of readings that were passed over are not without a reading.
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
