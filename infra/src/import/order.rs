//! Which time is meant where a clock was put back and showed it twice: the rows before tell. Pure.

use std::collections::HashMap;

use tidings_schema::{DeviceId, SensorId, UnixMillis};

use crate::export::zone::Shown;

/// The rows of a file so far, sensor by sensor: the readings of one come in order of time, or of time
/// backwards, while those of several may stand among one another.
#[derive(Debug, Default)]
pub(super) struct Order {
    devices: HashMap<DeviceId, HashMap<SensorId, Before>>,
}

/// What the rows of a sensor before tell.
#[derive(Debug)]
struct Before {
    last: i64,
    /// From the row before the last.
    step: i64,
    /// Whether the newest come first, once two times are known.
    is_backwards: Option<bool>,
    /// Whether several rows have one time.
    repeats: bool,
}

impl Order {
    /// When the next reading of a sensor was taken; `None` where either time is possible.
    pub(super) fn place(
        &mut self,
        device: &DeviceId,
        sensor: &SensorId,
        shown: Shown,
    ) -> Option<UnixMillis> {
        let sensors = match self.devices.get_mut(device) {
            Some(sensors) => sensors,
            None => self.devices.entry(device.clone()).or_default(),
        };
        let Some(before) = sensors.get_mut(sensor) else {
            // Nothing stands before it: the first is as good as the other.
            let (Shown::Once(at) | Shown::Twice(at, _)) = shown;
            let last = at.get();
            let before = Before { last, step: 0, is_backwards: None, repeats: false };
            sensors.insert(sensor.clone(), before);
            return Some(at);
        };
        let at = match shown {
            Shown::Once(at) => {
                before.repeats |= at.get() == before.last;
                at
            }
            Shown::Twice(earlier, later) => before.choose(earlier, later)?,
        };
        before.step = at.get() - before.last;
        before.last = at.get();
        if before.step != 0 {
            before.is_backwards = Some(before.step < 0);
        }
        Some(at)
    }
}

impl Before {
    /// The time that goes on from the row before without going back.
    fn choose(&self, earlier: UnixMillis, later: UnixMillis) -> Option<UnixMillis> {
        let is_backwards = self.is_backwards.unwrap_or(later.get() < self.last);
        let (first, second, sign) =
            if is_backwards { (later, earlier, -1) } else { (earlier, later, 1) };
        let ahead = |at: UnixMillis| (at.get() - self.last) * sign;
        if ahead(first) > 0 {
            return Some(first);
        }
        if ahead(first) < 0 {
            return (ahead(second) >= 0).then_some(second);
        }
        // It is the time of the row before, or that much later: whichever is the step of this table.
        let is_a_step = self.step.abs() == later.get() - earlier.get();
        match (self.repeats, is_a_step) {
            (true, false) => Some(first),
            (false, true) => Some(second),
            (true, true) | (false, false) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::export::zone::Zone;

    use super::*;

    /// The offsets of times in Berlin on the day when the clocks were put back; `?` for none.
    fn offsets(times: &[&str]) -> Vec<String> {
        let berlin: Zone = "Europe/Berlin".parse().unwrap();
        let (device, sensor) = ("pi-1".try_into().unwrap(), "s".try_into().unwrap());
        let mut order = Order::default();
        times
            .iter()
            .map(|time| {
                let civil = format!("2026-10-25 {time}").parse().unwrap();
                let at = order.place(&device, &sensor, berlin.read(civil).unwrap());
                at.map_or("?".to_owned(), |at| {
                    let written = berlin.write(at);
                    assert!(written.contains(time), "{written}");
                    written.rsplit_once('+').unwrap().1.to_owned()
                })
            })
            .collect()
    }

    #[test]
    fn the_hour_that_a_clock_showed_twice_is_two_hours() {
        let (summer, winter) = ("02:00", "01:00");
        let times = ["01:30", "02:00", "02:30", "02:00", "02:30", "03:00"];
        let expected = [summer, summer, summer, winter, winter, winter];
        assert_eq!(offsets(&times), expected);
        let backwards: Vec<&str> = times.iter().rev().copied().collect();
        assert_eq!(offsets(&backwards), [winter, winter, winter, summer, summer, summer]);
        // A logger of whole hours, either way.
        let times = ["00:00", "01:00", "02:00", "02:00", "03:00"];
        assert_eq!(offsets(&times), [summer, summer, summer, winter, winter]);
        let backwards: Vec<&str> = times.iter().rev().copied().collect();
        assert_eq!(offsets(&backwards), [winter, winter, summer, summer, summer]);
        // Two rows for each time.
        let times = ["01:30", "01:30", "02:00", "02:00", "02:30", "02:30", "02:00", "02:00"];
        let expected = [summer, summer, summer, summer, summer, summer, winter, winter];
        assert_eq!(offsets(&times), expected);
        // One alone, or the first of all.
        assert_eq!(offsets(&["02:30", "03:30"]), [summer, winter]);
    }

    #[test]
    fn what_the_order_cannot_tell_is_not_guessed() {
        // Not an hour apart, and one time twice.
        assert_eq!(offsets(&["01:45", "02:30", "02:30"])[2], "?");
        // Before all that stands above it.
        assert_eq!(offsets(&["01:00", "04:00", "05:00", "02:30"])[3], "?");
        // Each whole hour twice.
        assert_eq!(offsets(&["01:00", "01:00", "02:00", "02:00"])[3], "?");
    }
}
