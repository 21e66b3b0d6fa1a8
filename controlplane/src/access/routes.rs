//! The one table of what each route of `/api/v1` wants of its caller. What is not in it is refused to
//! everybody: a new route begins with a line here.

use http::Method;

use super::role::Role::{Admin, Operator, Viewer};
use super::role::Route;
use super::role::Wants::{self, Role};

const GET: Method = Method::GET;
const POST: Method = Method::POST;
const PUT: Method = Method::PUT;
const PATCH: Method = Method::PATCH;
const DELETE: Method = Method::DELETE;

/// Every route, with its path as the router has it.
pub(crate) const ROUTES: &[Route] = &[
    (GET, "/api/v1/settings", Role(Viewer)),
    (PUT, "/api/v1/settings", Role(Admin)),
    (PATCH, "/api/v1/settings", Role(Admin)),
    (GET, "/api/v1/integrations", Role(Viewer)),
    (POST, "/api/v1/integrations", Role(Admin)),
    (GET, "/api/v1/integrations/{id}", Role(Viewer)),
    (PUT, "/api/v1/integrations/{id}", Role(Admin)),
    (PATCH, "/api/v1/integrations/{id}", Role(Admin)),
    (DELETE, "/api/v1/integrations/{id}", Role(Admin)),
    (GET, "/api/v1/integrations/{id}/clients", Role(Viewer)),
    (POST, "/api/v1/integrations/{id}/clients", Role(Admin)),
    (
        GET,
        "/api/v1/integrations/{id}/clients/{address}",
        Role(Viewer),
    ),
    (
        PUT,
        "/api/v1/integrations/{id}/clients/{address}",
        Role(Admin),
    ),
    (
        PATCH,
        "/api/v1/integrations/{id}/clients/{address}",
        Role(Admin),
    ),
    (
        DELETE,
        "/api/v1/integrations/{id}/clients/{address}",
        Role(Admin),
    ),
    (GET, "/api/v1/authenticators", Role(Viewer)),
    (POST, "/api/v1/authenticators", Role(Admin)),
    (GET, "/api/v1/authenticators/{id}", Role(Viewer)),
    (PUT, "/api/v1/authenticators/{id}", Role(Admin)),
    (PATCH, "/api/v1/authenticators/{id}", Role(Admin)),
    (DELETE, "/api/v1/authenticators/{id}", Role(Admin)),
    (GET, "/api/v1/config", Role(Viewer)),
    (PUT, "/api/v1/config", Role(Admin)),
    // Reads nothing and changes nothing, but takes its time.
    (POST, "/api/v1/config/validate", Role(Operator)),
    (POST, "/api/v1/config/import", Role(Admin)),
    (GET, "/api/v1/revisions", Role(Viewer)),
    (GET, "/api/v1/revisions/{number}", Role(Viewer)),
    (GET, "/api/v1/revisions/{number}/diff", Role(Viewer)),
    (POST, "/api/v1/revisions/{number}/rollback", Role(Admin)),
    (GET, "/api/v1/drafts", Role(Viewer)),
    (POST, "/api/v1/drafts", Role(Admin)),
    (GET, "/api/v1/drafts/{id}", Role(Viewer)),
    (DELETE, "/api/v1/drafts/{id}", Role(Admin)),
    (POST, "/api/v1/drafts/{id}/apply", Role(Admin)),
    (GET, "/api/v1/nodes", Role(Viewer)),
    (GET, "/api/v1/nodes/{node}", Role(Viewer)),
    (DELETE, "/api/v1/nodes/{node}", Role(Admin)),
    (POST, "/api/v1/nodes/{node}/drain", Role(Operator)),
    (POST, "/api/v1/checks", Role(Operator)),
    (POST, "/api/v1/logins", Role(Operator)),
    (GET, "/api/v1/primary-only", Role(Viewer)),
    (POST, "/api/v1/primary-only", Role(Admin)),
    // Who sees that it is not needed any more ends it.
    (DELETE, "/api/v1/primary-only", Role(Operator)),
    // What lets somebody in in a user's place is for administrators: a device of theirs, an approval, and
    // that the user is gone: whoever has their name then is somebody new. The handlers refuse an operator's
    // devices, scripts, aliases, groups, any status that opens, and to take a user's last device.
    (GET, "/api/v1/second-factor/status", Role(Viewer)),
    (GET, "/api/v1/second-factor/users", Role(Viewer)),
    (POST, "/api/v1/second-factor/users", Role(Operator)),
    (POST, "/api/v1/second-factor/import", Role(Admin)),
    (POST, "/api/v1/second-factor/sync", Role(Admin)),
    (GET, "/api/v1/second-factor/users/{name}", Role(Viewer)),
    (PATCH, "/api/v1/second-factor/users/{name}", Role(Operator)),
    (DELETE, "/api/v1/second-factor/users/{name}", Role(Admin)),
    (
        POST,
        "/api/v1/second-factor/users/{name}/lock",
        Role(Operator),
    ),
    (
        POST,
        "/api/v1/second-factor/users/{name}/unlock",
        Role(Operator),
    ),
    (
        POST,
        "/api/v1/second-factor/users/{name}/enroll",
        Role(Admin),
    ),
    (
        POST,
        "/api/v1/second-factor/users/{name}/bypass-codes",
        Role(Admin),
    ),
    (
        GET,
        "/api/v1/second-factor/users/{name}/sms-codes",
        Role(Admin),
    ),
    (
        GET,
        "/api/v1/second-factor/users/{name}/policy",
        Role(Viewer),
    ),
    (
        DELETE,
        "/api/v1/second-factor/users/{name}/remembered",
        Role(Operator),
    ),
    (
        POST,
        "/api/v1/second-factor/users/{name}/devices",
        Role(Admin),
    ),
    (
        PATCH,
        "/api/v1/second-factor/users/{name}/devices/{id}",
        Role(Operator),
    ),
    (
        DELETE,
        "/api/v1/second-factor/users/{name}/devices/{id}",
        Role(Operator),
    ),
    (
        POST,
        "/api/v1/second-factor/users/{name}/devices/{id}/resync",
        Role(Admin),
    ),
    (GET, "/api/v1/second-factor/groups", Role(Viewer)),
    (GET, "/api/v1/second-factor/devices", Role(Viewer)),
    (GET, "/api/v1/second-factor/approvals", Role(Viewer)),
    (
        POST,
        "/api/v1/second-factor/approvals/{txid}/approve",
        Role(Admin),
    ),
    (
        POST,
        "/api/v1/second-factor/approvals/{txid}/deny",
        Role(Operator),
    ),
    (
        POST,
        "/api/v1/second-factor/approvals/{txid}/fraud",
        Role(Operator),
    ),
    (GET, "/api/v1/second-factor/policies", Role(Viewer)),
    (PUT, "/api/v1/second-factor/policies/default", Role(Admin)),
    (
        DELETE,
        "/api/v1/second-factor/policies/default",
        Role(Admin),
    ),
    (
        PUT,
        "/api/v1/second-factor/policies/applications/{application}",
        Role(Admin),
    ),
    (
        DELETE,
        "/api/v1/second-factor/policies/applications/{application}",
        Role(Admin),
    ),
    (
        PUT,
        "/api/v1/second-factor/policies/groups/{group}",
        Role(Admin),
    ),
    (
        DELETE,
        "/api/v1/second-factor/policies/groups/{group}",
        Role(Admin),
    ),
    (GET, "/api/v1/second-factor/applications", Role(Viewer)),
    (POST, "/api/v1/second-factor/applications", Role(Admin)),
    (
        DELETE,
        "/api/v1/second-factor/applications/{application}",
        Role(Admin),
    ),
    (
        PATCH,
        "/api/v1/second-factor/applications/{application}",
        Role(Admin),
    ),
    (GET, "/api/v1/second-factor/remembered", Role(Viewer)),
    (
        DELETE,
        "/api/v1/second-factor/remembered/{id}",
        Role(Operator),
    ),
    (GET, "/api/v1/second-factor/incidents", Role(Viewer)),
    (GET, "/api/v1/second-factor/enrollments", Role(Viewer)),
    (POST, "/api/v1/second-factor/enrollments", Role(Admin)),
    (
        DELETE,
        "/api/v1/second-factor/enrollments/{id}",
        Role(Operator),
    ),
    (GET, "/api/v1/second-factor/tokens", Role(Viewer)),
    (POST, "/api/v1/second-factor/tokens", Role(Admin)),
    (DELETE, "/api/v1/second-factor/tokens/{serial}", Role(Admin)),
    (
        POST,
        "/api/v1/second-factor/tokens/{serial}/assign",
        Role(Admin),
    ),
    (
        POST,
        "/api/v1/second-factor/tokens/{serial}/unassign",
        Role(Admin),
    ),
    (GET, "/api/v1/second-factor/delivery", Role(Viewer)),
    (PATCH, "/api/v1/second-factor/delivery", Role(Admin)),
    (POST, "/api/v1/second-factor/delivery/test", Role(Admin)),
    (GET, "/api/v1/join-tokens", Role(Admin)),
    (POST, "/api/v1/join-tokens", Role(Admin)),
    (GET, "/api/v1/join-tokens/{id}", Role(Admin)),
    (DELETE, "/api/v1/join-tokens/{id}", Role(Admin)),
    (GET, "/api/v1/overview", Role(Viewer)),
    (GET, "/api/v1/clients/seen", Role(Viewer)),
    (GET, "/api/v1/events", Role(Viewer)),
    (GET, "/api/v1/events/{id}", Role(Viewer)),
    (GET, "/api/v1/audit", Role(Viewer)),
    (GET, "/api/v1/audit/verify", Role(Viewer)),
    (GET, "/api/v1/about", Role(Viewer)),
    // Signing in: whoever does it is nobody yet.
    (GET, "/api/v1/sign-in", Wants::Nobody),
    (GET, "/api/v1/session", Role(Viewer)),
    (POST, "/api/v1/session", Wants::Nobody),
    (DELETE, "/api/v1/session", Role(Viewer)),
    (PUT, "/api/v1/session/password", Role(Viewer)),
    (POST, "/api/v1/session/totp", Role(Viewer)),
    (PUT, "/api/v1/session/totp", Role(Viewer)),
    (GET, "/api/v1/session/oidc", Wants::Nobody),
    (GET, "/api/v1/session/oidc/callback", Wants::Nobody),
    (GET, "/api/v1/oidc", Role(Admin)),
    (PUT, "/api/v1/oidc", Role(Admin)),
    (DELETE, "/api/v1/oidc", Role(Admin)),
    (POST, "/api/v1/setup", Wants::Nobody),
    (POST, "/api/v1/invitation", Wants::Nobody),
    (GET, "/api/v1/admins", Role(Admin)),
    (POST, "/api/v1/admins", Role(Admin)),
    (DELETE, "/api/v1/admins/{name}", Role(Admin)),
    // Who has a token is for those who may take it back.
    (GET, "/api/v1/tokens", Role(Admin)),
    (POST, "/api/v1/tokens", Role(Admin)),
    (GET, "/api/v1/tokens/{id}", Role(Admin)),
    (DELETE, "/api/v1/tokens/{id}", Role(Admin)),
];

/// What a route wants; none when the table does not have it. `HEAD` wants what `GET` does.
pub(crate) fn wants(method: &Method, path: &str) -> Option<Wants> {
    let method = if *method == Method::HEAD {
        &GET
    } else {
        method
    };
    let found = ROUTES
        .iter()
        .find(|(known, at, _)| known == method && *at == path);
    found.map(|(.., wants)| *wants)
}

/// The methods of a path, as the `Allow` of an answer has them (RFC 9110 section 10.2.1).
pub(crate) fn allowed(path: &str) -> String {
    let mut methods: Vec<&str> = Vec::new();
    for (method, ..) in ROUTES.iter().filter(|(_, at, _)| *at == path) {
        methods.push(method.as_str());
        if *method == GET {
            methods.push("HEAD");
        }
    }
    methods.push("OPTIONS");
    methods.join(", ")
}

/// The table for whoever documents or tries it: method, path, and the least role that is let in
/// (none: everybody).
#[must_use]
pub fn least_roles() -> Vec<(&'static str, &'static str, Option<&'static str>)> {
    let row = |(method, path, wants): &'static Route| {
        let least = match wants {
            Wants::Nobody => None,
            Role(least) => Some(least.as_str()),
        };
        (method.as_str(), *path, least)
    };
    ROUTES.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_route_is_there_once_and_whoever_changes_something_is_more_than_a_viewer() {
        let names: BTreeSet<_> = ROUTES
            .iter()
            .map(|(method, path, _)| (method.as_str(), *path))
            .collect();
        assert_eq!(names.len(), ROUTES.len());
        for (method, path, wants) in ROUTES {
            // There one changes nothing but what is one's own.
            let only_reads = *method == GET || path.starts_with("/api/v1/session");
            assert!(
                only_reads || *wants > Role(Viewer) || *wants == Wants::Nobody,
                "{method} {path}"
            );
        }
    }

    #[test]
    fn what_is_not_in_the_table_is_not_found() {
        assert_eq!(wants(&Method::HEAD, "/api/v1/settings"), Some(Role(Viewer)));
        for (method, path) in [
            (DELETE, "/api/v1/settings"),
            (GET, "/api/v1/settings/"),
            (GET, "/api/v1/integrations/one"),
            (Method::OPTIONS, "/api/v1/settings"),
        ] {
            assert_eq!(wants(&method, path), None, "{method} {path}");
        }
    }
}
