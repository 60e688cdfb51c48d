//! Who did what.

use std::collections::HashMap;

use base::Timestamp;
use serde::Serialize;
use store::{Actor, AuditEntry};
use utoipa::ToSchema;

use crate::hub::Ctx;
use crate::problem::ApiError;
use crate::reply::{self, Response};
use crate::route::{Access, Request, Route};

/// Entries of a page, unless it is said otherwise.
const PAGE: usize = 100;
const LONGEST_PAGE: usize = 500;

pub(super) fn routes() -> Vec<Route<Ctx>> {
    vec![
        Route::get("/api/v1/audit", Access::Owner, "The audit log, newest first: who did what.", audit)
            .query("cursor", false, "Where the page before ended: its next.")
            .query("limit", false, "At most so many entries, 1 to 500; 100 if it is absent.")
            .answers::<AuditPage>(200, "A page of it."),
    ]
}

#[derive(Serialize, ToSchema)]
struct AuditPage {
    items: Vec<EntryJson>,
    /// The cursor of the next page; null at the end.
    next: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
struct EntryJson {
    /// Its number, from 0 without a hole.
    sequence: u64,
    #[schema(value_type = String)]
    at: Timestamp,
    /// hub (by itself), console (at the machine), or the id of a person or token.
    who: String,
    /// What they are called now; absent if they are gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    who_name: Option<String>,
    /// A stable word, such as camera.add.
    what: String,
    /// To what: an id, a name or a span.
    about: String,
}

async fn audit(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let before: Option<u64> = request.query.value("cursor")?;
    let limit = super::page_length(&request, PAGE, LONGEST_PAGE)?;
    let read = hub.parts.store.read(move |db| {
        let names: HashMap<_, _> = db.principals()?.into_iter().map(|p| (p.id, p.name)).collect();
        Ok((db.audit_page(before, limit)?, names))
    });
    let (entries, names) = read.await?;
    let next = entries.last().map(|last| last.seq).filter(|seq| *seq > 0 && entries.len() == limit);
    let told = |entry: AuditEntry| EntryJson {
        sequence: entry.seq,
        at: entry.time,
        who: entry.who.to_string(),
        who_name: match entry.who {
            Actor::Principal(id) => names.get(&id).cloned(),
            Actor::Hub | Actor::Console => None,
        },
        what: entry.action,
        about: entry.subject,
    };
    let items = entries.into_iter().map(told).collect();
    Ok(reply::json(&AuditPage { items, next: next.map(|seq| seq.to_string()) }))
}
