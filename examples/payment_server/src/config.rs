//! Command line, parsed and checked before the server opens anything.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use lexopt::prelude::{Long, ValueExt};
use orderstore::Policy;
use thiserror::Error;
use tracing::level_filters::LevelFilter;

use crate::clock::Clock;

/// Text that `--help` prints.
pub const HELP: &str = "\
A payment server on orderstore, on one machine.

usage: payment_server [--listen ADDRESS] [--host NAME]... [--data DIR [--mirror DIR]
                      [--archive URL]] [--channel URL --keys DIR] [--log LEVEL]
       payment_server --demo
       payment_server --load SECONDS

  --listen ADDRESS   address to listen on (default 127.0.0.1:8080; port 0: any free port)
  --host NAME        a host name that requests may use, such as pay.example.com;
                     IP addresses and localhost are always allowed; may be repeated
  --data DIR         directory of the orders (default: temporary, deleted at the end)
  --mirror DIR       second copy of the orders, on another disk (default: none)
  --archive URL      archive of the orders: a directory, or s3://… (default: none)
  --channel URL      a payment channel instead of the stand-in on this machine
  --keys DIR         channel keys: platform_key.der, platform_serial, api_v3_key
  --log LEVEL        error, warn, info (default) or debug (a span for each command)
  --demo             run a hundred customers against the stand-in, then exit
  --load SECONDS     load test: send as many callbacks as possible, then exit
  --help             print this text
";

/// Task that the command line selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Runs the server until it receives a signal.
    Serve,
    /// Runs the demonstration with a hundred customers.
    Demo,
    /// Runs the load test for this long.
    Load(Duration),
    /// Prints the help text.
    Help,
}

/// Real payment channel, used in place of the simulated one (stand-in).
#[derive(Debug, Clone)]
pub struct Remote {
    /// Base URL of the channel.
    pub url: String,
    /// Directory with the channel's keys.
    pub keys: PathBuf,
}

/// Configuration of a server.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Host names that requests may use, in addition to IP addresses and `localhost`.
    pub hosts: Vec<String>,
    /// Directory of the orders. Without one, the orders are in a temporary directory that is
    /// removed when the server ends.
    pub data: Option<PathBuf>,
    /// Directory of the mirror, on another disk.
    pub mirror: Option<PathBuf>,
    /// URL of the archive.
    pub archive: Option<String>,
    /// The real payment channel; `None` for the simulated one (stand-in).
    pub remote: Option<Remote>,
    /// Log level.
    pub log: LevelFilter,
    /// Policy of the store.
    pub policy: Policy,
    /// Clock of the server, its store and the stand-in.
    pub clock: Clock,
    /// Pause between sweeps of due items. 1 second by default.
    pub sweep_every: Duration,
    /// Time limit for a request to the channel. 5 seconds by default.
    pub channel_limit: Duration,
    /// Time limit for a request to the server. 15 seconds by default.
    pub request_limit: Duration,
    /// Maximum number of open connections. The default of 512 leaves file descriptors for the store
    /// if the process may have 1,024.
    pub connections: usize,
    /// Maximum time until a client has sent a complete request header. It also limits the time for
    /// which a connection may be idle. 15 seconds by default.
    pub header_limit: Duration,
    /// Factor by which the stand-in shortens the channel's documented intervals. 20 by default.
    pub shorten: u32,
}

impl Default for Config {
    fn default() -> Self {
        let mut policy = Policy::default();
        policy.expires_after = Duration::from_secs(30 * 60);
        // No delay before a close request, because API v3 of the channel accepts it at any time.
        policy.close_after = Duration::ZERO;
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            hosts: Vec::new(),
            data: None,
            mirror: None,
            archive: None,
            remote: None,
            log: LevelFilter::INFO,
            policy,
            clock: Clock::default(),
            sweep_every: Duration::from_secs(1),
            channel_limit: Duration::from_secs(5),
            request_limit: Duration::from_secs(15),
            connections: 512,
            header_limit: Duration::from_secs(15),
            shorten: 20,
        }
    }
}

/// Reason why a command line is rejected. More variants may be added.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// An argument is unknown or has no value.
    #[error("{0}; --help lists the arguments")]
    Arguments(#[from] lexopt::Error),
    /// An argument has an invalid value.
    #[error("{flag}: {why}")]
    Value {
        /// Name of the argument.
        flag: &'static str,
        /// Reason why the value is invalid.
        why: String,
    },
    /// `--channel` without `--keys`, or the other way round.
    #[error("--channel and --keys must be used together")]
    HalfARemote,
    /// `--mirror` or `--archive` without `--data`.
    #[error("--mirror and --archive need --data")]
    CopyOfNothing,
    /// `--demo` or `--load` together with another argument.
    #[error("--demo and --load take no other argument")]
    Crowded,
}

/// Maximum duration of the load test, in seconds.
const LOAD_MAX: u64 = 60;

impl Config {
    /// Returns a configuration that listens on any free loopback port, for tests.
    #[must_use]
    pub fn anywhere() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            ..Self::default()
        }
    }

    /// Parses the arguments after the program's name.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn from_args(
        args: impl IntoIterator<Item = OsString>,
    ) -> Result<(Mode, Self), ConfigError> {
        let mut parser = lexopt::Parser::from_args(args);
        let (mut modes, mut settings) = (Vec::new(), 0_usize);
        let (mut config, mut channel, mut keys) = (Self::default(), None, None);
        while let Some(argument) = parser.next()? {
            match argument {
                Long("help") => return Ok((Mode::Help, config)),
                Long("demo") => modes.push(Mode::Demo),
                Long("load") => modes.push(Mode::Load(load(&parser.value()?.string()?)?)),
                other => {
                    settings += 1;
                    match other {
                        Long("listen") => {
                            config.listen = parsed("--listen", &parser.value()?.string()?)?;
                        }
                        Long("host") => {
                            config.hosts.push(host(parser.value()?.string()?)?);
                        }
                        Long("data") => config.data = Some(parser.value()?.into()),
                        Long("mirror") => config.mirror = Some(parser.value()?.into()),
                        Long("archive") => config.archive = Some(parser.value()?.string()?),
                        Long("log") => {
                            config.log = parsed("--log", &parser.value()?.string()?)?;
                        }
                        Long("channel") => channel = Some(url(parser.value()?.string()?)?),
                        Long("keys") => keys = Some(PathBuf::from(parser.value()?)),
                        other => return Err(other.unexpected().into()),
                    }
                }
            }
        }
        config.remote = match (channel, keys) {
            (Some(url), Some(keys)) => Some(Remote { url, keys }),
            (None, None) => None,
            _ => return Err(ConfigError::HalfARemote),
        };
        let has_copy = config.mirror.is_some() || config.archive.is_some();
        if has_copy && config.data.is_none() {
            return Err(ConfigError::CopyOfNothing);
        }
        match (modes.as_slice(), settings) {
            ([], _) => Ok((Mode::Serve, config)),
            ([mode], 0) => Ok((*mode, config)),
            _ => Err(ConfigError::Crowded),
        }
    }
}

fn parsed<T: FromStr<Err: ToString>>(flag: &'static str, text: &str) -> Result<T, ConfigError> {
    text.parse().map_err(|error: T::Err| ConfigError::Value {
        flag,
        why: error.to_string(),
    })
}

fn load(text: &str) -> Result<Duration, ConfigError> {
    let seconds = parsed("--load", text)?;
    if (1..=LOAD_MAX).contains(&seconds) {
        return Ok(Duration::from_secs(seconds));
    }
    Err(ConfigError::Value {
        flag: "--load",
        why: format!("{seconds} is not within 1 to {LOAD_MAX} seconds"),
    })
}

fn host(text: String) -> Result<String, ConfigError> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    if !text.is_empty() && text.chars().all(is_name) {
        return Ok(text);
    }
    Err(ConfigError::Value {
        flag: "--host",
        why: "a host name without scheme and port is expected, such as pay.example.com".to_owned(),
    })
}

fn url(text: String) -> Result<String, ConfigError> {
    if text.starts_with("http://") {
        return Ok(text.trim_end_matches('/').to_owned());
    }
    Err(ConfigError::Value {
        flag: "--channel",
        why: "an address that begins with http:// is expected".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<(Mode, Config), String> {
        let args = line.split_whitespace().map(OsString::from);
        Config::from_args(args).map_err(|error| error.to_string())
    }

    #[test]
    fn default_arguments_serve_on_loopback_without_data_directory() {
        let (mode, config) = read("").unwrap();
        assert_eq!(mode, Mode::Serve);
        assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
        assert!(config.data.is_none() && config.remote.is_none());
    }

    #[test]
    fn every_argument_is_parsed() {
        let line = "--listen 127.0.0.1:9 --host a.example --host b.example --data d --mirror m --archive s3://a/b --channel http://127.0.0.1:7/ --keys k --log debug";
        let (mode, config) = read(line).unwrap();
        assert_eq!((mode, config.listen.port()), (Mode::Serve, 9));
        assert_eq!(config.hosts, ["a.example", "b.example"]);
        assert_eq!(config.data, Some(PathBuf::from("d")));
        assert_eq!(config.mirror, Some(PathBuf::from("m")));
        assert_eq!(config.archive.as_deref(), Some("s3://a/b"));
        assert_eq!(config.log, LevelFilter::DEBUG);
        let remote = config.remote.unwrap();
        assert_eq!(
            (remote.url.as_str(), remote.keys),
            ("http://127.0.0.1:7", "k".into())
        );
        assert_eq!(read("--demo").unwrap().0, Mode::Demo);
        assert_eq!(
            read("--load 3").unwrap().0,
            Mode::Load(Duration::from_secs(3))
        );
        assert_eq!(read("--help --nonsense").unwrap().0, Mode::Help);
    }

    #[test]
    fn invalid_argument_error_names_argument() {
        for (line, word) in [
            ("--listen here", "--listen"),
            ("--host http://pay.example", "--host"),
            ("--host pay.example:443", "without scheme and port"),
            ("--log loudly", "--log"),
            ("--load 0", "within 1 to 60"),
            ("--load 61", "within 1 to 60"),
            ("--load soon", "--load"),
            ("--channel http://127.0.0.1:7", "together"),
            ("--keys k", "together"),
            ("--mirror m", "--data"),
            ("--archive a", "--data"),
            ("--channel https://127.0.0.1:7 --keys k", "http://"),
            ("--demo --data d", "no other"),
            ("--demo --load 3", "no other"),
            ("--nonsense", "nonsense"),
            ("here", "here"),
        ] {
            let refused = read(line).unwrap_err();
            assert!(refused.contains(word), "{line}: {refused}");
        }
    }
}
