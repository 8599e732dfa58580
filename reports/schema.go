package reports

import _ "embed"

// ResultSchema is the JSON Schema of result.json, and ComparisonSchema that of
// comparison.json. They are made from the types and their comments by a test of
// this package. Later versions of ackproof may add keys.
var (
	//go:embed result.schema.json
	ResultSchema []byte
	//go:embed comparison.schema.json
	ComparisonSchema []byte
)
