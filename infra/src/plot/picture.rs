//! A rectangle of characters, each with what it is for; colours are whoever shows it.

/// What a character is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ink {
    /// Nothing stands there.
    #[default]
    Blank,
    /// A title.
    Title,
    /// Axes and labels.
    Dim,
    /// The curve.
    Line,
    /// From least to greatest.
    Around,
    /// A fault.
    Fault,
}

impl Ink {
    /// Parameters of the terminal's "select graphic rendition". The 16 colours that everyone can
    /// choose for themselves, and no others.
    const fn code(self) -> Option<&'static str> {
        match self {
            Self::Blank => None,
            Self::Title => Some("1"),
            Self::Dim => Some("2"),
            Self::Line => Some("36"),
            Self::Around => Some("2;36"),
            Self::Fault => Some("31"),
        }
    }
}

/// A character and what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// The character, one column wide.
    pub character: char,
    /// What it is for.
    pub ink: Ink,
}

const BLANK: Cell = Cell { character: ' ', ink: Ink::Blank };

/// A rectangle of cells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Picture {
    width: usize,
    cells: Vec<Cell>,
}

impl Picture {
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self { width, cells: vec![BLANK; width * height] }
    }

    /// Its columns.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.width
    }

    /// Its rows, from the top.
    pub fn rows(&self) -> impl Iterator<Item = &[Cell]> {
        self.cells.chunks(self.width.max(1))
    }

    /// What is outside of it is not drawn.
    pub(super) fn set(&mut self, column: usize, row: usize, character: char, ink: Ink) {
        let place = row * self.width + column;
        if let Some(cell) = self.cells.get_mut(place).filter(|_| column < self.width) {
            *cell = Cell { character, ink };
        }
    }

    pub(super) fn text(&mut self, column: usize, row: usize, text: &str, ink: Ink) {
        for (number, character) in text.chars().enumerate() {
            self.set(column + number, row, character, ink);
        }
    }

    /// As lines, with the terminal's colours or without.
    #[must_use]
    pub fn lines(&self, colour: bool) -> Vec<String> {
        self.rows().map(|row| line(row, colour)).collect()
    }
}

fn line(row: &[Cell], colour: bool) -> String {
    let mut text = String::with_capacity(row.len() * 3);
    let mut now = None;
    let end = row.iter().rposition(|cell| cell.character != ' ').map_or(0, |last| last + 1);
    for cell in row.iter().take(end) {
        let code = cell.ink.code().filter(|_| colour);
        // A blank looks the same in any ink.
        if code != now && cell.character != ' ' {
            if now.is_some() {
                text.push_str("\x1b[0m");
            }
            if let Some(code) = code {
                text.push_str("\x1b[");
                text.push_str(code);
                text.push('m');
            }
            now = code;
        }
        text.push(cell.character);
    }
    if now.is_some() {
        text.push_str("\x1b[0m");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_switched_where_they_change_and_off_at_the_end() {
        let mut picture = Picture::new(8, 2);
        picture.text(0, 0, "ab c", Ink::Dim);
        picture.text(5, 0, "x", Ink::Fault);
        picture.set(9, 0, '!', Ink::Fault);
        picture.set(0, 5, '!', Ink::Fault);
        assert_eq!(picture.lines(false), ["ab c x", ""]);
        assert_eq!(picture.lines(true), ["\x1b[2mab c \x1b[0m\x1b[31mx\x1b[0m", ""]);
    }
}
