//! Where a store is: in a directory, or on a cluster that a URL names.

use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;

use orderstore::{Builder, Store};

use crate::failure::Failure;

/// What `--store` and its like say. No `Debug`: a URL may hold a password.
#[derive(Clone)]
pub(crate) enum Place {
    /// A directory.
    Dir(PathBuf),
    /// A cluster.
    Cluster(Url),
}

/// The URL of a cluster.
#[derive(Clone)]
pub(crate) struct Url(String);

impl From<&OsStr> for Place {
    fn from(said: &OsStr) -> Self {
        let is_url = |text: &&str| {
            ["postgres://", "postgresql://"]
                .iter()
                .any(|it| text.starts_with(it))
        };
        match said.to_str().filter(is_url) {
            Some(url) => Self::Cluster(Url(url.to_owned())),
            None => Self::Dir(PathBuf::from(said)),
        }
    }
}

/// Who speaks to the cluster and with which settings is left out.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dir(dir) => dir.display().fmt(f),
            Self::Cluster(Url(url)) => {
                let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", ""));
                let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
                let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
                write!(f, "{scheme}://{rest}")
            }
        }
    }
}

impl Place {
    /// Opens the store that is there, and makes none.
    pub(crate) fn open(&self, builder: Builder) -> Result<Store, Failure> {
        match self {
            Self::Dir(dir) => Ok(builder.open(dir)?),
            Self::Cluster(url) => url.open(builder),
        }
    }

    /// Makes a store where there is none.
    pub(crate) fn init(&self, builder: Builder) -> Result<Store, Failure> {
        match self {
            Self::Dir(dir) => Ok(builder.init(dir)?),
            Self::Cluster(url) => url.init(builder),
        }
    }

    /// Opens the store that is there, or makes one.
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
            Err(orderstore::Error::NoTables) => self.open_or_init(builder),
            Err(error) => Err(error.into()),
            Ok(store) => {
                store.shutdown().wait()?;
                Err(Failure::taken("the database holds a store already"))
            }
        }
    }

    fn open_or_init(&self, builder: Builder) -> Result<Store, Failure> {
        Ok(builder.connect(&self.0)?)
    }
}

#[cfg(not(feature = "postgres"))]
impl Url {
    const MISSING: &str = "this program was built without the feature `postgres`: it speaks to no \
                           cluster";

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
        let shown = |said: &str| Place::from(OsStr::new(said)).to_string();
        let url = "postgres://shop:se@cret@one:1,two/orders?options=-csearch_path%3Da&password=b";
        assert_eq!(shown(url), "postgres://one:1,two/orders");
        assert_eq!(shown("postgresql://one"), "postgresql://one");
        assert_eq!(shown("/var/lib/postgres"), "/var/lib/postgres");
        assert_eq!(shown("postgres:/one"), "postgres:/one");
    }
}
