package templates

// DataView is the records of a store.
type DataView struct {
	Head    TenantHead
	Tables  []Chip
	Search  SearchBox
	Columns []DataColumn
	Rows    []DataRow
	Pager   Pager
	Empty   *EmptyView
	Notice  *Notice // why nothing can be shown
}

// DataColumn is a column of a list of records.
type DataColumn struct {
	Name string
	Num  bool
}

// DataRow is a record in a list.
type DataRow struct {
	Href  string
	Cells []DataCell
}

// DataCell is one value: a time, or a text.
type DataCell struct {
	Label, Text string
	Time        *Moment
	Num         bool
}

// RecordView is one record, beside the documents it came from.
type RecordView struct {
	Head      TenantHead
	Title     string
	Note      string
	Back      string
	BackLabel string
	Rejects   []RejectRow // of this record, that are open
	Facts     []Fact
	Notice    *Notice
	Fields    []Fact
	Blank     string // the names of the columns that are empty
	Documents []PayloadView
	Empty     *EmptyView // no document is kept
}
