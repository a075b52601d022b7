//! Parses the URL of a cluster. The module reads the TLS parameters itself, because the driver does
//! not support `verify-ca`, `verify-full` and `sslrootcert`.

use std::error::Error as _;
use std::fmt::Write as _;
use std::path::PathBuf;

use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

use crate::error::OpenError;

/// Address of a cluster, with its TLS parameters.
pub(super) struct Address {
    /// Parameters for the driver.
    pub(super) config: Config,
    /// File of the trusted certificate authorities. `None` means those of the operating system.
    pub(super) roots: Option<PathBuf>,
    /// Whether the name in the certificate must match the host name.
    pub(super) checks_name: bool,
}

/// URL without its TLS parameters, and these parameters.
#[derive(Default)]
struct Parts {
    rest: String,
    mode: Option<String>,
    roots: Option<String>,
}

pub(super) fn invalid(why: impl Into<String>) -> OpenError {
    OpenError::Invalid {
        what: "url",
        why: why.into(),
    }
}

pub(super) fn parse(url: &str) -> Result<Address, OpenError> {
    let parts = of_url(url).unwrap_or_else(|| of_pairs(url));
    let mut config: Config = parts
        .rest
        .parse()
        .map_err(|error| invalid(explain(url, &error)))?;
    if config.get_hosts().is_empty() {
        return Err(invalid(
            "the URL names no host: write postgres://user@host/database",
        ));
    }
    let roots = parts.roots.filter(|roots| roots != "system");
    let mode = match parts.mode.as_deref() {
        None => config.get_ssl_mode(),
        Some("disable") => SslMode::Disable,
        Some("prefer") => SslMode::Prefer,
        // Require a file of private authorities. Otherwise `verify-ca` would protect against
        // nobody, because anybody can get a certificate from a public authority.
        Some("verify-ca") if roots.is_none() => {
            let why = "`sslmode=verify-ca` needs `sslrootcert` with a file of certificates";
            return Err(invalid(why));
        }
        Some("require" | "verify-ca" | "verify-full") => SslMode::Require,
        Some(_) => {
            let modes = "disable, prefer, require, verify-ca or verify-full";
            return Err(invalid(format!("the parameter `sslmode` takes {modes}")));
        }
    };
    config.ssl_mode(mode);
    Ok(Address {
        config,
        roots: roots.map(PathBuf::from),
        checks_name: parts.mode.as_deref() != Some("verify-ca"),
    })
}

/// Returns the error text for a URL that the driver refuses.
///
/// The driver names a parameter but never its value. If a password contains separators such as `?`
/// or `@`, a part of the password can look like a parameter name. The text then omits the name.
fn explain(url: &str, error: &tokio_postgres::Error) -> String {
    let why = error.source().map(ToString::to_string).unwrap_or_default();
    let is_clear = url
        .split_once('?')
        .is_some_and(|(front, parameters)| front.contains("://") && !parameters.contains('@'));
    match why.strip_prefix("unknown option ") {
        Some(name) if is_clear => format!("the parameter {name} is not supported"),
        Some(_) => "the URL has a parameter that is not supported".to_owned(),
        None => format!("invalid PostgreSQL URL: {why}"),
    }
}

impl Parts {
    /// Stores the value if `name` is a TLS parameter. Returns whether `name` is one.
    fn takes(&mut self, name: &str, value: &str) -> bool {
        let place = match name {
            "sslmode" => &mut self.mode,
            "sslrootcert" => &mut self.roots,
            _ => return false,
        };
        *place = Some(value.to_owned());
        true
    }
}

/// Splits a URL such as `postgres://user@host/database?name=value&…`, as the driver splits it.
fn of_url(url: &str) -> Option<Parts> {
    let is_url = ["postgres://", "postgresql://"].map(|scheme| url.starts_with(scheme));
    if !is_url.contains(&true) {
        return None;
    }
    let mut parts = Parts::default();
    let (user, address) = match url.split_once('@') {
        Some((user, address)) => (Some(user), address),
        None => (None, url),
    };
    let (front, parameters) = address.split_once('?').unwrap_or((address, ""));
    let kept = parameters.split('&').filter(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = percent_encoding::percent_decode_str(value).decode_utf8_lossy();
        !parts.takes(name, &value)
    });
    let kept = kept.collect::<Vec<_>>().join("&");
    let user = user.map(|user| format!("{user}@")).unwrap_or_default();
    let mark = if kept.is_empty() { "" } else { "?" };
    parts.rest = format!("{user}{front}{mark}{kept}");
    Some(parts)
}

/// Splits an address of pairs such as `host=one user=shop`. Passes an invalid address unchanged to
/// the driver, which reports the error.
fn of_pairs(text: &str) -> Parts {
    let mut parts = Parts::default();
    let Some(pairs) = pairs(text) else {
        text.clone_into(&mut parts.rest);
        return parts;
    };
    for (name, value) in pairs {
        if !parts.takes(name, &value) {
            let value = value.replace('\\', "\\\\").replace('\'', "\\'");
            // Ignore the result, because writing to a `String` never fails.
            let _ = write!(parts.rest, "{name}='{value}' ");
        }
    }
    parts
}

fn pairs(text: &str) -> Option<Vec<(&str, String)>> {
    let mut pairs = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (is_quoted, after) = after
            .strip_prefix('\'')
            .map_or((false, after), |after| (true, after));
        let (mut value, mut chars) = (String::new(), after.chars());
        loop {
            match chars.next() {
                Some('\\') => value.extend(chars.next()),
                Some('\'') if is_quoted => break,
                Some(space) if !is_quoted && space.is_whitespace() => break,
                Some(other) => value.push(other),
                None if is_quoted => return None,
                None => break,
            }
        }
        pairs.push((name.trim_end(), value));
        rest = chars.as_str().trim_start();
    }
    Some(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRONT: &str = "postgres://shop@one";

    fn why(url: &str) -> String {
        match parse(url) {
            Err(OpenError::Invalid { what: "url", why }) => why,
            Err(other) => panic!("{other:?}"),
            Ok(_) => panic!("the URL was accepted"),
        }
    }

    #[test]
    fn tls_parameters_parse_in_both_address_forms() {
        let cases = [
            ("", SslMode::Prefer, None, true),
            ("sslmode=disable", SslMode::Disable, None, true),
            ("sslmode=require", SslMode::Require, None, true),
            ("sslmode=verify-full", SslMode::Require, None, true),
            (
                "sslmode=verify-full&sslrootcert=system",
                SslMode::Require,
                None,
                true,
            ),
            (
                "sslrootcert=/etc/my%20ca.pem&sslmode=verify-ca&connect_timeout=3",
                SslMode::Require,
                Some("/etc/my ca.pem"),
                false,
            ),
        ];
        for (parameters, mode, roots, checks_name) in cases {
            let address = parse(&format!("{FRONT}/orders?{parameters}")).unwrap();
            assert_eq!(address.config.get_ssl_mode(), mode, "{parameters}");
            assert_eq!(address.roots, roots.map(PathBuf::from), "{parameters}");
            assert_eq!(address.checks_name, checks_name, "{parameters}");
            assert_eq!(address.config.get_dbname(), Some("orders"));
        }
        let pairs = "host=one sslmode = verify-ca password='a\\'b c' sslrootcert='/etc/my ca.pem'";
        let address = parse(pairs).unwrap();
        assert_eq!(address.config.get_password(), Some(&b"a'b c"[..]));
        assert_eq!(address.config.get_ssl_mode(), SslMode::Require);
        assert_eq!(address.roots, Some(PathBuf::from("/etc/my ca.pem")));
        assert!(!address.checks_name);
    }

    #[test]
    fn invalid_url_error_hides_parameter_values() {
        let wrong = |parameters: &str| why(&format!("{FRONT}/orders?{parameters}"));
        assert!(wrong("sslmode=secret").contains("`sslmode` takes disable"));
        assert!(wrong("sslmode=verify-ca").contains("`sslrootcert`"));
        assert!(wrong("sslcert=a&sslmode=require").contains("`sslcert` is not supported"));
        assert!(wrong("connect_timeout=secret").contains("`connect_timeout`"));
        assert!(why("postgres://shop@one:secret").contains("`port`"));
        for unclear in [
            "postgres://shop:a@b?secret=1@one/orders",
            "host=one password=se secret=1",
            "mysql://secret@one",
            "postgres://shop:secret@",
        ] {
            assert!(!why(unclear).contains("secret"), "{unclear}");
        }
    }
}
