//! Fuzz target: recovery from corrupt or forged journals (write-ahead logs).

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::Bytes;
use super::commands::any_command;
use crate::contract::FeedCursor;
use crate::engine::corrupt_payloads::{self, EditableEntry, EditableFrame};
use crate::error::{Error, OpenError};
use crate::order::Event;
use crate::query::{OrderQuery, PageRequest};
use crate::store::Store;
use crate::testing::{ManualClock, SeededRng, SimulatedDisk, Sizes, Snapshot, fixtures};

const SIZES: Sizes = Sizes {
    memtable: 48 << 10,
    segment: 8 << 10,
};

/// Files of a store that was not shut down. The B-tree has data, and several journal segments are
/// newer than the last checkpoint.
struct Killed {
    snapshot: Snapshot,
    feed: Vec<Event>,
    segments: Vec<PathBuf>,
}

fn dir() -> PathBuf {
    Path::new(SimulatedDisk::ROOT).join("shop")
}

fn open(disk: &SimulatedDisk) -> Result<Store, OpenError> {
    let builder = Store::builder().simulated(disk, SIZES);
    let clock = ManualClock::default();
    builder.clock(clock.reader()).open_or_init(dir())
}

fn killed() -> &'static Killed {
    static KILLED: OnceLock<Killed> = OnceLock::new();
    KILLED.get_or_init(|| {
        let disk = SimulatedDisk::new(1);
        let store = open(&disk).unwrap();
        let mut rng = SeededRng::new(1);
        for step in 0..60 {
            if step == 20 {
                store.checkpoint().wait().unwrap();
            }
            let chosen: Vec<u8> = (0..200).map(|_| rng.next().to_le_bytes()[0]).collect();
            let mut bytes = Bytes::new(&chosen);
            let commands = vec![any_command(&mut bytes), any_command(&mut bytes)];
            for ticket in store.submit_all(commands).unwrap() {
                let _ = ticket.wait().unwrap();
            }
        }
        let snapshot = disk.snapshot();
        let feed = feed_of(&store).unwrap();
        let is_segment = |path: &PathBuf| path.extension().is_some_and(|end| end == "log");
        let files = snapshot.kill(1).files().into_iter().map(|(path, _)| path);
        let segments: Vec<_> = files.filter(is_segment).collect();
        assert!(segments.len() > 2, "{segments:?}");
        Killed {
            snapshot,
            feed,
            segments,
        }
    })
}

fn feed_of(store: &Store) -> Result<Vec<Event>, Error> {
    let entries = store.feed(FeedCursor::START);
    entries.map(|entry| Ok(entry?.event)).collect()
}

/// Corrupts or forges the journal of a killed store, as the input bytes select, then opens the
/// store.
///
/// - Corruption: the store either refuses to open, or holds a prefix of the written events and
///   nothing else (I2, I18).
/// - Forged frames with valid checksums: the store may hold anything that they contain. Opening and
///   reading it must not panic.
/// - Both: a second open gives the same state (I16).
///
/// # Panics
/// If a check fails.
pub fn journal_replay(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let disk = killed().snapshot.kill(1);
    let is_forged = bytes.one_in(2);
    if is_forged {
        forge(&disk, &mut bytes);
    } else {
        for _ in 0..8 {
            if bytes.is_empty() {
                break;
            }
            corrupt(&disk, &mut bytes);
        }
    }
    let image = disk.snapshot();
    let found = open_and_read(&image.kill(2), is_forged);
    assert_eq!(found, open_and_read(&image.kill(3), is_forged), "I16");
    if let (Some(feed), false) = (found, is_forged) {
        assert!(killed().feed.starts_with(&feed), "I2: {feed:?}");
    }
}

/// Opens a store, verifies it, and reads all data. Returns its feed. Returns `None` if the store
/// does not open, or if its journal is forged and the verification fails.
fn open_and_read(disk: &SimulatedDisk, is_forged: bool) -> Option<Vec<Event>> {
    let store = open(disk).ok()?;
    let report = store.verify().wait();
    if is_forged {
        let _ = read_all(&store);
        let feed = feed_of(&store).ok();
        return feed.filter(|_| report.is_ok_and(|report| report.is_ok()));
    }
    // Only the journal is corrupt. If the store opens, its data must violate no invariant.
    let report = report.unwrap();
    assert!(report.is_ok(), "{:?}", report.violations);
    read_all(&store).unwrap();
    Some(feed_of(&store).unwrap())
}

fn read_all(store: &Store) -> Result<(), Error> {
    for no in (0..5).map(fixtures::order_no) {
        store.get(no).wait()?;
        store.history(no).wait()?;
    }
    store.counts().wait()?;
    store.list(OrderQuery::all()).wait()?;
    store
        .due(crate::types::Timestamp::MAX, PageRequest::of(100))
        .wait()?;
    store.open_anomalies(PageRequest::of(100)).wait()?;
    Ok(())
}

/// Corrupts the journal files in one random way.
fn corrupt(disk: &SimulatedDisk, bytes: &mut Bytes<'_>) {
    let path = bytes.pick(&killed().segments);
    let Some(mut content) = disk.content(&path) else {
        return;
    };
    let at = offset_in(&content, bytes);
    match bytes.below(10) {
        0 => disk.corrupt_byte(&path, at, bytes.byte()),
        1 => {
            let written = bytes.take(16);
            let end = content.len().min(at + written.len());
            content[at..end].copy_from_slice(&written[..end - at]);
            disk.put(&path, &content);
        }
        2 => disk.put(&path, &content[..at]),
        3 => disk.remove(&path),
        4 => disk.put(&bytes.pick(&killed().segments), &content),
        5 => {
            let from = offset_in(&content, bytes);
            let len = (64 << bytes.below(6)).min(content.len() - from.max(at));
            content.copy_within(from..from + len, at);
            disk.put(&path, &content);
        }
        6 => {
            content[at..].fill(0);
            disk.put(&path, &content);
        }
        7 => disk.put(&any_name(bytes), &content),
        8 => disk.put(&any_name(bytes), bytes.take(64)),
        _ => {
            content.truncate(at);
            content.extend_from_slice(bytes.take(256));
            disk.put(&path, &content);
        }
    }
}

/// Returns a random offset in a file, often at the start of a frame.
fn offset_in(content: &[u8], bytes: &mut Bytes<'_>) -> usize {
    if content.is_empty() {
        return 0;
    }
    let frames = content.len().saturating_sub(4096) / 64;
    match bytes.below(4) {
        0 => bytes.below(content.len()),
        1 => bytes.below(76.min(content.len())),
        2 => (4096 + 64 * bytes.below(frames) + bytes.below(64)).min(content.len() - 1),
        _ => (4096 + 64 * bytes.below(frames)).min(content.len() - 1),
    }
}

fn any_name(bytes: &mut Bytes<'_>) -> PathBuf {
    let name = match bytes.below(4) {
        0 => format!("{:020}.log", bytes.below(300)),
        1 => format!("{:020}.log", bytes.word()),
        2 => "next.tmp".to_owned(),
        _ => "of nobody".to_owned(),
    };
    dir().join("journal").join(name)
}

/// Rewrites a segment with forged frames and valid checksums.
fn forge(disk: &SimulatedDisk, bytes: &mut Bytes<'_>) {
    let path = bytes.pick(&killed().segments);
    let Some(segment) = disk.content(&path) else {
        return;
    };
    let mut frames = corrupt_payloads::frames_of(&segment);
    for _ in 0..8 {
        if bytes.is_empty() {
            break;
        }
        forge_frame(&mut frames, bytes);
    }
    disk.put(&path, &corrupt_payloads::segment_of(&segment, &frames));
}

fn forge_frame(frames: &mut Vec<EditableFrame>, bytes: &mut Bytes<'_>) {
    let (at, other) = (bytes.below(frames.len()), bytes.below(frames.len()));
    match bytes.below(8) {
        0 => frames.swap(at, other),
        1 => drop(frames.remove(at)),
        2 => frames.insert(at, frames[other].clone()),
        3 => frames[at].kind = 1 + bytes.byte() % 4,
        4 => frames.push(EditableFrame {
            kind: 1,
            entries: vec![any_entry(bytes)],
        }),
        _ => {
            let frame = &mut frames[at];
            match bytes.below(frame.entries.len() + 1) {
                0 => frame.entries.push(any_entry(bytes)),
                entry => forge_entry(&mut frame.entries, entry - 1, bytes),
            }
        }
    }
    if frames.is_empty() {
        frames.push(EditableFrame {
            kind: 3,
            entries: Vec::new(),
        });
    }
}

fn forge_entry(entries: &mut Vec<EditableEntry>, at: usize, bytes: &mut Bytes<'_>) {
    let other = bytes.below(entries.len());
    match bytes.below(8) {
        0 => entries.swap(at, other),
        1 => drop(entries.remove(at)),
        2 => entries.insert(at, entries[other].clone()),
        3 => entries[at].key = entries[other].key.clone(),
        4 => entries[at].value = entries[other].value.clone(),
        5 => entries[at].table = bytes.byte() % 14,
        6 => change(&mut entries[at].key, bytes),
        _ => match &mut entries[at].value {
            Some(value) => change(value, bytes),
            None => entries[at].value = Some(bytes.take(16).to_vec()),
        },
    }
}

/// Inserts, removes or changes one to four bytes of a value.
fn change(value: &mut Vec<u8>, bytes: &mut Bytes<'_>) {
    for _ in 0..1 + bytes.below(4) {
        let at = bytes.below(value.len());
        match (bytes.below(4), value.is_empty()) {
            (0, _) | (_, true) => value.insert(at, bytes.byte()),
            (1, _) => drop(value.remove(at)),
            _ => value[at] ^= bytes.byte(),
        }
    }
}

fn any_entry(bytes: &mut Bytes<'_>) -> EditableEntry {
    let (key_len, value_len) = (bytes.below(36), bytes.below(64));
    EditableEntry {
        table: bytes.byte() % 14,
        key: bytes.take(key_len).to_vec(),
        value: Some(bytes.take(value_len).to_vec()),
    }
}
