package lambda

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ackproof/ackproof/bench/clock"
)

const (
	keyPrefix  = "ACKPROOFPROC"
	keyDigits  = 8
	maxProcess = 99_999_999 // that keyDigits can hold

	functionVersion = "$LATEST"
	accountID       = "000000000000"
)

// keyOf makes the access key of a process. It has 20 letters and digits, like
// a real one, since some DynamoDB stand-ins look at that.
func keyOf(number int) string { return fmt.Sprintf("%s%0*d", keyPrefix, keyDigits, number) }

// ProcessOfKey tells which process an access key belongs to, by the number that
// [bench.Op] carries. It reports false for any other key.
func ProcessOfKey(accessKeyID string) (int, bool) {
	digits, ok := strings.CutPrefix(accessKeyID, keyPrefix)
	if !ok || len(digits) != keyDigits {
		return 0, false
	}
	n := 0
	for i := range len(digits) {
		c := digits[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, n > 0
}

// inherited are the only variables that a child has of us. A parent's AWS_*
// would let it write to a real account.
var inherited = []string{"PATH", "HOME", "TMPDIR"}

// environment builds what Lambda sets for a custom runtime
// (https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html).
// AWS_EXECUTION_ENV and _X_AMZN_TRACE_ID are not among it there. The task root
// is the real directory instead of /var/task, because runtimes load code from
// it.
func environment(cfg Config, dir string, number int, api string) []string {
	var env []string
	for _, name := range inherited {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	// The developer's own SDK settings are no part of the experiment. The system's
	// own folders need not be in LD_LIBRARY_PATH: the loader knows them.
	env = append(env, "TZ=:UTC", "LANG=en_US.UTF-8", "LD_LIBRARY_PATH="+dir+":"+filepath.Join(dir, "lib"), "AWS_XRAY_CONTEXT_MISSING=LOG_ERROR",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null")
	env = append(env, cfg.Env...)
	return append(env,
		"AWS_LAMBDA_RUNTIME_API="+api,
		"_HANDLER="+cfg.Handler,
		"LAMBDA_TASK_ROOT="+dir,
		"LAMBDA_RUNTIME_DIR="+dir,
		"AWS_REGION="+cfg.Region,
		"AWS_DEFAULT_REGION="+cfg.Region,
		"AWS_ACCESS_KEY_ID="+keyOf(number),
		"AWS_SECRET_ACCESS_KEY="+keyOf(number)+"secret",
		"AWS_SESSION_TOKEN="+keyOf(number)+"token",
		"AWS_LAMBDA_FUNCTION_NAME="+cfg.FunctionName,
		"AWS_LAMBDA_FUNCTION_VERSION="+functionVersion,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE="+strconv.Itoa(cmp.Or(cfg.MemoryMB, defaultMemory)),
		"AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/"+cfg.FunctionName,
		"AWS_LAMBDA_LOG_STREAM_NAME=process/["+functionVersion+"]"+strconv.Itoa(number),
		"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
	)
}

// reserved reports whether a variable is Lambda's to set. Other AWS_* variables,
// such as AWS_ENDPOINT_URL_DYNAMODB, are the user's.
func reserved(name string) bool {
	switch name {
	case "_HANDLER", "_X_AMZN_TRACE_ID", "_LAMBDA_SERVER_PORT", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR",
		"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
		"AWS_SESSION_TOKEN", "AWS_EXECUTION_ENV":
		return true
	}
	return strings.HasPrefix(name, "AWS_LAMBDA_")
}

// arn is the function's name in full.
func (h *Host) arn() string {
	return "arn:aws:lambda:" + h.cfg.Region + ":" + accountID + ":function:" + h.cfg.FunctionName
}

// requestID makes the next request id. The caller holds h.mu.
func (h *Host) requestID() string {
	h.requests++
	return h.uuid("request", h.requests)
}

// uuid makes an id of version 4's form from seed, label and number.
func (h *Host) uuid(label string, n uint64) string {
	hi, lo := clock.Bits(h.cfg.Seed, "lambda "+label+" high", n), clock.Bits(h.cfg.Seed, "lambda "+label+" low", n)
	hi = hi&^0xf000 | 0x4000
	lo = lo&^(3<<62) | 2<<62
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", hi>>32, hi>>16&0xffff, hi&0xffff, lo>>48, lo&(1<<48-1))
}

// traceID makes the X-Ray header of a request; it is not sampled.
func (h *Host) traceID(request string) string {
	label := "lambda trace " + request
	return fmt.Sprintf("Root=1-%08x-%08x%016x;Parent=%016x;Sampled=0",
		h.cfg.Clock.Now().Unix(), uint32(clock.Bits(h.cfg.Seed, label, 0)), clock.Bits(h.cfg.Seed, label, 1), clock.Bits(h.cfg.Seed, label, 2))
}
