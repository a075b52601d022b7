//! This store, through its public API.

use std::path::{Path, PathBuf};

use orderstore::{
    AppId, Command as Asking, CommandKind, Confirmed, Created, Description, Error, NewOrder,
    OpenId, OrderNo, OrderQuery, Outcome, PageRequest, Payment, Status, Store,
};
use redb::Database;

use super::{CACHE_BYTES, MEMTABLE_BYTES, redb::bytes_in_use, version_of};
use crate::rival::{Caller, Rival, Rows, Seen, System, Waiting};
use crate::sample::Checked;
use crate::work::{APPID, Command, Create, DESCRIPTION};

pub(super) const SYSTEM: System = System {
    name: "orderstore",
    in_process: true,
    is_ours: true,
    version: || version_of("orderstore"),
    setting: "memtable 256 MiB, cache 1 GiB",
    open,
};

struct Ours {
    store: Store,
    dir: PathBuf,
    appid: AppId,
    description: Description,
}

fn open(dir: &Path) -> Checked<Box<dyn Rival>> {
    let dir = dir.join("orderstore");
    let settings = Store::builder().memtable_bytes(MEMTABLE_BYTES);
    let store = settings.cache_bytes(CACHE_BYTES).init(&dir)?;
    Ok(Box::new(Ours {
        store,
        dir,
        appid: AppId::parse(APPID)?,
        description: Description::parse(DESCRIPTION)?,
    }))
}

impl Rival for Ours {
    fn caller(&self) -> Checked<Box<dyn Caller + '_>> {
        Ok(Box::new(self))
    }

    fn numbers(&self) -> Option<Store> {
        Some(self.store.clone())
    }

    fn groups(&self) -> Option<u64> {
        Some(self.store.stats().groups)
    }

    fn settle(&self) -> Checked<()> {
        Ok(self.store.checkpoint().wait()?)
    }

    fn rows(&self) -> Checked<Rows> {
        let counts = self.store.counts().wait()?;
        let report = self.store.verify().wait()?;
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
        self.store.shutdown().wait()?;
        let base = Database::open(self.dir.join("base.redb"));
        base.ok().map(|base| bytes_in_use(&base)).transpose()
    }
}

impl Ours {
    fn events(&self) -> Checked<u64> {
        let mut place = orderstore::FeedCursor::START;
        let mut count = 0_u64;
        loop {
            let events = self.store.events(place, PageRequest::MAX).wait()?;
            let Some(last) = events.last() else {
                return Ok(count);
            };
            place = last.cursor;
            count = count.saturating_add(u64::try_from(events.len())?);
        }
    }

    fn new_order(&self, create: &Create) -> Checked<NewOrder> {
        let new = NewOrder::new(self.appid.clone(), create.fee)?;
        let new = new.openid(create.openid.clone());
        Ok(new.description(self.description.clone()))
    }

    fn one(&self, command: &Command) -> Checked<()> {
        let outcome = match command {
            Command::Create(create) => {
                let new = self.new_order(create)?;
                Outcome::Create(self.store.create(create.no, new).wait()?.outcome)
            }
            Command::Confirm(confirm) => {
                let payment = Payment::clone(&confirm.payment);
                Outcome::Confirm(self.store.confirm(confirm.no, payment).wait()?.outcome)
            }
        };
        expect(&outcome)
    }

    fn asking(&self, command: &Command) -> Checked<Asking> {
        Ok(match command {
            Command::Create(create) => Asking {
                no: create.no,
                kind: CommandKind::Create(Box::new(self.new_order(create)?)),
            },
            Command::Confirm(confirm) => Asking {
                no: confirm.no,
                kind: CommandKind::Confirm(confirm.payment.clone()),
            },
        })
    }

    fn many(&self, commands: &[Command]) -> Checked<()> {
        let asked: Checked<Vec<_>> = commands.iter().map(|c| self.asking(c)).collect();
        let tickets = self.store.submit_all(asked?);
        for ticket in tickets.map_err(|refused| refused.reason)? {
            expect(&ticket.wait()?.outcome)?;
        }
        Ok(())
    }
}

fn expect(outcome: &Outcome) -> Checked<()> {
    match outcome {
        Outcome::Create(Created::Created) | Outcome::Confirm(Confirmed::Applied) => Ok(()),
        other => Err(format!("unexpected outcome {other:?}").into()),
    }
}

impl Caller for &Ours {
    fn apply(&mut self, commands: &[Command]) -> Checked<()> {
        match commands {
            [command] => self.one(command),
            commands => self.many(commands),
        }
    }

    fn hand_over(&mut self, command: &Command) -> Checked<Waiting> {
        Ok(match command {
            Command::Create(create) => {
                let call = self.store.create(create.no, self.new_order(create)?);
                let ticket = call.submit().map_err(Error::from)?;
                Box::new(move || expect(&Outcome::Create(ticket.wait()?.outcome)))
            }
            Command::Confirm(confirm) => {
                let call = self
                    .store
                    .confirm(confirm.no, Payment::clone(&confirm.payment));
                let ticket = call.submit().map_err(Error::from)?;
                Box::new(move || expect(&Outcome::Confirm(ticket.wait()?.outcome)))
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
