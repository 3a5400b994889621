"""The function under `cargo lambda watch`, invoked by `cargo lambda invoke` and by `up`."""

import json
import os
import socket
import subprocess
import urllib.error
import urllib.request

import pytest

from conftest import ROOT, eventually

EVENTS = ROOT / "tests" / "events"


def free_port():
    # cargo-lambda has no way to say which port it picked, so one is picked for it.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Watch:
    """A running `cargo lambda watch` against a DynamoDB."""

    def __init__(self, dynamodb, log):
        self.port = free_port()
        environment = {
            **os.environ, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any", "AWS_ENDPOINT_URL_DYNAMODB": dynamodb,
        }
        self.log = log
        self.process = subprocess.Popen(
            ["cargo", "lambda", "watch", "--ignore-changes", "--invoke-address", "127.0.0.1",
             "--invoke-port", str(self.port), "--bin", "tidings-ingest"],
            cwd=ROOT, env=environment, stdout=log.open("w"), stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.url = f"http://127.0.0.1:{self.port}"
        eventually("cargo lambda watch listens", self.listens)

    def listens(self):
        assert self.process.poll() is None, self.log.read_text()
        try:
            urllib.request.urlopen(self.url, timeout=5)
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    def invoke(self, event):
        return subprocess.run(
            ["cargo", "lambda", "invoke", "tidings-ingest", "--invoke-address", "127.0.0.1",
             "--invoke-port", str(self.port), "--data-file", EVENTS / event],
            cwd=ROOT, capture_output=True, text=True, timeout=600,
        )

    def stop(self):
        os.killpg(self.process.pid, 15)
        self.process.wait(30)


@pytest.fixture
def watch(up, tmp_path):
    running = Watch(up.place["dynamodb"], tmp_path / "watch.log")
    yield running
    running.stop()


def test_cargo_lambda_invoke_replays_every_recorded_event(up, watch):
    reasons = []
    for event, expected in json.loads((EVENTS / "expected.json").read_text()).items():
        done = watch.invoke(event)
        if "error" in expected:
            assert expected["error"] in done.stdout + done.stderr, event
            continue
        assert done.returncode == 0, (event, done.stdout, done.stderr, watch.log.read_text())
        answer = json.loads(done.stdout)
        assert {name: answer[name] for name in expected["answer"]} == expected["answer"], event
        reasons += expected["reasons"]
    # The three of the first batch, that of queue and stream, one without a time, and a plain one: the same
    # reading in several events is one item.
    assert len(up.stored("pi-1", "bme280")) == 6
    assert sorted(item["reason"] for item in up.quarantined()) == sorted(reasons)


def test_up_sends_its_events_to_cargo_lambda_watch(start_up, tmp_path):
    # `watch` needs a DynamoDB to write to, and `up` a function to send to: the port comes first.
    dynamodb = free_port()
    watch = Watch(f"http://127.0.0.1:{dynamodb}", tmp_path / "watch.log")
    try:
        up = start_up("--dynamodb-port", str(dynamodb), "--invoke-url", watch.url)
        eventually("readings by way of cargo lambda", lambda: len(up.stored("this-machine", "host")) > 3)
        verdict = up.stop()
        assert verdict["published"] == verdict["stored"] > 3
        assert verdict["lost"] == verdict["duplicates"] == 0
    finally:
        watch.stop()
