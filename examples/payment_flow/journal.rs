//! Table of calls, answers and whether each answer was the expected one.

use std::fmt::Debug;

use orderstore::{OrderNo, Reply, Status};

/// Status of an order, and whether the channel receives an acknowledgement.
pub(crate) type Stand = (Option<Status>, bool);

/// The table that the example prints.
#[derive(Default)]
pub(crate) struct Journal {
    stories: Vec<Story>,
}

/// Title and steps of one order.
struct Story {
    no: OrderNo,
    title: &'static str,
    steps: Vec<Step>,
}

/// One answer, and how often it came in a row.
struct Step {
    asked: &'static str,
    outcome: String,
    acknowledged: bool,
    status: String,
    holds: bool,
    times: usize,
}

impl Journal {
    pub(crate) fn begin(&mut self, no: OrderNo, title: &'static str) {
        let steps = Vec::new();
        self.stories.push(Story { no, title, steps });
    }

    /// Adds an answer and whether it is correct: its outcome, the order's status after it, and the
    /// acknowledgement.
    pub(crate) fn note<O: Debug>(
        &mut self,
        asked: &'static str,
        answer: &Reply<O>,
        holds: bool,
        (stands, acknowledged): Stand,
    ) {
        let status = answer.order.as_ref().map(|order| order.status);
        let as_told = answer.should_acknowledge() == acknowledged;
        let step = Step {
            asked,
            outcome: format!("{:?}", answer.outcome),
            acknowledged: answer.should_acknowledge(),
            status: status.map_or_else(|| "-".to_owned(), |status| status.to_string()),
            holds: holds && as_told && status == stands,
            times: 1,
        };
        if let Some(story) = self.stories.last_mut() {
            story.add(step);
        }
    }

    pub(crate) fn is_as_it_must_be(&self) -> bool {
        let mut steps = self.stories.iter().flat_map(|story| &story.steps);
        steps.all(|step| step.holds)
    }

    /// Returns the numbers of all orders in the table.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = OrderNo> {
        self.stories.iter().map(|story| story.no)
    }

    pub(crate) fn print(&self) {
        for story in &self.stories {
            println!("{}  {}", story.no, story.title);
            for step in &story.steps {
                step.print();
            }
        }
    }
}

impl Story {
    /// Adds a step; equal answers share a line.
    fn add(&mut self, step: Step) {
        let same = self.steps.iter_mut().find(|last| last.is_like(&step));
        match same {
            Some(same) => same.times += 1,
            None => self.steps.push(step),
        }
    }
}

impl Step {
    fn is_like(&self, other: &Self) -> bool {
        let key = |step: &Self| (step.asked, step.holds, step.acknowledged);
        key(self) == key(other) && (&self.outcome, &self.status) == (&other.outcome, &other.status)
    }

    fn print(&self) {
        let asked = format!("{}x {}", self.times, self.asked);
        let acknowledge = if self.acknowledged { "ack" } else { "no ack" };
        let warning = if self.holds { "" } else { "  <- UNEXPECTED" };
        let (status, outcome) = (&self.status, &self.outcome);
        println!("  {asked:<24} {status:<9} {acknowledge:<7} {outcome}{warning}");
    }
}
