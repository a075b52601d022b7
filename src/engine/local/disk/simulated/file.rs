//! Open file of a simulated disk.

use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;

use super::faults::DiskFault;
use super::sim::{Call, Sim, error};
use super::state::{Change, Node};
use crate::engine::local::disk::DiskFile;

#[derive(Debug)]
pub(super) struct SimulatedFile {
    pub(super) sim: Arc<Sim>,
    pub(super) node: u64,
    /// Path under which the file was opened.
    pub(super) path: PathBuf,
}

impl SimulatedFile {
    fn with<T>(&self, act: impl FnOnce(&mut Node) -> Option<T>) -> io::Result<T> {
        let mut state = self.sim.state.lock();
        let node = state.nodes.get_mut(&self.node);
        node.and_then(act)
            .ok_or_else(|| ErrorKind::UnexpectedEof.into())
    }
}

/// Offset in the memory of the simulation. A number that does not fit becomes `usize::MAX`, which
/// is beyond the end of every file.
fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl DiskFile for SimulatedFile {
    fn len(&self) -> io::Result<u64> {
        self.sim.pass(Call::Read, &self.path)?;
        self.with(|node| Some(node.seen.len() as u64))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.sim.pass(Call::Grow, &self.path)?;
        self.with(|node| {
            node.change(Change::SetLen(size(len)));
            Some(())
        })
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.sim.pass(Call::Read, &self.path)?;
        self.with(|node| node.seen.read(size(offset), bytes))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let fault = self.sim.call(Call::Write, &self.path);
        let done = match fault {
            None => bytes,
            Some(DiskFault::Short) => &bytes[..bytes.len() / 2],
            Some(fault) => return Err(error(fault)),
        };
        self.with(|node| {
            node.change(Change::Write(size(offset), done.into()));
            Some(())
        })?;
        fault.map_or(Ok(()), |fault| Err(error(fault)))
    }

    fn sync(&self) -> io::Result<()> {
        match self.sim.call(Call::Grow, &self.path) {
            None => self.with(|node| {
                node.sync();
                Some(())
            }),
            Some(fault) => {
                let mut rng = self.sim.control.lock().rng.clone();
                self.with(|node| {
                    node.fail_sync(&mut rng);
                    Some(())
                })?;
                Err(error(fault))
            }
        }
    }
}
