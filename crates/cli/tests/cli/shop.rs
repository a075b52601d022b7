//! Test fixture: a store with example orders in different states, created at fixed times.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use orderstore::{
    AppId, Attach, CloseReply, Description, Fen, MchId, Metadata, NewOrder, NewRefund, OpenId,
    OrderNo, Payment, Prepay, PrepayKind, PrepayValue, Reference, RefundFact, RefundNo,
    RefundState, Source, Store, Timestamp, TransactionId,
};

use crate::rig::Place;

/// Openids of two users.
pub(crate) const ALICE: &str = "oZWaC4xeOVCUkip5njeEeXi1TEsk";
pub(crate) const BOB: &str = "oZWaC4wQm1VbYy0l5Xy6Zb3o9pQs";
/// Telephone number in the metadata of every order.
pub(crate) const PHONE: &str = "13800138000";
/// Secret value of a prepay.
pub(crate) const PREPAY: &str = "wx201410272009395522657a690389285100";

/// Initial time of the test clock in Unix milliseconds: 2022-03-21 13:00:00 in Beijing.
const OPENS: i64 = 1_647_838_800_000;

pub(crate) fn no(text: &str) -> OrderNo {
    OrderNo::parse(text).unwrap()
}

/// Store with a test clock. Every method except `init` first advances the clock by one minute.
pub(crate) struct Shop {
    pub(crate) store: Store,
    clock: Arc<AtomicI64>,
}

impl Shop {
    pub(crate) fn init(place: &Place) -> Self {
        let clock = Arc::new(AtomicI64::new(OPENS));
        let read = Arc::clone(&clock);
        let now = move || Timestamp::from_millis(read.load(Ordering::Relaxed)).unwrap();
        let builder = Store::builder().clock(now);
        let store = builder.init(place.path("shop")).unwrap();
        Self { store, clock }
    }

    fn tick(&self) -> Timestamp {
        let before = self.clock.fetch_add(60_000, Ordering::Relaxed);
        Timestamp::from_millis(before + 60_000).unwrap()
    }

    pub(crate) fn create(&self, number: &str, yuan: &str, openid: &str) {
        self.tick();
        let new = NewOrder::new(
            AppId::parse("wxd2565e6a04246fd1").unwrap(),
            Fen::parse_yuan(yuan).unwrap(),
        );
        let new = new
            .unwrap()
            .openid(OpenId::parse(openid).unwrap())
            .mch_id(MchId::parse("1712734762").unwrap())
            .description(Description::parse("红茶, two cups").unwrap())
            .attach(Attach::parse("table 5").unwrap())
            .metadata(Metadata::new(PHONE).unwrap())
            .reference(Reference::parse(&format!("R-{number}")).unwrap());
        let _ = self.store.create(no(number), new).wait().unwrap();
    }

    pub(crate) fn pay(&self, number: &str, transaction: &str, yuan: &str, openid: &str) {
        let fee = Fen::parse_yuan(yuan).unwrap();
        let transaction = TransactionId::parse(transaction).unwrap();
        let payment = Payment::new(transaction, fee, self.tick(), Source::CALLBACK);
        let mut payment = payment.unwrap();
        payment.openid = Some(OpenId::parse(openid).unwrap());
        let _ = self.store.confirm(no(number), payment).wait().unwrap();
    }

    fn close(&self, number: &str) {
        self.tick();
        let _ = self.store.begin_close(no(number)).wait().unwrap();
        self.tick();
        let reply = CloseReply::Closed;
        let _ = self.store.record_close(no(number), reply).wait().unwrap();
        let state = orderstore::ChannelState::Closed;
        let _ = self.store.record_query(no(number), state).wait().unwrap();
    }

    fn refund(&self, number: &str, refund: &str, transaction: &str, yuan: &str) {
        self.tick();
        let refund_no = RefundNo::parse(refund).unwrap();
        let transaction = TransactionId::parse(transaction).unwrap();
        let amount = Fen::parse_yuan(yuan).unwrap();
        let refund = NewRefund::new(refund_no, transaction, amount).unwrap();
        let call = self.store.request_refund(no(number), refund);
        let _ = call.wait().unwrap();
    }

    fn refunded(&self, number: &str, refund: &str, transaction: &str, yuan: &str) {
        let fact = RefundFact::new(
            RefundNo::parse(refund).unwrap(),
            TransactionId::parse(transaction).unwrap(),
            Fen::parse_yuan(yuan).unwrap(),
            RefundState::Success,
        );
        let fact = fact.unwrap().with_success_at(self.tick());
        let _ = self.store.record_refund(no(number), fact).wait().unwrap();
    }

    fn prepay(&self, number: &str) {
        self.tick();
        let prepay = Prepay::new(PrepayKind::Jsapi, PrepayValue::parse(PREPAY).unwrap());
        let call = self.store.record_prepay(no(number), prepay);
        let _ = call.wait().unwrap();
    }

    fn hide(&self, number: &str) {
        self.tick();
        let _ = self.store.hide(no(number)).wait().unwrap();
    }
}

/// Creates the store `shop` with its example orders in a temporary directory, and closes it.
pub(crate) fn shop() -> Place {
    let place = Place::new();
    let shop = open_shop(&place);
    shop.store.shutdown().wait().unwrap();
    place
}

/// Creates the store `shop` with its example orders, and leaves the store open.
pub(crate) fn open_shop(place: &Place) -> Shop {
    let shop = Shop::init(place);
    shop.create("order-waits", "8.80", ALICE);
    shop.prepay("order-waits");
    shop.create("order-paid", "19.90", ALICE);
    shop.pay("order-paid", "4200-paid", "19.90", ALICE);
    shop.refund("order-paid", "back-1", "4200-paid", "0.60");
    shop.refunded("order-paid", "back-1", "4200-paid", "0.60");
    shop.refund("order-paid", "back-2", "4200-paid", "1.00");
    shop.create("order-closed", "5.00", BOB);
    shop.close("order-closed");
    shop.hide("order-closed");
    shop.create("order-late", "7.00", BOB);
    shop.close("order-late");
    shop.pay("order-late", "4200-late", "7.00", BOB);
    shop.create("order-short", "100.00", BOB);
    shop.pay("order-short", "4200-short", "10.00", BOB);
    shop.pay("order-unknown", "4200-early", "3.00", BOB);
    shop
}
