//! What calls do inside the cloud in memory, whenever they take effect.
//!
//! Invariants: where tokens are taken, one token makes at most one object while it is kept; where names are unique, a
//! taken name is refused; a half-made object is finished by the next creation of the same instance that can see it.
//! Refuses to know: whether anybody gets an answer.

use super::cloud::{Called, State, Stored};
use super::schema::{CREATE, DELETE, IMAGE, MACHINE, SERVICE, SERVICE_STEPS, SNAPSHOT, UPDATE};
use crate::{ErrorClass, Found, Lookup, Object, Owned, ProviderError, ReadRequest};
use model::plan::Observation;
use model::record::Batch;
use model::{Address, Value, members};

/// What a call is to bring about.
#[derive(Clone, Debug)]
pub(super) struct Effect {
    pub(super) verb: Verb,
    pub(super) lineage: String,
    pub(super) address: Address,
    /// Of a creation or an update.
    pub(super) token: String,
    /// The object's identity, for an update or a deletion.
    pub(super) id: String,
    /// Arguments; for a deletion, the attributes.
    pub(super) arguments: Value,
    /// Of a creation that is one of several which are one call.
    pub(super) batch: Option<Batch>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Create,
    Update,
    Delete,
}

impl Verb {
    /// Its word, which is its interface, too.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Create => CREATE,
            Self::Update => UPDATE,
            Self::Delete => DELETE,
        }
    }
}

impl Effect {
    pub(super) fn called(&self) -> Called {
        let token = if self.verb == Verb::Delete { String::new() } else { self.token.clone() };
        Called { verb: self.verb.word(), address: self.address.clone(), token }
    }

    fn is_of(&self, object: &Stored) -> bool {
        object.lineage == self.lineage && object.address == self.address
    }

    /// Where the object is kept: a service has no identity but its place.
    fn key(&self) -> String {
        if self.address.kind() == SERVICE {
            service_key(&self.lineage, &self.address)
        } else {
            self.id.clone()
        }
    }
}

fn service_key(lineage: &str, address: &Address) -> String {
    format!("{lineage}/{address}")
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

impl State {
    /// Brings it about, or its first steps only; the object, unless it is gone.
    pub(super) fn perform(
        &mut self,
        effect: &Effect,
        cut_after: Option<usize>,
    ) -> Result<Option<Object>, ProviderError> {
        match (effect.verb, effect.address.kind()) {
            (Verb::Delete, _) => {
                if cut_after.is_none() {
                    self.delete(effect);
                }
                Ok(None)
            }
            (_, SERVICE) => self.install(effect, cut_after).map(Some),
            (Verb::Create, _) => match &effect.batch {
                Some(batch) => self.create_all(effect, batch, cut_after.is_none()).map(Some),
                None => self.create(effect, cut_after.is_none()).map(Some),
            },
            (Verb::Update, _) => self.update(effect, cut_after.is_none()).map(Some),
        }
    }

    fn create(&mut self, effect: &Effect, complete: bool) -> Result<Object, ProviderError> {
        let now_ms = self.now_ms();
        let nature = self.nature(effect.address.kind());
        let keeps = |object: &Stored| {
            let kept_ms = nature.adoption.token_retention_s.map(|s| s.saturating_mul(1_000));
            kept_ms.is_some_and(|kept_ms| now_ms - object.made_at_ms <= kept_ms)
        };
        let known = self
            .objects
            .values()
            .find(|object| effect.is_of(object) && object.token == effect.token && keeps(object));
        if let Some(object) = known.filter(|object| object.complete) {
            return Ok(object.object());
        }
        let begun = self.objects.values().find(|object| {
            let is_seen = object.is_seen(now_ms) || nature.adoption.unique_name;
            effect.is_of(object) && !object.complete && is_seen
        });
        let begun = known.or(begun).cloned();
        if nature.adoption.unique_name {
            self.check_name(effect, begun.as_ref())?;
        }
        if begun.is_none() {
            self.check_source(effect)?;
        }
        let (id, made_at_ms, seen_from_ms) = match begun {
            Some(begun) => (begun.id, begun.made_at_ms, begun.seen_from_ms),
            None => (self.next_id(), now_ms, now_ms + self.faults.hidden_ms(&nature)),
        };
        let attributes = with(&effect.arguments, "id", id.as_str().into());
        let stored = Stored {
            id: id.clone(),
            lineage: effect.lineage.clone(),
            address: effect.address.clone(),
            token: effect.token.clone(),
            attributes: with(&attributes, "status", "ok".into()),
            complete,
            made_at_ms,
            seen_from_ms,
        };
        let object = stored.object();
        self.objects.insert(id, stored);
        Ok(object)
    }

    /// Makes all objects of a batch, once; the one that is asked for. Those that are deleted since are not made again.
    fn create_all(
        &mut self,
        effect: &Effect,
        batch: &Batch,
        complete: bool,
    ) -> Result<Object, ProviderError> {
        let fails = |what: &str| {
            let message = format!("{}: {what}", effect.address);
            ProviderError::new(ErrorClass::Conflict, message)
        };
        let is_known = self.batches.contains_key(&batch.token);
        let mut made = Vec::new();
        for index in 0..batch.size {
            let address = members::member(&batch.members, index);
            let address = address.ok_or_else(|| fails("the batch does not say whose it is"))?;
            let token = Batch::member_token(&batch.token, index);
            let one = Effect { address, token, batch: None, ..effect.clone() };
            let is_there = |object: &Stored| one.is_of(object) && object.token == one.token;
            let id = match self.objects.values().find(|object| is_there(object)) {
                // A batch that was cut off is finished by whoever sends it again.
                Some(object) if object.complete || !complete => object.id.clone(),
                None if is_known => String::new(),
                _ => self.create(&one, complete)?.id,
            };
            made.push(id);
        }
        let known = self.batches.entry(batch.token.clone()).or_insert(made);
        let place = usize::try_from(batch.index).unwrap_or(usize::MAX);
        let object = known.get(place).and_then(|id| self.objects.get(id));
        object.map(Stored::object).ok_or_else(|| fails("was made with this token and deleted"))
    }

    fn check_name(&self, effect: &Effect, begun: Option<&Stored>) -> Result<(), ProviderError> {
        let kind = effect.address.kind();
        let name = text(&effect.arguments, "name");
        let holder = self.objects.values().find(|object| {
            object.address.kind() == kind && text(&object.attributes, "name") == name
        });
        match holder {
            Some(holder) if begun.is_none_or(|begun| begun.id != holder.id) => {
                let message = format!("{}: the name `{name}` is taken", effect.address);
                Err(ProviderError::new(ErrorClass::Conflict, message))
            }
            _ => Ok(()),
        }
    }

    /// What is gone cannot be captured.
    fn check_source(&self, effect: &Effect) -> Result<(), ProviderError> {
        let source = text(&effect.arguments, "source");
        let is_there = self.objects.get(&source).is_some_and(|object| object.complete);
        if !matches!(effect.address.kind(), SNAPSHOT | IMAGE) || is_there {
            return Ok(());
        }
        let message = format!("{}: there is no object {source}", effect.address);
        Err(ProviderError::new(ErrorClass::NotFound, message))
    }

    fn update(&mut self, effect: &Effect, complete: bool) -> Result<Object, ProviderError> {
        let object = self.objects.get_mut(&effect.id).ok_or_else(|| {
            let message = format!("{} ({}) is gone", effect.address, effect.id);
            ProviderError::new(ErrorClass::NotFound, message)
        })?;
        if complete {
            let attributes = with(&effect.arguments, "id", effect.id.as_str().into());
            object.attributes = with(&attributes, "status", "ok".into());
        }
        Ok(object.object())
    }

    /// Installs or changes a service. Its steps can be done again at any time, by whatever call.
    fn install(
        &mut self,
        effect: &Effect,
        cut_after: Option<usize>,
    ) -> Result<Object, ProviderError> {
        let machine = text(&effect.arguments, "machine");
        if !self.has_machine(&machine) {
            let message = format!("{}: machine {machine} does not answer", effect.address);
            return Err(ProviderError::new(ErrorClass::Transient, message));
        }
        let now_ms = self.now_ms();
        let key = effect.key();
        let before = self.objects.get(&key).cloned();
        let id = effect.address.to_string();
        let attributes = match (cut_after, &before) {
            (None, _) => {
                let version = text(&effect.arguments, "version");
                let running = with(&effect.arguments, "running", version.as_str().into());
                with(&running, "status", "ok".into())
            }
            (Some(done), before) => {
                let done = done.min(SERVICE_STEPS.len() - 1);
                let status = format!("stuck before {}", SERVICE_STEPS[done]);
                let before = before.as_ref().map_or(&effect.arguments, |it| &it.attributes);
                // Nothing is touched before the first step.
                if done == 0 { before.clone() } else { with(before, "status", status.into()) }
            }
        };
        let stored = Stored {
            id: id.clone(),
            lineage: effect.lineage.clone(),
            address: effect.address.clone(),
            token: before.as_ref().map_or_else(|| effect.token.clone(), |it| it.token.clone()),
            attributes: with(&attributes, "id", id.as_str().into()),
            complete: cut_after.is_none() || before.as_ref().is_some_and(|it| it.complete),
            made_at_ms: before.as_ref().map_or(now_ms, |it| it.made_at_ms),
            seen_from_ms: before.as_ref().map_or(now_ms, |it| it.seen_from_ms),
        };
        let object = stored.object();
        if before.is_some() || cut_after != Some(0) {
            self.objects.insert(key, stored);
        }
        Ok(object)
    }

    fn delete(&mut self, effect: &Effect) {
        let Some(gone) = self.objects.remove(&effect.key()) else { return };
        if effect.address.kind() == MACHINE {
            let is_on_it =
                |it: &Stored| it.is_service() && text(&it.attributes, "machine") == gone.id;
            self.objects.retain(|_, object| !is_on_it(object));
        }
        let lingers_ms = self.nature(effect.address.kind()).lingers_ms;
        if lingers_ms > 0 {
            let until_ms = self.now_ms() + lingers_ms;
            self.ghosts.push((until_ms, gone));
        }
    }

    fn has_machine(&self, id: &str) -> bool {
        self.objects.get(id).is_some_and(|it| it.address.kind() == MACHINE && it.complete)
    }

    /// The attributes of a finished object of that type and name.
    pub(super) fn named(&self, kind: &str, name: &Value) -> Option<Value> {
        let now_ms = self.now_ms();
        let mut shown = self.objects.values().filter(|it| it.complete && it.is_seen(now_ms));
        let is_it = |it: &&Stored| {
            let own = it.attributes.get("name");
            it.address.kind() == kind && own.is_some_and(|own| own.same_content(name))
        };
        shown.find(is_it).map(|it| it.attributes.clone())
    }

    pub(super) fn read(
        &mut self,
        lineage: &str,
        request: &ReadRequest,
    ) -> Result<Observation, ProviderError> {
        let address = request.address.to_string();
        if self.unreachable.contains(&address) {
            return Ok(Observation::Unreachable("cut off".to_owned()));
        }
        if let Some(class) = self.faults.of_reading(&address) {
            let message = format!("read {address}: failed");
            return Err(ProviderError::new(class, message));
        }
        let mut key = request.id.clone();
        if request.address.kind() == SERVICE {
            let machine = text(&request.attributes, "machine");
            if !self.has_machine(&machine) {
                let why = format!("machine {machine} does not answer");
                return Ok(Observation::Unreachable(why));
            }
            key = service_key(lineage, &request.address);
        }
        let now_ms = self.now_ms();
        Ok(match self.objects.get(&key).filter(|object| object.is_seen(now_ms)) {
            Some(object) if object.complete => Observation::Present(object.attributes.clone()),
            Some(_) => Observation::Absent("half made".to_owned()),
            None => Observation::Absent(format!("no object {}", request.id)),
        })
    }

    /// What a creation has left.
    pub(super) fn find(&self, effect: &Effect, by: Lookup) -> Result<Found, ProviderError> {
        let adoption = self.nature(effect.address.kind()).adoption;
        let is_offered = match by {
            Lookup::Token => adoption.token_retention_s.is_some(),
            Lookup::Name => adoption.unique_name,
            Lookup::Tag => adoption.tagged,
        };
        if !is_offered {
            let message = format!("{} cannot be looked up by {by:?}", effect.address);
            return Err(ProviderError::new(ErrorClass::Invalid, message));
        }
        let now_ms = self.now_ms();
        let retention_ms = adoption.token_retention_s.unwrap_or(0).saturating_mul(1_000);
        let is_it = |object: &&Stored| {
            let is_sought = match by {
                Lookup::Token => now_ms - object.made_at_ms <= retention_ms,
                Lookup::Name => text(&object.attributes, "name") == text(&effect.arguments, "name"),
                Lookup::Tag => true,
            };
            let is_marked = if object.is_service() {
                // Nothing on a machine tells who installed it; what counts is what runs.
                text(&object.attributes, "running") == text(&effect.arguments, "version")
            } else {
                object.token == effect.token
            };
            let is_ours = effect.is_of(object) && is_marked;
            is_ours && is_sought && object.complete && object.is_seen(now_ms)
        };
        let ghosts = self.ghosts.iter().map(|(_, gone)| gone).filter(|_| by == Lookup::Tag);
        let found = self.objects.values().chain(ghosts).filter(is_it);
        Ok(Found::of(found.map(Stored::object).collect()))
    }

    /// Everything of this lineage that is tagged and shows.
    pub(super) fn owned(&self, lineage: &str) -> Vec<Owned> {
        let now_ms = self.now_ms();
        let all = self.objects.values().chain(self.ghosts.iter().map(|(_, gone)| gone));
        let ours = all.filter(|object| {
            let is_tagged = self.nature(object.address.kind()).adoption.tagged;
            object.lineage == lineage && is_tagged && object.is_seen(now_ms)
        });
        let mut owned: Vec<Owned> = ours
            .map(|object| Owned {
                address: object.address.clone(),
                id: object.id.clone(),
                token: object.token.clone(),
                object: object.complete.then(|| object.object()),
            })
            .collect();
        owned.sort_by(|left, right| (&left.address, &left.id).cmp(&(&right.address, &right.id)));
        owned
    }
}

/// The object with one attribute set.
pub(super) fn with(attributes: &Value, name: &str, value: Value) -> Value {
    let mut entries = attributes.as_entries().cloned().unwrap_or_default();
    entries.insert(name.into(), value);
    Value::object(entries)
}
