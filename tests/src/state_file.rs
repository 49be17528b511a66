//! What is in a state file, read as `docs/formats.md` describes it and not by the program's own code.
//!
//! Refuses to know: what a body means.

use std::path::Path;

const DICTIONARY: &[u8] =
    include_bytes!("../../provisioner/state/dictionaries/state-format-3.zstd");
/// What a packed body begins with. Source: RFC 8878, section 3.1.1.
const FRAME: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// No body in a test is longer.
const LONGEST: usize = 1 << 24;

/// The bodies of all rows, unpacked, one after the other.
///
/// # Panics
/// If the file is not as the format says.
#[must_use]
pub fn unpacked_bodies(path: &Path) -> Vec<u8> {
    let connection = rusqlite::Connection::open(path).expect("it is an SQLite file");
    let mut unpack = zstd::bulk::Decompressor::with_dictionary(DICTIONARY).expect("it is one");
    let mut all = Vec::new();
    for table in ["resource", "deposed", "journal", "lease", "results", "base"] {
        let sql = format!("SELECT body FROM {table}");
        let mut statement = connection.prepare(&sql).expect("the table is there");
        let bodies = statement.query_map([], |row| row.get::<_, Vec<u8>>(0));
        for body in bodies.expect("it can be read") {
            let body = body.expect("a body is a blob");
            let packed = body.starts_with(&FRAME);
            let unpacked = if packed { unpack.decompress(&body, LONGEST) } else { Ok(body) };
            all.extend(unpacked.expect("a frame unpacks"));
        }
    }
    all
}
