package local

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"

	"github.com/ackproof/ackproof/bench/dynamo"
)

// socket is an address of the target that stays, whoever serves it. ackproof
// holds the listener open and never accepts from it; each process that serves
// the address is handed it as an open file. So when one dies its connections are
// reset, as in a crash, and those that come before its successor is up wait in
// the system's queue. Were the port bound anew instead, clients would be refused
// meanwhile, which is a clear answer where a crash gives none, and another program
// could have the port by then.
type socket struct {
	address  string
	file     *os.File        // nil in memory
	listener *memoryListener // in memory
}

// open opens a listener on a loopback port (0: a free one), or in memory.
func (s site) open(port int) (*socket, error) {
	l, err := s.listen(port)
	if err != nil {
		return nil, fmt.Errorf("listen on port %d: %w", port, trimListen(err))
	}
	k := &socket{address: l.Addr().String()}
	if m, inside := l.(*memoryListener); inside {
		k.listener = m
		return k, nil
	}
	defer l.Close() // the file is another descriptor of the same socket
	if k.file, err = l.(*net.TCPListener).File(); err != nil {
		return nil, fmt.Errorf("listen on port %d: %w", port, err)
	}
	return k, nil
}

func (k *socket) url() string { return "http://" + k.address }

// close lets the address go: from then on connections are refused.
func (k *socket) close() {
	if k.file != nil {
		k.file.Close()
		return
	}
	k.listener.Close()
}

// files are what a process is handed of its sockets.
func files(sockets []*socket) (all []*os.File) {
	for _, k := range sockets {
		all = append(all, k.file)
	}
	return all
}

// firstFile is the descriptor of the first file that a process is handed, behind
// standard input, output and error.
const firstFile = 3

// handed gives the first n listeners that this part of the target was handed. It
// is called before the part starts processes, which would inherit them.
func (s site) handed(n int) ([]net.Listener, error) {
	all := make([]net.Listener, n)
	for i := range all {
		if s.memory != nil {
			all[i] = &lease{memoryListener: s.sockets[i].listener, over: make(chan struct{})}
			continue
		}
		f := os.NewFile(uintptr(firstFile+i), "socket")
		l, err := net.FileListener(f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("take over a listener: %w", err)
		}
		all[i] = l
	}
	return all, nil
}

// lease accepts from a listener in memory that others hold open.
type lease struct {
	*memoryListener
	closing sync.Once
	over    chan struct{}
}

// Accept takes the next connection.
func (l *lease) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.over:
	case <-l.closed:
	}
	return nil, net.ErrClosed
}

// Close ends the lease, and not the listener.
func (l *lease) Close() error {
	l.closing.Do(func() { close(l.over) })
	return nil
}

// serve serves a listener until closed.
func serve(l net.Listener, h http.Handler) *http.Server {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: readHeaderTimeout}
	if e, ok := h.(embedded); ok {
		l = dynamo.Front(l, e.Handler)
	}
	go srv.Serve(l)
	return srv
}
