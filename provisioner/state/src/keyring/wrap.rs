//! One way into a keyring: the keyring's key, wrapped so that one secret opens it.
//!
//! Invariant: a wrap names what it is for, so that an error can say which secret is missing, and never holds the
//! secret itself.
//!
//! Refuses to know: where secrets come from, what the keyring's key opens.

use super::age::{self, Identity, Random, Recipient};
use super::unlock::Unlock;
use super::{KeyringError, Result};
use crate::keys::EnvironmentKey;
use crate::seal::Sealer;
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use model::Sensitive;
use serde::{Deserialize, Serialize};
use std::fmt;

/// New passphrases have at least this many characters.
const LEAST_PASSPHRASE: usize = 8;
/// What a new passphrase costs to try: the second recommendation of RFC 9106, section 4.
const COST: Cost = Cost { memory_kib: 64 * 1024, passes: 3, lanes: 4 };
/// A keyring that asks for more than this is not believed.
const MOST: Cost = Cost { memory_kib: 1024 * 1024, passes: 32, lanes: 64 };

/// What the wrapped key is bound to, besides the lineage.
const PLACE: &str = "keyring key";

/// A way in, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WrapName {
    /// The passphrase; a keyring has one at most.
    Passphrase,
    /// The age identity of this recipient.
    Age(Recipient),
    /// The key file; a keyring has one at most.
    KeyFile,
}

impl fmt::Display for WrapName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passphrase => formatter.write_str("the passphrase"),
            Self::Age(recipient) => write!(formatter, "the age recipient {recipient}"),
            Self::KeyFile => formatter.write_str("the key file"),
        }
    }
}

/// A way in to be added.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NewWrap {
    /// Whoever knows this passphrase.
    Passphrase(Sensitive<String>),
    /// Whoever has the identity of this age recipient.
    Age(Recipient),
    /// Whoever has the key file with this key.
    KeyFile(EnvironmentKey),
}

/// What trying a passphrase costs (argon2id).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cost {
    pub memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// A way in, as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Wrap {
    Passphrase { argon2id: Cost, salt: String, wrapped: String },
    Age { recipient: String, wrapped: String },
    KeyFile { check: String, wrapped: String },
}

impl Wrap {
    pub fn make(way: &NewWrap, key: &EnvironmentKey, lineage: &str) -> Result<Self> {
        match way {
            NewWrap::Passphrase(passphrase) => {
                if passphrase.expose().chars().count() < LEAST_PASSPHRASE {
                    return Err(KeyringError::WeakPassphrase { least: LEAST_PASSPHRASE });
                }
                Self::of_passphrase(passphrase, COST, key, lineage)
            }
            NewWrap::Age(recipient) => Self::of_recipient(recipient, key),
            NewWrap::KeyFile(file) => {
                let wrapped = by_key_file(file, lineage).seal(key.bytes().expose(), PLACE)?;
                Ok(Self::KeyFile { check: file.check_value(), wrapped })
            }
        }
    }

    fn of_passphrase(
        passphrase: &Sensitive<String>,
        cost: Cost,
        key: &EnvironmentKey,
        lineage: &str,
    ) -> Result<Self> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt)?;
        let refused = || KeyringError::Seal("argon2id refuses its parameters".to_owned());
        let sealer = by_passphrase(passphrase, cost, &salt, lineage).ok_or_else(refused)?;
        let wrapped = sealer.seal(key.bytes().expose(), PLACE)?;
        Ok(Self::Passphrase { argon2id: cost, salt: BASE64.encode(salt), wrapped })
    }

    fn of_recipient(recipient: &Recipient, key: &EnvironmentKey) -> Result<Self> {
        let refused = || KeyringError::Seal(format!("{recipient} is no proper age recipient"));
        let file = age::encrypt(key.bytes().expose(), recipient, &Random::draw()?);
        let wrapped = BASE64.encode(file.ok_or_else(refused)?);
        Ok(Self::Age { recipient: recipient.to_string(), wrapped })
    }

    /// Whether it asks for nothing absurd.
    pub fn check(&self) -> Result<()> {
        let damaged = |what: &str| Err(KeyringError::Damaged { what: what.to_owned() });
        match self {
            Self::Passphrase { argon2id: cost, .. }
                if cost.memory_kib > MOST.memory_kib
                    || cost.passes > MOST.passes
                    || cost.lanes > MOST.lanes =>
            {
                damaged("its passphrase would cost more memory or time than any program asks for")
            }
            Self::Age { recipient, .. } if recipient.parse::<Recipient>().is_err() => {
                damaged("an age recipient does not read")
            }
            _ => Ok(()),
        }
    }

    pub fn name(&self) -> WrapName {
        match self {
            Self::Passphrase { .. } => WrapName::Passphrase,
            Self::Age { recipient, .. } => WrapName::Age(recipient_of(recipient)),
            Self::KeyFile { .. } => WrapName::KeyFile,
        }
    }

    /// The keyring's key, or why these secrets do not open this way in.
    pub fn open(&self, unlock: &Unlock, lineage: &str) -> Result<EnvironmentKey, String> {
        let bytes = match self {
            Self::Passphrase { argon2id, salt, wrapped } => {
                let given = unlock.passphrase.as_ref();
                let passphrase = given.ok_or("PROVISIONER_PASSPHRASE is not set")?;
                let salt = BASE64.decode(salt).unwrap_or_default();
                by_passphrase(passphrase, *argon2id, &salt, lineage)
                    .and_then(|sealer| sealer.open(wrapped, PLACE).ok())
                    .ok_or("the passphrase is not the right one")?
            }
            Self::Age { recipient, wrapped } => {
                let wanted = recipient_of(recipient);
                let identities = identities(unlock)?;
                let fits = |identity: &&Identity| identity.recipient() == wanted;
                let identity = identities.iter().find(fits).ok_or("its identity was not given")?;
                let file = BASE64.decode(wrapped).unwrap_or_default();
                age::decrypt(&file, identity).ok_or("what is wrapped for it was changed")?
            }
            Self::KeyFile { check, wrapped } => {
                let file = unlock.key_source().read(lineage).map_err(|error| error.to_string())?;
                if file.check_value() != *check {
                    return Err(format!("{} holds another key", file.path().display()));
                }
                let opened = by_key_file(file.key(), lineage).open(wrapped, PLACE);
                opened.map_err(|_| "what is wrapped for it was changed")?
            }
        };
        let bytes = bytes.try_into().map_err(|_| "what is wrapped is no key")?;
        Ok(EnvironmentKey::new(bytes))
    }

    /// For another key of the keyring. Symmetric ways in need their secret, and it must be the one of before.
    pub fn renewed(
        self,
        old: &EnvironmentKey,
        new: &EnvironmentKey,
        unlock: &Unlock,
        lineage: &str,
    ) -> Result<Self> {
        if let Self::Age { recipient, .. } = &self {
            return Self::of_recipient(&recipient_of(recipient), new);
        }
        let needs =
            |why: &str| KeyringError::NeedsSecret { name: self.name(), why: why.to_owned() };
        let opened = self.open(unlock, lineage).map_err(|why| needs(&why))?;
        if opened != *old {
            return Err(needs("it opens another keyring"));
        }
        if let (Self::Passphrase { .. }, Some(passphrase)) = (&self, &unlock.passphrase) {
            return Self::of_passphrase(passphrase, COST, new, lineage);
        }
        let file = unlock.key_source().read(lineage).map_err(|error| needs(&error.to_string()))?;
        Self::make(&NewWrap::KeyFile(file.key().clone()), new, lineage)
    }
}

fn by_passphrase(
    passphrase: &Sensitive<String>,
    cost: Cost,
    salt: &[u8],
    lineage: &str,
) -> Option<Sealer> {
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).ok()?;
    let mut key = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.expose().as_bytes(), salt, &mut key)
        .ok()?;
    Some(Sealer::new(Sensitive::new(key), lineage))
}

fn by_key_file(file: &EnvironmentKey, lineage: &str) -> Sealer {
    Sealer::new(file.subkey("keyring"), lineage)
}

fn identities(unlock: &Unlock) -> Result<Vec<Identity>, String> {
    let read = unlock.age_identities.iter().map(Identity::of_text);
    let read = read.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    Ok(read.into_iter().flatten().collect())
}

/// Parsing a keyring checked that it reads.
fn recipient_of(text: &str) -> Recipient {
    text.parse().expect("recipients are checked when a keyring is read, and written from keys")
}
