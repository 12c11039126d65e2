//! Lines of the handshake: they end in a line feed, which a carriage return may precede.

use super::error::{DecodeError, Item};

/// Splits off one line without its end; `limit` counts the end.
pub(super) fn split(input: &[u8], limit: usize, item: Item) -> Result<(&[u8], &[u8]), DecodeError> {
    let end = input.iter().take(limit).position(|byte| *byte == b'\n');
    let Some((line, rest)) = end.and_then(|end| input.split_at_checked(end)) else {
        if input.len() < limit {
            return Err(DecodeError::Incomplete { needed: 1 });
        }
        return Err(DecodeError::TooLarge { item, length: input.len() as u64, limit });
    };
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    Ok((line, rest.get(1..).unwrap_or_default()))
}
