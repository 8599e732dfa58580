package aws

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/ackproof/ackproof/bench/standin"
)

// policyFiles are the policies that docs/aws.md gives to whoever uses ackproof on AWS.
var policyFiles = []string{"aws-policy-run.json", "aws-policy-deploy.json", "aws-policy-faults.json"}

// callers are the packages whose operations somebody with such a policy must be allowed.
// The others call the embedded DynamoDB, or are what runs as the function, whose role is
// the template's.
var callers = []string{"bench/aws", "bench/outside", "bench/run", "bench/tail", "bench/letters", "bench/sdk", "bench/tableexport", "cmd/ackproof"}

// besides are permissions that no operation of ackproof's has the name of.
var besides = map[string]string{
	"execute-api:Invoke":         "requests to an API that asks for signatures",
	"s3:PutObject":               "DynamoDB exports in the name of whoever asks for it",
	"s3:PutObjectAcl":            "the same",
	"s3:AbortMultipartUpload":    "the same",
	"lambda:TagResource":         "a mapping that is made anew keeps its tags",
	"fis:TagResource":            "experiments are tagged with their run",
	"iam:PassRole":               "the role of an experiment, and those of the function and the API",
	"cloudformation:DeleteStack": "a plan of a new stack that is taken back",
}

// permissionOf names the permission that an operation takes; "": none.
// https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
func permissionOf(service, operation string) string {
	switch service {
	case "sts":
		return "" // anybody may ask who he is
	case "apigateway": // permissions are HTTP's methods
		if strings.HasPrefix(operation, "Get") {
			return "apigateway:GET"
		}
		return "apigateway:" + map[string]string{"Update": "PATCH", "Create": "POST", "Delete": "DELETE", "Put": "PUT"}[firstWord(operation)]
	case "cloudwatchlogs":
		service = "logs"
	case "dynamodbstreams":
		service = "dynamodb"
	case "sqs": // of one message or several
		operation = strings.TrimSuffix(operation, "Batch")
	case "s3":
		if other, ok := map[string]string{"ListObjectsV2": "ListBucket", "HeadBucket": "ListBucket", "PutPublicAccessBlock": "PutBucketPublicAccessBlock"}[operation]; ok {
			operation = other
		}
	}
	return service + ":" + operation
}

func firstWord(operation string) string {
	end := strings.IndexFunc(operation[1:], unicode.IsUpper)
	return operation[:end+1]
}

// operations finds what a package calls of AWS: every operation has an input of its own.
func operations(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	files, err := filepath.Glob(filepath.Join("../..", dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %d files, %v", dir, len(files), err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		services := map[string]string{} // by the name under which they are imported
		for _, spec := range f.Imports {
			name, _ := strconv.Unquote(spec.Path.Value)
			if _, service, ok := strings.Cut(name, "aws-sdk-go-v2/service/"); ok && !strings.Contains(service, "/") {
				local := path.Base(service)
				if spec.Name != nil {
					local = spec.Name.Name
				}
				services[local] = service
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			x, ok := sel.X.(*ast.Ident)
			operation, input := strings.CutSuffix(sel.Sel.Name, "Input")
			if ok && input && services[x.Name] != "" {
				if p := permissionOf(services[x.Name], operation); p != "" {
					found[p] = set.Position(n.Pos()).String()
				}
			}
			return true
		})
	}
	return found
}

// TestThePoliciesAreEnoughAndNoMore holds the policies of docs to the code: whatever it
// calls, and whatever CloudFormation does for the template, they allow, and nothing else.
func TestThePoliciesAreEnoughAndNoMore(t *testing.T) {
	needed := maps.Clone(besides)
	for _, dir := range callers {
		maps.Copy(needed, operations(t, dir))
	}
	if len(needed) < 50 {
		t.Fatalf("only %d permissions were found in the code", len(needed))
	}
	for name, v := range variants(t) {
		var made struct {
			Resources map[string]struct{ Type string }
		}
		if err := json.Unmarshal(v, &made); err != nil {
			t.Fatal(err)
		}
		for id, r := range made.Resources {
			takes := standin.Takes(r.Type)
			if len(takes) == 0 {
				t.Errorf("%s: what CloudFormation needs to make %s, a %s, nobody has written down", name, id, r.Type)
			}
			for _, p := range takes {
				needed[p] = "CloudFormation, for " + r.Type
			}
		}
	}
	allowed := map[string]string{}
	for _, file := range policyFiles {
		for p := range permissions(t, file) {
			allowed[p] = file
		}
	}
	for p, why := range needed {
		if allowed[p] == "" {
			t.Errorf("docs/aws-policy-*.json do not allow %s: %s", p, why)
		}
	}
	for p, file := range allowed {
		if needed[p] == "" {
			t.Errorf("docs/%s allows %s, which nothing needs", file, p)
		}
	}
}

// maxPolicy is how many characters a managed policy has at most, white space left out.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const maxPolicy = 6144

// permissions lists what a policy allows.
func permissions(t *testing.T, file string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("../../docs/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var p struct {
		Version   string
		Statement []struct {
			Sid, Effect string
			Action      []string
			Resource    any
			Condition   map[string]any
		}
	}
	if err := json.Unmarshal(text, &p); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if n := len(strings.Join(strings.Fields(string(text)), "")); n > maxPolicy || p.Version != "2012-10-17" {
		t.Errorf("%s has %d characters, at most %d are allowed, and version %s", file, n, maxPolicy, p.Version)
	}
	all, sids := map[string]bool{}, map[string]bool{}
	for _, s := range p.Statement {
		if sids[s.Sid] || s.Sid == "" || s.Effect != "Allow" || s.Resource == nil || len(s.Action) == 0 || !slices.IsSorted(s.Action) {
			t.Errorf("%s: statement %q: want a name of its own, Allow, a resource, and permissions in order", file, s.Sid)
		}
		sids[s.Sid] = true
		for _, action := range s.Action {
			if strings.Contains(action, "*") {
				t.Errorf("%s: %s: %s allows nobody knows what", file, s.Sid, action)
			}
			all[action] = true
		}
	}
	return all
}

// named are permissions as docs/aws.md names them.
var named = regexp.MustCompile("`((?:apigateway|cloudformation|cloudwatch|dynamodb|execute-api|fis|iam|lambda|logs|s3|sqs|sts):[A-Z][A-Za-z]+)`")

// TestThePageNamesThePolicies: whoever reads docs/aws.md finds each of them, and no
// permission that none of them gives.
func TestThePageNamesThePolicies(t *testing.T) {
	page, err := os.ReadFile("../../docs/aws.md")
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[string]bool{}
	for _, file := range policyFiles {
		if !strings.Contains(string(page), file) {
			t.Errorf("docs/aws.md says nothing of %s", file)
		}
		maps.Copy(allowed, permissions(t, file))
	}
	all := named.FindAllStringSubmatch(string(page), -1)
	for _, m := range all {
		if !allowed[m[1]] {
			t.Errorf("docs/aws.md says that %s is taken, and no policy gives it", m[1])
		}
	}
	if len(all) < 15 {
		t.Errorf("the page names %d permissions", len(all))
	}
}
