//! Splits line protocol into its lines, as the server does.
//!
//! A text in quotes may have line feeds, so the line must be read to find its end. The rules are those of InfluxDB
//! 2.9.1. A quote counts after the first space, if there are more equals signs than commas before it. A backslash
//! hides the next byte, even a line feed.

use crate::error::{Error, Result};

/// The lines of a body, each with its line feed.
pub fn split(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let begin = start;
        start = (line_end(body, begin) + 1).min(body.len());
        (begin < start).then(|| &body[begin..start])
    })
}

/// Appends the lines of a text with their times, `now` where there is none; returns their number.
pub(crate) fn append(text: &str, now: i64, body: &mut Vec<u8>) -> Result<usize> {
    let text = text.trim_end_matches('\n');
    // If a backslash hides the first line feed, the second one shows that the line goes on.
    let ended = [text.as_bytes(), b"\n\n"].concat();
    let (mut start, mut rows) = (0, 0);
    while start <= text.len() {
        // Since blanks before a line are not sent, and a quote after a blank counts.
        start += blanks(&ended[start..]);
        let is_comment = ended[start] == b'#';
        let end = if is_comment {
            start + memchr::memchr(b'\n', &ended[start..]).unwrap_or(0)
        } else {
            line_end(&ended, start)
        };
        let refused = |reason: &str| {
            let line = &text[start..end.min(text.len())];
            Err(Error::input(None, None, format!("the line {line:?} {reason}")))
        };
        if end > text.len() {
            return refused("does not end with the text: a quote is not closed, or a backslash is the last character");
        }
        let line = &text[start..end];
        if !line.is_empty() && !is_comment {
            let fields = match fields_end(line.as_bytes()) {
                Ok(fields) => fields,
                Err(reason) => return refused(reason),
            };
            let time = line[fields..].trim_matches([' ', '\t', '\0']);
            let digits = time.strip_prefix('-').unwrap_or(time);
            if !digits.bytes().all(|byte| byte.is_ascii_digit()) || digits.is_empty() && !time.is_empty() {
                return refused("must end after its fields, or with a time in whole nanoseconds");
            }
            body.extend_from_slice(&line.as_bytes()[..fields]);
            body.push(b' ');
            let now = itoa::Buffer::new().format(now).to_owned();
            body.extend_from_slice(if time.is_empty() { now.as_bytes() } else { time.as_bytes() });
            body.push(b'\n');
            rows += 1;
        }
        start = end + 1;
    }
    Ok(rows)
}

/// Where a line ends that begins at `start`: its line feed, or the end of the body.
fn line_end(body: &[u8], start: usize) -> usize {
    let (mut at, mut is_quoted, mut in_fields) = (start, false, false);
    let (mut equals, mut commas) = (0, 0);
    while at < body.len() {
        match body[at] {
            b'\\' if at + 2 < body.len() => at += 1,
            b'=' if in_fields && !is_quoted => equals += 1,
            b',' if in_fields && !is_quoted => commas += 1,
            b'"' if in_fields && equals > commas => is_quoted = !is_quoted,
            b' ' => in_fields = true,
            b'\n' if !is_quoted => break,
            _ => {}
        }
        at += 1;
    }
    at
}

/// How many blanks a text starts with.
fn blanks(text: &[u8]) -> usize {
    text.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | 0)).count()
}

/// Where the fields of a line end.
fn fields_end(line: &[u8]) -> std::result::Result<usize, &'static str> {
    let key = unescaped_space(line, 0, false);
    let start = key + blanks(&line[key..]);
    let end = unescaped_space(line, start, true);
    if key == 0 || !line[start..end].contains(&b'=') {
        return Err("must have a measurement, a space, and fields such as power=1.5");
    }
    Ok(end)
}

/// The next space that no backslash or quote hides; the end of the line if there is none.
fn unescaped_space(line: &[u8], start: usize, in_fields: bool) -> usize {
    let (mut at, mut is_quoted) = (start, false);
    let (mut equals, mut commas) = (0, 0);
    while at < line.len() {
        match line[at] {
            b'\\' => at += 1,
            b'=' if in_fields && !is_quoted => equals += 1,
            b',' if in_fields && !is_quoted => commas += 1,
            b'"' if in_fields && equals > commas => is_quoted = !is_quoted,
            b' ' if !is_quoted => return at,
            _ => {}
        }
        at += 1;
    }
    line.len()
}
