//! Two by four dots in a character (Unicode, "Braille Patterns").

/// The bits of a character's dots, by row and column.
const BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

/// Dots on a rectangle of characters. `y` counts from the bottom.
#[derive(Debug)]
pub(super) struct Dots {
    columns: usize,
    rows: usize,
    cells: Vec<u8>,
}

/// The character of some dots; `None` for none.
pub(super) fn character(dots: u8) -> Option<char> {
    char::from_u32(0x2800 + u32::from(dots)).filter(|_| dots != 0)
}

impl Dots {
    pub(super) fn new(columns: usize, rows: usize) -> Self {
        Self { columns, rows, cells: vec![0; columns * rows] }
    }

    /// Dots from left to right.
    pub(super) const fn width(&self) -> usize {
        self.columns * 2
    }

    /// Dots from the bottom to the top.
    pub(super) const fn height(&self) -> usize {
        self.rows * 4
    }

    /// The dots of a character; the first row is the topmost.
    pub(super) fn cell(&self, column: usize, row: usize) -> u8 {
        self.cells.get(row * self.columns + column).copied().unwrap_or(0)
    }

    pub(super) fn set(&mut self, x: usize, y: usize) {
        let (width, height) = (self.width(), self.height());
        if x < width && y < height {
            let from_top = height - 1 - y;
            self.cells[from_top / 4 * self.columns + x / 2] |= BITS[from_top % 4][x % 2];
        }
    }

    /// A line between two dots, both included.
    pub(super) fn line(&mut self, from: (usize, usize), to: (usize, usize)) {
        let steps = from.0.abs_diff(to.0).max(from.1.abs_diff(to.1)).max(1);
        for step in 0..=steps {
            self.set(between(from.0, to.0, step, steps), between(from.1, to.1, step, steps));
        }
    }

    /// Every second dot of a column, so that a line within it can be seen.
    pub(super) fn fill(&mut self, x: usize, low: usize, high: usize) {
        for y in low..=high {
            if (x + y).is_multiple_of(2) {
                self.set(x, y);
            }
        }
    }
}

/// The whole number that is nearest to so many of so many steps from one to another.
const fn between(from: usize, to: usize, step: usize, steps: usize) -> usize {
    (from * (steps - step) + to * step + steps / 2) / steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(dots: &Dots) -> Vec<String> {
        let cell = |row: usize, column| character(dots.cell(column, row)).unwrap_or(' ');
        (0..dots.rows).map(|row| (0..dots.columns).map(|at| cell(row, at)).collect()).collect()
    }

    #[test]
    fn a_line_goes_from_corner_to_corner() {
        let mut dots = Dots::new(2, 1);
        dots.line((0, 0), (3, 3));
        assert_eq!(shown(&dots), ["⡠⠊"]);
        let mut dots = Dots::new(1, 2);
        dots.line((1, 7), (1, 0));
        assert_eq!(shown(&dots), ["⢸", "⢸"]);
        dots.set(2, 0);
        dots.set(0, 8);
        assert_eq!(shown(&dots), ["⢸", "⢸"], "outside is not drawn");
    }

    #[test]
    fn what_is_filled_is_half_of_it() {
        let mut dots = Dots::new(1, 1);
        dots.fill(0, 0, 3);
        dots.fill(1, 0, 3);
        assert_eq!(dots.cell(0, 0).count_ones(), 4);
    }
}
