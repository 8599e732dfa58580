package scenarios

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ackproof/ackproof/bench"
)

func (c *checker) checkRequest() {
	r := c.Request
	c.path("request.path", r.Path)
	if c.path("gateway.path", c.Gateway.Path) && c.Gateway.Path != r.Path && !c.Target.named() {
		c.failf("gateway.path", "%q is not request.path %q: every request would miss it", c.Gateway.Path, r.Path)
	}
	c.method("request.method", r.Method)
	c.body("request.body", r.Body)
	c.headers("request.headers", r.Headers)
	c.checkKinds()
	c.statuses("request.ack", r.Ack)
	c.statuses("request.refused", r.Refused)
	if len(r.Ack) == 0 {
		c.failf("request.ack", "no status is an acknowledgement: nothing could ever be promised")
	}
	for i, status := range r.Refused {
		if slices.Contains(r.Ack, status) {
			c.failf(fmt.Sprintf("request.refused[%d]", i), "%d is in request.ack too", status)
		}
	}
	c.within("request.timeout", r.Timeout, time.Millisecond, time.Hour)
	c.between("request.connections", r.Connections, 1, 100_000)
	c.oneOf("request.sign", r.Sign, SignNone, SignSigV4)
	c.checkRetries()
}

// method checks that a request can write something, where that is looked for.
func (c *checker) method(path, method string) {
	writes := slices.Contains([]string{http.MethodPost, http.MethodPut, http.MethodPatch}, method)
	other := slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodDelete}, method)
	switch {
	case !writes && !other:
		c.failf(path, "%q is no method: want POST, PUT, PATCH, GET, HEAD, OPTIONS or DELETE", method)
	case !c.Target.named() && method != http.MethodPost:
		c.failf(path, "%s: the API that ackproof starts takes POST alone; other methods go to a system of your own (target.url)", method)
	case other && (c.Target.Items.Table != "" || c.Target.Results.Table != ""):
		c.failf(path, "%s writes nothing that could be looked for in the tables: use POST, PUT or PATCH, or leave the tables out", method)
	}
}

// body checks the template of a body.
func (c *checker) body(path, template string) {
	b, err := parseBody(template)
	switch {
	case err != nil:
		c.failf(path, "%s", err)
	case c.Workload.Kind == Versions && !(b.has(placeID) && b.has(placeKey)):
		c.failf(path, "with versions it carries {{.Key}}, which says which item it writes, and {{.ID}}, which says which version")
	case !b.has(placeID) && !b.has(placeKey):
		c.failf(path, "it carries neither {{.ID}} nor {{.Key}}: its item could not be told from the others")
	}
}

func (c *checker) headers(under string, headers map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(headers)) {
		value := headers[key]
		path := under + "." + key
		switch {
		case !headerName.MatchString(key) || strings.ContainsFunc(value, isControl):
			c.failf(path, "no valid HTTP header: a name of letters, digits and dashes, a value without control characters")
		case slices.Contains([]string{"Idempotency-Key", "X-Idempotency-Key"}, http.CanonicalHeaderKey(key)):
			// net/http takes it as leave to send a POST twice.
			c.failf(path, "with this header the HTTP client would send requests again on its own; use another name")
		}
		c.checkHeader(path, value)
	}
}

// headerName is the token of https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2
var headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

func (c *checker) path(key, value string) bool {
	if !strings.HasPrefix(value, "/") || strings.ContainsAny(value, " ?#\t\r\n") {
		c.failf(key, "%q is no path: it starts with / and has no spaces, query or fragment", value)
		return false
	}
	return true
}

func (c *checker) statuses(path string, all []int) {
	for i, status := range all {
		c.between(fmt.Sprintf("%s[%d]", path, i), status, 100, 599)
	}
}

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (c *checker) checkProcessor() {
	c.between("table.shards", c.Table.Shards, 1, 1000)
	c.oneOf("table.streamViewType", c.Table.StreamViewType, "NEW_IMAGE", "NEW_AND_OLD_IMAGES", "OLD_IMAGE", "KEYS_ONLY")

	if n := len(c.Table.TimeToLive); n > 255 {
		c.failf("table.timeToLive", "a name of %d characters; an attribute's has 255 at most", n)
	}
	if _, article := c.Processor.Env["ACKPROOF_ARTICLE"]; article && !c.Table.OneTable {
		c.failf("processor.env.ACKPROOF_ARTICLE", "the article's processor writes onto the items: say table: {oneTable: true}")
	}

	p := c.Processor
	// Lambda's own bounds, but for a time-out below a second, which tests like:
	// https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
	c.within("processor.timeout", p.Timeout, 10*time.Millisecond, 15*time.Minute)
	c.between("processor.concurrency", p.Concurrency, 1, 1000)
	if p.Memory != 0 {
		c.between("processor.memory", p.Memory, 128, 10240) // MB
	}
	for _, key := range slices.Sorted(maps.Keys(p.Env)) {
		path := "processor.env." + key
		switch {
		case !envName.MatchString(key):
			c.failf(path, "%q is no name of an environment variable", key)
		case strings.HasPrefix(key, "AWS_") || strings.HasPrefix(key, "_") || strings.HasPrefix(key, "LAMBDA_") || key == "ITEMS_TABLE" || key == "RESULTS_TABLE":
			c.failf(path, "ackproof sets it itself; use another name")
		case strings.ContainsRune(p.Env[key], 0):
			c.failf(path, "the value has a zero byte")
		}
	}
	for i, a := range p.Accepts {
		c.oneOf(fmt.Sprintf("processor.accepts[%d]", i), a, "stream", "proxy")
	}
}

// checkMapping keeps the limits of
// https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
func (c *checker) checkMapping() {
	m := c.Mapping
	c.between("mapping.batchSize", m.BatchSize, 1, 10_000)
	c.between("mapping.maximumBatchingWindowInSeconds", m.MaximumBatchingWindowInSeconds, 0, 300)
	c.between("mapping.parallelizationFactor", m.ParallelizationFactor, 1, 10)
	c.between("mapping.maximumRetryAttempts", m.MaximumRetryAttempts, -1, 10_000)
	if age := m.MaximumRecordAgeInSeconds; age != -1 && (age < 60 || age > 604_800) {
		c.failf("mapping.maximumRecordAgeInSeconds", "%d is out of range: want -1 for no limit, or 60 to 604800", age)
	}
	c.oneOf("mapping.startingPosition", m.StartingPosition, "TRIM_HORIZON", "LATEST")
	c.oneOf("mapping.onFailure", m.OnFailure, onFailureNone, onFailurePayload, onFailureMetadata)
	for i, kind := range m.FunctionResponseTypes {
		c.oneOf(fmt.Sprintf("mapping.functionResponseTypes[%d]", i), kind, "ReportBatchItemFailures")
	}
	if n := len(m.FilterCriteria); n > 5 {
		c.failf("mapping.filterCriteria", "%d patterns; a mapping can have 5", n)
	}
	for i, pattern := range m.FilterCriteria {
		var object map[string]json.RawMessage
		if err := json.Unmarshal([]byte(pattern), &object); err != nil || len(object) == 0 {
			c.failf(fmt.Sprintf("mapping.filterCriteria[%d]", i), `Invalid filter pattern definition: want JSON in quotes, such as '{"eventName":["INSERT"]}'`)
		}
	}
	c.between("mapping.tumblingWindowInSeconds", m.TumblingWindowInSeconds, 0, 900)
	if m.TumblingWindowInSeconds > 0 && (m.ParallelizationFactor > 1 || len(m.FilterCriteria) > 0) {
		c.failf("mapping.tumblingWindowInSeconds", "AWS refuses a tumbling window beside parallelizationFactor above 1 or filterCriteria; leave one out")
	}
	c.within("mapping.startDelay", m.StartDelay, 0, time.Hour)
	c.within("mapping.pollInterval", m.PollInterval, time.Millisecond, time.Minute)
	c.within("mapping.retryBase", m.RetryBase, time.Millisecond, time.Hour)
	c.within("mapping.retryCap", m.RetryCap, time.Millisecond, time.Hour)
	if m.RetryCap < m.RetryBase && c.readable("mapping.retryBase") {
		c.failf("mapping.retryCap", "%s is below mapping.retryBase %s", m.RetryCap, m.RetryBase)
	}
}

// checkAsync keeps the limits of
// https://docs.aws.amazon.com/lambda/latest/api/API_PutFunctionEventInvokeConfig.html
func (c *checker) checkAsync() {
	a := c.Async
	c.between("async.maximumRetryAttempts", a.MaximumRetryAttempts, 0, 2)
	c.between("async.maximumEventAgeInSeconds", a.MaximumEventAgeInSeconds, 60, 21_600)
	if len(a.RetryDelays) < a.MaximumRetryAttempts {
		c.failf("async.retryDelays", "%d delays for %d retries: give one for each", len(a.RetryDelays), a.MaximumRetryAttempts)
	}
	for i, d := range a.RetryDelays {
		c.within(fmt.Sprintf("async.retryDelays[%d]", i), d, 0, time.Hour)
	}
	if a.OnFailure == onFailureMetadata {
		// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
		c.failf("async.onFailure", "the destination of an asynchronous event is given the event itself, be it a queue or a bucket; say payload")
	}
	c.oneOf("async.onFailure", a.OnFailure, onFailureNone, onFailurePayload)
}

// checkPromise checks guarantee, drain and gates.
func (c *checker) checkPromise() {
	c.oneOf("guarantee.effects", c.Guarantee.Effects, ExactlyOnce, AtLeastOnce, NoEffects)
	c.oneOf("guarantee.deadLetters", c.Guarantee.DeadLetters, DeadLettersFail, DeadLettersAllow)
	c.oneOf("drain.proof", c.Drain.Proof, ProofAuto, ProofPositions, ProofSentinels, ProofQuiet)
	if c.Drain.Proof == ProofSentinels && c.Architecture != bench.Streams {
		c.failf("drain.proof", "sentinels show what the shards of a stream have delivered, and the architecture %s has none: say auto, or quiet", c.Architecture)
	}
	c.within("drain.timeout", c.Drain.Timeout, time.Second, 24*time.Hour)
	if need := c.longestSilence(); c.Drain.Quiet <= need && c.readable("mapping", "async", "processor.timeout") {
		c.failf("drain.quiet", "%s is too short: a pipeline that still works can be silent for %s (longest wait for a retry, window and time-out); leave it out, or make it longer", c.Drain.Quiet, need)
	}
	c.checkRead()
	for _, g := range []struct {
		path  string
		value Percent
	}{{"rateKept", c.Gates.RateKept}, {"generatorCPU", c.Gates.GeneratorCPU}} {
		if g.value == 0 {
			c.failf("gates."+g.path, "0%% would switch the gate off: nothing checked is no pass")
		}
	}
	c.between("gates.evidence", c.Gates.Evidence, 1, 1_000_000_000)
}

// checkRead checks how the tables are read.
func (c *checker) checkRead() {
	c.oneOf("read.by", c.Read.By, ReadScan, ReadGet, ReadExport)
	c.checkExport()
	if c.Read.Capacity != 0 {
		c.between("read.capacity", c.Read.Capacity, 1, 10_000_000)
	}
	if c.Read.By == ReadGet && keyMade.MatchString(c.Gateway.Template) {
		// An item under a key that nobody asks for would be counted as lost.
		c.failf("read.by", "get asks for the ids of the requests, and gateway.template puts more than the id into the key; say scan")
	}
}

// checkExport checks where tables are exported to.
func (c *checker) checkExport() {
	r := c.Read
	if r.By != ReadExport {
		for _, key := range []struct {
			path  string
			given bool
		}{{"read.bucket", r.Bucket != ""}, {"read.prefix", r.Prefix != ""}, {"read.timeout", r.Timeout != 0}} {
			if key.given {
				c.failf(key.path, "it belongs to an export; leave it out, or say by: export")
			}
		}
		return
	}
	if c.Target.named() && !c.Target.HasItems() && !c.Target.HasResults() {
		c.failf("read.by", "no table is named under target that could be exported")
	}
	if r.Bucket == "" {
		c.failf("read.bucket", "it is missing: which bucket of S3 are the tables exported to?")
	} else {
		c.bucket("read.bucket", r.Bucket)
	}
	if strings.HasPrefix(r.Prefix, "/") || strings.HasSuffix(r.Prefix, "/") || strings.ContainsFunc(r.Prefix, isControl) || len(r.Prefix) > 512 {
		c.failf("read.prefix", "%.40q: want at most 512 characters, and no slash at either end", r.Prefix)
	}
	c.within("read.timeout", r.Timeout, time.Second, 24*time.Hour)
}

// bucketName is the form of
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

func (c *checker) bucket(path, name string) {
	if !bucketName.MatchString(name) {
		c.failf(path, "%.80q is no name of an S3 bucket: 3 to 63 of a-z, 0-9, dots and dashes", name)
	}
}

// keyMade finds the mark behind an id that tells several items of one request
// apart; see [bench.ParseKey]. Before a name, # is a directive.
var keyMade = regexp.MustCompile(`#[$0-9]`)
