//! State of a simulated disk, which all its handles share.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use super::faults::DiskFault;
use super::rng::SeededRng;
use super::scheduler::Scheduler;
use super::snapshot::Snapshot;
use super::state::State;
use crate::engine::local::disk::FaultInjection;

/// Kind of a disk call. The kind decides which faults make the call fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Read,
    /// Call that needs free space but is not a write, such as the creation of a file.
    Grow,
    Write,
    /// Call that changes the disk but needs no free space.
    Other,
}

#[derive(Debug)]
pub(super) struct Sim {
    pub(super) state: Mutex<State>,
    pub(super) control: Mutex<Control>,
    pub(super) scheduler: Scheduler,
}

#[derive(Debug)]
pub(super) struct Control {
    pub(super) rng: SeededRng,
    pub(super) calls: u64,
    pub(super) fault: Option<Planned>,
    pub(super) marks: (usize, usize),
    /// Average number of calls, without reads, per random snapshot; 0 means no snapshots.
    pub(super) one_in: usize,
    pub(super) taken: Vec<Snapshot>,
    pub(super) injected: Option<FaultInjection>,
    pub(super) free: u64,
    pub(super) is_weak: bool,
}

#[derive(Debug)]
pub(super) struct Planned {
    pub(super) at: u64,
    pub(super) fault: DiskFault,
    pub(super) for_good: bool,
    /// Only calls in this directory fail.
    pub(super) dir: PathBuf,
}

impl Sim {
    pub(super) fn snapshot(&self, control: &Control) -> Snapshot {
        Snapshot {
            state: self.state.lock().clone(),
            call: control.calls,
            marks: control.marks,
        }
    }

    /// Counts a call before its execution. Returns the fault with which the call must fail, if any.
    pub(super) fn call(&self, call: Call, path: &Path) -> Option<DiskFault> {
        let in_journal = path.parent().is_some_and(|dir| dir.ends_with("journal"));
        self.scheduler.pass(in_journal);
        let mut control = self.control.lock();
        control.calls += 1;
        let one_in = control.one_in;
        if call != Call::Read && one_in > 0 && control.rng.one_in(one_in) {
            let snapshot = self.snapshot(&control);
            control.taken.push(snapshot);
        }
        let planned = control.fault.as_ref()?;
        let is_due =
            control.calls == planned.at || (planned.for_good && control.calls > planned.at);
        let hits = match planned.fault {
            DiskFault::Io => true,
            DiskFault::NoRoom => matches!(call, Call::Grow | Call::Write),
            DiskFault::Short => call == Call::Write,
        };
        (is_due && hits && path.starts_with(&planned.dir)).then_some(planned.fault)
    }

    pub(super) fn pass(&self, call: Call, path: &Path) -> io::Result<()> {
        self.call(call, path)
            .map_or(Ok(()), |fault| Err(error(fault)))
    }
}

pub(super) fn error(fault: DiskFault) -> io::Error {
    match fault {
        DiskFault::Io => io::Error::other("injected disk fault"),
        DiskFault::NoRoom | DiskFault::Short => ErrorKind::StorageFull.into(),
    }
}

impl DiskFault {
    /// All kinds of disk faults.
    pub const ALL: [Self; 3] = [Self::Io, Self::NoRoom, Self::Short];
}
