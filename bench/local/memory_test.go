package local

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheNetworkInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		l, err := m.Listen()
		if err != nil {
			t.Fatal(err)
		}
		other, err := m.Listen()
		if err != nil || other.Addr().String() == l.Addr().String() {
			t.Fatalf("a second listener at %v: %v", other.Addr(), err)
		}
		go func() {
			c, err := l.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			if host, _, err := net.SplitHostPort(c.RemoteAddr().String()); err != nil || net.ParseIP(host) == nil {
				t.Errorf("the client comes from %v, which is no IP address: %v", c.RemoteAddr(), err)
			}
			io.WriteString(c, "hello")
			c.Close()
		}()
		c, err := m.DialContext(t.Context(), "tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if said, err := io.ReadAll(c); err != nil || string(said) != "hello" {
			t.Errorf("the other end said %q, %v", said, err)
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := m.DialContext(ctx, "tcp", l.Addr().String()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("nobody accepts: %v", err)
		}
		waits := make(chan error)
		go func() {
			_, err := m.DialContext(t.Context(), "tcp", l.Addr().String())
			waits <- err
		}()
		synctest.Wait()
		if err := errors.Join(l.Close(), l.Close()); err != nil {
			t.Error(err)
		}
		if err := <-waits; !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("closed while a client waits: %v", err)
		}
		if _, err := m.DialContext(t.Context(), "tcp", l.Addr().String()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dial a closed listener: %v", err)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept on a closed listener: %v", err)
		}
	})
}
