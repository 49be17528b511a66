//! How a machine came to be: the launch template it was made from, and how it is paid for. Its description does not say so as its
//! arguments do, and neither ever changes: both are asked for at an import only. What changes is which version a template's default
//! or latest one is: a machine that follows it and has another version is told with that, as by Terraform's provider.
//!
//! AWS tags a machine with the id and the version of its template, as Terraform's provider reads them too; what a spot machine was
//! asked for with, its request says. Refuses to know: what is in a template.

use super::read::element;
use crate::arguments::{Given, text, with, within};
use crate::client::Session;
use crate::compute::launch_template;
use crate::kind::Seen;
use aws_sdk_ec2::types::{InstanceInterruptionBehavior, SpotInstanceRequest, SpotInstanceType};
use model::{Number, Value};
use provider::{ErrorClass, ProviderError};

/// The argument that names the template.
pub(super) const TEMPLATES: &str = "launch_template";

/// Tags that AWS writes on a machine of a template.
const TEMPLATE: &str = "aws:ec2launchtemplate:id";
const VERSION: &str = "aws:ec2launchtemplate:version";

/// Reads of it what the configuration says something of.
pub(super) async fn found(
    session: &Session,
    seen: &mut Seen,
    asked: Given<'_>,
) -> Result<(), ProviderError> {
    if let Some(block) = asked.blocks(TEMPLATES).first() {
        let template = template(session, seen, block).await?;
        seen.attributes.insert(TEMPLATES, Value::list(element(session, TEMPLATES), template));
    }
    let name = "instance_market_options";
    if let Some(block) = asked.blocks(name).first() {
        let market = market(session, seen, Given(block)).await?;
        seen.attributes.insert(name, Value::list(element(session, name), market));
    }
    Ok(())
}

/// The template of a machine, as far as it was made from one.
async fn template(
    session: &Session,
    seen: &Seen,
    block: &Value,
) -> Result<Option<Value>, ProviderError> {
    let asked = Given(block);
    let Some(id) = seen.tags.get(TEMPLATE) else { return Ok(None) };
    let is_looked_at = followed(asked).is_some() || !asked.is_left_out("name");
    let described =
        if is_looked_at { session.look(launch_template::NAME, id).await? } else { None };
    let name = described.as_ref().and_then(|seen| seen.attributes.get("name"));
    let told = Value::object([
        ("id", text(Some(id))),
        ("name", text(name.and_then(Value::as_str))),
        ("version", text(version(seen, described.as_ref(), asked).as_deref())),
    ]);
    let version = told.get("version").unwrap_or_else(|| text(None));
    // Left out of the configuration is the version only, which is the default one then.
    Ok(Some(with(&within(&told, block), "version", version)))
}

/// What a template tells the version by that a machine follows; none where its configuration names one by its number.
fn followed(asked: Given<'_>) -> Option<&'static str> {
    match asked.text("version").as_deref() {
        Some("$Latest") => Some("latest_version"),
        Some("$Default") | None => Some("default_version"),
        Some(_) => None,
    }
}

/// The version of a machine's template: as it is asked for where that means the one that it has, otherwise its number.
fn version(seen: &Seen, described: Option<&Seen>, asked: Given<'_>) -> Option<String> {
    let own = seen.tags.get(VERSION);
    let told = followed(asked).and_then(|name| described?.attributes.get(name));
    let number = told.and_then(Value::as_number).and_then(Number::as_i64);
    let is_it = number.is_some_and(|number| own == Some(&number.to_string()));
    if is_it { asked.text("version") } else { own.cloned() }
}

/// The template whose version a machine follows that is recorded.
pub(super) fn template_of(seen: &Seen, recorded: Given<'_>) -> Option<String> {
    // One that has just been made has the version that it was to have.
    recorded.text("launch_time")?;
    let block = recorded.blocks(TEMPLATES).pop()?;
    followed(Given(&block))?;
    seen.tags.get(VERSION)?;
    seen.tags.get(TEMPLATE).cloned()
}

/// Tells of a recorded machine the version that it has, where that is no more the one that it follows.
pub(super) fn outdated(session: &Session, seen: &mut Seen, template: &Seen, recorded: Given<'_>) {
    let Some(block) = recorded.blocks(TEMPLATES).pop() else { return };
    let asked = Given(&block);
    let now = version(seen, Some(template), asked);
    if now != asked.text("version") {
        let block = with(&block, "version", text(now.as_deref()));
        seen.attributes.insert(TEMPLATES, Value::list(element(session, TEMPLATES), [block]));
    }
}

/// How a machine is paid for, as far as it is not as most are.
async fn market(
    session: &Session,
    seen: &Seen,
    asked: Given<'_>,
) -> Result<Option<Value>, ProviderError> {
    let told = |name: &str| seen.attributes.get(name).and_then(Value::as_str);
    let Some(lifecycle) = told("instance_lifecycle") else { return Ok(None) };
    let options = match (asked.blocks("spot_options").pop(), told("spot_instance_request_id")) {
        (Some(asked), Some(id)) => {
            let request = request(session, id).await?;
            // One that shows no more says nothing else than was asked for.
            Some(request.map_or_else(|| asked.clone(), |it| options(&it, Given(&asked))))
        }
        (asked, _) => asked,
    };
    let options = options.map(|block| Value::list(block.ty(), [block.clone()]));
    let market = asked.0.as_entries().into_iter().flatten();
    let field = |(name, given): (&std::sync::Arc<str>, &Value)| {
        let value = match name.as_ref() {
            "market_type" => lifecycle.into(),
            "spot_options" => options.clone().unwrap_or_else(|| given.clone()),
            _ => given.clone(),
        };
        (name.clone(), value)
    };
    Ok(Some(Value::object(market.map(field))))
}

async fn request(
    session: &Session,
    id: &str,
) -> Result<Option<SpotInstanceRequest>, ProviderError> {
    let call = session.ec2().await?.describe_spot_instance_requests().spot_instance_request_ids(id);
    match session.call("DescribeSpotInstanceRequests", call.send()).await {
        Ok(answer) => Ok(answer.spot_instance_requests.unwrap_or_default().pop()),
        Err(error) if error.class == ErrorClass::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn options(request: &SpotInstanceRequest, asked: Given<'_>) -> Value {
    let price = request.spot_price();
    // AWS writes a price with six digits behind the point.
    let amount = |text: &str| text.parse::<f64>().ok();
    let asked_price = asked.text("max_price");
    let is_same = asked_price.as_deref().and_then(amount) == price.and_then(amount);
    let price = if is_same { asked_price.as_deref() } else { price };
    let behaviour =
        request.instance_interruption_behavior().map(InstanceInterruptionBehavior::as_str);
    Value::object([
        ("max_price", text(price)),
        ("spot_instance_type", text(request.r#type().map(SpotInstanceType::as_str))),
        ("instance_interruption_behavior", text(behaviour)),
    ])
}
