//! Tests of the bill reader: published bills, older bills and invalid input.

mod odd;

use std::error::Error as _;
use std::io::{self, BufReader, Read};

use proptest::prelude::*;

use super::*;
use crate::order::RefundState;
use crate::types::{AppId, MchId, OpenId};

const PAID: &str = include_str!("../../../tests/data/wechat/trade_bill_2021-01-28.csv");
const REFUNDED: &str = include_str!("../../../tests/data/wechat/trade_bill_made_up_refund.csv");

fn read(bill: &str) -> Result<Vec<BillLine>, BillError> {
    BillReader::new(bill.as_bytes())?.collect()
}

/// Returns the error text of an invalid bill, with its cause.
fn refusal(bill: &str) -> String {
    let error = read(bill).unwrap_err();
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[test]
fn published_sample_bill_is_read() {
    let lines = read(PAID).unwrap();
    let [first, second] = &lines[..] else {
        panic!("{lines:?}");
    };
    assert_eq!((first.line, second.line), (2, 3));
    assert_eq!(first.time.beijing().to_string(), "2021-01-28 15:35:18");
    assert_eq!(first.mch_id, MchId::parse("1601959334").unwrap());
    assert_eq!(first.provider_mch_id, None);
    assert_eq!(first.no.as_str(), "S20210128153505214586");
    let BillEntry::Payment(paid) = &first.entry else {
        panic!("{first:?}");
    };
    assert_eq!((paid.total.as_u64(), paid.settlement.as_u64()), (1, 1));
    let payment = first.payment().unwrap();
    assert_eq!(
        payment.transaction_id.as_str(),
        "4200000910202101282955148400"
    );
    assert_eq!(payment.appid, AppId::parse("wx81be3101902f7cb2").ok());
    assert_eq!(
        payment.openid,
        OpenId::parse("ofyak5qR_1wYsC99CsWA6R9MJazA").ok()
    );
}

#[test]
fn bill_with_refund_and_comma_in_name_is_read() {
    let lines = read(REFUNDED).unwrap();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0].mch_id.as_str(), "1712734762");
    assert_eq!(lines[0].provider_mch_id, MchId::parse("1800780001").ok());
    assert_eq!(lines[0].payment().unwrap().openid, None);
    let BillEntry::Refund(refund) = &lines[1].entry else {
        panic!("{lines:?}");
    };
    assert_eq!(refund.refund_no.as_str(), "R20220321180244");
    assert_eq!(refund.status, BillRefundStatus::Processing);
    assert_eq!((refund.amount.as_u64(), refund.success_at), (1, None));
    assert_eq!(lines[1].fee, ServiceFee::new(-10));
    assert_eq!(lines[1].payment(), None);
    let fact = lines[1].refund().unwrap();
    assert_eq!(fact.state(), RefundState::Processing);
    assert_eq!(
        fact.refund_id().unwrap().as_str(),
        "50302030148218522032126281690"
    );
    assert_eq!(lines[0].refund(), None);
}

#[test]
fn bill_with_bom_crlf_or_other_column_order_reads_same() {
    let lines = read(REFUNDED).unwrap();
    let crlf = format!("\u{feff}{}\r\n\r\n", REFUNDED.replace('\n', "\r\n"));
    assert_eq!(read(&crlf).unwrap(), lines);
    assert_eq!(read(REFUNDED.trim_end()).unwrap(), lines);
    let turned: String = REFUNDED.lines().map(turned).collect();
    assert_eq!(read(&turned).unwrap(), lines);
}

/// Reverses the columns of a line. Leaves the lines of the summary, which have few columns,
/// unchanged.
fn turned(line: &str) -> String {
    let (mark, part) = if line.starts_with('`') {
        ("`", ",`")
    } else {
        ("", ",")
    };
    let bare = line.strip_prefix('`').unwrap_or(line);
    let mut cells: Vec<_> = bare.split(part).collect();
    if cells.len() > 10 {
        cells.reverse();
    }
    format!("{mark}{}\n", cells.join(part))
}

const SUCCESS: &str = "\
交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额,商品名称,商户数据包,手续费,费率,订单金额,费率备注
`2024-05-01 00:00:00,`wxa,`190,`,`,`4200,`order-1,`oA,`JSAPI,`SUCCESS,`OTHERS,`CNY,`9.50,`0.50,`a,`,`0.06000,`0.60%,`10.00,`
总交易单数,应结订单总金额,手续费总金额,订单总金额
`1,`9.50,`0.06000,`10.00
";

const REFUND: &str = "\
交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额,退款申请时间,退款成功时间,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注
`2024-05-01 10:00:00,`wxa,`190,`0,`,`4200,`order-1,`oA,`JSAPI,`REFUND,`OTHERS,`CNY,`0.00,`0.00,`2024-05-01 10:00:00,`2024-05-01 10:00:09,`503,`R-1,`9.50,`0.00,`ORIGINAL,`SUCCESS,`a,`,`-0.06000,`0.60%,`0.00,`10.00,`
总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额
`1,`0.00,`9.50,`0.00,`-0.06000,`0.00,`10.00
";

const OLD: &str = "\
交易时间,公众账号ID,商户号,子商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,总金额,企业红包金额,微信退款单号,商户退款单号,退款金额,企业红包退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率
`2014-11-10 16:33:45,`wx2421b1c4370ec43b,`10000100,`0,`1000,`1001690740201411100005734289,`1415640626,`085e9858e3ba5186aafcbaed1,`MICROPAY,`SUCCESS,`OTHERS,`CNY,`0.01,`0.0,`0,`0,`0,`0,`,`,`test,`more,`0,`0.60%
`2014-11-10 16:46:14,`wx2421b1c4370ec43b,`10000100,`0,`1000,`1002780740201411100005729794,`1415635270,`085e9858e90ca40c0b5aee463,`MICROPAY,`REVOKED,`OTHERS,`CNY,`0.00,`0.0,`2003,`0,`0.01,`0,`,`SUCCESS,`test,`more,`0,`0.60%
总交易单数,总交易额,总退款金额,总企业红包退款金额,手续费总金额
`2,`0.01,`0.01,`0.0,`0
";

#[test]
fn every_bill_kind_and_older_header_is_read() {
    for (bill, kind) in [
        (PAID, BillKind::All),
        (SUCCESS, BillKind::Success),
        (REFUND, BillKind::Refund),
        (OLD, BillKind::All),
    ] {
        assert_eq!(BillReader::new(bill.as_bytes()).unwrap().kind(), kind);
        read(bill).unwrap();
    }
    let BillEntry::Payment(paid) = &read(SUCCESS).unwrap()[0].entry else {
        panic!("the entry is no payment");
    };
    assert_eq!(
        (
            paid.total.as_u64(),
            paid.settlement.as_u64(),
            paid.coupon.as_u64()
        ),
        (1000, 950, 50)
    );
    let BillEntry::Refund(refund) = &read(REFUND).unwrap()[0].entry else {
        panic!("the entry is no refund");
    };
    assert_eq!(
        (refund.amount.as_u64(), refund.status),
        (1000, BillRefundStatus::Success)
    );
    assert_eq!(
        refund.success_at.unwrap().beijing().to_string(),
        "2024-05-01 10:00:09"
    );
    let old = read(OLD).unwrap();
    assert!(matches!(&old[0].entry, BillEntry::Payment(paid) if paid.total.as_u64() == 1));
    assert!(matches!(&old[1].entry, BillEntry::Revoked(revoked) if revoked.amount.as_u64() == 1));
}

#[test]
fn invalid_bill_cell_error_has_line_and_column() {
    let with = |from: &str, to: &str| refusal(&SUCCESS.replace(from, to));
    let cases = [
        (
            "`2024-05-01 00:00:00",
            "`2024-05-32 00:00:00",
            "line 2: 交易时间 cannot be used: time has a date",
        ),
        (
            "`4200",
            "`",
            "line 2: 微信订单号 cannot be used: the value is missing",
        ),
        ("`order-1", "`a b", "line 2: 商户订单号 cannot be used: "),
        (
            "`SUCCESS",
            "`success",
            "line 2: 交易状态 cannot be used: the value is not a known state",
        ),
        (
            "`10.00,`\n",
            "`10.001,`\n",
            "line 2: 订单金额 cannot be used: amount has a fraction",
        ),
        (
            "`10.00,`\n",
            "`0.00,`\n",
            "line 2: 订单金额 cannot be used: the amount is zero",
        ),
        ("`10.00,`\n", "`-1,`\n", "line 2: 订单金额 cannot be used: "),
        (
            "`0.06000,`0.60%",
            "`x,`0.60%",
            "line 2: 手续费 cannot be used: service fee",
        ),
        ("`CNY", "`yuan", "line 2: 货币种类 cannot be used: "),
        ("`oA", "`o A", "line 2: 用户标识 cannot be used: "),
        (
            "`oA,`JSAPI",
            "`oA",
            "line 2 has 19 cells, but the header has 20 columns",
        ),
        (
            "`1,`9.50",
            "`one,`9.50",
            "line 4: 总交易单数 cannot be used",
        ),
    ];
    for (from, to, expected) in cases {
        let reason = with(from, to);
        assert!(reason.starts_with(expected), "{reason}");
    }
}

#[test]
fn bill_with_wrong_summary_is_refused() {
    let with = |from: &str, to: &str| refusal(&SUCCESS.replace(from, to));
    let cases = [
        ("`1,`9.50", "`2,`9.50", "总交易单数"),
        ("`1,`9.50", "`1,`9.51", "应结订单总金额"),
        ("`0.06000,`10.00\n", "`0.06001,`10.00\n", "手续费总金额"),
        ("`0.06000,`10.00\n", "`0.06000,`10.01\n", "订单总金额"),
    ];
    for (from, to, column) in cases {
        let expected = format!(
            "line 4: {column} of the summary disagrees with the lines of the bill: download the \
             bill again"
        );
        assert_eq!(with(from, to), expected);
    }
    let cut = |lines| {
        SUCCESS
            .split_inclusive('\n')
            .take(lines)
            .collect::<String>()
    };
    assert_eq!(
        refusal(&cut(2)),
        "the bill is incomplete: it ends after line 2, without its summary; download it again"
    );
    assert_eq!(
        refusal(&cut(3)),
        "the bill is incomplete: it ends after line 3, without its summary; download it again"
    );
    assert_eq!(
        refusal(&format!("{SUCCESS}`more")),
        "line 5 follows the summary, which must be the last line: use the bill as the channel \
         sent it"
    );
}

#[test]
fn bill_reader_continues_after_malformed_amount() {
    let bill = PAID.replacen("`0.01,`0.00,`\n", "`cheap,`0.00,`\n", 1);
    let items: Vec<_> = BillReader::new(bill.as_bytes()).unwrap().collect();
    assert_eq!(items.len(), 2);
    assert!(items[0].is_err() && items[1].is_ok());
}

#[test]
fn non_bill_input_is_refused() {
    for text in [
        "",
        "\n\n",
        "<xml><return_code>FAIL</return_code></xml>",
        "a,b,c",
        "交易时间,商户号\n",
    ] {
        assert!(matches!(read(text), Err(BillError::NotABill)), "{text}");
    }
    assert_eq!(
        refusal(&SUCCESS.replacen("交易状态", "状态", 1)),
        "the header has no column 交易状态: check that the file is a trade bill"
    );
    assert_eq!(
        refusal(&SUCCESS.replacen("费率备注", "总金额", 1)),
        "the header has two columns for 应结订单金额, perhaps one under an older name: use the bill \
         as the channel sent it"
    );
    assert_eq!(
        refusal(&SUCCESS.replace("`2024", "2024")),
        "line 2 does not begin with a backtick: use the bill as the channel sent it"
    );
    assert!(matches!(
        BillReader::new([0xff, 0xff].as_slice()),
        Err(BillError::NotUtf8 { line: 1 })
    ));
}

#[test]
fn endless_bill_line_uses_limited_memory() {
    let endless = BufReader::new(io::repeat(b'x'));
    let error = BillReader::new(endless).unwrap_err();
    assert!(matches!(error, BillError::LongLine { line: 1, .. }));
    let header = SUCCESS.lines().next().unwrap();
    let input = format!("{header}\n`");
    let input = BufReader::new(input.as_bytes().chain(io::repeat(b'0')));
    let items: Vec<_> = BillReader::new(input).unwrap().collect();
    assert!(matches!(
        items[..],
        [Err(BillError::LongLine { line: 2, .. })]
    ));
}

#[test]
fn bill_line_debug_hides_openid() {
    let lines = read(PAID).unwrap();
    assert!(!format!("{lines:?}").contains("ofyak5qR_1wYsC99CsWA6R9MJazA"));
}

proptest! {
    #[test]
    fn bill_reader_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let header = SUCCESS.lines().next().unwrap().as_bytes();
        for bill in [bytes.clone(), [header, b"\n", &bytes].concat()] {
            if let Ok(reader) = BillReader::new(bill.as_slice()) {
                let _ = reader.count();
            }
        }
    }

    #[test]
    fn corrupt_bill_never_panics(at in 0..REFUND.len(), byte in any::<u8>(), cut in 0..20_usize) {
        let mut bytes = REFUND.as_bytes().to_vec();
        let end = bytes.len().min(at + cut);
        bytes.splice(at..end, [byte]);
        if let Ok(reader) = BillReader::new(bytes.as_slice()) {
            let _ = reader.count();
        }
    }

    #[test]
    fn product_name_without_backtick_is_read(name in "[^`\r\n]{0,60}") {
        let bill = SUCCESS.replace("`a,`,", &format!("`{name},`,"));
        prop_assert_eq!(read(&bill).unwrap().len(), 1);
    }
}
