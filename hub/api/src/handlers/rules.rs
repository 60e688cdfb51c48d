//! Rules: what the hub does when something happens at a camera.

use std::collections::BTreeSet;

use base::{CameraId, ProblemKind, RuleId};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use store::{Actions, EventKind, Minute, Mode, Roll, Rule, Times, Word};
use utoipa::ToSchema;

use crate::hub::Ctx;
use crate::problem::ApiError;
use crate::reply::{self, Response};
use crate::route::{Access, Request, Route};
use crate::secrets::person_name;

/// So many rules there are: all of them are looked at for each event.
const MOST_RULES: usize = 32;
// A rule is one row of the store, which is small.
const MOST_CAMERAS: usize = 64;
const MOST_KINDS: usize = 4;
const MOST_OBJECTS: usize = 8;
const MOST_MODES: usize = 3;
const MOST_TIMES: usize = 8;
const MOST_DAYS: usize = 7;
const LONGEST_OBJECT: usize = 32;
const DAY_S: u32 = 86_400;
/// Of the footage before and after an event.
const MOST_ROLL_S: u32 = 600;

pub(super) fn routes() -> Vec<Route<Ctx>> {
    vec![
        Route::get("/api/v1/rules", Access::Owner, "Lists the rules.", list)
            .answers_list::<RuleJson>("The rules, in the order they were made."),
        Route::post("/api/v1/rules", Access::Owner, "Makes a rule: when this happens, do that.", make)
            .takes::<NewRule>()
            .answers::<RuleJson>(201, "The rule."),
        Route::get("/api/v1/rules/{id}", Access::Owner, "A rule.", show).answers::<RuleJson>(200, "The rule."),
        Route::put("/api/v1/rules/{id}", Access::Owner, "Changes a rule, all of it.", change)
            .takes::<NewRule>()
            .answers::<RuleJson>(200, "The rule."),
        Route::delete(
            "/api/v1/rules/{id}",
            Access::Owner,
            "Removes a rule. What it protected stays protected.",
            remove,
        )
        .answers_with(204, "Removed.", None),
    ]
}

/// A rule.
#[derive(Serialize, ToSchema)]
#[schema(as = Rule)]
struct RuleJson {
    #[schema(value_type = String)]
    id: RuleId,
    name: String,
    enabled: bool,
    #[schema(value_type = Vec<String>)]
    cameras: Vec<CameraId>,
    #[schema(value_type = Vec<String>)]
    kinds: Vec<Word<EventKind>>,
    objects: Vec<String>,
    #[schema(value_type = Vec<String>)]
    modes: Vec<Word<Mode>>,
    times: Vec<TimesJson>,
    cool_down_s: u32,
    actions: ActionsJson,
}

/// A rule as somebody wants it. An empty list sets no condition.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewRule {
    /// 1 to 64 characters.
    name: String,
    /// It holds; true if it is absent.
    #[serde(default = "yes")]
    enabled: bool,
    /// At one of these cameras, 64 at most.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    cameras: Vec<CameraId>,
    /// When one of these happens: motion, person, doorbell, offline.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    kinds: Vec<EventKind>,
    /// When one of these was seen, that is, is in the event's detail.objects: 8 words at most, such as person, car, dog.
    #[serde(default)]
    objects: Vec<String>,
    /// While the hub's mode is one of these: home, away, night.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    modes: Vec<Mode>,
    /// At one of these times, 8 at most, by the time zone of the hub.
    #[serde(default)]
    times: Vec<TimesJson>,
    /// So many seconds after it did something for a camera it does nothing more for it, a day at most.
    #[serde(default)]
    cool_down_s: u32,
    actions: ActionsJson,
}

/// A time of the day on some days of the week.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Times)]
#[serde(deny_unknown_fields)]
struct TimesJson {
    /// On which days it begins: mon, tue, wed, thu, fri, sat, sun; empty: every day.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    days: Vec<store::Day>,
    /// When it begins, HH:MM.
    #[schema(value_type = String)]
    from: Minute,
    /// When it ends, HH:MM: on the next day if that is not after from.
    #[schema(value_type = String)]
    to: Minute,
}

/// What a rule does: one of these at least.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Actions)]
#[serde(deny_unknown_fields)]
struct ActionsJson {
    /// The event's footage goes last when room is made; null or absent: as all footage.
    #[serde(default)]
    protect: Option<RollJson>,
    /// Whoever may look back at the camera is told: `notice` of /api/v1/events/stream.
    #[serde(default)]
    notify: bool,
}

/// What of the footage belongs to an event besides itself.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Roll)]
#[serde(deny_unknown_fields)]
struct RollJson {
    /// Seconds before it begins, 600 at most.
    before_s: u32,
    /// Seconds after its end, 600 at most.
    after_s: u32,
}

fn yes() -> bool {
    true
}

impl From<Rule> for RuleJson {
    fn from(rule: Rule) -> Self {
        let Rule { id, name, enabled, cameras, kinds, objects, modes, times, cool_down_s, actions } = rule;
        let times = times.into_iter().map(|Times { days, from, to }| TimesJson { days, from, to }).collect();
        let roll = |Roll { before_s, after_s }| RollJson { before_s, after_s };
        let actions = ActionsJson { protect: actions.protect.map(roll), notify: actions.notify };
        Self { id, name, enabled, cameras, kinds, objects, modes, times, cool_down_s, actions }
    }
}

impl NewRule {
    /// # Errors
    /// [`ProblemKind::BadName`], or [`ProblemKind::BadBody`] with what is wrong.
    fn read(self, id: RuleId) -> Result<Rule, ApiError> {
        let NewRule { name, enabled, cameras, kinds, objects, modes, times, cool_down_s, actions } = self;
        let name = person_name(name)?;
        let bad = |what: String| Err(ApiError::with(ProblemKind::BadBody, what));
        let lists = [
            ("cameras", cameras.len(), MOST_CAMERAS),
            ("kinds", kinds.len(), MOST_KINDS),
            ("objects", objects.len(), MOST_OBJECTS),
            ("modes", modes.len(), MOST_MODES),
            ("times", times.len(), MOST_TIMES),
            ("days of a time", times.iter().map(|times| times.days.len()).max().unwrap_or(0), MOST_DAYS),
        ];
        if let Some((what, _, most)) = lists.iter().find(|(_, is, most)| is > most) {
            return bad(format!("There are more than {most} {what}"));
        }
        let word = |object: &String| {
            (1..=LONGEST_OBJECT).contains(&object.len())
                && object.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_- ".contains(&b))
        };
        if !objects.iter().all(word) {
            return bad("An object is not 1 to 32 of a-z, 0-9, space, - and _".to_owned());
        }
        if cool_down_s > DAY_S {
            return bad(format!("The cool_down_s is more than {DAY_S}"));
        }
        if actions.protect.is_none() && !actions.notify {
            return bad("The rule does nothing: give it protect or notify".to_owned());
        }
        if actions.protect.as_ref().is_some_and(|roll| roll.before_s.max(roll.after_s) > MOST_ROLL_S) {
            return bad(format!("The before_s or after_s is more than {MOST_ROLL_S}"));
        }
        let roll = |RollJson { before_s, after_s }| Roll { before_s, after_s };
        Ok(Rule {
            id,
            name,
            enabled,
            cameras,
            kinds: kinds.into_iter().map(Word::Known).collect(),
            objects,
            modes: modes.into_iter().map(Word::Known).collect(),
            times: times.into_iter().map(|TimesJson { days, from, to }| Times { days, from, to }).collect(),
            cool_down_s,
            actions: Actions { protect: actions.protect.map(roll), notify: actions.notify },
        })
    }
}

async fn list(hub: Ctx, _request: Request<Ctx>) -> Result<Response, ApiError> {
    let rules = hub.parts.store.read(|db| db.rules()).await?;
    Ok(reply::json(&rules.into_iter().map(RuleJson::from).collect::<Vec<_>>()))
}

async fn show(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let id: RuleId = request.id("id")?;
    let rule = hub.parts.store.read(move |db| Ok(db.rules()?.into_iter().find(|rule| rule.id == id))).await?;
    Ok(reply::json(&RuleJson::from(rule.ok_or(ProblemKind::NotFound)?)))
}

async fn make(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let rule = request.json::<NewRule>()?.read(RuleId::new(&*hub.parts.clock))?;
    let rule = put(&hub, &request, rule, "rule.add").await?;
    Ok(reply::json_with(StatusCode::CREATED, &rule))
}

async fn change(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let rule = request.json::<NewRule>()?.read(request.id("id")?)?;
    Ok(reply::json(&put(&hub, &request, rule, "rule.change").await?))
}

/// Keeps a rule that is new, or that is there.
async fn put(hub: &Ctx, request: &Request<Ctx>, rule: Rule, action: &'static str) -> Result<RuleJson, ApiError> {
    let (who, new) = (request.session()?.actor(), action == "rule.add");
    let kept = hub.parts.store.urgent(move |db| {
        let rules = db.rules()?;
        let before = rules.iter().find(|before| before.id == rule.id);
        if !new && before.is_none() {
            return Ok(Err(ProblemKind::NotFound.into()));
        }
        if new && rules.len() >= MOST_RULES {
            let many = format!("There are {MOST_RULES} rules already: remove one that is not needed");
            return Ok(Err(ApiError::with(ProblemKind::BadBody, many)));
        }
        // A camera that was removed may stay in a rule, which would be about all cameras without it.
        let there: BTreeSet<_> = db.cameras()?.into_iter().map(|camera| camera.id).collect();
        let known = |id: &CameraId| there.contains(id) || before.is_some_and(|before| before.cameras.contains(id));
        if !rule.cameras.iter().all(known) {
            return Ok(Err(ApiError::with(ProblemKind::BadBody, "A camera is not there")));
        }
        db.put_rule(&rule)?;
        db.append_audit(who, action, &format!("{} {}", rule.id, rule.name))?;
        Ok(Ok(RuleJson::from(rule)))
    });
    let kept = kept.await??;
    hub.export().await?;
    Ok(kept)
}

async fn remove(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let id: RuleId = request.id("id")?;
    let who = request.session()?.actor();
    let removed = hub.parts.store.urgent(move |db| {
        let name = db.rules()?.into_iter().find(|rule| rule.id == id).map(|rule| rule.name);
        let there = db.remove_rule(id)?;
        if there {
            db.append_audit(who, "rule.remove", format!("{id} {}", name.unwrap_or_default()).trim_end())?;
        }
        Ok(there)
    });
    if !removed.await? {
        return Err(ProblemKind::NotFound.into());
    }
    hub.export().await?;
    Ok(reply::no_content())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(change: Value) -> Result<Rule, String> {
        let mut body = json!({"name": "Night", "actions": {"notify": true}});
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let new: NewRule = serde_json::from_value(body).map_err(|e| e.to_string())?;
        new.read(RuleId::from_bytes([1; 16])).map_err(|e| e.problem.to_string())
    }

    #[test]
    fn a_rule_is_bounded_in_all_that_it_holds() {
        let rule = read(json!({})).unwrap();
        assert!(rule.enabled && rule.cameras.is_empty() && rule.cool_down_s == 0);
        let time = json!({"days": ["mon", "sun"], "from": "22:00", "to": "06:30"});
        let full = json!({
            "kinds": ["motion", "person"], "objects": ["dog", "delivery van"], "modes": ["away", "night"], "times": [time],
            "cool_down_s": 86_400, "enabled": false, "actions": {"protect": {"before_s": 600, "after_s": 0}},
        });
        let rule = read(full).unwrap();
        assert_eq!(serde_json::to_value(RuleJson::from(rule)).unwrap()["times"][0], time);
        for (bad, said) in [
            (json!({"name": " x"}), "cannot be used"),
            (json!({"name": ""}), "cannot be used"),
            (json!({"kinds": ["parcel"]}), "unknown variant"),
            (json!({"modes": ["holiday"]}), "unknown variant"),
            (json!({"modes": ["home", "home", "home", "home"]}), "more than 3 modes"),
            (json!({"cameras": vec!["01kdw000000000000000000000"; 65]}), "more than 64 cameras"),
            (json!({"objects": vec!["dog"; 9]}), "more than 8 objects"),
            (json!({"objects": ["Dog"]}), "An object is not"),
            (json!({"objects": [""]}), "An object is not"),
            (json!({"times": [{"from": "24:00", "to": "06:00"}]}), "HH:MM"),
            (json!({"times": [{"days": ["monday"], "from": "20:00", "to": "06:00"}]}), "unknown variant"),
            (json!({"times": [{"days": vec!["mon"; 8], "from": "20:00", "to": "06:00"}]}), "more than 7 days"),
            (json!({"times": vec![time; 9]}), "more than 8 times"),
            (json!({"cool_down_s": 86_401}), "more than 86400"),
            (json!({"cool_down_s": -1}), "invalid value"),
            (json!({"actions": {}}), "does nothing"),
            (json!({"actions": {"siren": true}}), "unknown field"),
            (json!({"actions": {"protect": {"before_s": 601, "after_s": 0}}}), "more than 600"),
            (json!({"actions": {"protect": {"before_s": 1}}}), "missing field"),
            (json!({"colour": "red"}), "unknown field"),
        ] {
            let error = read(bad.clone()).unwrap_err();
            assert!(error.contains(said), "{bad}: {error}");
        }
    }
}
