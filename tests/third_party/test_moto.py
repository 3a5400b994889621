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


def test_a_thing_is_provisioned_twice_and_revoked(moto, tmp_path):
    iot = boto3.client("iot", endpoint_url=moto, region_name=REGION, aws_access_key_id="test",
                       aws_secret_access_key="test")

    def tidings(*arguments):
        return subprocess.run([PROGRAM, "provision", "pi-1", "--endpoint-url", moto, *arguments],
                              env=dict(KEYS, PATH="/usr/bin"), capture_output=True, text=True, timeout=60)

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
