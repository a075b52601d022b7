//! `resolve`: what a person decides about an anomaly.

use clap::Args;
use orderstore::{AnomalyId, AnomalyRef, Note, OrderNo, RefundNo, Resolution};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::messages::answer;
use crate::text::checked;

/// Decide about an anomaly, and say why
#[derive(Args)]
pub(crate) struct Resolve {
    /// The order's number
    #[arg(value_parser = OrderNo::parse)]
    no: OrderNo,
    /// The anomaly's number within the order
    #[arg(long, value_name = "N")]
    anomaly: u32,
    /// How often it had been reopened when you looked at it, as `anomalies` and `show` tell
    #[arg(long, value_name = "N", default_value_t = 0)]
    reopened: u32,
    #[command(flatten)]
    decision: Decision,
    /// Why, in your words: they are kept with the order
    #[arg(long, value_name = "TEXT")]
    note: String,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Decision {
    /// The fact is right: a late payment counts, a payer with another identity is fine
    #[arg(long)]
    accept: bool,
    /// Nothing is to be done
    #[arg(long)]
    dismiss: bool,
    /// Give all of the anomaly's money back under this number; then ask the channel for it
    #[arg(long, value_name = "NO", value_parser = RefundNo::parse)]
    refund_no: Option<RefundNo>,
}

impl Decision {
    fn resolution(self) -> Resolution {
        match self.refund_no {
            Some(refund_no) => Resolution::Refund { refund_no },
            None if self.accept => Resolution::Accept,
            None => Resolution::Dismiss,
        }
    }
}

impl Resolve {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let note = checked("--note", &self.note, Note::parse)?;
        let anomaly = AnomalyRef {
            id: AnomalyId(self.anomaly),
            reopenings: self.reopened,
        };
        let how = self.decision.resolution();
        context.with_store(|store| {
            let answered = store.resolve(self.no, anomaly, how, note).wait()?;
            answer(&mut context.out(), self.no, &answered)
        })
    }
}
