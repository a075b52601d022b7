//! README.md and README.zh-CN.md say the same: whoever changes one is told of the other.

const ENGLISH: &str = include_str!("../../README.md");
const CHINESE: &str = include_str!("../../README.zh-CN.md");

/// What a README is made of, apart from its sentences.
#[derive(Debug, Default, PartialEq)]
struct Shape<'a> {
    /// The blocks of code, whole.
    code: Vec<String>,
    /// The depth of each heading and the number of points beneath it.
    chapters: Vec<(usize, usize)>,
    /// The cells of figures in the tables, line by line.
    figures: Vec<Vec<&'a str>>,
    /// Where the pictures are.
    pictures: Vec<&'a str>,
}

fn shape(text: &str) -> Shape<'_> {
    let mut shape = Shape::default();
    let mut fenced = false;
    for line in text.lines() {
        if line.starts_with("```") {
            if !fenced {
                shape.code.push(String::new());
            }
            fenced = !fenced;
        }
        if fenced {
            let block = shape.code.last_mut().expect("a fence opened it");
            block.push_str(line);
            block.push('\n');
        } else {
            outline(line, &mut shape);
        }
    }
    assert!(!fenced, "a block of code is not closed");
    shape
}

fn outline<'a>(line: &'a str, shape: &mut Shape<'a>) {
    let depth = line.len() - line.trim_start_matches('#').len();
    if depth > 0 {
        shape.chapters.push((depth, 0));
    } else if line.starts_with("- ") {
        shape.chapters.last_mut().expect("a point has a heading").1 += 1;
    } else if line.starts_with('|') {
        shape
            .figures
            .push(line.split('|').filter(is_figure).collect());
    } else if let Some((_, picture)) = line.split_once("](").filter(|_| line.starts_with("![")) {
        shape.pictures.push(picture);
    }
}

fn is_figure(cell: &&str) -> bool {
    let cell = cell.trim();
    cell.starts_with(|first: char| first.is_ascii_digit()) && cell.is_ascii()
}

#[test]
fn both_readmes_have_the_same_code_chapters_points_figures_and_pictures() {
    let (english, chinese) = (shape(ENGLISH), shape(CHINESE));
    assert_eq!(english.code, chinese.code);
    assert_eq!(english.chapters, chinese.chapters);
    assert_eq!(english.figures, chinese.figures);
    assert_eq!(english.pictures, chinese.pictures);
    assert!(!english.code.is_empty() && !english.figures.is_empty());
}

#[test]
fn each_readme_leads_to_the_other_before_it_says_anything() {
    let top = |text: &'static str| text.lines().take(3).collect::<String>();
    assert!(top(ENGLISH).contains("(README.zh-CN.md)"));
    assert!(top(CHINESE).contains("(README.md)"));
}
