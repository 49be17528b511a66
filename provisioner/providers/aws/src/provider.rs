//! The Provider port over all resource types.
//!
//! Invariants: a creation answers when its object is ready, a deletion when it is gone; what is found by our marker
//! carries all of it; one Describe call of a type serves as many objects as the API takes ids.

use crate::arguments::{Given, as_given};
use crate::client::Session;
use crate::configuration::{Configuration, provider_schema};
use crate::gather::Gather;
use crate::kind::{self, Kind, Phase, Seen};
use crate::looks::{FILTER_VALUES, by_ids, names};
use crate::query::Query;
use crate::recent::Recent;
use crate::waits::{self, Wait};
use crate::{data, marker, tagging};
use async_trait::async_trait;
use aws_sdk_ec2::types::ResourceType;
use futures::FutureExt as _;
use futures::future::join_all;
use model::plan::{CloudIdentity, Observation};
use model::schema::{Attribute, Mode, ProviderSchema};
use model::value::Entries;
use model::{Address, Data, Diagnostic, Type, Value};
use provider::limits::Limiter;
use provider::{
    Clock, CreateRequest, DataRequest, DeleteRequest, ErrorClass, FindRequest, Found,
    ImportRequest, Object, Owned, Owner, Progress, Provider, ProviderError, ReadRequest,
    UpdateRequest,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// For how long what a deletion's call does not know must not show to be gone, in milliseconds.
const SURE_MS: u64 = 5_000;

/// Reads at once from which on a type is read by a listing of all that the environment has of it, if so many of it are read:
/// they would be several pages of the list of all tags, which then is asked for the other types only.
const MANY: usize = 1_000;
const MANY_OF_A_TYPE: usize = 100;

/// AWS in one region, for one environment.
pub struct Aws {
    session: Arc<Session>,
    schema: ProviderSchema,
    /// What creations have left, by their token, by resource type.
    finds: BTreeMap<&'static str, Arc<Gather<String, Vec<Seen>>>>,
    recent: Recent,
    /// Deletions of types of which one call deletes many.
    deletions: BTreeMap<&'static str, Arc<Gather<String, ()>>>,
}

impl Aws {
    /// From the arguments of a `provider` block. Nothing is asked of the network before it is needed.
    pub fn from_configuration(
        arguments: &Value,
        owner: Owner,
        limiter: Arc<Limiter>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ProviderError> {
        let mut schema = provider_schema();
        let configuration = Configuration::read(arguments)?;
        for declared in schema.resources.values_mut() {
            declared.adoption = configuration.adoption(declared.adoption);
        }
        let schemas = schema.resources.clone();
        let session = Session::new(configuration, owner, schemas, limiter, clock);
        let deletions = kind::all().filter(|kind| kind.deletes_by_one_call()).filter_map(|kind| {
            let most = session.schemas[kind.name()].deleted_together?;
            Some((kind.name(), deletions(&session, kind, most)))
        });
        let finds = kind::all().map(|kind| (kind.name(), finds(&session, kind)));
        let (finds, deletions) = (finds.collect(), deletions.collect());
        let recent = Recent::new(session.clock.clone());
        Ok(Self { session, schema, finds, recent, deletions })
    }

    /// An object, whole, as the schema has it: what the cloud does not tell is as `known`. None if it turns out not to
    /// be there.
    async fn object(
        &self,
        kind: &dyn Kind,
        mut seen: Seen,
        known: &Value,
    ) -> Result<Option<Object>, ProviderError> {
        kind.complete(&self.session, &mut seen, Given(known)).await?;
        Ok(self.completed(kind, seen, known))
    }

    fn completed(&self, kind: &dyn Kind, seen: Seen, known: &Value) -> Option<Object> {
        if seen.phase == Phase::Gone {
            return None;
        }
        let attributes = self.attributes(kind, &seen, known);
        Some(Object { id: seen.id, attributes, note: None })
    }

    /// An object that was just made or changed.
    async fn fresh(
        &self,
        kind: &dyn Kind,
        seen: Seen,
        arguments: &Value,
    ) -> Result<Object, ProviderError> {
        let gone = format!("`{}` is gone again", seen.id);
        let object = self.object(kind, seen, arguments).await?;
        object.ok_or_else(|| ProviderError::new(ErrorClass::Conflict, gone))
    }

    fn attributes(&self, kind: &dyn Kind, seen: &Seen, known: &Value) -> Value {
        let mut entries = Entries::new();
        for (name, attribute) in &self.session.schemas[kind.name()].attributes {
            let before = known.get(name);
            let value = match (seen.attributes.get(name.as_str()), before) {
                (Some(value), Some(before)) if !kind.tells_whole(name) => {
                    shown(attribute, value, &before)
                }
                (Some(value), _) => value.clone(),
                (None, Some(before)) => before,
                (None, None) => Value::null(attribute.ty.clone()),
            };
            entries.insert(name.as_str().into(), value);
        }
        Data::Object(Arc::new(entries)).into()
    }

    /// An update of what the cloud shows now and not of what was seen when it was planned: since then, which may be long ago,
    /// something else may have changed it, or this update itself, cut off. One that does not show is updated as it was seen
    /// last.
    async fn as_it_is(
        &self,
        kind: &dyn Kind,
        request: UpdateRequest,
    ) -> Result<UpdateRequest, ProviderError> {
        let seen = self.session.look(kind.name(), &request.id).await?;
        let Some(mut seen) = seen.filter(|seen| !seen.phase.is_over()) else { return Ok(request) };
        // What is asked for now may be there already, though nothing recorded asks to look at it.
        kind.complete(&self.session, &mut seen, Given(&request.arguments)).await?;
        let Some(object) = self.object(kind, seen, &request.prior).await? else {
            return Ok(request);
        };
        Ok(UpdateRequest { prior: object.attributes, ..request })
    }

    /// Looks until an object is ready, and as it was asked for.
    async fn ready(
        &self,
        kind: &dyn Kind,
        id: &str,
        arguments: &Value,
        progress: &dyn Progress,
    ) -> Result<Seen, ProviderError> {
        let late_ms = self.session.schemas[kind.name()].adoption.settle_ms;
        let wait = Wait { first: kind.look_again(), late_ms };
        let judge = |seen: Option<Seen>, is_late: bool| {
            match seen.map(|seen| (seen.phase.clone(), seen)) {
                Some((Phase::Ready, seen)) if is_late || kind.shows(&seen, arguments) => {
                    return Ok(Some(seen));
                }
                Some((Phase::Pending, _)) => progress.step("waiting until it is ready"),
                Some((Phase::Failed(why), _)) => {
                    let message = format!("`{id}` was made, but {why}");
                    return Err(ProviderError::new(ErrorClass::Conflict, message).maybe_done());
                }
                Some((Phase::Going | Phase::Gone, seen)) => {
                    let why = seen.why.map_or_else(String::new, |why| format!(": {why}"));
                    let message = format!("`{id}` was made and is gone again{why}");
                    return Err(ProviderError::new(ErrorClass::Conflict, message));
                }
                None if is_late => {
                    let message = format!("`{id}` was made, but does not show");
                    return Err(ProviderError::new(ErrorClass::Transient, message).maybe_done());
                }
                Some((Phase::Ready, _)) | None => progress.step("waiting until it shows"),
            }
            Ok(None)
        };
        waits::until(&self.session, kind.name(), id, wait, judge).await
    }

    /// What became of deletions, by what their calls were answered: those that were taken are waited for until they are gone.
    ///
    /// What a call does not know is gone, or so new that not every call knows it, and perhaps shows no more than that: it is
    /// gone when it has not shown for a while.
    async fn deleted(
        &self,
        kind: &dyn Kind,
        requests: &[DeleteRequest],
        asked: Vec<Result<(), ProviderError>>,
    ) -> Vec<Result<(), ProviderError>> {
        let mut ends: Vec<Result<(), ProviderError>> =
            asked.into_iter().map(|asked| asked.map_err(not_gone_yet)).collect();
        let is_unknown = |end: &Result<(), ProviderError>| {
            end.as_ref().is_err_and(|error| error.class == ErrorClass::NotFound)
        };
        let is_waited_for = |end: &Result<(), ProviderError>| {
            is_unknown(end) || (end.is_ok() && !kind.is_gone_at_once())
        };
        let going: Vec<usize> =
            (0..ends.len()).filter(|place| is_waited_for(&ends[*place])).collect();
        if going.is_empty() {
            return ends;
        }
        let ids: Vec<String> = going.iter().map(|place| requests[*place].id.clone()).collect();
        let settle_ms = self.session.schemas[kind.name()].adoption.settle_ms;
        // When it is too late for the others the engine knows.
        let wait = Wait { first: kind.look_again(), late_ms: settle_ms.min(SURE_MS) };
        let gone = waits::until_all(&self.session, kind.name(), &ids, wait, |at, seen, is_late| {
            let (request, end) = (&requests[going[at]], &ends[going[at]]);
            match (seen.filter(|seen| seen.phase != Phase::Gone), end) {
                (None, Ok(())) => return Ok(Some(())),
                (None, Err(_)) if is_late => return Ok(Some(())),
                (None, Err(_)) => {}
                (Some(seen), Err(error)) if !seen.phase.is_over() => {
                    return Err(ProviderError { class: ErrorClass::Transient, ..error.clone() });
                }
                (Some(_), _) => request.progress.step("waiting until it is gone"),
            }
            Ok(None)
        });
        let gone = gone.await;
        for (place, end) in going.into_iter().zip(gone) {
            ends[place] = end;
        }
        ends
    }

    /// What the cloud shows of objects of one type. Of many, what carries our marker is listed, and only the rest of them is asked
    /// for by id.
    async fn seen(
        &self,
        kind: &'static dyn Kind,
        ids: Vec<String>,
        are_many: bool,
    ) -> Result<BTreeMap<String, Seen>, ProviderError> {
        let is_tagged = self.session.schemas[kind.name()].adoption.tagged;
        let is_listed =
            are_many && is_tagged && kind.tag_type().is_some() && ids.len() >= MANY_OF_A_TYPE;
        let mut seen = BTreeMap::new();
        if is_listed {
            let query = Query::Owned(self.session.owner.lineage.clone());
            let listed = kind.describe(&self.session, &query).await?;
            seen.extend(listed.into_iter().map(|seen| (seen.id.clone(), seen)));
        }
        let rest: Vec<String> = ids.into_iter().filter(|id| !seen.contains_key(id)).collect();
        seen.extend(by_ids(&self.session, kind, rest).await?);
        self.recent.keep(kind.name(), seen.clone(), is_listed);
        Ok(seen)
    }

    /// Reads the objects of one type: the answers, with the places of their requests.
    async fn read_kind(
        &self,
        kind: &'static dyn Kind,
        requests: &[(usize, &ReadRequest)],
        are_many: bool,
    ) -> Vec<(usize, Result<Observation, ProviderError>)> {
        let ids = requests.iter().map(|(_, request)| request.id.clone()).collect();
        let seen = match self.seen(kind, ids, are_many).await {
            Ok(seen) => seen,
            Err(error) => {
                return requests.iter().map(|(place, _)| (*place, Err(error.clone()))).collect();
            }
        };
        let there = requests.iter().filter_map(|(_, request)| {
            let seen = seen.get(&request.id).filter(|seen| !seen.phase.is_over())?;
            Some((seen.clone(), Given(&request.attributes)))
        });
        let completed = kind.complete_all(&self.session, there.collect()).await;
        let mut completed = completed.into_iter();
        let each = requests.iter().map(|(place, request)| {
            let is_there = seen.get(&request.id).is_some_and(|seen| !seen.phase.is_over());
            let answer = if is_there { completed.next().transpose() } else { Ok(None) };
            let object = answer
                .map(|seen| seen.and_then(|seen| self.completed(kind, seen, &request.attributes)));
            let absent = || Observation::Absent(format!("`{}` does not exist", request.id));
            let answer = object.map(|object| {
                object.map_or_else(absent, |object| Observation::Present(object.attributes))
            });
            (*place, answer)
        });
        each.collect()
    }

    async fn import_one(&self, request: &ImportRequest) -> Result<Option<Object>, ProviderError> {
        let kind = kind_of(&request.address)?;
        let found = self.session.look(kind.name(), &request.id).await?;
        let Some(mut seen) = found.filter(|seen| !seen.phase.is_over()) else {
            return Ok(None);
        };
        let lineage = &self.session.owner.lineage;
        if let Some(other) = seen.tags.get(marker::LINEAGE).filter(|other| *other != lineage) {
            let message =
                format!("`{}` belongs to the environment with the lineage {other}", seen.id);
            return Err(ProviderError::new(ErrorClass::Denied, message).with_hint(
                "take it out of that environment first, and remove its `provisioner:` tags",
            ));
        }
        let asked = &request.arguments;
        kind.found(&self.session, &mut seen, Given(asked)).await?;
        if seen.phase == Phase::Gone {
            return Ok(None);
        }
        let mut entries = Entries::new();
        for (name, attribute) in &self.session.schemas[kind.name()].attributes {
            let given = asked.get(name).unwrap_or_else(|| Value::null(attribute.ty.clone()));
            let told = seen.attributes.get(name.as_str());
            // Nothing is recorded of it: what the cloud does not tell is not known.
            let value = told.map_or_else(
                || Value::null(attribute.ty.clone()),
                |value| {
                    let is_whole = kind.tells_whole(name);
                    if is_whole { value.clone() } else { shown(attribute, value, &given) }
                },
            );
            entries.insert(name.as_str().into(), value);
        }
        let attributes = Data::Object(Arc::new(entries)).into();
        Ok(Some(Object { id: seen.id, attributes, note: None }))
    }

    async fn read_source(&self, request: &DataRequest) -> Result<Value, ProviderError> {
        let source = data::of(request.address.kind()).ok_or_else(|| {
            let message = format!("there is no data source `{}`", request.address.kind());
            ProviderError::new(ErrorClass::Invalid, message)
        })?;
        let found = source.read(&self.session, Given(&request.arguments)).await?;
        let given = request.arguments.as_entries().cloned().unwrap_or_default();
        let found = found.into_iter().map(|(name, value)| (Arc::from(name), value));
        Ok(Value::object(given.into_iter().chain(found)))
    }

    fn is_of(&self, seen: &Seen, address: &Address, token: &str) -> bool {
        let marked = marker::read(&seen.tags, &self.session.owner.lineage, seen.index);
        marked.is_some_and(|marked| marked.address == *address && marked.token == token)
    }
}

/// What the cloud tells of an attribute, as far as it was given.
fn shown(attribute: &Attribute, value: &Value, given: &Value) -> Value {
    if attribute.mode == Mode::Computed { value.clone() } else { as_given(value, given) }
}

fn finds(session: &Arc<Session>, kind: &'static dyn Kind) -> Arc<Gather<String, Vec<Seen>>> {
    let session = session.clone();
    Gather::new(session.clock.clone(), FILTER_VALUES, move |asked: Vec<String>| {
        let session = session.clone();
        let finding = async move {
            let lineage = session.owner.lineage.clone();
            let tokens: BTreeSet<String> = asked.iter().cloned().collect();
            let query = Query::Marked { lineage, tokens: tokens.into_iter().collect() };
            let seen = match kind.describe(&session, &query).await {
                Ok(seen) => seen,
                Err(error) => return vec![Err(error); asked.len()],
            };
            let of = |token: &String| {
                let is_it = |seen: &&Seen| seen.tags.get(marker::TOKEN) == Some(token);
                Ok(seen.iter().filter(is_it).cloned().collect())
            };
            asked.iter().map(of).collect()
        };
        finding.boxed()
    })
}

fn deletions(
    session: &Arc<Session>,
    kind: &'static dyn Kind,
    most: u32,
) -> Arc<Gather<String, ()>> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let session = session.clone();
    Gather::new(session.clock.clone(), most, move |ids: Vec<String>| {
        let session = session.clone();
        async move { delete_all(&session, kind, ids).await }.boxed()
    })
}

/// One call, and another whenever it fails because of some of them: then without these. Those that are gone already are
/// deleted; others have the error for themselves. The answers are in the order of the ids.
async fn delete_all(
    session: &Session,
    kind: &dyn Kind,
    ids: Vec<String>,
) -> Vec<Result<(), ProviderError>> {
    let mut answers: BTreeMap<String, Result<(), ProviderError>> = BTreeMap::new();
    let mut left = ids.clone();
    while !left.is_empty() {
        let Err(error) = kind.delete_many(session, left.clone()).await else { break };
        let (named, others): (Vec<String>, Vec<String>) =
            left.into_iter().partition(|id| names(&error.message, id));
        if named.is_empty() || error.outcome_unknown {
            // Not there, but it is not said which: that must not pass for the deletion of all.
            let is_unclear = error.class == ErrorClass::NotFound && others.len() > 1;
            let class = if is_unclear { ErrorClass::Transient } else { error.class };
            let error = ProviderError { class, ..error };
            let all = named.into_iter().chain(others);
            answers.extend(all.map(|id| (id, Err(error.clone()))));
            break;
        }
        let is_gone = error.class == ErrorClass::NotFound;
        let answer = if is_gone { Ok(()) } else { Err(error) };
        answers.extend(named.into_iter().map(|id| (id, answer.clone())));
        left = others;
    }
    ids.iter().map(|id| answers.get(id).cloned().unwrap_or(Ok(()))).collect()
}

/// What was in an object has just gone, which may not show yet: again, a little later.
fn not_gone_yet(error: ProviderError) -> ProviderError {
    let is_in_use =
        error.class == ErrorClass::Conflict && error.message.contains("DependencyViolation");
    let class = if is_in_use { ErrorClass::Transient } else { error.class };
    ProviderError { class, ..error }
}

/// What a creation names and does not find may have been made just now, which does not show everywhere at once: again, a
/// little later. Nothing was made.
fn not_shown_yet(error: ProviderError) -> ProviderError {
    match error.class {
        ErrorClass::NotFound if !error.outcome_unknown => {
            ProviderError { class: ErrorClass::Transient, ..error }
        }
        _ => error,
    }
}

fn kind_of(address: &Address) -> Result<&'static dyn Kind, ProviderError> {
    kind::of(address.kind()).ok_or_else(|| {
        let message = format!("AWS has no resource type `{}` here", address.kind());
        ProviderError::new(ErrorClass::Invalid, message)
    })
}

#[async_trait]
impl Provider for Aws {
    fn schema(&self) -> &ProviderSchema {
        &self.schema
    }

    async fn identity(&self) -> Result<Option<CloudIdentity>, ProviderError> {
        let caller = self.session.caller().await?;
        Ok(Some(CloudIdentity {
            account: format!("account {}", caller.account),
            region: self.session.region().await?.to_owned(),
            caller: caller.arn.clone(),
        }))
    }

    async fn surroundings(&self) -> Result<BTreeMap<String, Value>, ProviderError> {
        let (region, account) =
            (self.session.region().await?, &self.session.caller().await?.account);
        let accounts = Value::set(Type::String, [Value::from(account.as_str())]);
        let known = [("region", Value::from(region)), ("allowed_account_ids", accounts)];
        Ok(known.map(|(name, value)| (name.to_owned(), value)).into())
    }

    fn validate(&self, address: &Address, arguments: &Value) -> Vec<Diagnostic> {
        let Some(kind) = kind::of(address.kind()) else { return Vec::new() };
        let mut problems = kind.problems(Given(arguments));
        let tags = Given(arguments).map("tags").unwrap_or_default();
        problems.extend(tags.keys().find(|key| marker::is_kept(key)).map(|key| {
            ("tags", format!("the key `{key}` is kept for the tags that say whose an object is"))
        }));
        let diagnostic = |(argument, problem): (&str, String)| {
            let summary = format!("`{argument}` of {address}: {problem}");
            Diagnostic::error("aws-argument", summary).about(address)
        };
        problems.into_iter().map(diagnostic).collect()
    }

    async fn read_many(&self, requests: &[ReadRequest]) -> Vec<Result<Observation, ProviderError>> {
        let mut kinds: BTreeMap<&str, Vec<(usize, &ReadRequest)>> = BTreeMap::new();
        for (place, request) in requests.iter().enumerate() {
            kinds.entry(request.address.kind()).or_default().push((place, request));
        }
        let are_many = requests.len() > MANY;
        let each = kinds.into_values().map(|requests| async move {
            match kind_of(&requests[0].1.address) {
                Ok(kind) => self.read_kind(kind, &requests, are_many).await,
                Err(error) => {
                    requests.iter().map(|(place, _)| (*place, Err(error.clone()))).collect()
                }
            }
        });
        let mut answers: Vec<_> = join_all(each).await.into_iter().flatten().collect();
        answers.sort_by_key(|(place, _)| *place);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    async fn create(&self, request: CreateRequest) -> Result<Object, ProviderError> {
        let kind = kind_of(&request.address)?;
        self.recent.forget(kind.name());
        request.progress.step("asking for it");
        let id = kind.create(&self.session, &request).await.map_err(not_shown_yet)?;
        // From here on something is there, whatever goes wrong.
        let seen = self.ready(kind, &id, &request.arguments, request.progress.as_ref()).await;
        let seen = seen.map_err(ProviderError::maybe_done)?;
        self.fresh(kind, seen, &request.arguments).await.map_err(ProviderError::maybe_done)
    }

    async fn update(&self, request: UpdateRequest) -> Result<Object, ProviderError> {
        let kind = kind_of(&request.address)?;
        let request = self.as_it_is(kind, request).await?;
        kind.update(&self.session, &request).await?;
        let UpdateRequest { id, arguments, progress, .. } = &request;
        let seen = self.ready(kind, id, arguments, progress.as_ref()).await?;
        self.fresh(kind, seen, arguments).await
    }

    async fn delete(&self, request: DeleteRequest) -> Result<(), ProviderError> {
        let kind = kind_of(&request.address)?;
        if kind.is_left(&request) {
            request.progress.step("leaving it as it is");
            return Ok(());
        }
        let asked = match self.deletions.get(kind.name()) {
            Some(together) => together.ask(request.id.clone()).await,
            None => kind.delete(&self.session, &request).await,
        };
        let ends = self.deleted(kind, std::slice::from_ref(&request), vec![asked]).await;
        ends.into_iter().collect()
    }

    async fn delete_many(&self, requests: Vec<DeleteRequest>) -> Vec<Result<(), ProviderError>> {
        let Some(first) = requests.first() else { return Vec::new() };
        let is_together = self.session.schemas.get(first.address.kind());
        let is_together = is_together.is_some_and(|schema| schema.deleted_together.is_some());
        let Some(kind) = kind::of(first.address.kind()).filter(|_| is_together) else {
            return join_all(requests.into_iter().map(|it| self.delete(it))).await;
        };
        let asked = match self.deletions.get(kind.name()) {
            Some(together) => {
                let ids = requests.iter().map(|request| request.id.clone()).collect();
                together.ask_all(ids).await
            }
            None => join_all(requests.iter().map(|it| kind.delete(&self.session, it))).await,
        };
        self.deleted(kind, &requests, asked).await
    }

    async fn find(&self, request: FindRequest) -> Result<Found, ProviderError> {
        let kind = kind_of(&request.address)?;
        let adoption = self.session.schemas[kind.name()].adoption;
        let seen = if !adoption.tagged {
            kind.describe(&self.session, &Query::Alike(request.arguments.clone())).await?
        } else if let Some(query) = kind.by_name(&request) {
            kind.describe(&self.session, &query).await?
        } else {
            let token = request.batch.as_ref().map_or(&request.token, |batch| &batch.token);
            self.finds[kind.name()].ask(token.clone()).await?
        };
        let mut objects = Vec::new();
        for seen in seen.into_iter().filter(|seen| seen.phase == Phase::Ready) {
            if !adoption.tagged || self.is_of(&seen, &request.address, &request.token) {
                objects.extend(self.object(kind, seen, &request.arguments).await?);
            }
        }
        Ok(Found::of(objects))
    }

    async fn import(
        &self,
        requests: &[ImportRequest],
    ) -> Vec<Result<Option<Object>, ProviderError>> {
        join_all(requests.iter().map(|request| self.import_one(request))).await
    }

    async fn read_data(&self, requests: &[DataRequest]) -> Vec<Result<Value, ProviderError>> {
        join_all(requests.iter().map(|request| self.read_source(request))).await
    }

    async fn list_owned(&self) -> Result<Vec<Owned>, ProviderError> {
        let lineage = &self.session.owner.lineage;
        let whole: BTreeMap<&str, Vec<Seen>> = kind::all()
            .filter_map(|kind| Some((kind.name(), self.recent.take_whole(kind.name())?)))
            .collect();
        let mut rest: Vec<ResourceType> = Vec::new();
        for kind in kind::all().filter(|kind| !whole.contains_key(kind.name())) {
            rest.extend(kind.tag_type().filter(|ty| !rest.contains(ty)));
        }
        let types = (!whole.is_empty()).then_some(rest);
        let present = tagging::ids_with(&self.session, marker::LINEAGE, lineage, types).await?;
        let mut owned = Vec::new();
        for kind in kind::all().filter(|kind| self.session.schemas[kind.name()].adoption.tagged) {
            let listed = kind.tag_type();
            let ids = listed.as_ref().map(|ty| present.iter().find(|(known, _)| known == ty));
            let read = whole.get(kind.name());
            if read.is_none() && ids == Some(None) {
                continue;
            }
            let ids = ids.flatten().map(|(_, ids)| ids.as_slice());
            let recent = || ids.and_then(|ids| self.recent.these(kind.name(), ids));
            let seen = match read.cloned().or_else(recent) {
                Some(seen) => seen,
                None => kind.describe(&self.session, &Query::Owned(lineage.clone())).await?,
            };
            for seen in seen {
                let Some(marked) = marker::read(&seen.tags, lineage, seen.index) else { continue };
                // Objects of two types may be told by one call.
                if seen.phase.is_over() || marked.address.kind() != kind.name() {
                    continue;
                }
                let id = seen.id.clone();
                let is_whole = seen.phase == Phase::Ready;
                let nothing = Value::object::<&str>([]);
                let object = if is_whole { self.object(kind, seen, &nothing).await? } else { None };
                owned.push(Owned { address: marked.address, id, token: marked.token, object });
            }
        }
        owned.sort_by(|one, other| (&one.address, &one.id).cmp(&(&other.address, &other.id)));
        Ok(owned)
    }
}
