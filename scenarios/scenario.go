package scenarios

import (
	"slices"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/faults"
)

// Scenario is one experiment. Make it with Load or Parse, which fill the
// defaults in and check it; what they return is valid.
type Scenario struct {
	Name         string         `yaml:"name"`
	About        string         `yaml:"about,omitempty"`
	Architecture string         `yaml:"architecture"`
	Overload     bool           `yaml:"overload,omitempty"` // a plan that the processor cannot follow is meant
	Load         []Stage        `yaml:"load"`
	Workload     Workload       `yaml:"workload"`
	Request      Request        `yaml:"request"`
	Table        Table          `yaml:"table"`
	Processor    Processor      `yaml:"processor"`
	Mapping      Mapping        `yaml:"mapping"`
	Async        Async          `yaml:"async"`
	Gateway      Gateway        `yaml:"gateway"`
	Faults       []faults.Fault `yaml:"faults"`
	Commands     []Breakage     `yaml:"commands,omitempty"`
	Guarantee    Guarantee      `yaml:"guarantee"`
	Drain        Drain          `yaml:"drain"`
	Read         Read           `yaml:"read"`
	Gates        Gates          `yaml:"gates"`
	Expect       []Expectation  `yaml:"expect"`
	Target       TargetSettings `yaml:"target,omitempty"`
}

// Stage is a piece of the load. Its shape is a constant Rate, with a Spike or a Sine
// on it if there is one; a straight line From one rate To another, or so many equal
// Steps between them; or the Replay of a recording. Stages follow each other without
// a gap.
type Stage struct {
	Name     string        `yaml:"name"`
	For      time.Duration `yaml:"for"`
	Rate     *Rate         `yaml:"rate,omitempty"`
	From     *Rate         `yaml:"from,omitempty"`
	To       *Rate         `yaml:"to,omitempty"`
	Steps    int           `yaml:"steps,omitempty"` // from From to To, both among them, each as long
	Spike    *Spike        `yaml:"spike,omitempty"`
	Sine     *Sine         `yaml:"sine,omitempty"`
	Replay   *Replay       `yaml:"replay,omitempty"`
	Arrivals string        `yaml:"arrivals,omitempty"` // Evenly, which is so where nothing is said, or Poisson
	Warmup   bool          `yaml:"warmup,omitempty"`   // told apart from the rest of the response times
	Expect   []Expectation `yaml:"expect,omitempty"`   // of this stage alone
}

// Spike is a time of another rate within a stage.
type Spike struct {
	At   time.Duration `yaml:"at"` // from the start of the stage
	For  time.Duration `yaml:"for"`
	Rate Rate          `yaml:"rate"`
}

// Sine lets the rate of a stage swing about it, at first upwards.
type Sine struct {
	Amplitude Rate          `yaml:"amplitude"`
	Period    time.Duration `yaml:"period"`
}

// Rates gives the rate at the stage's start and end, where it is a line or constant.
func (s Stage) Rates() (from, to Rate) {
	if s.Rate != nil {
		return *s.Rate, *s.Rate
	}
	if s.From != nil {
		from = *s.From
	}
	if s.To != nil {
		to = *s.To
	}
	return from, to
}

// Peak is the highest rate of the stage. That of a replay is taken over a second.
func (s Stage) Peak() Rate {
	from, to := s.Rates()
	peak := max(from, to)
	if s.Spike != nil {
		peak = max(peak, s.Spike.Rate)
	}
	if s.Sine != nil {
		peak += s.Sine.Amplitude
	}
	if s.Replay != nil {
		peak = s.Replay.peak()
	}
	return peak
}

// curve is the stage's rate over time; nil: it is a replay.
func (s Stage) curve() curve {
	from, to := s.Rates()
	a, b, span := float64(from), float64(to), s.For.Seconds()
	switch {
	case s.Replay != nil:
		return nil
	case s.Steps > 1:
		var up stairs
		for i := range s.Steps {
			up = up.add(a+(b-a)*float64(i)/float64(s.Steps-1), span/float64(s.Steps))
		}
		return up
	case s.Spike != nil:
		before, during := s.Spike.At.Seconds(), s.Spike.For.Seconds()
		return stairs{}.add(a, before).add(float64(s.Spike.Rate), during).add(a, span-before-during)
	case s.Sine != nil:
		return wave{mean: a, amplitude: float64(s.Sine.Amplitude), period: s.Sine.Period.Seconds(), span: span}
	}
	return newLine(a, b, span)
}

// requests is how many requests the stage has, as a real number.
func (s Stage) requests() float64 {
	if s.Replay != nil {
		return float64(s.Replay.count(s.For))
	}
	return s.curve().requests(s.For.Seconds())
}

// rates are all rates of the stage.
func (s *Stage) rates() []*Rate {
	all := []*Rate{s.Rate, s.From, s.To}
	if s.Spike != nil {
		all = append(all, &s.Spike.Rate)
	}
	if s.Sine != nil {
		all = append(all, &s.Sine.Amplitude)
	}
	return all
}

// Workload is what the requests carry.
type Workload struct {
	Kind    string   `yaml:"kind"` // Unique or Versions
	Payload Size     `yaml:"payload"`
	Poison  []uint64 `yaml:"poison,omitempty"` // sequence numbers whose payload starts with PoisonPrefix
	Keys    int      `yaml:"keys,omitempty"`   // of kind versions: how many there are
	Skew    Skew     `yaml:"skew,omitempty"`   // of kind versions: how unevenly they are written
}

// Values of Workload.Kind.
const (
	Unique   = "unique"   // each request writes an item of its own
	Versions = "versions" // requests share keys: each writes a version of its key's item
)

// PoisonPrefix starts the payload of a record that the built-in processor can
// never process.
const PoisonPrefix = "poison:"

// Request is how a request is made, and how its answer is read.
type Request struct {
	Method      string            `yaml:"method"`
	Path        string            `yaml:"path"`
	Headers     map[string]string `yaml:"headers"`
	Body        string            `yaml:"body"` // with {{.ID}}, {{.Key}}, {{.Payload}} and {{.Seq}}
	Ack         []int             `yaml:"ack"`
	Refused     []int             `yaml:"refused"`
	Timeout     time.Duration     `yaml:"timeout"`
	Connections int               `yaml:"connections"`
	Retries     Retries           `yaml:"retries"`
	Sign        string            `yaml:"sign"` // none, or sigv4
	Kinds       []RequestKind     `yaml:"kinds,omitempty"`
}

// Breakage is a fault made of the user's own commands, which exec.run names.
type Breakage struct {
	Name    string  `yaml:"name"`
	Do      Command `yaml:"do"`
	Undo    Command `yaml:"undo"`    // may come twice, and after a Do that was cut off
	Confirm Command `yaml:"confirm"` // succeeds when nothing is broken any more
	Count   Command `yaml:"count"`   // prints how often the breakage has struck so far
}

// Command is a program with its arguments, without a shell.
type Command struct {
	Run     []string      `yaml:"run"`
	Timeout time.Duration `yaml:"timeout"` // 0: DefaultTimeout
}

// DefaultTimeout is how long a command may take that does not say.
const DefaultTimeout = 5 * time.Second

// Table is the items table.
type Table struct {
	Shards         int    `yaml:"shards"`
	StreamViewType string `yaml:"streamViewType"`
	OneTable       bool   `yaml:"oneTable,omitempty"`   // the processor writes its effects onto the items; there is no results table
	TimeToLive     string `yaml:"timeToLive,omitempty"` // attribute that says when an item expires, in seconds since 1970
	Durable        bool   `yaml:"durable,omitempty"`    // on disk, so that it survives the death of its process, as DynamoDB's does
}

// Processor is the function under test.
type Processor struct {
	Work        time.Duration     `yaml:"work"` // per record, waiting
	Burn        time.Duration     `yaml:"burn"` // per record, computing
	Timeout     time.Duration     `yaml:"timeout"`
	Concurrency int               `yaml:"concurrency"`      // processes at most
	Memory      int               `yaml:"memory,omitempty"` // MB that a process may hold; 0: no limit
	Env         map[string]string `yaml:"env"`
	Accepts     []string          `yaml:"accepts"` // stream, proxy: the events that a binary of the user's own understands
}

// Mapping is the event source mapping, under AWS's names:
// https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
// The last four are the stand-in's own. FilterCriteria is the list of patterns.
type Mapping struct {
	BatchSize                      int           `yaml:"batchSize"`
	MaximumBatchingWindowInSeconds int           `yaml:"maximumBatchingWindowInSeconds"`
	ParallelizationFactor          int           `yaml:"parallelizationFactor"`
	MaximumRetryAttempts           int           `yaml:"maximumRetryAttempts"`      // -1: for ever
	MaximumRecordAgeInSeconds      int           `yaml:"maximumRecordAgeInSeconds"` // -1: for ever
	BisectBatchOnFunctionError     bool          `yaml:"bisectBatchOnFunctionError"`
	StartingPosition               string        `yaml:"startingPosition"`
	FunctionResponseTypes          []string      `yaml:"functionResponseTypes,omitempty"`
	FilterCriteria                 []string      `yaml:"filterCriteria,omitempty"`
	TumblingWindowInSeconds        int           `yaml:"tumblingWindowInSeconds,omitempty"`
	OnFailure                      string        `yaml:"onFailure"` // none; payload: a destination that keeps the event, as S3 does; metadata: one that does not, as SQS and SNS
	StartDelay                     time.Duration `yaml:"startDelay"`
	PollInterval                   time.Duration `yaml:"pollInterval"`
	RetryBase                      time.Duration `yaml:"retryBase"`
	RetryCap                       time.Duration `yaml:"retryCap"`
}

// Async holds the settings of asynchronous invocation:
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
type Async struct {
	MaximumRetryAttempts     int             `yaml:"maximumRetryAttempts"`
	MaximumEventAgeInSeconds int             `yaml:"maximumEventAgeInSeconds"`
	RetryDelays              []time.Duration `yaml:"retryDelays"`
	OnFailure                string          `yaml:"onFailure"` // none, or payload: a destination that is given the event itself
}

// Gateway holds the API's settings. Path empty: that of the request. Template
// empty: the gateway's own; "none": no template at all. Templates themselves are
// checked by the target, which knows their language.
type Gateway struct {
	Path                string            `yaml:"path"`
	Template            string            `yaml:"template,omitempty"`
	StatusMapping       string            `yaml:"statusMapping"` // mapped, naive, or responses where there are some
	Responses           []GatewayResponse `yaml:"responses,omitempty"`
	MethodResponses     []int             `yaml:"methodResponses,omitempty"`
	Defect              string            `yaml:"defect,omitempty"` // planted: lose-nth=K, early-answer, write-twice
	PassthroughBehavior string            `yaml:"passthroughBehavior"`
	IntegrationTimeout  time.Duration     `yaml:"integrationTimeout"`
	Throttle            Throttle          `yaml:"throttle"`
}

// GatewayResponse is one integration response.
type GatewayResponse struct {
	Pattern  string `yaml:"pattern,omitempty"` // of the integration's whole status; empty: the default
	Status   int    `yaml:"status"`            // that the client gets
	Template string `yaml:"template,omitempty"`
}

// Throttle is the token bucket in front of the API.
type Throttle struct {
	Rate  Rate `yaml:"rate"`
	Burst int  `yaml:"burst"` // requests at once
}

// Values of Guarantee.
const (
	ExactlyOnce = "exactly-once"
	AtLeastOnce = "at-least-once"
	NoEffects   = "none" // effects are not judged

	DeadLettersFail  = "fail"
	DeadLettersAllow = "allow"
)

// Guarantee is what the API has promised.
type Guarantee struct {
	Effects     string   `yaml:"effects"`
	DeadLetters string   `yaml:"deadLetters"`
	Deadline    Deadline `yaml:"deadline"` // of processing, from the acknowledgement
}

// Values of Drain.Proof.
const (
	ProofAuto      = "auto" // positions, where the target shows them, else sentinels, else quiet
	ProofPositions = "positions"
	ProofSentinels = "sentinels" // items of our own, one a shard or more, are seen processed; architecture streams
	ProofQuiet     = "quiet"     // nothing new for Quiet
)

// Drain says how long to wait for the pipeline to become empty, and how it is to
// be seen that it is.
type Drain struct {
	Proof   string        `yaml:"proof"`
	Timeout time.Duration `yaml:"timeout"`
	Quiet   time.Duration `yaml:"quiet"` // the silence that counts as empty where positions cannot be read
}

// Values of Read.By.
const (
	ReadScan   = "scan"
	ReadGet    = "get"
	ReadExport = "export"
)

// Read says how the tables are read when the load is over. By scan, all of them
// is read; by get, the run's own ids are asked for, for tables that hold other
// data too: what was never sent is not looked for then, and unexpected is null. By
// export, DynamoDB writes all of them to a bucket, which takes nothing of their
// capacity, and they are read there.
type Read struct {
	By       string        `yaml:"by"`                 // scan, get or export
	Capacity int           `yaml:"capacity,omitempty"` // read capacity units a second that it may use; 0: as fast as it goes
	Bucket   string        `yaml:"bucket,omitempty"`   // that tables are exported to
	Prefix   string        `yaml:"prefix,omitempty"`   // of what is exported, in front of the run's id
	Timeout  time.Duration `yaml:"timeout,omitempty"`  // until the exports are there
}

// Shared reports whether the tables may hold data of others.
func (r Read) Shared() bool { return r.By != ReadScan }

// Gates holds the thresholds of the evidence that a pass needs.
type Gates struct {
	RateKept       Percent       `yaml:"rateKept"`       // sent of planned, in every stage
	Evidence       int           `yaml:"evidence"`       // sent before, inside and after each fault: this many,
	EvidenceShare  Percent       `yaml:"evidenceShare"`  // or this share of all planned, whichever is less
	SendDelay      time.Duration `yaml:"sendDelay"`      // p99 of sent - due at most this,
	SendDelayShare Percent       `yaml:"sendDelayShare"` // or this share of the p99 of response time, whichever is more
	GeneratorCPU   Percent       `yaml:"generatorCPU"`   // of all the host's CPU time, taken by the generator, at most
}

// defaults returns the scenario that an empty file would be, without a load.
func defaults() *Scenario {
	return &Scenario{
		Architecture: bench.Streams,
		Workload:     Workload{Kind: Unique, Payload: 256},
		Request: Request{
			Method:      "POST",
			Path:        "/items",
			Headers:     map[string]string{"Content-Type": "application/json"},
			Body:        uniqueBody,
			Ack:         []int{200, 202},
			Refused:     []int{400, 401, 403, 404, 409, 413, 415, 429},
			Timeout:     10 * time.Second,
			Connections: 128,
			Retries:     Retries{On: []string{bench.Unknown.String()}, SameID: true, BackOff: 100 * time.Millisecond},
			Sign:        "none",
		},
		Table:     Table{Shards: 4, StreamViewType: "NEW_AND_OLD_IMAGES"},
		Processor: Processor{Work: 2 * time.Millisecond, Timeout: 3 * time.Second, Concurrency: 4, Env: map[string]string{}, Accepts: []string{"stream"}},
		Mapping: Mapping{
			BatchSize:                 100,
			ParallelizationFactor:     1,
			MaximumRetryAttempts:      -1,
			MaximumRecordAgeInSeconds: -1,
			StartingPosition:          "TRIM_HORIZON",
			OnFailure:                 "none",
			// Lambda polls a shard four times a second:
			// https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
			PollInterval: 250 * time.Millisecond,
			// AWS documents no back-off. It was seen to start at 200 ms and to
			// double; whether it is capped is not known. A cap of 20 s lets a run
			// of a minute see the end of an outage.
			RetryBase: 200 * time.Millisecond,
			RetryCap:  20 * time.Second,
		},
		Async: Async{
			MaximumRetryAttempts:     2,
			MaximumEventAgeInSeconds: 21600,
			RetryDelays:              []time.Duration{time.Minute, 2 * time.Minute},
			OnFailure:                onFailureNone,
		},
		// The limits are API Gateway's own. Its default for bodies without a
		// template is WHEN_NO_MATCH, which lets a client write what it likes:
		// https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
		Gateway: Gateway{
			PassthroughBehavior: "NEVER",
			IntegrationTimeout:  29 * time.Second,
			Throttle:            Throttle{Rate: 10_000, Burst: 5_000},
		},
		Faults:    []faults.Fault{},
		Guarantee: Guarantee{Effects: ExactlyOnce, DeadLetters: DeadLettersFail},
		Expect:    []Expectation{},
		Drain:     Drain{Proof: ProofAuto, Timeout: time.Minute},
		Gates:     Gates{RateKept: 95, Evidence: 100, EvidenceShare: 10, SendDelay: 5 * time.Millisecond, SendDelayShare: 10, GeneratorCPU: 80},
	}
}

// Expectations are all that are to be met: the scenario's own, then those of its
// stages, each of its stage alone.
func (s *Scenario) Expectations() []Expectation {
	all := slices.Clone(s.Expect)
	for _, stage := range s.Load {
		for _, e := range stage.Expect {
			e.Phase = stage.Name
			all = append(all, e)
		}
	}
	return all
}

// complete fills in the defaults that depend on other values.
func (s *Scenario) complete() {
	s.completeVersions()
	for i := range s.Load {
		if stage := &s.Load[i]; stage.Replay != nil && stage.For == 0 {
			stage.For = stage.Replay.length()
		}
	}
	if s.Gateway.Path == "" {
		s.Gateway.Path = s.Request.Path
	}
	if s.Gateway.StatusMapping == "" {
		s.Gateway.StatusMapping = mappingMapped
		if len(s.Gateway.Responses) > 0 {
			s.Gateway.StatusMapping = mappingResponses
		}
	}
	for i := range s.Commands {
		b := &s.Commands[i]
		for _, c := range []*Command{&b.Do, &b.Undo, &b.Confirm, &b.Count} {
			if c.Timeout == 0 {
				c.Timeout = DefaultTimeout
			}
		}
	}
	if s.Read.By == "" {
		s.Read.By = ReadScan
		if s.Target.named() {
			s.Read.By = ReadGet // the tables hold more than this run's
		}
	}
	if s.Read.By == ReadExport {
		if s.Read.Prefix == "" {
			s.Read.Prefix = "ackproof"
		}
		if s.Read.Timeout == 0 {
			s.Read.Timeout = time.Hour
		}
	}
	s.Target.complete(s.Workload.Kind == Versions)
	if s.Drain.Quiet == 0 {
		s.Drain.Quiet = max(30*time.Second, s.longestSilence()+5*time.Second)
	}
}

// longestSilence is how long a pipeline that is not empty can look so: the
// longest wait for a retry, a batching window, an invocation that runs into its
// time-out, and a mapping that has not begun to poll.
func (s *Scenario) longestSilence() time.Duration {
	switch s.Architecture {
	case bench.Sync:
		return s.Processor.Timeout
	case bench.FireAndForget:
		gap := time.Duration(0)
		for _, d := range s.Async.RetryDelays[:min(len(s.Async.RetryDelays), max(0, s.Async.MaximumRetryAttempts))] {
			gap = max(gap, d)
		}
		return gap + s.Processor.Timeout
	}
	window := time.Duration(s.Mapping.MaximumBatchingWindowInSeconds) * time.Second
	return s.Mapping.RetryCap + window + s.Processor.Timeout + s.Mapping.StartDelay
}
