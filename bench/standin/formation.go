package standin

import (
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"
)

// The statuses of stacks and resources, as far as they are branched on here.
const (
	reviewInProgress   = "REVIEW_IN_PROGRESS"
	createInProgress   = "CREATE_IN_PROGRESS"
	createComplete     = "CREATE_COMPLETE"
	createFailed       = "CREATE_FAILED"
	updateInProgress   = "UPDATE_IN_PROGRESS"
	updateComplete     = "UPDATE_COMPLETE"
	rollbackInProgress = "ROLLBACK_IN_PROGRESS"
	rollbackComplete   = "ROLLBACK_COMPLETE"
	deleteInProgress   = "DELETE_IN_PROGRESS"
	deleteComplete     = "DELETE_COMPLETE"
	deleteFailed       = "DELETE_FAILED"
)

// stepsPerLook is how many steps a stack takes between two looks at it.
const stepsPerLook = 25

// problem is an error of CloudFormation.
type problem struct{ code, text string }

func (p problem) Error() string { return p.text }

func invalid(format string, args ...any) error {
	return problem{"ValidationError", fmt.Sprintf(format, args...)}
}

// changeSet is what would be done to a stack.
type changeSet struct {
	id, name, status, reason string
	template                 template
	parameters, tags         map[string]string
	changes                  []change
}

type change struct{ action, id, kind string }

// find looks a stack up by name, or by id also when it is gone; nil: there is none.
func (a *Account) find(name string) *stack {
	for _, s := range slices.Backward(a.stacks) {
		if s.id == name || s.name == name && s.status != deleteComplete {
			return s
		}
	}
	return nil
}

// there is a stack that must be there.
func (a *Account) there(name string) (*stack, error) {
	s := a.find(name)
	if s == nil {
		return nil, invalid("Stack with id %s does not exist", name)
	}
	return s, nil
}

// members reads a list of pairs of a query.
func members(q url.Values, list, key, value string) map[string]string {
	out := map[string]string{}
	for i := 1; ; i++ {
		at := fmt.Sprintf("%s.member.%d.", list, i)
		if !q.Has(at + key) {
			return out
		}
		out[q.Get(at+key)] = q.Get(at + value)
	}
}

// createChangeSet compares a template with what there is.
func (a *Account) createChangeSet(q url.Values) (*changeSet, error) {
	name, update := q.Get("StackName"), q.Get("ChangeSetType") == "UPDATE"
	s := a.find(name)
	switch {
	case update && s == nil:
		return nil, invalid("Stack [%s] does not exist", name)
	case update && !slices.Contains([]string{createComplete, updateComplete}, s.status):
		return nil, invalid("Stack:%s is in %s state and can not be updated.", s.id, s.status)
	case !update && s != nil && s.status != reviewInProgress:
		return nil, invalid("Stack [%s] already exists and cannot be created again with the changeSet [%s].", name, q.Get("ChangeSetName"))
	case s != nil && s.set != nil && s.set.name == q.Get("ChangeSetName"):
		return nil, problem{"AlreadyExistsException", fmt.Sprintf("ChangeSet %s already exists", s.set.id)}
	}
	t, err := parseTemplate(q.Get("TemplateBody"))
	if err != nil {
		return nil, invalid("%s", err)
	}
	if len(t.of("AWS::IAM::Role")) > 0 && q.Get("Capabilities.member.1") != "CAPABILITY_IAM" {
		return nil, problem{"InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_IAM]"}
	}
	if s == nil {
		s = a.newStack(name)
	}
	set := &changeSet{
		name: q.Get("ChangeSetName"), status: createInProgress, template: t,
		id:         fmt.Sprintf("arn:aws:cloudformation:%s:%s:changeSet/%s/%s", Region, ID, q.Get("ChangeSetName"), a.unique()),
		parameters: members(q, "Parameters", "ParameterKey", "ParameterValue"), tags: members(q, "Tags", "Key", "Value"),
	}
	for _, id := range slices.Sorted(maps.Keys(t.Resources)) {
		old, was := s.template.Resources[id]
		switch {
		case !was:
			set.changes = append(set.changes, change{"Add", id, t.Resources[id].Type})
		case !reflect.DeepEqual(old, t.Resources[id]) || !maps.Equal(s.parameters, set.parameters):
			set.changes = append(set.changes, change{"Modify", id, t.Resources[id].Type})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.template.Resources)) {
		if _, is := t.Resources[id]; !is {
			set.changes = append(set.changes, change{"Remove", id, s.template.Resources[id].Type})
		}
	}
	s.set = set
	return set, nil
}

// describeChangeSet looks at it; it is there at the second look.
func (a *Account) describeChangeSet(q url.Values) (*changeSet, error) {
	s := a.find(q.Get("StackName"))
	if s == nil || s.set == nil || s.set.id != q.Get("ChangeSetName") && s.set.name != q.Get("ChangeSetName") {
		return nil, problem{"ChangeSetNotFound", fmt.Sprintf("ChangeSet [%s] does not exist", q.Get("ChangeSetName"))}
	}
	set, was := s.set, s.set.status
	if len(set.changes) == 0 {
		set.status, set.reason = "FAILED", "The submitted information didn't contain changes. Submit different information to create a change set."
	} else {
		set.status = createComplete
	}
	seen := *set
	seen.status = was
	if was == createInProgress {
		seen.reason = ""
	}
	return &seen, nil
}

func (a *Account) deleteChangeSet(q url.Values) error {
	if s := a.find(q.Get("StackName")); s != nil && s.set != nil {
		s.set = nil
	}
	return nil
}

// executeChangeSet begins to make, or to change, the stack.
func (a *Account) executeChangeSet(q url.Values) error {
	s, err := a.there(q.Get("StackName"))
	if err != nil {
		return err
	}
	set := s.set
	if set == nil || set.status != createComplete {
		return problem{"InvalidChangeSetStatus", "the change set is not ready"}
	}
	if key := set.parameters["CodeKey"]; !a.has(set.parameters["CodeBucket"], key) {
		a.options.fail("Processor", "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist.")
	}
	s.template, s.parameters, s.tags, s.set = set.template, set.parameters, set.tags, nil
	if s.status == reviewInProgress {
		s.create()
	} else {
		s.update(set.changes)
	}
	return nil
}

// fail makes a resource one that cannot be made.
func (o *Options) fail(id, reason string) {
	fails := map[string]string{id: reason}
	maps.Copy(fails, o.Fail)
	o.Fail = fails
}

// deleteStack begins to delete. One that is not there is deleted.
func (a *Account) deleteStack(q url.Values) error {
	s := a.find(q.Get("StackName"))
	switch {
	case s == nil || s.status == deleteComplete || s.status == deleteInProgress:
	case s.status == reviewInProgress:
		s.status = deleteComplete
	default:
		s.delete()
	}
	return nil
}

// look is what somebody sees of a stack, and time passes.
func (a *Account) look(s *stack) {
	for i := 0; i < stepsPerLook && len(s.todo) > 0; i++ {
		next := s.todo[0]
		s.todo = s.todo[1:]
		next()
	}
}

// unique is an id that no other thing has.
func (a *Account) unique() string {
	a.serial++
	return fmt.Sprintf("%08x-0000-4000-8000-%012x", a.serial, a.serial)
}

func (a *Account) newStack(name string) *stack {
	s := &stack{account: a, name: name, created: a.clock.Now().UTC(), made: map[string]string{}, tried: map[string]bool{}, byHand: map[property]any{}, levers: pulled{limited: map[int]bool{}}}
	s.id = fmt.Sprintf("arn:aws:cloudformation:%s:%s:stack/%s/%s", Region, ID, name, a.unique())
	a.stacks = append(a.stacks, s)
	s.told(name, reviewInProgress, "User Initiated")
	return s
}

// event is a step of a stack.
type event struct {
	id, logical, physical, kind, status, reason string
	at                                          time.Time
}

// told notes a step of a resource, or of the stack itself.
func (s *stack) told(logical, status, reason string) {
	e := event{id: logical + "-" + s.account.unique(), logical: logical, physical: s.made[logical], kind: s.template.Resources[logical].Type, status: status, reason: reason, at: s.account.clock.Now().UTC()}
	if logical == s.name {
		s.status, s.reason = status, reason
		e.physical, e.kind = s.id, "AWS::CloudFormation::Stack"
	}
	s.events = append(s.events, e)
}

// sorted quotes ids as CloudFormation lists them.
func sorted(ids []string) string { return "[" + strings.Join(ids, ", ") + "]" }
