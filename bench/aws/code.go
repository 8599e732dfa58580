package aws

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// processorPackage is the built-in StreamProcessor's command.
const processorPackage = "github.com/ackproof/ackproof/cmd/streamprocessor"

// BuildCode cross-compiles the built-in StreamProcessor and packs it as Lambda wants
// it: an executable called bootstrap in the root of a zip. It needs Go, and a folder
// inside a clone of ackproof or of a module that requires it.
func BuildCode(ctx context.Context, arch string) ([]byte, error) {
	goarch := map[string]string{ARM64: "arm64", X8664: "amd64"}[arch]
	dir, err := os.MkdirTemp("", "ackproof-build-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	bootstrap := filepath.Join(dir, "bootstrap")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o", bootstrap, processorPackage)
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+goarch, "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the StreamProcessor for linux on %s: %w\n%s\nrun this in a clone of ackproof, or give a package of your own with --processor", goarch, err, bytes.TrimSpace(out))
	}
	return PackCode(bootstrap)
}

// PackCode gives the package that is uploaded: a zip as it is, or an executable in
// a zip. The same executable makes the same package.
func PackCode(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil || strings.HasSuffix(path, ".zip") {
		return b, err
	}
	if !bytes.HasPrefix(b, []byte("\x7fELF")) {
		return nil, fmt.Errorf("%s is no executable for Linux and no .zip: build it with GOOS=linux CGO_ENABLED=0", path)
	}
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	h := &zip.FileHeader{Name: "bootstrap", Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)}
	h.SetMode(0o755)
	f, err := w.CreateHeader(h)
	if err == nil {
		_, err = f.Write(b)
	}
	err = errors.Join(err, w.Close())
	return out.Bytes(), err
}

// codeBucket and codeKey are where the package of a stack is uploaded to.
func (a *Account) codeBucket() string { return "ackproof-" + a.ID + "-" + a.Region }

func codeKey(stack string, code []byte) string {
	return fmt.Sprintf("%s/%x.zip", stack, sha256.Sum256(code))
}

// makeBucket makes the bucket of the account, closed to the public, unless it is
// there.
func (a *Account) makeBucket(ctx context.Context) error {
	bucket := a.codeBucket()
	in := &s3.CreateBucketInput{Bucket: &bucket}
	if a.Region != "us-east-1" {
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(a.Region)}
	}
	_, err := a.objects.CreateBucket(ctx, in)
	if e, ok := errors.AsType[smithy.APIError](err); ok && e.ErrorCode() == "BucketAlreadyOwnedByYou" {
		err = nil
	}
	if err == nil {
		_, err = a.objects.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{Bucket: &bucket, PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{
			BlockPublicAcls: aws.Bool(true), BlockPublicPolicy: aws.Bool(true), IgnorePublicAcls: aws.Bool(true), RestrictPublicBuckets: aws.Bool(true),
		}})
	}
	return err
}

// upload puts the package where the template looks for it.
func (a *Account) upload(ctx context.Context, stack string, code []byte) error {
	bucket := a.codeBucket()
	err := a.makeBucket(ctx)
	if err == nil {
		_, err = a.objects.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: aws.String(codeKey(stack, code)), Body: bytes.NewReader(code), ContentLength: aws.Int64(int64(len(code)))})
	}
	if err != nil {
		return fmt.Errorf("upload the processor's package to s3://%s: %w", bucket, err)
	}
	return nil
}

// removeCode deletes the packages of a stack, and the bucket when it is empty then.
func (a *Account) removeCode(ctx context.Context, stack string) error {
	bucket := a.codeBucket()
	if err := a.empty(ctx, bucket, stack+"/"); err != nil {
		return err
	}
	left, err := a.objects.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &bucket, MaxKeys: aws.Int32(1)})
	if err == nil && len(left.Contents) == 0 {
		_, err = a.objects.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &bucket})
	}
	return without(err, "NoSuchBucket")
}

// empty deletes the objects of a bucket under a prefix. A bucket that is not there
// is empty.
func (a *Account) empty(ctx context.Context, bucket, prefix string) error {
	pages := s3.NewListObjectsV2Paginator(a.objects, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return without(err, "NoSuchBucket")
		}
		for _, o := range page.Contents {
			if _, err := a.objects.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: o.Key}); err != nil {
				return fmt.Errorf("empty bucket %s: %w", bucket, err)
			}
		}
	}
	return nil
}

// without takes away an error of AWS's by its code.
func without(err error, code string) error {
	if e, ok := errors.AsType[smithy.APIError](err); ok && e.ErrorCode() == code {
		return nil
	}
	return err
}
