//! The URL of a PostgreSQL database. It may hold a password: nothing of it is ever shown.

use std::str::FromStr;

use proto::secret::Secret;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// Which PostgreSQL database, and as whom: `postgres://USER:PASSWORD@HOST:PORT/NAME?sslmode=…`.
///
/// What it does not say comes from libpq's variables (`PGHOST`, …) and `~/.pgpass`. TLS follows
/// `sslmode` as libpq's does; default `prefer`, which looks at no certificate.
#[derive(Clone, Debug)]
pub struct PostgresUrl(Secret<String>);

impl PostgresUrl {
    /// Takes a URL that can be used.
    ///
    /// # Errors
    /// [`PostgresUrlError`]. None of them repeats anything of the URL.
    pub fn new(text: Secret<String>) -> Result<Self, PostgresUrlError> {
        let url = Self(text);
        url.options()?;
        Ok(url)
    }

    /// The URL itself, for another process of this program.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Whether a password stands in it.
    #[must_use]
    pub fn has_password(&self) -> bool {
        let rest = rest(self.expose()).unwrap_or_default();
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
        user.contains(':') || parameters(rest).any(|(key, _)| key == "password")
    }

    /// What to connect with.
    pub(super) fn options(&self) -> Result<PgConnectOptions, PostgresUrlError> {
        let text = self.expose();
        let rest = rest(text).ok_or(PostgresUrlError::Scheme)?;
        if rest.contains('#') {
            return Err(PostgresUrlError::Fragment);
        }
        // The library logs those that it does not know, with their values.
        let unknown = |key: &str| !PARAMETERS.contains(&key) && !key.starts_with("options[");
        if parameters(rest).any(|(key, _)| unknown(&key)) {
            return Err(PostgresUrlError::Parameter);
        }
        let mode = parameters(rest)
            .filter(|(key, _)| key == "sslmode")
            .last()
            .map(|(_, mode)| mode.to_string());
        // Known to the library, which would never try TLS.
        if mode.is_some_and(|mode| !MODES.contains(&mode.as_str())) {
            return Err(PostgresUrlError::SslMode);
        }
        let mut options =
            PgConnectOptions::from_str(text).map_err(|_| PostgresUrlError::Malformed)?;
        let authority = parameters(rest).any(|(key, _)| key == "sslrootcert");
        if authority && matches!(options.get_ssl_mode(), PgSslMode::Require) {
            // As libpq does; the library would look at no certificate.
            options = options.ssl_mode(PgSslMode::VerifyCa);
        }
        if options.get_application_name().is_none() {
            options = options.application_name("countersign");
        }
        Ok(options)
    }
}

/// Why a URL cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PostgresUrlError {
    /// Another database, or none.
    #[error("the database URL does not begin with postgres://")]
    Scheme,
    /// It would end there.
    #[error("the database URL has a `#`; write %23 for it")]
    Fragment,
    /// A parameter of no meaning here.
    #[error("the database URL has an unknown parameter; known are {}", PARAMETERS.join(", "))]
    Parameter,
    /// No mode of TLS.
    #[error("the database URL has an unknown sslmode; write one of {}", MODES.join(", "))]
    SslMode,
    /// It cannot be read.
    #[error(
        "the database URL cannot be read; write postgres://USER:PASSWORD@HOST:PORT/NAME, \
         and %XX for other signs than letters and digits in a password"
    )]
    Malformed,
}

/// What comes after the scheme.
fn rest(text: &str) -> Option<&str> {
    text.strip_prefix("postgres://")
        .or_else(|| text.strip_prefix("postgresql://"))
}

fn parameters(rest: &str) -> form_urlencoded::Parse<'_> {
    let query = rest.split_once('?').map_or("", |(_, query)| query);
    form_urlencoded::parse(query.as_bytes())
}

const PARAMETERS: [&str; 11] = [
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "application_name",
];

const MODES: [&str; 5] = ["disable", "prefer", "require", "verify-ca", "verify-full"];

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Result<PostgresUrl, PostgresUrlError> {
        PostgresUrl::new(Secret::from(text))
    }

    #[test]
    fn a_bad_url_is_refused_and_not_repeated() {
        use PostgresUrlError as E;
        for (text, want) in [
            ("", E::Scheme),
            ("mysql://u:hunter2@h/d", E::Scheme),
            ("hunter2", E::Scheme),
            ("postgres://u:hunt#er2@h/d", E::Fragment),
            ("postgres://u:hunt?er2@h/d", E::Parameter),
            ("postgres://h/d?passwrd=hunter2", E::Parameter),
            ("postgres://h/d?sslmode=allow", E::SslMode),
            ("postgres://h/d?sslmode=hunter2", E::SslMode),
            ("postgres://h:hunter2/d", E::Malformed),
            ("postgres://u:hunter2@h:99999/d", E::Malformed),
        ] {
            let error = url(text).unwrap_err();
            assert_eq!(error, want, "{text}");
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("er2"), "{shown}");
        }
    }

    #[test]
    fn a_good_url_says_where_as_whom_and_how() {
        let good = "postgres://us%40er:p%23w@db.example:6432/na%20me?sslmode=verify-full";
        let options = url(good).unwrap().options().unwrap();
        assert_eq!(options.get_host(), "db.example");
        assert_eq!(options.get_port(), 6432);
        assert_eq!(options.get_username(), "us@er");
        assert_eq!(options.get_database(), Some("na me"));
        assert!(matches!(options.get_ssl_mode(), PgSslMode::VerifyFull));
        assert_eq!(options.get_application_name(), Some("countersign"));
    }

    #[test]
    fn require_with_an_authority_looks_at_the_certificate() {
        let require = "postgresql://h/d?sslmode=require";
        let mode = |text: &str| url(text).unwrap().options().unwrap().get_ssl_mode();
        assert!(matches!(mode(require), PgSslMode::Require));
        let with = format!("{require}&sslrootcert=/etc/ca.pem");
        assert!(matches!(mode(&with), PgSslMode::VerifyCa));
    }

    #[test]
    fn a_password_is_seen_wherever_it_stands() {
        for (text, want) in [
            ("postgres://h/d", false),
            ("postgres://h:1/d?user=a:b@c", false),
            ("postgres://u@h/d", false),
            ("postgres:///d?host=/run/postgresql", false),
            ("postgres://u:p@h/d", true),
            ("postgres://u@x:p@h/d", true),
            ("postgres://h/d?password=p", true),
            ("postgres://h/d?pass%77ord=p", true),
        ] {
            assert_eq!(url(text).unwrap().has_password(), want, "{text}");
        }
    }

    #[test]
    fn debug_shows_nothing() {
        let url = url("postgres://u:hunter2@h/d").unwrap();
        assert_eq!(format!("{url:?}"), "PostgresUrl([secret])");
    }
}
