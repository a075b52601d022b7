//! Limits of requests: size, form, origin and time.

use std::io::ErrorKind;
use std::time::Duration;

use payment_server::{Config, Fault, Point};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::{LIMIT, Shop, without_a_sweeper};

#[tokio::test]
async fn oversized_body_is_rejected_by_every_route() {
    let shop = Shop::open(without_a_sweeper()).await;
    let long = json!({ "openid": "o".repeat(64 << 10) });
    for path in [
        "/wxPay",
        "/payCallBack",
        "/notify/v3",
        "/orders/A0000001/refund",
    ] {
        let refused = shop.post(path, long.clone()).await;
        assert_eq!(refused.status, 413, "{path}");
    }
    shop.close().await;
}

#[tokio::test]
async fn non_json_body_is_rejected() {
    let shop = Shop::open(without_a_sweeper()).await;
    let refused = shop
        .client
        .send("/wxPay", &[], "{".to_owned())
        .await
        .unwrap();
    assert_eq!(
        (refused.status, refused.at("/code")),
        (400, &json!("badBody"))
    );
    shop.close().await;
}

#[tokio::test]
async fn cross_site_request_is_rejected() {
    let shop = Shop::open(without_a_sweeper()).await;
    let body = json!({ "openid": "oCustomer", "sku": "tea", "reference": "r" }).to_string();
    for origin in ["http://elsewhere.example", "null", "http://127.0.0.1:1"] {
        let headers = [("origin", origin)];
        let sent = shop.client.send("/wxPay", &headers, body.clone());
        let refused = sent.await.unwrap();
        assert_eq!(
            (refused.status, refused.at("/code")),
            (403, &json!("foreignPage"))
        );
    }
    shop.close().await;
}

#[tokio::test]
async fn request_with_unknown_host_name_is_rejected() {
    let config = Config {
        hosts: vec!["pay.example".to_owned()],
        ..without_a_sweeper()
    };
    let shop = Shop::open(config).await;
    let body = json!({ "openid": "oCustomer", "sku": "tea", "reference": "r" }).to_string();
    for host in [
        "evil.example",
        "evil.example:8080",
        "127.0.0.1.evil.example",
    ] {
        // In a DNS rebinding attack, the browser sends the attacker's host name in both headers.
        let origin = format!("http://{host}");
        for headers in [
            vec![("host", host), ("origin", origin.as_str())],
            vec![("host", host)],
        ] {
            let sent = shop.client.send("/wxPay", &headers, body.clone()).await;
            let refused = sent.unwrap();
            assert_eq!(
                (refused.status, refused.at("/code")),
                (421, &json!("unknownHost")),
                "{headers:?}"
            );
        }
    }
    assert!(shop.stand_in.trades().is_empty());
    for host in ["pay.example", "localhost:8080", "[::1]:8080"] {
        let origin = format!("https://{host}");
        let headers = [("host", host), ("origin", origin.as_str())];
        let sent = shop.client.send("/wxPay", &headers, body.clone()).await;
        assert_eq!(sent.unwrap().status, 200, "{host}");
    }
    shop.close().await;
}

/// Opens a raw TCP connection.
async fn connect(shop: &Shop) -> TcpStream {
    let address = shop.url().strip_prefix("http://").unwrap().to_owned();
    TcpStream::connect(address).await.unwrap()
}

/// Reads until the server closes the connection. A reset counts as closed.
async fn closed_by_server(mut connection: TcpStream) -> String {
    let mut bytes = Vec::new();
    let reading = connection.read_to_end(&mut bytes);
    let read = timeout(LIMIT, reading)
        .await
        .expect("the connection was not closed");
    drop(read);
    String::from_utf8(bytes).unwrap()
}

const REQUEST: &[u8] = b"GET /goods HTTP/1.1\r\nhost: localhost\r\n\r\n";

#[tokio::test]
async fn idle_or_incomplete_connection_is_closed() {
    let config = Config {
        header_limit: Duration::from_millis(300),
        ..without_a_sweeper()
    };
    let shop = Shop::open(config).await;
    for sent in [b"".as_slice(), b"GET /goods HTT", &REQUEST[..30]] {
        let mut connection = connect(&shop).await;
        connection.write_all(sent).await.unwrap();
        let response = closed_by_server(connection).await;
        assert!(!response.contains("200 OK"), "{response}");
    }
    // The server also closes a connection that stays idle after one request.
    let mut connection = connect(&shop).await;
    connection.write_all(REQUEST).await.unwrap();
    let response = closed_by_server(connection).await;
    assert!(response.starts_with("HTTP/1.1 200 OK"), "{response}");
    shop.close().await;
}

#[tokio::test]
async fn request_without_its_body_times_out() {
    let config = Config {
        header_limit: Duration::from_millis(300),
        request_limit: Duration::from_millis(300),
        ..without_a_sweeper()
    };
    let shop = Shop::open(config).await;
    let mut connection = connect(&shop).await;
    let head = b"POST /wxPay HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99\r\n\r\n{";
    connection.write_all(head).await.unwrap();
    let response = closed_by_server(connection).await;
    assert!(response.starts_with("HTTP/1.1 503"), "{response}");
    shop.close().await;
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_free_slot() {
    let config = Config {
        connections: 1,
        ..without_a_sweeper()
    };
    let shop = Shop::open(config).await;
    let mut first = connect(&shop).await;
    ask(&mut first).await;
    let mut second = connect(&shop).await;
    second.write_all(REQUEST).await.unwrap();
    // The first connection gets many answers; the second one waits for a slot.
    for _ in 0..50 {
        ask(&mut first).await;
    }
    let waits = second.try_read(&mut [0]).unwrap_err();
    assert_eq!(waits.kind(), ErrorKind::WouldBlock);
    drop(first);
    answered(&mut second).await;
    drop(second);
    shop.close().await;
}

async fn ask(connection: &mut TcpStream) {
    connection.write_all(REQUEST).await.unwrap();
    answered(connection).await;
}

/// Reads one complete answer: the list of goods, which ends with a bracket.
async fn answered(connection: &mut TcpStream) {
    let (mut answer, mut some) = (Vec::new(), [0; 1024]);
    while !answer.ends_with(b"]") {
        let reading = timeout(LIMIT, connection.read(&mut some)).await;
        let count = reading.expect("no answer came").unwrap();
        assert_ne!(count, 0, "closed without an answer");
        answer.extend_from_slice(&some[..count]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn slow_request_times_out_but_its_command_completes() {
    let config = Config {
        request_limit: Duration::from_millis(300),
        channel_limit: Duration::from_secs(30),
        ..without_a_sweeper()
    };
    let shop = Shop::open(config).await;
    shop.stand_in.break_at(Point::Prepay, Fault::Mute);
    let late = shop.tap("oCustomer").await;
    assert_eq!((late.status, late.at("/code")), (503, &json!("timeout")));
    let kept = shop.get("/orders").await;
    assert_eq!(*kept.at("/orders/0/status"), "wait");
    shop.stand_in.mend(Point::Prepay);
    let no = shop.buy("oCustomer").await;
    assert_eq!(*kept.at("/orders/0/outTradeNo"), no.as_str());
    shop.close().await;
}
