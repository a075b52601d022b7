//! Command-line arguments.

use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};
use serde::Serialize;

use crate::parse::{count, seconds};

/// The same work on this store and on other databases, with settings that survive a power loss.
#[derive(Debug, Parser, Serialize)]
pub(crate) struct Args {
    /// Systems to measure, such as `LMDB,LMDB grouped`; by default all that are installed
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Systems to leave out
    #[arg(long, value_delimiter = ',')]
    skip: Vec<String>,
    /// Parts to measure, always in this order; by default all
    #[arg(long, value_delimiter = ',', value_enum)]
    parts: Vec<Part>,
    /// Orders to fill each database with before anything else is measured
    #[arg(long, value_parser = count::<usize>, default_value_t = 1_000_000)]
    pub(crate) orders: usize,
    /// Duration of each run and of each kind of read
    #[arg(long, value_parser = seconds, default_value_t = 10.0)]
    pub(crate) seconds: f64,
    /// Rounds, in each of which every system has its turn
    #[arg(long, value_parser = count::<usize>, default_value_t = 3)]
    pub(crate) rounds: usize,
    /// Numbers of concurrent threads, one run each. A thread waits for each reply
    #[arg(
        long,
        value_delimiter = ',',
        value_parser = count::<usize>,
        default_value = "1,16,64,256"
    )]
    pub(crate) callers: Vec<usize>,
    /// Evenly spaced commands per second, one run each
    #[arg(
        long,
        value_delimiter = ',',
        value_parser = count::<u32>,
        default_value = "5000,10000,20000,40000"
    )]
    pub(crate) arrivals: Vec<u32>,
    /// Directory for the databases, on the disk to measure; by default that of the program
    #[arg(long)]
    #[serde(skip)]
    dir: Option<PathBuf>,
}

/// Part of the measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Part {
    /// The filling of the database, 8,192 commands at a time
    Batches,
    /// Reads of orders by number and by user
    Reads,
    /// Threads that wait for each reply
    Callers,
    /// 64 threads that wait for each reply, with 5 % of the commands refused
    Refused,
    /// 64 tasks that await each reply, on two threads
    Tasks,
    /// 4 threads, each with 512 commands in flight
    Pipelined,
    /// Evenly spaced commands
    Arrivals,
    /// Bytes on the disk
    Space,
    /// Order numbers of this store, and other identifiers
    Numbers,
}

impl Args {
    pub(crate) fn has(&self, part: Part) -> bool {
        self.parts.is_empty() || self.parts.contains(&part)
    }

    /// Returns whether the system with this name is selected.
    pub(crate) fn selects(&self, name: &str) -> bool {
        (self.only.is_empty() || contains(&self.only, name)) && !contains(&self.skip, name)
    }

    /// Returns a selected name that no system has.
    pub(crate) fn unknown(&self, names: &[String]) -> Option<&String> {
        let mut selected = self.only.iter().chain(&self.skip);
        selected.find(|name| !contains(names, name))
    }

    /// Returns the directory for the databases. A temporary directory may be in memory, but the
    /// program's own is on a disk.
    pub(crate) fn dir(&self) -> PathBuf {
        let program = std::env::current_exe().ok();
        let beside = program.as_deref().and_then(Path::parent);
        let dir = self.dir.as_deref().or(beside);
        dir.map_or_else(std::env::temp_dir, Path::to_owned)
    }
}

fn contains(names: &[String], name: &str) -> bool {
    names.iter().any(|other| other.eq_ignore_ascii_case(name))
}
