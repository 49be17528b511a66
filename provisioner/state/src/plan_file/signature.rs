//! The two signatures of a plan file: Ed25519 and ML-DSA-65 (FIPS 204), over the statement as it is written.
//!
//! Both must fit: Ed25519 is proven in use, ML-DSA-65 withstands quantum computers, and a flaw in one of them alone
//! forges nothing. Both are deterministic. The keys come from the environment's current generation, so
//! whoever can sign can also read the environment's secrets, and a rotation ends what was signed before.
//!
//! Refuses to know: what a statement says.

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

/// What the signatures are for, so that none of another use fits.
const CONTEXT: &[u8] = b"provisioner plan file 2";

/// Signs and verifies for one environment.
pub(super) struct Signer {
    ed25519: ed25519_dalek::SigningKey,
    ml_dsa: ml_dsa::SigningKey<MlDsa65>,
}

/// The line with the signatures.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Signatures {
    /// Of the statement; tells damage from forgery, and lets a file be checked without a key.
    sha256: String,
    ed25519: String,
    ml_dsa_65: String,
}

impl Signatures {
    /// None if the line does not read or does not belong to this statement.
    pub fn parse(line: &[u8], statement: &[u8]) -> Option<Self> {
        let signatures: Self = serde_json::from_slice(line).ok()?;
        // One spelling, so that no byte of it can change unnoticed.
        let same = serde_json::to_vec(&signatures).is_ok_and(|written| written == line);
        (same && signatures.sha256 == sha256_hex(statement)).then_some(signatures)
    }
}

impl Signer {
    /// With the current keys; none if the sealer does not have them.
    pub fn of(sealer: &Sealer) -> Option<Self> {
        let seed = sealer.signing_seed()?;
        let ed25519 = ed25519_dalek::SigningKey::from_bytes(expand(seed, "ed25519").expose());
        let ml_dsa = ml_dsa::SigningKey::new(expand(seed, "ml-dsa-65").expose().into());
        Some(Self { ed25519, ml_dsa })
    }

    /// The line that goes with a statement.
    pub fn sign(&self, statement: &[u8]) -> Result<String, SealError> {
        let refused = |_| SealError::Malformed { place: "plan file signature".to_owned() };
        let ed25519 = self.ed25519.sign(&[CONTEXT, b"\n", statement].concat());
        let ml_dsa = self.ml_dsa.expanded_key().sign_deterministic(statement, CONTEXT);
        let signatures = Signatures {
            sha256: sha256_hex(statement),
            ed25519: BASE64.encode(ed25519.to_bytes()),
            ml_dsa_65: BASE64.encode(ml_dsa.map_err(refused)?.encode()),
        };
        let unwritable = |_| SealError::Malformed { place: "plan file signature".to_owned() };
        serde_json::to_string(&signatures).map_err(unwritable)
    }

    /// The name of the method whose signature does not fit, if one does not.
    pub fn verify(&self, statement: &[u8], signatures: &Signatures) -> Result<(), &'static str> {
        let bytes = BASE64.decode(&signatures.ed25519).map_err(|_| "Ed25519")?;
        let signature = ed25519_dalek::Signature::from_slice(&bytes).map_err(|_| "Ed25519")?;
        let message = [CONTEXT, b"\n", statement].concat();
        let verified = self.ed25519.verifying_key().verify_strict(&message, &signature);
        verified.map_err(|_| "Ed25519")?;
        let bytes = BASE64.decode(&signatures.ml_dsa_65).map_err(|_| "ML-DSA-65")?;
        let signature = ml_dsa::Signature::<MlDsa65>::try_from(bytes.as_slice());
        let signature = signature.map_err(|_| "ML-DSA-65")?;
        let key = self.ml_dsa.expanded_key().verifying_key();
        if key.verify_with_context(statement, CONTEXT, &signature) {
            return Ok(());
        }
        Err("ML-DSA-65")
    }
}

fn expand(seed: &Sensitive<[u8; 32]>, purpose: &str) -> Sensitive<[u8; 32]> {
    let mut key = [0; 32];
    Hkdf::<Sha256>::new(Some(CONTEXT), seed.expose())
        .expand(purpose.as_bytes(), &mut key)
        .expect("32 bytes are within HKDF-SHA256's limit of 8160");
    Sensitive::new(key)
}
