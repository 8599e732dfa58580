//go:build !linux

package lambda

// AdoptOrphans does nothing: only Linux lets a process adopt its descendants.
func AdoptOrphans() error { return nil }

// KillDescendants does nothing; the caller's process group is what is left.
func KillDescendants() {}

// KillEnvironments does nothing: only Linux tells of a process's environment.
func KillEnvironments(string) {}

// CanLimitMemory reports whether a memory limit can be kept on this system.
func CanLimitMemory() bool { return false }

func descendants(int) []int             { return nil }
func killAll([]int)                     {}
func (h *Host) killOrphans(...*process) {}
func memoryOf(int) (bytes int64)        { return 0 }
