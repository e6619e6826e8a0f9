//! How line protocol spells names, tags and string values, and which it can't spell.
//!
//! The rules are those of InfluxDB's documentation, and others that were observed
//! with InfluxDB 2.9.1.

use crate::error::{Error, Result};

/// What a text is the name or value of.
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
    /// Line protocol can't express a line feed here, nor a backslash at the end,
    /// where it would escape the next character. A carriage return is stored, but
    /// the server's CSV leaves it out.
    ///
    /// Elsewhere a backslash stands for itself, with two exceptions. In a measurement
    /// or field key, the server loses a backslash before a character that it escapes.
    /// The point is then refused, or stored under another name, or where no query
    /// finds it. In a tag key, after a backslash before a space, the server takes a
    /// quote in a tag for the beginning of a string, and reads beyond the line's end.
    ///
    /// In a measurement or field key, the server also skips leading tabs and NULs.
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
        return Err(Error::input(
            None,
            Some(key),
            "InfluxDB uses this name itself, so no tag can have it; rename the tag",
        ));
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
