//! Grants as they are told, and how they are given: with the keys of all that the granting owner may see.

use std::collections::{BTreeMap, BTreeSet};

use base::{CameraId, PrincipalId, ProblemKind, Timestamp};
use serde::{Deserialize, Serialize};
use store::{Db, Grant, Principal, Rights, Role, StoreError};
use utoipa::ToSchema;
use vault::{KeyLabel, PrincipalRecipient, Viewer, WrappedKey};

use crate::problem::ApiError;

/// What somebody may do with a camera.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Grant)]
#[serde(deny_unknown_fields)]
pub(crate) struct GrantJson {
    /// Which camera.
    #[schema(value_type = String)]
    pub camera: CameraId,
    /// What may be done with it, in any order: live, playback, export, manage.
    #[schema(value_type = Vec<String>)]
    pub rights: Vec<RightWord>,
    /// When it ends by itself; absent or null: when an owner ends it.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub expires: Option<Timestamp>,
}

/// A right by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RightWord {
    Live,
    Playback,
    Export,
    Manage,
}

impl GrantJson {
    fn of(grant: &Grant) -> Self {
        Self { camera: grant.camera, rights: words(grant.rights), expires: grant.expires }
    }
}

fn words(rights: Rights) -> Vec<RightWord> {
    let Rights { live, playback, export, manage } = rights;
    [(live, RightWord::Live), (playback, RightWord::Playback), (export, RightWord::Export), (manage, RightWord::Manage)]
        .into_iter()
        .filter_map(|(has, word)| has.then_some(word))
        .collect()
}

const ALL: Rights = Rights { live: true, playback: true, export: true, manage: true };

/// What a principal may do: an owner everything, others what they were granted and what has not ended.
pub(crate) fn told(db: &Db, principal: &Principal, now: Timestamp) -> Result<Vec<GrantJson>, StoreError> {
    if principal.role == Role::Owner {
        let cameras = db.cameras()?.into_iter();
        return Ok(cameras.map(|c| GrantJson { camera: c.id, rights: words(ALL), expires: None }).collect());
    }
    let grants = db.grants_of(principal.id)?;
    Ok(grants.iter().filter(|grant| grant.expires.is_none_or(|at| at > now)).map(GrantJson::of).collect())
}

/// Grants as somebody asked for them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked(BTreeMap<CameraId, (Rights, Option<Timestamp>)>);

impl Asked {
    /// # Errors
    /// [`ProblemKind::BadGrant`] with what is wrong.
    pub(crate) fn read(grants: Vec<GrantJson>, now: Timestamp) -> Result<Self, ApiError> {
        let bad = |what: &str| ApiError::with(ProblemKind::BadGrant, what);
        let mut asked = BTreeMap::new();
        for grant in grants {
            let has = |word| grant.rights.contains(&word);
            let rights = Rights {
                live: has(RightWord::Live),
                playback: has(RightWord::Playback),
                export: has(RightWord::Export),
                manage: has(RightWord::Manage),
            };
            if rights == Rights::default() {
                return Err(bad("One gives no right"));
            }
            if grant.expires.is_some_and(|at| at <= now) {
                return Err(bad("One ends before it begins"));
            }
            if asked.insert(grant.camera, (rights, grant.expires)).is_some() {
                return Err(bad("A camera is there twice"));
            }
        }
        Ok(Self(asked))
    }

    /// The grants that a principal has now, for somebody who gets the same.
    pub(crate) fn same_as(grants: &[Grant]) -> Self {
        Self(grants.iter().map(|grant| (grant.camera, (grant.rights, grant.expires))).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// # Errors
    /// [`ProblemKind::BadGrant`] if a camera is not there.
    pub(crate) fn check(&self, db: &Db) -> Result<Result<(), ProblemKind>, StoreError> {
        let cameras: BTreeSet<_> = db.cameras()?.into_iter().map(|camera| camera.id).collect();
        let all_there = self.0.keys().all(|camera| cameras.contains(camera));
        Ok(if all_there { Ok(()) } else { Err(ProblemKind::BadGrant) })
    }

    /// The keys that go with them, of all epochs that the viewer holds. Slow.
    pub(crate) fn keys(&self, viewer: &Viewer, to: &PrincipalRecipient) -> Vec<WrappedKey> {
        wrap_for(viewer, to, |key| self.0.get(&key.camera).is_some_and(|(rights, _)| rights.need(key.purpose)))
    }

    /// Gives a principal these grants with their keys, instead of those that it has. Answers the cameras of which it may
    /// do less, or else, than before.
    pub(crate) fn put(
        &self,
        db: &mut Db,
        principal: PrincipalId,
        keys: &[WrappedKey],
    ) -> Result<BTreeSet<CameraId>, StoreError> {
        let mut changed = BTreeSet::new();
        for before in db.grants_of(principal)? {
            match self.0.get(&before.camera) {
                Some((rights, expires)) if (*rights, *expires) == (before.rights, before.expires) => {}
                Some(_) => drop(changed.insert(before.camera)),
                None => {
                    db.remove_grant(principal, before.camera)?;
                    changed.insert(before.camera);
                }
            }
        }
        for (camera, (rights, expires)) in &self.0 {
            db.put_grant(&Grant { principal, camera: *camera, rights: *rights, expires: *expires })?;
        }
        db.put_wrapped_keys(principal, keys)?;
        Ok(changed)
    }
}

/// Wraps what a viewer may open to somebody else. What it should open and does not is a defect: it is said, and nobody
/// gets it.
pub(crate) fn wrap_for(viewer: &Viewer, to: &PrincipalRecipient, wanted: impl Fn(KeyLabel) -> bool) -> Vec<WrappedKey> {
    let (keys, shut) = viewer.rewrap_all(wanted, to);
    for (KeyLabel { camera, epoch, purpose }, error) in shut {
        tracing::error!(%camera, %epoch, ?purpose, %error, "a key that somebody holds does not open");
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(json: &str) -> Result<Asked, String> {
        let grants = serde_json::from_str(json).map_err(|e| e.to_string())?;
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        Asked::read(grants, now).map_err(|e| e.problem.to_string())
    }

    #[test]
    fn a_grant_that_gives_nothing_or_has_ended_or_stands_twice_is_refused() {
        let one = |rest: &str| format!(r#"{{"camera":"01kdw000000000000000000000",{rest}}}"#);
        let good = one(r#""rights":["manage","live"],"expires":"2026-01-01T00:00:01Z""#);
        let read = grants(&format!("[{good}]")).unwrap();
        let rights = Rights { live: true, manage: true, ..Rights::default() };
        assert_eq!(read.0.values().next().unwrap().0, rights);
        assert_eq!(words(rights), [RightWord::Live, RightWord::Manage]);
        for (bad, said) in [
            (one(r#""rights":[]"#), "gives no right"),
            (one(r#""rights":["live"],"expires":"2026-01-01T00:00:00Z""#), "ends before it begins"),
            (format!("{good},{good}"), "there twice"),
            (one(r#""rights":["fly"]"#), "unknown variant"),
            (one(r#""rights":["live"],"x":1"#), "unknown field"),
        ] {
            let error = grants(&format!("[{bad}]")).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
        assert!(grants("[]").unwrap().is_empty());
    }
}
