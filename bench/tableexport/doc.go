// Package tableexport reads a DynamoDB table export: what a full export to Amazon
// S3 leaves, with the table's items as DynamoDB JSON, in a copy on this machine or
// where it lies.
//
//	manifest-summary.json    what was exported, as of when, and how many items
//	manifest-files.json      one line a data file: its key, MD5 and item count
//	data/*.json.gz           one line an item: {"Item":{"id":{"S":"a1"},...}}
//
// The format is that of
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html
//
// An export stands in for a final read, so what is missing in it would be counted
// as lost. Hence it is taken whole or not at all: a file that is missing, that
// has another MD5 or another number of items than the manifest says, or a line
// that cannot be read is an error, and an incremental export, which holds changes
// and no table, is refused.
//
// The MD5 is that of the object, in base64. The etag beside it is no digest of
// its own: it is made from the same MD5 where the bucket is encrypted with S3's own
// keys, and of nothing known where it is with KMS keys:
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
// It names the version of the object, so a bucket is asked for that one alone.
// The form of the .checksum files is not documented; damage of a manifest shows
// in its counts and in the MD5s that it lists.
package tableexport
