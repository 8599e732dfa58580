package load

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

type headerLine struct{ name, value string }

// header gives the header of a kind's requests, in the order of names.
func (k Kind) header() []headerLine {
	lines := []headerLine{}
	typed, named := false, false
	for _, name := range slices.Sorted(maps.Keys(k.Header)) {
		lines = append(lines, headerLine{http.CanonicalHeaderKey(name), k.Header[name]})
		typed = typed || strings.EqualFold(name, "Content-Type")
		named = named || strings.EqualFold(name, "User-Agent")
	}
	if !named {
		lines = append(lines, headerLine{"User-Agent", "ackproof"})
	}
	if !typed && !idempotent(k.Method) {
		lines = append(lines, headerLine{"Content-Type", "application/json"})
	}
	return lines
}

// hopByHop are headers that speak to the connection and not to the API. What
// they ask for is net/http's trade.
var hopByHop = []string{"Connection", "Content-Length", "Expect", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// canBeLean reports whether the lean sender can send what a configuration asks
// for.
func canBeLean(c *Config) bool {
	if c.Dialer != nil || c.Sign != nil || !strings.HasPrefix(c.URL, "http://") {
		return false
	}
	for _, k := range c.Kinds {
		u, err := url.Parse(c.URL + k.Path)
		if err != nil || u.User != nil || u.Hostname() == "" || strings.HasSuffix(u.Host, ":") || !plainHost(u.Host) {
			return false
		}
		for name := range k.Header {
			if slices.Contains(hopByHop, http.CanonicalHeaderKey(name)) {
				return false
			}
		}
	}
	return true
}

// plainHost reports whether a host is itself what the header Host says.
func plainHost(host string) bool {
	return !strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r > '~' || r == '%' })
}
