//! Alarms for requests that the channel rejects for the whole merchant, with status 401 or 403.
//!
//! Each kind of request has its own alarm. The alarm is active from the first rejection until the
//! channel answers that kind again. A missing answer says nothing about the merchant, so it changes
//! no alarm.

use std::collections::BTreeMap;

use orderstore::{Label, Timestamp};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tracing::{error, info};

use crate::channel::{ChannelError, Point};

/// Active alarms by kind of request.
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
    /// Updates the alarms from the channel's answer and returns the answer.
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
            error!(?question, status, %code, "the channel rejects this merchant; check its keys");
        } else {
            error!(
                ?question,
                status, "the channel rejects this merchant; check its keys"
            );
        }
        alarms.insert(question, alarm);
    }

    fn clear(&self, question: Point) {
        if self.by_question.lock().remove(&question).is_some() {
            info!(?question, "the channel answers this merchant again");
        }
    }

    /// Returns the alarms as JSON for the operator's page.
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
