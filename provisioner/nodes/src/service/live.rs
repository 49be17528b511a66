//! Live files: what a service reads anew by itself, outside its releases.
//!
//! Invariant: each file is replaced as a whole by a rename, and only when its content differs, so a
//! service that watches it never sees half a file nor a change that is none.

use super::scripts::{Layout, Places, append};
use super::spec::ServiceSpec;
use crate::host::quote;

/// The live files as a tar archive, for the standard input of [`write`].
pub(super) fn archive(spec: &ServiceSpec, places: &Places) -> std::io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, file) in spec.live_files() {
        append(&mut builder, path, &places.expand(&file.content), file.mode)?;
    }
    builder.into_inner()
}

/// Makes the directory hold exactly the files of the archive on standard input.
pub(super) fn write(layout: &Layout) -> String {
    let (live, new) = (quote(&layout.live()), quote(&format!("{}.new", layout.live())));
    format!(
        r#"set -e; umask 022
mkdir -p {live}; rm -rf {new}; mkdir {new}
tar -x -p -f - -C {new} --no-same-owner
cd {live}; find . -type f | while IFS= read -r file; do
  [ -e {new}/"$file" ] || rm -f "$file"
done
cd {new}; find . -type f | while IFS= read -r file; do
  cmp -s "$file" {live}/"$file" && continue
  mkdir -p {live}/"$(dirname "$file")"; mv -f "$file" {live}/"$file"
done
rm -rf {new}"#
    )
}
