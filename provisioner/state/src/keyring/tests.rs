//! Keyrings: who can open them, what changing them keeps, what is refused, and the fixture of format 1.

use super::*;
use crate::keys::KeySource;
use model::Sensitive;
use proptest::prelude::*;
use std::path::PathBuf;

const LINEAGE: &str = "00112233445566778899aabbccddeeff";
const PASSPHRASE: &str = "canary horse battery";
const IDENTITY: &str = include_str!("../../fixtures/age-identity");
const RECIPIENT: &str = include_str!("../../fixtures/age-recipient");

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// Nothing to open with.
fn nothing() -> Unlock {
    Unlock::new(KeySource::Directory("/nonexistent".into()))
}

fn by_passphrase(passphrase: &str) -> Unlock {
    nothing().with_passphrase(Sensitive::new(passphrase.to_owned()))
}

fn by_identity(text: &str) -> Unlock {
    nothing().with_age_identities(Sensitive::new(text.to_owned()))
}

fn ada() -> Recipient {
    RECIPIENT.trim().parse().unwrap()
}

/// Another identity and its recipient.
fn ben() -> (String, Recipient) {
    let text = bech32::encode_upper::<bech32::Bech32>(
        bech32::Hrp::parse("age-secret-key-").unwrap(),
        &[5; 32],
    )
    .unwrap();
    let identity = age::Identity::of_text(&Sensitive::new(text.clone())).unwrap().remove(0);
    (text, identity.recipient())
}

fn passphrase() -> NewWrap {
    NewWrap::Passphrase(Sensitive::new(PASSPHRASE.to_owned()))
}

fn for_ada() -> Keyring {
    Keyring::create(LINEAGE, &[NewWrap::Age(ada())]).unwrap()
}

/// As another program reads it.
fn read_back(keyring: &Keyring) -> Keyring {
    Keyring::parse(&keyring.text()).unwrap()
}

#[test]
fn every_way_in_opens_the_same_keys() {
    let directory = tempfile::tempdir().unwrap();
    let source = KeySource::File(directory.path().join("key"));
    let file = source.create(LINEAGE).unwrap();
    let (text, ben) = ben();
    let key_file = NewWrap::KeyFile(file.key().clone());
    let ways = [passphrase(), NewWrap::Age(ada()), NewWrap::Age(ben), key_file];
    let keyring = read_back(&Keyring::create(LINEAGE, &ways).unwrap());
    assert_eq!(keyring.wraps().count(), 4);
    let unlocks = [by_passphrase(PASSPHRASE), by_identity(IDENTITY), by_identity(&text)];
    let keys = keyring.unlock(&Unlock::new(source)).unwrap();
    for unlock in unlocks {
        assert_eq!(keyring.unlock(&unlock).unwrap(), keys);
    }
    let again = Keyring::create(LINEAGE, &[NewWrap::Age(ada())]).unwrap();
    assert_ne!(again.unlock(&by_identity(IDENTITY)).unwrap(), keys, "keys are drawn anew");
}

#[test]
fn wrong_and_missing_secrets_are_named_and_never_shown() {
    let directory = tempfile::tempdir().unwrap();
    let key_files = ["mine", "other"].map(|name| KeySource::File(directory.path().join(name)));
    let [file, other] = key_files.map(|source| (source.create(LINEAGE).unwrap(), source));
    let ways = [passphrase(), NewWrap::Age(ada()), NewWrap::KeyFile(file.0.key().clone())];
    let keyring = Keyring::create(LINEAGE, &ways).unwrap();
    let locked = |unlock: &Unlock| {
        let error = keyring.unlock(unlock).unwrap_err();
        let text = crate::StateError::from(error).to_string();
        assert!(!text.contains("canary") && !text.contains("SECRET-KEY-1Q"), "{text}");
        let variable = "PROVISIONER_AGE_IDENTITY_FILE";
        for way in ["the passphrase", "the key file", RECIPIENT.trim(), variable] {
            assert!(text.contains(way), "{text}");
        }
        text
    };
    assert!(locked(&nothing()).contains("PROVISIONER_PASSPHRASE is not set"));
    assert!(locked(&by_passphrase("canary wrong")).contains("not the right one"));
    assert!(locked(&by_identity(&ben().0)).contains("its identity was not given"));
    let malformed = locked(&by_identity("canary"));
    assert!(malformed.contains("looks like AGE-SECRET-KEY"), "{malformed}");
    assert!(locked(&Unlock::new(other.1)).contains("holds another key"));
    assert!(!format!("{:?}", by_passphrase(PASSPHRASE)).contains("canary"));
    assert!(!keyring.text().contains("canary"));
}

#[test]
fn a_rotation_keeps_what_was_and_seals_with_the_new() {
    let unlock = by_identity(IDENTITY);
    let first = for_ada();
    let second = read_back(&first.rotated(&unlock).unwrap());
    let third = read_back(&second.rotated(&unlock).unwrap());
    let names: Vec<_> = third.generations().map(|generation| generation.to_string()).collect();
    assert_eq!(names, ["k1", "k2", "k3"]);
    let sealers =
        [&first, &second, &third].map(|ring| ring.unlock(&unlock).unwrap().sealer(LINEAGE));
    for (index, sealer) in sealers.iter().enumerate() {
        let sealed = sealer.seal(b"content", "place").unwrap();
        assert_eq!(sealed.starts_with(&format!("k{}:", index + 1)), index > 0);
        assert_eq!(sealers[2].open(&sealed, "place").unwrap(), b"content");
    }
    let [one, three] = [&first, &third].map(|ring| ring.unlock(&unlock).unwrap());
    assert_eq!(one.login().login_seed(), three.login().login_seed());
    assert_eq!(first.origin(), third.origin());
}

#[test]
fn a_teammate_comes_without_sealing_anew() {
    let (text, ben) = ben();
    let ring = for_ada();
    let both = ring.rewrapped(&by_identity(IDENTITY), &[NewWrap::Age(ben.clone())], &[]).unwrap();
    let keys = ring.unlock(&by_identity(IDENTITY)).unwrap();
    assert_eq!(read_back(&both).unlock(&by_identity(&text)).unwrap(), keys);
    let twice = both.rewrapped(&by_identity(&text), &[NewWrap::Age(ben)], &[]).unwrap_err();
    assert!(matches!(twice, KeyringError::Twice { .. }), "{twice}");
    let stranger = ring.rewrapped(&by_identity(&text), &[], &[]).unwrap_err();
    assert!(matches!(stranger, KeyringError::Locked { .. }), "{stranger}");
}

#[test]
fn a_teammate_goes_and_cannot_open_what_comes() {
    let (text, ben) = ben();
    let (stays, goes) = (by_identity(IDENTITY), by_identity(&text));
    let ways = [NewWrap::Age(ada()), NewWrap::Age(ben.clone())];
    let ring = Keyring::create(LINEAGE, &ways).unwrap();
    let seen = ring.open(&goes).unwrap().key;
    let alone = ring.rewrapped(&stays, &[], &[WrapName::Age(ben.clone())]).unwrap();
    assert_eq!(alone.unlock(&stays).unwrap(), ring.unlock(&stays).unwrap());
    assert!(matches!(alone.unlock(&goes), Err(KeyringError::Locked { .. })));
    assert_ne!(alone.open(&stays).unwrap().key, seen, "what was seen opens no later keyring");
    let last = alone.rewrapped(&stays, &[], &[WrapName::Age(ada())]).unwrap_err();
    assert!(matches!(last, KeyringError::NoWayIn), "{last}");
    let absent = alone.rewrapped(&stays, &[], &[WrapName::Age(ben)]).unwrap_err();
    assert!(matches!(absent, KeyringError::NoSuchWrap { .. }), "{absent}");
}

#[test]
fn what_stays_must_still_open_when_another_goes() {
    let ways = [passphrase(), NewWrap::Age(ada())];
    let ring = Keyring::create(LINEAGE, &ways).unwrap();
    let gone = [WrapName::Age(ada())];
    for wrong in [None, Some("canary wrong")] {
        let mut unlock = by_identity(IDENTITY);
        unlock.passphrase = wrong.map(|text| Sensitive::new(text.to_owned()));
        let error = ring.rewrapped(&unlock, &[], &gone).unwrap_err();
        assert!(matches!(error, KeyringError::NeedsSecret { .. }), "{error}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
    let left = ring.rewrapped(&by_passphrase(PASSPHRASE), &[], &gone).unwrap();
    let keys = left.unlock(&by_passphrase(PASSPHRASE)).unwrap();
    assert_eq!(keys, ring.unlock(&by_identity(IDENTITY)).unwrap());
}

#[test]
fn a_passphrase_is_changed_in_one_step() {
    let ring = Keyring::create(LINEAGE, &[passphrase()]).unwrap();
    let old = by_passphrase(PASSPHRASE);
    let weak = NewWrap::Passphrase(Sensitive::new("short".to_owned()));
    let refused = ring.rewrapped(&old, &[weak], &[WrapName::Passphrase]).unwrap_err();
    assert!(matches!(refused, KeyringError::WeakPassphrase { .. }), "{refused}");
    let new = NewWrap::Passphrase(Sensitive::new("another passphrase".to_owned()));
    let changed = ring.rewrapped(&old, &[new], &[WrapName::Passphrase]).unwrap();
    assert!(changed.unlock(&old).is_err());
    let keys = changed.unlock(&by_passphrase("another passphrase")).unwrap();
    assert_eq!(keys, ring.unlock(&old).unwrap());
}

#[test]
fn a_generation_is_forgotten_only_when_nothing_needs_it() {
    let unlock = by_identity(IDENTITY);
    let ring = for_ada().rotated(&unlock).unwrap().rotated(&unlock).unwrap();
    let [first, second, third] = ["k1", "k2", "k3"].map(|name| name.parse().unwrap());
    let current = ring.forget(&unlock, third, Forget::LoseLogin).unwrap_err();
    assert!(matches!(current, KeyringError::Current { .. }), "{current}");
    let login = ring.forget(&unlock, first, Forget::KeepLogin).unwrap_err();
    assert!(login.to_string().contains("login"), "{login}");
    let without = read_back(&ring.forget(&unlock, second, Forget::KeepLogin).unwrap());
    let [before, after] = [&ring, &without].map(|ring| ring.unlock(&unlock).unwrap());
    assert_eq!(before.login(), after.login());
    let again = without.forget(&unlock, second, Forget::KeepLogin).unwrap_err();
    assert!(matches!(again, KeyringError::NoGeneration { .. }), "{again}");
    let fresh = without.forget(&unlock, first, Forget::LoseLogin).unwrap();
    assert_ne!(fresh.unlock(&unlock).unwrap().login(), before.login());
    assert_eq!(fresh.origin(), ring.origin(), "it stays bound to its state");
    let next = fresh.rotated(&unlock).unwrap();
    assert_eq!(next.current().to_string(), "k4", "a name is never used twice");
}

#[test]
fn every_flipped_bit_is_noticed() {
    let unlock = by_identity(IDENTITY);
    let text = for_ada().rotated(&unlock).unwrap().text();
    for bit in 0..text.len() * 8 {
        let mut bytes = text.clone().into_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        // What is no text any more cannot be given to `parse`.
        let Ok(flipped) = String::from_utf8(bytes) else { continue };
        assert!(Keyring::parse(&flipped).is_err(), "bit {bit}: {flipped}");
    }
    for length in 0..text.len() {
        assert!(Keyring::parse(&text[..length]).is_err(), "cut at {length}");
    }
}

/// A change that someone makes to a keyring without opening it.
type Forge = Box<dyn Fn(&mut Keyring)>;

/// With the checksum made to fit, opening finds it.
#[test]
fn every_forgery_is_noticed_when_it_is_opened() {
    let unlock = by_identity(IDENTITY);
    let ring = for_ada().rotated(&unlock).unwrap();
    let forgeries: Vec<(&str, Forge)> = vec![
        ("back to an older generation", Box::new(|ring| ring.body.current = Generation::FIRST)),
        ("without a generation", Box::new(|ring| drop(ring.body.generations.remove(0)))),
        (
            "generations swapped",
            Box::new(|ring| {
                let [one, two] = &mut ring.body.generations[..] else { panic!("two generations") };
                std::mem::swap(&mut one.sealed, &mut two.sealed);
                std::mem::swap(&mut one.check, &mut two.check);
            }),
        ),
        ("another lineage", Box::new(|ring| ring.body.lineage.push('0'))),
        ("another origin", Box::new(|ring| ring.body.origin.push('0'))),
        (
            "a recipient of the forger",
            Box::new(|ring| {
                let wrap =
                    Wrap::make(&NewWrap::Age(ben().1), &EnvironmentKey::new([1; 32]), LINEAGE);
                ring.body.wraps.push(wrap.unwrap());
            }),
        ),
        ("another tag", Box::new(|ring| ring.tag = BASE64.encode([0; 32]))),
        ("no tag", Box::new(|ring| ring.tag.clear())),
    ];
    for (what, forge) in forgeries {
        let mut forged = ring.clone();
        forge(&mut forged);
        let error = read_back(&forged).unlock(&unlock).unwrap_err();
        assert!(matches!(error, KeyringError::Forged { .. }), "{what}: {error}");
    }
}

#[test]
fn absurd_costs_and_newer_formats_are_refused_before_anything_is_tried() {
    let ring = Keyring::create(LINEAGE, &[passphrase()]).unwrap();
    let mut absurd = ring.clone();
    let Wrap::Passphrase { argon2id, .. } = &mut absurd.body.wraps[0] else {
        panic!("a passphrase")
    };
    argon2id.memory_kib = u32::MAX;
    let error = Keyring::parse(&absurd.text()).unwrap_err();
    assert!(matches!(error, KeyringError::Damaged { .. }), "{error}");
    let newer = ring.text().replacen("\"format\":1", "\"format\":2,\"new\":{}", 1);
    let error = Keyring::parse(&newer).unwrap_err();
    assert!(matches!(error, KeyringError::Newer { found: 2, known: 1 }), "{error}");
}

#[test]
fn a_clone_of_the_secrets_remembers_what_was_opened() {
    let ring = Keyring::create(LINEAGE, &[passphrase()]).unwrap();
    let unlock = by_passphrase(PASSPHRASE);
    let keys = ring.unlock(&unlock).unwrap();
    // Nothing left to open with: only what is remembered can answer, and only for the same text.
    let mut clone = unlock.clone();
    clone.passphrase = None;
    assert_eq!(ring.unlock(&clone).unwrap(), keys);
    assert!(for_ada().unlock(&clone).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever was done to a keyring in whatever order: what any kept generation sealed opens for whoever is in, and for
    /// nobody else; the login stays; the text comes back.
    #[test]
    fn any_history_keeps_what_it_promises(steps in proptest::collection::vec(0u8..4, 0..12)) {
        let (text, ben) = ben();
        let [mine, theirs] = [by_identity(IDENTITY), by_identity(&text)];
        let mut ring = for_ada();
        let login = ring.unlock(&mine).unwrap().login().clone();
        let mut sealed = BTreeMap::new();
        for step in steps {
            let is_in = ring.wraps().any(|name| name == WrapName::Age(ben.clone()));
            let (add, remove) = ([NewWrap::Age(ben.clone())], [WrapName::Age(ben.clone())]);
            let old = ring.generations().nth(1).filter(|second| *second != ring.current());
            ring = match (step, old) {
                (0, _) => ring.rotated(&mine).unwrap(),
                (1, _) if is_in => ring.rewrapped(&mine, &[], &remove).unwrap(),
                (1 | 2, _) if !is_in => ring.rewrapped(&mine, &add, &[]).unwrap(),
                (3, Some(old)) => {
                    sealed.remove(&old);
                    ring.forget(&mine, old, Forget::KeepLogin).unwrap()
                }
                _ => ring,
            };
            let sealer = ring.unlock(&mine).unwrap().sealer(LINEAGE);
            sealed.insert(ring.current(), sealer.seal(b"content", "place").unwrap());
        }
        let ring = read_back(&ring);
        let keys = ring.unlock(&mine).unwrap();
        prop_assert_eq!(keys.login(), &login);
        for text in sealed.values() {
            prop_assert_eq!(keys.sealer(LINEAGE).open(text, "place").unwrap(), b"content");
        }
        let is_in = ring.wraps().any(|name| name == WrapName::Age(ben.clone()));
        prop_assert_eq!(ring.unlock(&theirs).ok(), is_in.then_some(keys));
    }
}

/// Keyring format 1, as it was first written, with every way in and three generations. A new format gets a fixture of
/// its own; this one stays.
#[test]
fn format_1_opens() {
    let path = fixture("keyring-format-1.json");
    let key = EnvironmentKey::new([3; 32]);
    if !path.exists() && std::env::var_os("PROVISIONER_WRITE_FIXTURES").is_some() {
        let ways = [passphrase(), NewWrap::Age(ada()), NewWrap::KeyFile(key.clone())];
        let ring = Keyring::around(key.clone(), LINEAGE, &ways).unwrap();
        let unlock = by_identity(IDENTITY);
        let ring = ring.rotated(&unlock).unwrap().rotated(&unlock).unwrap();
        std::fs::write(&path, ring.text()).unwrap();
    }
    let ring = Keyring::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!((ring.lineage(), ring.origin()), (LINEAGE, key.check_value().as_str()));
    let directory = tempfile::tempdir().unwrap();
    let source = KeySource::File(directory.path().join("key"));
    let text = format!("provisioner-key-1 {}\n", hex(&[3; 32]));
    std::fs::write(directory.path().join("key"), text).unwrap();
    for unlock in [by_passphrase(PASSPHRASE), by_identity(IDENTITY), Unlock::new(source)] {
        let keys = ring.unlock(&unlock).unwrap();
        assert_eq!((keys.current().to_string().as_str(), keys.login()), ("k3", &key));
    }
}
