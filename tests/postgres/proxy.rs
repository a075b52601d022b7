//! TCP proxy between a store and its server.
//!
//! The proxy cuts connections before a request arrives, between request and answer, or at any time.
//! It can also hang: it accepts connections but does not forward statements on the store's tables.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use orderstore::testing::SeededRng;
use parking_lot::Mutex;

pub(crate) struct Proxy {
    pub(crate) port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    open: Mutex<Vec<[TcpStream; 2]>>,
    /// Drops the next request and cuts its connection.
    swallow_request: AtomicBool,
    /// Drops the next answer and cuts its connection.
    swallow_answer: AtomicBool,
    /// Stops forwarding statements on the store's tables, without closing the connection.
    hangs: AtomicBool,
    cuts: AtomicU64,
    /// Number of connections that the proxy has accepted.
    taken: AtomicU64,
}

/// Prefix of the names of the store's tables.
const TABLES: &[u8] = b"orderstore_";

impl Proxy {
    pub(crate) fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        let own = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, state) = (client.unwrap(), Arc::clone(&own));
                state.taken.fetch_add(1, Ordering::Relaxed);
                let server = TcpStream::connect(("127.0.0.1", server)).unwrap();
                let _ = (client.set_nodelay(true), server.set_nodelay(true));
                let both = || [client.try_clone().unwrap(), server.try_clone().unwrap()];
                state.open.lock().push(both());
                let [from, to] = both();
                let requests = Arc::clone(&state);
                thread::spawn(move || requests.pass(from, to, &requests.swallow_request));
                let [to, from] = both();
                thread::spawn(move || state.pass(from, to, &state.swallow_answer));
            }
        });
        Self { port, state }
    }

    /// Cuts the connection of the next request or of the next answer, or all connections now.
    pub(crate) fn cut(&self, rng: &mut SeededRng) {
        match rng.below(3) {
            0 => self.state.swallow_request.store(true, Ordering::Relaxed),
            1 => self.state.swallow_answer.store(true, Ordering::Relaxed),
            _ => self.cut_all(),
        }
    }

    fn cut_all(&self) {
        self.state.cuts.fetch_add(1, Ordering::Relaxed);
        for both in self.state.open.lock().drain(..) {
            end(&both);
        }
    }

    /// Accepts connections from now on, but forwards no statement on the store's tables.
    pub(crate) fn hang(&self) {
        self.state.hangs.store(true, Ordering::Relaxed);
        self.cut_all();
    }

    /// Returns the number of connections since the last cut that the store has not closed.
    pub(crate) fn held(&self) -> usize {
        let mut open = self.state.open.lock();
        let is_held = |[client, _]: &mut [TcpStream; 2]| {
            let mut byte = [0];
            let _ = client.set_nonblocking(true);
            let peeked = client.peek(&mut byte);
            let _ = client.set_nonblocking(false);
            !matches!(peeked, Ok(0))
        };
        open.retain_mut(is_held);
        open.len()
    }

    /// Returns the number of accepted connections.
    pub(crate) fn taken(&self) -> u64 {
        self.state.taken.load(Ordering::Relaxed)
    }

    pub(crate) fn cuts(&self) -> u64 {
        self.state.cuts.load(Ordering::Relaxed)
    }
}

impl State {
    fn pass(&self, mut from: TcpStream, mut to: TcpStream, swallow: &AtomicBool) {
        let mut bytes = [0; 1 << 16];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            if swallow.swap(false, Ordering::Relaxed) {
                self.cuts.fetch_add(1, Ordering::Relaxed);
                break;
            }
            let asked = &bytes[..count];
            if self.hangs.load(Ordering::Relaxed)
                && asked.windows(TABLES.len()).any(|part| part == TABLES)
            {
                loop {
                    thread::park();
                }
            }
            if to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        end(&[from, to]);
    }
}

fn end(both: &[TcpStream; 2]) {
    for stream in both {
        let _ = stream.shutdown(Shutdown::Both);
    }
}
