package scenarios

import (
	"fmt"
	"regexp"
	"time"
)

// Values of gateway.statusMapping.
const (
	mappingMapped    = "mapped"
	mappingNaive     = "naive"
	mappingResponses = "responses"
)

// checkGateway keeps the limits of
// https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
func (c *checker) checkGateway() {
	g := c.Gateway
	c.oneOf("gateway.statusMapping", g.StatusMapping, mappingMapped, mappingNaive, mappingResponses)
	switch listed := len(g.Responses) > 0; {
	case listed && g.StatusMapping != mappingResponses:
		c.failf("gateway.statusMapping", "%q excludes gateway.responses: leave one of the two out", g.StatusMapping)
	case !listed && g.StatusMapping == mappingResponses:
		c.failf("gateway.responses", "there are none: list them, such as {pattern: '4\\d{2}', status: 400}, or use statusMapping: mapped")
	}
	statuses, patterns := map[int]bool{}, map[string]bool{}
	for i, r := range g.Responses {
		path := fmt.Sprintf("gateway.responses[%d]", i)
		c.between(path+".status", r.Status, 200, 599)
		if _, err := regexp.Compile(r.Pattern); err != nil {
			c.failf(path+".pattern", "%q is no regular expression: %s", r.Pattern, err)
		}
		switch {
		case statuses[r.Status]:
			c.failf(path+".status", "%d is that of an earlier response: API Gateway has one for each status", r.Status)
		case patterns[r.Pattern] && r.Pattern == "":
			c.failf(path+".pattern", "a second response without a pattern: only one can be the default")
		case patterns[r.Pattern]:
			c.failf(path+".pattern", "%q is that of an earlier response", r.Pattern)
		}
		statuses[r.Status], patterns[r.Pattern] = true, true
	}
	for i, status := range g.MethodResponses {
		c.between(fmt.Sprintf("gateway.methodResponses[%d]", i), status, 200, 599)
	}
	c.oneOf("gateway.passthroughBehavior", g.PassthroughBehavior, "NEVER", "WHEN_NO_MATCH", "WHEN_NO_TEMPLATES")
	c.within("gateway.integrationTimeout", g.IntegrationTimeout, 50*time.Millisecond, 29*time.Second)
	if g.Throttle.Rate == 0 {
		c.failf("gateway.throttle.rate", "0/s lets nobody in after the burst: give it a rate")
	}
	c.between("gateway.throttle.burst", g.Throttle.Burst, 1, 1_000_000)
}
