//! Refunds on the operator's page: they start only after confirmation, and a failed refund is
//! shown as failed.

use orderstore::{Confirmed, OrderNo};
use payment_server::{Fault, Point, Refusal};
use serde_json::json;

use crate::browser::{Page, with_a_page};
use crate::operator::{WANG, paid, payment, row, sell};

/// Enter key in WebDriver's encoding; it submits a form.
const ENTER: &str = "\u{e007}";

pub(crate) const NOT_ENOUGH: Refusal = Refusal {
    status: 403,
    code: "NOT_ENOUGH",
};

/// Creates a paid order and opens it on the page.
pub(crate) async fn open_paid_order(page: &Page, reference: &str) -> String {
    page.open("/operator").await;
    let no = sell(page, WANG, "tea", reference).await;
    paid(page, &no).await;
    page.tap("#reload").await;
    row(page, &no).await;
    no
}

async fn refunds(page: &Page, no: &str) -> usize {
    let order = page.get(&format!("/orders/{no}")).await;
    order["refunds"].as_array().unwrap().len()
}

#[tokio::test]
async fn refused_refund_is_shown_as_failure_with_reason() {
    with_a_page(async |page| {
        let no = open_paid_order(&page, "refused").await;
        page.stand_in
            .break_at(Point::Refund, Fault::Refuses(NOT_ENOUGH));
        page.write("#refund-amount", "5.5").await;
        page.tap("#refund-ask").await;
        page.tap("#confirm-refund").await;
        page.see("#complaint:not(:empty)").await;
        let complaint = page.text("#complaint").await;
        assert!(
            complaint.contains("商户余额不足（NOT_ENOUGH）"),
            "{complaint}"
        );
        page.see("#status:empty").await;
        page.see("#refunds > [data-status=closed]").await;
        let refund = page.text("#refunds > [data-status=closed]").await;
        assert!(refund.contains("NOT_ENOUGH"), "{refund}");
        page.picture("refund_refused").await;
        page.tap("#language").await;
        let complaint = page.text("#complaint").await;
        assert!(complaint.contains("balance is too low"), "{complaint}");
        page.tap("#language").await;

        page.stand_in.mend(Point::Refund);
        page.write("#refund-amount", "5.5").await;
        page.tap("#refund-ask").await;
        page.tap("#confirm-refund").await;
        page.see("#status:not(:empty)").await;
        page.see("#complaint:empty").await;
        let said = page.text("#status").await;
        assert!(said.contains("¥5.50") && said.contains(&no), "{said}");
        page.picture("refund_accepted").await;
    })
    .await;
}

#[tokio::test]
async fn refund_without_an_answer_is_not_shown_as_done() {
    with_a_page(async |page| {
        open_paid_order(&page, "silent").await;
        page.stand_in.break_at(Point::Refund, Fault::Down);
        page.write("#refund-amount", "1").await;
        page.tap("#refund-ask").await;
        page.tap("#confirm-refund").await;
        page.see("#status:not(:empty)").await;
        let said = page.text("#status").await;
        assert!(said.contains("渠道还没有应答"), "{said}");
        page.see("#refunds > [data-status=requested]").await;
        page.picture("refund_unanswered").await;
    })
    .await;
}

#[tokio::test]
async fn refund_starts_only_after_amount_is_confirmed() {
    with_a_page(async |page| {
        let no = open_paid_order(&page, "confirmed").await;
        for cancel in ["tap", "enter"] {
            page.write("#refund-amount", "5.5").await;
            page.tap("#refund-ask").await;
            page.see("#confirm[open]").await;
            assert_eq!(page.text("#confirm-amount").await, "¥5.50");
            assert_eq!(page.text("#confirm-no").await, no);
            page.picture("confirm_refund").await;
            if cancel == "tap" {
                page.tap("#confirm-cancel").await;
            } else {
                // The focus is on "cancel", so a second Enter starts no refund.
                let focused = page.client.active_element().await.unwrap();
                focused.send_keys(ENTER).await.unwrap();
            }
            page.see("#confirm:not([open])").await;
            assert_eq!(refunds(&page, &no).await, 0, "{cancel}");
            page.see("#refund-amount").await.clear().await.unwrap();
        }

        let twice = page
            .store
            .confirm(OrderNo::parse(&no).unwrap(), payment(8_800))
            .await
            .unwrap();
        assert_eq!(twice.outcome, Confirmed::DoublePayment);
        page.tap("#reload").await;
        let form = "#order-anomalies [data-kind=doublePayment] form";
        assert_eq!(
            page.see(form)
                .await
                .find_all(PRESELECTED)
                .await
                .unwrap()
                .len(),
            0
        );
        // Enter in the note field must not resolve the anomaly while no decision is selected.
        page.write(&format!("{form} input"), &format!("twice{ENTER}"))
            .await;
        page.see("#complaint:not(:empty)").await;
        page.see("#confirm:not([open])").await;
        assert_eq!(refunds(&page, &no).await, 0);
        page.choose(&format!("{form} select"), "refund").await;
        page.tap(&format!("{form} button")).await;
        page.see("#confirm[open]").await;
        assert_eq!(page.text("#confirm-amount").await, "¥88.00");
        assert_eq!(refunds(&page, &no).await, 0);
        page.picture("confirm_anomaly_refund").await;
        // The channel does not know the payment and rejects the refund.
        page.tap("#confirm-refund").await;
        page.see("#complaint:not(:empty)").await;
        let complaint = page.text("#complaint").await;
        assert!(complaint.contains("RESOURCE_NOT_EXISTS"), "{complaint}");
        page.see("#refunds > [data-status=closed]").await;
        let is_in_view = "const it = document.querySelector('#complaint').getBoundingClientRect();
            return it.top >= 0 && it.bottom <= window.innerHeight";
        assert_eq!(
            page.run(is_in_view).await,
            true,
            "the message must be visible where the button is"
        );
        page.picture("anomaly_refund_refused").await;
    })
    .await;
}

/// Selector of the options that are selected before the operator has chosen.
const PRESELECTED: fantoccini::Locator<'static> =
    fantoccini::Locator::Css("option[value]:not([value=''])[selected]");

#[tokio::test]
async fn failed_search_hides_the_previous_order() {
    with_a_page(async |page| {
        let no = open_paid_order(&page, "searched").await;
        page.see("#refund:not([hidden])").await;
        page.write("#by-no", "2026NEVERORDERED").await;
        page.tap("#search").await;
        page.see("#complaint:not(:empty)").await;
        page.see("#order[hidden]:not([data-no])").await;
        let complaint = page.text("#complaint").await;
        assert_eq!(complaint, "没有这个订单号。");
        page.picture("search_failed").await;

        page.see("#by-no").await.clear().await.unwrap();
        page.write("#by-no", &no).await;
        page.tap("#search").await;
        page.see(&format!("#order[data-no='{no}']:not([hidden])"))
            .await;
        // A search by user also hides the previous order.
        page.see("#by-no").await.clear().await.unwrap();
        page.write("#by-openid", "o p e n").await;
        page.tap("#search").await;
        page.see("#complaint:not(:empty)").await;
        page.see("#order[hidden]:not([data-no])").await;
        assert_eq!(page.count("#orders tr").await, 0);
        page.see("#no-orders[hidden]").await;
    })
    .await;
}

#[tokio::test]
async fn chinese_page_shows_errors_in_chinese() {
    with_a_page(async |page| {
        let no = open_paid_order(&page, "chinese").await;
        // Send the refund to the server without the page, so that the page shows outdated data.
        let path = format!("/orders/{no}/refund");
        page.post(&path, json!({ "refundNo": "R1", "amount": 8_000 }))
            .await;
        page.write("#refund-amount", "88").await;
        page.tap("#refund-ask").await;
        page.tap("#confirm-refund").await;
        page.see("#complaint:not(:empty)").await;
        assert_eq!(
            page.text("#complaint").await,
            "退款金额超过可退余额，最多还可退 ¥8.00。"
        );
        for (field, text) in [("#by-no", "不是单号"), ("#by-openid", "o p e n")] {
            page.see("#by-no").await.clear().await.unwrap();
            page.write(field, text).await;
            page.tap("#search").await;
            let has_failed = async || !page.text("#complaint").await.is_empty();
            page.until("a complaint", has_failed).await;
            let complaint = page.text("#complaint").await;
            let english = complaint.split(|c: char| !c.is_ascii_alphabetic());
            let english = english.filter(|word| word.len() > 1).count();
            assert_eq!(english, 0, "{complaint}");
        }
    })
    .await;
}
