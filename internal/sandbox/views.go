package sandbox

// views keeps lists as they were last filtered and sorted, until a record of the
// store changes: a page of a long list costs no more than its own records.
type views map[string]any

// viewsMost bounds the kept lists of a store.
const viewsMost = 8

// view gives the list called name, made anew where it is not kept. The caller
// holds the store's lock, and does not change what it gets.
func view[T any](v views, name string, anew func() []T) []T {
	if kept, ok := v[name].([]T); ok {
		return kept
	}
	if len(v) >= viewsMost {
		clear(v)
	}
	made := anew()
	v[name] = made
	return made
}
