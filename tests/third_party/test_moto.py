"""A second opinion on what `tidings` asks of the registry of AWS IoT Core: moto's."""

import json
import subprocess

import boto3
import pytest

from account import KEYS, REGION, free_port, listening
from conftest import PROGRAM, eventually

POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"}]}


@pytest.fixture
def moto(tmp_path):
    port = free_port()
    server = subprocess.Popen(["moto_server", "-H", "127.0.0.1", "-p", str(port)],
                              stdout=(tmp_path / "moto.log").open("w"), stderr=subprocess.STDOUT)
    eventually("moto listens", lambda: listening(port))
    yield f"http://127.0.0.1:{port}"
    server.terminate()
    server.wait()


@pytest.fixture
def iot(moto):
    return boto3.client("iot", endpoint_url=moto, region_name=REGION, aws_access_key_id="test",
                        aws_secret_access_key="test")


@pytest.fixture
def tidings(moto):
    def run(*arguments):
        return subprocess.run([PROGRAM, "provision", "pi-1", "--endpoint-url", moto, *arguments],
                              env=dict(KEYS, PATH="/usr/bin"), capture_output=True, text=True, timeout=60)

    return run


def test_a_thing_is_provisioned_twice_and_revoked(iot, tidings, tmp_path):
    folder = tmp_path / "pi-1"
    refused = tidings("--out", folder)
    assert refused.returncode == 1 and "tidings-base" in refused.stderr, refused
    iot.create_policy(policyName="tidings-device", policyDocument=json.dumps(POLICY))
    for _ in range(2):
        done = tidings("--out", folder)
        assert done.returncode == 0, done.stderr
        certificate, = iot.list_thing_principals(thingName="pi-1")["principals"]
        known = iot.describe_certificate(certificateId=certificate.rsplit("/", 1)[1])["certificateDescription"]
        assert known["status"] == "ACTIVE"
        assert known["certificatePem"].strip() == (folder / "device.pem.crt").read_text().strip()
        policies = iot.list_attached_policies(target=certificate)["policies"]
        assert [policy["policyName"] for policy in policies] == ["tidings-device"]
    assert tidings("--revoke").returncode == 0
    assert iot.list_things()["things"] == [] and iot.list_certificates()["certificates"] == []
    # Nothing is left to take back.
    assert "0 certificates" in tidings("--revoke").stdout


def test_what_was_interrupted_is_finished_and_what_somebody_closed_stays_closed(iot, tidings, tmp_path):
    iot.create_policy(policyName="tidings-device", policyDocument=json.dumps(POLICY))
    folder = tmp_path / "pi-1"
    assert tidings("--out", folder).returncode == 0
    certificate, = iot.list_thing_principals(thingName="pi-1")["principals"]
    certificate_id = certificate.rsplit("/", 1)[1]

    def status():
        return iot.describe_certificate(certificateId=certificate_id)["certificateDescription"]["status"]

    # Somebody has closed it: not ours to open.
    iot.update_certificate(certificateId=certificate_id, newStatus="INACTIVE")
    refused = tidings("--out", folder)
    assert refused.returncode == 1 and "made inactive by somebody" in refused.stderr, refused
    assert status() == "INACTIVE"
    # As it is after a crash before the certificate was active, and before the configuration was written.
    iot.detach_thing_principal(thingName="pi-1", principal=certificate)
    (folder / "agent.toml").unlink()
    assert tidings("--out", folder).returncode == 0
    assert status() == "ACTIVE" and iot.list_thing_principals(thingName="pi-1")["principals"] == [certificate]
    assert (folder / "agent.toml").exists()
    # After a crash between key and certificate: a certificate for the key that is there.
    key = (folder / "private.pem.key").read_text()
    for name in ("device.pem.crt", "certificate.arn"):
        (folder / name).unlink()
    assert tidings("--out", folder).returncode == 0
    assert (folder / "private.pem.key").read_text() == key
    assert len(iot.list_thing_principals(thingName="pi-1")["principals"]) == 2
    # Another's certificate is not taken for this thing's.
    other = subprocess.run([PROGRAM, "provision", "pi-2", "--endpoint-url", iot.meta.endpoint_url, "--out", folder],
                           env=dict(KEYS, PATH="/usr/bin"), capture_output=True, text=True, timeout=60)
    assert other.returncode == 1 and "is the certificate of pi-1" in other.stderr, other


def test_who_has_no_account_is_told_so_once(tmp_path):
    """Without region or credentials, every command that needs them says what to do, in a line."""
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin", "AWS_EC2_METADATA_DISABLED": "true"}
    for command in (["doctor"], ["teardown"], ["provision", "pi-1", "--aws", "--out", tmp_path / "pi-1"]):
        for more, missing in (({}, "AWS_REGION"), ({"AWS_REGION": REGION}, "credentials")):
            done = subprocess.run([PROGRAM, *command], env={**environment, **more}, capture_output=True, text=True,
                                  stdin=subprocess.DEVNULL, timeout=60)
            assert done.returncode == 1 and missing in done.stderr, (command, done)
            assert len(done.stderr.splitlines()) == 1, done.stderr
    assert not (tmp_path / "pi-1").exists()
