//! Many in one write, in order, all or none: intents, and calls that are journaled with their outcome.

use super::{Scene, address, intent, ok, record, recorded, taken};
use crate::error::StateError;
use crate::port::Completed;
use model::record::{IntentAction, Outcome, Record};

pub(super) async fn begun_together(scene: Scene<'_>) {
    let store = scene.open();
    let lease = taken(&store, "r1").await;
    let open = |text: &str| intent(text, IntentAction::Create, None);
    let both = vec![open("local_machine.a"), open("local_machine.b")];
    let sequences = ok("begin", store.begin_all(&lease, both)).await;
    let loaded = ok("load", store.load()).await;
    let found: Vec<_> = loaded.unfinished.iter().map(|intent| intent.sequence).collect();
    assert_eq!(found, sequences, "both are open, in their order");
    for second in ["local_machine.b", "local_machine.c"] {
        let several = vec![open("local_machine.c"), open(second)];
        let refused = store.begin_all(&lease, several).await;
        assert!(matches!(refused, Err(StateError::Illegal(_))), "{refused:?}");
    }
    assert_eq!(ok("load", store.load()).await.unfinished, loaded.unfinished, "nothing of them");
    let failed = Outcome::Failed { message: "no".to_owned() };
    for sequence in sequences {
        ok("finish", store.finish(&lease, sequence, failed.clone())).await;
    }
}

pub(super) async fn completed(scene: Scene<'_>) {
    let store = scene.open();
    let lease = taken(&store, "r1").await;
    let call = |text: &str, action, prior, outcome| {
        let intent = intent(text, action, prior);
        Completed { intent, outcome }
    };
    let made =
        |text: &str| call(text, IntentAction::Create, None, recorded(record(text, text), None));
    let failed = Outcome::Failed { message: "no".to_owned() };
    let calls = vec![
        made("local_machine.a"),
        made("local_machine.b"),
        call("local_machine.c", IntentAction::Create, None, failed),
    ];
    let stored = ok("complete", store.complete(&lease, calls)).await;
    let revisions: Vec<_> = stored.iter().map(|it| it.as_ref().map(|it| it.revision)).collect();
    assert_eq!(revisions, [Some(1), Some(1), None]);
    let kinds = ok("journal", store.journal(1)).await;
    let kinds: Vec<_> = kinds.iter().map(|entry| entry.kind.as_str()).collect();
    assert_eq!(kinds, ["intent", "outcome"].repeat(3), "an intent and its outcome, one by one");
    let before = ok("load", store.load()).await;
    assert!(before.records.len() == 2 && before.unfinished.is_empty());
    assert!(before.providers.contains_key("local"), "what the records need is kept");

    // One that cannot stand, and nothing of the others does.
    let stranger = recorded(record("local_machine.x", "x"), None);
    let open = intent("local_machine.open", IntentAction::Create, None);
    ok("begin", store.begin(&lease, open)).await;
    for wrong in [
        call("local_machine.d", IntentAction::Create, None, Outcome::Removed),
        call("local_machine.d", IntentAction::Create, None, stranger),
        made("local_machine.e"),
        made("local_machine.open"),
    ] {
        let refused = store.complete(&lease, vec![made("local_machine.e"), wrong]).await;
        assert!(matches!(refused, Err(StateError::Illegal(_))), "{refused:?}");
    }
    assert_eq!(ok("load", store.load()).await.records, before.records);

    // Replaced create-first, with the old object deleted, and gone.
    let old = stored.into_iter().flatten().next().expect("a record");
    let (text, id) = (old.address.to_string(), "new");
    let newer = Record { generation: 2, ..record(&text, id) };
    let replaced = recorded(newer, Some(old.clone()));
    let replaced = call(&text, IntentAction::Create, Some(old.clone()), replaced);
    let removed = call(&text, IntentAction::DeleteDeposed, Some(old), Outcome::Removed);
    let stored = ok("replace", store.complete(&lease, vec![replaced, removed])).await;
    let loaded = ok("load", store.load()).await;
    assert!(loaded.deposed.is_empty() && loaded.records[&address(&text)].id == id);
    let gone = call(&text, IntentAction::Delete, stored[0].clone(), Outcome::Removed);
    assert_eq!(ok("delete", store.complete(&lease, vec![gone])).await, [None]);
    let report = ok("check", store.check()).await;
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    ok("unlock", store.unlock(lease.info.epoch, "the suite")).await;
    let late = store.complete(&lease, vec![made("local_machine.f")]).await;
    assert!(matches!(late, Err(StateError::LeaseLost { .. })), "{late:?}");
}
