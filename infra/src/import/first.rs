//! What the beginning of a file says of the rest: the encoding, and the mark between cells. Pure.

use super::header;

/// The marks between cells that are known, the first of which is the usual one.
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

/// What text in another encoding than UTF-8 may be, and what to do.
pub(super) fn encoding(bytes: &[u8]) -> String {
    let is_utf16 =
        bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) || bytes.contains(&0);
    let found = if is_utf16 { "UTF-16" } else { "Latin-1, Windows-1252 or the like" };
    format!("expected text in UTF-8, but found {found}: save the file as \"CSV UTF-8\"")
}

/// The first line as text.
///
/// # Errors
/// With its encoding.
pub(super) fn text(line: &[u8]) -> Result<&str, String> {
    let is_text = |text: &&str| !text.contains('\0');
    std::str::from_utf8(line).ok().filter(is_text).ok_or_else(|| encoding(line))
}

/// The mark between cells: the one by which a column says when, or else the one that stands there most.
/// Others may stand in a heading.
pub(super) fn delimiter(first: &str) -> u8 {
    let with_time = DELIMITERS.into_iter().find(|mark| header::says_when(&headings(first, *mark)));
    let most = || DELIMITERS.into_iter().rev().max_by_key(|mark| headings(first, *mark).len());
    with_time.or_else(most).unwrap_or(b',')
}

fn headings(first: &str, mark: u8) -> Vec<String> {
    let mut reader =
        csv::ReaderBuilder::new().delimiter(mark).has_headers(false).from_reader(first.as_bytes());
    let record = reader.records().next().and_then(Result::ok).unwrap_or_default();
    record.iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_between_cells_is_told_by_the_first_line() {
        for (line, mark) in [
            ("time,a;b", b','),
            ("time;temp", b';'),
            ("time\ttemp", b'\t'),
            ("time", b','),
            ("time;temp;note, more", b';'),
            ("temp;\"a, b\";Timestamp", b';'),
            ("\"note; more\",date", b','),
            ("when;temp;a, b", b';'),
            ("a,b;c", b','),
        ] {
            assert_eq!(delimiter(line), mark, "{line}");
        }
    }

    #[test]
    fn another_encoding_is_named() {
        let utf16: Vec<u8> = "\u{feff}time".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (line, name) in [
            (utf16.as_slice(), "UTF-16"),
            (b"t\0i\0m\0e\0,\0".as_slice(), "UTF-16"),
            (b"time,Temp (\xb0C)".as_slice(), "Latin-1"),
        ] {
            let error = text(line).unwrap_err();
            assert!(error.contains(name) && error.contains("CSV UTF-8"), "{error}");
        }
        assert_eq!(text("time,Temp (°C)".as_bytes()), Ok("time,Temp (°C)"));
    }
}
