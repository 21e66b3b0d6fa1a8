//! Applications: what each does with unknown users and names, and those for clients that are no section
//! here.

use std::net::IpAddr;

use proto::second_factor::{Application, ApplicationSummary, Done, NewApplication};
use serde_json::{Value, json};

use super::{Asks, encoded};
use crate::args::ApplicationArgs;
use crate::failure::Failure;
use crate::output;
use crate::paths::DataDir;

pub(super) async fn list(asks: &Asks) -> Result<(), Failure> {
    let all: Vec<ApplicationSummary> = asks.get("/applications").await?;
    asks.show(&all, || all.iter().for_each(print));
    Ok(())
}

/// Changes an application that is there, and shows it. One that a typing error names is not made.
pub(super) async fn change(
    asks: &Asks,
    name: &str,
    rules: &ApplicationArgs,
) -> Result<(), Failure> {
    find(asks, name).await?;
    // Its answer has the secret key, which is nobody's business here.
    drop(
        asks.post::<_, Value>("/applications", &wanted(name, rules))
            .await?,
    );
    let changed = find(asks, name).await?;
    asks.show(&changed, || print(&changed));
    Ok(())
}

/// Makes an application, and shows what its client is to be told.
pub(super) async fn add(
    asks: &Asks,
    data: &DataDir,
    name: &str,
    rules: &ApplicationArgs,
) -> Result<(), Failure> {
    let new = NewApplication {
        must_be_new: true,
        ..wanted(name, rules)
    };
    let made: Application = asks.post("/applications", &new).await?;
    asks.show(&made, || {
        for line in told(&made) {
            output::line(format_args!("{line}"));
        }
        let ca = data.path().join("secondfactor/ca.pem");
        output::line(format_args!("cafile = a copy of {}", ca.display()));
    });
    Ok(())
}

pub(super) async fn delete(asks: &Asks, name: &str) -> Result<(), Failure> {
    let path = format!("/applications/{}/delete", encoded(name));
    let _: Done = asks.post(&path, &json!({})).await?;
    asks.show(&json!({}), || output::line(format_args!("{name} deleted")));
    Ok(())
}

fn wanted(name: &str, rules: &ApplicationArgs) -> NewApplication {
    NewApplication {
        new_user_policy: rules.new_users,
        username_normalization: rules.names,
        open_enrollment: rules.open_enrollment,
        ..NewApplication::named(name)
    }
}

/// What a client is told of an application, as Duo's own write it. The secret key is shown here alone.
fn told(made: &Application) -> Vec<String> {
    let mut lines = vec![
        format!("{} made; its secret key is not shown again", made.name),
        format!("ikey = {}", made.ikey),
        format!("skey = {}", made.skey.expose()),
    ];
    let name = |one: &&String| one.as_str() != LOCAL && one.parse::<IpAddr>().is_err();
    match made.names.iter().find(name) {
        Some(name) => lines.push(format!("host = {name}:{}", made.port)),
        None => {
            lines.push(format!("host = {LOCAL}:{}", made.port));
            lines.push(
                "for clients on this machine: others need a name in its certificate (--second-factor-name) \
                 and an address that they reach (--second-factor-listen)"
                    .to_owned(),
            );
        }
    }
    lines
}

async fn find(asks: &Asks, name: &str) -> Result<ApplicationSummary, Failure> {
    let all: Vec<ApplicationSummary> = asks.get("/applications").await?;
    let missing = || {
        Failure::plain(format!(
            "there is no application '{name}': `countersign factor applications` lists them"
        ))
    };
    let found = all.into_iter().find(|found| found.name == name);
    found.ok_or_else(missing)
}

fn print(application: &ApplicationSummary) {
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

const LOCAL: &str = "localhost";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_told_a_name_that_it_can_call() {
        for (names, host, alone) in [
            (
                &["localhost", "127.0.0.1", "::1"][..],
                "localhost:8402",
                true,
            ),
            (
                &["localhost", "192.0.2.1", "factor.example.com"],
                "factor.example.com:8402",
                false,
            ),
        ] {
            let made = Application {
                name: "shells".to_owned(),
                ikey: "DI1".to_owned(),
                skey: "k".into(),
                host: "127.0.0.1".to_owned(),
                port: 8402,
                ca_pem: String::new(),
                names: names.iter().map(|&name| name.to_owned()).collect(),
            };
            let lines = told(&made);
            assert_eq!(
                lines[1..4],
                ["ikey = DI1", "skey = k", &format!("host = {host}")]
            );
            assert_eq!(lines.len() > 4, alone, "{lines:?}");
        }
    }
}
