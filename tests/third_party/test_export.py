"""What `tidings export` writes is read by pyarrow and pandas, and `tidings import` reads what people write."""

import json
import subprocess
import time

import pandas
import pyarrow
import pyarrow.dataset
import pyarrow.parquet

from conftest import PROGRAM


def tidings(up, *arguments, check=True):
    command = [PROGRAM, *arguments, "--endpoint-url", up.place["dynamodb"]]
    return subprocess.run(command, capture_output=True, text=True, check=check)


def seed(up, tmp_path, readings=500, layout="each"):
    """Readings by hand: two months, an own quantity with a unit of its own, a fault, no time."""
    now = int(time.time() * 1000)
    messages = []
    for boot, days in (("a", 40), ("b", 1)):
        rows = [[k * 1000, k, 20 + k / 100, k / 10] for k in range(readings)]
        messages.append({"v": 1, "device": "pi:1", "boot": boot, "t0": now - days * 86_400_000, "series": [
            {"sensor": "soil", "fields": [["temperature", "Cel"], ["leaf_wetness", "%"]],
             "rows": rows, "faults": [[1, readings, "timeout"]]}]})
    messages.append({"v": 1, "device": "pi:1", "boot": "dark", "clock": "unset", "t0": 5000, "series": [
        {"sensor": "soil", "fields": [["temperature", "Cel"]], "rows": [[0, 0, 3.5]]}]})
    events = []
    for message in messages:
        payload = tmp_path / "payload"
        payload.write_text(json.dumps(message))
        made = tidings_event(payload)
        events.append(json.dumps(json.loads(made)))
    file = tmp_path / "events"
    file.write_text("\n".join(events))
    tidings(up, "replay", file, "--layout", layout)


def tidings_event(payload):
    made = subprocess.run([PROGRAM, "event", payload, "--device", "pi:1"], capture_output=True, text=True, check=True)
    return made.stdout


def test_pyarrow_and_pandas_read_the_parquet_that_was_exported(up, tmp_path):
    seed(up, tmp_path)
    out = tmp_path / "out"
    said = tidings(up, "export", "pi:1", "--format", "parquet", "--zone", "europe/berlin", "--out", out, "--json")
    items = up.all_stored("pi:1", "soil")
    assert json.loads(said.stdout)["readings"] == len(items) == 1003

    files = sorted(out.glob("device=pi%3A1/sensor=soil/*.parquet"))
    assert len(files) == 3 and files[-1].name == "unset.parquet"
    table = pyarrow.parquet.read_table(files[0], partitioning=None)
    schema = table.schema
    assert schema.field("time").type == pyarrow.timestamp("ms", tz="Europe/Berlin")
    assert schema.field("received_at").type == pyarrow.timestamp("ms", tz="Europe/Berlin")
    assert schema.field("device").type == pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    assert schema.field("boot").type == pyarrow.string() and schema.field("seq").type == pyarrow.int64()
    assert schema.field("temperature").type == pyarrow.float64()
    assert schema.field("temperature").metadata[b"unit"] == b"Cel"
    assert schema.field("leaf_wetness").metadata[b"unit"] == b"%"
    metadata = pyarrow.parquet.read_metadata(files[0]).metadata
    assert (metadata[b"tidings.device"], metadata[b"tidings.sensor"]) == (b"pi:1", b"soil")
    assert metadata[b"tidings.version"] and metadata[b"tidings.until"]

    # What boto3 sees, number by number.
    of_boto = {(item["boot"], int(item["seq"])): item for item in map(named, items)}
    for row in table.to_pylist():
        item = of_boto[row["boot"], row["seq"]]
        assert int(row["time"].timestamp() * 1000 + 0.5) == item["at"]
        assert row["fault"] == item.get("fault")
        for quantity in ("temperature", "leaf_wetness"):
            assert row[quantity] == (float(item["values"][quantity]) if "values" in item else None)

    # The folder as one table, by either.
    frame = pandas.read_parquet(out)
    assert len(frame) == len(items)
    assert isinstance(frame["time"].dtype, pandas.DatetimeTZDtype)
    assert frame["time"].isna().sum() == 1, "of one reading nobody knows the time"
    assert frame["temperature"].dtype == "float64" and frame["seq"].dtype == "int64"
    assert set(frame["device"]) == {"pi:1"} and set(frame["sensor"]) == {"soil"}
    assert frame["fault"].notna().sum() == 2
    assert pyarrow.dataset.dataset(out).count_rows() == len(items)

    # Again, and nothing more is done; as something else, and it is refused.
    again = tidings(up, "export", "pi:1", "--format", "parquet", "--zone", "Europe/Berlin", "--out", out, "--json")
    assert json.loads(again.stdout)["readings"] == 0
    other = tidings(up, "export", "pi:1", "--format", "csv", "--out", out, check=False)
    assert other.returncode == 1 and "format parquet then, csv now" in other.stderr


def named(item):
    _, boot, seq = item["sk"].split("#")
    return {**item, "boot": boot, "seq": seq}


def test_packed_items_are_exported_reading_by_reading(up, tmp_path):
    seed(up, tmp_path, layout="packed")
    items = up.all_stored("pi:1", "soil")
    packs = [json.loads(item["packed"]) for item in items]
    rows = sum(len(series["rows"]) for pack in packs for series in pack["series"])
    faults = sum(len(pack["faults"]) for pack in packs)
    out = tmp_path / "out"
    tidings(up, "export", "pi:1", "--format", "parquet", "--out", out)
    frame = pandas.read_parquet(out)
    assert len(frame) == rows + faults == 1003 > 10 * len(items)
    months = [file for file in sorted(out.glob("*/*/*.parquet")) if "unset" not in file.name]
    for file in months:
        times = pandas.read_parquet(file, partitioning=None)["time"]
        assert times.is_monotonic_increasing


def test_a_frame_of_pandas_is_imported(up, tmp_path):
    times = pandas.date_range(end=pandas.Timestamp.now(tz="UTC").floor("s"), periods=300, freq="10min")
    frame = pandas.DataFrame({"timestamp": times, "Temperature (°C)": [20 + k / 100 for k in range(300)],
                              "humidity": [None if k % 3 else 40.5 for k in range(300)]})
    file = tmp_path / "old.csv"
    frame.to_csv(file, index=False)
    arguments = ("import", file, "--device", "greenhouse", "--sensor", "old", "--json")
    for _ in range(2):
        said = json.loads(tidings(up, *arguments).stdout)
        assert (said["rows"], said["readings"], said["bad"]) == (300, 300, 0)
        items = up.all_stored("greenhouse", "old")
        assert len(items) == 300, "twice is as once"
    assert [int(item["at"]) for item in items] == [int(at.timestamp() * 1000) for at in times]
    assert [float(item["values"]["temperature"]) for item in items] == list(frame["Temperature (°C)"])
    assert sum("humidity" in item["values"] for item in items) == 100
    shown = tidings(up, "query", "greenhouse", "old", "--limit", "1", "--format", "json")
    assert json.loads(shown.stdout)["boot"] == "import"


def test_a_file_that_is_not_understood_writes_nothing(up, tmp_path):
    file = tmp_path / "odd.csv"
    file.write_text("time,Größe\n2026-11-23T08:00:00Z,3\n", encoding="utf-8")
    said = tidings(up, "import", file, "--device", "odd", check=False)
    assert said.returncode == 1 and "odd.csv" in said.stderr and '"Größe"' in said.stderr
    assert up.all_stored("odd", "import") == []
