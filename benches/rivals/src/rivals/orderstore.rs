//! This store, through its public API.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use orderstore::{
    AppId, Command as Asking, CommandKind, Confirmed, Created, Description, Error, FeedCursor,
    NewOrder, OpenId, OrderNo, OrderQuery, Outcome, PageRequest, Reply as Answer, Status, Store,
    Ticket,
};
use redb::Database;

use super::redb::bytes_in_use;
use crate::sample::{APPID, Checked, DESCRIPTION};
use crate::system::{
    CACHE_BYTES, Caller, MEMTABLE_BYTES, Reply, Rival, Rows, Seen, Submit, System, Waiting,
    version_of,
};
use crate::work::{Command, Create};

pub(super) const SYSTEM: System = System {
    name: "orderstore",
    can_group: false,
    version: || version_of("orderstore"),
    setting: "memtable 256 MiB, cache 1 GiB",
    open,
};

struct Ours {
    asker: Asker,
    dir: PathBuf,
}

/// The store, and the fields that all orders share.
#[derive(Clone)]
struct Asker {
    store: Store,
    appid: AppId,
    description: Description,
}

fn open(dir: &Path) -> Checked<Box<dyn Rival>> {
    let dir = dir.join("orderstore");
    let settings = Store::builder().memtable_bytes(MEMTABLE_BYTES);
    let asker = Asker {
        store: settings.cache_bytes(CACHE_BYTES).init(&dir)?,
        appid: AppId::parse(APPID)?,
        description: Description::parse(DESCRIPTION)?,
    };
    Ok(Box::new(Ours { asker, dir }))
}

impl Rival for Ours {
    fn caller(&self) -> Checked<Box<dyn Caller + '_>> {
        Ok(Box::new(&self.asker))
    }

    fn submit(&self) -> Option<Submit> {
        let asker = self.asker.clone();
        Some(Arc::new(move |command| asker.submit(command)))
    }

    fn numbers(&self) -> Option<Store> {
        Some(self.asker.store.clone())
    }

    fn groups(&self) -> Option<u64> {
        Some(self.asker.store.stats().groups)
    }

    fn settle(&self) -> Checked<()> {
        Ok(self.asker.store.checkpoint().wait()?)
    }

    fn rows(&self) -> Checked<Rows> {
        let counts = self.asker.store.counts().wait()?;
        let report = self.asker.store.verify().wait()?;
        if !report.is_ok() {
            return Err("the store violates an invariant".into());
        }
        // `verify` has checked that every order is in each of its lists.
        Ok(Rows {
            orders: counts.orders(),
            openids: counts.orders(),
            statuses: counts.orders(),
            transactions: counts.of(Status::Success),
            events: self.events()?,
        })
    }

    fn close(self: Box<Self>) -> Checked<Option<u64>> {
        self.asker.store.shutdown().wait()?;
        let base = Database::open(self.dir.join("base.redb"))?;
        bytes_in_use(&base).map(Some)
    }
}

impl Ours {
    fn events(&self) -> Checked<u64> {
        let (mut place, mut count) = (FeedCursor::START, 0_u64);
        loop {
            let events = self.asker.store.events(place, PageRequest::MAX).wait()?;
            let Some(last) = events.last() else {
                return Ok(count);
            };
            place = last.cursor;
            count = count.saturating_add(u64::try_from(events.len())?);
        }
    }
}

impl Asker {
    fn new_order(&self, create: &Create) -> Checked<NewOrder> {
        let new = NewOrder::new(self.appid.clone(), create.fee)?;
        let new = new.openid(create.openid.clone());
        Ok(new.description(self.description.clone()))
    }

    fn asking(&self, command: &Command) -> Checked<Asking> {
        let kind = match command {
            Command::Create(create) => CommandKind::Create(Box::new(self.new_order(create)?)),
            Command::Confirm(confirm) => CommandKind::Confirm(confirm.payment.clone()),
        };
        let no = command.no();
        Ok(Asking { no, kind })
    }

    fn submit(&self, command: Command) -> Checked<Option<Waiting>> {
        Ok(match command {
            Command::Create(create) => {
                let call = self.store.create(create.no, self.new_order(&create)?);
                let ticket = taken(call.submit().map_err(Error::from))?;
                ticket.map(|ticket| -> Waiting {
                    Box::pin(async { reply(&Outcome::Create(ticket.await?.outcome)) })
                })
            }
            Command::Confirm(confirm) => {
                let call = self.store.confirm(confirm.no, *confirm.payment);
                let ticket = taken(call.submit().map_err(Error::from))?;
                ticket.map(|ticket| -> Waiting {
                    Box::pin(async { reply(&Outcome::Confirm(ticket.await?.outcome)) })
                })
            }
        })
    }
}

/// Returns `None` if the queue was full.
fn taken<T>(ticket: Result<T, Error>) -> Checked<Option<T>> {
    match ticket {
        Ok(ticket) => Ok(Some(ticket)),
        Err(Error::Overloaded) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn reply(outcome: &Outcome) -> Checked<Reply> {
    match outcome {
        Outcome::Create(Created::Created) | Outcome::Confirm(Confirmed::Applied) => Ok(Reply::Done),
        Outcome::Create(Created::ExistsWithDifferent { .. }) => Ok(Reply::Refused),
        other => Err(format!("unexpected outcome {other:?}").into()),
    }
}

impl Caller for &Asker {
    fn apply(&mut self, commands: &[Command]) -> Checked<Vec<Reply>> {
        let asked: Checked<Vec<_>> = commands.iter().map(|c| self.asking(c)).collect();
        let tickets = self.store.submit_all(asked?);
        let tickets = tickets.map_err(|refused| refused.reason)?;
        let wait = |ticket: Ticket<Answer<Outcome>>| reply(&ticket.wait()?.outcome);
        tickets.into_iter().map(wait).collect()
    }

    fn one(&mut self, command: Command) -> Checked<Reply> {
        reply(&match command {
            Command::Create(create) => {
                let new = self.new_order(&create)?;
                Outcome::Create(self.store.create(create.no, new).wait()?.outcome)
            }
            Command::Confirm(confirm) => {
                let call = self.store.confirm(confirm.no, *confirm.payment);
                Outcome::Confirm(call.wait()?.outcome)
            }
        })
    }

    fn get(&mut self, no: &OrderNo) -> Checked<Option<Seen>> {
        let order = self.store.get(*no).wait()?;
        Ok(order.map(|order| Seen {
            no: order.no,
            fee: order.total_fee.as_u64(),
            paid: order.status == Status::Success,
        }))
    }

    fn page(&mut self, openid: &str, limit: usize) -> Checked<usize> {
        let user = OpenId::parse(openid)?;
        let listing = OrderQuery::by_openid(&user).page(PageRequest::of(limit));
        let rows = self.store.list(listing).wait()?.rows;
        let own = rows
            .iter()
            .filter(|order| order.openid.as_ref() == Some(&user));
        Ok(own.count())
    }
}
