package templates

// TenantsView is the list of stores.
type TenantsView struct {
	Chips  []Chip
	Search SearchBox
	Rows   []TenantRow
	Pager  Pager
	Empty  *EmptyView
	Bulk   *BulkBar // nil: no row can be ticked
}

// TenantRow is a store in the list.
type TenantRow struct {
	ID                 string
	Href, Name, Domain string
	Merchant           string
	Kind, Status       string
	Note               string // beside the status: by an uninstall, grant lost
	Records            string
	LastEvent, Since   Moment
	Plan               string
}
