//! What the configuration says is not managed any more while its objects stay.

use model::moves::Removal;
use model::{Address, PathStep};
use std::collections::HashMap;

/// Statements by what they may match: resource type and name, or the name of a module.
pub(crate) struct Removals<'d> {
    resources: HashMap<(&'d str, &'d str), Vec<&'d Removal>>,
    modules: HashMap<&'d str, Vec<&'d Removal>>,
}

impl<'d> Removals<'d> {
    pub fn new(removals: &'d [Removal]) -> Self {
        let mut sorted = Self { resources: HashMap::new(), modules: HashMap::new() };
        for removal in removals {
            if let Some(resource) = &removal.from.resource {
                let name = (resource.kind.as_ref(), resource.name.as_ref());
                sorted.resources.entry(name).or_default().push(removal);
            } else if let Some((name, _)) = removal.from.modules.last() {
                sorted.modules.entry(name).or_default().push(removal);
            }
        }
        sorted
    }

    /// Whether the object of an instance stays; the most exact statement decides.
    pub fn keep(&self, address: &Address) -> bool {
        let of_resource = self.resources.get(&(address.kind(), address.name()));
        let of_modules = address.path().iter().rev().filter_map(|step| match step {
            PathStep::Module { name, .. } => self.modules.get(name.as_ref()),
            _ => None,
        });
        let mut said = of_resource.into_iter().chain(of_modules).flatten();
        said.find(|removal| removal.matches(address)).is_some_and(|removal| !removal.destroy)
    }
}
