//! Options of a store on a PostgreSQL cluster, and the replication risks that it reports.

use std::fmt;
use std::sync::Arc;

use crate::log::event;

/// Callback for replication risks.
type Observer = Arc<dyn Fn(&ReplicationRisk) + Send + Sync>;

/// Options of a store on a PostgreSQL cluster.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct PostgresOptions {
    /// Whether to refuse a server with any [`ReplicationRisk`]. Default: false. The engine calls
    /// the observer in both cases.
    pub require_sync: bool,
    /// Observer that receives each risk at the first connection, and again at each new leader.
    pub on_replication_risk: Option<Observer>,
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("require_sync", &self.require_sync)
            .finish_non_exhaustive()
    }
}

/// Reason why an acknowledged commit may be on one machine only.
///
/// Some cloud services replicate the disk under PostgreSQL. They cause
/// [`ReplicationRisk::NoStandbyNamed`] and may still be safe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplicationRisk {
    /// The leader waits for no standby.
    #[error(
        "synchronous_standby_names is empty, so one machine acknowledges a commit alone: name \
         the standbys"
    )]
    NoStandbyNamed,
    /// Every receiver of PostgreSQL's WAL counts as a standby.
    #[error(
        "synchronous_standby_names has the wildcard *, so pg_receivewal or a consumer of logical \
         changes counts as the second machine: name the standbys"
    )]
    Wildcard,
    /// A connected receiver of PostgreSQL's WAL counts as a synchronous standby but is no standby.
    #[error(
        "{names} counts as a synchronous standby but cannot take over: name only standbys in \
         synchronous_standby_names"
    )]
    NotAStandby {
        /// `application_name` of each such receiver, separated by commas.
        names: String,
    },
    /// The store's database role may not read which standbys are connected.
    #[error(
        "pg_stat_replication is hidden from the store's role, so the second machine of a commit \
         is unknown: GRANT pg_read_all_stats to that role"
    )]
    Hidden,
}

impl PostgresOptions {
    pub(super) fn tell(&self, host: &str, risk: &ReplicationRisk) {
        event!(
            warn,
            "replication at risk",
            host = host,
            risk = risk.to_string()
        );
        if let Some(observer) = &self.on_replication_risk {
            observer(risk);
        }
    }
}
