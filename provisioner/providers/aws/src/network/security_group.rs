//! `aws_security_group`.
//!
//! A group's name is unique in its network, so a creation that is sent again finds the group that it has made. Amazon gives
//! every new group a rule that lets everything out; it is taken away at once. Until that has happened the group carries a tag
//! that says so, and counts as half made.
//!
//! Its `ingress` and `egress` blocks are looked at only where the configuration has some: a group without them may have
//! rules that are resources of their own.

use crate::arguments::{Given, text};
use crate::client::Session;
use crate::kind::{Kind, Phase, Seen, by_tags, no_id, resource, tags_of};
use crate::network::rules::{self, Direction, Rules};
use crate::network::{again_is_the_same, is_made_by, unique_name};
use crate::query::{Query, pages};
use crate::tagging;
use async_trait::async_trait;
use aws_sdk_ec2::types::{ResourceType, SecurityGroup as Told, Tag};
use model::Type;
use model::schema::{Attribute, ResourceSchema};
use provider::{CreateRequest, DeleteRequest, ErrorClass, ProviderError, UpdateRequest};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) struct SecurityGroup;

/// The tag of a group that still has the rule that lets everything out.
const UNFINISHED: &str = "provisioner:unfinished";
const REVOKE: &str = "revoke_rules_on_delete";
/// The description where there is no other: Amazon wants one.
const DESCRIPTION: &str = "Made by provisioner";

fn schema() -> ResourceSchema {
    let computed = |description: &str| Attribute::computed(Type::String, description);
    let chosen = |description: &str| {
        Attribute::optional_computed(Type::String, description).forces_replacement()
    };
    let blocks = |description: &str| {
        Attribute::optional_computed(Type::set(rules::block_type()), description).as_blocks(0, None)
    };
    resource(
        "What may reach machines, and what they may reach.",
        again_is_the_same(by_tags()),
        [
            ("name", chosen("Its name, unique in the network; one is made up otherwise.")),
            (
                "name_prefix",
                Attribute::optional(Type::String, "What the made up name begins with.")
                    .forces_replacement(),
            ),
            (
                "description",
                Attribute::optional(Type::String, "What it is for.")
                    .with_default(DESCRIPTION.into())
                    .forces_replacement(),
            ),
            ("vpc_id", chosen("The network; the default one otherwise.")),
            ("ingress", blocks("All that may reach it, for a group without rules of their own.")),
            ("egress", blocks("All that it may reach, for a group without rules of their own.")),
            (
                REVOKE,
                Attribute::optional(
                    Type::Bool,
                    "Whether its rules go before it, which groups that name each other need.",
                )
                .with_default(false.into()),
            ),
            ("arn", computed("Its Amazon resource name.")),
            ("owner_id", computed("The account that it belongs to.")),
        ],
    )
}

async fn told(session: &Session, query: &Query) -> Result<Vec<Told>, ProviderError> {
    Ok(pages!(
        session,
        query,
        "DescribeSecurityGroups",
        describe_security_groups,
        set_group_ids,
        security_groups
    ))
}

/// The rules of one side.
fn told_rules(told: &Told, direction: Direction) -> Rules {
    let permissions = match direction {
        Direction::Ingress => told.ip_permissions(),
        Direction::Egress => told.ip_permissions_egress(),
    };
    let (own, owner) = (told.group_id().unwrap_or_default(), told.owner_id().unwrap_or_default());
    Rules::told(permissions, own, owner)
}

fn seen(session: &Session, region: &str, group: &Told) -> Seen {
    let id = group.group_id().unwrap_or_default().to_owned();
    let owner = group.owner_id().unwrap_or_default();
    let attributes = BTreeMap::from([
        ("name", text(group.group_name())),
        ("description", text(group.description())),
        ("vpc_id", text(group.vpc_id())),
        ("ingress", told_rules(group, Direction::Ingress).blocks()),
        ("egress", told_rules(group, Direction::Egress).blocks()),
        ("arn", format!("arn:aws:ec2:{region}:{owner}:security-group/{id}").into()),
        ("owner_id", owner.into()),
    ]);
    let tags = tagging::read(group.tags.as_deref());
    let phase = if tags.contains_key(UNFINISHED) { Phase::Pending } else { Phase::Ready };
    Seen::ready(id, attributes).tagged(session, tags).in_phase(phase)
}

/// The rules that blocks ask for; none where there are no blocks and none are asked to be none.
fn asked(given: Given<'_>, direction: Direction, own: &str) -> Option<Rules> {
    let is_given = given.0.get(direction.blocks()).is_some_and(|value| !value.is_null());
    is_given.then(|| Rules::asked(&given.blocks(direction.blocks()), own))
}

fn name(request: &CreateRequest) -> String {
    let given = Given(&request.arguments);
    given.text("name").unwrap_or_else(|| {
        let prefix = given.text("name_prefix");
        unique_name(prefix.as_deref().unwrap_or("provisioner-"), &request.token)
    })
}

#[async_trait]
impl Kind for SecurityGroup {
    fn name(&self) -> &'static str {
        "aws_security_group"
    }

    fn schema(&self) -> ResourceSchema {
        schema()
    }

    fn tag_type(&self) -> Option<ResourceType> {
        Some(ResourceType::SecurityGroup)
    }

    fn problems(&self, given: Given<'_>) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if let Some(name) = given.text("name") {
            if given.text("name_prefix").is_some() {
                let problem = "a group has a name or a prefix for one, not both";
                problems.push(("name_prefix", problem.to_owned()));
            }
            if name.starts_with("sg-") || name.is_empty() || name.len() > 255 {
                let problem =
                    format!("`{name}` must have 1 to 255 characters, and not begin with `sg-`");
                problems.push(("name", problem));
            }
        }
        for direction in Direction::ALL {
            let blocks = given.blocks(direction.blocks());
            let all = blocks.iter().flat_map(|block| rules::problems(Given(block)));
            problems.extend(all.map(|problem| (direction.blocks(), problem)));
        }
        problems
    }

    async fn describe(&self, session: &Session, query: &Query) -> Result<Vec<Seen>, ProviderError> {
        let all = told(session, query).await?;
        let region = session.region().await?;
        Ok(all.iter().map(|group| seen(session, region, group)).collect())
    }

    async fn complete(
        &self,
        _session: &Session,
        seen: &mut Seen,
        recorded: Given<'_>,
    ) -> Result<(), ProviderError> {
        for direction in Direction::ALL {
            let name = direction.blocks();
            let Some(known) = recorded.0.get(name) else { continue };
            let now = seen.attributes.remove(name).filter(|_| !known.is_null());
            let Some(now) = now else { continue };
            let meaning = Rules::asked(now.as_items().unwrap_or_default(), &seen.id);
            let is_same = asked(recorded, direction, &seen.id).is_some_and(|it| it == meaning);
            seen.attributes.insert(name, if is_same { known } else { now });
        }
        Ok(())
    }

    fn id_filter(&self) -> Option<&'static str> {
        Some("group-id")
    }

    async fn create(
        &self,
        session: &Arc<Session>,
        request: &CreateRequest,
    ) -> Result<String, ProviderError> {
        let given = Given(&request.arguments);
        let mut tags = tags_of(session, request);
        tags.insert(UNFINISHED.to_owned(), "it still lets everything out".to_owned());
        let description = given.text("description");
        let call = session
            .ec2()
            .await?
            .create_security_group()
            .group_name(name(request))
            .description(description.as_deref().unwrap_or(DESCRIPTION))
            .set_vpc_id(given.text("vpc_id"))
            .tag_specifications(tagging::specification(ResourceType::SecurityGroup, &tags));
        let id = match session.call("CreateSecurityGroup", call.send()).await {
            Err(error) if error.class == ErrorClass::Conflict => {
                made_before(session, request).await?.ok_or(error)?
            }
            made => made?.group_id.ok_or_else(|| no_id("CreateSecurityGroup"))?,
        };
        finish(session, &id, given).await.map_err(ProviderError::maybe_done)?;
        Ok(id)
    }

    async fn update(
        &self,
        session: &Session,
        request: &UpdateRequest,
    ) -> Result<(), ProviderError> {
        let (given, prior) = (Given(&request.arguments), Given(&request.prior));
        let changes = |direction: &Direction| given.differs(prior, direction.blocks());
        if Direction::ALL.iter().any(changes) {
            let group = one(session, &request.id).await?;
            for direction in Direction::ALL.into_iter().filter(changes) {
                if let Some(wanted) = asked(given, direction, &request.id) {
                    let now = told_rules(&group, direction);
                    rules::change(session, &request.id, direction, &now, &wanted).await?;
                }
            }
        }
        tagging::update(session, request).await
    }

    async fn delete(
        &self,
        session: &Session,
        request: &DeleteRequest,
    ) -> Result<(), ProviderError> {
        if Given(&request.attributes).flag(REVOKE) == Some(true) {
            let group = one(session, &request.id).await?;
            for direction in Direction::ALL {
                let now = told_rules(&group, direction);
                let none = Rules::default();
                rules::change(session, &request.id, direction, &now, &none).await?;
            }
        }
        let call = session.ec2().await?.delete_security_group().group_id(&request.id);
        session.call("DeleteSecurityGroup", call.send()).await.map(drop)
    }
}

async fn one(session: &Session, id: &str) -> Result<Told, ProviderError> {
    let all = told(session, &Query::Ids(vec![id.to_owned()])).await?;
    all.into_iter().next().ok_or_else(|| {
        let message = format!("`{id}` does not show");
        ProviderError::new(ErrorClass::NotFound, message)
    })
}

/// The group that an earlier sending of this very creation has made.
async fn made_before(
    session: &Session,
    request: &CreateRequest,
) -> Result<Option<String>, ProviderError> {
    let query = Query::Filters(vec![("group-name".to_owned(), vec![name(request)])]);
    let region = session.region().await?;
    let there = told(session, &query).await?;
    let seen = there.iter().map(|group| seen(session, region, group));
    Ok(seen.into_iter().find(|seen| is_made_by(seen, session, request)).map(|seen| seen.id))
}

/// Gives a new group its rules, which takes away the one that lets everything out, and then the tag that says it is
/// unfinished. What is finished already is left alone.
async fn finish(session: &Session, id: &str, given: Given<'_>) -> Result<(), ProviderError> {
    let group = one(session, id).await.map_err(|error| match error.class {
        ErrorClass::NotFound => ProviderError { class: ErrorClass::Transient, ..error },
        _ => error,
    })?;
    if !tagging::read(group.tags.as_deref()).contains_key(UNFINISHED) {
        return Ok(());
    }
    for direction in Direction::ALL {
        let now = told_rules(&group, direction);
        let wanted = asked(given, direction, id).unwrap_or_default();
        rules::change(session, id, direction, &now, &wanted).await?;
    }
    let tag = Tag::builder().key(UNFINISHED).build();
    let call = session.ec2().await?.delete_tags().resources(id).tags(tag);
    session.call("DeleteTags", call.send()).await.map(drop)
}
