//! Tests of the reader that splits an input into records with positions.

use std::io::{self, BufReader, Read};

use proptest::prelude::*;

use super::framed::RECORD_MAX;
use super::*;
use crate::transfer::error::Reason;
use crate::transfer::position::Position;

/// Reads all records: the position of each, with its text or the reason of its refusal.
fn read<R: BufRead>(mut input: Input<R>) -> Vec<(String, Result<String, Reason>)> {
    let mut found = Vec::new();
    while let Some(framed) = input.next().unwrap() {
        let body = framed.body.map(|body| match body {
            Body::Object(json) => json.to_owned(),
            Body::Row(row) => {
                let cells = row.cells().map(|(name, cell)| format!("{name}={cell}"));
                cells.collect::<Vec<_>>().join(";")
            }
        });
        found.push((framed.place.to_string(), body));
    }
    found
}

/// Reads JSON in one piece and byte by byte. Both must give the same records.
fn json(text: &[u8]) -> Vec<(String, Result<String, Reason>)> {
    let whole = read(Input::json(text));
    let parts = BufReader::with_capacity(1, text);
    assert_eq!(read(Input::json(parts)), whole);
    whole
}

fn csv(text: &[u8]) -> Vec<(String, Result<String, Reason>)> {
    read(Input::csv(text))
}

fn ok(place: &str, text: &str) -> (String, Result<String, Reason>) {
    (place.to_owned(), Ok(text.to_owned()))
}

fn bad(place: &str, reason: Reason) -> (String, Result<String, Reason>) {
    (place.to_owned(), Err(reason))
}

#[test]
fn json_objects_on_any_number_of_lines_are_read() {
    let text = "{\"a\":1}\r\n\n  {\"b\":{\"}\":\"\\\"{\"}}{\n  \"c\": [\n    {}\n  ]\n}\n";
    let expected = [
        ok("1:1:0", "{\"a\":1}"),
        ok("2:3:12", "{\"b\":{\"}\":\"\\\"{\"}}"),
        ok("3:3:29", "{\n  \"c\": [\n    {}\n  ]\n}"),
    ];
    assert_eq!(json(text.as_bytes()), expected);
    let marked = [b"\xef\xbb\xbf", text.as_bytes()].concat();
    assert_eq!(json(&marked)[0], ok("1:1:3", "{\"a\":1}"));
    assert_eq!(json(b""), []);
    assert_eq!(json(b" \n\n"), []);
}

#[test]
fn incomplete_json_object_does_not_affect_others() {
    let expected = [
        bad("1:1:0", Reason::Incomplete),
        ok("2:2:9", "{\"b\":2}"),
        bad("3:3:17", Reason::Incomplete),
        ok("4:4:28", "{\"d\":4}"),
        bad("5:5:36", Reason::Incomplete),
    ];
    let text = b"{\"a\":[1,\n{\"b\":2}\n{\"c\":\"open\n{\"d\":4}\n{\"e\"";
    assert_eq!(json(text), expected);
}

#[test]
fn non_object_json_is_refused_up_to_next_object() {
    let expected = [
        bad("1:1:0", Reason::NotObject),
        ok("2:3:7", "{\"a\":1}"),
        bad("3:3:14", Reason::NotObject),
        ok("4:4:17", "{\"b\":2}"),
    ];
    assert_eq!(json(b"x\n  {}\n{\"a\":1},x\n{\"b\":2}"), expected);
}

#[test]
fn json_array_is_read_with_any_line_breaks() {
    let records = |text: &str| -> Vec<_> {
        let found = json(text.as_bytes());
        found.into_iter().map(|(_, body)| body.unwrap()).collect()
    };
    let objects = ["{\"a\":[{},\"}],\"]}", "{\"b\":2}"];
    let [first, second] = objects;
    for text in [
        format!("[{first},{second}]"),
        format!("[\n{first},\n{second}\n]\n"),
        format!("  [ {first}\n, {second} ]"),
        format!("\u{feff}[{first}\r\n,{second}]"),
        format!("[{first}]\n[{second}]"),
        format!("[{first}]{second}"),
    ] {
        assert_eq!(records(&text), objects, "{text}");
    }
    assert_eq!(records("[]"), [""; 0]);
    assert_eq!(records("[\n{\n\"a\":\n{}\n}\n]"), ["{\n\"a\":\n{}\n}"]);
}

#[test]
fn invalid_array_element_does_not_affect_others() {
    let expected = [
        ok("1:1:1", "{}"),
        bad("2:1:4", Reason::NotObject),
        bad("3:1:7", Reason::NotObject),
        bad("4:1:22", Reason::NotObject),
        ok("5:1:28", "{\"b\":2}"),
    ];
    assert_eq!(
        json(b"[{},17,[{},\"],{\",[1]],\"a,b\",{\"b\":2}]"),
        expected
    );
    let long = format!("[{{\"a\":\"{}\"}},{{\"b\":2}}]", "x".repeat(RECORD_MAX));
    let found = read(Input::json(long.as_bytes()));
    let max = RECORD_MAX;
    assert_eq!(found[0], bad("1:1:1", Reason::TooLong { max }));
    assert_eq!(found[1].1, Ok("{\"b\":2}".to_owned()));
}

#[test]
fn incomplete_json_array_is_reported_once() {
    for (text, place) in [
        ("[{},", "2:1:4"),
        ("[{}\n", "2:2:4"),
        ("[{},{\"a\":", "2:1:4"),
        ("[{},{\"a\":\n{\"b\":1}\n", "2:1:4"),
    ] {
        let expected = [ok("1:1:1", "{}"), bad(place, Reason::Incomplete)];
        assert_eq!(json(text.as_bytes()), expected, "{text:?}");
    }
}

#[test]
fn wrong_encoding_error_names_conversion_command() {
    let refused = |mut input: Input<&[u8]>| match input.next() {
        Err(error) => error.to_string(),
        Ok(_) => panic!("the input was accepted"),
    };
    let utf16: Vec<u8> = "[{}]".encode_utf16().flat_map(u16::to_be_bytes).collect();
    for (bytes, remedy) in [
        (&b"\x1f\x8b\x08\0"[..], "gunzip"),
        (b"PK\x03\x04", "unzip"),
        (&utf16, "iconv -f UTF-16"),
        (b"outTradeNo,\xbd\xbb\xd2\xd7\n", "iconv -f GB18030"),
    ] {
        assert!(refused(Input::json(bytes)).contains(remedy), "{remedy}");
        assert!(refused(Input::csv(bytes)).contains(remedy), "{remedy}");
    }
}

#[test]
fn too_long_record_is_refused_and_skipped() {
    let long = format!("{{\"a\":\"{}\"}}\n{{\"b\":2}}\n", "x".repeat(RECORD_MAX));
    let found = read(Input::json(long.as_bytes()));
    let max = RECORD_MAX;
    assert_eq!(found[0], bad("1:1:0", Reason::TooLong { max }));
    assert_eq!(found[1].1, Ok("{\"b\":2}".to_owned()));
    let longest = format!("{{\"a\":\"{}\"}}", "x".repeat(RECORD_MAX - 8));
    assert_eq!(longest.len(), RECORD_MAX);
    assert!(read(Input::json(longest.as_bytes()))[0].1.is_ok());
}

#[test]
fn record_that_is_not_utf8_is_refused() {
    let found = json(b"{\"\xff\":1}\n{\"b\":2}");
    assert_eq!(
        found,
        [bad("1:1:0", Reason::NotUtf8), ok("2:2:8", "{\"b\":2}")]
    );
    let rows = csv(b"a\n\xff\nx\n");
    assert_eq!(rows, [bad("1:2:2", Reason::NotUtf8), ok("2:3:4", "a=x")]);
}

#[test]
fn csv_cells_are_paired_with_header_names() {
    let text = "\u{feff}no,words\r\n1,\"a, \"\"b\"\"\nc\"\r\n2,\r\n\r\n";
    let expected = [
        ok("1:2:13", "no=1;words=a, \"b\"\nc"),
        ok("2:4:29", "no=2;words="),
    ];
    assert_eq!(csv(text.as_bytes()), expected);
    assert_eq!(csv(b""), []);
    assert_eq!(csv(b"no,words\n"), []);
}

#[test]
fn csv_row_with_wrong_cell_count_is_refused() {
    let expected = 2;
    let rows = [
        bad("1:2:4", Reason::Cells { found: 1, expected }),
        bad("2:3:6", Reason::Cells { found: 3, expected }),
        ok("3:4:12", "a=1;b=2"),
    ];
    assert_eq!(csv(b"a,b\n1\n1,2,3\n1,2\n"), rows);
}

#[test]
fn unclosed_csv_quote_uses_limited_memory() {
    let text = format!("a,b\n1,\"{}", "x,\n".repeat(RECORD_MAX));
    let mut given = 0;
    let counted = Counted(text.as_bytes(), &mut given);
    let rows = read(Input::csv(BufReader::new(counted)));
    let max = RECORD_MAX;
    assert_eq!(rows, [bad("1:2:4", Reason::TooLong { max })]);
    assert!(given < 2 * RECORD_MAX, "{given} bytes were read");
}

/// Input that counts the bytes that the reader reads.
struct Counted<'a>(&'a [u8], &'a mut usize);

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer)?;
        *self.1 += read;
        Ok(read)
    }
}

proptest! {
    #[test]
    fn record_positions_increase_for_any_input(
        bytes in "[{}\\[\\]\",\\\\\n a1]{0,60}",
    ) {
        for input in [Input::json(bytes.as_bytes()), Input::csv(bytes.as_bytes())] {
            let places: Vec<_> = read(input).into_iter().map(|(place, _)| place).collect();
            let places: Vec<Position> = places.iter().map(|place| place.parse().unwrap()).collect();
            prop_assert!(places.is_sorted());
            prop_assert!(places.iter().zip(1..).all(|(place, nth)| place.record == nth));
        }
    }
}
