//! What is wrong with a file, where, and what to write instead.

use std::fmt;

use serde::Serialize;

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file is refused whole.
    Error,
    /// The file is served, and this is said.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One finding. Its texts never hold a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// The file, as it was named to the program.
    pub file: String,
    /// The line, from 1; 1 for what concerns the file as a whole.
    pub line: u32,
    /// The section's name, when it is within one.
    pub section: Option<String>,
    /// The option as written, when it is about one.
    pub option: Option<String>,
    /// Its weight.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub remedy: String,
}

impl fmt::Display for Diagnostic {
    /// `FILE:LINE: error: [section] option: what is wrong; what to write`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: ", self.file, self.line, self.severity)?;
        match (&self.section, &self.option) {
            (Some(section), Some(option)) => write!(f, "[{section}] {option}: ")?,
            (Some(section), None) => write!(f, "[{section}]: ")?,
            (None, Some(option)) => write!(f, "{option}: ")?,
            (None, None) => {}
        }
        write!(f, "{}; {}", self.message, self.remedy)
    }
}

/// How many errors and warnings there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Findings that refuse the file.
    pub errors: usize,
    /// Findings that are only said.
    pub warnings: usize,
}

/// Counts findings.
#[must_use]
pub fn count(diagnostics: &[Diagnostic]) -> Counts {
    let errors = diagnostics
        .iter()
        .filter(|one| one.severity == Severity::Error)
        .count();
    Counts {
        errors,
        warnings: diagnostics.len() - errors,
    }
}

/// The findings as text, one a line, each line ended.
#[must_use]
pub fn text(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(|one| format!("{one}\n")).collect()
}

/// The findings as a JSON array of objects with the fields `file`, `line`, `section`, `option`,
/// `severity`, `message` and `remedy`.
#[must_use]
pub fn json(diagnostics: &[Diagnostic]) -> serde_json::Value {
    serde_json::json!(diagnostics)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(section: Option<&str>, option: Option<&str>, severity: Severity) -> Diagnostic {
        Diagnostic {
            file: "a.cfg".to_owned(),
            line: 7,
            section: section.map(str::to_owned),
            option: option.map(str::to_owned),
            severity,
            message: "wrong".to_owned(),
            remedy: "write right".to_owned(),
        }
    }

    #[test]
    fn text_has_the_documented_form() {
        for (section, option, want) in [
            (
                Some("main"),
                Some("debug"),
                "a.cfg:7: error: [main] debug: wrong; write right",
            ),
            (
                Some("main"),
                None,
                "a.cfg:7: error: [main]: wrong; write right",
            ),
            (None, None, "a.cfg:7: error: wrong; write right"),
        ] {
            assert_eq!(one(section, option, Severity::Error).to_string(), want);
        }
    }

    #[test]
    fn json_has_the_documented_fields() {
        let found = [
            one(Some("main"), None, Severity::Warning),
            one(None, None, Severity::Error),
        ];
        assert_eq!(
            json(&found)[0],
            serde_json::json!({"file": "a.cfg", "line": 7, "section": "main", "option": null,
                "severity": "warning", "message": "wrong", "remedy": "write right"})
        );
        assert_eq!(
            count(&found),
            Counts {
                errors: 1,
                warnings: 1
            }
        );
        assert_eq!(text(&found).lines().count(), 2);
    }
}
