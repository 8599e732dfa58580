package dynamo

import "maps"

// operation draws one operation on the table "tab".
func (g generator) operation() move {
	names := []string{"PutItem", "PutItem", "PutItem", "PutItem", "UpdateItem", "UpdateItem", "UpdateItem", "UpdateItem", "DeleteItem", "GetItem", "Query", "Query", "Query", "Scan", "BatchWriteItem", "BatchGetItem"}
	if g.transactions {
		names = append(names, "TransactWriteItems", "TransactWriteItems", "TransactGetItems")
	}
	switch name := g.pick(names...); name {
	case "PutItem", "UpdateItem", "DeleteItem":
		body, key := g.write(name)
		g.returns(name, body)
		return move{name, body, []object{key}}
	case "GetItem":
		return move{name, g.get(), nil}
	case "Query", "Scan":
		return move{name, g.read(name), nil}
	case "BatchWriteItem":
		return g.batchWrite()
	case "BatchGetItem":
		return move{name, g.batchGet(), nil}
	case "TransactWriteItems":
		return g.transactWrite()
	default:
		var gets []any
		for range 1 + g.upTo(2) {
			body := g.get()
			delete(body, "ConsistentRead")
			gets = append(gets, object{"Get": body})
		}
		return move{name, object{"TransactItems": gets}, nil}
	}
}

func (g generator) expressions() *expressions { return &expressions{g, object{}, object{}} }

// write draws a write of one item, as it also stands in a transaction.
func (g generator) write(name string) (body, key object) {
	x := g.expressions()
	body = object{"TableName": g.table()}
	if name == "PutItem" {
		it := g.item()
		body["Item"] = it
		key = object{}
		for _, k := range []string{"pk", "sk"} {
			if v, ok := it[k]; ok && (k == "pk" || g.sk != "") {
				key[k] = v
			}
		}
	} else {
		key = g.key()
		body["Key"] = key
	}
	if name == "UpdateItem" && !g.odds(25) {
		body["UpdateExpression"] = x.change()
	}
	if g.odds(3) {
		body["ConditionExpression"] = x.test(2)
	}
	return x.finish(body), key
}

func (g generator) table() string {
	if g.mistake(200) {
		return g.pick("nosuchtable", "x", "bad!name")
	}
	return "tab"
}

// returns adds what the answer is to contain.
func (g generator) returns(name string, body object) {
	if g.odds(2) {
		values := []string{"ALL_OLD", "NONE"}
		if name == "UpdateItem" || g.mistake(30) {
			values = append(values, "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW", "ODD")
			if !g.mistake(20) {
				values = values[:5]
			}
		}
		body["ReturnValues"] = g.pick(values...)
	}
	if body["ConditionExpression"] != nil && g.odds(2) {
		body["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
	}
	if g.odds(6) {
		body["ReturnConsumedCapacity"] = g.pick("TOTAL", "INDEXES")
	}
}

func (g generator) get() object {
	x := g.expressions()
	body := object{"TableName": g.table(), "Key": g.key()}
	if g.odds(3) {
		body["ConsistentRead"] = g.odds(2)
	}
	if g.odds(2) {
		body["ProjectionExpression"] = x.projections()
	}
	return x.finishNames(body)
}

// read draws a Query or Scan. Its pages are read to the end by the player.
func (g generator) read(name string) object {
	x := g.expressions()
	body := object{"TableName": g.table()}
	index := g.pick("", "", "lsi", "gsi")
	if index == "lsi" && !g.local || index == "gsi" && g.global == "-" {
		if index = ""; g.mistake(10) {
			index = "nosuchindex"
		}
	}
	if index != "" {
		body["IndexName"] = index
	}
	if name == "Query" {
		body["KeyConditionExpression"] = g.keyTest(x, index)
		if g.odds(2) {
			body["ScanIndexForward"] = g.odds(2)
		}
	} else if g.odds(4) {
		body["TotalSegments"] = 1 + g.upTo(3)
	}
	if g.odds(3) {
		body["FilterExpression"] = x.test(2)
	}
	switch g.upTo(5) {
	case 3:
		body["ProjectionExpression"] = x.projections()
	case 4:
		body["Select"] = g.pick("COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES", "SPECIFIC_ATTRIBUTES")
	}
	if g.odds(3) {
		body["Limit"] = g.upTo(5)
		if body["Limit"] == 0 && !g.mistake(5) {
			body["Limit"] = 1
		}
	}
	if g.odds(4) {
		body["ConsistentRead"] = g.odds(3)
	}
	if name == "Query" && g.mistake(40) { // the order of a Scan is each engine's own
		body["ExclusiveStartKey"] = g.key()
	}
	return x.finish(body)
}

// keyTest draws a key condition for the table or an index of it.
func (g generator) keyTest(x *expressions, index string) string {
	part, partKind, rng, rngKind := "pk", g.pk, "sk", g.sk
	switch index {
	case "lsi":
		rng, rngKind = "l2", "N"
	case "gsi":
		part, partKind, rng, rngKind = "g", "S", "h", g.global
	}
	text := func(kind string) string { return x.literal(object{kind: g.pick(keyTexts[kind]...)}) }
	out := x.name(part) + " = " + text(partKind)
	if rngKind != "" && g.odds(2) {
		term := ""
		switch op := g.pick("=", "<", "<=", ">", ">=", "BETWEEN", "begins_with"); op {
		case "BETWEEN":
			term = x.name(rng) + " BETWEEN " + text(rngKind) + " AND " + text(rngKind)
		case "begins_with":
			term = "begins_with(" + x.name(rng) + ", " + text(rngKind) + ")"
		default:
			term = x.name(rng) + " " + op + " " + text(rngKind)
		}
		if g.odds(6) {
			return term + " AND " + out
		}
		out += " AND " + term
	}
	if g.mistake(30) {
		return g.pick(out+" AND "+x.docPath()+" = "+text("S"), x.name(part)+" > "+text(partKind), out+" OR "+out, "NOT "+out, x.name(part)+" = "+x.literal(g.value(1)), rng+" = "+text("S"))
	}
	return out
}

func (g generator) batchWrite() move {
	var requests []any
	var keys []object
	for range 1 + g.upTo(3) {
		if g.odds(2) {
			key := g.key()
			keys = append(keys, key)
			requests = append(requests, object{"DeleteRequest": object{"Key": key}})
			continue
		}
		body, key := g.write("PutItem")
		keys = append(keys, key)
		requests = append(requests, object{"PutRequest": object{"Item": body["Item"]}})
	}
	return move{"BatchWriteItem", object{"RequestItems": object{g.table(): requests}}, keys}
}

func (g generator) batchGet() object {
	x := g.expressions()
	var keys []any
	for range 1 + g.upTo(3) {
		keys = append(keys, g.key())
	}
	from := object{"Keys": keys}
	if g.odds(3) {
		from["ProjectionExpression"] = x.projections()
	}
	if g.odds(3) {
		from["ConsistentRead"] = true
	}
	x.finishNames(from)
	return object{"RequestItems": object{g.table(): from}}
}

func (g generator) transactWrite() move {
	var writes []any
	var keys []object
	for range 1 + g.upTo(3) {
		name := g.pick("PutItem", "UpdateItem", "DeleteItem", "ConditionCheck")
		var body, key object
		if name == "ConditionCheck" {
			x := g.expressions()
			key = g.key()
			body = object{"TableName": g.table(), "Key": key, "ConditionExpression": x.test(2)}
			x.finish(body)
		} else {
			body, key = g.write(name)
			if name == "UpdateItem" && body["UpdateExpression"] == nil {
				body["UpdateExpression"] = "REMOVE nosuch"
			}
		}
		if g.odds(4) {
			body["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
		}
		keys = append(keys, key)
		writes = append(writes, object{map[string]string{"PutItem": "Put", "UpdateItem": "Update", "DeleteItem": "Delete", "ConditionCheck": name}[name]: body})
	}
	body := object{"TransactItems": writes}
	if g.odds(20) {
		body["ClientRequestToken"] = g.pick("token-1", "token-2") // the table's name is put in
	}
	return move{"TransactWriteItems", body, keys}
}

// copied is a shallow copy that may be changed.
func copied(o object) object { return maps.Clone(o) }
