package ledger

import (
	"bytes"
	"path/filepath"
	"slices"
	"testing"
)

// TestDeliveriesGoOnBehindATornTail: a writer that was killed at a block is
// followed by another, and nothing is damaged.
func TestDeliveriesGoOnBehindATornTail(t *testing.T) {
	dir := writeDeliveries(t, 300)
	edit(t, filepath.Join(dir, deliveriesFile), func(b []byte) []byte { return b[:bytes.LastIndex(b, []byte(blockMagic))-10] })
	d, err := CreateDeliveries(dir)
	if err != nil {
		t.Fatal(err)
	}
	d.Committed(commit(1000))
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := ReadDeliveries(dir)
	if err != nil || !l.Ended() || len(l.Problems()) > 0 {
		t.Fatal(err, l.Problems())
	}
	if n := len(slices.Collect(l.Commits())); n != 201 {
		t.Errorf("%d commits, want those of the two whole blocks and the new one", n)
	}
}
