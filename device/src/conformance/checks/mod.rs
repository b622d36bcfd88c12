//! The checks, a file for each family of promises, and the table of all.

mod answers;
mod failure;
mod removal;
mod room;
mod threads;
mod waiting;

use super::trial::Verdict;
use super::{Action, Stand};

/// One check.
pub(super) struct Check {
    pub(super) name: &'static str,
    /// What it proves.
    pub(super) promise: &'static str,
    /// What the stand must be able to do.
    pub(super) needs: &'static [Action],
    pub(super) run: fn(&dyn Stand) -> Verdict,
}

/// The suite.
#[rustfmt::skip]
pub(super) const ALL: &[Check] = {
    use Action::{AnswerLate, AnswerNonsense, AnswerTwice, Fail, FallSilent, Hold, Release, ReleaseNewest, Restart, Return, Vanish};
    &[
    Check {
        name: "every_operation_is_computed",
        promise: "`supports` tells the truth; a result is right, and as long as the request says",
        needs: &[], run: answers::every_operation_is_computed,
    },
    Check {
        name: "an_operation_that_it_lacks_is_refused",
        promise: "`Unsupported` for what `supports` denies, and nothing is left behind",
        needs: &[], run: answers::an_operation_that_it_lacks_is_refused,
    },
    Check {
        name: "each_request_is_answered_exactly_once",
        promise: "each accepted request is answered exactly once, with its own tag and result",
        needs: &[], run: answers::each_request_is_answered_exactly_once,
    },
    Check {
        name: "answers_come_in_any_order",
        promise: "a later request's answer does not wait for an earlier one's",
        needs: &[Hold, ReleaseNewest, Release], run: answers::answers_come_in_any_order,
    },
    Check {
        name: "a_second_answer_is_nobodys",
        promise: "a doubled response is counted as a stray and dropped",
        needs: &[Hold, AnswerTwice], run: answers::a_second_answer_is_nobodys,
    },
    Check {
        name: "nonsense_is_survived",
        promise: "nothing that the device writes makes it panic or answer for a wrong request; an impossible answer is `Broken`",
        needs: &[Hold, AnswerNonsense], run: answers::nonsense_is_survived,
    },
    Check {
        name: "a_full_ring_says_so",
        promise: "`Full` when `depth` requests are in flight, at once, and nothing of the refused one is left behind",
        needs: &[Hold, Release], run: room::a_full_ring_says_so,
    },
    Check {
        name: "occupancy_adds_up",
        promise: "`occupancy` tells what is in flight, in quarantine and usable",
        needs: &[Hold, Release], run: room::occupancy_adds_up,
    },
    Check {
        name: "what_is_abandoned_is_in_quarantine_until_it_is_answered",
        promise: "an abandoned request's memory is in quarantine; its response is still given to the sink",
        needs: &[Hold, Release], run: room::what_is_abandoned_is_in_quarantine_until_it_is_answered,
    },
    Check {
        name: "a_ring_full_of_abandoned_requests_says_so",
        promise: "`Quarantined` when most of the places wait for answers that nobody wants",
        needs: &[Hold, Release], run: room::a_ring_full_of_abandoned_requests_says_so,
    },
    Check {
        name: "an_error_gives_real_answers_then_dummies_in_order",
        promise: "after a fatal error: the real responses that are still in the ring, then one dummy for each request in flight, in the order of submission",
        needs: &[Hold, ReleaseNewest, AnswerLate, Fail], run: failure::an_error_gives_real_answers_then_dummies_in_order,
    },
    Check {
        name: "an_error_gives_a_dummy_for_each_request",
        promise: "each request that a fatal error caught is answered by one dummy, in the order of submission",
        needs: &[FallSilent, Fail], run: failure::an_error_gives_a_dummy_for_each_request,
    },
    Check {
        name: "a_dead_device_refuses_at_once",
        promise: "on a dead device submits fail at once, with the error that fits, also before anybody polled",
        needs: &[Fail], run: failure::a_dead_device_refuses_at_once,
    },
    Check {
        name: "quarantine_lasts_until_the_fence",
        promise: "memory that a dead device may still write to is in quarantine until it was fenced",
        needs: &[FallSilent, Fail, Restart], run: failure::quarantine_lasts_until_the_fence,
    },
    Check {
        name: "a_late_answer_is_nobodys",
        promise: "a response that comes after its request's dummy is counted as a stray and dropped",
        needs: &[Hold, Fail, AnswerLate, Restart], run: failure::a_late_answer_is_nobodys,
    },
    Check {
        name: "a_restart_that_nobody_saw_gives_dummies",
        promise: "what a restart caught is answered by dummies before anything new is taken",
        needs: &[FallSilent, Restart], run: failure::a_restart_that_nobody_saw_gives_dummies,
    },
    Check {
        name: "many_restarts_leave_nothing_behind",
        promise: "after any number of errors and restarts the whole ring is usable",
        needs: &[FallSilent, Fail, Restart], run: failure::many_restarts_leave_nothing_behind,
    },
    Check {
        name: "a_removal_is_noticed",
        promise: "`removal_descriptor` is readable once the device is gone, `notice_removal` says so, and each request in flight gets its dummy",
        needs: &[FallSilent, Vanish], run: removal::a_removal_is_noticed,
    },
    Check {
        name: "the_same_handle_joins_a_device_that_returned",
        promise: "`rejoin` joins a device that was removed and is back; the epoch is higher",
        needs: &[Vanish, Return], run: removal::the_same_handle_joins_a_device_that_returned,
    },
    Check {
        name: "a_return_after_requests_were_caught",
        promise: "memory that somebody alive may still write to is not handed over again",
        needs: &[FallSilent, Vanish, Return], run: removal::a_return_after_requests_were_caught,
    },
    Check {
        name: "rejoining_what_is_there_does_nothing",
        promise: "`rejoin` does nothing if the device isn't removed",
        needs: &[], run: removal::rejoining_what_is_there_does_nothing,
    },
    Check {
        name: "closing_is_clean",
        promise: "dropping the handle is clean, with requests in flight too",
        needs: &[Hold, Release], run: removal::closing_is_clean,
    },
    Check {
        name: "closing_a_dead_device_is_clean",
        promise: "dropping the handle is clean on a dead device, with dummies that nobody took",
        needs: &[FallSilent, Fail], run: removal::closing_a_dead_device_is_clean,
    },
    Check {
        name: "closing_a_removed_device_is_clean",
        promise: "dropping the handle is clean when the device is gone, noticed or not",
        needs: &[FallSilent, Vanish], run: removal::closing_a_removed_device_is_clean,
    },
    Check {
        name: "who_waits_is_woken_by_an_answer",
        promise: "`prepare_wait` is false when there is something to poll; otherwise `descriptor` is readable once there is, and not all the time",
        needs: &[Hold, Release], run: waiting::who_waits_is_woken_by_an_answer,
    },
    Check {
        name: "no_wake_up_is_lost",
        promise: "an answer that comes while somebody prepares to wait wakes it",
        needs: &[], run: waiting::no_wake_up_is_lost,
    },
    Check {
        name: "who_waits_is_woken_by_an_error_and_by_a_restart",
        promise: "a change of the device's state wakes who waits",
        needs: &[FallSilent, Fail, Restart], run: waiting::who_waits_is_woken_by_an_error_and_by_a_restart,
    },
    Check {
        name: "who_waits_is_woken_by_a_removal",
        promise: "a removal wakes who waits on both descriptors",
        needs: &[FallSilent, Vanish], run: waiting::who_waits_is_woken_by_a_removal,
    },
    Check {
        name: "any_thread_may_call",
        promise: "every method may be called from any thread at any time; each request is answered exactly once",
        needs: &[], run: threads::any_thread_may_call,
    },
    Check {
        name: "threads_share_a_device_that_dies_again_and_again",
        promise: "each accepted request is answered exactly once, by a real response or by a dummy, whatever happens meanwhile",
        needs: &[Fail, Restart], run: threads::threads_share_a_device_that_dies_again_and_again,
    },
    ]
};
