//! Routes of commands: one command, a batch, and new order numbers.
//!
//! A command that the store accepted is applied completely, even if the client disconnects: the
//! handler only waits for the reply. A client that got no reply repeats the command.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, State};
use orderstore::{Command, Outcome, Reply, Ticket};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use tokio::time::{Instant, timeout_at};
use utoipa::{IntoParams, ToSchema};

use super::extract::{Body, NOT_UTF8, Parameters};
use crate::app::App;
use crate::commands::{Kind, of_batch};
use crate::fields::Fields;
use crate::problem::{self, EffectWord, Problem};
use crate::reply::{Answer, BatchResult};

/// Maximum number of commands in a batch, and of order numbers in one request.
pub(crate) const BATCH_MAX: usize = 1024;

/// Part of a reply that the client wants.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// `minimal` leaves the order out of the reply. Default: `full`.
    #[serde(rename = "return")]
    #[param(inline)]
    part: Option<Part>,
}

/// Part of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Part {
    /// Outcome, acknowledgement and order.
    Full,
    /// Outcome and acknowledgement.
    Minimal,
}

impl Wanted {
    fn has_order(self) -> bool {
        self.part != Some(Part::Minimal)
    }
}

/// Runs one command. Its fields are the parameters of the path and the fields of the body.
pub(crate) async fn single(
    kind: &'static Kind,
    app: Arc<App>,
    path: Result<RawPathParams, RawPathParamsRejection>,
    wanted: Wanted,
    body: Body,
) -> Result<Json<Answer>, Problem> {
    let path = path.map_err(|_| refused(NOT_UTF8.to_owned()))?;
    let command = command(kind, &path, &body).map_err(refused)?;
    let tickets = submit(&app, vec![command])?;
    let deadline = app.deadline();
    let ticket = tickets.into_iter().next().ok_or_else(no_ticket)?;
    let reply = reply(ticket, deadline).await?;
    Ok(Json(Answer::of(reply, wanted.has_order())))
}

fn no_ticket() -> Problem {
    let why = "the store returned no ticket for the command; repeat the command";
    Problem::new(problem::Kind::Internal, why).with_effect(EffectWord::Unknown)
}

fn command(kind: &Kind, path: &RawPathParams, body: &Body) -> Result<Command, String> {
    let in_path = path
        .iter()
        .map(|(name, text)| Ok((name, path_value(name, text)?)));
    let in_path: Vec<(&str, Box<RawValue>)> = in_path.collect::<Result<_, String>>()?;
    let mut fields = Fields::parse(body.text())?;
    for (name, value) in &in_path {
        fields.add(name, value);
    }
    kind.command(fields)
}

/// Returns a parameter of the path as JSON. All of them are texts, except the number of an
/// anomaly.
fn path_value(name: &str, text: &str) -> Result<Box<RawValue>, String> {
    let number = (name == "anomaly")
        .then(|| text.parse::<u32>().ok())
        .flatten();
    let value = match number {
        Some(number) => to_raw_value(&number),
        None => to_raw_value(text),
    };
    value.map_err(|error| format!("`{name}`: {error}"))
}

/// Returns the problem of a command that the store never saw.
fn refused(why: String) -> Problem {
    Problem::not_applied(problem::Kind::InvalidRequest, why)
}

fn submit(app: &App, commands: Vec<Command>) -> Result<Vec<Ticket<Reply<Outcome>>>, Problem> {
    let submitted = app.store.submit_all(commands);
    submitted.map_err(|rejected| Problem::of_command(&rejected.reason))
}

async fn reply(
    ticket: Ticket<Reply<Outcome>>,
    deadline: Instant,
) -> Result<Reply<Outcome>, Problem> {
    let replied = timeout_at(deadline, ticket).await;
    let replied = replied.map_err(|_| Problem::timeout(EffectWord::Unknown))?;
    replied.map_err(|error| Problem::of_command(&error))
}

/// Results of a batch, in the order of its commands.
#[derive(Debug, Serialize)]
pub(crate) struct BatchResults {
    results: Vec<BatchResult>,
}

/// Runs many commands. The batch is not atomic: each command has its own result. The store accepts
/// all of them or none.
pub(crate) async fn batch(
    State(app): State<Arc<App>>,
    Parameters(wanted): Parameters<Wanted>,
    body: Body,
) -> Result<Json<BatchResults>, Problem> {
    let (commands, refusals) = parse_batch(&body).map_err(refused)?;
    let mut tickets = submit(&app, commands)?.into_iter();
    let deadline = app.deadline();
    let mut results = Vec::with_capacity(refusals.len());
    for refusal in refusals {
        let replied = match refusal {
            Some(why) => Err(refused(why)),
            None => reply(tickets.next().ok_or_else(no_ticket)?, deadline).await,
        };
        results.push(match replied {
            Ok(reply) => BatchResult::Reply(Answer::of(reply, wanted.has_order())),
            Err(problem) => {
                app.metrics.http.count_problem(problem.kind);
                BatchResult::Problem(problem)
            }
        });
    }
    Ok(Json(BatchResults { results }))
}

/// Returns the valid commands, and for each command of the batch the reason if it is invalid.
fn parse_batch(body: &Body) -> Result<(Vec<Command>, Vec<Option<String>>), String> {
    let mut fields = Fields::parse(body.text())?;
    let items: Vec<&RawValue> = fields.take("commands")?;
    let Nothing {} = fields.decode()?;
    if items.len() > BATCH_MAX {
        let found = items.len();
        return Err(format!(
            "`commands`: {found} are over the limit of {BATCH_MAX}; split them"
        ));
    }
    let mut commands = Vec::with_capacity(items.len());
    let mut refusals = Vec::with_capacity(items.len());
    for item in items {
        match Fields::parse(item.get().as_bytes()).and_then(of_batch) {
            Ok(command) => {
                commands.push(command);
                refusals.push(None);
            }
            Err(why) => refusals.push(Some(why)),
        }
    }
    Ok((commands, refusals))
}

/// Object without further fields.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Request for new order numbers.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NumbersWanted {
    /// Number of order numbers, 1 to 1024. Default: 1.
    count: Option<usize>,
}

/// New order numbers. The store never issues them again.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Numbers {
    out_trade_nos: Vec<orderstore::OrderNo>,
}

/// Issues order numbers. A number that is not used does no harm.
pub(crate) async fn numbers(
    State(app): State<Arc<App>>,
    body: Body,
) -> Result<Json<Numbers>, Problem> {
    let wanted = Fields::parse(body.text()).and_then(Fields::decode::<NumbersWanted>);
    let count = wanted.map_err(refused)?.count.unwrap_or(1);
    if !(1..=BATCH_MAX).contains(&count) {
        return Err(refused(format!("`count`: expected 1 to {BATCH_MAX}")));
    }
    let (mut out_trade_nos, deadline) = (Vec::with_capacity(count), app.deadline());
    for _ in 0..count {
        // This call reads nothing on the current thread, so it needs no blocking thread.
        let issued = timeout_at(deadline, app.store.next_order_no().into_future()).await;
        let issued = issued.map_err(|_| Problem::timeout(EffectWord::Unknown))?;
        out_trade_nos.push(issued.map_err(|error| Problem::of_command(&error))?);
    }
    Ok(Json(Numbers { out_trade_nos }))
}
