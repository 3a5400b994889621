use super::*;

const FROM: i64 = 1_795_456_080_000; // 2026-11-23T17:48:00Z
const MINUTE: i64 = 60_000;

/// A value each minute; some of them missing.
struct Minutes {
    at: Vec<i64>,
    mean: Vec<Option<f64>>,
    min: Vec<Option<f64>>,
    max: Vec<Option<f64>>,
}

impl Minutes {
    fn new(values: impl IntoIterator<Item = Option<f64>>, around: f64) -> Self {
        let mean: Vec<Option<f64>> = values.into_iter().collect();
        let by = |by: f64| mean.iter().map(|mean| mean.map(|mean| mean + by)).collect();
        Self {
            at: (FROM..).step_by(60_000).take(mean.len()).collect(),
            min: by(-around),
            max: by(around),
            mean,
        }
    }

    fn curve(&self) -> Curve<'_> {
        Curve { at: &self.at, step_ms: 0, min: &self.min, mean: &self.mean, max: &self.max }
    }
}

fn utc() -> &'static TimeZone {
    static UTC: TimeZone = TimeZone::UTC;
    &UTC
}

fn chart<'a>(curve: Curve<'a>, minutes: i64, faults: &'a [(i64, u64)]) -> Chart<'a> {
    Chart {
        title: "bme280 temperature",
        unit: Some("Cel"),
        curve,
        span: (FROM, FROM + minutes * MINUTE),
        faults,
        zone: utc(),
    }
}

fn lines(chart: &Chart<'_>, width: usize, height: usize) -> Vec<String> {
    draw(chart, width, height).lines(false)
}

#[test]
fn a_rising_line_with_its_axes() {
    let values = Minutes::new((0..=60).map(|minute| Some(f64::from(minute) / 6.0)), 0.0);
    let drawn = lines(&chart(values.curve(), 60, &[]), 60, 9);
    assert_eq!(
        drawn,
        [
            "bme280 temperature °C         min 0  mean 5  max 10  last 10",
            "     10 │                                          ⢀⣀⣀⠤⠤⠔⠒⠊⠉",
            "        │                                  ⣀⣀⡠⠤⠔⠒⠒⠉⠁",
            "      5 │                         ⣀⣀⡠⠤⠤⠒⠊⠉⠉",
            "        │                ⢀⣀⣀⠤⠔⠒⠒⠉⠉",
            "        │        ⣀⣀⠤⠤⠔⠒⠉⠉⠁",
            "      0 │⣀⡠⠤⠒⠒⠊⠉⠉",
            "        └──────────┬────────────┬───────────┬────────────┬──",
            "                 18:00        18:15       18:30        18:45",
        ]
    );
}

#[test]
fn labels_are_whole_and_stay_left_of_the_axis() {
    for (from, step) in [
        (57_234_600_000.0, 1000.0),
        (9999.123, 0.0001),
        (1e15, 1e9),
        (1e126, 1e120),
        (-1e-7, 1e-9),
        (0.0, 1e14),
        (5.0, 0.0),
    ] {
        let values = Minutes::new((0..=60).map(|n| Some(from + f64::from(n) * step)), 0.0);
        let drawn = lines(&chart(values.curve(), 60, &[]), 80, 12);
        let axis = drawn.last().map(|_| drawn[1].chars().position(|one| one == '│')).unwrap();
        let axis = axis.unwrap_or_else(|| panic!("no axis in {drawn:#?}"));
        let mut seen = std::collections::BTreeSet::new();
        for row in &drawn[1..drawn.len() - 2] {
            let label: String = row.chars().take(axis).collect();
            assert_eq!(row.chars().nth(axis), Some('│'), "{drawn:#?}");
            assert!(
                label.is_empty() || label.starts_with(' ') || label.len() == axis,
                "{drawn:#?}"
            );
            let label = label.trim().to_owned();
            assert!(label.is_empty() || seen.insert(label), "two alike in {drawn:#?}");
        }
    }
}

#[test]
fn where_nothing_was_measured_there_is_a_gap() {
    let with_gap = (0..=60).map(|minute| (!(20..40).contains(&minute)).then_some(5.0));
    let values = Minutes::new(with_gap, 0.0);
    let drawn = lines(&chart(values.curve(), 60, &[]), 68, 8);
    let row = drawn
        .iter()
        .find(|line| {
            line.contains('⠉') || line.contains('⠤') || line.contains('⣀') || line.contains('⠒')
        })
        .unwrap();
    let dots: Vec<char> = row.chars().skip(GUTTER + 1).collect();
    // 59 columns for 60 minutes.
    assert!(dots[..18].iter().all(|dot| *dot != ' '), "{row}");
    assert!(dots[21..38].iter().all(|dot| *dot == ' '), "{row}");
    assert!(dots[41..].iter().all(|dot| *dot != ' '), "{row}");
}

#[test]
fn one_value_that_is_late_is_no_gap() {
    let late = (0..=60).map(|minute| (minute % 10 != 5).then_some(5.0));
    let values = Minutes::new(late, 0.0);
    let picture = draw(&chart(values.curve(), 60, &[]), 68, 8);
    let line = |row: &[Cell]| row.iter().filter(|cell| cell.ink == Ink::Line).count();
    assert_eq!(picture.rows().map(line).max(), Some(59));
}

#[test]
fn the_span_from_least_to_greatest_is_around_the_line() {
    let values = Minutes::new((0..=60).map(|_| Some(5.0)), 4.0);
    let picture = draw(&chart(values.curve(), 60, &[]), 68, 11);
    let count = |ink: Ink| picture.rows().flatten().filter(|cell| cell.ink == ink).count();
    assert_eq!(count(Ink::Line), 59);
    assert!(count(Ink::Around) > 59 * 4, "{}", count(Ink::Around));
    let title = &picture.lines(false)[0];
    assert!(title.ends_with("min 1  mean 5  max 9  last 5"), "{title}");
}

#[test]
fn faults_are_marked_at_the_axis_of_time() {
    let values = Minutes::new((0..=60).map(|_| Some(5.0)), 0.0);
    let faults = [(FROM, 1), (FROM + 30 * MINUTE, 4), (FROM + 90 * MINUTE, 2)];
    let picture = draw(&chart(values.curve(), 60, &faults), 68, 8);
    let drawn = picture.lines(false);
    assert!(drawn[0].ends_with("× 7 faults"), "{}", drawn[0]);
    let axis: Vec<char> = drawn[6].chars().collect();
    assert_eq!((axis[GUTTER + 1], axis[GUTTER + 1 + 29]), ('×', '×'), "{}", drawn[6]);
    assert_eq!(axis.iter().filter(|one| **one == '×').count(), 2, "one is outside");
    let marked = picture.rows().flatten().find(|cell| cell.character == '×').unwrap();
    assert_eq!(marked.ink, Ink::Dim, "in the title it is a word among others");
}

#[test]
fn without_values_it_says_so_and_where_there_is_no_room_it_is_empty() {
    let nothing = Minutes::new([], 0.0);
    let drawn = lines(&chart(nothing.curve(), 60, &[]), 60, 8);
    assert!(drawn.iter().any(|line| line.contains("no values")), "{drawn:?}");
    let only_none = Minutes::new([None, None], 0.0);
    assert!(lines(&chart(only_none.curve(), 60, &[]), 60, 8)[3].contains("no values"));
    for (width, height) in [(0, 0), (18, 20), (80, 4)] {
        assert_eq!(draw(&chart(nothing.curve(), 60, &[]), width, height).rows().count(), 0);
    }
    let odd = Minutes::new([Some(f64::MAX), Some(-1e-130)], 0.0);
    assert_eq!(lines(&chart(odd.curve(), 0, &[]), 40, 8).len(), 8);
}
