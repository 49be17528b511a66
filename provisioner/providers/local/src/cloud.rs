//! A local cloud: its directory, the program that it starts again, and how nodes are kept apart.
//!
//! All calls block; the provider runs them on threads for blocking work.

use crate::error::LocalError;
use crate::launch::find_isolation;
use crate::layout::Layout;
use crate::record::Isolation;
use crate::snapshot::Known;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// A local cloud. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Cloud {
    layout: Layout,
    executable: PathBuf,
    isolation: Arc<OnceLock<(Isolation, Option<String>)>>,
    pub(crate) known: Known,
}

impl Cloud {
    /// A cloud in an absolute directory; `executable` must call [`crate::internal_main`] first thing.
    pub fn new(directory: PathBuf, executable: PathBuf) -> Self {
        let layout = Layout::new(directory);
        Self { layout, executable, isolation: Arc::default(), known: Known::default() }
    }

    /// The same cloud, with nodes always kept apart in this way.
    #[must_use]
    pub fn with_isolation(self, isolation: Isolation) -> Self {
        let chosen = Arc::new(OnceLock::from((isolation, None)));
        Self { isolation: chosen, ..self }
    }

    /// Where everything lies.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The program to start again.
    pub fn executable(&self) -> &Path {
        &self.executable
    }

    /// How nodes are kept apart here, and if not by namespaces, why.
    pub fn isolation(&self) -> Result<&(Isolation, Option<String>), LocalError> {
        if let Some(known) = self.isolation.get() {
            return Ok(known);
        }
        let found = find_isolation(&self.executable)?;
        Ok(self.isolation.get_or_init(|| found))
    }
}
