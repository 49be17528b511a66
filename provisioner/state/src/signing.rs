//! Signatures of statements that others check without the environment's secrets: Ed25519 and ML-DSA-65 (FIPS 204).
//!
//! Both must fit, as those of plan files. The keys come from the environment's root keys, by generation and by what they
//! sign, so a signature of one use fits no other; the public halves can be given away. Messages are signed as they are, with
//! an empty context, so that any implementation of the two methods can check them.
//!
//! Invariant: signing is deterministic and only with the current generation; what an older one signed still verifies while the
//! generation is kept.
//! Refuses to know: what a message says.

use crate::keys::Generation;
use crate::seal::{SealError, Sealer};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::Signer as _;
use hkdf::Hkdf;
use ml_dsa::{KeyInit as _, MlDsa65};
use model::Sensitive;
use model::digest::sha256_hex;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// A method of signing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Proven in use.
    Ed25519,
    /// Withstands quantum computers.
    MlDsa65,
}

impl Method {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ed25519, Self::MlDsa65];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "Ed25519",
            Self::MlDsa65 => "ML-DSA-65",
        }
    }
}

/// The public keys of one generation for one use. As JSON they can be kept and given away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicKeys {
    /// The generation.
    pub generation: Generation,
    /// Ed25519, base64.
    ed25519: String,
    /// ML-DSA-65, base64.
    ml_dsa_65: String,
}

impl PublicKeys {
    /// Those of every generation that is kept, for one use.
    pub fn all(sealer: &Sealer, usage: &str) -> Vec<Self> {
        let seeds = sealer.signing_seeds();
        seeds
            .map(|(generation, seed)| Signer::from_seed(generation, seed, usage).public())
            .collect()
    }

    /// Names the key of a method: the first 16 digits of its SHA-256.
    pub fn key_id(&self, method: Method) -> String {
        let key = match method {
            Method::Ed25519 => &self.ed25519,
            Method::MlDsa65 => &self.ml_dsa_65,
        };
        sha256_hex(key.as_bytes()).chars().take(16).collect()
    }

    /// Whether a signature of a message fits. A key or a signature that does not read does not.
    pub fn verify(&self, method: Method, message: &[u8], signature: &[u8]) -> bool {
        match method {
            Method::Ed25519 => self.verify_ed25519(message, signature),
            Method::MlDsa65 => self.verify_ml_dsa(message, signature),
        }
        .is_some()
    }

    fn verify_ed25519(&self, message: &[u8], signature: &[u8]) -> Option<()> {
        let bytes: [u8; 32] = BASE64.decode(&self.ed25519).ok()?.try_into().ok()?;
        let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes).ok()?;
        let signature = ed25519_dalek::Signature::from_slice(signature).ok()?;
        key.verify_strict(message, &signature).ok()
    }

    fn verify_ml_dsa(&self, message: &[u8], signature: &[u8]) -> Option<()> {
        let bytes = BASE64.decode(&self.ml_dsa_65).ok()?;
        let encoded = ml_dsa::EncodedVerifyingKey::<MlDsa65>::try_from(bytes.as_slice()).ok()?;
        let key = ml_dsa::VerifyingKey::<MlDsa65>::decode(&encoded);
        let signature = ml_dsa::Signature::<MlDsa65>::try_from(signature).ok()?;
        key.verify_with_context(message, &[], &signature).then_some(())
    }
}

/// Signs with the current generation of an environment's keys, for one use.
pub struct Signer {
    generation: Generation,
    ed25519: ed25519_dalek::SigningKey,
    ml_dsa: ml_dsa::SigningKey<MlDsa65>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Signer")
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

impl Signer {
    /// None if the sealer does not have the current keys. `usage` names what is signed, with its version.
    pub fn of(sealer: &Sealer, usage: &str) -> Option<Self> {
        let seed = sealer.signing_seed()?;
        Some(Self::from_seed(sealer.generation(), seed, usage))
    }

    fn from_seed(generation: Generation, seed: &Sensitive<[u8; 32]>, usage: &str) -> Self {
        let ed25519 =
            ed25519_dalek::SigningKey::from_bytes(expand(seed, usage, "ed25519").expose());
        let ml_dsa = ml_dsa::SigningKey::new(expand(seed, usage, "ml-dsa-65").expose().into());
        Self { generation, ed25519, ml_dsa }
    }

    /// The public halves.
    pub fn public(&self) -> PublicKeys {
        let ml_dsa = self.ml_dsa.expanded_key().verifying_key().encode();
        PublicKeys {
            generation: self.generation,
            ed25519: BASE64.encode(self.ed25519.verifying_key().to_bytes()),
            ml_dsa_65: BASE64.encode(ml_dsa),
        }
    }

    /// The signature of a message by a method.
    pub fn sign(&self, method: Method, message: &[u8]) -> Result<Vec<u8>, SealError> {
        match method {
            Method::Ed25519 => Ok(self.ed25519.sign(message).to_bytes().to_vec()),
            Method::MlDsa65 => {
                let refused = |_| SealError::Malformed { place: "signature".to_owned() };
                let signed = self.ml_dsa.expanded_key().sign_deterministic(message, &[]);
                Ok(signed.map_err(refused)?.encode().to_vec())
            }
        }
    }
}

fn expand(seed: &Sensitive<[u8; 32]>, usage: &str, method: &str) -> Sensitive<[u8; 32]> {
    let mut key = [0; 32];
    Hkdf::<Sha256>::new(Some(usage.as_bytes()), seed.expose())
        .expand(method.as_bytes(), &mut key)
        .expect("32 bytes are within HKDF-SHA256's limit of 8160");
    Sensitive::new(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(byte: u8) -> Sealer {
        Sealer::new(Sensitive::new([byte; 32]), "lineage")
    }

    #[test]
    fn only_the_key_the_use_and_the_message_that_were_signed_fit() {
        let signer = Signer::of(&sealer(1), "use 1").unwrap();
        let others = [
            Signer::of(&sealer(2), "use 1").unwrap().public(),
            Signer::of(&sealer(1), "use 2").unwrap().public(),
        ];
        for method in Method::ALL {
            let signature = signer.sign(method, b"message").unwrap();
            assert!(signer.public().verify(method, b"message", &signature));
            assert!(!signer.public().verify(method, b"massage", &signature));
            assert!(!signer.public().verify(method, b"message", &signature[1..]));
            let mut other = signature.clone();
            other[7] ^= 1;
            assert!(!signer.public().verify(method, b"message", &other));
            for public in &others {
                assert!(!public.verify(method, b"message", &signature));
                assert_ne!(public.key_id(method), signer.public().key_id(method));
            }
        }
    }

    #[test]
    fn public_keys_are_kept_as_text_and_show_no_secret() {
        let signer = Signer::of(&sealer(1), "use 1").unwrap();
        let text = serde_json::to_string(&signer.public()).unwrap();
        let read: PublicKeys = serde_json::from_str(&text).unwrap();
        assert_eq!(read, signer.public());
        assert_eq!(PublicKeys::all(&sealer(1), "use 1"), [read]);
        assert_eq!(format!("{signer:?}"), "Signer { generation: Generation(1), .. }");
    }
}
