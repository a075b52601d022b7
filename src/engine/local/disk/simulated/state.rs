//! Contents of a simulated disk: the visible state, the durable state, and the pending changes
//! between the two.
//!
//! - A sync of the file makes its writes and its new lengths durable. A sync of the directory
//!   makes its names durable. A power loss keeps or drops each pending change independently.
//!   It may keep a part of a write. A rename is kept as a whole or not at all.
//! - A power loss never changes bytes outside of a pending write. In a durable first page, each
//!   byte is old or new, and never garbage. This page holds the header of the B-tree, and redb
//!   relies on atomic writes of a single byte.
//! - If a power loss drops a new length, it also drops the writes beyond the old length. A write
//!   that did not extend the file cannot extend it later.
//! - A failed sync puts the new lengths and a random part of the pending writes on the disk. It
//!   drops the other writes, and the next sync does not write them. Readers still see them until
//!   a power loss, as they do with the page cache of a real system.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::content::Content;
use super::faults::Loss;
use super::rng::SeededRng;

const SECTOR: usize = 512;

/// Change of a file.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// Offset and bytes of a write.
    Write(usize, Arc<[u8]>),
    SetLen(usize),
}

impl Change {
    fn apply(&self, content: &mut Content) {
        match self {
            Self::Write(at, bytes) => content.write(*at, bytes),
            Self::SetLen(len) => content.set_len(*len),
        }
    }
}

/// File or directory.
#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    pub(super) is_dir: bool,
    /// Contents that a read returns now, before any power loss.
    pub(super) seen: Content,
    /// Contents that survive a power loss.
    durable: Content,
    pending: Vec<Pending>,
}

/// Change of a file that is not durable yet. `grows` is true if the change extended the file.
#[derive(Debug, Clone)]
struct Pending {
    change: Change,
    grows: bool,
}

impl Pending {
    /// Shortens a write to the part within the first `len` bytes of the file, unless the write
    /// extended the file.
    fn clipped(self, len: usize) -> Change {
        match self.change {
            Change::Write(at, bytes) if !self.grows && at + bytes.len() > len => {
                let room = len.saturating_sub(at);
                Change::Write(at.min(len), bytes[..room].into())
            }
            change => change,
        }
    }
}

impl Node {
    pub(super) fn change(&mut self, change: Change) {
        let len = self.seen.len();
        change.apply(&mut self.seen);
        let grows = self.seen.len() > len;
        self.pending.push(Pending { change, grows });
    }

    pub(super) fn sync(&mut self) {
        for pending in self.pending.drain(..) {
            pending.change.apply(&mut self.durable);
        }
    }

    /// Simulates a failed sync.
    pub(super) fn fail_sync(&mut self, rng: &mut SeededRng) {
        // `drain` removes all pending changes, although only some of them reach the disk. The next
        // sync then succeeds without the lost ones, as on Linux. Tests therefore detect code that
        // repeats a failed sync instead of failing.
        for pending in self.pending.drain(..) {
            let is_len = matches!(pending.change, Change::SetLen(_));
            if is_len || rng.one_in(2) {
                let change = pending.clipped(self.durable.len());
                change.apply(&mut self.durable);
            }
        }
    }

    /// Returns the file after a power loss.
    fn lose(self, loss: Loss, rng: &mut SeededRng) -> Self {
        let mut durable = self.durable;
        let spares_head = durable.has_head();
        let count = self.pending.len();
        for (place, pending) in self.pending.into_iter().enumerate() {
            let change = pending.clipped(durable.len());
            let is_last = place + 1 == count;
            match (loss, change) {
                (Loss::KeepAll, change) => change.apply(&mut durable),
                (Loss::DropAll, _) => {}
                (Loss::Reorder, change) => {
                    if is_last || rng.one_in(3) {
                        change.apply(&mut durable);
                    }
                }
                (_, Change::SetLen(len)) => {
                    if rng.one_in(2) {
                        durable.set_len(len);
                    }
                }
                (loss, Change::Write(at, bytes)) => {
                    tear(&mut durable, at, &bytes, loss, spares_head, rng);
                }
            }
        }
        Self {
            is_dir: self.is_dir,
            seen: durable.clone(),
            durable,
            pending: Vec::new(),
        }
    }
}

/// Applies a random part of a write. `spares_head` protects the first page from garbage.
fn tear(
    durable: &mut Content,
    at: usize,
    bytes: &[u8],
    loss: Loss,
    spares_head: bool,
    rng: &mut SeededRng,
) {
    if loss == Loss::TornBytes {
        let cut = rng.below(bytes.len() + 1);
        let (first, second) = bytes.split_at(cut);
        match rng.below(4) {
            0 => durable.write(at + cut, second),
            _ => durable.write(at, first),
        }
        return;
    }
    let mut from = 0;
    while from < bytes.len() {
        let to = ((at + from) / SECTOR * SECTOR + SECTOR - at).min(bytes.len());
        let part = &bytes[from..to];
        let may_trash = loss == Loss::Trash && !(spares_head && at + from < 4096);
        match rng.below(3) {
            0 => {}
            1 if may_trash => {
                let garbage: Vec<u8> = part.iter().map(|_| rng.next().to_le_bytes()[0]).collect();
                durable.write(at + from, &garbage);
            }
            _ => durable.write(at + from, part),
        }
        from = to;
    }
}

/// Change of a directory: a new name, a removed name, or a rename.
#[derive(Debug, Clone)]
pub(super) enum Naming {
    Link(PathBuf, u64),
    Unlink(PathBuf),
    Rename(PathBuf, PathBuf, u64),
}

impl Naming {
    fn dir(&self) -> Option<&Path> {
        match self {
            Self::Link(path, _) | Self::Unlink(path) | Self::Rename(_, path, _) => path.parent(),
        }
    }

    fn apply(self, names: &mut BTreeMap<PathBuf, u64>) {
        match self {
            Self::Link(path, node) => drop(names.insert(path, node)),
            Self::Unlink(path) => drop(names.remove(&path)),
            Self::Rename(from, to, node) => {
                names.remove(&from);
                names.insert(to, node);
            }
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) nodes: BTreeMap<u64, Node>,
    pub(super) names: BTreeMap<PathBuf, u64>,
    durable_names: BTreeMap<PathBuf, u64>,
    pending_names: Vec<Naming>,
    next: u64,
    pub(super) locks: BTreeSet<PathBuf>,
}

impl State {
    /// Creates a disk with one durable directory.
    pub(super) fn new(root: &Path) -> Self {
        let mut state = Self::default();
        state.link(root, true);
        state.durable_names = state.names.clone();
        state.pending_names.clear();
        state
    }

    pub(super) fn node(&mut self, path: &Path) -> Option<&mut Node> {
        let node = self.names.get(path)?;
        self.nodes.get_mut(node)
    }

    pub(super) fn link(&mut self, path: &Path, is_dir: bool) -> u64 {
        let id = self.next;
        self.next += 1;
        let node = Node {
            is_dir,
            ..Node::default()
        };
        self.nodes.insert(id, node);
        self.name(Naming::Link(path.to_path_buf(), id));
        id
    }

    pub(super) fn name(&mut self, naming: Naming) {
        naming.clone().apply(&mut self.names);
        self.pending_names.push(naming);
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) {
        let (own, rest) = std::mem::take(&mut self.pending_names)
            .into_iter()
            .partition(|naming: &Naming| naming.dir() == Some(dir));
        self.pending_names = rest;
        let own: Vec<Naming> = own;
        for naming in own {
            naming.apply(&mut self.durable_names);
        }
    }

    /// Returns the disk after a power loss.
    pub(super) fn lose_power(mut self, loss: Loss, rng: &mut SeededRng) -> Self {
        let mut names = self.durable_names;
        let pending = std::mem::take(&mut self.pending_names);
        let count = pending.len();
        for (place, naming) in pending.into_iter().enumerate() {
            let keeps = match loss {
                Loss::KeepAll => true,
                Loss::DropAll => false,
                Loss::Reorder => place + 1 == count || rng.one_in(3),
                _ => rng.one_in(2),
            };
            if keeps {
                naming.apply(&mut names);
            }
        }
        // Remove the names below a lost directory, which are lost, too.
        let known = names.clone();
        let is_rooted = |path: &Path| {
            let mut above = path.ancestors().skip(1);
            above.all(|dir| dir == Path::new("/") || known.contains_key(dir))
        };
        names.retain(|path, _| is_rooted(path));
        let mut nodes = BTreeMap::new();
        for node in names.values() {
            if let Some(kept) = self.nodes.remove(node) {
                nodes.insert(*node, kept.lose(loss, rng));
            }
        }
        // Remove the names that lead to no node.
        names.retain(|_, node| nodes.contains_key(node));
        Self {
            nodes,
            durable_names: names.clone(),
            names,
            pending_names: Vec::new(),
            next: self.next,
            locks: BTreeSet::new(),
        }
    }
}
