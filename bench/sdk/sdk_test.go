package sdk_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/ackproof/ackproof/bench/sdk"
)

// closing is a request's body as the SDK makes it: it can be read no more once it
// has been closed.
type closing struct {
	io.Reader
	closed atomic.Bool
}

func (c *closing) Read(b []byte) (int, error) {
	if c.closed.Load() {
		return 0, errors.New("read after close")
	}
	return c.Reader.Read(b)
}

func (c *closing) Close() error { c.closed.Store(true); return nil }

// TestAnAnswerOutlivesTheRequestsBody does as the SDK does, which closes the
// request's body and then reads an answer that is longer than what is buffered.
// With net/http's own client it must fail: else it proves nothing.
func TestAnAnswerOutlivesTheRequestsBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conns := make(chan net.Conn)
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.CopyN(io.Discard, r.Body, r.ContentLength)
			w.Write(make([]byte, 1<<20))
		})}
		go srv.Serve(listener(conns))
		defer srv.Close()
		dial := func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			conns <- far
			return near, nil
		}
		get := func(client *http.Client) error {
			defer client.CloseIdleConnections()
			body := &closing{Reader: bytes.NewReader([]byte("request"))}
			req, _ := http.NewRequest(http.MethodPost, "http://pipe/", body)
			req.ContentLength = 7
			resp, err := client.Do(req)
			if err != nil {
				return err
			}
			body.Close()
			synctest.Wait() // net/http looks at the body again now, if it does
			n, err := io.Copy(io.Discard, resp.Body)
			if err == nil && n != 1<<20 {
				t.Errorf("%d bytes of the answer", n)
			}
			return errors.Join(err, resp.Body.Close())
		}
		for range 20 {
			if err := get(sdk.HTTPClient(dial)); err != nil {
				t.Fatal(err)
			}
		}
		for tries := 0; get(&http.Client{Transport: &http.Transport{DialContext: dial}}) == nil; tries++ {
			if tries == 1000 {
				t.Fatal("net/http's own client does not fail any more: this package is not needed")
			}
		}
	})
}

// listener accepts what comes through a channel.
type listener chan net.Conn

func (l listener) Accept() (net.Conn, error) {
	if c, ok := <-l; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (l listener) Close() error   { close(l); return nil }
func (l listener) Addr() net.Addr { return &net.TCPAddr{} }

func TestOpenDynamoDBFindsTheStreamsOfAWS(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_REGION", "us-west-2")
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
	for target, want := range map[string][4]string{
		"https://dynamodb.eu-west-1.amazonaws.com": {"https://dynamodb.eu-west-1.amazonaws.com", "https://streams.dynamodb.eu-west-1.amazonaws.com", "eu-west-1", "AKIDEXAMPLE"},
		"http://dynamo.example.org:8000/":          {"http://dynamo.example.org:8000", "http://dynamo.example.org:8000", "us-west-2", "AKIDEXAMPLE"},
		"http://127.0.0.1:8000":                    {"http://127.0.0.1:8000", "http://127.0.0.1:8000", sdk.DefaultRegion, "ackproof"},
	} {
		e, err := sdk.OpenDynamoDB(t.Context(), target, "", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		c, err := e.Config.Credentials.Retrieve(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := [4]string{e.Tables, e.Streams, e.Config.Region, c.AccessKeyID}; got != want {
			t.Errorf("%s: %v, want %v", target, got, want)
		}
	}
}
