//! What is on the screen and what a key does with it. Pure: an event in, and whether to go on out.

use std::collections::BTreeMap;

use tidings_schema::{DeviceId, SensorId};

use super::table::Column;
use crate::dynamo::Series;
use crate::fleet::{Fleet, FleetDevice};

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
    Enter,
    Escape,
    Backspace,
    Character(char),
    /// Ctrl-C.
    Interrupt,
}

/// Something that happened.
#[derive(Debug)]
pub(super) enum Event {
    Key(Key),
    /// The fleet was read, or why it could not be.
    Fleet(Result<Fleet, String>),
    /// The last hour of a device's sensors was read.
    Charts(DeviceId, Result<Charts, String>),
}

/// Sensors over the last hour.
pub(super) type Charts = BTreeMap<SensorId, Series>;

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    GoOn,
    Quit,
}

/// Lines that a page key goes.
const PAGE: usize = 10;

/// The device that is looked into.
#[derive(Debug)]
pub(super) struct Detail {
    pub(super) device: DeviceId,
    /// The sensor that is chosen, by its place.
    pub(super) sensor: usize,
    pub(super) charts: Option<Charts>,
}

/// What is on the screen.
#[derive(Debug)]
pub(super) struct Screen {
    pub(super) fleet: Option<Fleet>,
    /// Why the last look failed.
    pub(super) trouble: Option<String>,
    /// The device that is chosen, wherever it stands.
    chosen: Option<DeviceId>,
    pub(super) sort: Column,
    pub(super) filter: String,
    /// Whether keys go into the filter.
    pub(super) is_typing: bool,
    pub(super) help: bool,
    pub(super) detail: Option<Detail>,
}

impl Screen {
    pub(super) const fn new() -> Self {
        Self {
            fleet: None,
            trouble: None,
            chosen: None,
            sort: Column::State,
            filter: String::new(),
            is_typing: false,
            help: false,
            detail: None,
        }
    }

    /// Takes up what happened.
    pub(super) fn on(&mut self, event: Event) -> Then {
        match event {
            Event::Key(key) => return self.key(key),
            Event::Fleet(Ok(fleet)) => {
                self.fleet = Some(fleet);
                self.trouble = None;
                self.keep_sensor();
            }
            Event::Fleet(Err(trouble)) => self.trouble = Some(trouble),
            Event::Charts(device, read) => match (read, &mut self.detail) {
                (Ok(charts), Some(detail)) if detail.device == device => {
                    detail.charts = Some(charts);
                }
                // Of one that is left again.
                (Ok(_), _) => {}
                (Err(trouble), _) => self.trouble = Some(trouble),
            },
        }
        Then::GoOn
    }

    /// The device whose last hour is to be read.
    pub(super) fn wanted(&self) -> Option<DeviceId> {
        self.detail.as_ref().map(|detail| detail.device.clone())
    }

    /// The devices that the filter lets through, in order.
    pub(super) fn devices(&self) -> Vec<&FleetDevice> {
        let all = self.fleet.as_ref().map_or(&[][..], |fleet| &fleet.devices);
        let filter = self.filter.to_lowercase();
        let mut devices: Vec<&FleetDevice> =
            all.iter().filter(|device| matches(device, &filter)).collect();
        devices.sort_by(|one, other| self.sort.order(one, other));
        devices
    }

    /// The place of the chosen device among those.
    pub(super) fn place(&self, devices: &[&FleetDevice]) -> usize {
        let chosen = self.chosen.as_ref();
        let place = devices.iter().position(|device| Some(&device.device) == chosen);
        place.unwrap_or(0)
    }

    /// The device that is looked into, and its sensors, as they are now.
    pub(super) fn detailed(&self) -> Option<(&Detail, &FleetDevice)> {
        let detail = self.detail.as_ref()?;
        let devices = &self.fleet.as_ref()?.devices;
        Some((detail, devices.iter().find(|one| one.device == detail.device)?))
    }

    fn key(&mut self, key: Key) -> Then {
        match key {
            Key::Interrupt => return Then::Quit,
            // Any key leads back from the help.
            _ if self.help => self.help = false,
            _ if self.is_typing => self.typed(key),
            Key::Character('?') => self.help = true,
            Key::Left | Key::Character('h') => self.detail = None,
            Key::Character('q') if self.detail.take().is_none() => return Then::Quit,
            Key::Escape => return self.escape(),
            Key::Up | Key::Character('k') => self.go(|place, _| place.saturating_sub(1)),
            Key::Down | Key::Character('j') => self.go(|place, _| place + 1),
            Key::PageUp => self.go(|place, _| place.saturating_sub(PAGE)),
            Key::PageDown => self.go(|place, _| place + PAGE),
            Key::Home | Key::Character('g') => self.go(|_, _| 0),
            Key::End | Key::Character('G') => self.go(|_, count| count),
            Key::Enter | Key::Right | Key::Character('l') => self.enter(),
            Key::Character('s') if self.detail.is_none() => self.sort = self.sort.next(),
            Key::Character('/') if self.detail.is_none() => self.is_typing = true,
            Key::Character(_) | Key::Backspace => {}
        }
        Then::GoOn
    }

    fn typed(&mut self, key: Key) {
        match key {
            Key::Character(character) => self.filter.push(character),
            Key::Backspace => drop(self.filter.pop()),
            Key::Enter => self.is_typing = false,
            Key::Escape => {
                self.filter.clear();
                self.is_typing = false;
            }
            Key::Up => self.go(|place, _| place.saturating_sub(1)),
            Key::Down => self.go(|place, _| place + 1),
            Key::Left
            | Key::Right
            | Key::PageUp
            | Key::PageDown
            | Key::Home
            | Key::End
            | Key::Interrupt => {}
        }
    }

    /// Out of the device, out of the filter, out of the program.
    fn escape(&mut self) -> Then {
        if self.detail.take().is_some() {
            return Then::GoOn;
        }
        if self.filter.is_empty() {
            return Then::Quit;
        }
        self.filter.clear();
        Then::GoOn
    }

    /// Moves what is chosen, given its place and the last one.
    fn go(&mut self, to: impl Fn(usize, usize) -> usize) {
        if let Some((detail, device)) = self.detailed() {
            let last = device.sensors.len().saturating_sub(1);
            let sensor = to(detail.sensor, last).min(last);
            if let Some(detail) = &mut self.detail {
                detail.sensor = sensor;
            }
            return;
        }
        let devices = self.devices();
        let last = devices.len().saturating_sub(1);
        let place = to(self.place(&devices), last).min(last);
        self.chosen = devices.get(place).map(|device| device.device.clone());
    }

    fn enter(&mut self) {
        if self.detail.is_some() {
            return;
        }
        let devices = self.devices();
        let chosen = devices.get(self.place(&devices)).map(|device| device.device.clone());
        if let Some(device) = chosen {
            self.chosen = Some(device.clone());
            self.detail = Some(Detail { device, sensor: 0, charts: None });
        }
    }

    /// A sensor that is gone is not chosen any more, nor is a device.
    fn keep_sensor(&mut self) {
        let last = self.detailed().map(|(_, device)| device.sensors.len().saturating_sub(1));
        match (last, &mut self.detail) {
            (Some(last), Some(detail)) => detail.sensor = detail.sensor.min(last),
            (None, detail) => *detail = None,
            (Some(_), None) => {}
        }
    }
}

/// Whether any of what an operator would look for has this text, in small letters.
fn matches(device: &FleetDevice, filter: &str) -> bool {
    let has = |text: &str| text.to_lowercase().contains(filter);
    has(device.device.as_str())
        || has(device.state.name())
        || device.site.as_deref().is_some_and(has)
        || device.labels.iter().any(|(name, value)| has(name) || has(value))
        || device.sensors.iter().any(|sensor| has(sensor.sensor.as_str()))
}

#[cfg(test)]
mod tests;
