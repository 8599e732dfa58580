// The functions of a small shop, with AWS's own client and nothing else.
import { createHash } from "node:crypto";
import { appendFileSync, existsSync } from "node:fs";
import { DynamoDBClient, PutItemCommand, UpdateItemCommand } from "@aws-sdk/client-dynamodb";

const db = new DynamoDBClient({});

// Stores an order, and answers when it is stored.
export const store = async ({ body }) => {
  const { id, payload } = JSON.parse(body);
  await db.send(new PutItemCommand({ TableName: process.env.ORDERS, Item: { id: { S: id }, payload: { S: payload } } }));
  return { statusCode: 200, body: JSON.stringify({ id }) };
};

// Works on every record. One that fails fails the batch, and the batch comes again.
export const correct = async ({ Records }) => {
  for (const record of Records) await work(record.dynamodb.NewImage, "attribute_not_exists(id)");
};

// The same, by somebody who did not want an error to stop the line.
export const swallowing = async ({ Records }) => {
  for (const record of Records) {
    const order = record.dynamodb.NewImage;
    try {
      await work(order, "attribute_not_exists(id)");
    } catch (error) {
      console.error(error.message);
      note("swallowed", order);
    }
  }
};

// The same as the first, but what was done before an error is done once more.
export const repeating = async ({ Records }) => {
  for (const record of Records) await work(record.dynamodb.NewImage);
};

// Reports where it has stopped, as AWS would have it. This service does not ask for
// such answers, and the plug-in heeds none.
export const reporting = async ({ Records }) => {
  for (const [i, record] of Records.entries()) {
    try {
      await work(record.dynamodb.NewImage, "attribute_not_exists(id)");
    } catch (error) {
      console.error(error.message);
      for (const left of Records.slice(i)) note("left", left.dynamodb.NewImage);
      return { batchItemFailures: [{ itemIdentifier: record.dynamodb.SequenceNumber }] };
    }
  }
};

const tried = new Set();

// Does the work of one order and writes down that it is done. A quarter of the orders
// want something that may be out of order; who tries again gets it.
async function work(order, condition) {
  const digest = createHash("sha256").update(order.payload.S).digest("hex").slice(0, 16);
  if (digest < "4" && !tried.has(order.id.S) && existsSync("outage")) {
    tried.add(order.id.S);
    note("failed", order);
    throw new Error("what this order wants is out of order");
  }
  try {
    await db.send(
      new UpdateItemCommand({
        TableName: process.env.DONE,
        Key: { id: order.id },
        UpdateExpression: "SET digest = :digest, processedAt = :now ADD #count :one",
        ConditionExpression: condition,
        ExpressionAttributeNames: { "#count": "count" },
        ExpressionAttributeValues: { ":digest": { S: digest }, ":now": { N: String(Date.now()) }, ":one": { N: "1" } },
      }),
    );
    note("done", order);
  } catch (error) {
    if (error.name !== "ConditionalCheckFailedException") throw error;
  }
}

// Writes a diary, for whoever wants to know what really happened.
function note(page, { id }) {
  appendFileSync(page, id.S + "\n");
}
