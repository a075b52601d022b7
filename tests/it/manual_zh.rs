//! Checks that each Chinese chapter of the manual matches its English chapter.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Chapters that have a Chinese version.
const CHAPTERS: [&str; 8] = [
    "getting_started",
    "states",
    "refunds",
    "wechat",
    "reconciliation",
    "operations",
    "backup",
    "cli",
];

/// Section of a chapter: a heading, and the structure of the text below it without the sentences.
/// The first section is the text before the first heading.
#[derive(Debug, Default)]
struct Section {
    /// Line of the heading, for messages only.
    heading: String,
    /// Number of `#` in the heading.
    depth: usize,
    /// Markers of the list items, with their indentation, and the bars of the table rows.
    outline: Vec<String>,
    /// Text of each fenced code block, with its fence lines.
    blocks: Vec<String>,
    /// Inline code, sorted.
    code: Vec<String>,
    /// Targets of the links, sorted.
    links: Vec<String>,
    /// Numbers in the sentences and the table cells, sorted.
    numbers: Vec<String>,
}

fn sections(text: &str) -> Vec<Section> {
    let mut sections = vec![Section::default()];
    // Sentences of the current section. Line ends differ between the languages, so they become
    // spaces.
    let mut sentences = String::new();
    let mut fenced = false;
    for line in text.lines() {
        let fence = line.trim_start().starts_with("```");
        if !fenced && !fence && line.starts_with('#') {
            finish(&mut sections, &mut sentences);
            sections.push(Section {
                heading: line.to_owned(),
                depth: line.chars().take_while(|char| *char == '#').count(),
                ..Section::default()
            });
        }
        let section = sections.last_mut().unwrap();
        if fence && !fenced {
            section.blocks.push(String::new());
        }
        if fence || fenced {
            let block = section.blocks.last_mut().unwrap();
            block.extend([line, "\n"]);
        } else {
            section.outline.extend(marker(line));
            sentences.extend([line.trim(), " "]);
        }
        fenced ^= fence;
    }
    assert!(!fenced, "a code block is not closed");
    finish(&mut sections, &mut sentences);
    sections
}

/// Returns the marker of a list item with its indentation, or the bars of a table row.
fn marker(line: &str) -> Option<String> {
    let text = line.trim_start();
    if text.starts_with('|') {
        return Some(line.chars().filter(|char| *char == '|').collect());
    }
    let (marker, _) = text.split_once(' ')?;
    let number = marker.strip_suffix('.');
    let is_numbered = number.is_some_and(|number| number.parse::<u32>().is_ok());
    let indentation = &line[..line.len() - text.len()];
    (marker == "-" || is_numbered).then(|| format!("{indentation}{marker}"))
}

/// Moves the inline code, the link targets and the numbers of the sentences to the last section.
fn finish(sections: &mut [Section], sentences: &mut String) {
    let section = sections.last_mut().unwrap();
    let mut prose = String::new();
    for (position, part) in sentences.split('`').enumerate() {
        if position % 2 == 0 {
            prose.extend([part, " "]);
        } else {
            section.code.push(part.to_owned());
        }
    }
    let ticks = sentences.matches('`').count();
    assert_eq!(ticks % 2, 0, "unpaired backtick: {}", section.heading);

    let mut parts = prose.split("](");
    section.numbers.extend(numbers(parts.next().unwrap()));
    for part in parts {
        let (target, rest) = part
            .split_once(')')
            .expect("a link has no closing parenthesis");
        section.links.push(target.to_owned());
        section.numbers.extend(numbers(rest));
    }
    section.code.sort();
    section.links.sort();
    section.numbers.sort();
    sentences.clear();
}

/// Returns the numbers in a sentence without the punctuation around them.
fn numbers(text: &str) -> impl Iterator<Item = String> {
    let is_part = |char: char| char.is_ascii_digit() || char == ',' || char == '.';
    let parts = text.split(move |char: char| !is_part(char));
    let parts = parts.map(|part| part.trim_matches([',', '.']));
    parts.filter(|part| !part.is_empty()).map(str::to_owned)
}

/// Reads a file of the manual.
fn manual(path: &str) -> String {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/manual");
    fs::read_to_string(manual.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn chinese_manual_has_the_expected_chapters() {
    let chinese = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/manual/zh");
    let files = fs::read_dir(chinese).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let expected = CHAPTERS.map(|chapter| format!("{chapter}.md"));
    assert_eq!(names.collect::<BTreeSet<_>>(), BTreeSet::from(expected));
}

/// The first line of a Chinese chapter has the CRC-32 of the English text that it translates.
#[test]
fn chinese_chapters_match_current_english_text() {
    let mut outdated = String::new();
    for chapter in CHAPTERS {
        let crc = crc32fast::hash(manual(&format!("{chapter}.md")).as_bytes());
        let line = format!("<!-- english: {crc:08x} -->");
        if manual(&format!("zh/{chapter}.md")).lines().next() != Some(&line) {
            outdated += &format!("\n{chapter}.md changed. Update src/manual/zh/{chapter}.md, ");
            outdated += &format!("then set its first line to: {line}");
        }
    }
    assert!(outdated.is_empty(), "{outdated}");
}

#[test]
fn chinese_chapters_have_the_english_structure() {
    for chapter in CHAPTERS {
        let english = sections(&manual(&format!("{chapter}.md")));
        let chinese = manual(&format!("zh/{chapter}.md"));
        let (_, chinese) = chinese
            .split_once('\n')
            .expect("the first line must be the CRC");
        let chinese = sections(chinese);
        let depths = |sections: &[Section]| sections.iter().map(|s| s.depth).collect::<Vec<_>>();
        assert_eq!(depths(&english), depths(&chinese), "{chapter}: headings");
        for (english, chinese) in english.iter().zip(&chinese) {
            let place = format!("{chapter}, {}", english.heading);
            assert_eq!(english.outline, chinese.outline, "{place}: lists, tables");
            assert_eq!(english.blocks, chinese.blocks, "{place}: code blocks");
            assert_eq!(english.code, chinese.code, "{place}: inline code");
            assert_eq!(english.links, chinese.links, "{place}: link targets");
            assert_eq!(english.numbers, chinese.numbers, "{place}: numbers");
        }
    }
}
