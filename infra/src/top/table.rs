//! The columns of the fleet, how they are sorted, and the table as plain text.

use std::cmp::Ordering;

use ratatui::text::Span;

use super::words::{UNKNOWN, count, lag, span, why};
use crate::fleet::{Fleet, FleetDevice};

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    State,
    Device,
    Site,
    Seen,
    Lag,
    Waiting,
    Lost,
    Faults,
    Refused,
    Sensors,
    Version,
    Why,
}

impl Column {
    pub(super) const ALL: [Self; 12] = [
        Self::State,
        Self::Device,
        Self::Site,
        Self::Seen,
        Self::Lag,
        Self::Waiting,
        Self::Lost,
        Self::Faults,
        Self::Refused,
        Self::Sensors,
        Self::Version,
        Self::Why,
    ];

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Device => "device",
            Self::Site => "site",
            Self::Seen => "seen",
            Self::Lag => "lag",
            Self::Waiting => "waiting",
            Self::Lost => "lost",
            Self::Faults => "faults",
            Self::Refused => "refused",
            Self::Sensors => "sensors",
            Self::Version => "agent",
            Self::Why => "why",
        }
    }

    /// Whether it holds numbers, which stand to the right.
    pub(super) const fn is_right(self) -> bool {
        match self {
            Self::State | Self::Device | Self::Site | Self::Version | Self::Why => false,
            Self::Seen
            | Self::Lag
            | Self::Waiting
            | Self::Lost
            | Self::Faults
            | Self::Refused
            | Self::Sensors => true,
        }
    }

    /// How early it goes where the terminal is too narrow; 0 stays.
    const fn dispensable(self) -> u8 {
        match self {
            Self::State | Self::Device | Self::Seen | Self::Why => 0,
            Self::Waiting => 1,
            Self::Site => 2,
            Self::Faults => 3,
            Self::Refused => 4,
            Self::Lag => 5,
            Self::Lost => 6,
            Self::Sensors => 7,
            Self::Version => 8,
        }
    }

    pub(super) fn cell(self, device: &FleetDevice) -> String {
        let unknown = || UNKNOWN.to_owned();
        match self {
            Self::State => device.state.name().to_owned(),
            Self::Device => device.device.to_string(),
            Self::Site => device.site.clone().unwrap_or_default(),
            Self::Seen => device.age_ms.map_or_else(unknown, span),
            Self::Lag => device.lag_ms.map_or_else(unknown, lag),
            Self::Waiting => count(device.waiting),
            Self::Lost => count(device.lost),
            Self::Faults => count(device.faults_hour),
            Self::Refused => device.quarantined_hour.to_string(),
            Self::Sensors => device.sensors.len().to_string(),
            Self::Version => device.agent_version.clone().unwrap_or_else(unknown),
            Self::Why => why(device),
        }
    }

    /// The order by this column: what deserves a look comes first, and what is not known last.
    pub(super) fn order(self, one: &FleetDevice, other: &FleetDevice) -> Ordering {
        // `None` is less than anything, and so last.
        let most = |of: fn(&FleetDevice) -> Option<i64>| of(other).cmp(&of(one));
        let number = |count: Option<u64>| count.and_then(|count| i64::try_from(count).ok());
        let most_of = |one: Option<u64>, other: Option<u64>| number(other).cmp(&number(one));
        let text = |one: Option<&String>, other: Option<&String>| {
            one.is_none().cmp(&other.is_none()).then(one.cmp(&other))
        };
        let by = match self {
            Self::State | Self::Why => one.state.cmp(&other.state),
            Self::Device => Ordering::Equal,
            Self::Site => text(one.site.as_ref(), other.site.as_ref()),
            Self::Seen => most(|device| device.age_ms),
            Self::Lag => most(|device| device.lag_ms),
            Self::Waiting => most_of(one.waiting, other.waiting),
            Self::Lost => most_of(one.lost, other.lost),
            Self::Faults => most_of(one.faults_hour, other.faults_hour),
            Self::Refused => other.quarantined_hour.cmp(&one.quarantined_hour),
            Self::Sensors => other.sensors.len().cmp(&one.sensors.len()),
            Self::Version => text(one.agent_version.as_ref(), other.agent_version.as_ref()),
        };
        by.then_with(|| one.device.cmp(&other.device))
    }

    /// The one after it, to sort by; what is sorted as another is passed over.
    pub(super) fn next(self) -> Self {
        let sorted: Vec<Self> = Self::ALL.into_iter().filter(|one| *one != Self::Why).collect();
        let place = sorted.iter().position(|one| *one == self).map_or(0, |place| place + 1);
        sorted.get(place).copied().unwrap_or(Self::State)
    }
}

/// Blanks between two columns.
pub(super) const BETWEEN: usize = 2;

/// Columns that a text takes.
pub(super) fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// A text in so many columns, with `…` where it is longer.
pub(super) fn cut(text: String, columns: usize) -> String {
    if width(&text) <= columns {
        return text;
    }
    let mut cut = String::new();
    for character in text.chars() {
        if width(&cut) + width(character.encode_utf8(&mut [0; 4])) >= columns {
            break;
        }
        cut.push(character);
    }
    cut.push('…');
    cut
}

/// The columns that fit, and how wide each is; the last takes what is left.
pub(super) fn fit(devices: &[&FleetDevice], most: usize) -> Vec<(Column, usize)> {
    // One long name takes no column of all the others.
    let most_of = |column: Column| match column {
        _ if most == usize::MAX => usize::MAX,
        Column::Device => 32,
        Column::Site => 20,
        _ => usize::MAX,
    };
    let wide = |column: Column| {
        let cells = devices.iter().map(|device| width(&column.cell(device)));
        cells.chain([width(column.title())]).max().unwrap_or(0).min(most_of(column))
    };
    let mut columns: Vec<(Column, usize)> =
        Column::ALL.into_iter().map(|column| (column, wide(column))).collect();
    // A column of which nothing is known says nothing.
    columns.retain(|(column, _)| {
        column.dispensable() == 0
            || devices.iter().any(|device| ![UNKNOWN, ""].contains(&column.cell(device).as_str()))
    });
    // Why it is so has the rest, and needs no more than that to be of use.
    const REST: usize = 16;
    let taken = |columns: &[(Column, usize)]| -> usize {
        let needs = columns.iter().map(|(column, wide)| match column {
            Column::Why => REST.min(*wide),
            _ => *wide,
        });
        needs.map(|wide| wide + BETWEEN).sum::<usize>().saturating_sub(BETWEEN)
    };
    while taken(&columns) > most {
        let first = columns.iter().map(|(column, _)| column.dispensable()).max().unwrap_or(0);
        if first == 0 {
            break;
        }
        columns.retain(|(column, _)| column.dispensable() != first);
    }
    columns
}

/// The table as lines of text, of any width.
pub(super) fn plain(fleet: &Fleet) -> String {
    if fleet.devices.is_empty() {
        return "no devices\n".to_owned();
    }
    let devices: Vec<&FleetDevice> = fleet.devices.iter().collect();
    let columns = fit(&devices, usize::MAX);
    let line = |cell: &dyn Fn(Column) -> String| {
        let mut line = String::new();
        for (column, wide) in &columns {
            let text = cell(*column);
            let blank = " ".repeat(wide.saturating_sub(width(&text)));
            let (before, after) =
                if column.is_right() { (blank, String::new()) } else { (String::new(), blank) };
            line.push_str(&before);
            line.push_str(&text);
            line.push_str(&after);
            line.push_str(&" ".repeat(BETWEEN));
        }
        line.truncate(line.trim_end().len());
        line.push('\n');
        line
    };
    let mut text = line(&|column| column.title().to_owned());
    for device in &fleet.devices {
        text.push_str(&line(&|column| column.cell(device)));
    }
    if fleet.quarantine_capped {
        text.push_str("more was refused than is counted here\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_by_columns() {
        assert_eq!(cut("pi-1".to_owned(), 4), "pi-1");
        assert_eq!(cut("pi-12".to_owned(), 4), "pi-…");
        assert_eq!(cut("温室の一".to_owned(), 5), "温室…");
        assert_eq!(cut("x".repeat(120), 32).chars().count(), 32);
    }
}
