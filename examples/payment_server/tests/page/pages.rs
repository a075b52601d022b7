//! What both pages owe to everybody who opens them.

use crate::browser::with_a_page;

/// Fields and buttons that a person who does not see the page cannot tell apart.
const NAMELESS: &str = "return [...document.querySelectorAll('input, select, button')]
    .filter((it) => !it.labels?.length && !it.getAttribute('aria-label') && !it.textContent.trim())
    .map((it) => it.outerHTML)";

/// What the page took from anywhere but its own server, or brought along inline.
const FOREIGN: &str = "return [
    ...performance.getEntriesByType('resource').map((it) => it.name)
        .filter((name) => !name.startsWith(location.origin + '/')),
    ...[...document.querySelectorAll('script:not([src]), style, [style], [onclick]')]
        .map((it) => it.outerHTML)]";

/// Ids that two elements share, so that a label or a test means the wrong one.
const SHARED: &str = "const ids = [...document.querySelectorAll('[id]')].map((it) => it.id);
    return ids.filter((id, at) => ids.indexOf(id) !== at)";

/// Words of one language that the other does not have show as their keys in brackets.
const UNTRANSLATED: &str = "return [...document.querySelectorAll('[data-t]')]
    .filter((it) => it.textContent === `[${it.dataset.t}]`).map((it) => it.dataset.t)";

#[tokio::test]
async fn pages_are_labelled_bilingual_and_self_contained() {
    with_a_page(async |page| {
        for path in ["/", "/operator"] {
            page.open(path).await;
            for language in ["zh-CN", "en"] {
                page.see(&format!("html[lang={language}]")).await;
                for wrong in [NAMELESS, FOREIGN, SHARED, UNTRANSLATED] {
                    let found = page.run(wrong).await;
                    assert_eq!(
                        found,
                        serde_json::json!([]),
                        "{path} in {language}: {wrong}"
                    );
                }
                page.tap("#language").await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn narrow_screen_has_no_horizontal_overflow() {
    with_a_page(async |page| {
        page.client.set_window_size(500, 900).await.unwrap();
        for path in ["/", "/operator"] {
            page.open(path).await;
            let wide = "return document.documentElement.scrollWidth > window.innerWidth";
            assert_eq!(
                page.run(wide).await,
                false,
                "{path} must be scrolled sideways"
            );
        }
    })
    .await;
}
