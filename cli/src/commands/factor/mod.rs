//! `countersign factor`: what manages the built-in second factor. Each file has the commands of one
//! topic; the admin socket's answers are printed as they come, or with `--json` handed on.

mod applications;
mod delivery;
mod devices;
mod files;
mod invitations;
mod policies;
mod pushes;
mod remembered;
mod routed;
mod sync;
mod tokens;
mod users;

use std::time::Duration;

use local::Client;
use proto::child::Role;
use proto::second_factor::{
    AdminError, BypassCodes, CreatedDevice, CreatedUser, NewBypassCodes, NewUser, Script,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::args::{FactorArgs, FactorCommand};
use crate::failure::Failure;
use crate::output;
use crate::paths::DataDir;

pub(crate) async fn run(args: FactorArgs) -> Result<(), Failure> {
    let data = DataDir::new(args.tool.data.data_dir)?;
    let asks = Asks {
        service: Service::new(&data)?,
        control: data.client(Role::ControlPlane)?,
        as_json: args.tool.output.json,
    };
    match args.command {
        FactorCommand::Sync(wanted) => sync::run(&asks, &asks.control, wanted).await,
        FactorCommand::Pushes => pushes::list(&asks).await,
        FactorCommand::Approve { which } => pushes::decide(&asks, &which, "approve").await,
        FactorCommand::Deny { which } => pushes::decide(&asks, &which, "deny").await,
        FactorCommand::Fraud { which } => pushes::decide(&asks, &which, "fraud").await,
        FactorCommand::Incidents { kind, user, limit } => {
            pushes::incidents(&asks, kind, user.as_deref(), limit).await
        }
        FactorCommand::Applications => applications::list(&asks).await,
        FactorCommand::Application { name, rules } => {
            applications::change(&asks, &name, &rules).await
        }
        FactorCommand::AddApplication { name, rules } => {
            applications::add(&asks, &data, &name, &rules).await
        }
        FactorCommand::DeleteApplication { name } => applications::delete(&asks, &name).await,
        FactorCommand::Tokens { command } => tokens::run(&asks, command).await,
        FactorCommand::Policy { command } => policies::run(&asks, command).await,
        FactorCommand::Remembered { command } => remembered::run(&asks, command).await,
        FactorCommand::Delivery { command } => delivery::run(&asks, command).await,
        FactorCommand::AddDevice { user, device } => devices::add(&asks, &user, device).await,
        FactorCommand::RenameDevice { user, device, name } => {
            devices::rename(&asks, &user, &device, name).await
        }
        FactorCommand::DeleteDevice { user, device } => {
            devices::delete(&asks, &user, &device).await
        }
        FactorCommand::Resync { user, device } => devices::resync(&asks, &user, &device).await,
        FactorCommand::Enroll {
            user,
            span,
            by_email,
        } => invitations::one(&asks, &user, span, by_email).await,
        FactorCommand::Invite {
            users,
            group,
            by_email,
            span,
        } => invitations::many(&asks, users, group, by_email, span).await,
        FactorCommand::Enrollments { take_back } => {
            invitations::waiting(&asks, take_back.as_deref()).await
        }
        of_users => users::run(&asks, of_users).await,
    }
}

/// Whom to ask, and how to show what they say.
struct Asks {
    /// What is read is read there.
    service: Service,
    /// What is changed is changed by it, which keeps the audit.
    control: Client,
    as_json: bool,
}

impl Asks {
    fn show<T: Serialize>(&self, document: &T, text: impl FnOnce()) {
        if self.as_json {
            output::json(document);
        } else {
            text();
        }
    }

    async fn get<A: DeserializeOwned>(&self, path: &str) -> Result<A, Failure> {
        self.service.get(path).await
    }

    async fn post<Q: Serialize + Sync, A: DeserializeOwned>(
        &self,
        path: &str,
        body: &Q,
    ) -> Result<A, Failure> {
        self.change(path, body, LIMIT).await
    }

    /// Where the control plane does not run, the service is asked itself, and its log says so.
    async fn change<Q: Serialize + Sync, A: DeserializeOwned>(
        &self,
        path: &str,
        body: &Q,
        limit: Duration,
    ) -> Result<A, Failure> {
        let document = serde_json::to_value(body)
            .map_err(|error| Failure::new("that cannot be asked for", &error))?;
        let routed = routed::of(path, document);
        // Its own limit passes first, with a better word.
        let patience = limit.saturating_add(SOME_MORE);
        let (method, at) = (routed.method, &routed.path);
        let answer = self.control.call(method, at, &routed.body, patience);
        let answer: Value = match answer.await {
            Err(local::CallError::Unreachable { .. }) => {
                return self.service.post(path, body, limit).await;
            }
            answer => answer.map_err(routed::refused)?,
        };
        let answer = match answer {
            Value::Null => Value::Object(serde_json::Map::new()),
            answer => answer,
        };
        serde_json::from_value(answer)
            .map_err(|error| Failure::new("the control plane's answer is not understood", &error))
    }

    /// What is done for thousands.
    async fn post_many<Q: Serialize + Sync, A: DeserializeOwned>(
        &self,
        path: &str,
        body: &Q,
    ) -> Result<A, Failure> {
        self.change(path, body, LONG_LIMIT).await
    }

    /// All pages of a list: `page` gives the items of one, and where the next begins.
    async fn all<P: DeserializeOwned, T>(
        &self,
        path: &str,
        page: fn(P) -> (Vec<T>, Option<String>),
    ) -> Result<Vec<T>, Failure> {
        let mut all = Vec::new();
        let mut at = path.to_owned();
        loop {
            let (items, next) = page(self.get(&at).await?);
            all.extend(items);
            match next {
                Some(next) => at = format!("{path}&after={}", encoded(&next)),
                None => return Ok(all),
            }
        }
    }
}

/// The built-in second factor of a data folder.
pub(crate) struct Service(Client);

impl Service {
    pub(crate) fn new(data: &DataDir) -> Result<Self, Failure> {
        data.client(Role::SecondFactor).map(Self)
    }

    pub(crate) async fn add_user(
        &self,
        name: &str,
        script: Option<Script>,
    ) -> Result<CreatedUser, Failure> {
        let user = NewUser {
            script,
            ..NewUser::named(name)
        };
        self.post("/users", &user, LIMIT).await
    }

    pub(crate) async fn add_phone(
        &self,
        user: &str,
        number: &str,
    ) -> Result<CreatedDevice, Failure> {
        let device = devices::phone(number.to_owned());
        self.post(&of_user(user, "/devices"), &device, LIMIT).await
    }

    pub(crate) async fn bypass_codes(
        &self,
        user: &str,
        count: u32,
    ) -> Result<BypassCodes, Failure> {
        let wanted = NewBypassCodes {
            count: Some(count),
            valid_seconds: None,
        };
        self.post(&of_user(user, "/bypass-codes"), &wanted, LIMIT)
            .await
    }

    async fn get<A: DeserializeOwned>(&self, path: &str) -> Result<A, Failure> {
        self.0
            .get(path, LIMIT)
            .await
            .map_err(|error| failed(&error))
    }

    async fn post<Q: Serialize + Sync, A: DeserializeOwned>(
        &self,
        path: &str,
        body: &Q,
        limit: Duration,
    ) -> Result<A, Failure> {
        self.0
            .post(path, body, limit)
            .await
            .map_err(|error| failed(&error))
    }
}

/// The service's own words where it refused, else what is wrong with the way to it.
fn failed(error: &local::CallError) -> Failure {
    if let local::CallError::Refused { body, .. } = error
        && let Ok(said) = serde_json::from_str::<AdminError>(body)
    {
        return Failure::plain(said.error);
    }
    if matches!(error, local::CallError::Unreachable { .. }) {
        return Failure::new(
            "the built-in second factor does not run here (it does where a section says api_host=builtin); is this the right --data-dir?",
            error,
        );
    }
    Failure::new("the built-in second factor cannot be asked", error)
}

/// Seconds of a time that was written.
fn seconds(span: Option<Duration>) -> Result<Option<u32>, Failure> {
    let Some(span) = span else { return Ok(None) };
    let seconds = u32::try_from(span.as_secs());
    seconds
        .map(Some)
        .map_err(|_| Failure::usage("that time is too long"))
}

/// A moment as the service has it, in seconds, for people.
fn moment(seconds: u64) -> String {
    proto::date::utc(seconds.saturating_mul(1_000))
}

/// The path of a user, and of what is below.
fn of_user(name: &str, more: &str) -> String {
    let name = match name {
        // What it would be called by itself is another route.
        "import" | "sync" => name.bytes().map(|octet| format!("%{octet:02X}")).collect(),
        name => encoded(name),
    };
    format!("/users/{name}{more}")
}

/// A text as part of a path or query: everything but unreserved characters percent-encoded (RFC 3986
/// section 2.3).
pub(crate) fn encoded(text: &str) -> String {
    text.bytes()
        .map(|octet| match octet {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(octet).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

const LIMIT: Duration = Duration::from_secs(10);
const LONG_LIMIT: Duration = Duration::from_secs(120);
const SOME_MORE: Duration = Duration::from_secs(5);
