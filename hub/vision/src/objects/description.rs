//! What a model does not say itself: a small TOML beside it.

use serde::Deserialize;

use super::{MAX_LABEL_CHARS, MAX_LABELS, MAX_SIDE};

/// A certainty below this is none, where nothing else is said.
const LEAST_SCORE: f32 = 0.4;

/// The words of `model.toml`; what is absent the model says, or is as usual.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Description {
    /// How its outputs are to be read.
    pub family: Option<Family>,
    /// What it tells apart, in its own order; of a model with a class for "nothing", without that.
    pub labels: Option<Vec<String>>,
    /// The picture that it wants, in pixels.
    pub width: Option<u16>,
    /// See `width`.
    pub height: Option<u16>,
    /// The order of its colours.
    #[serde(default)]
    pub colors: Colors,
    /// How it wants their values.
    pub values: Option<Values>,
    /// The least certainty that counts, 0 to 1.
    pub score: Option<f32>,
}

/// Families of models: how their outputs are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Family {
    /// YOLOv8, v9, 11 and 12: `[1, 4 + labels, places]`: the middle, the size, then a certainty for each label.
    Yolov8,
    /// YOLOv5 and v7: `[1, places, 5 + labels]`, the certainty that there is something between.
    Yolov5,
    /// The same, with places that are counted from those of a grid.
    Yolox,
    /// YOLOv10 and 26: `[1, objects, 6]`: corners, certainty, label.
    YoloEndToEnd,
    /// SSD: boxes and certainties, or boxes, labels and certainties, as outputs of their own.
    Ssd,
}

/// The order of colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Colors {
    #[default]
    Rgb,
    Bgr,
}

/// What the values 0 to 255 of a colour become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Values {
    /// 0 to 1.
    #[serde(rename = "0..1")]
    Parts,
    /// As they are.
    #[serde(rename = "0..255")]
    Bytes,
    /// -1 to 1.
    #[serde(rename = "-1..1")]
    AroundZero,
    /// By the mean and the deviation of the pictures of ImageNet.
    #[serde(rename = "imagenet")]
    ImageNet,
}

impl Values {
    /// What is taken from a value of 0 to 255 of each colour (red, green, blue), and what the rest is divided by.
    pub fn shift_and_scale(self) -> [(f32, f32); 3] {
        match self {
            Values::Parts => [(0.0, 255.0); 3],
            Values::Bytes => [(0.0, 1.0); 3],
            Values::AroundZero => [(127.5, 127.5); 3],
            Values::ImageNet => [(123.675, 58.395), (116.28, 57.12), (103.53, 57.375)],
        }
    }
}

impl Description {
    /// # Errors
    /// What is wrong, with its line, for a person.
    pub fn read(text: &str) -> Result<Self, String> {
        let description: Self = toml::from_str(text).map_err(|e| format!("Its description: {e}"))?;
        if let Some(labels) = &description.labels {
            are_labels(labels).map_err(|e| format!("Its description: {e}"))?;
        }
        if [description.width, description.height].iter().flatten().any(|side| !(32..=MAX_SIDE).contains(side)) {
            return Err(format!("Its description: width and height are 32 to {MAX_SIDE} pixels"));
        }
        if description.score.is_some_and(|score| !(0.0..=1.0).contains(&score)) {
            return Err("Its description: score is 0 to 1".into());
        }
        Ok(description)
    }

    /// A word that only an ONNX file needs: one that was compiled for an accelerator says so much itself.
    pub fn only_of_onnx(&self) -> Option<&'static str> {
        let of = [
            ("family", self.family.is_some()),
            ("width", self.width.is_some()),
            ("height", self.height.is_some()),
            ("values", self.values.is_some()),
        ];
        of.into_iter().find(|(_, said)| *said).map(|(word, _)| word)
    }

    /// The least certainty that counts.
    pub fn least_score(&self) -> f32 {
        self.score.unwrap_or(LEAST_SCORE)
    }
}

/// # Errors
/// Why they are none.
pub(super) fn are_labels(labels: &[String]) -> Result<(), String> {
    if labels.is_empty() || labels.len() > MAX_LABELS {
        return Err(format!("there are {} labels; 1 to {MAX_LABELS} are possible", labels.len()));
    }
    let is_one = |label: &&String| {
        (1..=MAX_LABEL_CHARS).contains(&label.chars().count()) && !label.chars().any(char::is_control)
    };
    match labels.iter().find(|label| !is_one(label)) {
        Some(bad) => Err(format!("a label has 1 to {MAX_LABEL_CHARS} letters, and “{}” has not", bad.escape_debug())),
        None => Ok(()),
    }
}

/// Labels in small letters: events and rules have words in one spelling, whoever made the model.
///
/// # Errors
/// They are none.
pub(super) fn in_small_letters(labels: Option<Vec<String>>) -> Result<Option<Vec<String>>, String> {
    let labels = labels.map(|all| all.iter().map(|label| label.to_lowercase()).collect::<Vec<_>>());
    labels.as_deref().map_or(Ok(()), are_labels)?;
    Ok(labels)
}

/// The labels of a model that tells so many things apart, where it says how many.
///
/// # Errors
/// There are none, or not so many.
pub(super) fn fitting(labels: Option<Vec<String>>, count: Option<usize>) -> Result<Vec<String>, String> {
    let labels = labels.ok_or("It does not say what it tells apart: give labels in the description")?;
    match count {
        Some(count) if labels.len() != count => {
            Err(format!("It tells {count} things apart, and there are {} labels", labels.len()))
        }
        _ => Ok(labels),
    }
}

/// The names that Ultralytics writes into a model: `{0: 'person', 1: "dog's bed"}`, a Python dictionary. `None` if it is
/// something else.
pub(super) fn names(text: &str) -> Option<Vec<String>> {
    let mut rest = text.trim().strip_prefix('{')?.strip_suffix('}')?.trim();
    let mut names = Vec::new();
    while !rest.is_empty() {
        let (number, after) = rest.split_once(':')?;
        if number.trim().parse() != Ok(names.len()) || names.len() >= MAX_LABELS {
            return None;
        }
        let after = after.trim_start();
        let quote = after.chars().next().filter(|quote| ['\'', '"'].contains(quote))?;
        let (mut name, mut escaped, mut end) = (String::new(), false, None);
        for (at, c) in after.char_indices().skip(1) {
            match c {
                _ if std::mem::take(&mut escaped) => name.push(c),
                '\\' => escaped = true,
                c if c == quote => {
                    end = Some(at + 1);
                    break;
                }
                c => name.push(c),
            }
        }
        names.push(name);
        rest = after.get(end?..)?.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    (!names.is_empty()).then_some(names)
}

/// The size that Ultralytics writes likewise: `[height, width]`, or one number.
pub(super) fn size(text: &str) -> Option<(u16, u16)> {
    let mut sides = text.trim_matches(|c| "[]() ".contains(c)).split(',').map(|side| side.trim().parse().ok());
    let height = sides.next()??;
    Some((sides.next().unwrap_or(Some(height))?, height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_in_a_description_is_said_with_its_place() {
        let good = "family = \"yolox\"\nlabels = [\"person\"]\nwidth = 416\nheight = 416\ncolors = \"bgr\"\nvalues = \"0..255\"\nscore = 0.5";
        let read = Description::read(good).unwrap();
        assert_eq!((read.family, read.colors, read.least_score()), (Some(Family::Yolox), Colors::Bgr, 0.5));
        assert_eq!(Description::read("").unwrap(), Description::default());
        for (bad, word) in [
            ("familie = 1", "unknown field `familie`"),
            ("family = \"yolov99\"", "yolov99"),
            ("labels = []", "0 labels"),
            ("labels = [\"\"]", "1 to 40 letters"),
            ("labels = [\"a\\u0007\"]", "\\u{7}"),
            ("width = 4000", "32 to 1280 pixels"),
            ("score = 7", "0 to 1"),
        ] {
            let said = Description::read(bad).unwrap_err();
            assert!(said.starts_with("Its description: ") && said.contains(word), "{bad}: {said}");
        }
    }

    #[test]
    fn the_description_that_is_in_the_documents_is_one() {
        let document = include_str!("../../../../docs/objects.md");
        let coco = document.split("```toml\n").find(|part| part.starts_with("labels = [")).unwrap();
        let read = Description::read(coco.split("```").next().unwrap()).unwrap();
        let labels = read.labels.as_ref().unwrap();
        assert_eq!((labels.len(), &labels[79][..], read.only_of_onnx()), (80, "toothbrush", None));
        let mut once = labels.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), 80);
    }

    #[test]
    fn names_and_sizes_that_a_model_has_are_read() {
        assert_eq!(
            names("{0: 'person', 1: \"dog's bed\", 2: 'a\\'b, {c}: d'}").unwrap(),
            ["person", "dog's bed", "a'b, {c}: d"]
        );
        for none in ["", "{}", "['person']", "{1: 'person'}", "{0: 'person", "{0: person}", "{0: 'a' 0: 'b'}"] {
            assert_eq!(names(none), None, "{none}");
        }
        assert_eq!((size("[320, 640]"), size("640"), size("x")), (Some((640, 320)), Some((640, 640)), None));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text: String, inner in "[0-9: '\"{},\\\\a]{0,40}") {
            let _ = (Description::read(&text), names(&text), size(&text), names(&format!("{{{inner}}}")));
        }
    }
}
