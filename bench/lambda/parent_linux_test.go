package lambda

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestChildrenDieWithKilledParent: the host's process gets SIGKILL and can do
// nothing for its children any more.
func TestChildrenDieWithKilledParent(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), roleVariable+"=parent-of-host")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	var first, second int
	if _, scan := fmt.Sscanf(line, "pids [%d %d]", &first, &second); err != nil || scan != nil {
		cmd.Process.Kill()
		t.Fatalf("parent said %q: %v, %v", line, err, scan)
	}
	if gone(first) || gone(second) {
		t.Fatalf("children %d, %d do not live", first, second)
	}
	cmd.Process.Kill()
	cmd.Wait()
	poll(t, "both children dead", func() bool { return gone(first) && gone(second) })
}

// gone reports whether the process is dead; whether somebody has reaped it is
// not our business.
func gone(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(after, "Z") || strings.HasPrefix(after, "X")
}
