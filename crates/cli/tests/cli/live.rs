//! Verbs on a store that a server has open.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::process::Stdio;

use insta::assert_snapshot;
use orderstore::Store;
use orderstore::remote::Received;
use rustix::process::{Pid, Signal, kill_process};

use crate::rig::{Place, Ran, names};
use crate::serve::{Served, serve};
use crate::shop::{ALICE, open_shop, shop};

const SERVE: &str = "serve --listen unix:api.sock --format jsonl";

/// Creates the example store, and serves it.
fn served() -> (Place, Served) {
    let place = shop();
    let served = serve(&place, SERVE);
    (place, served)
}

/// Output without the times of the run. The fixture is of 2022.
fn without_times(ran: Ran) -> String {
    let text = ran.text();
    let mask = |word: &str| {
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        let is_time = word.matches(':').count() == 2 || word.matches('-').count() == 2;
        let is_of_run = is_time && digits >= 6 && !word.contains("2022-");
        match is_of_run || (digits == 13 && !word.contains("16478")) {
            true => "TIME".to_owned(),
            false => word.to_owned(),
        }
    };
    let words = text.split([' ', '\n', ',']).map(mask);
    words.collect::<Vec<_>>().join(" ")
}

const READS: [&str; 15] = [
    "list",
    "list --limit 2 --format json",
    "list --status success --format csv",
    "show order-paid",
    "show order-late --format json",
    "show order-missing",
    "history order-late",
    "history order-unknown --format jsonl",
    "anomalies",
    "due --at 2022-04-01T00:00:00+08:00",
    "refund closed",
    "report --day 2022-03-21",
    "export",
    "export --format csv",
    "verify",
];

/// Changes, and how each of them ends.
const CHANGES: [(&str, i32); 12] = [
    (
        "create --no live-1 --appid wxd2565e6a04246fd1 --yuan 5.00",
        0,
    ),
    (
        "create --no live-1 --appid wxd2565e6a04246fd1 --yuan 6.00",
        1,
    ),
    (
        "confirm live-1 --transaction-id 4200-live --yuan 5.00 --paid-at 2022-03-21",
        0,
    ),
    (
        "confirm live-1 --transaction-id 4200-live --yuan 5.00 --paid-at 2022-03-21",
        0,
    ),
    (
        "refund record order-paid --refund-no back-2 --yuan 1.00 --state success",
        0,
    ),
    ("refund request live-1 --refund-no back-8 --yuan 9.00", 1),
    ("begin-close order-waits", 0),
    ("record-close order-waits --reply closed", 1),
    ("abort-close order-paid", 1),
    (
        "resolve order-short --anomaly 1 --dismiss --note checked",
        0,
    ),
    ("end-order order-waits --note gone", 0),
    ("show order-waits", 0),
];

#[test]
fn verbs_beside_a_server_print_what_they_print_alone() {
    let alone = shop();
    let (place, served) = served();
    for line in READS {
        assert_eq!(place.run(line).text(), alone.run(line).text());
    }
    for (line, code) in CHANGES {
        let (beside, expected) = (place.run(line), alone.run(line).ends(code));
        assert_eq!(without_times(beside), without_times(expected));
    }
    let count = place.run("number --count 3").ends(0);
    assert_eq!(
        count.out.lines().count(),
        alone.run("number --count 3").out.lines().count()
    );
    let stats = place.run("stats --format json").ends(0).json();
    assert_eq!(stats["orders"], 6);
    assert_eq!(served.stop(), 0);
    let (now, expected) = (place.run("export"), alone.run("export"));
    assert_eq!(without_times(now), without_times(expected));
    place.run("verify --pages").ends(0);
}

#[test]
fn store_in_use_is_backed_up_copied_and_imported_into() {
    let (place, served) = served();
    let before = place.run("export").ends(0).out;
    place.run("backup saved").ends(0);
    place.run("restore saved --into restored").ends(0);
    assert_eq!(place.run("export --store restored").ends(0).out, before);
    place.run("copy copied").ends(0);
    place.run("copy shop").ends(3);
    assert_eq!(place.run("export --store copied").ends(0).out, before);
    let refused = place.run("backup saved").ends(6);
    assert!(refused.err.contains("holds a backup"), "{refused:?}");
    place.run("init --store other").ends(0);
    let create = "create --store other --no other-1 --appid wxd2565e6a04246fd1 --yuan 1.00";
    place.run(create).ends(0);
    let books = place.run("export --store other --format jsonl").ends(0).out;
    std::fs::write(place.path("books.jsonl"), books).unwrap();
    place.run("import books.jsonl --exported --dry-run").ends(0);
    place.run("show other-1").ends(1);
    place.run("import books.jsonl --exported").ends(0);
    place.run("show other-1").ends(0);
    assert_eq!(served.stop(), 0);
    place.run("show other-1").ends(0);
}

#[test]
fn verbs_that_need_the_files_refuse_a_store_in_use() {
    let (place, served) = served();
    for (line, code) in [
        ("verify --pages", 3),
        ("repair --into new", 3),
        ("mirror fill --mirror copy", 3),
        ("archive ship --archive archive", 3),
        ("init", 6),
        (SERVE, 3),
    ] {
        place.run(line).ends(code);
    }
    // The refused server has not taken the socket.
    place.run("list").ends(0);
    assert_eq!(served.stop(), 0);
    assert!(!names(&place.path("shop")).contains(&"admin.sock".to_owned()));
}

#[test]
fn standby_that_is_served_can_be_read_and_promoted_after_a_kill() {
    let place = shop();
    place.run("archive ship --archive archive").ends(0);
    let before = place.run("export --archive archive").ends(0).out;
    let on_standby = |verb: &str| place.run(&format!("{verb} --store standby --archive archive"));
    on_standby("follow --once").ends(0);
    let line = format!("{SERVE} --store standby --archive archive");
    let served = serve(&place, &line);
    assert_eq!(on_standby("export").ends(0).out, before);
    on_standby("number").ends(1);
    drop(served);
    assert!(names(&place.path("standby")).contains(&"admin.sock".to_owned()));
    on_standby("promote --old-primary-stopped").ends(0);
    assert_eq!(on_standby("export").ends(0).out, before);
}

#[test]
fn socket_of_killed_server_is_no_obstacle() {
    let (place, served) = served();
    drop(served);
    assert!(names(&place.path("shop")).contains(&"admin.sock".to_owned()));
    place.run("list").ends(0);
    let served = serve(&place, SERVE);
    place.run(&format!("list --openid {ALICE}")).ends(0);
    assert_eq!(served.stop(), 0);
}

#[test]
fn directory_with_long_path_has_an_admin_socket() {
    let place = Place::new();
    let name = "long/".to_owned() + &"x".repeat(200);
    std::fs::create_dir(place.path("long")).unwrap();
    let line = format!("serve --store {name} --init --listen unix:api.sock --format jsonl");
    let served = serve(&place, &line);
    place.run(&format!("list --store {name}")).ends(0);
    assert_eq!(served.stop(), 0);
}

#[test]
fn tail_prints_the_events_of_a_server_as_they_happen() {
    let (place, served) = served();
    let from_start = place.run("tail --from-start --count 3").ends(0);
    assert_snapshot!("tail", from_start.text());
    place.run("tail --from-start --format json").ends(2);
    place
        .run("tail --after 0000000000000001-7 --count 1")
        .ends(2);
    let words = ["tail", "--format", "jsonl"];
    let mut tail = place.command(&words);
    let mut tail = tail
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    // The verb begins at some time with the end of the feed, so repeat the change.
    let (sent, received) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || sent.send(lines.next().unwrap().unwrap()));
    let mut n = 0;
    let line = loop {
        n += 1;
        let create = format!("create --no new-{n} --appid wxd2565e6a04246fd1 --yuan 1.00");
        place.run(&create).ends(0);
        match received.recv_timeout(std::time::Duration::from_millis(100)) {
            Ok(line) => break line,
            Err(_) => assert!(n < 300, "no event is printed"),
        }
    };
    reader.join().unwrap().unwrap();
    let event: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert!(event["outTradeNo"].as_str().unwrap().starts_with("new-"));
    assert_eq!(event["event"], "created");
    kill_process(Pid::from_child(&tail), Signal::TERM).unwrap();
    let ended = tail.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    let advice = String::from_utf8(ended.stderr).unwrap();
    let cursor = advice.trim().rsplit(' ').next().unwrap().to_owned();
    let rest = place
        .run(&format!("tail --after {cursor} --count 0"))
        .ends(0);
    assert!(rest.err.contains("continue with"), "{rest:?}");
    assert_eq!(served.stop(), 0);
}

#[test]
fn top_prints_the_load_of_a_server() {
    let (place, served) = served();
    place.run("number").ends(0);
    let create = "create --no top-1 --appid wxd2565e6a04246fd1 --yuan 1.00";
    place.run(create).ends(0);
    let table = place.run("top --count 2").ends(0);
    assert_eq!(table.out.lines().count(), 3, "{table:?}");
    let rows = place.run("top --count 1 --format jsonl").ends(0);
    let row: serde_json::Value = serde_json::from_str(&rows.out).unwrap();
    assert_eq!(
        (&row["health"], &row["archive"]),
        (&"ok".into(), &"off".into())
    );
    assert_eq!((&row["commands"], &row["wait"]), (&1.into(), &3.into()));
    assert_eq!(
        (&row["anomalies"], &row["unclaimed"]),
        (&3.into(), &1.into())
    );
    assert_eq!(served.stop(), 0);
    let refused = place.run("top").ends(2);
    assert!(
        refused.err.contains("no server has the store open"),
        "{refused:?}"
    );
}

/// Listens on the admin socket of a store that this process has open. Applies changes, and then sends
/// `reply` in place of their answer. Answers everything else.
fn listen(place: &Place, store: Store, reply: &'static str) {
    let listener = UnixListener::bind(place.path("shop/admin.sock")).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut len = 0;
            let head = stream.by_ref().lines().map_while(Result::ok);
            for line in head.take_while(|line| !line.is_empty()) {
                if let Some(text) = line.strip_prefix("content-length: ") {
                    len = text.parse().unwrap();
                }
            }
            let mut body = vec![0; len];
            stream.read_exact(&mut body).unwrap();
            if len == 0 {
                // The program looks whether anybody listens.
                continue;
            }
            let answer = Received::read(&body).answer(&store);
            let is_change = body.windows(9).any(|part| part == b"\"execute\"");
            let stream = stream.get_mut();
            let sent = match is_change {
                true => stream.write_all(reply.as_bytes()),
                false => {
                    let len = answer.len();
                    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {len}\r\n\r\n");
                    stream.write_all(&[head.as_bytes(), &answer].concat())
                }
            };
            sent.unwrap();
        }
    });
}

#[test]
fn change_without_an_answer_is_unknown_and_can_be_repeated() {
    for reply in [
        "",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{",
        "HTTP/1.1 503 Late\r\ncontent-length: 32\r\n\r\n{\"detail\":\"late\",\"effect\":\"none\"}",
        "HTTP/1.1 500 Bad\r\ncontent-length: 0\r\n\r\n",
    ] {
        let place = Place::new();
        let shop = open_shop(&place);
        listen(&place, shop.store.clone(), reply);
        let create = "create --no live-1 --appid wxd2565e6a04246fd1 --yuan 5.00";
        place.run(create).ends(7);
        shop.store.shutdown().wait().unwrap();
        let repeated = place.run(&format!("{create} --format json")).ends(0);
        assert_eq!(repeated.json()["outcome"], "exists", "{reply}");
    }
}
