//! Bodies as they are kept in a state file: compressed, each for itself, with a dictionary that is a part of the format.
//!
//! Bodies are JSON objects and say the same words again and again, so each takes a quarter of its length. Rows' hashes are of
//! bodies as they are without this, so that rows are the same in every store. Invariant: what does not unpack comes
//! back as it is, and fails where its hash is looked at.
//! Refuses to know: what is in a body.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io;
use std::sync::LazyLock;
use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};

/// Never changes: another one is another format.
const DICTIONARY: &[u8] = include_bytes!("../../dictionaries/state-format-3.zstd");
const LEVEL: i32 = 3;
/// SQLite keeps no longer ones.
const LONGEST: usize = 1 << 30;
/// What an unpacked body begins with; a packed one never does. Source: RFC 8878, section 3.1.1.
const PLAIN: u8 = b'{';

static ENCODER: LazyLock<EncoderDictionary<'static>> =
    LazyLock::new(|| EncoderDictionary::copy(DICTIONARY, LEVEL));
static DECODER: LazyLock<DecoderDictionary<'static>> =
    LazyLock::new(|| DecoderDictionary::copy(DICTIONARY));

thread_local! {
    static COMPRESSOR: RefCell<io::Result<Compressor<'static>>> =
        RefCell::new(Compressor::with_prepared_dictionary(&ENCODER));
    static DECOMPRESSOR: RefCell<io::Result<Decompressor<'static>>> =
        RefCell::new(Decompressor::with_prepared_dictionary(&DECODER));
}

/// A body as it is kept.
pub fn packed(body: &[u8]) -> Cow<'_, [u8]> {
    let packed = COMPRESSOR.with_borrow_mut(|compressor| {
        compressor.as_mut().ok().and_then(|compressor| compressor.compress(body).ok())
    });
    // Both can be read.
    packed.filter(|packed| packed.len() < body.len()).map_or(Cow::Borrowed(body), Cow::Owned)
}

/// The body of what is kept.
pub fn unpacked(kept: Vec<u8>) -> Vec<u8> {
    if kept.first() == Some(&PLAIN) {
        return kept;
    }
    let unpacked = DECOMPRESSOR.with_borrow_mut(|decompressor| {
        decompressor.as_mut().ok().and_then(|it| it.decompress(&kept, LONGEST).ok())
    });
    unpacked.unwrap_or(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_come_back_whatever_is_in_them() {
        let long = format!(r#"{{"long":"{}"}}"#, "long ".repeat(100_000));
        for body in ["{}", r#"{"address":"local_machine.x"}"#, r#"{"ä":"\u0000"}"#, &long] {
            let kept = packed(body.as_bytes()).into_owned();
            assert!(kept.len() <= body.len());
            assert_eq!(unpacked(kept), body.as_bytes());
        }
    }

    #[test]
    fn what_is_kept_is_short() {
        let body = r#"{"address":"terraform_data.this[7]","provider":"terraform","id":"7c7a759e-3c87-8e50-93fe-6ac6dc47ec4e","attributes":{"id":"7c7a759e-3c87-8e50-93fe-6ac6dc47ec4e","input":"value 7","output":"value 7","triggers_replace":null},"dependencies":[],"lifecycle":{"create_before_destroy":false,"prevent_destroy":false,"ignore_changes":[]},"token":"2d0269ffda7d65294b0dd01586d709f5dc072648c575f059f7a61abca6c033e3","generation":1,"revision":1}"#;
        assert!(packed(body.as_bytes()).len() * 3 < body.len());
    }

    #[test]
    fn what_is_damaged_does_not_come_back_as_something_long() {
        let body = br#"{"address":"local_machine.x","provider":"local","dependencies":[]}"#;
        let kept = packed(body).into_owned();
        for bit in 0..kept.len() * 8 {
            let mut damaged = kept.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(unpacked(damaged).len() <= 1 << 17, "bit {bit}");
        }
    }
}
