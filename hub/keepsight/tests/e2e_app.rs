//! The app as a person uses it, in Debian's Chromium as a phone of 360 pixels: the hub is claimed, cameras are added and
//! looked at, the timeline is dragged, a film is taken away. The hub's authority is in the browser's own store of
//! certificates, and no certificate error is ignored. Debian's Firefox, another engine, plays live and back.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base::Timestamp;
use serde_json::{Value, json};
use testkit::browser::Browser;
use testkit::client::{Client, PASSWORD};
use testkit::firefox::Firefox;
use testkit::hub::{self, Home, HubProcess};
use testkit::pictures;

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");
const READ_MARKS: &str = include_str!("read_marks.js");
const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn e2e_the_app_from_the_claim_to_a_film() {
    let sims = testkit::cameras(2).await;
    let home = Home::new();
    let hub = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let token = Command::new(KEEPSIGHT).args(["claim-token", "--config"]).arg(home.config()).output().expect("it runs");
    let token = String::from_utf8(token.stdout).expect("text");
    let browser = Browser::start(&home.root_pem()).await;
    browser.be_a_phone(360, 740, false).await;
    claim(&browser, &home, token.trim()).await;

    for (name, address) in ["Front door", "Garden"].iter().zip(sims.addresses()) {
        add_camera(&browser, name, &address.main, &address.sub).await;
    }
    let owner = hub::owner(&home).await;
    let ids: Vec<String> = owner.get("/api/v1/cameras").await.json().as_array().unwrap().iter().map(id).collect();

    grid(&browser, &ids).await;
    look_back(&browser, &owner, &ids[0], &home).await;
    take_away(&browser, &home).await;
    motion(&browser, &owner, &ids[0]).await;
    rules(&browser, &owner, &ids[0]).await;
    objects(&browser, &owner).await;
    second_member(&browser, &home, &ids[0]).await;
    is_installable(&browser).await;
    nothing_is_wrong(&browser, &home).await;
    is_accessible(&browser).await;

    // The hub goes away: the app says so, also when it is opened anew.
    hub.stop().await;
    let says = "return document.body.innerText.includes('Hub not reachable')";
    browser.wait("the app says that the hub is away", SOON, says).await;
    browser.open(&format!("https://127.0.0.1:{}/", home.port)).await;
    browser.wait("the app opens without the hub, and says so", SOON, says).await;
    sims.stop().await;
}

#[tokio::test]
async fn e2e_a_second_engine_plays_live_and_back() {
    let sims = testkit::cameras(1).await;
    let home = Home::new();
    let _hub = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    let camera = owner.add_camera("Front door", &sims.addresses()[0].main).await;
    owner.wait_recording(std::slice::from_ref(&camera), SOON).await;

    let mut firefox = Firefox::start(&home.root_pem()).await;
    firefox.open(&format!("https://127.0.0.1:{}/", home.port)).await;
    firefox.wait("the app asks who is there", SOON, "return !!document.querySelector('form')").await;
    let sign_in = format!(
        "for (const [name, value] of [['name', 'Olivia'], ['password', {PASSWORD:?}]]) {{ \
         const input = document.querySelector(`[name=${{name}}]`); input.value = value; \
         input.dispatchEvent(new Event('input', {{ bubbles: true }})); }} document.querySelector('form').requestSubmit();"
    );
    firefox.run(&sign_in).await;
    let live = format!("{READ_MARKS} return liveMarks(1);");
    let first = firefox.wait("it plays live", SOON, &live).await;
    assert_eq!(first[0]["camera"], 1);
    let moved =
        format!("{READ_MARKS} const marks = liveMarks(1); return marks && marks[0].frame !== {}", first[0]["frame"]);
    firefox.wait("the picture moves", SOON, &moved).await;

    firefox.run(&format!("{READ_MARKS} playBack(0, 8);")).await;
    let mark = firefox.wait("it plays back", SOON, &format!("{READ_MARKS} return playbackMark();")).await;
    assert_eq!(mark["camera"], 1);
    drop(firefox);
    sims.stop().await;
}

fn id(camera: &Value) -> String {
    camera["id"].as_str().expect("an id").to_owned()
}

/// The address from the hub's code, a name, a password, and the kit's two words.
async fn claim(browser: &Browser, home: &Home, token: &str) {
    browser.open(&format!("https://127.0.0.1:{}/#/claim/{token}", home.port)).await;
    browser.wait("the claim form", SOON, "return !!document.querySelector('[name=claim_token]')").await;
    assert_eq!(browser.run("return location.hash").await, "#/claim", "the token stays in no history");

    // A password that is too weak is refused in the hub's own words.
    browser.fill("[name=name]", "Olivia").await;
    browser.fill("[name=password]", "password1").await;
    browser.click("form button.primary").await;
    let weak = "return document.querySelector('[role=alert]').textContent.includes('easy to guess')";
    browser.wait("a weak password is refused", SOON, weak).await;
    browser.fill("[name=password]", PASSWORD).await;
    browser.click("form button.primary").await;

    browser
        .wait("the recovery kit", SOON, "return document.querySelectorAll('[data-testid=words] li').length === 24")
        .await;
    let asked = browser
        .run(
            "const words = [...document.querySelectorAll('[data-testid=words] li')].map(li => li.lastChild.textContent.trim()); \
             return ['first', 'second'].map(name => { const { id } = document.querySelector(`[name=${name}]`); \
             return words[Number(/\\d+/.exec(document.querySelector(`label[for='${id}']`).textContent)[0]) - 1]; })",
        )
        .await;
    browser.fill("[name=first]", "zebra").await;
    browser.fill("[name=second]", asked[1].as_str().expect("a word")).await;
    browser.click("form button.primary").await;
    let wrong = "return document.querySelector('[role=alert]').textContent.includes('not the words')";
    browser.wait("wrong words do not do", SOON, wrong).await;
    browser.fill("[name=first]", asked[0].as_str().expect("a word")).await;
    browser.click("form button.primary").await;
    browser.wait("the app is in", SOON, "return !!document.querySelector('nav')").await;
}

async fn add_camera(browser: &Browser, name: &str, main: &str, sub: &str) {
    browser.run("location.hash = '#/cameras/new'").await;
    browser.fill("form [name=name]", name).await;
    browser.fill("form [name=url]", main).await;
    browser.click("form > div > .check input").await;
    browser.fill("fieldset:nth-of-type(2) [name=url]", sub).await;
    browser.click("fieldset:first-of-type [data-testid=test]").await;
    let answers = "return document.querySelector('form').innerText.includes('It answers')";
    browser.wait("the camera is tried", SOON, answers).await;
    browser.click("form > .actions button.primary").await;
    browser.wait("the camera is added", SOON, "return location.hash.startsWith('#/camera/')").await;
}

/// Each tile shows its own camera, and it moves.
async fn grid(browser: &Browser, ids: &[String]) {
    browser.run("location.hash = '#/'").await;
    let marks = format!(
        "{READ_MARKS} const marks = liveMarks({}); return marks && marks.map((mark, i) => ({{...mark, \
         id: document.querySelectorAll('video[data-kind=live]')[i].dataset.camera}}))",
        ids.len()
    );
    let first = browser.wait("all tiles show their cameras", SOON, &marks).await;
    for (i, tile) in first.as_array().expect("a list").iter().enumerate() {
        assert_eq!((&tile["camera"], &tile["id"]), (&json!(i + 1), &json!(ids[i])), "each tile shows its own camera");
    }
    let moved = format!(
        "{READ_MARKS} const marks = liveMarks({}); return marks && marks.every((mark, i) => mark.frame !== {}[i].frame)",
        ids.len(),
        first
    );
    browser.wait("the pictures move", SOON, &moved).await;
}

/// Dragging the timeline shows the key pictures of the instants at the needle; let go, it plays from there.
async fn look_back(browser: &Browser, owner: &Client, camera: &str, home: &Home) {
    testkit::wait_for("some seconds are recorded", Duration::from_secs(60), async || {
        let segments = owner.segments(camera).await;
        segments.first().zip(segments.last()).is_some_and(|(a, b)| b.1.duration_since(a.0).as_secs() > 25)
    })
    .await;
    browser.click("[data-testid=tile]").await;
    browser.wait("it plays live", SOON, "return !!document.querySelector('video.playing')").await;
    for _ in 0..5 {
        browser.click("[aria-label='Zoom in']").await;
    }
    browser.run(&format!("{READ_MARKS} Object.assign(window, {{ readMark }}); watchStills();")).await;
    browser.drag("[data-testid=timeline]", 120, Duration::from_secs(2)).await;
    let plays = format!(
        "{READ_MARKS} return document.querySelector('video[data-kind=playback]')?.dataset.state === 'playing' && playbackMark()"
    );
    let mark = browser.wait("it plays from there", SOON, &plays).await;
    assert_eq!(mark["camera"], 1, "played back is the camera that was asked for");

    let stills = browser.run("return window.stills").await;
    let stills = stills.as_array().expect("a list");
    assert!(!stills.is_empty(), "pictures are shown while the thumb is on the timeline");
    for still in stills {
        let at: Timestamp = still["at"].as_str().expect("a time").parse().expect("RFC 3339");
        let later = at.checked_add(jiff::SignedDuration::from_millis(1)).expect("a time");
        let file = home.scratch("still.mp4");
        std::fs::write(&file, owner.playback(camera, at, later).await.expect(200).body).expect("a file");
        let expected = pictures::decode(&file)[0].mark.expect("a mark");
        assert_eq!(still["mark"]["camera"], 1);
        assert_eq!(still["mark"]["frame"], json!(expected.frame), "the key picture of {at}");
    }

    // Picture by picture.
    browser.click("[data-testid=toggle]").await;
    browser.wait("it pauses", SOON, "return document.querySelector('video').paused").await;
    let shown = format!("{READ_MARKS} return !document.querySelector('video').seeking && playbackMark()?.frame");
    let before = browser.wait("a picture stands", SOON, &shown).await.as_u64().expect("a number");
    browser.click("[aria-label='Next picture']").await;
    let next = (before + 1) % u64::from(testkit::LOOP_PICTURES);
    let stepped = format!("{READ_MARKS} return playbackMark()?.frame === {next}");
    browser.wait("one picture on", SOON, &stepped).await;
    browser.click("[aria-label='Picture before']").await;
    let back = format!("{READ_MARKS} return playbackMark()?.frame === {before}");
    browser.wait("and back", SOON, &back).await;
}

/// A film of half a minute around what is shown, saved among the downloads.
async fn take_away(browser: &Browser, home: &Home) {
    let downloads = home.scratch("downloads");
    std::fs::create_dir_all(&downloads).expect("a folder");
    let path = json!({"behavior": "allow", "downloadPath": downloads});
    browser.devtools("Browser.setDownloadBehavior", path).await;
    browser.click("[data-testid=keep]").await;
    browser.click("[data-testid=save]").await;
    let mut film = None;
    testkit::wait_for("the film is saved", SOON, async || {
        let mut files = std::fs::read_dir(&downloads).expect("a folder").flatten().map(|entry| entry.path());
        film = files.find(|file| file.extension().is_some_and(|extension| extension == "mp4"));
        film.is_some()
    })
    .await;
    let film = pictures::probe(&film.expect("a film"));
    assert_eq!(film.complaints, "", "ffprobe takes it");
    assert!(film.video_s.len() > 100, "{} pictures", film.video_s.len());
    browser.click("dialog [aria-label=Close]").await;
}

/// Motion is switched on and off on the camera's page; what begins while the list is open comes into it by itself.
async fn motion(browser: &Browser, owner: &Client, camera: &str) {
    browser.run(&format!("location.hash = '#/cameras/{camera}'")).await;
    for state in ["ok", "off"] {
        browser.click("[data-testid=motion] .actions button").await;
        let is = format!("return document.querySelector('[data-testid=motion]').dataset.state === '{state}'");
        browser.wait("it is switched", SOON, &is).await;
    }
    browser.run("location.hash = '#/events'").await;
    let listed = owner.get("/api/v1/events").await.expect(200).json()["items"].as_array().expect("a list").len();
    let rows = "document.querySelectorAll('main li .row').length";
    browser.wait("the list", SOON, &format!("return {rows} === {listed}")).await;
    let on = Some(json!({"motion": {}}));
    owner.request(http::Method::PATCH, &format!("/api/v1/cameras/{camera}"), on).await.expect(200);
    browser.wait("what moves is in the list", SOON, &format!("return {rows} > {listed}")).await;
    let shown =
        "return [...document.querySelectorAll('main li img')].some(img => img.complete && img.naturalWidth > 0)";
    browser.wait("with its picture", SOON, shown).await;
    pictures_in_time(browser, owner, camera).await;
    zones(browser, owner, camera).await;
}

/// What happened stands above the timeline in pictures, and one of them leads to when it began.
async fn pictures_in_time(browser: &Browser, owner: &Client, camera: &str) {
    browser.run(&format!("location.hash = '#/camera/{camera}'")).await;
    let picture = "const of = document.querySelector('[data-testid=event-picture]'); \
        return of?.querySelector('img').naturalWidth > 0 && Number(of.dataset.at)";
    let at = browser.wait("a picture above the timeline", SOON, picture).await.as_f64().expect("a time");
    let events = owner.get("/api/v1/events").await.expect(200).json();
    let begun = events["items"].as_array().expect("a list").iter().filter_map(|event| event["start"].as_str());
    let begun = begun.map(|start| start.parse::<Timestamp>().expect("a time").as_millisecond());
    assert!(begun.into_iter().any(|start| start as f64 == at), "it stands where it began: {events}");
    browser.click("[data-testid=event-picture]").await;
    let plays = "return document.querySelector('video[data-kind=playback]')?.dataset.state === 'playing'";
    browser.wait("it plays from there", SOON, plays).await;
}

/// A rule is made, the mode is set, and what the rule tells is shown on whatever screen is open.
async fn rules(browser: &Browser, owner: &Client, camera: &str) {
    browser.run("location.hash = '#/rules/new'").await;
    browser.fill("[name=name]", "Somebody comes").await;
    browser.click("input[value=motion]").await;
    browser.click("input[value=away]").await;
    browser.click("form > .actions button.primary").await;
    browser.wait("it is in the list", SOON, "return !!document.querySelector('[data-testid=rule]')").await;
    let made = owner.get("/api/v1/rules").await.expect(200).json();
    assert_eq!((&made[0]["kinds"], &made[0]["modes"]), (&json!(["motion"]), &json!(["away"])));
    assert_eq!(made[0]["actions"], json!({"protect": {"before_s": 10, "after_s": 20}, "notify": true}));

    browser.run("location.hash = '#/settings'").await;
    browser.click("[data-testid=mode] button:nth-of-type(2)").await;
    let away = "return document.querySelector('[data-testid=mode]')?.dataset.mode === 'away'";
    browser.wait("nobody is at home", SOON, away).await;
    for motion in [Value::Null, json!({})] {
        let path = format!("/api/v1/cameras/{camera}");
        owner.request(http::Method::PATCH, &path, Some(json!({"motion": motion}))).await.expect(200);
    }
    let told = "return document.querySelector('[data-testid=notice]')?.innerText.includes('Somebody comes')";
    browser.wait("it is told", SOON, told).await;
    browser.click("[data-testid=notice] button").await;

    browser.run("location.hash = '#/rules'").await;
    browser.click("main [role=switch]").await;
    testkit::wait_for("it is switched off", SOON, async || {
        owner.get("/api/v1/rules").await.expect(200).json()[0]["enabled"] == false
    })
    .await;
}

/// The owner gives the hub a model, sees what runs it, and forgets it.
async fn objects(browser: &Browser, owner: &Client) {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vision/tests/models").canonicalize().expect("models");
    let file = |name: &str| models.join(name).to_string_lossy().into_owned();
    browser.run("location.hash = '#/settings'").await;
    browser.click("a[href='#/objects']").await;
    let state =
        |state: &str| format!("return document.querySelector('[data-testid=objects]')?.dataset.state === '{state}'");
    browser.wait("there is no model", SOON, &state("none")).await;
    browser.fill("[type=file]", &file("small-ssd.onnx")).await;
    browser.click("form button.primary").await;
    let refused = "return document.body.innerText.includes('give labels in the description')";
    browser.wait("what is missing is said", SOON, refused).await;
    browser.fill("textarea", "labels = [\"somebody\", \"a car\"]").await;
    browser.click("form button.primary").await;
    browser.wait("it is used", SOON, &state("ok")).await;
    let runs = "const said = document.querySelector('[data-testid=objects]').innerText; \
                return said.includes('somebody, a car') && said.includes('tract looks: ')";
    browser.wait("what it tells apart, and what runs it", SOON, runs).await;
    assert_eq!(owner.get("/api/v1/objects").await.expect(200).json()["run_by"], "tract");
    browser.click("[data-testid=objects] button").await;
    browser.wait("it is forgotten", SOON, &state("none")).await;
}

/// A zone is drawn on what the camera shows, with keys as well.
async fn zones(browser: &Browser, owner: &Client, camera: &str) {
    browser.run(&format!("location.hash = '#/cameras/{camera}/zones'")).await;
    let still = "return document.querySelector('.picture img')?.naturalWidth > 0";
    browser.wait("what the camera shows", SOON, still).await;
    // Without zones whatever moves in what was recorded is shown, in pictures; with all of it covered nothing would be.
    browser.click("[data-testid=preview] button").await;
    let painted = "return [...document.querySelectorAll('[data-testid=would-be] canvas')].some(it => it.width === 320)";
    browser.wait("a picture of what would be an event", SOON, painted).await;
    browser
        .wait(
            "all was looked at",
            SOON,
            "return document.querySelector('[data-testid=preview]').dataset.state === 'done'",
        )
        .await;

    browser.click("main .actions button:nth-of-type(1)").await;
    browser.click("main .actions button:nth-of-type(2)").await;
    let key = "const corner = document.querySelector('[data-testid=corner]'); corner.focus(); \
        corner.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight', bubbles: true }))";
    browser.run(key).await;
    browser.click("form button.primary").await;
    browser.wait("it is saved", SOON, &format!("return location.hash === '#/cameras/{camera}'")).await;
    let motion = &owner.camera(camera).await["motion"];
    assert_eq!(motion["zones"], json!([[[2000, 2000], [6000, 2000], [6000, 6000], [2000, 6000]]]));
    assert_eq!(motion["masks"], json!([[[2600, 2500], [6500, 2500], [6500, 6500], [2500, 6500]]]));

    // The camera is to look by itself: this one does not, and the page says so; what was drawn is still there for the hub.
    let choose = |who: &str| {
        format!(
            "const by = document.querySelector('[name=by]'); by.value = '{who}'; by.dispatchEvent(new Event('change', {{ bubbles: true }}))"
        )
    };
    let looks = "return document.querySelector('[data-testid=motion] [name=sensitivity]') !== null";
    browser.wait("the hub looks", SOON, looks).await;
    browser.run(&choose("camera")).await;
    let told = "const motion = document.querySelector('[data-testid=motion]'); \
        return motion?.innerText.includes('does not tell what it notices') && !motion.querySelector('[name=sensitivity], a')";
    browser.wait("it is said that the camera tells nothing", SOON, told).await;
    assert_eq!(owner.camera(camera).await["motion"]["by"], "camera");
    browser.run(&choose("hub")).await;
    browser.wait("the hub looks again", SOON, looks).await;
    assert_eq!(owner.camera(camera).await["motion"]["zones"].as_array().unwrap().len(), 1);
}

/// Somebody is invited with one camera, sees that one and no other, and is out as soon as they are removed.
async fn second_member(browser: &Browser, home: &Home, camera: &str) {
    browser.run("location.hash = '#/people/invite'").await;
    browser.fill("[name=name]", "Max").await;
    // Look live, look back.
    browser.click("fieldset.card label:nth-of-type(1) input").await;
    browser.click("fieldset.card label:nth-of-type(2) input").await;
    browser.click("form > .actions button.primary").await;
    let address = "return document.querySelector('[data-testid=invitation] [data-testid=secret]')?.textContent";
    let address = browser.wait("the invitation's code", SOON, address).await;

    let phone = Browser::start(&home.root_pem()).await;
    phone.be_a_phone(360, 740, true).await;
    phone.open(address.as_str().expect("an address")).await;
    phone.fill("[name=password]", "umbrella saddle quartz melody").await;
    assert_eq!(phone.run("return location.hash").await, "#/invitation", "the secret stays in no history");
    phone.click("form button.primary").await;
    let marks = format!("{READ_MARKS} return liveMarks(1)");
    let marks = phone.wait("they see a camera", SOON, &marks).await;
    assert_eq!(marks[0]["camera"], 1);
    let tiles = phone.run("return [...document.querySelectorAll('video')].map(video => video.dataset.camera)").await;
    assert_eq!(tiles, json!([camera]), "the camera that they were given, and no other");
    phone.click("[data-testid=tile]").await;
    phone.wait("it plays", SOON, "return !!document.querySelector('video.playing')").await;
    let owners =
        "return [...document.querySelectorAll('a, button')].map(e => e.textContent.trim() + e.ariaLabel).join()";
    let offered = phone.run(owners).await.as_str().expect("text").to_owned();
    assert!(
        !offered.contains("Health") && !offered.contains("protect"),
        "nothing of the owner's is offered: {offered}"
    );

    browser.run("location.hash = '#/people'").await;
    browser.click("[data-testid=members] a[href^='#/people/']").await;
    browser.click("[data-testid=remove]").await;
    browser.click("dialog button.danger").await;
    phone.wait("they are out", SOON, "return !!document.querySelector('form [name=password]')").await;
}

async fn is_installable(browser: &Browser) {
    let active = "return navigator.serviceWorker.controller?.state === 'activated'";
    browser.wait("the service worker is active", SOON, active).await;
    let errors = browser.devtools("Page.getInstallabilityErrors", json!({})).await;
    assert_eq!(errors["installabilityErrors"], json!([]));
    browser
        .run(
            "window.kept = null; caches.keys().then(async names => { const lists = await Promise.all(names.map(async name => \
             (await (await caches.open(name)).keys()).map(({ url }) => new URL(url).pathname))); window.kept = lists.flat().sort(); })",
        )
        .await;
    let kept = browser.wait("what is kept is known", SOON, "return window.kept").await;
    let kept: Vec<_> = kept.as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert!(kept.contains(&"/") && kept.contains(&"/app.js"), "{kept:?}");
    assert!(!kept.iter().any(|path| path.starts_with("/api")), "no answer of the hub is kept: {kept:?}");
}

/// No request to anywhere else, and nothing on the console.
async fn nothing_is_wrong(browser: &Browser, home: &Home) {
    let own = [format!("https://127.0.0.1:{}/", home.port), format!("wss://127.0.0.1:{}/", home.port)];
    for entry in browser.logs("performance").await {
        let message: Value = serde_json::from_str(entry["message"].as_str().unwrap_or_default()).expect("JSON");
        let (message, parameters) = (&message["message"], &message["message"]["params"]);
        let url = match message["method"].as_str() {
            Some("Network.requestWillBeSent") => &parameters["request"]["url"],
            Some("Network.webSocketCreated") => &parameters["url"],
            _ => continue,
        };
        let url = url.as_str().expect("an address");
        // chrome: and data: are what the browser itself showed before the app was opened; data: the app's policy forbids.
        let near = ["blob:", "data:", "chrome:"].iter().any(|scheme| url.starts_with(scheme));
        let inside = near || own.iter().any(|own| url.starts_with(own));
        assert!(inside, "a request leaves the hub: {url}");
    }
    for entry in browser.logs("browser").await {
        let message = entry["message"].as_str().unwrap_or_default();
        // Whoever opens the app is asked who they are: the browser notes the 401 that says that nobody is signed in.
        let expected = message.contains("/api/v1/me - ") && message.contains("401");
        // What the hub refuses is an answer, and the browser notes it too.
        let refusals = ["/api/v1/claim - ", "/api/v1/objects - "];
        let refused = refusals.iter().any(|at| message.contains(at)) && message.contains("422");
        // One form for both streams of a camera, each with its password, is as it should be.
        let advice = entry["source"] == "recommendation";
        assert!(expected || refused || advice, "on the console: {entry}");
    }
}

/// Every screen, in light and dark, by axe.
async fn is_accessible(browser: &Browser) {
    let axe = concat!(env!("CARGO_MANIFEST_DIR"), "/../web/node_modules/axe-core/axe.min.js");
    let axe = std::fs::read_to_string(axe).expect("axe is there: scripts/setup installs it");
    browser.run(&format!("if (!window.axe) {{ {axe} }}")).await;
    let hashes = [
        "",
        "events",
        "settings",
        "health",
        "storage",
        "cameras",
        "cameras/new",
        "rules",
        "rules/new",
        "people",
        "people/invite",
        "tokens",
        "account",
        "audit",
        "kit",
        "disks",
        "reset",
    ];
    for dark in [false, true] {
        browser.look(dark).await;
        for hash in hashes {
            browser.run(&format!("location.hash = '#/{hash}'; window.found = null;")).await;
            browser.wait(&format!("the screen {hash:?}"), SOON, "return !!document.querySelector('main h1')").await;
            browser
                .run("axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => { window.found = violations.map(v => \
                      ({ id: v.id, impact: v.impact, nodes: v.nodes.map(n => n.html + ' ' + n.failureSummary) })); })")
                .await;
            let found = browser.wait("axe has looked", SOON, "return window.found").await;
            let serious = |v: &&Value| matches!(v["impact"].as_str(), Some("serious" | "critical"));
            let serious: Vec<_> = found.as_array().expect("a list").iter().filter(serious).collect();
            assert!(serious.is_empty(), "{hash:?}, dark {dark}: {serious:#?}");
            // Nothing sticks out at 360 pixels.
            let wide = browser.run("return document.documentElement.scrollWidth").await;
            assert_eq!(wide, 360, "{hash:?} fits the phone");
        }
    }
}
