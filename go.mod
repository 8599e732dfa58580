module github.com/ackproof/ackproof

go 1.26.0

require (
	github.com/HdrHistogram/hdrhistogram-go v1.4.0 // distributions: counts, never interpolates across a gap
	github.com/aws/aws-lambda-go v1.55.1 // the StreamProcessor: the official runtime client and event types
	github.com/aws/aws-sdk-go-v2 v1.48.0 // the SDK core, and SigV4 in the gateway
	github.com/aws/aws-sdk-go-v2/config v1.33.16 // the StreamProcessor finds DynamoDB as any program does
	github.com/aws/aws-sdk-go-v2/credentials v1.20.16 // fixed credentials for an endpoint of our own
	github.com/aws/aws-sdk-go-v2/service/dynamodb v1.73.2 // tables: the processor, the final reads
	github.com/aws/aws-sdk-go-v2/service/dynamodbstreams v1.46.7 // streams: the event source mapping reads through the public API
	github.com/aws/smithy-go v1.28.9 // error codes of the SDK
	github.com/chromedp/cdproto v0.0.0-20250724212937-08a3db8b4327 // tests: the types of chromedp
	github.com/chromedp/chromedp v0.14.2 // tests: report pages in a real browser
	github.com/cockroachdb/apd/v3 v3.2.3 // DynamoDB numbers: 38 digits without loss
	github.com/goccy/go-yaml v1.19.2 // scenarios: a syntax tree with positions
	github.com/google/go-cmp v0.7.0 // tests: differences that can be read
	github.com/google/jsonschema-go v0.4.3 // tests: the JSON Schemas are made from the types, and results held to them
	github.com/klauspost/compress v1.17.9 // gzip of table exports: 1.4 times as fast as the standard library, and linked already by parquet-go
	github.com/parquet-go/parquet-go v0.32.0 // export: Parquet, its encodings and statistics are no weekend's work
	github.com/prometheus/client_model v0.6.3 // OpenMetrics: its data model
	github.com/prometheus/common v0.73.1 // OpenMetrics: its text format, with everything that must be escaped
	github.com/rogpeppe/go-internal v1.16.0 // tests: testscript for the verbs
	github.com/spf13/cobra v1.10.2 // the command line
	github.com/spf13/pflag v1.0.9 // cobra's flags: what was typed is told again to the other agents
	github.com/tsenart/vegeta/v12 v12.13.0 // the load engine
	golang.org/x/perf v0.0.0-20260908200009-22c9c6c9d4da // comparisons: the exact Mann–Whitney test
	golang.org/x/sync v0.24.0 // errgroup
	golang.org/x/sys v0.49.0 // the memory-mapped ledger
	golang.org/x/term v0.47.0 // is it a terminal, and how wide
	gonum.org/v1/plot v0.17.0 // plots as PNG and SVG
	pgregory.net/rapid v1.3.0 // tests: properties of the step machines
)

require (
	github.com/aws/aws-sdk-go-v2/service/apigateway v1.40.2 // levers: the limits of a stage, the role behind a method
	github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs v1.92.2 // levers: strikes are counted in the log of a function
	github.com/aws/aws-sdk-go-v2/service/fis v1.38.2 // levers: experiments of AWS Fault Injection Service
	github.com/aws/aws-sdk-go-v2/service/iam v1.66.0 // levers: a permission that is denied for a while
	github.com/aws/aws-sdk-go-v2/service/lambda v1.92.2 // levers: concurrency, settings and event source mapping of a function
	github.com/aws/aws-sdk-go-v2/service/cloudformation v1.83.0 // stacks on AWS: change sets, steps, removal
	github.com/aws/aws-sdk-go-v2/service/cloudwatch v1.76.0 // metrics beside our own, and our own published
	github.com/aws/aws-sdk-go-v2/service/s3 v1.114.10 // the package of a processor on AWS, buckets that must be emptied
	github.com/aws/aws-sdk-go-v2/service/sqs v1.53.0 // dead letters in a queue
	github.com/aws/aws-sdk-go-v2/service/sts v1.51.9 // whose account a stack goes to
	github.com/fxamacker/cbor/v2 v2.10.0 // the test account's CloudWatch speaks its protocol, without the SDK
)

require (
	codeberg.org/go-fonts/liberation v0.5.0 // indirect
	codeberg.org/go-latex/latex v0.2.0 // indirect
	codeberg.org/go-pdf/fpdf v0.11.1 // indirect
	git.sr.ht/~sbinet/gg v0.7.0 // indirect
	github.com/BurntSushi/toml v1.4.1-0.20240526193622-a339e1f7089c // indirect
	github.com/aclements/go-moremath v0.0.0-20210112150236-f10218a38794 // indirect
	github.com/ajstarks/svgo v0.0.0-20211024235047-1546f124cd8b // indirect
	github.com/andybalholm/brotli v1.1.1 // indirect
	github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream v1.7.27 // indirect
	github.com/aws/aws-sdk-go-v2/feature/ec2/imds v1.20.8 // indirect
	github.com/aws/aws-sdk-go-v2/internal/configsources v1.5.12 // indirect
	github.com/aws/aws-sdk-go-v2/internal/endpoints/v2 v2.8.12 // indirect
	github.com/aws/aws-sdk-go-v2/internal/v4a v1.5.12 // indirect
	github.com/aws/aws-sdk-go-v2/service/internal/accept-encoding v1.13.25 // indirect
	github.com/aws/aws-sdk-go-v2/service/internal/checksum v1.11.13 // indirect
	github.com/aws/aws-sdk-go-v2/service/internal/endpoint-discovery v1.13.11 // indirect
	github.com/aws/aws-sdk-go-v2/service/internal/presigned-url v1.14.12 // indirect
	github.com/aws/aws-sdk-go-v2/service/internal/s3shared v1.20.12 // indirect
	github.com/aws/aws-sdk-go-v2/service/signin v1.12.4 // indirect
	github.com/aws/aws-sdk-go-v2/service/sso v1.39.4 // indirect
	github.com/aws/aws-sdk-go-v2/service/ssooidc v1.44.4 // indirect
	github.com/chromedp/sysutil v1.1.0 // indirect
	github.com/go-json-experiment/json v0.0.0-20250725192818-e39067aee2d2 // indirect
	github.com/gobwas/httphead v0.1.0 // indirect
	github.com/gobwas/pool v0.2.1 // indirect
	github.com/gobwas/ws v1.4.0 // indirect
	github.com/golang/freetype v0.0.0-20170609003504-e2365dfdc4a0 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/influxdata/tdigest v0.0.1 // indirect
	github.com/josharian/intern v1.0.0 // indirect
	github.com/mailru/easyjson v0.7.7 // indirect
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	github.com/pandatix/go-abnf v0.5.3 // indirect
	github.com/parquet-go/bitpack v1.0.0 // indirect
	github.com/parquet-go/jsonlite v1.0.0 // indirect
	github.com/pierrec/lz4/v4 v4.1.21 // indirect
	github.com/rs/dnscache v0.0.0-20230804202142-fc85eb664529 // indirect
	github.com/twpayne/go-geom v1.6.1 // indirect
	github.com/x448/float16 v0.8.4 // indirect
	golang.org/x/exp/typeparams v0.0.0-20231108232855-2478ac86f678 // indirect
	golang.org/x/image v0.46.0 // indirect
	golang.org/x/mod v0.41.0 // indirect
	golang.org/x/net v0.61.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	golang.org/x/tools v0.51.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
	honnef.co/go/tools v0.8.2 // indirect
)

tool honnef.co/go/tools/cmd/staticcheck
