package scenarios

import _ "embed"

// Schema is the JSON Schema of scenario files, for editors. What it lets pass may
// still be refused: it knows the keys and the forms of their values, and not how they
// fit together.
//
//go:embed scenario.schema.json
var Schema []byte
