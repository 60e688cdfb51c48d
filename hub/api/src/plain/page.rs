//! The set-up page's HTML: one page for each kind of device, its own steps open and first.

use super::OPEN;
use super::pictures::escaped;
use super::steps::{PLATFORMS, Platform, Step, asking};

/// What the page says of the hub.
pub(super) struct Facts {
    pub host: String,
    pub words: String,
    pub sha256: String,
}

/// The page for a browser that says this of itself. `takes_time`: the hub has no clock, and takes the device's.
pub(super) fn page(facts: &Facts, user_agent: &str, takes_time: bool) -> String {
    let own = asking(user_agent);
    let others = (0..PLATFORMS.len()).filter(|n| !own.contains(n));
    let platforms: String = own
        .iter()
        .map(|n| platform(&PLATFORMS[*n], true))
        .chain(others.map(|n| platform(&PLATFORMS[n], false)))
        .collect();
    let (script, time) = if takes_time {
        let says = "This hub does not know the time yet. It takes it from this device, if scripts are allowed here.";
        ("<script src=\"/setup.js\" defer></script>\n", format!("<p id=\"time\" role=\"status\">{says}</p>\n"))
    } else {
        ("", String::new())
    };
    let Facts { host, words, sha256 } = facts;
    let words: String = words.split(' ').map(|word| format!("<li>{word}</li>")).collect();
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Keepsight: set up this device</title>
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/setup.css">
{script}</head>
<body>
<main>
<h1>Set up this device</h1>
<p>Your hub <strong>{host}</strong> speaks to you encrypted only. For that, this device has to know the hub’s own
certificate, once. It is good for the hub’s own names and for nothing else.</p>
{time}<h2>1. Install the certificate</h2>
{platforms}<h2>2. Compare four words</h2>
<p>The hub’s own screen, and <code>keepsight claim-token</code>, show four words. They must be these:</p>
<ol class="words">{words}</ol>
<p>If they differ, somebody stands between you and the hub: remove the certificate again. To be quite sure, compare the
SHA-256 that this device shows for the certificate, too; the hub’s screen has it below the words.</p>
<p class="print">{sha256}</p>
<h2>3. Open the hub</h2>
<p><a class="button" href="{OPEN}">Open the hub</a></p>
</main>
</body>
</html>
"#
    )
}

fn platform(platform: &Platform, open: bool) -> String {
    let Platform { id, name, file, download, steps } = platform;
    let steps: String = steps.iter().map(step).collect();
    format!(
        "<details id=\"{id}\"{}>\n<summary><h3>{name}</h3></summary>\n\
         <p><a class=\"button\" href=\"{file}\">{download}</a></p>\n<ol class=\"steps\">\n{steps}</ol>\n</details>\n",
        if open { " open" } else { "" },
    )
}

fn step(step: &Step) -> String {
    let picture = step.picture.as_ref().map(|screen| {
        let (file, alt, height) = (screen.file, escaped(&screen.alt()), screen.height());
        format!(
            "\n<picture><source srcset=\"/pictures/{file}-dark.svg\" media=\"(prefers-color-scheme: dark)\">\
             <img src=\"/pictures/{file}.svg\" alt=\"{alt}\" width=\"320\" height=\"{height}\" loading=\"lazy\"></picture>"
        )
    });
    format!("<li>{}{}</li>\n", escaped(step.text), picture.unwrap_or_default())
}
