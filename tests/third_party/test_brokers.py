"""The agent against brokers that nobody here wrote: mosquitto, and ministack's AWS IoT Core. The same
delivery test for both: everything that the agent's queue accepted arrives, though it is killed."""

import json
import os
import pathlib
import signal
import socket
import sqlite3
import ssl
import subprocess
import time
import urllib.request

import boto3
import paho.mqtt.client as paho
import pytest

from conftest import ROOT, PROFILE, eventually

AGENT = ROOT / "target" / PROFILE / "tidings-agent"
KILLS = int(os.environ.get("TIDINGS_TEST_KILLS", "5"))

SENSORS = """
[[sensor]]
name = "a"
kind = "simulated"
interval = "20ms"
fault_rate = 0.05
[[sensor]]
name = "b"
kind = "simulated"
interval = "50ms"
quantities = ["state"]
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Mosquitto:
    """A broker with mutual TLS, and a CA of its own by openssl."""

    has_shadows = False

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=test CA",
                     "-keyout", "ca.key", "-out", "ca.pem")
        self.sign("server", "/CN=localhost", "subjectAltName=DNS:localhost")
        (folder / "mosquitto.conf").write_text(
            f"listener {self.port} 127.0.0.1\ncafile {folder}/ca.pem\ncertfile {folder}/server.pem\n"
            f"keyfile {folder}/server.key\nrequire_certificate true\nuse_identity_as_username true\n"
            "max_queued_messages 0\nmax_inflight_messages 0\nuser root\n"
        )
        program = "/usr/sbin/mosquitto"
        self.process = subprocess.Popen([program, "-c", folder / "mosquitto.conf"],
                                        stderr=(folder / "mosquitto.log").open("w"))
        eventually("mosquitto listens", lambda: listening(self.port))

    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)

    def sign(self, name, subject, extension):
        self.openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", subject, "-keyout", f"{name}.key",
                     "-out", f"{name}.csr")
        (self.folder / f"{name}.ext").write_text(extension)
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                     "-days", "30", "-extfile", f"{name}.ext", "-out", f"{name}.pem")

    def device(self, name):
        self.sign(name, f"/CN={name}", "extendedKeyUsage=clientAuth")
        return {"ca": self.folder / "ca.pem", "certificate": self.folder / f"{name}.pem", "key": self.folder / f"{name}.key"}

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Ministack:
    """A third party's AWS IoT Core, with things, certificates and policies made as on AWS."""

    has_shadows = True

    def __init__(self, folder):
        self.folder, self.port, self.gateway = folder, free_port(), free_port()
        environment = dict(os.environ, GATEWAY_PORT=str(self.gateway), IOT_MTLS_PORT=str(self.port))
        self.process = subprocess.Popen(["ministack"], env=environment, cwd=folder,
                                        stdout=(folder / "ministack.log").open("w"), stderr=subprocess.STDOUT)
        self.url = f"http://127.0.0.1:{self.gateway}"
        eventually("ministack listens", lambda: listening(self.gateway) and listening(self.port))
        settings = {"endpoint_url": self.url, "region_name": "us-east-1", "aws_access_key_id": "test",
                    "aws_secret_access_key": "test"}
        self.iot, self.data = boto3.client("iot", **settings), boto3.client("iot-data", **settings)
        with urllib.request.urlopen(f"{self.url}/_ministack/iot/ca.pem") as answer:
            (folder / "ca.pem").write_bytes(answer.read())
        self.iot.create_policy(policyName="all", policyDocument=json.dumps({
            "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}]}))

    def device(self, name):
        self.iot.create_thing(thingName=name)
        made = self.iot.create_keys_and_certificate(setAsActive=True)
        self.iot.attach_policy(policyName="all", target=made["certificateArn"])
        self.iot.attach_thing_principal(thingName=name, principal=made["certificateArn"])
        files = {"ca": self.folder / "ca.pem", "certificate": self.folder / f"{name}.pem", "key": self.folder / f"{name}.key"}
        files["certificate"].write_text(made["certificatePem"])
        files["key"].touch(mode=0o600)
        files["key"].write_text(made["keyPair"]["PrivateKey"])
        return files

    def stop(self):
        self.process.terminate()
        self.process.wait()


@pytest.fixture(params=[Mosquitto, Ministack], ids=["mosquitto", "ministack"])
def broker(request, tmp_path):
    started = request.param(tmp_path)
    yield started
    started.stop()


def listener(broker, seen, status):
    files = broker.device("observer")
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="observer", clean_session=False)
    client.tls_set(files["ca"], files["certificate"], files["key"], tls_version=ssl.PROTOCOL_TLS_CLIENT)

    def message(_client, _data, message):
        document = json.loads(message.payload)
        if message.topic.endswith("/status"):
            status.append(document)
            return
        for series in document["series"]:
            for row in series.get("rows", []) + series.get("faults", []):
                seen.add((document["boot"], series["sensor"], row[1]))

    granted = []
    client.on_message = message
    client.on_subscribe = lambda _client, _data, _mid, codes, _properties: granted.extend(codes)
    client.on_connect = lambda client, *_: client.subscribe([("sensors/+/readings", 1), ("sensors/+/status", 1)])
    client.connect("localhost", broker.port)
    client.loop_start()
    eventually("the observer listens", lambda: len(granted) >= 2)
    return client


class Agent:
    def __init__(self, folder):
        self.process = subprocess.Popen(
            [AGENT, "run", "--status-every", "100ms", "-c", folder / "agent.toml"],
            stdout=subprocess.PIPE, stderr=(folder / "agent.log").open("a"), text=True)

    def until(self, fits):
        for line in self.process.stdout:
            if fits(json.loads(line)):
                return
        raise AssertionError("the agent ended")

    def end(self, how):
        self.process.send_signal(how)
        self.process.stdout.close()
        return self.process.wait()


def test_what_the_queue_accepted_arrives_though_the_agent_is_killed(broker, tmp_path):
    files = broker.device("pi-1")
    (tmp_path / "agent.toml").write_text(
        f'device = "pi-1"\n[mqtt]\nendpoint = "localhost"\nport = {broker.port}\ntopic = "broker"\n'
        f'ca = "{files["ca"]}"\ncertificate = "{files["certificate"]}"\nkey = "{files["key"]}"\n'
        '[clock]\ntrust = "always"\n[queue]\ncommit = "50ms"\n[batch]\nage = "200ms"\n' + SENSORS)
    seen, status = set(), []
    observer = listener(broker, seen, status)
    for _ in range(KILLS):
        agent = Agent(tmp_path)
        agent.until(lambda status: status["acknowledged"] > 10)
        agent.end(signal.SIGKILL)
    agent = Agent(tmp_path)
    agent.until(lambda status: status["acknowledged"] > 50)
    if broker.has_shadows:
        def reported():
            try:
                shadow = broker.data.get_thing_shadow(thingName="pi-1", shadowName="tidings")
            except broker.data.exceptions.ResourceNotFoundException:
                return None
            return json.loads(shadow["payload"].read())["state"].get("reported")

        assert eventually("the agent reports", reported)["sensors"]["a"] == {"interval": "20ms", "enabled": True}
        broker.data.update_thing_shadow(thingName="pi-1", shadowName="tidings", payload=json.dumps(
            {"state": {"desired": {"sensors": {"b": {"interval": "10ms"}, "x": {"enabled": True}}}}}))
        told = eventually("the wish is done", lambda: (r := reported()) and r["sensors"]["b"]["interval"] == "10ms" and r)
        assert told["refused"] == {"sensors.x": "the device has no sensor of this name"}
    assert agent.end(signal.SIGTERM) == 0

    queue = sqlite3.connect(tmp_path / "queue.db")
    assert queue.execute("SELECT count(*) FROM chunk").fetchone() == (0,), "the queue is empty"
    assert queue.execute("SELECT count(*) FROM loss WHERE readings > 0").fetchone() == (0,)
    accepted = {
        (boot, sensor, number)
        for boot, sensor, count in queue.execute(
            "SELECT boot.name, sensor, count FROM accepted JOIN boot ON boot.id = accepted.boot")
        for number in range(count)
    }
    assert len({boot for boot, _, _ in accepted}) == KILLS + 1
    eventually("all that was accepted arrives", lambda: accepted <= seen)
    eventually("it says that it goes", lambda: status and status[-1].get("reason") == "stopped")
    assert any(one.get("reason") == "connection-lost" for one in status), "the broker says that it was lost"
    observer.disconnect()
    observer.loop_stop()
