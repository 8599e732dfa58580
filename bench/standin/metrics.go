package standin

import (
	"net/http"
	"path"
	"slices"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// counted is what came through the API in a minute.
type counted struct{ all, client, server float64 }

// count notes how a request to the API was answered.
func (a *Account) count(status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	minute := a.clock.Now().UTC().Truncate(time.Minute)
	c := a.calls[minute]
	if c == nil {
		c = &counted{}
		a.calls[minute] = c
	}
	c.all++
	switch status / 100 {
	case 4:
		c.client++
	case 5:
		c.server++
	}
}

// Calls is how many requests have come through the API.
func (a *Account) Calls() (n int64) { return a.CallsFrom(time.Time{}) }

// CallsFrom is how many have come in the minute of a moment, and since.
func (a *Account) CallsFrom(moment time.Time) (n int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for minute, c := range a.calls {
		if !minute.Before(moment.UTC().Truncate(time.Minute)) {
			n += int64(c.all)
		}
	}
	return n
}

// metricData is what GetMetricData is asked, in the protocol that AWS speaks today.
// https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html
type metricData struct {
	StartTime, EndTime time.Time
	MetricDataQueries  []struct {
		ID         string `cbor:"Id"`
		MetricStat struct {
			Metric struct {
				Namespace, MetricName string
				Dimensions            []struct{ Name, Value string }
			}
			Period int
			Stat   string
		}
	}
}

type metricResult struct {
	ID         string `cbor:"Id"`
	Label      string
	StatusCode string
	Timestamps []time.Time
	Values     []float64
}

// serveMetrics is CloudWatch.
func (a *Account) serveMetrics(w http.ResponseWriter, r *http.Request, body []byte) {
	w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
	w.Header().Set("Content-Type", "application/cbor")
	var in metricData
	if r.Header.Get("Smithy-Protocol") == "rpc-v2-cbor" && path.Base(r.URL.Path) == "DescribeAlarms" {
		a.describeAlarms(w, body)
		return
	}
	if r.Header.Get("Smithy-Protocol") != "rpc-v2-cbor" || path.Base(r.URL.Path) != "GetMetricData" || cbor.Unmarshal(body, &in) != nil {
		w.WriteHeader(http.StatusNotImplemented)
		return
	}
	out := struct{ MetricDataResults []metricResult }{}
	a.mu.Lock()
	for _, q := range in.MetricDataQueries {
		m := q.MetricStat.Metric
		result := metricResult{ID: q.ID, Label: m.MetricName, StatusCode: "Complete", Timestamps: []time.Time{}, Values: []float64{}}
		ours := slices.ContainsFunc(a.stacks, func(s *stack) bool {
			return m.Namespace == "AWS/ApiGateway" && len(m.Dimensions) == 2 && m.Dimensions[0].Value == s.name && m.Dimensions[1].Value == s.stage
		})
		for minute, c := range a.calls {
			value, told := c.metric(m.MetricName + " " + q.MetricStat.Stat)
			if ours && told && q.MetricStat.Period == 60 && !minute.Before(in.StartTime) && minute.Before(in.EndTime) {
				result.Timestamps, result.Values = append(result.Timestamps, minute), append(result.Values, value)
			}
		}
		if q.MetricStat.Stat == "Sum" && len(m.Dimensions) == 1 {
			for _, s := range a.stacks { // all in the last minute that is asked for
				if n, told := s.throttles(m.Namespace+" "+m.MetricName, m.Dimensions[0].Value); told {
					result.Timestamps, result.Values = append(result.Timestamps, a.lastMinute(in.EndTime)), append(result.Values, n)
				}
			}
		}
		if m.Namespace == "AWS/Lambda" && len(m.Dimensions) == 1 {
			for minute, value := range a.ofFunction(m.Dimensions[0].Value, m.MetricName+" "+q.MetricStat.Stat) {
				if q.MetricStat.Period == 60 && !minute.Before(in.StartTime) && minute.Before(in.EndTime) {
					result.Timestamps, result.Values = append(result.Timestamps, minute), append(result.Values, value)
				}
			}
		}
		out.MetricDataResults = append(out.MetricDataResults, result)
	}
	a.mu.Unlock()
	writeCBOR(w, out)
}

func writeCBOR(w http.ResponseWriter, v any) {
	mode, err := cbor.EncOptions{Time: cbor.TimeUnix, TimeTag: cbor.EncTagRequired}.EncMode()
	if err == nil {
		var b []byte
		if b, err = mode.Marshal(v); err == nil {
			w.Write(b)
			return
		}
	}
	http.Error(w, err.Error(), http.StatusInternalServerError)
}

// lastMinute is the one in which it is now, or that before a moment that has passed.
func (a *Account) lastMinute(before time.Time) time.Time {
	last := a.clock.Now()
	if !last.Before(before) {
		last = before.Add(-time.Nanosecond)
	}
	return last.UTC().Truncate(time.Minute)
}

// ofFunction gives a figure of the invocations of a function by the minute.
func (a *Account) ofFunction(function, name string) map[time.Time]float64 {
	out := map[time.Time]float64{}
	s := a.stackOf("AWS::Lambda::Function", function)
	if s == nil {
		return out
	}
	for minute, i := range s.invocations() {
		if value, told := i.metric(name); told {
			out[minute] = value
		}
	}
	return out
}

// metric is one figure of a minute.
func (c *counted) metric(name string) (float64, bool) {
	switch name {
	case "Count SampleCount":
		return c.all, true
	case "4XXError Sum":
		return c.client, true
	case "5XXError Sum":
		return c.server, true
	}
	return 0, false
}
