use std::collections::BTreeSet;

use tidings_schema::Clock;

use super::super::columns::tests::reading;
use super::*;

const NOVEMBER: i64 = 1_795_456_115_802;
const DECEMBER: i64 = 1_796_083_200_000;

fn style(format: Format) -> Style {
    let export = "id".to_owned();
    Style {
        export,
        format,
        zone: Zone::utc(),
        window: (None, "2026-12-24T00:00:00.000Z".to_owned()),
    }
}

fn open<'a>(root: &Path, style: &'a Style) -> Files<'a> {
    let (device, sensor) = ("pi:1".try_into().unwrap(), "s".try_into().unwrap());
    Files::open(root, (&device, &sensor), style).unwrap()
}

fn names(root: &Path) -> BTreeSet<String> {
    let folder = root.join("device=pi%3A1/sensor=s");
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect()
}

fn text(root: &Path, name: &str) -> String {
    std::fs::read_to_string(root.join("device=pi%3A1/sensor=s").join(name)).unwrap()
}

fn set(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn each_month_and_each_set_of_columns_has_its_file() {
    let root = tempfile::tempdir().unwrap();
    let style = style(Format::Csv);
    let mut files = open(root.path(), &style);
    files.add(StoredReading { clock: Clock::Unset, ..reading(5, &[]) }).unwrap();
    files.add(reading(NOVEMBER, &[("leaf", 3.0, Some("%"))])).unwrap();
    files.add(reading(NOVEMBER + 1, &[("leaf", 0.03, Some("/"))])).unwrap();
    files.add(reading(DECEMBER, &[("temperature", 21.5, None)])).unwrap();
    files.finish().unwrap();
    let all = ["unset.csv", "2026-11.csv", "2026-11.2.csv", "2026-12.csv", MONTHS];
    assert_eq!(names(root.path()), set(&all));
    assert_eq!(
        text(root.path(), "unset.csv"),
        "time,uptime_ms,received_at,device,sensor,boot,seq,fault\n,5,1970-01-01T00:00:00.010Z,pi:1,s,b,7,timeout\n"
    );
    assert_eq!(
        text(root.path(), "2026-11.2.csv"),
        "time,device,sensor,boot,seq,fault,leaf [/]\n2026-11-23T17:48:35.803Z,pi:1,s,b,7,,0.03\n"
    );
    let months = open(root.path(), &style).months().clone();
    assert!(months.whole);
    assert_eq!((months.months.len(), months.readings()), (3, 4));
}

#[test]
fn columns_that_come_up_late_begin_a_file() {
    let root = tempfile::tempdir().unwrap();
    let style = style(Format::Csv);
    let mut files = open(root.path(), &style);
    let t = ("temperature", 21.5, None);
    for number in 0..MAX_HELD {
        files.add(reading(NOVEMBER + i64::try_from(number).unwrap(), &[t])).unwrap();
    }
    files.add(reading(NOVEMBER + 90_000, &[t, ("humidity", 40.0, None)])).unwrap();
    files.finish().unwrap();
    assert_eq!(text(root.path(), "2026-11.csv").lines().count(), MAX_HELD + 1);
    let rest = text(root.path(), "2026-11.2.csv");
    assert!(rest.starts_with("time,device,sensor,boot,seq,fault,humidity,temperature\n"), "{rest}");
    assert_eq!(rest.lines().count(), 2);
}

#[test]
fn what_was_not_whole_is_taken_away_and_begun_again() {
    let root = tempfile::tempdir().unwrap();
    for format in [Format::Csv, Format::Jsonl, Format::Parquet] {
        let root = root.path().join(format.to_string());
        let style = style(format);
        let file = |name: &str| format!("{name}.{format}");
        let mut files = open(&root, &style);
        files.add(reading(NOVEMBER, &[])).unwrap();
        for number in 0..i64::try_from(MAX_HELD).unwrap() {
            files.add(reading(DECEMBER + number, &[])).unwrap();
        }
        // As if the power failed.
        drop(files);
        let (whole, part) = (file("2026-11"), format!("_{}.part", file("2026-12")));
        assert_eq!(names(&root), set(&[&whole, &part, MONTHS]));
        let mut files = open(&root, &style);
        assert_eq!(names(&root), set(&[&whole, MONTHS]));
        assert_eq!(files.months().after().get(), DECEMBER);
        files.add(reading(DECEMBER, &[])).unwrap();
        files.finish().unwrap();
        assert_eq!(names(&root), set(&[&whole, &file("2026-12"), MONTHS]));
        assert_eq!(open(&root, &style).months().readings(), 2);
    }
}

/// A device that says a real time and that it does not know it stands in the midst of November.
fn with_odd_clocks() -> Vec<StoredReading> {
    let unset = |at: i64| StoredReading { clock: Clock::Unset, ..reading(at, &[]) };
    let leaf = |at, unit| reading(at, &[("leaf", 3.0, Some(unit))]);
    vec![
        unset(5),
        leaf(NOVEMBER, "%"),
        unset(NOVEMBER + 1),
        leaf(NOVEMBER + 2, "%"),
        leaf(NOVEMBER + 3, "/"),
        unset(DECEMBER),
        leaf(DECEMBER + 1, "%"),
    ]
}

/// An export of these readings, as far as it comes. What was read before is not given again.
fn export(root: &Path, style: &Style, readings: &[StoredReading]) -> Result<(), Trouble> {
    let (device, sensor) = ("pi:1".try_into().unwrap(), "s".try_into().unwrap());
    let mut files = Files::open(root, (&device, &sensor), style)?;
    if files.months().whole {
        return Ok(());
    }
    let after = files.months().after();
    for reading in readings.iter().filter(|reading| reading.at >= after) {
        files.add(reading.clone())?;
    }
    files.finish()
}

#[test]
fn a_clock_that_is_unset_among_real_times_leaves_its_month_open() {
    let root = tempfile::tempdir().unwrap();
    let style = style(Format::Csv);
    export(root.path(), &style, &with_odd_clocks()).unwrap();
    let all = ["unset.csv", "unset.2.csv", "unset.3.csv", "2026-11.csv", "2026-11.2.csv"];
    assert_eq!(names(root.path()), set(&[&all[..], &["2026-12.csv", MONTHS]].concat()));
    let months = open(root.path(), &style).months().clone();
    let told: Vec<_> =
        months.months.iter().map(|done| (done.month.as_str(), done.readings)).collect();
    assert_eq!(told, [("unset", 1), ("2026-11", 4), ("2026-12", 2)]);
    assert_eq!(months.months[1].files, ["unset.2.csv", "2026-11.csv", "2026-11.2.csv"]);
}

#[test]
fn an_export_that_ends_at_any_step_is_the_same_when_it_went_on() {
    let style = style(Format::Csv);
    let readings = with_odd_clocks();
    let contents = |root: &Path| -> Vec<(String, String)> {
        names(root).into_iter().map(|name| (name.clone(), text(root, &name))).collect()
    };
    let whole = tempfile::tempdir().unwrap();
    export(whole.path(), &style, &readings).unwrap();
    let mut ended = 0;
    loop {
        let root = tempfile::tempdir().unwrap();
        disk::tests::last(ended);
        let end = export(root.path(), &style, &readings);
        disk::tests::last(usize::MAX);
        if end.is_ok() {
            break;
        }
        let months = open(root.path(), &style).months().clone();
        // Whatever is whole ends before the last reading, or it is known that there are no more.
        let last = readings.last().unwrap().at;
        assert!(months.whole || months.after() <= last, "{ended}: {months:?}");
        export(root.path(), &style, &readings).unwrap();
        assert_eq!(contents(root.path()), contents(whole.path()), "ended at step {ended}");
        ended += 1;
    }
    // Six files, whose they will be, and three times what is whole, each in three steps.
    assert_eq!(ended, 30);
}

#[test]
fn what_is_of_others_is_not_touched() {
    let style = style(Format::Csv);
    let names_of_sensor = ("pi:1".try_into().unwrap(), "s".try_into().unwrap());
    let refused = |root: &Path| {
        let end = Files::open(root, (&names_of_sensor.0, &names_of_sensor.1), &style);
        end.err().unwrap().to_string()
    };
    // Files of nobody knows whom.
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("device=pi%3A1/sensor=s");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("2019-03.parquet"), "theirs").unwrap();
    assert!(refused(root.path()).contains("2019-03.parquet is not of this export"));
    assert_eq!(names(root.path()), set(&["2019-03.parquet"]));
    // Months of another export.
    let root = tempfile::tempdir().unwrap();
    let other = Style { export: "other".to_owned(), ..style.clone() };
    export(root.path(), &other, &[reading(NOVEMBER, &[])]).unwrap();
    assert!(refused(root.path()).contains("_months.json is not of this export"));
    assert_eq!(names(root.path()), set(&["2026-11.csv", MONTHS]));
}

#[test]
fn a_unit_that_comes_and_goes_has_one_file() {
    let root = tempfile::tempdir().unwrap();
    let style = style(Format::Csv);
    let unit = |number: i64| if number % 2 == 0 { "%" } else { "/" };
    // Also beyond what is held at once.
    let count = i64::try_from(MAX_HELD).unwrap() + 20;
    let readings: Vec<StoredReading> = (0..count)
        .map(|number| reading(NOVEMBER + number, &[("leaf", 3.0, Some(unit(number)))]))
        .collect();
    export(root.path(), &style, &readings).unwrap();
    assert_eq!(names(root.path()), set(&["2026-11.csv", "2026-11.2.csv", MONTHS]));
    for name in ["2026-11.csv", "2026-11.2.csv"] {
        assert_eq!(text(root.path(), name).lines().count(), 1 + MAX_HELD / 2 + 10);
    }
    // Of more units than files are open, each has more than one, and none is lost.
    let root = tempfile::tempdir().unwrap();
    let units = ["%", "/", "V", "A", "W", "J"];
    let readings: Vec<StoredReading> = (0..36 * 4)
        .map(|number| {
            let (one, two) = (units[number % 6], units[number / 6 % 6]);
            let at = NOVEMBER + i64::try_from(number).unwrap();
            reading(at, &[("one", 1.0, Some(one)), ("two", 2.0, Some(two))])
        })
        .collect();
    export(root.path(), &style, &readings).unwrap();
    assert_eq!(open(root.path(), &style).months().readings(), 36 * 4);
    let files = names(root.path()).into_iter().filter(|name| name.ends_with(".csv"));
    assert_eq!(files.map(|name| text(root.path(), &name).lines().count() - 1).sum::<usize>(), 144);
}

#[test]
fn wide_readings_are_held_by_their_values() {
    let root = tempfile::tempdir().unwrap();
    let style = style(Format::Csv);
    let mut files = open(root.path(), &style);
    let quantities: Vec<String> = (0..40).map(|number| format!("q{number}")).collect();
    let wide: Vec<_> = quantities.iter().map(|name| (name.as_str(), 1.0, Some("V"))).collect();
    let labels = [("place".to_owned(), "roof".to_owned())].into();
    let one = StoredReading { labels, site: Some("berlin".to_owned()), ..reading(NOVEMBER, &wide) };
    let mut most = 0;
    for _ in 0..5000 {
        files.add(one.clone()).unwrap();
        most = most.max(files.held);
    }
    assert!(most * 81 <= MAX_CELLS, "{most}");
    files.add(one).unwrap();
    let held = files.piles.values().flat_map(|pile| &pile.held);
    assert!(held.clone().count() > 0);
    assert!(held.clone().all(|reading| reading.labels.is_empty() && reading.site.is_none()));
}
