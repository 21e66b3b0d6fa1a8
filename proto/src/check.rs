//! What a check of connectivity found: one row for each thing that was tried.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// One thing that was tried. Its texts have no control character and no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CheckRow {
    /// What was tried.
    pub what: CheckKind,
    /// Where: a host and port, a file, a group.
    #[serde(rename = "where")]
    pub place: String,
    /// The sections that it is for, in the order of the configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sections: Vec<String>,
    /// The address of this machine that it was tried from; none where nothing was sent, or no
    /// connection came about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<IpAddr>,
    /// How it came out.
    pub result: CheckResult,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
    /// What was found.
    pub found: String,
    /// What to do; none where the result is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CheckResult {
    /// As it should be.
    Good,
    /// Logins work, or may work, and somebody should look at it.
    Warning,
    /// Logins that need it fail.
    Failed,
}

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CheckKind {
    /// A finding of `validate`, or that there is none.
    File,
    /// What a node serves.
    Revision,
    /// An address and port that logins come to.
    Port,
    /// The certificate that a section shows to supplicants.
    EapCertificate,
    /// The second factor is there: name, connection, TLS, `ping`.
    SecondFactor,
    /// Until when its certificate is good.
    SecondFactorCertificate,
    /// This machine's clock beside the second factor's.
    Clock,
    /// The second factor takes `ikey` and `skey`.
    SecondFactorKeys,
    /// A host of a directory is there: name, connection, TLS.
    Directory,
    /// Until when its certificate is good.
    DirectoryCertificate,
    /// The directory takes the service account.
    ServiceAccount,
    /// `search_dn` is there.
    SearchBase,
    /// A group of those who may log in is there.
    Group,
    /// There are users under `search_dn`, and the service account sees them.
    Users,
    /// A host of an upstream RADIUS server answers Status-Server (RFC 5997).
    Upstream,
}

impl CheckResult {
    /// As JSON has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for CheckResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl CheckKind {
    /// Every variant.
    pub const ALL: &'static [Self] = &[
        Self::File,
        Self::Revision,
        Self::Port,
        Self::EapCertificate,
        Self::SecondFactor,
        Self::SecondFactorCertificate,
        Self::Clock,
        Self::SecondFactorKeys,
        Self::Directory,
        Self::DirectoryCertificate,
        Self::ServiceAccount,
        Self::SearchBase,
        Self::Group,
        Self::Users,
        Self::Upstream,
    ];

    /// For a person.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Revision => "configuration",
            Self::Port => "port",
            Self::EapCertificate => "certificate of EAP",
            Self::SecondFactor => "second factor",
            Self::SecondFactorCertificate => "its certificate",
            Self::Clock => "clock",
            Self::SecondFactorKeys => "ikey and skey",
            Self::Directory => "directory",
            Self::DirectoryCertificate => "its certificate",
            Self::ServiceAccount => "service account",
            Self::SearchBase => "search_dn",
            Self::Group => "group",
            Self::Users => "users",
            Self::Upstream => "upstream RADIUS",
        }
    }
}

impl fmt::Display for CheckKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.words())
    }
}

impl CheckRow {
    /// One whose texts are fit to be shown: a control character becomes a blank, and what is longer
    /// than [`TEXT_CHARACTERS`] is cut.
    #[must_use]
    pub fn shown(mut self) -> Self {
        self.place = shown(&self.place);
        self.found = shown(&self.found);
        self.remedy = self.remedy.as_deref().map(shown);
        self
    }
}

fn shown(text: &str) -> String {
    let visible = |c: char| if c.is_control() { ' ' } else { c };
    let mut out: String = text.chars().take(TEXT_CHARACTERS).map(visible).collect();
    if text.chars().nth(TEXT_CHARACTERS).is_some() {
        out.push('…');
    }
    out
}

/// The most characters of a text in a row.
pub const TEXT_CHARACTERS: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> CheckRow {
        CheckRow {
            what: CheckKind::ServiceAccount,
            place: "ldap1:636".to_owned(),
            sections: vec!["ad_client".to_owned()],
            from: Some(IpAddr::from([192, 0, 2, 1])),
            result: CheckResult::Failed,
            milliseconds: 12,
            found: "refused".to_owned(),
            remedy: Some("check the password".to_owned()),
        }
    }

    #[test]
    fn a_row_has_the_documented_form() {
        let json = serde_json::json!({
            "what": "service_account", "where": "ldap1:636", "sections": ["ad_client"],
            "from": "192.0.2.1", "result": "failed", "milliseconds": 12, "found": "refused",
            "remedy": "check the password",
        });
        assert_eq!(serde_json::to_value(row()).unwrap(), json);
        assert_eq!(serde_json::from_value::<CheckRow>(json).unwrap(), row());
        for result in [CheckResult::Good, CheckResult::Warning, CheckResult::Failed] {
            assert_eq!(serde_json::to_value(result).unwrap(), result.as_str());
        }
    }

    #[test]
    fn texts_of_others_are_made_fit_to_be_shown() {
        let row = CheckRow {
            found: format!("a\x1b[2Jb\n{}", "x".repeat(TEXT_CHARACTERS)),
            ..row()
        }
        .shown();
        assert!(row.found.starts_with("a [2Jb x"), "{}", row.found);
        assert_eq!(row.found.chars().count(), TEXT_CHARACTERS + 1);
    }
}
