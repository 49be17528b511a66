//! The DSSE envelope: a payload with its type, and signatures over both.
//!
//! What is signed is DSSE's pre-authentication encoding, `DSSEv1 LENGTH TYPE LENGTH PAYLOAD`, so that a payload of one type cannot be
//! taken for one of another. Source: the DSSE protocol, version 1.0, of the Secure Systems Lab.
//! Invariant: an envelope has one spelling; one that is spelled otherwise does not read.
//! Refuses to know: what the payload says.

use super::Fault;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use state::keys::Generation;
use state::seal::SealError;
use state::signing::{Method, PublicKeys, Signer};

const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// An envelope.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    #[serde(rename = "payloadType")]
    payload_type: String,
    payload: String,
    signatures: Vec<Signature>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    keyid: String,
    sig: String,
}

impl Envelope {
    /// Signs a payload by both methods.
    pub fn sign(payload: &str, signer: &Signer) -> Result<Self, SealError> {
        let (message, public) = (encoded(payload), signer.public());
        let sign = |method| {
            let sig = BASE64.encode(signer.sign(method, message.as_bytes())?);
            Ok(Signature { keyid: public.key_id(method), sig })
        };
        let signatures = Method::ALL.into_iter().map(sign).collect::<Result<_, SealError>>()?;
        let payload_type = PAYLOAD_TYPE.to_owned();
        Ok(Self { payload_type, payload: BASE64.encode(payload), signatures })
    }

    /// One line of JSON and a line feed.
    pub fn text(&self) -> Result<String, SealError> {
        let unwritable = |_| SealError::Malformed { place: "evidence".to_owned() };
        Ok(format!("{}\n", serde_json::to_string(self).map_err(unwritable)?))
    }

    /// # Errors
    /// Why it is none, in a sentence: it does not read, has another type of payload, or was written anew by another program.
    pub fn parse(text: &str) -> Result<Self, String> {
        let json: serde_json::Value =
            serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?;
        let envelope: Self = serde_json::from_value(json)
            .map_err(|error| format!("it is JSON and no DSSE envelope: {error}"))?;
        if envelope.payload_type != PAYLOAD_TYPE {
            let found = &envelope.payload_type;
            return Err(format!("its payload is of type `{found}`, not `{PAYLOAD_TYPE}`"));
        }
        if envelope.text().is_ok_and(|written| written == text) {
            return Ok(envelope);
        }
        Err("it is a DSSE envelope whose JSON was written anew since it was exported (spaces, line feeds, \
             the order of members): take the file as `rollout evidence export` wrote it"
            .to_owned())
    }

    /// None if it is no text.
    pub fn payload(&self) -> Option<String> {
        String::from_utf8(BASE64.decode(&self.payload).ok()?).ok()
    }

    /// The generation that both signatures are by; what is wrong with them is added to the faults.
    pub fn signed_by(
        &self,
        payload: &str,
        keys: &[PublicKeys],
        faults: &mut Vec<Fault>,
    ) -> Option<Generation> {
        let message = encoded(payload);
        let mut by = Vec::new();
        for (place, method) in Method::ALL.into_iter().enumerate() {
            let what = match self.signatures.get(place) {
                None => Err("is missing"),
                Some(signature) => signature.by(method, &message, keys),
            };
            match what {
                Ok(generation) => by.push(generation),
                Err(what) => faults.push(Fault::Signature { method: method.name(), what }),
            }
        }
        match by[..] {
            [one, other] if one == other && self.signatures.len() == by.len() => Some(one),
            [_, _] => {
                let what = "and others are not by one generation of keys";
                faults.push(Fault::Signature { method: Method::Ed25519.name(), what });
                None
            }
            _ => None,
        }
    }
}

impl Signature {
    fn by(
        &self,
        method: Method,
        message: &str,
        keys: &[PublicKeys],
    ) -> Result<Generation, &'static str> {
        let key = keys.iter().find(|key| key.key_id(method) == self.keyid);
        let key = key.ok_or("is by none of the keys that were given")?;
        let bytes = BASE64.decode(&self.sig).map_err(|_| "does not read")?;
        let fits = key.verify(method, message.as_bytes(), &bytes);
        if fits { Ok(key.generation) } else { Err("does not fit") }
    }
}

/// The pre-authentication encoding.
fn encoded(payload: &str) -> String {
    format!("DSSEv1 {} {PAYLOAD_TYPE} {} {payload}", PAYLOAD_TYPE.len(), payload.len())
}
