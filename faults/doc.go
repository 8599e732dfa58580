// Package faults is what goes wrong: a fault is a value that says where it
// strikes, what it does, when, how much, and, for the processor, at which point
// of its work. It parses from one line of text and prints the same line:
//
//	at T [for T] [every T] : PLACE.WHAT [SHARE%] [before | after-write K | after-effects] [key=value ...]
//	on OP N [to M]         : PLACE.WHAT ...
//
// Times count from the start of load.
//
// # Windows and strikes
//
// A fault with `for` and without `every` is a window: from its begin to its end
// every operation at its place is struck, or the given share of them. With
// `every`, or without `for`, each begin is one strike: it hits the next matching
// operation and is used up. processor.kill always strikes so, since a process
// dies only once. `on OP N` strikes by number, not by time, which makes a
// fault land on the same operation whatever the machine's speed.
//
// # Who does what
//
// The run reads [Timeline] and tells the target when a fault begins and ends.
// The target keeps one [Set] and hands it to its machines as their
// bench.Injector: a machine asks before each operation, does what the strike
// says, and reports that it has happened. What was planned and what has bitten
// are counted apart, because a fault that never struck proves nothing.
//
// A process of the target may die, and its set with it. Whoever starts the next
// one keeps a set too, which is told of each strike ([Set.Told]): its [Set.States]
// are what [Set.Resume] makes a new set go on with.
//
// A lever is a fault of the control plane: it waits for no operation, the target
// does it when it begins and takes it back when it ends.
//
// # One more kind
//
// A kind is a value in a file of its own (processor_kill.go is the model), named
// in the list in kinds.go; there is no registration at start-up. The machine at
// its place must know what to do with a strike of that name.
package faults
