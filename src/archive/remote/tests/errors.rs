//! Answers of an object store that fails, from a server that plays a script.

use std::io::{self, BufRead, BufReader, ErrorKind, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use reqwest::Url;

use super::names;
use crate::archive::remote::bucket::Bucket;
use crate::archive::remote::place::Place;
use crate::archive::remote::{Remote, open};
use crate::archive::storage::ArchiveStorage;

const CREATED: &str = "200 OK\r\nETag: \"1\"\r\nContent-Length: 0\r\n\r\n";
const ABSENT: &str = "404 Not Found\r\nContent-Length: 0\r\n\r\n";
const CONFLICT: &str = "409 Conflict\r\nContent-Length: 0\r\n\r\n";
const EXISTS: &str = "412 Precondition Failed\r\nContent-Length: 0\r\n\r\n";
const FOUND: &str = "200 OK\r\nETag: \"1\"\r\nLast-Modified: Mon, 21 Mar 2022 05:20:07 GMT\r\n\
                     Content-Length: 5\r\n\r\n";
const BUSY: &str = "503 Slow Down\r\nContent-Length: 0\r\n\r\n";
/// Closes the connection after the request.
const LOST: &str = "";

/// Starts a server that gives one answer for each request, and returns a storage on it. The channel
/// receives the method of each request.
fn scripted(answers: &[&str]) -> (Remote, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let answers: Vec<String> = answers.iter().map(|answer| (*answer).to_owned()).collect();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || -> io::Result<()> {
        for answer in answers {
            let (mut stream, _) = listener.accept()?;
            let mut reader = BufReader::new(stream.try_clone()?);
            let (mut method, mut length) = (None, 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line)?;
                method =
                    method.or_else(|| line.split_once(' ').map(|(method, _)| method.to_owned()));
                let Some((field, value)) = line.split_once(": ") else {
                    if line.trim().is_empty() {
                        break;
                    }
                    continue;
                };
                if field.eq_ignore_ascii_case("content-length") {
                    length = value.trim().parse().unwrap();
                }
            }
            reader.read_exact(&mut vec![0; length])?;
            drop(sender.send(method.unwrap()));
            if !answer.is_empty() {
                let answer = answer.replacen("\r\n", "\r\nConnection: close\r\n", 1);
                stream.write_all(format!("HTTP/1.1 {answer}").as_bytes())?;
            }
        }
        Ok(())
    });
    let builder = AmazonS3Builder::new()
        .with_endpoint(endpoint)
        .with_allow_http(true)
        .with_access_key_id("AKIASECRET")
        .with_secret_access_key("secret");
    let url = Url::parse("s3://bucket").unwrap();
    let [store, once] = open::s3(builder, &url).unwrap();
    let prefix = Path::parse("shop").unwrap();
    let place = Place::Bucket(Bucket {
        store,
        once,
        prefix,
    });
    (Remote::start("s3://bucket/shop", place).unwrap(), receiver)
}

fn with_body(status: &str, body: &str) -> String {
    format!("{status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn refused_write_is_absent_object() {
    let (storage, _) = scripted(&[EXISTS, FOUND]);
    assert!(!storage.put_if_absent("state", b"1").unwrap());
}

/// A second request would find the object of the first one and report another writer.
#[test]
fn write_with_lost_answer_fails_and_is_not_repeated() {
    for answer in [LOST, BUSY] {
        let (storage, requests) = scripted(&[answer, EXISTS, FOUND]);
        storage.put_if_absent("state", b"1").unwrap_err();
        assert_eq!(requests.try_iter().collect::<Vec<_>>(), ["PUT"], "{answer}");
    }
}

#[test]
fn conflict_without_an_object_is_tried_again() {
    let (storage, requests) = scripted(&[CONFLICT, ABSENT, CREATED]);
    assert!(storage.put_if_absent("state", b"1").unwrap());
    assert_eq!(
        requests.try_iter().collect::<Vec<_>>(),
        ["PUT", "HEAD", "PUT"]
    );
    let (storage, _) = scripted(&[CONFLICT, FOUND]);
    assert!(!storage.put_if_absent("state", b"1").unwrap());
}

#[test]
fn other_requests_are_repeated() {
    let (storage, requests) = scripted(&[BUSY, LOST, CREATED, BUSY, ABSENT]);
    storage.put("state", b"1").unwrap();
    assert_eq!(storage.get("state").unwrap(), None);
    let requests: Vec<_> = requests.try_iter().collect();
    assert_eq!(requests, ["PUT", "PUT", "PUT", "GET", "GET"]);
}

#[test]
fn absent_bucket_is_not_an_empty_archive() {
    let body = "<Error><Code>NoSuchBucket</Code><BucketName>bucket</BucketName></Error>";
    let answer = with_body("404 Not Found", body);
    let (storage, _) = scripted(&[&answer, &answer, &answer]);
    assert!(
        storage
            .get("state")
            .unwrap_err()
            .to_string()
            .contains("NoSuchBucket")
    );
    storage.list("wal/").unwrap_err();
    storage.delete("state").unwrap_err();
}

#[test]
fn error_text_shows_cause_and_no_credentials() {
    for body in [
        "<Error><Code>InvalidAccessKeyId</Code><AWSAccessKeyId>AKIASECRET</AWSAccessKeyId></Error>",
        "InvalidAccessKeyId AKIASECRET",
        r#"{"key": "AKIASECRET"}"#,
    ] {
        let (storage, _) = scripted(&[&with_body("403 Forbidden", body)]);
        let error = storage.get("state").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        let text = error.to_string();
        assert!(text.contains("403 Forbidden"), "{text}");
        assert!(text.contains("shop/state"), "{text}");
        assert_eq!(
            text.contains("InvalidAccessKeyId"),
            body.starts_with('<'),
            "{text}"
        );
        assert!(!text.contains("AKIA"), "{text}");
        assert!(!format!("{error:?} {storage:?}").contains("AKIA"));
    }
}

#[test]
fn call_ends_if_server_does_not_answer() {
    let (storage, _requests) = scripted(&[]);
    let started = Instant::now();
    let never = |_| async { std::future::pending::<io::Result<()>>().await };
    let error = storage.run(Duration::from_millis(100), never).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(error.to_string().contains("s3://bucket/shop"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn list_names_objects_below_archive() {
    let object = |key: &str| {
        format!(
            "<Contents><Key>{key}</Key><LastModified>2022-03-21T05:20:07.250Z</LastModified>\
             <ETag>1</ETag><Size>7</Size></Contents>"
        )
    };
    let [second, first] = ["shop/wal/2", "shop/wal/1"].map(object);
    let body = format!("<ListBucketResult>{second}{first}</ListBucketResult>");
    let answer = with_body("200 OK", &body);
    let (storage, _) = scripted(&[&answer, &answer]);
    assert_eq!(names(&storage, "wal/"), ["wal/1", "wal/2"]);
    let object = storage.list("wal/2").unwrap().remove(0);
    assert_eq!(object.bytes, 7);
    assert_eq!(object.modified.to_string(), "2022-03-21T05:20:07.250Z");
}
