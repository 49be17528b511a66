//! Bits flip in every page of the state file, in its write-ahead log and in the file beside it: what is read is the truth
//! or a named error, never something else; and what is written on top of it neither.

use super::*;
use crate::port::{Edit, LeaseRequest};
use crate::rules::LeaseRow;
use crate::scope::Scope;
use crate::sqlite::turn::lock_path;
use std::fmt::Debug;

const PAGE: usize = 4096;

/// Everything that can be asked.
#[derive(PartialEq)]
struct Truth {
    recorded: Recorded,
    journal: Vec<JournalEntry>,
    leases: Vec<LeaseRow>,
    version: Version,
    meta: Meta,
}

/// A name and bytes for each file of an environment.
type Bytes = Vec<(PathBuf, Vec<u8>)>;

struct Bed {
    files: Files,
    access: Access,
    truth: Truth,
}

/// The number of damaged files, of those that only a check found, and of those where nothing at all was wrong.
#[derive(Debug, Default)]
struct Count {
    named: usize,
    by_check: usize,
    harmless: usize,
}

fn ask(reader: &Reader) -> Result<Truth> {
    let recorded = reader.recorded()?;
    let version = reader.version(recorded.serial)?;
    let (journal, leases, meta) = (reader.journal(0)?, reader.leases()?, reader.meta.clone());
    Ok(Truth { recorded, journal, leases, version, meta })
}

/// An environment in which every table and every kind of page is in use: records of several pages, a pruned journal,
/// free pages, open intents, leases.
async fn fill(store: &Arc<dyn StateStore>) {
    let lease = store.acquire(request("r1")).await.unwrap();
    for number in 0..6 {
        create(store, &lease, &format!("local_machine.m[{number}]"), "id").await;
    }
    // Nothing that packs into a page.
    let long: String = (0..200).map(|n: u8| model::digest::sha256_hex(&[n])).collect();
    let long = record("local_machine.long", &long);
    let edit = Edit {
        put: vec![long.clone()],
        depose: vec![record("local_volume.old", "old")],
        remove: vec![conformance::address("local_machine.m[3]")],
        ..Edit::default()
    };
    store.edit(&lease, edit).await.unwrap();
    let gone = Edit { remove: vec![long.address], ..Edit::default() };
    store.edit(&lease, gone).await.unwrap();
    let value = model::Value::from(CANARY).into_sensitive();
    let output = model::graph::Output { value, sensitive: true, description: String::new() };
    let mut results = RunResults::default();
    results.outputs.insert("password".to_owned(), Some(output));
    store.write_results(&lease, results).await.unwrap();
    store.prune(&lease, 14).await.unwrap();
    store.release(lease).await.unwrap();
    let writes = BTreeSet::from([conformance::address("local_machine.z")]);
    let scope = Scope::of(writes, BTreeSet::new());
    let lease = store.acquire(LeaseRequest { scope, ..request("r2") }).await.unwrap();
    store.begin(&lease, intent("local_machine.z", IntentAction::Create, None)).await.unwrap();
}

impl Bed {
    async fn new() -> Self {
        let files = Files::in_memory();
        fill(&files.shared("e")).await;
        Self::of(files)
    }

    fn of(files: Files) -> Self {
        let access = files.store("e").access;
        let truth = ask(&Reader::open(&files.path("e"), "e", &access).unwrap().unwrap()).unwrap();
        Self { files, access, truth }
    }

    fn state(&self) -> PathBuf {
        self.files.path("e").parent().unwrap().to_owned()
    }

    fn put(&self, bytes: &Bytes) {
        for (path, _) in all_bytes(&self.state()) {
            std::fs::remove_file(path).unwrap();
        }
        for (path, bytes) in bytes {
            std::fs::write(path, bytes).unwrap();
        }
    }

    /// Everything that can be asked must be the truth or an error that names a place; whether it is the truth.
    fn judge(&self, what: impl Debug, count: &mut Count) -> bool {
        let reader = Reader::open(&self.files.path("e"), "e", &self.access);
        let reader = reader.map(|reader| reader.expect("there is a file"));
        match reader.as_ref().map_err(Clone::clone).and_then(ask) {
            // The state is too long to be shown.
            Ok(seen) => assert!(seen == self.truth, "{what:?}: it reads as something else"),
            Err(error) => {
                count.named += 1;
                assert!(!error.to_string().contains(CANARY), "{what:?}: {error}");
                let corrupt =
                    matches!(error, StateError::Corrupt { .. } | StateError::Newer { .. });
                assert!(corrupt, "{what:?}: {error}");
                return false;
            }
        }
        let report = reader.and_then(|reader| reader.check());
        let sound = report.is_ok_and(|report| report.findings.is_empty());
        *(if sound { &mut count.harmless } else { &mut count.by_check }) += 1;
        true
    }

    /// What a run writes on top of it is there afterwards, with all that was there before, or the run is refused.
    async fn write_on_top(&self, what: impl Debug) {
        let text = "local_volume.on_top";
        let Ok(store) = self.files.store_or_error("e") else { return };
        let store: Arc<dyn StateStore> = Arc::new(store);
        let scope = Scope::of(BTreeSet::from([conformance::address(text)]), BTreeSet::new());
        let Ok(lease) = store.acquire(LeaseRequest { scope, ..request("r3") }).await else {
            return;
        };
        let begun = intent(text, IntentAction::Create, None);
        let Ok(sequence) = store.begin(&lease, begun).await else { return };
        let outcome = recorded(record(text, "top"), None);
        let Ok(Some(made)) = store.finish(&lease, sequence, outcome).await else { return };
        drop(store);
        let mut expected = self.truth.recorded.records.clone();
        expected.insert(made.address.clone(), made);
        match self.files.store("e").load().await {
            Ok(loaded) => assert_eq!(loaded.records, expected, "{what:?}"),
            Err(error) => panic!("{what:?}: it was written, and then: {error}"),
        }
    }
}

/// Every bit of the file's header and of the pages' headers, and one bit in each 64 bytes of everything else.
fn bits(length: usize) -> Vec<usize> {
    let header = (0..100 * 8).collect::<Vec<_>>();
    let pages = (0..length / PAGE).flat_map(|page| {
        let start = page * PAGE + if page == 0 { 100 } else { 0 };
        (start * 8..(start + 12) * 8).step_by(3)
    });
    let rest = (0..length / 64).map(|part| (part * 64 + part * 7 % 64) * 8 + part % 8);
    header.into_iter().chain(pages).chain(rest).collect()
}

#[tokio::test]
async fn a_flipped_bit_in_any_page_is_named_or_harmless() {
    let bed = Bed::new().await;
    let mut good = all_bytes(&bed.state());
    good.retain(|(path, _)| {
        *path == bed.files.path("e") || *path == lock_path(&bed.files.path("e"))
    });
    let at = good.iter().position(|(path, _)| *path == bed.files.path("e")).unwrap();
    let length = good[at].1.len();
    assert!(length >= 16 * PAGE, "{length}");
    let mut count = Count::default();
    for bit in bits(length) {
        let what = ("page", bit / 8 / PAGE + 1, "byte", bit / 8 % PAGE);
        good[at].1[bit / 8] ^= 1 << (bit % 8);
        bed.put(&good);
        // A run reads before it writes, and stops where that is refused.
        if bed.judge(what, &mut count) && (count.by_check + count.harmless) % 12 == 0 {
            bed.put(&good);
            bed.write_on_top(what).await;
        }
        good[at].1[bit / 8] ^= 1 << (bit % 8);
    }
    println!("{length} bytes: {count:?}");
    assert!(count.named > 500 && count.by_check > 20, "{count:?}");
}

#[tokio::test]
async fn a_flipped_bit_in_the_log_or_beside_it_is_named_or_harmless() {
    let files = Files::in_memory();
    let store = files.shared("e");
    fill(&store).await;
    // The files as a program that is killed leaves them.
    let left = all_bytes(files.path("e").parent().unwrap());
    drop(store);
    let bed = Bed::of(files);
    let mut count = Count::default();
    for (index, (path, bytes)) in left.iter().enumerate() {
        if *path == bed.files.path("e") || path.to_string_lossy().ends_with("-shm") {
            continue;
        }
        let step = if bytes.len() > PAGE { 509 } else { 1 };
        for byte in (0..bytes.len()).step_by(step) {
            let mut damaged = left.clone();
            damaged.retain(|(path, _)| !path.to_string_lossy().ends_with("-shm"));
            let (_, bytes) = damaged.iter_mut().find(|(path, _)| *path == left[index].0).unwrap();
            bytes[byte] ^= 1 << (byte % 8);
            bed.put(&damaged);
            bed.judge((path.file_name().unwrap().to_owned(), byte), &mut count);
        }
    }
    println!("{count:?}");
    assert!(count.named > 200, "{count:?}");
    // The log alone is gone.
    let mut damaged = left.clone();
    damaged.retain(|(path, _)| {
        path.to_string_lossy().ends_with("-lock") || *path == bed.files.path("e")
    });
    bed.put(&damaged);
    let error = bed.files.store("e").load().await.unwrap_err().to_string();
    assert!(error.contains("commits are missing") && error.contains("-wal"), "{error}");
    let error = bed.files.store("e").acquire(request("r9")).await.unwrap_err().to_string();
    assert!(error.contains("commits are missing"), "{error}");
}
