package cost

import (
	"math"

	"github.com/ackproof/ackproof/bench"
)

// Amount lies between two numbers. High is +Inf where nothing bounds it.
type Amount struct{ Low, High float64 }

// Exactly is an amount that is known.
func Exactly(n float64) Amount { return Amount{n, n} }

// Between is an amount of which two bounds are known, the second of them at least the first.
func Between(low, high float64) Amount { return Amount{low, max(low, high)} }

// AtLeast is an amount of which nobody knows how large it is.
func AtLeast(n float64) Amount { return Amount{n, math.Inf(1)} }

// Plus adds two amounts.
func (a Amount) Plus(b Amount) Amount { return Amount{a.Low + b.Low, a.High + b.High} }

// Times multiplies an amount by a number that is not negative.
func (a Amount) Times(f float64) Amount {
	if f == 0 { // of what is unbounded too
		return Amount{}
	}
	return Amount{a.Low * f, a.High * f}
}

// Over divides an amount by a number above 0.
func (a Amount) Over(f float64) Amount { return Amount{a.Low / f, a.High / f} }

// json is the amount as files hold it.
func (a Amount) json() bench.Estimate {
	e := bench.Estimate{Low: a.Low}
	if !math.IsInf(a.High, 1) {
		e.High = &a.High
	}
	return e
}

// Quantities are the units that a run used, those that AWS counts.
type Quantities struct {
	Calls        Amount // requests to the REST API
	ItemWrites   Amount // write request units of the items table
	EffectWrites Amount // of the results table
	Together     Amount // of both, in transactions
	Invocations  Amount
	GBSeconds    Amount
	Puts         Amount // objects put into the on-failure bucket
	Messages     Amount // sent to the on-failure queue
	Reads        Amount // read request units of the final reads: of the measurement, not of the system
	ExportedGB   Amount // of the tables, by the final reads: of the measurement too
}

// Plus adds what two works used.
func (q Quantities) Plus(o Quantities) Quantities {
	return Quantities{
		Calls:      q.Calls.Plus(o.Calls),
		ItemWrites: q.ItemWrites.Plus(o.ItemWrites), EffectWrites: q.EffectWrites.Plus(o.EffectWrites), Together: q.Together.Plus(o.Together),
		Invocations: q.Invocations.Plus(o.Invocations), GBSeconds: q.GBSeconds.Plus(o.GBSeconds),
		Puts: q.Puts.Plus(o.Puts), Messages: q.Messages.Plus(o.Messages), Reads: q.Reads.Plus(o.Reads), ExportedGB: q.ExportedGB.Plus(o.ExportedGB),
	}
}

// line is one row of the bill.
type line struct {
	service, what, unit, price string
	measuring                  bool
	of                         func(*Quantities) Amount
}

// bill is every row that there can be, in the order of its services.
var bill = []line{
	{"API Gateway", "requests to the API", "requests", apiGatewayRequests, false, func(q *Quantities) Amount { return q.Calls }},
	{"DynamoDB", "items written", "write request units", dynamodbWrites, false, func(q *Quantities) Amount { return q.ItemWrites }},
	{"DynamoDB", "results written", "write request units", dynamodbWrites, false, func(q *Quantities) Amount { return q.EffectWrites }},
	{"DynamoDB", "items and results written in transactions", "write request units", dynamodbWrites, false, func(q *Quantities) Amount { return q.Together }},
	{"DynamoDB", "final reads of both tables", "read request units", dynamodbReads, true, func(q *Quantities) Amount { return q.Reads }},
	{"DynamoDB", "final reads of both tables, exported", "GB", dynamodbExportedGB, true, func(q *Quantities) Amount { return q.ExportedGB }},
	{"Lambda", "invocations", "requests", lambdaRequests, false, func(q *Quantities) Amount { return q.Invocations }},
	{"Lambda", "duration", "GB-seconds", lambdaGBSeconds, false, func(q *Quantities) Amount { return q.GBSeconds }},
	{"S3", "dead letters kept", "PUT requests", s3Puts, false, func(q *Quantities) Amount { return q.Puts }},
	{"SQS", "dead letters sent", "requests", sqsRequests, false, func(q *Quantities) Amount { return q.Messages }},
}

// Of says what the quantities cost, and what that makes for a million requests: those of
// the system alone, without what the measurement read. Rows of which there is nothing
// are left out.
func (p *Prices) Of(q Quantities, requests int64) *bench.Cost {
	c := &bench.Cost{
		Prices:   bench.PriceList{Date: p.date, Region: p.region, Source: p.source},
		Services: []bench.ServiceCost{}, Assumptions: []string{}, LeftOut: []string{},
	}
	dollars := func(micro Amount) bench.Estimate { return micro.Over(1e6).json() }
	million := func(micro Amount) *bench.Estimate { // a millionth of a dollar each is a dollar a million
		if requests == 0 {
			return nil
		}
		e := micro.Over(float64(requests)).json()
		return &e
	}
	var all, system, service, serviceSystem Amount // in millionths of a dollar
	for _, l := range bill {
		n := l.of(&q)
		if n == (Amount{}) {
			continue
		}
		micro := AtLeast(0)
		if price, listed := p.perMillion[l.price]; listed {
			micro = n.Times(price)
		}
		last := len(c.Services) - 1
		if last < 0 || c.Services[last].Service != l.service {
			c.Services = append(c.Services, bench.ServiceCost{Service: l.service})
			last++
			service, serviceSystem = Amount{}, Amount{}
		}
		service, all = service.Plus(micro), all.Plus(micro)
		if !l.measuring {
			serviceSystem, system = serviceSystem.Plus(micro), system.Plus(micro)
		}
		at := &c.Services[last]
		at.Run, at.PerMillion = dollars(service), million(serviceSystem)
		at.Lines = append(at.Lines, bench.CostLine{What: l.what, Unit: l.unit, Quantity: n.json(), USD: dollars(micro), Measuring: l.measuring})
	}
	c.Run, c.PerMillion = dollars(all), million(system)
	return c
}

// writeUnits is how many write request units a row of so many bytes takes: one for each
// KB begun.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html
func writeUnits(bytes int) float64 { return max(1, math.Ceil(float64(bytes)/1024)) }

// readUnits is how many read request units it takes to read so many bytes consistently:
// one for each 4 KB begun.
func readUnits(bytes float64) float64 { return math.Ceil(bytes / 4096) }
