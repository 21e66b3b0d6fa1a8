//! `countersign factor`: users, devices and approvals of the built-in second factor.

use std::time::Duration;

use proto::child::Role;
use secondfactor::admin::{
    Application, ApplicationSummary, BypassCodes, ChangeUser, CreatedDevice, CreatedUser, Done,
    Enrollment, NewApplication, NewBypassCodes, NewDevice, NewEnrollment, NewUser, NewUserPolicy,
    Script, ScriptAnswer, ScriptChange, User, UserStatus, UsernameNormalization, Users,
    WaitingPush,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::args::{FactorArgs, FactorCommand};
use crate::failure::Failure;
use crate::output;
use crate::paths::DataDir;

pub(crate) async fn run(args: FactorArgs) -> Result<(), Failure> {
    let service = Service::new(&DataDir::new(args.tool.data.data_dir)?)?;
    let as_json = args.tool.output.json;
    match args.command {
        FactorCommand::Users => users(&service, as_json).await,
        FactorCommand::Show { user } => {
            let user: User = service.get(&format!("/users/{}", encoded(&user))).await?;
            show(as_json, &user, || print_user(&user));
            Ok(())
        }
        FactorCommand::Add { user } => {
            let made = service.add_user(&user, None).await?;
            show(as_json, &made, || {
                output::line(format_args!("{} made", made.user.name))
            });
            Ok(())
        }
        FactorCommand::Delete { user } => {
            service
                .post::<_, Done>(&format!("/users/{}/delete", encoded(&user)), &json!({}))
                .await?;
            show(as_json, &json!({}), || {
                output::line(format_args!("{user} deleted"))
            });
            Ok(())
        }
        FactorCommand::SetStatus { user, status } => {
            let status = named(
                UserStatus::from_name,
                UserStatus::ALL,
                UserStatus::as_str,
                &status,
            )?;
            let change = ChangeUser {
                status: Some(status),
                script: None,
            };
            changed(&service, &user, &change, as_json).await
        }
        FactorCommand::Unlock { user } => {
            let user: User = service
                .post(&format!("/users/{}/unlock", encoded(&user)), &json!({}))
                .await?;
            show(as_json, &user, || print_user(&user));
            Ok(())
        }
        FactorCommand::AddDevice {
            user,
            kind,
            name,
            number,
        } => {
            let device = new_device(&kind, name, number)?;
            let made: CreatedDevice = service
                .post(&format!("/users/{}/devices", encoded(&user)), &device)
                .await?;
            show(as_json, &made, || print_device(&made));
            Ok(())
        }
        FactorCommand::DeleteDevice { user, device } => {
            let path = format!(
                "/users/{}/devices/{}/delete",
                encoded(&user),
                encoded(&device)
            );
            service.post::<_, Done>(&path, &json!({})).await?;
            show(as_json, &json!({}), || {
                output::line(format_args!("{device} deleted"))
            });
            Ok(())
        }
        FactorCommand::BypassCodes { user, count } => {
            let codes = service.bypass_codes(&user, count).await?;
            show(as_json, &codes, || {
                for code in &codes.codes {
                    output::line(format_args!("{}", code.expose()));
                }
            });
            Ok(())
        }
        FactorCommand::Enroll { user } => {
            let made: Enrollment = service
                .post(
                    &format!("/users/{}/enroll", encoded(&user)),
                    &NewEnrollment::default(),
                )
                .await?;
            show(as_json, &made, || {
                output::line(format_args!("{}", made.url.expose()))
            });
            Ok(())
        }
        FactorCommand::Script {
            user,
            answer,
            after_ms,
        } => {
            let script = if answer == "none" {
                ScriptChange::Clear
            } else {
                let answer = named(
                    ScriptAnswer::from_name,
                    ScriptAnswer::ALL,
                    ScriptAnswer::as_str,
                    &answer,
                )?;
                ScriptChange::Set(Script { answer, after_ms })
            };
            let change = ChangeUser {
                status: None,
                script: Some(script),
            };
            changed(&service, &user, &change, as_json).await
        }
        FactorCommand::Applications => {
            let all = service.applications().await?;
            show(as_json, &all, || all.iter().for_each(print_application));
            Ok(())
        }
        FactorCommand::Application {
            name,
            new_users,
            open_enrollment,
            names,
        } => {
            let changes = NewApplication {
                new_user_policy: new_users.as_deref().map(policy).transpose()?,
                username_normalization: names.as_deref().map(normalization).transpose()?,
                open_enrollment,
                ..NewApplication::named(&name)
            };
            application(&service, &changes, as_json).await
        }
        FactorCommand::Pushes => {
            let pushes = service.pushes().await?;
            show(as_json, &pushes, || pushes.iter().for_each(print_push));
            Ok(())
        }
        FactorCommand::Approve { which } => decide(&service, &which, "approve", as_json).await,
        FactorCommand::Deny { which } => decide(&service, &which, "deny", as_json).await,
        FactorCommand::Fraud { which } => decide(&service, &which, "fraud", as_json).await,
    }
}

/// The built-in second factor of a data folder.
pub(crate) struct Service(local::Client);

impl Service {
    pub(crate) fn new(data: &DataDir) -> Result<Self, Failure> {
        data.client(Role::SecondFactor).map(Self)
    }

    pub(crate) async fn add_user(
        &self,
        name: &str,
        script: Option<Script>,
    ) -> Result<CreatedUser, Failure> {
        self.post(
            "/users",
            &NewUser {
                name: name.to_owned(),
                status: None,
                script,
                devices: Vec::new(),
            },
        )
        .await
    }

    pub(crate) async fn add_phone(
        &self,
        user: &str,
        number: &str,
    ) -> Result<CreatedDevice, Failure> {
        let device = new_device("phone", String::new(), number.to_owned())?;
        self.post(&format!("/users/{}/devices", encoded(user)), &device)
            .await
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
        self.post(&format!("/users/{}/bypass-codes", encoded(user)), &wanted)
            .await
    }

    async fn applications(&self) -> Result<Vec<ApplicationSummary>, Failure> {
        self.get("/applications").await
    }

    async fn pushes(&self) -> Result<Vec<WaitingPush>, Failure> {
        self.get("/pushes").await
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
    ) -> Result<A, Failure> {
        self.0
            .post(path, body, LIMIT)
            .await
            .map_err(|error| failed(&error))
    }
}

/// The service's own words where it refused, else what is wrong with the way to it.
fn failed(error: &local::CallError) -> Failure {
    if let local::CallError::Refused { body, .. } = error
        && let Ok(said) = serde_json::from_str::<secondfactor::admin::AdminError>(body)
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

async fn users(service: &Service, as_json: bool) -> Result<(), Failure> {
    let mut all = Vec::new();
    let mut path = "/users?limit=500".to_owned();
    loop {
        let page: Users = service.get(&path).await?;
        all.extend(page.users);
        match page.next {
            Some(next) => path = format!("/users?limit=500&after={}", encoded(&next)),
            None => break,
        }
    }
    show(as_json, &all, || all.iter().for_each(print_user));
    Ok(())
}

async fn changed(
    service: &Service,
    user: &str,
    change: &ChangeUser,
    as_json: bool,
) -> Result<(), Failure> {
    let user: User = service
        .post(&format!("/users/{}", encoded(user)), change)
        .await?;
    show(as_json, &user, || print_user(&user));
    Ok(())
}

/// Changes an application that is there, and shows it. One that a typing error names is not made.
async fn application(
    service: &Service,
    changes: &NewApplication,
    as_json: bool,
) -> Result<(), Failure> {
    let find = async || {
        let all = service.applications().await?;
        let missing = || {
            Failure::plain(format!(
                "there is no application '{}': `countersign factor applications` lists them",
                changes.name
            ))
        };
        let found = all.into_iter().find(|found| found.name == changes.name);
        found.ok_or_else(missing)
    };
    find().await?;
    // Its answer has the secret key, which is nobody's business here.
    drop(
        service
            .post::<_, Application>("/applications", changes)
            .await?,
    );
    let changed = find().await?;
    show(as_json, &changed, || print_application(&changed));
    Ok(())
}

fn policy(word: &str) -> Result<NewUserPolicy, Failure> {
    named(
        NewUserPolicy::from_name,
        NewUserPolicy::ALL,
        NewUserPolicy::as_str,
        word,
    )
}

fn normalization(word: &str) -> Result<UsernameNormalization, Failure> {
    named(
        UsernameNormalization::from_name,
        UsernameNormalization::ALL,
        UsernameNormalization::as_str,
        word,
    )
}

/// Decides a push by its id, or the only one that waits for a user.
async fn decide(service: &Service, which: &str, verb: &str, as_json: bool) -> Result<(), Failure> {
    let pushes = service.pushes().await?;
    let mut found = pushes
        .iter()
        .filter(|push| push.txid == which || push.user.eq_ignore_ascii_case(which));
    let push = match (found.next(), found.next()) {
        (Some(push), None) => push,
        (None, _) => return Err(Failure::plain(format!("no push waits for '{which}'"))),
        (Some(_), Some(_)) => {
            return Err(Failure::plain(format!(
                "several pushes wait for '{which}': name one by its id, as `countersign factor pushes` shows"
            )));
        }
    };
    let path = format!("/pushes/{}/{verb}", encoded(&push.txid));
    service.post::<_, Done>(&path, &json!({})).await?;
    show(as_json, &json!({ "txid": push.txid }), || {
        output::line(format_args!("{verb}: {} of {}", push.txid, push.user));
    });
    Ok(())
}

fn new_device(kind: &str, name: String, number: String) -> Result<NewDevice, Failure> {
    match kind {
        "phone" => Ok(NewDevice::Phone {
            name,
            number,
            capabilities: None,
        }),
        "totp" => Ok(NewDevice::Totp {
            name,
            algorithm: None,
            digits: None,
            period: None,
            secret: None,
        }),
        "hotp" => Ok(NewDevice::Hotp {
            name,
            digits: None,
            counter: None,
            secret: None,
        }),
        other => Err(Failure::usage(format!(
            "'{other}' is no kind of device: phone, totp or hotp"
        ))),
    }
}

fn named<T: Copy>(
    parse: fn(&str) -> Option<T>,
    all: &[T],
    name: fn(T) -> &'static str,
    text: &str,
) -> Result<T, Failure> {
    parse(text).ok_or_else(|| {
        let known: Vec<&str> = all.iter().map(|one| name(*one)).collect();
        Failure::usage(format!("'{text}' is none of: {}", known.join(", ")))
    })
}

fn show<T: Serialize>(as_json: bool, document: &T, text: impl FnOnce()) {
    if as_json {
        output::json(document);
    } else {
        text();
    }
}

fn print_user(user: &User) {
    let script = user
        .script
        .map(|script| {
            format!(
                ", answers by itself: {} after {} ms",
                script.answer.as_str(),
                script.after_ms
            )
        })
        .unwrap_or_default();
    output::line(format_args!(
        "{:<20} {:<10} {} bypass codes, {} wrong passcodes{script}",
        user.name,
        user.status.as_str(),
        user.bypass_codes,
        user.failures,
    ));
    for device in &user.devices {
        output::line(format_args!(
            "  {}  {:<5} {} {}",
            device.id,
            device.kind.as_str(),
            device.name,
            device.number
        ));
    }
}

fn print_application(application: &ApplicationSummary) {
    output::line(format_args!(
        "{:<24} {}  new users: {}{}, names: {}",
        application.name,
        application.ikey,
        application.new_user_policy.as_str(),
        if application.open_enrollment {
            " (open to unknown names)"
        } else {
            ""
        },
        application.username_normalization.as_str(),
    ));
}

fn print_device(made: &CreatedDevice) {
    output::line(format_args!(
        "{} {} made",
        made.device.kind.as_str(),
        made.device.id
    ));
    if let Some(url) = &made.approval_url {
        output::line(format_args!(
            "its approval page, for its owner only: {}",
            url.expose()
        ));
    }
    if let Some(uri) = &made.otpauth_uri {
        output::line(format_args!("for an authenticator app: {}", uri.expose()));
    }
}

fn print_push(push: &WaitingPush) {
    output::line(format_args!(
        "{}  {}  {} from {}, {} s ago",
        push.txid,
        push.user,
        push.application,
        if push.ip.is_empty() {
            "unknown"
        } else {
            &push.ip
        },
        push.age_seconds
    ));
}

/// A path segment: everything but unreserved characters percent-encoded (RFC 3986 section 2.3).
/// A text as part of a path or query.
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
