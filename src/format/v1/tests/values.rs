//! Bytes of numbers, texts and lists.

use super::*;
use crate::types::{
    AppId, Attach, Channel, Currency, Description, Label, MchId, Metadata, Note, OpenId, OrderNo,
    PrepayValue, Reference, RefundId, RefundNo, TransactionId,
};

#[test]
fn numbers_encode_to_variable_length() {
    stored_as(&0_u64, "00");
    stored_as(&250_u64, "fa");
    stored_as(&251_u64, "fb fb00");
    stored_as(&0x1_0000_u64, "fc 00000100");
    stored_as(&0x1_0000_0000_u64, "fd 0000000001000000");
    stored_as(&u32::MAX, "fc ffffffff");
    refused::<u32>(&[253, 1, 0, 0, 0, 0, 0, 0, 0]);
    refused::<u64>(&[254, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    stored_as(&Some(true), "01 01");
    stored_as(&None::<u64>, "00");
    refused::<bool>(&[2]);
    refused::<Option<bool>>(&[2, 1]);
    stored_as(&vec![1_u64, 300], "02 01 fb2c01");
    stored_as(&[7_u8; 3], "070707");
    stored_as(&[7_u64; 3], "070707");
    refused::<Vec<u64>>(&[253, 255, 255, 255, 255, 255, 255, 255, 255, 0]);
}

#[test]
fn decode_rejects_amount_or_time_out_of_range() {
    stored_as(&Fen::MAX, "fd ffffffffffffff7f");
    refused::<Fen>(&bytes_of(&(1_u64 << 63)));
    stored_as(&time(0x0102_0304_0506), "010203040506");
    stored_as(&Timestamp::MAX, "e677d21fdbff");
    refused::<Timestamp>(&[0xe6, 0x77, 0xd2, 0x1f, 0xdc, 0]);
}

#[test]
fn decode_rejects_invalid_text() {
    stored_as::<OrderNo>(&text("R-12"), "04522d3132");
    stored_as::<OrderNo>(&text("0123"), "03ff0123");
    stored_as(&Channel::WECHAT, "00");
    stored_as::<Channel>(&text("other"), "056f74686572");
    stored_as(&Currency::CNY, "00");
    stored_as::<Currency>(&text("USD"), "03555344");
    stored_as(&Metadata::default(), "00");
    for bad in ["", &"7".repeat(33), "with space"] {
        text_refused::<OrderNo>(bad);
    }
    for bad in ["WECHAT", &"a".repeat(17)] {
        text_refused::<Channel>(bad);
    }
    for bad in ["cny", "CNYX"] {
        text_refused::<Currency>(bad);
    }
    text_refused::<Description>("\0");
    text_refused::<Attach>(&"a".repeat(129));
    text_refused::<Note>(&"a".repeat(513));
    text_refused::<Label>("");
    text_refused::<PrepayValue>("茶");
    text_refused::<Metadata>(&"a".repeat(4097));
    refused::<Note>(&[2, 0xc3, 0x28]);
    refused::<Note>(&[3, 0xff, 0x1a, 0x11]);
    refused::<Note>(&[2, b'a']);
}

#[test]
fn decode_rejects_invalid_id() {
    macro_rules! check {
        ($name:ident, $max:literal, $bad:literal) => {
            stored_as::<$name>(&text("A"), "0141");
            text_refused::<$name>("");
            text_refused::<$name>(&"A".repeat($max + 1));
            for bad in ["A B", "A\0", "A\u{7f}", "Aé", $bad] {
                text_refused::<$name>(bad);
            }
        };
    }
    check!(OpenId, 128, "A\n");
    check!(AppId, 32, "A\n");
    check!(MchId, 32, "A\n");
    check!(TransactionId, 64, "A\n");
    check!(RefundId, 64, "A\n");
    check!(RefundNo, 64, "A/");
    check!(Reference, 64, "A+");
}
