//! Our marker: tags that an object carries from its creation on, which say whose it is.
//!
//! Keys begin with `provisioner:`. Objects made by one call carry the same tags: the addresses of all of them, and the token
//! of the call; which of them an object is tells its place in the launch.

use model::record::Batch;
use model::{Address, members};
use provider::Owner;
use std::collections::BTreeMap;

/// Tags by key.
pub(crate) type Tags = BTreeMap<String, String>;

const PREFIX: &str = "provisioner:";
/// What keys begin with that only Amazon can set.
const AMAZON: &str = "aws:";
/// The tag that names the environment's lineage.
pub(crate) const LINEAGE: &str = "provisioner:lineage";
/// The tag that holds the creation's token.
pub(crate) const TOKEN: &str = "provisioner:token";
const ENVIRONMENT: &str = "provisioner:environment";
const ADDRESS: &str = "provisioner:address";
const SIZE: &str = "provisioner:batch";

/// Bytes of a tag's value at most (characters, as published; bytes are never fewer).
const LONGEST: usize = 256;

/// What an object's marker says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Marked {
    pub(crate) address: Address,
    pub(crate) token: String,
}

/// The marker of a creation.
pub(crate) fn tags(owner: &Owner, address: &Address, token: &str, batch: Option<&Batch>) -> Tags {
    let mut tags = Tags::from([
        (ENVIRONMENT.to_owned(), owner.environment.clone()),
        (LINEAGE.to_owned(), owner.lineage.clone()),
        (TOKEN.to_owned(), batch.map_or(token, |batch| &batch.token).to_owned()),
    ]);
    let text = batch.map_or_else(|| address.to_string(), |batch| batch.members.clone());
    for (number, piece) in pieces(&text).into_iter().enumerate() {
        tags.insert(key(number), piece.to_owned());
    }
    if let Some(batch) = batch {
        tags.insert(SIZE.to_owned(), batch.size.to_string());
    }
    tags
}

/// What tells people where an object comes from that is nobody's by itself.
pub(crate) fn environment(owner: &Owner) -> Tags {
    Tags::from([(ENVIRONMENT.to_owned(), owner.environment.clone())])
}

/// The key of a piece of the address: long ones take several tags.
fn key(number: usize) -> String {
    if number == 0 { ADDRESS.to_owned() } else { format!("{ADDRESS}:{}", number + 1) }
}

fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while rest.len() > LONGEST {
        let mut at = LONGEST;
        while !rest.is_char_boundary(at) {
            at -= 1;
        }
        let (piece, after) = rest.split_at(at);
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    pieces
}

/// What the marker among an object's tags says, given the object's place in its launch; none if it has no marker of this
/// lineage.
pub(crate) fn read(tags: &Tags, lineage: &str, index: u32) -> Option<Marked> {
    if tags.get(LINEAGE).map(String::as_str) != Some(lineage) {
        return None;
    }
    let text: String =
        (0..).map_while(|number| tags.get(&key(number)).map(String::as_str)).collect();
    let token = tags.get(TOKEN)?;
    if tags.contains_key(SIZE) {
        let address = members::member(&text, index)?;
        return Some(Marked { address, token: Batch::member_token(token, index) });
    }
    Some(Marked { address: Address::parse(&text).ok()?, token: token.clone() })
}

/// The tags that are people's: neither our marker nor what AWS itself has written.
pub(crate) fn without_marker(tags: &Tags) -> Tags {
    let not_ours = |(key, _): &(&String, &String)| is_settable(key);
    tags.iter().filter(not_ours).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Whether a key is neither of our marker nor of those that AWS keeps for itself.
pub(crate) fn is_settable(key: &str) -> bool {
    !key.starts_with(PREFIX) && !key.starts_with(AMAZON)
}

/// Whether a key is kept for our marker.
pub(crate) fn is_kept(key: &str) -> bool {
    key.starts_with(PREFIX)
}
