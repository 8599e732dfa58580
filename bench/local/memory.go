package local

import (
	"context"
	"fmt"
	"net"
	"sync"
	"syscall"
)

// memory is a network inside this process. Its connections are those of
// net.Pipe: nothing is buffered, and a goroutine that waits on one is known to
// testing/synctest to wait, which one that waits on a socket is not.
type memory struct {
	mu        sync.Mutex
	last      int
	listeners map[string]*memoryListener
}

func newMemory() *memory { return &memory{listeners: map[string]*memoryListener{}} }

// Listen opens a listener at an address of its own, which only DialContext
// reaches.
func (m *memory) Listen() (net.Listener, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last++
	l := &memoryListener{
		memory: m, address: memoryAddress(fmt.Sprintf("memory-%d:80", m.last)),
		conns: make(chan net.Conn), closed: make(chan struct{}),
	}
	m.listeners[l.address.String()] = l
	return l, nil
}

// DialContext connects to a listener. Where none listens the error is that of a
// connection refused.
func (m *memory) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	m.mu.Lock()
	l := m.listeners[address]
	m.mu.Unlock()
	refused := &net.OpError{Op: "dial", Net: "memory", Addr: memoryAddress(address), Err: syscall.ECONNREFUSED}
	if l == nil {
		return nil, refused
	}
	near, far := net.Pipe()
	select {
	case l.conns <- memoryConn{far}:
		return near, nil
	case <-l.closed:
		return nil, refused
	case <-ctx.Done():
		return nil, &net.OpError{Op: "dial", Net: "memory", Addr: l.address, Err: ctx.Err()}
	}
}

// memoryListener is a net.Listener.
type memoryListener struct {
	memory  *memory
	address memoryAddress
	conns   chan net.Conn
	closing sync.Once
	closed  chan struct{}
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	l.closing.Do(func() {
		l.memory.mu.Lock()
		delete(l.memory.listeners, l.address.String())
		l.memory.mu.Unlock()
		close(l.closed)
	})
	return nil
}

func (l *memoryListener) Addr() net.Addr { return l.address }

// memoryConn says where it comes from as a connection of loopback does, since a
// gateway tells the function the client's IP.
type memoryConn struct{ net.Conn }

func (memoryConn) RemoteAddr() net.Addr { return memoryAddress("127.0.0.1:0") }

// memoryAddress is host:port, so that it fits into a URL.
type memoryAddress string

func (memoryAddress) Network() string  { return "memory" }
func (a memoryAddress) String() string { return string(a) }
