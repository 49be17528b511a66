//! Objects that are whole only when something long has been copied into them.
//!
//! Invariants: an object is whole exactly when its directory has its final name, and everything in it is on the disk by then; a copy
//! that was cut off is never gone on with; of two programs that make the same object one copies; one that stood still until the
//! object was deleted, or another one's, changes nothing any more.
//! Refuses to know: what is copied.

use crate::cloud::Cloud;
use crate::disk::{Lock, names_in, random_hex, remove_tree};
use crate::error::{LocalError, failed_at};
use crate::layout::Kind;
use crate::record::Owner;
use crate::tree;
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

/// The lock of whoever copies.
const LOCK: &str = "filling.lock";
/// How the names of directories begin that are being filled.
const UNFINISHED: &str = ".filling-";

impl Cloud {
    /// Makes an object whole that has its record: `fill` fills a new directory, `seal` writes down what is in it, and the directory
    /// gets its final name. Does nothing if it has that already.
    pub(crate) fn fill<T>(
        &self,
        owner: &Owner,
        (kind, name): (Kind, &str),
        filled: &Path,
        fill: impl FnOnce(&Path) -> Result<T, LocalError>,
        seal: impl FnOnce(T) -> Result<(), LocalError>,
    ) -> Result<(), LocalError> {
        if tree::exists(filled) {
            return Ok(());
        }
        let object = self.layout().object(kind, name);
        let lock = object.join(LOCK);
        let Some(_copying) = Lock::try_take(&lock)? else {
            return Err(LocalError::Refused {
                what: format!("another program is copying into {} `{name}`", kind.word()),
                hint: "let it come to its end, or end it, and apply again".into(),
            });
        };
        if tree::exists(filled) {
            return fs::remove_file(&lock).map_err(failed_at("remove", &lock));
        }
        for left in names_in(&object)?.iter().filter(|name| name.starts_with(UNFINISHED)) {
            remove_tree(&object.join(left))?;
        }
        let unfinished = object.join(format!("{UNFINISHED}{}", random_hex(4)?));
        let made = fs::DirBuilder::new().mode(0o700).create(&unfinished);
        made.map_err(failed_at("create directory", &unfinished))?;
        let outcome = fill(&unfinished)?;
        tree::write_through(&unfinished)?;

        let _cloud = self.layout().lock()?;
        if !self.is_owned(kind, name, owner)? {
            return Err(LocalError::Missing { kind: kind.word(), name: name.to_owned() });
        }
        seal(outcome)?;
        fs::rename(&unfinished, filled).map_err(failed_at("create", filled))?;
        let flushed = fs::File::open(&object).and_then(|object| object.sync_all());
        flushed.map_err(failed_at("write", &object))?;
        fs::remove_file(&lock).map_err(failed_at("remove", &lock))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Removal;

    fn owner(token: &str) -> Owner {
        let text = |text: &str| text.to_owned();
        let (lineage, environment) = (text("lineage"), text("test"));
        Owner { lineage, environment, address: text("local_volume.data"), token: text(token) }
    }

    /// A program stood still while it copied. Others took over: what they made stays as they made it.
    #[test]
    fn who_comes_late_changes_nothing() {
        let place = tempfile::tempdir().unwrap();
        let cloud = Cloud::new(place.path().join("cloud"), "/bin/false".into());
        let (late, owner) = (owner("late"), owner("other"));
        let data = cloud.create_volume(&late, "data", 1, None).unwrap().path;
        fs::remove_dir(&data).unwrap();
        let fill = |into: &Path| {
            fs::write(into.join("late"), "").unwrap();
            cloud.delete_volume(&late, "data", Removal::Undone)?;
            cloud.create_volume(&owner, "data", 1, None)?;
            fs::write(data.join("file"), "").unwrap();
            fs::create_dir(into).unwrap();
            Ok(())
        };
        let sealed = std::cell::Cell::new(false);
        let seal = |()| {
            sealed.set(true);
            Ok(())
        };
        let error = cloud.fill(&late, (Kind::Volume, "data"), &data, fill, seal).unwrap_err();
        assert!(matches!(error, LocalError::Missing { .. }), "{error}");
        assert!(!sealed.get());
        assert_eq!(names_in(&data).unwrap(), ["file"]);
    }
}
