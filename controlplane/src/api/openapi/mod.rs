//! The OpenAPI document of `/api/v1`, made of the code: each file of routes has a `document` beside its
//! `router`, which says each route once. Schemas come from the types that are really read and written,
//! descriptions from their comments, the role from the table of routes. What every route has in common
//! (problems, headers, who may) is added here.
#![expect(
    clippy::indexing_slicing,
    reason = "the JSON values that are written to are objects, made here"
)]

mod page;
mod schemas;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use http::{Method, StatusCode, header};
use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use self::schemas::Schemas;
use super::page::{Ask, Orders, Page};
use super::problem::{Kind, Problem};
use crate::access::role::Wants;
use crate::access::routes;

/// The document and its page, at [`JSON`] and [`PAGE`]. Everybody may read them: they are the same for
/// every installation of a version, and say nothing of one.
pub(crate) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route(
            JSON,
            get(async || ([(header::CONTENT_TYPE, "application/json")], text())),
        )
        .route(
            PAGE,
            get(async || {
                let headers = [
                    (header::CONTENT_TYPE, "text/html; charset=utf-8"),
                    (header::CONTENT_SECURITY_POLICY, page::POLICY),
                ];
                (headers, &**HTML).into_response()
            }),
        )
        .route(
            STYLE,
            get(async || {
                (
                    [(header::CONTENT_TYPE, "text/css; charset=utf-8")],
                    page::CSS,
                )
            }),
        )
}

/// The document as it is served and checked in.
pub(crate) fn text() -> &'static str {
    &TEXT
}

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let mut api = Api::default();
    super::document(&mut api);
    api.finish()
});
static TEXT: LazyLock<String> = LazyLock::new(|| format!("{:#}\n", *DOCUMENT));
static HTML: LazyLock<String> = LazyLock::new(|| page::html(&DOCUMENT));

/// All routes, on their way into the document.
#[derive(Default)]
pub(crate) struct Api {
    schemas: Schemas,
    tags: Vec<Value>,
    tag: &'static str,
    names: Vec<(&'static str, &'static str)>,
    paths: BTreeMap<&'static str, BTreeMap<String, Operation>>,
}

/// One route.
#[derive(Default)]
struct Operation {
    id: String,
    summary: String,
    tag: &'static str,
    about: Vec<String>,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: BTreeMap<u16, Value>,
    problems: Vec<Kind>,
}

impl Api {
    /// Begins a group: what follows is shown under this name, with `about` over it. `names` says what
    /// stands in the places of the group's paths.
    pub(crate) fn group(
        &mut self,
        tag: &'static str,
        about: &str,
        names: &[(&'static str, &'static str)],
    ) {
        self.tag = tag;
        self.tags.push(json!({"name": tag, "description": about}));
        self.names = names.to_vec();
    }

    /// A route, by its path below `/api/v1`. `id` is what programs made from the document call it by.
    pub(crate) fn route(
        &mut self,
        method: &Method,
        path: &'static str,
        id: impl Into<String>,
        summary: impl Into<String>,
    ) -> Route<'_> {
        let methods = self.paths.entry(path).or_default();
        let operation = methods
            .entry(method.as_str().to_ascii_lowercase())
            .or_default();
        (operation.id, operation.summary, operation.tag) = (id.into(), summary.into(), self.tag);
        for (name, what) in &self.names {
            if path.contains(&format!("{{{name}}}")) {
                operation.parameters.push(json!({
                    "name": name, "in": "path", "required": true, "description": what,
                    "schema": match *name {
                        "number" => json!({"type": "integer", "minimum": 1, "maximum": i64::MAX}),
                        _ => json!({"type": "string", "minLength": 1}),
                    },
                }));
            }
        }
        let mut route = Route {
            schemas: &mut self.schemas,
            operation,
        };
        if path.contains('{') {
            route = route.problems(&[Kind::NotFound]);
        }
        route
    }

    fn finish(mut self) -> Value {
        let problem = self.schemas.read::<Problem>();
        let mut paths = Map::new();
        for (path, methods) in std::mem::take(&mut self.paths) {
            let at = format!("{}{path}", super::BASE);
            let mut shown = Map::new();
            for (method, operation) in methods {
                let wants = method.to_ascii_uppercase().parse().ok();
                let wants = wants.and_then(|method: Method| routes::wants(&method, &at));
                shown.insert(method, operation.written(wants));
            }
            paths.insert(at, Value::Object(shown));
        }
        let mut paths = Value::Object(paths);
        let schemas = self.schemas.finish(&mut paths);
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Countersign",
                "version": env!("CARGO_PKG_VERSION"),
                "description": ABOUT,
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "tags": self.tags,
            "paths": paths,
            "components": {
                "schemas": schemas,
                "responses": problem_answers(&problem),
                "headers": headers(),
                "securitySchemes": {
                    "token": {
                        "type": "http", "scheme": "bearer",
                        "description": "`Authorization: Bearer cst_…`; `countersign token create`, or \
                                        `POST /api/v1/tokens`, makes one.",
                    },
                    "session": {
                        "type": "apiKey", "in": "cookie", "name": super::cookies::SESSION,
                        "description": "The session of a browser, of `POST /api/v1/session`. Whatever \
                                        changes something sends `countersign-page: 1` too.",
                    },
                },
            },
        })
    }
}

/// One route, as it is said.
pub(crate) struct Route<'a> {
    schemas: &'a mut Schemas,
    operation: &'a mut Operation,
}

impl Route<'_> {
    /// What else there is to know.
    pub(crate) fn about(self, text: &str) -> Self {
        self.operation.about.push(text.to_owned());
        self
    }

    /// The query: each field of `T` is a parameter.
    pub(crate) fn query<T: JsonSchema>(self) -> Self {
        let fields = self.schemas.parameters::<T>();
        self.operation.parameters.extend(fields);
        self.problems(&[Kind::BadRequest])
    }

    /// A JSON document that is sent.
    pub(crate) fn body<T: JsonSchema>(self) -> Self {
        let schema = self.schemas.write::<T>();
        self.bodies(&[("application/json", schema)])
    }

    /// Some fields of a JSON document that is sent (RFC 7396).
    pub(crate) fn patch<T: JsonSchema>(self) -> Self {
        let schema = self.schemas.patch::<T>();
        let kinds = ["application/merge-patch+json", "application/json"];
        self.bodies(&kinds.map(|kind| (kind, schema.clone())))
    }

    /// A file that is sent: with others as a JSON document or as a form, or its text alone.
    pub(crate) fn file<T: JsonSchema>(self) -> Self {
        let schema = self.schemas.write::<T>();
        let text = json!({"type": "string"});
        let one = json!({"type": "string", "contentMediaType": "application/octet-stream"});
        let form = json!({
            "type": "object",
            "required": ["file"],
            "properties": {"file": one, "files": {"type": "array", "items": one}},
        });
        self.bodies(&[
            ("application/json", schema),
            ("multipart/form-data", form),
            ("text/plain", text),
        ])
    }

    /// A table that is sent: in a JSON document, or its text alone.
    pub(crate) fn csv<T: JsonSchema>(self) -> Self {
        let schema = self.schemas.write::<T>();
        let text = json!({"type": "string"});
        self.bodies(&[("application/json", schema), ("text/csv", text)])
    }

    fn bodies(self, kinds: &[(&str, Value)]) -> Self {
        let content: Map<String, Value> = kinds
            .iter()
            .map(|(kind, schema)| ((*kind).to_owned(), json!({"schema": schema})))
            .collect();
        self.operation.body = Some(json!({"required": true, "content": content}));
        self.problems(&[
            Kind::BadRequest,
            Kind::TooLarge,
            Kind::MediaType,
            Kind::Invalid,
        ])
    }

    /// It answers with a JSON document.
    pub(crate) fn answers<T: JsonSchema>(self, status: StatusCode, what: &str) -> Self {
        let schema = self.schemas.read::<T>();
        self.answers_as(status, what, &[("application/json", schema)])
    }

    /// It answers with any of these.
    pub(crate) fn answers_as(
        self,
        status: StatusCode,
        what: &str,
        kinds: &[(&str, Value)],
    ) -> Self {
        let content: Map<String, Value> = kinds
            .iter()
            .map(|(kind, schema)| ((*kind).to_owned(), json!({"schema": schema})))
            .collect();
        let mut answer = json!({
            "description": what,
            "headers": {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}},
        });
        if !content.is_empty() {
            answer["content"] = Value::Object(content);
        }
        self.operation.answers.insert(status.as_u16(), answer);
        self
    }

    /// What is answered with 200 may come as this too.
    pub(crate) fn also(self, kind: &str, schema: &Value) -> Self {
        let ok = StatusCode::OK.as_u16();
        if let Some(answer) = self.operation.answers.get_mut(&ok) {
            answer["content"][kind] = json!({"schema": schema});
        }
        self
    }

    /// It answers with nothing but a status.
    pub(crate) fn answers_nothing(self, what: &str) -> Self {
        self.answers_as(StatusCode::NO_CONTENT, what, &[])
    }

    /// Each good answer has this header, of those that are known (a test looks).
    pub(crate) fn header(self, name: &str) -> Self {
        let known = format!("#/components/headers/{name}");
        for answer in self.operation.answers.values_mut() {
            answer["headers"][name] = json!({"$ref": known});
        }
        self
    }

    /// A header that it looks at.
    pub(crate) fn asks(self, name: &str, what: &str) -> Self {
        self.operation.parameters.push(json!({
            "name": name, "in": "header", "description": what, "schema": {"type": "string"},
        }));
        self
    }

    /// A list, in pages: narrowed by the fields of `F`, ordered by these fields.
    pub(crate) fn lists<F: JsonSchema, T: JsonSchema>(self, orders: Orders<impl Sized>) -> Self {
        let names: Vec<Value> = orders
            .iter()
            .flat_map(|(name, _)| [json!(name), json!(format!("-{name}"))])
            .collect();
        let mut route = self.query::<Ask>().query::<F>();
        for parameter in &mut route.operation.parameters {
            if parameter["name"] == "sort" {
                parameter["schema"] = json!({"type": "string", "enum": names});
            }
        }
        route = route.answers::<Page<T>>(StatusCode::OK, "A page of the list.");
        route
    }

    /// Kinds of problems that it has beside those that every route may have.
    pub(crate) fn problems(self, kinds: &[Kind]) -> Self {
        self.operation.problems.extend(kinds);
        self
    }
}

impl Operation {
    fn written(self, wants: Option<Wants>) -> Value {
        let mut problems = self.problems;
        problems.extend([Kind::TooMany, Kind::Unavailable, Kind::Internal]);
        let (role, security) = match wants {
            Some(Wants::Role(role)) => {
                problems.extend([Kind::Unauthenticated, Kind::Forbidden]);
                (role.as_str(), json!([{"token": []}, {"session": []}]))
            }
            _ => ("nobody", json!([])),
        };
        let mut about = self.about;
        about.push(match role {
            "nobody" => "For everybody: nobody needs to be signed in.".to_owned(),
            role => format!("Role: `{role}` or more."),
        });
        let mut answers: Map<String, Value> = self
            .answers
            .into_iter()
            .map(|(status, answer)| (status.to_string(), answer))
            .collect();
        for kind in problems {
            let status = kind.status().as_u16().to_string();
            let known = format!("#/components/responses/Problem{status}");
            answers.insert(status, json!({"$ref": known}));
        }
        let mut written = json!({
            "operationId": self.id,
            "summary": self.summary,
            "description": about.join(" "),
            "tags": [self.tag],
            "x-role": role,
            "security": security,
            "responses": answers,
        });
        if !self.parameters.is_empty() {
            written["parameters"] = self.parameters.into();
        }
        if let Some(body) = self.body {
            written["requestBody"] = body;
        }
        written
    }
}

/// Problem documents, one for each status.
fn problem_answers(schema: &Value) -> Value {
    let mut answers: BTreeMap<String, (Vec<&str>, u16)> = BTreeMap::new();
    for kind in Kind::ALL {
        let status = kind.status().as_u16();
        let (titles, of) = answers.entry(format!("Problem{status}")).or_default();
        titles.push(kind.title());
        *of = status;
    }
    let answers = answers.into_iter().map(|(name, (titles, status))| {
        let mut headers = json!({"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}});
        match status {
            401 => {
                headers["WWW-Authenticate"] =
                    json!({"$ref": "#/components/headers/WWW-Authenticate"})
            }
            429 => headers["Retry-After"] = json!({"$ref": "#/components/headers/Retry-After"}),
            _ => {}
        }
        let answer = json!({
            "description": format!("{}.", titles.join(". ")),
            "headers": headers,
            "content": {"application/problem+json": {"schema": schema}},
        });
        (name, answer)
    });
    Value::Object(answers.collect())
}

fn headers() -> Value {
    let text = json!({"type": "string"});
    let one = |what: &str, schema: &Value| json!({"description": what, "schema": schema});
    json!({
        "X-Request-Id": one(
            "The id of the request, which the log has too: the caller's own, or a new one.", &text),
        "ETag": one("The version of the document, for `If-Match`.", &text),
        "Countersign-Revision": one(
            "The number of the revision that the write made.", &json!({"type": "integer", "minimum": 1})),
        "Countersign-Dry-Run": one(
            "Of a write that was only tried: whether it would change anything.",
            &json!({"type": "string", "enum": ["change", "nothing"]})),
        "Retry-After": one("Seconds to wait.", &json!({"type": "integer", "minimum": 0})),
        "WWW-Authenticate": one("How to sign in.", &text),
        "Set-Cookie": one("The session, or its end.", &text),
        "Location": one("Where to go on.", &text),
    })
}

const ABOUT: &str = "The REST API of a Countersign control plane.\n\n\
    A secret goes in and never comes out: what is read has in its place that it is set, and a \
    fingerprint; what is written back so, or without it, leaves it as it is. Whatever is refused is \
    answered with a problem document (RFC 9457) that names each bad field. Lists come in pages: `next` of \
    one is `cursor` of the following. Unknown parameters and unknown fields are refused. A write that is \
    told `dry_run=true` changes nothing, and answers what it would come to.";
const JSON: &str = "/api/openapi.json";
const PAGE: &str = "/api/docs";
const STYLE: &str = "/api/docs/style.css";

#[cfg(test)]
mod tests;
