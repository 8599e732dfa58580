package ledger

import (
	"bufio"
	"slices"

	"github.com/parquet-go/parquet-go"
)

// parquetBatch is how many rows are handed over at once, and rowGroup how many
// lie in one group, the unit that readers skip by: the writer holds one in
// memory, compressed, which is about 10 MB.
const (
	parquetBatch = 1024
	rowGroup     = 1 << 18
)

// parquetSink writes Parquet that every reader knows: pages of the first
// version, plain or dictionary encoding, zstd.
// https://docs.aws.amazon.com/athena/latest/ug/compression-formats.html
type parquetSink struct {
	w    *parquet.GenericWriter[any]
	rows []parquet.Row
	n    int
}

func newParquetSink(out *bufio.Writer) *parquetSink {
	s := &parquetSink{
		w: parquet.NewGenericWriter[any](out, parquet.NewSchema("requests", newColumnGroup()), parquet.Compression(&parquet.Zstd),
			parquet.MaxRowsPerRowGroup(rowGroup), parquet.DataPageVersion(1), parquet.CreatedBy("ackproof", "", "")),
		rows: make([]parquet.Row, parquetBatch),
	}
	for i := range s.rows {
		s.rows[i] = make(parquet.Row, len(columns))
	}
	return s
}

// columnGroup is the root of the schema: the library's own kind of group sorts
// its fields by name.
type columnGroup struct {
	parquet.Group
	fields []parquet.Field
}

// Fields gives the columns in their order.
func (g *columnGroup) Fields() []parquet.Field { return g.fields }

func newColumnGroup() *columnGroup {
	g := &columnGroup{Group: parquet.Group{}}
	order := map[string]int{}
	for i, c := range columns {
		node := map[Kind]parquet.Node{
			KindInteger: parquet.Int(64), KindNumber: parquet.Leaf(parquet.DoubleType), KindText: parquet.Encoded(parquet.String(), &parquet.RLEDictionary),
			KindBool: parquet.Leaf(parquet.BooleanType), KindTime: parquet.Timestamp(parquet.Microsecond),
		}[c.Kind]
		if c.Name == "id" || c.Name == "sequence" { // no two are the same: a dictionary would hold them all
			node = parquet.String()
		}
		g.Group[c.Name], order[c.Name] = parquet.Optional(node), i
	}
	g.fields = g.Group.Fields()
	slices.SortFunc(g.fields, func(a, b parquet.Field) int { return order[a.Name()] - order[b.Name()] })
	return g
}

func (s *parquetSink) write(r *Row) (bool, error) {
	row := s.rows[s.n]
	for i := range columns {
		row[i] = parquetValue(columns[i].Kind, columns[i].value(r), i)
	}
	if s.n++; s.n < len(s.rows) {
		return true, nil
	}
	return true, s.flush()
}

func parquetValue(k Kind, c cell, column int) parquet.Value {
	var v parquet.Value
	switch {
	case c.null:
		return v.Level(0, 0, column)
	case k == KindText:
		v = parquet.ByteArrayValue([]byte(c.s))
	case k == KindNumber:
		v = parquet.DoubleValue(c.f)
	case k == KindBool:
		v = parquet.BooleanValue(c.i != 0)
	default:
		v = parquet.Int64Value(c.i)
	}
	return v.Level(0, 1, column)
}

func (s *parquetSink) flush() error {
	_, err := s.w.WriteRows(s.rows[:s.n])
	s.n = 0
	return err
}

func (s *parquetSink) close() error {
	if err := s.flush(); err != nil {
		return err
	}
	return s.w.Close()
}
