//! Loading: the root directory and every module that is called, transitively.
//!
//! A module's source may have interpolations (`"../network/${var.cloud}"`), whose values are not known
//! yet. All directories that fit are read then; which one is used is decided in evaluation, and the
//! mistakes of a directory that nobody uses are nobody's concern.

use super::check::check;
use super::layout::Language;
use super::unread::Unread;
use super::{Module, Pool, SourceOf, read_module};
use crate::source::{SourceFile, SourceLoader, display_name, normalise, relative};
use crate::syntax::{Body, Kind, Part, parse_file, parse_json_file};
use model::moves::Within;
use model::{Diagnostic, SourceMap};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How many directories a configuration may consist of.
const MOST_MODULES: usize = 4096;

/// A configuration, read and checked.
pub struct Configuration {
    pub(crate) root: Arc<Module>,
    pub(crate) modules: BTreeMap<PathBuf, Arc<Module>>,
    /// What a module in a directory calls, and the directories that each call may lead to.
    pub(crate) calls: BTreeMap<PathBuf, Vec<(Within, PathBuf)>>,
    /// Mistakes in modules that may turn out not to be used.
    pub(crate) held_back: BTreeMap<PathBuf, Vec<Diagnostic>>,
    /// The text of all files by directory.
    pub(crate) texts: BTreeMap<PathBuf, Vec<Arc<SourceFile>>>,
    pub(crate) loader: Arc<dyn SourceLoader>,
    /// The root directory, absolute where possible.
    pub(crate) directory: PathBuf,
}

/// What [`load`] gives.
pub struct Loaded {
    /// The configuration. It is there even when there are errors, unless nothing could be read at all:
    /// evaluate it to learn of all mistakes at once, but do not plan from it.
    pub configuration: Option<Configuration>,
    /// The text of every file read, for excerpts.
    pub sources: SourceMap,
    /// All mistakes found so far.
    pub diagnostics: Vec<Diagnostic>,
}

impl Configuration {
    /// Whether a node set says how changes reach its nodes.
    pub fn has_rollouts(&self) -> bool {
        self.root.node_sets.iter().any(|set| set.rollout.is_some())
    }

    /// The label of the `environment` block, else the directory's name.
    pub fn environment_name(&self) -> String {
        let label =
            self.root.environment.as_ref().map(|environment| environment.name.text.to_string());
        label.unwrap_or_else(|| {
            self.directory.file_name().map_or_else(
                || "environment".to_owned(),
                |name| name.to_string_lossy().into_owned(),
            )
        })
    }

    /// The names of all providers that may be needed: those with a block, those that resource types
    /// begin with, and `node` when there are services.
    pub fn provider_names(&self) -> BTreeSet<String> {
        let mut names: BTreeSet<String> =
            self.root.providers.iter().map(|p| p.name.to_string()).collect();
        for module in self.modules.values() {
            let first_word = |kind: &Arc<str>| kind.split('_').next().unwrap_or(kind).to_owned();
            names.extend(module.kinds.iter().map(first_word));
            if module.services.len() > 0 {
                names.insert("node".to_owned());
            }
        }
        names
    }

    /// The module in a directory.
    pub(crate) fn module(&self, directory: &Path) -> Option<&Arc<Module>> {
        self.modules.get(directory)
    }
}

/// Reads a directory and every module that it calls. Reports all mistakes that need no values.
pub fn load(directory: &Path, loader: &dyn SourceLoader) -> Loaded {
    let working_directory = loader.working_directory();
    let absolute = match &working_directory {
        Some(base) => normalise(&base.join(directory)),
        None => normalise(directory),
    };
    let mut load = Load {
        loader,
        working_directory,
        root: absolute.clone(),
        sources: SourceMap::default(),
        modules: BTreeMap::new(),
        calls: BTreeMap::new(),
        texts: BTreeMap::new(),
        found: BTreeMap::new(),
        certain: BTreeSet::new(),
        diagnostics: Vec::new(),
    };
    let root = load.root_module();
    let root = root.map(|root| load.called_modules(root));
    load.finish(root)
}

fn is_native(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "hcl")
}

fn is_json(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "json")
        && path.file_stem().is_some_and(|stem| is_native(Path::new(stem)))
}

struct Load<'a> {
    loader: &'a dyn SourceLoader,
    working_directory: Option<PathBuf>,
    root: PathBuf,
    sources: SourceMap,
    modules: BTreeMap<PathBuf, Arc<Module>>,
    calls: BTreeMap<PathBuf, Vec<(Within, PathBuf)>>,
    texts: BTreeMap<PathBuf, Vec<Arc<SourceFile>>>,
    found: BTreeMap<PathBuf, Vec<Diagnostic>>,
    /// Modules that are used whatever the variables say.
    certain: BTreeSet<PathBuf>,
    diagnostics: Vec<Diagnostic>,
}

impl Load<'_> {
    fn root_module(&mut self) -> Option<Arc<Module>> {
        let directory = self.root.clone();
        let shown = display_name(&directory, self.working_directory.as_deref());
        match self.read(&directory, true) {
            Ok(0) => {
                let diagnostic = Diagnostic::error(
                    "empty-directory",
                    format!("`{shown}` holds no `*.hcl` file"),
                )
                .with_hint(
                    "name the directory of an environment, for example environments/staging",
                );
                self.diagnostics.push(diagnostic);
                None
            }
            Ok(_) => self.modules.get(&directory).cloned(),
            Err(error) => {
                let diagnostic = Diagnostic::error(
                    "directory-missing",
                    format!("`{shown}` cannot be read: {error}"),
                )
                .with_hint(
                    "name the directory of an environment, for example environments/staging",
                );
                self.diagnostics.push(diagnostic);
                None
            }
        }
    }

    /// Reads the files of a directory; gives how many there are.
    fn read(&mut self, directory: &Path, is_root: bool) -> io::Result<usize> {
        let mut paths = self.loader.list(directory)?;
        paths.retain(|path| is_native(path) || is_json(path));
        paths.sort();
        let mut files: Vec<(Arc<SourceFile>, Body)> = Vec::with_capacity(paths.len());
        let mut diagnostics = Vec::new();
        for path in &paths {
            let name = display_name(path, self.working_directory.as_deref());
            match self.loader.read(path) {
                Ok(text) => {
                    let file = SourceFile::new(name, text);
                    self.sources.share(file.name.clone(), file.text.clone());
                    let (body, errors) = if is_json(path) {
                        parse_json_file(&file, &Language)
                    } else {
                        parse_file(&file)
                    };
                    diagnostics.extend(errors);
                    files.push((file, body));
                }
                Err(error) => {
                    diagnostics.push(Diagnostic::error(
                        "file",
                        format!("`{name}` cannot be read: {error}"),
                    ));
                }
            }
        }
        let (mut module, errors) = read_module(&files, is_root);
        diagnostics.extend(errors);
        directory.clone_into(&mut module.directory);
        module.path = relative(&self.root, directory).to_string_lossy().as_ref().into();
        let unread = Unread::new(&files);
        let found = check(&module, &files, is_root).into_iter();
        diagnostics.extend(found.filter(|diagnostic| !unread.explains(diagnostic)));
        self.found.insert(directory.to_owned(), diagnostics);
        self.texts.insert(directory.to_owned(), files.into_iter().map(|(file, _)| file).collect());
        self.modules.insert(directory.to_owned(), Arc::new(module));
        Ok(paths.len())
    }

    fn called_modules(&mut self, root: Arc<Module>) -> Arc<Module> {
        self.certain.insert(root.directory.clone());
        let mut queue = VecDeque::from([root.clone()]);
        while let Some(module) = queue.pop_front() {
            let certain = self.certain.contains(&module.directory);
            let calls =
                module.calls.iter().map(|call| (Within::Call(call.name.clone()), &call.source));
            let pools = module.node_sets.iter().flat_map(|set| {
                let pool =
                    |pool: &Pool| Within::Pool { set: set.name.clone(), pool: pool.name.clone() };
                set.pools.iter().map(move |it| (pool(it), &it.source))
            });
            let sources: Vec<(Within, &SourceOf)> = calls.chain(pools).collect();
            // It may be here a second time, now that it is known to be used.
            let mut steps = Vec::new();
            for (step, source) in sources {
                for (directory, sure) in self.places(&module, source) {
                    steps.push((step.clone(), directory.clone()));
                    let newly_certain = certain && sure && self.certain.insert(directory.clone());
                    let known = self.modules.get(&directory).cloned();
                    if known.is_none() && self.modules.len() < MOST_MODULES {
                        self.read_called(source, &directory);
                    }
                    if (known.is_none() || newly_certain)
                        && let Some(called) = self.modules.get(&directory)
                    {
                        queue.push_back(called.clone());
                    }
                }
            }
            self.calls.insert(module.directory.clone(), steps);
        }
        root
    }

    fn read_called(&mut self, source: &SourceOf, directory: &Path) {
        if let Ok(0) = self.read(directory, false) {
            let shown = display_name(directory, self.working_directory.as_deref());
            let diagnostic = Diagnostic::error(
                "empty-directory",
                format!("the module's directory `{shown}` holds no `*.hcl` file"),
            )
            .with_label(source.expression.span(), "")
            .with_hint("the source is the directory in which the module's files are");
            self.found.entry(directory.to_owned()).or_default().push(diagnostic);
        }
    }

    /// The directories that a source may name, each with whether it surely does.
    fn places(&mut self, module: &Module, source: &SourceOf) -> Vec<(PathBuf, bool)> {
        let Some(pattern) = pattern(source) else {
            return Vec::new();
        };
        if !pattern.contains(ANYTHING) {
            let directory = normalise(&module.directory.join(&pattern));
            if !self.loader.is_directory(&directory) {
                let missing = missing_module(source, &directory, self.working_directory.as_deref());
                self.found.entry(module.directory.clone()).or_default().push(missing);
                return Vec::new();
            }
            return vec![(directory, true)];
        }
        let matching = self.matching(&module.directory, &pattern);
        matching.into_iter().map(|directory| (directory, false)).collect()
    }

    fn matching(&self, base: &Path, pattern: &str) -> Vec<PathBuf> {
        let mut directories = vec![base.to_owned()];
        for segment in pattern.split('/') {
            let mut next = Vec::new();
            for directory in directories {
                if !segment.contains(ANYTHING) {
                    next.push(normalise(&directory.join(segment)));
                    continue;
                }
                for entry in self.loader.list(&directory).unwrap_or_default() {
                    let name = entry.file_name().map(|name| name.to_string_lossy().into_owned());
                    if name.is_some_and(|name| fits(segment, &name))
                        && self.loader.is_directory(&entry)
                    {
                        next.push(normalise(&entry));
                    }
                }
            }
            directories = next;
        }
        directories.sort();
        directories
    }

    fn finish(mut self, root: Option<Arc<Module>>) -> Loaded {
        let mut held_back = BTreeMap::new();
        for (directory, diagnostics) in self.found {
            if self.certain.contains(&directory) {
                self.diagnostics.extend(diagnostics);
            } else {
                held_back.insert(directory, diagnostics);
            }
        }
        let configuration = root.map(|root| Configuration {
            root,
            modules: self.modules,
            calls: self.calls,
            held_back,
            texts: self.texts,
            loader: self.loader.share(),
            directory: self.root,
        });
        Loaded { configuration, sources: self.sources, diagnostics: self.diagnostics }
    }
}

/// Stands for an interpolation in a pattern; cannot occur in a path.
const ANYTHING: char = '\0';

fn pattern(source: &SourceOf) -> Option<String> {
    match source.expression.root().kind() {
        Kind::Literal(literal) => literal.as_text().map(ToString::to_string),
        Kind::Template(parts) => {
            let piece = |part: Part<'_>| match part {
                Part::Literal(text) => text.to_string(),
                _ => ANYTHING.to_string(),
            };
            Some(parts.iter().map(piece).collect())
        }
        _ => None,
    }
}

/// Whether a name fits a pattern with wild cards.
fn fits(pattern: &str, name: &str) -> bool {
    let mut pieces = pattern.split(ANYTHING);
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let pieces: Vec<_> = pieces.collect();
    let Some((last, middle)) = pieces.split_last() else { return rest.is_empty() };
    for piece in middle {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

/// A module whose directory does not exist.
pub(crate) fn missing_module(
    source: &SourceOf,
    directory: &Path,
    working_directory: Option<&Path>,
) -> Diagnostic {
    let shown = display_name(directory, working_directory);
    Diagnostic::error("module-missing", format!("the module's directory `{shown}` does not exist"))
        .with_label(source.expression.span(), "")
        .with_hint("the source is a path relative to the directory of this file, such as \"../../modules/network/local\"")
}
