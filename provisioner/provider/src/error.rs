//! Errors of providers: what happened, to what, and whether trying again can help.

/// Whether and how trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// Too many requests: later.
    Throttled,
    /// A passing fault: again, soon.
    Transient,
    /// Something else holds it: maybe later.
    Conflict,
    /// A limit of the account or machine is reached.
    Quota,
    /// The request can never succeed as it is.
    Invalid,
    /// Not allowed.
    Denied,
    /// It is not there.
    NotFound,
}

impl ErrorClass {
    /// Whether the same request may succeed when sent again soon.
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::Throttled | Self::Transient)
    }
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProviderError {
    /// Whether and how trying again can help.
    pub class: ErrorClass,
    /// What happened, naming the object; never a secret.
    pub message: String,
    /// Further explanation (causes, output of a command); may be empty.
    pub detail: String,
    /// What to do.
    pub hints: Vec<String>,
    /// Whether the call may have changed something all the same (its answer was lost): the outcome is
    /// then not known, and recovery looks it up.
    pub outcome_unknown: bool,
    /// After how many milliseconds the cloud said that it can be asked again; none if it said nothing.
    pub retry_after_ms: Option<u64>,
}

impl ProviderError {
    /// A new error after which nothing has changed.
    pub fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        Self {
            class,
            message: message.into(),
            detail: String::new(),
            hints: Vec::new(),
            outcome_unknown: false,
            retry_after_ms: None,
        }
    }

    /// With further explanation.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// With advice.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The cloud said when to ask again.
    #[must_use]
    pub fn retry_after(mut self, wait_ms: u64) -> Self {
        self.retry_after_ms = Some(wait_ms);
        self
    }

    /// The call may have had its effect.
    #[must_use]
    pub fn maybe_done(mut self) -> Self {
        self.outcome_unknown = true;
        self
    }
}
