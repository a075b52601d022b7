//! Conformance suite for engines. Some cases test the engine alone, others a store on the engine.
//!
//! Authors of an engine implement [`Harness`]. The macro [`conformance_suite!`] then creates one
//! `#[test]` per case:
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
#![expect(clippy::unwrap_used, reason = "a failed case panics, as in every test")]

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

/// Creates the engines and stores for the suite. Every test has its own harness.
pub trait Harness {
    /// Creates a new, empty engine.
    fn engine(&self) -> Box<dyn Engine>;

    /// Closes `engine` and opens it again with its data. Returns `None` if the engine keeps no data
    /// after a close; the suite then skips the cases that need this.
    fn reopen_engine(&self, engine: Box<dyn Engine>) -> Option<Box<dyn Engine>> {
        drop(engine);
        None
    }

    /// Creates a new, empty store with these settings.
    fn open(&self, builder: Builder) -> Store;

    /// Shuts down `store`, which has no other clone, and opens it again with its data. Returns
    /// `None` if the engine keeps no data after a close.
    fn reopen(&self, store: Store, builder: Builder) -> Option<Store> {
        drop((store, builder));
        None
    }
}

/// Creates a module with one test per case: `conformance_suite!(module, harness)`.
///
/// The second argument is an expression that returns a [`Harness`]. Each test evaluates it once.
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

/// List of all cases. Generates the tests and the public functions from this list.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_cases {
    (list $rule:ident) => {
        $crate::__conformance_cases! { $rule
            apply {
                applied_record_is_found_by_number_key_and_list
                lookup_of_missing_record_is_none
                stale_mutation_is_mismatch_and_changes_nothing
                stale_mutation_with_old_mark_is_mismatch
                mark_changes_after_applied_batch
                refused_mutation_does_not_affect_rest_of_batch
                second_owner_of_key_in_batch_is_refused
                second_owner_of_key_in_later_batch_is_refused
                released_key_can_be_owned_again
                key_released_earlier_in_batch_can_be_owned
                anomaly_does_not_own_its_transaction
                lookups_return_records_in_request_order
                batch_of_maximum_size_is_applied
                largest_values_round_trip
                concurrent_writers_lose_no_update
                concurrent_writers_with_marks_lose_no_update
            }
            lists {
                list_is_sorted_by_time_in_both_directions
                list_bounds_are_inclusive
                start_position_outside_time_range_is_clamped
                entries_of_same_millisecond_are_read_once
                page_reports_more_only_before_end
                status_change_moves_record_between_lists
                lists_with_common_key_prefix_stay_separate
                counts_equal_full_scan
            }
            feed {
                history_is_complete_and_folds_into_record
                feed_contains_every_event_without_gaps
                feed_read_continues_after_any_event
                new_events_are_read_from_end_cursor
                foreign_or_future_cursor_is_refused
                refused_mutation_writes_no_event
            }
            ending {
                reserved_counters_are_never_repeated
                engine_identity_is_unique_and_stable
                closed_engine_fails_every_call
                reopened_engine_has_same_data
            }
            payments {
                repeated_callback_is_duplicate
                callback_on_64_threads_is_applied_once
                concurrent_callback_and_query_apply_payment_once
                callback_after_full_refund_changes_nothing
                failed_payment_attempt_leaves_order_payable
                repeated_payment_of_wrong_amount_is_one_anomaly
                strict_policy_does_not_acknowledge_wrong_amount
                payment_with_coupon_is_applied
                payment_by_other_user_can_be_accepted
                service_provider_payment_matches_sub_merchant_fields
                missing_payment_fields_are_not_compared
                transaction_pays_only_one_order
            }
            refunds {
                concurrent_refunds_never_exceed_payment
                processing_refund_reserves_amount_until_closed
                refund_51_and_refund_after_year_are_refused
                refund_requested_elsewhere_is_adopted_once
                refund_report_on_64_threads_is_adopted_once
                two_orders_never_share_a_refund_number
                open_refund_is_due_until_its_end
                both_payments_of_one_order_are_refunded
                exported_order_is_imported_completely_once
                group_either_refunds_or_applies_a_payment
                concurrent_callers_either_refund_or_apply_a_payment
                refused_refund_is_listed_until_retried
            }
            creating {
                early_callback_pays_order_at_creation
                unclaimed_payment_of_wrong_amount_becomes_anomaly
                prepay_after_payment_is_refused
                concurrent_creates_make_one_order
                same_reference_under_two_numbers_makes_one_order
                create_with_reference_of_other_order_is_refused
                closed_order_frees_its_reference
                create_with_different_field_names_field
                concurrent_annotate_of_one_version_succeeds_once
                group_decides_commands_in_order
            }
            closing {
                unpaid_channel_state_after_payment_is_stale
                order_unknown_to_channel_stays_pending
                payment_while_closing_pays_order
                expired_unpaid_order_begins_closing
                payment_after_close_is_late_until_accepted
                close_reply_order_paid_requires_query
                close_reply_closed_requires_query
                payment_after_pay_error_still_pays_order
                aborted_close_returns_order_to_pending
                query_delays_grow_with_each_check
            }
            failures {
                command_failed_before_write_is_not_applied
                write_after_full_disk_succeeds
                unknown_outcome_stops_writes_if_engine_requires
                retry_after_lost_write_answer_is_duplicate
                fatal_write_error_stops_writes_until_reopen
                engine_panic_stops_all_writes
                failed_write_fails_its_whole_group
                failed_reservation_returns_no_order_number
                read_after_unreadable_error_succeeds
            }
            paging {
                filter_examines_bounded_rows_per_page
                pages_list_orders_of_same_millisecond_once
                pages_list_anomalies_of_same_millisecond_once
                pages_list_due_actions_of_same_millisecond_once
                paging_during_updates_lists_each_action_once
                new_orders_do_not_disturb_paging
                filtered_pages_reach_end_of_list
                cursor_of_another_query_is_refused
                order_lists_of_prefix_openids_stay_separate
                reopened_store_has_same_lists_and_totals
            }
            rivals {
                payment_in_two_stores_is_applied_once
                concurrent_stores_lose_no_update
            }
            numbers {
                order_numbers_are_distinct_if_clock_goes_back
                order_numbers_after_reopen_are_distinct
                consecutive_numbers_hide_the_counter
                order_number_contains_time_and_node
            }
            values {
                yuan_text_converts_exactly_to_fen
                invalid_amounts_are_refused
                compact_time_is_beijing_and_date_is_validated
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

/// All cases as functions, for [`conformance_suite!`](crate::conformance_suite).
#[doc(hidden)]
pub mod cases {
    __conformance_cases!(list cases);
}
