//! `state keys ...`: the environment's keys: what opens them, and new ones. Nothing secret is shown.

use super::edit::tell;
use super::{existing, under_lease};
use crate::arguments::{Asking, Environment, KeysCommand, WaysIn};
use crate::error::{CommandError, Exit};
use crate::places::Homes;
use crate::running::agree;
use crate::session::Session;
use crate::store::Store;
use model::{Diagnostic, Sensitive};
use serde_json::json;
use state::keyring::{Forget, Keyring, NewWrap, Recipient, Unlock, WrapName};
use state::keys::Generation;
use state::{Scope, StateError};

/// Runs the command.
pub async fn run(session: &Session, command: KeysCommand) -> Result<Exit, CommandError> {
    match command {
        KeysCommand::Show { environment } => show(session, &environment).await,
        KeysCommand::Rotate { environment, asking } => {
            let question = "Make new keys, and seal everything recorded with them?";
            let done = "Everything recorded is sealed with new keys; the history opens with the old ones, which are kept.";
            let said = Said { command: "state keys rotate", question, done };
            change(session, &environment, &asking, said, |keyring, unlock, _| {
                Ok(keyring.rotated(unlock).map_err(StateError::from)?)
            })
            .await
        }
        KeysCommand::Add { environment, ways, asking } => {
            let said = Said {
                command: "state keys add",
                question: "Add these ways to open the keys?",
                done: "Added.",
            };
            change(session, &environment, &asking, said, |keyring, unlock, store| {
                let add = new_wraps(&ways, unlock, store)?;
                Ok(keyring.rewrapped(unlock, &add, &[]).map_err(StateError::from)?)
            })
            .await
        }
        KeysCommand::Remove { environment, ways, asking } => {
            let said = Said {
                command: "state keys remove",
                question: "Remove these ways to open the keys?",
                done: "Removed. Who had one of them has seen the keys so far: `state keys rotate` makes new ones.",
            };
            change(session, &environment, &asking, said, |keyring, unlock, _| {
                let remove = names(&ways)?;
                Ok(keyring.rewrapped(unlock, &[], &remove).map_err(StateError::from)?)
            })
            .await
        }
        KeysCommand::Forget { environment, generation, lose_login, asking } => {
            let said = Said {
                command: "state keys forget",
                question: "Forget this generation of keys? What it sealed, in the history too, can never be opened again.",
                done: "Forgotten.",
            };
            change(session, &environment, &asking, said, |keyring, unlock, _| {
                let generation: Generation = generation
                    .parse()
                    .map_err(|error| Diagnostic::error("no-generation", format!("{error}")))?;
                let login = if lose_login { Forget::LoseLogin } else { Forget::KeepLogin };
                Ok(keyring.forget(unlock, generation, login).map_err(StateError::from)?)
            })
            .await
        }
    }
}

async fn show(session: &Session, environment: &Environment) -> Result<Exit, CommandError> {
    let (_, store) = existing(session, environment).await?;
    let (current, generations, ways) = match keyring(&store)? {
        None => ("k1".to_owned(), vec!["k1".to_owned()], vec![WrapName::KeyFile.to_string()]),
        Some(keyring) => (
            keyring.current().to_string(),
            keyring.generations().map(|generation| generation.to_string()).collect(),
            keyring.wraps().map(|wrap| wrap.to_string()).collect(),
        ),
    };
    let console = &session.console;
    if session.json {
        console.json(&json!({ "current": current, "generations": generations, "ways": ways }));
    } else {
        console.data_line(&format!("current      {current}"));
        console.data_line(&format!("generations  {}", generations.join(", ")));
        console.data_line(&format!("opens with   {}", ways.join(", ")));
    }
    Ok(Exit::Done)
}

fn keyring(store: &Store) -> Result<Option<Keyring>, StateError> {
    let text = store.identity.keyring.as_deref();
    Ok(text.map(Keyring::parse).transpose()?)
}

/// What a change says.
struct Said {
    command: &'static str,
    question: &'static str,
    done: &'static str,
}

/// Puts another keyring in place. An environment whose key was only in a file so far gets a keyring that this
/// file opens.
async fn change(
    session: &Session,
    environment: &Environment,
    asking: &Asking,
    said: Said,
    make: impl Fn(&Keyring, &Unlock, &Store) -> Result<Keyring, CommandError>,
) -> Result<Exit, CommandError> {
    let (_, store) = existing(session, environment).await?;
    agree(session, asking.auto_approve, said.question).await?;
    let unlock = Homes::of_user()?.unlock()?;
    let new =
        under_lease(session, &store, asking, said.command, Scope::Environment, async |lease| {
            // What another program has put in place meanwhile counts.
            let identity = store.port.identity().await?.unwrap_or_else(|| store.identity.clone());
            let present = if let Some(text) = identity.keyring.as_deref() {
                Keyring::parse(text).map_err(StateError::from)?
            } else {
                let key = store.keys()?.login().clone();
                let ways = [NewWrap::KeyFile(key.clone())];
                Keyring::around(key, &identity.lineage, &ways).map_err(StateError::from)?
            };
            let new = make(&present, &unlock, &store)?;
            store.port.rekey(lease, Some(new.text())).await?;
            Ok(new)
        })
        .await?;
    let document = json!({
        "current": new.current().to_string(),
        "ways": new.wraps().map(|wrap| wrap.to_string()).collect::<Vec<_>>(),
    });
    tell(session, said.done, &document);
    Ok(Exit::Done)
}

fn recipients(ways: &WaysIn) -> Result<Vec<Recipient>, Diagnostic> {
    let parse = |text: &String| {
        let parsed = text.parse::<Recipient>();
        parsed.map_err(|error| Diagnostic::error("not-age", format!("{text}: {error}")))
    };
    ways.age.iter().map(parse).collect()
}

fn new_wraps(ways: &WaysIn, unlock: &Unlock, store: &Store) -> Result<Vec<NewWrap>, CommandError> {
    let mut wraps: Vec<_> = recipients(ways)?.into_iter().map(NewWrap::Age).collect();
    if ways.passphrase {
        let given = std::env::var("PROVISIONER_NEW_PASSPHRASE").ok().map(Sensitive::new);
        let missing = || {
            Diagnostic::error("no-passphrase", "the new passphrase is not given")
                .with_hint("put it into the environment variable PROVISIONER_NEW_PASSPHRASE")
        };
        wraps.push(NewWrap::Passphrase(given.ok_or_else(missing)?));
    }
    if ways.key_file {
        let lineage = &store.identity.lineage;
        let source = unlock.key_source();
        let file = match source.read(lineage) {
            Ok(file) => file,
            Err(_) => source.create(lineage)?,
        };
        wraps.push(NewWrap::KeyFile(file.key().clone()));
    }
    Ok(wraps)
}

fn names(ways: &WaysIn) -> Result<Vec<WrapName>, Diagnostic> {
    let mut names: Vec<_> = recipients(ways)?.into_iter().map(WrapName::Age).collect();
    names.extend(ways.passphrase.then_some(WrapName::Passphrase));
    names.extend(ways.key_file.then_some(WrapName::KeyFile));
    Ok(names)
}
