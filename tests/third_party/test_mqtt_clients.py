"""Real MQTT clients: mosquitto_pub, and paho with MQTT 3.1.1 and 5."""

import shutil
import ssl
import subprocess

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from conftest import PROGRAM, eventually, message


def mosquitto_pub(up, folder, client_id, topic, payload, *, key=True, version="mqttv311"):
    command = ["mosquitto_pub", "-h", "localhost", "-p", str(up.port), "-V", version, "-q", "1",
               "-i", client_id, "-t", topic, "-m", payload, "--cafile", folder / "root-ca.pem"]
    if key:
        command += ["--cert", folder / "device.pem.crt", "--key", folder / "private.pem.key"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.skipif(not shutil.which("mosquitto_pub"), reason="tests/run installs mosquitto_pub")
@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
def test_mosquitto_pub_delivers_with_its_own_certificate_and_not_otherwise(up, version):
    folder = up.provision("bench")
    topic = "sensors/bench/readings"
    done = mosquitto_pub(up, folder, "bench", topic, message("bench", 21.5, 21.6), version=version)
    assert done.returncode == 0, done.stderr
    stored = eventually("both readings", lambda: len(up.stored("bench", "s")) == 2 and up.stored("bench", "s"))
    assert [float(item["values"]["temperature"]) for item in stored] == [21.5, 21.6]

    nobody = mosquitto_pub(up, folder, "bench", topic, message("bench", 1), key=False, version=version)
    assert nobody.returncode != 0
    another_name = mosquitto_pub(up, folder, "this-machine", topic, message("bench", 1), version=version)
    assert another_name.returncode != 0

    stranger = up.data / "stranger"
    shutil.copytree(folder, stranger)
    for command in (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=x -keyout ca.key -out ca.crt",
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=bench -keyout private.pem.key -out b.csr",
        "x509 -req -in b.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 1 -out device.pem.crt",
    ):
        subprocess.run(["openssl", *command.split()], cwd=stranger, check=True, capture_output=True)
    assert mosquitto_pub(up, stranger, "bench", topic, message("bench", 1), version=version).returncode != 0

    # Another thing's topic: the connection ends, and the message is nowhere.
    mosquitto_pub(up, folder, "bench", "sensors/other/readings", message("other", 1), version=version)
    # Another thing in the payload: delivered, and quarantined.
    done = mosquitto_pub(up, folder, "bench", topic, message("other", 1), version=version)
    assert done.returncode == 0, done.stderr
    refused = eventually("the quarantined message", up.quarantined)
    assert [item["reason"] for item in refused] == ["identity-mismatch"]
    assert up.stored("other", "s") == [] and len(up.stored("bench", "s")) == 2


@pytest.mark.parametrize("protocol", [paho.MQTTv311, paho.MQTTv5])
def test_paho_publishes_and_subscribes(up, protocol):
    folder = up.provision("bench")
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="bench", protocol=protocol)
    client.tls_set(folder / "root-ca.pem", folder / "device.pem.crt", folder / "private.pem.key",
                   tls_version=ssl.PROTOCOL_TLS_CLIENT)
    granted = []
    client.on_subscribe = lambda client, data, mid, codes, properties: granted.extend(codes)
    client.connect("localhost", up.port)
    client.loop_start()
    client.subscribe("sensors/bench/commands", qos=1)
    eventually("the subscription", lambda: granted)
    assert [code.value for code in granted] == [1]
    topic = "$aws/rules/tidings_ingest/sensors/bench/readings"
    for number in range(20):
        client.publish(topic, message("bench", 20 + number, sensor=f"s{number}"), qos=1).wait_for_publish(30)
    eventually("the last reading", lambda: up.stored("bench", "s19"))
    client.disconnect()
    client.loop_stop()

    subprocess.run([PROGRAM, "provision", "bench", "--revoke", "--data", up.data], check=True)
    refused = mosquitto_pub(up, folder, "bench", topic, "{}") if shutil.which("mosquitto_pub") else None
    assert refused is None or refused.returncode != 0
