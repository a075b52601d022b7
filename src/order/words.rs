//! Outcomes as words, as they stand in JSON.

use super::command::Resolution;
use super::import::Imported;
use super::outcome::{
    Annotated, CloseOutcome, Confirmed, Created, Prepaid, Queried, Resolved, Visible,
};
use super::refund_outcome::{
    RefundRecorded, RefundRefusal, RefundRefused, RefundRequested, RefundUnanswered,
};
use super::reply::Outcome;

/// Implements `as_str` and `Display`.
macro_rules! words {
    ($($name:ident { $($variant:ident: $word:literal),+ $(,)? })+) => {
        $(
            impl $name {
                /// Returns the variant as one word, as in JSON.
                #[must_use]
                pub const fn as_str(&self) -> &'static str {
                    match self {
                        $(Self::$variant { .. } => $word,)+
                    }
                }
            }

            impl std::fmt::Display for $name {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.pad(self.as_str())
                }
            }
        )+

        #[cfg(test)]
        const WORDS: &[(&str, &str)] = &[$($((stringify!($variant), $word)),+),+];
    };
}

words! {
    Created {
        Created: "created",
        CreatedAndPaid: "createdAndPaid",
        Exists: "exists",
        ExistsWithDifferent: "existsWithDifferent",
        ReferencePaid: "referencePaid",
        ReferenceBusy: "referenceBusy",
    }
    Annotated {
        Annotated: "annotated",
        VersionMoved: "versionMoved",
        NotFound: "notFound",
    }
    Prepaid {
        Recorded: "recorded",
        AlreadyPaid: "alreadyPaid",
        NotPayable: "notPayable",
        NotFound: "notFound",
    }
    Confirmed {
        Applied: "applied",
        Duplicate: "duplicate",
        Unclaimed: "unclaimed",
        TransactionTaken: "transactionTaken",
        IdentityMismatch: "identityMismatch",
        AmountMismatch: "amountMismatch",
        DoublePayment: "doublePayment",
        Late: "late",
        GivenBack: "givenBack",
        RecordFull: "recordFull",
    }
    Queried {
        Payment: "payment",
        RefundUnknown: "refundUnknown",
        StillPending: "stillPending",
        StillClosing: "stillClosing",
        Moved: "moved",
        Stale: "stale",
        Already: "already",
        Reversed: "reversed",
        ChannelDisagrees: "channelDisagrees",
        NotFound: "notFound",
        RecordFull: "recordFull",
    }
    CloseOutcome {
        Closing: "closing",
        Closed: "closed",
        Reopened: "reopened",
        Already: "already",
        AlreadyPaid: "alreadyPaid",
        MustQuery: "mustQuery",
        StillPending: "stillPending",
        StillClosing: "stillClosing",
        NotClosing: "notClosing",
        OpenAnomaly: "openAnomaly",
        RefundUnderWay: "refundUnderWay",
        TooEarly: "tooEarly",
        NotFound: "notFound",
    }
    Resolution {
        Accept: "accept",
        Refund: "refund",
        Dismiss: "dismiss",
    }
    Resolved {
        Resolved: "resolved",
        Reexamined: "reexamined",
        Already: "already",
        Different: "different",
        NotAcceptable: "notAcceptable",
        NotRefundable: "notRefundable",
        Refused: "refused",
        RecordFull: "recordFull",
        NotFound: "notFound",
    }
    Visible {
        Hidden: "hidden",
        Shown: "shown",
        Already: "already",
        NotEnded: "notEnded",
        NotFound: "notFound",
    }
    RefundRequested {
        Requested: "requested",
        Exists: "exists",
        Ended: "ended",
        ExistsWithDifferent: "existsWithDifferent",
        NotPaid: "notPaid",
        Refused: "refused",
        RecordFull: "recordFull",
        NotFound: "notFound",
    }
    RefundRefusal {
        RefundedElsewhere: "refundedElsewhere",
        RefundNoTaken: "refundNoTaken",
        Blocked: "blocked",
        WindowOver: "windowOver",
        TooMany: "tooMany",
        Exceeds: "exceeds",
    }
    RefundRecorded {
        Moved: "moved",
        Adopted: "adopted",
        Unclaimed: "unclaimed",
        Duplicate: "duplicate",
        Stale: "stale",
        MustQuery: "mustQuery",
        Disagrees: "disagrees",
        RefundedElsewhere: "refundedElsewhere",
        RefundNoTaken: "refundNoTaken",
        Differs: "differs",
        Exceeds: "exceeds",
        RecordFull: "recordFull",
    }
    RefundRefused {
        Closed: "closed",
        Already: "already",
        NotRequested: "notRequested",
        NotFound: "notFound",
    }
    RefundUnanswered {
        PutOff: "putOff",
        NotOpen: "notOpen",
        NotFound: "notFound",
    }
    Imported {
        Imported: "imported",
        Skipped: "skipped",
        SkippedDiffers: "skippedDiffers",
        Advanced: "advanced",
        Exists: "exists",
        ExistsWithDifferent: "existsWithDifferent",
        Refused: "refused",
    }
}

impl Outcome {
    /// Returns the outcome of the command as one word, as in JSON.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Create(outcome) => outcome.as_str(),
            Self::Annotate(outcome) => outcome.as_str(),
            Self::RecordPrepay(outcome) => outcome.as_str(),
            Self::Confirm(outcome) => outcome.as_str(),
            Self::RecordQuery(outcome) => outcome.as_str(),
            Self::Close(outcome) => outcome.as_str(),
            Self::Resolve(outcome) => outcome.as_str(),
            Self::Visibility(outcome) => outcome.as_str(),
            Self::RequestRefund(outcome) => outcome.as_str(),
            Self::RecordRefund(outcome) => outcome.as_str(),
            Self::RefuseRefund(outcome) => outcome.as_str(),
            Self::RefundUnanswered(outcome) => outcome.as_str(),
            Self::Import(outcome) => outcome.as_str(),
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// serde makes the JSON name from the name of the variant: its first letter becomes small.
    #[test]
    fn word_of_variant_is_its_json_name() {
        for (variant, word) in WORDS {
            let (first, rest) = variant.split_at(1);
            assert_eq!(*word, first.to_lowercase() + rest);
        }
        let json = serde_json::to_value(Created::CreatedAndPaid).unwrap();
        assert_eq!(json, Created::CreatedAndPaid.to_string());
    }
}
