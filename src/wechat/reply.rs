//! Replies of the server to the channel's notifications.

use serde::Serialize;

use crate::order::Reply;

/// Reply to a cloud event.
///
/// Serialized to JSON, it is `{"errcode":0,"errmsg":"OK"}` if the server received the event. Any
/// other code makes the channel repeat the event for up to two days.
///
/// - The event has a payment or refund: use [`CloudReply::to`] with the store's reply.
/// - The event reports a failure: use `CloudReply::of(true)`.
/// - The event cannot be read, or its command failed: use `CloudReply::of(false)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CloudReply {
    /// Error code of the reply: zero if the server received the event.
    pub errcode: i32,
    /// `OK`, or a message that asks the channel to repeat the event.
    pub errmsg: &'static str,
}

/// Reply to a notification of API v3: an HTTP status and a body.
///
/// If the server did not receive the notification, the channel repeats it for 24 hours and 4
/// minutes.
///
/// - The notification has a payment or refund: use [`V3Reply::to`] with the store's reply.
/// - The notification has neither: use `V3Reply::of(true)`.
/// - The notification cannot be read, or its command failed: use `V3Reply::of(false)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct V3Reply {
    /// HTTP status: 204 if the server received the notification, otherwise 503.
    pub status: u16,
    /// Body of the reply, of type `application/json`. Empty if the server received the
    /// notification.
    pub body: &'static str,
}

/// Reply to a notification of API v2: XML, with HTTP status 200.
///
/// If the server did not receive the notification, the channel repeats it for 24 hours and 4
/// minutes.
///
/// - The notification has a payment or refund: use [`V2Reply::to`] with the store's reply.
/// - The notification has neither: use `V2Reply::of(true)`.
/// - The notification cannot be read, or its command failed: use `V2Reply::of(false)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct V2Reply {
    /// Whether the server received the notification.
    pub received: bool,
}

/// Message that asks the channel to repeat a notification.
const REPEAT: &str = "not settled yet, please repeat";

impl CloudReply {
    /// Creates the reply: "received" if `acknowledge` is true, otherwise "repeat it".
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
    /// Creates the reply: "received" if `acknowledge` is true, otherwise "repeat it".
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
    /// Creates the reply: "received" if `acknowledge` is true, otherwise "repeat it".
    #[must_use]
    pub const fn of(acknowledge: bool) -> Self {
        Self {
            received: acknowledge,
        }
    }

    /// Returns the body of the reply, of type `text/xml`.
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

/// Implements `to`, which converts the store's reply to a command.
macro_rules! replies_to_answers {
    ($($reply:ident),*) => {$(
        impl $reply {
            /// Converts the store's reply: "received" if [`Reply::should_acknowledge`] is true,
            /// otherwise "repeat it".
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
    fn cloud_reply_has_code_and_message() {
        let json = |acknowledge| serde_json::to_string(&CloudReply::of(acknowledge)).unwrap();
        assert_eq!(json(true), r#"{"errcode":0,"errmsg":"OK"}"#);
        let repeat = r#"{"errcode":-1,"errmsg":"not settled yet, please repeat"}"#;
        assert_eq!(json(false), repeat);
    }

    #[test]
    fn v3_reply_is_204_or_server_error() {
        let received = V3Reply::of(true);
        assert_eq!((received.status, received.body), (204, ""));
        let repeat = V3Reply::of(false);
        assert!((500..600).contains(&repeat.status));
        let body: Value = serde_json::from_str(repeat.body).unwrap();
        assert_eq!(body, json!({ "code": "FAIL", "message": REPEAT }));
    }

    #[test]
    fn v2_reply_is_xml_with_return_code() {
        let received = "<xml><return_code><![CDATA[SUCCESS]]></return_code><return_msg><![CDATA[OK]]></return_msg></xml>";
        assert_eq!(V2Reply::of(true).to_xml(), received);
        let event = V2Event::from_xml(V2Reply::of(false).to_xml().as_bytes()).unwrap();
        let message = event.failure().unwrap().return_msg.as_ref();
        assert_eq!(message.map(|text| text.as_str()), Some(REPEAT));
    }

    #[test]
    fn channel_reply_depends_only_on_acknowledge_flag() {
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
