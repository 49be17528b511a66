//! The age format, version 1, as far as a keyring needs it: one X25519 recipient, a short content.
//!
//! What is written here any age program opens, and the other way round. Written out because the `age` crate brings 130
//! crates of an older generation of the same cryptography for these few steps. Source: C2SP `age.md`.
//!
//! Refuses to know: what the content is, where identities come from.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32, Hrp};
use chacha20poly1305::aead::{Aead as _, KeyInit as _};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use model::Sensitive;
use sha2::Sha256;
use std::fmt;
use std::str::FromStr;
use x25519_dalek::{PublicKey, StaticSecret};

const VERSION: &str = "age-encryption.org/v1";
const STANZA: &str = "-> X25519 ";
const LABEL: &[u8] = b"age-encryption.org/v1/X25519";
/// The format's payload is cut into chunks of this size; a keyring's content is a single shorter one.
const CHUNK: usize = 64 * 1024;

/// Why a recipient or an identity cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAge(&'static str);

/// Whom a keyring can be opened by: an age public key, `age1...`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Recipient([u8; 32]);

impl fmt::Display for Recipient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = bech32::encode::<Bech32>(Hrp::parse_unchecked("age"), &self.0);
        formatter.write_str(&text.map_err(|_| fmt::Error)?)
    }
}

impl FromStr for Recipient {
    type Err = NotAge;

    fn from_str(text: &str) -> Result<Self, NotAge> {
        if text.starts_with("age1pq1") || text.starts_with("age1tag") {
            return Err(NotAge("only age recipients of the X25519 kind are known here"));
        }
        let wrong = NotAge("an age recipient looks like age1qqqq..., 62 characters");
        decode(text, "age").map(Self).ok_or(wrong)
    }
}

/// An age secret key, `AGE-SECRET-KEY-1...`.
#[derive(Clone)]
pub struct Identity(StaticSecret);

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Identity({})", self.recipient())
    }
}

impl Identity {
    /// The identities in a text as `age-keygen` writes it: one a line, `#` starts a remark.
    pub fn of_text(text: &Sensitive<String>) -> Result<Vec<Self>, NotAge> {
        let lines = text.expose().lines().map(str::trim);
        let keys = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        keys.map(|line| {
            let key = decode(line, "age-secret-key-").ok_or(NotAge(
                "an age identity looks like AGE-SECRET-KEY-1..., one a line, and is not encrypted itself",
            ))?;
            Ok(Self(StaticSecret::from(key)))
        })
        .collect()
    }

    /// Its public part.
    pub fn recipient(&self) -> Recipient {
        Recipient(PublicKey::from(&self.0).to_bytes())
    }
}

fn decode(text: &str, prefix: &str) -> Option<[u8; 32]> {
    let checked = CheckedHrpstring::new::<Bech32>(text).ok()?;
    let matches = checked.hrp().to_string().eq_ignore_ascii_case(prefix);
    let bytes: Vec<u8> = checked.byte_iter().collect();
    bytes.try_into().ok().filter(|_| matches)
}

/// What one encryption draws at random.
pub struct Random {
    /// The key of the file, for the payload and the header's tag.
    pub file_key: [u8; 16],
    /// The secret half of the share.
    pub share: [u8; 32],
    /// The payload's salt.
    pub nonce: [u8; 16],
}

impl Random {
    /// From the system's generator.
    pub fn draw() -> Result<Self, getrandom::Error> {
        let mut random = Self { file_key: [0; 16], share: [0; 32], nonce: [0; 16] };
        getrandom::fill(&mut random.file_key)?;
        getrandom::fill(&mut random.share)?;
        getrandom::fill(&mut random.nonce)?;
        Ok(random)
    }
}

/// An age file for one recipient; none if the recipient is no proper key or the content is too long.
pub fn encrypt(content: &[u8], recipient: &Recipient, random: &Random) -> Option<Vec<u8>> {
    if content.len() > CHUNK {
        return None;
    }
    let secret = StaticSecret::from(random.share);
    let share = PublicKey::from(&secret);
    let wrap = wrap_key(&secret, &PublicKey::from(recipient.0), &share, recipient)?;
    let body = cipher(&wrap).encrypt(&Nonce::default(), random.file_key.as_slice()).ok()?;
    let (share, body) = (BASE64.encode(share.to_bytes()), BASE64.encode(body));
    let header = format!("{VERSION}\n{STANZA}{share}\n{body}\n---");
    let tag = BASE64.encode(header_tag(&random.file_key, &header).finalize().into_bytes());
    let payload = cipher(&expand(&random.file_key, &random.nonce, b"payload"));
    let sealed = payload.encrypt(&last_chunk(), content).ok()?;
    Some([format!("{header} {tag}\n").as_bytes(), &random.nonce, &sealed].concat())
}

/// The content of such a file; none if it is for someone else or was changed.
pub fn decrypt(file: &[u8], identity: &Identity) -> Option<Vec<u8>> {
    let mut lines = file.splitn(5, |byte| *byte == b'\n');
    let mut line = || std::str::from_utf8(lines.next()?).ok();
    let (version, stanza, body, end) = (line()?, line()?, line()?, line()?);
    let tag = end.strip_prefix("--- ")?;
    let share: [u8; 32] = BASE64.decode(stanza.strip_prefix(STANZA)?).ok()?.try_into().ok()?;
    let share = PublicKey::from(share);
    let wrap = wrap_key(&identity.0, &share, &share, &identity.recipient())?;
    let sealed_key = BASE64.decode(body).ok()?;
    let file_key = cipher(&wrap).decrypt(&Nonce::default(), sealed_key.as_slice()).ok()?;
    let file_key: [u8; 16] = file_key.try_into().ok()?;
    let header = format!("{version}\n{stanza}\n{body}\n---");
    header_tag(&file_key, &header).verify_slice(&BASE64.decode(tag).ok()?).ok()?;
    let (nonce, sealed) = lines.next()?.split_first_chunk::<16>()?;
    let payload = cipher(&expand(&file_key, nonce, b"payload"));
    (version == VERSION).then(|| payload.decrypt(&last_chunk(), sealed).ok())?
}

fn wrap_key(
    secret: &StaticSecret,
    theirs: &PublicKey,
    share: &PublicKey,
    recipient: &Recipient,
) -> Option<[u8; 32]> {
    let shared = secret.diffie_hellman(theirs);
    let salt = [share.to_bytes(), recipient.0].concat();
    // A key of low order would make the shared secret public.
    shared.was_contributory().then(|| expand(shared.as_bytes(), &salt, LABEL))
}

fn expand(key: &[u8], salt: &[u8], info: &[u8]) -> [u8; 32] {
    let mut expanded = [0; 32];
    Hkdf::<Sha256>::new(Some(salt), key)
        .expand(info, &mut expanded)
        .expect("32 bytes are within HKDF-SHA256's limit of 8160");
    expanded
}

fn cipher(key: &[u8; 32]) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new(key.into())
}

fn header_tag(file_key: &[u8; 16], header: &str) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(&expand(file_key, b"", b"header"))
        .expect("HMAC takes keys of any length")
        .chain_update(header)
}

/// The nonce of the first chunk when it is also the last: a counter of eleven bytes, then a one.
fn last_chunk() -> Nonce {
    let mut nonce = [0; 12];
    nonce[11] = 1;
    Nonce::from(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made by the age program, version 1.1.1: `age -r RECIPIENT`.
    const IDENTITY: &str = include_str!("../../fixtures/age-identity");
    const RECIPIENT: &str = include_str!("../../fixtures/age-recipient");
    const FILE: &[u8] = include_bytes!("../../fixtures/age-file");

    fn identity() -> Identity {
        Identity::of_text(&Sensitive::new(IDENTITY.to_owned())).unwrap().remove(0)
    }

    #[test]
    fn what_another_program_wrote_opens() {
        let recipient: Recipient = RECIPIENT.trim().parse().unwrap();
        assert_eq!(identity().recipient(), recipient);
        assert_eq!(recipient.to_string(), RECIPIENT.trim());
        assert_eq!(decrypt(FILE, &identity()).unwrap(), b"thirty-two bytes from the others");
    }

    #[test]
    fn it_opens_for_the_recipient_only_and_unchanged_only() {
        let random = Random { file_key: [1; 16], share: [2; 32], nonce: [3; 16] };
        let file = encrypt(b"content", &identity().recipient(), &random).unwrap();
        assert_eq!(decrypt(&file, &identity()).unwrap(), b"content");
        let other = Identity(StaticSecret::from([9; 32]));
        assert!(decrypt(&file, &other).is_none());
        for bit in 0..file.len() * 8 {
            let mut flipped = file.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decrypt(&flipped, &identity()).is_none(), "bit {bit}");
        }
        for length in 0..file.len() {
            assert!(decrypt(&file[..length], &identity()).is_none(), "cut at {length}");
        }
    }

    #[test]
    fn keys_of_low_order_are_refused() {
        let random = Random::draw().unwrap();
        assert!(encrypt(b"content", &Recipient([0; 32]), &random).is_none());
    }

    #[test]
    fn wrong_texts_are_named_without_showing_them() {
        let canary = "AGE-SECRET-KEY-1CANARY";
        let error = Identity::of_text(&Sensitive::new(canary.to_owned())).unwrap_err();
        assert!(!error.to_string().contains("CANARY"), "{error}");
        assert!(RECIPIENT.trim().parse::<Recipient>().is_ok());
        assert!(IDENTITY.lines().last().unwrap().parse::<Recipient>().is_err());
        assert!("age1pq1xyz".parse::<Recipient>().unwrap_err().to_string().contains("X25519"));
        assert!(!format!("{:?}", identity()).contains("SECRET"));
    }
}
