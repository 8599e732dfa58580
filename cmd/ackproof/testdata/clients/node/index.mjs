// A stream processor in Node.js, on the official runtime client aws-lambda-ric.
import { createHash } from "node:crypto";
import { DynamoDBClient, UpdateItemCommand } from "@aws-sdk/client-dynamodb";

const db = new DynamoDBClient({});

// Applies one effect for each new or changed item. What it cannot apply it
// reports, and the batch is handed over again from there.
export const handler = async (event) => {
  for (const record of event.Records) {
    if (record.eventName === "REMOVE") continue;
    try {
      await apply(record.dynamodb);
    } catch (error) {
      console.error(error);
      return { batchItemFailures: [{ itemIdentifier: record.dynamodb.SequenceNumber }] };
    }
  }
  return { batchItemFailures: [] };
};

// Writes once for each version of an item, however often it is called.
async function apply({ NewImage, SequenceNumber }) {
  try {
    await db.send(
      new UpdateItemCommand({
        TableName: process.env.RESULTS_TABLE,
        Key: { id: NewImage.id },
        UpdateExpression: "SET #sequence = :sequence, digest = :digest, processedAt = :now ADD #count :one",
        ConditionExpression: "attribute_not_exists(id) OR #sequence < :sequence",
        ExpressionAttributeNames: { "#sequence": "sequence", "#count": "count" },
        ExpressionAttributeValues: {
          ":sequence": { N: SequenceNumber },
          ":digest": { S: createHash("sha256").update(NewImage.payload.S).digest("hex").slice(0, 16) },
          ":now": { N: String(Date.now()) },
          ":one": { N: "1" },
        },
      }),
    );
  } catch (error) {
    if (error.name !== "ConditionalCheckFailedException") throw error;
  }
}
