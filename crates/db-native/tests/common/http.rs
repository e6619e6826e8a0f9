//! Bodies of HTTP messages, taken apart with the whole message at hand.

/// What a message came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It ends after so many bytes.
    Complete(Vec<u8>, usize),
    /// So far this is its body, and more must come.
    Unfinished(Vec<u8>),
    /// Whatever comes, it is no message.
    Malformed,
}

/// The naive twin: by length, or by chunks.
pub(crate) fn twin(length: Option<u64>, data: &[u8]) -> Outcome {
    let Some(length) = length else { return chunks(data) };
    match usize::try_from(length) {
        Ok(length) if length <= data.len() => Outcome::Complete(data[..length].to_vec(), length),
        _ => Outcome::Unfinished(data.to_vec()),
    }
}

fn chunks(data: &[u8]) -> Outcome {
    let (mut payload, mut at) = (Vec::new(), 0);
    loop {
        let (line, ended) = line(&data[at..]);
        if line.len() > 4096 {
            return Outcome::Malformed;
        }
        if !ended {
            // Text is a line's begin if one of these makes it a line.
            let ends: [&[u8]; 3] = [b"0\r\n", b"\r\n", b"\n"];
            let can_end = ends.iter().any(|end| size(&[line, *end].concat()).is_some());
            return if can_end { Outcome::Unfinished(payload) } else { Outcome::Malformed };
        }
        let Some(size) = size(line) else { return Outcome::Malformed };
        at += line.len();
        if size == 0 {
            return trailers(data, at, payload);
        }
        let rest = &data[at..];
        let Some(size) = usize::try_from(size).ok().filter(|size| *size <= rest.len()) else {
            payload.extend_from_slice(rest);
            return Outcome::Unfinished(payload);
        };
        payload.extend_from_slice(&rest[..size]);
        at += size;
        match &data[at..] {
            [b'\r', b'\n', ..] => at += 2,
            [] | [b'\r'] => return Outcome::Unfinished(payload),
            _ => return Outcome::Malformed,
        }
    }
}

fn trailers(data: &[u8], start: usize, payload: Vec<u8>) -> Outcome {
    let mut at = start;
    loop {
        let (line, ended) = line(&data[at..]);
        at += line.len();
        if at - start > 16_384 {
            return Outcome::Malformed;
        }
        let text = match (line, ended) {
            (b"\r\n", _) => return Outcome::Complete(payload, at),
            ([text @ .., b'\r', b'\n'], true) | ([text @ .., b'\r'] | text, false) => text,
            (_, true) => return Outcome::Malformed,
        };
        if text.contains(&b'\r') {
            return Outcome::Malformed;
        }
        if !ended {
            return Outcome::Unfinished(payload);
        }
    }
}

/// The text up to its first LF, and whether there is one.
fn line(text: &[u8]) -> (&[u8], bool) {
    match text.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&text[..=end], true),
        None => (text, false),
    }
}

/// The size that a line tells.
fn size(line: &[u8]) -> Option<u64> {
    let text = ascii(line);
    let text = text.strip_suffix("\r\n")?;
    let digits = text.find(|letter: char| !letter.is_ascii_hexdigit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(digits);
    let extension = rest.trim_start_matches([' ', '\t']);
    let sound = (extension.is_empty() || extension.starts_with(';')) && !extension.contains('\r');
    if digits.len() > 16 || !sound { None } else { u64::from_str_radix(digits, 16).ok() }
}

fn ascii(text: &[u8]) -> String {
    text.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { '?' }).collect()
}
