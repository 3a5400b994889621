//! A message on `sensors/<thing>/commands`. Pure.

use serde::Deserialize;
use serde_json::{Value, json};

/// What a device can be told to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    /// Ask every sensor now.
    ReadNow,
    /// Send what waits for a message to fill.
    Flush,
    /// Say how it goes.
    Ping,
}

/// A message, as far as it could be read.
#[derive(Debug, PartialEq)]
pub(super) struct Request {
    /// What the sender calls it; comes back with the answer.
    pub(super) id: Value,
    /// What it asks for, or why that is not known.
    pub(super) command: Result<Command, String>,
}

const LONGEST_ID: usize = 256;

/// Reads `{"command":"ping","id":"7"}`, or the bare word.
pub(super) fn parse(payload: &[u8]) -> Request {
    #[derive(Deserialize)]
    struct OnWire {
        command: String,
        #[serde(default)]
        id: Value,
    }
    let text = String::from_utf8_lossy(payload);
    let on_wire = serde_json::from_str(&text)
        .unwrap_or_else(|_| OnWire { command: text.trim().to_owned(), id: Value::Null });
    let short = on_wire.id.to_string().len() <= LONGEST_ID;
    let command = match on_wire.command.as_str() {
        "read-now" => Ok(Command::ReadNow),
        "flush" => Ok(Command::Flush),
        "ping" => Ok(Command::Ping),
        other => {
            let found: String = other.chars().take(64).collect();
            Err(format!("expected read-now, flush or ping, but found {found:?}"))
        }
    };
    Request { id: if short { on_wire.id } else { Value::Null }, command }
}

/// The answer to a request.
pub(super) fn answer(request: &Request, result: &Value) -> Vec<u8> {
    let mut answer = match &request.command {
        Ok(command) => json!({"command": command.name(), "ok": true, "result": result}),
        Err(error) => json!({"ok": false, "error": error}),
    };
    if !request.id.is_null() {
        answer["id"] = request.id.clone();
    }
    answer.to_string().into_bytes()
}

impl Command {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::ReadNow => "read-now",
            Self::Flush => "flush",
            Self::Ping => "ping",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_words_or_objects_and_anything_else_is_answered_with_what_was_expected() {
        assert_eq!(parse(b" ping\n").command, Ok(Command::Ping));
        let request = parse(br#"{"command":"flush","id":7}"#);
        assert_eq!(request, Request { id: json!(7), command: Ok(Command::Flush) });
        let said = String::from_utf8(answer(&request, &json!({"waiting": 0}))).unwrap();
        assert_eq!(said, r#"{"command":"flush","id":7,"ok":true,"result":{"waiting":0}}"#);
        for bad in [&b"reboot"[..], b"", b"\xff", b"[1]", br#"{"command":"x","id":"1"}"#] {
            let request = parse(bad);
            let error = request.command.clone().unwrap_err();
            assert!(error.contains("expected read-now, flush or ping"), "{error}");
            assert!(String::from_utf8(answer(&request, &Value::Null)).unwrap().contains("false"));
        }
    }
}
