//! Location of a store: a directory, or the URL of a cluster.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use clap::builder::{PathBufValueParser, TypedValueParser};
use orderstore::{Builder, OpenError, Store};

use crate::failure::Failure;
#[cfg(unix)]
use crate::live;

/// Location of a store. The type has no `Debug`, because a URL may contain a password.
#[derive(Clone)]
pub(crate) enum Location {
    /// Directory of a local store.
    Dir(PathBuf),
    /// URL of a store on a PostgreSQL cluster.
    Cluster(Url),
}

/// URL of a PostgreSQL cluster, as the operator wrote it.
#[derive(Clone)]
pub(crate) struct Url(String);

/// Separator between the scheme and the rest of a URL. Real paths do not contain it.
const MARK: &str = "://";

/// Returns whether a text probably names a PostgreSQL cluster: a complete or incomplete URL, or the
/// `key=value` pairs that PostgreSQL's own programs accept.
fn is_of_cluster(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    // Remove spaces first, because PostgreSQL also accepts `password = secret`.
    let holds_password = text.replace(' ', "").contains("password=");
    let begins = ["postgres:", "postgresql:"].map(|scheme| text.starts_with(scheme));
    begins.contains(&true) || text.contains(MARK) || holds_password
}

impl From<&OsStr> for Location {
    /// Decides whether the text names a cluster or a directory. A text that may name a cluster
    /// never becomes a directory, because the directory's name would contain the password.
    fn from(argument: &OsStr) -> Self {
        let text = argument.to_string_lossy();
        if is_of_cluster(&text) {
            return Self::Cluster(Url(text.into_owned()));
        }
        Self::Dir(PathBuf::from(argument))
    }
}

/// Prints a directory, or a URL without its user, password and settings.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dir(dir) => dir.display().fmt(f),
            Self::Cluster(Url(url)) => {
                let (scheme, rest) = url.split_once(MARK).unwrap_or(("postgres", HIDDEN));
                write!(f, "{scheme}{MARK}{}", hosts(rest).unwrap_or(HIDDEN))
            }
        }
    }
}

/// Replacement for hidden text.
const HIDDEN: &str = "…";

/// Returns the hosts, ports and database in the part of a URL after the scheme.
///
/// Returns `None` if the result could contain a part of the password, because a password may
/// contain any separator of a URL (`@`, `:`, `/`, `?`, `&`).
fn hosts(rest: &str) -> Option<&str> {
    let (front, settings) = rest.split_once('?').unwrap_or((rest, ""));
    let hosts = front.rsplit_once('@').map_or(front, |(_, hosts)| hosts);
    let names = hosts.split_once('/').map_or(hosts, |(names, _)| names);
    // The text after the colon must be a port, which has only digits. Any other text could be the
    // password of `user:secret`.
    let is_host = |host: &str| {
        // Skip an IPv6 address in brackets, because its colons do not separate a port.
        let host = host.rsplit_once(']').map_or(host, |(_, port)| port);
        let port = host.rsplit_once(':').map_or("", |(_, port)| port);
        port.bytes().all(|byte| byte.is_ascii_digit())
    };
    // If an `@` follows the first `?`, this `?` may be a part of the password. If the host names
    // contain `=` or `&`, these signs may be a part of the password, too.
    let is_clear = !settings.contains('@') && !hosts.contains(['=', '&']);
    (is_clear && names.split(',').all(is_host)).then_some(hosts)
}

/// Removes the secrets of all URLs in `arguments` from `text`, an error message that may repeat the
/// arguments.
pub(crate) fn redact_urls(text: String, arguments: impl Iterator<Item = OsString>) -> String {
    arguments.fold(text, |text, word| {
        let word = word.to_string_lossy();
        if let Some((_, rest)) = word.split_once(MARK).filter(|(_, rest)| !rest.is_empty()) {
            let shown = hosts(rest).unwrap_or(HIDDEN);
            return text.replace(&format!("{MARK}{rest}"), &format!("{MARK}{shown}"));
        }
        // The value of a flag follows `=` in the same argument, or is the next argument.
        let value = word.split_once('=').filter(|_| word.starts_with("--"));
        let value = value.map_or(&*word, |(_, value)| value);
        if is_of_cluster(value) {
            return text.replace(value, HIDDEN);
        }
        text
    })
}

/// Returns a parser for the path of a file or directory. It rejects URLs.
pub(crate) fn path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|argument| match Location::from(argument.as_os_str()) {
        Location::Dir(path) => Ok(path),
        Location::Cluster(_) => Err("a URL is not allowed here: name a directory or a file"),
    })
}

/// Returns the settings of every command. A command of an operator also runs where a power loss may
/// undo acknowledged changes.
pub(crate) fn builder() -> Builder {
    Store::builder().allow_weak_durability()
}

/// Returns whether the name of a file ends in `.csv`.
pub(crate) fn is_named_csv(path: &Path) -> bool {
    path.extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("csv"))
}

/// Opens an existing store in a directory. A standby serves reads.
fn open_dir(builder: Builder, dir: &Path) -> Result<Store, OpenError> {
    open_or_follow(builder, dir, |builder| builder.open(dir))
}

fn open_or_follow(
    builder: Builder,
    dir: &Path,
    open: impl FnOnce(Builder) -> Result<Store, OpenError>,
) -> Result<Store, OpenError> {
    match open(builder.clone()) {
        Err(OpenError::IsStandby { .. }) => builder.follow(dir),
        opened => opened,
    }
}

impl Location {
    /// Opens an existing store. If a server has it open, uses it through that server.
    pub(crate) fn open(&self, builder: Builder) -> Result<Store, Failure> {
        match self {
            Self::Dir(dir) => match open_dir(builder.clone(), dir) {
                #[cfg(unix)]
                Err(error @ OpenError::Locked { .. }) => {
                    let live = live::open(builder, dir)?;
                    live.ok_or_else(|| error.into())
                }
                opened => Ok(opened?),
            },
            Self::Cluster(url) => url.open(builder),
        }
    }

    /// Opens an existing store in this process.
    pub(crate) fn open_here(&self, builder: Builder) -> Result<Store, Failure> {
        match self {
            Self::Dir(dir) => Ok(open_dir(builder, dir)?),
            Self::Cluster(url) => url.open(builder),
        }
    }

    /// Opens a store for a server, or creates it if none exists.
    pub(crate) fn open_or_init_to_serve(&self, builder: Builder) -> Result<Store, Failure> {
        match self {
            Self::Dir(dir) => Ok(open_or_follow(builder, dir, |builder| {
                builder.open_or_init(dir)
            })?),
            Self::Cluster(url) => url.open_or_init(builder),
        }
    }

    /// Creates a store. An existing store is an error.
    pub(crate) fn init(&self, builder: Builder) -> Result<Store, Failure> {
        match self {
            Self::Dir(dir) => Ok(builder.init(dir)?),
            Self::Cluster(url) => url.init(builder),
        }
    }

    /// Opens a store, or creates it if none exists.
    pub(crate) fn open_or_init(&self, builder: Builder) -> Result<Store, Failure> {
        match self {
            Self::Dir(dir) => Ok(builder.open_or_init(dir)?),
            Self::Cluster(url) => url.open_or_init(builder),
        }
    }
}

#[cfg(feature = "postgres")]
impl Url {
    fn open(&self, builder: Builder) -> Result<Store, Failure> {
        Ok(builder.connect_existing(&self.0)?)
    }

    fn init(&self, builder: Builder) -> Result<Store, Failure> {
        match builder.clone().connect_existing(&self.0) {
            Err(OpenError::NoTables) => self.open_or_init(builder),
            Err(error) => Err(error.into()),
            Ok(store) => {
                store.shutdown().wait()?;
                Err(Failure::taken(
                    "the database already contains a store: use it, or name another database or \
                     schema",
                ))
            }
        }
    }

    fn open_or_init(&self, builder: Builder) -> Result<Store, Failure> {
        Ok(builder.connect(&self.0)?)
    }
}

#[cfg(not(feature = "postgres"))]
impl Url {
    const MISSING: &str = "this program was built without the feature `postgres` and cannot use a \
                           cluster: install it with --features postgres";

    fn open(&self, _: Builder) -> Result<Store, Failure> {
        Err(Failure::usage(Self::MISSING))
    }

    fn init(&self, _: Builder) -> Result<Store, Failure> {
        Err(Failure::usage(Self::MISSING))
    }

    fn open_or_init(&self, _: Builder) -> Result<Store, Failure> {
        Err(Failure::usage(Self::MISSING))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn location_display_hides_user_and_password() {
        let shown = |text: &str| Location::from(OsStr::new(text)).to_string();
        let url = "postgres://shop:se@cret@one:1,two/orders?options=-csearch_path%3Da&password=b";
        assert_eq!(shown(url), "postgres://one:1,two/orders");
        assert_eq!(shown("postgresql://one"), "postgresql://one");
        assert_eq!(
            shown("postgres://a:b@[::1]:5/shop"),
            "postgres://[::1]:5/shop"
        );
        for unclear in [
            "postgres://shop:se?cret@one",
            "postgres://shop:secret?a@one",
            "postgres://shop:secret",
            "postgres://one?password=se@cret",
            "postgres://one/shop&password=secret",
            "postgres:/shop:secret@one",
            "host=one user=shop password=secret",
            "host=one password = 'se cret'",
        ] {
            assert_eq!(shown(unclear), "postgres://…");
        }
        assert_eq!(shown("postgres://a:b@[::1]/shop"), "postgres://[::1]/shop");
        assert_eq!(shown("/var/lib/postgres"), "/var/lib/postgres");
        assert_eq!(shown("shops/postgres"), "shops/postgres");
        assert_eq!(shown("/srv/passwords/shop"), "/srv/passwords/shop");
    }
}
