package run

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/ledger"
)

// cloudWatchFile is not among the files that are judged: nothing but what is told
// beside a result comes from it.
const cloudWatchFile = "cloudwatch.json"

// maxCloudWatchFile bounds what is read into memory, in bytes.
const maxCloudWatchFile = 64 << 20

// WriteCloudWatch keeps what CloudWatch said in a run directory, whole or not at
// all. What was read before is replaced, unless its data points are finer: CloudWatch
// keeps minutes for 15 days alone, and what it has forgotten is kept here.
func WriteCloudWatch(dir string, c *bench.CloudWatch) error {
	if before, err := ReadCloudWatch(dir, c.Run); err == nil && before != nil && before.PeriodMs < c.PeriodMs {
		return fmt.Errorf("%s has data points of %v, read %s; CloudWatch has forgotten them and has those of %v alone: the file stays as it is",
			filepath.Join(dir, cloudWatchFile), period(before), before.Read, period(c))
	}
	if err := c.Check(); err != nil {
		return fmt.Errorf("write %s: %w", cloudWatchFile, err)
	}
	b, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", cloudWatchFile, err)
	}
	return writeFile(filepath.Join(dir, cloudWatchFile), append(ledger.AppendSum(b), '\n'))
}

func period(c *bench.CloudWatch) time.Duration {
	return time.Duration(c.PeriodMs * float64(time.Millisecond))
}

// ReadCloudWatch reads what CloudWatch said about a run; nil: nobody has asked it.
// An error is of the file: the run can be told without.
func ReadCloudWatch(dir string, id bench.RunID) (*bench.CloudWatch, error) {
	path := filepath.Join(dir, cloudWatchFile)
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err == nil && info.Size() > maxCloudWatchFile {
		err = fmt.Errorf("%d bytes; want at most %d", info.Size(), maxCloudWatchFile)
	}
	var c *bench.CloudWatch
	if err == nil {
		var b []byte
		if b, err = os.ReadFile(path); err == nil {
			c, err = parseCloudWatch(b)
		}
	}
	if err == nil && c.Run != id {
		err = fmt.Errorf("it is of run %.20q, and this is %s", c.Run, id)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w; 'ackproof cloudwatch %s' reads it anew", path, err, dir)
	}
	return c, nil
}

// parseCloudWatch reads the bytes of a cloudwatch.json.
func parseCloudWatch(b []byte) (*bench.CloudWatch, error) {
	object, whole := bytes.CutSuffix(b, []byte("\n"))
	summed, err := ledger.CheckSum(object)
	if err == nil && (!summed || !whole) {
		err = errors.New("its end with the checksum is missing")
	}
	if err != nil {
		return nil, err
	}
	c := new(bench.CloudWatch)
	if err := json.Unmarshal(b, c); err != nil {
		return nil, err
	}
	return c, c.Check()
}

// Site is where a run went to.
type Site struct {
	Target    string
	Endpoints bench.Endpoints
	Timeout   time.Duration // of an invocation, as the scenario has it
}

// SiteOf says where a run went to.
func SiteOf(dir string) (Site, error) {
	f := &files{dir: dir}
	if err := f.begin(); err != nil {
		return Site{}, err
	}
	return Site{f.manifest.Target, f.manifest.Endpoints, f.scenario.Processor.Timeout}, nil
}
