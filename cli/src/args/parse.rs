//! How values of arguments are read.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use controlplane::AdminCertificate;
use proto::address::AddressRange;
use proto::child::Role;
use proto::event::{Factor, Outcome, Reason};
use proto::id::{IntegrationId, LoginId, NodeId};
use proto::secret::Secret;

/// Any text; what is wrong with it is said without repeating it.
#[expect(clippy::unnecessary_wraps, reason = "clap wants a result")]
pub(super) fn secret(text: &str) -> Result<Secret<String>, std::convert::Infallible> {
    Ok(Secret::from(text))
}

/// A hundred years at most.
pub(super) fn days() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=36_500)
}

pub(super) fn https_url(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("https://").unwrap_or_default();
    let good = |c: char| c.is_ascii_graphic() && !"\"'<>?#@".contains(c);
    if host.is_empty() || host.starts_with('/') || !host.chars().all(good) {
        return Err("write https://NAME or https://NAME:PORT".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// An address or a network, but not nearly all there are: whoever is in it says who asks.
pub(super) fn trusted_proxy(text: &str) -> Result<AddressRange, String> {
    let range: AddressRange = text.parse().map_err(|error| {
        format!("{error}; write an address, or a network as 192.0.2.0/28 or 2001:db8::/64")
    })?;
    let most = if range.first().is_ipv4() {
        1 << 24
    } else {
        1 << 112
    };
    if range.span() >= most {
        return Err("that is nearly everybody; name the proxies alone".to_owned());
    }
    Ok(range)
}

/// `ADDR=SECONDS`.
pub(super) fn admin_certificate(text: &str) -> Result<AdminCertificate, &'static str> {
    let read = || {
        let (address, not_after) = text.split_once('=')?;
        Some(AdminCertificate {
            address: address.parse().ok()?,
            not_after: not_after.parse().ok()?,
        })
    };
    read().ok_or("write ADDR=SECONDS")
}

pub(super) fn role(text: &str) -> Result<Role, String> {
    let mut all = [Role::ControlPlane, Role::DataPlane, Role::SecondFactor].into_iter();
    all.find(|role| role.as_str() == text)
        .ok_or_else(|| "write controlplane, dataplane or secondfactor".to_owned())
}

/// A word of a list, as events have it.
fn word<T: Copy>(all: &[T], name: fn(T) -> &'static str, text: &str) -> Result<T, String> {
    let found = all.iter().copied().find(|one| name(*one) == text);
    found.ok_or_else(|| {
        let words: Vec<&str> = all.iter().map(|one| name(*one)).collect();
        format!("write one of {}", words.join(", "))
    })
}

/// The same, where completions have the words too.
pub(super) fn words<T: Copy + Send + Sync + 'static>(
    all: &'static [T],
    name: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    let names = all.iter().map(|one| name(*one));
    PossibleValuesParser::new(names).try_map(move |text| word(all, name, &text))
}

pub(super) fn outcome(text: &str) -> Result<Outcome, String> {
    word(Outcome::ALL, Outcome::as_str, text)
}

pub(super) fn reason(text: &str) -> Result<Reason, String> {
    word(Reason::ALL, Reason::as_str, text)
}

pub(super) fn factor(text: &str) -> Result<Factor, String> {
    word(Factor::ALL, Factor::as_str, text)
}

pub(super) fn login_id(text: &str) -> Result<LoginId, String> {
    let wrong = |_| "a login's id is 32 hexadecimal digits".to_owned();
    serde_json::from_value(text.into()).map_err(wrong)
}

pub(super) fn node(text: &str) -> Result<NodeId, proto::id::NameError> {
    NodeId::new(text)
}

pub(super) fn integration(text: &str) -> Result<IntegrationId, proto::id::NameError> {
    IntegrationId::new(text)
}
