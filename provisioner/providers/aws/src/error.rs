//! What the SDK says of a failed call, as the port's errors.
//!
//! Codes and their meaning: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use provider::{ErrorClass, ProviderError};
use std::error::Error;

/// A failed call of an API.
pub(crate) fn failed<E>(api: &str, error: &SdkError<E, HttpResponse>) -> ProviderError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ServiceError(context) => {
            let code = context.err().code().unwrap_or_default();
            let said = context.err().message().unwrap_or("no explanation");
            let status = context.raw().status().as_u16();
            let class = class(code, status);
            let error =
                ProviderError::new(class, format!("{api}: {said} ({})", named(code, status)));
            let error = hinted(error, code);
            // The server fell over: whatever it had begun may have been done.
            if status >= 500 && class == ErrorClass::Transient { error.maybe_done() } else { error }
        }
        SdkError::ConstructionFailure(_) => {
            ProviderError::new(ErrorClass::Invalid, format!("{api}: {}", causes(error)))
        }
        SdkError::DispatchFailure(_) if lacks_credentials(error) => unsent(api, &causes(error)),
        SdkError::DispatchFailure(failure) => {
            let told = format!("{api}: {}", causes(error));
            let error = ProviderError::new(ErrorClass::Transient, told);
            // Nothing was sent where there was nobody to connect to.
            let nobody = failure.as_connector_error().is_some_and(is_refused);
            if nobody { error } else { error.maybe_done() }
        }
        _ => {
            let message = format!("{api}: {}", causes(error));
            ProviderError::new(ErrorClass::Transient, message).maybe_done()
        }
    }
}

/// Whether nothing was sent because there are no credentials to sign it with.
pub(crate) fn lacks_credentials<E>(error: &SdkError<E, HttpResponse>) -> bool
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let SdkError::DispatchFailure(failure) = error else { return false };
    failure.as_connector_error().is_none_or(aws_sdk_sts::error::ConnectorError::is_user)
        || is_credentials(&causes(error))
}

/// A call that is not sent, for want of credentials.
pub(crate) fn unsent(api: &str, why: &str) -> ProviderError {
    let error = ProviderError::new(ErrorClass::Denied, format!("{api}: {why}"));
    error.with_hint(
        "give credentials as for the AWS command line: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile (AWS_PROFILE, or `profile` of the provider), SSO, or the machine's own role",
    )
}

fn is_credentials(told: &str) -> bool {
    ["credential", "identity"].iter().any(|word| told.to_lowercase().contains(word))
}

fn is_refused(error: &aws_smithy_runtime_api::client::result::ConnectorError) -> bool {
    let mut source: Option<&dyn Error> = Some(error);
    while let Some(it) = source {
        if let Some(io) = it.downcast_ref::<std::io::Error>() {
            return io.kind() == std::io::ErrorKind::ConnectionRefused;
        }
        source = it.source();
    }
    false
}

/// An error and what it comes from, each told once.
fn causes(error: &dyn Error) -> String {
    let mut told = vec![error.to_string()];
    let mut source = error.source();
    while let Some(it) = source {
        let text = it.to_string();
        if told.last() != Some(&text) {
            told.push(text);
        }
        source = it.source();
    }
    told.join(": ")
}

fn named(code: &str, status: u16) -> String {
    if code.is_empty() { format!("HTTP status {status}") } else { code.to_owned() }
}

fn class(code: &str, status: u16) -> ErrorClass {
    match code {
        "RequestLimitExceeded"
        | "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestThrottled"
        | "RequestThrottledException"
        | "TooManyRequestsException"
        | "BandwidthLimitExceeded"
        | "PriorRequestNotComplete"
        | "SlowDown"
        | "SnapshotCreationPerVolumeRateExceeded" => ErrorClass::Throttled,
        "InternalError"
        | "InternalFailure"
        | "Unavailable"
        | "ServiceUnavailable"
        | "RequestTimeout"
        | "RequestTimeoutException"
        | "RequestExpired"
        // S3: another change of the same bucket is on its way.
        | "OperationAborted" => ErrorClass::Transient,
        "UnauthorizedOperation"
        | "AuthFailure"
        | "AccessDenied"
        | "AccessDeniedException"
        | "OptInRequired"
        | "InvalidClientTokenId"
        | "SignatureDoesNotMatch"
        | "ExpiredToken"
        | "Blocked"
        | "PendingVerification"
        | "UnrecognizedClientException" => ErrorClass::Denied,
        "InsufficientInstanceCapacity"
        | "InsufficientHostCapacity"
        | "InsufficientAddressCapacity"
        | "InsufficientVolumeCapacity"
        | "InsufficientFreeAddressesInSubnet"
        | "SpotMaxPriceTooLow" => ErrorClass::Quota,
        "DependencyViolation"
        | "IncorrectState"
        | "IncorrectInstanceState"
        | "VolumeInUse"
        | "ResourceInUse"
        | "IdempotentParameterMismatch"
        | "IdempotentInstanceTerminated"
        | "OperationNotPermitted"
        | "BucketAlreadyExists"
        | "BucketAlreadyOwnedByYou" => ErrorClass::Conflict,
        _ if code.ends_with("LimitExceeded") || code.ends_with("QuotaExceeded") => {
            ErrorClass::Quota
        }
        _ if code.ends_with(".NotFound")
            || code.ends_with("ID.Malformed")
            || code.ends_with("Id.Malformed")
            || code.ends_with(".Unknown")
            || code.ends_with("NotFound")
            || code.ends_with("NotFoundException")
            || code.starts_with("NoSuch") =>
        {
            ErrorClass::NotFound
        }
        _ if code.ends_with(".Duplicate")
            || code.ends_with("AlreadyExists")
            || code.ends_with(".InUse")
            || code.ends_with("AlreadyAssociated") =>
        {
            ErrorClass::Conflict
        }
        _ => match status {
            429 => ErrorClass::Throttled,
            500.. => ErrorClass::Transient,
            404 => ErrorClass::NotFound,
            401 | 403 => ErrorClass::Denied,
            _ => ErrorClass::Invalid,
        },
    }
}

fn hinted(error: ProviderError, code: &str) -> ProviderError {
    match code {
        "UnauthorizedOperation" | "AccessDenied" | "AccessDeniedException" => {
            error.with_hint("the identity that the plan shows lacks this permission: add it to its policy")
        }
        "AuthFailure" | "InvalidClientTokenId" | "SignatureDoesNotMatch" | "ExpiredToken" => {
            error.with_hint("the credentials are wrong or have expired: renew them")
        }
        "OptInRequired" => error.with_hint("the account has not enabled this region or product"),
        "InsufficientInstanceCapacity" => {
            error.with_hint("the zone has none of this machine type left just now: use another zone or type, or try later")
        }
        _ if code.ends_with("LimitExceeded") => {
            error.with_hint("a quota of the account is reached: raise it in Service Quotas, or use less")
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_their_classes() {
        for (code, status, expected) in [
            ("RequestLimitExceeded", 503, ErrorClass::Throttled),
            ("InternalError", 500, ErrorClass::Transient),
            ("InvalidVpcID.NotFound", 400, ErrorClass::NotFound),
            ("VpcLimitExceeded", 400, ErrorClass::Quota),
            ("InvalidGroup.Duplicate", 400, ErrorClass::Conflict),
            ("UnauthorizedOperation", 403, ErrorClass::Denied),
            ("InvalidParameterValue", 400, ErrorClass::Invalid),
            ("", 502, ErrorClass::Transient),
        ] {
            assert_eq!(class(code, status), expected, "{code}");
        }
    }
}
