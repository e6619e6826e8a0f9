//! How line protocol spells names, tags and string values, and what it can't.
//!
//! Beyond InfluxDB's documentation of the syntax, this is what InfluxDB 2.9.1 was
//! seen to do.

use crate::error::{Error, Result};

/// What a text names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Measurement,
    TagKey,
    TagValue,
    FieldKey,
}

impl Role {
    const fn title(self) -> &'static str {
        match self {
            Self::Measurement => "measurement",
            Self::TagKey => "tag key",
            Self::TagValue => "tag value",
            Self::FieldKey => "field key",
        }
    }

    /// Why a text can't be written in this role, if it can't.
    ///
    /// Line protocol has no way to write a line feed here, nor a backslash at the
    /// end (it would escape what follows); elsewhere a backslash stands for itself.
    /// A carriage return is stored, but the server's CSV leaves it out.
    /// But in a measurement or field key the server loses one before a character
    /// that it escapes: the point is refused, or stored where no query finds it,
    /// or under another name. There it also skips leading tabs and NULs. In a tag
    /// key, one before a space makes it take a quote in a tag for that of a string
    /// and read over the line's end.
    fn fault(self, text: &str) -> Option<&'static str> {
        let is_name = matches!(self, Self::Measurement | Self::FieldKey);
        let is_lost = |pair: &[u8]| match pair {
            [b'\\', b' '] => self != Self::TagValue,
            [b'\\', b',' | b'=' | b'"'] => is_name,
            _ => false,
        };
        match text.as_bytes() {
            [] if self != Self::TagValue => Some("is empty"),
            [.., b'\\'] => Some("ends in a backslash"),
            [b'\t' | 0, ..] if is_name => Some("starts with a tab or NUL"),
            [b'#', ..] if self == Self::Measurement => Some("starts with '#', as a comment does"),
            bytes if memchr::memchr(b'\n', bytes).is_some() => Some("holds a line feed"),
            bytes if memchr::memchr(b'\r', bytes).is_some() => Some("holds a carriage return"),
            bytes if self != Self::TagValue && bytes.windows(2).any(is_lost) => {
                Some("holds a backslash before a space, a comma, an equals sign or a quote")
            }
            _ => None,
        }
    }

    /// The reason why a text can't be written, if it can't.
    pub(crate) fn refusal(self, text: &str) -> Option<String> {
        let fault = self.fault(text)?;
        Some(format!("the {} {text:?} {fault}; it can't be written and read back", self.title()))
    }

    /// Appends a text with a backslash before each byte that needs one.
    pub(crate) fn escape(self, text: &str, into: &mut Vec<u8>) {
        let mut rest = text.as_bytes();
        loop {
            let hit = match self {
                Self::Measurement => memchr::memchr2(b',', b' ', rest),
                _ => memchr::memchr3(b',', b' ', b'=', rest),
            };
            let Some(hit) = hit else { break };
            into.extend_from_slice(&rest[..hit]);
            into.extend_from_slice(&[b'\\', rest[hit]]);
            rest = &rest[hit + 1..];
        }
        into.extend_from_slice(rest);
    }

    /// Appends a text escaped, or says why it can't be written.
    pub(crate) fn write(self, text: &str, into: &mut Vec<u8>) -> Result<()> {
        if let Some(reason) = self.refusal(text) {
            return Err(Error::input(None, None, reason));
        }
        self.escape(text, into);
        Ok(())
    }
}

/// Refuses the tag keys that are InfluxDB's own.
pub(crate) fn check_tag_key(key: &str) -> Result<()> {
    // The first three are refused by the server; the others are stored, and break every later Flux query.
    if matches!(key, "time" | "_field" | "_measurement" | "_time" | "_value" | "_start" | "_stop") {
        return Err(Error::input(None, Some(key), "this name is InfluxDB's own and can't be a tag's; rename it"));
    }
    Ok(())
}

/// Appends a string value with its quotes and backslashes escaped.
pub(crate) fn quote(text: &str, into: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    while let Some(hit) = memchr::memchr2(b'"', b'\\', rest) {
        into.extend_from_slice(&rest[..hit]);
        into.extend_from_slice(&[b'\\', rest[hit]]);
        rest = &rest[hit + 1..];
    }
    into.extend_from_slice(rest);
}
