//! Runs the program, and keeps what it said.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// What the program said, and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    said: String,
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A place for stores, backups and files; gone when the test ends.
pub(crate) struct Place {
    root: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        Self { root }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The names in the place.
    pub(crate) fn names(&self) -> Vec<String> {
        names(self.root.path())
    }

    /// Runs the program here, where the store is `shop`; its words are parted at spaces.
    #[track_caller]
    pub(crate) fn run(&self, line: &str) -> Ran {
        self.run_words(&line.split(' ').collect::<Vec<_>>())
    }

    #[track_caller]
    pub(crate) fn run_words(&self, words: &[&str]) -> Ran {
        self.ran(words, &mut self.command(words))
    }

    /// The same, where nobody reads what the program writes to stdout.
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
            said: words.join(" "),
            code: output.status.code().unwrap(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    pub(crate) fn command(&self, words: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orderstore"));
        command
            .args(words)
            .current_dir(self.root.path())
            .env("ORDERSTORE_DIR", "shop")
            .stdin(Stdio::null());
        command
    }

    /// What is drawn anew for each store, as a word: the cursors of its lists, which are bound
    /// to it, and the incarnation in the places of its feed.
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

pub(crate) fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

impl Ran {
    /// It ended with this code.
    #[track_caller]
    pub(crate) fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// Stdout as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap()
    }

    /// All that was said and heard, for a snapshot.
    pub(crate) fn text(&self) -> String {
        let Self {
            said,
            code,
            out,
            err,
        } = self;
        let mut text = format!("$ orderstore {said}\n{out}");
        if !err.is_empty() {
            text.push_str("-- stderr\n");
            text.push_str(err);
        }
        text.push_str(&format!("-- exit code {code}\n"));
        text
    }
}

/// Several runs, one below the other.
pub(crate) fn texts(runs: &[Ran]) -> String {
    let texts: Vec<String> = runs.iter().map(Ran::text).collect();
    texts.join("\n")
}
