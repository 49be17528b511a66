//! The SDK's clients of one provider configuration, and the one way to call them.
//!
//! Invariant: whatever is sent has waited its turn, is sent once, and its failure is told to the limiter.

use crate::compute::{self, instance::Credits};
use crate::configuration::{Configuration, Keys};
use crate::kind::Seen;
use crate::looks::{self, Looks};
use crate::together::Together;
use crate::{error, limits, profile};
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use model::schema::ResourceSchema;
use provider::limits::Limiter;
use provider::{Clock, ErrorClass, Owner, ProviderError};
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::OnceCell;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Who calls, as AWS knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) account: String,
    pub(crate) arn: String,
    pub(crate) user: String,
}

/// What every call needs.
pub(crate) struct Session {
    pub(crate) configuration: Configuration,
    pub(crate) owner: Owner,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) schemas: BTreeMap<String, ResourceSchema>,
    limiter: Arc<Limiter>,
    /// Creations of many objects by one call.
    pub(crate) together: Together,
    looks: Looks,
    /// Of those who wait.
    waits: Looks,
    /// Processor credits of instances.
    pub(crate) credits: Credits,
    shared: OnceCell<Shared>,
    caller: OnceCell<Caller>,
    /// What is to be said where there are no credentials because the profile of the environment is missing.
    missing_profile: OnceLock<ProviderError>,
    /// What signs in again where the credentials are those of somebody who has signed in.
    sign_in: OnceLock<String>,
}

struct Shared {
    region: String,
    loaded: SdkConfig,
    ec2: aws_sdk_ec2::Client,
    s3: aws_sdk_s3::Client,
    sts: aws_sdk_sts::Client,
}

impl Session {
    pub(crate) fn new(
        configuration: Configuration,
        owner: Owner,
        schemas: BTreeMap<String, ResourceSchema>,
        limiter: Arc<Limiter>,
        clock: Arc<dyn Clock>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|session| {
            let (shared, caller) = (OnceCell::new(), OnceCell::new());
            let (together, looks) = (Together::default(), looks::of(session, &clock));
            let waits = looks::waiting(session, &clock);
            let credits = compute::instance::credits(session, clock.clone());
            Self {
                configuration,
                owner,
                clock,
                schemas,
                limiter,
                together,
                looks,
                waits,
                credits,
                shared,
                caller,
                missing_profile: OnceLock::new(),
                sign_in: OnceLock::new(),
            }
        })
    }

    /// One object of a type, with others that are looked at in the same moment.
    pub(crate) async fn look(&self, kind: &str, id: &str) -> Result<Option<Seen>, ProviderError> {
        self.looks[kind].ask(id.to_owned()).await
    }

    /// Objects of a type, in their order; a thousand are one call.
    pub(crate) async fn look_all(
        &self,
        kind: &str,
        ids: Vec<String>,
    ) -> Vec<Result<Option<Seen>, ProviderError>> {
        self.looks[kind].ask_all(ids).await
    }

    /// The same for those who wait for something: all who do are looked at in the same rounds.
    pub(crate) async fn look_in_turn(
        &self,
        kind: &str,
        ids: Vec<String>,
    ) -> Vec<Result<Option<Seen>, ProviderError>> {
        self.waits[kind].ask_all(ids).await
    }

    /// The clients, made when they are first needed: finding credentials may ask the network.
    async fn shared(&self) -> Result<&Shared, ProviderError> {
        self.shared.get_or_try_init(|| self.connect()).await
    }

    async fn connect(&self) -> Result<Shared, ProviderError> {
        let configuration = &self.configuration;
        let timeout = Duration::from_millis(configuration.timeout_ms);
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(timeout.min(CONNECT_TIMEOUT))
            .read_timeout(timeout)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts);
        if let Some(region) = &configuration.region {
            loader = loader.region(Region::new(region.clone()));
        }
        let missing = profile::missing(configuration.profile.as_deref()).await;
        if let Some(profile) = &configuration.profile {
            // Other credentials might be somebody else's.
            if let Some(missing) = missing.clone().filter(|_| configuration.keys.is_none()) {
                return Err(missing);
            }
            loader = loader.profile_name(profile);
        }
        if let Some(missing) = missing {
            // Said only if there are no other credentials. A second attempt to connect finds the same.
            let _ = self.missing_profile.set(missing);
        }
        if let Some(sign_in) = profile::sign_in(configuration.profile.as_deref()).await {
            let _ = self.sign_in.set(sign_in);
        }
        if let Some(Keys { access_key, secret_key, token }) = configuration.keys.clone() {
            let keys = Credentials::new(access_key, secret_key, token, None, "provider block");
            loader = loader.credentials_provider(keys);
        }
        let loaded = loader.load().await;
        let region = loaded.region().map(ToString::to_string).ok_or_else(|| {
            ProviderError::new(ErrorClass::Invalid, "the provider `aws` has no region")
                .with_hint("write `region = \"eu-central-1\"` into its block, or set AWS_REGION")
        })?;
        let shared = self.clients(&loaded, region);
        self.check_account(&shared).await?;
        Ok(shared)
    }

    /// Refuses accounts that the configuration refuses, before anything else is asked of them.
    async fn check_account(&self, shared: &Shared) -> Result<(), ProviderError> {
        let Configuration { allowed_account_ids, forbidden_account_ids, .. } = &self.configuration;
        if allowed_account_ids.is_none() && forbidden_account_ids.is_empty() {
            return Ok(());
        }
        let account = &self.caller_of(shared).await?.account;
        let is_allowed = allowed_account_ids.as_ref().is_none_or(|ids| ids.contains(account));
        if is_allowed && !forbidden_account_ids.contains(account) {
            return Ok(());
        }
        let message = format!(
            "the credentials are of the account {account}, which the provider `aws` must not touch"
        );
        Err(ProviderError::new(ErrorClass::Denied, message)
            .with_hint("use credentials of an account that `allowed_account_ids` and `forbidden_account_ids` allow"))
    }

    fn clients(&self, loaded: &SdkConfig, region: String) -> Shared {
        let endpoints = &self.configuration.endpoints;
        let mut ec2 = aws_sdk_ec2::config::Builder::from(loaded);
        let mut s3 = aws_sdk_s3::config::Builder::from(loaded)
            .force_path_style(self.configuration.s3_use_path_style);
        let mut sts = aws_sdk_sts::config::Builder::from(loaded);
        if let Some(url) = endpoints.get("ec2") {
            ec2 = ec2.endpoint_url(url);
        }
        if let Some(url) = endpoints.get("s3") {
            s3 = s3.endpoint_url(url);
        }
        if let Some(url) = endpoints.get("sts") {
            sts = sts.endpoint_url(url);
        }
        Shared {
            region,
            loaded: loaded.clone(),
            ec2: aws_sdk_ec2::Client::from_conf(ec2.build()),
            s3: aws_sdk_s3::Client::from_conf(s3.build()),
            sts: aws_sdk_sts::Client::from_conf(sts.build()),
        }
    }

    pub(crate) async fn region(&self) -> Result<&str, ProviderError> {
        Ok(&self.shared().await?.region)
    }

    pub(crate) async fn ec2(&self) -> Result<&aws_sdk_ec2::Client, ProviderError> {
        Ok(&self.shared().await?.ec2)
    }

    pub(crate) async fn s3(&self) -> Result<&aws_sdk_s3::Client, ProviderError> {
        Ok(&self.shared().await?.s3)
    }

    /// The address that is asked instead of the service's own, if there is one.
    pub(crate) async fn endpoint(&self, service: &str) -> Result<Option<&str>, ProviderError> {
        let own = self.configuration.endpoints.get(service).map(String::as_str);
        Ok(own.or(self.shared().await?.loaded.endpoint_url()))
    }

    /// What finds the credentials.
    pub(crate) async fn credentials(
        &self,
    ) -> Result<Option<SharedCredentialsProvider>, ProviderError> {
        Ok(self.shared().await?.loaded.credentials_provider())
    }

    /// Who calls; asked once.
    pub(crate) async fn caller(&self) -> Result<&Caller, ProviderError> {
        self.caller_of(self.shared().await?).await
    }

    async fn caller_of(&self, shared: &Shared) -> Result<&Caller, ProviderError> {
        self.caller.get_or_try_init(|| self.ask_caller(shared)).await
    }

    async fn ask_caller(&self, shared: &Shared) -> Result<Caller, ProviderError> {
        let asking = shared.sts.get_caller_identity();
        let answer = self.call("GetCallerIdentity", asking.send()).await?;
        Ok(Caller {
            account: answer.account.unwrap_or_default(),
            arn: answer.arn.unwrap_or_default(),
            user: answer.user_id.unwrap_or_default(),
        })
    }

    /// Waits for a turn at an API, calls, and tells the limiter if that was one call too many.
    pub(crate) async fn call<T, E>(
        &self,
        api: &'static str,
        sending: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, ProviderError>
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        debug_assert!(limits::is_known(api), "{api} is in no list of `limits`");
        self.limiter.take(api).await;
        sending.await.map_err(|error| {
            let lacks_credentials = error::lacks_credentials(&error);
            if let Some(missing) = self.missing_profile.get().filter(|_| lacks_credentials) {
                return missing.clone();
            }
            let error = error::failed(api, &error);
            if let Some(sign_in) = self.sign_in.get().filter(|_| lacks_credentials) {
                let hints = vec![format!("sign in again: `{sign_in}`")];
                return ProviderError { hints, ..error };
            }
            if error.class == ErrorClass::Throttled {
                self.limiter.throttled(api, error.retry_after_ms);
            }
            error
        })
    }

    /// Waits for so many turns more, at a limit on what a call may ask for.
    pub(crate) async fn take(&self, limit: &str, count: u32) {
        for _ in 0..count {
            self.limiter.take(limit).await;
        }
    }
}
