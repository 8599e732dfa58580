package lambda

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
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

// TestAnEnvironmentEndsWhole: a grandchild in a session of its own dies with the
// process that made it, whether that was killed or has ended by itself.
func TestAnEnvironmentEndsWhole(t *testing.T) {
	if err := AdoptOrphans(); err != nil {
		t.Fatal(err)
	}
	h := startHost(t, config(t, "detacher"))
	grandchild := func(say string) int {
		t.Helper()
		answer := invoke(t, h, goEvent{Say: say})
		var pid int
		if answer.Error != nil || json.Unmarshal(answer.Payload, &pid) != nil || gone(pid) {
			t.Fatalf("no grandchild: %s, %+v", answer.Payload, answer.Error)
		}
		return pid
	}
	first := grandchild("detach")
	if a := invoke(t, h, goEvent{Say: "exit"}); a.Error == nil || a.Error.Type != TypeExitError {
		t.Errorf("%+v", a.Error)
	}
	if !gone(first) {
		t.Errorf("grandchild %d outlives its environment, which has crashed", first)
	}
	second, orphan := grandchild("detach"), grandchild("orphan")
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	poll(t, "the second grandchild is gone", func() bool { return gone(second) })
	if !gone(orphan) {
		t.Errorf("grandchild %d outlives its host: its own parent had ended before", orphan)
	}
}

// TestKillEnvironments: whoever survives a host finds what it has left, by what
// only a host gives out, and kills nobody who names the same endpoint.
func TestKillEnvironments(t *testing.T) {
	endpoint := fmt.Sprintf("http://127.0.0.1:%d", 100_000+os.Getpid()) // no port: nobody else has it
	start := func(env ...string) int {
		t.Helper()
		cmd := asRole("linger")
		cmd.Env, cmd.SysProcAttr = append(cmd.Env, env...), &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		return cmd.Process.Pid
	}
	key := "AWS_SECRET_ACCESS_KEY=" + keyOf(7) + "secret"
	left := start("AWS_ENDPOINT_URL_DYNAMODB="+endpoint, key)
	others := []int{start("AWS_ENDPOINT_URL_DYNAMODB=" + endpoint), start("AWS_ENDPOINT_URL_DYNAMODB="+endpoint+"1", key)}
	KillEnvironments(endpoint)
	poll(t, "what was left is dead", func() bool { return gone(left) })
	for _, pid := range others {
		if gone(pid) {
			t.Errorf("process %d was killed, and is no environment of that endpoint", pid)
		}
	}
}

// detacher is a function that leaves a process behind.
func detacher() {
	for {
		id, event := takeEvent()
		if strings.Contains(event, "exit") {
			os.Exit(5)
		}
		if strings.Contains(event, "orphan") {
			between := asRole("between")
			pid, err := between.Output()
			if err != nil {
				os.Exit(94)
			}
			post(id, "response", string(pid))
			continue
		}
		post(id, "response", strconv.Itoa(linger()))
	}
}

// linger starts a process in a session of its own and gives its id.
func linger() int {
	cmd := asRole("linger")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		os.Exit(95)
	}
	return cmd.Process.Pid
}

func asRole(role string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		os.Exit(96)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	return cmd
}

func init() {
	roles["detacher"] = detacher
	roles["between"] = func() { fmt.Print(linger()) }  // ends, and leaves an orphan
	roles["linger"] = func() { time.Sleep(time.Hour) } // longer than any test, and not for ever
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
