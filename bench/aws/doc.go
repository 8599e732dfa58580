// Package aws is the system under test on AWS: its CloudFormation template, and
// the clients of AWS's control plane, which live here alone.
//
// The template is the article's system, set up by a careful engineer: a REST API
// that writes into DynamoDB without code in between, the table's stream, the
// StreamProcessor behind an event source mapping, and a results table. It is made
// of the same scenario that the local target plays, with the mapping templates
// and status mappings of package gateway, to the letter.
//
// # Levers
//
// [Levers] break such a system, or one of somebody else's, by AWS's own control plane:
//
//	Begin   look ─► the account's journal says how to undo it ─► pull ─► seen to be in force
//	End     put back ─► seen to be as it was ─► the journal says that it is over
//	Bites   a counter that is independent of what was called
//
// A lever is a value in a file of its own kind (lever_function.go is the model), made of
// a fault in pulled.go. What of it is exported is what the journal keeps, an object in
// the bucket of the account, so that [Account.UndoFaults] undoes it from anywhere.
package aws
