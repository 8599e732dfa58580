package aws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/ackproof/ackproof/bench/tableexport"
)

// objectAttempts is how often in a row an object is asked for that gives nothing.
const objectAttempts = 5

// Export is an export of a table below a prefix of a bucket.
func (a *Account) Export(bucket, prefix string) tableexport.Store {
	return &exported{objects: a.objects, bucket: bucket, prefix: prefix}
}

// exported is the store of an export in S3.
type exported struct {
	objects        bucketAPI
	bucket, prefix string
}

// Open opens an object. Where its ETag is known, another version of it is refused.
func (e *exported) Open(ctx context.Context, name, etag string) (io.ReadCloser, error) {
	o := &reading{ctx: ctx, objects: e.objects, in: s3.GetObjectInput{Bucket: &e.bucket, Key: aws.String(e.prefix + "/" + name)}}
	if etag != "" { // a manifest has it bare, and a header in quotes
		o.in.IfMatch = aws.String(`"` + strings.Trim(etag, `"`) + `"`)
	}
	err := o.open()
	if _, none := errors.AsType[*types.NoSuchKey](err); none {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.Where(name), err)
	}
	return o, nil
}

// Where is the object's URI.
func (e *exported) Where(name string) string { return e.String() + "/" + name }

// String is the export's URI.
func (e *exported) String() string { return "s3://" + e.bucket + "/" + e.prefix }

// reading reads an object to its end, over connections that break: what is missing is
// asked for again, of the same version.
type reading struct {
	ctx     context.Context // of whoever opened it: an [io.Reader] is given none
	objects bucketAPI
	in      s3.GetObjectInput
	body    io.ReadCloser
	read    int64
	failed  int // attempts in a row
}

// open asks for the rest of the object.
func (o *reading) open() error {
	if o.read > 0 {
		o.in.Range = aws.String(fmt.Sprintf("bytes=%d-", o.read))
	}
	out, err := o.objects.GetObject(o.ctx, &o.in)
	if err != nil {
		return err
	}
	o.body = out.Body
	if o.in.IfMatch == nil {
		o.in.IfMatch = out.ETag
	}
	return nil
}

// Read reads on.
func (o *reading) Read(b []byte) (int, error) {
	for {
		n, err := o.body.Read(b)
		o.read += int64(n)
		if n > 0 {
			o.failed = 0
			if err != io.EOF {
				err = nil // it comes again, with nothing before it
			}
		}
		if err == nil || err == io.EOF || o.ctx.Err() != nil {
			return n, err
		}
		o.body.Close()
		for {
			if o.failed++; o.failed > objectAttempts || o.ctx.Err() != nil {
				o.body = broken{err}
				return 0, err
			}
			again := o.open()
			if again == nil {
				break
			}
			err = errors.Join(err, again)
		}
	}
}

// Close ends the reading.
func (o *reading) Close() error { return o.body.Close() }

// broken is the body of an object that cannot be had.
type broken struct{ err error }

// Read fails.
func (b broken) Read([]byte) (int, error) { return 0, b.err }

// Close does nothing.
func (broken) Close() error { return nil }
