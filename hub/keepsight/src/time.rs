//! Whether time servers are asked: said again at each start, since it is said in memory.

use base::Problem;
use store::Store;
use system::{Image, InternetTime, TIME_SETTINGS, TimeSettings};

use crate::config::Config;

/// Says what an owner decided, on a machine that our image runs.
pub(crate) async fn of(config: &Config, store: &Store) -> Result<InternetTime, Problem> {
    let image = Image::read(config.update.image()).ok().flatten();
    // systemd makes the folder, and has keepsight-time.path look into it.
    let folder = image.and(std::env::var_os("RUNTIME_DIRECTORY"));
    let time = InternetTime::new(folder.as_ref().map(std::path::Path::new));
    let wanted = store.read(|db| db.setting::<TimeSettings>(TIME_SETTINGS)).await?.unwrap_or_default();
    // Recording does without.
    if let Err(e) = time.say(wanted) {
        tracing::error!(error = &e as &dyn std::error::Error, "it cannot be said whether time servers are to be asked");
    }
    Ok(time)
}
