//! What may be chosen when a store on a cluster is opened, and what its observer is told.

use std::fmt;
use std::sync::Arc;

/// Is told of risks.
type Observer = Arc<dyn Fn(&ReplicationRisk) + Send + Sync>;

/// Settings of a store on a cluster.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct PostgresOptions {
    /// A server at which there is any [`ReplicationRisk`] is refused. Default: the observer is
    /// told, and the server is used.
    pub require_sync: bool,
    /// Is told of each risk at the first connection, and again at each new leader.
    pub on_replication_risk: Option<Observer>,
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("require_sync", &self.require_sync)
            .finish_non_exhaustive()
    }
}

/// Why a commit that a cluster acknowledges may be on one machine only.
///
/// A service that replicates the disk beneath PostgreSQL, as some clouds do, shows
/// [`ReplicationRisk::NoStandbyNamed`] and may be safe all the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplicationRisk {
    /// The leader waits for nobody.
    #[error("synchronous_standby_names is empty, so a commit is acknowledged by one machine")]
    NoStandbyNamed,
    /// Everything that receives the log counts.
    #[error(
        "synchronous_standby_names has the wildcard *, so pg_receivewal or a consumer of logical \
         changes counts as the second machine: name the standbys"
    )]
    Wildcard,
    /// A receiver of the log is connected that counts as a synchronous standby and is none.
    #[error(
        "{names} counts as a synchronous standby and cannot take over: name only standbys in \
         synchronous_standby_names"
    )]
    NotAStandby {
        /// The receivers' `application_name`, separated by commas.
        names: String,
    },
    /// The role of the store sees receivers of the log and may not see what they are.
    #[error(
        "pg_stat_replication is hidden from this role, so nobody knows what counts as the second \
         machine: GRANT pg_read_all_stats TO it"
    )]
    Hidden,
}

impl PostgresOptions {
    pub(super) fn tell(&self, host: &str, risk: &ReplicationRisk) {
        #[cfg(feature = "tracing")]
        tracing::warn!(target: "orderstore", host, %risk, "replication at risk");
        #[cfg(not(feature = "tracing"))]
        let _ = host;
        if let Some(observer) = &self.on_replication_risk {
            observer(risk);
        }
    }
}
