package suite

import (
	"slices"
	"strings"
	"unicode"
)

// Part is the part of the system that a configuration is about.
type Part string

// The parts.
const (
	Sound   Part = "sound"
	Mapping Part = "mapping" // a setting of the event source mapping
	Handler Part = "handler" // the processor's code
	API     Part = "api"     // what stands before the table
)

// Configuration is a known one: sound, or with one bug.
type Configuration struct {
	Name   string   // C1, B2 ...: as in the matrix
	Title  string   // what is so, as a sentence without a full stop
	Part   Part     // where it is so
	Set    []string // overrides that plant it
	Change string   // what to do about it

	// Signature says what each probe must show: letters in capitals must be there,
	// those in small may be, others must not. Probes that are not named show what
	// the sound configuration shows.
	Signature map[string]string
}

// sound is what each probe shows of a system without a bug: a record that can
// never be processed is handed over, and so is what fails longer than its
// retries last. Nothing else may happen to it.
var sound = map[string]string{"poison": "Q", "error": "q", "deny": "q"}

func env(defect string) []string { return []string{"processor.env.ACKPROOF_DEFECT=" + defect} }

// endless is the mapping as AWS makes it by default.
var endless = []string{"mapping.maximumRetryAttempts=-1", "mapping.bisectBatchOnFunctionError=false", "mapping.onFailure=none"}

const otherPayload = `gateway.template={"TableName": "$stageVariables.itemsTable", "Item": {"id": {"S": $input.json('$.id')}, "payload": {"S": "$input.path('$.payload')-"}}}`
const ownID = `gateway.template={"TableName": "$stageVariables.itemsTable", "Item": {"id": {"S": "$context.requestId"}, "payload": {"S": $input.json('$.payload')}}}`

// configurations are all that are known, in the order of the matrix.
var configurations = []Configuration{
	{
		Name: "C1", Part: Sound, Title: "idempotent effects, bounded retries that bisect, the failed record named, a destination that keeps the payload",
	}, {
		Name: "C0", Part: Mapping, Set: endless, Title: "retries without end: a bad record blocks its shard until the stream forgets it and all behind it",
		Change:    "set MaximumRetryAttempts, BisectBatchOnFunctionError and an on-failure destination that keeps the payload",
		Signature: map[string]string{"poison": "B", "error": "", "deny": ""},
	}, {
		Name: "B1", Part: Mapping, Title: "few retries and no on-failure destination: what fails longer is discarded, whole batches at a time",
		Set:       []string{"mapping.bisectBatchOnFunctionError=false", "mapping.onFailure=none"},
		Change:    "give the mapping an on-failure destination (S3 keeps the payload), and bisect batches",
		Signature: map[string]string{"poison": "LN", "error": "L", "deny": "l"},
	}, {
		Name: "B2", Part: Handler, Set: env("swallow"), Title: "the handler swallows errors and reports success",
		Change:    "let the error out of the handler, or name the record in batchItemFailures",
		Signature: map[string]string{"poison": "L", "deny": "L", "late": "ls"},
	}, {
		Name: "B3", Part: Handler, Set: env("non-idempotent"), Title: "effects are not idempotent: what is delivered again is applied again",
		Change:    "write the effect under a condition, such as attribute_not_exists(id) OR sequence < :sequence",
		Signature: map[string]string{"kill": "D", "after": "D", "recreate": "D", "late": "s"},
	}, {
		Name: "B4a", Part: Mapping, Title: "the handler names failed records, and the mapping does not listen",
		Set:       []string{"mapping.functionResponseTypes=[]"},
		Change:    "set FunctionResponseTypes to ReportBatchItemFailures on the mapping",
		Signature: map[string]string{"poison": "LN", "deny": "L", "late": "ls"},
	}, {
		Name: "B4b", Part: Handler, Set: env("empty-failures"), Title: "the handler answers with an empty batchItemFailures although records have failed",
		Change:    "put the sequence number of each failed record into batchItemFailures, under the documented keys",
		Signature: map[string]string{"poison": "L", "deny": "L", "late": "ls"},
	}, {
		Name: "B4c", Part: Handler, Set: env("report-last"), Title: "of several failed records the last is named, so those before it count as done",
		Change:    "name the first failed record, or all of them: the mapping goes back to the lowest sequence number",
		Signature: map[string]string{"poison": "lQ", "deny": "Lq", "late": "ls"},
	}, {
		Name: "B4d", Part: Handler, Set: env("bad-identifier"), Title: "what is named as failed is no record of the batch, so all of it comes again; and effects are not idempotent",
		Change:    "use dynamodb.SequenceNumber as itemIdentifier, and write effects under a condition",
		Signature: map[string]string{"poison": "DQ", "kill": "D", "after": "D", "deny": "Dq", "recreate": "D", "late": "s"},
	}, {
		Name: "B5", Part: Mapping, Set: []string{"mapping.startingPosition=LATEST"}, Title: "the mapping starts at LATEST and misses what comes while it is made anew",
		Change:    "start at TRIM_HORIZON; idempotent effects make the replay harmless",
		Signature: map[string]string{"recreate": "L"},
	}, {
		Name: "B6", Part: Handler, Set: env("unconditional"), Title: "the last write wins: an older version that comes late replaces a newer one",
		Change:    "write under the condition that the stored sequence number is lower, compared as a number",
		Signature: map[string]string{"late": "S"},
	}, {
		Name: "B7", Part: Handler, Set: env("unconditional-continue"), Title: "the last write wins, and records behind a failed one are done before it",
		Change:    "stop at the first failure of a key, and write under the condition that the stored sequence number is lower",
		Signature: map[string]string{"late": "S"},
	}, {
		Name: "B8", Part: Mapping, Set: slices.Concat(endless, []string{"mapping.maximumRecordAgeInSeconds=60"}),
		Title:     "records that wait longer than a short MaximumRecordAgeInSeconds are dropped, tried or not",
		Change:    "choose a record age above the longest outage that you mean to survive, and a destination",
		Signature: map[string]string{"poison": "B", "error": "", "deny": "", "outage": "L"},
	}, {
		Name: "A1", Part: API, Set: []string{"gateway.statusMapping=naive"}, Title: "the API answers 200 whatever the table has said",
		Change:    "map DynamoDB's errors to 4xx and 5xx with integration responses",
		Signature: map[string]string{"throttle": "W"},
	}, {
		Name: "A2", Part: API, Set: []string{"gateway.defect=early-answer"}, Title: "the API acknowledges before the write is durable",
		Change:    "answer when the write has been acknowledged, not before",
		Signature: map[string]string{"throttle": "W"},
	}, {
		Name: "A3", Part: API, Set: []string{"gateway.defect=lose-nth=50"}, Title: "the API loses some of the writes that it has acknowledged",
		Change:    "look for the requests that lost_write names in the API's own log",
		Signature: all("W", nil),
	}, {
		Name: "A4", Part: API, Set: []string{"gateway.defect=write-twice", twoVersions}, Title: "the API writes each item twice, as two versions",
		Change:    "write once, under attribute_not_exists(id), without attributes that differ from attempt to attempt",
		Signature: all("D", map[string]string{"poison": "DQ", "error": "Dqs", "deny": "Dqs", "throttle": "DP", "late": ""}),
	}, {
		Name: "A5", Part: API, Set: []string{otherPayload}, Title: "the API changes the payload",
		Change:    "compare the mapping template with what the client sends; use $util.escapeJavaScript or $input.json",
		Signature: all("S", nil),
	}, {
		Name: "A6", Part: API, Set: []string{ownID}, Title: "the API replaces the client's id by one of its own",
		Change:    "keep the client's id as key, so that what is sent again is the same item",
		Signature: all("WU", map[string]string{"poison": "WU", "error": "WU", "deny": "WU"}),
	},
}

// all is the signature of a bug that every probe shows, whatever the fault, with
// what else each shows; nil: what a sound system shows.
func all(letters string, except map[string]string) map[string]string {
	signature := map[string]string{}
	for _, p := range probes {
		signature[p.Name] = letters + sound[p.Name]
		if other, ok := except[p.Name]; ok {
			signature[p.Name] = other
		}
	}
	return signature
}

// Configurations lists all that are known.
func Configurations() []Configuration { return slices.Clone(configurations) }

// Lookup finds a configuration by its name.
func Lookup(name string) (Configuration, bool) {
	for _, c := range configurations {
		if c.Name == name {
			return c, true
		}
	}
	return Configuration{}, false
}

// Shows gives what a probe must, and what it may show of the configuration, in
// capitals both.
func (c *Configuration) Shows(probe string) (must, may string) {
	s, ok := c.Signature[probe]
	if !ok {
		s = sound[probe]
	}
	for _, l := range s {
		if unicode.IsUpper(l) {
			must += string(l)
		} else {
			may += string(unicode.ToUpper(l))
		}
	}
	return must, may
}

// Exposes names the first probe that shows the bug: what must be there and would
// not be of a sound system. The sound configuration has none.
func (c *Configuration) Exposes() (probe string, ok bool) {
	for _, p := range probes {
		must, _ := c.Shows(p.Name)
		soundMust, soundMay := configurations[0].Shows(p.Name)
		if strings.ContainsFunc(must, func(l rune) bool { return !strings.ContainsRune(soundMust+soundMay, l) }) {
			return p.Name, true
		}
	}
	return "", false
}
