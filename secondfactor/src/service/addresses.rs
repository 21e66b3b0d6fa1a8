//! Numbers and addresses that are being set up: a code is sent there, and they count when it was typed.
//! Until then they are kept nowhere but in the form of the page.

use data_encoding::BASE64URL_NOPAD;
use subtle::ConstantTimeEq;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::Service;
use super::delivery::{NotSent, PASSCODE_DIGITS, number};
use super::enroll::milliseconds;
use super::enrollments::{Confirmed, FIELD_OCTETS, PENDING_LIFE};
use super::passcode::random_digits;
use crate::account::is_email_address;
use crate::admin::{AllowedFactor, Capabilities, NewDevice};
use crate::clock;
use crate::metrics::PasscodeBound;
use crate::outbound::PASSCODE_MINUTES;
use crate::rate::Wait;
use crate::short_code::ShortCode;
use crate::store::StoreError;
use crate::vault::{SealError, Vault};

/// How passcodes are sent to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CodeBy {
    Sms,
    Email,
}

impl CodeBy {
    /// The factor that a device of it serves.
    pub(crate) const fn factor(self) -> AllowedFactor {
        match self {
            Self::Sms => AllowedFactor::Sms,
            Self::Email => AllowedFactor::Email,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Email => "email",
        }
    }
}

/// Why no code was sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum AddressError {
    /// It did not go out.
    #[error(transparent)]
    NotSent(#[from] NotSent),
    /// There is no code.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A number or an address that a code went to.
pub(crate) struct PendingAddress {
    /// As messages are sent there.
    pub(crate) address: String,
    /// All of it, sealed: for the field of a form.
    pub(crate) field: String,
    code: Zeroizing<String>,
    sent_at_ms: u64,
}

#[cfg(test)]
impl PendingAddress {
    pub(crate) fn of(address: &str, field: &str) -> Self {
        Self {
            address: address.to_owned(),
            field: field.to_owned(),
            code: Zeroizing::new("0123456".to_owned()),
            sent_at_ms: 1_000,
        }
    }
}

/// What became of a code that was typed.
pub(crate) enum Typed {
    /// It is the one.
    Right(Confirmed),
    /// It is not.
    Wrong,
    /// Another one has to be sent.
    TooOld,
    /// Too many were typed.
    TooOften,
}

impl Service {
    /// Whether codes can be sent so.
    pub(crate) fn sends_codes(&self, by: CodeBy) -> bool {
        let routes = self.outbound.routes();
        match by {
            CodeBy::Sms => routes.sms.is_some(),
            CodeBy::Email => routes.smtp.is_some(),
        }
    }

    /// Sends a code to a number or an address, for whoever has the code of an enrollment.
    ///
    /// # Errors
    /// [`AddressError`].
    pub(crate) async fn begin_address(
        &self,
        enrollment: &ShortCode,
        user: &str,
        by: CodeBy,
        typed: &str,
    ) -> Result<PendingAddress, AddressError> {
        let address = self.checked_address(by, typed.trim())?;
        let code = random_digits(PASSCODE_DIGITS).map_err(StoreError::from)?;
        let code = Zeroizing::new(code);
        let sent_at_ms = clock::unix_ms();
        let place = self.address_place(enrollment, by);
        let field = sealed(&self.vault, &place, (sent_at_ms, &code, &address));
        let field = field.map_err(StoreError::from)?;
        self.send_code(user, by, &address, &code).await?;
        Ok(PendingAddress {
            address,
            field,
            code,
            sent_at_ms,
        })
    }

    /// The number or address of a form; none for a field that was not made for this enrollment, or is
    /// too old.
    pub(crate) fn pending_address_of(
        &self,
        enrollment: &ShortCode,
        by: CodeBy,
        field: &str,
    ) -> Option<PendingAddress> {
        let place = self.address_place(enrollment, by);
        opened(&self.vault, &place, field, clock::unix_ms())
    }

    /// A device that gets passcodes at the number or address, if this is the code that was sent there.
    pub(crate) fn confirm_address(
        &self,
        enrollment: &ShortCode,
        by: CodeBy,
        pending: &PendingAddress,
        (name, code): (&str, &str),
    ) -> Typed {
        // One enrollment is tried no faster than a user's passcodes, from however many addresses.
        let who = self.address_place(enrollment, by);
        if let Err(wait) = self.passcode_rate.take(&who, Instant::now()) {
            self.metrics.passcode_refused(match wait {
                Wait::TooOften => PasscodeBound::User,
                Wait::TooMany => PasscodeBound::Service,
            });
            return Typed::TooOften;
        }
        match pending.judged(code, clock::unix_ms()) {
            Judged::Right => Typed::Right(Confirmed::device(device(by, name, &pending.address))),
            Judged::Wrong => Typed::Wrong,
            Judged::TooOld => Typed::TooOld,
        }
    }

    fn checked_address(&self, by: CodeBy, typed: &str) -> Result<String, NotSent> {
        match by {
            CodeBy::Sms => number(self.sends_codes(by), "sms", typed),
            CodeBy::Email if !self.sends_codes(by) => Err(NotSent::NotConfigured("smtp")),
            CodeBy::Email if is_email_address(typed) => Ok(typed.to_owned()),
            CodeBy::Email => Err(NotSent::Address(
                "an e-mail address is a name, '@' and a domain, without blanks",
            )),
        }
    }

    /// Where a number or an address is sealed for: no other form opens it.
    fn address_place(&self, enrollment: &ShortCode, by: CodeBy) -> String {
        format!("{}/{}", self.pending_place(enrollment), by.as_str())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judged {
    Right,
    Wrong,
    TooOld,
}

impl PendingAddress {
    fn judged(&self, typed: &str, now_ms: u64) -> Judged {
        if now_ms.saturating_sub(self.sent_at_ms) >= CODE_LIFE_MS {
            return Judged::TooOld;
        }
        let typed: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
        match bool::from(typed.as_bytes().ct_eq(self.code.as_bytes())) {
            true => Judged::Right,
            false => Judged::Wrong,
        }
    }
}

/// The device that is made.
fn device(by: CodeBy, name: &str, address: &str) -> NewDevice {
    let (name, address) = (name.to_owned(), address.to_owned());
    match by {
        CodeBy::Sms => NewDevice::Phone {
            name,
            number: address,
            capabilities: Some(Capabilities {
                sms: true,
                ..Capabilities::default()
            }),
        },
        CodeBy::Email => NewDevice::Email { name, address },
    }
}

fn sealed(
    vault: &Vault,
    place: &str,
    (sent_at_ms, code, address): (u64, &str, &str),
) -> Result<String, SealError> {
    let mut all = Zeroizing::new(sent_at_ms.to_be_bytes().to_vec());
    all.extend_from_slice(code.as_bytes());
    all.extend_from_slice(address.as_bytes());
    Ok(BASE64URL_NOPAD.encode(&vault.seal(place, &all)?))
}

fn opened(vault: &Vault, place: &str, field: &str, now_ms: u64) -> Option<PendingAddress> {
    if field.len() > FIELD_OCTETS {
        return None;
    }
    let sealed = BASE64URL_NOPAD.decode(field.as_bytes()).ok()?;
    let all = vault.open_box(place, &sealed).ok()?;
    let (sent_at_ms, rest) = all.split_first_chunk::<8>()?;
    let (code, address) = std::str::from_utf8(rest).ok()?.split_at_checked(CODE)?;
    let sent_at_ms = u64::from_be_bytes(*sent_at_ms);
    let in_time = now_ms.saturating_sub(sent_at_ms) < milliseconds(PENDING_LIFE);
    in_time.then(|| PendingAddress {
        address: address.to_owned(),
        field: field.to_owned(),
        code: Zeroizing::new(code.to_owned()),
        sent_at_ms,
    })
}

/// As long as the message says.
const CODE_LIFE_MS: u64 = PASSCODE_MINUTES * 60 * 1_000;

/// The octets of a code.
const CODE: usize = PASSCODE_DIGITS as usize;

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_MS: u64 = 60_000;

    #[test]
    fn a_form_opens_for_its_own_place_and_an_hour() {
        let vault = Vault::for_tests();
        let field = sealed(&vault, "a/sms", (1_000, "0123456", "+17345554788")).unwrap();
        let long = "A".repeat(FIELD_OCTETS + 1);
        let empty = BASE64URL_NOPAD.encode(&vault.seal("a/sms", b"").unwrap());
        for (name, place, field, minutes, want) in [
            ("at once", "a/sms", &*field, 0, true),
            ("in time", "a/sms", &field, 59, true),
            ("too late", "a/sms", &field, 60, false),
            ("of another kind", "a/email", &field, 0, false),
            ("of another enrollment", "b/sms", &field, 0, false),
            ("cut", "a/sms", &field[..40], 0, false),
            ("nothing", "a/sms", "", 0, false),
            ("nothing in it", "a/sms", &empty, 0, false),
            ("long", "a/sms", &long, 0, false),
        ] {
            let found = opened(&vault, place, field, 1_000 + minutes * MINUTE_MS);
            assert_eq!(found.is_some(), want, "{name}");
            if let Some(found) = found {
                assert_eq!(found.address, "+17345554788", "{name}");
                assert_eq!(*found.code, "0123456", "{name}");
            }
        }
    }

    #[test]
    fn the_longest_address_fits_a_form() {
        let vault = Vault::for_tests();
        let address = format!("{}@{}.example", "a".repeat(64), "b".repeat(181));
        assert!(is_email_address(&address) && address.len() == 254);
        let field = sealed(&vault, "x", (0, "1234567", &address)).unwrap();
        let found = opened(&vault, "x", &field, 0);
        assert_eq!(found.unwrap().address, address);
    }

    #[test]
    fn a_code_is_good_for_ten_minutes() {
        let pending = PendingAddress::of("", "");
        for (typed, minutes, want) in [
            ("0123456", 0, Judged::Right),
            (" 012 3456 ", 9, Judged::Right),
            ("0123456", 10, Judged::TooOld),
            ("0123457", 0, Judged::Wrong),
            ("123456", 0, Judged::Wrong),
            ("", 0, Judged::Wrong),
        ] {
            let judged = pending.judged(typed, 1_000 + minutes * MINUTE_MS);
            assert_eq!(judged, want, "{typed:?} after {minutes}");
        }
    }
}
