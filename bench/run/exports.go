package run

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/tableexport"
	"github.com/ackproof/ackproof/scenarios"
)

// # How tables are read from exports
//
// An export to S3 shows a table as of one second of DynamoDB's clock, takes none of
// its capacity, and minutes to be made. A final read is one of each table. So that
// neither is from before the drain was proven, DynamoDB is asked for its time after
// that, and both reads are as of later seconds: their difference is what went on
// behind the answers, as it is of two scans.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.HowItWorks.html

const (
	// exportEvery bounds how long an export that is under way is not asked about.
	exportEvery = 10 * time.Second
	// exportSecond is the unit of an export's time.
	exportSecond = time.Second
)

// Cloud is what a run may ask of an account of AWS, beside its tables.
type Cloud interface {
	// Alarm tells how an alarm of CloudWatch stands.
	Alarm(ctx context.Context, name string) (bench.Alarm, error)
	// SeeBucket makes sure, as far as that can be seen, that there is a bucket.
	SeeBucket(ctx context.Context, bucket string) error
	// Export is an export below a prefix of a bucket.
	Export(bucket, prefix string) tableexport.Store
}

// exportAPI is the part of DynamoDB that exports tables.
type exportAPI interface {
	DescribeContinuousBackups(context.Context, *dynamodb.DescribeContinuousBackupsInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeContinuousBackupsOutput, error)
	DescribeTable(context.Context, *dynamodb.DescribeTableInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error)
	ExportTableToPointInTime(context.Context, *dynamodb.ExportTableToPointInTimeInput, ...func(*dynamodb.Options)) (*dynamodb.ExportTableToPointInTimeOutput, error)
	DescribeExport(context.Context, *dynamodb.DescribeExportInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeExportOutput, error)
}

// exports is the evidence of how the tables were read.
type exports struct {
	Proven time.Time     `json:"proven"` // by DynamoDB's clock: the drain had been proven by then
	Reads  [2]exportRead `json:"reads"`
}

// oneExport is the export of one table.
type oneExport struct {
	Table  string    `json:"table"`
	ARN    string    `json:"export"`
	At     time.Time `json:"at"` // as of when it shows the table
	Items  int64     `json:"items"`
	Bytes  int64     `json:"billed_bytes"`
	Bucket string    `json:"bucket"`
	Prefix string    `json:"prefix"` // of the export's own files
}

// exportedTables are those of the run; of a system with one table that one.
func (r *reader) exportedTables() []string {
	var tables []string
	for _, t := range []source{r.effects, r.items} {
		if t.table != "" && (len(tables) == 0 || tables[0] != t.table) {
			tables = append(tables, t.table)
		}
	}
	return tables
}

// seeExports makes sure, before the first request, that the tables can be exported
// after the last.
func (r *Run) seeExports(ctx context.Context, rd *reader) error {
	if rd.by != scenarios.ReadExport {
		return nil
	}
	var errs []error
	for _, table := range rd.exportedTables() {
		_, err := rd.recovery(ctx, table)
		errs = append(errs, err)
	}
	return errors.Join(append(errs, r.opts.Cloud.SeeBucket(ctx, r.opts.Scenario.Read.Bucket))...)
}

// recovery makes sure that a table has point-in-time recovery, of which an export is
// made, and tells DynamoDB's time.
func (r *reader) recovery(ctx context.Context, table string) (time.Time, error) {
	var out *dynamodb.DescribeContinuousBackupsOutput
	err := r.patiently(ctx, func(ctx context.Context) (err error) {
		out, err = r.exports.DescribeContinuousBackups(ctx, &dynamodb.DescribeContinuousBackupsInput{TableName: &table})
		return err
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("read.by: export: whether table %s has point-in-time recovery cannot be seen: %w; it takes the permission dynamodb:DescribeContinuousBackups", table, err)
	}
	d := out.ContinuousBackupsDescription
	if d == nil || d.PointInTimeRecoveryDescription == nil || d.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus != types.PointInTimeRecoveryStatusEnabled {
		return time.Time{}, fmt.Errorf("read.by: export: table %s has no point-in-time recovery, of which an export is made; turn it on with "+
			"'aws dynamodb update-continuous-backups --table-name %s --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true', or say read: {by: get}", table, table)
	}
	now, told := awsmiddleware.GetServerTime(out.ResultMetadata)
	if !told || now.IsZero() {
		now = r.clock.Now()
	}
	return now.UTC(), nil
}

// patiently asks once more, later each time, for what changes nothing.
func (r *reader) patiently(ctx context.Context, ask func(context.Context) error) (err error) {
	for attempt := 1; ; attempt++ {
		once, cancel := context.WithTimeout(ctx, pageTimeout)
		err = ask(once)
		cancel()
		if err == nil || attempt == pageAttempts || !clock.Wait(backOff(attempt), ctx.Done()) {
			return err
		}
	}
}

// export makes the exports of both final reads, and waits for them.
func (r *Run) export(ctx context.Context, rd *reader) (exports, error) {
	ctx, cancel := context.WithTimeout(ctx, r.opts.Scenario.Read.Timeout)
	defer cancel()
	tables := rd.exportedTables()
	var e exports
	var err error
	if e.Proven, err = rd.recovery(ctx, tables[0]); err != nil {
		return e, err
	}
	// The time that an answer bears has no fractions: the second may have passed by now.
	first := e.Proven.Truncate(exportSecond).Add(exportSecond)
	second := first.Add(max(exportSecond, restBetweenReads))
	done := 0
	show := func() { r.showExports(done, 2*len(tables)) }
	show()
	if !clock.Wait(second.Add(exportSecond).Sub(e.Proven), ctx.Done()) { // nobody asks for a time to come
		return e, ctx.Err()
	}
	for n, at := range []time.Time{first, second} {
		for i, table := range tables {
			one, err := r.beginExport(ctx, rd, table, at, fmt.Sprintf("ackproof-%s-%02d-%d-%d", r.id, r.opts.Share.Agent, n, i))
			if err != nil {
				return e, err
			}
			e.Reads[n] = append(e.Reads[n], one)
		}
	}
	for n := range e.Reads {
		for i := range e.Reads[n] {
			if err := r.awaitExport(ctx, rd, &e.Reads[n][i], show); err != nil {
				return e, err
			}
			done++
			show()
		}
	}
	r.evidence(evidenceExports, e)
	return e, nil
}

// showExports renews the live view.
func (r *Run) showExports(done, of int) {
	if r.opts.Progress == nil {
		return
	}
	r.opts.Progress(r.view.progress(func(now *bench.Progress) {
		now.Step, now.Stage = fmt.Sprintf("exporting the tables, %d of %d done", done, of), ""
		now.Elapsed, now.Total = r.since(r.loadEnded), r.opts.Scenario.Read.Timeout
	}))
}

// beginExport starts one export. A second that recovery does not reach yet is asked
// for again: it reaches the present some minutes late.
func (r *Run) beginExport(ctx context.Context, rd *reader, table string, at time.Time, token string) (oneExport, error) {
	s := r.opts.Scenario.Read
	one := oneExport{Table: table, At: at, Bucket: s.Bucket, Prefix: path.Join(s.Prefix, string(r.id))}
	described, err := rd.exports.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &table})
	if err != nil {
		return one, fmt.Errorf("export table %s: %w", table, err)
	}
	in := &dynamodb.ExportTableToPointInTimeInput{
		TableArn: described.Table.TableArn, ExportTime: &at, ClientToken: &token, S3Bucket: &one.Bucket, S3Prefix: &one.Prefix,
		ExportFormat: types.ExportFormatDynamodbJson, ExportType: types.ExportTypeFullExport,
	}
	for attempt := 1; ; attempt++ {
		var out *dynamodb.ExportTableToPointInTimeOutput
		out, err = rd.exports.ExportTableToPointInTime(ctx, in)
		if err == nil && out.ExportDescription != nil {
			one.ARN = aws.ToString(out.ExportDescription.ExportArn)
			return one, nil
		}
		_, early := errors.AsType[*types.InvalidExportTimeException](err)
		_, many := errors.AsType[*types.LimitExceededException](err)
		if !early && !many && attempt >= pageAttempts || !clock.Wait(exportBackOff(attempt), ctx.Done()) {
			return one, fmt.Errorf("export table %s as of %s to bucket %s: %w; it takes the permission dynamodb:ExportTableToPointInTime, and of the bucket s3:PutObject, s3:PutObjectAcl and s3:AbortMultipartUpload",
				table, at.Format(time.RFC3339), one.Bucket, orNothing(err))
		}
	}
}

var errNoAnswer = errors.New("the answer says nothing of it")

func orNothing(err error) error {
	if err == nil {
		return errNoAnswer
	}
	return err
}

func exportBackOff(attempt int) time.Duration {
	return min(exportEvery, firstBackOff<<min(attempt, 10))
}

// awaitExport waits until an export is complete, and finds its files. It shows now and
// then how far that has come.
func (r *Run) awaitExport(ctx context.Context, rd *reader, one *oneExport, show func()) error {
	for attempt := 1; ; attempt++ {
		var out *dynamodb.DescribeExportOutput
		err := rd.patiently(ctx, func(ctx context.Context) (err error) {
			out, err = rd.exports.DescribeExport(ctx, &dynamodb.DescribeExportInput{ExportArn: &one.ARN})
			return err
		})
		if err == nil && out.ExportDescription == nil {
			err = errNoAnswer
		}
		if err != nil {
			return fmt.Errorf("look at the export of table %s (%s): %w", one.Table, one.ARN, err)
		}
		switch d := out.ExportDescription; d.ExportStatus {
		case types.ExportStatusCompleted:
			return one.complete(d)
		case types.ExportStatusFailed:
			return fmt.Errorf("the export of table %s failed: %s: %s; the bucket is %s", one.Table, aws.ToString(d.FailureCode), aws.ToString(d.FailureMessage), one.Bucket)
		}
		show()
		if !clock.Wait(exportBackOff(attempt), ctx.Done()) {
			return fmt.Errorf("the export of table %s is not done: %w; a longer read.timeout waits longer", one.Table, ctx.Err())
		}
	}
}

// complete takes in what DynamoDB says of a complete export.
func (o *oneExport) complete(d *types.ExportDescription) error {
	o.Items, o.Bytes = aws.ToInt64(d.ItemCount), aws.ToInt64(d.BilledSizeBytes)
	if at := aws.ToTime(d.ExportTime); !at.IsZero() && at.Before(o.At) {
		return fmt.Errorf("the export of table %s shows it as of %s, and was asked for as of %s", o.Table, at.UTC().Format(time.RFC3339), o.At.Format(time.RFC3339))
	}
	manifest := aws.ToString(d.ExportManifest)
	if manifest == "" {
		return fmt.Errorf("the export of table %s (%s) is complete and names no manifest: what it holds cannot be told", o.Table, o.ARN)
	}
	o.Prefix = path.Dir(manifest)
	return nil
}

// exportRead is the exports of one final read.
type exportRead []oneExport

// read reads the export of a table; of none there is nothing.
func (e exportRead) read(ctx context.Context, cloud Cloud, from source, each func([]tableexport.Value) error) error {
	for i := range e {
		if e[i].Table == from.table {
			return e[i].read(ctx, cloud, from.names, each)
		}
	}
	return nil
}

// read reads an export, and makes sure that it is the one that was made.
func (o *oneExport) read(ctx context.Context, cloud Cloud, names []string, each func([]tableexport.Value) error) error {
	e, err := tableexport.Open(ctx, cloud.Export(o.Bucket, o.Prefix))
	if err != nil {
		return err
	}
	switch {
	case e.Table != o.Table || e.ARN != "" && e.ARN != o.ARN:
		return fmt.Errorf("s3://%s/%s is export %s of table %s; want %s", o.Bucket, o.Prefix, e.ARN, e.Table, o.ARN)
	case e.At.Before(o.At):
		return fmt.Errorf("s3://%s/%s shows the table at %s; want %s", o.Bucket, o.Prefix, e.At.UTC().Format(time.RFC3339), o.At.Format(time.RFC3339))
	case e.Items != o.Items:
		return fmt.Errorf("s3://%s/%s holds %d items, and DynamoDB says that it exported %d", o.Bucket, o.Prefix, e.Items, o.Items)
	}
	return e.Rows(ctx, names, each)
}

// readExports makes the two final reads from exports. Dead letters are read whatever
// becomes of those.
func (r *Run) readExports(ctx, after context.Context, rd *reader) error {
	made, failed := r.export(ctx, rd)
	r.view.step("reading")
	var errs []error
	for n, of := range made.Reads {
		errs = append(errs, r.readOnce(after, rd, n+1, func(w *rowWriter) error {
			if failed != nil {
				return failed
			}
			return errors.Join(
				of.read(after, r.opts.Cloud, rd.effects, w.effect),
				of.read(after, r.opts.Cloud, rd.items, w.item),
			)
		}))
	}
	err := errors.Join(errs...)
	rd.bothExports = err == nil
	return err
}

// exportProblems says why what the exports show need not be what was there when the
// drain had been proven.
func (f *files) exportProblems() []string {
	e := f.story.exports
	if f.scenario.Read.By != scenarios.ReadExport || len(f.earlier) > 0 || !f.reads[0].Complete() && !f.reads[1].Complete() {
		return nil
	}
	if e == nil {
		return []string{"nothing says as of when the exports show the tables"}
	}
	var problems []string
	for _, read := range e.Reads {
		for _, one := range read {
			if !one.At.After(e.Proven) {
				problems = append(problems, fmt.Sprintf("the export of table %s shows it as of %s, and the drain was proven by %s", one.Table, one.At.Format(time.RFC3339), e.Proven.Format(time.RFC3339)))
			}
		}
	}
	return problems
}

// note says what the tables were read from.
func (e *exports) note() string {
	if len(e.Reads[0]) == 0 || len(e.Reads[1]) == 0 {
		return "the tables were to be read from exports, and none was made"
	}
	first, second := e.Reads[0][0], e.Reads[1][0]
	return fmt.Sprintf("both final reads are exports of the tables, as of %s and %s by DynamoDB's clock; the drain had been proven by %s. What came later is in neither. The exports stay in the bucket: 'aws s3 rm --recursive s3://%s/%s' removes them",
		first.At.Format(time.RFC3339), second.At.Format(time.RFC3339), e.Proven.Format(time.RFC3339), first.Bucket, path.Dir(path.Dir(first.Prefix)))
}
