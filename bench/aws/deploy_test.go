package aws

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/peer"
)

// onMoto starts moto's server, which plays an account of AWS.
func onMoto(t *testing.T) *Account {
	t.Helper()
	a, _ := onMotoAt(t)
	return a
}

// onMotoAt gives its URL, too.
func onMotoAt(t *testing.T) (*Account, string) {
	t.Helper()
	if os.Getenv("ACKPROOF_CONFORMANCE") != "all" {
		t.Skip("set ACKPROOF_CONFORMANCE=all: it needs python3 and its packages")
	}
	server := peer.Start(t, peer.MotoAWS)
	// Functions are not to be run, which would take Docker.
	resp, err := http.Post(server.URL+"/moto-api/config", "application/json", strings.NewReader(`{"lambda":{"use_docker":false},"batch":{"use_docker":false}}`))
	if err != nil || resp.StatusCode >= 300 {
		t.Fatalf("configure moto: %v %v", resp, err)
	}
	resp.Body.Close()
	a, err := OpenAccount(t.Context(), server.URL, "eu-west-1", "")
	if err != nil {
		t.Fatal(err)
	}
	if a.ID != "123456789012" || a.Region != "eu-west-1" {
		t.Errorf("account %+v", a)
	}
	return a, server.URL
}

// packed is a package in which nothing is.
func packed(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bootstrap")
	if err := os.WriteFile(path, []byte("\x7fELF"), 0o755); err != nil {
		t.Fatal(err)
	}
	code, err := PackCode(path)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

const quickly = 10 * time.Millisecond

// TestConformanceDeploy makes, looks at, changes and removes a stack of each
// architecture. Moto plays AWS: that a resource is refused or left behind shows,
// how long things take and what they do does not.
func TestConformanceDeploy(t *testing.T) {
	a := onMoto(t)
	for name, text := range variants(t) {
		d := Deployment{Name: "ackproof-" + name, Template: text, Code: packed(t), Owner: "somebody", Expires: "2030-01-01", Poll: quickly}
		c, err := a.Plan(t.Context(), d)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !c.New || len(c.Lines) < 10 || !strings.HasPrefix(c.Lines[0], "add ") {
			t.Errorf("%s: new %v, planned %q", name, c.New, c.Lines)
		}
		if _, err := c.Apply(t.Context(), func(Step) {}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		resources, bucket := resourcesOf(t, a, d.Name)
		if resources < len(c.Lines)-len(unknownToMoto) {
			t.Errorf("%s: %d resources of %d were made", name, resources, len(c.Lines))
		}
		s, err := a.Status(t.Context(), d.Name)
		if err != nil || s.Status != "CREATE_COMPLETE" || s.Owner != "somebody" || s.Expires != "2030-01-01" {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
		if bucket != "" { // a dead letter must not keep the bucket
			if _, err := a.objects.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("aws/lambda/letter"), Body: bytes.NewReader([]byte("{}"))}); err != nil {
				t.Error(err)
			}
		}
		if err := a.Destroy(t.Context(), d.Name, quickly, func(Step) {}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := a.Status(t.Context(), d.Name); !errors.Is(err, ErrNoStack) {
			t.Errorf("%s is there after it was destroyed: %v", name, err)
		}
	}
	nothingLeft(t, a)
	if err := a.Destroy(t.Context(), "never-made", quickly, func(Step) {}); err != nil {
		t.Errorf("destroy what is not there: %v", err)
	}
}

// unknownToMoto are resources that moto passes over. It gives neither outputs nor
// the steps of resources after a change set.
var unknownToMoto = []string{"AWS::ApiGateway::Stage", "AWS::Lambda::EventInvokeConfig"}

// resourcesOf counts the resources of a stack, and names its bucket; "": none.
func resourcesOf(t *testing.T, a *Account, name string) (n int, bucket string) {
	t.Helper()
	out, err := a.formation.DescribeStackResources(t.Context(), &cloudformation.DescribeStackResourcesInput{StackName: &name})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range out.StackResources {
		if aws.ToString(r.ResourceType) == "AWS::S3::Bucket" {
			bucket = aws.ToString(r.PhysicalResourceId)
		}
	}
	return len(out.StackResources), bucket
}

// nothingLeft sees that no bucket is left.
func nothingLeft(t *testing.T, a *Account) {
	t.Helper()
	left, err := a.objects.ListBuckets(t.Context(), &s3.ListBucketsInput{})
	if err != nil || len(left.Buckets) > 0 {
		t.Errorf("buckets are left: %+v (%v)", left, err)
	}
}

// TestConformanceDeployIsTakenBack: a plan that is not carried out leaves nothing.
func TestConformanceDeployIsTakenBack(t *testing.T) {
	a := onMoto(t)
	text, err := Template(stackOf(bench.Streams), Settings{Arch: ARM64})
	if err != nil {
		t.Fatal(err)
	}
	d := Deployment{Name: "ackproof-x", Template: text, Code: packed(t), Owner: "me", Expires: "never", Poll: quickly}
	c, err := a.Plan(t.Context(), d)
	if err == nil {
		err = c.Discard(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Status(t.Context(), d.Name); !errors.Is(err, ErrNoStack) {
		t.Errorf("a plan that was taken back has left a stack: %v", err)
	}
	nothingLeft(t, a)
}

// TestPackCode: what is packed is what Lambda starts, and is packed alike each time.
func TestPackCode(t *testing.T) {
	dir := t.TempDir()
	script := dir + "/script.sh"
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := PackCode(script); err == nil || !strings.Contains(err.Error(), "no executable for Linux") {
		t.Errorf("a script was packed: %v", err)
	}
	elf := dir + "/anything"
	if err := os.WriteFile(elf, []byte("\x7fELF and so on"), 0o755); err != nil {
		t.Fatal(err)
	}
	one, err1 := PackCode(elf)
	two, err2 := PackCode(elf)
	if err1 != nil || err2 != nil || !bytes.Equal(one, two) || !bytes.HasPrefix(one, []byte("PK")) {
		t.Errorf("%d and %d bytes, %v, %v", len(one), len(two), err1, err2)
	}
}
