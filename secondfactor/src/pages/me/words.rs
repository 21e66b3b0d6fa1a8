//! What the pages of self-service say. Pure.

use serde_json::Value;

use crate::account::{Account, Device};
use crate::admin::{DeviceKind, Remembered};
use crate::clock;
use crate::pages::html::{duration, escape};

/// Why a page is shown.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::pages) enum Because {
    /// Name and passcode do not go together. Or there is no such name, or it may not.
    Wrong,
    /// A passkey is not taken, and why.
    Passkey(String),
    /// Nobody is signed in any more.
    Over,
    /// The sign-in is too long ago for what was asked.
    Again,
    /// Nothing would be left.
    Last,
}

impl Because {
    fn text(&self) -> &str {
        match self {
            Self::Wrong => {
                "That did not work. Look at the name and the passcode, and wait for a new passcode: each is \
                 good once. After too many wrong ones an account is locked."
            }
            Self::Passkey(text) => text,
            Self::Over => "You were signed out after a while. Please sign in again.",
            Self::Again => "For that, please sign in again first.",
            Self::Last => {
                "This is your last device. Without one you cannot log in until you or an administrator \
                 set up another. Tick the box if you mean it."
            }
        }
    }
}

fn alert(because: Option<&Because>) -> String {
    because.map_or_else(String::new, |because| {
        format!(
            "<p class=\"alert\" role=\"alert\" id=\"problem\">{}</p>",
            escape(because.text())
        )
    })
}

/// Where one signs in: with a passkey, where there are any, or a passcode.
pub(super) fn sign_in(then: &str, options: Option<&Value>, because: Option<&Because>) -> String {
    let then = escape(then);
    let passkey = options.map_or_else(String::new, |options| {
        format!(
            "<form class=\"card\" method=\"post\" action=\"/me/passkey\" data-passkey=\"get\" \
             data-options=\"{}\"><h2>With the phone or security key that approves my logins</h2>\
             <p class=\"alert\" role=\"alert\" data-problem hidden></p>\
             <input type=\"hidden\" name=\"then\" value=\"{then}\">\
             <input type=\"hidden\" name=\"response\">\
             <button class=\"yes\">Sign in with a passkey</button>\
             <noscript><p class=\"hint\">This needs JavaScript.</p></noscript></form>",
            escape(&options.to_string())
        )
    });
    format!(
        "<h1>Sign in</h1><p>Here you add, name and remove the devices that you log in with.</p>{}{passkey}\
         <form class=\"card\" method=\"post\" action=\"/me/sign-in\"><h2>With a passcode</h2>\
         <label for=\"name\">Name</label>\
         <input type=\"text\" id=\"name\" name=\"name\" maxlength=\"256\" required autocomplete=\"username\" \
         autocapitalize=\"none\" spellcheck=\"false\">\
         <label for=\"passcode\">Passcode</label>\
         <p class=\"hint\" id=\"passcode-hint\">Of your authenticator app or token, or a bypass code.</p>\
         <input class=\"code\" type=\"text\" id=\"passcode\" name=\"passcode\" inputmode=\"numeric\" \
         autocomplete=\"one-time-code\" maxlength=\"20\" required aria-describedby=\"passcode-hint\">\
         <input type=\"hidden\" name=\"then\" value=\"{then}\"><button>Sign in</button></form>",
        alert(because)
    )
}

/// All devices of a user.
pub(super) fn devices(account: &Account, remembered: &[Remembered], may_codes: bool) -> String {
    let now_ms = clock::unix_ms();
    let mut list = String::new();
    for device in &account.devices {
        list.push_str(&format!(
            "<li><a class=\"choice\" href=\"/me/device/{}\"><strong>{}</strong>\
             <span>{}</span></a></li>",
            escape(&device.id),
            escape(&name_of(device)),
            about(device, now_ms)
        ));
    }
    let list = if list.is_empty() {
        "<p>You have no device. Add one, so that you can log in.</p>".to_owned()
    } else {
        format!("<ul class=\"plain\">{list}</ul>")
    };
    let backup = if may_codes {
        "<details><summary>For a day without any of them</summary><p>Five backup codes, each good once. Keep \
         them on paper. Those that you have now will be good no more.</p>\
         <form method=\"post\" action=\"/me/codes\"><button>Make backup codes</button></form></details>"
    } else {
        ""
    };
    let codes = match account.bypass_codes {
        0 => String::new(),
        1 => "<p class=\"quiet\">And one bypass code.</p>".to_owned(),
        count => format!("<p class=\"quiet\">And {count} bypass codes.</p>"),
    };
    format!(
        "<h1>My devices</h1><p>Signed in as <strong>{}</strong>. With one of these you log in:</p>{list}{codes}\
         <form method=\"post\" action=\"/me/add\"><button class=\"yes\">Add a device</button></form>{backup}{}\
         <form method=\"post\" action=\"/me/sign-out\"><button>Sign out</button></form>\
         <details><summary>A phone is lost, or somebody else was signed in</summary>\
         <p>This signs out all browsers and phones that are signed in for you, this one too. Remove what is \
         lost first.</p><form method=\"post\" action=\"/me/sign-out-everywhere\">\
         <button>Sign out everywhere</button></form></details>",
        escape(&account.name),
        not_asked(remembered)
    )
}

/// Backup codes, shown once.
pub(super) fn codes(codes: &[String]) -> String {
    let list: String = codes
        .iter()
        .map(|code| format!("<li><code>{}</code></li>", escape(code)))
        .collect();
    format!(
        "<h1>Backup codes</h1><p>Write these down or print them, and keep them where you keep your keys. Each \
         is good once, in place of a passcode. They are shown only now.</p><section><ol>{list}</ol></section>\
         <p><a href=\"/me\">All my devices</a></p>"
    )
}

/// Where logins pass without a second step for a while.
fn not_asked(remembered: &[Remembered]) -> String {
    if remembered.is_empty() {
        return String::new();
    }
    let now_s = clock::unix_ms() / 1_000;
    let mut list = String::new();
    for one in remembered {
        list.push_str(&format!(
            "<li>{} at {}, for another {}</li>",
            escape(&one.station),
            escape(&one.client),
            duration(one.until.saturating_sub(now_s))
        ));
    }
    format!(
        "<section><h2>Not asked again for a while</h2><ul>{list}</ul>\
         <form method=\"post\" action=\"/me/forget\"><button>Ask me again everywhere</button></form></section>"
    )
}

/// One device, to name and remove.
pub(super) fn device(account: &Account, device: &Device, because: Option<&Because>) -> String {
    let last = account.devices.len() <= 1;
    let confirm = if last {
        "<p>This is your last device.</p><p><input type=\"checkbox\" id=\"nothing-left\" name=\"nothing_left\" \
         value=\"yes\"> <label class=\"beside\" for=\"nothing-left\">I know that nothing is left to log in \
         with</label></p>"
    } else {
        ""
    };
    let id = escape(&device.id);
    format!(
        "<p><a href=\"/me\">All my devices</a></p><h1>{}</h1><p class=\"quiet\">{}</p>{}\
         <form class=\"card\" method=\"post\" action=\"/me/device/{id}/rename\"><label for=\"name\">Name</label>\
         <input type=\"text\" id=\"name\" name=\"name\" maxlength=\"64\" value=\"{}\" autocomplete=\"off\">\
         <button>Save the name</button></form>\
         <form class=\"card\" method=\"post\" action=\"/me/device/{id}/remove\"><h2>Remove it</h2>\
         <p>It lets nobody in any more, and cannot be brought back.</p>{confirm}\
         <button class=\"no\">Remove this device</button></form>",
        escape(&name_of(device)),
        about(device, clock::unix_ms()),
        alert(because),
        escape(&device.name)
    )
}

/// What a person knows it by.
fn name_of(device: &Device) -> String {
    if device.name.is_empty() {
        kind_of(device.kind).to_owned()
    } else {
        device.name.clone()
    }
}

/// What it is, and when it was used.
fn about(device: &Device, now_ms: u64) -> String {
    let number = device.masked_number();
    let number = if number.is_empty() {
        String::new()
    } else {
        format!(" {}", escape(&number))
    };
    let used = match device.last_used_ms {
        None => "not used yet".to_owned(),
        Some(then_ms) => ago(now_ms.saturating_sub(then_ms) / 1_000),
    };
    format!("{}{number}, {used}", kind_of(device.kind))
}

const fn kind_of(kind: DeviceKind) -> &'static str {
    match kind {
        DeviceKind::Phone => "Phone",
        DeviceKind::Totp => "Authenticator app",
        DeviceKind::Hotp => "Token",
        DeviceKind::SecurityKey => "Security key",
        DeviceKind::Email => "E-mail",
    }
}

fn ago(seconds: u64) -> String {
    let (number, unit) = match seconds {
        0..=119 => return "used just now".to_owned(),
        120..=7_199 => (seconds / 60, "minutes"),
        7_200..=172_799 => (seconds / 3_600, "hours"),
        _ => (seconds / 86_400, "days"),
    };
    format!("used {number} {unit} ago")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn what_people_wrote_cannot_become_markup() {
        let bad = "<script>\"'";
        let mut account = Account::new("DU1".to_owned(), bad);
        let device_ = Device::new("DP1", DeviceKind::Phone, bad);
        account.devices.push(Arc::new(device_.clone()));
        let options = serde_json::json!({"challenge": bad});
        let remembered = Remembered {
            id: String::new(),
            user: String::new(),
            application: String::new(),
            client: bad.to_owned(),
            station: bad.to_owned(),
            since: 0,
            until: 0,
        };
        for html in [
            devices(&account, &[remembered], true),
            device(&account, &device_, Some(&Because::Last)),
            sign_in(bad, Some(&options), Some(&Because::Wrong)),
        ] {
            assert!(!html.contains("<script"), "{html}");
        }
    }

    #[test]
    fn the_last_device_asks_whether_that_is_meant() {
        let mut account = Account::new("DU1".to_owned(), "alice");
        for (id, asks) in [("DP1", true), ("DP2", false)] {
            let new = Device::new(id, DeviceKind::Phone, "x");
            account.devices.push(Arc::new(new.clone()));
            let html = device(&account, &new, None);
            assert_eq!(html.contains("nothing_left"), asks);
        }
    }

    #[test]
    fn the_last_use_is_told_as_people_do() {
        for (seconds, want) in [
            (0, "used just now"),
            (120, "used 2 minutes ago"),
            (7_200, "used 2 hours ago"),
            (172_800, "used 2 days ago"),
        ] {
            assert_eq!(ago(seconds), want);
        }
    }
}
