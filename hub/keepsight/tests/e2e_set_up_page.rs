//! The set-up page in a real browser, as a phone sees it: all of it from its own port, nothing cut off, in light and dark.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use testkit::browser::Browser;
use testkit::hub::{Home, HubProcess};
use testkit::wait_for;

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");
const SOON: Duration = Duration::from_secs(20);
const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                      Version/18.0 Mobile/15E148 Safari/604.1";

#[tokio::test]
async fn e2e_the_set_up_page_is_whole_on_a_small_phone_in_light_and_dark() {
    let home = Home::new();
    let http = home.with_set_up_page();
    let process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    wait_for("it has a certificate", SOON, async || home.data().join("root.pem").exists()).await;
    let browser = Browser::start(&home.root_pem()).await;
    browser.devtools("Network.setUserAgentOverride", json!({"userAgent": IPHONE})).await;
    for dark in [false, true] {
        browser.be_a_phone(360, 740, dark).await;
        browser.open(&format!("http://127.0.0.1:{http}/")).await;
        let own = browser.run("return [...document.querySelectorAll('details')].map(d => [d.id, d.open])").await;
        assert_eq!(own[0], json!(["ios", true]));
        assert!(own.as_array().expect("a list")[1..].iter().all(|d| d[1] == false), "{own}");
        if std::env::var_os("KEEPSIGHT_SCREENSHOTS").is_some() {
            keep(&browser, if dark { "set-up-dark" } else { "set-up-light" }).await;
        }
        browser.run("for (const d of document.querySelectorAll('details')) d.open = true; for (const i of document.images) i.loading = 'eager'").await;
        browser
            .wait(
                "every picture is there",
                SOON,
                "return [...document.images].every(i => i.complete && i.naturalWidth > 0)",
            )
            .await;
        let ending = if dark { "-dark.svg" } else { ".svg" };
        let shown = browser.run("return [...document.images].map(i => i.currentSrc)").await;
        let shown: Vec<&str> = shown.as_array().expect("a list").iter().filter_map(|s| s.as_str()).collect();
        assert!(
            shown.len() >= 10 && shown.iter().all(|s| s.ends_with(ending) && s.contains("-dark") == dark),
            "{shown:?}"
        );
        assert_eq!(browser.run("return document.documentElement.scrollWidth").await, 360, "nothing is cut off");
        let small = "return [...document.querySelectorAll('a, summary')].filter(e => e.getBoundingClientRect().height < 44).map(e => e.textContent)";
        assert_eq!(browser.run(small).await, json!([]), "every target is 44 px high");
        let style = browser.run("return getComputedStyle(document.body).backgroundColor").await;
        assert_eq!(style, if dark { "rgb(16, 21, 26)" } else { "rgb(246, 248, 250)" });
    }
    let complaints: Vec<_> =
        browser.logs("browser").await.into_iter().filter(|entry| entry["level"] == "SEVERE").collect();
    assert!(complaints.is_empty(), "{complaints:?}");
    // And its button leads to the hub, over TLS that the browser trusts by now.
    browser.run("document.querySelector('a[href=\"/open\"]').click()").await;
    browser
        .wait(
            "the hub's page is open",
            SOON,
            "return location.protocol === 'https:' && document.readyState === 'complete'",
        )
        .await;
    process.stop().await;
}

async fn keep(browser: &Browser, name: &str) {
    let folder = std::env::var("KEEPSIGHT_SCREENSHOTS").expect("a folder");
    let shot = browser.devtools("Page.captureScreenshot", json!({"captureBeyondViewport": true})).await;
    let shot = shot["data"].as_str().expect("a picture");
    std::fs::write(Path::new(&folder).join(format!("{name}.png.base64")), shot).expect("a file can be written");
}
