//! The pictures of the set-up page: what a settings screen looks like, drawn from its words.
//!
//! Each is a file of its own without style or script inside, once for light and once for dark screens.

use std::fmt::Write;

/// A settings screen.
pub(super) struct Screen {
    /// The file's name, without its ending.
    pub file: &'static str,
    /// A phone, or a window on a computer.
    pub phone: bool,
    /// What stands at its top.
    pub title: &'static str,
    pub rows: &'static [Row],
}

/// A line of a screen.
pub(super) enum Row {
    /// There, and left alone.
    There(&'static str),
    /// To be opened.
    Open(&'static str),
    /// To be switched on; it is drawn switched on.
    On(&'static str),
    /// A button to be pressed.
    Press(&'static str),
}

/// What it is drawn with.
struct Palette {
    paper: &'static str,
    bar: &'static str,
    ink: &'static str,
    quiet: &'static str,
    line: &'static str,
    accent: &'static str,
    on_accent: &'static str,
}

const LIGHT: Palette = Palette {
    paper: "#ffffff",
    bar: "#eef1f4",
    ink: "#17202a",
    quiet: "#5b6773",
    line: "#d3dae1",
    accent: "#0a5fb4",
    on_accent: "#ffffff",
};
const DARK: Palette = Palette {
    paper: "#1b2229",
    bar: "#27303a",
    ink: "#eef2f6",
    quiet: "#a5b1bd",
    line: "#3b4652",
    accent: "#6db3f8",
    on_accent: "#0d1318",
};

const WIDTH: u32 = 320;
const BAR: u32 = 44;
const ROW: u32 = 44;
const EDGE: u32 = 10;

impl Screen {
    /// What who cannot see it is read.
    pub fn alt(&self) -> String {
        let kind = if self.phone { "Screen" } else { "Window" };
        let marked: Vec<String> = self
            .rows
            .iter()
            .filter_map(|row| match row {
                Row::There(_) => None,
                Row::Open(text) => Some(format!("the line “{text}” is marked")),
                Row::On(text) => Some(format!("the switch beside “{text}” is on")),
                Row::Press(text) => Some(format!("the button “{text}” is marked")),
            })
            .collect();
        format!("{kind} “{}”: {}.", self.title, marked.join(", "))
    }

    /// Its height in the units of its width, 320.
    pub fn height(&self) -> u32 {
        BAR + ROW * self.rows.len() as u32 + 2 * EDGE
    }

    pub fn svg(&self, dark: bool) -> String {
        let palette = if dark { &DARK } else { &LIGHT };
        let Palette { paper, bar, ink, line, .. } = palette;
        let (height, radius) = (self.height(), if self.phone { 18 } else { 8 });
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
             font-family=\"system-ui, sans-serif\" font-size=\"15\">\n\
             <rect x=\"1\" y=\"1\" width=\"{}\" height=\"{}\" rx=\"{radius}\" fill=\"{paper}\" stroke=\"{line}\" stroke-width=\"2\"/>\n\
             <path d=\"M2 {BAR}V{top}Q2 2 {top} 2H{inner}Q{right} 2 {right} {top}V{BAR}Z\" fill=\"{bar}\"/>\n",
            WIDTH - 2,
            height - 2,
            top = radius,
            inner = WIDTH - radius,
            right = WIDTH - 2,
        );
        let title = escaped(self.title);
        if self.phone {
            line_of(
                &mut svg,
                &format!(
                    "<text x=\"160\" y=\"28\" text-anchor=\"middle\" font-weight=\"600\" fill=\"{ink}\">{title}</text>"
                ),
            );
        } else {
            for x in [18, 34, 50] {
                line_of(&mut svg, &format!("<circle cx=\"{x}\" cy=\"22\" r=\"5\" fill=\"{line}\"/>"));
            }
            line_of(&mut svg, &format!("<text x=\"68\" y=\"28\" font-weight=\"600\" fill=\"{ink}\">{title}</text>"));
        }
        for (n, row) in self.rows.iter().enumerate() {
            draw(&mut svg, row, BAR + EDGE + ROW * n as u32, palette);
        }
        svg.push_str("</svg>\n");
        svg
    }
}

fn draw(svg: &mut String, row: &Row, y: u32, palette: &Palette) {
    let Palette { ink, quiet, line, accent, on_accent, .. } = palette;
    let (base, middle) = (y + 27, y + ROW / 2);
    let ring = format!(
        "<rect x=\"8\" y=\"{}\" width=\"304\" height=\"38\" rx=\"9\" fill=\"none\" stroke=\"{accent}\" stroke-width=\"3\"/>",
        y + 3
    );
    let arrow = |colour| {
        format!("<path d=\"M296 {}l6 6l-6 6\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>", middle - 6)
    };
    let words = |text: &str, colour: &str, weight: u32| {
        // Whatever font the device has, the longest lines must fit.
        let size = if text.chars().count() > 28 { 12 } else { 15 };
        let text = escaped(text);
        format!(
            "<text x=\"18\" y=\"{base}\" font-size=\"{size}\" font-weight=\"{weight}\" fill=\"{colour}\">{text}</text>"
        )
    };
    match row {
        Row::There(text) => {
            line_of(svg, &words(text, quiet, 400));
            line_of(svg, &arrow(line));
        }
        Row::Open(text) => {
            line_of(svg, &ring);
            line_of(svg, &words(text, ink, 600));
            line_of(svg, &arrow(accent));
        }
        Row::On(text) => {
            line_of(svg, &ring);
            line_of(svg, &words(text, ink, 600));
            line_of(
                svg,
                &format!(
                    "<rect x=\"258\" y=\"{}\" width=\"44\" height=\"24\" rx=\"12\" fill=\"{accent}\"/>",
                    middle - 12
                ),
            );
            line_of(svg, &format!("<circle cx=\"290\" cy=\"{middle}\" r=\"9\" fill=\"{on_accent}\"/>"));
        }
        Row::Press(text) => {
            line_of(
                svg,
                &format!("<rect x=\"40\" y=\"{}\" width=\"240\" height=\"36\" rx=\"9\" fill=\"{accent}\"/>", y + 4),
            );
            line_of(
                svg,
                &format!(
                    "<text x=\"160\" y=\"{base}\" text-anchor=\"middle\" font-weight=\"600\" fill=\"{on_accent}\">{}</text>",
                    escaped(text)
                ),
            );
        }
    }
}

fn line_of(svg: &mut String, element: &str) {
    let _ = writeln!(svg, "{element}"); // writing to a String does not fail
}

/// A text for HTML and XML.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
