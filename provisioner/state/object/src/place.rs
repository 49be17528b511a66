//! Where environments are kept: a bucket or container of S3, Google Cloud Storage or Azure Blob, named by a URL.
//!
//! Credentials come from the environment variables, files and metadata services that each cloud's own tools use;
//! arguments name places only, never secrets.
//! Refuses to know: what is kept there.

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use state::StateError;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What the arguments beside the URL may be, by the URL's scheme.
const ARGUMENTS: [(&str, &[&str]); 3] =
    [("s3", &["region", "endpoint"]), ("gs", &["endpoint"]), ("az", &["account", "endpoint"])];

/// A bucket or container, and a prefix in it.
#[derive(Clone)]
pub struct Place {
    /// The objects.
    pub objects: Arc<dyn ObjectStore>,
    /// Prefix of all names; empty or without slashes at its ends.
    pub prefix: String,
    /// The URL; it holds no secret.
    pub shown: String,
}

impl Place {
    /// Objects that are reached in another way, for tests.
    pub fn of(objects: Arc<dyn ObjectStore>, prefix: &str, shown: &str) -> Self {
        Self { objects, prefix: prefix.to_owned(), shown: shown.to_owned() }
    }

    /// From `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`. Arguments: `region` and `endpoint` for
    /// S3 (and what speaks its protocol), `endpoint` for Google Cloud Storage, `account` and `endpoint` for
    /// Azure. An endpoint that begins with `http://` is asked without encryption.
    pub fn parse(url: &str, arguments: &BTreeMap<String, String>) -> Result<Self, StateError> {
        let wrong = |why: String| unusable(url, why);
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let known = ARGUMENTS.iter().find(|(name, _)| *name == scheme);
        let (_, allowed) = known
            .ok_or_else(|| wrong("it begins with neither s3:// nor gs:// nor az://".to_owned()))?;
        if let Some(unknown) = arguments.keys().find(|name| !allowed.contains(&name.as_str())) {
            let allowed = allowed.join(", ");
            return Err(wrong(format!("it takes no argument `{unknown}`, only {allowed}")));
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() || bucket.contains(['@', ':', '?', '#']) || prefix.contains(['?', '#'])
        {
            return Err(wrong("it should be like s3://bucket/prefix, without secrets".to_owned()));
        }
        let objects =
            connect(scheme, bucket, arguments).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { objects, prefix: prefix.trim_matches('/').to_owned(), shown: url.to_owned() })
    }
}

fn unusable(url: &str, why: String) -> StateError {
    // What stands before an `@` may be a secret.
    let shown = url.rsplit_once('@').map_or(url, |(_, rest)| rest);
    StateError::Unreadable {
        path: shown.to_owned(),
        why,
        hint: "correct the place of the state in the environment's configuration; docs/state-object.md shows one for each cloud".to_owned(),
    }
}

fn connect(
    scheme: &str,
    bucket: &str,
    arguments: &BTreeMap<String, String>,
) -> object_store::Result<Arc<dyn ObjectStore>> {
    let endpoint = arguments.get("endpoint");
    let options = ClientOptions::new()
        // `remote` knows how much is sent and how long that may take.
        .with_timeout_disabled()
        .with_connect_timeout(CONNECT)
        .with_allow_http(endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")));
    Ok(match scheme {
        "s3" => {
            let mut builder = AmazonS3Builder::from_env()
                .with_bucket_name(bucket)
                .with_client_options(options)
                .with_retry(retry());
            if let Some(region) = arguments.get("region") {
                builder = builder.with_region(region);
            }
            if let Some(endpoint) = endpoint {
                builder = builder.with_endpoint(endpoint);
            }
            Arc::new(builder.build()?)
        }
        "gs" => {
            let mut builder = GoogleCloudStorageBuilder::from_env()
                .with_bucket_name(bucket)
                .with_client_options(options)
                .with_retry(retry());
            if let Some(endpoint) = endpoint {
                builder = builder.with_base_url(endpoint);
            }
            Arc::new(builder.build()?)
        }
        _ => {
            let mut builder = MicrosoftAzureBuilder::from_env()
                .with_container_name(bucket)
                .with_client_options(options)
                .with_retry(retry());
            if let Some(account) = arguments.get("account") {
                builder = builder.with_account(account);
            }
            if let Some(endpoint) = endpoint {
                builder = builder.with_endpoint(endpoint.clone());
            }
            Arc::new(builder.build()?)
        }
    })
}

const CONNECT: Duration = Duration::from_secs(5);

/// What is tried again within a request; `remote` tries again around it, whatever the store.
fn retry() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig::default(),
        max_retries: 2,
        retry_timeout: Duration::from_secs(20),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str, arguments: &[(&str, &str)]) -> Result<Place, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Place::parse(url, &arguments.iter().map(owned).collect()).map_err(|e| e.to_string())
    }

    #[test]
    fn each_cloud_has_its_url() {
        let s3 = parse("s3://bucket/team/state/", &[("region", "eu-central-1")]).unwrap();
        assert_eq!(
            (s3.prefix.as_str(), s3.shown.as_str()),
            ("team/state", "s3://bucket/team/state/")
        );
        assert!(s3.objects.to_string().contains("bucket"));
        let az = parse("az://container", &[("account", "acme")]).unwrap();
        assert_eq!(az.prefix, "");
        assert!(parse("gs://bucket/p", &[]).is_ok());
    }

    #[test]
    fn what_is_wrong_is_named_and_no_secret_is_shown() {
        for (url, arguments, told) in [
            ("ftp://bucket/p", &[][..], "neither s3:// nor gs:// nor az://"),
            ("s3:///p", &[], "s3://bucket/prefix"),
            ("s3://key:canary@bucket/p", &[], "without secrets"),
            ("gs://bucket/p", &[("region", "x")], "no argument `region`, only endpoint"),
            ("s3://bucket", &[("secret_access_key", "canary")], "no argument `secret_access_key`"),
        ] {
            let error = parse(url, arguments).err().unwrap();
            assert!(error.contains(told) && !error.contains("canary"), "{error}");
        }
    }
}
