//! The part of the protobuf wire format that nebula's certificates need: variable-length integers and
//! length-delimited fields, in ascending order of their numbers, zero values left out.
//!
//! Refuses to know: what the fields mean.

/// What follows a field's number.
pub enum Field<'a> {
    /// An integer.
    Number(u64),
    /// Bytes, text, a message or packed integers.
    Bytes(&'a [u8]),
}

/// Appends an integer.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(low_seven(value) | 0x80);
        value >>= 7;
    }
    out.push(low_seven(value));
}

fn low_seven(value: u64) -> u8 {
    value.to_le_bytes()[0] & 0x7f
}

/// Appends an integer field unless it is zero.
pub fn put_number(out: &mut Vec<u8>, field: u64, value: u64) {
    if value != 0 {
        put_varint(out, field << 3);
        put_varint(out, value);
    }
}

/// Appends a length-delimited field even when it is empty (elements of a repeated field are kept).
pub fn put_element(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    put_varint(out, field << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a length-delimited field unless it is empty.
pub fn put_bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    if !bytes.is_empty() {
        put_element(out, field, bytes);
    }
}

/// Takes an integer off the front.
pub fn take_varint(input: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = input.split_first()?;
        *input = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Takes a field off the front: its number and content. `None` when the message is broken or uses a wire
/// type that certificates do not have.
pub fn take_field<'a>(input: &mut &'a [u8]) -> Option<(u64, Field<'a>)> {
    let key = take_varint(input)?;
    let field = match key & 7 {
        0 => Field::Number(take_varint(input)?),
        2 => {
            let length = usize::try_from(take_varint(input)?).ok()?;
            let (bytes, rest) = input.split_at_checked(length)?;
            *input = rest;
            Field::Bytes(bytes)
        }
        _ => return None,
    };
    Some((key >> 3, field))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_read_back() {
        for value in [0, 1, 127, 128, 300, 0xffff_0000, u64::MAX] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            let mut rest = bytes.as_slice();
            assert_eq!(take_varint(&mut rest), Some(value));
            assert!(rest.is_empty());
        }
    }

    #[test]
    fn broken_input_is_refused() {
        assert!(take_varint(&mut [0x80, 0x80].as_slice()).is_none());
        assert!(take_varint(&mut [0xff; 11].as_slice()).is_none());
        assert!(take_field(&mut [0x0a, 5, 1].as_slice()).is_none());
        assert!(take_field(&mut [0x0d, 0, 0, 0, 0].as_slice()).is_none());
    }
}
