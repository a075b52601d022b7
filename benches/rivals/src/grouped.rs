//! A writer thread in front of a system: it takes all commands that wait and commits them as one
//! durable transaction. A team with many callers would add such a thread to its own program. A
//! refused command changes nothing, so the others of its group are committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use orderstore::{OrderNo, Store};
use tokio::sync::oneshot;

use crate::sample::Checked;
use crate::system::{Caller, Reply, Rival, Rows, Seen, Submit};
use crate::usage::Usage;
use crate::work::Command;

/// A command that waits for the writer.
struct Job {
    command: Command,
    reply: oneshot::Sender<Checked<Reply>>,
}

pub(crate) struct Grouped {
    rival: Arc<Box<dyn Rival>>,
    jobs: Sender<Job>,
    groups: Arc<AtomicU64>,
    writer: JoinHandle<Checked<()>>,
}

impl Grouped {
    pub(crate) fn start(rival: Box<dyn Rival>) -> Self {
        let (jobs, waiting) = channel();
        let (rival, groups) = (Arc::new(rival), Arc::new(AtomicU64::new(0)));
        let (written, counted) = (Arc::clone(&rival), Arc::clone(&groups));
        Self {
            writer: thread::spawn(move || write(&**written, &waiting, &counted)),
            rival,
            jobs,
            groups,
        }
    }
}

/// Commits groups until the queue is closed and empty.
fn write(rival: &dyn Rival, waiting: &Receiver<Job>, groups: &AtomicU64) -> Checked<()> {
    let mut caller = rival.caller()?;
    while let Ok(first) = waiting.recv() {
        let group = std::iter::once(first).chain(waiting.try_iter());
        let (commands, senders): (Vec<_>, Vec<_>) =
            group.map(|job| (job.command, job.reply)).unzip();
        groups.fetch_add(1, Ordering::Relaxed);
        let replies = caller.apply(&commands).map_err(|error| error.to_string());
        for (place, sender) in senders.into_iter().enumerate() {
            let reply = match &replies {
                Ok(replies) => replies.get(place).copied().ok_or("no reply".into()),
                Err(error) => Err(error.as_str().into()),
            };
            // A caller that has gone needs no reply.
            let _ = sender.send(reply);
        }
    }
    Ok(())
}

fn submit(jobs: &Sender<Job>, command: Command) -> Checked<oneshot::Receiver<Checked<Reply>>> {
    let (reply, receiver) = oneshot::channel();
    let sent = jobs.send(Job { command, reply });
    sent.map_err(|_| "the writer thread has ended")?;
    Ok(receiver)
}

impl Rival for Grouped {
    fn caller(&self) -> Checked<Box<dyn Caller + '_>> {
        let (direct, jobs) = (self.rival.caller()?, self.jobs.clone());
        Ok(Box::new(Queued { direct, jobs }))
    }

    fn submit(&self) -> Option<Submit> {
        let jobs = self.jobs.clone();
        Some(Arc::new(move |command| {
            let receiver = submit(&jobs, command)?;
            Ok(Some(Box::pin(async { receiver.await? })))
        }))
    }

    fn numbers(&self) -> Option<Store> {
        self.rival.numbers()
    }

    fn groups(&self) -> Option<u64> {
        Some(self.groups.load(Ordering::Relaxed))
    }

    fn usage(&self) -> Checked<Usage> {
        self.rival.usage()
    }

    fn settle(&self) -> Checked<()> {
        self.rival.settle()
    }

    fn rows(&self) -> Checked<Rows> {
        self.rival.rows()
    }

    fn close(self: Box<Self>) -> Checked<Option<u64>> {
        drop(self.jobs);
        self.writer.join().map_err(|_| "the writer panicked")??;
        let rival = Arc::into_inner(self.rival);
        rival.ok_or("the database is still in use")?.close()
    }
}

/// Access of one thread. Single commands go through the writer. Batches go to the system directly,
/// because each is one transaction already.
struct Queued<'r> {
    direct: Box<dyn Caller + 'r>,
    jobs: Sender<Job>,
}

impl Caller for Queued<'_> {
    fn apply(&mut self, commands: &[Command]) -> Checked<Vec<Reply>> {
        self.direct.apply(commands)
    }

    fn one(&mut self, command: Command) -> Checked<Reply> {
        submit(&self.jobs, command)?.blocking_recv()?
    }

    fn get(&mut self, no: &OrderNo) -> Checked<Option<Seen>> {
        self.direct.get(no)
    }

    fn page(&mut self, openid: &str, limit: usize) -> Checked<usize> {
        self.direct.page(openid, limit)
    }
}
