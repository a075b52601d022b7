//! Failover of a cluster of three servers: a commit is acknowledged once one of two followers has
//! it.

use std::thread;

use orderstore::Store;

use crate::load::{Till, check, sell};
use crate::server::{Server, url_of};

/// Setting of every node: a leader waits until one of the other nodes has each commit.
const SYNC: &str = "ANY 1 (one, two, three)";
const KEEP: &str = "wal_keep_size=256MB";

struct Cluster {
    leader: Server,
    followers: [Server; 2],
}

impl Cluster {
    fn start() -> Option<Self> {
        let leader = Server::start(&["cluster_name=one", KEEP])?;
        let sync = format!("synchronous_standby_names={SYNC}");
        let follower = |name: &str| {
            let name = format!("cluster_name={name}");
            leader.follower(&[&name, &sync, KEEP])
        };
        let followers = [follower("two")?, follower("three")?];
        leader.sql(&format!(
            "ALTER SYSTEM SET synchronous_standby_names = '{SYNC}'"
        ));
        leader.sql("SELECT pg_reload_conf()");
        leader.until("SHOW synchronous_standby_names", |shown| shown == SYNC);
        leader.sql("CREATE SCHEMA shop");
        Some(Self { leader, followers })
    }

    fn url(&self) -> String {
        let [one, two] = &self.followers;
        url_of(&[self.leader.port, one.port, two.port], "shop")
    }

    /// Disconnects both followers from the old leader and promotes the one that has received more.
    /// The other follower then follows the new leader.
    fn fail_over(&self) {
        for follower in &self.followers {
            follow(follower, "");
            let receivers = "SELECT count(*) FROM pg_stat_wal_receiver";
            follower.until(receivers, |count| count == "0");
        }
        let has = |server: &Server| server.sql("SELECT pg_last_wal_receive_lsn() - '0/0'");
        let has = |server: &Server| has(server).parse::<u64>().unwrap();
        let [one, two] = &self.followers;
        let is_first = has(one) >= has(two);
        let (next, other) = if is_first { (one, two) } else { (two, one) };
        next.promote();
        follow(
            other,
            &format!("host=127.0.0.1 port={} user=shop", next.port),
        );
    }
}

fn follow(follower: &Server, whom: &str) {
    follower.sql(&format!("ALTER SYSTEM SET primary_conninfo = '{whom}'"));
    follower.sql("SELECT pg_reload_conf()");
}

/// Runs callers of two stores while `happens` changes the cluster.
fn sell_through(happens: impl FnOnce(&Cluster)) {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let connect = || Store::builder().require_sync(true).connect(&cluster.url());
    let stores = ["A", "B"].map(|tag| (tag, connect().unwrap()));
    let till = Till::default();
    let sold = thread::scope(|scope| {
        let selling: Vec<_> = stores
            .iter()
            .map(|(tag, store)| scope.spawn(|| sell(store, tag, 32, 40, &till)))
            .collect();
        till.reaches(600);
        happens(&cluster);
        let joined = selling.into_iter().map(|thread| thread.join().unwrap());
        joined.flatten().collect::<Vec<_>>()
    });
    assert_eq!(sold.len(), 2 * 32 * 40);
    for (_, store) in &stores {
        check(store, &sold);
        store.shutdown().wait().unwrap();
    }
}

#[test]
fn postgres_killed_leader_neither_loses_nor_doubles_payments() {
    sell_through(|cluster| {
        cluster.leader.signal("KILL");
        cluster.fail_over();
    });
}

#[test]
fn postgres_hung_leader_is_replaced_by_promoted_follower() {
    sell_through(|cluster| {
        cluster.leader.signal("STOP");
        cluster.fail_over();
    });
}

#[test]
fn postgres_dead_follower_does_not_block_commits() {
    sell_through(|cluster| cluster.followers[0].signal("KILL"));
}
