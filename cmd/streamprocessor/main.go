// Command streamprocessor is the function under test as a Lambda binary:
//
//	GOOS=linux CGO_ENABLED=0 go build -o bootstrap ./cmd/streamprocessor
//
// makes the executable that the provided.al2023 runtime starts. Package
// processor documents its environment.
package main

import "github.com/ackproof/ackproof/bench/processor"

func main() { processor.Main() }
