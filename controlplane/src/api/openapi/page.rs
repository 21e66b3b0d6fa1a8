//! The OpenAPI document as a page to read: no script, nothing from elsewhere. Pure.
#![expect(
    clippy::indexing_slicing,
    reason = "what a JSON value does not have is null, when it is read"
)]

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// What a browser may load for it: our own style, and nothing else.
pub(super) const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
pub(super) const CSS: &str = include_str!("style.css");

/// The page.
pub(super) fn html(document: &Value) -> String {
    let mut page = Page {
        html: String::new(),
        document,
    };
    // Nothing fails that writes to a text.
    let _written: Done = page.write();
    page.html
}

struct Page<'a> {
    html: String,
    document: &'a Value,
}

type Done = std::fmt::Result;

impl Page<'_> {
    fn write(&mut self) -> Done {
        let document = self.document;
        let info = &document["info"];
        let (title, version) = (escaped(&info["title"]), escaped(&info["version"]));
        writeln!(
            self.html,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}: REST API</title>\n\
             <link rel=\"stylesheet\" href=\"/api/docs/style.css\">\n</head>\n<body>\n<nav>"
        )?;
        for tag in list(&document["tags"]) {
            let name = escaped(&tag["name"]);
            writeln!(self.html, "<p><a href=\"#{name}\">{name}</a></p>\n<ul>")?;
            for (path, method, operation) in operations(document, &tag["name"]) {
                let (id, path) = (escaped(&operation["operationId"]), text(path));
                let (shown, title) = (short(&path), escaped(&operation["summary"]));
                writeln!(
                    self.html,
                    "<li><a href=\"#{id}\" title=\"{title}\"><b class=\"{method}\">{method}</b> \
                     {shown}</a></li>"
                )?;
            }
            self.html.push_str("</ul>\n");
        }
        writeln!(
            self.html,
            "<p><a href=\"#schemas\">schemas</a></p>\n</nav>\n<main>\n<h1>{title} <small>{version}</small>\
             </h1>\n{}<p>The same for programs: <a href=\"/api/openapi.json\">openapi.json</a>, OpenAPI \
             3.1.</p>",
            paragraphs(&info["description"])
        )?;
        for tag in list(&document["tags"]) {
            let name = escaped(&tag["name"]);
            let about = paragraphs(&tag["description"]);
            write!(self.html, "<h2 id=\"{name}\">{name}</h2>\n{about}")?;
            for (path, method, operation) in operations(document, &tag["name"]) {
                self.operation(path, method, operation)?;
            }
        }
        self.html.push_str("<h2 id=\"schemas\">schemas</h2>\n");
        for (name, schema) in fields(&document["components"]["schemas"]) {
            let name = text(name);
            let about = paragraphs(&schema["description"]);
            write!(
                self.html,
                "<section id=\"schema-{name}\">\n<h3>{name}</h3>\n{about}"
            )?;
            self.schema(schema)?;
            self.html.push_str("</section>\n");
        }
        self.html.push_str("</main>\n</body>\n</html>\n");
        Ok(())
    }

    fn operation(&mut self, path: &str, method: &str, operation: &Value) -> Done {
        let id = escaped(&operation["operationId"]);
        let (path, summary) = (text(path), escaped(&operation["summary"]));
        let about = paragraphs(&operation["description"]);
        write!(
            self.html,
            "<section id=\"{id}\">\n<h3><b class=\"{method}\">{method}</b> <code>{path}</code></h3>\n\
             <p class=\"summary\">{summary} <small>{id}</small></p>\n{about}"
        )?;
        let parameters = list(&operation["parameters"]);
        if !parameters.is_empty() {
            self.html.push_str("<h4>Parameters</h4>\n<dl>\n");
            for one in parameters {
                let needed = match one["required"] == true {
                    true => ", required",
                    false => "",
                };
                let (name, place) = (escaped(&one["name"]), escaped(&one["in"]));
                let (kind, what) = (kind(&one["schema"]), inline(&one["description"]));
                let bounds = bounds(&one["schema"]);
                writeln!(
                    self.html,
                    "<dt><code>{name}</code> <small>{place}{needed}</small> {kind}</dt>\
                     <dd>{what}{bounds}</dd>"
                )?;
            }
            self.html.push_str("</dl>\n");
        }
        let body = &operation["requestBody"]["content"];
        if body.is_object() {
            self.html.push_str("<h4>Body</h4>\n");
            self.contents(body)?;
        }
        self.html
            .push_str("<h4>Answers</h4>\n<dl class=\"answers\">\n");
        for (status, answer) in fields(&operation["responses"]) {
            let (answer, known) = match answer["$ref"].as_str() {
                Some(at) => (self.document.pointer(at.trim_start_matches('#')), true),
                None => (Some(answer), false),
            };
            let answer = answer.unwrap_or(&Value::Null);
            let (status, what) = (text(status), inline(&answer["description"]));
            write!(self.html, "<dt><code>{status}</code></dt><dd>{what}")?;
            let headers: Vec<String> = fields(&answer["headers"])
                .map(|(name, _)| format!("<code>{}</code>", text(name)))
                .collect();
            if !known {
                let headers = headers.join(", ");
                write!(self.html, " <small>Headers: {headers}</small>")?;
                self.contents(&answer["content"])?;
            }
            self.html.push_str("</dd>\n");
        }
        self.html.push_str("</dl>\n</section>\n");
        Ok(())
    }

    fn contents(&mut self, contents: &Value) -> Done {
        for (media, content) in fields(contents) {
            let (media, kind) = (text(media), kind(&content["schema"]));
            writeln!(
                self.html,
                "<p class=\"media\"><code>{media}</code> {kind}</p>"
            )?;
            if content["schema"].get("properties").is_some() {
                self.schema(&content["schema"])?;
            }
        }
        Ok(())
    }

    /// The fields of a document, or what it may be.
    fn schema(&mut self, schema: &Value) -> Done {
        let required = list(&schema["required"]);
        if schema["properties"].is_object() {
            self.html.push_str("<dl>\n");
            for (name, field) in fields(&schema["properties"]) {
                let needed = match required.iter().any(|one| one == name) {
                    true => " <small>required</small>",
                    false => "",
                };
                let (name, kind) = (text(name), kind(field));
                let (what, bounds) = (inline(&field["description"]), bounds(field));
                writeln!(
                    self.html,
                    "<dt><code>{name}</code>{needed} {kind}</dt><dd>{what}{bounds}</dd>"
                )?;
            }
            self.html.push_str("</dl>\n");
        }
        let choices = ["oneOf", "anyOf"].map(|of| list(&schema[of]));
        let choices = choices.concat();
        if !choices.is_empty() {
            self.html.push_str("<p>One of:</p>\n<ul>\n");
            for one in &choices {
                let (kind, what) = (kind(one), inline(&one["description"]));
                write!(self.html, "<li>{kind} {what}")?;
                if one["properties"].is_object() {
                    self.schema(one)?;
                }
                self.html.push_str("</li>\n");
            }
            self.html.push_str("</ul>\n");
        }
        if schema["properties"].is_null() && choices.is_empty() {
            let (kind, bounds) = (kind(schema), bounds(schema));
            writeln!(self.html, "<p>{kind}{bounds}</p>")?;
        }
        Ok(())
    }
}

/// The operations of a group, in the order of their paths.
fn operations<'a>(
    document: &'a Value,
    tag: &'a Value,
) -> impl Iterator<Item = (&'a str, &'a str, &'a Value)> {
    fields(&document["paths"])
        .flat_map(|(path, methods)| {
            let of = move |(method, operation)| (path, method, operation);
            METHODS
                .iter()
                .filter_map(|method| Some((*method, methods.get(method)?)))
                .map(of)
        })
        .filter(move |(.., operation)| list(&operation["tags"]).contains(tag))
}

/// What a value is, in a few words.
fn kind(schema: &Value) -> String {
    if let Some(at) = schema["$ref"].as_str() {
        let name = text(at.rsplit('/').next().unwrap_or(at));
        return format!("<a class=\"kind\" href=\"#schema-{name}\">{name}</a>");
    }
    if let Some(is) = schema.get("const") {
        return format!("<code>{}</code>", text(&is.to_string()));
    }
    let values = list(&schema["enum"]);
    if !values.is_empty() {
        let values = values
            .iter()
            .map(|one| format!("<code>{}</code>", text(&one.to_string())));
        return values.collect::<Vec<_>>().join(" ");
    }
    for of in ["oneOf", "anyOf"] {
        let choices = list(&schema[of]);
        if !choices.is_empty() {
            let choices: Vec<String> = choices.iter().map(kind).collect();
            return choices.join(" or ");
        }
    }
    let named = match &schema["type"] {
        Value::String(one) => one.clone(),
        Value::Array(all) => {
            let all: Vec<&str> = all.iter().filter_map(Value::as_str).collect();
            all.join(" or ")
        }
        _ => "any".to_owned(),
    };
    match schema["items"].is_object() {
        true => format!(
            "<span class=\"kind\">array of</span> {}",
            kind(&schema["items"])
        ),
        false => format!("<span class=\"kind\">{}</span>", text(&named)),
    }
}

/// Default and range.
fn bounds(schema: &Value) -> String {
    let mut shown = String::new();
    for (name, says) in BOUNDS {
        if let Some(value) = schema.get(name).filter(|value| !value.is_null()) {
            let value = text(&value.to_string());
            shown.push_str(&format!(" <small>{says} <code>{value}</code></small>"));
        }
    }
    if schema["writeOnly"] == true {
        shown.push_str(" <small>goes in, never comes out</small>");
    }
    shown
}

fn fields(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let fields = value.as_object().into_iter().flat_map(Map::iter);
    fields.map(|(name, value)| (name.as_str(), value))
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

/// A path without what all have in common.
fn short(path: &str) -> &str {
    path.strip_prefix(super::super::BASE).unwrap_or(path)
}

fn escaped(value: &Value) -> String {
    text(value.as_str().unwrap_or_default())
}

fn text(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// A text in which what stands between back quotes is code.
fn inline(value: &Value) -> String {
    let escaped = escaped(value);
    let mut parts = escaped.split('`');
    let mut shown = parts.next().unwrap_or_default().to_owned();
    let mut is_code = true;
    for part in parts {
        shown.push_str(if is_code { "<code>" } else { "</code>" });
        shown.push_str(part);
        is_code = !is_code;
    }
    if !is_code {
        shown.push_str("</code>");
    }
    shown
}

fn paragraphs(value: &Value) -> String {
    let whole = value.as_str().unwrap_or_default();
    whole
        .split("\n\n")
        .filter(|one| !one.is_empty())
        .map(|one| format!("<p>{}</p>\n", inline(&Value::from(one))))
        .collect()
}

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];
const BOUNDS: [(&str, &str); 6] = [
    ("default", "default"),
    ("minimum", "at least"),
    ("maximum", "at most"),
    ("minLength", "characters, at least"),
    ("maxLength", "characters, at most"),
    ("pattern", "as"),
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_shown_is_text() {
        let odd = json!("a <b> & \"c\" `d<e` and `f");
        assert_eq!(
            inline(&odd),
            "a &lt;b&gt; &amp; &quot;c&quot; <code>d&lt;e</code> and <code>f</code>"
        );
    }
}
