// Package standin plays an account of AWS on this machine, for tests alone: enough
// of CloudFormation, S3, SQS, STS and CloudWatch for a stack of ackproof's to be made,
// looked at and removed, and behind it the system that the stack describes, which
// really runs.
//
//	AWS_ENDPOINT_URL ─► Account ─┬─ CloudFormation   change sets, steps, outputs, what goes wrong
//	                             ├─ S3, STS          the processor's package; exports; who asks
//	                             ├─ SQS, S3          what the system has given up
//	                             ├─ Lambda           reserved concurrency 0, a mapping disabled: done to the system; its settings
//	                             ├─ API Gateway      the settings of the API
//	                             ├─ CloudWatch       what came through the API; of the function; what was throttled; alarms
//	                             └─ DynamoDB         exports; a maximum of writes; all else forwarded to the system
//	the output ApiUrl ─► API ───── the stage, and behind it the system's gateway
//
// Every request must be signed (SigV4) with a key of the account, for the service and
// region that it goes to. The signature is computed again from AWS's specification,
// without the SDK that made it; a wrong one is refused, as AWS refuses it.
//
// What it reads of a stack is the template that was sent: the system is set up from
// its resources, by names and values of CloudFormation, and runs the package that
// was uploaded. It knows nothing of package aws.
//
// Accepted differences from AWS, beside those of the local target:
//
//   - the output ApiUrl names this machine, since nothing else leads here;
//   - a stack is made in as many looks as it takes, not in minutes;
//   - permissions are looked at where a test gives the key some, and then without their
//     conditions; else whoever has signed may do everything;
//   - CloudWatch has Count, 4XXError and 5XXError of the API, Throttles, Invocations,
//     Errors and IteratorAge of the function, and what a maximum of writes has throttled,
//     at once, and of everything else no data. Alarms stand as a test sets them;
//   - an export shows a table as it was within a third of a second behind its time;
//   - an empty queue answers a long poll at once;
//   - a table whose maximum is one write a second takes none.
package standin
