//! Questions for which the channel refuses this merchant, with status 401 or 403.
//!
//! An alarm is kept for each question, from the first refusal until the channel answers that
//! question again. Silence says nothing, so it changes no alarm.

use std::collections::BTreeMap;

use orderstore::{Label, Timestamp};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tracing::{error, info};

use crate::channel::{ChannelError, Point};

/// The alarms that stand.
#[derive(Debug, Default)]
pub(crate) struct Alarms {
    by_question: Mutex<BTreeMap<Point, Alarm>>,
}

#[derive(Debug)]
struct Alarm {
    since: Timestamp,
    status: u16,
    code: Option<Label>,
}

impl Alarms {
    /// Takes notice of an answer, and passes it on.
    pub(crate) fn heard<T>(
        &self,
        question: Point,
        answer: Result<T, ChannelError>,
        now: Timestamp,
    ) -> Result<T, ChannelError> {
        match &answer {
            Err(ChannelError::Silent) => {}
            Err(ChannelError::Unauthorized { status, code }) => {
                self.raise(question, *status, code.clone(), now);
            }
            _ => self.clear(question),
        }
        answer
    }

    fn raise(&self, question: Point, status: u16, code: Option<Label>, now: Timestamp) {
        let mut alarms = self.by_question.lock();
        let since = alarms.get(&question).map_or(now, |alarm| alarm.since);
        let alarm = Alarm {
            since,
            status,
            code,
        };
        if let Some(code) = &alarm.code {
            error!(?question, status, %code, "the channel refuses this merchant");
        } else {
            error!(?question, status, "the channel refuses this merchant");
        }
        alarms.insert(question, alarm);
    }

    fn clear(&self, question: Point) {
        if self.by_question.lock().remove(&question).is_some() {
            info!(?question, "the channel answers this merchant again");
        }
    }

    /// The alarms as the operator's page reads them.
    pub(crate) fn to_json(&self) -> Value {
        let alarms = self.by_question.lock();
        let shown = alarms.iter().map(|(question, alarm)| {
            json!({
                "question": question,
                "status": alarm.status,
                "code": alarm.code,
                "since": alarm.since.as_millis(),
            })
        });
        shown.collect()
    }
}
