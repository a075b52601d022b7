//! Tests of unusual bills: product names with line ends, other encodings, older columns, currencies
//! without hundredths, and order numbers that are invalid in this store.

use super::*;
use crate::types::{Currency, Fen, OrderNo};

/// Reads a bill of two lines, the first with this product name.
fn with_name(name: &str) -> Result<Vec<BillLine>, BillError> {
    let second = SUCCESS.lines().nth(1).unwrap();
    let named = second.replace("`a,`,", &format!("`{name},`,"));
    let bill = SUCCESS.replace(second, &format!("{named}\n{second}"));
    read(&bill.replace("`1,`9.50,`0.06000,`10.00", "`2,`19.00,`0.12000,`20.00"))
}

#[test]
fn product_name_with_line_end_or_separator_is_read() {
    for name in [
        "\"tea,`black\"",
        "\"tea\nblack\"",
        "\"tea\r\nblack\"",
        "\"tea,\n`black,`green\n\"",
        "\"`\n`2024-05-01 00:00:00,`\n,`\"",
        "tea,`black",
        "tea\nblack,`green\n\nred",
        "\"tea\" and more",
        "\"5 inch",
    ] {
        let lines = with_name(name).unwrap_or_else(|error| panic!("{name:?}: {error}"));
        assert_eq!(lines.len(), 2, "{name:?}");
        for line in lines {
            assert_eq!(line.entry.amount(), Fen::new(1000).unwrap(), "{name:?}");
            assert_eq!(line.fee, ServiceFee::new(6000), "{name:?}");
        }
    }
}

#[test]
fn bill_line_without_backtick_is_refused() {
    let second = SUCCESS.lines().nth(1).unwrap();
    let bare = second.strip_prefix('`').unwrap();
    let bill = SUCCESS.replace(second, &format!("{second}\n{bare}"));
    assert!(refusal(&bill).starts_with("line 3 does not begin with a backtick"));
}

#[test]
fn wrong_bill_encoding_error_names_command() {
    let refused = |bytes: &[u8]| match BillReader::new(bytes) {
        Err(BillError::Encoding(encoding)) => encoding,
        other => panic!("{other:?}"),
    };
    let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    assert_eq!(refused(&gzip), WrongEncoding::Gzip);
    assert!(WrongEncoding::Gzip.to_string().contains("gunzip"));
    let utf16: Vec<u8> = "\u{feff}交易时间"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(refused(&utf16), WrongEncoding::Utf16);
    assert!(WrongEncoding::Utf16.to_string().contains("iconv"));
    // The header `交易时间,公众账号ID` in GBK.
    let gbk = b"\xbd\xbb\xd2\xd7\xca\xb1\xbc\xe4,\xb9\xab\xd6\xda\xd5\xcb\xba\xc5ID\n";
    assert_eq!(refused(gbk), WrongEncoding::Gbk);
    assert!(WrongEncoding::Gbk.to_string().contains("iconv"));
}

/// Before about 2017, the column 交易时间 in a bill of refunds had the time of the payment.
#[test]
fn older_refund_line_uses_refund_request_time() {
    let legacy = REFUND
        .replace("`2024-05-01 10:00:00,`wxa", "`2024-04-01 09:00:00,`wxa")
        .replace(
            "`0.00,`0.00,`2024-05-01 10:00:00",
            "`0.00,`0.00,`2024-05-01 10:00:01",
        );
    let line = &read(&legacy).unwrap()[0];
    assert_eq!(line.time.beijing().to_string(), "2024-05-01 10:00:01");
    let without = legacy.replace("`2024-05-01 10:00:01,", "`,");
    let line = &read(&without).unwrap()[0];
    assert_eq!(line.time.beijing().to_string(), "2024-04-01 09:00:00");
}

/// Reads the bill [`SUCCESS`] with another currency and another text for all amounts.
fn of_currency(currency: &str, amount: &str) -> Result<Vec<BillLine>, BillError> {
    let bill = SUCCESS
        .replace("CNY", currency)
        .replace("`9.50,`0.50", &format!("`{amount},`0.00"))
        .replace("`10.00,`\n", &format!("`{amount},`\n"))
        .replace(
            "`1,`9.50,`0.06000,`10.00",
            &format!("`1,`{amount},`0.06000,`{amount}"),
        );
    read(&bill)
}

#[test]
fn bill_amount_is_read_in_currency_unit() {
    let read = |currency: &str, amount: &str| {
        let lines = of_currency(currency, amount).unwrap();
        let line = lines.into_iter().next().unwrap();
        assert_eq!(line.currency, Currency::parse(currency).unwrap());
        (line.entry.amount().as_u64(), line.unit, line.payment())
    };
    let own = |hundredths| BillUnit::Own {
        hundredths: Fen::new(hundredths).ok(),
    };
    let (amount, unit, payment) = read("CNY", "500");
    assert_eq!((amount, unit), (50_000, BillUnit::Certain));
    assert_eq!(payment.unwrap().paid_fee, Fen::new(50_000).unwrap());
    let (amount, unit, payment) = read("JPY", "500");
    assert_eq!((amount, unit), (500, own(50_000)));
    assert_eq!(payment.unwrap().paid_fee, Fen::new(500).unwrap());
    let (amount, unit, _) = read("KWD", "1.5");
    assert_eq!((amount, unit), (1500, own(150)));
    let (amount, unit, payment) = read("KRW", "5.50");
    assert_eq!((amount, unit, payment), (550, BillUnit::Hundredths, None));
    assert!(
        of_currency("JPY", "5.505").is_err(),
        "the text fits neither unit"
    );
    assert!(of_currency("CNY", "5.505").is_err());
}

#[test]
fn unusable_bill_line_keeps_readable_fields() {
    for (from, to, column) in [
        ("`order-1", "`no. 1", "商户订单号"),
        ("`order-1", &format!("`{}", "1".repeat(33)), "商户订单号"),
        ("`order-1", "`", "商户订单号"),
        ("`SUCCESS", "`UNHEARD", "交易状态"),
        ("`oA", "`o A", "用户标识"),
        ("`4200", "`", "微信订单号"),
        ("`CNY", "`yuan", "货币种类"),
        ("`2024-05-01 00", "`2024-05-01 25", "交易时间"),
    ] {
        let bill = SUCCESS.replace(from, to);
        let items: Vec<_> = BillReader::new(bill.as_bytes()).unwrap().collect();
        let [Err(BillError::Line(bad))] = &items[..] else {
            panic!("{to}: expected one unusable line: {items:?}");
        };
        assert_eq!((bad.line, bad.column), (2, column));
        assert_eq!(bad.mch_id, MchId::parse("190").ok());
        let no = OrderNo::parse("order-1").ok();
        assert_eq!(bad.no, no.filter(|_| column != "商户订单号"));
        assert_eq!(bad.is_payment, column != "交易状态");
    }
    let short = read(&SUCCESS.replace("`order-1", "`7")).unwrap();
    assert_eq!(short[0].no.as_str(), "7");
}
