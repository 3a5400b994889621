"""A DynamoDB client of another language reads what `up` wrote."""

from decimal import Decimal

from conftest import eventually


def test_boto3_reads_the_tables_and_the_comparison_is_whole(up):
    items = eventually("this machine's readings", lambda: len(up.stored("this-machine", "host")) > 3
                       and up.stored("this-machine", "host"))
    item = items[0]
    time, boot, seq = item["sk"].split("#")
    assert len(time) == 13 and len(seq) == 12 and boot
    assert item["at"] == int(time)
    assert item["values"]["memory_used"] > 0
    assert isinstance(item["values"]["load_average"], Decimal)
    # Seconds, as DynamoDB's TTL wants them: a year after the reading.
    assert item["expires_at"] == int(item["at"]) // 1000 + 365 * 86400

    client = up.dynamodb.meta.client
    ttl = client.describe_time_to_live(TableName="readings")["TimeToLiveDescription"]
    assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}
    assert sorted(client.list_tables()["TableNames"]) == ["devices", "quarantine", "readings"]

    verdict = up.stop()
    assert verdict["published"] == verdict["stored"] > 3
    assert {verdict[name] for name in ("quarantined", "lost", "duplicates", "waiting")} == {0}


def test_boto3_reads_what_the_packed_layout_holds(up, tmp_path):
    """The text of a pack is JSON that any program can read; `query` shows the same readings."""
    import json
    import subprocess
    import time

    from conftest import PROGRAM, message

    event = tmp_path / "event"
    records = []
    for number in range(3):
        payload = tmp_path / "payload"
        payload.write_text(message("pi-1", *[20 + index / 10 for index in range(40)], sensor=f"s{number}"))
        made = subprocess.run([PROGRAM, "event", payload, "--device", "pi-1"], capture_output=True, text=True, check=True)
        records.append(json.dumps(json.loads(made.stdout)))
    event.write_text("\n".join(records))
    subprocess.run([PROGRAM, "replay", event, "--layout", "packed", "--endpoint-url", up.place["dynamodb"]], check=True)
    items = up.stored("pi-1", "s0")
    rows = [row for item in items for series in json.loads(item["packed"])["series"] for row in series["rows"]]
    assert len(items) <= 2 and len(rows) == 40
    assert rows[0][1:] == [0, 20]
    shown = subprocess.run([PROGRAM, "query", "pi-1", "s0", "--limit", "100", "--format", "json",
                            "--endpoint-url", up.place["dynamodb"]], capture_output=True, text=True, check=True)
    values = [json.loads(line)["values"]["temperature"] for line in shown.stdout.splitlines()]
    assert sorted(values) == [20 + index / 10 for index in range(40)]
    assert time.time() * 1000 > json.loads(shown.stdout.splitlines()[0])["at"]
