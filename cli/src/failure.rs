//! How a command fails: what to say, and with which exit code.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

/// A command's failure. Its text goes to standard error as it is.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    text: String,
    code: u8,
}

impl Failure {
    /// Exit code 1, with what was tried and the chain of causes.
    pub(crate) fn new(tried: impl Into<String>, cause: &dyn Error) -> Self {
        let mut text = tried.into();
        let mut next = Some(cause);
        while let Some(cause) = next {
            text = format!("{text}: {cause}");
            next = cause.source();
        }
        Self { text, code: 1 }
    }

    /// Exit code 1, with a text alone; an empty one says nothing.
    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            code: 1,
        }
    }

    /// The same, with exit code 1.
    pub(crate) fn into_plain(self) -> Self {
        Self { code: 1, ..self }
    }

    /// Exit code 2: bad configuration or usage.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            code: 2,
        }
    }

    /// Exit code 3: a new program cannot take over here, and the one that runs serves on.
    pub(crate) fn unfit(text: impl Into<String>) -> Self {
        Self::plain(text).into_unfit()
    }

    /// The same, with exit code 3.
    pub(crate) fn into_unfit(self) -> Self {
        Self {
            code: UNFIT,
            ..self
        }
    }

    /// Of several: what all of them say. It is of a program that cannot take over where all are.
    pub(crate) fn all(failures: Vec<Self>) -> Option<Self> {
        failures.into_iter().reduce(|all, one| Self {
            text: format!("{all}\n{one}"),
            code: if all.code == one.code { all.code } else { 1 },
        })
    }

    /// Whether a new program cannot take over.
    pub(crate) fn is_unfit(&self) -> bool {
        self.code == UNFIT
    }

    /// The same, with exit code 2.
    pub(crate) fn into_usage(self) -> Self {
        Self { code: 2, ..self }
    }

    /// The same, with more to say below.
    pub(crate) fn with_more(self, more: &str) -> Self {
        Self {
            text: format!("{}\n{more}", self.text),
            ..self
        }
    }

    /// Says it and gives the exit code.
    #[expect(
        clippy::print_stderr,
        reason = "the one place where a command says why it failed"
    )]
    pub(crate) fn report(&self) -> ExitCode {
        if !self.text.is_empty() {
            eprintln!("countersign: {}", self.text);
        }
        ExitCode::from(self.code)
    }
}

const UNFIT: u8 = 3;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
