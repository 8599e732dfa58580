package run

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/ackproof/ackproof/bench/clock"
)

const (
	// firstPage is how many items the first page has that is asked for under a
	// budget: what an item costs is not known yet.
	firstPage = 25
	// pagesPerSecond is how many pages a second the budget is spent on: few enough
	// to waste nothing, and many enough that whoever shares the table sees a
	// steady reader and no bursts.
	pagesPerSecond = 4
)

// budget holds reading to so many capacity units a second. With one, a page is
// asked for when those before it are paid for, and one at a time; so at no moment
// has more been used than the budget allows by then and one page. How many items a
// page has follows from what items have cost so far.
type budget struct {
	perSecond float64 // 0: as fast as it goes
	clock     clock.Clock

	turn  chan struct{} // holds one token while a page is under way; it guards what follows
	paid  time.Time     // when all that was used is paid for
	items int           // that the next page should have
	last  float64       // what the last page cost
}

// spending is what a page has cost.
type spending struct {
	items int
	units float64
	known bool
}

func costOf(items int, used *types.ConsumedCapacity) spending {
	if used == nil || used.CapacityUnits == nil {
		return spending{items: items}
	}
	return spending{items: items, units: *used.CapacityUnits, known: true}
}

var errNoCost = errors.New("the DynamoDB endpoint does not say what a read costs (ConsumedCapacity); leave read.capacity out")

func newBudget(perSecond int, c clock.Clock) *budget {
	return &budget{perSecond: float64(perSecond), clock: c, items: firstPage, turn: make(chan struct{}, 1)}
}

// wants is what a request must ask for.
func (b *budget) wants() types.ReturnConsumedCapacity {
	if b.perSecond == 0 {
		return types.ReturnConsumedCapacityNone
	}
	return types.ReturnConsumedCapacityTotal
}

// spend asks for one page when it is its turn. items is how many it should have
// at most; 0: as many as may be.
func (b *budget) spend(ctx context.Context, page func(items int) (spending, error)) error {
	if b.perSecond == 0 {
		_, err := page(0)
		return err
	}
	select {
	case b.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-b.turn }()
	if !clock.Wait(b.paid.Sub(b.clock.Now()), ctx.Done()) {
		return ctx.Err()
	}
	began := b.clock.Now()
	c, err := page(b.items)
	switch {
	case err != nil:
		c.units = b.last // it may have been read, and its answer lost
	case !c.known:
		return errNoCost
	}
	b.last = c.units
	b.paid = began.Add(time.Duration(c.units / b.perSecond * float64(time.Second)))
	if c.items > 0 && c.units > 0 {
		per := c.units / float64(c.items)
		// Twice as many at most: one page of small items says little of the next.
		b.items = max(1, min(2*b.items, int(b.perSecond/pagesPerSecond/per)))
	}
	return err
}
