//! HAProxy's variable-length integer (SPOE.txt section 3.1, also used by the peers protocol).
//!
//! Every value has exactly one encoding of 1 to 10 bytes, so nothing can be encoded longer than it needs:
//! after a first byte of 240 or more each further byte adds to the sum instead of replacing bits.

use bytes::BufMut;

/// Longest encoding in bytes, that of `u64::MAX`.
pub const MAX_LEN: usize = 10;

/// A byte that is shifted by less than this fits 64 bits.
const SAFE_SHIFT: u32 = 57;

/// Why bytes are not a variable-length integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VarintError {
    /// The bytes end inside the integer.
    #[error("integer is incomplete: at least one more byte expected")]
    Incomplete,
    /// The integer does not fit 64 bits.
    #[error("integer is past 64 bits: at most {} expected", u64::MAX)]
    TooLarge,
}

/// Decodes one integer; gives it and the bytes after it.
///
/// ```
/// assert_eq!(haproxy_wire::varint::decode(&[0xf0, 0x01, 0xff]), Ok((256, &[0xff][..])));
/// ```
#[inline]
pub fn decode(input: &[u8]) -> Result<(u64, &[u8]), VarintError> {
    match input {
        [first, rest @ ..] if *first < 240 => Ok((u64::from(*first), rest)),
        [first, second, rest @ ..] if *second < 128 => {
            Ok((u64::from(*first) + (u64::from(*second) << 4), rest))
        }
        _ => decode_long(input),
    }
}

/// Encodes one integer at the end of `out`.
#[inline(always)]
pub fn encode<B: BufMut>(value: u64, out: &mut B) {
    if value < 240 {
        out.put_u8(value as u8);
    } else if value < 2288 {
        out.put_slice(&[value as u8 | 0xf0, ((value - 240) >> 4) as u8]);
    } else {
        encode_long(value, out);
    }
}

/// Length in bytes of the encoding of `value`, 1 to [`MAX_LEN`].
#[inline(always)]
pub fn encoded_len(value: u64) -> usize {
    match value {
        0..240 => 1,
        240..2288 => 2,
        _ => encoded_len_long(value),
    }
}

#[inline(never)]
fn encoded_len_long(value: u64) -> usize {
    let mut rest = (value - 240) >> 4;
    let mut length = 2;
    while rest >= 128 {
        rest = (rest - 128) >> 7;
        length += 1;
    }
    length
}

#[inline(never)]
fn decode_long(input: &[u8]) -> Result<(u64, &[u8]), VarintError> {
    let (first, mut rest) = input.split_first().ok_or(VarintError::Incomplete)?;
    let mut value = u64::from(*first);
    let mut shift = 4_u32;
    loop {
        let (byte, after) = rest.split_first().ok_or(VarintError::Incomplete)?;
        rest = after;
        let wide = u64::from(*byte);
        let part = if shift < SAFE_SHIFT {
            Some(wide << shift)
        } else {
            wide.checked_shl(shift).filter(|part| part >> shift == wide)
        };
        value = part.and_then(|part| value.checked_add(part)).ok_or(VarintError::TooLarge)?;
        if *byte < 128 {
            return Ok((value, rest));
        }
        shift += 7;
    }
}

#[inline(never)]
fn encode_long<B: BufMut>(value: u64, out: &mut B) {
    let mut bytes = [0_u8; MAX_LEN];
    let mut length = 1;
    let mut rest = value;
    let (mut mark, mut base, mut shift) = (0xf0, 240, 4);
    for byte in &mut bytes {
        *byte = rest as u8 | mark;
        if rest < base {
            *byte = rest as u8;
            break;
        }
        rest = (rest - base) >> shift;
        (mark, base, shift) = (0x80, 128, 7);
        length += 1;
    }
    out.put_slice(bytes.get(..length).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(value: u64) -> Vec<u8> {
        let mut out = Vec::new();
        encode(value, &mut out);
        out
    }

    // The bounds of SPOE.txt section 3.1.
    #[test]
    fn lengths_change_where_the_document_says() {
        let bounds = [(0, 1), (239, 1), (240, 2), (2287, 2), (2288, 3), (264_431, 3), (264_432, 4)];
        let wide = [(33_818_863, 4), (33_818_864, 5), (4_328_786_159, 5), (4_328_786_160, 6), (u64::MAX, 10)];
        for (value, length) in bounds.into_iter().chain(wide) {
            assert_eq!(encoded(value).len(), length, "{value}");
            assert_eq!(encoded_len(value), length, "{value}");
            assert_eq!(decode(&encoded(value)), Ok((value, &[][..])), "{value}");
        }
    }

    #[test]
    fn past_64_bits_is_too_large() {
        let mut bytes = encoded(u64::MAX);
        assert_eq!(bytes.len(), MAX_LEN);
        bytes[9] += 1;
        assert_eq!(decode(&bytes), Err(VarintError::TooLarge));
        assert_eq!(decode(&[0xff; 10]), Err(VarintError::TooLarge));
        assert_eq!(decode(&[0xff; 64]), Err(VarintError::TooLarge));
        // The tenth byte still fits its shift, yet the sum does not.
        let sum = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f];
        assert_eq!(decode(&sum), Err(VarintError::TooLarge));
    }

    proptest! {
        #[test]
        fn round_trip(value: u64, shift in 0_u32..64, tail: u8) {
            let value = value >> shift;
            let mut bytes = encoded(value);
            prop_assert_eq!(bytes.len(), encoded_len(value));
            for cut in 0..bytes.len() {
                prop_assert_eq!(decode(&bytes[..cut]), Err(VarintError::Incomplete));
            }
            bytes.push(tail);
            prop_assert_eq!(decode(&bytes), Ok((value, &[tail][..])));
        }

        #[test]
        fn one_encoding_a_value(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            if let Ok((value, rest)) = decode(&bytes) {
                prop_assert_eq!(encoded(value), &bytes[..bytes.len() - rest.len()]);
            }
        }
    }
}
