"""A fleet of forty devices for the page: a day of readings through the function's own code, profiles, an alert, faults
and refusals."""

import base64
import json
import math
import random
import subprocess
import time
import uuid
from decimal import Decimal

from conftest import PROGRAM

SITES = ["greenhouse 1", "greenhouse 2", "cold store", "orchard", "water works"]
CROPS = ["tomato", "pepper", "lettuce", "apple", "none"]
EVERY_MS = 600_000
DAY_MS = 86_400_000

# What of the fleet needs somebody.
ALERTED, SILENT, FAULTY, REFUSED, UNSET = "pi-07", "pi-11", "pi-19", "pi-23", "pi-31"


def envelope(device, payload, received_at, topic=None, client=None):
    """What the rule makes of a message."""
    return json.dumps({
        "payload": base64.b64encode(payload).decode(), "topic": topic or f"sensors/{device}/readings",
        "client_id": client or device, "principal": "ab" * 32, "received_at": received_at,
        "trace_id": str(uuid.UUID(int=random.getrandbits(128))), "envelope": 1,
    })


def message(device, boot, t0, series, **more):
    return json.dumps({"v": 1, "device": device, "boot": boot, "t0": t0, "series": series, **more}).encode()


def climate(number, at):
    """What the sensors of a device say at a time."""
    hour = at / 3_600_000
    base = [24, 22, 4, 14, 17][number % 5] + number % 7 * 0.4
    swing = math.sin((hour - 9) / 24 * 2 * math.pi)
    noise = random.Random(at // EVERY_MS * 97 + number).uniform
    temperature = base + 4.5 * swing + noise(-0.3, 0.3)
    humidity = min(99.0, max(5.0, 62 - 14 * swing + noise(-1.5, 1.5)))
    pressure = 1012 + 5 * math.sin(hour / 37) + noise(-0.1, 0.1)
    return [round(temperature, 2), round(humidity, 1), round(pressure, 1)]


def day(number, now):
    """The messages of a device over a day, in order; the last two are its newest."""
    device = f"pi-{number:02}"
    end = now - (5 * 3_600_000 if device == SILENT else 2_000)
    times = list(range(end - DAY_MS, end + 1, EVERY_MS))
    # One of them was away for three hours.
    if number % 13 == 3:
        times = [at for at in times if not end - 10 * 3_600_000 < at < end - 7 * 3_600_000]
    for start in range(0, len(times), 72):
        part = times[start:start + 72]
        rows, faults = [], []
        for offset, at in enumerate(part):
            seq = start + offset
            if device == FAULTY and seq % 12 == 7:
                faults.append([at - part[0], seq, ["timeout", "checksum"][seq % 2]])
            else:
                rows.append([at - part[0], seq, *climate(number, at)])
        series = [{"sensor": "bme280", "fields": [["temperature", "Cel"], ["humidity", "%RH"], ["pressure", "hPa"]],
                   "rows": rows, "faults": faults}]
        if number % 4 == 0:
            soil = [[row[0], row[1], round(0.34 - 0.05 * math.sin(row[0] / 2e7) + number / 900, 3), row[2] - 3] for row in rows]
            series.append({"sensor": "soil", "fields": [["soil_moisture", "/"], ["temperature", "Cel"]], "rows": soil})
        lag = 900 + number * 37 if number != 29 else 420_000
        yield envelope(device, message(device, f"boot{number:02}", part[0], series), part[-1] + lag)
    # What the agent says of itself, twice: so that what was lost in between is counted.
    for index, at in enumerate((end - 2_400_000, end)):
        fields = [["waiting", "count"], ["connections", "count"], ["disk_failing", "/"], ["accepted", "count"],
                  ["acknowledged", "count"], ["faults", "count"], ["lost_oldest", "count"], ["agent_version", "/"]]
        waiting = 1_840 if device == "pi-29" else number % 3
        values = [waiting, 1 + number % 2, 0, 289 * (index + 1), 289 * (index + 1) - waiting % 289, index * (9 if device == FAULTY else 0), 12 if device == "pi-29" else 0, 1_000]
        own = [{"sensor": "agent", "fields": fields, "rows": [[0, 9_000 + index, *values]]}]
        yield envelope(device, message(device, f"boot{number:02}", at, own), at + 500)


def refused(now):
    """Messages of which something is refused, in each of the forms that a payload is shown in."""
    unit = [{"sensor": "bme280", "fields": [["temperature", "degC"]], "rows": [[index * 1000, index, 20.0 + index] for index in range(3)]}]
    yield envelope(REFUSED, message(REFUSED, "b", now - 60_000, unit), now - 50_000)
    good = [{"sensor": "bme280", "fields": [["temperature", "Cel"]], "rows": [[0, 1, 20.0]]}]
    yield envelope("pi-02", message("pi-99", "b", now - 60_000, good), now - 45_000)
    yield envelope("pi-05", b"temperature is 21,5 \xc2\xb0C today", now - 40_000)
    yield envelope("pi-06", bytes(range(200, 256)) + b"\x00\x01binary" * 9, now - 35_000)
    hot = [{"sensor": "bme280", "fields": [["temperature", "Cel"]], "rows": [[0, 1, 9_000.0]]}]
    yield envelope(REFUSED, message(REFUSED, "b", now - 30_000, hot), now - 30_000)
    for index in range(30):
        yield envelope("pi-38", b'{"v":1', now - 7_200_000 - index * 60_000)


def untimed(now):
    """A reading of which nobody will ever know the time."""
    series = [{"sensor": "bme280", "fields": [["temperature", "Cel"]], "rows": [[0, 7_000, 19.5]]}]
    return envelope(UNSET, message(UNSET, "dark01", 754_000, series, clock="unset"), now - 1_000)


def replay(endpoint, folder, lines):
    """Through the function's own code."""
    file = folder / f"events-{uuid.uuid4()}.ndjson"
    file.write_text("\n".join(lines) + "\n")
    done = subprocess.run([PROGRAM, "replay", file, "--endpoint-url", endpoint, "--rate", "100000", "--json"],
                          capture_output=True, text=True)
    sums = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 0 and sums["unreadable"] == 0, done.stderr + str(sums)
    return sums


def seed(endpoint, dynamodb, folder, devices=40):
    """Forty devices. Gives the time that they end at, in milliseconds."""
    now = int(time.time() * 1000)
    days = [list(day(number, now)) for number in range(1, devices + 1)]
    # A function tells the table who was heard once a minute at the most: another one tells of the newest.
    replay(endpoint, folder, [line for lines in days for line in lines[:-3] + lines[-2:-1]])
    replay(endpoint, folder, [line for lines in days for line in (lines[-3], lines[-1])])
    replay(endpoint, folder, list(refused(now)) + [untimed(now)])
    with dynamodb.Table("devices").batch_writer() as batch:
        for number in set(range(1, devices + 1)) - {int(ALERTED[3:])}:
            profile = {"pk": "device", "sk": f"pi-{number:02}", "site": SITES[number % 5],
                       "labels": {"crop": CROPS[number % 5], "row": str(number)},
                       # So that nobody else falls silent while tests run.
                       "silence": "3h"}
            if number % 8 == 0:
                profile |= {"calibration": {"bme280.temperature": {"gain": Decimal("1.02"), "offset": Decimal("-0.4")}},
                            "ranges": {"temperature": {"min": -10, "max": 60}}, "altitude": 34}
            batch.put_item(Item=profile)
        # The rule, without which the alert would be taken back.
        batch.put_item(Item={"pk": "device", "sk": ALERTED, "site": "cold store", "labels": {"crop": "lettuce", "row": "7"},
                             "silence": "3h", "alerts": {"bme280.temperature": {"below": 5, "clear": 6}}})
        batch.put_item(Item={"pk": "alert", "sk": ALERTED, "version": 1, "alerts": {"bme280.temperature": {
            "raised": True, "kind": "below", "since": now - 1_320_000, "value": Decimal("3.1"), "limit": 5, "unit": "Cel"}}})
    return now


def settle(dynamodb):
    """Makes the hours of which readings have come due since an hour ago: the job waits for some minutes before it sums one up,
    and `up` does its job at its start."""
    from boto3.dynamodb.conditions import Key

    table = dynamodb.Table("devices")
    with table.batch_writer() as batch:
        for item in table.query(KeyConditionExpression=Key("pk").eq("due"))["Items"]:
            batch.put_item(Item=item | {"marked_at": item["marked_at"] - 3_600_000})


def start(folder):
    """A running `up` with the fleet in it, a day of which is summed up."""
    from conftest import Up, eventually

    data = folder / "data"
    data.mkdir()
    up = Up(data)
    seed(up.place["dynamodb"], up.dynamodb, folder)
    settle(up.dynamodb)
    up.stop()
    (data / "up.json").unlink()
    up = Up(data)

    def summed_up():
        from boto3.dynamodb.conditions import Key

        dues = up.dynamodb.Table("devices").query(KeyConditionExpression=Key("pk").eq("due"))["Items"]
        return all(item["marked_at"] > (time.time() - 1800) * 1000 for item in dues)

    eventually("the hours of the day are summed up", summed_up)
    up.folder = folder
    return up


def reading(device, at, value, seq):
    """One message with one reading of the climate sensor."""
    rows = [[0, seq, value, 50.0, 1_010.0]]
    series = [{"sensor": "bme280", "fields": [["temperature", "Cel"], ["humidity", "%RH"], ["pressure", "hPa"]], "rows": rows}]
    return envelope(device, message(device, "live", at, series), at + 300)
