//! Draws the screen into a buffer of cells. Pure.

use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use super::screen::Screen;
use super::table::{BETWEEN, Column, cut, fit, width};
use super::{detail, words};
use crate::fleet::{Fleet, FleetDevice, State};
use crate::plot::Ink;

/// What is drawn with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pen<'a> {
    /// Whether in colours.
    pub(super) colour: bool,
    /// Where times are those of.
    pub(super) zone: &'a TimeZone,
}

impl Pen<'_> {
    pub(super) fn of(&self, ink: Ink) -> Style {
        let style = Style::new();
        match ink {
            Ink::Blank => style,
            Ink::Title => style.add_modifier(Modifier::BOLD),
            Ink::Dim => style.add_modifier(Modifier::DIM),
            Ink::Line => self.coloured(Color::Cyan),
            Ink::Around => self.coloured(Color::Cyan).add_modifier(Modifier::DIM),
            Ink::Fault => self.coloured(Color::Red),
        }
    }

    fn coloured(&self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    /// How a device's state looks.
    pub(super) fn state(&self, state: State) -> Style {
        match state {
            State::Alert => self.coloured(Color::Red).add_modifier(Modifier::BOLD),
            State::Silent => self.coloured(Color::Magenta),
            State::Trouble => self.coloured(Color::Yellow),
            State::Well => self.coloured(Color::Green),
        }
    }

    pub(super) const fn chosen() -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }
}

/// Writes a text from there on, up to the right edge of an area; gives the column after it.
pub(super) fn put(
    buffer: &mut Buffer,
    area: Rect,
    (column, row): (u16, u16),
    text: &str,
    style: Style,
) -> u16 {
    if row >= area.height || column >= area.width {
        return column;
    }
    let room = usize::from(area.width - column);
    let (end, _) = buffer.set_stringn(area.x + column, area.y + row, text, room, style);
    end - area.x
}

/// Writes a text that ends at the right edge, where there is room from a column on.
pub(super) fn put_right(
    buffer: &mut Buffer,
    area: Rect,
    (from, row): (u16, u16),
    text: &str,
    style: Style,
) {
    let wide = columns(width(text));
    if let Some(column) = area.width.checked_sub(wide).filter(|column| *column > from) {
        put(buffer, area, (column, row), text, style);
    }
}

pub(super) fn columns(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

/// Draws everything.
pub(super) fn draw(screen: &Screen, pen: Pen<'_>, area: Rect, buffer: &mut Buffer) {
    if area.width < 20 || area.height < 4 {
        put(buffer, area, (0, 0), "too small", Style::new());
        return;
    }
    let body = Rect { y: area.y + 1, height: area.height - 2, ..area };
    let foot = Rect { y: area.bottom() - 1, height: 1, ..area };
    if screen.help {
        put(buffer, area, (0, 0), "tidings top", pen.of(Ink::Title));
        help(pen, body, buffer);
        put(buffer, foot, (0, 0), "any key leads back", pen.of(Ink::Dim));
        return;
    }
    if let Some((detail, device)) = screen.detailed() {
        detail::draw(
            detail,
            device,
            screen,
            pen,
            Rect { y: area.y, height: area.height - 1, ..area },
            buffer,
        );
    } else {
        match &screen.fleet {
            Some(fleet) => {
                head(fleet, pen, area, buffer);
                table(screen, pen, body, buffer);
            }
            None => {
                put(buffer, area, (0, 0), "tidings top", pen.of(Ink::Title));
                put(buffer, body, (0, 1), "reading the tables …", pen.of(Ink::Dim));
            }
        }
    }
    footer(screen, pen, foot, buffer);
}

fn head(fleet: &Fleet, pen: Pen<'_>, area: Rect, buffer: &mut Buffer) {
    let count = fleet.devices.len();
    let mut column = put(buffer, area, (0, 0), "tidings top", pen.of(Ink::Title));
    let devices = if count == 1 { "device" } else { "devices" };
    column = put(buffer, area, (column + 3, 0), &format!("{count} {devices}"), Style::new());
    for state in [State::Alert, State::Silent, State::Trouble, State::Well] {
        let some = fleet.devices.iter().filter(|device| device.state == state).count();
        if some > 0 {
            let text = format!("{some} {}", state.name());
            column = put(buffer, area, (column + 2, 0), &text, pen.state(state));
        }
    }
    if fleet.quarantined_hour > 0 {
        let most = if fleet.quarantine_capped { "more than " } else { "" };
        let text = format!("{most}{} refused in the last hour", fleet.quarantined_hour);
        column = put(buffer, area, (column + 3, 0), &text, pen.of(Ink::Fault));
    }
    put_right(buffer, area, (column + 1, 0), &clock(fleet, pen), pen.of(Ink::Dim));
}

/// When the tables were read.
pub(super) fn clock(fleet: &Fleet, pen: Pen<'_>) -> String {
    crate::plot::clock(pen.zone, fleet.at.get())
}

fn table(screen: &Screen, pen: Pen<'_>, area: Rect, buffer: &mut Buffer) {
    let devices = screen.devices();
    if devices.is_empty() {
        let none = if screen.filter.is_empty() {
            "no device was heard yet"
        } else {
            "no device is like that"
        };
        put(buffer, area, (0, 1), none, pen.of(Ink::Dim));
        return;
    }
    let fitting = fit(&devices, usize::from(area.width));
    let mut from = 0;
    for (column, wide) in &fitting {
        let wide = columns(*wide);
        let title = column.title();
        let sorted = *column == screen.sort;
        let style =
            if sorted { Style::new().add_modifier(Modifier::UNDERLINED) } else { pen.of(Ink::Dim) };
        let blank = if column.is_right() { wide.saturating_sub(columns(width(title))) } else { 0 };
        put(buffer, area, (from + blank, 0), title, style);
        from += wide + columns(BETWEEN);
    }
    let place = screen.place(&devices);
    let rows = usize::from(area.height.saturating_sub(1));
    for (row, device) in devices.iter().enumerate().skip(first(place, rows)).take(rows) {
        let line = columns(row - first(place, rows)) + 1;
        device_row(device, &fitting, pen, line, area, buffer);
        if row == place {
            let line = Rect { y: area.y + line, height: 1, ..area };
            buffer.set_style(line, Pen::chosen());
        }
    }
}

/// The first of a list that is shown, so that a place in it is on the screen.
pub(super) const fn first(place: usize, rows: usize) -> usize {
    if place < rows { 0 } else { place + 1 - rows }
}

fn device_row(
    device: &FleetDevice,
    fitting: &[(Column, usize)],
    pen: Pen<'_>,
    row: u16,
    area: Rect,
    buffer: &mut Buffer,
) {
    let mut from = 0;
    for (column, wide) in fitting {
        let text = match column {
            Column::Device | Column::Site => cut(column.cell(device), *wide),
            _ => column.cell(device),
        };
        let style = match column {
            Column::State => pen.state(device.state),
            Column::Device => Style::new(),
            Column::Why => pen.state(device.state).remove_modifier(Modifier::BOLD),
            Column::Site
            | Column::Seen
            | Column::Lag
            | Column::Waiting
            | Column::Lost
            | Column::Faults
            | Column::Refused
            | Column::Sensors
            | Column::Version => {
                let nothing = text == words::UNKNOWN || text == "0";
                if nothing { pen.of(Ink::Dim) } else { Style::new() }
            }
        };
        let wide = columns(*wide);
        let blank = if column.is_right() { wide.saturating_sub(columns(width(&text))) } else { 0 };
        put(buffer, area, (from + blank, row), &text, style);
        from += wide + columns(BETWEEN);
    }
}

fn footer(screen: &Screen, pen: Pen<'_>, area: Rect, buffer: &mut Buffer) {
    if let Some(trouble) = &screen.trouble {
        // One line of it says what it is.
        let trouble = trouble.lines().next().unwrap_or_default();
        put(buffer, area, (0, 0), trouble, pen.of(Ink::Fault));
        return;
    }
    if screen.is_typing || !screen.filter.is_empty() && screen.detail.is_none() {
        let end = put(buffer, area, (0, 0), &format!("/{}", screen.filter), Style::new());
        if screen.is_typing {
            put(buffer, area, (end, 0), "▏", pen.of(Ink::Dim));
        } else {
            put(buffer, area, (end + 3, 0), "Esc shows all", pen.of(Ink::Dim));
        }
        return;
    }
    let keys = if screen.detail.is_some() {
        "↑↓ sensor   ← back   ? help   q back"
    } else {
        "↑↓ choose   Enter look into   s sort   / filter   ? help   q quit"
    };
    put(buffer, area, (0, 0), keys, pen.of(Ink::Dim));
}

fn help(pen: Pen<'_>, area: Rect, buffer: &mut Buffer) {
    const KEYS: [(&str, &str); 9] = [
        ("↑ ↓  k j", "choose a device, or a sensor"),
        ("PgUp PgDn  g G", "by pages; first and last"),
        ("Enter → l", "look into the device: its sensors and their last hour"),
        ("← h", "back to the fleet"),
        ("s", "sort by the next column, which is underlined"),
        ("/", "show what has a text in its name, site, labels, sensors or state"),
        ("Esc", "back; show all; quit"),
        ("q", "back; quit"),
        ("?", "this"),
    ];
    const WORDS: [(&str, &str); 8] = [
        ("seen", "how long ago the rule saw a reading, to the minute"),
        ("lag", "from the newest reading to when the rule saw it"),
        ("waiting", "readings in the device's queue"),
        ("lost", "readings that its queue has lost since it was made"),
        ("faults", "readings of the last hour that are faults"),
        ("refused", "what of it went to quarantine in the last hour"),
        ("silent", "no reading for longer than its profile allows (silence, 15m)"),
        ("–", "not known"),
    ];
    for (row, (key, what)) in (1..).zip(KEYS.into_iter().chain([("", "")]).chain(WORDS)) {
        put(buffer, area, (2, row), key, pen.of(Ink::Title));
        put(buffer, area, (19, row), what, Style::new());
    }
}
