package standin

import (
	"encoding/xml"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The answers of CloudFormation and STS, in the query protocol: XML, of which a client
// reads the names that it knows.
type (
	queryError struct {
		XMLName xml.Name `xml:"ErrorResponse"`
		Error   queryFault
	}
	queryFault struct{ Type, Code, Message string }

	xmlTag      struct{ Key, Value string }
	xmlOutput   struct{ OutputKey, OutputValue string }
	xmlResource struct{ LogicalResourceId, PhysicalResourceId, ResourceType, ResourceStatus string }
	xmlStack    struct {
		StackId, StackName, StackStatus, StackStatusReason, CreationTime string

		Outputs []xmlOutput `xml:"Outputs>member"`
		Tags    []xmlTag    `xml:"Tags>member"`
	}
	xmlEvent struct {
		StackId, EventId, StackName, LogicalResourceId, PhysicalResourceId, ResourceType, Timestamp, ResourceStatus, ResourceStatusReason string
	}
	xmlChange struct {
		Type           string
		ResourceChange struct{ Action, LogicalResourceId, ResourceType, Replacement string }
	}
	xmlChangeSet struct {
		ChangeSetName, ChangeSetId, StackName, Status, StatusReason string

		Changes []xmlChange `xml:"Changes>member"`
	}
)

// eventsPerPage is how many events one answer has. AWS has a hundred; few are the
// sharper test.
const eventsPerPage = 20

// serveQuery answers one operation.
func (a *Account) serveQuery(w http.ResponseWriter, body []byte) {
	q, err := url.ParseQuery(string(body))
	action := q.Get("Action")
	var result any = struct{}{}
	if err == nil {
		a.mu.Lock()
		result, err = a.query(action, q)
		a.mu.Unlock()
	}
	if err != nil {
		var p problem
		if !errors.As(err, &p) {
			p = problem{"InternalFailure", err.Error()}
		}
		w.WriteHeader(http.StatusBadRequest)
		writeXML(w, queryError{Error: queryFault{Type: "Sender", Code: p.code, Message: p.text}})
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	e := xml.NewEncoder(w)
	outer := xml.StartElement{Name: xml.Name{Local: action + "Response"}}
	e.EncodeToken(outer)
	e.EncodeElement(result, xml.StartElement{Name: xml.Name{Local: action + "Result"}})
	e.EncodeToken(outer.End())
	e.Flush()
}

func writeXML(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "text/xml")
	xml.NewEncoder(w).Encode(v)
}

// query carries an operation out.
func (a *Account) query(action string, q url.Values) (any, error) {
	switch action {
	case "GetCallerIdentity":
		return struct{ Account, Arn, UserId string }{ID, "arn:aws:iam::" + ID + ":user/standin", "AIDASTANDIN"}, nil
	case "CreateChangeSet":
		set, err := a.createChangeSet(q)
		if err != nil {
			return nil, err
		}
		return struct{ Id, StackId string }{set.id, a.find(q.Get("StackName")).id}, nil
	case "DescribeChangeSet":
		set, err := a.describeChangeSet(q)
		if err != nil {
			return nil, err
		}
		return set.xml(), nil
	case "DeleteChangeSet":
		return struct{}{}, a.deleteChangeSet(q)
	case "ExecuteChangeSet":
		return struct{}{}, a.executeChangeSet(q)
	case "DeleteStack":
		return struct{}{}, a.deleteStack(q)
	}
	s, err := a.there(q.Get("StackName"))
	if err != nil {
		return nil, err
	}
	switch action {
	case "DescribeStacks":
		seen := s.xml() // as it was when it was asked; then it goes on
		a.look(s)
		return struct {
			Stacks []xmlStack `xml:"Stacks>member"`
		}{[]xmlStack{seen}}, nil
	case "DescribeStackEvents":
		return s.page(q.Get("NextToken")), nil
	case "DescribeStackResources":
		out := struct {
			StackResources []xmlResource `xml:"StackResources>member"`
		}{}
		for _, id := range s.resources() {
			out.StackResources = append(out.StackResources, xmlResource{id, s.made[id], s.template.Resources[id].Type, createComplete})
		}
		return out, nil
	}
	return nil, problem{"InvalidAction", "there is no " + action + " here"}
}

func (c *changeSet) xml() xmlChangeSet {
	out := xmlChangeSet{ChangeSetName: c.name, ChangeSetId: c.id, Status: c.status, StatusReason: c.reason}
	for _, ch := range c.changes {
		x := xmlChange{Type: "Resource"}
		x.ResourceChange.Action, x.ResourceChange.LogicalResourceId, x.ResourceChange.ResourceType = ch.action, ch.id, ch.kind
		out.Changes = append(out.Changes, x)
	}
	return out
}

func (s *stack) xml() xmlStack {
	out := xmlStack{StackId: s.id, StackName: s.name, StackStatus: s.status, StackStatusReason: s.reason, CreationTime: s.created.Format(time.RFC3339Nano)}
	for name, value := range s.outputs {
		out.Outputs = append(out.Outputs, xmlOutput{name, value})
	}
	slices.SortFunc(out.Outputs, func(a, b xmlOutput) int { return strings.Compare(a.OutputKey, b.OutputKey) })
	for key, value := range s.tags {
		out.Tags = append(out.Tags, xmlTag{key, value})
	}
	return out
}

// page is a page of the events, the newest first.
func (s *stack) page(token string) any {
	out := struct {
		StackEvents []xmlEvent `xml:"StackEvents>member"`
		NextToken   string     `xml:",omitempty"`
	}{}
	skip, _ := strconv.Atoi(token)
	for i, e := range slices.Backward(s.events) {
		n := len(s.events) - 1 - i
		if n < skip {
			continue
		}
		if n == skip+eventsPerPage {
			out.NextToken = strconv.Itoa(n)
			break
		}
		out.StackEvents = append(out.StackEvents, xmlEvent{s.id, e.id, s.name, e.logical, e.physical, e.kind, e.at.Format(time.RFC3339Nano), e.status, e.reason})
	}
	return out
}
