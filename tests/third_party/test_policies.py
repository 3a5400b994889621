"""What the policies of the templates allow and what they do not, as a third party's IAM judges it
(SimulateCustomPolicy); and the size of the device's policy, which AWS limits."""

import json
import queue
import ssl

import paho.mqtt.client as paho
import pytest

from account import REGION, TEMPLATES, Account, Template

NUMBER = "000000000000"
DEVICE = "pi-1"
TOPIC, FILTER, CLIENT = "topic/", "topicfilter/", "client/"


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    running = Account(tmp_path_factory.mktemp("policies"))
    running.run("aws", "cloudformation", "deploy", "--stack-name", "tidings-base", "--template-file",
                TEMPLATES / "base.yaml", "--capabilities", "CAPABILITY_NAMED_IAM")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def device_policy(account):
    return account.client("iot").get_policy(policyName="tidings-device")["policyDocument"]


@pytest.fixture(scope="module")
def role_policy(account):
    role = f"tidings-ingest-{REGION}"
    return account.client("iam").get_role_policy(RoleName=role, PolicyName="ingest")["PolicyDocument"]


@pytest.fixture(scope="module")
def rule_policy(account):
    return account.client("iam").get_role_policy(RoleName=f"tidings-rule-{REGION}", PolicyName="rule")["PolicyDocument"]


def allows(account, document, action, resource):
    text = document if isinstance(document, str) else json.dumps(document)
    answer = account.client("iam").simulate_custom_policy(
        PolicyInputList=[text], ActionNames=[action], ResourceArns=[resource])
    return answer["EvaluationResults"][0]["EvalDecision"] == "allowed"


DEVICE_CASES = [
    ("Connect", f"{CLIENT}pi-1", True),
    ("Connect", f"{CLIENT}pi-2", False),
    ("Connect", f"{CLIENT}pi-10", False),
    ("Publish", f"{TOPIC}sensors/pi-1/readings", True),
    ("Publish", f"{TOPIC}$aws/rules/tidings_ingest/sensors/pi-1/readings", True),
    ("Publish", f"{TOPIC}sensors/pi-1/status", True),
    ("Publish", f"{TOPIC}sensors/pi-1/answers", True),
    ("Publish", f"{TOPIC}$aws/things/pi-1/shadow/name/tidings/update", True),
    ("Publish", f"{TOPIC}$aws/things/pi-1/shadow/name/tidings/get", True),
    ("Publish", f"{TOPIC}sensors/pi-2/readings", False),
    ("Publish", f"{TOPIC}$aws/rules/tidings_ingest/sensors/pi-2/readings", False),
    ("Publish", f"{TOPIC}$aws/rules/another/sensors/pi-1/readings", False),
    ("Publish", f"{TOPIC}sensors/pi-1/commands", False),
    ("Publish", f"{TOPIC}sensors/pi-1", False),
    ("Publish", f"{TOPIC}sensors/pi-1/readings/more", False),
    ("Publish", f"{TOPIC}$aws/things/pi-2/shadow/name/tidings/update", False),
    ("Publish", f"{TOPIC}$aws/things/pi-1/shadow/name/other/update", False),
    ("Publish", f"{TOPIC}$aws/things/pi-1/shadow/update", False),
    ("Publish", f"{TOPIC}$aws/things/pi-1/jobs/x/update", False),
    ("RetainPublish", f"{TOPIC}sensors/pi-1/status", True),
    ("RetainPublish", f"{TOPIC}sensors/pi-1/readings", False),
    ("Subscribe", f"{FILTER}sensors/pi-1/commands", True),
    ("Subscribe", f"{FILTER}$aws/things/pi-1/shadow/name/tidings/update/delta", True),
    ("Subscribe", f"{FILTER}sensors/pi-2/commands", False),
    ("Subscribe", f"{FILTER}sensors/+/commands", False),
    ("Subscribe", f"{FILTER}sensors/#", False),
    ("Subscribe", f"{FILTER}#", False),
    ("Subscribe", f"{FILTER}sensors/pi-1/readings", False),
    ("Receive", f"{TOPIC}sensors/pi-1/commands", True),
    ("Receive", f"{TOPIC}sensors/pi-2/commands", False),
    ("Receive", f"{TOPIC}sensors/pi-1/readings", False),
    ("DeleteThingShadow", "thing/pi-1", False),
    ("AttachPolicy", "cert/ab", False),
]


@pytest.mark.parametrize("action, resource, expected", DEVICE_CASES)
def test_a_device_reaches_what_is_its_own(account, device_policy, action, resource, expected):
    # What AWS IoT Core puts in for the policy variable: the thing that the certificate is attached to.
    document = json.loads(device_policy.replace("${iot:Connection.Thing.ThingName}", DEVICE))
    # ministack's simulation takes no context; the condition itself is tried with a connection, below.
    for statement in document["Statement"]:
        statement.pop("Condition", None)
    assert allows(account, document, f"iot:{action}", f"arn:aws:iot:{REGION}:{NUMBER}:{resource}") == expected


def test_the_variable_matches_nobody_where_it_is_not_filled_in(account, device_policy):
    document = json.loads(device_policy)
    connect, = [one for one in document["Statement"] if one["Action"] == "iot:Connect"]
    assert connect.pop("Condition") == {"Bool": {"iot:Connection.Thing.IsAttached": "true"}}
    assert not allows(account, document, "iot:Connect", f"arn:aws:iot:{REGION}:{NUMBER}:client/{DEVICE}")


def connects(account, folder, client_id):
    """Whether the broker takes a connection with that folder's certificate."""
    answers = queue.Queue()
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=client_id)
    client.on_connect = lambda _client, _data, _flags, reason, _properties: answers.put(not reason.is_failure)
    client.on_disconnect = lambda *_: answers.put(False)
    client.tls_set(folder / "root-ca.pem", folder / "device.pem.crt", folder / "private.pem.key",
                   tls_version=ssl.PROTOCOL_TLS_CLIENT)
    client.connect("localhost", account.mqtt)
    client.loop_start()
    taken = answers.get(timeout=30)
    client.on_disconnect = None
    client.disconnect()
    client.loop_stop()
    return taken


def test_a_certificate_connects_as_its_thing_and_only_while_it_is_attached(account, tmp_path):
    account.provision("pi-1", tmp_path)
    account.client("iot").create_thing(thingName="pi-2")
    assert connects(account, tmp_path, "pi-1")
    assert not connects(account, tmp_path, "pi-2")
    certificate, = account.client("iot").list_thing_principals(thingName="pi-1")["principals"]
    account.client("iot").detach_thing_principal(thingName="pi-1", principal=certificate)
    assert not connects(account, tmp_path, "pi-1")
    # `provision` again puts it right.
    account.provision("pi-1", tmp_path)
    assert connects(account, tmp_path, "pi-1")


TABLE = f"arn:aws:dynamodb:{REGION}:{NUMBER}:table/"
QUEUE = f"arn:aws:sqs:{REGION}:{NUMBER}:"
TOPIC_ARN = f"arn:aws:sns:{REGION}:{NUMBER}:"
LOGS = f"arn:aws:logs:{REGION}:{NUMBER}:log-group:/aws/lambda/"
ROLE_CASES = [
    ("dynamodb:BatchWriteItem", f"{TABLE}readings", True),
    ("dynamodb:BatchWriteItem", f"{TABLE}quarantine", True),
    ("dynamodb:BatchWriteItem", f"{TABLE}devices", True),
    ("dynamodb:BatchGetItem", f"{TABLE}devices", True),
    ("dynamodb:GetItem", f"{TABLE}devices", True),
    ("dynamodb:PutItem", f"{TABLE}devices", True),
    ("dynamodb:Query", f"{TABLE}devices", True),
    ("dynamodb:PutItem", f"{TABLE}readings", True),
    ("dynamodb:Query", f"{TABLE}readings", True),
    ("dynamodb:DeleteItem", f"{TABLE}devices", True),
    ("dynamodb:Query", f"{TABLE}quarantine", False),
    ("dynamodb:DeleteItem", f"{TABLE}quarantine", False),
    ("dynamodb:GetItem", f"{TABLE}readings", False),
    ("dynamodb:PutItem", f"{TABLE}quarantine", False),
    ("dynamodb:UpdateItem", f"{TABLE}devices", False),
    ("dynamodb:Scan", f"{TABLE}devices", False),
    ("dynamodb:BatchWriteItem", f"{TABLE}invoices", False),
    ("dynamodb:BatchWriteItem", f"{TABLE}readings2", False),
    ("dynamodb:BatchGetItem", f"{TABLE}readings", False),
    ("dynamodb:DeleteItem", f"{TABLE}readings", False),
    ("dynamodb:Scan", f"{TABLE}readings", False),
    ("dynamodb:DeleteTable", f"{TABLE}readings", False),
    ("sns:Publish", f"{TOPIC_ARN}tidings-alerts", True),
    ("sns:Publish", f"{TOPIC_ARN}tidings-alarms", False),
    ("sns:Publish", f"{TOPIC_ARN}tidings-alerts2", False),
    ("sns:Subscribe", f"{TOPIC_ARN}tidings-alerts", False),
    ("sqs:SendMessage", f"{QUEUE}tidings-failed", True),
    ("sqs:SendMessage", f"{QUEUE}tidings-rule-errors", False),
    ("sqs:ReceiveMessage", f"{QUEUE}tidings-failed", False),
    ("logs:PutLogEvents", f"{LOGS}tidings-ingest:log-stream:x", True),
    ("logs:PutLogEvents", f"{LOGS}other:log-stream:x", False),
    ("logs:CreateLogGroup", f"{LOGS}tidings-ingest:log-stream:x", False),
    ("iam:PassRole", f"arn:aws:iam::{NUMBER}:role/any", False),
]


@pytest.mark.parametrize("action, resource, expected", ROLE_CASES)
def test_the_function_reaches_its_tables_and_one_queue(account, role_policy, action, resource, expected):
    assert allows(account, role_policy, action, resource) == expected


@pytest.mark.parametrize("action, resource, expected", [
    ("sqs:SendMessage", f"{QUEUE}tidings-rule-errors", True),
    ("sqs:SendMessage", f"{QUEUE}tidings-failed", False),
    ("lambda:InvokeFunction", f"arn:aws:lambda:{REGION}:{NUMBER}:function:tidings-ingest:live", False),
])
def test_the_rule_tells_its_errors_and_no_more(account, rule_policy, action, resource, expected):
    assert allows(account, rule_policy, action, resource) == expected


def test_only_this_rule_of_this_account_may_take_the_rules_role(account):
    role = account.client("iam").get_role(RoleName=f"tidings-rule-{REGION}")["Role"]
    statement, = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "iot.amazonaws.com"}
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": NUMBER},
        "ArnLike": {"aws:SourceArn": f"arn:aws:iot:{REGION}:{NUMBER}:rule/tidings_ingest"}}


def test_the_devices_policy_fits_into_what_aws_takes(device_policy):
    # 2,048 characters without white space; with the longest region's name.
    dense = json.dumps(json.loads(device_policy), separators=(",", ":")).replace(REGION, "ap-northeast-1xx")
    assert len("".join(dense.split())) <= 2048, len(dense)


@pytest.mark.parametrize("service, rule", [("iot", "tidings_ingest"), ("events", "tidings-tick")])
def test_the_function_is_invoked_by_the_rules_of_this_account_only(service, rule):
    permissions = Template("wire.yaml").of_type("AWS::Lambda::Permission").values()
    assert len(permissions) == 2
    permission, = [one for one in permissions if one["Principal"] == f"{service}.amazonaws.com"]
    assert permission["SourceAccount"] == "!Ref AWS::AccountId"
    assert permission["SourceArn"].endswith(f":{service}:${{AWS::Region}}:${{AWS::AccountId}}:rule/{rule}")


def test_the_schedule_calls_the_alias_with_a_constant():
    rule, = Template("wire.yaml").of_type("AWS::Events::Rule").values()
    target, = rule["Targets"]
    assert (rule["ScheduleExpression"], rule["State"]) == ("rate(5 minutes)", "ENABLED")
    assert json.loads(target["Input"]) == {"job": "tick"}
    assert target["Arn"].endswith(":function:tidings-ingest:live")
