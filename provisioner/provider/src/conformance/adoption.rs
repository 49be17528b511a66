//! The part of the suite about finding objects again: what a resource type declares must hold.
//!
//! An object may take the declared settle time to show, and a minute to be gone from listings; no longer.

use super::{AMONG_STRANGERS, Case, TOKEN, Violation, broken, fits, keeps, reads_as_made};
use crate::{ErrorClass, Found, Lookup, Object, Owned, Provider};
use model::schema::Adoption;
use std::time::Duration;
use tokio::time::Instant;

/// How often the suite looks again.
const POLL: Duration = Duration::from_millis(100);
/// For how long a deleted object may still be listed, in milliseconds.
const GONE_MS: u64 = 60_000;

fn adoption(provider: &dyn Provider, case: &Case) -> Adoption {
    let schema = provider.schema().resources.get(case.address.kind());
    schema.map(|schema| schema.adoption).unwrap_or_default()
}

/// The ways to look that are declared.
fn lookups(adoption: Adoption) -> Vec<Lookup> {
    let declared = [
        (adoption.token_retention_s.is_some(), Lookup::Token),
        (adoption.unique_name, Lookup::Name),
        (adoption.tagged, Lookup::Tag),
    ];
    declared.into_iter().filter_map(|(is_offered, by)| is_offered.then_some(by)).collect()
}

/// Looks until it is so, or the time is over; then says what was seen last.
async fn within(
    limit_ms: u64,
    look: impl AsyncFn() -> Result<(), Violation>,
) -> Result<(), Violation> {
    let end = Instant::now().checked_add(Duration::from_millis(limit_ms));
    loop {
        let is_over = end.is_some_and(|end| Instant::now() >= end);
        match look().await {
            Err(_) if !is_over => tokio::time::sleep(POLL).await,
            result => return result,
        }
    }
}

async fn look_up(
    provider: &dyn Provider,
    case: &Case,
    token: &str,
    by: Lookup,
) -> Result<Found, Violation> {
    let found = provider.find(case.find(token, by)).await;
    found.map_err(|error| broken("a declared look-up works", format!("{by:?}: {error}")))
}

async fn list(provider: &dyn Provider) -> Result<Vec<Owned>, Violation> {
    let owned = provider.list_owned().await;
    owned.map_err(|error| broken("what is owned can be listed", error.to_string()))
}

pub(super) async fn never_made(provider: &dyn Provider, case: &Case) -> Result<(), Violation> {
    let rule = "a creation that never happened is not found";
    for by in lookups(adoption(provider, case)) {
        match look_up(provider, case, "conformance-never", by).await? {
            Found::Nothing => {}
            found => return Err(broken(rule, format!("{by:?}: {found:?}"))),
        }
    }
    Ok(())
}

/// Creates, and sends the creation again if that is safe by what is declared.
pub(super) async fn made_once(provider: &dyn Provider, case: &Case) -> Result<Object, Violation> {
    let rule = "an object is made as asked";
    let create = || provider.create(case.create(TOKEN));
    let object = create().await.map_err(|error| broken(rule, error.to_string()))?;
    fits(provider, case, &object.attributes)?;
    keeps(&object.attributes, &case.arguments)?;
    let adoption = adoption(provider, case);
    if adoption.token_retention_s.is_some() {
        let rule = "a creation sent twice with its token gives one object";
        let again = create().await.map_err(|error| broken(rule, error.to_string()))?;
        if again.id != object.id {
            return Err(broken(rule, format!("{} and {}", object.id, again.id)));
        }
        return Ok(again);
    }
    if adoption.unique_name {
        refuses_name(provider, case, TOKEN).await?;
    }
    Ok(object)
}

/// A creation of a name that is taken is refused, and it is certain that nothing was made.
async fn refuses_name(provider: &dyn Provider, case: &Case, token: &str) -> Result<(), Violation> {
    let rule = "a creation of a taken name is refused as a conflict";
    match provider.create(case.create(token)).await {
        Err(error) if error.class == ErrorClass::Conflict && !error.outcome_unknown => Ok(()),
        Err(error) => Err(broken(rule, format!("{:?}: {error}", error.class))),
        Ok(object) => Err(broken(rule, format!("made {}", object.id))),
    }
}

pub(super) async fn found(
    provider: &dyn Provider,
    case: &Case,
    token: &str,
    object: &Object,
) -> Result<(), Violation> {
    let rule = "a finished creation is found as declared, after the settle time at the latest";
    let adoption = adoption(provider, case);
    for by in lookups(adoption) {
        let look = async || match look_up(provider, case, token, by).await? {
            Found::One(found) if found.id == object.id => fits(provider, case, &found.attributes),
            found => Err(broken(rule, format!("{by:?}: {found:?}"))),
        };
        within(adoption.settle_ms, look).await?;
        let rule = "another creation of the same instance is not taken for it";
        if !adoption.tagged && !adoption.unique_name {
            // It carries no marker: what is there counts, whoever made it.
            continue;
        }
        match look_up(provider, case, "conformance-other", by).await? {
            Found::Nothing => {}
            found => return Err(broken(rule, format!("{by:?}: {found:?}"))),
        }
    }
    Ok(())
}

/// A tagged object is listed once, with its marker, and wholly.
pub(super) async fn listed(
    provider: &dyn Provider,
    case: &Case,
    token: &str,
    object: &Object,
) -> Result<(), Violation> {
    let rule = "a tagged object is listed once, after the settle time at the latest";
    let adoption = adoption(provider, case);
    if !adoption.tagged {
        return Ok(());
    }
    let look = async || {
        let mut owned = list(provider).await?;
        owned.retain(|owned| owned.id == object.id && owned.address == case.address);
        match owned.as_slice() {
            [Owned { token: found, object: Some(object), .. }] if found == token => {
                fits(provider, case, &object.attributes)
            }
            other => Err(broken(rule, format!("{other:?}"))),
        }
    };
    within(adoption.settle_ms, look).await
}

/// After a deletion nothing is found or listed any more.
pub(super) async fn found_no_more(
    provider: &dyn Provider,
    case: &Case,
    object: &Object,
) -> Result<(), Violation> {
    let rule = "a deleted object is not found or listed, after a minute at the latest";
    for by in lookups(adoption(provider, case)) {
        let look = async || match look_up(provider, case, TOKEN, by).await? {
            Found::Nothing => Ok(()),
            found => Err(broken(rule, format!("{by:?}: {found:?}"))),
        };
        within(GONE_MS, look).await?;
    }
    let look = async || {
        let owned = list(provider).await?;
        let listed = owned.iter().any(|it| it.id == object.id && it.address == case.address);
        if listed { Err(broken(rule, format!("{} is listed", object.id))) } else { Ok(()) }
    };
    within(GONE_MS, look).await
}

/// Whether two environments keep out of each other's way: `theirs` is a provider of the same cloud for another one. The
/// object made for it is gone at the end.
pub async fn among_strangers(
    ours: &dyn Provider,
    theirs: &dyn Provider,
    case: &Case,
) -> Result<(), Violation> {
    let made = ours.create(case.create(AMONG_STRANGERS)).await;
    let object = made.map_err(|error| broken("an object is made as asked", error.to_string()))?;
    found(ours, case, AMONG_STRANGERS, &object).await?;
    listed(ours, case, AMONG_STRANGERS, &object).await?;
    let adoption = adoption(ours, case);
    for by in lookups(adoption) {
        match look_up(theirs, case, AMONG_STRANGERS, by).await? {
            Found::Nothing => {}
            found => return Err(broken("no stranger finds it", format!("{by:?}: {found:?}"))),
        }
    }
    if list(theirs).await?.iter().any(|owned| owned.id == object.id) {
        return Err(broken("no stranger is told of it", object.id));
    }
    if adoption.unique_name {
        refuses_name(theirs, case, AMONG_STRANGERS).await?;
        refuses_name(ours, case, "conformance-other").await?;
        found(ours, case, AMONG_STRANGERS, &object).await?;
    }
    reads_as_made(ours, case, &object).await?;
    super::deleted_twice(ours, case, &object).await?;
    found_no_more(ours, case, &object).await
}
