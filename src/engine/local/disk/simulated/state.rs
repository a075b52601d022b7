//! What is on a simulated disk: what everybody sees, what a power loss leaves, and what
//! was done between the two.
//!
//! - A write, or a new length, is durable when its file was synced after it; a name when its
//!   directory was. Until then a power loss keeps it or not, each for itself, and of a write
//!   any part. A rename is kept whole or not at all.
//! - Bytes outside of what was written never change. What is written over the first page of
//!   a file, where that was durable before, is old or new byte by byte, and never garbage:
//!   the base's header lies there, and redb holds a single byte to be atomic.
//! - Where a length that was set is lost, what was written beyond the old one is lost with
//!   it: a file does not grow by a write that did not make it grow.
//! - A sync that failed leaves each write on the disk or not, and none to be written by the
//!   next sync; who reads sees them all still, until the machine forgets what it read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::content::Content;
use super::faults::Loss;
use super::rng::SeededRng;

const SECTOR: usize = 512;

#[derive(Debug, Clone)]
pub(super) enum Change {
    /// Bytes at a place.
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

/// A file, or a directory.
#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    pub(super) is_dir: bool,
    /// What is read.
    pub(super) seen: Content,
    durable: Content,
    pending: Vec<Pending>,
}

/// A change, and whether it made the file grow.
#[derive(Debug, Clone)]
struct Pending {
    change: Change,
    grows: bool,
}

impl Pending {
    /// The change as far as it can reach a file that is no longer than this.
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

    /// A sync that fails.
    pub(super) fn fail_sync(&mut self, dice: &mut SeededRng) {
        for pending in self.pending.drain(..) {
            let is_len = matches!(pending.change, Change::SetLen(_));
            if is_len || dice.one_in(2) {
                let change = pending.clipped(self.durable.len());
                change.apply(&mut self.durable);
            }
        }
    }

    /// What a power loss leaves.
    fn lose(self, loss: Loss, dice: &mut SeededRng) -> Self {
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
                    if is_last || dice.one_in(3) {
                        change.apply(&mut durable);
                    }
                }
                (_, Change::SetLen(len)) => {
                    if dice.one_in(2) {
                        durable.set_len(len);
                    }
                }
                (loss, Change::Write(at, bytes)) => {
                    tear(&mut durable, at, &bytes, loss, spares_head, dice);
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

/// Lets a part of a write reach the disk.
fn tear(
    durable: &mut Content,
    at: usize,
    bytes: &[u8],
    loss: Loss,
    spares_head: bool,
    dice: &mut SeededRng,
) {
    if loss == Loss::TornBytes {
        let cut = dice.below(bytes.len() + 1);
        let (first, second) = bytes.split_at(cut);
        match dice.below(4) {
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
        match dice.below(3) {
            0 => {}
            1 if may_trash => {
                let garbage: Vec<u8> = part.iter().map(|_| dice.next().to_le_bytes()[0]).collect();
                durable.write(at + from, &garbage);
            }
            _ => durable.write(at + from, part),
        }
        from = to;
    }
}

/// What was done to names.
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
    /// A disk with one durable directory.
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

    /// What the power's end leaves.
    pub(super) fn lose_power(mut self, loss: Loss, dice: &mut SeededRng) -> Self {
        let mut names = self.durable_names;
        let pending = std::mem::take(&mut self.pending_names);
        let count = pending.len();
        for (place, naming) in pending.into_iter().enumerate() {
            let keeps = match loss {
                Loss::KeepAll => true,
                Loss::DropAll => false,
                Loss::Reorder => place + 1 == count || dice.one_in(3),
                _ => dice.one_in(2),
            };
            if keeps {
                naming.apply(&mut names);
            }
        }
        let known = names.clone();
        let is_rooted = |path: &Path| {
            let mut above = path.ancestors().skip(1);
            above.all(|dir| dir == Path::new("/") || known.contains_key(dir))
        };
        names.retain(|path, _| is_rooted(path));
        let mut nodes = BTreeMap::new();
        for node in names.values() {
            if let Some(kept) = self.nodes.remove(node) {
                nodes.insert(*node, kept.lose(loss, dice));
            }
        }
        // A rename of which only the new name was kept, beside the old one.
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
