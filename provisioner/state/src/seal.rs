//! Sealing: authenticated encryption of the sensitive parts of tagged JSON (see `model::Value::to_json`).
//!
//! `{"$sensitive": v}` becomes `{"$sealed": "base64(nonce || ciphertext)"}`, XChaCha20-Poly1305 with a
//! fresh nonce. The associated data binds it to the environment's lineage, to a context (what it is part of)
//! and to its place in there, so a sealed value moved elsewhere does not open. Padded, so
//! that the length tells little.
//!
//! Refuses to know: where keys are kept, what the JSON means.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use model::Sensitive;
use serde_json::{Map, Value as Json, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const NONCE_LENGTH: usize = 24;
/// Plaintexts are padded with spaces (which JSON ignores) to a multiple of this.
const PADDING: usize = 32;

/// Why something cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The key is not the one it was sealed with, or it was changed or moved.
    #[error(
        "the sealed value at `{place}` does not open: it was sealed with another key, changed or moved"
    )]
    Refused {
        /// Where: the context and the path within.
        place: String,
    },
    /// It is not a sealed value at all.
    #[error("what stands at `{place}` is not a sealed value")]
    Malformed {
        /// Where.
        place: String,
    },
    /// The system gave no random numbers.
    #[error("the system gives no random numbers: {0}")]
    NoRandomness(String),
}

/// Where nonces come from.
#[derive(Clone, Debug, Default)]
pub(crate) enum Nonces {
    /// The system's generator.
    #[default]
    Random,
    /// Counted, so that golden files are stable. Never for real secrets.
    #[cfg_attr(not(test), expect(dead_code, reason = "golden files are made by tests"))]
    Counted(Arc<AtomicU64>),
}

impl Nonces {
    fn next(&self) -> Result<[u8; NONCE_LENGTH], SealError> {
        let mut nonce = [0; NONCE_LENGTH];
        match self {
            Self::Random => {
                getrandom::fill(&mut nonce).map_err(|e| SealError::NoRandomness(e.to_string()))?;
            }
            Self::Counted(counter) => {
                let count = counter.fetch_add(1, Ordering::Relaxed);
                nonce[..8].copy_from_slice(&count.to_be_bytes());
            }
        }
        Ok(nonce)
    }
}

/// Seals and opens for one environment.
#[derive(Clone)]
pub struct Sealer {
    key: Sensitive<[u8; 32]>,
    lineage: Arc<str>,
    nonces: Nonces,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Sealer").field("lineage", &self.lineage).finish_non_exhaustive()
    }
}

impl Sealer {
    /// A sealer with this key (see [`crate::keys::EnvironmentKey::sealer`]) for this lineage.
    pub fn new(key: Sensitive<[u8; 32]>, lineage: &str) -> Self {
        Self { key, lineage: lineage.into(), nonces: Nonces::Random }
    }

    pub(crate) fn with_nonces(mut self, nonces: Nonces) -> Self {
        self.nonces = nonces;
        self
    }

    /// The lineage of the environment it seals for.
    pub fn lineage(&self) -> &str {
        &self.lineage
    }

    fn associated(&self, place: &str) -> Vec<u8> {
        format!("provisioner seal 1\n{}\n{place}", self.lineage).into_bytes()
    }

    /// Seals bytes for one place.
    pub fn seal(&self, plain: &[u8], place: &str) -> Result<String, SealError> {
        let nonce = self.nonces.next()?;
        let payload = Payload { msg: plain, aad: &self.associated(place) };
        let sealed = XChaCha20Poly1305::new(self.key.expose().into())
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| SealError::Malformed { place: place.to_owned() })?;
        Ok(BASE64.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// Opens what was sealed for the same place.
    pub fn open(&self, sealed: &str, place: &str) -> Result<Vec<u8>, SealError> {
        let malformed = || SealError::Malformed { place: place.to_owned() };
        let bytes = BASE64.decode(sealed).map_err(|_| malformed())?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LENGTH>().ok_or_else(malformed)?;
        let payload = Payload { msg: sealed, aad: &self.associated(place) };
        XChaCha20Poly1305::new(self.key.expose().into())
            .decrypt(&XNonce::from(*nonce), payload)
            .map_err(|_| SealError::Refused { place: place.to_owned() })
    }
}

/// The same JSON with every sensitive part sealed.
pub fn seal_json(json: &Json, sealer: &Sealer, context: &str) -> Result<Json, SealError> {
    rewrite(json, context, &|tag, inner, place| {
        if tag != "$sensitive" {
            return Ok(None);
        }
        let mut plain = inner.to_string().into_bytes();
        plain.resize(plain.len().next_multiple_of(PADDING), b' ');
        Ok(Some(json!({ "$sealed": sealer.seal(&plain, place)? })))
    })
}

/// The same JSON with every sealed part opened.
pub fn open_json(json: &Json, sealer: &Sealer, context: &str) -> Result<Json, SealError> {
    rewrite(json, context, &|tag, inner, place| {
        if tag != "$sealed" {
            return Ok(None);
        }
        let malformed = || SealError::Malformed { place: place.to_owned() };
        let plain = sealer.open(inner.as_str().ok_or_else(malformed)?, place)?;
        let inner: Json = serde_json::from_slice(&plain).map_err(|_| malformed())?;
        Ok(Some(json!({ "$sensitive": inner })))
    })
}

/// Whether any part is marked `tag`.
pub(crate) fn has_tag(json: &Json, wanted: &str) -> bool {
    match json {
        Json::Array(items) => items.iter().any(|item| has_tag(item, wanted)),
        Json::Object(map) => match tag_of(map) {
            Some((tag, _)) if tag == wanted => true,
            Some(("$object", Json::Object(entries))) => {
                entries.values().any(|value| has_tag(value, wanted))
            }
            _ => map.values().any(|value| has_tag(value, wanted)),
        },
        _ => false,
    }
}

/// What to write instead of a tagged value: its tag, its content, its place.
type Change<'a> = &'a dyn Fn(&str, &Json, &str) -> Result<Option<Json>, SealError>;

fn rewrite(json: &Json, place: &str, change: Change) -> Result<Json, SealError> {
    match json {
        Json::Array(items) => {
            let each = |(index, item)| rewrite(item, &format!("{place}/{index}"), change);
            Ok(Json::Array(items.iter().enumerate().map(each).collect::<Result<_, _>>()?))
        }
        Json::Object(map) => rewrite_object(map, place, change),
        other => Ok(other.clone()),
    }
}

fn rewrite_object(map: &Map<String, Json>, place: &str, change: Change) -> Result<Json, SealError> {
    if let Some((tag, inner)) = tag_of(map) {
        if let Some(changed) = change(tag, inner, place)? {
            return Ok(changed);
        }
        // `$object` wraps an object whose own keys look like tags: they are names, not tags.
        if let ("$object", Json::Object(entries)) = (tag, inner) {
            return Ok(json!({ "$object": rewrite_entries(entries, place, change)? }));
        }
    }
    rewrite_entries(map, place, change)
}

fn rewrite_entries(
    map: &Map<String, Json>,
    place: &str,
    change: Change,
) -> Result<Json, SealError> {
    let mut rewritten = Map::new();
    for (name, value) in map {
        // As in a JSON pointer (RFC 6901), so that different places never have the same text.
        let step = name.replace('~', "~0").replace('/', "~1");
        rewritten.insert(name.clone(), rewrite(value, &format!("{place}/{step}"), change)?);
    }
    Ok(Json::Object(rewritten))
}

fn tag_of(map: &Map<String, Json>) -> Option<(&str, &Json)> {
    let (name, inner) = map.iter().next()?;
    (map.len() == 1 && name.starts_with('$')).then_some((name.as_str(), inner))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Value;
    use proptest::prelude::*;

    fn sealer(lineage: &str) -> Sealer {
        Sealer::new(Sensitive::new([7; 32]), lineage)
    }

    #[test]
    fn only_sensitive_parts_are_sealed_and_come_back() {
        let value = Value::object([
            ("plain", Value::from("seen")),
            ("secret", Value::from("canary-4711").into_sensitive()),
            ("list", Value::tuple([Value::from("canary-4712").into_sensitive()])),
            ("looks", Value::object([("$sensitive", Value::from("a name"))])),
        ]);
        let json = value.to_json().unwrap();
        let sealed = seal_json(&json, &sealer("a"), "here").unwrap();
        let text = sealed.to_string();
        assert!(!text.contains("canary") && text.contains("seen") && text.contains("a name"));
        assert!(!has_tag(&sealed, "$sensitive") && has_tag(&sealed, "$sealed"));
        assert_eq!(open_json(&sealed, &sealer("a"), "here").unwrap(), json);
    }

    #[test]
    fn it_opens_only_in_its_place() {
        let json = json!({ "a": { "$sensitive": "x" }, "b": 1 });
        let sealed = seal_json(&json, &sealer("one"), "record x").unwrap();
        assert!(open_json(&sealed, &sealer("two"), "record x").is_err());
        assert!(open_json(&sealed, &sealer("one"), "record y").is_err());
        let moved = json!({ "b": sealed["a"] });
        assert!(open_json(&moved, &sealer("one"), "record x").is_err());
        let other_key = Sealer::new(Sensitive::new([8; 32]), "one");
        let error = open_json(&sealed, &other_key, "record x").unwrap_err();
        assert!(error.to_string().contains("record x/a"), "{error}");
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let sealed = sealer("a").seal(b"content", "place").unwrap();
        let bytes = BASE64.decode(&sealed).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(sealer("a").open(&BASE64.encode(flipped), "place").is_err());
        }
    }

    #[test]
    fn short_secrets_have_one_length() {
        let length = |secret: &str| {
            let json = json!({ "$sensitive": secret });
            seal_json(&json, &sealer("a"), "").unwrap()["$sealed"].as_str().unwrap().len()
        };
        assert_eq!(length("1"), length("a much longer secret"));
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<i64>().prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                inner.clone().prop_map(Value::into_sensitive),
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::tuple),
                proptest::collection::btree_map("[$a-c/~]{1,3}", inner, 0..4)
                    .prop_map(Value::object),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_value_comes_back(value in any_value()) {
            let json = value.to_json().unwrap();
            let sealed = seal_json(&json, &sealer("a"), "c").unwrap();
            prop_assert!(!has_tag(&sealed, "$sensitive"));
            prop_assert_eq!(open_json(&sealed, &sealer("a"), "c").unwrap(), json);
        }
    }
}
