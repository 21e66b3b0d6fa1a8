use std::collections::BTreeSet;
use std::path::Path;
use std::{env, fs};

use super::*;
use crate::access::routes::ROUTES;

#[test]
fn what_is_checked_in_is_made_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, text()).unwrap();
    }
    let is = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        is == text(),
        "openapi.json is out of date; UPDATE_DOCS=1 cargo test -p controlplane --lib openapi"
    );
}

/// Method and path.
fn operations() -> Vec<(String, String, &'static Value)> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let of = |(path, methods): (&String, &'static Value)| {
        let methods = methods.as_object().unwrap().iter();
        let path = path.clone();
        methods.map(move |(method, one)| (method.to_uppercase(), path.clone(), one))
    };
    paths.iter().flat_map(of).collect()
}

#[test]
fn every_route_of_the_table_has_its_operation_and_the_other_way_round() {
    let documented: BTreeSet<_> = operations()
        .into_iter()
        .map(|(method, path, _)| (method, path))
        .collect();
    let table: BTreeSet<_> = ROUTES
        .iter()
        .map(|(method, path, _)| (method.to_string(), (*path).to_owned()))
        .collect();
    assert_eq!(documented, table);
}

#[test]
fn every_operation_says_what_it_is_and_each_name_in_its_path() {
    let mut ids = BTreeSet::new();
    for (method, path, one) in operations() {
        let id = one["operationId"].as_str().unwrap();
        assert!(ids.insert(id), "{id} twice");
        assert!(!one["summary"].as_str().unwrap().is_empty(), "{id}");
        let named: BTreeSet<&str> = path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .collect();
        let parameters = one["parameters"].as_array().cloned().unwrap_or_default();
        let mut seen = BTreeSet::new();
        for parameter in &parameters {
            let (name, place) = (&parameter["name"], &parameter["in"]);
            assert!(
                seen.insert((name.to_string(), place.to_string())),
                "{id}: {name} twice"
            );
            assert!(parameter["description"].is_string(), "{id}: {name}");
        }
        let of_path = parameters.iter().filter(|one| one["in"] == "path");
        let of_path: BTreeSet<&str> = of_path.map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(of_path, named, "{id}");
        let good = |status: &String| status.starts_with(['2', '3']);
        assert!(
            one["responses"].as_object().unwrap().keys().any(good),
            "{id}"
        );
        assert!(method != "GET" || one["requestBody"].is_null(), "{id}");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn look(value: &Value) {
        match value {
            Value::Object(fields) => {
                if let Some(at) = fields.get("$ref").and_then(Value::as_str) {
                    let found = DOCUMENT.pointer(at.trim_start_matches('#'));
                    assert!(found.is_some(), "{at}");
                }
                fields.values().for_each(look);
            }
            Value::Array(elements) => elements.iter().for_each(look),
            _ => {}
        }
    }
    look(&DOCUMENT);
}

#[test]
fn secrets_go_in_and_their_masks_come_out() {
    let schemas = &DOCUMENT["components"]["schemas"];
    let (read, written) = (&schemas["Client"], &schemas["ClientWrite"]);
    let mask = "#/components/schemas/SecretMask";
    assert_eq!(read["properties"]["secret"]["$ref"], mask);
    let secret = &written["properties"]["secret"]["anyOf"];
    assert_eq!(secret[0]["writeOnly"], true);
    assert_eq!(secret[1]["$ref"], mask);
    let required = written["required"].as_array().unwrap();
    assert!(!required.contains(&json!("secret")), "it may stay as it is");
}

#[test]
fn the_page_has_every_operation_and_loads_nothing_from_elsewhere() {
    for (_, path, one) in operations() {
        let id = one["operationId"].as_str().unwrap();
        assert!(HTML.contains(&format!("<section id=\"{id}\">")), "{id}");
        assert!(HTML.contains(&format!("<code>{path}</code>")), "{path}");
    }
    for (name, _) in DOCUMENT["components"]["schemas"].as_object().unwrap() {
        assert!(HTML.contains(&format!("id=\"schema-{name}\"")), "{name}");
    }
    for wrong in ["<script", " style=", "src=", "=\"http", "url("] {
        assert!(!HTML.contains(wrong), "{wrong}");
    }
}
