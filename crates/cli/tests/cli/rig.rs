//! Test fixture that runs the program in a temporary directory and captures its output.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// Arguments, output and exit code of one run.
#[derive(Debug)]
pub(crate) struct Ran {
    arguments: String,
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Temporary directory for stores, backups and files.
pub(crate) struct Place {
    root: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        Self { root }
    }

    /// Returns the path of an entry in the directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Returns the names of the entries in the directory.
    pub(crate) fn names(&self) -> Vec<String> {
        names(self.root.path())
    }

    /// Runs the program in this directory, with `shop` as the store. Spaces separate the arguments
    /// in `line`.
    #[track_caller]
    pub(crate) fn run(&self, line: &str) -> Ran {
        self.run_words(&line.split(' ').collect::<Vec<_>>())
    }

    /// Runs the program like [`Place::run`], with arguments that may contain spaces.
    #[track_caller]
    pub(crate) fn run_words(&self, words: &[&str]) -> Ran {
        self.ran(words, &mut self.command(words))
    }

    /// Runs the program with a stdout whose reader is already closed.
    #[track_caller]
    pub(crate) fn run_unread(&self, line: &str) -> Ran {
        let words = line.split(' ').collect::<Vec<_>>();
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        self.ran(&words, self.command(&words).stdout(writer))
    }

    fn ran(&self, words: &[&str], command: &mut Command) -> Ran {
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| self.fixed(&String::from_utf8(bytes).unwrap());
        Ran {
            arguments: words.join(" "),
            code: output.status.code().unwrap(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    /// Returns a command that runs the program, with `shop` as the store.
    pub(crate) fn command(&self, words: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orderstore"));
        command
            .args(words)
            .current_dir(self.root.path())
            .env("ORDERSTORE_DIR", "shop")
            .stdin(Stdio::null());
        command
    }

    /// Replaces the parts of an output that differ in each run: cursors, the random incarnation
    /// number of the store's feed, and the temporary directory.
    fn fixed(&self, text: &str) -> String {
        let root = self.root.path().display().to_string();
        let is_word = |char: char| char.is_ascii_alphanumeric() || char == '-';
        let mut fixed = String::new();
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find(|char| !is_word(char)).unwrap_or(rest.len());
            let (word, behind) = rest.split_at(end);
            fixed.push_str(&fixed_word(word));
            let mut behind = behind.chars();
            fixed.extend(behind.next());
            rest = behind.as_str();
        }
        fixed.replace(&root, "PLACE")
    }
}

/// Replaces a word of the output if it is a cursor or contains an incarnation number.
fn fixed_word(word: &str) -> String {
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if word.len() == 58 && is_hex(word) {
        return "CURSOR".to_owned();
    }
    match word.split_once('-') {
        Some((incarnation, seq)) if incarnation.len() == 16 && is_hex(incarnation) => {
            format!("INCARNATION-{seq}")
        }
        _ => word.to_owned(),
    }
}

/// Returns the sorted names of the entries in a directory.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

impl Ran {
    /// Asserts the exit code.
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// Parses stdout as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap()
    }

    /// Returns arguments, output and exit code for a snapshot.
    pub(crate) fn text(&self) -> String {
        let Self {
            arguments,
            code,
            out,
            err,
        } = self;
        let mut text = format!("$ orderstore {arguments}\n{out}");
        if !err.is_empty() {
            text.push_str("-- stderr\n");
            text.push_str(err);
        }
        text.push_str(&format!("-- exit code {code}\n"));
        text
    }
}

/// Joins the snapshot texts of several program runs.
pub(crate) fn texts(runs: &[Ran]) -> String {
    let texts: Vec<String> = runs.iter().map(Ran::text).collect();
    texts.join("\n")
}
