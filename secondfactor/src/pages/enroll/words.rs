//! What the pages of an enrollment say. Pure.

use serde_json::Value;

use super::sent::words as sent;
use crate::account::Device;
use crate::admin::DeviceKind;
use crate::pages::html::{duration, escape, scannable};
use crate::service::{CodeBy, PasskeyKind, PendingApp};

/// Who sets up a device, and where.
pub(super) struct Invited<'a> {
    pub(super) user: &'a str,
    /// As it stands in the address.
    pub(super) code: &'a str,
    /// Seconds.
    pub(super) left_s: u64,
    pub(super) on_phone: bool,
    pub(super) ways: Ways,
}

/// What can be set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ways {
    /// A phone that approves.
    pub(super) phone: bool,
    /// That by a passkey, and security keys.
    pub(super) passkeys: bool,
    /// An authenticator app.
    pub(super) app: bool,
    /// Passcodes by SMS.
    pub(super) sms: bool,
    /// Passcodes by e-mail.
    pub(super) email: bool,
}

impl Ways {
    pub(super) const NONE: Self = Self {
        phone: false,
        passkeys: false,
        app: false,
        sms: false,
        email: false,
    };
}

/// Why a form is shown again.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Problem {
    Code,
    Passcode,
    /// A passkey is not taken, and why.
    Passkey(String),
}

pub(super) const APP: &str = "Authenticator app";

/// What can be set up.
pub(super) fn choices(invited: &Invited<'_>) -> String {
    let code = escape(invited.code);
    let mut html = format!(
        "<h1>Set up your second step</h1>\
         <p>After your password you will be asked for a second step, so that a stolen password alone \
         lets nobody in. This is for <strong>{}</strong>.</p>\
         <p class=\"quiet small\">It can be done once, within the next {}.</p>\
         <nav aria-label=\"What to set up\">",
        escape(invited.user),
        duration(invited.left_s)
    );
    let mut choice = |step: &str, name: &str, text: &str| {
        let path = format!("/e/{code}/{step}");
        html.push_str(&format!(
            "<a class=\"choice\" href=\"{path}\"><strong>{name}</strong><span>{text}</span></a>"
        ));
    };
    let ways = invited.ways;
    if ways.phone && invited.on_phone {
        choice(
            "phone",
            "Approve on this phone",
            "You see each login and tap Approve. The easiest way.",
        );
    } else if ways.phone {
        choice(
            "scan",
            "Approve on my phone",
            "You see each login on your phone and tap Approve. The easiest way.",
        );
    }
    if ways.app {
        choice(
            "app",
            APP,
            "You type six digits that an app shows. Works without a network.",
        );
    }
    if ways.passkeys {
        choice(
            "key",
            "Security key",
            "You hold a key such as a YubiKey to this machine, and approve in its browser.",
        );
    }
    if ways.sms {
        choice(
            "sms",
            sent::title(CodeBy::Sms),
            "You type digits that come to a telephone. Needs no app.",
        );
    }
    if ways.email {
        choice(
            "email",
            sent::title(CodeBy::Email),
            "You type digits that come to a mailbox, which must open without this login.",
        );
    }
    html.push_str("</nav>");
    if ways == Ways::NONE {
        html.push_str(
            "<p class=\"alert\">Nothing that can be set up here is allowed for you. Please ask your \
             administrator.</p>",
        );
    }
    html
}

/// How it goes on on a phone.
pub(super) fn scan(invited: &Invited<'_>, url: &str) -> String {
    format!(
        "<h1>Continue on your phone</h1><ol class=\"steps\">\
         <li>Scan this with your phone's camera.{}</li>\
         <li>Open the page that the phone offers, and choose <strong>Approve on this phone</strong>.</li>\
         </ol><p>Or open this address there: <code class=\"key\">{}</code></p>\
         <p><a href=\"/e/{code}/phone\">This is the phone</a> · <a href=\"/e/{code}\">Choose another way</a></p>",
        scannable(url, "Code to scan: the address of this page"),
        escape(url),
        code = escape(invited.code)
    )
}

/// Before a phone becomes one that approves by its address.
pub(super) fn linked(invited: &Invited<'_>) -> String {
    format!(
        "<h1>Approve on this phone</h1>\
         <p>At each login a page on this phone shows who asks, from where, and for what. You approve it, or \
         say that it was not you.</p>\
         <form class=\"card\" method=\"post\"><label for=\"name\">Name of this phone</label>\
         <p class=\"hint\" id=\"name-hint\">So that you know it again.</p>\
         <input type=\"text\" id=\"name\" name=\"name\" maxlength=\"64\" value=\"Phone\" autocomplete=\"off\" \
         aria-describedby=\"name-hint\">\
         <button class=\"yes\">Set up this phone</button></form>{}",
        other_way(invited)
    )
}

/// An authenticator app that is set up: what to scan, and what it shows then.
pub(super) fn app(
    invited: &Invited<'_>,
    pending: &PendingApp,
    name: &str,
    problem: Option<&Problem>,
) -> String {
    let (alert, invalid) = match problem {
        None => (String::new(), ""),
        Some(problem) => (
            alert(problem),
            " aria-invalid=\"true\" aria-errormessage=\"problem\"",
        ),
    };
    // The same app reads a link on a phone, where it cannot scan its own screen.
    let open = if invited.on_phone {
        format!(
            "<a class=\"button\" href=\"{}\">Open my authenticator app</a>\
             <p class=\"hint\">On this phone tap that; from another screen, scan this:</p>",
            escape(&pending.uri)
        )
    } else {
        String::new()
    };
    let name = if name.is_empty() { APP } else { name };
    format!(
        "<h1>{APP}</h1>{alert}<form method=\"post\"><ol class=\"steps\">\
         <li>Install an authenticator app on your phone, if you have none: any that knows time-based \
         passcodes.</li>\
         <li>Add an account in it and scan this.{open}{}\
         <details><summary>I cannot scan it</summary><p>Type in this key, time-based, six digits:</p>\
         <code class=\"key\">{}</code></details></li>\
         <li><label for=\"passcode\">Type the six digits that the app shows now</label>\
         <input class=\"code\" type=\"text\" id=\"passcode\" name=\"passcode\" inputmode=\"numeric\" \
         autocomplete=\"one-time-code\" maxlength=\"9\" required{invalid}></li>\
         <li><label for=\"name\">Name of this app</label>\
         <input type=\"text\" id=\"name\" name=\"name\" maxlength=\"64\" value=\"{}\" autocomplete=\"off\"></li>\
         </ol><input type=\"hidden\" name=\"pending\" value=\"{}\">\
         <button class=\"yes\">Confirm</button></form>{}",
        scannable(&pending.uri, "Code to scan with an authenticator app"),
        spaced(&pending.secret),
        escape(name),
        escape(&pending.field),
        other_way(invited)
    )
}

/// A phone or a security key that a passkey binds: what the browser is asked, and a name.
pub(super) fn bound(
    invited: &Invited<'_>,
    kind: PasskeyKind,
    options: &Value,
    name: &str,
    problem: Option<&Problem>,
) -> String {
    let text = match kind {
        PasskeyKind::Phone => {
            "At each login this phone shows who asks, from where, and for what. You approve it with your \
             fingerprint, your face or your PIN, or say that it was not you. Nothing is installed: this \
             browser keeps a passkey."
        }
        PasskeyKind::SecurityKey => {
            "At each login a page in this browser shows who asks, from where, and for what. You approve it by \
             touching your key and typing its PIN. Have the key at hand."
        }
    };
    let otherwise = name_of_kind(kind);
    let name = if name.is_empty() { otherwise } else { name };
    format!(
        "<h1>{}</h1>{}<p>{text}</p>\
         <form class=\"card\" method=\"post\" data-passkey=\"create\" data-options=\"{}\">\
         <p class=\"alert\" role=\"alert\" data-problem hidden></p>\
         <label for=\"name\">Its name</label>\
         <p class=\"hint\" id=\"name-hint\">So that you know it again.</p>\
         <input type=\"text\" id=\"name\" name=\"name\" maxlength=\"64\" value=\"{}\" autocomplete=\"off\" \
         aria-describedby=\"name-hint\"><input type=\"hidden\" name=\"response\">\
         <button class=\"yes\">Set it up</button>\
         <noscript><p class=\"hint\">This needs JavaScript. An authenticator app does not.</p></noscript>\
         </form>{}",
        title(kind),
        problem.map(alert).unwrap_or_default(),
        escape(&options.to_string()),
        escape(name),
        other_way(invited)
    )
}

pub(super) const fn title(kind: PasskeyKind) -> &'static str {
    match kind {
        PasskeyKind::Phone => "Approve on this phone",
        PasskeyKind::SecurityKey => "Security key",
    }
}

/// What it is called where nobody says.
pub(super) const fn name_of_kind(kind: PasskeyKind) -> &'static str {
    match kind {
        PasskeyKind::Phone => "Phone",
        PasskeyKind::SecurityKey => "Security key",
    }
}

/// A device that is good from now on. `more`: whether its owner can go on here.
pub(super) fn done(device: &Device, approval_url: Option<&str>, more: bool) -> String {
    let name = match device.name.as_str() {
        "" => "It",
        name => name,
    };
    let next = match (device.kind, approval_url) {
        (DeviceKind::Phone, Some(url)) => format!(
            "<p>Keep the next page: add it to your bookmarks or your home screen. \
             It is where you approve your logins, and nobody else should have its address.</p>\
             <a class=\"button yes\" href=\"{}\">Open my approvals</a>",
            escape(path_of(url))
        ),
        (DeviceKind::Phone, None) if !device.capabilities.push => by_message("SMS"),
        (DeviceKind::Email, _) => by_message("e-mail"),
        (DeviceKind::Phone | DeviceKind::SecurityKey, _) => "<h2>At your next login</h2><ul>\
             <li>Sign in with your name and password as before.</li>\
             <li>Open your approvals here, and approve what is yours. Deny what is not.</li></ul>\
             <p>Add that page to your home screen or your bookmarks, to have it at hand.</p>\
             <a class=\"button yes\" href=\"/app/\">Open my approvals</a>"
            .to_owned(),
        _ => "<h2>At your next login</h2><ul>\
             <li>Sign in with your name and password as before.</li>\
             <li>When you are asked for a passcode, type the six digits that the app shows then. Each is \
             good once: the next one comes within 30 seconds.</li>\
             <li>Where only a password can be typed: the password, a comma, and the six digits behind it.\
             </li></ul>"
            .to_owned(),
    };
    let more = if more {
        "<section><h2>A second device</h2><p>With another one you can still log in when the first is lost or \
         broken.</p><form method=\"post\" action=\"/me/add\"><button>Add another device</button></form>\
         <p><a href=\"/me\">See my devices</a></p></section>"
    } else {
        "<p class=\"quiet\">You can close this page.</p>"
    };
    format!(
        "<h1>Done</h1><p class=\"note\"><strong>{}</strong> is set up.</p>{next}{more}",
        escape(name)
    )
}

/// What comes next for who gets passcodes by messages.
fn by_message(message: &str) -> String {
    format!(
        "<h2>At your next login</h2><ul>\
         <li>Sign in with your name and password as before.</li>\
         <li>When you are asked how to go on, choose a passcode by {message}, or type its name in the \
         list, such as <code>sms</code>. Then type the seven digits that come. Each is good once, for ten \
         minutes.</li>\
         <li>Where only a password can be typed: the password, a comma, and <code>sms</code>. That login is \
         refused, and a passcode comes. Then the password, a comma, and the seven digits.</li></ul>"
    )
}

fn path_of(url: &str) -> &str {
    let rest = url.split_once("//").map_or(url, |(_, rest)| rest);
    rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/")
}

/// Where a code is typed.
pub(super) fn code(problem: Option<&Problem>) -> String {
    let (alert, invalid) = match problem {
        None => (String::new(), ""),
        Some(problem) => (
            alert(problem),
            " aria-invalid=\"true\" aria-errormessage=\"problem\"",
        ),
    };
    format!(
        "<h1>Type your code</h1>{alert}<form class=\"card\" method=\"get\" action=\"/e\">\
         <label for=\"code\">Code</label>\
         <p class=\"hint\" id=\"code-hint\">Twelve letters and digits, such as K7QM-2F9X-4T3B. Case and hyphens \
         do not count.</p>\
         <input type=\"text\" id=\"code\" name=\"code\" maxlength=\"32\" required autocomplete=\"off\" \
         autocapitalize=\"characters\" spellcheck=\"false\" aria-describedby=\"code-hint\"{invalid}>\
         <button class=\"yes\">Continue</button></form>"
    )
}

fn alert(problem: &Problem) -> String {
    let text = match problem {
        Problem::Passkey(text) => &format!("That passkey was not taken: {}.", escape(text)),
        Problem::Code => {
            "That is no code: it has twelve letters and digits. Look at it again, please."
        }
        Problem::Passcode => {
            "Those are not the digits of this key. Wait for the next ones and type them. If they are wrong \
             again, let the phone set its clock by itself, or scan once more what is shown here."
        }
    };
    format!("<p class=\"alert\" id=\"problem\" role=\"alert\">{text}</p>")
}

pub(super) fn other_way(invited: &Invited<'_>) -> String {
    format!(
        "<p><a href=\"/e/{}\">Choose another way</a></p>",
        escape(invited.code)
    )
}

/// In groups of four, as it is easier to type.
fn spaced(secret: &str) -> String {
    let mut text = String::with_capacity(secret.len() * 5 / 4);
    for (at, letter) in secret.chars().enumerate() {
        if at > 0 && at.is_multiple_of(4) {
            text.push(' ');
        }
        text.push(letter);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_approval_address_is_linked_by_its_path() {
        let device = Device::new("DP1", DeviceKind::Phone, "x");
        let html = done(&device, Some("https://gate:8402/approve/ABC"), false);
        assert!(html.contains("href=\"/approve/ABC\""), "{html}");
    }

    #[test]
    fn names_cannot_become_markup() {
        for on_phone in [true, false] {
            let invited = Invited {
                user: "<script>alert(1)</script>",
                code: "K7QM-2F9X-4T3B",
                left_s: 60,
                on_phone,
                ways: Ways {
                    phone: true,
                    passkeys: true,
                    app: true,
                    sms: true,
                    email: true,
                },
            };
            let device = Device::new("DH1", DeviceKind::Totp, "<script>");
            let options = serde_json::json!({"challenge": "'\"><script>"});
            let problem = Problem::Passkey("<script>".to_owned());
            let kind = PasskeyKind::Phone;
            let pending = PendingApp {
                secret: "JBSWY3DPEHPK3PXP".to_owned().into(),
                uri: "otpauth://totp/\"><script>".to_owned().into(),
                field: "\"><script>".to_owned(),
            };
            for html in [
                choices(&invited),
                app(&invited, &pending, "\"><script>", Some(&Problem::Passcode)),
                bound(&invited, kind, &options, "<script>", Some(&problem)),
                done(&device, None, true),
            ] {
                assert!(!html.contains("<script"), "{html}");
            }
        }
    }

    #[test]
    fn a_key_is_shown_in_groups() {
        assert_eq!(spaced("JBSWY3DPEH"), "JBSW Y3DP EH");
    }
}
