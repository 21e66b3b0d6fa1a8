//! What the pages say on which a number or an address is confirmed. Pure.

use crate::pages::enroll::words::{Invited, other_way};
use crate::pages::html::escape;
use crate::service::{CodeBy, PendingAddress};

/// Why a form is shown again.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::pages::enroll) enum Problem {
    /// Nothing can be sent there, and why.
    Address(&'static str),
    /// It is not the code that was sent.
    Wrong,
    /// It is good no more.
    TooOld,
    /// The person had too many messages.
    TooOften,
    /// It did not go out.
    NotSent,
}

pub(in crate::pages::enroll) const fn title(by: CodeBy) -> &'static str {
    match by {
        CodeBy::Sms => "Passcodes by SMS",
        CodeBy::Email => "Passcodes by e-mail",
    }
}

/// What it is called where nobody says.
pub(super) const fn name(by: CodeBy) -> &'static str {
    match by {
        CodeBy::Sms => "Phone",
        CodeBy::Email => "E-mail",
    }
}

/// Where a number or an address is typed.
pub(super) fn address(
    invited: &Invited<'_>,
    by: CodeBy,
    typed: &str,
    problem: Option<&Problem>,
) -> String {
    let (label, hint, input) = match by {
        CodeBy::Sms => (
            "Telephone number",
            "With the code of its country, such as +1 734 555 0100.",
            "type=\"tel\" maxlength=\"32\" autocomplete=\"tel\"",
        ),
        CodeBy::Email => (
            "E-mail address",
            "One that you can read before you are logged in.",
            "type=\"email\" maxlength=\"254\" autocomplete=\"email\" autocapitalize=\"none\" \
             spellcheck=\"false\"",
        ),
    };
    let (alert, invalid) = said(problem);
    format!(
        "<h1>{}</h1>{alert}<p>At a login you ask for a passcode, get it in a message, and type it. To see \
         that messages arrive, one with a code is sent now.</p>\
         <form class=\"card\" method=\"post\"><label for=\"address\">{label}</label>\
         <p class=\"hint\" id=\"address-hint\">{hint}</p>\
         <input {input} id=\"address\" name=\"address\" value=\"{}\" required \
         aria-describedby=\"address-hint\"{invalid}>\
         <button class=\"yes\">Send me a code</button></form>{}",
        title(by),
        escape(typed),
        other_way(invited)
    )
}

/// Where the code that was sent is typed.
pub(super) fn code(
    invited: &Invited<'_>,
    by: CodeBy,
    pending: &PendingAddress,
    name: &str,
    problem: Option<&Problem>,
) -> String {
    let (step, another) = match by {
        CodeBy::Sms => ("sms", "Use another number"),
        CodeBy::Email => ("email", "Use another address"),
    };
    let (alert, invalid) = said(problem);
    let field = escape(&pending.field);
    let name = match name {
        "" => self::name(by),
        name => name,
    };
    format!(
        "<h1>{}</h1>{alert}<p class=\"note\" role=\"status\">A code of seven digits is on its way to \
         <strong>{}</strong>. It is good for ten minutes.</p>\
         <form class=\"card\" method=\"post\"><label for=\"passcode\">Code</label>\
         <input class=\"code\" type=\"text\" id=\"passcode\" name=\"passcode\" inputmode=\"numeric\" \
         autocomplete=\"one-time-code\" maxlength=\"12\" required{invalid}>\
         <label for=\"name\">Its name</label>\
         <p class=\"hint\" id=\"name-hint\">So that you know it again.</p>\
         <input type=\"text\" id=\"name\" name=\"name\" maxlength=\"64\" value=\"{}\" autocomplete=\"off\" \
         aria-describedby=\"name-hint\"><input type=\"hidden\" name=\"pending\" value=\"{field}\">\
         <button class=\"yes\">Confirm</button></form>\
         <form method=\"post\"><input type=\"hidden\" name=\"pending\" value=\"{field}\">\
         <p class=\"hint\" id=\"again-hint\">Nothing came after a minute? Of several codes the newest counts.</p>\
         <button name=\"again\" value=\"yes\" aria-describedby=\"again-hint\">Send another code</button></form>\
         <p><a href=\"/e/{}/{step}\">{another}</a></p>{}",
        title(by),
        escape(&pending.address),
        escape(name),
        escape(invited.code),
        other_way(invited)
    )
}

/// What is said of a problem, and of the field that it is about.
fn said(problem: Option<&Problem>) -> (String, &'static str) {
    let Some(problem) = problem else {
        return (String::new(), "");
    };
    let text = match problem {
        Problem::Address(text) => &format!("Nothing can be sent there: {}.", escape(text)),
        Problem::Wrong => "That is not the code of the newest message. Look at it again, please.",
        Problem::TooOld => "That code is too old. Have another one sent.",
        Problem::TooOften => "Too many messages were sent to you. Please wait ten minutes.",
        Problem::NotSent => {
            "The code could not be sent. See whether everything is typed right, and try again in a moment. \
             If it fails again, choose another way, or ask your administrator."
        }
    };
    let invalid = match problem {
        Problem::TooOften | Problem::NotSent => "",
        _ => " aria-invalid=\"true\" aria-errormessage=\"problem\"",
    };
    let alert = format!("<p class=\"alert\" id=\"problem\" role=\"alert\">{text}</p>");
    (alert, invalid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::enroll::words::Ways;

    #[test]
    fn what_was_typed_cannot_become_markup() {
        let bad = "\"><script>";
        let invited = Invited {
            user: bad,
            code: bad,
            left_s: 60,
            on_phone: false,
            ways: Ways::NONE,
        };
        let pending = PendingAddress::of(bad, bad);
        for by in [CodeBy::Sms, CodeBy::Email] {
            for problem in [
                Problem::Address("x"),
                Problem::Wrong,
                Problem::TooOld,
                Problem::TooOften,
                Problem::NotSent,
            ] {
                for html in [
                    address(&invited, by, bad, Some(&problem)),
                    code(&invited, by, &pending, bad, Some(&problem)),
                ] {
                    assert!(!html.contains("<script"), "{html}");
                    assert!(html.contains("role=\"alert\""), "{html}");
                }
            }
        }
    }
}
