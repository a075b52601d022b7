//! Splits a URL with several hosts into one configuration per host. With all hosts in one
//! configuration, the driver would wait for a hung host before it tries the next one.

use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// Default port of PostgreSQL.
const PORT: u16 = 5432;

/// Maximum idle time before a keepalive packet, and default interval between packets. The engine
/// thus notices a vanished server within a minute, even on an idle connection.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// Returns one configuration for each host of `config`. `limit` is the default connect timeout.
pub(super) fn each(config: &Config, limit: Duration) -> impl Iterator<Item = Config> {
    let ports = config.get_ports();
    let port = move |place: usize| ports.get(place).or(ports.first()).copied().unwrap_or(PORT);
    let hosts = config.get_hosts().iter().enumerate();
    let configure = move |(place, host): (usize, &Host)| {
        let mut single = shared(config, limit);
        match host {
            Host::Tcp(name) => single.host(name),
            // Disable TLS, which PostgreSQL does not offer on Unix sockets.
            #[cfg(unix)]
            Host::Unix(path) => single.host_path(path).ssl_mode(SslMode::Disable),
        };
        if let Some(address) = config.get_hostaddrs().get(place) {
            single.hostaddr(*address);
        }
        single.port(port(place));
        single
    };
    hosts.map(configure)
}

/// Copies the settings that all hosts share.
fn shared(config: &Config, limit: Duration) -> Config {
    let mut shared = Config::new();
    shared.connect_timeout(*config.get_connect_timeout().unwrap_or(&limit));
    shared.application_name(config.get_application_name().unwrap_or("orderstore"));
    shared.ssl_mode(config.get_ssl_mode());
    shared.ssl_negotiation(config.get_ssl_negotiation());
    shared.channel_binding(config.get_channel_binding());
    shared.keepalives(config.get_keepalives());
    shared.keepalives_idle(config.get_keepalives_idle().min(KEEPALIVE));
    shared.keepalives_interval(config.get_keepalives_interval().unwrap_or(KEEPALIVE));
    shared.keepalives_retries(config.get_keepalives_retries().unwrap_or(4));
    if let Some(limit) = config.get_tcp_user_timeout() {
        shared.tcp_user_timeout(*limit);
    }
    if let Some(user) = config.get_user() {
        shared.user(user);
    }
    if let Some(password) = config.get_password() {
        shared.password(password);
    }
    if let Some(name) = config.get_dbname() {
        shared.dbname(name);
    }
    if let Some(options) = config.get_options() {
        shared.options(options);
    }
    shared
}

#[cfg(test)]
mod tests {
    use tokio_postgres::config::ChannelBinding;

    use super::*;

    #[test]
    fn each_host_keeps_port_and_shared_settings() {
        let url = "postgres://shop:secret@one:1,two:2/orders?options=-csearch_path%3Da\
                   &channel_binding=require&tcp_user_timeout=3";
        let config: Config = url.parse().unwrap();
        let hosts: Vec<Config> = each(&config, Duration::from_secs(2)).collect();
        let named = |config: &Config| (config.get_hosts().to_vec(), config.get_ports().to_vec());
        let tcp = |name: &str, port| (vec![Host::Tcp(name.to_owned())], vec![port]);
        assert_eq!(named(&hosts[0]), tcp("one", 1));
        assert_eq!(named(&hosts[1]), tcp("two", 2));
        for host in &hosts {
            assert_eq!(host.get_user(), Some("shop"));
            assert_eq!(host.get_password(), Some(&b"secret"[..]));
            assert_eq!(host.get_dbname(), Some("orders"));
            assert_eq!(host.get_options(), Some("-csearch_path=a"));
            assert_eq!(host.get_channel_binding(), ChannelBinding::Require);
            assert_eq!(host.get_tcp_user_timeout(), Some(&Duration::from_secs(3)));
        }
        let plain: Config = "postgres://one,two/orders".parse().unwrap();
        let second = each(&plain, Duration::ZERO).nth(1).unwrap();
        assert_eq!(named(&second), tcp("two", 5432));
    }
}
