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

#[cfg(feature = "http")]
mod http_response {
    use http::header::{CONTENT_TYPE, HeaderValue};
    use http::{Response, StatusCode};

    use super::{CloudReply, V2Reply, V3Reply};

    fn response(status: StatusCode, kind: &'static str, body: Vec<u8>) -> Response<Vec<u8>> {
        let is_empty = body.is_empty();
        let mut response = Response::new(body);
        *response.status_mut() = status;
        if !is_empty {
            let kind = HeaderValue::from_static(kind);
            response.headers_mut().insert(CONTENT_TYPE, kind);
        }
        response
    }

    impl From<CloudReply> for Response<Vec<u8>> {
        /// Returns the reply with status 200 and JSON.
        fn from(reply: CloudReply) -> Self {
            // A number and a text always serialize.
            let body = serde_json::to_vec(&reply).unwrap_or_default();
            response(StatusCode::OK, "application/json", body)
        }
    }

    impl From<V3Reply> for Response<Vec<u8>> {
        /// Returns the reply with its status, and JSON if there is a body.
        fn from(reply: V3Reply) -> Self {
            let status = StatusCode::from_u16(reply.status);
            let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            response(status, "application/json", reply.body.into())
        }
    }

    impl From<V2Reply> for Response<Vec<u8>> {
        /// Returns the reply with status 200 and XML.
        fn from(reply: V2Reply) -> Self {
            response(StatusCode::OK, "text/xml", reply.to_xml().into())
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        fn parts(reply: impl Into<Response<Vec<u8>>>) -> (u16, Option<String>, String) {
            let response = reply.into();
            let kind = response.headers().get(CONTENT_TYPE);
            let kind = kind.map(|kind| kind.to_str().unwrap().to_owned());
            let status = response.status().as_u16();
            let body = String::from_utf8(response.into_body()).unwrap();
            (status, kind, body)
        }

        #[test]
        fn response_has_status_kind_and_body() {
            let json = Some("application/json".to_owned());
            assert_eq!(parts(V3Reply::of(true)), (204, None, String::new()));
            let repeat = V3Reply::of(false);
            let expected = (503, json.clone(), repeat.body.to_owned());
            assert_eq!(parts(repeat), expected);
            let body = serde_json::to_string(&CloudReply::of(true)).unwrap();
            assert_eq!(parts(CloudReply::of(true)), (200, json, body));
            let (status, kind, body) = parts(V2Reply::of(true));
            assert_eq!((status, kind.as_deref()), (200, Some("text/xml")));
            assert_eq!(body, V2Reply::of(true).to_xml());
        }
    }
}

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
