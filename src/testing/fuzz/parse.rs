//! Fuzz target: parsers of text values and channel messages.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use crate::contract::FeedCursor;
use crate::query::Cursor;
use crate::types::{
    AppId, Attach, Channel, Currency, Description, Fen, Label, MchId, Note, OpenId, OrderNo,
    PrepayValue, Reference, RefundId, RefundNo, Timestamp, TransactionId,
};

/// Parses bytes. The first byte selects the parser, and the rest is its input.
///
/// Checks that no parser panics and that a parsed value displays as its input. Passes the command
/// of a parsed message to the oracle, before and after the creation of its order.
///
/// # Panics
/// If a check fails.
pub fn parse(bytes: &[u8]) {
    let Some((first, bytes)) = bytes.split_first() else {
        return;
    };
    match first.wrapping_sub(b'a') {
        kind @ 0..10 => {
            if let Ok(text) = std::str::from_utf8(bytes) {
                parse_value(kind, text);
            } else if let Ok(no) = OrderNo::from_bytes(bytes) {
                panic!("{no:?} was parsed from invalid UTF-8");
            }
        }
        #[cfg(feature = "wechat")]
        kind => super::messages::read(kind - 10, bytes),
        #[cfg(not(feature = "wechat"))]
        _ => {}
    }
}

fn parse_value(kind: u8, text: &str) {
    match kind {
        0 => {
            same(text, OrderNo::parse(text), OrderNo::as_str);
            same(text, OrderNo::from_bytes(text.as_bytes()), OrderNo::as_str);
        }
        1 => fen(text),
        2 => time(text, Timestamp::parse_compact(text)),
        3 => time(text, Timestamp::parse_civil(text)),
        4 => time(text, Timestamp::parse_rfc3339(text)),
        5 => check_display_round_trip::<Cursor>(text),
        6 => check_display_round_trip::<FeedCursor>(text),
        7 => {
            same(text, AppId::parse(text), AppId::as_str);
            same(text, MchId::parse(text), MchId::as_str);
            same(text, TransactionId::parse(text), TransactionId::as_str);
            same(text, RefundId::parse(text), RefundId::as_str);
            same(text, RefundNo::parse(text), RefundNo::as_str);
            same(text, Reference::parse(text), Reference::as_str);
        }
        8 => {
            same(text, Channel::parse(text), Channel::as_str);
            same(text, Currency::parse(text), Currency::as_str);
            same(text, Label::parse(text), Label::as_str);
            same(text, PrepayValue::parse(text), PrepayValue::as_str);
            user(text);
        }
        _ => {
            same(text, Note::parse(text), Note::as_str);
            same(text, Description::parse(text), Description::as_str);
            same(text, Attach::parse(text), Attach::as_str);
        }
    }
}

/// Checks that a parsed value keeps its text unchanged, and that a parse error has a text.
fn same<T: Debug, E: Debug + Display>(
    text: &str,
    parsed: Result<T, E>,
    as_str: impl Fn(&T) -> &str,
) {
    match parsed {
        Ok(value) => assert_eq!(as_str(&value), text, "{value:?}"),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn check_display_round_trip<T>(text: &str)
where
    T: FromStr + Display + PartialEq + Debug,
{
    if let Ok(value) = text.parse::<T>() {
        let printed = value.to_string();
        assert!(printed.eq_ignore_ascii_case(text), "{text:?}, {printed:?}");
        assert_eq!(printed.parse().ok(), Some(value));
    }
}

fn fen(text: &str) {
    if let Ok(fen) = Fen::parse_yuan(text) {
        assert!(fen <= Fen::MAX);
        assert_eq!(Fen::parse_yuan(&fen.yuan().to_string()), Ok(fen));
    }
}

fn time<E: Debug>(text: &str, parsed: Result<Timestamp, E>) {
    if let Ok(time) = parsed {
        assert!(
            (Timestamp::EPOCH..=Timestamp::MAX).contains(&time),
            "{text:?}"
        );
        assert_eq!(Timestamp::parse_rfc3339(&time.to_string()), Ok(time));
        let seconds = Timestamp::parse_civil(&time.beijing().to_string()).unwrap();
        assert_eq!(seconds.as_millis(), time.as_millis() / 1000 * 1000);
    }
}

/// Parses an openid. Checks invariant I19: the `Debug` output does not contain the openid.
fn user(text: &str) {
    let parsed = OpenId::parse(text);
    if let Ok(openid) = &parsed {
        let shown = format!("{openid:?}");
        assert!(text.len() < 12 || !shown.contains(text), "{shown}");
    }
    same(text, parsed, OpenId::as_str);
}
