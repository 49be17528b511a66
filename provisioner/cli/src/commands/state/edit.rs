//! `state mv | rm | restore | prune | unlock`: changes by hand, each asked for, under a lease, and journaled.

use super::look::lease_row;
use super::{existing, nothing_at, parsed, refuse_unfinished, under_lease};
use crate::arguments::{Asking, Environment};
use crate::error::{CommandError, Exit};
use crate::running::agree;
use crate::session::Session;
use crate::store::Store;
use jiff::Timestamp;
use model::record::Recorded;
use model::{Address, Diagnostic};
use serde_json::json;
use state::{Edit, Scope};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Says what was done, as data for programs and as a message for people.
pub fn tell(session: &Session, done: &str, document: &serde_json::Value) {
    if session.json {
        session.console.json(document);
    } else {
        session.console.message_line(done);
    }
}

/// Gives records other addresses.
pub async fn mv(
    session: &Session,
    environment: &Environment,
    from: &str,
    to: &str,
    asking: &Asking,
) -> Result<Exit, CommandError> {
    let (_, store) = existing(session, environment).await?;
    let command = format!("state mv {from} {to}");
    let recorded = store.load().await?;
    let moves = moves(&recorded, from, to)?;
    let text: Vec<_> = moves.iter().map(|(from, to)| format!("  {from} -> {to}")).collect();
    session.console.message_line(&text.join("\n"));
    agree(session, asking.auto_approve, "Move these records? Their objects stay as they are.")
        .await?;
    let touched = state::touched(&recorded, &moves);
    refuse_unfinished(&recorded, &touched)?;
    let scope = Scope::of(touched, BTreeSet::new());
    under_lease(session, &store, asking, &command, scope, async |lease| {
        let edit = renamed(&store.load().await?, &moves, command.clone())?;
        Ok(store.port.edit(lease, edit).await?)
    })
    .await?;
    let moved: BTreeMap<_, _> =
        moves.iter().map(|(from, to)| (from.to_string(), to.to_string())).collect();
    tell(session, &format!("{} moved.", moved.len()), &json!({ "moved": moved }));
    Ok(Exit::Done)
}

/// The text behind `from` when an address is it or lies in it: `module.a` holds `module.a["k"].x.y`.
fn behind<'a>(address: &'a str, from: &str) -> Option<&'a str> {
    let rest = address.strip_prefix(from)?;
    (rest.is_empty() || rest.starts_with(['.', '['])).then_some(rest)
}

/// Old and new addresses; refuses what cannot be.
fn moves(
    recorded: &Recorded,
    from: &str,
    to: &str,
) -> Result<BTreeMap<Address, Address>, CommandError> {
    let mut moves = BTreeMap::new();
    for address in recorded.records.keys() {
        let text = address.to_string();
        let Some(rest) = behind(&text, from) else { continue };
        let new = parsed(&format!("{to}{rest}"))?;
        if new.kind() != address.kind() {
            let summary = format!("{address} cannot become {new}: that is another resource type");
            return Err(Diagnostic::error("other-type", summary).into());
        }
        moves.insert(address.clone(), new);
    }
    if moves.is_empty() {
        return Err(nothing_at(recorded, from)
            .with_hint("`state list` lists what is recorded")
            .into());
    }
    let taken =
        moves.values().find(|new| recorded.records.contains_key(new) && !moves.contains_key(new));
    match taken {
        None => Ok(moves),
        Some(new) => Err(Diagnostic::error("taken", format!("{new} is recorded already"))
            .with_hint("move or remove that one first")
            .into()),
    }
}

fn renamed(
    recorded: &Recorded,
    moves: &BTreeMap<Address, Address>,
    reason: String,
) -> Result<Edit, CommandError> {
    let gone = moves.keys().find(|address| !recorded.records.contains_key(address));
    match gone {
        None => Ok(state::moving(recorded, moves, reason)),
        Some(address) => {
            Err(Diagnostic::error("changed", format!("{address} is not recorded any more")).into())
        }
    }
}

/// Forgets records; their objects stay.
pub async fn rm(
    session: &Session,
    environment: &Environment,
    addresses: &[String],
    asking: &Asking,
) -> Result<Exit, CommandError> {
    let (_, store) = existing(session, environment).await?;
    let recorded = store.load().await?;
    let mut remove = BTreeSet::new();
    for text in addresses {
        let matching: Vec<_> = recorded
            .records
            .keys()
            .chain(recorded.deposed.iter().map(|record| &record.address))
            .filter(|address| behind(&address.to_string(), text).is_some())
            .cloned()
            .collect();
        if matching.is_empty() {
            return Err(nothing_at(&recorded, text)
                .with_hint("`state list` lists what is recorded")
                .into());
        }
        remove.extend(matching);
    }
    let text: Vec<_> = remove.iter().map(|address| format!("  {address}")).collect();
    session.console.message_line(&text.join("\n"));
    agree(
        session,
        asking.auto_approve,
        "Forget these? Their objects stay, and nothing will manage them.",
    )
    .await?;
    refuse_unfinished(&recorded, &remove)?;
    let command = format!("state rm {}", addresses.join(" "));
    let scope = Scope::of(remove.clone(), BTreeSet::new());
    under_lease(session, &store, asking, &command, scope, async |lease| {
        let now = store.load().await?;
        let deposed = now.deposed.iter().filter(|record| remove.contains(&record.address));
        let edit = Edit {
            reason: command.clone(),
            remove_deposed: deposed.map(|r| (r.address.clone(), r.id.clone())).collect(),
            remove: remove.iter().filter(|a| now.records.contains_key(a)).cloned().collect(),
            ..Edit::default()
        };
        Ok(store.port.edit(lease, edit).await?)
    })
    .await?;
    tell(session, &format!("{} forgotten.", remove.len()), &json!({ "removed": remove }));
    Ok(Exit::Done)
}

/// Makes the state what an earlier version was.
pub async fn restore(
    session: &Session,
    environment: &Environment,
    version: u64,
    asking: &Asking,
) -> Result<Exit, CommandError> {
    let (project, store) = existing(session, environment).await?;
    let past = store.port.version(version).await?;
    let command = format!("state restore {version}");
    let edit = towards(&store, &past, &command).await?;
    let (put, remove) = (edit.put.len(), edit.remove.len());
    session.console.message_line(&format!(
        "Version {version} differs from the present one in {put} records that it has and {remove} that it has not."
    ));
    let question = "Record that version as the present one? Objects stay as they are: the next plan shows where they differ.";
    agree(session, asking.auto_approve, question).await?;
    under_lease(session, &store, asking, &command, Scope::Environment, async |lease| {
        refuse_unfinished(
            &store.load().await?,
            edit.put.iter().map(|r| &r.address).chain(&edit.remove),
        )?;
        let edit = towards(&store, &past, &command).await?;
        Ok(store.port.edit(lease, edit).await?)
    })
    .await?;
    let done = format!(
        "Restored. `{} plan {}` shows what differs from what is really there.",
        session.program, project.target
    );
    tell(session, &done, &json!({ "restored": version, "put": put, "removed": remove }));
    Ok(Exit::Done)
}

async fn towards(
    store: &Store,
    past: &state::version::Version,
    command: &str,
) -> Result<Edit, CommandError> {
    let now = store.port.version(store.load().await?.serial).await?;
    Ok(now.edit_towards(past, command.to_owned()))
}

/// Drops old history.
pub async fn prune(
    session: &Session,
    environment: &Environment,
    keep: Option<u64>,
    older_than: Option<Duration>,
    asking: &Asking,
) -> Result<Exit, CommandError> {
    let (_, store) = existing(session, environment).await?;
    let journal = store.port.journal(0).await?;
    let last = journal.last().map_or(0, |entry| entry.sequence);
    let by_count = keep.map(|keep| last.saturating_sub(keep));
    let by_age = older_than.map(|age| {
        let age = jiff::SignedDuration::try_from(age).unwrap_or(jiff::SignedDuration::MAX);
        let limit = Timestamp::now().checked_sub(age).unwrap_or(Timestamp::MIN);
        let old = journal
            .iter()
            .take_while(|entry| entry.at.parse::<Timestamp>().is_ok_and(|at| at < limit));
        old.last().map_or(0, |entry| entry.sequence)
    });
    // Both given: what either keeps is kept.
    let serial = by_count.into_iter().chain(by_age).min().unwrap_or(0);
    let first = journal.first().map_or(0, |entry| entry.sequence);
    if serial < first || serial == 0 {
        tell(session, "Nothing is that old.", &json!({ "pruned": 0 }));
        return Ok(Exit::Done);
    }
    let question = format!("Drop the history before version {serial}? It cannot be had again.");
    agree(session, asking.auto_approve, &question).await?;
    let command = format!("state prune {}", environment.target.display());
    let pruned =
        under_lease(session, &store, asking, &command, Scope::Environment, async |lease| {
            Ok(store.port.prune(lease, serial).await?)
        })
        .await?;
    let done = format!("{pruned} entries dropped; the history begins with version {serial}.");
    tell(session, &done, &json!({ "pruned": pruned }));
    Ok(Exit::Done)
}

/// Takes a lease away.
pub async fn unlock(
    session: &Session,
    environment: &Environment,
    epoch: u64,
    asking: &Asking,
) -> Result<Exit, CommandError> {
    let (_, store) = existing(session, environment).await?;
    let held = store.port.leases().await?;
    let Some(info) = held.iter().find(|info| info.epoch == epoch) else {
        return Err(Diagnostic::error("no-lease", format!("nobody holds lease {epoch}"))
            .with_hint("`state leases` lists what is held")
            .into());
    };
    let row = lease_row(info);
    session.console.message(&views::history::leases(
        std::slice::from_ref(&row),
        session.console.err_palette(),
    ));
    session.console.message_line(
        "If that run is still there, it stops at its next write, and of the calls it has under way the end will not be known; \
         the next apply looks them up. It cannot write any more, but what it has already asked of a cloud may still happen.",
    );
    agree(session, asking.auto_approve, "Take the lease away?").await?;
    let by = format!("{} on {}", whoami(), row.host);
    let gone = store.port.unlock(epoch, &by).await?;
    let done = if gone.is_some() { "Taken away." } else { "It was given back meanwhile." };
    tell(session, done, &json!({ "unlocked": gone.is_some(), "lease": row }));
    Ok(Exit::Done)
}

fn whoami() -> String {
    state::holder::Holder::current().owner
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_where_a_name_ends() {
        assert_eq!(behind("module.a.x.y", "module.a"), Some(".x.y"));
        assert_eq!(behind("module.a[\"k\"].x.y", "module.a"), Some("[\"k\"].x.y"));
        assert_eq!(behind("module.ab.x.y", "module.a"), None);
        assert_eq!(behind("x.y", "x.y"), Some(""));
    }
}
