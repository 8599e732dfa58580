package reports

import (
	"bytes"
	"io"
	"math"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/ackproof/ackproof/bench"
)

// Prometheus' own parser reads what is written, and reads the figures of the
// result in it.
func TestOpenMetrics(t *testing.T) {
	read := func(r *bench.Result) map[string]*dto.MetricFamily {
		t.Helper()
		text, err := OpenMetrics(r)
		if err != nil {
			t.Fatal(err)
		}
		families := make(map[string]*dto.MetricFamily)
		decoder := expfmt.NewDecoder(bytes.NewReader(text), expfmt.NewFormat(expfmt.TypeOpenMetrics))
		for {
			var f dto.MetricFamily
			err := decoder.Decode(&f)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			families[f.GetName()] = &f
		}
		return families
	}
	labels := func(m *dto.Metric) string {
		var all []string
		for _, l := range m.Label {
			all = append(all, l.GetName()+"="+l.GetValue())
		}
		return strings.Join(all, " ")
	}
	r, _ := failing()
	families := read(r)
	items := map[string]float64{}
	for _, m := range families["ackproof_items"].Metric {
		items[strings.TrimPrefix(strings.Fields(labels(m))[0], "verdict=")] = m.Gauge.GetValue()
	}
	for _, v := range bench.ItemVerdicts() {
		if n, observed := r.Items.Of(v); observed != (func() bool { _, ok := items[v.String()]; return ok })() || float64(n) != items[v.String()] {
			t.Errorf("%s: %v, want %d (observed: %v)", v, items[v.String()], n, observed)
		}
	}
	for _, m := range families["ackproof_verdict"].Metric {
		if want := strings.Contains(labels(m), "verdict="+string(r.Verdict)); (m.Gauge.GetValue() == 1) != want {
			t.Errorf("%s is %v", labels(m), m.Gauge.GetValue())
		}
	}
	s := families["ackproof_response_time_seconds"].Metric[0].Summary
	if got, want := s.Quantile[3].GetValue(), *r.ResponseTime.P99/1000; got != want || s.GetSampleCount() != uint64(r.ResponseTime.Count) {
		t.Errorf("response time p99 %v s of %d, want %v of %d", got, s.GetSampleCount(), want, r.ResponseTime.Count)
	}
	lag := families["ackproof_processing_lag_seconds"].Metric[0].Summary
	if r.Lag.Max != nil || !math.IsInf(lag.Quantile[5].GetValue(), 1) {
		t.Errorf("a maximum that is unbounded is %v", lag.Quantile[5].GetValue())
	}
	null, _ := nulls()
	if families := read(null); families["ackproof_processing_lag_seconds"] != nil {
		t.Error("a lag that was not observed is written")
	}
	evil, _ := hostile()
	read(evil)
}
