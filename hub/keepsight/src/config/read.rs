//! From TOML to values, each error with its file, line and key.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{BadValue, ConfigError, shown};

/// A file that is TOML.
pub(super) struct Document<'a> {
    path: &'a Path,
    text: &'a str,
    table: Spanned<DeTable<'a>>,
}

impl<'a> Document<'a> {
    pub(super) fn parse(path: &'a Path, text: &'a str) -> Result<Self, ConfigError> {
        match DeTable::parse(text) {
            Ok(table) => Ok(Self { path, text, table }),
            Err(e) => {
                let at = e.span().map_or(0, |span| span.start);
                // The parser's message can have several lines and quote the file.
                let why = e.message().split_whitespace().collect::<Vec<_>>().join(" ");
                let line = text.get(..at).map_or(1, line_of);
                let there = text.lines().nth(line - 1).unwrap_or("").trim();
                let wrong = format!("{} is not TOML ({why})", shown(there));
                Err(ConfigError::new(path, line, wrong, "a line like `key = value` or `[section]`"))
            }
        }
    }

    /// The file's sections; every other key is refused.
    pub(super) fn root(&self, sections: &'static [&'static str]) -> Result<Section<'_>, ConfigError> {
        let root = Section { document: self, name: "", table: Some(self.table.get_ref()), line: 1 };
        root.only(sections)?;
        Ok(root)
    }

    fn error(&self, at: usize, wrong: String, allowed: impl Into<String>) -> ConfigError {
        ConfigError::new(self.path, self.text.get(..at).map_or(1, line_of), wrong, allowed)
    }
}

fn line_of(before: &str) -> usize {
    1 + before.bytes().filter(|b| *b == b'\n').count()
}

/// One `[section]`, also one that the file leaves out.
pub(super) struct Section<'a> {
    document: &'a Document<'a>,
    name: &'static str,
    table: Option<&'a DeTable<'a>>,
    line: usize,
}

impl<'a> Section<'a> {
    pub(super) fn section(&self, name: &'static str, keys: &[&str]) -> Result<Section<'a>, ConfigError> {
        let table = match self.value(name) {
            None => None,
            Some(value) => match value.get_ref() {
                DeValue::Table(table) => Some(table),
                other => {
                    let wrong = format!("`{name}` is {}", a_type(other));
                    let allowed = format!("a section [{name}] with {}", list(keys));
                    return Err(self.document.error(value.span().start, wrong, allowed));
                }
            },
        };
        let line = self.value(name).map_or(1, |v| self.document.text.get(..v.span().start).map_or(1, line_of));
        let section = Section { document: self.document, name, table, line };
        section.only(keys)?;
        Ok(section)
    }

    /// A text, made into what it stands for. `None`: the key is left out.
    pub(super) fn string<T>(
        &self,
        key: &str,
        make: impl Fn(&str) -> Result<T, BadValue>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        match value.get_ref() {
            DeValue::String(text) => self.made_of(key, value, text, &make).map(Some),
            other => Err(self.at(value, key, format_args!("is {}", a_type(other)), "a text in quotes")),
        }
    }

    /// A list of texts.
    pub(super) fn strings<T>(
        &self,
        key: &str,
        make: impl Fn(&str) -> Result<T, BadValue>,
    ) -> Result<Option<Vec<T>>, ConfigError> {
        const LIST: &str = "a list of texts in quotes";
        let Some(value) = self.value(key) else { return Ok(None) };
        let DeValue::Array(items) = value.get_ref() else {
            return Err(self.at(value, key, format_args!("is {}", a_type(value.get_ref())), LIST));
        };
        let item = |item: &Spanned<DeValue>| match item.get_ref() {
            DeValue::String(text) => self.made_of(key, item, text, &make),
            other => Err(self.at(item, key, format_args!("has {} in it", a_type(other)), LIST)),
        };
        items.iter().map(item).collect::<Result<_, _>>().map(Some)
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self, key: &str) -> Result<Option<bool>, ConfigError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        match value.get_ref() {
            DeValue::Boolean(switch) => Ok(Some(*switch)),
            other => Err(self.at(value, key, format_args!("is {}", a_type(other)), "true or false")),
        }
    }

    /// A whole number.
    pub(super) fn integer<T>(
        &self,
        key: &str,
        make: impl Fn(i64) -> Result<T, BadValue>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let DeValue::Integer(number) = value.get_ref() else {
            return Err(self.at(value, key, format_args!("is {}", a_type(value.get_ref())), "a whole number"));
        };
        // What does not fit is far out of every range: let the range say so.
        let clipped = i64::from_str_radix(number.as_str(), number.radix()).unwrap_or(i64::MAX);
        make(clipped).map(Some).map_err(|e| self.at(value, key, e.wrong, &e.allowed))
    }

    /// Puts the place of a key to what is wrong with its value.
    pub(super) fn check<T>(&self, key: &str, made: Result<T, BadValue>) -> Result<T, ConfigError> {
        made.map_err(|e| match self.value(key) {
            Some(value) => self.at(value, key, e.wrong, &e.allowed),
            // Only a default that another value contradicts has no place of its own.
            None => ConfigError::new(
                self.document.path,
                self.line,
                format!("`{}.{key}` (its default) {}", self.name, e.wrong),
                e.allowed,
            ),
        })
    }

    fn made_of<T>(
        &self,
        key: &str,
        value: &Spanned<DeValue>,
        text: &str,
        make: &impl Fn(&str) -> Result<T, BadValue>,
    ) -> Result<T, ConfigError> {
        make(text).map_err(|e| self.at(value, key, format_args!("= {} {}", shown(text), e.wrong), &e.allowed))
    }

    fn value(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table.and_then(|t| t.get(key))
    }

    fn at(&self, value: &Spanned<DeValue>, key: &str, wrong: impl std::fmt::Display, allowed: &str) -> ConfigError {
        self.document.error(value.span().start, format!("`{}.{key}` {wrong}", self.name), allowed)
    }

    fn only(&self, keys: &[&str]) -> Result<(), ConfigError> {
        let first_unknown = self
            .table
            .into_iter()
            .flat_map(|t| t.iter())
            .filter(|(key, _)| !keys.contains(&key.get_ref().as_ref()))
            .min_by_key(|(key, _)| key.span().start);
        let Some((key, value)) = first_unknown else { return Ok(()) };
        let name = shown(key.get_ref());
        let (wrong, allowed) = match (self.name, value.get_ref()) {
            ("", DeValue::Table(_)) => {
                (format!("{name} is not a section"), format!("one of the sections {}", list(keys)))
            }
            ("", _) => {
                (format!("{name} stands outside of every section"), format!("one of the sections {}", list(keys)))
            }
            (section, _) => (format!("{name} is not a setting of [{section}]"), list(keys)),
        };
        Err(self.document.error(key.span().start, wrong, allowed))
    }
}

/// `a`, `b` or `c`.
fn list(keys: &[&str]) -> String {
    match keys.split_last() {
        None => "nothing".into(),
        Some((last, [])) => format!("`{last}`"),
        Some((last, rest)) => {
            let rest: Vec<_> = rest.iter().map(|k| format!("`{k}`")).collect();
            format!("{} or `{last}`", rest.join(", "))
        }
    }
}

fn a_type(value: &DeValue) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    }
}
