// Command streamprocessor is the function under test as a Lambda binary:
//
//	GOOS=linux CGO_ENABLED=0 go build -o bootstrap ./cmd/streamprocessor
//
// makes the executable that the provided.al2023 runtime starts. Package
// processor documents its environment. Lambda starts it without arguments;
// elsewhere a defect can be planted in a word:
//
//	ackproof suite --processor './bootstrap -defect swallow'
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/ackproof/ackproof/bench/processor"
)

const defectVariable = "ACKPROOF_DEFECT"

func main() {
	defect := flag.String("defect", os.Getenv(defectVariable), "plant a `defect`; the environment variable "+defectVariable+" does the same")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: streamprocessor [-defect NAME], in an environment such as Lambda's; the defects are")
		for _, d := range processor.Defects() {
			fmt.Fprintf(flag.CommandLine.Output(), "  %-24s %s\n", d.Form, d.About)
		}
	}
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "streamprocessor: unknown arguments %q: want -defect NAME or nothing\n", flag.Args())
		os.Exit(2)
	}
	if err := os.Setenv(defectVariable, *defect); err != nil {
		fmt.Fprintln(os.Stderr, "streamprocessor:", err)
		os.Exit(2)
	}
	processor.Main()
}
