"""`tidings-agent claim`: devices that share one certificate each get their own, by ministack's fleet provisioning.
It knows certificates with a key that AWS makes; for a key of the device's own (--csr), which it does not know, a
stand-in answers over mosquitto as the developer guide says that AWS does."""

import json
import ssl
import subprocess

import paho.mqtt.client as paho
import pytest

from account import AGENT, TEMPLATES, Account
from conftest import eventually
from test_brokers import Mosquitto


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    running = Account(tmp_path_factory.mktemp("claims"))
    for stack in ("base", "fleet"):
        running.run("aws", "cloudformation", "deploy", "--stack-name", f"tidings-{stack}", "--template-file",
                    TEMPLATES / f"{stack}.yaml", "--capabilities", "CAPABILITY_NAMED_IAM")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def claim(account, tmp_path_factory):
    """The shared certificate, made as the README says."""
    folder = tmp_path_factory.mktemp("claim")
    iot = account.client("iot")
    made = iot.create_keys_and_certificate(setAsActive=True)
    iot.attach_policy(policyName="tidings-claim", target=made["certificateArn"])
    (folder / "claim.pem.crt").write_text(made["certificatePem"])
    (folder / "claim.pem.key").touch(mode=0o600)
    (folder / "claim.pem.key").write_text(made["keyPair"]["PrivateKey"])
    return folder


def card(account, folder, thing):
    """What is on a card before its first start: the same for all devices but for the name."""
    return write_card(folder, thing, account.mqtt, account.ca)


def write_card(folder, thing, port, ca):
    folder.mkdir(exist_ok=True)
    (folder / "agent.toml").write_text(
        f'device = "{thing}"\n[mqtt]\nendpoint = "localhost"\nport = {port}\nca = "{ca}"\n'
        'certificate = "device.pem.crt"\nkey = "private.pem.key"\n[clock]\ntrust = "always"\n'
        '[batch]\nage = "100ms"\n[[sensor]]\nname = "a"\nkind = "simulated"\ninterval = "50ms"\n')
    return folder


def run(folder, claim, *arguments):
    return subprocess.run([AGENT, "claim", "-c", folder / "agent.toml", "--claim-certificate",
                           claim / "claim.pem.crt", "--claim-key", claim / "claim.pem.key", *arguments],
                          capture_output=True, text=True, timeout=120)


def test_a_device_claims_its_own_certificate_and_publishes_with_it(account, claim, tmp_path):
    folder = card(account, tmp_path / "pi-1", "pi-1")
    done = run(folder, claim)
    assert done.returncode == 0, done.stderr
    certificate = (folder / "device.pem.crt").read_text()
    assert "BEGIN CERTIFICATE" in certificate and (folder / "device.pem.crt").stat().st_mode & 0o077 == 0
    arn, = account.client("iot").list_thing_principals(thingName="pi-1")["principals"]
    policies = account.client("iot").list_attached_policies(target=arn)["policies"]
    assert [policy["policyName"] for policy in policies] == ["tidings-device"]
    agent = subprocess.Popen([AGENT, "run", "--status-every", "100ms", "-c", folder / "agent.toml"],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert any(json.loads(line)["acknowledged"] > 5 for line in agent.stdout)
    agent.terminate()
    agent.stdout.close()
    agent.wait()
    # Again, as a script at each start would: nothing happens.
    assert run(folder, claim).returncode == 0
    assert (folder / "device.pem.crt").read_text() == certificate


def test_a_claim_that_was_interrupted_goes_on(account, claim, tmp_path):
    folder = card(account, tmp_path / "pi-2", "pi-2")
    assert run(folder, claim).returncode == 0
    # As it is when the power goes after the thing was made and before the certificate was in its place.
    for name in ("device.pem.crt", "private.pem.key"):
        (folder / name).rename(folder / f"{name}.claimed")
    done = run(folder, claim)
    assert done.returncode == 0 and "claimed before" in done.stderr, done.stderr
    assert (folder / "device.pem.crt").exists()


def test_the_devices_own_key_never_leaves_it(tmp_path):
    (tmp_path / "broker").mkdir()
    broker = Mosquitto(tmp_path / "broker")
    try:
        cloud = broker.device("cloud")
        claim = broker.device("claim")
        folder = write_card(tmp_path / "pi-1", "pi-1", broker.port, broker.folder / "ca.pem")
        subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-subj", "/CN=pi-1", "-keyout", folder / "private.pem.key", "-out", folder / "thing.csr"],
                       check=True, capture_output=True)
        (folder / "private.pem.key").chmod(0o600)
        key, asked = (folder / "private.pem.key").read_text(), []
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="cloud")
        client.tls_set(cloud["ca"], cloud["certificate"], cloud["key"], tls_version=ssl.PROTOCOL_TLS_CLIENT)

        def answer(client, _data, message):
            document = json.loads(message.payload)
            asked.append((message.topic, document))
            if message.topic.startswith("$aws/certificates/"):
                (broker.folder / "thing.csr").write_text(document["certificateSigningRequest"])
                broker.openssl("x509", "-req", "-in", "thing.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                               "-CAcreateserial", "-days", "30", "-out", "thing.pem")
                said = {"certificateId": "ab", "certificatePem": (broker.folder / "thing.pem").read_text(),
                        "certificateOwnershipToken": "token"}
            else:
                said = {"thingName": document["parameters"]["ThingName"], "deviceConfiguration": {}}
            client.publish(f"{message.topic}/accepted", json.dumps(said), qos=1)

        granted = []
        client.on_message = answer
        client.on_subscribe = lambda *_: granted.append(True)
        client.on_connect = lambda client, *_: client.subscribe([
            ("$aws/certificates/create-from-csr/json", 1),
            ("$aws/provisioning-templates/workshop/provision/json", 1)])
        client.connect("localhost", broker.port)
        client.loop_start()
        eventually("the stand-in listens", lambda: granted)
        done = subprocess.run([AGENT, "claim", "-c", folder / "agent.toml", "--claim-certificate", claim["certificate"],
                               "--claim-key", claim["key"], "--csr", folder / "thing.csr", "--template", "workshop"],
                              capture_output=True, text=True, timeout=120)
        client.disconnect()
        client.loop_stop()
        assert done.returncode == 0, done.stderr
        assert "BEGIN CERTIFICATE" in (folder / "device.pem.crt").read_text()
        assert (folder / "private.pem.key").read_text() == key and "PRIVATE" not in json.dumps(asked)
        assert asked[1][1] == {"certificateOwnershipToken": "token", "parameters": {"ThingName": "pi-1"}}
    finally:
        broker.stop()


def test_a_claim_does_not_take_over_a_thing_that_is_there(account, claim, tmp_path):
    account.provision("pi-3", tmp_path / "real")
    before = account.client("iot").list_thing_principals(thingName="pi-3")["principals"]
    refused = run(card(account, tmp_path / "pi-3", "pi-3"), claim)
    assert refused.returncode == 1 and "conflicts" in refused.stderr, refused
    assert account.client("iot").list_thing_principals(thingName="pi-3")["principals"] == before
    assert not (tmp_path / "pi-3/device.pem.crt").exists()
    # The claim that is not active any more opens nothing.
    iot = account.client("iot")
    holder, = iot.list_targets_for_policy(policyName="tidings-claim")["targets"]
    iot.update_certificate(certificateId=holder.rsplit("/", 1)[1], newStatus="INACTIVE")
    assert eventually("the claim is refused", lambda: run(card(account, tmp_path / "pi-4", "pi-4"), claim).returncode) == 1
    account.tidings("teardown", "--yes")
    # But for what was made for the claim that was refused, which nobody can use.
    assert {one["status"] for one in iot.list_certificates()["certificates"]} == {"PENDING_ACTIVATION"}
    assert not iot.list_provisioning_templates()["templates"] and not iot.list_things()["things"]
