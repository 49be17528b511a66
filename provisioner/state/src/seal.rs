//! Sealing: authenticated encryption of the sensitive parts of tagged JSON (see `model::Value::to_json`).
//!
//! `{"$sensitive": v}` becomes `{"$sealed": "base64(nonce || ciphertext)"}`, XChaCha20-Poly1305 with a
//! fresh nonce; `k2:` before it names the generation of keys if it is not the first. The associated data binds it to the environment's lineage, to a context (what it is part of)
//! and to its place in there, so a sealed value moved elsewhere does not open. Padded, so
//! that the length tells little.
//!
//! Refuses to know: where keys are kept, what the JSON means.

use crate::keys::Generation;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use model::Sensitive;
use serde_json::{Map, Value as Json, json};
use sha2::Sha256;
use std::collections::BTreeMap;
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
    /// The generation of keys that sealed it was forgotten, or is newer than the keyring at hand.
    #[error(
        "the sealed value at `{place}` needs the keys of generation {generation}, which this environment's keyring does not have"
    )]
    NoKey {
        /// Where.
        place: String,
        /// The generation.
        generation: Generation,
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
    /// Made from key, place and plaintext (as in SIV), so that the same always gives the same: exports. Shows that two
    /// exports hold the same secret at the same place, and nothing else.
    Derived,
    /// Counted, so that golden files are stable. Never for real secrets.
    #[cfg_attr(not(test), expect(dead_code, reason = "golden files are made by tests"))]
    Counted(Arc<AtomicU64>),
}

impl Nonces {
    fn next(
        &self,
        key: &Sensitive<[u8; 32]>,
        payload: &Payload,
    ) -> Result<[u8; NONCE_LENGTH], SealError> {
        let mut nonce = [0; NONCE_LENGTH];
        match self {
            Self::Random => {
                getrandom::fill(&mut nonce).map_err(|e| SealError::NoRandomness(e.to_string()))?;
            }
            Self::Derived => {
                let mut mac = Hmac::<Sha256>::new_from_slice(derive(key, "nonce").expose())
                    .expect("HMAC takes keys of any length");
                // With its length, so that nothing can move from one part to the next unnoticed.
                mac.update(&(payload.aad.len() as u64).to_be_bytes());
                mac.update(payload.aad);
                mac.update(payload.msg);
                nonce.copy_from_slice(&mac.finalize().into_bytes()[..NONCE_LENGTH]);
            }
            Self::Counted(counter) => {
                let count = counter.fetch_add(1, Ordering::Relaxed);
                nonce[..8].copy_from_slice(&count.to_be_bytes());
            }
        }
        Ok(nonce)
    }
}

/// A key for another purpose than that of `key`.
fn derive(key: &Sensitive<[u8; 32]>, purpose: &str) -> Sensitive<[u8; 32]> {
    let mut derived = [0; 32];
    Hkdf::<Sha256>::new(Some(b"provisioner seal 1"), key.expose())
        .expand(purpose.as_bytes(), &mut derived)
        .expect("32 bytes are within HKDF-SHA256's limit of 8160");
    Sensitive::new(derived)
}

/// What one generation seals and signs with.
#[derive(Clone)]
pub(crate) struct GenerationKey {
    /// For XChaCha20-Poly1305.
    pub seal: Sensitive<[u8; 32]>,
    /// What the signing keys of plan files come from.
    pub sign: Sensitive<[u8; 32]>,
}

/// Seals, opens and signs for one environment. Seals with the current generation of its keys and opens what any kept
/// generation sealed: `k2:BASE64` says which; the first one's texts have no prefix, as before there were generations.
#[derive(Clone)]
pub struct Sealer {
    keys: Arc<BTreeMap<Generation, GenerationKey>>,
    current: Generation,
    lineage: Arc<str>,
    nonces: Nonces,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let current = self.current.to_string();
        let mut shown = formatter.debug_struct("Sealer");
        shown.field("lineage", &self.lineage).field("current", &current).finish_non_exhaustive()
    }
}

impl Sealer {
    /// A sealer with this one key for this lineage. For an environment's own, see [`crate::keys::Keys::sealer`].
    pub fn new(key: Sensitive<[u8; 32]>, lineage: &str) -> Self {
        let key = GenerationKey { sign: derive(&key, "sign"), seal: key };
        Self::of_generations(BTreeMap::from([(Generation::FIRST, key)]), Generation::FIRST, lineage)
    }

    pub(crate) fn of_generations(
        keys: BTreeMap<Generation, GenerationKey>,
        current: Generation,
        lineage: &str,
    ) -> Self {
        Self { keys: Arc::new(keys), current, lineage: lineage.into(), nonces: Nonces::Random }
    }

    pub(crate) fn with_nonces(mut self, nonces: Nonces) -> Self {
        self.nonces = nonces;
        self
    }

    /// One that seals the same value at the same place to the same text, for exports.
    #[must_use]
    pub fn derived(self) -> Self {
        self.with_nonces(Nonces::Derived)
    }

    /// The lineage of the environment it seals for.
    pub fn lineage(&self) -> &str {
        &self.lineage
    }

    /// The generation it seals with.
    pub fn generation(&self) -> Generation {
        self.current
    }

    /// What the current generation signs with.
    pub(crate) fn signing_seed(&self) -> Option<&Sensitive<[u8; 32]>> {
        self.keys.get(&self.current).map(|key| &key.sign)
    }

    /// What each generation that is kept signed with.
    pub(crate) fn signing_seeds(&self) -> impl Iterator<Item = (Generation, &Sensitive<[u8; 32]>)> {
        self.keys.iter().map(|(generation, key)| (*generation, &key.sign))
    }

    fn associated(&self, place: &str) -> Vec<u8> {
        format!("provisioner seal 1\n{}\n{place}", self.lineage).into_bytes()
    }

    fn key(&self, generation: Generation, place: &str) -> Result<&GenerationKey, SealError> {
        let unknown = || SealError::NoKey { place: place.to_owned(), generation };
        self.keys.get(&generation).ok_or_else(unknown)
    }

    /// Seals bytes for one place.
    pub fn seal(&self, plain: &[u8], place: &str) -> Result<String, SealError> {
        let key = &self.key(self.current, place)?.seal;
        let payload = Payload { msg: plain, aad: &self.associated(place) };
        let nonce = self.nonces.next(key, &payload)?;
        let sealed = XChaCha20Poly1305::new(key.expose().into())
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| SealError::Malformed { place: place.to_owned() })?;
        let text = BASE64.encode([nonce.as_slice(), &sealed].concat());
        if self.current == Generation::FIRST {
            return Ok(text);
        }
        Ok(format!("{}:{text}", self.current))
    }

    /// Opens what was sealed for the same place.
    pub fn open(&self, sealed: &str, place: &str) -> Result<Vec<u8>, SealError> {
        let malformed = || SealError::Malformed { place: place.to_owned() };
        let (generation, text) = match sealed.split_once(':') {
            Some((name, text)) => (name.parse().map_err(|_| malformed())?, text),
            None => (Generation::FIRST, sealed),
        };
        let bytes = BASE64.decode(text).map_err(|_| malformed())?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LENGTH>().ok_or_else(malformed)?;
        let payload = Payload { msg: sealed, aad: &self.associated(place) };
        XChaCha20Poly1305::new(self.key(generation, place)?.seal.expose().into())
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

    /// A sealer with the first `count` generations.
    fn rotated(count: u32) -> Sealer {
        let generations = std::iter::successors(Some(Generation::FIRST), |last| Some(last.next()));
        let keys = generations.zip(7..).map(|(generation, byte)| {
            let seal = Sensitive::new([byte; 32]);
            (generation, GenerationKey { sign: derive(&seal, "sign"), seal })
        });
        let keys: BTreeMap<_, _> = keys.take(count as usize).collect();
        let current = *keys.keys().next_back().unwrap();
        Sealer::of_generations(keys, current, "a")
    }

    /// Sealed by the program of format 1, before there were generations.
    #[test]
    fn what_was_sealed_before_generations_opens() {
        let golden = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAUw+AthNDSosTLfDwYrpufgCW4IvkxCE=";
        for sealer in [sealer("a"), rotated(3)] {
            assert_eq!(sealer.open(golden, "place").unwrap(), b"content");
        }
        let counted = sealer("a").with_nonces(Nonces::Counted(Arc::default()));
        assert_eq!(counted.seal(b"content", "place").unwrap(), golden);
    }

    #[test]
    fn the_generation_is_named_and_cannot_be_swapped() {
        let sealed = rotated(2).seal(b"content", "place").unwrap();
        let bare = sealed.strip_prefix("k2:").unwrap();
        assert_eq!(rotated(3).open(&sealed, "place").unwrap(), b"content");
        for forged in [bare.to_owned(), format!("k1:{bare}"), format!("k3:{bare}")] {
            let error = rotated(3).open(&forged, "place").unwrap_err();
            assert!(matches!(error, SealError::Refused { .. }), "{error}");
        }
        let forgotten = rotated(1).open(&sealed, "place").unwrap_err();
        assert!(matches!(forgotten, SealError::NoKey { .. }), "{forgotten}");
        let odd = rotated(3).open(&format!("k02:{bare}"), "place").unwrap_err();
        assert!(matches!(odd, SealError::Malformed { .. }), "{odd}");
    }

    #[test]
    fn derived_nonces_differ_wherever_anything_differs() {
        let sealers = [sealer("a").derived(), sealer("b").derived(), rotated(2).derived()];
        let mut seen = std::collections::BTreeSet::new();
        for sealer in &sealers {
            for (plain, place) in [("x", "p"), ("y", "p"), ("x", "q"), ("xp", ""), ("", "px")] {
                let sealed = sealer.seal(plain.as_bytes(), place).unwrap();
                assert_eq!(sealed, sealer.seal(plain.as_bytes(), place).unwrap());
                let bytes = BASE64.decode(sealed.trim_start_matches("k2:")).unwrap();
                assert!(seen.insert(bytes[..NONCE_LENGTH].to_vec()), "{plain} at {place}");
            }
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

        #[test]
        fn any_value_opens_after_any_rotations(value in any_value(), then in 1u32..4, now in 0u32..4) {
            let json = value.to_json().unwrap();
            let sealed = seal_json(&json, &rotated(then), "c").unwrap();
            prop_assert_eq!(open_json(&sealed, &rotated(then + now), "c").unwrap(), json.clone());
            // Sealed anew by the current generation, it needs no other.
            let anew = seal_json(&json, &rotated(then + now), "c").unwrap();
            prop_assert_eq!(open_json(&anew, &rotated(then + now), "c").unwrap(), json);
        }

        #[test]
        fn an_export_of_the_same_is_the_same(value in any_value()) {
            let json = value.to_json().unwrap();
            let exported = seal_json(&json, &rotated(2).derived(), "c").unwrap();
            let imported = open_json(&exported, &rotated(2), "c").unwrap();
            let stored = seal_json(&imported, &rotated(2), "record").unwrap();
            let read = open_json(&stored, &rotated(2), "record").unwrap();
            let again = seal_json(&read, &rotated(2).derived(), "c").unwrap();
            prop_assert_eq!(exported.to_string(), again.to_string());
        }
    }
}
