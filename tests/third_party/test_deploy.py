"""From an empty account to readings in the table and back to an empty account: the commands of the README, with
nothing changed but the endpoint and the machine that runs the function.

What ministack (1.5.33) cannot do, and how it is proved instead:
- Its CloudFormation passes over TTL and point-in-time recovery of tables: set by API from the template's values.
- Its rule calls the function once, without Lambda's retries, and never asks for the permission of the function:
  the retries are shown with an invocation of type Event of the same function, and the permission by what
  `tidings doctor` says of it.
- Its rule runs no error action when the function fails, as AWS's does not: see test_replay.py for that queue.
- It knows destinations of failed events of the bare function only, and not of an alias: for that step the alias's
  settings are copied to the function, and that is what is invoked.
- It runs the function on this machine: x86-64 here, --arm64 in the README.
"""

import base64
import json
import signal
import ssl
import subprocess
import time

import paho.mqtt.client as paho
import pytest

from account import AGENT, TABLES, Account, commands_of_readme
from conftest import ROOT, eventually, message

FUNCTION = "tidings-ingest"
RULE = "tidings_ingest"
SENSORS = """
[clock]
trust = "always"
[batch]
age = "300ms"
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


@pytest.fixture(scope="module")
def account(tmp_path_factory):
    running = Account(tmp_path_factory.mktemp("account"))
    yield running
    running.stop()


def run_agent(folder, readings):
    """Runs the agent until so many more readings are acknowledged, and stops it; gives what it says at its end."""
    log = (folder / "agent.log").open("a")
    agent = subprocess.Popen([AGENT, "run", "--status-every", "100ms", "-c", folder / "agent.toml"],
                             stdout=subprocess.PIPE, stderr=log, text=True)
    last = {}
    for line in agent.stdout:
        last = json.loads(line)
        if last["acknowledged"] >= readings:
            break
    agent.send_signal(signal.SIGTERM)
    for line in agent.stdout:
        last = json.loads(line)
    assert agent.wait() == 0, (folder / "agent.log").read_text()
    return last


def stored(account, device):
    """(sensor, boot, number) of every item of a device, with repetitions if there were any."""
    own = (item for item in account.items("readings") if item["device"]["S"] == device)
    return sorted((item["sensor"]["S"], *item["sk"]["S"].split("#")[1:]) for item in own)


def publish(account, folder, topic, payload):
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=folder.name)
    client.tls_set(folder / "root-ca.pem", folder / "device.pem.crt", folder / "private.pem.key",
                   tls_version=ssl.PROTOCOL_TLS_CLIENT)
    client.connect("localhost", account.mqtt)
    client.loop_start()
    client.publish(topic, payload, qos=1).wait_for_publish(30)
    client.disconnect()
    client.loop_stop()


def test_from_nothing_to_readings_and_back_to_nothing(account, tmp_path):
    deploy_as_the_readme_says(account)
    folder = provision(account, tmp_path)
    someone_sets_an_alert(account, tmp_path)
    readings_arrive_once(account, folder)
    the_alert_is_told_once(account)
    code, report = account.doctor()
    assert (code, report["worst"]) == (0, "good"), report
    poison_goes_to_quarantine(account, folder)
    an_outage_ends_in_the_queue_and_replay_brings_it_home(account)
    doctor_names_the_damage_of_each_sabotage(account)
    a_certificate_is_replaced(account, folder)
    readings_arrive_over_the_queue_too(account, folder)
    teardown_leaves_nothing(account)


def deploy_as_the_readme_says(account):
    commands = commands_of_readme("Deploy")
    assert commands.count("--arm64") == 1 and commands.count("aws cloudformation deploy") == 2
    account.run("bash", "-euc", commands.replace("--arm64", "--x86-64"))
    account.set_what_its_cloudformation_leaves_out()
    # `tidings deploy` runs the same ones, and again changes nothing.
    said = account.tidings("deploy", "--x86-64", "--alarm-email", "alarms@example.org").stdout
    assert "$ cd ./lambda; cargo lambda build --release --x86-64" in said


def provision(account, tmp_path):
    folder = tmp_path / "pi-1"
    account.provision("pi-1", folder)
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    # Again: nothing changes.
    account.provision("pi-1", folder)
    assert files == {path.name: path.read_bytes() for path in folder.iterdir()}
    text = (folder / "agent.toml").read_text()
    (folder / "agent.toml").write_text(text[:text.index("[[sensor]]")] + SENSORS)
    # Without an endpoint said, the account's own and Amazon's CAs.
    other = tmp_path / "pi-2"
    account.tidings("provision", "pi-2", "--aws", "--out", other)
    assert "-ats.iot.us-east-1." in (other / "agent.toml").read_text()
    assert (other / "root-ca.pem").read_text().count("BEGIN CERTIFICATE") == 2
    fleet = tmp_path / "fleet.csv"
    subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-subj", "/CN=pi-4", "-keyout", tmp_path / "pi-4.key", "-out", tmp_path / "pi-4.csr"],
                   check=True, capture_output=True)
    fleet.write_text("thing,csr\npi-3,\npi-4,pi-4.csr\n")
    account.tidings("provision", "--aws", "--fleet", fleet, "--out", tmp_path / "fleet")
    assert (tmp_path / "fleet/pi-3/private.pem.key").exists()
    assert (tmp_path / "fleet/pi-4/device.pem.crt").exists()
    assert not (tmp_path / "fleet/pi-4/private.pem.key").exists()
    for thing in ("pi-2", "pi-3", "pi-4"):
        account.tidings("provision", thing, "--aws", "--revoke")
    assert [thing["thingName"] for thing in account.client("iot").list_things()["things"]] == ["pi-1"]
    return folder


def readings_arrive_once(account, folder):
    said = run_agent(folder, 300)
    assert said["waiting"] == 0, said
    found = eventually("every reading is in the table",
                       lambda: (rows := stored(account, "pi-1")) and len(rows) >= said["acknowledged"] and rows)
    assert len(found) == len(set(found)) == said["acknowledged"]
    # A sensor's numbers count up from the first of each boot: a hole would be a reading that is lost.
    for sensor in {row[0] for row in found}:
        numbers = sorted(int(row[-1]) for row in found if row[0] == sensor)
        assert numbers == list(range(len(numbers))), sensor


def someone_sets_an_alert(account, tmp_path):
    """And listens, with a queue that the topic sends to."""
    topic, = [one["TopicArn"] for one in account.client("sns").list_topics()["Topics"] if one["TopicArn"].endswith(":tidings-alerts")]
    account.subscribe_queue(topic, "listener")
    file = tmp_path / "said.json"
    file.write_text(json.dumps({"alerts": {"a.temperature": {"above": -100}, "state": {"above": 1e9}}}))
    account.tidings("device", "pi-1", "--set", file)
    file.write_text(json.dumps({"alerts": {"a.temperature": {"above": 1, "clear": 2}}, "silence": "1s"}))
    refused = account.tidings("device", "pi-1", "--set", file, check=False)
    assert refused.returncode == 2 and "alerts.a.temperature" in refused.stderr and "silence" in refused.stderr


def the_alert_is_told_once(account):
    sqs = account.client("sqs")
    url = sqs.get_queue_url(QueueName="listener")["QueueUrl"]

    def listen(seconds):
        return sqs.receive_message(QueueUrl=url, WaitTimeSeconds=seconds, MaxNumberOfMessages=10).get("Messages", [])

    message, = eventually("somebody is told", lambda: listen(1))
    told = json.loads(message["Body"])
    assert told["Message"].startswith("pi-1 / a temperature ") and "°C is above -100 °C since" in told["Message"]
    assert told["Subject"] == "Tidings: pi-1 a.temperature is too high"
    attributes = {name: it["Value"] for name, it in told["MessageAttributes"].items()}
    assert attributes["state"] == "raised" and attributes["id"].startswith("pi-1#a.temperature#")
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    stands, = [item for item in account.items("devices") if item["pk"]["S"] == "alert"]
    assert stands["alerts"]["M"]["a.temperature"]["M"]["raised"]["BOOL"] and not stands["untold"]["L"]
    assert not listen(2)
    sqs.delete_queue(QueueUrl=url)
    account.tidings("device", "pi-1", "--clear")


def poison_goes_to_quarantine(account, folder):
    before = len(stored(account, "pi-1"))
    publish(account, folder, f"$aws/rules/{RULE}/sensors/pi-1/readings", b"\xff\x00 garbage")
    item = eventually("the poison is in quarantine", lambda: account.items("quarantine"))[0]
    assert item["reason"]["S"] == "unrecognised-payload"
    assert item["payload"]["B"] == b"\xff\x00 garbage"
    assert item["client_id"]["S"] == "pi-1"
    assert len(stored(account, "pi-1")) == before


def event(device, *values):
    payload = base64.b64encode(message(device, *values).encode()).decode()
    return {"payload": payload, "topic": f"sensors/{device}/readings", "client_id": device,
            "received_at": int(time.time() * 1000), "trace_id": "outage", "envelope": 1}


def an_outage_ends_in_the_queue_and_replay_brings_it_home(account):
    iam, sqs, functions = account.client("iam"), account.client("sqs"), account.client("lambda")
    asked = functions.get_function_event_invoke_config(FunctionName=FUNCTION, Qualifier="live")
    functions.put_function_event_invoke_config(
        FunctionName=FUNCTION, MaximumRetryAttempts=asked["MaximumRetryAttempts"],
        DestinationConfig=asked["DestinationConfig"])
    policy = iam.get_role_policy(RoleName="tidings-ingest-us-east-1", PolicyName="ingest")["PolicyDocument"]
    without = dict(policy, Statement=[one for one in policy["Statement"] if one["Sid"] != "Write"])
    iam.put_role_policy(RoleName="tidings-ingest-us-east-1", PolicyName="ingest", PolicyDocument=json.dumps(without))
    functions.invoke(FunctionName=FUNCTION, InvocationType="Event",
                     Payload=json.dumps(event("pi-9", 1.5, 2.5)))
    url = sqs.get_queue_url(QueueName="tidings-failed")["QueueUrl"]

    def waiting():
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
        return int(attributes["Attributes"]["ApproximateNumberOfMessages"])

    eventually("the event is in the queue", waiting)
    assert stored(account, "pi-9") == []
    code, report = account.doctor()
    assert code == 1 and "role-policy" in wrong(report), report
    assert any(url.rsplit("/", 1)[1] in (finding.get("mend") or "") for finding in report["findings"])
    iam.put_role_policy(RoleName="tidings-ingest-us-east-1", PolicyName="ingest", PolicyDocument=json.dumps(policy))
    account.tidings("replay", "--queue", url, "--endpoint-url", account.url)
    assert waiting() == 0
    assert len(stored(account, "pi-9")) == 2
    functions.delete_function_event_invoke_config(FunctionName=FUNCTION)


def role(account):
    return account.client("iam").get_role(RoleName="tidings-ingest-us-east-1")["Role"]["Arn"]


def wrong(report):
    return {finding["about"] for finding in report["findings"] if finding["level"] == "wrong"}


def sabotages(account):
    """What is done, how it is undone, and what the doctor is to name."""
    iot, functions, dynamodb = account.client("iot"), account.client("lambda"), account.client("dynamodb")
    cloudwatch, iam = account.client("cloudwatch"), account.client("iam")
    rule = iot.get_topic_rule(ruleName=RULE)["rule"]
    payload = {key: rule[key] for key in ("sql", "actions", "ruleDisabled", "awsIotSqlVersion", "errorAction")}
    statements = json.loads(functions.get_policy(FunctionName=FUNCTION, Qualifier="live")["Policy"])["Statement"]
    permission, = [one for one in statements if one["Principal"] == {"Service": "iot.amazonaws.com"}]
    events = account.client("events")
    retries = functions.get_function_event_invoke_config(FunctionName=FUNCTION, Qualifier="live")
    certificate = iot.list_thing_principals(thingName="pi-1")["principals"][0]
    certificate_id = certificate.rsplit("/", 1)[1]
    alarm = cloudwatch.describe_alarms(AlarmNames=["tidings-failed-events"])["MetricAlarms"][0]
    alarm = {key: alarm[key] for key in (
        "AlarmName", "Namespace", "MetricName", "Dimensions", "Statistic", "Period", "EvaluationPeriods",
        "ComparisonOperator", "Threshold", "AlarmActions")}

    def replace(**changes):
        iot.replace_topic_rule(ruleName=RULE, topicRulePayload=dict(payload, **changes))

    def permit(**conditions):
        functions.add_permission(FunctionName=FUNCTION, Qualifier="live", StatementId=permission["Sid"],
                                 Action="lambda:InvokeFunction", Principal="iot.amazonaws.com", **conditions)

    def run_as(other):
        functions.update_function_configuration(FunctionName=FUNCTION, Role=other)
        version = functions.publish_version(FunctionName=FUNCTION)["Version"]
        functions.update_alias(FunctionName=FUNCTION, Name="live", FunctionVersion=version)

    def forbid():
        functions.remove_permission(FunctionName=FUNCTION, Qualifier="live", StatementId=permission["Sid"])

    source = {"SourceArn": rule_arn(account), "SourceAccount": "000000000000"}
    ttl = {"AttributeName": "expires_at"}
    return {
        "rule disabled": (lambda: iot.disable_topic_rule(ruleName=RULE),
                          lambda: iot.enable_topic_rule(ruleName=RULE), "rule"),
        "other SQL": (lambda: replace(sql="SELECT * FROM 'sensors/+/readings'"), replace, "rule-sql"),
        "old SQL version": (lambda: replace(awsIotSqlVersion="2015-10-08"), replace, "rule-sql"),
        "no error action": (lambda: iot.replace_topic_rule(ruleName=RULE, topicRulePayload={
            key: value for key, value in payload.items() if key != "errorAction"}), replace, "error-action"),
        "permission removed": (forbid, lambda: permit(**source), "permission"),
        "permission for every account": (
            lambda: (forbid(), permit(SourceArn=source["SourceArn"])),
            lambda: (forbid(), permit(**source)), "permission"),
        "no destination": (
            lambda: functions.delete_function_event_invoke_config(FunctionName=FUNCTION, Qualifier="live"),
            lambda: functions.put_function_event_invoke_config(
                FunctionName=FUNCTION, Qualifier="live", MaximumRetryAttempts=2,
                DestinationConfig=retries["DestinationConfig"]), "on-failure"),
        "TTL off": (
            lambda: dynamodb.update_time_to_live(TableName="readings",
                                                 TimeToLiveSpecification=dict(ttl, Enabled=False)),
            lambda: dynamodb.update_time_to_live(TableName="readings",
                                                 TimeToLiveSpecification=dict(ttl, Enabled=True)), "table-ttl"),
        "schedule disabled": (lambda: events.disable_rule(Name="tidings-tick"),
                              lambda: events.enable_rule(Name="tidings-tick"), "schedule"),
        "alarm deleted": (lambda: cloudwatch.delete_alarms(AlarmNames=[alarm["AlarmName"]]),
                          lambda: cloudwatch.put_metric_alarm(**alarm), "alarms"),
        "policy taken from a device": (
            lambda: iot.detach_policy(policyName="tidings-device", target=certificate),
            lambda: iot.attach_policy(policyName="tidings-device", target=certificate), "devices"),
        "certificate inactive": (
            lambda: iot.update_certificate(certificateId=certificate_id, newStatus="INACTIVE"),
            lambda: iot.update_certificate(certificateId=certificate_id, newStatus="ACTIVE"), "devices"),
        "another role": (lambda: run_as(other_role(iam)), lambda: run_as(role(account)), "role"),
    }


def rule_arn(account):
    return account.client("iot").get_topic_rule(ruleName=RULE)["ruleArn"]


def other_role(iam):
    trust = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    try:
        iam.create_role(RoleName="somebody", AssumeRolePolicyDocument=json.dumps(trust))
    except iam.exceptions.EntityAlreadyExistsException:
        pass
    return iam.get_role(RoleName="somebody")["Role"]["Arn"]


def doctor_names_the_damage_of_each_sabotage(account):
    assert account.doctor("--no-code")[0] == 0
    for name, (harm, mend, about) in sabotages(account).items():
        harm()
        code, report = account.doctor("--no-code")
        assert code == 1 and wrong(report) == {about}, (name, wrong(report), report)
        assert all(finding["mend"] for finding in report["findings"] if finding["level"] == "wrong")
        mend()
        code, report = account.doctor("--no-code")
        assert code == 0, (name, "is not undone", report)
    account.client("iam").delete_role(RoleName="somebody")


def a_certificate_is_replaced(account, folder):
    old = (folder / "device.pem.crt").read_text()
    at = len(stored(account, "pi-1"))
    account.provision("pi-1", folder, "--rotate")
    assert (folder / "device.pem.crt").read_text() != old
    # Not heard with the new one: the old one stays.
    refused = account.provision("pi-1", folder, "--rotate", check=False)
    assert refused.returncode == 1 and "has not been heard" in refused.stderr
    assert len(account.client("iot").list_thing_principals(thingName="pi-1")["principals"]) == 2
    # The function tells of a device once a minute; a new start of it tells at once.
    account.run("cargo", "lambda", "deploy", FUNCTION, "--role", role(account), folder=ROOT / "lambda")
    run_agent(folder, 20)
    eventually("readings came with the new certificate", lambda: len(stored(account, "pi-1")) > at)
    account.provision("pi-1", folder, "--rotate", "--wait", "60s")
    assert len(account.client("iot").list_thing_principals(thingName="pi-1")["principals"]) == 1
    assert not list(folder.glob("*.old"))
    run_agent(folder, 20)


def readings_arrive_over_the_queue_too(account, folder):
    account.run("aws", "cloudformation", "deploy", "--stack-name", "tidings-wire", "--template-file",
                "infra/cloudformation/wire.yaml", "--capabilities", "CAPABILITY_NAMED_IAM",
                "--parameter-overrides", "Path=queue")
    rule = account.client("iot").get_topic_rule(ruleName=RULE)["rule"]
    assert list(rule["actions"][0]) == ["sqs"]
    at = len(stored(account, "pi-1"))
    said = run_agent(folder, 50)
    eventually("they are there", lambda: len(stored(account, "pi-1")) == at + said["acknowledged"])
    code, report = account.doctor("--no-code")
    assert code == 0 and "queue-reader" in {finding["about"] for finding in report["findings"]}, report


def teardown_leaves_nothing(account):
    refused = account.tidings("teardown", check=False)
    assert refused.returncode == 2 and "about" in refused.stdout and account.items("readings")
    account.tidings("teardown", "--yes")
    iot, iam = account.client("iot"), account.client("iam")
    left = [
        account.client("dynamodb").list_tables()["TableNames"],
        account.client("sqs").list_queues().get("QueueUrls", []),
        account.client("lambda").list_functions()["Functions"],
        account.client("lambda").list_event_source_mappings()["EventSourceMappings"],
        account.client("cloudwatch").describe_alarms()["MetricAlarms"],
        account.client("cloudwatch").list_dashboards()["DashboardEntries"],
        account.client("logs").describe_log_groups()["logGroups"],
        account.client("sns").list_topics()["Topics"],
        account.client("events").list_rules()["Rules"],
        iot.list_topic_rules()["rules"], iot.list_things()["things"], iot.list_policies()["policies"],
        iot.list_certificates()["certificates"],
        [one["RoleName"] for one in iam.list_roles()["Roles"] if "tidings" in one["RoleName"]],
        [one["StackName"] for one in account.client("cloudformation").list_stacks()["StackSummaries"]
         if one["StackStatus"] != "DELETE_COMPLETE"],
    ]
    assert not any(left), left
    assert not set(TABLES) & set(left[0])
