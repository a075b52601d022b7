//! Content of a payment notification of API v2 or of a cloud container: a payment or a failure.

use super::failure::Failure;
use crate::order::{Command, CommandKind, Payment};
use crate::types::OrderNo;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Notification {
    Paid(OrderNo, Box<Payment>),
    Failed(Failure),
}

impl Notification {
    pub(super) const fn order_no(&self) -> Option<OrderNo> {
        match self {
            Self::Paid(no, _) => Some(*no),
            Self::Failed(failure) => failure.order_no,
        }
    }

    pub(super) const fn payment(&self) -> Option<&Payment> {
        match self {
            Self::Paid(_, payment) => Some(payment),
            Self::Failed(_) => None,
        }
    }

    pub(super) fn into_payment(self) -> Option<(OrderNo, Payment)> {
        match self {
            Self::Paid(no, payment) => Some((no, *payment)),
            Self::Failed(_) => None,
        }
    }

    pub(super) fn into_command(self) -> Option<Command> {
        match self {
            Self::Paid(no, payment) => Some(Command {
                no,
                kind: CommandKind::Confirm(payment),
            }),
            Self::Failed(_) => None,
        }
    }

    pub(super) const fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Paid(..) => None,
            Self::Failed(failure) => Some(failure),
        }
    }
}

/// Defines the public methods of a type that wraps a [`Notification`].
macro_rules! payment_notice {
    ($name:ident) => {
        impl $name {
            /// Returns the order number. A notification of a failure may have none.
            #[must_use]
            pub const fn order_no(&self) -> Option<OrderNo> {
                self.0.order_no()
            }

            /// Returns the payment; `None` unless the return code and the result code are both
            /// `SUCCESS`.
            #[must_use]
            pub const fn payment(&self) -> Option<&Payment> {
                self.0.payment()
            }

            /// Returns the order number and the payment for `confirm`; `None` if the payment
            /// failed.
            #[must_use]
            pub fn into_payment(self) -> Option<(OrderNo, Payment)> {
                self.0.into_payment()
            }

            /// Returns the command that confirms the payment. `None` if the notification has no
            /// payment: the server then only acknowledges the notification.
            #[must_use]
            pub fn into_command(self) -> Option<Command> {
                self.0.into_command()
            }

            /// Returns the failure; `None` if the notification has a payment.
            #[must_use]
            pub const fn failure(&self) -> Option<&Failure> {
                self.0.failure()
            }
        }
    };
}

pub(super) use payment_notice;
