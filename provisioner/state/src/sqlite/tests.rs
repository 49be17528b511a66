//! The embedded store runs the conformance suite, and then what only a file can get wrong.

use super::*;
use crate::conformance::{self, CANARY, Fixture, create, gone, intent, record, recorded, request};
use model::record::IntentAction;
use tempfile::TempDir;

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn keys(&self) -> KeySource {
        KeySource::Directory(self.0.path().join("keys"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join("state").join(format!("{name}.sqlite"))
    }

    fn store(&self, name: &str) -> SqliteStore {
        SqliteStore::open(self.path(name), name, self.keys()).unwrap()
    }

    fn shared(&self, name: &str) -> Arc<dyn StateStore> {
        Arc::new(self.store(name))
    }
}

impl Fixture for Files {
    fn open(&self, name: &str, clock: Arc<dyn Clock>, holder: Holder) -> Arc<dyn StateStore> {
        Arc::new(self.store(name).with_clock(clock).with_holder(holder))
    }
}

#[tokio::test]
async fn conforms() {
    conformance::run(&Files::new()).await;
}
