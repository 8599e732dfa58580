package gateway

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/ackproof/ackproof/bench/peer"
)

// hostileBodies are those of requests that try to leave the string that they belong in.
var hostileBodies = []string{
	`{"id":"a","payload":"plain"}`,
	`{"id":"q\"uote","payload":"\"},\"admin\":{\"BOOL\":true},\"x\":{\"S\":\""}`,
	`{"id":"back\\slash\\","payload":"\\\\\""}`,
	`{"id":"line\nbreak\r\n","payload":"tab\tnull\u0000bell\u0007"}`,
	`{"id":"${id}","payload":"$input.body #set($x = 1) #if(true)x#end ## comment #* *# #[[ ]]#"}`,
	`{"id":"ünïcode 日本 😀","payload":"\ud83d\ude00 \u2028 \u2029"}`,
	`{"id":"'single'","payload":"</script><!-- {{.ID}} -->"}`,
	`{"id":1,"payload":null}`,
	`{"id":{"S":"nested"},"payload":["list",{"a":1.5e3}]}`,
	`{"id":"","payload":""}`,
	`{"payload":"no id"}`,
	`{}`,
}

// errorBodies are what DynamoDB says when it refuses: every error names its type.
// (Of a body without one the two implementations differ: a reference to nothing is
// the empty text here, and an object there.)
var errorBodies = []string{
	`{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"The level of \"configured\" provisioned\nthroughput"}`,
	`{"__type":"com.amazon.coral.service#ThrottlingException","Message":"Rate exceeded"}`,
	`{"__type":"com.amazonaws.dynamodb.v20120810#ValidationException","message":"it's 'wrong'"}`,
	`{"__type":"#","message":""}`,
}

// TestConformanceVelocity renders the gateway's templates, which go to AWS to the
// letter, with an implementation of VTL by others. What a client can send must come
// out of both as the same JSON, and choose the same status.
func TestConformanceVelocity(t *testing.T) {
	if os.Getenv("ACKPROOF_CONFORMANCE") == "" {
		t.Skip("set ACKPROOF_CONFORMANCE=1: it needs Node.js and npm")
	}
	dir, err := peer.Install(peer.Velocity)
	if err != nil {
		t.Fatal(err)
	}
	type job struct {
		Template string `json:"template"`
		Body     string `json:"body"`
	}
	var jobs []job
	for _, template := range []string{DefaultTemplate, EventTemplate, successTemplate} {
		for _, body := range hostileBodies {
			jobs = append(jobs, job{template, body})
		}
	}
	for _, template := range []string{throttleTemplate + errorTemplate, errorTemplate} {
		for _, body := range errorBodies {
			jobs = append(jobs, job{template, body})
		}
	}
	in, err := json.Marshal(jobs)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "testdata/velocity.js", filepath.Join(dir, "node_modules/velocityjs"))
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var theirs []struct {
		Rendered string
		Status   int
	}
	if err := json.Unmarshal(out, &theirs); err != nil || len(theirs) != len(jobs) {
		t.Fatalf("%v; %d of %d came back", err, len(theirs), len(jobs))
	}
	same := 0
	for i, j := range jobs {
		ours, err := mustParse(j.Template).render(values{body: []byte(j.Body), requestID: "request-1", table: "items", path: "/items"})
		if err != nil {
			t.Errorf("%s: %v", j.Body, err)
			continue
		}
		var a, b any
		errA, errB := json.Unmarshal(ours.body, &a), json.Unmarshal([]byte(theirs[i].Rendered), &b)
		if (errA == nil) != (errB == nil) || !reflect.DeepEqual(a, b) || ours.status != theirs[i].Status {
			t.Errorf("template %s\nof %s\nours   %d %s (%v)\ntheirs %d %s (%v)", j.Template, j.Body, ours.status, ours.body, errA, theirs[i].Status, theirs[i].Rendered, errB)
			continue
		}
		if errA == nil {
			same++
		}
	}
	if same < len(jobs)/2 {
		t.Errorf("only %d of %d renderings are JSON: nothing was compared", same, len(jobs))
	}
}
