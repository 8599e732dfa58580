package dynamo

// verb is what an action does to one item.
type verb uint8

const (
	verbNone verb = iota
	verbPut
	verbUpdate
	verbDelete
	verbCheck // ConditionCheck of a transaction
)

// transactVerbs are the kinds of an entry of TransactItems.
var transactVerbs = map[string]verb{"Put": verbPut, "Update": verbUpdate, "Delete": verbDelete, "ConditionCheck": verbCheck}

// action is a change of one item as it was asked for, alone or as part of a
// batch or transaction.
type action struct {
	verb       verb
	table      string
	item       item // of a put
	key        item // of all others
	condition  *string
	update     *string
	env        env
	returns    string // ReturnValues
	onFailure  string // ReturnValuesOnConditionCheckFailure
	consistent bool   // of a GetItem
}

// member reads a parameter of the action, if it is one.
func (a *action) member(r *reader, name string) bool {
	switch name {
	case "TableName":
		a.table = r.borrowed()
	case "Item":
		r.borrow = true // preparePut packs it
		a.item = r.item(1)
		r.borrow, r.attrs = false, nil // the next one of a batch needs its own
	case "Key":
		a.key = r.item(1)
	case "ConditionExpression":
		a.condition = r.text()
	case "UpdateExpression":
		a.update = r.text()
	case "ExpressionAttributeNames":
		a.env.names = r.names()
	case "ExpressionAttributeValues":
		a.env.readValues(r)
	case "ReturnValues":
		a.returns = r.borrowed()
	case "ReturnValuesOnConditionCheckFailure":
		a.onFailure = r.borrowed()
	default:
		return false
	}
	return true
}

const transactFields = "TableName ConditionExpression ExpressionAttributeNames ExpressionAttributeValues ReturnValuesOnConditionCheckFailure "

var actionFields = map[verb]string{
	verbPut: transactFields + "Item", verbUpdate: transactFields + "Key UpdateExpression", verbDelete: transactFields + "Key", verbCheck: transactFields + "Key",
}

// transactActions reads TransactItems of a write.
func (r *reader) transactActions() []action {
	var out []action
	for range r.elements() {
		n := 0
		for kind := range r.members() {
			a := action{verb: transactVerbs[kind]}
			if fields := actionFields[a.verb]; fields == "" || n > 0 {
				r.fail(invalid("TransactItems can only contain one of Check, Put, Update or Delete: %.40s", kind))
			} else {
				for name := range r.members() {
					if !takes(fields, name) || !a.member(r, name) {
						r.unknown(kind, name)
					}
				}
			}
			out = append(out, a)
			n++
		}
		if n == 0 && r.err == nil {
			r.fail(invalid("TransactItems can only contain one of Check, Put, Update or Delete"))
		}
	}
	return out
}

// batchActions reads RequestItems of a write.
func (r *reader) batchActions() []action {
	var out []action
	for table := range r.members() {
		n := len(out)
		for range r.elements() {
			a := action{table: table}
			for kind := range r.members() {
				if a.verb != verbNone {
					r.fail(invalid("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"))
				}
				a.writeRequest(r, kind)
			}
			if a.verb == verbNone && r.err == nil {
				r.fail(invalid("A WriteRequest must hold a PutRequest or a DeleteRequest"))
			}
			out = append(out, a)
		}
		if len(out) == n {
			r.fail(errBatchList(table, "[]"))
		}
	}
	return out
}

func (a *action) writeRequest(r *reader, kind string) {
	want := map[string]string{"PutRequest": "Item", "DeleteRequest": "Key"}[kind]
	if want == "" {
		r.unknown("WriteRequest", kind)
		return
	}
	a.verb = verbPut
	if want == "Key" {
		a.verb = verbDelete
	}
	for name := range r.members() {
		if name != want || !a.member(r, name) {
			r.unknown(kind, name)
		}
	}
}

// member reads a parameter of a read, if it is one.
func (g *get) member(r *reader, name string) bool {
	switch name {
	case "TableName":
		g.table = r.str()
	case "Key":
		g.keys = append(g.keys, r.item(1))
	case "Keys":
		for range r.elements() {
			g.keys = append(g.keys, r.item(1))
		}
	case "ProjectionExpression":
		g.projection = r.strp()
	case "ExpressionAttributeNames":
		g.names = r.names()
	case "ConsistentRead":
		g.consistent = r.bool()
	default:
		return false
	}
	return true
}

// batchGets reads RequestItems of a read.
func (r *reader) batchGets() []get {
	var out []get
	for table := range r.members() {
		g := get{table: table}
		for name := range r.members() {
			if !takes("Keys ProjectionExpression ExpressionAttributeNames ConsistentRead", name) || !g.member(r, name) {
				r.unknown("KeysAndAttributes", name)
			}
		}
		out = append(out, g)
	}
	return out
}

// transactGets reads TransactItems of a read.
func (r *reader) transactGets() []get {
	var out []get
	for range r.elements() {
		var g get
		for kind := range r.members() {
			if kind != "Get" {
				r.unknown("TransactGetItem", kind)
				break
			}
			for name := range r.members() {
				if !takes("TableName Key ProjectionExpression ExpressionAttributeNames", name) || !g.member(r, name) {
					r.unknown("Get", name)
				}
			}
		}
		out = append(out, g)
	}
	return out
}
