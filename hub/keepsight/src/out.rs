//! What the command line prints, for people and for scripts. The only place that writes to stdout.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use base::{Problem, ProblemKind};
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use serde_json::{Value, json};

/// A command that did not do what it was asked for.
#[derive(Debug)]
pub enum Failure {
    /// It was asked wrongly: exit code 2.
    Usage(String),
    /// It failed: exit code 1.
    Problem(Problem),
    /// A sealed file was opened up to where it is damaged: exit code 1.
    PartlyDamaged {
        /// The file.
        file: PathBuf,
        /// How many bytes of it were given.
        written: usize,
    },
    /// A check found so many things wrong; they have been printed. Exit code 1.
    Found(usize),
}

impl<P: Into<Problem>> From<P> for Failure {
    fn from(problem: P) -> Self {
        Failure::Problem(problem.into())
    }
}

impl Failure {
    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Failure::Usage(_) => 2,
            Failure::Problem(_) | Failure::PartlyDamaged { .. } | Failure::Found(_) => 1,
        }
    }
    /// What happened, then what to do, on stderr. With `json` as one object on one line.
    pub fn report(&self, json: bool) {
        match self {
            Failure::Problem(problem) if json => say(&problem_json(problem).to_string()),
            Failure::Found(_) if json => {} // the report said it
            Failure::Usage(words) if json => say(&json!({ "code": "usage", "title": words }).to_string()),
            failure => notice(&failure.to_string()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(words) => f.write_str(words),
            Failure::Problem(problem) => problem.fmt(f),
            Failure::Found(1) => f.write_str("One thing is wrong, see above."),
            Failure::Found(count) => write!(f, "{count} things are wrong, see above."),
            Failure::PartlyDamaged { file, written } => write!(
                f,
                "{} is damaged after {written} bytes. Those were given; of what comes after, restore a copy if there is one.",
                file.display()
            ),
        }
    }
}

/// The same names as in the API's problem documents.
fn problem_json(problem: &Problem) -> Value {
    let mut document = json!({
        "code": problem.kind.code(),
        "title": problem.kind.happened(),
        "remedy": problem.kind.remedy(),
    });
    if let Some(detail) = &problem.detail {
        document["detail"] = detail.as_str().into();
    }
    document
}

/// Tells a person something beside what was asked for, on stderr.
pub fn notice(text: &str) {
    say(&format!("keepsight: {}", printable(text)));
}

fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}"); // without stderr there is nobody to tell
}

/// Prints a text and a line end.
pub fn text(text: &str) -> Result<(), Problem> {
    bytes(format!("{text}\n").as_bytes())
}

/// Prints a value as JSON, so that people can read it too.
pub fn json(value: &Value) -> Result<(), Problem> {
    text(&format!("{value:#}"))
}

/// Writes bytes to stdout. A reader that went away has seen what it wanted: that is no failure.
pub fn bytes(bytes: &[u8]) -> Result<(), Problem> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Problem::with(ProblemKind::FileError, format_args!("stdout: {e}")))
        }
        _ => Ok(()),
    }
}

/// Columns as wide as their widest cell, two spaces between them. Without rows only the header is there.
pub fn table<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> String {
    let rows: Vec<[String; N]> = std::iter::once(header.map(String::from))
        .chain(rows.iter().map(|r| r.clone().map(|c| printable(&c))))
        .collect();
    let width = |column: usize| rows.iter().map(|r| r[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Prints a QR code to point a phone at. A text that is too long for one is left out: it is printed beside it anyway.
pub fn qr(address: &str) -> Result<(), Problem> {
    draw_qr(address, is_terminal() && std::env::var_os("NO_COLOR").is_none()).map_or(Ok(()), |code| text(&code))
}

/// In block characters: with `colour` black on white, whatever the terminal's theme; without, for a dark terminal (most
/// scanners read it on a light one too).
fn draw_qr(text: &str, colour: bool) -> Option<String> {
    let code = QrCode::new(text).ok()?;
    if !colour {
        // A block character is light on a dark terminal: light modules get it.
        return Some(code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build());
    }
    let black_on_white = |line| format!("\x1b[30;107m{line}\x1b[0m");
    Some(code.render::<Dense1x2>().build().lines().map(black_on_white).collect::<Vec<_>>().join("\n"))
}

/// Whether stdout is a person's terminal.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Names come from people and cameras: none of them moves the cursor or clears the screen.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_aligned_columns_and_no_control_characters() {
        let rows = [["1".into(), "Garten".into()], ["22".into(), "\x1b[2JTür\n".into()]];
        assert_eq!(table(["ID", "NAME"], &rows), "ID  NAME\n1   Garten\n22  \u{fffd}[2JTür\u{fffd}");
        assert_eq!(table::<1>(["ID"], &[]), "ID");
    }

    #[test]
    fn a_qr_code_holds_the_text_with_a_quiet_zone() {
        let address = "https://192.168.1.2:8443/";
        let modules = QrCode::new(address).unwrap();
        let width = modules.width() + 8;
        for colour in [false, true] {
            let drawn = draw_qr(address, colour).unwrap();
            let (dark_top, light_top) = if colour { ("█▀", " ▄") } else { (" ▄", "█▀") };
            for (y, line) in drawn.lines().enumerate() {
                let line = line.trim_start_matches("\x1b[30;107m").trim_end_matches("\x1b[0m");
                assert_eq!(line.chars().count(), width);
                for (x, c) in line.chars().enumerate() {
                    let (x, y) = (x as isize - 4, 2 * y as isize - 4);
                    let inside = |v: isize| (0..modules.width() as isize).contains(&v);
                    let dark = inside(x) && inside(y) && modules[(x as usize, y as usize)] == qrcode::Color::Dark;
                    assert!(if dark { dark_top } else { light_top }.contains(c), "{x} {y} {c:?}\n{drawn}");
                }
            }
        }
        assert!(draw_qr(&"x".repeat(4_000), true).is_none());
    }

    #[test]
    fn a_failure_for_scripts_has_the_names_of_the_apis_problem_documents() {
        assert_eq!(
            problem_json(&Problem::with(ProblemKind::NoConfig, "x")),
            json!({
                "code": "no-config",
                "title": "The configuration cannot be read.",
                "detail": "x",
                "remedy": "Check the path, or give another one with --config.",
            })
        );
    }
}
