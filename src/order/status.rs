//! Where an order stands in its life.

use serde::{Deserialize, Serialize};

/// Where an order stands. A status never goes back, except `Closing` to `Pending`;
/// nothing leaves `Success` or `LatePaid`, except `LatePaid` to `Success` by a person's word.
///
/// Exhaustive: a new status would be a new format, and every `match` should be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// Can be paid. `"wait"` in JSON, as the collections of cloud functions call it.
    #[serde(rename = "wait")]
    Pending,
    /// Paid: transaction, amount and time are there and never change.
    Success,
    /// No new prepay; the channel is being asked; a payment still wins.
    Closing,
    /// The channel confirmed that it cannot be paid any more.
    Closed,
    /// The channel revoked it before any payment.
    Failed,
    /// Paid after `Closed` or `Failed`: an open anomaly until somebody resolves it.
    LatePaid,
}

impl Status {
    /// Every status, in the order of its code.
    pub const ALL: [Self; 6] = [
        Self::Pending,
        Self::Success,
        Self::Closing,
        Self::Closed,
        Self::Failed,
        Self::LatePaid,
    ];

    /// The stored number of the status, 0 to 5.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Pending => 0,
            Self::Success => 1,
            Self::Closing => 2,
            Self::Closed => 3,
            Self::Failed => 4,
            Self::LatePaid => 5,
        }
    }

    /// The status as JSON and the command line write it, such as `"wait"`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "wait",
            Self::Success => "success",
            Self::Closing => "closing",
            Self::Closed => "closed",
            Self::Failed => "failed",
            Self::LatePaid => "latePaid",
        }
    }

    /// Money was received: `Success` or `LatePaid`.
    #[must_use]
    pub const fn is_paid(self) -> bool {
        matches!(self, Self::Success | Self::LatePaid)
    }

    /// Nothing more is expected of the customer: neither `Pending` nor `Closing`.
    #[must_use]
    pub const fn is_ended(self) -> bool {
        !matches!(self, Self::Pending | Self::Closing)
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_display_agree_and_codes_count_up() {
        for (code, status) in Status::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(status.code()), code);
            let json = serde_json::to_string(&status).unwrap();
            assert_eq!(json, format!("\"{status}\""));
            assert_eq!(serde_json::from_str::<Status>(&json).unwrap(), status);
        }
    }
}
