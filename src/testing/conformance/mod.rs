//! What every engine must do, case by case: once on the engine alone, once through a
//! store on it.
//!
//! Whoever writes an engine implements [`Harness`] and lets [`conformance_suite!`] make
//! one `#[test]` of each case, so that each fails under its own name:
//!
//! ```
//! # mod tests {
//! use orderstore::engine::{Engine, MemoryEngine};
//! use orderstore::testing::conformance::Harness;
//! use orderstore::{Builder, Store};
//!
//! struct InMemory;
//!
//! impl Harness for InMemory {
//!     fn engine(&self) -> Box<dyn Engine> {
//!         Box::new(MemoryEngine::new().unwrap())
//!     }
//!     fn open(&self, builder: Builder) -> Store {
//!         builder.memory().unwrap()
//!     }
//! }
//!
//! orderstore::conformance_suite!(in_memory, InMemory);
//! # }
//! ```
//!
//! [`conformance_suite!`]: crate::conformance_suite
#![expect(
    clippy::unwrap_used,
    reason = "a case fails by panicking, as every test does"
)]

mod apply;
mod closing;
mod creating;
mod ending;
mod failures;
mod feed;
mod lists;
mod numbers;
mod paging;
mod payments;
mod refunds;
mod rivals;
mod tools;
mod values;

use crate::engine::Engine;
use crate::store::Builder;
use crate::store::Store;

/// Where the suite gets its engines and stores. Every test has a harness of its own.
pub trait Harness {
    /// A new, empty engine.
    fn engine(&self) -> Box<dyn Engine>;

    /// Closes the engine that was made last and opens it again with what it holds. `None`
    /// for an engine that keeps nothing: the cases about that are left out.
    fn reopen_engine(&self, engine: Box<dyn Engine>) -> Option<Box<dyn Engine>> {
        drop(engine);
        None
    }

    /// A new, empty store with these settings.
    fn open(&self, builder: Builder) -> Store;

    /// Shuts down the store that was opened last, the only handle of it, and opens it
    /// again with what it holds; `None` as above.
    fn reopen(&self, store: Store, builder: Builder) -> Option<Store> {
        drop((store, builder));
        None
    }
}

/// Makes a module of tests, one for each case, for the engines of a
/// [`Harness`]: `conformance_suite!(module, harness)`.
/// The second argument is an expression and is evaluated for each test.
#[macro_export]
macro_rules! conformance_suite {
    ($module:ident, $harness:expr) => {
        mod $module {
            #[allow(unused_imports, reason = "the harness may be named in full")]
            use super::*;

            fn harness() -> impl $crate::testing::conformance::Harness {
                $harness
            }

            $crate::__conformance_cases!(list tests);
        }
    };
}

/// The cases: the one list, and what is made of it.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_cases {
    (list $rule:ident) => {
        $crate::__conformance_cases! { $rule
            apply {
                what_was_applied_is_found_by_number_by_owner_and_in_its_lists
                a_record_that_is_not_there_is_none
                a_mutation_of_what_does_not_stand_is_a_mismatch_and_changes_nothing
                a_refused_mutation_does_not_disturb_its_neighbours
                the_second_owner_of_a_key_is_refused_within_one_batch
                the_second_owner_of_a_key_is_refused_across_batches
                a_key_that_was_released_can_be_owned_again
                a_key_that_was_released_earlier_in_the_batch_can_be_owned
                a_record_that_only_knows_a_transaction_does_not_own_it
                lookups_are_answered_in_the_order_in_which_they_are_asked
                a_batch_of_the_full_size_is_taken
                the_largest_values_come_back_as_they_went_in
                writers_at_once_lose_to_each_other_cleanly
            }
            lists {
                a_list_reads_by_time_both_ways
                a_list_keeps_to_its_bounds_which_belong_to_it
                a_place_outside_the_bounds_begins_at_the_bound_or_ends
                a_thousand_rows_of_one_millisecond_are_each_read_once
                more_is_said_only_while_there_is_more
                a_record_moves_from_list_to_list_with_its_status
                keys_that_continue_each_other_never_mix
                counts_equal_a_scan
            }
            feed {
                history_holds_every_event_and_folds_into_the_record
                the_feed_has_no_gaps_and_holds_every_history
                the_feed_goes_on_behind_any_event_and_any_limit
                the_feed_grows_behind_its_end
                a_place_of_another_feed_or_beyond_the_end_is_refused
                a_refused_mutation_leaves_no_event
            }
            ending {
                reserved_values_are_never_handed_out_twice
                every_engine_is_somebody_and_stays_so
                a_closed_engine_fails_every_call
                an_engine_that_was_opened_again_is_the_same
            }
            payments {
                the_same_callback_twice_is_applied_then_a_duplicate
                of_64_threads_with_one_callback_exactly_one_applies_it
                a_callback_and_a_query_race_and_one_of_them_applies
                a_callback_repeated_after_a_full_refund_changes_nothing
                a_failed_attempt_changes_nothing_and_a_later_success_applies
                one_fen_short_is_one_anomaly_however_often_it_is_repeated
                a_strict_shop_does_not_acknowledge_what_does_not_fit
                a_coupon_makes_the_cash_smaller_and_the_order_paid
                a_stranger_who_pays_is_an_anomaly_that_can_be_accepted
                of_a_service_provider_the_sub_identity_is_compared
                what_a_payment_leaves_out_is_not_compared
                one_transaction_pays_one_order_and_a_second_one_is_a_double
            }
            refunds {
                of_two_refunds_at_once_only_what_was_paid_goes_back
                what_is_processing_is_reserved_and_what_closed_is_free
                a_fifty_first_refund_and_one_after_a_year_are_refused
                a_refund_that_nobody_asked_for_is_adopted_once
                of_64_threads_that_hear_of_one_refund_exactly_one_adopts_it
                two_orders_never_share_a_refund_number
                an_open_refund_is_due_until_it_ends
                what_was_paid_twice_goes_back_twice_and_callbacks_change_nothing
                an_exported_order_is_taken_over_whole_and_once
                one_group_lets_a_transaction_pay_or_go_back_and_not_both
                callers_at_once_let_a_transaction_pay_or_go_back_and_not_both
                refused_refund_is_listed_and_retried_under_its_number
            }
            creating {
                a_callback_before_its_order_waits_and_pays_it_at_once
                a_waiting_payment_of_another_amount_stays_beside_its_order
                a_payment_overtakes_the_invitation_to_pay
                of_two_creates_at_once_one_creates_and_one_finds_it
                of_two_numbers_with_one_reference_one_is_made
                a_reference_is_busy_while_its_order_lives_and_paid_for_ever
                a_closed_order_frees_its_reference_and_a_late_payment_takes_it_not_back
                a_create_with_other_fields_says_which_and_writes_nothing
                an_annotation_is_a_compare_and_set
                one_group_decides_its_commands_in_their_order
            }
            closing {
                old_news_after_a_payment_is_stale
                an_order_that_the_channel_does_not_know_yet_stays_pending
                closing_waits_for_the_channel_and_a_payment_wins
                not_paid_after_its_expiry_begins_to_close
                a_payment_after_the_close_is_late_until_it_is_accepted
                order_paid_asks_for_a_query_and_never_closes
                closed_is_not_believed_before_a_query_says_so
                a_failed_payment_is_closed_first_and_may_yet_succeed
                a_close_that_is_aborted_can_be_paid_again
                checks_back_off_step_by_step
            }
            failures {
                a_failure_before_the_write_is_certainly_not_applied
                a_full_disk_passes
                an_unknown_outcome_is_told_later_and_stops_all_writing_where_the_engine_says_so
                an_answer_that_was_lost_after_the_write_is_a_duplicate_later
                an_engine_that_stopped_takes_no_writes
                a_panic_beneath_is_told_and_stops_all_writing
                a_failed_write_fails_its_whole_group_and_hands_back_the_next
                a_failed_reservation_hands_out_no_number_and_the_next_try_does
                a_read_that_fails_says_so_and_the_next_one_reads
            }
            paging {
                a_filter_looks_at_a_bounded_number_of_rows_for_a_page
                a_thousand_orders_of_one_millisecond_page_once_each
                a_thousand_anomalies_of_one_millisecond_page_once_each
                a_thousand_due_in_one_millisecond_page_once_each
                a_sweep_that_changes_its_rows_visits_each_once
                orders_made_while_a_list_is_read_move_no_row
                a_filter_leaves_out_and_the_pages_still_end
                a_cursor_is_refused_by_every_other_query
                users_whose_names_begin_alike_never_see_each_others_orders
                the_books_are_the_same_after_the_store_was_opened_again
            }
            rivals {
                a_payment_that_two_stores_hear_of_is_applied_once
                no_change_of_one_store_is_lost_to_the_other
            }
            numbers {
                numbers_of_many_threads_are_distinct_even_if_the_clock_goes_back
                numbers_after_a_reopen_are_distinct_from_all_before
                consecutive_numbers_show_no_count
                a_number_bears_its_time_and_its_node
            }
            values {
                yuan_become_fen_exactly
                what_is_no_amount_is_refused
                times_are_beijings_and_their_calendar_is_checked
            }
        }
    };
    (tests $($group:ident { $($case:ident)* })*) => {
        $(mod $group {
            $(#[test]
            fn $case() {
                $crate::testing::conformance::cases::$group::$case(&super::harness());
            })*
        })*
    };
    (cases $($group:ident { $($case:ident)* })*) => {
        $(pub mod $group {
            $(pub fn $case(harness: &dyn super::super::Harness) {
                super::super::$group::$case(harness);
            })*
        })*
    };
}

/// The cases as functions, for [`conformance_suite!`](crate::conformance_suite).
#[doc(hidden)]
pub mod cases {
    __conformance_cases!(list cases);
}
