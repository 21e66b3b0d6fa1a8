//! What a check of connectivity found: one row for each thing that was tried.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Deserializer, Serialize};

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

/// How a check came out. What a later version says and this one does not know reads as a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
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
    /// How many files the node may open.
    OpenFiles,
    /// How much of a burst the system keeps for the node's sockets.
    ReceiveBuffer,
    /// What sets this machine's clock.
    TimeSource,
    /// The folder of the log files can be written to.
    LogFolder,
    /// The HTTP proxy on the way to the second factor takes connections.
    Proxy,
    /// Certificates of authorities that are trusted: how many, and until when.
    Authorities,
    /// The certificate of the admin address.
    AdminCertificate,
    /// The certificate by which this node speaks to a control plane of another machine.
    NodeCertificate,
    /// The address at which people set up devices and approve: whether their phones can use it.
    PublicAddress,
    /// Something that a node of a later version tries.
    #[serde(other)]
    Unknown,
}

impl<'de> Deserialize<'de> for CheckResult {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let word = String::deserialize(from)?;
        let known = [Self::Good, Self::Warning, Self::Failed];
        let found = known.into_iter().find(|one| one.as_str() == word);
        Ok(found.unwrap_or(Self::Warning))
    }
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
        Self::OpenFiles,
        Self::ReceiveBuffer,
        Self::TimeSource,
        Self::LogFolder,
        Self::Proxy,
        Self::Authorities,
        Self::AdminCertificate,
        Self::NodeCertificate,
        Self::PublicAddress,
        Self::Unknown,
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
            Self::OpenFiles => "open files",
            Self::ReceiveBuffer => "receive buffer",
            Self::TimeSource => "time source",
            Self::LogFolder => "log folder",
            Self::Proxy => "HTTP proxy",
            Self::Authorities => "trusted CAs",
            Self::AdminCertificate => "certificate of the admin address",
            Self::NodeCertificate => "certificate of the node",
            Self::PublicAddress => "public address",
            Self::Unknown => "what a later version tries",
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

/// What a check at the start of a node found (`test_connectivity_on_startup`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StartCheck {
    /// When it was done: milliseconds since 1970, UTC.
    pub at_ms: u64,
    /// Rows that are good.
    pub good: usize,
    /// Rows that somebody should look at.
    pub warnings: usize,
    /// Rows whose logins fail.
    pub failed: usize,
    /// What is not good, failures first, [`START_ROWS`] at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<CheckRow>,
}

impl StartCheck {
    /// Of all that was tried.
    #[must_use]
    pub fn of(at_ms: u64, rows: &[CheckRow]) -> Self {
        let count = |result| rows.iter().filter(|row| row.result == result).count();
        let with = |result| rows.iter().filter(move |row| row.result == result);
        let bad = with(CheckResult::Failed).chain(with(CheckResult::Warning));
        Self {
            at_ms,
            good: count(CheckResult::Good),
            warnings: count(CheckResult::Warning),
            failed: count(CheckResult::Failed),
            rows: bad.take(START_ROWS).cloned().collect(),
        }
    }
}

/// Rows of the check at the start that a status has; the log has all.
pub const START_ROWS: usize = 20;
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
    fn a_row_of_a_later_version_is_read() {
        let json = serde_json::json!({
            "what": "moon_phase", "where": "here", "result": "dubious", "milliseconds": 1,
            "found": "full", "more": 7,
        });
        let row: CheckRow = serde_json::from_value(json).unwrap();
        assert_eq!(
            (row.what, row.result, &*row.found),
            (CheckKind::Unknown, CheckResult::Warning, "full")
        );
        for what in CheckKind::ALL {
            let text = serde_json::to_string(what).unwrap();
            assert_eq!(serde_json::from_str::<CheckKind>(&text).unwrap(), *what);
        }
        let number = serde_json::from_str::<CheckResult>("3");
        assert!(number.is_err(), "a result is a word");
    }

    #[test]
    fn a_status_has_the_worst_rows_of_a_check_at_the_start() {
        let of = |result, number: usize| CheckRow {
            result,
            found: number.to_string(),
            ..row()
        };
        let mut rows: Vec<_> = (0..START_ROWS)
            .map(|number| of(CheckResult::Warning, number))
            .collect();
        rows.push(of(CheckResult::Good, 98));
        rows.push(of(CheckResult::Failed, 99));
        let told = StartCheck::of(7, &rows);
        assert_eq!((told.good, told.warnings, told.failed), (1, START_ROWS, 1));
        assert_eq!(told.rows.len(), START_ROWS);
        assert_eq!((&*told.rows[0].found, &*told.rows[1].found), ("99", "0"));
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
