//! Named shadows of things: `get`, `update`, and what they are answered with. Pure.
//!
//! What AWS does (IoT Core developer guide, "Device Shadow service documents"): members of an update are
//! merged, `null` takes one out; the answer of an update is what was sent; `delta` says what is desired
//! and not reported so. Left out: `delete`, `documents`, metadata of each member, and the classic
//! shadow without a name.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::Message;

/// The most that a shadow holds ("Device Shadow limits": 8 KB).
const LARGEST: usize = 8 * 1024;

/// All shadows, by thing and name.
#[derive(Debug, Default)]
pub(super) struct Shadows(HashMap<(String, String), Shadow>);

#[derive(Debug, Default)]
struct Shadow {
    state: Map<String, Value>,
    version: u64,
}

/// Takes a topic apart into thing, shadow and what comes after it.
pub(super) fn topic(topic: &str) -> Option<(&str, &str, &str)> {
    let (thing, rest) = topic.strip_prefix("$aws/things/")?.split_once("/shadow/name/")?;
    let (name, part) = rest.split_once('/')?;
    (!thing.contains('/')).then_some((thing, name, part))
}

impl Shadows {
    /// Serves a message; gives the answers. `now` is in seconds since 1970.
    pub(super) fn serve(&mut self, on: &str, payload: &[u8], now: i64) -> Vec<Message> {
        let Some((thing, name, part)) = topic(on) else { return Vec::new() };
        let key = (thing.to_owned(), name.to_owned());
        let answer = |end: &str, mut document: Value| {
            document["timestamp"] = json!(now);
            Message {
                topic: format!("{on}/{end}"),
                payload: document.to_string().into_bytes(),
                at_least_once: true,
                retain: false,
            }
        };
        let refuse = |code: u16, message: &str| {
            vec![answer("rejected", json!({"code": code, "message": message}))]
        };
        match part {
            "get" => match self.0.get(&key) {
                Some(shadow) => {
                    vec![answer(
                        "accepted",
                        json!({"state": shadow.whole(), "version": shadow.version}),
                    )]
                }
                None => refuse(404, &format!("No shadow exists with name: '{name}'")),
            },
            "update" => {
                let Ok(Value::Object(update)) = serde_json::from_slice(payload) else {
                    return refuse(400, "Payload contains invalid json");
                };
                let Some(Value::Object(state)) = update.get("state") else {
                    return refuse(400, "Missing required node: state");
                };
                let shadow = self.0.entry(key).or_default();
                if update.get("version").is_some_and(|version| *version != json!(shadow.version)) {
                    return refuse(409, "Version conflict");
                }
                let mut merged = Value::Object(shadow.state.clone());
                merge(&mut merged, &Value::Object(state.clone()));
                if merged.to_string().len() > LARGEST {
                    return refuse(413, "The payload exceeds the maximum size allowed");
                }
                shadow.state = merged.as_object().cloned().unwrap_or_default();
                shadow.version += 1;
                let version = shadow.version;
                let mut answers =
                    vec![answer("accepted", json!({"state": state, "version": version}))];
                if let Some(delta) = shadow.delta() {
                    answers.push(answer("delta", json!({"state": delta, "version": version})));
                }
                answers
            }
            _ => Vec::new(),
        }
    }
}

impl Shadow {
    fn part(&self, name: &str) -> Value {
        self.state.get(name).cloned().unwrap_or(json!({}))
    }

    fn delta(&self) -> Option<Value> {
        difference(&self.part("desired"), &self.part("reported"))
    }

    fn whole(&self) -> Value {
        let mut whole = Value::Object(self.state.clone());
        if let Some(delta) = self.delta() {
            whole["delta"] = delta;
        }
        whole
    }
}

/// Merges an update into a document; `null` takes a member out.
fn merge(into: &mut Value, update: &Value) {
    let Value::Object(update) = update else {
        *into = update.clone();
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    let Some(members) = into.as_object_mut() else { return };
    for (key, value) in update {
        if value.is_null() {
            members.remove(key);
        } else {
            merge(members.entry(key).or_insert(Value::Null), value);
        }
    }
}

/// What is desired and not reported so.
fn difference(desired: &Value, reported: &Value) -> Option<Value> {
    let Value::Object(members) = desired else {
        return (desired != reported).then(|| desired.clone());
    };
    let differs: Map<String, Value> = members
        .iter()
        .filter_map(|(key, value)| {
            Some((key.clone(), difference(value, reported.get(key).unwrap_or(&Value::Null))?))
        })
        .collect();
    (!differs.is_empty()).then_some(Value::Object(differs))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(shadows: &mut Shadows, part: &str, payload: &Value) -> Vec<(String, Value)> {
        let on = format!("$aws/things/pi-1/shadow/name/tidings/{part}");
        shadows
            .serve(&on, payload.to_string().as_bytes(), 7)
            .into_iter()
            .map(|answer| {
                let end = answer.topic.rsplit('/').next().unwrap().to_owned();
                (end, serde_json::from_slice(&answer.payload).unwrap())
            })
            .collect()
    }

    #[test]
    fn a_shadow_is_made_by_an_update_merged_and_told_with_its_delta() {
        let mut shadows = Shadows::default();
        let missing = said(&mut shadows, "get", &json!({}));
        assert_eq!((missing[0].0.as_str(), &missing[0].1["code"]), ("rejected", &json!(404)));
        let wish = json!({"state": {"desired": {"a": 1, "b": {"c": 2}}}});
        let ends = |answers: &[(String, Value)]| -> Vec<String> {
            answers.iter().map(|(end, _)| end.clone()).collect()
        };
        let answers = said(&mut shadows, "update", &wish);
        assert_eq!(ends(&answers), ["accepted", "delta"]);
        let report = json!({"state": {"reported": {"a": 1, "b": {"c": 3}}}});
        let answers = said(&mut shadows, "update", &report);
        assert_eq!(answers[1].1["state"], json!({"b": {"c": 2}}));
        let done = json!({"state": {"desired": {"b": null}}});
        assert_eq!(ends(&said(&mut shadows, "update", &done)), ["accepted"]);
        let whole = said(&mut shadows, "get", &json!({}));
        assert_eq!(
            whole[0].1["state"],
            json!({"desired": {"a": 1}, "reported": {"a": 1, "b": {"c": 3}}})
        );
        assert_eq!(whole[0].1["version"], json!(3));
    }

    #[test]
    fn what_cannot_be_done_is_rejected_with_its_code() {
        let mut shadows = Shadows::default();
        for (update, code) in [
            (json!("text"), 400),
            (json!({}), 400),
            (json!({"state": {}, "version": 9}), 409),
            (json!({"state": {"desired": {"x": "y".repeat(9000)}}}), 413),
        ] {
            let answers = said(&mut shadows, "update", &update);
            assert_eq!((answers[0].0.as_str(), &answers[0].1["code"]), ("rejected", &json!(code)));
        }
    }

    #[test]
    fn topics_of_shadows_are_told_from_others() {
        let parsed = topic("$aws/things/pi-1/shadow/name/tidings/update/delta");
        assert_eq!(parsed, Some(("pi-1", "tidings", "update/delta")));
        assert_eq!(topic("$aws/things/pi-1/shadow/update"), None);
        assert_eq!(topic("$aws/things/a/b/shadow/name/x/get"), None);
    }
}
