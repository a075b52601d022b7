//! What the channel hears back.

use serde::Serialize;

use crate::order::Reply;

/// The reply to a cloud event. As JSON: `{"errcode":0,"errmsg":"OK"}` where the event was
/// received, another code and the reason where the channel should repeat it.
///
/// The channel repeats what it does not hear to be received for up to two days. An event
/// that carries no fact is received by being read: `CloudReply::of(true)`. An event that
/// cannot be read, or whose command failed, is not: `CloudReply::of(false)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CloudReply {
    /// Zero where the event was received.
    pub errcode: i32,
    /// `OK`, or why not.
    pub errmsg: &'static str,
}

/// The reply to a notification of v3: an HTTP status, and a body where it should be
/// repeated, which the channel does for a day and four minutes.
///
/// A notification that carries no fact is received by being read: `V3Reply::of(true)`. One
/// that cannot be read, or whose command failed, is not: `V3Reply::of(false)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct V3Reply {
    /// 204 where the notification was received, else 503.
    pub status: u16,
    /// The body, `application/json`; empty where the notification was received.
    pub body: &'static str,
}

/// The reply to a notification of v2: XML, under HTTP status 200. What is not received is
/// repeated for a day and four minutes.
///
/// A notification that carries no fact is received by being read: `V2Reply::of(true)`. One
/// that cannot be read, or whose command failed, is not: `V2Reply::of(false)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct V2Reply {
    /// Whether the notification was received.
    pub received: bool,
}

const REPEAT: &str = "not settled yet, please repeat";

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
            errmsg: REPEAT,
        }
    }
}

impl V3Reply {
    /// "Received", or "repeat it".
    #[must_use]
    pub const fn of(acknowledge: bool) -> Self {
        if acknowledge {
            return Self {
                status: 204,
                body: "",
            };
        }
        Self {
            status: 503,
            body: r#"{"code":"FAIL","message":"not settled yet, please repeat"}"#,
        }
    }
}

impl V2Reply {
    /// "Received", or "repeat it".
    #[must_use]
    pub const fn of(acknowledge: bool) -> Self {
        Self {
            received: acknowledge,
        }
    }

    /// The body, `text/xml`.
    #[must_use]
    pub const fn to_xml(self) -> &'static str {
        if self.received {
            "<xml><return_code><![CDATA[SUCCESS]]></return_code>\
             <return_msg><![CDATA[OK]]></return_msg></xml>"
        } else {
            "<xml><return_code><![CDATA[FAIL]]></return_code>\
             <return_msg><![CDATA[not settled yet, please repeat]]></return_msg></xml>"
        }
    }
}

/// Each reply is what the store's answer says.
macro_rules! replies_to_answers {
    ($($reply:ident),*) => {$(
        impl $reply {
            /// What the store's answer says: see [`Reply::should_acknowledge`].
            #[must_use]
            pub const fn to<O>(answer: &Reply<O>) -> Self {
                Self::of(answer.should_acknowledge())
            }
        }
    )*};
}

replies_to_answers!(CloudReply, V3Reply, V2Reply);

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::order::Confirmed;
    use crate::wechat::V2Event;

    #[test]
    fn the_reply_is_exactly_a_code_and_a_message() {
        let json = |acknowledge| serde_json::to_string(&CloudReply::of(acknowledge)).unwrap();
        assert_eq!(json(true), r#"{"errcode":0,"errmsg":"OK"}"#);
        let repeat = r#"{"errcode":-1,"errmsg":"not settled yet, please repeat"}"#;
        assert_eq!(json(false), repeat);
    }

    #[test]
    fn v3_hears_nothing_but_a_status_or_a_server_error_with_code_and_message() {
        let received = V3Reply::of(true);
        assert_eq!((received.status, received.body), (204, ""));
        let repeat = V3Reply::of(false);
        assert!((500..600).contains(&repeat.status));
        let body: Value = serde_json::from_str(repeat.body).unwrap();
        assert_eq!(body, json!({ "code": "FAIL", "message": REPEAT }));
    }

    #[test]
    fn v2_hears_xml_with_a_code_and_a_message() {
        let received = "<xml><return_code><![CDATA[SUCCESS]]></return_code><return_msg><![CDATA[OK]]></return_msg></xml>";
        assert_eq!(V2Reply::of(true).to_xml(), received);
        let event = V2Event::from_xml(V2Reply::of(false).to_xml().as_bytes()).unwrap();
        let words = event.failure().unwrap().return_msg.as_ref();
        assert_eq!(words.map(|words| words.as_str()), Some(REPEAT));
    }

    #[test]
    fn the_reply_says_what_the_answer_says_whatever_the_outcome() {
        for acknowledge in [true, false] {
            let answer = Reply {
                outcome: Confirmed::Duplicate,
                order: None,
                acknowledge,
            };
            assert_eq!(CloudReply::to(&answer), CloudReply::of(acknowledge));
            assert_eq!(V3Reply::to(&answer), V3Reply::of(acknowledge));
            assert_eq!(V2Reply::to(&answer), V2Reply::of(acknowledge));
        }
    }
}
