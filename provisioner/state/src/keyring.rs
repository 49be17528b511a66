//! The keyring of an environment: every generation of its root keys, sealed, beside the state that they protect.
//!
//! Three layers. The root key of each generation is sealed with the keyring's own key; that key is wrapped once for
//! every way in (a passphrase, age recipients, a key file), any of which opens it. So a teammate comes and goes
//! without a record being sealed anew, and a rotation adds a generation that all ways open.
//!
//! Invariants: a keyring is a value, and changing it gives another one; its text has one spelling, carries a
//! checksum that anyone can check and a tag that only a way in can make or check; it is bound to a lineage and to the
//! first key of the state. A rotation keeps the older generations, or history would not open.
//!
//! Refuses to know: where its text is kept, where secrets come from, who may change it.

mod age;
mod error;
mod unlock;
mod wrap;

pub use age::Recipient;
pub use error::KeyringError;
pub use unlock::Unlock;
pub use wrap::{NewWrap, WrapName};

use crate::keys::{EnvironmentKey, Generation, Keys};
use crate::seal::Sealer;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use model::digest::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use wrap::Wrap;

type Result<T, E = KeyringError> = std::result::Result<T, E>;

/// The version of the keyring's format that this program writes.
pub const FORMAT_VERSION: u32 = 1;

/// A keyring, closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyring {
    body: Body,
    /// Over the body, made with the keyring's key.
    tag: String,
}

/// What the checksum and the tag are over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    lineage: String,
    /// Check value of the first generation's key; stays when that generation is forgotten.
    origin: String,
    current: Generation,
    generations: Vec<SealedKey>,
    wraps: Vec<Wrap>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealedKey {
    id: Generation,
    check: String,
    sealed: String,
}

/// The whole text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u32,
    keyring: Body,
    sha256: String,
    tag: String,
}

/// What every format has, so that newer ones are told apart from damage.
#[derive(Deserialize)]
struct AnyFormat {
    format: u32,
}

/// Whether the login to the nodes may be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forget {
    /// No: the generation that it comes from is refused.
    KeepLogin,
    /// Yes: nodes are logged in to with a key of the next generation, which they do not know yet.
    LoseLogin,
}

/// An opened keyring.
#[derive(Clone, Debug)]
struct Opened {
    /// The keyring's own key.
    key: EnvironmentKey,
    keys: Keys,
}

impl Keyring {
    /// The keyring of a new environment, which has no key file. `ways` are the ways in, at least one.
    pub fn create(lineage: &str, ways: &[NewWrap]) -> Result<Self> {
        Self::around(EnvironmentKey::random()?, lineage, ways)
    }

    /// The keyring of an environment whose one key was in a key file so far: that key becomes the first generation, and
    /// what is sealed stays as it is. To keep the key file as a way in, give it among `ways`.
    pub fn around(first: EnvironmentKey, lineage: &str, ways: &[NewWrap]) -> Result<Self> {
        let origin = first.check_value();
        let keys = Keys::sole(first);
        let mut opened = Opened { key: EnvironmentKey::random()?, keys };
        let (lineage, wraps) = (lineage.to_owned(), Vec::new());
        let current = Generation::FIRST;
        let mut body = Body { lineage, origin, current, generations: Vec::new(), wraps };
        body.add(ways, &opened.key)?;
        Self::closed(body, &mut opened)
    }

    /// Reads a keyring's text. Needs no secret; finds damage, but not a forgery: opening does.
    pub fn parse(text: &str) -> Result<Self> {
        let damaged = |what: &str| KeyringError::Damaged { what: what.to_owned() };
        let any: AnyFormat = serde_json::from_str(text).map_err(|_| damaged("it does not read"))?;
        if any.format > FORMAT_VERSION {
            return Err(KeyringError::Newer { found: any.format, known: FORMAT_VERSION });
        }
        let file: File = serde_json::from_str(text).map_err(|_| damaged("it does not read"))?;
        let keyring = Self { body: file.keyring, tag: file.tag };
        if keyring.text() != text {
            return Err(damaged("its checksum does not fit"));
        }
        keyring.body.wraps.iter().try_for_each(Wrap::check)?;
        Ok(keyring)
    }

    /// The text to keep beside the state. Shows no secret.
    pub fn text(&self) -> String {
        let file = File {
            format: FORMAT_VERSION,
            sha256: hex(&Sha256::digest([self.body.text(), self.tag.clone()].concat())),
            keyring: self.body.clone(),
            tag: self.tag.clone(),
        };
        serde_json::to_string(&file).expect("text, numbers and lists are always JSON")
    }

    /// The lineage it is for.
    pub fn lineage(&self) -> &str {
        &self.body.lineage
    }

    /// Check value of the first key that the state was made with.
    pub fn origin(&self) -> &str {
        &self.body.origin
    }

    /// The generation that seals and signs.
    pub fn current(&self) -> Generation {
        self.body.current
    }

    /// Every generation that is kept, oldest first.
    pub fn generations(&self) -> impl Iterator<Item = Generation> {
        self.body.generations.iter().map(|sealed| sealed.id)
    }

    /// The ways in.
    pub fn wraps(&self) -> impl Iterator<Item = WrapName> {
        self.body.wraps.iter().map(Wrap::name)
    }

    /// Opens it with the first of the given secrets that fits a way in.
    pub fn unlock(&self, unlock: &Unlock) -> Result<Keys> {
        Ok(self.open(unlock)?.keys)
    }

    /// With a new generation, which seals and signs from now on. The older ones are kept: what they sealed still opens.
    pub fn rotated(&self, unlock: &Unlock) -> Result<Self> {
        let mut opened = self.open(unlock)?;
        let mut generations = opened.keys.generations().clone();
        let newest = generations.keys().max().copied().unwrap_or(Generation::FIRST).next();
        generations.insert(newest, EnvironmentKey::random()?);
        opened.keep(generations, newest)?;
        Self::closed(Body { current: newest, ..self.body.clone() }, &mut opened)
    }

    /// With other ways in; what is sealed stays as it is. Taking one away gives the keyring a new key of its own, which is
    /// wrapped anew for the ways that stay, so their secrets are needed then (public ones, of age recipients, are
    /// known). Who could open it before has seen the generations so far: rotate as well.
    pub fn rewrapped(&self, unlock: &Unlock, add: &[NewWrap], remove: &[WrapName]) -> Result<Self> {
        let mut opened = self.open(unlock)?;
        let mut body = self.body.clone();
        if !remove.is_empty() {
            let missing = remove.iter().find(|name| !self.wraps().any(|wrap| wrap == **name));
            if let Some(name) = missing {
                return Err(KeyringError::NoSuchWrap { name: name.clone() });
            }
            let old = std::mem::replace(&mut opened.key, EnvironmentKey::random()?);
            let stay = body.wraps.into_iter().filter(|wrap| !remove.contains(&wrap.name()));
            body.wraps = stay
                .map(|wrap| wrap.renewed(&old, &opened.key, unlock, &body.lineage))
                .collect::<Result<_>>()?;
        }
        body.add(add, &opened.key)?;
        Self::closed(body, &mut opened)
    }

    /// Without a generation; nothing that it sealed opens any more. Refused for the current one.
    pub fn forget(&self, unlock: &Unlock, generation: Generation, login: Forget) -> Result<Self> {
        let mut opened = self.open(unlock)?;
        let mut generations = opened.keys.generations().clone();
        if generation == self.body.current {
            return Err(KeyringError::Current { generation });
        }
        if login == Forget::KeepLogin && generations.keys().next() == Some(&generation) {
            return Err(KeyringError::Login { generation });
        }
        generations.remove(&generation).ok_or(KeyringError::NoGeneration { generation })?;
        opened.keep(generations, self.body.current)?;
        Self::closed(self.body.clone(), &mut opened)
    }

    /// Seals the generations and the whole.
    fn closed(mut body: Body, opened: &mut Opened) -> Result<Self> {
        if body.wraps.is_empty() {
            return Err(KeyringError::NoWayIn);
        }
        let sealer = opened.sealer(&body.lineage);
        let seal = |(id, key): (&Generation, &EnvironmentKey)| {
            let sealed = sealer.seal(key.bytes().expose(), &place(*id))?;
            Ok(SealedKey { id: *id, check: key.check_value(), sealed })
        };
        body.generations = opened.keys.generations().iter().map(seal).collect::<Result<_>>()?;
        let tag = BASE64.encode(opened.tag(&body).finalize().into_bytes());
        Ok(Self { body, tag })
    }

    fn open(&self, unlock: &Unlock) -> Result<Opened> {
        unlock.remembered(&self.text(), || self.open_now(unlock))
    }

    fn open_now(&self, unlock: &Unlock) -> Result<Opened> {
        let key = unlock.keyring_key(&self.body.wraps, &self.body.lineage)?;
        let forged = |what: &str| KeyringError::Forged { what: what.to_owned() };
        let sealer = Sealer::new(key.subkey("keyring generations"), &self.body.lineage);
        let mut generations = BTreeMap::new();
        for sealed in &self.body.generations {
            let opened = sealer.open(&sealed.sealed, &place(sealed.id)).ok();
            let bytes = opened.and_then(|bytes| bytes.try_into().ok());
            let key =
                bytes.map(EnvironmentKey::new).filter(|key| key.check_value() == sealed.check);
            let key = key.ok_or_else(|| forged("a generation does not open"))?;
            generations.insert(sealed.id, key);
        }
        let keys = Keys::new(generations, self.body.current)
            .ok_or_else(|| forged("its current generation is missing"))?;
        let opened = Opened { key, keys };
        let tag = BASE64.decode(&self.tag).unwrap_or_default();
        let fits = opened.tag(&self.body).verify_slice(&tag).is_ok();
        if fits { Ok(opened) } else { Err(forged("its tag was not made with its key")) }
    }
}

impl Body {
    fn text(&self) -> String {
        serde_json::to_string(self).expect("text, numbers and lists are always JSON")
    }

    fn add(&mut self, ways: &[NewWrap], key: &EnvironmentKey) -> Result<()> {
        for way in ways {
            let wrap = Wrap::make(way, key, &self.lineage)?;
            let name = wrap.name();
            if self.wraps.iter().any(|wrap| wrap.name() == name) {
                return Err(KeyringError::Twice { name });
            }
            self.wraps.push(wrap);
        }
        Ok(())
    }
}

impl Opened {
    fn sealer(&self, lineage: &str) -> Sealer {
        Sealer::new(self.key.subkey("keyring generations"), lineage)
    }

    fn tag(&self, body: &Body) -> Hmac<Sha256> {
        Hmac::<Sha256>::new_from_slice(self.key.subkey("keyring tag").expose())
            .expect("HMAC takes keys of any length")
            .chain_update(body.text())
    }

    fn keep(
        &mut self,
        generations: BTreeMap<Generation, EnvironmentKey>,
        current: Generation,
    ) -> Result<()> {
        let missing = KeyringError::NoGeneration { generation: current };
        self.keys = Keys::new(generations, current).ok_or(missing)?;
        Ok(())
    }
}

fn place(generation: Generation) -> String {
    format!("keyring generation {generation}")
}

#[cfg(test)]
mod tests;
