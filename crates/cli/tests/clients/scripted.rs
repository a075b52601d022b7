//! A server that fails by a script: it cuts replies, refuses, and ends batches half done.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::languages::Language;

/// Outcomes of the driver's `rules`.
const RULES: &str = "\
cut unknown 503 poisoned
busy existsWithDifferent
poisoned notApplied 503 poisoned
half exists
batch created exists created
get none 404 order-not-found
dead notApplied 0 disconnected
";

/// Requests that the server received.
#[derive(Default)]
struct Seen {
    connections: usize,
    /// Bodies, by order number or `batch`, each with the time of its arrival.
    bodies: BTreeMap<String, Vec<(String, Instant)>>,
    tokens: Vec<String>,
}

/// Answer of the script.
enum Answer {
    Reply(Value),
    Problem(Value, Option<u64>),
    /// Part of a reply, and then the end of the connection.
    Half(Value),
    Cut,
}

/// Asserts that the client repeats requests by the rules of the manual.
pub(crate) fn rules(language: &'static Language) {
    let Some(program) = language.program() else {
        return;
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Seen::default()));
    let shared = Arc::clone(&seen);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let seen = Arc::clone(&shared);
            thread::spawn(move || serve(&stream.unwrap(), &seen));
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let printed = program.run(dir.path(), "driver", &["rules", &address]);
    assert_eq!(printed, RULES);

    let seen = seen.lock().unwrap();
    assert!(seen.tokens.iter().all(|token| token == "Bearer secret"));
    // Each broken connection needs another one, and no other request does.
    assert_eq!(seen.connections, 3);
    let of = |no: &str| &seen.bodies[no];
    // After an unknown outcome, the client repeats even what it would not repeat otherwise.
    assert!(of("cut").len() > 2);
    assert_eq!(of("poisoned").len(), 1);
    assert_eq!((of("busy").len(), of("half").len()), (2, 2));
    let waited = of("busy")[1].1 - of("busy")[0].1;
    assert!(waited >= Duration::from_secs(1), "{waited:?}");
    for no in ["cut", "busy", "half"] {
        let (first, _) = &of(no)[0];
        assert!(of(no).iter().all(|(body, _)| body == first), "{no}");
    }
    // A batch repeats only the commands without a reply.
    let batches = of("batch").iter().map(|(body, _)| {
        let body: Value = serde_json::from_str(body).unwrap();
        let commands = body["commands"].as_array().unwrap().iter();
        let nos = commands.map(|command| command["outTradeNo"].as_str().unwrap().to_owned());
        nos.collect::<String>()
    });
    assert_eq!(batches.collect::<Vec<_>>(), ["ABC", "BC", "B"]);
}

/// Answers the requests of one connection.
fn serve(stream: &TcpStream, seen: &Mutex<Seen>) {
    let mut reader = BufReader::new(stream);
    let mut is_first = true;
    while let Some((path, token, body)) = request(&mut reader) {
        let key = match path.as_str() {
            "/v1/batch" => "batch".to_owned(),
            "/v1/orders" => {
                let fields: Value = serde_json::from_str(&body).unwrap();
                fields["outTradeNo"].as_str().unwrap().to_owned()
            }
            _ => path.rsplit('/').next().unwrap().to_owned(),
        };
        let mut seen = seen.lock().unwrap();
        seen.connections += usize::from(is_first);
        is_first = false;
        seen.tokens.push(token);
        let bodies = seen.bodies.entry(key.clone()).or_default();
        bodies.push((body, Instant::now()));
        let count = bodies.len();
        drop(seen);
        if !write(stream, answer(&key, count)) {
            return;
        }
    }
}

/// Reads a request: its path, token and body. `None` at the end of the connection.
fn request(reader: &mut BufReader<&TcpStream>) -> Option<(String, String, String)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|&len| len > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let (mut token, mut length) = (String::new(), 0);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(": ") else {
            break;
        };
        match name.to_lowercase().as_str() {
            "authorization" => value.clone_into(&mut token),
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((path, token, String::from_utf8(body).unwrap()))
}

/// Returns the answer to the `count`-th request of an order.
fn answer(no: &str, count: usize) -> Answer {
    use Answer::{Cut, Half, Problem, Reply};
    let created = reply(&json!("created"));
    let exists = reply(&json!("exists"));
    let results = |results: Value| Reply(json!({ "results": results }));
    let poisoned = problem("poisoned", 503, "notApplied");
    let mut passing = problem("overloaded", 429, "notApplied");
    passing["retryAfter"] = json!(1);
    match (no, count) {
        ("cut", 1) => Cut,
        ("busy", 1) => Problem(problem("overloaded", 429, "notApplied"), Some(1)),
        ("busy", _) => Reply(reply(
            &json!({ "existsWithDifferent": { "field": "totalFee" } }),
        )),
        ("half", 1) => Half(exists),
        ("half", _) => Reply(exists),
        ("batch", 1) => results(json!([
            { "reply": created },
            { "problem": problem("outcome-unknown", 500, "unknown") },
            { "problem": passing },
        ])),
        // The first copy of B is still unknown, so B is sent again.
        ("batch", 2) => results(json!([{ "problem": poisoned }, { "reply": created }])),
        ("batch", _) => results(json!([{ "reply": exists }])),
        ("none", _) => Problem(problem("order-not-found", 404, "none"), None),
        _ => Problem(poisoned, None),
    }
}

fn reply(outcome: &Value) -> Value {
    json!({ "outcome": outcome, "acknowledge": true, "order": null })
}

fn problem(kind: &str, status: u16, effect: &str) -> Value {
    let urn = format!("urn:orderstore:problem:{kind}");
    json!({ "type": urn, "title": "A title", "status": status, "detail": "Why", "effect": effect })
}

/// Writes an answer, and returns whether the connection goes on.
fn write(mut stream: &TcpStream, answer: Answer) -> bool {
    let (status, body, retry_after, part) = match answer {
        Answer::Cut => return false,
        Answer::Half(body) => (200, body, None, 2),
        Answer::Reply(body) => (200, body, None, 1),
        Answer::Problem(body, retry_after) => {
            let status = body["status"].as_u64().unwrap();
            (status, body, retry_after, 1)
        }
    };
    let body = body.to_string();
    let after = retry_after.map(|seconds| format!("retry-after: {seconds}\r\n"));
    let head = format!(
        "HTTP/1.1 {status} Answer\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{}\r\n",
        body.len(),
        after.unwrap_or_default()
    );
    let text = head + &body[..body.len() / part];
    stream.write_all(text.as_bytes()).unwrap();
    part == 1
}
