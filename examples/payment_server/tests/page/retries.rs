//! Rejected refunds and ended orders on the operator's page.

use std::time::Duration;

use orderstore::{ChannelState, OrderNo};
use payment_server::{Fault, Point};
use serde_json::json;

use crate::browser::{Page, with_a_page};
use crate::money::{NOT_ENOUGH, open_paid_order};
use crate::operator::{WANG, row, sell};

/// Requests a refund of this amount with the form and confirms it.
async fn ask_back(page: &Page, yuan: &str) {
    page.write("#refund-amount", yuan).await;
    page.tap("#refund-ask").await;
    page.tap("#confirm-refund").await;
}

#[tokio::test]
async fn refused_refund_is_retried_under_its_own_number() {
    with_a_page(async |page| {
        let no = open_paid_order(&page, "again").await;
        page.stand_in
            .break_at(Point::Refund, Fault::Refuses(NOT_ENOUGH));
        ask_back(&page, "5.5").await;
        page.see("#refunds > [data-status=closed][data-attempt='1']")
            .await;
        page.see("#closedRefunds > [data-status=closed]").await;
        let refund_no = page.trait_of("#refunds > li", "data-refund").await;
        // The refund form and the retry button both start the next attempt.
        ask_back(&page, "5.5").await;
        page.see("#refunds > [data-status=closed][data-attempt='2']")
            .await;
        page.picture("closed_refund").await;

        page.stand_in.mend(Point::Refund);
        page.tap("#refunds [data-retry]").await;
        page.see("#confirm[open]").await;
        assert_eq!(page.text("#confirm-amount").await, "¥5.50");
        let again = page.text("#confirm-again").await;
        assert!(again.contains(&refund_no) && again.contains('3'), "{again}");
        page.picture("confirm_retry").await;
        page.tap("#confirm-refund").await;
        page.see("#status:not(:empty)").await;
        page.see("#refunds > [data-attempt='3']:not([data-status=closed])")
            .await;
        page.number("#closedRefunds > li", 0).await;
        let order = page.get(&format!("/orders/{no}")).await;
        let refunds = order["refunds"].as_array().unwrap();
        let numbers: Vec<_> = refunds.iter().map(|refund| &refund["refundNo"]).collect();
        assert_eq!(numbers, [&json!(refund_no)]);
        assert_eq!(page.stand_in.given_back(), 550);
    })
    .await;
}

#[tokio::test]
async fn anomaly_with_refused_refund_reopens_on_the_page() {
    with_a_page(async |page| {
        page.open("/operator").await;
        let no = sell(&page, WANG, "tea", "late").await;
        let number = OrderNo::parse(&no).unwrap();
        let closed = page.store.record_query(number, ChannelState::Closed).await;
        assert!(closed.unwrap().should_acknowledge());
        page.post(
            &format!("/sandbox/pay/{no}"),
            json!({ "behaviour": "usual" }),
        )
        .await;
        let is_late = async || page.status(&no).await == "latePaid";
        page.until("the late payment", is_late).await;
        page.stand_in
            .break_at(Point::Refund, Fault::Refuses(NOT_ENOUGH));
        page.tap("#reload").await;
        for reopenings in 0..2 {
            let form = format!("#anomalies [data-reopenings='{reopenings}'] form");
            page.choose(&format!("{form} select"), "refund").await;
            page.write(&format!("{form} input"), "closed before").await;
            page.tap(&format!("{form} button")).await;
            page.tap("#confirm-refund").await;
            let opened = reopenings + 1;
            let again = format!("#anomalies [data-open][data-reopenings='{opened}']");
            page.see(&again).await;
            let shown = page.text(&again).await;
            let word = format!("第 {opened} 次重新打开");
            assert!(shown.contains(&word), "{shown}");
        }
        page.picture("anomaly_open_again").await;
        page.tap("#orders tr button").await;
        page.see("#history [data-what=anomalyReopened]").await;

        // A successful retry of the refund ends the anomaly.
        page.stand_in.mend(Point::Refund);
        page.tap("#refunds [data-retry]").await;
        page.tap("#confirm-refund").await;
        page.see("#no-anomalies:not([hidden])").await;
        page.see("#refunds > [data-attempt='3']:not([data-status=closed])")
            .await;
        assert_eq!(page.stand_in.given_back(), 8_800);
    })
    .await;
}

#[tokio::test]
async fn order_ends_only_after_confirmation_with_a_reason() {
    with_a_page(async |page| {
        page.open("/operator").await;
        let no = sell(&page, WANG, "tea", "ended").await;
        page.tap("#reload").await;
        row(&page, &no).await;
        page.tap("#end").await;
        page.see("#confirm-end[open]").await;
        assert_eq!(page.text("#end-no").await, no);
        page.picture("confirm_end").await;
        page.tap("#end-cancel").await;
        page.see("#confirm-end:not([open])").await;
        page.tap("#end").await;
        page.tap("#end-yes").await;
        page.see("#complaint:not(:empty)").await;
        assert_eq!(page.text("#complaint").await, "请写明处理的理由。");
        assert_eq!(page.status(&no).await, "wait");

        let end = async || {
            page.tap("#end").await;
            page.write("#end-note", "left the shop").await;
            page.tap("#end-yes").await;
        };
        end().await;
        let is_early = async || page.text("#complaint").await.contains("还不能结束订单");
        page.until("the refusal", is_early).await;
        assert_eq!(page.status(&no).await, "wait");

        page.clock.advance(Duration::from_secs(60 * 24 * 60 * 60));
        end().await;
        page.see(&format!("#order[data-no='{no}'][data-status=closed]"))
            .await;
        page.see("#end[hidden]").await;
    })
    .await;
}
