//! A configuration file as somebody typed it: what of it can be shown, which secrets may stand in the rest,
//! and whose names. Pure; of a file that is refused as well.

use std::net::IpAddr;

use controlplane::authproxy::schema::{self, Kind, SectionKind};
use zeroize::Zeroizing;

use super::known::is_secret;
use super::names::is_named_user;
use super::own_words::OwnWords;

/// What a file has.
#[derive(Default)]
pub(super) struct Typed {
    /// Sections, and of options their names, with those values that no secret is. What else is in a line is
    /// not shown, and neither are comments, which people keep old secrets in.
    pub(super) shown: String,
    /// What was not shown, to be looked for elsewhere.
    pub(super) secrets: Vec<Zeroizing<String>>,
    /// Of users.
    pub(super) names: Vec<String>,
}

impl Typed {
    pub(super) fn read(text: &str) -> Self {
        let own = OwnWords::new();
        let mut typed = Self::default();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            let shown = if line.is_empty() {
                continue;
            } else if line.starts_with('[') && line.ends_with(']') {
                line.to_owned()
            } else if line.starts_with([';', '#']) {
                "; a comment".to_owned()
            } else {
                typed.option(line, &own)
            };
            typed
                .shown
                .push_str(&format!("{:>5}  {shown}\n", number + 1));
        }
        typed
    }

    fn option(&mut self, line: &str, own: &OwnWords) -> String {
        let Some((name, value)) = line.split_once(['=', ':']) else {
            self.hide(line, own);
            return "[no option]".to_owned();
        };
        let (name, value) = (name.trim(), value.trim());
        let (before, behind) = cut(value);
        if is_harmless(name) {
            self.hide(behind, own);
            if is_named_user(name) {
                self.names.extend([value.to_owned(), before.to_owned()]);
            }
            let more = if behind.is_empty() {
                ""
            } else {
                " ; a comment"
            };
            return format!("{name}={before}{more}");
        }
        if is_secret(name) {
            for secret in [value, before] {
                self.secrets.push(Zeroizing::new(secret.to_owned()));
            }
        } else {
            self.hide(value, own);
            self.hide(before, own);
        }
        self.hide(behind, own);
        if is_name(name) {
            return format!("{name}=[secret]");
        }
        self.hide(line, own);
        "[no option]".to_owned()
    }

    /// May be a secret, unless it is what stands in many a place besides.
    fn hide(&mut self, text: &str, own: &OwnWords) {
        let address = text.split('/').next().unwrap_or_default();
        if !own.has(text) && address.parse::<IpAddr>().is_err() {
            self.secrets.push(Zeroizing::new(text.to_owned()));
        }
    }
}

/// A value, and what looks like a comment behind it. Files have none there, but people write them.
fn cut(value: &str) -> (&str, &str) {
    let begin = [" ;", " #", "\t"]
        .iter()
        .filter_map(|mark| value.find(mark))
        .min();
    let (before, behind) = value.split_at(begin.unwrap_or(value.len()));
    let mark = |c: char| c.is_whitespace() || ";#".contains(c);
    (before.trim_end(), behind.trim_start_matches(mark))
}

/// Whether it is an option, in whatever section, whose value is no secret.
fn is_harmless(name: &str) -> bool {
    let found: Vec<_> = SectionKind::ALL
        .iter()
        .filter_map(|kind| schema::find(*kind, name))
        .collect();
    !found.is_empty() && found.iter().all(|one| one.option.kind != Kind::Secret) && !is_secret(name)
}

fn is_name(text: &str) -> bool {
    text.len() <= 64 && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_file_as_typed_only_what_is_known_to_be_harmless_is_shown() {
        let typed = Typed::read(
            "[radius_server_auto]\n; old: hunter2\nport = 1812\nradius_secret_1=hunter2 ; two words\n\
             skey: hunter2\nradius_ip_1=10.0.0.1 ; was hunter2\nradius_ip_2=10.0.0.2\t# hunter2\n\n\
             prot=hunter2\nhunter2\nhunter2 x=y\nskey_protected=hunter2\nfail_mode=secure\n\
             raduis_ip_1=10.0.0.0/8\nexempt_username_1=vip person # hunter2\n",
        );
        assert!(!typed.shown.contains("hunter2"), "{}", typed.shown);
        assert_eq!(
            typed.shown.lines().map(str::trim).collect::<Vec<_>>(),
            [
                "1  [radius_server_auto]",
                "2  ; a comment",
                "3  port=1812",
                "4  radius_secret_1=[secret]",
                "5  skey=[secret]",
                "6  radius_ip_1=10.0.0.1 ; a comment",
                "7  radius_ip_2=10.0.0.2 ; a comment",
                "9  prot=[secret]",
                "10  [no option]",
                "11  [no option]",
                "12  skey_protected=[secret]",
                "13  fail_mode=[secret]",
                "14  raduis_ip_1=[secret]",
                "15  exempt_username_1=vip person ; a comment",
            ]
        );
        assert_eq!(typed.names, ["vip person # hunter2", "vip person"]);
        let mut secrets: Vec<_> = typed.secrets.iter().map(|one| one.as_str()).collect();
        secrets.sort_unstable();
        secrets.dedup();
        let want = [
            "hunter2",
            "hunter2 ; two words",
            "hunter2 x=y",
            "two words",
            "was hunter2",
            "y",
        ];
        assert_eq!(secrets, want);
    }
}
