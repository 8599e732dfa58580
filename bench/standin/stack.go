package standin

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/targettest"
)

// stack is a stack, and the system that it describes.
type stack struct {
	account          *Account
	id, name         string
	status, reason   string
	created          time.Time
	template         template
	parameters, tags map[string]string
	set              *changeSet
	made             map[string]string // physical ids by logical ones
	events           []event           // oldest first
	todo             []func()          // what comes next
	tried            map[string]bool   // resources whose deletion was tried
	outputs          map[string]string
	target           bench.Target // nil: nothing runs
	endpoints        bench.Endpoints
	stage, dir       string
	public           bool
	levers           pulled
	exporter         *targettest.Exporter
	history          *history         // nil: the tables have no point-in-time recovery
	letters          []message        // that the system has handed over
	byHand           map[property]any // what somebody has changed so
}

// create makes all resources, and the system at the end. The first that cannot be made
// ends it: what is under way is cancelled, and all is rolled back.
func (s *stack) create() {
	s.told(s.name, createInProgress, "User Initiated")
	ids := s.template.order()
	for i, id := range ids {
		s.todo = append(s.todo,
			func() { s.told(id, createInProgress, "") },
			func() {
				reason := s.account.options.Fail[id]
				if reason == "" {
					reason = s.account.mayMake(s.template.Resources[id].Type)
				}
				if reason != "" {
					s.told(id, createFailed, reason)
					s.giveUp(ids[i+1:], id)
					return
				}
				s.made[id] = s.physical(id)
				s.told(id, createInProgress, "Resource creation Initiated")
				s.told(id, createComplete, "")
			})
	}
	s.todo = append(s.todo, func() {
		if err := s.start(); err != nil {
			s.told("Processor", createFailed, err.Error())
			s.giveUp(nil, "Processor")
			return
		}
		s.told(s.name, createComplete, "")
	})
}

// giveUp cancels what was about to be made, and rolls back.
func (s *stack) giveUp(next []string, failed string) {
	all := []string{failed}
	if len(next) > 0 { // one of those that were under way
		s.told(next[0], createInProgress, "")
		s.told(next[0], createFailed, "Resource creation cancelled")
		all = append(all, next[0])
	}
	s.told(s.name, rollbackInProgress, "The following resource(s) failed to create: "+sorted(all)+". Rollback requested by user.")
	s.todo = nil
	s.remove(rollbackComplete, "ROLLBACK_FAILED")
}

// remove deletes what there is, the last made first.
func (s *stack) remove(done, failed string) {
	var stuck []string
	for _, id := range slices.Backward(s.template.order()) {
		if s.made[id] == "" {
			continue
		}
		s.todo = append(s.todo, func() { s.told(id, deleteInProgress, "") }, func() {
			if reason := s.sticks(id); reason != "" {
				stuck = append(stuck, id)
				s.told(id, deleteFailed, reason)
				return
			}
			s.told(id, deleteComplete, "")
			delete(s.made, id)
		})
	}
	s.todo = append(s.todo, func() {
		s.stop()
		if len(stuck) > 0 {
			s.told(s.name, failed, "The following resource(s) failed to delete: "+sorted(stuck)+". ")
			return
		}
		s.told(s.name, done, "")
	})
}

// sticks says why a resource cannot be deleted; "": it can.
func (s *stack) sticks(id string) string {
	bucket, again := s.made[id], s.tried[id]
	s.tried[id] = true
	if objects := s.account.buckets[bucket]; objects != nil {
		if id == s.account.options.Letter && !again {
			objects["aws/lambda/letter"] = s.account.object([]byte("{}"))
		}
		if len(objects) > 0 {
			return `Resource handler returned message: "The bucket you tried to delete is not empty (Service: S3, Status Code: 409)" (HandlerErrorCode: GeneralServiceException)`
		}
		delete(s.account.buckets, bucket)
	}
	if again && !s.account.options.ForGood {
		return ""
	}
	return s.account.options.Stuck[id]
}

func (s *stack) delete() {
	s.todo = nil
	s.told(s.name, deleteInProgress, "User Initiated")
	s.remove(deleteComplete, deleteFailed)
}

// physical makes the name of a resource; that of a bucket is in small letters.
func (s *stack) physical(id string) string {
	name := s.name + "-" + id + "-" + strings.ToUpper(s.account.unique()[:8])
	if s.template.Resources[id].Type == bucketType {
		return strings.ToLower(name)
	}
	return name
}

// update changes resources. It does so for stacks behind which nothing runs.
func (s *stack) update(changes []change) {
	s.told(s.name, updateInProgress, "User Initiated")
	for _, c := range changes {
		begun, done := updateInProgress, updateComplete
		switch c.action {
		case "Add":
			begun, done, s.made[c.id] = createInProgress, createComplete, s.physical(c.id)
		case "Remove":
			begun, done = deleteInProgress, deleteComplete
		}
		s.todo = append(s.todo, func() { s.told(c.id, begun, "") }, func() { s.told(c.id, done, "") })
	}
	s.todo = append(s.todo, func() { s.evaluate(); s.told(s.name, updateComplete, "") })
}

// start starts the system, with the package that was uploaded, and evaluates the
// outputs.
func (s *stack) start() error {
	for id, physical := range s.made {
		if s.template.Resources[id].Type == "AWS::S3::Bucket" {
			s.account.buckets[physical] = map[string]object{}
		}
	}
	s.stage = text(s.template.Resources["Stage"].Properties["StageName"])
	defer s.evaluate()
	if s.account.options.System == nil {
		return nil
	}
	stack, public, err := s.template.system()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "ackproof-standin-")
	if err != nil {
		return err
	}
	s.dir = dir
	stack.Run, stack.Seed, stack.Dir = bench.NewRunID(clock.Entropy()), clock.Entropy()>>12, dir
	s.withLevers(&stack)
	stack.Mapping.StartDelay = s.account.options.Polls
	stack.Processor.Path = filepath.Join(dir, "package.zip")
	if err := os.WriteFile(stack.Processor.Path, s.account.buckets[s.parameters["CodeBucket"]][s.parameters["CodeKey"]].body, 0o600); err != nil {
		return err
	}
	target := s.account.options.System()
	if lacks := target.Lacks(stack); len(lacks) > 0 {
		return fmt.Errorf("the stand-in cannot play it: %s", strings.Join(lacks, "; "))
	}
	s.public = public
	ctx := context.WithoutCancel(s.account.t.Context())
	if s.endpoints, err = target.Start(ctx, stack, func(bench.Event) {}); err != nil {
		return err
	}
	s.target, s.exporter = target, s.newExporter()
	s.made["Items"], s.made["Results"] = s.endpoints.ItemsTable, s.endpoints.ResultsTable
	for i := range s.account.options.Faults {
		if err := target.Begin(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// stop ends the system.
func (s *stack) stop() {
	if s.history != nil {
		s.history.stop()
	}
	if s.target != nil {
		if err := s.target.Stop(); err != nil {
			s.account.t.Errorf("stop the system of stack %s: %v", s.name, err)
		}
	}
	s.target, s.exporter, s.history, s.letters = nil, nil, nil, nil
	if s.dir != "" {
		os.RemoveAll(s.dir)
	}
}

// evaluate works out the outputs.
func (s *stack) evaluate() {
	s.outputs = map[string]string{}
	for name, o := range s.template.Outputs {
		s.outputs[name] = s.value(o.Value)
	}
}

// value evaluates a value of an output.
func (s *stack) value(v any) string {
	m, _ := v.(map[string]any)
	switch {
	case m == nil:
		return fmt.Sprint(v)
	case m["Ref"] != nil:
		return s.named(text(m["Ref"]))
	case m["Fn::Sub"] != nil:
		out := text(m["Fn::Sub"])
		if strings.Contains(out, ".execute-api.") { // this machine is the host
			return s.account.api.URL + "/" + s.stage
		}
		for _, name := range substitutions(out) {
			out = strings.ReplaceAll(out, "${"+name+"}", s.named(name))
		}
		return out
	}
	parts := list(m["Fn::GetAtt"])
	if len(parts) == 2 && text(parts[1]) == "StreamArn" {
		return s.stream()
	}
	id := text(parts[0])
	if s.template.Resources[id].Type == "AWS::S3::Bucket" { // of no region and no account
		return "arn:aws:s3:::" + s.named(id)
	}
	service, _, _ := strings.Cut(strings.TrimPrefix(s.template.Resources[id].Type, "AWS::"), "::")
	return arn(strings.ToLower(service), s.named(id))
}

// named is what Ref gives.
func (s *stack) named(id string) string {
	switch {
	case id == "AWS::StackName":
		return s.name
	case id == "AWS::Region":
		return Region
	case id == "AWS::AccountId":
		return ID
	case s.parameters[id] != "":
		return s.parameters[id]
	case s.template.Resources[id].Type == queueType:
		return s.account.queueURL(s.made[id])
	}
	return s.made[id]
}

// stream asks the system for the stream of its items table.
func (s *stack) stream() string {
	if s.target == nil {
		return fmt.Sprintf("arn:aws:dynamodb:%s:%s:table/%s/stream/2026-01-01T00:00:00.000", Region, ID, s.made["Items"])
	}
	r, err := http.NewRequest(http.MethodPost, s.endpoints.DynamoDB+"/", strings.NewReader(fmt.Sprintf(`{"TableName":%q}`, s.endpoints.ItemsTable)))
	if err != nil {
		return ""
	}
	r.Header = http.Header{
		"Content-Type": {"application/x-amz-json-1.0"}, "X-Amz-Target": {"DynamoDB_20120810.DescribeTable"}, "X-Amz-Date": {"20260101T000000Z"},
		"Authorization": {algorithm + " Credential=A/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0"},
	}
	answer, err := s.account.client.Do(r)
	if err != nil {
		return ""
	}
	defer answer.Body.Close()
	var out struct {
		Table struct{ LatestStreamArn string }
	}
	if json.NewDecoder(answer.Body).Decode(&out) != nil {
		return ""
	}
	return out.Table.LatestStreamArn
}

// resources lists what is there, by logical id.
func (s *stack) resources() []string { return slices.Sorted(maps.Keys(s.made)) }
