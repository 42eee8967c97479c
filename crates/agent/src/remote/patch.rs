//! JSON Patch (RFC 6902), as agents send changes of their state.

use serde_json::Value;

/// Operations of one patch that are looked at.
const MAX_OPERATIONS: usize = 10_000;

/// Applies a patch, wholly or not at all.
///
/// # Errors
///
/// Which operation could not be applied.
pub(crate) fn apply(document: &mut Value, patch: &Value) -> Result<(), String> {
    let operations = patch.as_array().ok_or("it is no list of operations")?;
    if operations.len() > MAX_OPERATIONS {
        return Err(format!("it has more than {MAX_OPERATIONS} operations"));
    }
    let mut changed = document.clone();
    for (number, operation) in operations.iter().enumerate() {
        one(&mut changed, operation)
            .ok_or_else(|| format!("operation {number} does not fit the state"))?;
    }
    *document = changed;
    Ok(())
}

fn one(document: &mut Value, operation: &Value) -> Option<()> {
    let path = operation["path"].as_str()?;
    let value = || operation.get("value").cloned();
    let from = || operation["from"].as_str();
    match operation["op"].as_str()? {
        "add" => add(document, path, value()?),
        "remove" => remove(document, path).map(drop),
        "replace" => {
            *at(document, path)? = value()?;
            Some(())
        }
        "move" => {
            let from = from()?;
            // Into itself: it would not be there any more.
            if path.strip_prefix(from).is_some_and(|rest| rest.starts_with('/')) {
                return None;
            }
            let value = remove(document, from)?;
            add(document, path, value)
        }
        "copy" => {
            let value = at(document, from()?)?.clone();
            add(document, path, value)
        }
        "test" => (*at(document, path)? == value()?).then_some(()),
        _ => None,
    }
}

/// The value at a pointer.
fn at<'a>(document: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    // Reads `-1` and `01` as no index, as the standard wants it.
    document.pointer_mut(path)
}

/// What holds the value at a pointer, and the last part of that.
fn holder<'a>(document: &'a mut Value, path: &str) -> Option<(&'a mut Value, String)> {
    let (before, last) = path.rsplit_once('/')?;
    Some((document.pointer_mut(before)?, last.replace("~1", "/").replace("~0", "~")))
}

fn add(document: &mut Value, path: &str, value: Value) -> Option<()> {
    if path.is_empty() {
        *document = value;
        return Some(());
    }
    match holder(document, path)? {
        (Value::Object(object), key) => {
            object.insert(key, value);
        }
        (Value::Array(array), key) => {
            let index = if key == "-" { array.len() } else { index_of(&key)? };
            if index > array.len() {
                return None;
            }
            array.insert(index, value);
        }
        _ => return None,
    }
    Some(())
}

fn remove(document: &mut Value, path: &str) -> Option<Value> {
    if path.is_empty() {
        return Some(document.take());
    }
    match holder(document, path)? {
        (Value::Object(object), key) => object.shift_remove(&key),
        (Value::Array(array), key) => {
            let index = index_of(&key)?;
            (index < array.len()).then(|| array.remove(index))
        }
        _ => None,
    }
}

fn index_of(key: &str) -> Option<usize> {
    let is_plain = key == "0" || !key.starts_with(['0', '+']);
    is_plain.then(|| key.parse().ok()).flatten()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn each_operation_does_what_the_standard_says() {
        let mut state = json!({"a": {"b/c": [1, 2]}, "d": 1});
        let patch = json!([
            {"op": "test", "path": "/d", "value": 1},
            {"op": "add", "path": "/a/b~1c/1", "value": "x"},
            {"op": "add", "path": "/a/b~1c/-", "value": null},
            {"op": "replace", "path": "/d", "value": {"e": 2}},
            {"op": "copy", "from": "/d/e", "path": "/f"},
            {"op": "move", "from": "/a/b~1c", "path": "/g"},
            {"op": "remove", "path": "/d/e"},
        ]);
        apply(&mut state, &patch).unwrap();
        assert_eq!(state, json!({"a": {}, "d": {}, "f": 2, "g": [1, "x", 2, null]}));
    }

    #[test]
    fn a_patch_that_does_not_fit_changes_nothing() {
        for operation in [
            json!({"op": "test", "path": "/a", "value": 2}),
            json!({"op": "replace", "path": "/b", "value": 2}),
            json!({"op": "remove", "path": "/a/b"}),
            json!({"op": "add", "path": "/l/5", "value": 2}),
            json!({"op": "add", "path": "/l/01", "value": 2}),
            json!({"op": "move", "from": "/l", "path": "/l/0"}),
            json!({"op": "add", "path": "a", "value": 2}),
            json!({"op": "dance", "path": "/a"}),
            json!(5),
        ] {
            let mut state = json!({"a": 1, "l": []});
            let patch = json!([{"op": "add", "path": "/new", "value": 1}, operation]);
            assert!(apply(&mut state, &patch).is_err(), "{patch}");
            assert_eq!(state, json!({"a": 1, "l": []}));
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(
            operations in prop::collection::vec(
                (
                    prop::sample::select(vec!["add", "remove", "replace", "move", "copy", "test"]),
                    prop::sample::select(vec!["", "/", "/a", "/a/0", "/a/-", "/a/b~0", "/a/1/c", "x"]),
                    prop::sample::select(vec!["", "/a", "/a/0", "/a/b~0"]),
                ),
                0..8,
            ),
        ) {
            let mut state = json!({"a": [1, {"c": 2}], "": 3});
            for (op, path, from) in operations {
                let patch = json!([{"op": op, "path": path, "from": from, "value": {"b~": [1]}}]);
                let _ = apply(&mut state, &patch);
            }
        }
    }
}
