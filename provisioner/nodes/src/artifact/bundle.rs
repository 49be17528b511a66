//! Bundles: the selected paths of a verified artifact as one deterministic `tar.gz`.
//!
//! Invariants: the same artifact and selection give the same bytes whenever this format is current
//! (sorted paths, no times, no owners, two modes); a bundle on disk is used only if its digest is the
//! recorded one. The content is spooled to disk, so that memory does not grow with the artifact.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use super::archive::{Entry, Kind, clean, walk};
use super::cache::digest;
use super::{Artifact, ArtifactError, Cause, Selection};

/// The version of what a bundle contains for a given artifact. Raising it re-installs every service.
pub(super) const FORMAT: u32 = 1;
/// No bundle has more content than this.
const CONTENT_LIMIT: u64 = 4 << 30;

/// A bundle on this machine, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// The name of the unpacked bundle on nodes, [`Artifact::key`].
    pub key: String,
    /// The `tar.gz`.
    pub path: PathBuf,
    /// SHA-256 of the `tar.gz`.
    pub sha256: String,
    /// Its size in bytes.
    pub size: u64,
}

#[derive(Serialize, Deserialize)]
struct Recorded {
    format: u32,
    sha256: String,
    size: u64,
}

/// The bundle of `key`, if it is there and whole.
pub(super) fn load(directory: &Path, key: &str) -> Option<Bundle> {
    let recorded: Recorded =
        serde_json::from_slice(&fs::read(directory.join(format!("{key}.json"))).ok()?).ok()?;
    let path = directory.join(format!("{key}.tar.gz"));
    let whole = recorded.format == FORMAT && digest(&path).ok()? == recorded.sha256;
    whole.then(|| Bundle {
        key: key.to_owned(),
        path,
        sha256: recorded.sha256,
        size: recorded.size,
    })
}

/// Builds the bundle of `artifact` from its verified bytes in `blob`.
pub(super) fn build(
    directory: &Path,
    artifact: &Artifact,
    key: &str,
    blob: &Path,
) -> Result<Bundle, ArtifactError> {
    let attempt = || -> Result<Bundle, Cause> {
        let spool_path = directory.join(format!("{key}.spool"));
        let mut spool = Spool::new(&spool_path).map_err(cache)?;
        let gathered = gather(artifact, blob, &mut spool);
        let _ = fs::remove_file(&spool_path);
        let items = gathered?;
        let path = directory.join(format!("{key}.tar.gz"));
        let partial = directory.join(format!("{key}.partial"));
        write(&items, &mut spool, &partial).map_err(cache)?;
        let sha256 = digest(&partial).map_err(cache)?;
        let size = fs::metadata(&partial).map_err(cache)?.len();
        fs::rename(&partial, &path).map_err(cache)?;
        let recorded = Recorded { format: FORMAT, sha256: sha256.clone(), size };
        let json =
            serde_json::to_vec(&recorded).map_err(|error| Cause::Cache(error.to_string()))?;
        fs::write(directory.join(format!("{key}.json")), json).map_err(cache)?;
        Ok(Bundle { key: key.to_owned(), path, sha256, size })
    };
    attempt().map_err(|cause| artifact.error(cause))
}

#[expect(clippy::needless_pass_by_value, reason = "used as the argument of map_err")]
fn cache(error: io::Error) -> Cause {
    Cause::Cache(error.to_string())
}

/// What the bundle has at one path.
#[derive(Clone)]
enum Item {
    File { executable: bool, offset: u64, size: u64 },
    Link { target: String },
}

/// The content of the selected files, one after the other.
struct Spool {
    file: File,
    end: u64,
}

impl Spool {
    fn new(path: &Path) -> io::Result<Self> {
        let file = File::options().create(true).truncate(true).read(true).write(true).open(path)?;
        Ok(Self { file, end: 0 })
    }

    fn append(&mut self, content: &mut dyn Read) -> Result<(u64, u64), Cause> {
        let offset = self.end;
        let limit = CONTENT_LIMIT - offset;
        let mut bounded = content.take(limit + 1);
        let size = io::copy(&mut bounded, &mut self.file)
            .map_err(|error| Cause::BadArchive(error.to_string()))?;
        if size > limit {
            return Err(Cause::TooLarge(CONTENT_LIMIT));
        }
        self.end += size;
        Ok((offset, size))
    }
}

fn gather(
    artifact: &Artifact,
    blob: &Path,
    spool: &mut Spool,
) -> Result<BTreeMap<String, Item>, Cause> {
    let mut items: BTreeMap<String, Item> = BTreeMap::new();
    let mut sources: BTreeMap<String, Item> = BTreeMap::new();
    let mut seen: Vec<String> = Vec::new();
    let bare = artifact.bare_name();
    let bare_from = artifact.paths.first().map_or(bare.as_str(), |first| first.from.as_str());
    walk(blob, bare_from, &mut |entry: Entry<'_>| {
        if seen.len() < 20_000 {
            seen.push(entry.path.clone());
        }
        let places = places(&artifact.paths, &entry.path);
        if places.is_empty() {
            return Ok(());
        }
        let item = match entry.kind {
            Kind::File { mode } => {
                let (offset, size) = spool.append(entry.content)?;
                Item::File { executable: mode & 0o111 != 0, offset, size }
            }
            Kind::Link { target } => Item::Link { target },
            Kind::HardLink { target } => sources
                .get(&target)
                .cloned()
                .ok_or(Cause::MissingPath { path: target, similar: vec![entry.path.clone()] })?,
        };
        sources.insert(entry.path, item.clone());
        for place in places {
            items.insert(place, item.clone());
        }
        Ok(())
    })?;
    all_found(&artifact.paths, &seen)?;
    links_stay_inside(&items)?;
    Ok(items)
}

/// Where an archive's path goes in the bundle.
fn places(paths: &[Selection], path: &str) -> Vec<String> {
    if paths.is_empty() {
        return vec![path.to_owned()];
    }
    let placed = paths.iter().filter_map(|selection| {
        let from = clean(&selection.from)?;
        let to = clean(&selection.to)?;
        if path == from {
            return Some(to);
        }
        let rest = path.strip_prefix(&from)?.strip_prefix('/')?;
        Some(format!("{to}/{rest}"))
    });
    placed.collect()
}

fn all_found(paths: &[Selection], seen: &[String]) -> Result<(), Cause> {
    for selection in paths {
        let from = clean(&selection.from).ok_or_else(|| Cause::BadPath(selection.from.clone()))?;
        let below = format!("{from}/");
        if seen.iter().any(|path| *path == from || path.starts_with(&below)) {
            continue;
        }
        let base = from.rsplit('/').next().unwrap_or(&from);
        let mut similar: Vec<String> = seen
            .iter()
            .filter(|path| path.rsplit('/').next().is_some_and(|name| name.contains(base)))
            .cloned()
            .collect();
        if similar.is_empty() {
            similar = seen.iter().filter(|path| path.contains("bin/")).cloned().collect();
        }
        similar.truncate(8);
        return Err(Cause::MissingPath { path: from, similar });
    }
    Ok(())
}

/// A link may point to anything below the bundle, and nowhere else.
fn links_stay_inside(items: &BTreeMap<String, Item>) -> Result<(), Cause> {
    for (path, item) in items {
        let Item::Link { target } = item else { continue };
        let mut depth = path.matches('/').count();
        let climbs = target.starts_with('/')
            || target.split('/').filter(|part| !part.is_empty() && *part != ".").any(|part| {
                if part != ".." {
                    depth += 1;
                    return false;
                }
                depth.checked_sub(1).map(|less| depth = less).is_none()
            });
        if climbs {
            return Err(Cause::BadPath(format!("{path} -> {target}")));
        }
    }
    Ok(())
}

fn write(items: &BTreeMap<String, Item>, spool: &mut Spool, to: &Path) -> io::Result<()> {
    let file = BufWriter::new(File::create(to)?);
    let mut builder = tar::Builder::new(GzEncoder::new(file, Compression::fast()));
    for (path, item) in items {
        let mut header = tar::Header::new_gnu();
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        match item {
            Item::File { executable, offset, size } => {
                header.set_entry_type(tar::EntryType::Regular);
                header.set_mode(if *executable { 0o755 } else { 0o644 });
                header.set_size(*size);
                spool.file.seek(SeekFrom::Start(*offset))?;
                builder.append_data(&mut header, path, (&spool.file).take(*size))?;
            }
            Item::Link { target } => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_mode(0o777);
                header.set_size(0);
                builder.append_link(&mut header, path, target)?;
            }
        }
    }
    let mut file = builder.into_inner()?.finish()?;
    file.flush()?;
    file.get_ref().sync_all()
}
