"""A stream processor in Python, on the official runtime client awslambdaric."""

import hashlib
import os
import time

import boto3

db = boto3.client("dynamodb")


def handler(event, context):
    """Apply one effect for each new or changed item.

    What cannot be applied is reported, and the batch is handed over again from
    there.
    """
    for record in event["Records"]:
        if record["eventName"] == "REMOVE":
            continue
        try:
            apply(record["dynamodb"])
        except Exception as error:
            print(error)
            return {"batchItemFailures": [{"itemIdentifier": record["dynamodb"]["SequenceNumber"]}]}
    return {"batchItemFailures": []}


def apply(change):
    """Write once for each version of an item, however often it is called."""
    image = change["NewImage"]
    try:
        db.update_item(
            TableName=os.environ["RESULTS_TABLE"],
            Key={"id": image["id"]},
            UpdateExpression="SET #sequence = :sequence, digest = :digest, processedAt = :now ADD #count :one",
            ConditionExpression="attribute_not_exists(id) OR #sequence < :sequence",
            ExpressionAttributeNames={"#sequence": "sequence", "#count": "count"},
            ExpressionAttributeValues={
                ":sequence": {"N": change["SequenceNumber"]},
                ":digest": {"S": hashlib.sha256(image["payload"]["S"].encode()).hexdigest()[:16]},
                ":now": {"N": str(int(time.time() * 1000))},
                ":one": {"N": "1"},
            },
        )
    except db.exceptions.ConditionalCheckFailedException:
        pass
