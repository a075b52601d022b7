//! Checks that README.md and README.zh-CN.md agree with each other and with the repository.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const ENGLISH: &str = include_str!("../../README.md");
const CHINESE: &str = include_str!("../../README.zh-CN.md");

/// Structure of a README without its sentences.
#[derive(Debug, Default, PartialEq)]
struct Shape<'a> {
    /// Code blocks with their whole text.
    code: Vec<String>,
    /// Depth of each heading and number of list items below it.
    chapters: Vec<(usize, usize)>,
    /// Numbers in the sentences of each chapter, sorted.
    numbers: Vec<Vec<&'a str>>,
    /// Numeric table cells, row by row.
    figures: Vec<Vec<&'a str>>,
    /// Targets of the images.
    pictures: Vec<&'a str>,
}

fn shape(text: &str) -> Shape<'_> {
    let mut shape = Shape {
        numbers: vec![Vec::new()],
        ..Shape::default()
    };
    let mut fenced = false;
    for line in text.lines() {
        if line.starts_with("```") {
            if !fenced {
                shape.code.push(String::new());
            }
            fenced = !fenced;
        }
        if fenced {
            let block = shape.code.last_mut().expect("no code block is open");
            block.push_str(line);
            block.push('\n');
        } else {
            outline(line, &mut shape);
        }
    }
    assert!(!fenced, "a block of code is not closed");
    shape.numbers.iter_mut().for_each(|chapter| chapter.sort());
    shape
}

fn outline<'a>(line: &'a str, shape: &mut Shape<'a>) {
    let depth = line.len() - line.trim_start_matches('#').len();
    if depth > 0 {
        shape.chapters.push((depth, 0));
        shape.numbers.push(Vec::new());
    }
    if !line.starts_with(['|', '!', '[']) {
        let chapter = shape
            .numbers
            .last_mut()
            .expect("the list of chapters is empty");
        chapter.extend(numbers(line));
    }
    if line.starts_with("- ") {
        shape
            .chapters
            .last_mut()
            .expect("a list item is before the first heading")
            .1 += 1;
    } else if line.starts_with('|') {
        shape
            .figures
            .push(line.split('|').filter(is_figure).collect());
    } else if let Some((_, picture)) = line.split_once("](").filter(|_| line.starts_with("![")) {
        shape.pictures.push(picture);
    }
}

/// Returns the numbers in a sentence without the punctuation around them.
fn numbers(line: &str) -> impl Iterator<Item = &str> {
    let is_part = |char: char| char.is_ascii_digit() || char == ',' || char == '.';
    let parts = line.split(move |char: char| !is_part(char));
    let parts = parts.map(|part| part.trim_matches([',', '.']));
    parts.filter(|part| !part.is_empty())
}

fn is_figure(cell: &&str) -> bool {
    let cell = cell.trim();
    cell.starts_with(|first: char| first.is_ascii_digit()) && cell.is_ascii()
}

#[test]
fn both_readmes_have_the_same_structure() {
    let (english, chinese) = (shape(ENGLISH), shape(CHINESE));
    assert_eq!(english.code, chinese.code);
    assert_eq!(english.chapters, chinese.chapters);
    assert_eq!(english.numbers, chinese.numbers);
    assert_eq!(english.figures, chinese.figures);
    assert_eq!(english.pictures, chinese.pictures);
    assert!(!english.code.is_empty() && !english.figures.is_empty());
}

#[test]
fn each_readme_links_to_other_language_at_top() {
    let top = |text: &'static str| text.lines().take(3).collect::<String>();
    assert!(top(ENGLISH).contains("(README.zh-CN.md)"));
    assert!(top(CHINESE).contains("(README.md)"));
}

/// A number written as a word cannot be compared between two languages.
#[test]
fn english_readme_writes_every_number_in_digits() {
    const WORDS: [&str; 20] = [
        "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
        "twenty", "thirty", "forty", "fifty", "sixteen", "dozen", "hundred", "thousand", "million",
    ];
    let mut fenced = false;
    for line in ENGLISH.lines() {
        fenced ^= line.starts_with("```");
        let words = line.split(|char: char| !char.is_ascii_alphabetic());
        for word in words.map(str::to_ascii_lowercase) {
            assert!(fenced || !WORDS.contains(&word.as_str()), "{word}: {line}");
        }
    }
}

/// Returns the path of a file in the repository. Tests read it at run time, because a published
/// package does not contain every file.
fn tree(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn assert_in_both(english: &str, chinese: &str) {
    assert!(ENGLISH.contains(english), "README.md lacks {english:?}");
    assert!(
        CHINESE.contains(chinese),
        "README.zh-CN.md lacks {chinese:?}"
    );
}

#[test]
fn readmes_state_number_and_names_of_fuzz_targets() {
    let manifest = fs::read_to_string(tree("fuzz/Cargo.toml")).unwrap();
    let targets = manifest.split("[[bin]]").skip(1).map(|target| {
        let (_, name) = target.split_once("name = \"").unwrap();
        name.split('"').next().unwrap()
    });
    let targets: Vec<&str> = targets.collect();
    let count = targets.len();
    assert_in_both(
        &format!("The {count} targets in `fuzz/`"),
        &format!("`fuzz/` 里有 {count} 个目标"),
    );
    for target in targets {
        let named = format!("`{target}`");
        assert_in_both(&named, &named);
    }
}

#[test]
fn readmes_state_number_of_examples_and_show_each() {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(tree("examples")).unwrap() {
        let path = entry.unwrap().path();
        let is_one =
            path.extension().is_some_and(|ending| ending == "rs") || path.join("main.rs").exists();
        if is_one {
            names.insert(path.file_stem().unwrap().to_str().unwrap().to_owned());
        }
    }
    let shown = ENGLISH.lines().filter_map(|line| {
        let (_, example) = line.split_once("--example ")?;
        Some(example.split(' ').next().unwrap().to_owned())
    });
    assert_eq!(shown.collect::<BTreeSet<_>>(), names);
    let count = names.len();
    assert_in_both(
        &format!("The {count} smaller examples"),
        &format!("另外 {count} 个小示例"),
    );
}

#[test]
fn readmes_state_number_of_guarantees() {
    let manual = include_str!("../../src/manual/guarantees.md");
    let rows = manual.lines().filter(|line| line.starts_with("| I"));
    let count = rows.count();
    assert_in_both(&format!("I1 to I{count}"), &format!("I1 到 I{count}"));
}

/// Returns the number at a row and a column of the first table below a heading of the report.
fn measured(heading: &str, row: &str, column: &str) -> f64 {
    const REPORT: &str = include_str!("../../docs/performance.md");
    let (_, beneath) = REPORT.split_once(&format!("\n## {heading}\n")).unwrap();
    let table = beneath.lines().skip_while(|line| !line.starts_with('|'));
    let rows = table.take_while(|line| line.starts_with('|'));
    let mut rows = rows.map(|line| line.trim_matches('|').split('|').map(str::trim));
    let place = rows.next().unwrap().position(|cell| cell == column);
    let mut found = rows
        .find(|cells| cells.clone().next() == Some(row))
        .unwrap();
    let cell = found.nth(place.unwrap()).unwrap();
    cell.replace(',', "").parse().unwrap()
}

/// Formats a rate rounded to hundreds, as the READMEs show it.
fn hundreds(rate: f64) -> String {
    let hundreds = format!("{:.0}", rate / 100.0);
    let (thousands, rest) = hundreds.split_at(hundreds.len() - 1);
    format!("{thousands},{rest}00")
}

#[test]
fn readme_rates_match_the_performance_report() {
    let header = ENGLISH.lines().find(|line| line.starts_with("| callers |"));
    let systems = header.unwrap().trim_matches('|').split('|').map(str::trim);
    let systems: Vec<&str> = systems.skip(1).collect();
    let row = |first: &str, rate: &dyn Fn(&str) -> f64| {
        let rates = systems.iter().map(|system| hundreds(rate(system)));
        format!("| {first} | {} |", rates.collect::<Vec<_>>().join(" | "))
    };
    for callers in ["1", "16", "64", "256"] {
        let row = row(callers, &|system| measured("Callers", system, callers));
        assert_in_both(&row, &row);
    }
    // Each batch is one transaction already, so no system has a writer thread there.
    let settled = |system: &str| {
        let system = system.trim_end_matches(" grouped");
        measured("Batches", system, "settled")
    };
    assert_in_both(
        &row("batches of 8,192, flushed to the end", &settled),
        &row("每批 8,192 条，计入最后的刷盘", &settled),
    );
}

#[test]
fn readme_figures_match_the_performance_report() {
    let reads = |system, column| measured("Reads and space", system, column);
    let micros = |system, column| format!("{:.1}", reads(system, column) / 1000.0);
    let page = |system| format!("{:.0}", reads(system, "page, µs"));
    let bytes = |system| format!("{:.0}", reads(system, "bytes in use"));
    let each = |kind| format!("{:.0}", measured("Order numbers", kind, "ns each"));
    let new = format!("{:.2}", reads("orderstore", "get, new, ns") / 1000.0);
    let (lmdb, own) = (micros("LMDB", "get, ns"), micros("orderstore", "get, ns"));
    let rivals = ["RocksDB", "SQLite", "fjall"].map(bytes);
    let [rocksdb, sqlite, fjall] = &rivals;
    let (ulid, uuid) = (each("ulid"), each("uuid v7"));
    let number = each("order number, 32 digits");
    let (lmdb_page, own_page) = (page("LMDB"), page("orderstore"));
    let own_bytes = bytes("orderstore");
    let english = [
        format!("in {lmdb} µs and a page of 20 in {lmdb_page} µs"),
        format!("takes {own} and {own_page} ({new} µs"),
        format!("in {rocksdb}, {sqlite} and {fjall} bytes, the store in {own_bytes}"),
        format!("a ulid takes {ulid} ns, an order number {number} (a uuid v7 {uuid})"),
    ];
    let chinese = [
        format!("要 {lmdb} µs，读一页 20 笔要 {lmdb_page} µs"),
        format!("本库要 {own} 和 {own_page} µs （刚写入的订单是 {new} µs"),
        format!("分别占 {rocksdb}、{sqlite}、{fjall} 字节，本库占 {own_bytes}"),
        format!("一个 ulid 要 {ulid} ns，订单号 {number} ns（uuid v7 是 {uuid} ns）"),
    ];
    let unbroken = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (readme, chinese_readme) = (unbroken(ENGLISH), unbroken(CHINESE));
    for (english, chinese) in english.iter().zip(&chinese) {
        assert!(readme.contains(english), "README.md lacks {english:?}");
        assert!(
            chinese_readme.contains(chinese),
            "README.zh-CN.md lacks {chinese:?}"
        );
    }
}
