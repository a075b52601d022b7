//! What the channel hears back.

use serde::Serialize;

use crate::order::Answered;

/// The reply to a cloud event. As JSON: `{"errcode":0,"errmsg":"OK"}` where the event was
/// received, another code and the reason where the channel should repeat it.
///
/// The channel repeats what it does not hear to be received for up to two days. An event
/// that carries no payment is received by being read: `CloudReply::of(true)`. An event
/// that cannot be read, or whose command failed, is not: `CloudReply::of(false)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CloudReply {
    /// Zero where the event was received.
    pub errcode: i32,
    /// `OK`, or why not.
    pub errmsg: &'static str,
}

impl CloudReply {
    /// "Received", or "repeat it".
    #[must_use]
    pub const fn of(acknowledge: bool) -> Self {
        if acknowledge {
            return Self {
                errcode: 0,
                errmsg: "OK",
            };
        }
        Self {
            errcode: -1,
            errmsg: "not settled yet, please repeat",
        }
    }

    /// What the store's answer says: see [`Answered::should_acknowledge`].
    #[must_use]
    pub const fn to<O>(answer: &Answered<O>) -> Self {
        Self::of(answer.should_acknowledge())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Confirmed;

    #[test]
    fn the_reply_is_exactly_a_code_and_a_message() {
        let json = |acknowledge| serde_json::to_string(&CloudReply::of(acknowledge)).unwrap();
        assert_eq!(json(true), r#"{"errcode":0,"errmsg":"OK"}"#);
        let repeat = r#"{"errcode":-1,"errmsg":"not settled yet, please repeat"}"#;
        assert_eq!(json(false), repeat);
    }

    #[test]
    fn the_reply_says_what_the_answer_says_whatever_the_outcome() {
        for acknowledge in [true, false] {
            let answer = Answered {
                outcome: Confirmed::Duplicate,
                order: None,
                acknowledge,
            };
            assert_eq!(CloudReply::to(&answer), CloudReply::of(acknowledge));
        }
    }
}
