//! Background tasks of an open store.

use super::core::Core;
use super::disk::{Background, Task};

impl Background for Core {
    fn has_work(&self, task: Task) -> bool {
        match task {
            Task::Checkpoint => self.checkpointer.is_wanted(),
            Task::Preallocate => {
                let sides = self.sides();
                sides.open().any(|side| side.preallocated.is_wanted())
            }
            Task::Idle => true,
            Task::Ship => self.shipping.is_on(),
        }
    }

    fn run(&self, task: Task) {
        match task {
            Task::Checkpoint => self.checkpoint_once(),
            Task::Preallocate => {
                let sides = self.sides();
                let wanted = sides.open().filter(|side| side.preallocated.is_wanted());
                wanted.for_each(|side| side.preallocated.make_one());
            }
            Task::Idle => self.mark_idle(),
            Task::Ship => self.run_shipment(),
        }
    }
}

impl Core {
    /// Main loop of the thread that appends idle marks.
    pub(super) fn run_idle(&self) {
        while self.idle_marker.wait_for_quiet() {
            self.mark_idle();
        }
    }
}
