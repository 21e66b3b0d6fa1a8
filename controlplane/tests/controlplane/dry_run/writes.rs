//! Every write of the table of routes, with what makes it good.

use serde_json::{Value, json};

use super::lab::{CHECKED, Lab, PASSWORD, THROUGH};
use crate::support::config;

/// Method, path, address, body, status of a dry run.
pub(super) type Write = (&'static str, &'static str, String, Value, u16);

impl Lab {
    /// Each write.
    pub(super) fn writes(&self) -> Vec<Write> {
        let client = json!({"address": "192.0.2.0/24", "secret": "PLANTED-other"});
        let other = json!({"address": "198.51.100.0/24", "secret": "PLANTED-other"});
        let whole = config(1813);
        let mut integration = whole["integrations"][0].clone();
        let mut another = integration.clone();
        another["id"] = "radius_server_auto2".into();
        another["port"] = 1814.into();
        integration["port"] = 1815.into();
        let authenticator = json!({"id": "duo_only_client2", "kind": "duo_only"});
        let mut new = whole.clone();
        new.as_object_mut().unwrap().remove("revision");
        let user = "/api/v1/second-factor/users/{name}";
        let alice = "/api/v1/second-factor/users/alice";
        let mut all = vec![
            ("PUT", "settings", "settings".to_owned(), json!({}), 200),
            ("PATCH", "settings", "settings".to_owned(), json!({}), 200),
            (
                "POST",
                "integrations",
                "integrations".to_owned(),
                another,
                200,
            ),
            (
                "PUT",
                "integrations/{id}",
                format!("integrations/{THROUGH}"),
                integration,
                200,
            ),
            (
                "PATCH",
                "integrations/{id}",
                format!("integrations/{THROUGH}"),
                json!({"port": 1816}),
                200,
            ),
            (
                "DELETE",
                "integrations/{id}",
                format!("integrations/{THROUGH}"),
                Value::Null,
                204,
            ),
            (
                "POST",
                "integrations/{id}/clients",
                format!("integrations/{THROUGH}/clients"),
                other,
                200,
            ),
            (
                "PUT",
                "integrations/{id}/clients/{address}",
                format!("integrations/{THROUGH}/clients/192.0.2.0%2F24"),
                client.clone(),
                200,
            ),
            (
                "PATCH",
                "integrations/{id}/clients/{address}",
                format!("integrations/{THROUGH}/clients/192.0.2.0%2F24"),
                json!({"secret": "PLANTED-other"}),
                200,
            ),
            (
                "DELETE",
                "integrations/{id}/clients/{address}",
                format!("integrations/{THROUGH}/clients/192.0.2.0%2F24"),
                Value::Null,
                422,
            ),
            (
                "POST",
                "authenticators",
                "authenticators".to_owned(),
                authenticator,
                200,
            ),
            (
                "PUT",
                "authenticators/{id}",
                "authenticators/duo_only_client".to_owned(),
                json!({"kind": "duo_only"}),
                200,
            ),
            (
                "PATCH",
                "authenticators/{id}",
                "authenticators/duo_only_client".to_owned(),
                json!({}),
                200,
            ),
            (
                "DELETE",
                "authenticators/{id}",
                "authenticators/duo_only_client".to_owned(),
                Value::Null,
                409,
            ),
            ("PUT", "config", "config".to_owned(), new.clone(), 409),
            (
                "POST",
                "config/validate",
                "config/validate".to_owned(),
                new.clone(),
                400,
            ),
            (
                "POST",
                "config/import",
                "config/import".to_owned(),
                new,
                400,
            ),
            (
                "POST",
                "revisions/{number}/rollback",
                "revisions/1/rollback".to_owned(),
                Value::Null,
                200,
            ),
            (
                "POST",
                "drafts",
                "drafts".to_owned(),
                json!({"message": "x"}),
                200,
            ),
            (
                "DELETE",
                "drafts/{id}",
                "drafts/1".to_owned(),
                Value::Null,
                204,
            ),
            (
                "POST",
                "drafts/{id}/apply",
                "drafts/1/apply".to_owned(),
                Value::Null,
                200,
            ),
            (
                "DELETE",
                "nodes/{node}",
                "nodes/b".to_owned(),
                Value::Null,
                200,
            ),
            (
                "POST",
                "nodes/{node}/drain",
                "nodes/b/drain".to_owned(),
                json!({"drain": true}),
                200,
            ),
            ("POST", "checks", "checks".to_owned(), json!({}), 400),
            (
                "POST",
                "logins",
                "logins".to_owned(),
                json!({"integration": THROUGH, "user": "a", "password": "b"}),
                400,
            ),
            (
                "POST",
                "primary-only",
                "primary-only".to_owned(),
                json!({"integration": CHECKED, "seconds": 60, "reason": "x"}),
                200,
            ),
            (
                "DELETE",
                "primary-only",
                "primary-only".to_owned(),
                Value::Null,
                200,
            ),
            (
                "POST",
                "join-tokens",
                "join-tokens".to_owned(),
                json!({}),
                200,
            ),
            (
                "DELETE",
                "join-tokens/{id}",
                format!("join-tokens/{}", self.join_token),
                Value::Null,
                204,
            ),
            (
                "POST",
                "session",
                "session".to_owned(),
                json!({"name": "alice", "password": PASSWORD}),
                400,
            ),
            ("DELETE", "session", "session".to_owned(), Value::Null, 400),
            (
                "PUT",
                "session/password",
                "session/password".to_owned(),
                json!({"password": PASSWORD, "new_password": "PLANTED new password"}),
                204,
            ),
            (
                "POST",
                "session/totp",
                "session/totp".to_owned(),
                json!({"password": PASSWORD, "passcode": "000000"}),
                409,
            ),
            (
                "PUT",
                "session/totp",
                "session/totp".to_owned(),
                json!({"passcode": "000000"}),
                409,
            ),
            (
                "PUT",
                "oidc",
                "oidc".to_owned(),
                json!({"issuer": "https://[::1]:1", "client_id": "c", "public_url": "https://gate.example.com"}),
                503,
            ),
            ("DELETE", "oidc", "oidc".to_owned(), Value::Null, 404),
            (
                "POST",
                "setup",
                "setup".to_owned(),
                json!({"setup": "x", "name": "y"}),
                400,
            ),
            (
                "POST",
                "invitation",
                "invitation".to_owned(),
                json!({"name": "bob", "invitation": self.invitation}),
                200,
            ),
            (
                "POST",
                "admins",
                "admins".to_owned(),
                json!({"name": "carol", "role": "viewer", "integration": THROUGH}),
                200,
            ),
            (
                "DELETE",
                "admins/{name}",
                "admins/alice".to_owned(),
                Value::Null,
                204,
            ),
            (
                "POST",
                "tokens",
                "tokens".to_owned(),
                json!({"name": "another", "role": "admin"}),
                200,
            ),
            (
                "DELETE",
                "tokens/{id}",
                format!("tokens/{}", self.token),
                Value::Null,
                204,
            ),
            (
                "POST",
                "second-factor/users",
                "second-factor/users".to_owned(),
                json!({"name": "none"}),
                200,
            ),
            (
                "PATCH",
                &user[8..],
                alice[8..].to_owned(),
                json!({"status": "disabled"}),
                200,
            ),
            (
                "DELETE",
                &user[8..],
                alice[8..].to_owned(),
                Value::Null,
                204,
            ),
        ];
        for (what, body) in [
            ("unlock", Value::Null),
            ("enroll", json!({})),
            ("bypass-codes", json!({"count": 2})),
            ("devices", json!({"kind": "phone"})),
        ] {
            let path = match what {
                "unlock" => "second-factor/users/{name}/unlock",
                "enroll" => "second-factor/users/{name}/enroll",
                "devices" => "second-factor/users/{name}/devices",
                _ => "second-factor/users/{name}/bypass-codes",
            };
            // The service has the word there, and says that it is full.
            let status = if what == "enroll" { 409 } else { 200 };
            all.push(("POST", path, path.replace("{name}", "alice"), body, status));
        }
        let device = "second-factor/users/{name}/devices/{id}";
        let at = "second-factor/users/alice/devices/DP1".to_owned();
        all.push(("DELETE", device, at, Value::Null, 204));
        for path in [
            "second-factor/approvals/{txid}/approve",
            "second-factor/approvals/{txid}/deny",
            "second-factor/approvals/{txid}/fraud",
        ] {
            all.push(("POST", path, path.replace("{txid}", "t1"), Value::Null, 204));
        }
        all.extend(of_many());
        all
    }
}

/// What the second factor's writes are besides those of users and approvals.
fn of_many() -> impl Iterator<Item = Write> {
    let policy = json!({"policy": {"remember_hours": 8}});
    let smtp = json!({"smtp": {"set": {"host": "mail.example.com", "security": "tls",
        "from": "a@example.com", "password": "PLANTED"}}, "sms": "clear"});
    let csv = json!({"csv": "username\nbob"});
    let names = [
        ("{name}", "alice"),
        ("{id}", "DP1"),
        ("{application}", "vpn"),
        ("{group}", "staff"),
        ("{serial}", "S1"),
    ];
    let none = Value::Null;
    [
        ("POST", "second-factor/import", csv.clone(), 200),
        (
            "POST",
            "second-factor/sync",
            json!({"ad_client": "ad_client99"}),
            422,
        ),
        ("POST", "second-factor/users/{name}/lock", none.clone(), 200),
        (
            "DELETE",
            "second-factor/users/{name}/remembered",
            none.clone(),
            204,
        ),
        (
            "PATCH",
            "second-factor/users/{name}/devices/{id}",
            json!({"name": "new"}),
            200,
        ),
        (
            "POST",
            "second-factor/users/{name}/devices/{id}/resync",
            json!({"first": "1", "second": "2"}),
            200,
        ),
        ("PUT", "second-factor/policies/default", policy.clone(), 200),
        (
            "DELETE",
            "second-factor/policies/default",
            none.clone(),
            204,
        ),
        (
            "PUT",
            "second-factor/policies/applications/{application}",
            policy.clone(),
            200,
        ),
        (
            "DELETE",
            "second-factor/policies/applications/{application}",
            none.clone(),
            204,
        ),
        ("PUT", "second-factor/policies/groups/{group}", policy, 200),
        (
            "DELETE",
            "second-factor/policies/groups/{group}",
            none.clone(),
            204,
        ),
        (
            "PATCH",
            "second-factor/applications/{application}",
            json!({"open_enrollment": true}),
            200,
        ),
        (
            "POST",
            "second-factor/applications",
            json!({"name": "shells"}),
            200,
        ),
        (
            "DELETE",
            "second-factor/applications/{application}",
            none.clone(),
            204,
        ),
        ("DELETE", "second-factor/remembered/{id}", none.clone(), 204),
        (
            "POST",
            "second-factor/enrollments",
            json!({"users": ["alice"]}),
            200,
        ),
        (
            "DELETE",
            "second-factor/enrollments/{id}",
            none.clone(),
            204,
        ),
        ("POST", "second-factor/tokens", csv, 200),
        ("DELETE", "second-factor/tokens/{serial}", none.clone(), 204),
        (
            "POST",
            "second-factor/tokens/{serial}/assign",
            json!({"user": "alice"}),
            200,
        ),
        ("POST", "second-factor/tokens/{serial}/unassign", none, 200),
        ("PATCH", "second-factor/delivery", smtp, 200),
        (
            "POST",
            "second-factor/delivery/test",
            json!({"channel": "sms", "to": "+1 555 010 0100"}),
            204,
        ),
    ]
    .into_iter()
    .map(move |(method, path, body, status)| {
        let mut at = path.to_owned();
        for (name, value) in names {
            at = at.replace(name, value);
        }
        let at = at.replace("remembered/DP1", "remembered/RM1");
        let at = at.replace("enrollments/DP1", "enrollments/EN1");
        (method, path, at, body, status)
    })
}
