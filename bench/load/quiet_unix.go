//go:build unix

package load

import "syscall"

// quiet reports whether an idle connection is as it was left: the server has
// neither closed it nor said anything since. It asks the system without waiting,
// so that a request is not sent into a connection that is known to be closed.
func (c *connection) quiet() bool {
	tcp, ok := c.conn.Conn.(syscall.Conn)
	if !ok {
		return true // of a network in memory, which does not tell
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return false
	}
	var one [1]byte
	quiet := false
	err = raw.Control(func(fd uintptr) {
		_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		quiet = err == syscall.EAGAIN || err == syscall.EINTR
	})
	return err == nil && quiet
}
