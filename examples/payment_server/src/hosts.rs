//! Host names that this server accepts.
//!
//! A page of another site can make a browser send requests to this server. For that, the site's DNS
//! name is switched to this server's address (DNS rebinding). The browser then takes both for one
//! site, and `Origin` equals `Host`. The name in `Host` is still the other site's, so unknown names
//! are rejected.

use std::net::IpAddr;

use axum::http::uri::Authority;

/// Allowed host names. IP addresses and `localhost` are always allowed, because DNS rebinding needs
/// a name that the attacker controls.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hosts {
    names: Vec<String>,
}

impl Hosts {
    pub(crate) fn new(names: Vec<String>) -> Self {
        Self { names }
    }

    /// Returns whether the value of a `Host` header, with or without a port, is allowed.
    pub(crate) fn allows(&self, host: &str) -> bool {
        let Ok(authority) = host.parse::<Authority>() else {
            return false;
        };
        if host.contains('@') {
            return false;
        }
        let name = authority.host();
        let address = name.trim_start_matches('[').trim_end_matches(']');
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        address.parse::<IpAddr>().is_ok()
            || is("localhost")
            || self.names.iter().any(|known| is(known))
    }
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
}
