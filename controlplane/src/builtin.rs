//! Asks the built-in second factor for the applications that a configuration uses.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use local::{CallError, Client};
use proto::config::raw;
use proto::secret::Secret;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout_at};

use crate::authproxy::BuiltinApplication;

/// `POST /applications`: makes the application, or gives the one that is there.
#[derive(Serialize)]
struct Ask<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<Keys<'a>>,
}

/// Keys that the file names.
#[derive(Serialize)]
struct Keys<'a> {
    ikey: &'a str,
    skey: &'a str,
}

impl<'a> Ask<'a> {
    /// Integrations with the same keys share one application, as they do at Duo: keys are what
    /// tells applications apart.
    fn new(wanted: &'a BuiltinApplication) -> Self {
        match (&wanted.ikey, &wanted.skey) {
            (Some(ikey), Some(skey)) => Self {
                name: ikey,
                keys: Some(Keys {
                    ikey,
                    skey: skey.expose(),
                }),
            },
            _ => Self {
                name: &wanted.integration,
                keys: None,
            },
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    ikey: String,
    skey: Secret<String>,
    host: String,
    port: u16,
    ca_pem: String,
}

/// Gets the application of each integration, all within one limit. A service that is not there
/// yet is asked again: it may be starting.
pub(crate) async fn applications(
    socket: Option<&Path>,
    wanted: &[BuiltinApplication],
    limit: Duration,
) -> Result<BTreeMap<String, raw::Application>, BuiltinError> {
    let mut applications = BTreeMap::new();
    if wanted.is_empty() {
        return Ok(applications);
    }
    let client = Client::new(socket.ok_or(BuiltinError::NotHere)?);
    let deadline = Instant::now() + limit;
    for one in wanted {
        let mut last = None;
        let asked = timeout_at(deadline, ask(&client, one, &mut last)).await;
        let application = asked.unwrap_or(Err(BuiltinError::Unavailable {
            limit,
            source: last,
        }))?;
        applications.insert(one.integration.clone(), application);
    }
    Ok(applications)
}

async fn ask(
    client: &Client,
    wanted: &BuiltinApplication,
    last: &mut Option<CallError>,
) -> Result<raw::Application, BuiltinError> {
    loop {
        match client.post("/applications", &Ask::new(wanted), CALL).await {
            Ok(Answer {
                ikey,
                skey,
                host,
                port,
                ca_pem,
            }) => {
                return Ok(raw::Application {
                    ikey,
                    skey,
                    host,
                    port,
                    pinned_ca: Some(ca_pem),
                });
            }
            Err(error) if passing(&error) => *last = Some(error),
            Err(source) => {
                return Err(BuiltinError::Refused {
                    id: wanted.integration.clone(),
                    source,
                });
            }
        }
        sleep(AGAIN).await;
    }
}

/// Whether asking again may do.
fn passing(error: &CallError) -> bool {
    match error {
        CallError::Refused { status, .. } => *status >= 500 || *status == 429,
        CallError::Unreachable { .. } | CallError::TimedOut { .. } | CallError::Broken(_) => true,
        _ => false,
    }
}

/// Why there is no application.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum BuiltinError {
    /// This control plane was started without its socket.
    #[error("this control plane was started without the built-in second factor")]
    NotHere,
    /// It did not answer, which may pass.
    #[error("the built-in second factor did not answer within {limit:?}")]
    Unavailable {
        limit: Duration,
        source: Option<CallError>,
    },
    /// It answered with an error.
    #[error("the built-in second factor refused the application '{id}'")]
    Refused { id: String, source: CallError },
}

const CALL: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(100);
