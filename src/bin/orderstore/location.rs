//! Where a store is: in a directory, or on a cluster that a URL names.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use clap::builder::{PathBufValueParser, TypedValueParser};
use orderstore::{Builder, Store};

use crate::failure::Failure;

/// What `--store` and its like say. No `Debug`: a URL may hold a password.
#[derive(Clone)]
pub(crate) enum Location {
    /// A directory.
    Dir(PathBuf),
    /// A cluster.
    Cluster(Url),
}

/// The URL of a cluster.
#[derive(Clone)]
pub(crate) struct Url(String);

/// Between a URL's scheme and the rest; no path that anybody has looks like that.
const MARK: &str = "://";

/// Whether a text is meant for a cluster, however it is spelled: a URL, a part of one, or the
/// pairs that PostgreSQL's own programs take, too.
fn is_of_cluster(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    // Around the sign there may be spaces.
    let holds_password = text.replace(' ', "").contains("password=");
    let begins = ["postgres:", "postgresql:"].map(|scheme| text.starts_with(scheme));
    begins.contains(&true) || text.contains(MARK) || holds_password
}

impl From<&OsStr> for Location {
    /// What is meant for a cluster names no directory: its password would be in the name.
    fn from(said: &OsStr) -> Self {
        let text = said.to_string_lossy();
        if is_of_cluster(&text) {
            return Self::Cluster(Url(text.into_owned()));
        }
        Self::Dir(PathBuf::from(said))
    }
}

/// Who speaks to the cluster and with which settings is left out.
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

/// What stands for what is not shown.
const HIDDEN: &str = "…";

/// Hosts, their ports and the database, of what is behind the scheme. `None` where it is not
/// certain that they are that: a password may hold any of the signs that part a URL.
fn hosts(rest: &str) -> Option<&str> {
    let (front, settings) = rest.split_once('?').unwrap_or((rest, ""));
    let hosts = front.rsplit_once('@').map_or(front, |(_, hosts)| hosts);
    let names = hosts.split_once('/').map_or(hosts, |(names, _)| names);
    let is_host = |host: &str| {
        // Behind the brackets of an address of many colons.
        let host = host.rsplit_once(']').map_or(host, |(_, port)| port);
        let port = host.rsplit_once(':').map_or("", |(_, port)| port);
        port.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_clear = !settings.contains('@') && !hosts.contains(['=', '&']);
    (is_clear && names.split(',').all(is_host)).then_some(hosts)
}

/// A text that repeats what was said, without what its URLs hold.
pub(crate) fn veiled(text: String, said: impl Iterator<Item = OsString>) -> String {
    said.fold(text, |text, word| {
        let word = word.to_string_lossy();
        if let Some((_, rest)) = word.split_once(MARK).filter(|(_, rest)| !rest.is_empty()) {
            let shown = hosts(rest).unwrap_or(HIDDEN);
            return text.replace(&format!("{MARK}{rest}"), &format!("{MARK}{shown}"));
        }
        // A flag's value stands behind the flag, or by itself.
        let value = word.split_once('=').filter(|_| word.starts_with("--"));
        let value = value.map_or(&*word, |(_, value)| value);
        if is_of_cluster(value) {
            return text.replace(value, HIDDEN);
        }
        text
    })
}

/// Takes the path of a file or of a directory, and no URL.
pub(crate) fn path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|said| match Location::from(said.as_os_str()) {
        Location::Dir(path) => Ok(path),
        Location::Cluster(_) => Err("a path belongs here, and no URL: name a directory or a file"),
    })
}

/// Whether a file is CSV by its name.
pub(crate) fn is_named_csv(path: &Path) -> bool {
    path.extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("csv"))
}

impl Location {
    /// Opens the store that is there, and makes none.
    pub(crate) fn open(&self, builder: Builder) -> Result<Store, Failure> {
        match self {
            Self::Dir(dir) => Ok(builder.allow_weak_durability().open(dir)?),
            Self::Cluster(url) => url.open(builder),
        }
    }

    /// Makes a store where there is none.
    pub(crate) fn init(&self, builder: Builder) -> Result<Store, Failure> {
        match self {
            Self::Dir(dir) => Ok(builder.allow_weak_durability().init(dir)?),
            Self::Cluster(url) => url.init(builder),
        }
    }

    /// Opens the store that is there, or makes one.
    pub(crate) fn open_or_init(&self, builder: Builder) -> Result<Store, Failure> {
        match self {
            Self::Dir(dir) => Ok(builder.allow_weak_durability().open_or_init(dir)?),
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
            Err(orderstore::Error::NoTables) => self.open_or_init(builder),
            Err(error) => Err(error.into()),
            Ok(store) => {
                store.shutdown().wait()?;
                Err(Failure::taken(
                    "the database holds a store already: use that one, or name another database or \
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
    const MISSING: &str = "this program was built without the feature `postgres`, and speaks to no \
                           cluster: build it with --features cli,postgres";

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
    fn what_is_shown_of_a_place_names_nobody() {
        let shown = |said: &str| Location::from(OsStr::new(said)).to_string();
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
