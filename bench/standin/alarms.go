package standin

import (
	"net/http"

	"github.com/fxamacker/cbor/v2"
)

// alarm is an alarm of CloudWatch, as DescribeAlarms tells it.
type alarm struct {
	AlarmName, StateValue, StateReason string
	denied                             bool
}

// The states of an alarm.
const (
	AlarmOK      = "OK"
	AlarmOn      = "ALARM"
	AlarmUnknown = "INSUFFICIENT_DATA"
)

// SetAlarm makes an alarm, or changes its state.
func (a *Account) SetAlarm(name, state, reason string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.alarms[name] = alarm{AlarmName: name, StateValue: state, StateReason: reason}
}

// HideAlarm makes an alarm one that nobody may look at.
func (a *Account) HideAlarm(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.alarms[name] = alarm{AlarmName: name, denied: true}
}

// describeAlarms tells how alarms stand. Those that there are not are left out.
func (a *Account) describeAlarms(w http.ResponseWriter, body []byte) {
	var in struct{ AlarmNames []string }
	if err := cbor.Unmarshal(body, &in); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	out := struct{ MetricAlarms []alarm }{[]alarm{}}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, name := range in.AlarmNames {
		found, there := a.alarms[name]
		if found.denied {
			w.WriteHeader(http.StatusForbidden)
			writeCBOR(w, map[string]string{"__type": "com.amazonaws.cloudwatch#AccessDenied", "message": "not authorized to perform: cloudwatch:DescribeAlarms"})
			return
		}
		if there {
			out.MetricAlarms = append(out.MetricAlarms, found)
		}
	}
	writeCBOR(w, out)
}
