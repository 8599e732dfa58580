package reports

import _ "embed"

// ResultSchema is the JSON Schema of result.json, SeriesSchema that of series.json,
// ComparisonSchema that of comparison.json and CapacitySchema that of capacity.json.
// They are made from the types and their comments by a test of this package. Later
// versions of ackproof may add keys.
var (
	//go:embed result.schema.json
	ResultSchema []byte
	//go:embed series.schema.json
	SeriesSchema []byte
	//go:embed comparison.schema.json
	ComparisonSchema []byte
	//go:embed capacity.schema.json
	CapacitySchema []byte
)
