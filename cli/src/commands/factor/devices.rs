//! Devices of users.

use proto::second_factor::{
    Capabilities, ChangeDevice, CreatedDevice, Done, NewDevice, Resynchronize, User,
};
use serde_json::json;

use super::{Asks, encoded, files, of_user, users};
use crate::args::DeviceArgs;
use crate::commands::login::ask;
use crate::failure::Failure;
use crate::output;

pub(super) async fn add(asks: &Asks, user: &str, args: DeviceArgs) -> Result<(), Failure> {
    let device = device(args)?;
    let made: CreatedDevice = asks.post(&of_user(user, "/devices"), &device).await?;
    asks.show(&made, || print(&made));
    Ok(())
}

pub(super) async fn rename(
    asks: &Asks,
    user: &str,
    device: &str,
    name: String,
) -> Result<(), Failure> {
    let change = ChangeDevice { name: Some(name) };
    let user: User = asks.post(&of_device(user, device, ""), &change).await?;
    asks.show(&user, || users::print(&user));
    Ok(())
}

pub(super) async fn delete(asks: &Asks, user: &str, device: &str) -> Result<(), Failure> {
    let path = of_device(user, device, "/delete");
    let _: Done = asks.post(&path, &json!({})).await?;
    asks.show(&json!({}), || {
        output::line(format_args!("{device} deleted"))
    });
    Ok(())
}

pub(super) async fn resync(asks: &Asks, user: &str, device: &str) -> Result<(), Failure> {
    let codes = Resynchronize {
        first: ask("The passcode that it shows: ")?,
        second: ask("The one after it: ")?,
    };
    let path = of_device(user, device, "/resync");
    let user: User = asks.post(&path, &codes).await?;
    asks.show(&user, || {
        output::line(format_args!("{device} is found again"))
    });
    Ok(())
}

/// A phone of a number, that takes pushes.
pub(super) const fn phone(number: String) -> NewDevice {
    NewDevice::Phone {
        name: String::new(),
        number,
        capabilities: None,
    }
}

fn device(args: DeviceArgs) -> Result<NewDevice, Failure> {
    let kind = args.kind.as_str();
    for (given, option, kinds) in [
        (!args.number.is_empty(), "--number", &["phone"][..]),
        (!args.can.is_empty(), "--can", &["phone"]),
        (args.address.is_some(), "--address", &["email"]),
        (args.algorithm.is_some(), "--algorithm", &["totp"]),
        (args.period.is_some(), "--period", &["totp"]),
        (args.counter.is_some(), "--counter", &["hotp"]),
        (args.digits.is_some(), "--digits", &["totp", "hotp"]),
        (
            args.secret_file.is_some(),
            "--secret-file",
            &["totp", "hotp"],
        ),
    ] {
        if given && !kinds.contains(&kind) {
            let kinds = kinds.join(" or ");
            let text = format!("{option} goes with the kind {kinds}, not with {kind}");
            return Err(Failure::usage(text));
        }
    }
    let name = args.name;
    let secret = files::secret_of(args.secret_file.as_deref())?;
    let can = |word: &str| args.can.iter().any(|one| one == word);
    Ok(match kind {
        "totp" => NewDevice::Totp {
            name,
            algorithm: args.algorithm,
            digits: args.digits,
            period: args.period,
            secret,
        },
        "hotp" => NewDevice::Hotp {
            name,
            digits: args.digits,
            counter: args.counter,
            secret,
        },
        "email" => NewDevice::Email {
            name,
            address: args.address.unwrap_or_default(),
        },
        _ => NewDevice::Phone {
            name,
            number: args.number,
            capabilities: (!args.can.is_empty()).then(|| Capabilities {
                push: can("push"),
                phone: can("phone"),
                sms: can("sms"),
            }),
        },
    })
}

fn of_device(user: &str, device: &str, more: &str) -> String {
    of_user(user, &format!("/devices/{}{more}", encoded(device)))
}

fn print(made: &CreatedDevice) {
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
