"""A DynamoDB client of another language reads what `up` wrote."""

from decimal import Decimal

from conftest import eventually


def test_boto3_reads_the_tables_and_the_comparison_is_whole(up):
    items = eventually("this machine's readings", lambda: len(up.stored("this-machine", "host")) > 3
                       and up.stored("this-machine", "host"))
    item = items[0]
    time, boot, seq = item["sk"].split("#")
    assert len(time) == 13 and len(seq) == 12 and boot
    assert item["at"] == int(time)
    assert item["values"]["memory_used"] > 0
    assert isinstance(item["values"]["load_average"], Decimal)
    # Seconds, as DynamoDB's TTL wants them: a year after the reading.
    assert item["expires_at"] == int(item["at"]) // 1000 + 365 * 86400

    client = up.dynamodb.meta.client
    ttl = client.describe_time_to_live(TableName="readings")["TimeToLiveDescription"]
    assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}
    assert sorted(client.list_tables()["TableNames"]) == ["devices", "quarantine", "readings"]

    verdict = up.stop()
    assert verdict["published"] == verdict["stored"] > 3
    assert {verdict[name] for name in ("quarantined", "lost", "duplicates", "waiting")} == {0}
