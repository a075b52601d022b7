//! Host names that a server accepts, and the check of a request's `Host` and `Origin`.
//!
//! A page of another site can make a browser send requests to this server. For that, the site's DNS
//! name is switched to this server's address (DNS rebinding). The browser then takes both for one
//! site, and `Origin` equals `Host`. The name in `Host` is still the other site's, so unknown names
//! are rejected.

use std::net::IpAddr;

use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, header};
use thiserror::Error;

/// Allowed host names.
#[derive(Debug, Clone)]
pub struct Hosts {
    names: Vec<String>,
    scope: Scope,
}

/// Hosts that are allowed without being named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// IP addresses and `localhost`, because DNS rebinding needs a name that the attacker controls.
    Addresses,
    /// Loopback addresses and `localhost`.
    Loopback,
    /// Every host, for a Unix socket: no browser can reach one.
    Every,
}

impl Hosts {
    /// Allows these names, `localhost`, and every IP address.
    #[must_use]
    pub const fn new(names: Vec<String>) -> Self {
        let scope = Scope::Addresses;
        Self { names, scope }
    }

    /// Allows `localhost` and loopback addresses.
    #[must_use]
    pub const fn loopback() -> Self {
        Self {
            names: Vec::new(),
            scope: Scope::Loopback,
        }
    }

    /// Allows every host.
    pub(crate) const fn every() -> Self {
        Self {
            names: Vec::new(),
            scope: Scope::Every,
        }
    }

    /// Allows these names, too.
    pub(crate) fn with_names(mut self, names: Vec<String>) -> Self {
        self.names.extend(names);
        self
    }

    /// Returns whether a page of one of the named hosts sent the request.
    ///
    /// A proxy may replace `Host`, so that it differs from the name that the browser knows. Only the
    /// standard port belongs to a name: other users of that machine can serve pages on other ports.
    pub(crate) fn names_origin(&self, headers: &HeaderMap) -> bool {
        let origin = only(headers, &header::ORIGIN).and_then(|origin| origin.split_once("://"));
        origin.is_some_and(|(scheme, name)| {
            let mut names = self.names.iter();
            is_web(scheme) && names.any(|known| known.eq_ignore_ascii_case(name))
        })
    }

    /// Returns whether the value of a `Host` header, with or without a port, is allowed.
    #[must_use]
    pub fn allows(&self, host: &str) -> bool {
        let Ok(authority) = host.parse::<Authority>() else {
            return false;
        };
        if host.contains('@') {
            return false;
        }
        let name = authority.host();
        let address = name.trim_start_matches('[').trim_end_matches(']');
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        let is_address = address
            .parse::<IpAddr>()
            .is_ok_and(|address| match self.scope {
                Scope::Loopback => address.is_loopback(),
                Scope::Addresses | Scope::Every => true,
            });
        let is_known = is("localhost") || self.names.iter().any(|known| is(known));
        self.scope == Scope::Every || is_address || is_known
    }
}

/// Reason to refuse a request that a page of another site may have sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OriginError {
    /// The request has no `Host` header, several of them, or an unknown host.
    #[error("unknown host name")]
    UnknownHost,
    /// `Origin` is neither the host of the request nor a named host.
    #[error("the request comes from another site's page")]
    ForeignOrigin,
}

/// Checks that the request names an allowed host, and that no page of another site sent it.
///
/// A browser sends no `Origin` with a plain `GET`, for example for an image or a link. [`Server`]
/// therefore also refuses a `Sec-Fetch-Site` other than `same-origin` and `none`. This function does
/// not, because a site with pages must answer a link from another site.
///
/// [`Server`]: crate::Server
///
/// # Errors
/// [`OriginError`] with the reason to refuse the request.
pub fn check_origin(headers: &HeaderMap, hosts: &Hosts) -> Result<(), OriginError> {
    if hosts.scope == Scope::Every && !headers.contains_key(header::ORIGIN) {
        return Ok(());
    }
    let host = only(headers, &header::HOST).filter(|host| hosts.allows(host));
    let host = host.ok_or(OriginError::UnknownHost)?;
    if !headers.contains_key(header::ORIGIN) {
        return Ok(());
    }
    let origin = only(headers, &header::ORIGIN).and_then(|origin| origin.split_once("://"));
    let is_own =
        |(scheme, authority): (&str, &str)| is_web(scheme) && authority.eq_ignore_ascii_case(host);
    match origin.is_some_and(is_own) || hosts.names_origin(headers) {
        true => Ok(()),
        false => Err(OriginError::ForeignOrigin),
    }
}

fn is_web(scheme: &str) -> bool {
    matches!(scheme, "http" | "https")
}

/// Returns the value of a header that occurs exactly once.
pub(crate) fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    value.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_name_is_allowed_only_if_configured() {
        let hosts = Hosts::new(vec!["pay.example".to_owned()]);
        for allowed in [
            "127.0.0.1",
            "127.0.0.1:8080",
            "[::1]:8080",
            "10.0.0.7:80",
            "localhost:8080",
            "LOCALHOST",
            "pay.example",
            "Pay.Example:443",
        ] {
            assert!(hosts.allows(allowed), "{allowed}");
        }
        for refused in [
            "",
            "evil.example",
            "evil.example:8080",
            "pay.example.evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "localhost@evil.example",
            "evil.example@localhost",
            "127.0.0.1 evil.example",
            "[::1",
        ] {
            assert!(!hosts.allows(refused), "{refused}");
        }
    }

    #[test]
    fn unix_socket_needs_no_host() {
        let mut headers = HeaderMap::new();
        assert_eq!(check_origin(&headers, &Hosts::every()), Ok(()));
        headers.insert(header::HOST, "%2Frun%2Fapi.sock".parse().unwrap());
        assert_eq!(check_origin(&headers, &Hosts::every()), Ok(()));
        headers.insert(header::ORIGIN, "http://evil.example".parse().unwrap());
        assert!(check_origin(&headers, &Hosts::every()).is_err());
        assert!(check_origin(&HeaderMap::new(), &Hosts::loopback()).is_err());
    }

    #[test]
    fn loopback_hosts_exclude_other_addresses() {
        let hosts = Hosts::loopback();
        for allowed in ["localhost:1", "127.0.0.1", "127.9.9.9:1", "[::1]:1"] {
            assert!(hosts.allows(allowed), "{allowed}");
        }
        for refused in ["10.0.0.7", "[2001:db8::1]:1", "pay.example", "localhost@x"] {
            assert!(!hosts.allows(refused), "{refused}");
        }
    }
}
