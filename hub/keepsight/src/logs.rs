//! Where logs go: to stderr, each line one event. Under systemd the journal gets the level as a `<N>` prefix
//! (sd-daemon(3)) and stamps the time itself.

use std::fmt;
use std::io::IsTerminal;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{Format, Full, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Names the levels of modules, such as `info,media=debug`. `warn` for commands that answer a person, `info` for the hub.
const VARIABLE: &str = "KEEPSIGHT_LOG";

/// Sets up logs and the panic hook; called once, by the command line. Without [`VARIABLE`], `level` and above is logged.
pub fn init(level: &str) {
    let wanted = std::env::var(VARIABLE).unwrap_or_default();
    let filter = EnvFilter::builder().parse(if wanted.is_empty() { level } else { &wanted });
    let (filter, refused) = match filter {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new(level), Some(error)),
    };
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let set = if std::env::var_os("JOURNAL_STREAM").is_some() {
        logs.event_format(Journal(Format::default().without_time().with_level(false).with_ansi(false))).try_init()
    } else {
        logs.with_ansi(std::io::stderr().is_terminal()).try_init()
    };
    if set.is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
    if let Some(error) = refused {
        tracing::warn!(%error, "{VARIABLE} cannot be used; {level} and above is logged");
    }
}

fn log_panic(panic: &std::panic::PanicHookInfo) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    // Only with RUST_BACKTRACE set is there one.
    let backtrace = std::backtrace::Backtrace::capture();
    tracing::error!(
        place,
        thread = thread.name().unwrap_or("?"),
        %backtrace,
        "a part of the hub failed: {}",
        words_of(panic.payload())
    );
}

fn words_of(payload: &dyn std::any::Any) -> &str {
    let fixed = payload.downcast_ref::<&str>().copied();
    fixed.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no words")
}

/// Lines for the journal.
struct Journal(Format<Full, ()>);

impl<S, N> FormatEvent<S, N> for Journal
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let priority = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            Level::DEBUG | Level::TRACE => 7,
        };
        write!(to, "<{priority}>")?;
        self.0.format_event(context, to, event)
    }
}
