//! `serve`: the program as the server of a store.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::rig::Place;

/// Running server, and the address on which it listens.
pub(crate) struct Served {
    child: Child,
    listen: String,
}

pub(crate) fn serve(place: &Place, line: &str) -> Served {
    let words: Vec<&str> = line.split(' ').collect();
    let mut command = place.command(&words);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut row = String::new();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    output.read_line(&mut row).unwrap();
    let row: Value = serde_json::from_str(&row).unwrap();
    assert_eq!(row["outcome"], "serving");
    let listen = row["listen"].as_str().unwrap().to_owned();
    Served { child, listen }
}

impl Served {
    /// Sends a request, and returns the status and the body.
    fn ask(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(&self.listen).unwrap();
        let len = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {len}\r\n\r\n{body}"
        )
        .unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap())
    }

    pub(crate) fn stop(mut self) -> i32 {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).unwrap();
        self.child.wait().unwrap().code().unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It has ended already, unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const ORDER: &str = r#"{"outTradeNo":"tea-0001","appid":"wxd2565e6a04246fd1","totalFee":1990}"#;

#[test]
fn served_store_takes_orders_until_it_is_stopped() {
    let place = Place::new();
    let served = serve(&place, "serve --init --listen 127.0.0.1:0 --format jsonl");
    let (status, reply) = served.ask("POST", "/v1/orders", ORDER);
    assert_eq!((status, &reply["outcome"]), (200, &"created".into()));
    assert_eq!(served.stop(), 0);
    let shown = place.run("show tea-0001 --format json");
    assert_eq!(shown.code, 0, "{shown:?}");
    let served = serve(&place, "serve --listen 127.0.0.1:0 --format jsonl");
    let (status, order) = served.ask("GET", "/v1/orders/tea-0001", "");
    assert_eq!((status, &order["totalFee"]), (200, &1990.into()));
    assert_eq!(served.stop(), 0);
}

#[test]
fn server_needs_a_store_and_a_place_of_its_own() {
    let place = Place::new();
    let missing = place.run("serve --listen 127.0.0.1:0");
    assert_eq!(missing.code, 6, "{missing:?}");
    for (listen, why) in [
        ("0.0.0.0:0", "loopback"),
        ("nowhere", "unix:PATH"),
        ("unix:", "unix:PATH"),
    ] {
        let refused = place.run(&format!("serve --init --listen {listen}"));
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(refused.err.contains(why), "{refused:?}");
    }
    // A refused place leaves no store behind.
    assert!(place.names().is_empty(), "{:?}", place.names());
    place.run("init");
    let served = serve(&place, "serve --listen unix:api.sock --format jsonl");
    assert_eq!(served.listen, "unix:api.sock");
    place.run("init --store other");
    let refused = place.run("serve --store other --listen unix:api.sock");
    assert_eq!(refused.code, 3, "{refused:?}");
    assert_eq!(served.stop(), 0);
    assert!(!place.names().contains(&"api.sock".to_owned()));
}
