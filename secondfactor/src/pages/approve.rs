//! The approval page of a phone: `/approve/TOKEN`. The address is the credential.

use std::sync::Arc;

use http::StatusCode;

use super::fault::Fault;
use super::html::{Refresh, escape, page, see_other};
use super::{Asked, form};
use crate::account::{Account, Device};
use crate::api::Answer;
use crate::push::{Push, Txid};
use crate::service::{By, Service};
use crate::store::Approver;
use crate::verdict::Verdict;

/// Shows what waits, or takes an answer to it.
pub(super) async fn respond(service: &Service, asked: Asked, token: &str) -> Result<Answer, Fault> {
    let turn = service.look(asked.origin).await?;
    let Approver {
        account, device, ..
    } = service.approver(token).await?.ok_or(Fault::NotFound)?;
    drop(turn);
    // Its passkey alone approves then; the address is an old one.
    if device.bound {
        return Ok(see_other("/app/"));
    }
    let Asked { path, body, .. } = asked;
    let Some(body) = body else {
        let pushes = service.pushes.of_device(&device.id, SHOWN_PUSHES);
        let html = approvals(&account, &device, &pushes);
        // What is being typed stays.
        let refresh = match pushes.iter().any(|push| push.needs_number()) {
            true => Refresh::Never,
            false => Refresh::Soon,
        };
        return Ok(page(StatusCode::OK, refresh, &html));
    };
    let form = form(service, body).await?;
    let txid = form
        .get("txid")
        .and_then(Txid::parse)
        .ok_or(Fault::BadForm)?;
    let verdict = match form.get("answer") {
        Some("approve") => Verdict::Allow,
        Some("deny") => Verdict::Deny,
        Some("fraud") => Verdict::Fraud,
        _ => return Err(Fault::BadForm),
    };
    let _inside = service.gate.enter().await.ok_or(Fault::TooMany)?;
    service
        .answer_push(txid, verdict, By::Person(form.get("number")), |push| {
            push.device == device.id
        })
        .await?;
    Ok(see_other(&path))
}

fn approvals(account: &Account, device: &Device, pushes: &[Arc<Push>]) -> String {
    let mut html = format!(
        "<h1>{}</h1><p class=\"quiet\">{}</p>",
        escape(&account.name),
        escape(&device.display_name())
    );
    if pushes.is_empty() {
        html.push_str("<p>Nobody waits for your answer. This page looks again by itself.</p>");
    }
    for push in pushes {
        let details = &push.details;
        let kind = if details.kind.is_empty() {
            "Login"
        } else {
            &details.kind
        };
        html.push_str(&format!(
            "<section><h2>{} request</h2><dl><dt>Application</dt><dd>{}</dd>",
            escape(kind),
            escape(&push.application)
        ));
        let mut row = |name: &str, value: &str| {
            if !value.is_empty() {
                html.push_str(&format!(
                    "<dt>{}</dt><dd>{}</dd>",
                    escape(name),
                    escape(value)
                ));
            }
        };
        row("User", &details.display_name);
        row("From", &details.ip);
        for (name, value) in &details.info {
            row(name, value);
        }
        row("Sent", &format!("{} s ago", push.sent.elapsed().as_secs()));
        html.push_str(&format!(
            "</dl><form method=\"post\"><input type=\"hidden\" name=\"txid\" value=\"{}\">{}\
             <button class=\"yes\" name=\"answer\" value=\"approve\">Approve</button>\
             <button class=\"no\" name=\"answer\" value=\"deny\" formnovalidate>Deny</button>\
             <button name=\"answer\" value=\"fraud\" formnovalidate>This was not me</button>\
             </form></section>",
            push.txid,
            if push.needs_number() { NUMBER } else { "" }
        ));
    }
    html
}

const NUMBER: &str = "<p><label>The number that your login shows \
    <input name=\"number\" inputmode=\"numeric\" autocomplete=\"off\" maxlength=\"8\" required>\
    </label></p>";
const SHOWN_PUSHES: usize = 20;
