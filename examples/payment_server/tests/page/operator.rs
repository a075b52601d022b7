//! The operator's page with orders of every kind.

use orderstore::{Confirmed, Fen, OrderNo, Payment, Source, Timestamp, TransactionId};
use payment_server::{Fault, Point, Refusal};
use serde_json::{Value, json};

use crate::browser::{Page, with_a_page};

pub(crate) const WANG: &str = "oCustomer_Wang_0000000000001";
const LI: &str = "oCustomer_Li_000000000000002";
const ZHAO: &str = "oCustomer_Zhao_0000000000003";

/// Orders an item for a customer and returns the order number.
pub(crate) async fn sell(page: &Page, customer: &str, sku: &str, reference: &str) -> String {
    let asked = json!({ "openid": customer, "sku": sku, "reference": reference });
    let made = page.post("/wxPay", asked).await;
    made["outTradeNo"].as_str().unwrap().to_owned()
}

pub(crate) async fn paid(page: &Page, no: &str) {
    page.post(
        &format!("/sandbox/pay/{no}"),
        json!({ "behaviour": "usual" }),
    )
    .await;
    let succeeds = async || page.status(no).await == "success";
    page.until("success", succeeds).await;
}

/// Creates 14 orders of three customers over all goods and pays ten of them.
async fn sell_many(page: &Page) -> Vec<String> {
    let goods = page.get("/goods").await;
    let goods: &Vec<Value> = goods.as_array().unwrap();
    let mut sold = Vec::new();
    for n in 0..14_usize {
        let customer = [WANG, LI, ZHAO][n % 3];
        let sku = goods[n % goods.len()]["sku"].as_str().unwrap();
        let no = sell(page, customer, sku, &format!("morning-{n}")).await;
        if n % 7 < 5 {
            paid(page, &no).await;
        }
        sold.push(no);
    }
    sold
}

pub(crate) async fn row(page: &Page, no: &str) {
    page.tap(&format!("#orders tr[data-no='{no}'] button"))
        .await;
    page.see(&format!("#order[data-no='{no}']")).await;
}

#[tokio::test]
async fn order_list_filters_by_status_and_user() {
    with_a_page(async |page| {
        page.open("/operator").await;
        let sold = sell_many(&page).await;
        page.tap("#reload").await;
        page.see(&format!("#orders tr[data-no='{}']", sold[13]))
            .await;
        assert_eq!(page.count("#orders tr").await, 10);
        page.tap("#orders-next").await;
        page.see(&format!("#orders tr[data-no='{}']", sold[0]))
            .await;
        assert_eq!(page.count("#orders tr").await, 4);
        page.tap("#orders-previous").await;
        page.see(&format!("#orders tr[data-no='{}']", sold[13]))
            .await;
        assert_eq!(page.text("#counts [data-status=success] dd").await, "10");
        assert_eq!(page.text("#counts [data-status=wait] dd").await, "4");

        page.choose("#by-status", "wait").await;
        page.tap("#search").await;
        page.see(&format!(
            "#orders tr[data-no='{}'][data-status=wait]",
            sold[13]
        ))
        .await;
        // Wait for four rows: the previous list also contains this order, and stays visible until
        // the answer arrives.
        page.number("#orders tr", 4).await;

        page.choose("#by-status", "").await;
        page.write("#by-openid", LI).await;
        page.tap("#search").await;
        page.see(&format!("#orders tr[data-no='{}']", sold[1]))
            .await;
        assert_eq!(page.count("#orders tr").await, 5);

        row(&page, &sold[1]).await;
        for what in ["created", "prepayRecorded", "paid"] {
            page.see(&format!("#history [data-what={what}]")).await;
        }
        page.picture("order").await;
    })
    .await;
}

#[tokio::test]
async fn refund_tapped_twice_is_paid_once() {
    with_a_page(async |page| {
        page.open("/operator").await;
        let no = sell(&page, WANG, "tea", "refunded").await;
        paid(&page, &no).await;
        page.tap("#reload").await;
        row(&page, &no).await;

        for much in ["1000000", "1.234", "-1", "ten"] {
            page.write("#refund-amount", much).await;
            page.tap("#refund-ask").await;
            page.see("#complaint:not(:empty)").await;
            page.see("#refund-amount").await.clear().await.unwrap();
        }
        page.write("#refund-amount", "5.5").await;
        page.run("const ask = document.querySelector('#refund-ask'); ask.click(); ask.click();")
            .await;
        page.see("#confirm[open]").await;
        let twice =
            "const yes = document.querySelector('#confirm-refund'); yes.click(); yes.click();";
        page.run(twice).await;
        page.see("#status:not(:empty)").await;
        page.see("#refunds > [data-refund]").await;
        let gone = async || {
            let order = page.get(&format!("/orders/{no}")).await;
            let refunds = order["refunds"].as_array().unwrap();
            assert_eq!(refunds.len(), 1, "a second tap created another refund");
            assert_eq!(refunds[0]["amount"], 550);
            refunds[0]["status"] == "success"
        };
        page.until("the refund succeeds", gone).await;
        page.tap("#reload").await;
        page.see("#refunds > [data-status=success]").await;
        page.see("#history [data-what=refundOpened]").await;
    })
    .await;
}

#[tokio::test]
async fn unpaid_order_is_closed_by_the_operator() {
    with_a_page(async |page| {
        page.open("/operator").await;
        let no = sell(&page, WANG, "tea", "closed").await;
        page.choose("#by-status", "wait").await;
        page.tap("#search").await;
        row(&page, &no).await;
        page.tap("#close").await;
        let closes = async || page.status(&no).await == "closed";
        page.until("the close", closes).await;
        page.tap("#reload").await;
        page.see(&format!("#order[data-no='{no}'][data-status=closed]"))
            .await;
        page.see("#close[hidden]").await;
    })
    .await;
}

/// Returns a confirmed payment with a new transaction.
pub(crate) fn payment(fen: u64) -> Payment {
    let transaction = TransactionId::parse("4200009999202603090000000001").unwrap();
    let fen = Fen::new(fen).unwrap();
    Payment::new(
        transaction,
        fen,
        Timestamp::from_millis(1_773_000_000_000).unwrap(),
        Source::Query,
    )
    .unwrap()
}

#[tokio::test]
async fn payment_after_close_waits_for_operator_acceptance() {
    with_a_page(async |page| {
        page.open("/operator").await;
        let no = sell(&page, WANG, "tea", "late").await;
        page.post(&format!("/orders/{no}/close"), json!({})).await;
        let closes = async || page.status(&no).await == "closed";
        page.until("the close", closes).await;
        let late = page
            .store
            .confirm(OrderNo::parse(&no).unwrap(), payment(8_800))
            .await
            .unwrap();
        assert_eq!(late.outcome, Confirmed::Late);

        page.tap("#reload").await;
        let waiting = "#anomalies [data-kind=latePayment] form";
        page.choose(&format!("{waiting} select"), "accept").await;
        page.tap(&format!("{waiting} button")).await;
        page.see("#complaint:not(:empty)").await;
        assert_eq!(
            page.status(&no).await,
            "latePaid",
            "a decision needs a reason"
        );
        page.write(&format!("{waiting} input"), "delivered").await;
        page.tap(&format!("{waiting} button")).await;
        page.see("#no-anomalies:not([hidden])").await;
        assert_eq!(page.status(&no).await, "success");
    })
    .await;
}

#[tokio::test]
async fn user_text_is_shown_as_plain_text() {
    with_a_page(async |page| {
        const WORDS: &str = "<img src=x onerror=document.body.remove()>";
        page.open("/operator").await;
        let no = sell(&page, WANG, "tea", "words").await;
        paid(&page, &no).await;
        let twice = page
            .store
            .confirm(OrderNo::parse(&no).unwrap(), payment(8_800))
            .await
            .unwrap();
        assert_eq!(twice.outcome, Confirmed::DoublePayment);

        page.tap("#reload").await;
        row(&page, &no).await;
        let open = "#order-anomalies [data-kind=doublePayment] form";
        page.choose(&format!("{open} select"), "dismiss").await;
        page.write(&format!("{open} input"), WORDS).await;
        page.tap(&format!("{open} button")).await;
        page.see("#order-anomalies [data-kind=doublePayment]:not([data-open])")
            .await;
        assert!(page.text("#order-anomalies").await.contains(WORDS));
        assert_eq!(page.count("img").await, 0);
    })
    .await;
}

#[tokio::test]
async fn merchant_rejection_raises_an_alarm_on_the_page() {
    with_a_page(async |page| {
        page.open("/operator").await;
        let no = sell(&page, WANG, "tea", "alarm").await;
        let refusal = Refusal {
            status: 401,
            code: "SIGN_ERROR",
        };
        page.stand_in
            .break_at(Point::Query, Fault::Refuses(refusal));
        let path = format!("/orders/{no}?refresh=1");
        page.get(&path).await;
        page.tap("#reload").await;
        page.see("#alarms:not([hidden])").await;
        let alarm = page.text("#alarms").await;
        for word in ["查询订单", "401", "签名错误（SIGN_ERROR）"] {
            assert!(alarm.contains(word), "{alarm}");
        }
        page.picture("alarm").await;

        page.stand_in.mend(Point::Query);
        page.get(&path).await;
        page.tap("#reload").await;
        page.see("#alarms[hidden]").await;
    })
    .await;
}
