package outside_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/aws"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/local"
	"github.com/ackproof/ackproof/bench/outside"
	"github.com/ackproof/ackproof/bench/standin"
	"github.com/ackproof/ackproof/bench/targettest"
	"github.com/ackproof/ackproof/faults"
)

// TestConformanceAStackOnAWSIsATarget deploys a stack in an account that is played on
// this machine, and holds the target on it to what is asked of every system that is
// not ours. The stack is what the template says, behind signatures that are checked.
func TestConformanceAStackOnAWSIsATarget(t *testing.T) {
	if os.Getenv("ACKPROOF_CONFORMANCE") == "" {
		t.Skip("set ACKPROOF_CONFORMANCE=1: it builds and deploys a function")
	}
	account := standin.Start(t, standin.Options{System: func() bench.Target {
		return local.New(local.Options{NewFaults: localFaults, Log: t.Output()})
	}})
	arch := map[string]string{"arm64": aws.ARM64, "amd64": aws.X8664}[runtime.GOARCH]
	text, err := aws.Template(targettest.Stack(t), aws.Settings{Arch: arch})
	if err != nil {
		t.Fatal(err)
	}
	bootstrap := filepath.Join(t.TempDir(), "bootstrap")
	if out, err := exec.Command("go", "build", "-o", bootstrap, "github.com/ackproof/ackproof/cmd/streamprocessor").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	code, err := aws.PackCode(bootstrap)
	if err != nil {
		t.Fatal(err)
	}
	a, err := aws.OpenAccount(t.Context(), account.URL, standin.Region, "")
	if err != nil {
		t.Fatal(err)
	}
	change, err := a.Plan(t.Context(), aws.Deployment{Name: "targettest", Template: text, Code: code, Owner: "targettest", Expires: "today", Poll: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	out, err := change.Apply(t.Context(), func(s aws.Step) { t.Log(s.Status, s.Resource, s.Reason) })
	if err != nil {
		t.Fatal(err)
	}
	system := bench.System{
		URL: out[aws.OutURL], DynamoDB: account.URL, Region: standin.Region, Items: out[aws.OutItems], Results: out[aws.OutResults],
		Attributes: bench.OwnAttributes(), ByKey: true, Stream: "auto",
	}
	newTarget := func() bench.Target {
		return outside.New(outside.Options{Name: "aws", Clock: clock.Real{}, NewFaults: func(seed uint64, texts []string) (outside.Faults, error) { return faults.ParseSet(seed, texts) }})
	}
	targettest.RunOutside(t, func(*testing.T) (bench.Target, bench.System) { return newTarget(), system }, true)
}
