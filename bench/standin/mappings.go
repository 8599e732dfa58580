package standin

import (
	"encoding/json"
	"net/http"
)

// serveMappings lists the event source mappings of a function, which is all that is
// asked of Lambda here.
// https://docs.aws.amazon.com/lambda/latest/api/API_ListEventSourceMappings.html
func (a *Account) serveMappings(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet || r.URL.Path != "/2015-03-31/event-source-mappings" && r.URL.Path != "/2015-03-31/event-source-mappings/" {
		w.WriteHeader(http.StatusNotImplemented)
		return
	}
	type mapping struct{ UUID, FunctionArn, State string }
	out := struct{ EventSourceMappings []mapping }{[]mapping{}}
	function := r.URL.Query().Get("FunctionName")
	a.mu.Lock()
	for _, s := range a.stacks {
		for _, id := range s.template.of("AWS::Lambda::EventSourceMapping") {
			if s.made[id] != "" && s.made["Processor"] == function {
				out.EventSourceMappings = append(out.EventSourceMappings, mapping{s.made[id], "arn:aws:lambda:" + Region + ":" + ID + ":function:" + function, "Enabled"})
			}
		}
	}
	a.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(out)
}
