package reports

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// watchRow puts one figure of CloudWatch beside ours.
type watchRow struct {
	Theirs, Says, Ours, Said string
	Words                    string // where the two differ, and what that means; "": nothing to say
}

// watching compares what CloudWatch says with a result.
type watching struct {
	c    *bench.CloudWatch
	r    *bench.Result
	s    *bench.Series
	rows []watchRow
}

// cloudWatchRows lists what both have a figure of, and says where they differ. What
// CloudWatch has no data of is not 0.
func cloudWatchRows(r *bench.Result, s *bench.Series) []watchRow {
	w := &watching{c: s.CloudWatch, r: r, s: s}
	w.gateway()
	w.tables()
	w.function()
	w.losses()
	return w.rows
}

// noData is told where CloudWatch has none.
const noData = "no data"

// theirs tells a figure; what may still grow is told as such.
func (w *watching) theirs(m *bench.CloudWatchMetric) string {
	v := m.Whole()
	text := noData
	switch {
	case v == nil:
	case m.Unit == "Milliseconds" && !m.Counts():
		text = duration(*v)
	default:
		text = number(*v)
	}
	if m.SettledMs < w.c.ToMs {
		text += " so far"
	}
	return text
}

// add adds a row of a metric that was asked for.
func (w *watching) add(m *bench.CloudWatchMetric, theirs, ours, said, words string) {
	if m != nil {
		w.rows = append(w.rows, watchRow{theirs, w.theirs(m), ours, said, words})
	}
}

// counts adds a row of counts. More and fewer say what it means that CloudWatch has
// more of them, or fewer.
func (w *watching) counts(m *bench.CloudWatchMetric, theirs, ours string, n *int64, more, fewer string) {
	words := ""
	if v := m.Whole(); v != nil && n != nil {
		switch difference := *v - float64(*n); {
		case difference > 0:
			words = number(difference) + " more: " + more
		case difference < 0:
			words = number(-difference) + " fewer: " + fewer
		}
	}
	w.add(m, theirs, ours, countOf(n), words)
}

const (
	lateWords   = "they come late, or were never counted"
	minuteWords = "canaries, sentinels, and all else that happened in these minutes"
)

func (w *watching) gateway() {
	q := &w.r.Requests
	w.counts(w.c.Find("Count", "SampleCount"), "API Gateway: Count", "requests sent", &q.Sent, minuteWords, "they did not reach the API, or come late")
	w.counts(w.c.Find("4XXError", "Sum"), "API Gateway: 4XXError", "refused", &q.Refused, minuteWords, lateWords)
	w.counts(w.c.Find("5XXError", "Sum"), "API Gateway: 5XXError", "unknown", &q.Unknown, minuteWords,
		"a time-out or a broken connection is seen by the client alone")
	m, words := w.c.Find("Latency", "p99"), ""
	if v, l := m.Whole(), &w.r.ResponseTime; v != nil && l.Count > 0 && (l.P99 == nil || *l.P99 > *v*1.25) {
		words = "API Gateway's clock starts when it has the request: a client also waits to be connected, and for its turn"
	}
	w.add(m, "API Gateway: Latency, p99 of the worst minute", "response time, p99 of the run", figureOf(&w.r.ResponseTime, w.r.ResponseTime.P99), words)
}

// operation is the DynamoDB operation that writes items or results.
func (w *watching) operation(streams string) string {
	if w.r.Run.Architecture == bench.Streams {
		return streams
	}
	return "TransactWriteItems"
}

func (w *watching) tables() {
	put, apply := w.operation("PutItem"), w.operation("UpdateItem")
	w.counts(w.c.Find("SuccessfulRequestLatency", "SampleCount", put), "DynamoDB: successful "+put, "acknowledged", &w.r.Requests.Acknowledged,
		"writes that the client was not told of; "+minuteWords, "an acknowledged item that was not written, or a data point that comes late: the tables were read, and they decide")
	if apply != put {
		i := &w.r.Items
		effects := i.Processed + i.ProcessedLate + i.Recovered
		w.counts(w.c.Find("SuccessfulRequestLatency", "SampleCount", apply), "DynamoDB: successful "+apply, "items processed", &effects,
			"effects applied again; "+minuteWords, lateWords)
	}
	if m := w.c.Find("ReturnedRecordsCount", "Sum"); m != nil {
		w.counts(m, "DynamoDB: ReturnedRecordsCount", "stream records", w.r.Deliveries.Records, "every reader of the stream counts, ackproof is one", lateWords)
	}
}

func (w *watching) function() {
	w.counts(w.c.Find("Invocations", "Sum"), "Lambda: Invocations", "invocations", w.s.Invocations, minuteWords, lateWords)
	m, lost, words := w.c.Find("Errors", "Sum"), w.r.Items.Lost(), ""
	switch v := m.Whole(); {
	case lost > 0 && (v == nil || *v == 0) && w.s.Failed != nil && *w.s.Failed > 0:
		words = fmt.Sprintf("no error is counted, though %s failed and %s", plural(*w.s.Failed, "invocation"), areLost(lost))
	case lost > 0 && (v == nil || *v == 0):
		words = fmt.Sprintf("no error is counted, and %s: a function that swallows its errors succeeds", areLost(lost))
	case lost == 0 && v != nil && *v > 0:
		words = "a failed invocation is tried again: errors are no losses"
	case v != nil && w.s.Failed != nil && *v != float64(*w.s.Failed):
		words = "they count by when an invocation began, and the minutes are longer than the run"
	}
	w.add(m, "Lambda: Errors", "failed invocations", countOf(w.s.Failed), words)
	if m := w.c.Find("Throttles", "Sum"); m != nil {
		words = ""
		if v := m.Whole(); v != nil && *v > 0 {
			words = "refused for want of concurrency; neither an invocation nor an error"
		}
		w.add(m, "Lambda: Throttles", "", "", words)
	}
}

// losses are the rows of what is taken for alarms of lost data.
func (w *watching) losses() {
	lost := w.r.Items.LostProcessing
	m, words := w.c.Find("IteratorAge", "Maximum"), ""
	if lost > 0 {
		words = fmt.Sprintf("it tells how late the records are that are read, and %s: what is gone does not wait", areLost(lost))
		if v := m.Whole(); v == nil || *v < 1000 {
			words = fmt.Sprintf("it %s, and %s: what is gone does not wait", ageText(v), areLost(lost))
		}
	}
	lag := lagOf(w.r)
	w.add(m, "Lambda: IteratorAge, maximum", "processing lag, maximum", figureOf(lag, lag.Max), words)
	for _, name := range []string{"DroppedEventCount", "AsyncEventsDropped"} {
		m, words := w.c.Find(name, "Sum"), ""
		if v := m.Whole(); lost > 0 && (v == nil || *v < float64(lost)) {
			words = fmt.Sprintf("%s: it does not count all that is lost, such as what a function has swallowed", areLost(lost))
		}
		w.add(m, "Lambda: "+name, "lost in processing", count(lost), words)
	}
	w.counts(w.c.Find("OnFailureDestinationDeliveredEventCount", "Sum"), "Lambda: OnFailureDestinationDeliveredEventCount", "dead-lettered records", w.r.Deliveries.DeadLettered, minuteWords, lateWords)
	for _, name := range []string{"DestinationDeliveryFailures", "DeadLetterErrors"} {
		if m := w.c.Find(name, "Sum"); m.Whole() != nil && *m.Whole() > 0 {
			w.add(m, "Lambda: "+name, "", "", "the destination did not take them: dead letters that are nowhere")
		}
	}
}

func areLost(n int64) string {
	if n == 1 {
		return "1 item is lost"
	}
	return count(n) + " items are lost"
}

// ageText tells an age that says nothing.
func ageText(ms *float64) string {
	if ms == nil {
		return "has no data"
	}
	return "stayed at " + duration(*ms)
}

// cloudWatchRead says when CloudWatch was asked, and until when more may come.
func cloudWatchRead(c *bench.CloudWatch) string {
	read, err := time.Parse(time.RFC3339, c.Read)
	if err != nil {
		return ""
	}
	text := fmt.Sprintf("Read %s UTC, in periods of %s", read.UTC().Format("2006-01-02, 15:04:05"), duration(c.PeriodMs))
	if left := c.Unsettled(); left > 0 {
		until := read.Add(time.Duration(left * float64(time.Millisecond))).UTC().Truncate(time.Minute).Add(time.Minute)
		return text + "; data points may still come until about " + until.Format("15:04") + " UTC: read it again then."
	}
	return text + "; what was to come has come, as far as AWS says."
}

// CloudWatchTerminal prints what CloudWatch says beside the run's own figures.
func CloudWatchTerminal(out io.Writer, r *bench.Result, s *bench.Series, opt Options) error {
	var b strings.Builder
	line := func(text string) {
		b.WriteString(cut(text, opt.width()))
		b.WriteByte('\n')
	}
	line(fmt.Sprintf("CloudWatch, account %s, %s", clean(s.CloudWatch.Account, nameLimit), clean(s.CloudWatch.Region, nameLimit)))
	for _, text := range wrap(cloudWatchRead(s.CloudWatch), opt.width(), 4) {
		line(text)
	}
	line("")
	for _, row := range cloudWatchRows(r, s) {
		if strings.HasPrefix(row.Says, noData) && row.Words == "" {
			continue
		}
		line(fmt.Sprintf("%-48s %s", clean(row.Theirs, 48), row.Says))
		if row.Ours != "" {
			line(fmt.Sprintf("  ours: %-40s %s", row.Ours, row.Said))
		}
		for _, text := range wrap(row.Words, opt.width()-4, 3) {
			if text == "" {
				continue
			}
			line("    " + opt.paint(dim, text))
		}
	}
	empty := 0
	for i := range s.CloudWatch.Metrics {
		if len(s.CloudWatch.Metrics[i].Points) == 0 {
			empty++
		}
	}
	line("")
	line(fmt.Sprintf("%d statistics read, %d without data, which is not 0", len(s.CloudWatch.Metrics), empty))
	line("an illustration, never evidence: no verdict rests on it")
	if opt.Dir != "" {
		line("see " + opt.Dir + "/report.html")
	}
	_, err := io.WriteString(out, b.String())
	return err
}
