//! Accessibility, languages and isolation of both pages.

use crate::browser::with_a_page;

/// Script that returns fields and buttons without an accessible name.
const NAMELESS: &str = "return [...document.querySelectorAll('input, select, button')]
    .filter((it) => !it.labels?.length && !it.getAttribute('aria-label') && !it.textContent.trim())
    .map((it) => it.outerHTML)";

/// Script that returns resources from other servers and inline resources.
const FOREIGN: &str = "return [
    ...performance.getEntriesByType('resource').map((it) => it.name)
        .filter((name) => !name.startsWith(location.origin + '/')),
    ...[...document.querySelectorAll('script:not([src]), style, [style], [onclick]')]
        .map((it) => it.outerHTML)]";

/// Script that returns IDs that two elements share.
const SHARED: &str = "const ids = [...document.querySelectorAll('[id]')].map((it) => it.id);
    return ids.filter((id, at) => ids.indexOf(id) !== at)";

/// Script that returns untranslated texts, which are shown as their keys in brackets.
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
                "{path} must not scroll sideways"
            );
        }
    })
    .await;
}
