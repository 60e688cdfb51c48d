//! A model in the ONNX format: read and judged with tract, whoever runs it; in the detecting child only.

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::infer::Factoid;

use super::alike::are_alike;
use super::description::{self, Colors, Description, Values};
use super::heads::{Head, Shape};
use super::tract::Tract;
use super::{Detector, MAX_SIDE, Rgb, Seen, Size};

/// The most of a library's words that a person is told.
const MAX_WHY: usize = 240;
/// Numbers in one output at most: a thousand labels at 8,400 places have as many.
const MAX_OUTPUT: usize = 16 << 20;

/// Runs a model.
pub(crate) trait Runs {
    /// All outputs for a picture, in the model's own order, as numbers with a point.
    ///
    /// # Errors
    /// It cannot: why, for a person.
    fn run(&mut self, input: &Input) -> Result<Vec<Vec<f32>>, String>;
}

/// A picture as a model wants it.
pub(crate) struct Input {
    pub shape: [usize; 4],
    pub pixels: Pixels,
}

/// See [`Input`].
pub(crate) enum Pixels {
    Bytes(Vec<u8>),
    Floats(Vec<f32>),
}

/// A model that was read.
pub(crate) struct Onnx {
    by: Box<dyn Runs>,
    reading: Reading,
}

/// What goes into a model, and what its numbers mean.
struct Reading {
    /// Colours are planes one after the other, not side by side.
    planes: bool,
    /// It wants bytes, not numbers with a point.
    bytes: bool,
    size: Size,
    colors: Colors,
    values: Values,
    head: Head,
    shapes: Vec<Shape>,
    labels: Vec<String>,
    least_score: f32,
}

impl Onnx {
    /// # Errors
    /// Why it is of no use, for a person.
    pub fn load(onnx: &[u8], description: &str) -> Result<Self, String> {
        let description = Description::read(description)?;
        let framework = tract_onnx::onnx().with_ignore_output_shapes(true).with_ignore_output_types(true);
        let mut proto =
            framework.proto_model_for_read(&mut &onnx[..]).map_err(|_| "It is no ONNX file, or a damaged one")?;
        let said = |key: &str| proto.metadata_props.iter().find(|prop| prop.key == key).map(|prop| prop.value.clone());
        let (names, size) = (said("names"), said("imgsz"));
        let labels = description.labels.clone().or_else(|| description::names(&names?));
        let labels = description::in_small_letters(labels)?;
        let graph = proto.graph.as_mut().ok_or("It is no ONNX file, or an empty one")?;
        // What it says of sizes between is for one size, or for all.
        graph.value_info.clear();
        graph.output.iter_mut().for_each(|output| output.r#type = None);
        let mut model = framework.model_for_proto_model(&proto).map_err(|e| why("It cannot be read", &e))?;
        if model.inputs.len() != 1 {
            return Err(format!("It has {} inputs; a model of one picture is expected", model.inputs.len()));
        }

        let input = model.input_fact(0).map_err(|e| why("It cannot be read", &e))?;
        let bytes = match input.datum_type.concretize() {
            Some(kind) if kind == u8::datum_type() => true,
            Some(kind) if kind == f32::datum_type() => false,
            kind => return Err(format!("Its picture is of {kind:?}; 32-bit floating point or bytes are expected")),
        };
        let sides: Vec<Option<usize>> = input
            .shape
            .dims()
            .map(|side| side.concretize().and_then(|side| side.to_i64().ok()?.try_into().ok()))
            .collect();
        let (planes, height, width) = match sides[..] {
            [None | Some(1), Some(3), height, width] => (true, height, width),
            [None | Some(1), height, width, Some(3)] => (false, height, width),
            _ => {
                return Err(format!(
                    "Its picture is {}; [1, 3, height, width] or [1, height, width, 3] is expected",
                    shown(&sides)
                ));
            }
        };
        let own = size.as_deref().and_then(description::size);
        let side = |fixed: Option<usize>, described: Option<u16>, own: Option<u16>| match (fixed, described) {
            (Some(fixed), Some(described)) if fixed != usize::from(described) => {
                Err(format!("Its picture has a side of {fixed} pixels, its description says {described}"))
            }
            (fixed, described) => match fixed.and_then(|side| u16::try_from(side).ok()).or(described).or(own) {
                Some(side) if (32..=MAX_SIDE).contains(&side) => Ok(side),
                Some(side) => Err(format!("Its picture has a side of {side} pixels; 32 to {MAX_SIDE} are possible")),
                None if fixed.is_some() => {
                    Err(format!("Its picture is too large; {MAX_SIDE} pixels a side are possible"))
                }
                None => Err("Its picture has any size: say width and height in the description".to_owned()),
            },
        };
        let size = Size {
            width: side(width, description.width, own.map(|own| own.0))?,
            height: side(height, description.height, own.map(|own| own.1))?,
        };
        let (w, h) = (usize::from(size.width), usize::from(size.height));
        let shape = if planes { [1, 3, h, w] } else { [1, h, w, 3] };
        let fact = if bytes { u8::fact(shape) } else { f32::fact(shape) };
        model.set_input_fact(0, fact.into()).map_err(|e| why("It cannot be read", &e))?;

        let names: Vec<_> =
            model.outputs.iter().map(|outlet| model.outlet_label(*outlet).unwrap_or_default().to_owned()).collect();
        let model = model.into_optimized().map_err(|e| why("It is made of something that is not known here", &e))?;
        let mut shapes = Vec::new();
        for (n, name) in names.into_iter().enumerate() {
            let fact = model.output_fact(n).map_err(|e| why("It cannot be read", &e))?;
            let Some(sides) = fact.shape.as_concrete() else {
                return Err("How many numbers come out of it depends on the picture: leave the last step (non-maximum suppression) out when it is exported".into());
            };
            if sides.iter().product::<usize>() > MAX_OUTPUT {
                return Err("More comes out of it than out of any model that detects".into());
            }
            shapes.push(Shape { name, sides: sides.to_vec() });
        }
        let (head, count) = Head::of(&shapes, description.family, labels.as_ref().map(Vec::len), size)?;
        let labels = description::fitting(labels, count)?;
        let plan = model.into_runnable().map_err(|e| why("It cannot be run", &e))?;
        let values = description.values.unwrap_or(if bytes { Values::Bytes } else { Values::Parts });
        let (colors, least_score) = (description.colors, description.least_score());
        let reading = Reading { planes, bytes, size, colors, values, head, shapes, labels, least_score };
        Ok(Self { by: Box::new(Tract(plan)), reading })
    }

    /// Has another run it, who gives the same as tract for a picture. Tract's is gone when the other one starts: a small board has no
    /// room for both.
    ///
    /// # Errors
    /// It does not: why, for a person.
    pub fn run_by<R: Runs + 'static>(self, start: impl FnOnce() -> Result<R, String>) -> Result<Self, String> {
        let Self { mut by, reading } = self;
        let input = reading.input(&some_picture(reading.size));
        let own = by.run(&input)?;
        drop(by);
        let mut other = start()?;
        if !are_alike(&reading.head, &reading.shapes, &own, &other.run(&input)?) {
            return Err("It gives something else than the hub's own".into());
        }
        Ok(Self { by: Box::new(other), reading })
    }
}

impl Reading {
    /// The picture as the model wants it.
    fn input(&self, picture: &Rgb) -> Input {
        let (w, h) = (usize::from(self.size.width), usize::from(self.size.height));
        let color = |n: usize| if self.colors == Colors::Bgr { 2 - n } else { n };
        let shape = if self.planes { [1, 3, h, w] } else { [1, h, w, 3] };
        let from = picture.pixels.as_chunks::<3>().0;
        if self.bytes {
            let bytes = match self.planes {
                true => (0..3).flat_map(|n| from.iter().map(move |pixel| pixel[color(n)])).collect(),
                false => from.iter().flat_map(|pixel| [0, 1, 2].map(|n| pixel[color(n)])).collect(),
            };
            return Input { shape, pixels: Pixels::Bytes(bytes) };
        }
        // Each of the 256 values of each colour once.
        let tables = self.values.shift_and_scale().map(|(shift, scale)| {
            let table: [f32; 256] = std::array::from_fn(|value| (value as f32 - shift) / scale);
            table
        });
        let value = |pixel: &[u8; 3], n: usize| tables[color(n)][usize::from(pixel[color(n)])];
        let floats = match self.planes {
            true => (0..3).flat_map(|n| from.iter().map(move |pixel| value(pixel, n))).collect(),
            false => from.iter().flat_map(|pixel| [0, 1, 2].map(|n| value(pixel, n))).collect(),
        };
        Input { shape, pixels: Pixels::Floats(floats) }
    }
}

impl Detector for Onnx {
    fn size(&self) -> Size {
        self.reading.size
    }

    fn labels(&self) -> &[String] {
        &self.reading.labels
    }

    fn detect(&mut self, picture: &Rgb) -> Result<Vec<Seen>, String> {
        let reading = &self.reading;
        if picture.size != reading.size || picture.pixels.len() != reading.size.bytes() {
            return Err("the picture has another size".into());
        }
        let outputs = self.by.run(&reading.input(picture))?;
        let counts = reading.shapes.iter().map(|shape| shape.sides.iter().product::<usize>());
        if !counts.eq(outputs.iter().map(Vec::len)) {
            return Err("Other numbers come out of it than it says".into());
        }
        let outputs: Vec<_> = outputs.iter().map(Vec::as_slice).collect();
        Ok(reading.head.read(&outputs, &reading.shapes, reading.size, reading.labels.len(), reading.least_score))
    }
}

fn shown(sides: &[Option<usize>]) -> String {
    let side = |side: &Option<usize>| side.map_or("any".to_owned(), |side| side.to_string());
    format!("[{}]", sides.iter().take(8).map(side).collect::<Vec<_>>().join(", "))
}

/// A picture of nothing, in which there is something for every layer: slopes of each colour, and noise.
fn some_picture(size: Size) -> Rgb {
    let mut noise = 1u32;
    let mut pixel = |at: usize| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (x, y) = (at / 3 % usize::from(size.width), at / 3 / usize::from(size.width));
        let slope = [x + y, 2 * x + 255 - y % 256, x / 2 + 3 * y][at % 3] % 256;
        ((slope * 3 + (noise >> 24) as usize) / 4) as u8
    };
    Rgb { size, pixels: (0..size.bytes()).map(&mut pixel).collect() }
}

/// The library's own words, the innermost first, since that says what is wrong.
pub(super) fn why(what: &str, error: &TractError) -> String {
    let mut causes: Vec<_> = error.chain().map(ToString::to_string).collect();
    causes.reverse();
    format!("{what}: {}", shortened(&causes.join(" < ")))
}

/// So much of a library's words as is good for a person.
pub(super) fn shortened(said: &str) -> String {
    said.chars().filter(|c| !c.is_control()).take(MAX_WHY).collect()
}
