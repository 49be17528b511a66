//! Tests of the cloud in memory: each resource type keeps the contract it declares, each weakness shows as told, and
//! the conformance suite catches a cloud that lies about itself.

use super::schema::{ADDRESS, BUCKET, CHECK, CREATE, DISK, IMAGE, MACHINE, SERVICE, SNAPSHOT};
use super::{Cloud, Fault, MemoryProvider, Nature, Weather};
use crate::conformance::{self, Case};
use crate::limits::Limiter;
use crate::{
    DeleteRequest, ErrorClass, Found, Lookup, Object, Owner, Provider, ProviderError, ReadRequest,
    Silent, TokioClock, UpdateRequest,
};
use model::plan::Observation;
use model::schema::Adoption;
use model::{Address, Value};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

fn provider(cloud: &Cloud, lineage: &str) -> MemoryProvider {
    let owner = Owner { environment: "test".to_owned(), lineage: lineage.to_owned() };
    MemoryProvider::new(cloud.clone(), owner)
}

fn case(kind: &str) -> Case {
    let arguments = |setting: i64| {
        let name = ("name", Value::from("a"));
        let label = ("label", Value::from(setting.to_string().as_str()));
        match kind {
            DISK => {
                let key = Value::from("k").into_sensitive();
                Value::object([name, ("size", setting.into()), ("key", key)])
            }
            MACHINE => Value::object([name, ("disks", Value::tuple([])), label]),
            BUCKET => Value::object([name, label]),
            ADDRESS => Value::object([label]),
            CHECK => Value::object([("of", Value::tuple([]))]),
            SNAPSHOT => Value::object([name, ("source", "mem-1".into())]),
            IMAGE => Value::object([("source", "mem-1".into())]),
            _ => {
                let version = Value::from(setting.to_string().as_str());
                Value::object([name, ("machine", "mem-1".into()), ("version", version)])
            }
        }
    };
    Case {
        address: Address::parse(&format!("{kind}.a")).unwrap(),
        arguments: arguments(1),
        changed: (![CHECK, SNAPSHOT, IMAGE].contains(&kind)).then(|| arguments(2)),
    }
}

async fn create(
    provider: &MemoryProvider,
    kind: &str,
    token: &str,
) -> Result<Object, ProviderError> {
    provider.create(case(kind).create(token)).await
}

async fn found(provider: &MemoryProvider, kind: &str, by: Lookup) -> Found {
    provider.find(case(kind).find("t", by)).await.unwrap()
}

async fn read(provider: &MemoryProvider, kind: &str, id: &str) -> Observation {
    let Case { address, arguments: attributes, .. } = case(kind);
    let request = ReadRequest { address, id: id.to_owned(), attributes };
    provider.read_many(&[request]).await.remove(0).unwrap()
}

async fn delete(provider: &MemoryProvider, kind: &str, id: &str) -> Result<(), ProviderError> {
    let Case { address, arguments: attributes, .. } = case(kind);
    let progress = Arc::new(Silent);
    provider.delete(DeleteRequest { address, id: id.to_owned(), attributes, progress }).await
}

async fn pass(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

fn weaken(cloud: &Cloud, kind: &str, change: impl FnOnce(&mut Nature)) {
    let mut nature = cloud.nature(kind);
    change(&mut nature);
    cloud.set_nature(kind, nature);
}

#[tokio::test(start_paused = true)]
async fn every_type_keeps_what_it_declares() {
    for kind in [DISK, MACHINE, CHECK, BUCKET, ADDRESS, SERVICE, SNAPSHOT, IMAGE] {
        let cloud = Cloud::new();
        let (ours, theirs) = (provider(&cloud, "ours"), provider(&cloud, "theirs"));
        create(&ours, MACHINE, "the machine").await.unwrap();
        assert_eq!(conformance::run(&ours, &case(kind)).await, Ok(()), "{kind}");
        let kept = conformance::among_strangers(&ours, &theirs, &case(kind)).await;
        assert_eq!(kept, Ok(()), "{kind}");
        assert_eq!(cloud.objects().len(), 1, "{kind}: only the machine is left");
    }
}

#[tokio::test(start_paused = true)]
async fn weakened_types_keep_what_they_declare_then() {
    let slow = |nature: &mut Nature| {
        nature.adoption.settle_ms = 8_000;
        nature.hidden_ms = 8_000;
        nature.lingers_ms = 20_000;
    };
    for kind in [DISK, BUCKET, ADDRESS] {
        let cloud = Cloud::new();
        weaken(&cloud, kind, slow);
        let (ours, theirs) = (provider(&cloud, "ours"), provider(&cloud, "theirs"));
        assert_eq!(conformance::run(&ours, &case(kind)).await, Ok(()), "{kind}");
        let kept = conformance::among_strangers(&ours, &theirs, &case(kind)).await;
        assert_eq!(kept, Ok(()), "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_cannot_be_captured_and_its_snapshot_stays() {
    for kind in [SNAPSHOT, IMAGE] {
        let cloud = Cloud::new();
        let provider = provider(&cloud, "l");
        let error = create(&provider, kind, "t").await.unwrap_err();
        assert_eq!((error.class, error.outcome_unknown), (ErrorClass::NotFound, false), "{kind}");
        let machine = create(&provider, MACHINE, "m").await.unwrap();
        let made = create(&provider, kind, "t").await.unwrap();
        delete(&provider, MACHINE, &machine.id).await.unwrap();
        pass(5_000).await;
        let seen = read(&provider, kind, &made.id).await;
        assert!(matches!(seen, Observation::Present(_)), "{kind}: {seen:?}");
    }
}

/// The provider declares the nature at its making; then the cloud becomes another.
#[tokio::test(start_paused = true)]
async fn the_suite_catches_what_does_not_hold() {
    type Change = fn(&mut Nature);
    let lies: [(&str, Change, &str); 6] = [
        (DISK, |n| n.adoption.token_retention_s = Some(0), "sent twice"),
        (BUCKET, |n| n.adoption.unique_name = false, "look-up works"),
        (ADDRESS, |n| n.hidden_ms = 10_000, "settle time"),
        (ADDRESS, |n| n.adoption.tagged = false, "look-up works"),
        (DISK, |n| n.hidden_ms = 10, "settle time"),
        (DISK, |n| n.lingers_ms = 120_000, "after a minute"),
    ];
    for (kind, lie, rule) in lies {
        let cloud = Cloud::new();
        cloud.delay(Duration::from_millis(1));
        let provider = provider(&cloud, "l");
        weaken(&cloud, kind, lie);
        let violation = conformance::run(&provider, &case(kind)).await.unwrap_err();
        assert!(violation.rule.contains(rule), "{kind}: {violation}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_forgotten_after_its_time() {
    let cloud = Cloud::new();
    weaken(&cloud, DISK, |nature| nature.adoption.token_retention_s = Some(10));
    let provider = provider(&cloud, "l");
    let declared = provider.schema().resources[DISK].adoption;
    assert_eq!(declared.token_retention_s, Some(10));
    let first = create(&provider, DISK, "t").await.unwrap();
    pass(10_000).await;
    assert_eq!(create(&provider, DISK, "t").await.unwrap().id, first.id);
    pass(1).await;
    assert_eq!(found(&provider, DISK, Lookup::Token).await, Found::Nothing);
    assert_ne!(create(&provider, DISK, "t").await.unwrap().id, first.id);
    let duplicates = cloud.duplicates();
    assert_eq!(duplicates[0].1.len(), 2);
    assert_eq!(duplicates[0].0, case(DISK).address);
    let known = BTreeSet::from([first.id]);
    assert_eq!(cloud.orphans(&known).len(), 1);
    assert!(
        matches!(found(&provider, DISK, Lookup::Tag).await, Found::Several(two) if two.len() == 2)
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_token_a_second_creation_makes_a_second_object() {
    let cloud = Cloud::new();
    let provider = provider(&cloud, "l");
    create(&provider, ADDRESS, "t").await.unwrap();
    create(&provider, ADDRESS, "t").await.unwrap();
    assert_eq!(cloud.count_by_token()["t"], 2);
    assert_eq!(found(&provider, ADDRESS, Lookup::Tag).await, Found::Nothing, "both are hidden");
    pass(5_000).await;
    assert!(matches!(found(&provider, ADDRESS, Lookup::Tag).await, Found::Several(_)));
    let error = provider.find(case(ADDRESS).find("t", Lookup::Token)).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Invalid);
}

#[tokio::test(start_paused = true)]
async fn a_new_object_shows_late_and_a_deleted_one_lingers() {
    let cloud = Cloud::new();
    weaken(&cloud, ADDRESS, |nature| nature.lingers_ms = 7_000);
    let provider = provider(&cloud, "l");
    let object = create(&provider, ADDRESS, "t").await.unwrap();
    assert!(matches!(read(&provider, ADDRESS, &object.id).await, Observation::Absent(_)));
    assert_eq!(provider.list_owned().await.unwrap(), []);
    pass(3_000).await;
    assert!(matches!(read(&provider, ADDRESS, &object.id).await, Observation::Present(_)));
    assert_eq!(provider.list_owned().await.unwrap().len(), 1);
    delete(&provider, ADDRESS, &object.id).await.unwrap();
    assert!(matches!(read(&provider, ADDRESS, &object.id).await, Observation::Absent(_)));
    assert_eq!(provider.list_owned().await.unwrap().len(), 1);
    assert_eq!(cloud.objects(), []);
    pass(7_000).await;
    assert_eq!(provider.list_owned().await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn answers_are_lost_before_after_and_long_before_the_effect() {
    let faults = [
        (Fault::LoseRequest(ErrorClass::Transient), 0, 0),
        (Fault::LoseAnswer(ErrorClass::Transient), 1, 1),
        (Fault::Late { class: ErrorClass::Transient, after_ms: 2_000 }, 0, 1),
    ];
    for (fault, at_once, later) in faults {
        let cloud = Cloud::new();
        let provider = provider(&cloud, "l");
        cloud.fault_nth(1, fault);
        assert!(create(&provider, ADDRESS, "t").await.unwrap_err().outcome_unknown);
        pass(1_999).await;
        assert_eq!(cloud.objects().len(), at_once, "{fault:?}");
        assert_eq!(cloud.pending(), later - at_once, "{fault:?}");
        pass(1).await;
        assert_eq!(cloud.objects().len(), later, "{fault:?}");
        pass(2_999).await;
        if fault != Fault::LoseAnswer(ErrorClass::Transient) {
            let found = found(&provider, ADDRESS, Lookup::Tag).await;
            assert_eq!(found, Found::Nothing, "hidden from its effect on, not from its call on");
        }
        pass(1).await;
        let found = found(&provider, ADDRESS, Lookup::Tag).await;
        assert_eq!(matches!(found, Found::One(_)), later == 1, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_creation_keeps_to_tokens_and_names() {
    for kind in [DISK, BUCKET] {
        let cloud = Cloud::new();
        let provider = provider(&cloud, "l");
        cloud.fault_nth(1, Fault::Late { class: ErrorClass::Transient, after_ms: 1_000 });
        create(&provider, kind, "t").await.unwrap_err();
        create(&provider, kind, "t").await.unwrap();
        pass(1_000).await;
        assert_eq!((cloud.objects().len(), cloud.pending()), (1, 0), "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_half_made_object_is_listed_and_finished_or_deleted() {
    for kind in [DISK, BUCKET, ADDRESS] {
        for is_finished in [true, false] {
            let cloud = Cloud::new();
            let provider = provider(&cloud, "l");
            cloud.fault_nth(1, Fault::HalfMade);
            assert!(create(&provider, kind, "t").await.unwrap_err().outcome_unknown);
            pass(5_000).await;
            assert_eq!(found(&provider, kind, Lookup::Tag).await, Found::Nothing);
            let owned = provider.list_owned().await.unwrap().remove(0);
            assert_eq!((owned.token.as_str(), owned.object), ("t", None), "{kind}");
            assert!(matches!(read(&provider, kind, &owned.id).await, Observation::Absent(_)));
            if is_finished {
                let object = create(&provider, kind, "another").await.unwrap();
                assert_eq!(object.id, owned.id, "{kind}: finished, not made again");
            } else {
                delete(&provider, kind, &owned.id).await.unwrap();
            }
            assert_eq!(cloud.objects().len(), usize::from(is_finished), "{kind}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_whole_object_is_not_taken_for_another() {
    let cloud = Cloud::new();
    let provider = provider(&cloud, "l");
    create(&provider, DISK, "one").await.unwrap();
    create(&provider, DISK, "two").await.unwrap();
    assert_eq!(cloud.objects().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_service_is_cut_off_between_its_steps() {
    let cloud = Cloud::new();
    let provider = provider(&cloud, "l");
    let machine = create(&provider, MACHINE, "m").await.unwrap();
    assert_eq!(machine.id, "mem-1");
    let id = case(SERVICE).address.to_string();
    cloud.fault_nth(1, Fault::CutAfter(2));
    assert!(create(&provider, SERVICE, "t").await.unwrap_err().outcome_unknown);
    assert!(matches!(read(&provider, SERVICE, &id).await, Observation::Absent(_)));
    let made = create(&provider, SERVICE, "t").await.unwrap();
    let update = UpdateRequest {
        address: case(SERVICE).address,
        token: "u".to_owned(),
        id: id.clone(),
        prior: made.attributes.clone(),
        arguments: case(SERVICE).changed.unwrap(),
        progress: Arc::new(Silent),
    };
    for steps in 0..3 {
        cloud.fault_nth(1, Fault::CutAfter(steps));
        assert!(provider.update(update.clone()).await.unwrap_err().outcome_unknown);
        let Observation::Present(seen) = read(&provider, SERVICE, &id).await else {
            panic!("a service that is being changed is there")
        };
        let text = |name: &str| seen.get(name).unwrap().as_str().unwrap().to_owned();
        let status = ["ok", "stuck before configure", "stuck before start"][steps];
        assert_eq!((text("status").as_str(), text("running").as_str()), (status, "1"));
    }
    let updated = provider.update(update).await.unwrap();
    assert_eq!(updated.attributes.get("running"), Some("2".into()));
    assert_eq!(provider.list_owned().await.unwrap().len(), 1, "the machine alone is tagged");
    delete(&provider, MACHINE, &machine.id).await.unwrap();
    assert_eq!(cloud.objects(), [], "what is on a machine goes with it");
    assert!(matches!(read(&provider, SERVICE, &id).await, Observation::Unreachable(_)));
    delete(&provider, SERVICE, &id).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_creation_of_a_service_left_is_deleted_by_its_arguments() {
    let cloud = Cloud::new();
    let provider = provider(&cloud, "l");
    create(&provider, MACHINE, "m").await.unwrap();
    cloud.fault_nth(1, Fault::HalfMade);
    create(&provider, SERVICE, "t").await.unwrap_err();
    assert_eq!(cloud.objects().len(), 2);
    assert!(provider.deletes_half_made(SERVICE));
    delete(&provider, SERVICE, &case(SERVICE).address.to_string()).await.unwrap();
    assert_eq!(cloud.objects().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_answer_of_a_batch_is_an_error_and_looks_fail() {
    let cloud = Cloud::new();
    let provider = provider(&cloud, "l");
    let requests: Vec<ReadRequest> = [DISK, BUCKET]
        .map(|kind| {
            let Case { address, arguments: attributes, .. } = case(kind);
            ReadRequest { address, id: "mem-9".to_owned(), attributes }
        })
        .into();
    cloud.unread("memory_disk.a", ErrorClass::Denied);
    let answers = provider.read_many(&requests).await;
    assert_eq!(answers[0].as_ref().unwrap_err().class, ErrorClass::Denied);
    assert!(matches!(answers[1], Ok(Observation::Absent(_))));
    cloud.fault_looks(2, ErrorClass::Transient);
    assert!(provider.find(case(DISK).find("t", Lookup::Token)).await.is_err());
    assert!(provider.list_owned().await.is_err());
    assert!(provider.list_owned().await.is_ok());
    assert_eq!(cloud.looks(), 4);
    cloud.heal();
    assert!(provider.read_many(&requests).await.iter().all(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn calls_beyond_the_published_limit_are_refused_with_a_time() {
    let cloud = Cloud::new();
    cloud.enforce_limits();
    let provider = provider(&cloud, "l");
    let limit = provider.schema().limits[CREATE];
    for call in 0..limit.burst {
        create(&provider, DISK, &call.to_string()).await.unwrap();
    }
    let error = create(&provider, DISK, "more").await.unwrap_err();
    assert_eq!((error.class, error.outcome_unknown), (ErrorClass::Throttled, false));
    let wait_ms = error.retry_after_ms.unwrap();
    assert_eq!(wait_ms, 1_000 / u64::from(limit.per_second));
    pass(wait_ms).await;
    create(&provider, DISK, "more").await.unwrap();
    assert_eq!(cloud.ledger().len(), 12, "refused calls are in the ledger, too");
}

/// Two runs of a program share their limiter, so that the cloud never has to refuse one.
#[tokio::test(start_paused = true)]
async fn with_a_limiter_the_cloud_refuses_nothing() {
    let cloud = Cloud::new();
    cloud.enforce_limits();
    let clock = Arc::new(TokioClock::new());
    let limiter = Arc::new(Limiter::new(&cloud.schema().limits, clock));
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..60 {
        let lineage = ["one", "two"][number % 2];
        let provider = provider(&cloud, lineage).with_limiter(limiter.clone());
        calls.spawn(async move { create(&provider, DISK, &number.to_string()).await });
    }
    let results = calls.join_all().await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(cloud.objects().len(), 60);
    assert_eq!(cloud.ledger().len(), 60);
}

/// A stranger uses the same account, so calls are refused all the same; the limiter slows down until they fit.
#[tokio::test(start_paused = true)]
async fn a_limiter_gives_way_to_a_stranger() {
    let cloud = Cloud::new();
    cloud.enforce_limits();
    let clock = Arc::new(TokioClock::new());
    let limiter = Arc::new(Limiter::new(&cloud.schema().limits, clock));
    let (ours, theirs) =
        (provider(&cloud, "ours").with_limiter(limiter), provider(&cloud, "theirs"));
    for call in 0..10 {
        create(&theirs, DISK, &call.to_string()).await.unwrap();
    }
    let mut refused = 0;
    for call in 0..40 {
        // Each is sent until it succeeds, as the engine does.
        while create(&ours, DISK, &call.to_string()).await.is_err() {
            refused += 1;
            assert!(refused < 10, "it does not learn");
        }
    }
    assert!(refused >= 1);
    assert_eq!(cloud.objects().len(), 50);
}

/// What each of many calls came to in this weather.
async fn fates(seed: u64) -> (Vec<String>, usize) {
    let cloud = Cloud::new();
    cloud.weather(Weather {
        seed,
        refused: 100,
        lost_requests: 100,
        lost_answers: 100,
        late: 100,
        late_ms: 5_000,
        halfway: 100,
        unread: 200,
    });
    let provider = provider(&cloud, "l");
    let mut fates = Vec::new();
    for call in 0..200 {
        let fate = match create(&provider, ADDRESS, &call.to_string()).await {
            Ok(object) => object.id,
            Err(error) => format!("{error} {}", error.outcome_unknown),
        };
        let listed = provider.list_owned().await.map(|owned| owned.len());
        fates.push(format!("{fate}, listed {listed:?}"));
        pass(100).await;
    }
    pass(5_000).await;
    (fates, cloud.objects().len())
}

#[tokio::test(start_paused = true)]
async fn weather_comes_from_its_seed() {
    let (fates_of_7, objects) = fates(7).await;
    assert_eq!(fates(7).await, (fates_of_7.clone(), objects));
    assert_ne!(fates(8).await.0, fates_of_7);
    let count = |words: &str| fates_of_7.iter().filter(|fate| fate.contains(words)).count();
    assert!((5..40).contains(&count("refused")), "{}", count("refused"));
    assert!((5..40).contains(&count("halfway")), "{}", count("halfway"));
    assert!((30..90).contains(&count("answer was lost")), "{}", count("answer was lost"));
    assert!((15..70).contains(&count("listed Err")), "{}", count("listed Err"));
}

#[tokio::test(start_paused = true)]
async fn a_machine_without_anything_is_out_of_reach_for_its_services() {
    let cloud = Cloud::new();
    let provider = provider(&cloud, "l");
    let error = create(&provider, SERVICE, "t").await.unwrap_err();
    assert!(error.class.is_retryable() && !error.outcome_unknown);
    assert_eq!(
        provider.schema().resources[SERVICE].adoption.token_retention_s,
        Some(Adoption::FOR_EVER)
    );
}
