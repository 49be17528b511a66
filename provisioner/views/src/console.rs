//! The one owner of stdout and stderr, and of every decision about the terminal: colour, width, whether lines may
//! be redrawn, whether somebody can be asked.
//!
//! Invariant: a reader that goes away (`| head`) never makes a write fail loudly.
//! Refuses to know: what is written.

use indicatif::{MultiProgress, ProgressDrawTarget};
use owo_colors::{OwoColorize as _, Style};
use std::io::{BufRead as _, IsTerminal as _, Write};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// What the user wants of colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColorChoice {
    /// Where the stream is a terminal and `NO_COLOR` is not set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Colours of one stream, or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Palette {
    colour: bool,
}

impl Palette {
    /// No colours at all.
    pub const PLAIN: Self = Self { colour: false };

    /// Whether colours are on.
    pub fn is_coloured(self) -> bool {
        self.colour
    }

    fn paint(self, text: &str, style: Style) -> String {
        if self.colour { text.style(style).to_string() } else { text.to_owned() }
    }

    /// Headings.
    pub fn bold(self, text: &str) -> String {
        self.paint(text, Style::new().bold())
    }

    /// What matters less.
    pub fn dim(self, text: &str) -> String {
        self.paint(text, Style::new().dimmed())
    }

    /// What is made or well.
    pub fn good(self, text: &str) -> String {
        self.paint(text, Style::new().green())
    }

    /// What changes, or deserves a look.
    pub fn notable(self, text: &str) -> String {
        self.paint(text, Style::new().yellow())
    }

    /// What goes or failed.
    pub fn bad(self, text: &str) -> String {
        self.paint(text, Style::new().red())
    }

    /// Names of things.
    pub fn accent(self, text: &str) -> String {
        self.paint(text, Style::new().cyan())
    }
}

type Stream = Box<dyn Write + Send>;

/// Fewer columns are not drawn for.
const NARROWEST: usize = 40;
/// More columns are not filled.
const WIDEST: usize = 160;

/// The standard streams.
pub struct Console {
    out: Mutex<Stream>,
    err: Mutex<Stream>,
    out_palette: Palette,
    err_palette: Palette,
    width: usize,
    live: bool,
    /// Whether stderr is a terminal that people resize.
    resizes: bool,
    interactive: bool,
    screen: OnceLock<MultiProgress>,
}

impl Console {
    /// The program's own streams.
    pub fn standard(choice: ColorChoice) -> Self {
        let (out, err) = (std::io::stdout(), std::io::stderr());
        let capable = std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let live = err.is_terminal() && capable;
        let palette = |terminal: bool| Palette {
            colour: match choice {
                ColorChoice::Always => true,
                ColorChoice::Never => false,
                ColorChoice::Auto => {
                    terminal && capable && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
                }
            },
        };
        let width = terminal_size::terminal_size_of(&err)
            .or_else(|| terminal_size::terminal_size_of(&out))
            .map(|(width, _)| usize::from(width.0))
            .or_else(|| std::env::var("COLUMNS").ok()?.parse().ok())
            .unwrap_or(100);
        Self {
            out_palette: palette(out.is_terminal()),
            err_palette: palette(err.is_terminal()),
            width: width.clamp(NARROWEST, WIDEST),
            live,
            resizes: live,
            interactive: std::io::stdin().is_terminal() && err.is_terminal(),
            out: Mutex::new(Box::new(out)),
            err: Mutex::new(Box::new(err)),
            screen: OnceLock::new(),
        }
    }

    /// A console that keeps what is written, for tests: no colours, 100 columns, nobody to ask.
    pub fn captured() -> (Self, Capture) {
        let capture = Capture::default();
        let console = Self {
            out: Mutex::new(Box::new(capture.out.clone())),
            err: Mutex::new(Box::new(capture.err.clone())),
            out_palette: Palette::PLAIN,
            err_palette: Palette::PLAIN,
            width: 100,
            live: false,
            resizes: false,
            interactive: false,
            screen: OnceLock::new(),
        };
        (console, capture)
    }

    /// A live console whose lines are drawn on a screen that a test looks at.
    #[cfg(test)]
    pub(crate) fn drawn_on(screen: MultiProgress) -> Self {
        let console = Self { live: true, ..Self::captured().0 };
        let _ = console.screen.set(screen);
        console
    }

    /// Writes data to stdout, as it is.
    pub fn data(&self, text: &str) {
        self.beside_the_screen(|| write(&self.out, text));
    }

    /// Writes one line of data to stdout.
    pub fn data_line(&self, line: &str) {
        self.data(&format!("{line}\n"));
    }

    /// Writes one JSON document, indented, to stdout.
    pub fn json(&self, document: &serde_json::Value) {
        self.data_line(&format!("{document:#}"));
    }

    /// Writes text for people to stderr, as it is.
    pub fn message(&self, text: &str) {
        self.beside_the_screen(|| write(&self.err, text));
    }

    /// Writes one line for people to stderr.
    pub fn message_line(&self, line: &str) {
        self.message(&format!("{line}\n"));
    }

    /// The one screen of live lines on stderr: whatever is drawn there at the same time shares it. Hidden where lines
    /// cannot be redrawn.
    pub fn screen(&self) -> &MultiProgress {
        self.screen.get_or_init(|| {
            MultiProgress::with_draw_target(if self.live {
                ProgressDrawTarget::stderr_with_hz(12)
            } else {
                ProgressDrawTarget::hidden()
            })
        })
    }

    /// Takes the live lines away while something else is written.
    fn beside_the_screen(&self, write: impl FnOnce()) {
        match self.screen.get() {
            Some(screen) => screen.suspend(write),
            None => write(),
        }
    }

    /// Colours of stdout.
    pub fn out_palette(&self) -> Palette {
        self.out_palette
    }

    /// Colours of stderr.
    pub fn err_palette(&self) -> Palette {
        self.err_palette
    }

    /// Columns to fill.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Columns to fill and lines of the terminal as they are now, for what is redrawn: people resize terminals. No lines are known
    /// where there is no terminal.
    pub fn size(&self) -> (usize, Option<usize>) {
        match terminal_size::terminal_size_of(std::io::stderr()) {
            Some((width, height)) if self.resizes => {
                (usize::from(width.0).clamp(NARROWEST, WIDEST), Some(usize::from(height.0)))
            }
            _ => (self.width, None),
        }
    }

    /// Whether lines on stderr may be redrawn.
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// Whether there is somebody to ask.
    pub fn is_interactive(&self) -> bool {
        self.interactive
    }

    /// Asks on stderr and reads one line; `None` at the end of input or when nobody can be asked.
    pub fn ask(&self, question: &str) -> Option<String> {
        if !self.interactive {
            return None;
        }
        self.message(question);
        let mut answer = String::new();
        let read = std::io::stdin().lock().read_line(&mut answer);
        matches!(read, Ok(length) if length > 0).then(|| answer.trim().to_owned())
    }
}

fn write(stream: &Mutex<Stream>, text: &str) {
    let mut stream = stream.lock().unwrap_or_else(PoisonError::into_inner);
    // A reader that went away is no failure of ours, and there is nobody left to tell.
    let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
}

/// What a captured console was given.
#[derive(Clone, Debug, Default)]
pub struct Capture {
    out: Kept,
    err: Kept,
}

impl Capture {
    /// What went to stdout.
    pub fn out(&self) -> String {
        self.out.text()
    }

    /// What went to stderr.
    pub fn err(&self) -> String {
        self.err.text()
    }
}

#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_and_messages_keep_apart() {
        let (console, capture) = Console::captured();
        console.data_line("data");
        console.message_line("message");
        assert_eq!((capture.out().as_str(), capture.err().as_str()), ("data\n", "message\n"));
        assert_eq!(console.ask("sure?"), None);
    }
}
