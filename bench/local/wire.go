package local

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/ackproof/ackproof/bench"
)

// request is what the proxy must know of a call of DynamoDB: which tables it
// touches, and what it would write.
type request struct {
	op     string
	tables []string // touched, those that are only read included
	writes []itemWrite
}

// itemWrite is one row that a request would write.
type itemWrite struct {
	table string
	id    string // of the request that writes it, see [bench.WriterOf]; empty where the item has no such key
	put   bool   // it replaces the whole item
}

func (r *request) touches(table string) bool {
	for _, t := range r.tables {
		if t == table {
			return true
		}
	}
	return false
}

func (r *request) writesTo(table string) bool {
	return slices.ContainsFunc(r.writes, func(w itemWrite) bool { return w.table == table })
}

// key is the part of an item, or of a key, that identifies it in our tables, with
// what tells the versions of an item apart.
type key struct {
	ID      struct{ S string } `json:"id"`
	Version struct{ S string } `json:"version"`
}

func (k key) writer() string { return bench.WriterOf(k.ID.S, k.Version.S) }

// parameters of all operations in one: their names do not clash, except that
// RequestItems holds lists where a batch writes and objects where it reads.
type parameters struct {
	TableName     string
	Item, Key     key
	RequestItems  map[string]json.RawMessage
	TransactItems []map[string]struct {
		TableName string
		Item, Key key
	}
}

// writeRequests are the writes of a batch to one table.
type writeRequests []struct {
	PutRequest    *struct{ Item key }
	DeleteRequest *struct{ Key key }
}

// readRequest reads the body of a call. It reports false where that is no
// request of the kind: the engine behind has to say what is wrong with it.
func readRequest(op string, body []byte) (request, bool) {
	r := request{op: op}
	var p parameters
	if json.Unmarshal(body, &p) != nil {
		return r, false
	}
	table := tableName(p.TableName)
	switch op {
	case "PutItem":
		r.write(itemWrite{table, p.Item.writer(), true})
	case "UpdateItem", "DeleteItem":
		r.write(itemWrite{table, p.Key.ID.S, false})
	case "BatchWriteItem":
		return r, r.batch(p.RequestItems)
	case "BatchGetItem":
		for name := range p.RequestItems {
			r.tables = append(r.tables, tableName(name))
		}
	case "TransactWriteItems", "TransactGetItems":
		for _, entry := range p.TransactItems {
			for kind, a := range entry {
				table := tableName(a.TableName)
				switch kind {
				case "Put":
					r.write(itemWrite{table, a.Item.writer(), true})
				case "Update", "Delete":
					r.write(itemWrite{table, a.Key.ID.S, false})
				default: // ConditionCheck, Get
					r.tables = append(r.tables, table)
				}
			}
		}
	default:
		r.tables = append(r.tables, table)
	}
	return r, true
}

func (r *request) write(w itemWrite) {
	r.tables = append(r.tables, w.table)
	r.writes = append(r.writes, w)
}

func (r *request) batch(items map[string]json.RawMessage) bool {
	for name, list := range items {
		var requests writeRequests
		if json.Unmarshal(list, &requests) != nil {
			return false
		}
		for _, one := range requests {
			switch {
			case one.PutRequest != nil:
				r.write(itemWrite{tableName(name), one.PutRequest.Item.writer(), true})
			case one.DeleteRequest != nil:
				r.write(itemWrite{tableName(name), one.DeleteRequest.Key.ID.S, false})
			}
		}
	}
	return true
}

// unprocessed gives what a successful batch has left out, and why its client
// has to send it again:
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html
func unprocessed(op string, answer []byte) []itemWrite {
	var rest struct {
		UnprocessedItems map[string]json.RawMessage
	}
	if op != "BatchWriteItem" || json.Unmarshal(answer, &rest) != nil {
		return nil
	}
	var left request
	left.batch(rest.UnprocessedItems)
	return left.writes
}

// tableName gives the name of a table that may be called by its ARN.
func tableName(s string) string {
	if i := strings.Index(s, ":table/"); i >= 0 && strings.HasPrefix(s, "arn:") {
		return s[i+len(":table/"):]
	}
	return s
}
