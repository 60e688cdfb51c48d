//! From TOML to a first-boot file: all that is wrong with it, each with its line.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{
    BadValue, Change, Country, FirstBoot, MAX_SSH_KEYS, MachineName, SshKey, Ssid, Wifi, WifiPassword, Wrong, ZoneName,
};

/// Reads a file, in whatever editor it was written.
pub(super) fn first_boot(text: &str) -> Result<FirstBoot, Vec<Wrong>> {
    // Windows' editors begin a file with it.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let table = DeTable::parse(text).map_err(|e| {
        let line = e.span().map_or(1, |span| line_of(text, span.start));
        // The parser's message can have several lines; it quotes none of the file's.
        let why = e.message().split_whitespace().collect::<Vec<_>>().join(" ");
        vec![Wrong::new(line, format_args!("is not TOML ({why}): a line is `key = \"value\"` or `[section]`"))]
    })?;
    let reader = Reader { text };
    let mut wrong = Vec::new();
    let root = Section { reader: &reader, name: "", table: table.get_ref(), line: 1 };
    root.only(&["name", "time_zone", "wifi", "ssh"], &mut wrong);
    let read = FirstBoot {
        name: root.text("name", MachineName::new, &mut wrong),
        time_zone: root.text("time_zone", ZoneName::new, &mut wrong),
        wifi: root.change("wifi", wifi, &mut wrong),
        ssh: root.change("ssh", ssh, &mut wrong),
    };
    if wrong.is_empty() && read == FirstBoot::default() {
        wrong.push(Wrong::new(1, "nothing is set here: set name, time_zone, [wifi] or [ssh], or remove the file"));
    }
    wrong.sort_by_key(|one| one.line);
    if wrong.is_empty() { Ok(read) } else { Err(wrong) }
}

fn wifi(section: &Section, wrong: &mut Vec<Wrong>) -> Option<Wifi> {
    section.only(&["ssid", "password", "country", "hidden"], wrong);
    section.need(&["ssid", "password", "country"], wrong);
    let (ssid, password) = (section.text("ssid", Ssid::new, wrong), section.text("password", WifiPassword::new, wrong));
    let (country, hidden) = (section.text("country", Country::new, wrong), section.switch("hidden", wrong));
    Some(Wifi { ssid: ssid?, password: password?, country: country?, hidden })
}

fn ssh(section: &Section, wrong: &mut Vec<Wrong>) -> Option<Vec<SshKey>> {
    section.only(&["keys"], wrong);
    section.need(&["keys"], wrong);
    let before = wrong.len();
    let keys = section.texts("keys", MAX_SSH_KEYS, SshKey::new, wrong);
    (wrong.len() == before).then_some(keys)
}

struct Reader<'a> {
    text: &'a str,
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|b| *b == b'\n').count()
}

/// The file itself, or a section of it.
struct Section<'a> {
    reader: &'a Reader<'a>,
    /// "" for the file itself.
    name: &'static str,
    table: &'a DeTable<'a>,
    line: usize,
}

impl<'a> Section<'a> {
    /// Every other key is wrong.
    fn only(&self, keys: &[&str], wrong: &mut Vec<Wrong>) {
        for (key, _) in self.table.iter().filter(|(key, _)| !keys.contains(&key.get_ref().as_ref())) {
            let place = if self.name.is_empty() { "of this file".into() } else { format!("of [{}]", self.name) };
            // Not quoted: it may be a password that was put into the wrong place.
            let what = format!("this is not a setting {place}; there are {}", keys.join(", "));
            wrong.push(Wrong::new(line_of(self.reader.text, key.span().start), what));
        }
    }

    fn need(&self, keys: &[&str], wrong: &mut Vec<Wrong>) {
        for key in keys.iter().filter(|key| self.value(key).is_none()) {
            wrong.push(Wrong::new(self.line, format_args!("[{}] has no {key}", self.name)));
        }
    }

    fn text<T>(&self, key: &str, make: fn(&str) -> Result<T, BadValue>, wrong: &mut Vec<Wrong>) -> Option<T> {
        let value = self.value(key)?;
        self.made(key, value, make, wrong)
    }

    fn texts<T>(
        &self,
        key: &str,
        most: usize,
        make: fn(&str) -> Result<T, BadValue>,
        wrong: &mut Vec<Wrong>,
    ) -> Vec<T> {
        let Some(value) = self.value(key) else { return Vec::new() };
        match value.get_ref() {
            DeValue::Array(items) if (1..=most).contains(&items.len()) => {
                items.iter().filter_map(|item| self.made(key, item, make, wrong)).collect()
            }
            _ => {
                wrong.push(self.at(value, key, format_args!("is a list of 1 to {most} texts, such as [\"…\"]")));
                Vec::new()
            }
        }
    }

    fn switch(&self, key: &str, wrong: &mut Vec<Wrong>) -> bool {
        match self.value(key).map(|value| (value, value.get_ref())) {
            None => false,
            Some((_, DeValue::Boolean(on))) => *on,
            Some((value, _)) => {
                wrong.push(self.at(value, key, "is true or false"));
                false
            }
        }
    }

    fn change<T>(
        &self,
        key: &'static str,
        read: fn(&Section, &mut Vec<Wrong>) -> Option<T>,
        wrong: &mut Vec<Wrong>,
    ) -> Change<T> {
        let Some(value) = self.value(key) else { return Change::Keep };
        match value.get_ref() {
            DeValue::Boolean(false) => Change::Off,
            DeValue::Table(table) => {
                let line = line_of(self.reader.text, value.span().start);
                let section = Section { reader: self.reader, name: key, table, line };
                read(&section, wrong).map_or(Change::Keep, Change::To)
            }
            _ => {
                wrong.push(self.at(value, key, format_args!("is a section [{key}], or false")));
                Change::Keep
            }
        }
    }

    fn made<T>(
        &self,
        key: &str,
        value: &Spanned<DeValue>,
        make: fn(&str) -> Result<T, BadValue>,
        wrong: &mut Vec<Wrong>,
    ) -> Option<T> {
        let made = match value.get_ref() {
            DeValue::String(text) => make(text).map_err(|why| self.at(value, key, why)),
            _ => Err(self.at(value, key, "is a text in quotes")),
        };
        made.map_err(|one| wrong.push(one)).ok()
    }

    fn at(&self, value: &Spanned<DeValue>, key: &str, why: impl std::fmt::Display) -> Wrong {
        let name = if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) };
        Wrong::new(line_of(self.reader.text, value.span().start), format_args!("{name} {why}"))
    }

    fn value(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table.get(key)
    }
}

#[cfg(test)]
mod tests {
    use super::super::values::tests::ED25519;
    use super::*;
    use proptest::prelude::*;

    fn all() -> String {
        format!(
            "name = \"garage\"\ntime_zone = \"Europe/Berlin\"\n[wifi]\nssid = \"Home\"\npassword = \"correct horse\"\n\
             country = \"DE\"\nhidden = true\n[ssh]\nkeys = [\"{ED25519}\"]\n"
        )
    }

    fn said(text: &str) -> Vec<String> {
        first_boot(text).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_whole_file_is_read_however_it_was_written() {
        let read = first_boot(&all()).unwrap();
        assert_eq!(read.name.as_ref().unwrap().as_str(), "garage");
        let Change::To(wifi) = &read.wifi else { panic!("{read:?}") };
        assert_eq!((wifi.ssid.as_str(), wifi.password.as_str(), wifi.hidden), ("Home", "correct horse", true));
        assert_eq!(first_boot(&format!("\u{feff}{}", all().replace('\n', "\r\n"))).unwrap(), read, "by Windows");
    }

    #[test]
    fn what_is_left_out_stays_and_false_switches_off() {
        let read = first_boot("wifi = false\n").unwrap();
        assert_eq!(read, FirstBoot { wifi: Change::Off, ..FirstBoot::default() });
        let read = first_boot("ssh = false\nname = \"a\"\n").unwrap();
        assert_eq!((read.ssh, read.wifi), (Change::Off, Change::Keep));
    }

    #[test]
    fn everything_that_is_wrong_is_said_with_its_line_and_no_value() {
        let text = "name = \"my hub\"\ntime_zone = \"Berlin\"\nlanguage = \"de\"\n[wifi]\nssid = \"Home\"\n\
                    password = \"geheim\"\ncountry = \"UK\"\nhidden = \"no\"\n[ssh]\nkeys = [\"hunter22\", 7]\n";
        assert_eq!(
            said(text),
            [
                "line 1: name is made of 1 to 63 letters a-z, digits and -, and does not begin or end with -",
                "line 2: time_zone is a name of the tz database, such as \"Europe/Berlin\" or \"UTC\"",
                "line 3: this is not a setting of this file; there are name, time_zone, wifi, ssh",
                "line 6: wifi.password has 6 characters; a Wi-Fi password has 8 to 63 (or is a key of 64 hexadecimal digits)",
                "line 7: wifi.country is \"GB\" for the United Kingdom",
                "line 8: wifi.hidden is true or false",
                &format!("line 10: ssh.keys begins with the kind of key, one of {}", SshKey::KINDS.join(", ")),
                "line 10: ssh.keys is a text in quotes",
            ]
        );
    }

    #[test]
    fn a_section_that_lacks_something_says_what() {
        assert_eq!(
            said("name = \"a\"\n[wifi]\nssid = \"Home\"\n"),
            ["line 2: [wifi] has no password", "line 2: [wifi] has no country"]
        );
        assert_eq!(said("[ssh]\n"), ["line 1: [ssh] has no keys"]);
        assert_eq!(said("[ssh]\nkeys = []\n"), ["line 2: ssh.keys is a list of 1 to 16 texts, such as [\"…\"]"]);
        let many = |n| format!("[ssh]\nkeys = [{}]\n", vec![format!("\"{ED25519}\""); n].join(","));
        assert!(first_boot(&many(MAX_SSH_KEYS)).is_ok() && first_boot(&many(MAX_SSH_KEYS + 1)).is_err());
        assert_eq!(said("wifi = true\n"), ["line 1: wifi is a section [wifi], or false"]);
        for nothing in ["", "# name = \"garage\"\n"] {
            assert!(said(nothing)[0].starts_with("line 1: nothing is set here"));
        }
    }

    #[test]
    fn what_is_no_toml_is_said_without_its_words() {
        for text in
            ["[wifi]\npassword = correct horse\n", "[wifi]\npassword = \"correct horse\n", "[wifi]\ncorrect horse\n"]
        {
            let said = said(text);
            assert!(said.len() == 1 && said[0].starts_with("line 2: is not TOML ("), "{said:?}");
            assert!(!said[0].contains("correct") && !said[0].contains("horse"), "{said:?}");
        }
        let twice = said("name = \"a\"\nname = \"secretive\"\n");
        assert!(!twice[0].contains("secretive"), "{twice:?}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
            let _ = first_boot(&text);
        }

        #[test]
        fn whatever_password_a_network_has_it_comes_through(password in "[ -~]{8,63}", ssid in "[^\\pC]{1,8}") {
            let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
            let text = format!("[wifi]\nssid = {}\npassword = {}\ncountry = \"US\"\n", quoted(&ssid), quoted(&password));
            let Change::To(wifi) = first_boot(&text).unwrap().wifi else { panic!("{text}") };
            prop_assert_eq!((wifi.ssid.as_str(), wifi.password.as_str()), (ssid.as_str(), password.as_str()));
        }

        #[test]
        fn a_bad_password_is_not_repeated_wherever_it_stands(secret in "[a-z]{3}ü[A-Z]{9,20}", key in "password|ssid|passwort|keys") {
            for text in [
                format!("[wifi]\n{key} = \"{secret}\"\n"), format!("[ssh]\n{key} = [\"{secret}\"]\n"), format!("{key} = {secret}\n"),
                format!("[{secret}]\n"), format!("\"{secret}\" = 1\n"), format!("[wifi]\n\"{secret}\" = 1\n"),
            ] {
                for said in said(&text) {
                    prop_assert!(!said.contains(&secret), "{}", said);
                }
            }
        }
    }
}
