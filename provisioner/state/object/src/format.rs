//! What the objects hold: their names, their contents, and that a content is whole and belongs where it stands.
//!
//! Each object is a line `provisioner-state KIND FORMAT SHA256` and then JSON, which the hash is over. Segments are
//! chained by those hashes, journal entries by their own.
//! Refuses to know: requests, keys.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use state::rows::RawEntry;
use state::rules::LeaseRow;
use state::version::Base;
use state::{Identity, StateError};

/// The format that this program writes. Objects of format 1 are read as they are: it had no rollouts.
pub const FORMAT: u32 = 2;

/// Names the format of anything that is written here.
const MAGIC: &str = "provisioner-state";

/// Directories.
pub const SEGMENTS: &str = "segment";
/// See [`Checkpoint`].
pub const CHECKPOINTS: &str = "checkpoint";
/// See [`Part`].
pub const PARTS: &str = "journal";
/// Where a pruned journal begins, one object for each place.
pub const BASES: &str = "base";

/// One commit. The first one makes the environment.
#[derive(Default, Serialize, Deserialize)]
pub struct Segment {
    /// From 1, without gaps; the object's name.
    pub number: u64,
    /// Tells one's own from another's.
    pub nonce: String,
    /// Hash of the segment before; empty for the first one.
    pub previous: String,
    /// RFC 3339, by the writer's clock.
    pub at: String,
    /// Host and number of the writing program, for people.
    pub writer: String,
    /// What the environment is, in the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// Journal entries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<RawEntry>,
    /// Leases that were taken or renewed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leases: Vec<LeaseRow>,
    /// Epochs of the leases that went.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub released: Vec<u64>,
    /// The last fencing token.
    pub epoch: u64,
    /// The keyring that is in place from here on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rekeyed: Option<Rekeyed>,
    /// Where the journal begins from here on; before the entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
}

/// Another keyring, or none.
#[derive(Serialize, Deserialize)]
pub struct Rekeyed {
    /// Its text.
    pub keyring: Option<String>,
}

/// The environment after a segment, but for the history.
#[derive(Serialize, Deserialize)]
pub struct Checkpoint {
    /// The segment.
    pub number: u64,
    /// The segment's hash.
    pub segment: String,
    /// What the environment is.
    pub identity: Identity,
    /// The last fencing token.
    pub epoch: u64,
    /// Who holds what.
    pub leases: Vec<LeaseRow>,
    /// The serial that the journal begins after.
    pub base_serial: u64,
    /// The version, sealed where sensitive, and the hash of its last entry. None if nothing was journaled yet.
    pub state: Option<Base>,
}

/// A stretch of the journal.
#[derive(Serialize, Deserialize)]
pub struct Part {
    /// Its entries, without gaps.
    pub entries: Vec<RawEntry>,
}

/// A segment's name in its directory.
pub fn number(number: u64) -> String {
    format!("{number:020}")
}

/// A checkpoint's name, or a part's, in its directory: two numbers.
pub fn numbers(first: u64, second: u64) -> String {
    format!("{first:020}-{second:020}")
}

/// The numbers of a name; none for a name that was not made here.
pub fn parse_numbers(name: &str) -> Option<(u64, u64)> {
    let (first, second) = name.split_once('-')?;
    Some((first.parse().ok()?, second.parse().ok()?))
}

/// An object that is written, and the hash of its content.
pub fn encode<T: Serialize>(kind: &str, content: &T) -> Result<(Bytes, String), StateError> {
    let json = serde_json::to_vec(content)
        .map_err(|error| StateError::Illegal(format!("a {kind} cannot be written: {error}")))?;
    let hash = model::digest::hex(&Sha256::digest(&json));
    let mut body = format!("{MAGIC} {kind} {FORMAT} {hash}\n").into_bytes();
    body.extend(json);
    Ok((body.into(), hash))
}

/// What an object holds, and the hash; `name` is for messages.
pub fn decode<T: DeserializeOwned>(
    kind: &str,
    name: &str,
    body: &[u8],
) -> Result<(T, String), StateError> {
    let corrupt = |what: String| StateError::Corrupt { path: name.to_owned(), what };
    let end = body.iter().position(|byte| *byte == b'\n').filter(|end| *end < 200);
    let line = end.and_then(|end| std::str::from_utf8(&body[..end]).ok()).unwrap_or_default();
    let words: Vec<_> = line.split(' ').collect();
    let (MAGIC, Some(end), [_, found_kind, format, hash]) = (words[0], end, &words[..]) else {
        return Err(corrupt(format!("it is not a {kind} that this program wrote")));
    };
    match format.parse() {
        Ok(1..=FORMAT) => {}
        Ok(found) if found > FORMAT => {
            return Err(StateError::Newer { path: name.to_owned(), found, known: FORMAT });
        }
        _ => return Err(corrupt("its format version is missing".to_owned())),
    }
    let json = &body[end + 1..];
    if *found_kind != kind || model::digest::hex(&Sha256::digest(json)) != *hash {
        return Err(corrupt("it does not match its hash".to_owned()));
    }
    let content = serde_json::from_slice(json)
        .map_err(|error| corrupt(format!("it does not read: {error}")))?;
    Ok((content, (*hash).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_found_and_newer_formats_are_told_apart() {
        let (body, hash) = encode("part", &Part { entries: Vec::new() }).unwrap();
        let (part, again) = decode::<Part>("part", "p", &body).unwrap();
        assert!(part.entries.is_empty() && again == hash);
        for bit in 0..body.len() * 8 {
            let mut damaged = body.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(decode::<Part>("part", "p", &damaged).is_err(), "bit {bit}");
        }
        assert!(decode::<Part>("segment", "p", &body).is_err(), "another kind");
        assert!(decode::<Part>("part", "p", b"").is_err());
        let older = String::from_utf8(body.to_vec()).unwrap().replacen(" 2 ", " 1 ", 1);
        assert_eq!(decode::<Part>("part", "p", older.as_bytes()).unwrap().1, hash);
        let newer = String::from_utf8(body.to_vec()).unwrap().replacen(" 2 ", " 3 ", 1);
        let error = decode::<Part>("part", "p", newer.as_bytes()).err().unwrap();
        assert!(matches!(error, StateError::Newer { found: 3, known: 2, .. }), "{error}");
    }

    #[test]
    fn names_sort_as_their_numbers() {
        assert!(number(9) < number(10));
        assert_eq!(parse_numbers(&numbers(3, u64::MAX)), Some((3, u64::MAX)));
        assert_eq!(parse_numbers("3"), None);
    }
}
