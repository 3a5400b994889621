//! Draws one device: what is known of it, its sensors, and the last hour of the chosen one. Pure.

use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use tidings_ingest::rollup::quantity_and_unit;

use super::HOUR_MS;
use super::draw::{Pen, clock, columns, first, put, put_right};
use super::screen::{Detail, Screen};
use super::table::width;
use super::words::{UNKNOWN, count, lag, span, values, why};
use crate::dynamo::{Line, Series};
use crate::fleet::{ClockState, FleetDevice, FleetSensor};
use crate::plot::{self, Chart, Curve, Ink};

/// The least span of a chart, in milliseconds (two minutes).
const LEAST_MS: i64 = 2 * 60 * 1000;

/// Columns of the small line beside each sensor.
const SPARK: usize = 20;

/// The least rows and columns of a chart.
const CHART: (u16, u16) = (7, 44);

/// Draws it.
pub(super) fn draw(
    detail: &Detail,
    device: &FleetDevice,
    screen: &Screen,
    pen: Pen<'_>,
    area: Rect,
    buffer: &mut Buffer,
) {
    let mut column = put(buffer, area, (0, 0), device.device.as_str(), pen.of(Ink::Title));
    column = put(buffer, area, (column + 2, 0), device.state.name(), pen.state(device.state));
    let labels = device.labels.iter().map(|(name, value)| format!("{name}={value}"));
    let said: Vec<String> = device.site.iter().cloned().chain(labels).collect();
    column = put(buffer, area, (column + 2, 0), &said.join("  "), Style::new());
    if let Some(fleet) = &screen.fleet {
        put_right(buffer, area, (column + 1, 0), &clock(fleet, pen), pen.of(Ink::Dim));
    }
    let mut row = 1;
    facts(device, pen, (area, row), buffer);
    row += 1;
    let why = why(device);
    if !why.is_empty() {
        put(buffer, area, (0, row), &why, pen.state(device.state));
        row += 1;
    }
    row += 1;
    let room = area.height.saturating_sub(row);
    // Sensors have up to half of what is left, and charts the rest.
    let list = columns(device.sensors.len()).min((room / 2).max(3)).min(room);
    let at = Rect { y: area.y + row, height: list, ..area };
    sensors(detail, device, screen, pen, at, buffer);
    row += list + 1;
    let rest =
        Rect { y: area.y + row.min(area.height), height: area.height.saturating_sub(row), ..area };
    charts(detail, device, screen, pen, rest, buffer);
}

fn facts(device: &FleetDevice, pen: Pen<'_>, (area, row): (Rect, u16), buffer: &mut Buffer) {
    let unknown = || UNKNOWN.to_owned();
    let clock = match device.clock {
        Some(ClockState::Set) => "set",
        Some(ClockState::Unset) => "not set",
        None => UNKNOWN,
    };
    let mut column = 0;
    for (name, value) in [
        ("seen", device.age_ms.map_or_else(unknown, span)),
        ("lag", device.lag_ms.map_or_else(unknown, lag)),
        ("waiting", count(device.waiting)),
        ("lost", count(device.lost)),
        ("faults", count(device.faults_hour)),
        ("refused", device.quarantined_hour.to_string()),
        ("clock", clock.to_owned()),
        ("agent", device.agent_version.clone().unwrap_or_else(unknown)),
    ] {
        column = put(buffer, area, (column, row), name, pen.of(Ink::Dim));
        column = put(buffer, area, (column + 1, row), &value, Style::new()) + 3;
    }
}

fn sensors(
    detail: &Detail,
    device: &FleetDevice,
    screen: &Screen,
    pen: Pen<'_>,
    area: Rect,
    buffer: &mut Buffer,
) {
    let name = device.sensors.iter().map(|one| width(one.sensor.as_str())).max().unwrap_or(0);
    let seen = device.sensors.iter().map(|one| width(&span(one.age_ms))).max().unwrap_or(0);
    let rows = usize::from(area.height);
    let start = first(detail.sensor, rows);
    for (place, sensor) in device.sensors.iter().enumerate().skip(start).take(rows) {
        let row = columns(place - start);
        put(buffer, area, (0, row), sensor.sensor.as_str(), Style::new());
        let age = span(sensor.age_ms);
        let column = columns(name + 2 + seen - width(&age));
        put(buffer, area, (column, row), &age, pen.of(Ink::Dim));
        let mut column = columns(name + 2 + seen + 2);
        if usize::from(area.width) >= 80 {
            put(buffer, area, (column, row), &spark(detail, sensor, screen), pen.of(Ink::Line));
            column += columns(SPARK + 2);
        }
        let style = if sensor.fault.is_some() { pen.of(Ink::Fault) } else { Style::new() };
        put(buffer, area, (column, row), &values(sensor), style);
        if place == detail.sensor {
            buffer.set_style(Rect { y: area.y + row, height: 1, ..area }, Pen::chosen());
        }
    }
}

/// The first quantity of a sensor over the last hour.
fn spark(detail: &Detail, sensor: &FleetSensor, screen: &Screen) -> String {
    let series = detail.charts.as_ref().and_then(|charts| charts.get(&sensor.sensor));
    let line = series.and_then(|series| Some((series, series.lines.values().next()?)));
    line.map_or_else(String::new, |(series, line)| {
        plot::spark(&curve(series, line), span_of(series, screen), SPARK)
    })
}

/// The hour before the tables were read, or less of it where there is less.
fn span_of(series: &Series, screen: &Screen) -> (i64, i64) {
    let now = screen.fleet.as_ref().map_or(0, |fleet| fleet.at.get());
    let first = series.at.first().copied().unwrap_or(now).min(now - LEAST_MS);
    (first.max(now - HOUR_MS), now)
}

fn curve<'a>(series: &'a Series, line: &'a Line) -> Curve<'a> {
    Curve {
        at: &series.at,
        step_ms: series.step_ms,
        min: &line.min,
        mean: &line.mean,
        max: &line.max,
    }
}

fn charts(
    detail: &Detail,
    device: &FleetDevice,
    screen: &Screen,
    pen: Pen<'_>,
    area: Rect,
    buffer: &mut Buffer,
) {
    let Some(sensor) = device.sensors.get(detail.sensor) else { return };
    let Some(all) = &detail.charts else {
        put(buffer, area, (0, 0), "reading the last hour …", pen.of(Ink::Dim));
        return;
    };
    let Some(series) = all.get(&sensor.sensor).filter(|series| !series.at.is_empty()) else {
        put(buffer, area, (0, 0), "nothing in the last hour", pen.of(Ink::Dim));
        return;
    };
    let faults: Vec<(i64, u64)> =
        series.faults.iter().map(|fault| (fault.at, fault.times)).collect();
    let count = columns(series.lines.len()).max(1);
    // Side by side where there is room, and as high as they can be.
    let beside = (area.width / CHART.1).clamp(1, 2).min(count);
    let under = count.div_ceil(beside).min((area.height / CHART.0).max(1));
    let (wide, high) = (area.width / beside, area.height / under);
    for (place, (name, line)) in (0..beside * under).zip(&series.lines) {
        let chart = Chart {
            title: quantity_and_unit(name).0,
            unit: line.unit.as_deref(),
            curve: curve(series, line),
            span: span_of(series, screen),
            faults: &faults,
            zone: pen.zone,
        };
        let gap = if beside > 1 { 2 } else { 0 };
        let picture = plot::draw(&chart, usize::from(wide - gap), usize::from(high.min(16)));
        let from = (place % beside * wide, place / beside * high);
        for (row, cells) in (from.1..).zip(picture.rows()) {
            for (column, cell) in (from.0..).zip(cells) {
                if cell.ink != Ink::Blank {
                    let mut text = [0; 4];
                    let text = cell.character.encode_utf8(&mut text);
                    put(buffer, area, (column, row), text, pen.of(cell.ink));
                }
            }
        }
    }
    let more = usize::from(count.saturating_sub(beside * under));
    if more > 0 && area.height > 0 {
        let quantities = if more == 1 { "quantity" } else { "quantities" };
        let text = format!("{more} more {quantities}: a larger terminal shows them");
        put_right(buffer, area, (0, area.height - 1), &text, pen.of(Ink::Dim));
    }
}

/// The time zone of this machine.
pub(super) fn zone() -> TimeZone {
    TimeZone::system()
}
