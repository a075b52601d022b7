//! PostgreSQL on the loopback interface. The bench starts the server. Each thread has its own
//! connection.
//!
//! - A single command is one prepared statement, one round trip and one transaction. It writes the
//!   order and its event.
//! - A batch is one statement over arrays. PostgreSQL plans it for each execution, because
//!   its generic plan assumes small arrays.

mod server;
mod statements;

use std::path::Path;

use orderstore::OrderNo;
use postgres::error::SqlState;
use postgres::types::ToSql;
use postgres::{Client, Row, Statement};

use crate::rows::{SUCCESS, details};
use crate::sample::Checked;
use crate::system::{Caller, Reply, Rival, Rows, Seen, System, with_crate};
use crate::usage::Usage;
use crate::work::Command;
use server::Server;
use statements::{CREATE, CREATE_MANY, GET, PAGE, PAY, PAY_MANY};

pub(super) const SYSTEM: System = System {
    name: "PostgreSQL",
    can_group: false,
    version: || {
        let server = server::version()?;
        with_crate(&server, "postgres")
    },
    setting: "loopback TCP, `fsync` and `synchronous_commit` on, prepared statements, one \
              round trip each, shared buffers 1 GiB",
    open,
};

struct Postgres {
    server: Server,
}

fn open(dir: &Path) -> Checked<Box<dyn Rival>> {
    let server = Server::start(dir)?;
    (server.connect()?).batch_execute(include_str!("postgres.sql"))?;
    Ok(Box::new(Postgres { server }))
}

impl Rival for Postgres {
    fn caller(&self) -> Checked<Box<dyn Caller + '_>> {
        let mut client = self.server.connect()?;
        let mut prepare = |text| client.prepare(text);
        Ok(Box::new(Connected {
            create: prepare(CREATE)?,
            pay: prepare(PAY)?,
            get: prepare(GET)?,
            page: prepare(PAGE)?,
            client,
        }))
    }

    fn usage(&self) -> Checked<Usage> {
        let mut usage = Usage::now()?;
        usage.cpu += self.server.cpu()?;
        Ok(usage)
    }

    fn settle(&self) -> Checked<()> {
        Ok((self.server.connect()?).batch_execute("CHECKPOINT")?)
    }

    fn rows(&self) -> Checked<Rows> {
        let mut client = self.server.connect()?;
        let mut count = |of: &str| -> Checked<u64> {
            let row = client.query_one(&format!("SELECT {of}"), &[])?;
            Ok(u64::try_from(row.try_get::<_, i64>(0)?)?)
        };
        Ok(Rows {
            orders: count("count(*) FROM orders")?,
            openids: count("count(openid) FROM orders")?,
            statuses: count("count(status) FROM orders")?,
            transactions: count("count(transaction_id) FROM orders")?,
            events: count("count(*) FROM events")?,
        })
    }

    fn close(self: Box<Self>) -> Checked<Option<u64>> {
        let sizes = "SELECT (pg_total_relation_size('orders') + \
                     pg_total_relation_size('events'))::bigint";
        let row = (self.server.connect()?).query_one(sizes, &[])?;
        let bytes = u64::try_from(row.try_get::<_, i64>(0)?)?;
        self.server.stop()?;
        Ok(Some(bytes))
    }
}

struct Connected {
    client: Client,
    create: Statement,
    pay: Statement,
    get: Statement,
    page: Statement,
}

impl Connected {
    fn one(&mut self, command: &Command) -> Checked<u64> {
        let statement = match command {
            Command::Create(_) => &self.create,
            Command::Confirm(_) => &self.pay,
        };
        let Values([no, name], [fee, at, other], details) = &values(command)?;
        let values: [&(dyn ToSql + Sync); 6] = [no, name, fee, at, other, details];
        Ok(self.client.execute(statement, &values)?)
    }

    fn many(&mut self, commands: &[Command]) -> Checked<u64> {
        let mut columns = Columns::default();
        for command in commands {
            columns.push(command)?;
        }
        let statement = match commands.first() {
            Some(Command::Create(_)) => CREATE_MANY,
            _ => PAY_MANY,
        };
        let Columns {
            numbers,
            names,
            fees,
            times,
            others,
            details,
        } = &columns;
        let values: [&(dyn ToSql + Sync); 6] = [numbers, names, fees, times, others, details];
        Ok(self.client.execute(statement, &values)?)
    }
}

/// Parameters of a statement: number and openid or transaction; fee, time, and end of payability or
/// payment time; the event's details.
struct Values<'c>([&'c str; 2], [i64; 3], Vec<u8>);

fn values(command: &Command) -> Checked<Values<'_>> {
    let (no, name, [fee, at, other]) = match command {
        Command::Create(c) => (
            &c.no,
            c.openid.as_str(),
            [c.fee.as_u64(), c.at, c.expires()],
        ),
        Command::Confirm(c) => (&c.no, c.transaction(), [c.fee(), c.at, c.paid_at()]),
    };
    let numbers = [fee.try_into()?, at.try_into()?, other.try_into()?];
    Ok(Values([no.as_str(), name], numbers, details(command)))
}

/// Columns of a batch, whose commands are all of one kind.
#[derive(Default)]
struct Columns<'c> {
    numbers: Vec<&'c str>,
    names: Vec<&'c str>,
    fees: Vec<i64>,
    times: Vec<i64>,
    others: Vec<i64>,
    details: Vec<Vec<u8>>,
}

impl<'c> Columns<'c> {
    fn push(&mut self, command: &'c Command) -> Checked<()> {
        let Values([no, name], [fee, at, other], details) = values(command)?;
        self.numbers.push(no);
        self.names.push(name);
        self.fees.push(fee);
        self.times.push(at);
        self.others.push(other);
        self.details.push(details);
        Ok(())
    }
}

impl Caller for Connected {
    fn apply(&mut self, commands: &[Command]) -> Checked<Vec<Reply>> {
        let done = match commands {
            [command] => self.one(command),
            commands => self.many(commands),
        };
        let is_violation =
            |error: &postgres::Error| error.code() == Some(&SqlState::UNIQUE_VIOLATION);
        match (done, commands) {
            (Ok(0), [_]) => Ok(vec![Reply::Refused]),
            (Ok(done), commands) if done == u64::try_from(commands.len())? => {
                Ok(vec![Reply::Done; commands.len()])
            }
            (Err(error), [_]) if error.downcast_ref().is_some_and(is_violation) => {
                Ok(vec![Reply::Refused])
            }
            (Ok(done), _) => Err(format!("{done} of {} were done", commands.len()).into()),
            (Err(error), _) => Err(error),
        }
    }

    fn get(&mut self, no: &OrderNo) -> Checked<Option<Seen>> {
        let row = self.client.query_opt(&self.get, &[&no.as_str()])?;
        row.map(|row| seen(&row)).transpose()
    }

    fn page(&mut self, openid: &str, limit: usize) -> Checked<usize> {
        let limit = i64::try_from(limit)?;
        let rows = self.client.query(&self.page, &[&openid, &limit])?;
        for row in &rows {
            seen(row)?;
        }
        Ok(rows.len())
    }
}

/// Reads every column, as an application would.
fn seen(row: &Row) -> Checked<Seen> {
    for text in ["openid", "appid"] {
        std::hint::black_box(row.try_get::<_, &str>(text)?);
    }
    std::hint::black_box(row.try_get::<_, String>("description")?);
    std::hint::black_box(row.try_get::<_, Option<&str>>("transaction_id")?);
    std::hint::black_box(row.try_get::<_, i32>("version")?);
    for time in ["created", "updated", "expires", "since"] {
        std::hint::black_box(row.try_get::<_, i64>(time)?);
    }
    Ok(Seen {
        no: OrderNo::parse(row.try_get("no")?)?,
        fee: u64::try_from(row.try_get::<_, i64>("fee")?)?,
        paid: row.try_get::<_, i16>("status")? == i16::from(SUCCESS),
    })
}
