//! Schemas of the documents, as they are read and as they are written. Where these differ, the latter
//! has `Write` behind its name. Pure.
#![expect(
    clippy::indexing_slicing,
    reason = "what a JSON value does not have is null, when it is read; schemas that are written to are objects"
)]

use std::collections::BTreeSet;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::api::masked::SECRETS;

/// Those that were asked for so far.
pub(super) struct Schemas {
    reads: SchemaGenerator,
    writes: SchemaGenerator,
}

impl Default for Schemas {
    fn default() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = "/components/schemas".into();
                settings.meta_schema = None;
            })
        };
        Self {
            reads: settings().for_serialize().into_generator(),
            writes: settings().for_deserialize().into_generator(),
        }
    }
}

impl Schemas {
    /// Of what is answered.
    pub(super) fn read<T: JsonSchema>(&mut self) -> Value {
        self.reads.subschema_for::<T>().to_value()
    }

    /// Of what is sent.
    pub(super) fn write<T: JsonSchema>(&mut self) -> Value {
        self.writes.subschema_for::<T>().to_value()
    }

    /// Of some fields of what is sent: any of them, null for one that is to go.
    pub(super) fn patch<T: JsonSchema>(&mut self) -> Value {
        let mut whole = T::json_schema(&mut self.writes).to_value();
        for (_, field) in fields_of(&mut whole) {
            *field = match field.get("description") {
                Some(what) => json!({"description": what}),
                None => json!({}),
            };
        }
        json!({
            "type": "object",
            "description": "The fields to change; null takes one out, and an object is changed in the \
                            same way (RFC 7396).",
            "properties": whole["properties"],
        })
    }

    /// The fields of a query.
    pub(super) fn parameters<T: JsonSchema>(&mut self) -> Vec<Value> {
        let mut whole = T::json_schema(&mut self.writes).to_value();
        let required = whole["required"].clone();
        let is_required = |name: &str| {
            let names = required.as_array();
            names.is_some_and(|names| names.iter().any(|one| one == name))
        };
        fields_of(&mut whole)
            .map(|(name, schema)| {
                let what = schema
                    .as_object_mut()
                    .and_then(|it| it.remove("description"));
                let mut parameter = json!({
                    "name": name, "in": "query", "required": is_required(name),
                    "schema": without_null(schema),
                });
                if let Some(what) = what {
                    parameter["description"] = what;
                }
                parameter
            })
            .collect()
    }

    /// All of them by name. What is sent in `paths` is pointed to those that are written.
    pub(super) fn finish(mut self, paths: &mut Value) -> Value {
        let mut reads = self.reads.take_definitions(true);
        let mut writes = self.writes.take_definitions(true);
        for schema in writes.values_mut() {
            kept_secrets_may_be_left_out(schema);
        }
        let mut differ: BTreeSet<String> = writes
            .iter()
            .filter(|(name, schema)| reads.get(*name).is_some_and(|read| read != *schema))
            .map(|(name, _)| name.clone())
            .collect();
        // Whoever has one in it differs too.
        loop {
            let more: Vec<String> = writes
                .iter()
                .filter(|(name, schema)| !differ.contains(*name) && points_to(schema, &differ))
                .map(|(name, _)| name.clone())
                .collect();
            if more.is_empty() {
                break;
            }
            differ.extend(more);
        }
        for (name, mut schema) in writes {
            point_to_written(&mut schema, &differ);
            let name = match differ.contains(&name) {
                true => format!("{name}Write"),
                false => name,
            };
            reads.insert(name, schema);
        }
        for methods in paths.as_object_mut().into_iter().flat_map(Map::values_mut) {
            for operation in methods
                .as_object_mut()
                .into_iter()
                .flat_map(Map::values_mut)
            {
                for sent in ["requestBody", "parameters"] {
                    if let Some(sent) = operation.get_mut(sent) {
                        point_to_written(sent, &differ);
                    }
                }
            }
        }
        tidy(paths);
        let mut schemas = Value::Object(reads);
        tidy(&mut schemas);
        schemas
    }
}

fn fields_of(schema: &mut Value) -> impl Iterator<Item = (&String, &mut Value)> {
    let fields = schema.get_mut("properties").and_then(Value::as_object_mut);
    fields.into_iter().flatten()
}

/// A parameter that is not there is no null.
fn without_null(schema: &mut Value) -> Value {
    let is_null = |one: &Value| *one == json!({"type": "null"}) || one == "null";
    if let Some(kinds) = schema.get_mut("type").and_then(Value::as_array_mut) {
        kinds.retain(|kind| !is_null(kind));
        if let [one] = kinds.as_slice() {
            schema["type"] = one.clone();
        }
    }
    if let Some(choices) = schema.get_mut("anyOf").and_then(Value::as_array_mut) {
        choices.retain(|choice| !is_null(choice));
        if let [one] = choices.as_slice() {
            return one.clone();
        }
    }
    if schema.get("default").is_some_and(Value::is_null)
        && let Some(fields) = schema.as_object_mut()
    {
        fields.remove("default");
    }
    schema.clone()
}

/// One that is set stays as it is when nothing is said of it.
fn kept_secrets_may_be_left_out(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            let keeps = |name: &Value| name.as_str().is_some_and(|name| SECRETS.contains(&name));
            let kept: Vec<Value> = fields
                .get("properties")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
                // What is kept may be sent back as its mask.
                .filter(|(_, field)| field.get("anyOf").is_some())
                .map(|(name, _)| Value::from(name.as_str()))
                .filter(keeps)
                .collect();
            if let Some(required) = fields.get_mut("required").and_then(Value::as_array_mut) {
                required.retain(|name| !kept.contains(name));
            }
            fields.values_mut().for_each(kept_secrets_may_be_left_out);
        }
        Value::Array(elements) => elements.iter_mut().for_each(kept_secrets_may_be_left_out),
        _ => {}
    }
}

fn points_to(schema: &Value, names: &BTreeSet<String>) -> bool {
    match schema {
        Value::Object(fields) => {
            let here = fields.get("$ref").and_then(Value::as_str);
            here.and_then(|at| at.strip_prefix(PREFIX))
                .is_some_and(|name| names.contains(name))
                || fields.values().any(|one| points_to(one, names))
        }
        Value::Array(elements) => elements.iter().any(|one| points_to(one, names)),
        _ => false,
    }
}

fn point_to_written(schema: &mut Value, names: &BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::String(at)) = fields.get_mut("$ref")
                && at
                    .strip_prefix(PREFIX)
                    .is_some_and(|name| names.contains(name))
            {
                at.push_str("Write");
            }
            fields
                .values_mut()
                .for_each(|one| point_to_written(one, names));
        }
        Value::Array(elements) => elements
            .iter_mut()
            .for_each(|one| point_to_written(one, names)),
        _ => {}
    }
}

/// Descriptions are for readers of the document, who see no code.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == "description" => *text = plain(text),
                    value => tidy(value),
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// A comment without its line breaks, and with names in the place of links into the code.
fn plain(comment: &str) -> String {
    let paragraphs = comment.split("\n\n").map(|one| one.replace('\n', " "));
    let text = paragraphs.collect::<Vec<_>>().join("\n\n");
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, link)) = rest.split_once("[`") {
        plain.push_str(before);
        let Some((name, after)) = link.split_once("`]") else {
            plain.push_str("[`");
            rest = link;
            continue;
        };
        let name = name.rsplit("::").next().unwrap_or(name);
        plain.push_str(&format!("`{name}`"));
        rest = after;
    }
    plain + rest
}

const PREFIX: &str = "#/components/schemas/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_for_readers_of_the_document() {
        for (comment, want) in [
            ("One\nline.", "One line."),
            ("Two.\n\nParts.", "Two.\n\nParts."),
            ("As [`super::Raw::field`] says.", "As `field` says."),
            ("Odd [`one", "Odd [`one"),
        ] {
            assert_eq!(plain(comment), want);
        }
    }
}
