//! The languages: how to build and run the example and the driver of each.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

/// Place of the clients in the repository.
const CLIENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../clients");

/// Place of Gson in Debian's package `libgoogle-gson-java`.
const GSON: &str = "/usr/share/java/gson.jar";

/// One language.
pub(crate) struct Language {
    name: &'static str,
    /// Succeeds if the language is installed, in a version that the client supports.
    check: &'static [&'static str],
    /// Builds the programs in the directory that replaces `OUT`; empty if there is nothing to build.
    build: &'static [&'static str],
    /// Runs the program that replaces `NAME`.
    run: &'static [&'static str],
    has_unix_sockets: bool,
    built: OnceLock<Option<PathBuf>>,
}

pub(crate) static PYTHON: Language = Language {
    name: "python",
    check: &[
        "python3",
        "-c",
        "import sys; sys.exit(sys.version_info < (3, 9))",
    ],
    build: &[],
    run: &["python3", "-B", "CLIENTS/NAME.py"],
    has_unix_sockets: true,
    built: OnceLock::new(),
};

pub(crate) static NODE: Language = Language {
    name: "node",
    check: &[
        "node",
        "-e",
        "process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)",
    ],
    build: &[],
    run: &["node", "CLIENTS/NAME.js"],
    has_unix_sockets: true,
    built: OnceLock::new(),
};

pub(crate) static GO: Language = Language {
    name: "go",
    check: &["go", "version"],
    build: &["go", "build", "-buildvcs=false", "-o", "OUT/", "./..."],
    run: &["OUT/NAME"],
    has_unix_sockets: true,
    built: OnceLock::new(),
};

pub(crate) static PHP: Language = Language {
    name: "php",
    // The driver, and not the client, needs `pcntl`.
    check: &[
        "php",
        "-r",
        "exit(PHP_VERSION_ID >= 80100 && extension_loaded('curl') && extension_loaded('pcntl') ? 0 : 1);",
    ],
    build: &[],
    run: &["php", "CLIENTS/NAME.php"],
    has_unix_sockets: true,
    built: OnceLock::new(),
};

pub(crate) static JAVA: Language = Language {
    name: "java",
    check: &[
        "sh",
        "-c",
        "javac -version && test -e /usr/share/java/gson.jar",
    ],
    build: &[
        "javac",
        "-Xlint:all",
        "-Werror",
        "-cp",
        GSON,
        "-d",
        "OUT",
        "Orderstore.java",
        "Example.java",
        "Driver.java",
    ],
    run: &["java", "-XX:TieredStopAtLevel=1", "-cp", "OUT:GSON", "NAME"],
    has_unix_sockets: false,
    built: OnceLock::new(),
};

/// Programs of a language that is installed.
#[derive(Clone, Copy)]
pub(crate) struct Program {
    language: &'static Language,
    out: &'static Path,
}

impl Language {
    /// Returns the programs, which the first call builds; `None` if the language is not installed.
    pub(crate) fn program(&'static self) -> Option<Program> {
        let built = self.built.get_or_init(|| self.build());
        let out = built.as_deref()?;
        Some(Program {
            language: self,
            out,
        })
    }

    /// Returns a place for a server that the client can reach.
    pub(crate) fn place(&self) -> String {
        match self.has_unix_sockets {
            // Relative, because the path of a socket must be short.
            true => "unix:api.sock".to_owned(),
            false => crate::served::free_place(),
        }
    }

    fn build(&self) -> Option<PathBuf> {
        let name = self.name;
        let checked = Command::new(self.check[0]).args(&self.check[1..]).output();
        if !checked.is_ok_and(|output| output.status.success()) {
            assert!(
                std::env::var_os("CLIENTS_REQUIRED").is_none(),
                "CLIENTS_REQUIRED is set, but {name} is not installed, or too old"
            );
            eprintln!("skipped: {name} is not installed, or too old");
            return None;
        }
        let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("clients-{name}"));
        std::fs::create_dir_all(&out).unwrap();
        if !self.build.is_empty() {
            let mut building = self.command(self.build, &out, "");
            let built = building.current_dir(Path::new(CLIENTS).join(name)).output();
            succeeded(&built.unwrap());
        }
        Some(out)
    }

    fn command(&self, words: &[&str], out: &Path, program: &str) -> Command {
        let clients = format!("{CLIENTS}/{}", self.name);
        let mut words = words.iter().map(|word| {
            word.replace("CLIENTS", &clients)
                .replace("OUT", &out.display().to_string())
                .replace("GSON", GSON)
                .replace("NAME", program)
        });
        let mut command = Command::new(words.next().unwrap());
        command.args(words).stdin(Stdio::null());
        command
    }
}

impl Program {
    /// Runs a program in a directory, and returns its output.
    #[track_caller]
    pub(crate) fn run(self, dir: &Path, name: &str, arguments: &[&str]) -> String {
        let child = self.start(dir, name, arguments);
        succeeded(&child.wait_with_output().unwrap())
    }

    /// Starts a program in a directory.
    pub(crate) fn start(self, dir: &Path, name: &str, arguments: &[&str]) -> Child {
        // Java's classes begin with a capital letter.
        let name = match self.language.name {
            "java" => format!("{}{}", name[..1].to_uppercase(), &name[1..]),
            _ => name.to_owned(),
        };
        let mut command = self.language.command(self.language.run, self.out, &name);
        let command = command.args(arguments).current_dir(dir);
        let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        piped.spawn().unwrap()
    }
}

/// Asserts that a program succeeded, and returns its output.
#[track_caller]
pub(crate) fn succeeded(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
    out
}
