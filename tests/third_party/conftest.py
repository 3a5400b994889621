"""`tidings up` as a user runs it, for checks with other people's programs."""

import json
import os
import pathlib
import signal
import subprocess
import time

import boto3
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROFILE = os.environ.get("TIDINGS_TEST_PROFILE", "debug")
PROGRAM = ROOT / "target" / PROFILE / "tidings"
PATIENCE = float(os.environ.get("TIDINGS_TEST_PATIENCE_SECONDS", "120"))


def eventually(what, look):
    """Looks until `look` gives something true, which is returned."""
    until = time.monotonic() + PATIENCE
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < until, f"waited in vain for: {what}"
        time.sleep(0.1)


class Up:
    """A running `tidings up` on free ports."""

    def __init__(self, data, *arguments):
        self.data = data
        ports = ("--mqtt-port", "--http-port", "--dynamodb-port")
        free = [part for port in ports if port not in arguments for part in (port, "0")]
        self.process = subprocess.Popen(
            [PROGRAM, "up", "--json", "--data", data, *free, *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        place = data / "up.json"

        def started():
            assert self.process.poll() is None, "up ended"
            return place.exists() and json.loads(place.read_text())

        self.place = eventually("up has started", started)
        self.port = int(self.place["mqtt"].rsplit(":", 1)[1])
        self.dynamodb = boto3.resource(
            "dynamodb", endpoint_url=self.place["dynamodb"], region_name="eu-central-1",
            aws_access_key_id="any", aws_secret_access_key="any",
        )

    def provision(self, thing):
        folder = self.data / thing
        subprocess.run([PROGRAM, "provision", thing, "--out", folder, "--data", self.data], check=True)
        return folder

    def stored(self, device, sensor):
        from boto3.dynamodb.conditions import Key

        condition = Key("pk").eq(f"{device}#{sensor}")
        return self.dynamodb.Table("readings").query(KeyConditionExpression=condition)["Items"]

    def all_stored(self, device, sensor):
        """The same beyond the first megabyte."""
        from boto3.dynamodb.conditions import Key

        table, items, start = self.dynamodb.Table("readings"), [], {}
        while True:
            page = table.query(KeyConditionExpression=Key("pk").eq(f"{device}#{sensor}"), **start)
            items += page["Items"]
            if "LastEvaluatedKey" not in page:
                return items
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def quarantined(self):
        return self.dynamodb.Table("quarantine").scan()["Items"]

    def stop(self):
        """Ctrl-C, and what it says at its end."""
        self.process.send_signal(signal.SIGINT)
        output, _ = self.process.communicate(timeout=PATIENCE)
        return json.loads(output.splitlines()[-1])


@pytest.fixture
def start_up(tmp_path):
    """Starts `up` with arguments of the test's own."""
    running = []

    def start(*arguments):
        running.append(Up(tmp_path / "data", *arguments))
        return running[-1]

    (tmp_path / "data").mkdir()
    yield start
    for up in running:
        if up.process.poll() is None:
            up.process.kill()
            up.process.wait()


@pytest.fixture
def up(start_up):
    return start_up()


def message(device, *values, sensor="s"):
    """A message of wire version 1, written by hand as another program would."""
    rows = [[index, index, value] for index, value in enumerate(values)]
    series = {"sensor": sensor, "fields": [["temperature", "Cel"]], "rows": rows}
    return json.dumps(
        {"v": 1, "device": device, "boot": "python", "t0": int(time.time() * 1000), "series": [series]}
    )


