//! Table of calls and replies. It marks each reply that was not the expected one.

use std::fmt::Debug;

use orderstore::{OrderNo, Reply, Status};

/// Expected state after a call: the order's status, and whether the server acknowledges the
/// notification.
pub(crate) type Expected = (Option<Status>, bool);

/// The table that the example prints.
#[derive(Default)]
pub(crate) struct Journal {
    stories: Vec<Story>,
}

/// Scenario of one order: its title and its steps.
struct Story {
    no: OrderNo,
    title: &'static str,
    steps: Vec<Step>,
}

/// A call with its reply, and how often this pair occurred.
struct Step {
    asked: &'static str,
    outcome: String,
    acknowledged: bool,
    status: String,
    is_expected: bool,
    times: usize,
}

impl Journal {
    pub(crate) fn begin(&mut self, no: OrderNo, title: &'static str) {
        let steps = Vec::new();
        self.stories.push(Story { no, title, steps });
    }

    /// Adds a reply. The step is as expected if `is_expected` is true and both the order's status
    /// and the acknowledgement equal the expected ones.
    pub(crate) fn note<O: Debug>(
        &mut self,
        asked: &'static str,
        answer: &Reply<O>,
        is_expected: bool,
        (expected_status, acknowledged): Expected,
    ) {
        let status = answer.order.as_ref().map(|order| order.status);
        let is_acknowledged_as_expected = answer.should_acknowledge() == acknowledged;
        let step = Step {
            asked,
            outcome: format!("{:?}", answer.outcome),
            acknowledged: answer.should_acknowledge(),
            status: status.map_or_else(|| "-".to_owned(), |status| status.to_string()),
            is_expected: is_expected && is_acknowledged_as_expected && status == expected_status,
            times: 1,
        };
        if let Some(story) = self.stories.last_mut() {
            story.add(step);
        }
    }

    pub(crate) fn is_all_expected(&self) -> bool {
        let mut steps = self.stories.iter().flat_map(|story| &story.steps);
        steps.all(|step| step.is_expected)
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
    /// Adds a step. Steps with equal replies share a line.
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
        let key = |step: &Self| (step.asked, step.is_expected, step.acknowledged);
        key(self) == key(other) && (&self.outcome, &self.status) == (&other.outcome, &other.status)
    }

    fn print(&self) {
        let asked = format!("{}x {}", self.times, self.asked);
        let acknowledge = if self.acknowledged { "ack" } else { "no ack" };
        let warning = if self.is_expected {
            ""
        } else {
            "  <- UNEXPECTED"
        };
        let (status, outcome) = (&self.status, &self.outcome);
        println!("  {asked:<24} {status:<9} {acknowledge:<7} {outcome}{warning}");
    }
}
