//! Holds what is written against the schemas that are published; for the tests of whoever writes it.

use serde_json::Value;

/// What of `value` does not follow `schema`, by the parts of JSON Schema that the schemas here use. Stricter than the standard in one thing: a property that the schema
/// does not name is an error here, so that none is added without being published.
pub(crate) fn violations(schema: &Value, value: &Value, root: &Value, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (keyword, rule) in schema.as_object().expect("a schema is an object") {
        match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" => {}
            "$ref" => {
                let target = root.pointer(rule.as_str().unwrap().trim_start_matches('#')).expect("a $ref that exists");
                found.extend(violations(target, value, root, path));
            }
            "type" => {
                let is = |name: &Value| match name.as_str().unwrap() {
                    "integer" => value.is_u64() || value.is_i64(),
                    "number" => value.is_number(),
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "null" => value.is_null(),
                    other => panic!("unknown type {other}"),
                };
                let names = rule.as_array().cloned().unwrap_or_else(|| vec![rule.clone()]);
                if !names.iter().any(is) {
                    found.push(format!("{path}: {value} is no {rule}"));
                }
            }
            "const" if value != rule => found.push(format!("{path}: {value} is not {rule}")),
            "enum" if !rule.as_array().unwrap().contains(value) => found.push(format!("{path}: {value} not in {rule}")),
            "minimum" if value.as_f64() < rule.as_f64() && value.is_number() => {
                found.push(format!("{path}: {value} < {rule}"))
            }
            "maximum" if value.as_f64() > rule.as_f64() => found.push(format!("{path}: {value} > {rule}")),
            "const" | "enum" | "minimum" | "maximum" | "additionalProperties" => {}
            "required" => {
                let missing = rule.as_array().unwrap().iter().map(|name| name.as_str().unwrap());
                found.extend(missing.filter(|name| value.get(name).is_none()).map(|name| format!("{path}: no {name}")));
            }
            "properties" => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    match rule.get(name) {
                        Some(rule) => found.extend(violations(rule, value, root, &format!("{path}/{name}"))),
                        None => found.push(format!("{path}: {name} is not in the schema")),
                    }
                }
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    found.extend(violations(rule, item, root, &format!("{path}/{index}")));
                }
            }
            "oneOf" => {
                let tried: Vec<_> =
                    rule.as_array().unwrap().iter().map(|one| violations(one, value, root, path)).collect();
                if tried.iter().filter(|found| found.is_empty()).count() != 1 {
                    found.push(format!("{path}: not exactly one of {tried:?}"));
                }
            }
            other => panic!("the schema uses `{other}`, which this test does not know"),
        }
        if let ("additionalProperties", true) = (keyword.as_str(), rule.is_object()) {
            for (name, value) in value.as_object().into_iter().flatten() {
                found.extend(violations(rule, value, root, &format!("{path}/{name}")));
            }
        }
    }
    found
}
