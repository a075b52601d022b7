//! The shop page: correct use, repeated taps, cancelled payments and closed pages.

use crate::browser::{Page, with_a_page};

const BUY: &str = "[data-buy]";
const ASKED: &str = "#sheet[open][data-step=ask]";
const PAID: &str = "#sheet[open][data-step=paid]";

/// Taps "buy" on the first item and returns the order number on the sheet.
async fn order(page: &Page) -> String {
    page.tap(BUY).await;
    page.trait_of(ASKED, "data-no").await
}

/// Types the password and pays, with this behaviour of the notification.
async fn pay(page: &Page, behaviour: &str) {
    page.write("#password", "123456").await;
    page.choose("#behaviour", behaviour).await;
    page.tap("#pay").await;
    page.see(PAID).await;
}

/// Returns the orders of the page's customer.
async fn orders(page: &Page) -> Vec<serde_json::Value> {
    let openid = page.text("#openid").await;
    let said = page.get(&format!("/orders?openid={openid}")).await;
    said["orders"].as_array().unwrap().clone()
}

#[tokio::test]
async fn order_is_shown_as_paid_after_done() {
    with_a_page(async |page| {
        page.open("/").await;
        let no = order(&page).await;
        let price = page.text("#sheet-amount").await;
        assert_eq!(page.status(&no).await, "wait");
        pay(&page, "usual").await;
        page.tap("#done").await;
        page.see(&format!("#order[data-no='{no}'][data-status=success]"))
            .await;
        page.see(&format!("#orders [data-no='{no}'][data-status=success]"))
            .await;

        assert!(page.text("#order-facts").await.contains(&price));
        let shown = page.get(&format!("/orders/{no}")).await;
        let transaction = shown["transactionId"]
            .as_str()
            .expect("the paid order has no transaction");
        assert!(page.text("#order-facts").await.contains(transaction));
        let goods = page.get("/goods").await;
        assert_eq!(
            shown["totalFee"], goods[0]["price"],
            "the price must come from the server"
        );
    })
    .await;
}

#[tokio::test]
async fn order_is_paid_even_if_page_is_closed() {
    with_a_page(async |page| {
        for behaviour in ["usual", "never"] {
            page.open("/").await;
            let no = order(&page).await;
            pay(&page, behaviour).await;
            close_the_window(&page).await;
            let succeeds = async || page.status(&no).await == "success";
            page.until("success", succeeds).await;

            page.open("/").await;
            page.see(&format!("#orders [data-no='{no}'][data-status=success]"))
                .await;
        }
    })
    .await;
}

/// Closes the window of the page. A new empty window keeps the browser open.
async fn close_the_window(page: &Page) {
    let other = page.client.new_window(false).await.unwrap().handle;
    page.client.close_window().await.unwrap();
    page.client.switch_to_window(other).await.unwrap();
}

#[tokio::test]
async fn customer_returning_to_page_sees_order_paid() {
    with_a_page(async |page| {
        page.open("/").await;
        let no = order(&page).await;
        pay(&page, "late").await;
        page.tap("#leave").await;
        page.see("#closed:not([hidden])").await;
        let succeeds = async || page.status(&no).await == "success";
        page.until("success", succeeds).await;
        page.tap("#reopen").await;
        page.see(&format!("#orders [data-no='{no}'][data-status=success]"))
            .await;
    })
    .await;
}

#[tokio::test]
async fn double_tap_creates_one_order() {
    with_a_page(async |page| {
        page.open("/").await;
        page.run("const buy = document.querySelector('[data-buy]'); buy.click(); buy.click();")
            .await;
        let no = page.trait_of(ASKED, "data-no").await;
        let both_answered = async || answered(&page).await == 2;
        page.until("the second answer", both_answered).await;
        assert_eq!(orders(&page).await.len(), 1);

        // After a reload and another tap, the customer still has the same order.
        page.open("/").await;
        assert_eq!(order(&page).await, no);
        pay(&page, "twice").await;
        page.tap("#done").await;
        page.see(&format!("#order[data-no='{no}'][data-status=success]"))
            .await;
        let made = orders(&page).await;
        assert_eq!(made.len(), 1);
        assert_eq!(made[0]["outTradeNo"], no.as_str());

        // The order has ended, so another tap creates a second one.
        assert_ne!(order(&page).await, no);
        assert_eq!(orders(&page).await.len(), 2);
    })
    .await;
}

/// Returns the number of answered order requests of this page.
async fn answered(page: &Page) -> u64 {
    let script = "return performance.getEntriesByType('resource')
        .filter((it) => it.name.endsWith('/wxPay') && it.responseEnd > 0).length";
    page.run(script).await.as_u64().unwrap()
}

#[tokio::test]
async fn cancelled_payment_can_be_retried_on_same_order() {
    with_a_page(async |page| {
        page.open("/").await;
        let no = order(&page).await;
        page.tap("#cancel").await;
        page.tap(&format!("[data-pay='{no}']")).await;
        assert_eq!(page.trait_of(ASKED, "data-no").await, no);
        page.write("#password", "12345").await;
        page.tap("#pay").await;
        page.see("#sheet-complaint:not(:empty)").await;
        assert_eq!(
            page.status(&no).await,
            "wait",
            "five digits must be rejected"
        );
        page.write("#password", "6").await;
        page.tap("#pay").await;
        page.see(PAID).await;
        page.tap("#done").await;
        page.see(&format!("#order[data-no='{no}'][data-status=success]"))
            .await;
    })
    .await;
}

#[tokio::test]
async fn my_orders_are_paged_and_private_to_one_customer() {
    with_a_page(async |page| {
        page.open("/").await;
        let openid = page.text("#openid").await;
        let sku = page.trait_of(BUY, "data-buy").await;
        for n in 0..7 {
            let asked = serde_json::json!({ "openid": openid, "sku": sku, "reference": format!("page-{n}") });
            page.post("/wxPay", asked).await;
        }
        page.tap("#reload").await;
        page.see("#orders > :nth-child(5)").await;
        page.tap("#more:not([hidden])").await;
        page.see("#orders > :nth-child(7)").await;
        page.see("#more[hidden]").await;

        let chinese = page.text("#orders-title").await;
        page.tap("#language").await;
        page.see("html[lang=en]").await;
        assert_ne!(page.text("#orders-title").await, chinese);
        assert_eq!(page.count("#orders > [data-status=wait]").await, 7);

        page.tap("#another").await;
        page.see("#no-orders:not([hidden])").await;
        assert_ne!(page.text("#openid").await, openid);
        assert_eq!(page.count("#orders > *").await, 0);
    })
    .await;
}
