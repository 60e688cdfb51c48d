//! `keepsight health`: does the hub that runs do what it should, for as long as the gate is? What a new version of the
//! system has to show before it is taken as good.

use std::time::Duration;

use base::{Clock, Mono, Problem, ProblemKind, SystemClock};
use clap::Args;
use http::Method;
use serde::Deserialize;
use serde_json::json;

use crate::cli::ConfigFile;
use crate::out::{self, Failure};
use crate::sock::HubSocket;

/// How often the hub is asked.
const EVERY: Duration = Duration::from_secs(1);

/// `keepsight health`.
#[derive(Debug, Args)]
pub struct HealthCommand {
    #[command(flatten)]
    config: ConfigFile,
    /// Report as JSON, errors too
    #[arg(long)]
    pub json: bool,
}

/// What the hub answers.
#[derive(Debug, Clone, Deserialize)]
struct Answer {
    run: String,
    up_ms: u64,
    wrong: Vec<String>,
}

/// What is known after asking once more.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It has run for the gate's length, and does what it should.
    Good,
    /// It will not be good any more within this gate.
    Bad(String),
    /// Ask again.
    Unknown,
}

impl HealthCommand {
    /// Asks until the hub has been good for the length of the gate, or cannot be any more.
    ///
    /// # Errors
    /// `not-healthy`, with what is wrong.
    pub async fn run(&self) -> Result<(), Failure> {
        let config = self.config.load()?;
        let socket = HubSocket::new(config.paths.socket());
        let mut gate = Gate::new(config.update.gate(), SystemClock.mono());
        loop {
            let answer = socket.json(Method::GET, "/local/health", None).await;
            let answer = answer
                .and_then(|json| serde_json::from_value(json).map_err(|e| Problem::with(ProblemKind::Internal, e)));
            match gate.judge(SystemClock.mono(), answer) {
                Verdict::Good => break,
                Verdict::Bad(why) => return Err(Problem::with(ProblemKind::NotHealthy, why).into()),
                Verdict::Unknown => SystemClock.sleep(EVERY).await,
            }
        }
        match self.json {
            true => out::json(&json!({ "good": true }))?,
            false => out::text("The hub does what it should.")?,
        }
        Ok(())
    }
}

/// The gate: the hub has to run for its length, without a restart, and do what it should at the end of it. It gets as
/// long again for starting, and for cameras that connect slowly.
struct Gate {
    length: Duration,
    ends: Mono,
    /// Which run of the hub answered first.
    run: Option<String>,
}

impl Gate {
    fn new(length: Duration, now: Mono) -> Self {
        Self { length, ends: now + length * 2, run: None }
    }

    fn judge(&mut self, now: Mono, answer: Result<Answer, Problem>) -> Verdict {
        let late = now >= self.ends;
        match (answer, &self.run) {
            (Ok(answer), Some(run)) if answer.run != *run => Verdict::Bad("It was started anew in between".into()),
            (Ok(answer), _) => {
                self.run = Some(answer.run);
                match Duration::from_millis(answer.up_ms) >= self.length {
                    true if answer.wrong.is_empty() => Verdict::Good,
                    _ if !late => Verdict::Unknown,
                    _ if answer.wrong.is_empty() => Verdict::Bad("It was started too late to be judged".into()),
                    _ => Verdict::Bad(answer.wrong.join(" ")),
                }
            }
            (Err(problem), Some(_)) if problem.kind == ProblemKind::HubNotRunning => {
                Verdict::Bad("It ended in between".into())
            }
            (Err(problem), _) if late => Verdict::Bad(problem.to_string()),
            (Err(_), _) => Verdict::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATE: Duration = Duration::from_secs(30);

    fn answer(run: &str, up_s: u64, wrong: &[&str]) -> Result<Answer, Problem> {
        let wrong = wrong.iter().map(ToString::to_string).collect();
        Ok(Answer { run: run.into(), up_ms: up_s * 1_000, wrong })
    }

    fn away() -> Result<Answer, Problem> {
        Err(ProblemKind::HubNotRunning.into())
    }

    /// Judges what was answered at which second; the last verdict.
    fn judged(answers: Vec<(u64, Result<Answer, Problem>)>) -> Verdict {
        let start = Mono(7_000_000_000);
        let mut gate = Gate::new(GATE, start);
        let mut last = Verdict::Unknown;
        for (second, answer) in answers {
            assert_eq!(last, Verdict::Unknown, "it is asked on only while nothing is known");
            last = gate.judge(start + Duration::from_secs(second), answer);
        }
        last
    }

    #[test]
    fn a_hub_that_has_run_for_the_gate_and_has_nothing_wrong_is_good() {
        assert_eq!(judged(vec![(0, answer("a", 40, &[]))]), Verdict::Good, "it runs for longer already");
        assert_eq!(judged(vec![(0, away()), (5, answer("a", 1, &[])), (34, answer("a", 30, &[]))]), Verdict::Good);
        assert_eq!(judged(vec![(0, answer("a", 0, &["x"])), (45, answer("a", 45, &[]))]), Verdict::Good, "later");
    }

    #[test]
    fn what_is_wrong_at_the_end_is_said() {
        let silent = "The camera that was recorded before is not recorded now: x.";
        assert_eq!(judged(vec![(0, answer("a", 0, &[])), (30, answer("a", 30, &[silent]))]), Verdict::Unknown);
        assert_eq!(
            judged(vec![(30, answer("a", 30, &[silent])), (60, answer("a", 60, &[silent]))]),
            Verdict::Bad(silent.into())
        );
        let Verdict::Bad(why) = judged(vec![(0, away()), (60, away())]) else { panic!("a hub that never came is bad") };
        assert!(why.starts_with("No hub is running"), "{why}");
    }

    #[test]
    fn a_restart_in_the_gate_is_bad_at_once() {
        let other = judged(vec![(0, answer("a", 3, &[])), (5, answer("b", 1, &[]))]);
        assert_eq!(other, Verdict::Bad("It was started anew in between".into()));
        assert_eq!(judged(vec![(0, answer("a", 3, &[])), (5, away())]), Verdict::Bad("It ended in between".into()));
    }
}
