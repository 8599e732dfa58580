// Package breakable is middleware for Lambda handlers in Go: it makes a function
// that can be broken on purpose where nobody can reach into its process, on AWS.
//
//	func main() { breakable.Start(handle) }
//
//	func handle(ctx context.Context, e events.DynamoDBEvent) error {
//		for _, r := range e.Records {
//			... // one record's work
//			breakable.Wrote(ctx) // its effect is written
//		}
//		return nil
//	}
//
// It is asleep until ackproof sets a variable of the function's environment,
// ACKPROOF_FAULT_N, and again when that is removed. The variable holds one [Flag].
// Lambda starts new processes for it, so that a process has it from its beginning
// or not at all. A flag ends by itself at its Until: what nobody has removed does
// not break a function for ever.
//
//	before          the handler is not called
//	after-write K   behind the K-th call of Wrote in this process
//	after-effects   the handler is done, and its answer is not given
//
// # Windows and strikes
//
// A flag without Once strikes the given share of invocations. One with Once strikes
// each execution environment once, or once in each Every: a file in the temporary
// folder says so, which Lambda keeps when it starts a process that has died anew.
//
// # Counting
//
// Before it strikes it writes one line to standard error, and so to the function's
// log:
//
//	ackproof struck RUN FAULT KIND
//
// That line, and not what was set, says that a function was struck.
package breakable
