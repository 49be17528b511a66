//! Source text and where it comes from.
//!
//! [`FileSystem`] is the one place in this crate that touches files; everything else reads through a
//! [`SourceLoader`]. Names of files in spans are paths as the user would write them, relative to the
//! working directory where possible.

use crate::syntax::{Extent, Tree};
use model::Span;
use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Reads configuration. Paths are as given to [`crate::load`], joined with what the configuration says.
pub trait SourceLoader: Send + Sync {
    /// The entries of a directory (files and directories), in any order.
    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>>;

    /// The text of a file.
    fn read(&self, path: &Path) -> io::Result<String>;

    /// The bytes of a file.
    fn read_bytes(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.read(path).map(String::into_bytes)
    }

    /// Whether there is a directory at this path.
    fn is_directory(&self, path: &Path) -> bool {
        self.list(path).is_ok()
    }

    /// The directory that relative paths start from, if there is such a thing.
    fn working_directory(&self) -> Option<PathBuf> {
        None
    }

    /// Another handle on the same source: a configuration keeps one for the functions that read files.
    fn share(&self) -> Arc<dyn SourceLoader>;
}

/// The file system of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileSystem;

impl SourceLoader for FileSystem {
    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        std::fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect()
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        std::fs::read_to_string(path)
    }

    fn read_bytes(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn is_directory(&self, path: &Path) -> bool {
        path.is_dir()
    }

    fn working_directory(&self) -> Option<PathBuf> {
        std::env::current_dir().ok()
    }

    fn share(&self) -> Arc<dyn SourceLoader> {
        Arc::new(*self)
    }
}

type Read = Result<Arc<[u8]>, (io::ErrorKind, String)>;

/// Remembers every file that functions read: each is read once, and all count for the digest.
pub(crate) struct Recorder {
    inner: Arc<dyn SourceLoader>,
    read: Mutex<BTreeMap<PathBuf, Read>>,
}

impl Recorder {
    pub(crate) fn new(inner: Arc<dyn SourceLoader>) -> Self {
        Self { inner, read: Mutex::new(BTreeMap::new()) }
    }

    /// The files read so far, by path.
    pub(crate) fn files(&self) -> Vec<(PathBuf, Arc<[u8]>)> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let found =
            |(path, content): (&PathBuf, &Read)| Some((path.clone(), content.clone().ok()?));
        read.iter().filter_map(found).collect()
    }
}

impl SourceLoader for Recorder {
    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        self.inner.list(directory)
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        String::from_utf8(self.read_bytes(path)?)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    fn read_bytes(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let content = read.entry(path.to_owned()).or_insert_with(|| {
            let bytes =
                self.inner.read_bytes(path).map_err(|error| (error.kind(), error.to_string()));
            bytes.map(Arc::from)
        });
        match content {
            Ok(bytes) => Ok(bytes.to_vec()),
            Err((kind, message)) => Err(io::Error::new(*kind, message.clone())),
        }
    }

    fn is_directory(&self, path: &Path) -> bool {
        self.inner.is_directory(path)
    }

    fn working_directory(&self) -> Option<PathBuf> {
        self.inner.working_directory()
    }

    fn share(&self) -> Arc<dyn SourceLoader> {
        self.inner.clone()
    }
}

/// Bytes of a text for each line that room is made for.
const BYTES_PER_LINE: usize = 24;

/// What may stand at the very start of a text and means nothing.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// One file of configuration, or a text that stands for one.
#[derive(Debug)]
pub(crate) struct SourceFile {
    /// Its name in spans.
    pub name: Arc<str>,
    /// Its text, without a byte-order mark. It may be large, so it stays where it was read to.
    pub text: Arc<String>,
    lines: Vec<u32>,
    /// What the text was made of, if people wrote something else.
    origin: Option<Origin>,
    /// The expressions in it, once it is parsed.
    tree: OnceLock<Tree>,
}

/// Where the parts of a text come from that was made of another one.
#[derive(Debug)]
pub(crate) struct Origin {
    file: Arc<SourceFile>,
    /// In order of `here`; what lies between two pieces comes from nowhere.
    pieces: Vec<Piece>,
}

#[derive(Debug)]
struct Piece {
    here: u32,
    length: u32,
    there: Extent,
}

impl Piece {
    /// Whether it is the same text, byte for byte.
    fn is_copy(&self) -> bool {
        self.length == self.there.end - self.there.start
    }
}

impl Origin {
    pub(crate) fn new(file: Arc<SourceFile>) -> Self {
        Self { file, pieces: Vec::new() }
    }

    /// The next `length` bytes from `here` stand for what is written `there`.
    pub(crate) fn push(&mut self, here: u32, length: u32, there: Extent) {
        let piece = Piece { here, length, there };
        if let Some(last) = self.pieces.last_mut()
            && last.here + last.length == here
            && last.there.end == there.start
            && last.is_copy()
            && piece.is_copy()
        {
            last.length += length;
            last.there.end = there.end;
            return;
        }
        self.pieces.push(piece);
    }

    /// The part of the original text that this one stands for.
    fn extent(&self, extent: Extent) -> Extent {
        let before = |byte: u32| self.pieces.partition_point(|piece| piece.here < byte);
        let piece = |count: usize| count.checked_sub(1).and_then(|at| self.pieces.get(at));
        let end = piece(before(extent.end)).map_or(0, |piece| {
            let copied = piece.there.start + (extent.end - piece.here).min(piece.length);
            if piece.is_copy() { copied } else { piece.there.end }
        });
        if extent.is_empty() {
            return Extent { start: end, end };
        }
        let start = piece(before(extent.start + 1)).map_or(0, |piece| {
            let copied = piece.there.start + (extent.start - piece.here).min(piece.length);
            if piece.is_copy() { copied } else { piece.there.start }
        });
        Extent { start, end: end.max(start) }
    }
}

impl SourceFile {
    pub(crate) fn new(name: impl Into<Arc<str>>, text: impl Into<String>) -> Arc<Self> {
        let mut text = text.into();
        if text.starts_with(BYTE_ORDER_MARK) {
            text.drain(..BYTE_ORDER_MARK.len_utf8());
        }
        let breaks = text.match_indices('\n').map(|(at, _)| offset(at) + 1);
        // Room for lines that are shorter than most; what is not used costs nothing, while what grows is copied.
        let mut lines = Vec::with_capacity(1 + text.len() / BYTES_PER_LINE);
        lines.extend(std::iter::once(0).chain(breaks));
        let (name, text) = (name.into(), text.into());
        Arc::new(Self { name, text, lines, origin: None, tree: OnceLock::new() })
    }

    /// A text that stands for another one, in whose places all spans are.
    pub(crate) fn translated(text: String, origin: Origin) -> Arc<Self> {
        let name = origin.file.name.clone();
        let (text, origin) = (text.into(), Some(origin));
        Arc::new(Self { name, text, lines: Vec::new(), origin, tree: OnceLock::new() })
    }

    /// The expressions in it; none before it is parsed.
    pub(crate) fn tree(&self) -> &Tree {
        self.tree.get().unwrap_or(Tree::EMPTY)
    }

    /// Keeps the expressions in it. A text is parsed once: what was read of it before would look into another tree.
    pub(crate) fn keep(&self, tree: Tree) {
        let kept = self.tree.set(tree);
        debug_assert!(kept.is_ok(), "{} is parsed twice", self.name);
    }

    pub(crate) fn span(&self, extent: Extent) -> Span {
        let extent = self.origin.as_ref().map_or(extent, |origin| origin.extent(extent));
        Span { file: self.name.clone(), start: extent.start, end: extent.end }
    }

    pub(crate) fn slice(&self, extent: Extent) -> &str {
        self.text.get(extent.start as usize..extent.end as usize).unwrap_or_default()
    }

    /// `file:line:column`.
    pub(crate) fn place(&self, extent: Extent) -> String {
        if let Some(origin) = &self.origin {
            return origin.file.place(origin.extent(extent));
        }
        let line = self.lines.partition_point(|start| *start <= extent.start);
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let before = self.text.get(start as usize..extent.start as usize).unwrap_or_default();
        format!("{}:{line}:{}", self.name, before.chars().count() + 1)
    }
}

/// A byte offset; files of 4 GiB do not occur.
pub(crate) fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// The path without `.` and without `..` behind a named directory.
pub(crate) fn normalise(path: &Path) -> PathBuf {
    let mut parts: Vec<Component<'_>> = Vec::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(parts.last(), Some(Component::Normal(_))) => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    if parts.is_empty() { PathBuf::from(".") } else { parts.into_iter().collect() }
}

/// How the user would write the path: without the working directory in front.
pub(crate) fn display_name(path: &Path, working_directory: Option<&Path>) -> String {
    let path = normalise(path);
    let shown = working_directory.and_then(|base| path.strip_prefix(base).ok()).unwrap_or(&path);
    shown.to_string_lossy().into_owned()
}

/// The way from one directory to another, both normalised, as `path.module` gives it.
pub(crate) fn relative(from: &Path, to: &Path) -> PathBuf {
    let (from, to): (Vec<_>, Vec<_>) = (from.components().collect(), to.components().collect());
    let shared = from.iter().zip(&to).take_while(|(left, right)| left == right).count();
    let mut path = PathBuf::new();
    for part in &from[shared..] {
        if *part != Component::CurDir {
            path.push("..");
        }
    }
    path.extend(to[shared..].iter().filter(|part| **part != Component::CurDir));
    if path.as_os_str().is_empty() { PathBuf::from(".") } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_brought_to_one_form() {
        assert_eq!(normalise(Path::new("a/./b/../c")), Path::new("a/c"));
        assert_eq!(normalise(Path::new("../a/..")), Path::new(".."));
        assert_eq!(
            relative(Path::new("/p/env/x"), Path::new("/p/modules/y")),
            Path::new("../../modules/y")
        );
        assert_eq!(relative(Path::new("."), Path::new("modules/y")), Path::new("modules/y"));
        assert_eq!(relative(Path::new("a"), Path::new("a")), Path::new("."));
        assert_eq!(display_name(Path::new("/w/env/../m/x.hcl"), Some(Path::new("/w"))), "m/x.hcl");
    }

    #[test]
    fn places_count_lines_and_characters() {
        let file = SourceFile::new("a.hcl", "\u{feff}x = 1\né = 2\n");
        assert_eq!(file.place(Extent { start: 0, end: 1 }), "a.hcl:1:1");
        assert_eq!(file.place(Extent { start: 9, end: 10 }), "a.hcl:2:3");
    }
}
