//! Ed25519 keys in the forms that programs read.
//!
//! Formats: OpenSSH's PROTOCOL.key, RFC 4253 (section 6.6), RFC 8709, RFC 8410. Invariant: a private key is in no message.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use ed25519_dalek::SigningKey;
use sha2::{Digest as _, Sha256};

const NAME: &[u8] = b"ssh-ed25519";
const MAGIC: &[u8] = b"openssh-key-v1\0";
/// The private part of a cipher "none" fills blocks of so many bytes.
const BLOCK: usize = 8;
/// What comes before the 32 bytes of a private and of a public key in DER.
const PRIVATE_DER: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];
const PUBLIC_DER: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// One key.
pub(crate) struct Key(SigningKey);

impl Key {
    /// The key of a seed that nobody can guess.
    pub(crate) fn new(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    fn public_blob(&self) -> Vec<u8> {
        let mut blob = Vec::new();
        string(&mut blob, NAME);
        string(&mut blob, &self.public());
        blob
    }

    /// `ssh-ed25519 AAAA...`
    pub(crate) fn public_openssh(&self) -> String {
        format!("ssh-ed25519 {}", STANDARD.encode(self.public_blob()))
    }

    /// As `ssh-keygen -l` shows it.
    pub(crate) fn fingerprint(&self) -> String {
        format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(self.public_blob())))
    }

    /// As `ssh-keygen` writes it, without a passphrase.
    pub(crate) fn private_openssh(&self) -> String {
        // The same number twice tells who decrypts that the passphrase was right; any will do where there is none.
        let check = &Sha256::digest(self.public_blob())[..4];
        let mut secret = [check, check].concat();
        string(&mut secret, NAME);
        string(&mut secret, &self.public());
        string(&mut secret, &self.0.to_keypair_bytes());
        string(&mut secret, b"");
        for padding in (1_u8..).take((BLOCK - secret.len() % BLOCK) % BLOCK) {
            secret.push(padding);
        }
        let mut file = MAGIC.to_vec();
        string(&mut file, b"none");
        string(&mut file, b"none");
        string(&mut file, b"");
        file.extend(1_u32.to_be_bytes());
        string(&mut file, &self.public_blob());
        string(&mut file, &secret);
        armour("OPENSSH PRIVATE KEY", &file, 70)
    }

    /// PKCS #8.
    pub(crate) fn private_pem(&self) -> String {
        let der = [PRIVATE_DER.as_slice(), &self.0.to_bytes()].concat();
        armour("PRIVATE KEY", &der, 64)
    }

    /// PKIX.
    pub(crate) fn public_pem(&self) -> String {
        let der = [PUBLIC_DER.as_slice(), &self.public()].concat();
        armour("PUBLIC KEY", &der, 64)
    }
}

/// Bytes with their length before them.
fn string(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    to.extend(bytes);
}

fn armour(label: &str, bytes: &[u8], width: usize) -> String {
    let mut body = String::new();
    for (at, character) in STANDARD.encode(bytes).chars().enumerate() {
        if at > 0 && at % width == 0 {
            body.push('\n');
        }
        body.push(character);
    }
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}
