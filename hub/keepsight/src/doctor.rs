//! `keepsight doctor`: how the machine is, and the hub on it if one runs. Works without a hub and without a configuration.

use std::path::PathBuf;

use base::state::Health;
use base::{Clock, Problem, ProblemKind, SystemClock};
use clap::Args;
use http::Method;
use serde_json::{Value, json};
use system::{Doctor, Fact};

use crate::config::{Config, DEFAULT_FILE};
use crate::out::{self, Failure};
use crate::sock::HubSocket;

/// `keepsight doctor`.
#[derive(Debug, Args)]
pub struct DoctorCommand {
    /// The hub's configuration; without one only the machine is looked at
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Report as JSON, errors too
    #[arg(long)]
    pub json: bool,
}

impl DoctorCommand {
    /// Looks, and prints what was found.
    ///
    /// # Errors
    /// What is degraded makes the exit code 1; a configuration that was given and cannot be used.
    pub async fn run(&self) -> Result<(), Failure> {
        let mut facts = Doctor::of_this_machine().look(SystemClock.source());
        facts.extend(self.hub().await?);
        let wrong = facts.iter().filter(|fact| matches!(fact.health, Health::Degraded { .. })).count();
        match self.json {
            true => out::json(&json!({ "version": env!("CARGO_PKG_VERSION"), "facts": facts }))?,
            false => facts.iter().try_for_each(|fact| out::text(&out::printable(&line(fact))))?,
        }
        if wrong == 0 { Ok(()) } else { Err(Failure::Found(wrong)) }
    }

    /// What a hub that runs says of its own parts; off where none runs.
    async fn hub(&self) -> Result<Vec<Fact>, Problem> {
        let config = match &self.config {
            Some(file) => Config::load(file)?,
            None => Config::load(DEFAULT_FILE.as_ref()).unwrap_or_default(),
        };
        match HubSocket::new(config.paths.socket()).json(Method::GET, "/api/v1/system", None).await {
            Ok(system) => {
                let mut facts = vec![fact("hub", Health::Ok, "It runs")];
                facts.extend(
                    ["clock", "storage", "store", "stills", "mdns"].iter().filter_map(|name| part(name, &system)),
                );
                facts.extend(
                    ["decoder_h264", "decoder_h265", "encoder_h264"].iter().filter_map(|name| machine(name, &system)),
                );
                Ok(facts)
            }
            Err(e) if e.kind == ProblemKind::HubNotRunning => Ok(vec![fact("hub", Health::Off, "No hub runs")]),
            Err(e) => Ok(vec![fact("hub", Health::Off, &format!("It cannot be asked: {e}"))]),
        }
    }
}

fn fact(name: &str, health: Health, said: &str) -> Fact {
    Fact { name: name.into(), health, said: said.into() }
}

/// A part of the hub, by its own word.
fn part(name: &str, system: &Value) -> Option<Fact> {
    let part = system.get(name)?;
    let health: Health = serde_json::from_value(part.get("health").unwrap_or(part).clone()).ok()?;
    let said = match &health {
        Health::Ok => "Works".to_owned(),
        Health::Off => "Off".to_owned(),
        Health::Degraded { detail, .. } => detail.clone(),
    };
    Some(Fact { name: format!("hub_{name}"), health, said })
}

/// A fact of the machine that only the hub knows.
fn machine(name: &str, system: &Value) -> Option<Fact> {
    serde_json::from_value(system.get("machine")?.get(name)?.clone()).ok()
}

/// What is wrong is told with what to do.
fn line(fact: &Fact) -> String {
    let (state, said) = match &fact.health {
        Health::Ok => ("ok", &fact.said),
        Health::Off => ("off", &fact.said),
        Health::Degraded { detail, .. } => ("DEGRADED", detail),
    };
    format!("{state:8}  {:14}  {said}", fact.name)
}
