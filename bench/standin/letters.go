package standin

import (
	"context"
	"crypto/md5"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// The kinds of an on-failure destination.
const (
	queueType  = "AWS::SQS::Queue"
	bucketType = "AWS::S3::Bucket"
)

// poster is a system that tells what it has handed to its on-failure destination.
type poster interface {
	Letters(ctx context.Context) ([]bench.Letter, error)
}

// message is what the system has handed over: a message of the queue, or an object of
// the bucket.
type message struct {
	bench.Letter
	id      string
	receipt int       // how often it was received
	hidden  time.Time // until then nobody else sees it
}

// destination finds the stack whose on-failure destination a queue or bucket is, and
// takes in what the system has handed over by now; nil: it is none.
func (a *Account) destination(kind, physical string) *stack {
	s := a.stackOf(kind, physical)
	if s == nil || s.target == nil || s.made["Destination"] != physical {
		return nil
	}
	system, ok := s.target.(poster)
	if !ok {
		return s
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(a.t.Context()), time.Minute)
	defer cancel()
	all, err := system.Letters(ctx)
	if err != nil {
		a.t.Errorf("ask the system of stack %s for what it has handed over: %v", s.name, err)
	}
	for _, l := range all[min(len(s.letters), len(all)):] {
		s.letters = append(s.letters, message{Letter: l, id: a.unique()})
	}
	return s
}

// deliver puts what was handed over into a bucket, where Lambda puts it.
// https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
func (a *Account) deliver(bucket string) {
	known := 0
	if s := a.stackOf(bucketType, bucket); s != nil {
		known = len(s.letters)
	}
	s := a.destination(bucketType, bucket)
	if s == nil {
		return
	}
	for _, m := range s.letters[known:] {
		var batch struct {
			Of struct{ ShardID string } `json:"DDBStreamBatchInfo"`
		}
		if err := json.Unmarshal(m.Body, &batch); err != nil {
			a.t.Errorf("what the system of stack %s has handed over is no JSON: %v", s.name, err)
		}
		key := path.Join("aws/lambda", s.made["Mapping"], batch.Of.ShardID, m.At.UTC().Format("2006/01/02/2006-01-02T15.04.05-")+m.id)
		a.put(bucket, key, a.object(m.Body))
	}
}

// queueURL is where a queue is.
func (a *Account) queueURL(name string) string { return a.URL + "/" + ID + "/" + name }

// queueRequest is what SQS is asked.
type queueRequest struct {
	Name                                   string `json:"QueueName"`
	URL                                    string `json:"QueueUrl"`
	MaxNumberOfMessages, VisibilityTimeout int
	Entries                                []struct {
		ID                string `json:"Id"`
		ReceiptHandle     string
		VisibilityTimeout int
	}
}

// serveQueues is as much of SQS as it takes to read a queue, in the protocol of today.
// An empty queue answers a long poll at once.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_Operations.html
func (a *Account) serveQueues(w http.ResponseWriter, r *http.Request, body []byte) {
	var in queueRequest
	_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	err := json.Unmarshal(body, &in)
	a.mu.Lock()
	defer a.mu.Unlock()
	name := in.Name
	if name == "" {
		name = path.Base(in.URL)
	}
	s := a.destination(queueType, name)
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	if err != nil || s == nil {
		w.Header().Set("X-Amzn-Query-Error", "AWS.SimpleQueueService.NonExistentQueue;Sender")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"The specified queue does not exist."}`)
		return
	}
	var out any
	switch now := a.clock.Now(); action {
	case "GetQueueUrl":
		out = map[string]string{"QueueUrl": a.queueURL(name)}
	case "GetQueueAttributes":
		waiting, held := s.counted(now)
		out = map[string]any{"Attributes": map[string]string{
			"QueueArn":                    "arn:aws:sqs:" + Region + ":" + ID + ":" + name,
			"ApproximateNumberOfMessages": fmt.Sprint(waiting), "ApproximateNumberOfMessagesNotVisible": fmt.Sprint(held), "ApproximateNumberOfMessagesDelayed": "0",
		}}
	case "ReceiveMessage":
		out = map[string]any{"Messages": s.receive(now, in.MaxNumberOfMessages, time.Duration(in.VisibilityTimeout)*time.Second)}
	case "ChangeMessageVisibilityBatch":
		out = s.giveBack(now, in)
	default:
		w.WriteHeader(http.StatusNotImplemented)
		return
	}
	json.NewEncoder(w).Encode(out)
}

// counted is how many messages wait, and how many somebody has received.
func (s *stack) counted(now time.Time) (waiting, held int) {
	for _, m := range s.letters {
		if m.hidden.After(now) {
			held++
		} else {
			waiting++
		}
	}
	return waiting, held
}

// received is a message as it is received.
type received struct {
	MessageID     string `json:"MessageId"`
	ReceiptHandle string
	Body          string
	MD5OfBody     string
	Attributes    map[string]string
}

// receive gives messages that wait, and hides them for a time.
func (s *stack) receive(now time.Time, most int, hidden time.Duration) []received {
	out := []received{}
	for i := range s.letters {
		m := &s.letters[i]
		if m.hidden.After(now) || len(out) == most {
			continue
		}
		m.hidden = now.Add(hidden)
		m.receipt++
		out = append(out, received{m.id, m.handle(), string(m.Body), fmt.Sprintf("%x", md5.Sum(m.Body)), map[string]string{"SentTimestamp": fmt.Sprint(m.At.UnixMilli())}})
	}
	return out
}

// handle is good until the message is received again.
func (m *message) handle() string { return fmt.Sprintf("%s#%d", m.id, m.receipt) }

// giveBack changes for how long messages are hidden.
func (s *stack) giveBack(now time.Time, in queueRequest) any {
	type result struct {
		ID string `json:"Id"`
	}
	type failure struct {
		ID          string `json:"Id"`
		Code        string
		SenderFault bool
	}
	out := struct {
		Successful []result
		Failed     []failure
	}{[]result{}, []failure{}}
	for _, e := range in.Entries {
		found := false
		for i := range s.letters {
			if m := &s.letters[i]; m.handle() == e.ReceiptHandle && m.hidden.After(now) {
				m.hidden, found = now.Add(time.Duration(e.VisibilityTimeout)*time.Second), true
			}
		}
		if found {
			out.Successful = append(out.Successful, result{e.ID})
		} else {
			out.Failed = append(out.Failed, failure{e.ID, "ReceiptHandleIsInvalid", true})
		}
	}
	return out
}

// Waiting is how many messages the queue of the stack that runs would give somebody
// now, and how many there are.
func (a *Account) Waiting() (waiting, all int) {
	s := a.running()
	if s == nil {
		return 0, 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	waiting, held := s.counted(a.clock.Now())
	return waiting, waiting + held
}
