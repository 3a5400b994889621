//! Which mark parts the decimals of a file's numbers: one for all of them. Pure.

/// The first numbers with a comma and with a point, and their lines.
#[derive(Debug, Default)]
pub(super) struct Decimals {
    comma: Option<(u64, String)>,
    point: Option<(u64, String)>,
}

impl Decimals {
    /// Looks at a cell of a quantity.
    ///
    /// # Errors
    /// When the file has numbers with commas and numbers with points: `1,013` is then a thousand, or a
    /// little more than one, and nobody can say.
    pub(super) fn see(&mut self, line: u64, cell: &str) -> Result<(), String> {
        let is_number = |byte: u8| byte.is_ascii_digit() || b"+-.,eE".contains(&byte);
        let (comma, point) = (cell.contains(','), cell.contains('.'));
        // One with both is refused by itself.
        if comma == point || !cell.bytes().all(is_number) {
            return Ok(());
        }
        let seen = if comma { &mut self.comma } else { &mut self.point };
        seen.get_or_insert_with(|| (line, cell.chars().take(64).collect()));
        match (&self.comma, &self.point) {
            (Some((with_comma, comma)), Some((with_point, point))) => Err(format!(
                "found {comma:?} in line {with_comma} and {point:?} in line {with_point}, so nobody can say whether the comma parts thousands or decimals: write all numbers with one mark"
            )),
            (None, _) | (_, None) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_one_mark_for_its_decimals() {
        let see = |cells: &[&str]| {
            let mut decimals = Decimals::default();
            cells.iter().enumerate().try_for_each(|(at, cell)| decimals.see(at as u64 + 2, cell))
        };
        assert_eq!(see(&["21,5", "", "20", "-1,5e3", "n.a.", "1.021,5"]), Ok(()));
        assert_eq!(see(&["950.5", "1e-7", "n/a, none"]), Ok(()));
        for cells in [["1,013", "20", "950.5"], ["950.5", "20", "1,013"]] {
            let error = see(&cells).unwrap_err();
            assert!(error.contains("\"1,013\" in line") && error.contains("line 4"), "{error}");
        }
    }
}
