use jiff::tz::TimeZone;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Modifier;
use serde_json::json;
use tidings_schema::{Clock, UnixMillis};

use super::super::draw::{Pen, draw};
use super::*;
use crate::dynamo::{FaultAt, Heard, Latest, Line};
use crate::fleet::{Alert, Known, gather};

const NOW: i64 = 1_795_456_000_000;
const MINUTE: i64 = 60_000;

fn device(name: &str) -> DeviceId {
    DeviceId::try_from(name).unwrap()
}

fn heard(name: &str, sensor: &str, ago_ms: i64, values: &[(&str, f64)]) -> Heard {
    Heard {
        device: device(name),
        sensor: SensorId::try_from(sensor).unwrap(),
        last_seen: UnixMillis::new(NOW - ago_ms).unwrap(),
        principal: None,
        latest: Some(Latest {
            at: UnixMillis::new(NOW - ago_ms - 1500).unwrap(),
            values: values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
            units: BTreeMap::new(),
            fault: None,
            clock: Clock::Set,
        }),
    }
}

fn fleet() -> Fleet {
    let alert = Alert {
        name: "frost".to_owned(),
        since: UnixMillis::new(NOW).unwrap(),
        value: Some(1.5),
        limit: Some(2.0),
        text: "temperature below 2 °C".to_owned(),
    };
    gather(
        UnixMillis::new(NOW).unwrap(),
        &Known {
            heard: vec![
                heard("a-well", "bme280", 5000, &[("temperature", 21.5), ("humidity", 40.0)]),
                heard("a-well", "agent", 60_000, &[("waiting", 7.0), ("agent_version", 1000.0)]),
                heard("b-silent", "bme280", 2 * 3_600_000, &[("temperature", 3.0)]),
                heard("c-cold", "bme280", 5000, &[("temperature", 1.5)]),
            ],
            said: [(
                device("a-well"),
                json!({"site": "greenhouse 3", "labels": {"crop": "tomato"}}),
            )]
            .into(),
            alerts: vec![(device("c-cold"), alert)],
            ..Known::default()
        },
    )
}

/// A screen that has a fleet.
fn screen() -> Screen {
    let mut screen = Screen::new();
    assert_eq!(screen.on(Event::Fleet(Ok(fleet()))), Then::GoOn);
    screen
}

fn press(screen: &mut Screen, keys: &[Key]) -> Then {
    keys.iter().fold(Then::GoOn, |_, key| screen.on(Event::Key(*key)))
}

fn type_in(screen: &mut Screen, text: &str) {
    for character in text.chars() {
        press(screen, &[Key::Character(character)]);
    }
}

fn names(screen: &Screen) -> Vec<&str> {
    screen.devices().iter().map(|device| device.device.as_str()).collect()
}

/// The screen as lines of text, and the line that is chosen.
fn drawn(screen: &Screen, width: u16, height: u16) -> (Vec<String>, Option<usize>) {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let pen = Pen { colour: true, zone: &TimeZone::UTC };
    terminal.draw(|frame| draw(screen, pen, frame.area(), frame.buffer_mut())).unwrap();
    let buffer = terminal.backend().buffer();
    let rows: Vec<_> = buffer.content().chunks(usize::from(width)).collect();
    let line = |row: &&[ratatui::buffer::Cell]| {
        let text: String = row.iter().map(|cell| cell.symbol()).collect();
        text.trim_end().to_owned()
    };
    let chosen = rows
        .iter()
        .position(|row| row.iter().all(|cell| cell.modifier.contains(Modifier::REVERSED)));
    (rows.iter().map(line).collect(), chosen)
}

#[test]
fn the_fleet_is_a_table_with_what_needs_a_look_on_top() {
    let (lines, chosen) = drawn(&screen(), 110, 10);
    assert_eq!(
        lines,
        [
            "tidings top   3 devices  1 alert  1 silent  1 well                                                17:46:40 UTC",
            "state   device    site          seen    lag  waiting  lost  refused  sensors  agent  why",
            "alert   c-cold                   5 s  1.5 s        –     –        0        1  –      temperature below 2 °C",
            "silent  b-silent                 2 h  1.5 s        –     –        0        1  –      silent for 2 h",
            "well    a-well    greenhouse 3   5 s  1.5 s        7     0        0        2  0.1.0",
            "",
            "",
            "",
            "",
            "↑↓ choose   Enter look into   s sort   / filter   ? help   q quit",
        ]
    );
    assert_eq!(chosen, Some(2));
}

#[test]
fn what_is_too_wide_goes_and_why_stays() {
    for width in [40, 60, 80, 100, 110, 200] {
        let (lines, _) = drawn(&screen(), width, 8);
        let head = &lines[1];
        assert!(head.contains("device") && head.contains("why"), "{head}");
        assert_eq!(head.contains("agent"), width >= 110, "{width}: {head}");
        assert_eq!(head.contains("waiting"), width >= 60, "{width}: {head}");
        assert!(lines[2].contains("temperature belo"), "{}", lines[2]);
    }
    assert_eq!(drawn(&screen(), 19, 8).0[0], "too small");
    assert_eq!(drawn(&Screen::new(), 40, 8).0[2], "reading the tables …");
}

#[test]
fn what_is_chosen_stays_chosen_when_the_order_changes() {
    let mut screen = screen();
    press(&mut screen, &[Key::Down, Key::Character('j')]);
    assert_eq!(drawn(&screen, 80, 10).1, Some(4), "a-well is the last");
    press(&mut screen, &[Key::Character('s')]);
    assert_eq!(names(&screen), ["a-well", "b-silent", "c-cold"]);
    assert_eq!(drawn(&screen, 80, 10).1, Some(2), "and now the first");
    press(&mut screen, &[Key::Up, Key::PageUp]);
    assert_eq!(drawn(&screen, 80, 10).1, Some(2));
    press(&mut screen, &[Key::End]);
    assert_eq!(drawn(&screen, 80, 10).1, Some(4));
    press(&mut screen, &[Key::Down, Key::Character('k'), Key::Home]);
    assert_eq!(drawn(&screen, 80, 10).1, Some(2));
    // With three rows of room, what is chosen is always among them.
    press(&mut screen, &[Key::End]);
    assert_eq!(drawn(&screen, 80, 5).1, Some(3));
}

#[test]
fn every_column_can_be_sorted_by_and_what_is_not_known_is_last() {
    let mut screen = screen();
    let mut seen = vec![screen.sort];
    loop {
        press(&mut screen, &[Key::Character('s')]);
        if screen.sort == Column::State {
            break;
        }
        seen.push(screen.sort);
        if [Column::Site, Column::Waiting, Column::Version].contains(&screen.sort) {
            assert_eq!(names(&screen)[0], "a-well", "{:?}", screen.sort);
        }
        if screen.sort == Column::Seen {
            assert_eq!(names(&screen)[0], "b-silent");
        }
    }
    assert_eq!(seen.len(), Column::ALL.len() - 1);
}

#[test]
fn a_filter_looks_at_names_sites_labels_sensors_and_states() {
    for (text, expected) in [
        ("COLD", vec!["c-cold"]),
        ("greenhouse", vec!["a-well"]),
        ("tomato", vec!["a-well"]),
        ("silent", vec!["b-silent"]),
        ("bme", vec!["c-cold", "b-silent", "a-well"]),
        ("nowhere", vec![]),
    ] {
        let mut screen = screen();
        press(&mut screen, &[Key::Character('/')]);
        type_in(&mut screen, text);
        assert_eq!(names(&screen), expected, "{text}");
        let (lines, _) = drawn(&screen, 60, 8);
        assert!(lines[7].starts_with(&format!("/{text}")), "{}", lines[7]);
        press(&mut screen, &[Key::Enter]);
        assert_eq!(names(&screen), expected, "{text}");
        assert_eq!(press(&mut screen, &[Key::Escape]), Then::GoOn, "shows all");
        assert_eq!(names(&screen).len(), 3);
        assert_eq!(press(&mut screen, &[Key::Escape]), Then::Quit);
    }
    let mut screen = screen();
    // While it is typed, keys are letters.
    press(&mut screen, &[Key::Character('/')]);
    type_in(&mut screen, "qs?");
    assert_eq!((screen.filter.as_str(), screen.help), ("qs?", false));
    press(&mut screen, &[Key::Backspace, Key::Backspace, Key::Backspace, Key::Backspace]);
    assert_eq!(screen.filter, "");
    assert_eq!(press(&mut screen, &[Key::Interrupt]), Then::Quit);
}

#[test]
fn help_is_over_everything_and_any_key_leads_back() {
    let mut screen = screen();
    press(&mut screen, &[Key::Character('?')]);
    let (lines, _) = drawn(&screen, 90, 24);
    assert!(lines.iter().any(|line| line.contains("look into the device")), "{lines:?}");
    assert_eq!(press(&mut screen, &[Key::Character('q')]), Then::GoOn);
    assert!(!screen.help);
    assert_eq!(press(&mut screen, &[Key::Character('q')]), Then::Quit);
}

/// An hour of a sensor, a value each minute.
fn hour() -> Charts {
    let at: Vec<i64> = (0..60).map(|minute| NOW - (59 - minute) * MINUTE).collect();
    let values: Vec<Option<f64>> = (0..60).map(|minute| Some(f64::from(minute) / 10.0)).collect();
    let line = Line {
        unit: Some("Cel".to_owned()),
        min: values.clone(),
        mean: values.clone(),
        max: values,
        count: vec![1; 60],
    };
    let faults = vec![FaultAt { at: NOW - 30 * MINUTE, fault: "timeout".to_owned(), times: 1 }];
    let lines = [("temperature".to_owned(), line)].into();
    let series = Series { at, lines, faults, readings: 60, ..Series::default() };
    [(SensorId::try_from("bme280").unwrap(), series)].into()
}

#[test]
fn a_device_has_its_sensors_and_the_last_hour_of_the_chosen_one() {
    let mut screen = screen();
    assert_eq!(screen.wanted(), None);
    press(&mut screen, &[Key::End, Key::Enter]);
    assert_eq!(screen.wanted(), Some(device("a-well")));
    let (lines, chosen) = drawn(&screen, 90, 20);
    assert!(lines[0].starts_with("a-well  well  greenhouse 3  crop=tomato"), "{}", lines[0]);
    assert!(lines[1].contains("waiting 7") && lines[1].contains("agent 0.1.0"), "{}", lines[1]);
    assert!(lines[1].contains("lost 0") && lines[1].contains("faults –"), "{}", lines[1]);
    assert!(lines.iter().any(|line| line.contains("reading the last hour")), "{lines:?}");
    assert_eq!(chosen, Some(3), "the agent's own");

    screen.on(Event::Charts(device("b-silent"), Ok(hour())));
    assert!(screen.detail.as_ref().unwrap().charts.is_none(), "of another device");
    screen.on(Event::Charts(device("a-well"), Ok(hour())));
    press(&mut screen, &[Key::Down, Key::Down]);
    let (lines, chosen) = drawn(&screen, 90, 20);
    assert_eq!(chosen, Some(4));
    assert!(lines[4].contains("temperature 21.5 °C") && lines[4].contains('⠤'), "{}", lines[4]);
    let title = lines.iter().find(|line| line.contains("× 1 fault")).unwrap();
    assert!(title.starts_with("temperature °C"), "{title}");
    assert!(lines.iter().any(|line| line.contains("17:00") && line.contains("17:30")), "{lines:?}");

    for back in [Key::Left, Key::Escape, Key::Character('q'), Key::Character('h')] {
        assert_eq!(press(&mut screen, &[back]), Then::GoOn);
        assert!(screen.detail.is_none());
        press(&mut screen, &[Key::Right]);
        assert_eq!(screen.wanted(), Some(device("a-well")), "it is still chosen");
    }
}

#[test]
fn a_device_or_a_sensor_that_is_gone_is_left() {
    let mut screen = screen();
    press(&mut screen, &[Key::End, Key::Enter, Key::End]);
    assert_eq!(screen.detail.as_ref().unwrap().sensor, 1);
    let mut fewer = fleet();
    fewer.devices[2].sensors.pop();
    screen.on(Event::Fleet(Ok(fewer)));
    assert_eq!(screen.detail.as_ref().unwrap().sensor, 0);
    let mut without = fleet();
    without.devices.pop();
    screen.on(Event::Fleet(Ok(without)));
    assert!(screen.detail.is_none());
    drawn(&screen, 90, 20);
}

#[test]
fn a_look_that_fails_is_said_and_the_last_one_stays() {
    let mut screen = screen();
    screen.on(Event::Fleet(Err("the query failed: no route\nto host".to_owned())));
    let (lines, _) = drawn(&screen, 80, 8);
    assert_eq!(lines[7], "the query failed: no route");
    assert!(lines[2].contains("c-cold"));
    screen.on(Event::Fleet(Ok(fleet())));
    assert!(drawn(&screen, 80, 8).0[7].contains("q quit"));
}

#[test]
fn any_size_can_be_drawn() {
    let mut screen = screen();
    for (width, height) in [(1, 1), (20, 4), (33, 7), (80, 5), (300, 90)] {
        drawn(&screen, width, height);
        press(&mut screen, &[Key::End, Key::Enter]);
        screen.on(Event::Charts(device("a-well"), Ok(hour())));
        drawn(&screen, width, height);
        press(&mut screen, &[Key::Character('?')]);
        drawn(&screen, width, height);
        press(&mut screen, &[Key::Enter, Key::Escape]);
    }
}

#[test]
fn as_plain_text_it_is_the_same_table() {
    let text = super::super::table::plain(&fleet());
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4);
    assert!(lines[1].starts_with("alert "), "{text}");
    assert!(lines[3].contains("greenhouse 3"), "{text}");
    let nobody = gather(UnixMillis::new(NOW).unwrap(), &Known::default());
    assert_eq!(super::super::table::plain(&nobody), "no devices\n");
}
