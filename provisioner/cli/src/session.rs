//! What every command starts from: the console, the user's wishes, and the directories of this machine.

use crate::arguments::{Color, Global};
use crate::places;
use model::{Diagnostic, SourceMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use views::plan::Drawing;
use views::{ColorChoice, Console, Detail, Palette};

/// What every command starts from.
#[derive(Clone)]
pub struct Session {
    /// The standard streams.
    pub console: Arc<Console>,
    /// Whether JSON is wanted.
    pub json: bool,
    /// How much is shown.
    pub detail: Detail,
    /// The working directory.
    pub working: PathBuf,
    /// This very program, to start again.
    pub executable: PathBuf,
    /// How the user can call this program.
    pub program: String,
}

impl Session {
    /// The session of this process.
    pub fn new(global: Global) -> Self {
        let choice = match global.color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        };
        let working = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
        let executable = std::env::current_exe().ok();
        let called = std::env::args_os().next().unwrap_or_else(|| "provisioner".into());
        Self {
            console: Arc::new(Console::standard(choice)),
            json: global.json,
            detail: if global.verbose { Detail::Full } else { Detail::Concise },
            program: places::program(Path::new(&called), executable.as_deref(), &working),
            executable: executable.unwrap_or_else(|| PathBuf::from(called)),
            working,
        }
    }

    /// Shows diagnostics on stderr.
    pub fn show(&self, diagnostics: &[Diagnostic], sources: &SourceMap) {
        views::diagnostics::print(&self.console, diagnostics, sources, self.json);
    }

    /// How a plan is drawn on a stream with these colours.
    pub fn drawing(&self, palette: Palette) -> Drawing {
        Drawing { detail: self.detail, palette, width: self.console.width() }
    }
}
