//! How a machine came to be: the launch template it was made from, and how it is paid for. Its description does not say so as its
//! arguments do, and neither ever changes: both are asked for at an import only.
//!
//! AWS tags a machine with the id and the version of its template, as Terraform's provider reads them too; what a spot machine was
//! asked for with, its request says. Refuses to know: what is in a template.

use super::read::element;
use crate::arguments::{Given, text};
use crate::client::Session;
use crate::kind::Seen;
use aws_sdk_ec2::types::{InstanceInterruptionBehavior, SpotInstanceRequest, SpotInstanceType};
use model::{Number, Value};
use provider::{ErrorClass, ProviderError};

/// Tags that AWS writes on a machine of a template.
const TEMPLATE: &str = "aws:ec2launchtemplate:id";
const VERSION: &str = "aws:ec2launchtemplate:version";

/// Reads of it what the configuration says something of.
pub(super) async fn found(
    session: &Session,
    seen: &mut Seen,
    asked: Given<'_>,
) -> Result<(), ProviderError> {
    let name = "launch_template";
    if let Some(block) = asked.blocks(name).first() {
        let template = template(session, seen, Given(block)).await?;
        seen.attributes.insert(name, Value::list(element(session, name), template));
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
    asked: Given<'_>,
) -> Result<Option<Value>, ProviderError> {
    let Some(id) = seen.tags.get(TEMPLATE) else { return Ok(None) };
    let version = seen.tags.get(VERSION).map(String::as_str);
    let asked_version = asked.text("version");
    let named = match asked_version.as_deref() {
        Some("$Latest") => Some("latest_version"),
        Some("$Default") => Some("default_version"),
        _ => None,
    };
    let is_looked_at = named.is_some() || !asked.is_left_out("name");
    let described =
        if is_looked_at { session.look("aws_launch_template", id).await? } else { None };
    let told = |name: &str| described.as_ref().and_then(|seen| seen.attributes.get(name));
    // A word for the version that it has is as good as the number.
    let number = named.and_then(told).and_then(Value::as_number).and_then(Number::as_i64);
    let is_it = number.is_some_and(|number| Some(number.to_string().as_str()) == version);
    let version = if is_it { asked_version.as_deref() } else { version };
    Ok(Some(Value::object([
        ("id", text(Some(id))),
        ("name", text(told("name").and_then(Value::as_str))),
        ("version", text(version)),
    ])))
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
