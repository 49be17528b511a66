//! The profile of the shared configuration that a provider block or the environment names.
//!
//! Refuses to know: what a profile says; the SDK reads that.

use aws_config::profile;
use aws_types::os_shim_internal::{Env, Fs};
use provider::{ErrorClass, ProviderError};
use std::borrow::Cow;

/// Names in a hint at most.
const NAMED: usize = 10;
/// What the SDK takes when nobody names a profile.
const DEFAULT: &str = "default";
/// Files with profiles: what says where one is, and where it is otherwise.
const FILES: [(&str, &str); 2] =
    [("AWS_CONFIG_FILE", "~/.aws/config"), ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")];

/// What is to be said of a profile that was chosen and is in no file; none where all is well, or where the files cannot be read,
/// which the SDK tells.
#[expect(clippy::default_trait_access, reason = "the SDK does not give the type a name of its own")]
pub(crate) async fn missing(chosen: Option<&str>) -> Option<ProviderError> {
    let env = Env::real();
    let chosen_here = chosen.map(|name| Cow::Owned(name.to_owned()));
    let found = profile::load(&Fs::real(), &env, &Default::default(), chosen_here).await.ok()?;
    let name = found.selected_profile();
    if found.get_profile(name).is_some() || (chosen.is_none() && name == DEFAULT) {
        return None;
    }
    let [config, credentials] =
        FILES.map(|(variable, path)| env.get(variable).unwrap_or_else(|_| path.to_owned()));
    let by = if chosen.is_some() { "" } else { ", which AWS_PROFILE names," };
    let message = format!("the profile `{name}`{by} is in neither `{config}` nor `{credentials}`");
    let mut there: Vec<&str> = found.profiles().collect();
    there.sort_unstable();
    Some(ProviderError::new(ErrorClass::Invalid, message).with_hint(hint(&there)))
}

/// What signs somebody in again where the chosen profile gets its credentials from a portal; none where it does not.
#[expect(clippy::default_trait_access, reason = "the SDK does not give the type a name of its own")]
pub(crate) async fn sign_in(chosen: Option<&str>) -> Option<String> {
    let chosen = chosen.map(|name| Cow::Owned(name.to_owned()));
    let found = profile::load(&Fs::real(), &Env::real(), &Default::default(), chosen).await.ok()?;
    let name = found.selected_profile();
    let profile = found.get_profile(name)?;
    let is_of_a_portal =
        ["sso_session", "sso_start_url"].iter().any(|key| profile.get(key).is_some());
    is_of_a_portal.then(|| format!("aws sso login --profile {name}"))
}

fn hint(there: &[&str]) -> String {
    let (named, others) = there.split_at(there.len().min(NAMED));
    let more =
        if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
    match named {
        [] => "there are no profiles in them: `aws configure --profile NAME` makes one; AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE say where else to look".to_owned(),
        named => format!("the profiles there are: {}{more}", named.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_names_some_profiles() {
        assert_eq!(hint(&["a", "b"]), "the profiles there are: a, b");
        let many: Vec<String> = (10..30).map(|number| number.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(hint(&many).ends_with("18, 19 and 10 more"));
        assert!(hint(&[]).contains("aws configure"));
    }
}
