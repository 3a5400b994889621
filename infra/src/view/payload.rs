//! What was refused, so that a person can read it: JSON laid out, text as it is, all else in hex. Pure.

use serde::Serialize;

/// Characters of a payload that a page shows: more than any message of the agent's has, which AWS meters
/// as one up to 5 KiB, and little beside the 128 KiB that a message may have.
const MAX_SHOWN: usize = 16_384;

/// Bytes on a line of hex.
const LINE: usize = 16;

/// A payload to be read.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Shown {
    /// `json`, `text` or `hex`.
    pub(super) form: &'static str,
    pub(super) text: String,
    /// Bytes of the payload in all.
    pub(super) bytes: usize,
    /// Whether there is more of it than `text`.
    pub(super) cut: bool,
}

/// Makes a payload readable.
pub(super) fn shown(payload: &[u8]) -> Shown {
    let bytes = payload.len();
    if let Some(pretty) = json(payload) {
        let (text, cut) = cut(&pretty);
        return Shown { form: "json", text, bytes, cut };
    }
    if let Ok(text) = std::str::from_utf8(payload)
        && text.chars().all(|c| !c.is_control() || c.is_whitespace())
    {
        let (text, cut) = cut(text);
        return Shown { form: "text", text, bytes, cut };
    }
    // A line has 76 characters and its end.
    let lines = payload.chunks(LINE).take(MAX_SHOWN / 77);
    let text: Vec<String> =
        lines.enumerate().map(|(number, line)| hex(number * LINE, line)).collect();
    Shown { form: "hex", cut: text.len() * LINE < bytes, text: text.join("\n"), bytes }
}

/// Laid out with a line for each row of values, as a message of ours has them, and not for each number.
fn json(payload: &[u8]) -> Option<String> {
    let json: serde_json::Value = serde_json::from_slice(payload).ok()?;
    let mut out = String::new();
    lay_out(&json, 0, &mut out);
    Some(out)
}

/// Characters up to which a value stands on one line.
const WIDTH: usize = 72;

fn lay_out(json: &serde_json::Value, depth: usize, out: &mut String) {
    use serde_json::Value;
    let flat = json.to_string();
    let room = WIDTH.saturating_sub(2 * depth);
    let indent = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    };
    match json {
        Value::Array(list) if flat.chars().count() > room => {
            out.push('[');
            for (index, value) in list.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                indent(out, depth + 1);
                lay_out(value, depth + 1, out);
            }
            indent(out, depth);
            out.push(']');
        }
        Value::Object(map) if flat.chars().count() > room => {
            out.push('{');
            for (index, (name, value)) in map.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                indent(out, depth + 1);
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push_str(": ");
                lay_out(value, depth + 1, out);
            }
            indent(out, depth);
            out.push('}');
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => out.push_str(&flat),
    }
}

fn cut(text: &str) -> (String, bool) {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => (text.get(..end).unwrap_or_default().to_owned(), true),
        None => (text.to_owned(), false),
    }
}

/// `00000010  7b 22 76 …  {"v…`
fn hex(offset: usize, line: &[u8]) -> String {
    let mut digits: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.resize(LINE, "  ".to_owned());
    let plain = |byte: &u8| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' };
    let text: String = line.iter().map(plain).collect();
    format!("{offset:08x}  {}  {text}", digits.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_laid_out_and_short_values_stay_on_a_line() {
        let rows: Vec<String> = (0..9).map(|row| format!("[{row},{row},21.5]")).collect();
        let message = format!(
            r#"{{"v":1,"series":[{{"fields":[["temperature","Cel"]],"rows":[{}]}}]}}"#,
            rows.join(",")
        );
        let shown = shown(message.as_bytes());
        assert_eq!((shown.form, shown.bytes, shown.cut), ("json", message.len(), false));
        assert!(shown.text.contains("\n        [8,8,21.5]"), "{}", shown.text);
        let back: serde_json::Value = serde_json::from_str(&shown.text).unwrap();
        assert_eq!(back, serde_json::from_str::<serde_json::Value>(&message).unwrap());
    }

    #[test]
    fn text_is_text_and_the_rest_is_hex() {
        assert_eq!(shown("temp=21,5 °C\n".as_bytes()).form, "text");
        let binary = shown(b"\xff\x00{\"v\":1}0123456789");
        assert_eq!(binary.form, "hex");
        assert_eq!(
            binary.text,
            "00000000  ff 00 7b 22 76 22 3a 31 7d 30 31 32 33 34 35 36  ..{\"v\":1}0123456\n00000010  37 38 39                                         789"
        );
        assert_eq!(shown(b""), Shown { form: "text", text: String::new(), bytes: 0, cut: false });
    }

    #[test]
    fn what_is_long_is_cut_and_said_to_be() {
        for payload in [
            vec![b'a'; 20_000],
            vec![0; 20_000],
            format!("\"{}\"", "é".repeat(20_000)).into_bytes(),
        ] {
            let shown = shown(&payload);
            assert!(shown.cut && shown.text.chars().count() <= MAX_SHOWN, "{}", shown.form);
        }
    }
}
