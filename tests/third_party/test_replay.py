"""`tidings replay` empties a queue of SQS into tables that nobody here emulates: ministack's."""

import json
import os
import subprocess

import boto3
import pytest

from conftest import PROGRAM, ROOT, eventually
from test_brokers import free_port, listening

RECORDS = ROOT / "tests" / "events" / "records"
SETTINGS = {"region_name": "us-east-1", "aws_access_key_id": "local", "aws_secret_access_key": "local"}


@pytest.fixture
def cloud(tmp_path):
    port = free_port()
    environment = dict(os.environ, GATEWAY_PORT=str(port), IOT_MTLS_PORT=str(free_port()))
    process = subprocess.Popen(["ministack"], env=environment, cwd=tmp_path,
                               stdout=(tmp_path / "ministack.log").open("w"), stderr=subprocess.STDOUT)
    eventually("ministack listens", lambda: listening(port))
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait()


def make_tables(dynamodb):
    for name in ("readings", "quarantine", "devices"):
        dynamodb.create_table(
            TableName=name, BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}])


def test_the_on_failure_queue_comes_home_and_is_empty(cloud):
    sqs = boto3.client("sqs", endpoint_url=cloud, **SETTINGS)
    dynamodb = boto3.client("dynamodb", endpoint_url=cloud, **SETTINGS)
    make_tables(dynamodb)
    queue = sqs.create_queue(QueueName="tidings-on-failure")["QueueUrl"]
    for name in ("lambda-on-failure", "iot-error-action"):
        sqs.send_message(QueueUrl=queue, MessageBody=(RECORDS / f"{name}.json").read_text())
    sqs.send_message(QueueUrl=queue, MessageBody="nobody's")

    def replay(*more):
        done = subprocess.run([PROGRAM, "replay", "--queue", queue, "--endpoint-url", cloud, "--json", *more],
                              capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    # Both records hold the same reading: a rule that failed, and Lambda that did.
    sums = replay()
    assert (sums["messages"], sums["readings"], sums["unreadable"]) == (3, 2, 1)
    items = dynamodb.scan(TableName="readings")["Items"]
    assert [(item["pk"]["S"], item["values"]["M"]["temperature"]["N"]) for item in items] == [("pi-1#bme280", "21.5")]
    left = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    waiting = int(left["ApproximateNumberOfMessages"]) + int(left["ApproximateNumberOfMessagesNotVisible"])
    assert waiting == 1, "only what nobody can read is left"
