package scenarios

import (
	"fmt"
	"maps"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// Values of Request.Sign.
const (
	SignNone  = "none"
	SignSigV4 = "sigv4"
)

// Values of TargetSettings.Stream beside an ARN.
const (
	streamAuto = "auto"
	streamNone = "none"
)

// TargetSettings names a system that is not ours.
type TargetSettings struct {
	Stack       string         `yaml:"stack,omitempty"` // of CloudFormation, whose outputs ${output:NAME} stands for
	URL         string         `yaml:"url,omitempty"`   // of the API, in front of request.path
	DynamoDB    TargetDynamoDB `yaml:"dynamodb,omitempty"`
	Items       TargetItems    `yaml:"items,omitempty"`
	Results     TargetResults  `yaml:"results,omitempty"`
	Stream      string         `yaml:"stream,omitempty"`   // auto, none, or an ARN
	Function    string         `yaml:"function,omitempty"` // of Lambda, that processes: what AWS's levers are pulled at
	DeadLetters TargetLetters  `yaml:"deadLetters,omitempty"`
	Canary      time.Duration  `yaml:"canary,omitempty"` // how long the first request may take until its effect is seen
	Limits      TargetLimits   `yaml:"limits,omitempty"`
	Stop        TargetStop     `yaml:"stop,omitempty"`
}

// TargetLimits bound what is fired at it.
type TargetLimits struct {
	Rate Rate          `yaml:"rate,omitempty"`
	For  time.Duration `yaml:"for,omitempty"`
	Cost Dollars       `yaml:"cost,omitempty"` // of the run, as it is estimated; 0: no limit
}

// TargetStop says when the load is ended early.
type TargetStop struct {
	Errors Percent `yaml:"errors,omitempty"` // of the last ten seconds' requests that were not acknowledged; 0: never
	Alarm  string  `yaml:"alarm,omitempty"`  // name of a CloudWatch alarm: the load ends when it is in the state ALARM
}

// TargetDynamoDB is where the tables are.
type TargetDynamoDB struct {
	Endpoint string `yaml:"endpoint,omitempty"`
	Region   string `yaml:"region,omitempty"`
	Profile  string `yaml:"profile,omitempty"`
}

// TargetItems is the items table and its attributes.
type TargetItems struct {
	Table   string `yaml:"table,omitempty"`
	ID      string `yaml:"id,omitempty"`
	Payload string `yaml:"payload,omitempty"`
	Version string `yaml:"version,omitempty"` // of a workload of versions: the {{.ID}} of the request that wrote the item last
}

// TargetResults is the results table and its attributes.
type TargetResults struct {
	Table       string `yaml:"table,omitempty"`
	ID          string `yaml:"id,omitempty"`
	ProcessedAt string `yaml:"processedAt,omitempty"`
	Count       string `yaml:"count,omitempty"`
	Digest      string `yaml:"digest,omitempty"`
	Sequence    string `yaml:"sequence,omitempty"`
	Version     string `yaml:"version,omitempty"` // of a workload of versions: the {{.ID}} of the request whose effect an item's row shows
	PerKey      bool   `yaml:"perKey,omitempty"`  // of a workload of versions: the table has one row for all versions of an item
}

// TargetLetters is where dead letters go: the on-failure destination of the mapping,
// or of asynchronous invocations.
type TargetLetters struct {
	Queue  string `yaml:"queue,omitempty"` // of SQS: its URL, or its name
	Bucket string `yaml:"bucket,omitempty"`
}

// named reports whether the scenario names a system that is not ours. What it bounds,
// and how long it waits, names none.
func (t TargetSettings) named() bool {
	t.Canary, t.Limits, t.Stop = 0, TargetLimits{}, TargetStop{}
	return t != TargetSettings{}
}

// complete fills in what follows from what is there.
func (t *TargetSettings) complete(versions bool) {
	if !t.named() {
		return
	}
	def := func(v *string, d string) {
		if *v == "" {
			*v = d
		}
	}
	if t.Items.Table != "" {
		def(&t.Items.ID, "id")
		def(&t.Stream, streamAuto)
		if versions {
			def(&t.Items.Version, "version")
		}
	}
	if t.Results.Table != "" {
		def(&t.Results.ID, "id")
	}
	def(&t.Stream, streamNone)
	if t.Canary == 0 {
		t.Canary = time.Minute
	}
	if t.Limits.Rate == 0 {
		t.Limits.Rate = 1000
	}
	if t.Limits.For == 0 {
		t.Limits.For = 15 * time.Minute
	}
}

// HasItems reports whether there is a table in which anybody could look for what
// was stored.
func (t TargetSettings) HasItems() bool { return !t.named() || t.Items.Table != "" }

// HasResults reports whether there is a table in which anybody could look for
// effects.
func (t TargetSettings) HasResults() bool { return !t.named() || t.Results.Table != "" }

// EffectsTimed reports whether effects say when they were made.
func (t TargetSettings) EffectsTimed() bool { return !t.named() || t.Results.ProcessedAt != "" }

// Named reports whether the scenario names a system that is not ours.
func (s *Scenario) Named() bool { return s.Target.named() }

// targetNotes says what was not looked at of a system that is not ours.
func (s *Scenario) targetNotes() []string {
	notes := s.tableNotes()
	if s.Target.Results.PerKey {
		notes = append(notes, "the results table has one row for all versions of an item: whether a version that a newer one has replaced was processed, when, and how often any was, it does not tell; lag and completion time are those of the versions that its rows show, or should show")
	}
	return notes
}

func (s *Scenario) tableNotes() []string {
	switch t := s.Target; {
	case !t.HasItems() && !t.HasResults():
		return []string{"no table is named: this is a load test, and what became of the requests nobody looked at"}
	case !t.HasItems():
		return []string{"no items table is named: an acknowledgement was taken for stored"}
	case s.Read.By == ReadGet:
		return []string{"the tables were asked for the ids of the run alone: nothing is said of ids that were never sent"}
	}
	return nil
}

// system gives it as the target wants it.
func (s *Scenario) system() bench.System {
	t := s.Target
	if !t.named() {
		return bench.System{}
	}
	return bench.System{
		URL: t.URL, DynamoDB: t.DynamoDB.Endpoint, Region: t.DynamoDB.Region, Profile: t.DynamoDB.Profile,
		Items: t.Items.Table, Results: t.Results.Table, Stream: t.Stream, ByKey: s.Read.Shared(),
		LetterQueue: t.DeadLetters.Queue, LetterBucket: t.DeadLetters.Bucket,
		Attributes: bench.Attributes{
			ItemID: t.Items.ID, Payload: t.Items.Payload, EffectID: t.Results.ID, Count: t.Results.Count,
			Sequence: t.Results.Sequence, Digest: t.Results.Digest, ProcessedAt: t.Results.ProcessedAt,
			Version: t.Items.Version, EffectVersion: t.Results.Version, PerKey: t.Results.PerKey,
		},
	}
}

// functionName is the form of
// https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
var functionName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// checkTarget checks what names a system that is not ours.
func (c *checker) checkTarget() {
	t := c.Target
	if !t.named() {
		return
	}
	if !c.checkOutputs("target.function", t.Function) && t.Function != "" && !functionName.MatchString(t.Function) {
		c.failf("target.function", "%.80q is no name of a function: want 1 to 64 letters, digits, hyphens and underscores", t.Function)
	}
	if t.Stack != "" && !stackName.MatchString(t.Stack) {
		c.failf("target.stack", "%.80q is no name of a stack: want letters, digits and hyphens, a letter first", t.Stack)
	}
	if t.URL == "" {
		c.failf("target.url", "it is missing: nobody knows where to send requests")
	} else if !c.checkOutputs("target.url", t.URL) && !isAPI(t.URL) {
		c.failf("target.url", "%q: want scheme and host, and the path in front of request.path without a slash at its end, such as https://api.example.com/prod; credentials go into request.headers as ${env:NAME}", t.URL)
	}
	if e := t.DynamoDB.Endpoint; e != "" {
		if u, err := url.Parse(e); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
			c.failf("target.dynamodb.endpoint", "%q: want scheme, host and port alone, such as http://127.0.0.1:8000; leave it out for AWS's own", e)
		}
	}
	c.checkTargetTables()
	c.checkOutputs("target.items.table", t.Items.Table)
	c.checkOutputs("target.results.table", t.Results.Table)
	c.checkLetters()
	if a := t.Stop.Alarm; len(a) > 255 || strings.ContainsFunc(a, isControl) {
		c.failf("target.stop.alarm", "%.40q is no name of an alarm: it has 1 to 255 characters", a)
	}
	if t.Stream != streamAuto && t.Stream != streamNone && !c.checkOutputs("target.stream", t.Stream) && !streamARN.MatchString(t.Stream) {
		c.failf("target.stream", "%q is no stream: want auto, none or the ARN of a DynamoDB stream", t.Stream)
	}
	if t.Stream != streamNone && t.Items.Table == "" {
		c.failf("target.stream", "the stream is that of the items table: name target.items.table")
	}
	c.within("target.canary", t.Canary, time.Second, time.Hour)
	peak := Rate(0)
	for _, stage := range c.Load {
		from, to := stage.Rates()
		peak = max(peak, from, to)
	}
	if c.readable("load") && peak > t.Limits.Rate {
		c.failf("target.limits.rate", "the load comes to %s, over the limit of %s for a system that is not ours; raise the limit if that is meant", peak, t.Limits.Rate)
	}
	if c.readable("load") && c.length() > t.Limits.For {
		c.failf("target.limits.for", "the load lasts %s, over the limit of %s for a system that is not ours; raise the limit if that is meant", c.length(), t.Limits.For)
	}
}

// isAPI reports whether a text is the URL of an API, in front of request.path.
func isAPI(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil && u.RawQuery == "" && u.Fragment == "" && !strings.HasSuffix(u.Path, "/")
}

var streamARN = regexp.MustCompile(`^arn:[a-z-]+:dynamodb:[a-z0-9-]+:[0-9]*:table/[A-Za-z0-9_.-]+/stream/.+$`)

// checkTargetTables checks what names tables and their attributes.
func (c *checker) checkTargetTables() {
	t := c.Target
	if t.Items.Table == "" && (t.Items.ID != "" || t.Items.Payload != "") {
		c.failf("target.items.table", "it is missing: attributes of which table?")
	}
	if r := t.Results; r.Table == "" && r != (TargetResults{}) {
		c.failf("target.results.table", "it is missing: attributes of which table?")
	}
	if t.Results.Table == "" && c.Guarantee.Effects != NoEffects {
		c.failf("guarantee.effects", "%s cannot be seen without a results table: name target.results.table, or say guarantee: {effects: none}", c.Guarantee.Effects)
	}
	if t.Items.Table != "" && t.Items.Table == t.Results.Table && !c.Table.OneTable {
		c.failf("target.results.table", "it is the items table: say table: {oneTable: true}, and name target.results.processedAt, which only processed items have")
	}
	if c.Table.OneTable && t.Results.ProcessedAt == "" {
		c.failf("target.results.processedAt", "it is missing: with table.oneTable it tells which items were processed")
	}
	if c.Guarantee.Deadline != 0 && t.Results.ProcessedAt == "" && t.Results.Table != "" {
		c.failf("target.results.processedAt", "it is missing: whether the deadline was kept could not be seen")
	}
	c.checkPerKey()
}

// checkLetters checks where dead letters are looked for.
func (c *checker) checkLetters() {
	l := c.Target.DeadLetters
	if l.Queue != "" && l.Bucket != "" {
		c.failf("target.deadLetters", "it names a queue and a bucket, and there is one on-failure destination: leave one out")
	}
	if l.Bucket != "" && !c.checkOutputs("target.deadLetters.bucket", l.Bucket) {
		c.bucket("target.deadLetters.bucket", l.Bucket)
	}
	if c.checkOutputs("target.deadLetters.queue", l.Queue) {
		return
	}
	if u, err := url.Parse(l.Queue); err == nil && u.Scheme != "" {
		if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" {
			c.failf("target.deadLetters.queue", "%.80q is no URL of a queue", l.Queue)
		}
	} else if l.Queue != "" && !queueName.MatchString(l.Queue) {
		c.failf("target.deadLetters.queue", "%.80q is no queue: want the URL or the name of one of SQS, which is no FIFO queue: Lambda takes none for this", l.Queue)
	}
}

// queueName is the form of
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
var queueName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// secret is where a value of the environment stands in a header.
var secret = regexp.MustCompile(`\$\{env:([^}]*)\}`)

// checkHeader checks what a header takes from the environment.
func (c *checker) checkHeader(path, value string) {
	for _, m := range secret.FindAllStringSubmatch(value, -1) {
		if !envName.MatchString(m[1]) {
			c.failf(path, "%q is no name of an environment variable", m[1])
		}
	}
	if strings.Contains(secret.ReplaceAllString(value, ""), "${env:") {
		c.failf(path, "${env: without its }")
	}
}

// SentHeaders gives the headers with what they take from the environment. That is
// never written down: the scenario that is kept has the names alone.
func (r RequestKind) SentHeaders() (map[string]string, error) {
	sent := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(r.Headers)) {
		var missing string
		sent[key] = secret.ReplaceAllStringFunc(r.Headers[key], func(m string) string {
			name := secret.FindStringSubmatch(m)[1]
			v, ok := os.LookupEnv(name)
			if !ok {
				missing = name
			}
			return v
		})
		switch {
		case missing != "":
			return nil, fmt.Errorf("request.headers.%s: the environment has no variable %s; set it, or write the value", key, missing)
		case strings.ContainsFunc(sent[key], isControl):
			return nil, fmt.Errorf("request.headers.%s: a variable that it names has control characters", key)
		}
	}
	return sent, nil
}
