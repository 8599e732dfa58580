// Package aws is the system under test on AWS: its CloudFormation template, and
// the clients of AWS's control plane, which live here alone.
//
// The template is the article's system, set up by a careful engineer: a REST API
// that writes into DynamoDB without code in between, the table's stream, the
// StreamProcessor behind an event source mapping, and a results table. It is made
// of the same scenario that the local target plays, with the mapping templates
// and status mappings of package gateway, to the letter.
package aws
