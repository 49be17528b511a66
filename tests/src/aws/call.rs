//! One call to AWS, as the proxy understands a request: which service, region and operation, with which parameters.
//!
//! Invariant: no credential gets in here; of user data and bodies only their length is told.

use super::http::{Request, pairs};
use super::model::{Models, Service};
use std::collections::BTreeMap;

/// A call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The service, as credential scopes name it: `ec2`, `s3`, `sts`.
    pub service: String,
    /// The region of the credential scope.
    pub region: String,
    /// The operation; empty if it cannot be told.
    pub operation: String,
    /// EC2 and STS: the form's pairs. S3: `Bucket`, `Key` and the query.
    pub parameters: BTreeMap<String, String>,
}

impl Call {
    pub(super) fn of(request: &Request, models: &Models) -> Self {
        let (service, region) = scope(request.header("authorization").unwrap_or_default());
        let mut call =
            Self { service, region, operation: String::new(), parameters: BTreeMap::new() };
        if call.service == "s3" {
            call.parameters = request.query().into_iter().collect();
            call.parameters.extend(bucket_and_key(request));
            let found = models.s3.operation_of(request);
            found.unwrap_or_default().clone_into(&mut call.operation);
        } else {
            call.parameters = pairs(&String::from_utf8_lossy(&request.body)).into_iter().collect();
            call.operation = call.parameters.remove("Action").unwrap_or_default();
            // Whoever asks for a role with a token of somebody else has no key to sign with.
            if call.service.is_empty() && call.operation == "AssumeRoleWithWebIdentity" {
                "sts".clone_into(&mut call.service);
            }
        }
        call
    }

    /// A parameter's value.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// The values of a list: `name.1`, `name.2` and so on.
    pub fn list(&self, name: &str) -> Vec<&str> {
        (1..).map_while(|number| self.parameter(&format!("{name}.{number}"))).collect()
    }

    /// The filters by name: `Filter.N.Name`, `Filter.N.Value.M`.
    pub fn filters(&self) -> Vec<(&str, Vec<&str>)> {
        let filter = |number: usize| {
            let name = self.parameter(&format!("Filter.{number}.Name"))?;
            Some((name, self.list(&format!("Filter.{number}.Value"))))
        };
        (1..).map_while(filter).collect()
    }

    /// The call without one of its filters, and that filter's values; none if it does not have it.
    pub(super) fn without_filter(&self, name: &str) -> Option<(Self, Vec<String>)> {
        let owned = |(name, values): (&str, Vec<&str>)| {
            (name.to_owned(), values.into_iter().map(str::to_owned).collect::<Vec<_>>())
        };
        let mut filters: Vec<_> = self.filters().into_iter().map(owned).collect();
        let at = filters.iter().position(|(one, _)| one == name)?;
        let (_, values) = filters.remove(at);
        Some((self.with_filters(&filters), values))
    }

    /// The call with other filters.
    pub(super) fn with_filters(&self, filters: &[(String, Vec<String>)]) -> Self {
        let mut call = self.clone();
        call.parameters.retain(|name, _| !name.starts_with("Filter."));
        for (number, (name, values)) in (1..).zip(filters) {
            call.parameters.insert(format!("Filter.{number}.Name"), name.clone());
            let values = (1..)
                .zip(values)
                .map(|(place, value)| (format!("Filter.{number}.Value.{place}"), value.clone()));
            call.parameters.extend(values);
        }
        call
    }

    /// Tags that an object of a type gets when it is made.
    pub(super) fn tags(&self, of: &str) -> BTreeMap<String, String> {
        let mut tags = BTreeMap::new();
        for number in 1.. {
            let at = format!("TagSpecification.{number}");
            let Some(resource) = self.parameter(&format!("{at}.ResourceType")) else { break };
            let tag = |number: usize| {
                let key = self.parameter(&format!("{at}.Tag.{number}.Key"))?;
                let value = self.parameter(&format!("{at}.Tag.{number}.Value"));
                Some((key.to_owned(), value.unwrap_or_default().to_owned()))
            };
            if resource == of {
                tags.extend((1..).map_while(tag));
            }
        }
        tags
    }

    /// Whether it may change something.
    pub fn changes(&self) -> bool {
        let reading = ["Describe", "Get", "List", "Head", "Search", "Select"];
        !reading.iter().any(|prefix| self.operation.starts_with(prefix))
    }

    /// The call without what may be secret, to be kept in a log.
    pub(super) fn for_the_log(&self) -> Self {
        let mut call = self.clone();
        for (name, value) in &mut call.parameters {
            let is_secret = ["UserData", "UserData.Value", "WebIdentityToken"];
            if is_secret.iter().any(|end| name.ends_with(end)) {
                *value = format!("({} bytes)", value.len());
            }
        }
        call
    }
}

/// Service and region of a signature's credential scope.
fn scope(authorization: &str) -> (String, String) {
    let scope = authorization.split("Credential=").nth(1).unwrap_or_default();
    let mut parts = scope.split([',', ' ']).next().unwrap_or_default().split('/').skip(2);
    let region = parts.next().unwrap_or_default().to_owned();
    (parts.next().unwrap_or_default().to_owned(), region)
}

/// What the path of a request to S3 names.
fn bucket_and_key(request: &Request) -> Vec<(String, String)> {
    let path = request.path().trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let named = |name: &str, value: &str| (name.to_owned(), super::http::decoded(value));
    let both = [named("Bucket", bucket), named("Key", key)];
    both.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

impl Models {
    pub(super) fn of(&self, service: &str) -> Option<&Service> {
        match service {
            "ec2" => Some(&self.ec2),
            "s3" => Some(&self.s3),
            "sts" => Some(&self.sts),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scope_tells_service_and_region() {
        let text = "AWS4-HMAC-SHA256 Credential=AKID/20260101/eu-central-1/ec2/aws4_request, SignedHeaders=host, Signature=00";
        assert_eq!(scope(text), ("ec2".to_owned(), "eu-central-1".to_owned()));
        assert_eq!(scope("Basic abc"), (String::new(), String::new()));
    }

    #[test]
    fn lists_filters_and_tags_are_found() {
        let form = "InstanceId.1=i-1&InstanceId.2=i-2&Filter.1.Name=tag:a&Filter.1.Value.1=b&\
            TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=k&TagSpecification.1.Tag.1.Value=v&\
            TagSpecification.2.ResourceType=volume&TagSpecification.2.Tag.1.Key=other&UserData=c2VjcmV0";
        let call = Call {
            service: "ec2".to_owned(),
            region: String::new(),
            operation: "RunInstances".to_owned(),
            parameters: pairs(form).into_iter().collect(),
        };
        assert_eq!(call.list("InstanceId"), ["i-1", "i-2"]);
        assert_eq!(call.filters(), [("tag:a", vec!["b"])]);
        assert_eq!(call.tags("instance"), BTreeMap::from([("k".to_owned(), "v".to_owned())]));
        assert_eq!(call.for_the_log().parameter("UserData"), Some("(8 bytes)"));
        assert!(call.changes());
    }
}
