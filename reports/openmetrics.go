package reports

import (
	"bytes"
	"fmt"
	"math"
	"strconv"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/ackproof/ackproof/bench"
)

// OpenMetrics gives a result in the text format of OpenMetrics, for a Pushgateway
// or a node exporter's textfile collector. Times are in seconds, as is the custom
// there. A percentile among values that never ended is +Inf; what was not observed
// is left out.
// https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md
func OpenMetrics(r *bench.Result) ([]byte, error) {
	m := metrics{run: []*dto.LabelPair{
		label("scenario", r.Run.Scenario), label("architecture", r.Run.Architecture), label("target", r.Run.Target),
	}}
	m.gauge("ackproof_run", "The run: always 1.").add(1,
		label("id", string(r.Run.ID)), label("version", r.Run.Version), label("seed", strconv.FormatUint(r.Run.Seed, 10)), label("started", r.Run.Started))
	verdict := m.gauge("ackproof_verdict", "1 for the verdict of the run.")
	for _, v := range []bench.Verdict{bench.Pass, bench.Fail, bench.VerdictUnknown} {
		verdict.add(oneIf(r.Verdict.Worse(bench.Pass) == v), label("verdict", string(v)))
	}
	requests := m.gauge("ackproof_requests", "Requests, warm-up included.")
	for _, q := range []struct {
		outcome string
		n       int64
	}{
		{"planned", r.Requests.Planned}, {"unsent", r.Requests.Unsent}, {"sent", r.Requests.Sent},
		{"acknowledged", r.Requests.Acknowledged}, {"refused", r.Requests.Refused}, {"unknown", r.Requests.Unknown},
	} {
		requests.add(float64(q.n), label("outcome", q.outcome))
	}
	m.gauge("ackproof_request_retries", "Times that a request was sent again by the modelled client.").add(float64(r.Requests.Retries))
	items := m.gauge("ackproof_items", "Sent items by verdict.")
	for _, v := range bench.ItemVerdicts() {
		if n, observed := r.Items.Of(v); observed {
			items.add(float64(n), label("verdict", v.String()))
		}
	}
	m.summary("ackproof_response_time_seconds", "From due to answered, outside warm-up.", &r.ResponseTime)
	m.summary("ackproof_processing_lag_seconds", "From acknowledged to processed.", r.Lag)
	m.summary("ackproof_completion_time_seconds", "From due to processed.", r.Completion)
	bites, recovery := m.gauge("ackproof_fault_bites", "Strikes seen at their place."), m.gauge("ackproof_fault_recovery_seconds", "From the end of a fault to a backlog as before; +Inf: never.")
	for i, f := range r.Faults {
		of := []*dto.LabelPair{label("fault", strconv.Itoa(i)), label("kind", f.Kind)}
		bites.add(float64(f.Bitten), of...)
		switch {
		case f.RecoveryMs != nil:
			recovery.add(*f.RecoveryMs/1000, of...)
		case f.Bitten > 0:
			recovery.add(math.Inf(1), of...)
		}
	}
	gates := m.gauge("ackproof_gate", "1: this piece of evidence is there.")
	for _, g := range r.Gates {
		gates.add(oneIf(g.OK), label("gate", string(g.Name)))
	}
	return m.text()
}

// metrics collects families; each value bears the labels of the run.
type metrics struct {
	run      []*dto.LabelPair
	families []*family
}

type family struct {
	dto.MetricFamily
	run []*dto.LabelPair
}

func label(name, value string) *dto.LabelPair {
	value = clean(value, nameLimit)
	return &dto.LabelPair{Name: &name, Value: &value}
}

func oneIf(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

func (m *metrics) family(name, help string, kind dto.MetricType) *family {
	f := &family{run: m.run}
	f.Name, f.Help, f.Type = &name, &help, &kind
	m.families = append(m.families, f)
	return f
}

func (m *metrics) gauge(name, help string) *family {
	return m.family(name, help, dto.MetricType_GAUGE)
}

// add adds a value with labels of its own.
func (f *family) add(v float64, labels ...*dto.LabelPair) {
	f.Metric = append(f.Metric, &dto.Metric{Label: append(labels[:len(labels):len(labels)], f.run...), Gauge: &dto.Gauge{Value: &v}})
}

// summary adds a distribution, in seconds; nothing of one that is null or empty.
func (m *metrics) summary(name, help string, l *bench.Latency) {
	if l == nil || l.Count == 0 {
		return
	}
	n, sum := uint64(l.Count), math.Inf(1)
	if l.Mean != nil {
		sum = *l.Mean * float64(l.Count) / 1000
	}
	s := &dto.Summary{SampleCount: &n, SampleSum: &sum}
	for _, q := range []struct {
		quantile float64
		ms       *float64
	}{{0.5, l.P50}, {0.9, l.P90}, {0.95, l.P95}, {0.99, l.P99}, {0.999, l.P999}, {1, l.Max}} {
		v := math.Inf(1)
		if q.ms != nil {
			v = *q.ms / 1000
		}
		s.Quantile = append(s.Quantile, &dto.Quantile{Quantile: &q.quantile, Value: &v})
	}
	f := m.family(name, help, dto.MetricType_SUMMARY)
	f.Metric = []*dto.Metric{{Label: f.run, Summary: s}}
}

func (m *metrics) text() ([]byte, error) {
	var b bytes.Buffer
	for _, f := range m.families {
		if len(f.Metric) == 0 {
			continue
		}
		if _, err := expfmt.MetricFamilyToOpenMetrics(&b, &f.MetricFamily); err != nil {
			return nil, fmt.Errorf("write result as OpenMetrics: %w", err)
		}
	}
	if _, err := expfmt.FinalizeOpenMetrics(&b); err != nil {
		return nil, fmt.Errorf("write result as OpenMetrics: %w", err)
	}
	return b.Bytes(), nil
}
