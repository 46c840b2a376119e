//! The API's own description, and whether an answer is as it says.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::answer::Answer;
use crate::harness::stack::Stack;

/// What a path item may hold besides operations.
const NO_METHODS: &[&str] = &["parameters", "summary", "description", "servers"];
/// Keywords that say nothing about a value, or more than is checked here. schemathesis checks them all.
const UNCHECKED: &[&str] =
    &["description", "example", "examples", "format", "pattern", "default", "minLength", "title"];

/// The OpenAPI document of a running API.
#[derive(Debug)]
pub struct Description(Value);

impl Description {
    pub async fn fetch(stack: &Stack) -> Self {
        let answer = stack.send(stack.anonymous(reqwest::Method::GET, "/api/openapi.json")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        Self(answer.json())
    }

    pub fn document(&self) -> &Value {
        &self.0
    }

    /// The methods of each path, in capital letters.
    pub fn methods(&self) -> BTreeMap<&str, Vec<String>> {
        let paths = self.0["paths"].as_object().expect("a document has paths");
        let methods = |item: &Value| {
            let keys = item.as_object().expect("a path item").keys();
            keys.filter(|key| !NO_METHODS.contains(&&***key)).map(|key| key.to_uppercase()).collect()
        };
        paths.iter().map(|(path, item)| (path.as_str(), methods(item))).collect()
    }

    /// Asserts that the answer's status, headers, content type and body are described. `path` is written as the document
    /// writes it.
    #[track_caller]
    pub fn covers(&self, method: &str, path: &str, answer: &Answer) {
        let what = format!("{method} {path}: {} {:?}", answer.status, String::from_utf8_lossy(&answer.body));
        let responses = &self.0["paths"][path][method.to_lowercase()]["responses"];
        let response = self.resolved(&responses[answer.status.to_string()]);
        assert!(response.is_object(), "this status is not described: {what}");

        let described = response["headers"].as_object().cloned().unwrap_or_default();
        for (name, header) in &described {
            assert!(header["required"] != true || answer.header(name).is_some(), "no {name}: {what}");
        }
        for name in answer
            .headers
            .keys()
            .map(reqwest::header::HeaderName::as_str)
            .filter(|name| !is_of_transport(name))
        {
            let is_known = described.keys().any(|known| known.eq_ignore_ascii_case(name));
            assert!(is_known, "the header {name} is not described: {what}");
        }

        let contents = response["content"].as_object();
        let Some(contents) = contents.filter(|_| !answer.body.is_empty()) else {
            assert!(answer.body.is_empty(), "no body is described: {what}");
            return;
        };
        let content_type = answer.header("content-type").unwrap_or_default();
        let content = contents.get(content_type.split(';').next().unwrap_or_default());
        let content = content.unwrap_or_else(|| panic!("{content_type} is not described: {what}"));
        if content_type == "application/json"
            && let Err(problem) = self.check(&content["schema"], &answer.json())
        {
            panic!("{problem}: {what}");
        }
    }

    /// Follows a `$ref`.
    fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value.get("$ref").and_then(Value::as_str) {
            Some(reference) => self.0.pointer(&reference[1..]).expect("a reference leads somewhere"),
            None => value,
        }
    }

    /// Checks a value, as far as the document's own schemas need it.
    fn check(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let schema = self.resolved(schema);
        for (keyword, expected) in schema.as_object().into_iter().flatten() {
            let holds = match keyword.as_str() {
                "type" => is_of_type(expected, value),
                "enum" => expected.as_array().is_some_and(|values| values.contains(value)),
                "minimum" => value.as_f64().is_none_or(|value| Some(value) >= expected.as_f64()),
                "oneOf" => {
                    let any = expected.as_array().into_iter().flatten();
                    any.filter(|schema| self.check(schema, value).is_ok()).count() == 1
                }
                "required" => {
                    let all = expected.as_array().into_iter().flatten().filter_map(Value::as_str);
                    value.as_object().is_some_and(|object| all.clone().all(|name| object.contains_key(name)))
                }
                "properties" | "additionalProperties" | "propertyNames" => {
                    self.check_object(schema, value)?;
                    true
                }
                "items" => {
                    let mut items = value.as_array().into_iter().flatten();
                    items.try_for_each(|item| self.check(expected, item))?;
                    true
                }
                known if UNCHECKED.contains(&known) => true,
                unknown => return Err(format!("the keyword {unknown} is new to this test")),
            };
            if !holds {
                return Err(format!("{value} is not as the keyword {keyword} says: {expected}"));
            }
        }
        Ok(())
    }

    fn check_object(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let none = Map::new();
        let properties = schema["properties"].as_object().unwrap_or(&none);
        for (name, value) in value.as_object().into_iter().flatten() {
            match (properties.get(name), &schema["additionalProperties"]) {
                (Some(schema), _) => self.check(schema, value)?,
                (None, Value::Bool(false)) => return Err(format!("the key {name} is not described")),
                (None, Value::Object(_)) => self.check(&schema["additionalProperties"], value)?,
                (None, _) => {}
            }
        }
        Ok(())
    }
}

/// Headers of the connection and of HTTP itself, which a document does not list.
fn is_of_transport(name: &str) -> bool {
    ["content-type", "content-length", "transfer-encoding", "connection", "date"].contains(&name)
}

fn is_of_type(expected: &Value, value: &Value) -> bool {
    let is_of = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    match expected {
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(is_of),
        name => name.as_str().is_some_and(is_of),
    }
}
