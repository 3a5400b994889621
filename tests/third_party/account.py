"""An AWS account of a third party's: ministack with its checks of permissions switched on. What it cannot do
is done here by hand, and said."""

import json
import os
import re
import socket
import subprocess
import urllib.request

import boto3
import yaml

from conftest import PROGRAM, PROFILE, ROOT, eventually

AGENT = ROOT / "target" / PROFILE / "tidings-agent"
TEMPLATES = ROOT / "infra" / "cloudformation"
REGION = "us-east-1"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION}
TABLES = ("readings", "quarantine", "devices")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Template:
    """A template as it is read by a person: short forms of functions stand as strings."""

    class Loader(yaml.SafeLoader):
        pass

    def __init__(self, name):
        self.Loader.add_multi_constructor("!", self.short_form)
        self.document = yaml.load((TEMPLATES / name).read_text(), self.Loader)
        self.resources = self.document["Resources"]

    @staticmethod
    def short_form(loader, suffix, node):
        if isinstance(node, yaml.ScalarNode):
            return f"!{suffix} {node.value}"
        if isinstance(node, yaml.SequenceNode):
            return {f"!{suffix}": loader.construct_sequence(node, deep=True)}
        return {f"!{suffix}": loader.construct_mapping(node, deep=True)}

    def of_type(self, kind):
        return {name: it["Properties"] for name, it in self.resources.items() if it["Type"] == kind}


class Account:
    """Starts it; everything that the tests ask of it goes through clients with its one administrator's key."""

    def __init__(self, folder):
        self.folder, self.port, self.mqtt = folder, free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        # Retries after a tenth of a second instead of a minute. AUTH: policies of roles and of devices are kept.
        environment = dict(os.environ, **KEYS, BIND_HOST="127.0.0.1", GATEWAY_PORT=str(self.port),
                           IOT_MTLS_PORT=str(self.mqtt), AUTH="true", AWS_ENDPOINT_URL=self.url,
                           LAMBDA_ASYNC_RETRY_BASE_SECONDS="0.1")
        self.log = folder / "ministack.log"
        self.process = subprocess.Popen(["ministack"], env=environment, cwd=folder, stdout=self.log.open("w"),
                                        stderr=subprocess.STDOUT)
        eventually("ministack listens", lambda: listening(self.port) and listening(self.mqtt))
        self.ca = folder / "ca.pem"
        with urllib.request.urlopen(f"{self.url}/_ministack/iot/ca.pem") as answer:
            self.ca.write_bytes(answer.read())
        # What a user's shell has, and an endpoint, which every one of the programs understands.
        self.environment = dict(os.environ, **KEYS, AWS_ENDPOINT_URL=self.url, CARGO_LAMBDA_COMPILER="cargo")

    def client(self, service):
        return boto3.client(service, endpoint_url=self.url, region_name=REGION, aws_access_key_id="test",
                            aws_secret_access_key="test")

    def run(self, *arguments, check=True, folder=ROOT):
        done = subprocess.run([str(part) for part in arguments], cwd=folder, env=self.environment,
                              capture_output=True, text=True, timeout=900, stdin=subprocess.DEVNULL)
        assert not check or done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done

    def tidings(self, *arguments, check=True):
        return self.run(PROGRAM, *arguments, check=check)

    def provision(self, thing, out, *arguments, check=True):
        return self.tidings("provision", thing, "--aws", "--out", out, "--mqtt-endpoint",
                            f"localhost:{self.mqtt}", "--root-ca", self.ca, *arguments, check=check)

    def set_what_its_cloudformation_leaves_out(self):
        """ministack's CloudFormation passes over TTL and point-in-time recovery; the template's values by API."""
        dynamodb = self.client("dynamodb")
        for table in Template("base.yaml").of_type("AWS::DynamoDB::Table").values():
            dynamodb.update_time_to_live(TableName=table["TableName"],
                                         TimeToLiveSpecification=table["TimeToLiveSpecification"])
            dynamodb.update_continuous_backups(
                TableName=table["TableName"],
                PointInTimeRecoverySpecification=table["PointInTimeRecoverySpecification"])

    def items(self, table):
        pages = self.client("dynamodb").get_paginator("scan").paginate(TableName=table)
        return [item for page in pages for item in page["Items"]]

    def subscribe_queue(self, topic, name):
        """A queue that the topic sends to; its URL. Without the policy SNS would not be let in, and would not say so."""
        sqs = self.client("sqs")
        url = sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        statement = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
                     "Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": topic}}}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        self.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        return url

    def doctor(self, *arguments):
        """Its exit code and its report."""
        done = self.tidings("doctor", "--json", *arguments, check=False)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def commands_of_readme(section):
    """The commands of a section's first code block, as a script."""
    text = (ROOT / "README.md").read_text()
    body = re.search(rf"^## {re.escape(section)}\n(.*?)(?=^## )", text, re.S | re.M).group(1)
    return re.search(r"^```sh\n(.*?)^```", body, re.S | re.M).group(1)
