//! `resolve`: records a person's decision about an anomaly.

use clap::Args;
use orderstore::{AnomalyId, AnomalyRef, Note, OrderNo, RefundNo, Resolution};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::messages::answer;
use crate::text::checked;

/// Record your decision about an anomaly, with a reason
#[derive(Args)]
pub(crate) struct Resolve {
    /// Order number
    #[arg(value_parser = OrderNo::parse)]
    no: OrderNo,
    /// Number of the anomaly within the order
    #[arg(long, value_name = "N")]
    anomaly: u32,
    /// How often the anomaly had been reopened, as `anomalies` or `show` displayed when you decided
    #[arg(long, value_name = "N", default_value_t = 0)]
    reopened: u32,
    #[command(flatten)]
    decision: Decision,
    /// Reason, in your own words. The store keeps it with the order
    #[arg(long, value_name = "TEXT")]
    note: String,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Decision {
    /// Accept the fact: a late payment counts, or a payer with another identity is correct
    #[arg(long)]
    accept: bool,
    /// End the anomaly without any action
    #[arg(long)]
    dismiss: bool,
    /// Refund the whole payment of the anomaly under this number. Then request the refund from
    /// the channel
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
            let reply = store.resolve(self.no, anomaly, how, note).wait()?;
            answer(&mut context.out(), self.no, &reply)
        })
    }
}
