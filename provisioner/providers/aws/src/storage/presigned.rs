//! The request to copy a snapshot, signed for the region that the snapshot is in: EC2 itself sends it there when an encrypted
//! snapshot is copied from another region (`PresignedUrl`). SDKs in other languages make it by themselves, that of Rust does not.
//!
//! Parameters: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CopySnapshot.html>.
//! Invariant: it is good for one hour, and for this copy alone. Refuses to know: whether a snapshot is encrypted.

use crate::client::Session;
use crate::error;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_sdk_ec2::config::endpoint::{DefaultResolver, Params, ResolveEndpoint as _};
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use provider::{ErrorClass, ProviderError};
use std::error::Error;
use std::time::{Duration, SystemTime};

const API: &str = "CopySnapshot";
/// The version of EC2's interface that parameters are of.
const VERSION: &str = "2016-11-15";
/// For how long a signature is good: EC2 sends the request when it gets to it.
const GOOD_FOR: Duration = Duration::from_hours(1);

/// A copy that is asked for.
struct Copy<'a> {
    snapshot: &'a str,
    from: &'a str,
    to: &'a str,
}

/// The signed request for a copy to the session's region.
pub(super) async fn url(
    session: &Session,
    snapshot: &str,
    from: &str,
) -> Result<String, ProviderError> {
    let copy = Copy { snapshot, from, to: session.region().await? };
    let endpoint = match session.endpoint("ec2").await? {
        // As others do it: a gateway's address that names the region names the other one then.
        Some(own) => own.replace(copy.to, copy.from),
        None => published(from).await?,
    };
    let unsigned = unsigned(&endpoint, &copy)?;
    let credentials = session.credentials().await?.ok_or_else(|| error::unsent(API, "no keys"))?;
    let credentials = credentials.provide_credentials().await;
    let credentials = credentials.map_err(|why| error::unsent(API, &why.to_string()))?;
    // The world's time, as for everything that the SDK signs.
    signed(&unsigned, from, credentials, SystemTime::now()).map_err(|why| refused(&*why))
}

fn refused(why: &(dyn Error + Send + Sync)) -> ProviderError {
    ProviderError::new(ErrorClass::Invalid, format!("{API}: the request cannot be signed: {why}"))
}

/// Where EC2 is in a region.
async fn published(region: &str) -> Result<String, ProviderError> {
    let params = Params::builder().region(region).build().map_err(|why| refused(&why))?;
    let found = DefaultResolver::new().resolve_endpoint(&params).await;
    found.map(|endpoint| endpoint.url().to_owned()).map_err(|why| refused(&*why))
}

/// The request without its signature, parameters in the order in which they are signed.
fn unsigned(endpoint: &str, copy: &Copy<'_>) -> Result<String, ProviderError> {
    let is_plain = |text: &str| text.chars().all(|it| it.is_ascii_alphanumeric() || it == '-');
    for (argument, text) in [("source_snapshot_id", copy.snapshot), ("source_region", copy.from)] {
        if text.is_empty() || !is_plain(text) {
            let message = format!("{API}: `{text}` cannot be the `{argument}` of a copy");
            return Err(ProviderError::new(ErrorClass::Invalid, message));
        }
    }
    let Copy { snapshot, from, to } = copy;
    let endpoint = endpoint.trim_end_matches('/');
    Ok(format!(
        "{endpoint}/?Action={API}&DestinationRegion={to}&SourceRegion={from}&SourceSnapshotId={snapshot}&Version={VERSION}"
    ))
}

fn signed(
    url: &str,
    region: &str,
    credentials: Credentials,
    now: SystemTime,
) -> Result<String, Box<dyn Error + Send + Sync>> {
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(GOOD_FOR);
    let identity = credentials.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("ec2")
        .time(now)
        .settings(settings)
        .build()?
        .into();
    let request = SignableRequest::new("GET", url, std::iter::empty(), SignableBody::Bytes(&[]))?;
    let (instructions, _) = sign(request, &params)?.into_parts();
    let mut request = http::Request::get(url).body(())?;
    instructions.apply_to_request_http1x(&mut request);
    Ok(request.uri().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const COPY: Copy<'static> =
        Copy { snapshot: "snap-0123456789abcdef0", from: "eu-west-1", to: "eu-central-1" };

    #[tokio::test]
    async fn the_request_goes_to_the_region_of_the_snapshot() {
        assert_eq!(published("eu-west-1").await.unwrap(), "https://ec2.eu-west-1.amazonaws.com");
        let china = published("cn-north-1").await.unwrap();
        assert_eq!(china, "https://ec2.cn-north-1.amazonaws.com.cn");
    }

    #[test]
    fn what_is_no_id_is_in_no_request() {
        let copy = Copy { snapshot: "snap-1&Action=DeleteSnapshot", ..COPY };
        let error = unsigned("https://ec2.eu-west-1.amazonaws.com", &copy).unwrap_err();
        assert_eq!(error.class, ErrorClass::Invalid);
        assert!(error.message.contains("`source_snapshot_id`"), "{error}");
    }

    /// What botocore 1.44 signs at that time with these keys: `SigV4QueryAuth(keys, "ec2", "eu-west-1", expires=3600)`.
    const SIGNATURE: &str = "ab7ca5cbfb213e3ef40311e823239bc02ff140559410ecb2012a077ea6bf032e";

    #[test]
    fn the_signature_is_that_of_other_sdks() {
        let url = unsigned("https://ec2.eu-west-1.amazonaws.com", &COPY).unwrap();
        let keys = Credentials::new(
            "AKIAIOSFODNN7EXAMPLE",
            "of-no-use-anywhere-else",
            Some("a+token/of=nobody".to_owned()),
            None,
            "test",
        );
        let now = SystemTime::UNIX_EPOCH + Duration::from_hours(24 * 20_454);
        let signed = signed(&url, "eu-west-1", keys, now).unwrap();
        let (_, signature) = signed.split_once("&X-Amz-Signature=").unwrap();
        assert_eq!(signature.split('&').next(), Some(SIGNATURE), "{signed}");
        assert!(signed.contains("&X-Amz-Date=20260101T000000Z"), "{signed}");
        assert!(signed.contains("&X-Amz-Security-Token=a%2Btoken%2Fof%3Dnobody"), "{signed}");
    }
}
