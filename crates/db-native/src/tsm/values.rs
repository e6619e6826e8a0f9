//! Points of one type: their times and values, one after the other.

use std::ops::Range;

use crate::annotated::Datatype;
use crate::varying::Varying;

/// The type of a field's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// IEEE 754 double.
    Float,
    /// 64-bit signed integer.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// UTF-8 text.
    Text,
    /// 64-bit unsigned integer.
    Unsigned,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] = [Self::Float, Self::Integer, Self::Boolean, Self::Text, Self::Unsigned];

    /// The type that a byte of a block or of an index stands for.
    pub(crate) fn of_block(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }

    pub(crate) const fn datatype(self) -> Datatype {
        match self {
            Self::Float => Datatype::Double,
            Self::Integer => Datatype::Long,
            Self::Boolean => Datatype::Boolean,
            Self::Text => Datatype::String,
            Self::Unsigned => Datatype::UnsignedLong,
        }
    }
}

/// Values of one type.
#[derive(Debug)]
pub(crate) enum Values {
    Float(Vec<f64>),
    Integer(Vec<i64>),
    Boolean(Vec<bool>),
    Text(Varying),
    Unsigned(Vec<u64>),
}

impl Values {
    pub(crate) const fn kind(&self) -> Kind {
        match self {
            Self::Float(_) => Kind::Float,
            Self::Integer(_) => Kind::Integer,
            Self::Boolean(_) => Kind::Boolean,
            Self::Text(_) => Kind::Text,
            Self::Unsigned(_) => Kind::Unsigned,
        }
    }
}

/// Points of one type.
#[derive(Debug)]
pub(crate) struct Points {
    /// Of all points, or of the last ones, where those of the others are kept elsewhere.
    pub(crate) times: Vec<i64>,
    pub(crate) values: Values,
}

impl Points {
    pub(crate) fn new(kind: Kind) -> Self {
        let values = match kind {
            Kind::Float => Values::Float(Vec::new()),
            Kind::Integer => Values::Integer(Vec::new()),
            Kind::Boolean => Values::Boolean(Vec::new()),
            Kind::Text => Values::Text(Varying::default()),
            Kind::Unsigned => Values::Unsigned(Vec::new()),
        };
        Self { times: Vec::new(), values }
    }

    pub(crate) const fn kind(&self) -> Kind {
        self.values.kind()
    }

    pub(crate) fn len(&self) -> usize {
        match &self.values {
            Values::Float(values) => values.len(),
            Values::Integer(values) => values.len(),
            Values::Boolean(values) => values.len(),
            Values::Text(values) => values.len(),
            Values::Unsigned(values) => values.len(),
        }
    }

    /// The rows whose times are kept elsewhere.
    pub(crate) fn untimed(&self) -> usize {
        self.len() - self.times.len()
    }

    /// Reserves memory for the values of so many more rows, if there is enough.
    ///
    /// Otherwise growing costs as much as decoding, since all values move to new memory each time. Memory that is not
    /// used is freed in the end. If there is not enough, it grows step by step.
    pub(crate) fn expect(&mut self, more: usize) {
        _ = match &mut self.values {
            Values::Float(values) => values.try_reserve_exact(more),
            Values::Integer(values) => values.try_reserve_exact(more),
            Values::Boolean(values) => values.try_reserve_exact(more),
            Values::Unsigned(values) => values.try_reserve_exact(more),
            Values::Text(_) => Ok(()),
        };
    }

    /// Forgets the rows from `rows` on.
    pub(crate) fn truncate(&mut self, rows: usize) {
        self.times.truncate(rows - self.untimed());
        match &mut self.values {
            Values::Float(values) => values.truncate(rows),
            Values::Integer(values) => values.truncate(rows),
            Values::Boolean(values) => values.truncate(rows),
            Values::Text(values) => values.truncate(rows),
            Values::Unsigned(values) => values.truncate(rows),
        }
    }

    /// These rows alone.
    pub(crate) fn rows(&self, rows: impl IntoIterator<Item = usize>) -> Self {
        let mut chosen = Self::new(self.kind());
        let mut rows = rows.into_iter().peekable();
        while let Some(start) = rows.next() {
            let mut end = start + 1;
            while rows.next_if_eq(&end).is_some() {
                end += 1;
            }
            chosen.extend(self, start..end);
        }
        chosen
    }

    /// The points in order of time; of those of one time the last.
    pub(crate) fn sorted(self) -> Self {
        if self.times.is_sorted_by(|one, other| one < other) {
            return self;
        }
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by_key(|row| self.times[*row]);
        let last =
            |place: &usize| order.get(place + 1).is_none_or(|next| self.times[*next] != self.times[order[*place]]);
        self.rows((0..order.len()).filter(last).map(|place| order[place]))
    }

    /// Appends rows of other points of the same type, whose times they have.
    pub(crate) fn extend(&mut self, other: &Self, rows: Range<usize>) {
        let untimed = other.untimed();
        match (&mut self.values, &other.values) {
            (Values::Float(own), Values::Float(other)) => own.extend_from_slice(&other[rows.clone()]),
            (Values::Integer(own), Values::Integer(other)) => own.extend_from_slice(&other[rows.clone()]),
            (Values::Boolean(own), Values::Boolean(other)) => own.extend_from_slice(&other[rows.clone()]),
            (Values::Unsigned(own), Values::Unsigned(other)) => own.extend_from_slice(&other[rows.clone()]),
            (Values::Text(own), Values::Text(other)) => {
                rows.clone().filter_map(|row| other.get(row)).for_each(|text| own.push(text));
            }
            _ => unreachable!("points of one type are joined"),
        }
        self.times.extend_from_slice(&other.times[rows.start - untimed..rows.end - untimed]);
    }
}
