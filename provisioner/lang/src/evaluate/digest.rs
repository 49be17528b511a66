//! The digest of everything that went into an evaluation.

use super::graph::Graph;
use crate::input::InputValue;
use crate::source::relative;
use model::digest::sha256_hex;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::path::Path;

impl Graph<'_> {
    /// SHA-256 of the files of all modules in use, of files that functions read, and of the variables' values.
    pub(super) fn digest(&self) -> String {
        let mut parts: Vec<(String, String)> = Vec::new();
        let used: BTreeSet<_> = self.scopes.iter().map(|scope| &scope.module.directory).collect();
        let own = &self.configuration.directory;
        let holds_all = |place: &&Path| used.iter().all(|directory| directory.starts_with(place));
        let tree = own.ancestors().find(holds_all).unwrap_or(own);
        // The same tree is the same wherever it lies; what is outside of it is where it is.
        let name = |path: &Path| {
            let path = if path.starts_with(tree) { relative(own, path) } else { path.to_owned() };
            path.to_string_lossy().into_owned()
        };
        for directory in used {
            for file in self.configuration.texts.get(directory).into_iter().flatten() {
                let own = Path::new(file.name.as_ref()).file_name().unwrap_or_default();
                parts.push((
                    format!("file {}", name(&directory.join(own))),
                    sha256_hex(file.text.as_bytes()),
                ));
            }
        }
        for (path, content) in self.recorder.files() {
            parts.push((
                format!("read {}", name(&crate::source::normalise(&path))),
                sha256_hex(&content),
            ));
        }
        for (name, input) in &self.inputs.variables {
            let text = match &input.value {
                InputValue::Text(text) => text.clone(),
                InputValue::Value(value) => format!("{:?}", value.without_marks()),
            };
            parts.push((format!("variable {name}"), sha256_hex(text.as_bytes())));
        }
        parts.sort();
        let mut hasher = Sha256::new();
        for (name, digest) in parts {
            hasher.update(format!("{name}\0{digest}\n"));
        }
        model::digest::hex(&hasher.finalize())
    }
}
