//! Status of an order.

use serde::{Deserialize, Serialize};

/// Status of an order.
///
/// A status never goes back, except from `Closing` to `Pending`. A paid order stays paid: the
/// only change is from `LatePaid` to `Success`, when a person accepts the late payment.
///
/// The enum is exhaustive on purpose. A new status would change the stored format, and the
/// compiler should report every `match` that must handle it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// The customer can pay. In JSON this status is `"wait"`, its name in cloud function
    /// collections.
    #[serde(rename = "wait")]
    Pending,
    /// The order is paid. The transaction, amount and time never change.
    Success,
    /// The server is closing the order at the channel. The order accepts no new prepay, but a
    /// payment that arrives still pays the order.
    Closing,
    /// The order ended without a payment, after a report of the channel or by a person's decision.
    Closed,
    /// The channel revoked the order before any payment.
    Failed,
    /// The order was paid after it had been `Closed` or `Failed`. A `LatePayment` anomaly of the
    /// order stays open until a person resolves it.
    LatePaid,
}

impl Status {
    /// Every status, sorted by its code.
    pub const ALL: [Self; 6] = [
        Self::Pending,
        Self::Success,
        Self::Closing,
        Self::Closed,
        Self::Failed,
        Self::LatePaid,
    ];

    /// Returns the stored code of the status, 0 to 5.
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

    /// Returns the status as in JSON and on the command line, such as `"wait"`.
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

    /// Returns whether the order is paid: `Success` or `LatePaid`.
    #[must_use]
    pub const fn is_paid(self) -> bool {
        matches!(self, Self::Success | Self::LatePaid)
    }

    /// Returns whether no payment is expected any more: the status is neither `Pending` nor
    /// `Closing`.
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
    fn status_json_equals_display_and_codes_are_consecutive() {
        for (code, status) in Status::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(status.code()), code);
            let json = serde_json::to_string(&status).unwrap();
            assert_eq!(json, format!("\"{status}\""));
            assert_eq!(serde_json::from_str::<Status>(&json).unwrap(), status);
        }
    }
}
