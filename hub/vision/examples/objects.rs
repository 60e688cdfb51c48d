//! What looking for objects costs, for the bench: `objects PROGRAM LIBRARY MODEL…` has the hub's own library and another run each model, in
//! children of that program, and prints a line of JSON each.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base::{Shutdown, SystemClock};
use vision::{Eyes, Model, Objects, Outcome, Program, Provider, Runtime};

fn main() -> io::Result<()> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let [program, library, models @ ..] = &args[..] else {
        return Err(io::Error::other("usage: objects PROGRAM LIBRARY MODEL..."));
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    models.iter().try_for_each(|model| runtime.block_on(measured(program, library, model)))
}

async fn measured(program: &str, library: &str, path: &str) -> io::Result<()> {
    let other = Runtime { library: PathBuf::from(library), provider: Provider::Cpu, devices: vec![] };
    let eyes = Eyes::start_with(vec![other], Program::at(program), Arc::new(SystemClock), Shutdown::new())?;
    let model = Model { file: std::fs::read(path)?.into(), description: String::new() };
    let (own, _) = eyes.try_model(&model).await.map_err(io::Error::other)?;
    let (mut state, mut objects) = (eyes.runtimes(), eyes.objects());
    eyes.tell_objects(Some(model));
    let gone = |_| io::Error::other("nobody looks any more");
    objects.wait_for(|objects| matches!(objects, Objects::Ready(_))).await.map_err(gone)?;
    let is_known = |all: &Vec<vision::Tried>| !matches!(all[0].outcome, Outcome::Untried | Outcome::Trying);
    let outcome = state.wait_for(is_known).await.map_err(gone)?[0].outcome.clone();
    let (Outcome::Used(cost) | Outcome::NoBetter(cost)) = outcome else {
        return Err(io::Error::other(format!("{outcome:?}")));
    };
    let ms = |time: Duration| (time.as_secs_f64() * 10_000.0).round() / 10.0;
    let (width, height) = (own.width, own.height);
    let name = PathBuf::from(path).file_name().unwrap_or_default().to_string_lossy().into_owned();
    writeln!(
        io::stdout(),
        "{{\"model\": {name:?}, \"picture\": \"{width}x{height}\", \"tract_ms\": {}, \"onnxruntime_ms\": {}, \"ratio\": {:.1}}}",
        ms(own.per_picture),
        ms(cost),
        own.per_picture.as_secs_f64() / cost.as_secs_f64()
    )
}
