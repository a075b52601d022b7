//! Order numbers: time to generate one as text, on one thread and on sixteen together, compared
//! with two other kinds of identifier.
//!
//! The numbers come from a store on disk, so no crash repeats one. No kind allocates its text on
//! the heap. Each text is used while the clock runs.

use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use orderstore::Store;
use serde::Serialize;
use ulid::Ulid;
use uuid::Uuid;

use crate::figures::{float, to};
use crate::sample::Checked;

/// Number of concurrent threads.
const THREADS: usize = 16;

/// Figures of the store's numbers and of the other kinds.
#[derive(Serialize)]
#[serde(tag = "part", rename = "numbers")]
pub(crate) struct Numbered {
    order_no: Kind,
    uuid_v7: Kind,
    ulid: Kind,
}

/// Figures of one kind.
#[derive(Serialize)]
struct Kind {
    /// Nanoseconds to generate one identifier, on one thread.
    number_ns: f64,
    /// Identifiers per second, of one thread and of sixteen together.
    rate_1: f64,
    rate_16: f64,
}

/// Measures all three kinds, each for `length`.
pub(crate) fn measure(store: &Store, length: Duration) -> Checked<Numbered> {
    let order_no = || {
        let no = store.next_order_no().wait()?;
        Ok(black_box(no.as_str()).len())
    };
    let uuid = || {
        let mut text = Uuid::encode_buffer();
        let text = Uuid::now_v7().hyphenated().encode_lower(&mut text);
        Ok(black_box(&*text).len())
    };
    let ulid = || {
        let mut text = [0; ulid::ULID_LEN];
        Ok(black_box(&*Ulid::generate().array_to_str(&mut text)).len())
    };
    Ok(Numbered {
        order_no: both(order_no, 32, length)?,
        uuid_v7: both(uuid, 36, length)?,
        ulid: both(ulid, ulid::ULID_LEN, length)?,
    })
}

fn both(draw: impl Fn() -> Checked<usize> + Sync, len: usize, length: Duration) -> Checked<Kind> {
    let alone = rate(&draw, len, 1, length)?;
    let together = rate(&draw, len, THREADS, length)?;
    Ok(Kind {
        number_ns: to(10.0, 1e9 / alone),
        rate_1: to(1.0, alone),
        rate_16: to(1.0, together),
    })
}

/// Returns how many numbers the threads draw together in a second.
fn rate(
    draw: &(impl Fn() -> Checked<usize> + Sync),
    len: usize,
    threads: usize,
    length: Duration,
) -> Checked<f64> {
    let (gate, is_over) = (Barrier::new(threads + 1), AtomicBool::new(false));
    thread::scope(|scope| {
        let work = || {
            gate.wait();
            let mut drawn = 0_u64;
            while !is_over.load(Ordering::Relaxed) {
                for _ in 0..256 {
                    if draw()? != len {
                        return Err("a number of another length".into());
                    }
                }
                drawn += 256;
            }
            Checked::Ok(drawn)
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        gate.wait();
        let began = Instant::now();
        thread::sleep(length);
        is_over.store(true, Ordering::Relaxed);
        let mut drawn = 0;
        for thread in threads {
            drawn += thread.join().map_err(|_| "a thread panicked")??;
        }
        Ok(float(drawn) / began.elapsed().as_secs_f64())
    })
}
