"""Alerts by the function itself, as Lambda's Runtime API drives it, with ministack's DynamoDB and SNS."""

import base64
import json
import os
import queue
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from account import KEYS, REGION, TEMPLATES, Account
from conftest import PATIENCE, PROGRAM, eventually

FUNCTION = PROGRAM.with_name("tidings-ingest")
ARN = f"arn:aws:lambda:{REGION}:000000000000:function:tidings-ingest:live"
TOPIC = f"arn:aws:sns:{REGION}:000000000000:tidings-alerts"


class Runtime:
    """Lambda's side: hands the function an event, takes its answer."""

    def __init__(self, endpoint, log):
        self.events, self.answers = queue.Queue(), queue.Queue()
        runtime = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def reply(self, status, body=b"", **headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                event = runtime.events.get()
                if event is not None:
                    self.reply(200, event.encode(), Lambda_Runtime_Aws_Request_Id="r",
                               Lambda_Runtime_Invoked_Function_Arn=ARN,
                               Lambda_Runtime_Deadline_Ms=str(int(time.time() * 1000) + 30_000))

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                runtime.answers.put((self.path.rsplit("/", 1)[1], json.loads(body)))
                self.reply(202)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        environment = dict(
            os.environ, **KEYS, AWS_ENDPOINT_URL=endpoint, TIDINGS_ALERT_TOPIC="tidings-alerts",
            AWS_LAMBDA_RUNTIME_API=f"127.0.0.1:{self.server.server_port}", AWS_LAMBDA_FUNCTION_NAME="tidings-ingest",
            AWS_LAMBDA_FUNCTION_VERSION="1", AWS_LAMBDA_FUNCTION_MEMORY_SIZE="128")
        self.process = subprocess.Popen([FUNCTION], env=environment, stdout=log, stderr=log)

    def invoke(self, event):
        self.events.put(json.dumps(event))
        kind, answer = self.answers.get(timeout=PATIENCE)
        assert kind == "response", answer
        return answer

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.events.put(None)
        self.server.shutdown()


@pytest.fixture
def account(tmp_path):
    running = Account(tmp_path)
    running.run("aws", "cloudformation", "deploy", "--stack-name", "tidings-base", "--template-file",
                TEMPLATES / "base.yaml", "--capabilities", "CAPABILITY_NAMED_IAM")
    yield running
    running.stop()


@pytest.fixture
def runtime(account, tmp_path):
    with (tmp_path / "function.log").open("w") as log:
        running = Runtime(account.url, log)
        yield running
        running.stop()


def event(at, **values):
    """A message of `pi-1` with a reading of these quantities."""
    fields = [["temperature", "Cel"] if name == "temperature" else [name, "%RH"] for name in values]
    series = {"sensor": "s", "fields": fields, "rows": [[0, 1, *values.values()]]}
    payload = json.dumps({"v": 1, "device": "pi-1", "boot": "b", "t0": at, "series": [series]})
    return {"payload": base64.b64encode(payload.encode()).decode(), "topic": "sensors/pi-1/readings",
            "client_id": "pi-1", "received_at": at, "envelope": 1}


def test_an_alert_is_told_once_and_one_that_nobody_took_by_the_tick(account, runtime, tmp_path):
    sns, sqs, devices = account.client("sns"), account.client("sqs"), account.client("dynamodb")
    url = account.subscribe_queue(TOPIC, "listener")
    file = tmp_path / "said.json"
    file.write_text(json.dumps({"alerts": {"temperature": {"above": 35, "clear": 33}, "s.humidity": {"below": 20}}}))
    account.tidings("device", "pi-1", "--set", file)

    def listen():
        messages = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in messages]

    at = int(time.time() * 1000)
    for _ in range(3):
        assert runtime.invoke(event(at, temperature=36.2, humidity=50))["accepted"] == 1
    told, = eventually("somebody is told", listen)
    assert told["Message"].startswith("pi-1 / s temperature 36.2 °C is above 35 °C since 20")
    assert told["Subject"] == "Tidings: pi-1 s.temperature is too high"
    assert {name: it["Value"] for name, it in told["MessageAttributes"].items()} == {
        "device": "pi-1", "alert": "s.temperature", "state": "raised", "id": f"pi-1#s.temperature#{at}#raised"}
    assert not listen(), "once"

    # Nobody can be told: the reading is kept all the same, and what is untold stands in the table.
    sns.delete_topic(TopicArn=TOPIC)
    assert runtime.invoke(event(at + 1, temperature=36.2, humidity=10))["accepted"] == 1
    key = {"pk": {"S": "alert"}, "sk": {"S": "pi-1"}}
    stands = devices.get_item(TableName="devices", Key=key)["Item"]
    assert [one["M"]["name"]["S"] for one in stands["untold"]["L"]] == ["s.humidity"]
    sns.create_topic(Name="tidings-alerts")
    assert account.subscribe_queue(TOPIC, "listener") == url
    # A minute later; until then, who wrote it may still be telling it.
    devices.update_item(TableName="devices", Key=key, UpdateExpression="SET untold[0].taken = :then",
                        ExpressionAttributeValues={":then": {"N": str(at - 61_000)}})
    for _ in range(2):
        runtime.invoke({"job": "tick"})
    told, = eventually("the tick tells", listen)
    assert told["Message"].startswith("pi-1 / s humidity 10 % RH is below 20 % RH since 20")
    assert not listen(), "once"
    assert not devices.get_item(TableName="devices", Key=key)["Item"]["untold"]["L"]
