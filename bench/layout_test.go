package bench_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/ackproof/ackproof/"

// imports is the map of the house: which package may import which others of the
// module. Imports point one way; a new package fails until it is on the map.
var imports = map[string][]string{
	"bench":           {},
	"bench/clock":     {},
	"bench/stats":     {"bench"},
	"bench/sdk":       {},
	"bench/dynamo":    {"bench", "bench/clock"},
	"bench/breakage":  {"bench"},
	"bench/breakable": {"bench", "bench/clock"},
	"bench/peer":      {},             // the stand-ins of others, for tests alone
	"bench/browser":   {"bench/peer"}, // report pages in Chromium, for tests alone

	// an account of AWS, for tests alone
	"bench/standin":     {"bench", "bench/clock", "bench/ledger", "bench/sdk", "bench/targettest"},
	"bench/eventsource": {"bench", "bench/clock"},
	"bench/lambda":      {"bench", "bench/clock"},
	"bench/gateway":     {"bench", "bench/clock"},
	"bench/processor":   {"bench", "bench/breakable", "bench/clock"},
	"bench/load":        {"bench", "bench/clock"},
	"bench/ledger":      {"bench", "bench/clock"},
	"bench/tableexport": {},
	"bench/tail":        {"bench"},
	"bench/letters":     {"bench"},
	"bench/reconcile":   {"bench", "bench/stats"},
	"faults":            {"bench", "bench/clock"},
	"scenarios":         {"bench", "bench/clock", "bench/stats", "faults"},
	"reports":           {"bench", "bench/stats"},
	// The processes of the local target write deliveries/ themselves, so that a
	// killed parent costs nothing.
	"bench/local":         {"bench", "bench/clock", "bench/sdk", "bench/dynamo", "bench/eventsource", "bench/lambda", "bench/gateway", "bench/letters", "bench/processor", "bench/ledger", "bench/tail"},
	"bench/aws":           {"bench", "bench/breakable", "bench/clock", "bench/gateway", "bench/sdk", "bench/tableexport", "faults"},
	"bench/outside":       {"bench", "bench/clock", "bench/sdk", "bench/ledger", "bench/letters", "bench/tail"},
	"bench/synth":         {"bench", "bench/clock", "bench/ledger", "scenarios"}, // runs that never were, for tests alone
	"bench/predict":       {"bench", "faults", "scenarios"},
	"bench/cost":          {"bench"},
	"bench/run":           {"bench", "bench/breakage", "bench/clock", "bench/cost", "bench/sdk", "bench/tail", "bench/load", "bench/ledger", "bench/tableexport", "bench/predict", "bench/reconcile", "bench/stats", "scenarios", "faults"},
	"bench/harness":       {"bench", "bench/clock", "bench/sdk", "bench/lambda", "bench/local", "bench/run", "faults", "scenarios", "reports"},
	"bench/capacity":      {"bench", "bench/stats", "scenarios"},
	"bench/suite":         {"bench", "bench/clock", "bench/harness", "bench/processor", "reports", "scenarios"},
	"bench/targettest":    {"bench", "bench/clock", "bench/ledger", "bench/sdk"},
	"cmd/ackproof":        {"bench", "bench/aws", "bench/breakage", "bench/capacity", "bench/clock", "bench/cost", "bench/sdk", "bench/run", "bench/local", "bench/outside", "bench/suite", "reports", "scenarios", "faults"},
	"cmd/streamprocessor": {"bench/processor"},
}

func TestImportsPointOneWay(t *testing.T) {
	eachGoFile(t, func(path, pkg string, f *ast.File, _ *token.FileSet) {
		allowed, known := imports[pkg]
		if !known {
			t.Errorf("%s: package %s is not on the map of imports", path, pkg)
			return
		}
		for _, spec := range f.Imports {
			name, _ := strconv.Unquote(spec.Path.Value)
			own, ok := strings.CutPrefix(name, module)
			if ok && !slices.Contains(allowed, own) {
				t.Errorf("%s: %s must not import %s", path, pkg, own)
			}
			if strings.Contains(name, "aws-sdk-go-v2/service/") && pkg != "bench/aws" &&
				!strings.Contains(name, "/service/dynamodb") { // dynamodb and dynamodbstreams: the data plane
				t.Errorf("%s: control-plane clients such as %s live in bench/aws alone", path, name)
			}
		}
	})
	for pkg := range imports {
		if _, err := os.Stat(filepath.Join("..", pkg)); err != nil {
			t.Errorf("%s is on the map of imports and does not exist", pkg)
		}
	}
}

// TestTimeAndChanceComeInByTheDoor keeps bench/clock the only package that reads
// the wall clock or makes a generator.
func TestTimeAndChanceComeInByTheDoor(t *testing.T) {
	banned := map[string][]string{
		"time":         {"Now", "Since", "Until"},
		"math/rand":    nil,
		"math/rand/v2": {"New", "NewPCG", "NewChaCha8", "Int", "IntN", "Uint64", "Float64", "Shuffle", "Perm"},
		"crypto/rand":  nil,
	}
	eachGoFile(t, func(path, pkg string, f *ast.File, set *token.FileSet) {
		if pkg == "bench/clock" {
			return
		}
		names := map[string][]string{}
		for _, spec := range f.Imports {
			name, _ := strconv.Unquote(spec.Path.Value)
			functions, ok := banned[name]
			if !ok {
				continue
			}
			if functions == nil {
				t.Errorf("%s: only bench/clock may import %s", path, name)
			}
			local := strings.TrimSuffix(filepath.Base(name), "/v2")
			if name == "math/rand/v2" {
				local = "rand"
			}
			if spec.Name != nil {
				local = spec.Name.Name
			}
			names[local] = functions
		}
		ast.Inspect(f, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && x.Obj == nil && slices.Contains(names[x.Name], sel.Sel.Name) {
				t.Errorf("%s: only bench/clock may call %s.%s", set.Position(n.Pos()), x.Name, sel.Sel.Name)
			}
			return true
		})
	})
}

// TestFilesAndFunctionsStayShort holds the house style: files of at most 500
// lines, functions of at most 70.
func TestFilesAndFunctionsStayShort(t *testing.T) {
	eachGoFile(t, func(path, _ string, f *ast.File, set *token.FileSet) {
		if lines := set.Position(f.End()).Line; lines > 500 {
			t.Errorf("%s has %d lines; look for a seam", path, lines)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if lines := set.Position(fn.End()).Line - set.Position(fn.Pos()).Line + 1; lines > 70 {
				t.Errorf("%s: %s has %d lines", path, fn.Name.Name, lines)
			}
		}
	})
}

// TestExportedNamesAreDocumented asks for a comment on each exported name and
// each package.
func TestExportedNamesAreDocumented(t *testing.T) {
	documented := map[string]bool{}
	eachGoFile(t, func(path, pkg string, f *ast.File, set *token.FileSet) {
		documented[pkg] = documented[pkg] || f.Doc != nil
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) {
					t.Errorf("%s: %s has no comment", set.Position(d.Pos()), d.Name.Name)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					if ts, ok := s.(*ast.TypeSpec); ok && ts.Name.IsExported() && d.Doc == nil && ts.Doc == nil {
						t.Errorf("%s: %s has no comment", set.Position(ts.Pos()), ts.Name.Name)
					}
				}
			}
		}
	})
	for pkg, ok := range documented {
		if !ok {
			t.Errorf("%s has no package comment", pkg)
		}
	}
}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	expr := d.Recv.List[0].Type
	if star, ok := expr.(*ast.StarExpr); ok {
		expr = star.X
	}
	if index, ok := expr.(*ast.IndexExpr); ok {
		expr = index.X
	}
	id, ok := expr.(*ast.Ident)
	return ok && id.IsExported()
}

// eachGoFile calls f for every Go file of the module that is no test. It fails
// where it finds suspiciously few: a check that passes on nothing checks nothing.
func eachGoFile(t *testing.T, f func(path, pkg string, file *ast.File, set *token.FileSet)) {
	t.Helper()
	seen := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && d.Name() != ".." || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		seen++
		pkg := filepath.ToSlash(strings.TrimPrefix(filepath.Dir(path), ".."+string(filepath.Separator)))
		f(path, pkg, file, set)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 20 {
		t.Errorf("only %d Go files found: is this the right folder?", seen)
	}
}
