//! `aws_launch_template`.

mod data;
mod schema;

use crate::arguments::{Given, filled, text, with};
use crate::client::Session;
use crate::compute::disk;
use crate::kind::{Kind, Seen, no_id, tags_of};
use crate::query::Query;
use crate::tagging;
use async_trait::async_trait;
use aws_sdk_ec2::types::{LaunchTemplate as Template, ResourceType};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::schema::ResourceSchema;
use model::{Number, Type, Value};
use provider::{CreateRequest, DeleteRequest, ErrorClass, ProviderError, UpdateRequest};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) struct LaunchTemplate;

pub(super) const NAME: &str = "aws_launch_template";

/// Templates of a page at most.
const PAGE: i32 = 200;

/// What is of the template and not of a version: a change of it makes no version.
const OWN: [&str; 6] =
    ["name", "update_default_version", "default_version", "tags", "tags_all", "latest_version"];

#[async_trait]
impl Kind for LaunchTemplate {
    fn name(&self) -> &'static str {
        NAME
    }

    fn schema(&self) -> ResourceSchema {
        schema::schema()
    }

    fn tag_type(&self) -> Option<ResourceType> {
        Some(ResourceType::LaunchTemplate)
    }

    fn problems(&self, given: Given<'_>) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        problems.extend(given.word("instance_initiated_shutdown_behavior", &["stop", "terminate"]));
        let encoded = given.text("user_data").map(|text| STANDARD.decode(text));
        if encoded.is_some_and(|decoded| decoded.is_err()) {
            let problem = "it is not Base64: use `base64encode(...)`";
            problems.push(("user_data", problem.to_owned()));
        }
        if given.flag("update_default_version") == Some(true)
            && given.0.get("default_version").is_some_and(|it| !it.is_null() && !it.is_unknown())
        {
            let problem = "give either it or `update_default_version`";
            problems.push(("default_version", problem.to_owned()));
        }
        for block in given.blocks("block_device_mappings") {
            for ebs in Given(&block).blocks("ebs") {
                let told = disk::problems(Given(&ebs)).into_iter();
                problems.extend(told.map(|problem| ("block_device_mappings", problem)));
            }
        }
        problems
    }

    async fn describe(&self, session: &Session, query: &Query) -> Result<Vec<Seen>, ProviderError> {
        let all = described(session, query).await?;
        let region = session.region().await?;
        let account = &session.caller().await?.account;
        let seen = all.into_iter().map(|template| {
            let id = template.launch_template_id().unwrap_or_default().to_owned();
            let attributes = BTreeMap::from([
                ("name", text(template.launch_template_name())),
                ("default_version", version(template.default_version_number())),
                ("latest_version", version(template.latest_version_number())),
                ("arn", format!("arn:aws:ec2:{region}:{account}:launch-template/{id}").into()),
            ]);
            Seen::ready(id, attributes).tagged(session, tagging::read(template.tags.as_deref()))
        });
        Ok(seen.collect())
    }

    /// A version never changes: it is read only where there is a newer one than is recorded.
    async fn found(
        &self,
        session: &Session,
        seen: &mut Seen,
        asked: Given<'_>,
    ) -> Result<(), ProviderError> {
        // No version of it has been read before.
        let nothing_read = with(asked.0, "latest_version", 0.into());
        self.complete(session, seen, Given(&nothing_read)).await
    }

    async fn complete(
        &self,
        session: &Session,
        seen: &mut Seen,
        recorded: Given<'_>,
    ) -> Result<(), ProviderError> {
        let is_new = recorded.is_left_out("latest_version");
        let is_asked = recorded.0.as_entries().is_some_and(|entries| !entries.is_empty());
        if is_asked && recorded.is_left_out("default_version") {
            seen.attributes.remove("default_version");
        }
        let latest = seen.attributes.get("latest_version");
        let known = recorded.0.get("latest_version");
        let is_recorded =
            latest.zip(known.as_ref()).is_some_and(|(one, other)| one.same_content(other));
        if is_recorded || (is_new && is_asked) {
            return Ok(());
        }
        let call = session
            .ec2()
            .await?
            .describe_launch_template_versions()
            .launch_template_id(&seen.id)
            .versions("$Latest");
        let answer = session.call("DescribeLaunchTemplateVersions", call.send()).await?;
        let Some(found) = answer.launch_template_versions.unwrap_or_default().pop() else {
            return Ok(());
        };
        seen.attributes.insert("description", filled(found.version_description()));
        if let Some(told) = found.launch_template_data() {
            seen.attributes.extend(data::told(told));
        }
        Ok(())
    }

    async fn create(
        &self,
        session: &Arc<Session>,
        request: &CreateRequest,
    ) -> Result<String, ProviderError> {
        let given = Given(&request.arguments);
        let tags = tagging::specification(ResourceType::LaunchTemplate, &tags_of(session, request));
        // The same token, the same name.
        let name = given.text("name");
        let name = name.unwrap_or_else(|| format!("provisioner-{:.20}", request.token));
        let call = session
            .ec2()
            .await?
            .create_launch_template()
            .client_token(&request.token)
            .launch_template_name(name)
            .set_version_description(given.text("description"))
            .launch_template_data(data::asked(given))
            .tag_specifications(tags);
        let made = session.call("CreateLaunchTemplate", Box::pin(call.send())).await?;
        let id = made.launch_template.and_then(|template| template.launch_template_id);
        id.ok_or_else(|| no_id("CreateLaunchTemplate"))
    }

    async fn update(
        &self,
        session: &Session,
        request: &UpdateRequest,
    ) -> Result<(), ProviderError> {
        let (given, before) = (Given(&request.arguments), Given(&request.prior));
        let names =
            request.arguments.as_entries().into_iter().flat_map(model::value::Entries::keys);
        let mut of_version = names.filter(|name| !OWN.contains(&name.as_ref()));
        let number = |given: Given<'_>, name: &str| given.0.get(name).as_ref().and_then(whole);
        let mut latest = number(before, "latest_version");
        if of_version.any(|name| given.differs(before, name)) {
            latest = Some(new_version(session, request).await?);
        }
        let follows = given.flag("update_default_version") == Some(true);
        let asked = number(given, "default_version");
        // Where the default follows, it may have stayed behind when an earlier call was cut off.
        let default = if follows {
            latest
        } else {
            asked.filter(|_| given.differs(before, "default_version"))
        };
        if let Some(default) = default {
            let call = session
                .ec2()
                .await?
                .modify_launch_template()
                .launch_template_id(&request.id)
                .default_version(default.to_string());
            session.call("ModifyLaunchTemplate", call.send()).await?;
        }
        tagging::update(session, request).await
    }

    async fn delete(
        &self,
        session: &Session,
        request: &DeleteRequest,
    ) -> Result<(), ProviderError> {
        let call = session.ec2().await?.delete_launch_template().launch_template_id(&request.id);
        session.call("DeleteLaunchTemplate", call.send()).await.map(drop)
    }
}

/// All that a query is for: this description's pages are shorter than others'.
async fn described(session: &Session, query: &Query) -> Result<Vec<Template>, ProviderError> {
    let mut all = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let asking = session
            .ec2()
            .await?
            .describe_launch_templates()
            .set_launch_template_ids(query.ids())
            .set_filters(query.filters())
            .set_max_results(query.page().map(|page| page.min(PAGE)))
            .set_next_token(next.take());
        let page = session.call("DescribeLaunchTemplates", asking.send()).await?;
        all.extend(page.launch_templates.unwrap_or_default());
        next = page.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(all);
        }
    }
}

fn version(number: Option<i64>) -> Value {
    number.map_or_else(|| Value::null(Type::Number), Value::from)
}

fn whole(value: &Value) -> Option<i64> {
    value.as_number().and_then(Number::as_i64)
}

/// A new version; its number.
async fn new_version(session: &Session, request: &UpdateRequest) -> Result<i64, ProviderError> {
    let given = Given(&request.arguments);
    let call = session
        .ec2()
        .await?
        .create_launch_template_version()
        .client_token(&request.token)
        .launch_template_id(&request.id)
        .set_version_description(given.text("description"))
        .launch_template_data(data::asked(given));
    let made = session.call("CreateLaunchTemplateVersion", Box::pin(call.send())).await?;
    made.launch_template_version.and_then(|it| it.version_number).ok_or_else(|| {
        let message = "CreateLaunchTemplateVersion: no number in the answer";
        ProviderError::new(ErrorClass::Transient, message).maybe_done()
    })
}
