//! How people are reached: an SMTP server, gateways for SMS and calls, notices on phones.

use std::collections::BTreeMap;
use std::path::Path;

use proto::second_factor::{
    ChangeDelivery, Channel, Delivery, Done, Gateway, Set, Smtp, TestDelivery, WebPush,
};

use super::{Asks, files, moment};
use crate::args::{DeliveryCommand, GatewayArgs, WayCommand};
use crate::failure::Failure;
use crate::output;

pub(super) async fn run(asks: &Asks, command: DeliveryCommand) -> Result<(), Failure> {
    match command {
        DeliveryCommand::Show => {
            let delivery: Delivery = asks.get("/delivery").await?;
            show(asks, &delivery);
            Ok(())
        }
        DeliveryCommand::Set { way } => change(asks, &set(way)?).await,
        DeliveryCommand::Clear { way } => change(asks, &cleared(&way)).await,
        DeliveryCommand::Test { channel, to } => {
            let test = TestDelivery { channel, to };
            let _: Done = asks.post_many("/delivery/test", &test).await?;
            asks.show(&serde_json::json!({}), || {
                output::line(format_args!("{} sent to {}", channel.as_str(), test.to));
            });
            Ok(())
        }
    }
}

async fn change(asks: &Asks, change: &ChangeDelivery) -> Result<(), Failure> {
    let delivery: Delivery = asks.post("/delivery", change).await?;
    show(asks, &delivery);
    Ok(())
}

fn cleared(way: &str) -> ChangeDelivery {
    let mut change = ChangeDelivery::default();
    match way {
        "smtp" => change.smtp = Some(Set::Clear),
        "sms" => change.sms = Some(Set::Clear),
        "voice" => change.voice = Some(Set::Clear),
        _ => change.web_push = Some(Set::Clear),
    }
    change
}

fn set(way: WayCommand) -> Result<ChangeDelivery, Failure> {
    let mut change = ChangeDelivery::default();
    match way {
        WayCommand::Smtp {
            host,
            port,
            security,
            from,
            user,
            password_file,
            ca_file,
        } => {
            change.smtp = Some(Set::Set(Smtp {
                host,
                port,
                security,
                from,
                user,
                password: files::secret_of(password_file.as_deref())?,
                ca_pem: files::certificates(ca_file.as_deref())?,
            }));
        }
        WayCommand::Sms { gateway: args } => change.sms = Some(Set::Set(gateway(args)?)),
        WayCommand::Voice { gateway: args } => change.voice = Some(Set::Set(gateway(args)?)),
        WayCommand::WebPush {
            contact,
            hosts,
            ca_file,
        } => {
            change.web_push = Some(Set::Set(WebPush {
                contact,
                hosts,
                ca_pem: files::certificates(ca_file.as_deref())?,
            }));
        }
    }
    Ok(change)
}

fn gateway(args: GatewayArgs) -> Result<Gateway, Failure> {
    let mut fields = BTreeMap::new();
    let of_files = args.field_files.into_iter().map(|(name, file)| {
        let value = files::first_line(Path::new(&file))?;
        Ok((name, value.expose().clone()))
    });
    for field in args.fields.into_iter().map(Ok).chain(of_files) {
        let (name, value) = field?;
        if let Some(other) = fields.insert(name.clone(), value) {
            drop(other);
            return Err(Failure::usage(format!("the field {name} is there twice")));
        }
    }
    Ok(Gateway {
        url: args.url,
        format: args.format,
        fields,
        authorization: files::secret_of(args.authorization_file.as_deref())?,
        ca_pem: files::certificates(args.ca_file.as_deref())?,
    })
}

fn show(asks: &Asks, delivery: &Delivery) {
    asks.show(delivery, || print(delivery));
}

fn print(delivery: &Delivery) {
    let with = |name: &str, what: &'static str| {
        let is = delivery.secrets.iter().any(|secret| secret == name);
        if is { what } else { "" }
    };
    let smtp = delivery.smtp.as_ref().map(|smtp| {
        let port = smtp.port.map(|port| format!(":{port}")).unwrap_or_default();
        let user = smtp.user.as_ref().map(|user| format!(", as {user}"));
        format!(
            "{}{port} ({}), from {}{}{}",
            smtp.host,
            smtp.security.as_str(),
            smtp.from,
            user.unwrap_or_default(),
            with("smtp.password", " with a password")
        )
    });
    let gateway = |gateway: &Gateway, secret| {
        let fields: Vec<&str> = gateway.fields.keys().map(String::as_str).collect();
        format!(
            "{} ({}): {}{}",
            gateway.url,
            gateway.format.as_str(),
            fields.join(", "),
            with(secret, ", with a key")
        )
    };
    let sms = delivery.sms.as_ref();
    let voice = delivery.voice.as_ref();
    let web_push = delivery.web_push.as_ref();
    for (channel, is) in [
        (Channel::Email, smtp),
        (Channel::Sms, sms.map(|is| gateway(is, "sms.authorization"))),
        (
            Channel::Voice,
            voice.map(|is| gateway(is, "voice.authorization")),
        ),
        (Channel::WebPush, web_push.map(|is| is.contact.clone())),
    ] {
        let is = is.unwrap_or_else(|| "not set".to_owned());
        output::line(format_args!("{:<9} {is}", channel.as_str()));
    }
    for failure in &delivery.failures {
        output::line(format_args!(
            "{}  {} to {} did not go out: {}",
            moment(failure.at),
            failure.channel.as_str(),
            failure.user,
            failure.why
        ));
    }
}
