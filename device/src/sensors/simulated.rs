//! Made-up values that look like real ones: a slow walk within a plausible band. The same seed
//! gives the same values.

use tidings_schema::measurement::Measurements;
use tidings_schema::{Fault, Quantity};

use super::{Sensor, measurement};

pub(super) struct Simulated {
    random: fastrand::Rng,
    walks: Vec<Walk>,
    fault_rate: f64,
}

struct Walk {
    quantity: Quantity,
    low: f64,
    high: f64,
    value: f64,
}

/// Where a value of a room or a greenhouse would be; elsewhere the middle of what is plausible.
fn band(quantity: &Quantity) -> (f64, f64) {
    match quantity.as_str() {
        "temperature" | "dew_point" => (12.0, 32.0),
        "humidity" => (35.0, 85.0),
        "pressure" => (990.0, 1030.0),
        "illuminance" => (0.0, 40_000.0),
        "co2" => (400.0, 1500.0),
        "pm1" | "pm2_5" | "pm10" => (1.0, 40.0),
        "voltage" => (3.2, 4.2),
        "current" => (0.0, 0.5),
        "cpu_temperature" => (35.0, 65.0),
        _ => quantity.known().map_or((0.0, 1.0), |known| {
            let width = known.max - known.min;
            (known.min + width * 0.25, known.max - width * 0.25)
        }),
    }
}

impl Simulated {
    pub(super) fn new(seed: u64, quantities: Vec<Quantity>, fault_rate: f64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let walks = quantities
            .into_iter()
            .map(|quantity| {
                let (low, high) = band(&quantity);
                Walk { quantity, low, high, value: low + (high - low) * random.f64() }
            })
            .collect();
        Self { random, walks, fault_rate }
    }
}

impl Sensor for Simulated {
    fn read(&mut self) -> Result<Measurements, Fault> {
        let faulty = self.random.f64() < self.fault_rate;
        let mut values = Vec::with_capacity(self.walks.len());
        for walk in &mut self.walks {
            if walk.quantity.as_str() == "state" {
                // A door: it changes once in ten readings.
                let flip = self.random.f64() < 0.1;
                walk.value = if flip { 1.0 - walk.value.round() } else { walk.value.round() };
            } else {
                let step = (walk.high - walk.low) * 0.01 * (self.random.f64() * 2.0 - 1.0);
                walk.value = (walk.value + step).clamp(walk.low, walk.high);
            }
            values.extend(measurement(walk.quantity.as_str(), walk.value));
        }
        if faulty {
            return Err(Fault::ALL[self.random.usize(..Fault::ALL.len())]);
        }
        Measurements::new(values).map_err(|_| Fault::OutOfRange)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(seed: u64, count: usize, fault_rate: f64) -> Vec<Result<Measurements, Fault>> {
        let known = Quantity::all_known().iter();
        let quantities = known.map(|known| Quantity::try_from(known.name).unwrap()).collect();
        let mut sensor = Simulated::new(seed, quantities, fault_rate);
        (0..count).map(|_| sensor.read()).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_values_and_another_seed_others() {
        assert_eq!(read(7, 50, 0.3), read(7, 50, 0.3));
        assert_ne!(read(7, 50, 0.3), read(8, 50, 0.3));
    }

    #[test]
    fn values_are_plausible_and_faults_come_at_about_their_rate() {
        let readings = read(1, 1000, 0.2);
        let faults = readings.iter().filter(|one| one.is_err()).count();
        assert!((100..300).contains(&faults), "{faults}");
        for one in readings.iter().flatten().flat_map(Measurements::as_slice) {
            let known = one.quantity.known().unwrap();
            assert!(known.contains(one.value.get()), "{one:?}");
        }
    }
}
