"""The agent on a disk that is full, and then is not: a small tmpfs, which the kernel really fills."""

import json
import os
import signal
import sqlite3
import subprocess

import pytest

from conftest import PROFILE, ROOT, Up, eventually
from test_brokers import Agent, free_port

SUDO = [] if os.geteuid() == 0 else ["sudo", "-n"]

SENSORS = """
[[sensor]]
name = "a"
kind = "simulated"
interval = "10ms"
quantities = ["temperature", "humidity", "pressure"]
"""


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run([*SUDO, "mount", "-t", "tmpfs", "-o", f"size=1500k,uid={os.geteuid()}", "none", folder], check=True)
    yield folder
    subprocess.run([*SUDO, "umount", "--lazy", folder], check=True)


def test_a_full_disk_is_survived_told_and_costs_nothing(small_disk, tmp_path):
    data, port = tmp_path / "data", free_port()
    up = Up(data, "--mqtt-port", str(port))
    folder = up.provision("bench")
    up.stop()
    text = (folder / "agent.toml").read_text()
    head, _ = text.split("[[sensor]]")
    (folder / "agent.toml").write_text(
        f'{head}[queue]\npath = "{small_disk}/queue.db"\ncommit = "100ms"\n[batch]\nage = "100ms"\n{SENSORS}')

    # The disk is filled to its last byte while readings pile up.
    agent = Agent(folder)
    agent.until(lambda status: status["waiting"] > 50)
    with pytest.raises(OSError), (small_disk / "ballast").open("wb", buffering=0) as ballast:
        while True:
            ballast.write(b"x" * 512)
    agent.until(lambda status: status["degraded"])
    full = {}
    agent.until(lambda status: full.setdefault("at", status["waiting"]) + 100 < status["waiting"])
    (small_disk / "ballast").unlink()
    agent.until(lambda status: not status["degraded"])

    # Where the first one was is of no use.
    (data / "up.json").unlink()
    up = Up(data, "--mqtt-port", str(port))
    agent.until(lambda status: status["online"] and status["waiting"] < 30)
    assert agent.end(signal.SIGTERM) == 0
    log = (folder / "agent.log").read_text()
    assert "disk fails" in log and "takes the queue again" in log, log

    queue = sqlite3.connect(small_disk / "queue.db")
    assert queue.execute("SELECT count(*) FROM loss WHERE readings > 0").fetchone() == (0,)
    accepted = {
        (boot, number)
        for boot, count in queue.execute(
            "SELECT boot.name, count FROM accepted JOIN boot ON boot.id = accepted.boot WHERE sensor = 'a'")
        for number in range(count)
    }
    queue.close()

    def stored():
        return [tuple(item["sk"].split("#")[1:]) for item in up.all_stored("bench", "a")]

    eventually("all is stored", lambda: len(stored()) >= len(accepted))
    names = [(boot, int(number)) for boot, number in stored()]
    assert sorted(names) == sorted(accepted), "each once"
    up.stop()
